"""Trains nano's first steps again and compares the losses with those that were logged.

    cargo build --release -p smolvlm
    scripts/get-drawings.sh
    SMOLVLM_SYNTH=data/synth python scripts/nano_again.py [--steps 500]

From the first line of the recipe: a tokenizer from the drawn texts, a new model, the first stage (crates/nano/recipe). The
tokenizer must be the built-in model's byte for byte; losses must be those of crates/nano/recipe/losses.txt, bit for bit on
processors of the same instructions, within 1 % on others.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from curves import logged

ROOT = Path(__file__).resolve().parent.parent
NANO = ROOT / "crates" / "nano"
BOUND = 0.01


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--program", default=ROOT / "target" / "release" / "smolvlm", type=Path)
    parser.add_argument("--tokenizer", action="store_true", help="the built-in model's, in the place of a new one (minutes)")
    return parser.parse_args()


def call(*words):
    subprocess.run([str(word) for word in words], cwd=ROOT, check=True)


def tokenizer(args, work):
    """The recipe's tokenizer, made again by the recipe's own command."""
    if args.tokenizer:
        return NANO / "model"
    command = next(line for line in (NANO / "recipe" / "README.md").read_text().splitlines() if "smolvlm tokenizer" in line)
    data, size, samples = re.search(r'--data "(.*?)" --size (\d+) --samples (\d+)', command).groups()
    call(args.program, "tokenizer", "--data", data, "--size", size, "--samples", samples, "-o", work / "tok")
    made, kept = ((folder / "tokenizer.json").read_bytes() for folder in (work / "tok", NANO / "model"))
    if made != kept:
        sys.exit("the tokenizer is not the built-in model's")
    return work / "tok"


def losses(args, work):
    call(args.program, "new", "--shape", NANO / "recipe" / "shape.toml", "--tokenizer", tokenizer(args, work), "--seed", 1,
         "--dtype", "f32", "-o", work / "start")
    run = (NANO / "recipe" / "1.toml").read_text().replace('"nano/', f'"{work}/')
    run = re.sub(r"(?m)^steps = \d+$", f"steps = {args.steps}", run)
    (work / "1.toml").write_text(run)
    call(args.program, "train", "--config", work / "1.toml")
    return [step["loss"] for step in logged(work / "1")]


def main():
    args = arguments()
    with tempfile.TemporaryDirectory() as work:
        made = losses(args, Path(work))
    logged = [float(line) for line in (NANO / "recipe" / "losses.txt").read_text().split()][:args.steps]
    if len(made) != len(logged):
        sys.exit(f"{len(made)} steps, and {len(logged)} losses to compare with")
    apart = [abs(a / b - 1) for a, b in zip(made, logged)]
    same = sum(a == b for a, b in zip(made, logged))
    print(f"{same} of {len(made)} losses are the logged ones, bit for bit; the largest difference is {100 * max(apart):.4f} %")
    sys.exit(0 if max(apart) <= BOUND else 1)


if __name__ == "__main__":
    main()
