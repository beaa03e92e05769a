"""A plain PyTorch training loop, for loss curves to compare with.

    pip install torch transformers safetensors peft
    python scripts/train_curve.py MODEL_DIR DATA.json OUT.jsonl [--mode lora --adapter DIR] [--lr 1e-4] ...

DATA.json is {"steps": [{"sequences": [{"ids": [...], "labels": [...], "pixels": NAME}]}]}: one step after the other,
each of one or more sequences that do not see each other. `labels` are as long as `ids`, label i being token i's (so
predicted from the tokens before it; the first counts for nothing), -100 where no loss is. `pixels`, where a sequence
has images, names a u8 tensor [tiles, 3, side, side] of the file --pixels.

A step's loss is the cross-entropy's sum over all its sequences by the number of their labels. No dropout. AdamW; weight
decay on parameters of two or more dimensions; a parameter without gradient (the vision tower in a step of text) keeps
its value and moments, as torch does it. The learning rate follows transformers' schedules: with warm-up the first is 0.
OUT.jsonl has a line per step: {"step": from 1, "loss": before the update, "lr": of the update, "grad_norm": unclipped}.
"""

import argparse
import json
import re

import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, get_scheduler


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--pixels", help="safetensors file")
    parser.add_argument("--mode", choices=["full", "lora"], default="full")
    parser.add_argument("--freeze", help="full: a regular expression for names whose parameters are not trained")
    parser.add_argument("--adapter", help="lora: the folder of the adapter to begin with")
    parser.add_argument("--rank", type=int, default=8, help="lora, of a new adapter")
    parser.add_argument("--alpha", type=float, default=8, help="lora, of a new adapter")
    parser.add_argument("--targets", default="q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj",
                        help="lora, of a new adapter")
    parser.add_argument("--dora", action="store_true", help="lora, of a new adapter")
    parser.add_argument("--save-start", help="lora: where to save the adapter before the first step")
    parser.add_argument("--dtype", choices=["f32", "bf16-autocast"], default="f32",
                        help="bf16-autocast: parameters in float32, products in bfloat16")
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--schedule", choices=["constant", "linear", "cosine"], default="constant")
    parser.add_argument("--warmup", type=int, default=0, help="steps")
    parser.add_argument("--total", type=int, help="steps of the schedule; as many as the data has if not given")
    parser.add_argument("--betas", type=float, nargs=2, default=(0.9, 0.999))
    parser.add_argument("--eps", type=float, default=1e-8)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of all gradients together")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of a new adapter")
    args = parser.parse_args()
    if args.mode == "full" and (args.adapter or args.save_start or args.dora):
        parser.error("--adapter, --save-start and --dora are for --mode lora")
    if args.mode == "lora" and args.freeze:
        parser.error("--freeze is for --mode full")
    return args


def build(args):
    """The model, with `requires_grad` where it is trained."""
    model = AutoModelForImageTextToText.from_pretrained(args.model, dtype=torch.float32, attn_implementation="sdpa")
    if args.mode == "full":
        for name, parameter in model.named_parameters():
            parameter.requires_grad = not (args.freeze and re.search(args.freeze, name))
        return model.eval()
    from peft import LoraConfig, PeftModel, get_peft_model

    if args.adapter:
        model = PeftModel.from_pretrained(model, args.adapter, is_trainable=True)
    else:
        torch.manual_seed(args.seed)
        model = get_peft_model(model, LoraConfig(r=args.rank, lora_alpha=args.alpha, use_dora=args.dora,
                                                 target_modules=args.targets.split(",")))
    if args.save_start:
        model.save_pretrained(args.save_start)
    return model.eval()


def sequence_loss(model, sequence, pixels):
    """The sum of the labels' cross-entropies."""
    inputs = {"input_ids": torch.tensor([sequence["ids"]])}
    if "pixels" in sequence:
        tiles = pixels[sequence["pixels"]]
        inputs["pixel_values"] = ((tiles.float() / 255 - 0.5) / 0.5)[None]
        inputs["pixel_attention_mask"] = torch.ones(1, *tiles.shape[:1], *tiles.shape[2:], dtype=torch.bool)
    logits = model(**inputs, use_cache=False).logits[0, :-1].float()
    return torch.nn.functional.cross_entropy(logits, torch.tensor(sequence["labels"][1:]), reduction="sum")


args = arguments()
torch.set_num_threads(args.threads)
with open(args.data) as file:
    steps = json.load(file)["steps"]
pixels = load_file(args.pixels) if args.pixels else {}
model = build(args)
trained = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(
    [{"params": [p for p in trained if p.ndim > 1], "weight_decay": args.weight_decay},
     {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0}],
    lr=args.lr, betas=tuple(args.betas), eps=args.eps)
name = "constant_with_warmup" if args.schedule == "constant" else args.schedule
schedule = get_scheduler(name, optimizer, num_warmup_steps=args.warmup, num_training_steps=args.total or len(steps))
print(sum(p.numel() for p in trained), "parameters trained")
with open(args.out, "w") as out:
    for step, batch in enumerate(steps, 1):
        optimizer.zero_grad()
        labels = sum(label != -100 for sequence in batch["sequences"] for label in sequence["labels"][1:])
        loss = 0.0
        for sequence in batch["sequences"]:
            with torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bf16-autocast"):
                part = sequence_loss(model, sequence, pixels) / labels
            part.backward()
            loss += part.item()
        norm = torch.nn.utils.clip_grad_norm_(trained, args.clip).item()
        line = {"step": step, "loss": loss, "lr": schedule.get_last_lr()[0], "grad_norm": norm}
        optimizer.step()
        schedule.step()
        print(json.dumps(line), file=out, flush=True)
