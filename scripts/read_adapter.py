"""What peft makes of an adapter folder that another program wrote.

    pip install torch transformers safetensors peft
    python scripts/read_adapter.py ADAPTER_DIR golden/idefics3-256m two [--against DUMP.safetensors]

Loads the adapter onto the base (float32, evaluation mode) and prints one line of JSON for the golden case: `loss`, the
mean cross-entropy of every next token that is no picture's, and `last_logits`, [4, V]. --against adds `distance`: how far
the last position's logits are from those of `smolvlm run --dump`, as a part of the largest; and `changed`, likewise from
the base's own. Fails where the folder lacks a tensor of the adapter, holds one that is none of its own, or peft reads
other numbers than the file's.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from make_adapters import inputs_of, load, loss_and_logits
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file


def distance(ours, theirs):
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("folder", type=Path)
    ap.add_argument("base", type=Path)
    ap.add_argument("case")
    ap.add_argument("--against", type=Path)
    args = ap.parse_args()
    torch.set_num_threads(1)
    inputs = inputs_of(args.base, args.case, torch.float32)
    base = load(args.base, torch.float32)
    with torch.no_grad():
        plain = loss_and_logits(base, inputs)[1]
    model = PeftModel.from_pretrained(base, args.folder).eval()
    read, kept = get_peft_model_state_dict(model), load_file(args.folder / "adapter_model.safetensors")
    if read.keys() != kept.keys():
        sys.exit(f"missing: {sorted(read.keys() - kept.keys())}, unexpected: {sorted(kept.keys() - read.keys())}")
    for name, tensor in kept.items():
        if not torch.equal(read[name], tensor.float()):
            sys.exit(f"{name}: read as other numbers")
    with torch.no_grad():
        loss, logits = loss_and_logits(model, inputs)
    out = {"loss": loss.item(), "last_logits": logits.tolist()}
    if args.against:
        ours = load_file(args.against)["last_logits"][-1]
        out |= {"distance": distance(ours, logits[-1]), "changed": distance(plain[-1], logits[-1])}
    print(json.dumps(out))


if __name__ == "__main__":
    main()
