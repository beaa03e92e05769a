"""What PyTorch's gradients are in golden cases: golden/MODEL/gradients.safetensors.

    pip install torch transformers safetensors
    python scripts/make_gradients.py golden/idefics3-256m golden/idefics3-2b golden/smolvlm2 golden/wide

For the cases `two` and `text` of each model, from the case's own tokens and pixels: the mean cross-entropy of every next
token that is no picture's, and of every parameter's gradient 64 numbers at places (i * 2654435761) mod n, its largest
absolute value and its norm: `CASE/NAME` f32 [66]. `CASE/bf16/NAME` is the same of the model in bfloat16 (rotary frequencies
in float32), `CASE/loss` and `CASE/bf16/loss` the losses.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText


def gradients(model, ids, pixels):
    model.zero_grad(set_to_none=True)
    inputs = {"input_ids": ids}
    if pixels is not None:
        values = (pixels.float() / 255 - 0.5) / 0.5
        inputs["pixel_values"] = values[None].to(model.dtype)
        inputs["pixel_attention_mask"] = torch.ones(1, *pixels.shape[:1], *pixels.shape[2:], dtype=torch.bool)
    logits = model(**inputs).logits[0, :-1].float()
    targets = ids[0, 1:].clone()
    targets[targets == model.config.image_token_id] = -100
    loss = torch.nn.functional.cross_entropy(logits, targets)
    loss.backward()
    out = {"loss": loss.detach().float().reshape(1)}
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        grad = parameter.grad.float().flatten()
        places = torch.tensor([i * 2654435761 % grad.numel() for i in range(64)])
        out[name] = torch.cat([grad[places], grad.abs().max()[None], grad.norm()[None]])
    return out


for folder in map(Path, sys.argv[1:]):
    out = {}
    for dtype in (torch.float32, torch.bfloat16):
        model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
        for case in ("two", "text"):
            tensors = load_file(folder / "cases" / f"{case}.safetensors")
            ids = torch.tensor([json.loads((folder / "cases" / f"{case}.json").read_text())["input_ids"]])
            prefix = case if dtype == torch.float32 else f"{case}/bf16"
            for name, value in gradients(model, ids, tensors.get("pixels")).items():
                out[f"{prefix}/{name}"] = value.contiguous()
    save_file(out, folder / "gradients.safetensors")
    print(folder, len(out), "entries")
