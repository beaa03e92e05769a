"""Packing beside padding: steps of training on samples of mixed length, the same samples in the same order.

    cargo build --release -p smolvlm
    python benches/packing.py [--program target/release/smolvlm] [--rounds 3] [--modes lora,full]

A random model of some 29M parameters (`smolvlm new`) learns chats whose lengths are drawn evenly by their logarithm, from
`--shortest` to `--longest` words; every fourth shows a picture. The tower is frozen and its features are kept, so that
the decoder's work is compared. `blocks` puts the samples of a step side by side in passes of up to --pack-tokens tokens;
`pad` makes each as long as the step's longest. Both have the same losses, which is checked.

The sides take turns, round after round. A side's figure is the median of its steps behind the first, over all rounds:
seconds, and the samples' own tokens (no padding) a second. Raw times go to benches/raw/packing.json. Needs Python alone.
"""

import argparse
import json
import math
import random
import statistics
import subprocess
import tempfile
from pathlib import Path

from machine import machine

ROOT = Path(__file__).resolve().parent.parent
SHAPE = """\
scale_factor = 4
tied = false
[vision]
hidden = 256
intermediate = 1024
layers = 4
heads = 4
image_size = 256
patch_size = 16
[text]
hidden = 384
intermediate = 1024
layers = 8
heads = 6
kv_heads = 2
vocab = 16384
"""
WORDS = "licensed under the terms below this work may be used copied changed and given to others by anyone".split()
SIDES = ("blocks", "pad")


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", type=Path, default=ROOT / "target" / "release" / "smolvlm")
    ap.add_argument("--modes", default="lora,full")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--steps", type=int, default=6, help="of each run; the first is not counted")
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--shortest", type=int, default=8, help="words")
    ap.add_argument("--longest", type=int, default=320, help="words")
    ap.add_argument("--pack-tokens", type=int, default=2048)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--out", type=Path, default=ROOT / "benches" / "raw" / "packing.json")
    return ap.parse_args()


def write_samples(path, args):
    draw = random.Random(0)
    low, high = math.log(args.shortest), math.log(args.longest)
    rows = []
    for number in range(args.steps * args.batch):
        count = round(math.exp(draw.uniform(low, high)))
        shows = [{"type": "image"}] if number % 4 == 0 else []
        rows.append({
            "messages": [
                {"role": "user", "content": [*shows, {"type": "text", "text": "Read."}]},
                {"role": "assistant", "content": " ".join(draw.choice(WORDS) for _ in range(count))},
            ],
            "images": [str(ROOT / "golden" / "images" / "square.png") for _ in shows],
        })
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def call(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


def train(args, folder, mode, side, number):
    """The steps of a run, as its log has them, and its peak memory."""
    out = folder / f"{mode}-{side}-{number}"
    words = ["train", "-m", folder / "model", "--data", folder / "data.jsonl", "-o", out, "--packing", side,
             "--pack-tokens", args.pack_tokens, "--batch", args.batch, "--steps", args.steps, "--length", 8192,
             "--lr-vision", 0, "--lr", 1e-4, "--save-every", 0, "--threads", args.threads, "--json"]
    words += ["--lora", 8, "--targets", r".*text_model.*_proj"] if mode == "lora" else ["--lr-connector", 0]
    done = json.loads(call(args.program, *words))
    assert done["skipped"] == 0, done
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "step"], done["peak_rss"]


def compare(args, folder, mode):
    runs = {side: [] for side in SIDES}
    peaks = dict.fromkeys(SIDES, 0)
    for number in range(args.rounds):
        for side in SIDES:
            steps, peak = train(args, folder, mode, side, number)
            runs[side].append(steps)
            peaks[side] = max(peaks[side], peak)
    # bf16 sums in other places round otherwise, a little more from step to step.
    for ours, theirs in zip(runs["blocks"][0], runs["pad"][0], strict=True):
        assert ours["tokens"] == theirs["tokens"] and abs(ours["loss"] / theirs["loss"] - 1) < 1e-2, (ours, theirs)
    figures = {}
    for side in SIDES:
        steps = [step for run in runs[side] for step in run[1:]]
        figures[side] = {
            "seconds": [step["seconds"] for step in steps], "tokens": [step["tokens"] for step in steps],
            "step": statistics.median(step["seconds"] for step in steps),
            "speed": statistics.median(step["tokens"] / step["seconds"] for step in steps), "peak": peaks[side],
        }
    for side in SIDES:
        of = figures[side]
        print(f"{mode:5} {side:7} {of['step']:7.2f} s a step  {of['speed']:8.0f} tokens/s  {of['peak'] / 1e9:5.2f} GB"
              f"  {of['speed'] / figures['pad']['speed']:5.2f} times padding's speed", flush=True)
    return figures


def main():
    args = arguments()
    results = {"machine": machine(), **{
        name: getattr(args, name) for name in ("threads", "batch", "pack_tokens", "shortest", "longest", "rounds")}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "shape.toml").write_text(SHAPE)
        print(call(args.program, "new", "--shape", folder / "shape.toml", "--tokenizer",
                   ROOT / "golden" / "idefics3-256m", "-o", folder / "model").replace(str(folder), "").strip())
        write_samples(folder / "data.jsonl", args)
        for mode in args.modes.split(","):
            results[mode] = compare(args, folder, mode)
    args.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
