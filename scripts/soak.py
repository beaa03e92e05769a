"""A long run of `smolvlm serve` at saturation: good and bad requests, clients that leave or are slow, restarts.

    cargo build --release
    python scripts/soak.py [--minutes 60] [--life 20] [--clients 24] [--program target/release/smolvlm] [--model nano]

What each good request is answered alone is asked first, one by one. Then so many clients ask at once, at random: known
requests, whole or streamed, whose answers must be those; requests that must be refused with their status and an error in
OpenAI's form; streams that are left in the middle; bodies that come byte by byte; connections that say nothing. Each life of
the server ends by SIGTERM while clients ask: it must end by itself, with status 0. Its memory, once warm (a fifth of a life, with
small caches), may grow by at most 2 %. Prints a line a minute, and writes benches/raw/soak.json. Needs Python alone.
"""

import argparse
import asyncio
import base64
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WARM = 0.2
GROWTH = 1.02
QUESTIONS = ["What is in the picture?", "How many things are there?", "What colour is it?", "Name the shape."]
TEXTS = ["Hello", "What can you do?", "Who are you?", "Tell me about dogs.", "What is two and two?"]


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "smolvlm")
    ap.add_argument("--model", default="nano")
    ap.add_argument("--minutes", type=float, default=60)
    ap.add_argument("--life", type=float, default=20, help="minutes between restarts")
    ap.add_argument("--clients", type=int, default=24)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--out", type=Path, default=ROOT / "benches" / "raw" / "soak.json")
    return ap.parse_args()


def chat(content, **more):
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 24, "temperature": 0, **more}


def picture(data, question):
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    return [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question}]


def good(program, folder):
    """Requests whose answers are known: greedy ones, drawn ones with a seed, about texts and about drawn pictures."""
    subprocess.run([program, "synth", "-o", folder / "drawn", "--skills", "single,scenes", "--count", "12"], check=True,
                   capture_output=True)
    bodies = [chat(text) for text in TEXTS] + [chat(text, temperature=1, seed=7) for text in TEXTS]
    for place, file in enumerate(sorted((folder / "drawn").rglob("*.png"))):
        question = picture(file.read_bytes(), QUESTIONS[place % len(QUESTIONS)])
        bodies += [chat(question), chat(question, temperature=0.8, seed=place)]
    return bodies


def bad():
    """Bodies that must be refused, with the statuses that may be given."""
    deep = b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    of = lambda **body: json.dumps(body).encode()
    text = [{"role": "user", "content": "Hello"}]
    return [
        (b"", {400}), (b"{", {400}), (b"[]", {400, 422}), (b"\xff\xfe", {400}), (deep, {400, 413}),
        (of(messages=[]), {400}), (of(messages="x"), {400}), (of(messages=text, max_tokens=-1), {400}),
        (of(messages=text, temperature="hot"), {400}), (of(messages=text, n=10**9), {400}),
        (of(messages=text, tools=[{"type": "function", "function": {"name": "f"}}]), {400}),
        (of(messages=text, nonsense=1), {400}), (of(messages=text, stop=["x"] * 10_000), {400}),
        (of(messages=[{"role": "user", "content": picture(b"no picture", "What?")}]), {400}),
        (of(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,%%"}}]}]),
         {400}),
        (of(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}]}]),
         {400, 403}),
        (of(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]),
         {400, 403}),
    ]


