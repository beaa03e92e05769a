"""Trains nano's first steps again and compares the losses with those that were logged.

    cargo build --release -p smolvlm
    scripts/get-drawings.sh
    SMOLVLM_SYNTH=data/synth python scripts/nano_again.py [--steps 500]

A new model with the built-in tokenizer, and the recipe's first stage (crates/nano/recipe): losses must be those of
crates/nano/recipe/losses.txt, bit for bit on processors of the same instructions, within 1 % on others.
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
    return parser.parse_args()


def call(*words):
    subprocess.run([str(word) for word in words], cwd=ROOT, check=True)


def losses(args, work):
    call(args.program, "new", "--shape", NANO / "recipe" / "shape.toml", "--tokenizer", NANO / "model", "--seed", 1,
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
