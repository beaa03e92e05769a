"""Two questions about one picture: how much sooner the second has its first token.

    scripts/make-smollm2.sh
    cargo build --release
    python benches/again.py [--rounds 5] [--model models/smollm2-256m] [--program target/release/smolvlm]

Each round asks `smolvlm serve` about another picture of 1920x1080 pixels, which SmolVLM-256M cuts into 13 tiles: in a chat of
its own each time, so that the second question finds the picture's features and the chat's beginning, and nothing else. The
middle of all rounds is printed, raw rounds go to benches/raw/again.json. Needs Python alone.
"""

import argparse
import asyncio
import base64
import json
import statistics
import struct
import zlib
from pathlib import Path

from machine import machine
from serving import ROOT, Server, chat

QUESTIONS = ["What is in the picture?", "Which colours has it?"]


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "smolvlm")
    ap.add_argument("--model", default=str(ROOT / "models" / "smollm2-256m"))
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--out", type=Path, default=ROOT / "benches" / "raw" / "again.json")
    return ap.parse_args()


def picture(number, width=1920, height=1080):
    """A PNG of slanted stripes, another for each number."""
    row = bytes(value for x in range(width + height) for value in (x * (number + 3) % 256, x // 9 % 256, 40 * number % 256))
    rows = b"".join(b"\0" + row[3 * y:3 * (y + width)] for y in range(height))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def asked(url, question):
    parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question}]
    return {"messages": [{"role": "user", "content": parts}], "max_tokens": 8, "temperature": 0, "stream": True,
            "stream_options": {"include_usage": True}}


async def measured(args):
    """The seconds to the first token of the first and the second question, of each round."""
    server = Server("smolvlm", [args.program, "serve", "-m", args.model, "--port", "0", "-t", "2"],
                    r"listening on http://[^:]+:(\d+)")
    try:
        rounds = []
        for number in range(args.rounds + 1):
            url = "data:image/png;base64," + base64.b64encode(picture(number)).decode()
            rounds.append([(await chat(server.port, asked(url, question)))[1] for question in QUESTIONS])
        return rounds[1:]
    finally:
        server.process.kill()


def main():
    args = arguments()
    rounds = asyncio.run(measured(args))
    first, second = (statistics.median(of_one) for of_one in zip(*rounds))
    print(f"first token after {first:.3f} s, of a second question after {second:.3f} s: {first / second:.1f} times sooner")
    report = {"machine": machine(), "model": Path(args.model).name, "first": first, "second": second, "rounds": rounds}
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