class Server:
    def __init__(self, args):
        # Caches so small that they are full when the memory is warm.
        self.process = subprocess.Popen([str(args.program), "serve", "-m", args.model, "--port", "0",
                                         "--prefix-cache", "8", "--picture-cache", "1"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        found = re.search(r"http://[^:]+:(\d+)", self.process.stdout.readline().decode())
        self.port = int(found.group(1))

    def resident(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024

    async def stop(self):
        """Its status, once it has ended by itself."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.get_running_loop().run_in_executor(None, self.process.wait, 120)


def head(body, port, path="/v1/chat/completions"):
    return (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode()


async def ask(port, body, pause=None):
    """The status, the headers and the body of an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        data = head(body, port) + body
        if pause is None:
            writer.write(data)
        else:
            for byte in data:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(pause)
        try:
            await writer.drain()
        except ConnectionError:
            pass  # it answers without reading all: the answer is there
        answer = await reader.read()
    finally:
        writer.close()
    top, _, rest = answer.partition(b"\r\n\r\n")
    if not top:
        return 0, b"", b""
    if b"transfer-encoding: chunked" in top.lower():
        rest = unchunked(rest)
    return int(top.split(b" ", 2)[1]), top, rest


def unchunked(data):
    out = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        size = int(size, 16)
        out, data = out + data[:size], data[size + 2:]
    return out


def streamed(data):
    """The text of a stream's pieces."""
    pieces = [json.loads(line[6:]) for line in data.decode().split("\n") if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for piece in pieces for choice in piece["choices"])


class Soak:
    def __init__(self, args, known):
        self.known, self.bad, self.random = known, bad(), random.Random(args.seed)
        self.counts, self.faults, self.stopping, self.server = Counter(), [], False, None

    def fault(self, what, detail):
        self.faults.append(f"{what}: {detail}"[:500])
        print("FAULT", self.faults[-1], flush=True)

    async def client(self):
        kinds = [self.whole, self.stream, self.refused, self.leave, self.slow, self.silent]
        while not self.stopping:
            kind = self.random.choices(kinds, weights=[5, 5, 4, 3, 0.3, 0.3])[0]
            try:
                await kind(self.server.port)
                self.counts[kind.__name__] += 1
            except (ConnectionError, asyncio.IncompleteReadError, ValueError, KeyError, IndexError) as error:
                if not self.stopping:
                    self.fault(kind.__name__, repr(error))

    def busy(self, status, top):
        if status == 503 and b"retry-after" in top.lower():
            self.counts["busy"] += 1
            return True
        return self.stopping and status in (0, 503)

    def same(self, kind, text, expected):
        if text != expected:
            self.fault(kind, f"answered {text!r}, alone {expected!r}")

    async def whole(self, port):
        body, expected = self.random.choice(self.known)
        status, top, rest = await ask(port, json.dumps(body).encode())
        if self.busy(status, top):
            await asyncio.sleep(0.2)
        elif status != 200:
            self.fault("whole", f"{status} {rest[:300]}")
        elif not self.stopping:
            self.same("whole", json.loads(rest)["choices"][0]["message"]["content"], expected)

    async def stream(self, port):
        body, expected = self.random.choice(self.known)
        status, top, rest = await ask(port, json.dumps({**body, "stream": True}).encode())
        if self.busy(status, top):
            await asyncio.sleep(0.2)
        elif status != 200:
            self.fault("stream", f"{status} {rest[:300]}")
        elif not self.stopping:
            self.same("stream", streamed(rest), expected)

    async def refused(self, port):
        body, statuses = self.random.choice(self.bad)
        status, top, rest = await ask(port, body)
        if self.stopping or self.busy(status, top):
            return
        if status not in statuses or not json.loads(rest)["error"]["message"]:
            self.fault("refused", f"{body[:100]!r} gave {status} {rest[:300]!r}")

    async def leave(self, port):
        body, _ = self.random.choice(self.known)
        data = json.dumps({**body, "stream": True, "max_tokens": 200}).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head(data, port) + data)
        await reader.read(self.random.choice([1, 300]))
        writer.close()

    async def slow(self, port):
        await ask(port, json.dumps(self.known[0][0]).encode(), pause=0.01)

    async def silent(self, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(self.random.uniform(0.5, 5))
        writer.close()


async def life(args, soak, minutes, report):
    """One life of the server, from its start to its end."""
    soak.stopping, soak.server = False, Server(args)
    clients = [asyncio.create_task(soak.client()) for _ in range(args.clients)]
    start, memory = time.monotonic(), []
    while (past := time.monotonic() - start) < minutes * 60:
        await asyncio.sleep(min(5, max(0.1, minutes * 60 - past)))
        memory.append((round(past), soak.server.resident()))
        if len(memory) % 12 == 0:
            print(f"{past / 60:5.1f} min {memory[-1][1] / 1e6:7.1f} MB {dict(soak.counts)}", flush=True)
        if soak.server.process.poll() is not None:
            return soak.fault("life", f"the server ended with {soak.server.process.returncode}")
    soak.stopping = True
    status = await soak.server.stop()
    await asyncio.gather(*clients)
    if status != 0:
        soak.fault("life", f"ended with {status}")
    # The largest of the warm-up's last part, and of the end.
    warm = [size for past, size in memory if past <= WARM * minutes * 60]
    growth = max(size for _, size in memory[-5:]) / max(warm[-5:])
    if growth > GROWTH:
        soak.fault("life", f"memory grew to {growth:.3f} of what it was when warm")
    report["lives"].append({"minutes": minutes, "growth": growth, "status": status, "memory": memory})


async def main():
    args = arguments()
    report = {"model": args.model, "clients": args.clients, "lives": []}
    with tempfile.TemporaryDirectory() as name:
        alone = Server(args)
        known = []
        for body in good(args.program, Path(name)):
            status, _, rest = await ask(alone.port, json.dumps(body).encode())
            assert status == 200, rest
            known.append((body, json.loads(rest)["choices"][0]["message"]["content"]))
        assert await alone.stop() == 0
    soak, left = Soak(args, known), args.minutes
    while left > 0 and not soak.faults:
        await life(args, soak, min(args.life, left), report)
        left -= args.life
    report |= {"counts": dict(soak.counts), "faults": soak.faults}
    args.out.write_text(json.dumps(report) + "\n")
    growths = ", ".join(f"{life['growth']:.3f}" for life in report["lives"])
    print(f"{sum(soak.counts.values())} requests, {len(soak.faults)} faults; memory at the end of each life: {growths}")
    sys.exit(1 if soak.faults else 0)


if __name__ == "__main__":
    asyncio.run(main())
