"""Chats with a server, one, four and sixteen at a time; beside llama.cpp's server of the same weights.

    scripts/make-smollm2.sh
    cargo build --release
    python benches/serving.py --llama BIN/llama-server [--rounds 5] [--chats 1,4,16] [--tokens 64]

`smolvlm serve` answers in bfloat16, llama.cpp's server in F16 of the file that `smolvlm convert` writes, both on two threads
with sixteen places; their rounds alternate. In a round so many clients ask at the same time, each again when it is answered,
`--each` times in all; every question is another, so that no beginning is known but the chat's own. Measured are the tokens
of all answers over the round's seconds, and the seconds from a question to its first token. Without --llama ours is measured
alone; `--model nano` asks about drawn pictures. The middle of all rounds is printed, raw rounds go to
benches/raw/serving.json. Needs Python alone.
"""

import argparse
import asyncio
import base64
import json
import random
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from machine import machine

ROOT = Path(__file__).resolve().parent.parent
TOPICS = ("rivers bridges bread clocks winter glass horses paper islands salt ships wool maps stars apples bells iron rain "
          "markets forests letters candles silk mills harbours").split()
ASK = "Write a long story about {} and {}. Tell it slowly, with many details."


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "smolvlm")
    ap.add_argument("--model", default=str(ROOT / "models" / "smollm2-256m"))
    ap.add_argument("--llama", type=Path, help="llama.cpp's llama-server")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--chats", default="1,4,16")
    ap.add_argument("--each", type=int, default=2, help="questions of a client in a round")
    ap.add_argument("--tokens", type=int, default=64)
    ap.add_argument("--out", type=Path, default=ROOT / "benches" / "raw" / "serving.json")
    return ap.parse_args()


class Server:
    """A server's process, and the port that it listens on."""

    def __init__(self, name, words, says):
        self.name = name
        self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in self.process.stdout:
            if found := re.search(says, line.decode(errors="replace")):
                self.port = int(found.group(1))
                break
        else:
            raise SystemExit(f"{name} ended before it listened")
        # What it says later is nobody's, but must not fill the pipe.
        asyncio.get_running_loop().run_in_executor(None, self.process.stdout.read)

    def peak_mb(self):
        status = Path(f"/proc/{self.process.pid}/status")
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text()).group(1)) / 1e3 if status.exists() else None


async def chat(port, body):
    """An answer's tokens, and the seconds to its first and its last."""
    start = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n" \
           f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + data)
    first, tokens, status = None, None, (await reader.readline()).decode().strip()
    if " 200 " not in status + " ":
        raise SystemExit(f"port {port}: {status}: {(await reader.read()).decode(errors='replace')[-500:]}")
    while line := await reader.readline():
        if not line.startswith(b"data: {"):
            continue
        chunk = json.loads(line[6:])
        if first is None and any(choice["delta"].get("content") for choice in chunk.get("choices", [])):
            first = time.perf_counter() - start
        if chunk.get("usage"):
            tokens = chunk["usage"]["completion_tokens"]
    writer.close()
    return tokens, first if first is not None else time.perf_counter() - start, time.perf_counter() - start


async def one_round(server, clients, args, questions):
    """All answers of a round, as (tokens, first, last), and its seconds."""
    async def client():
        return [await chat(server.port, {"messages": next(questions), "max_tokens": args.tokens, "temperature": 0,
                                         "stream": True, "stream_options": {"include_usage": True}})
                for _ in range(args.each)]
    start = time.perf_counter()
    answers = [answer for of_one in await asyncio.gather(*[client() for _ in range(clients)]) for answer in of_one]
    return answers, time.perf_counter() - start


def texts(seed):
    """Questions, each another."""
    source = random.Random(seed)
    while True:
        yield [{"role": "user", "content": ASK.format(*source.sample(TOPICS, 2))}]


def pictures(program, folder):
    """Questions about drawn pictures, each another."""
    subprocess.run([program, "synth", "-o", folder / "drawn", "--skills", "single,count", "--count", "2000"], check=True,
                   capture_output=True)
    for line in (folder / "drawn" / "data.jsonl").read_text().splitlines():
        sample = json.loads(line)
        data = base64.b64encode((folder / "drawn" / sample["images"][0]).read_bytes()).decode()
        yield [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
            {"type": "text", "text": sample["messages"][0]["content"]}]}]


def part(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def summary(rounds):
    speeds = [sum(answer[0] for answer in answers) / seconds for answers, seconds in rounds]
    firsts = [answer[1] for answers, _ in rounds for answer in answers]
    return {"tokens_per_s": statistics.median(speeds), "first_p50": part(firsts, 0.5), "first_p99": part(firsts, 0.99)}


async def measured(args, folder):
    servers = [Server("smolvlm", [args.program, "serve", "-m", args.model, "--port", "0", "-t", "2"],
                      r"listening on http://[^:]+:(\d+)")]
    if args.llama:
        file = folder / "model.gguf"
        subprocess.run([args.program, "convert", "-m", args.model, "-o", file, "--type", "f16"], check=True,
                       capture_output=True)
        port = 18080 + random.randrange(1000)
        servers.append(Server("llama.cpp", [args.llama, "-m", file, "--port", port, "-t", 2, "-tb", 2, "-np", 16, "-c",
                                            16 * 1024, "--no-webui"], r"listening on http://[^:]+:(\d+)"))
    report = {"machine": machine(), "model": Path(args.model).name, "tokens": args.tokens, "each": args.each, "chats": {}}
    try:
        of_pictures = args.model == "nano"
        questions = {server.name: pictures(args.program, folder) if of_pictures else texts(7) for server in servers}
        for server in servers:
            await one_round(server, 1, args, questions[server.name])
        for clients in map(int, args.chats.split(",")):
            rounds = {server.name: [] for server in servers}
            for _ in range(args.rounds):
                for server in servers:
                    rounds[server.name].append(await one_round(server, clients, args, questions[server.name]))
            report["chats"][clients] = {name: {**summary(of_one), "rounds": of_one} for name, of_one in rounds.items()}
            for name in rounds:
                of_one = report["chats"][clients][name]
                print(f"{clients:3} at a time, {name:10} {of_one['tokens_per_s']:8.1f} tokens/s   first token "
                      f"{of_one['first_p50'] * 1e3:7.0f} ms (p50) {of_one['first_p99'] * 1e3:7.0f} ms (p99)", flush=True)
        report["peak_mb"] = {server.name: server.peak_mb() for server in servers}
    finally:
        for server in servers:
            server.process.kill()
    return report


def main():
    args = arguments()
    with tempfile.TemporaryDirectory() as name:
        report = asyncio.run(measured(args, Path(name)))
    all_of_them = json.loads(args.out.read_text()) if args.out.exists() else {}
    all_of_them[report["model"]] = report
    args.out.write_text(json.dumps(all_of_them, indent=1) + "\n")


if __name__ == "__main__":
    main()
