"""The cache that `smolvlm pull` writes, read by the real huggingface_hub, and the reverse.

    cargo build --release -p smolvlm
    pip install huggingface_hub
    python scripts/check_hub.py [--program target/release/smolvlm]

A hub on loopback serves golden/idefics3-256m (as many headers and fields of the real one as either side reads). Each side
pulls into a cache of its own, and the other finds every file there offline; then the second side is pointed at the first's
cache online, and fetches nothing again. Exits with 1 where anything differs.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "golden" / "idefics3-256m"
REPO, COMMIT, LARGE = "org/tiny", "0123456789abcdef0123456789abcdef01234567", 100_000
FILES = {path.name: path.read_bytes() for path in sorted(MODEL.iterdir())
         if path.suffix in (".json", ".jinja", ".safetensors")}


def etag(body):
    if len(body) >= LARGE:
        return hashlib.sha256(body).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fetched = []

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        path = self.path.split("?")[0]
        if path.startswith(f"/api/models/{REPO}"):
            return self.send(self.listing(path), {}, with_body)
        name = path.rsplit("/", 1)[-1]
        if name not in FILES:
            return self.send(b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, with_body, 404)
        body = FILES[name]
        headers = {"ETag": f'"{etag(body)}"', "X-Repo-Commit": COMMIT}
        if len(body) >= LARGE and path.startswith(f"/{REPO}/"):
            linked = {"X-Linked-Etag": f'"{etag(body)}"', "X-Linked-Size": str(len(body)), "Location": f"/cdn/{name}"}
            return self.send(b"", headers | linked, with_body, 302)
        if with_body:
            self.fetched.append(name)
        self.send(body, headers, with_body)

    def listing(self, path):
        def sibling(name, body):
            large = len(body) >= LARGE
            lfs = {"sha256": etag(body), "size": len(body), "pointerSize": 130} if large else None
            return {"rfilename": name, "size": len(body), "blobId": etag(body) if not large else "0" * 40,
                    **({"lfs": lfs} if lfs else {})}
        def entry(name, body):
            large = len(body) >= LARGE
            lfs = {"oid": etag(body), "size": len(body), "pointerSize": 130}
            return {"type": "file", "path": name, "size": len(body), "oid": etag(body) if not large else "0" * 40,
                    **({"lfs": lfs} if large else {})}
        if "/tree/" in path:
            return json.dumps([entry(*item) for item in FILES.items()]).encode()
        return json.dumps({"id": REPO, "modelId": REPO, "sha": COMMIT, "private": False, "gated": False, "tags": [],
                           "downloads": 0, "likes": 0, "siblings": [sibling(*item) for item in FILES.items()]}).encode()

    def send(self, body, headers, with_body, status=200):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


PULL = "import sys, huggingface_hub as h; print(h.snapshot_download(sys.argv[1]))"
READ = "import sys, huggingface_hub as h; print(h.snapshot_download(sys.argv[1], local_files_only=True))"
ASK = ["run", "-m", REPO, str(ROOT / "golden" / "images" / "photo.jpg"), "What is it?", "-n", "4"]


def call(words, environment):
    done = subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout.strip()


def same(folder):
    return all((Path(folder) / name).read_bytes() == body for name, body in FILES.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target" / "release" / "smolvlm", type=Path)
    program = parser.parse_args().program.resolve()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    failed = 0

    def check(what, good):
        nonlocal failed
        failed += not good
        print(f"{'ok' if good else 'BROKEN'}: {what}", flush=True)

    with tempfile.TemporaryDirectory() as work:
        def environment(cache, offline=False):
            kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
            return kept | {"HF_HOME": f"{work}/{cache}", "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
                           "HF_HUB_DISABLE_XET": "1"} | ({"HF_HUB_OFFLINE": "1"} if offline else {})

        check("smolvlm pull brings every file", same(call([program, "pull", REPO], environment("ours"))))
        check("huggingface_hub finds them offline", same(call([sys.executable, "-c", READ, REPO], environment("ours", True))))
        before = len(Handler.fetched)
        check("and online too", same(call([sys.executable, "-c", PULL, REPO], environment("ours"))))
        check("without fetching any again", len(Handler.fetched) == before)
        check("huggingface_hub brings every file", same(call([sys.executable, "-c", PULL, REPO], environment("theirs"))))
        before = len(Handler.fetched)
        check("smolvlm pull finds them", same(call([program, "pull", REPO], environment("theirs"))))
        check("without fetching any again", len(Handler.fetched) == before)
        answers = [call([program, *ASK], environment(cache, True)) for cache in ("ours", "theirs")]
        check("both answer offline, alike", answers[0] == answers[1] != "")
        for cache in ("ours", "theirs"):
            check(f"smolvlm models --verify, {cache}", "files are whole" in
                  call([program, "models", "--verify", REPO], environment(cache, True)))
        subprocess.run(["chmod", "-R", "a-w", f"{work}/ours"], check=True)
        check("a read-only cache works", call([program, *ASK], environment("ours", True)) == answers[0])
        subprocess.run(["chmod", "-R", "u+w", f"{work}/ours"], check=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
