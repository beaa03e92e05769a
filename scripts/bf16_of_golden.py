"""What the reference's own bfloat16 answers in the golden cases that came without it: golden/MODEL/bf16.safetensors.

    pip install torch transformers safetensors
    python scripts/bf16_of_golden.py golden/outliers

Weights and activations in bfloat16, the rotary frequencies in float32, as when a checkpoint is loaded so; the last four
positions' logits of each case, from the case's own tokens and pixels.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

folder = Path(sys.argv[1])
model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.bfloat16).eval()
out = {}
for path in sorted((folder / "cases").glob("*.safetensors")):
    tensors = load_file(path)
    inputs = {"input_ids": torch.tensor([json.loads(path.with_suffix(".json").read_text())["input_ids"]])}
    if "pixels" in tensors:
        pixels = (tensors["pixels"].float() / 255 - 0.5) / 0.5
        inputs["pixel_values"] = pixels[None].to(torch.bfloat16)
        inputs["pixel_attention_mask"] = torch.ones(1, *pixels.shape[:1], *pixels.shape[2:], dtype=torch.bool)
    with torch.no_grad():
        out[path.stem] = model(**inputs).logits[0, -4:].float().contiguous()
    want = tensors["last_logits"]
    print(path.stem, "differs from float32 by", ((out[path.stem] - want).abs().max() / want.abs().max()).item())
save_file(out, folder / "bf16.safetensors")
