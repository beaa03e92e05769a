"""nano's beginning in PyTorch: the same network, tokens and steps as `smolvlm train`, both timed.

    cargo build --release -p smolvlm
    cargo build --release -p smolvlm-train --example steps
    scripts/get-drawings.sh
    pip install torch transformers safetensors
    SMOLVLM_SYNTH=data/synth python scripts/nano_in_pytorch.py

Both begin with the same new checkpoint of nano's shape and learn the samples of crates/nano/recipe/1.toml in f32 with
AdamW (the recipe's Muon and its loss of words are left out: PyTorch's loop is then what anybody would write). Ours packs
samples into passes without padding; PyTorch takes a step's samples as one padded batch. Our steps are exported by
crates/train/examples/steps.rs, so that PyTorch's time holds no drawing of pictures; ours does.

After the steps PyTorch scores both programs' weights on the same new samples. Prints a table, writes
benches/raw/nano-in-pytorch.json, and exits with 1 where the losses differ by more than 2 %.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from curves import call, logged

ROOT = Path(__file__).resolve().parent.parent
NANO = ROOT / "crates" / "nano"
RATE, WARMUP, DECAY, CLIP, BETAS, EPS = 1e-3, 40, 0.05, 1.0, (0.9, 0.98), 1e-8
BOUND = 0.02
RUN = """\
model = "{start}"
seed = {seed}
dtype = "f32"

[data]
packing = "blocks"
pack_tokens = 2048
length = 1024
max_edge = 96
sources = [{{ path = "{source}" }}]

[checkpoints]
every = 0

[cache]
limit_mib = 0

[[stages]]
steps = {steps}
batch = {batch}
lr = {rate}
schedule = "constant"
warmup = {warmup}
betas = [{betas[0]}, {betas[1]}]
eps = {eps}
weight_decay = {decay}
clip = {clip}
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--validation", type=int, default=512, help="samples that both are scored on")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--program", default=ROOT / "target" / "release" / "smolvlm", type=Path)
    parser.add_argument("--exporter", type=Path, help="the example `steps` [default: examples/steps beside the program]")
    parser.add_argument("--work", type=Path, help="where data and runs are kept [default: a folder that is removed]")
    args = parser.parse_args()
    args.exporter = args.exporter or args.program.parent / "examples" / "steps"
    return args


def source():
    """What the recipe's first stage learns from."""
    lines = (NANO / "recipe" / "1.toml").read_text().splitlines()
    return next(line.split('"')[1] for line in lines if line.startswith("path"))


def exported(args, work, name, seed, steps, batch):
    """A run's file, what its steps learn (ids, labels and pixels of each, padded), and how many tokens they have."""
    run = work / f"{name}.toml"
    run.write_text(RUN.format(start=work / "start", seed=seed, source=source(), steps=steps, batch=batch, rate=RATE,
                              warmup=float(WARMUP), betas=BETAS, eps=EPS, decay=DECAY, clip=CLIP))
    files = work / f"{name}.json", work / f"{name}.safetensors"
    call(args.exporter, run, *files)
    tiles = load_file(files[1])
    samples = [step["sequences"] for step in json.loads(files[0].read_text())["steps"]]
    tokens = sum(len(sequence["ids"]) for step in samples for sequence in step)
    return run, [padded(step, tiles) for step in samples], tokens


def padded(sequences, tiles):
    longest = max(len(sequence["ids"]) for sequence in sequences)
    ids, labels = (torch.full((len(sequences), longest), value) for value in (0, -100))
    for row, sequence in enumerate(sequences):
        ids[row, :len(sequence["ids"])] = torch.tensor(sequence["ids"])
        labels[row, :len(sequence["ids"])] = torch.tensor(sequence["labels"])
    labels[:, 0] = -100
    return ids, labels, torch.stack([tiles[sequence["pixels"]] for sequence in sequences])


def load(folder):
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")


def loss_sum(model, step):
    """The sum of the labels' cross-entropies. A padded row's end is seen by nothing: attention is causal."""
    ids, labels, tiles = step
    pixels = (tiles.float() / 255 - 0.5) / 0.5
    mask = torch.ones(*tiles.shape[:2], *tiles.shape[3:], dtype=torch.bool)
    logits = model(input_ids=ids, pixel_values=pixels, pixel_attention_mask=mask, use_cache=False).logits[:, :-1]
    wanted = labels[:, 1:]
    learnt = wanted != -100
    return torch.nn.functional.cross_entropy(logits[learnt].float(), wanted[learnt], reduction="sum"), int(learnt.sum())


def theirs(args, work, steps):
    """PyTorch's weights after the steps, its losses and its seconds."""
    model = load(work / "start").train()
    trained = list(model.parameters())
    optimiser = torch.optim.AdamW(
        [{"params": [p for p in trained if p.ndim > 1], "weight_decay": DECAY},
         {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0}], lr=RATE, betas=BETAS, eps=EPS, fused=True)
    losses, seconds = [], []
    for number, step in enumerate(steps):
        start = time.perf_counter()
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, number / WARMUP)
        total, learnt = loss_sum(model, step)
        loss = total / learnt
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, CLIP)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
        if (number + 1) % 100 == 0:
            print(f"PyTorch, step {number + 1}: {sum(losses[-100:]) / 100:.4f}", file=sys.stderr, flush=True)
    return model, losses, seconds


def ours(args, work, run):
    out = work / "ours"
    call(args.program, "train", "--config", run, "-o", out, "--threads", args.threads)
    steps = logged(out)
    return load(out / "latest"), [step["loss"] for step in steps], [step["seconds"] for step in steps]


@torch.no_grad()
def score(model, steps):
    """The mean loss over all labels."""
    sums = [loss_sum(model.eval(), tuple(part[at:at + 64] for part in step)) for step in steps
            for at in range(0, len(step[0]), 64)]
    return float(sum(total for total, _ in sums)) / sum(learnt for _, learnt in sums)


def compare(args, work):
    torch.set_num_threads(args.threads)
    call(args.program, "new", "--shape", NANO / "recipe" / "shape.toml", "--tokenizer", NANO / "model", "--seed", 1,
         "--dtype", "f32", "-o", work / "start")
    run, steps, tokens = exported(args, work, "run", 1, args.steps, args.batch)
    _, validation, _ = exported(args, work, "validation", 4711, 1, args.validation)
    sides = {}
    for name, side in {"smolvlm": lambda: ours(args, work, run), "PyTorch": lambda: theirs(args, work, steps)}.items():
        model, losses, seconds = side()
        sides[name] = {"validation": score(model, validation), "tokens_per_second": tokens / sum(seconds),
                       "losses": losses, "seconds": seconds}
    return sides


def report(args, sides):
    (mine, other) = sides["smolvlm"], sides["PyTorch"]
    for name, side in sides.items():
        print(f"{name:8} validation loss {side['validation']:.4f}, {side['tokens_per_second']:.0f} tokens/s")
    apart = abs(mine["validation"] / other["validation"] - 1)
    print(f"losses {100 * apart:.2f} % apart; {mine['tokens_per_second'] / other['tokens_per_second']:.2f} times the tokens/s")
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    record = {"cpu": cpu, "threads": args.threads, "steps": args.steps, "batch": args.batch,
              "torch": torch.__version__, "transformers": transformers.__version__, **sides}
    (ROOT / "benches" / "raw" / "nano-in-pytorch.json").write_text(json.dumps(record) + "\n")
    return apart <= BOUND


if __name__ == "__main__":
    args = arguments()
    with tempfile.TemporaryDirectory() as removed:
        work = (args.work or Path(removed)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        good = report(args, compare(args, work))
    sys.exit(0 if good else 1)
