"""Steps of training beside PyTorch's, on the same machine and in the same run.

    python benches/training.py --program target/release/smolvlm --checkpoint DIR --python VENV/bin/python [--modes lora,full]

DIR is a checkpoint of the 256M or 500M shape in Hugging Face's layout (random weights serve). One sample: a picture of 1024 x
1024 in 5 tiles and a text. `lora`: rank 8 on every linear layer of the decoder, tower frozen, 192 tokens of text. `full`: every
parameter, f32 masters, 486 tokens of text. Both sides take forward, backward, clipping and AdamW; PyTorch runs transformers
with SDPA (lora: bfloat16 weights; full: f32 weights under bfloat16 autocast). This program is also timed with the tower's
features kept, as it keeps them by default: the tower's part is then spent once, in the first step.

Each side warms up by a step; medians are over the others. Raw times go to benches/raw/training.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import machine

TEXT = "Licensed under the terms below, this work may be used, copied, changed and given to others by anyone. "
TARGETS = r".*text_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
TOKENS = {"lora": 192, "full": 486}

PEER = r'''
import json, resource, sys, time
import torch
from transformers import AutoModelForImageTextToText
folder, mode, text, steps, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
torch.set_num_threads(threads)
torch.manual_seed(0)
dtype = torch.float32 if mode == "full" else torch.bfloat16
model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").train()
config = model.config
if mode == "lora":
    from peft import LoraConfig, get_peft_model
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=8, target_modules=sys.argv[6]))
side = config.vision_config.image_size
tokens = (side // config.vision_config.patch_size // config.scale_factor) ** 2
ids = torch.randint(20, 49000, (1, text + 5 * tokens))
ids[:, 8:8 + 5 * tokens] = config.image_token_id
labels = ids.masked_fill(ids == config.image_token_id, -100)
pixels = torch.randn(1, 5, 3, side, side).to(dtype)
trained = [p for p in model.parameters() if p.requires_grad]
optimiser = torch.optim.AdamW(trained, lr=1e-5, fused=True)
seconds = []
for _ in range(steps):
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=mode == "full"):
        loss = model(input_ids=ids, pixel_values=pixels, labels=labels, use_cache=False).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    seconds.append(time.perf_counter() - start)
import transformers
print(json.dumps({"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                  "versions": f"torch {torch.__version__}, transformers {transformers.__version__}"}))
'''


def sample(folder, program, checkpoint, tokens):
    """A chat of a picture and a text of so many tokens beside the picture's."""
    picture = folder / "picture.ppm.png"
    if not picture.exists():
        import zlib, struct
        rows = b"".join(b"\0" + os.urandom(3 * 1024) for _ in range(1024))
        chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        header = struct.pack(">IIBBBBB", 1024, 1024, 8, 2, 0, 0, 0)
        picture.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))
    words = (TEXT * 100).split()
    count = tokens // 5  # a word is seldom more than five tokens, whatever the tokenizer
    for _ in range(3):  # from what so many words come to, how many are needed
        write(folder, picture, " ".join(words[:count]))
        dry = run_ours(folder, program, checkpoint, ["--dry-run", "--no-split", "--lora", "1", "--json"])
        count = round(count * tokens / json.loads(dry.stdout)["samples"][0]["learnt"])
    write(folder, picture, " ".join(words[:count]))


def write(folder, picture, text):
    ask = [{"type": "image"}, {"type": "text", "text": "Read."}]
    row = {"messages": [{"role": "user", "content": ask}, {"role": "assistant", "content": text}], "images": [str(picture)]}
    (folder / "data.jsonl").write_text((json.dumps(row) + "\n") * 2)


def run_ours(folder, program, checkpoint, words):
    fixed = [program, "train", "-m", checkpoint, "--data", folder / "data.jsonl", "--labels", "all", "--max-edge", "1024",
             "--batch", "1", "--lr", "1e-5", "--save-every", "0"]
    return subprocess.run([*map(str, fixed), *words], check=True, capture_output=True, text=True)


def ours(folder, args, mode, cache):
    out = Path(tempfile.mkdtemp(dir=folder))
    words = ["-o", str(out / "run"), "--steps", str(args.steps), "--threads", str(args.threads), "--json"]
    words += ["--lora", "8", "--targets", TARGETS] if mode == "lora" else []
    words += [] if cache else ["--cache", "0"]
    done = json.loads(run_ours(folder, args.program, args.checkpoint, words).stdout)
    lines = [json.loads(line) for line in (out / "run" / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "step"]
    return {"seconds": [step["seconds"] for step in steps], "peak": done["peak_rss"], "mfu": steps[-1]["mfu"],
            "tokens": steps[-1]["tokens"]}


def peer(args, mode):
    words = [args.python, "-c", PEER, args.checkpoint, mode, str(TOKENS[mode]), str(args.steps), str(args.threads), TARGETS]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/smolvlm")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--modes", default="lora,full")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", default="benches/raw/training.json")
    args = parser.parse_args()
    results = {"machine": machine(), "threads": args.threads}
    with tempfile.TemporaryDirectory() as folder:
        for mode in args.modes.split(","):
            sample(Path(folder), args.program, args.checkpoint, TOKENS[mode])
            sides = {"smolvlm": ours(Path(folder), args, mode, False), "pytorch": peer(args, mode)}
            if mode == "lora":
                sides["smolvlm, features kept"] = ours(Path(folder), args, mode, True)
            results[mode] = sides
            theirs = statistics.median(sides["pytorch"]["seconds"][1:])
            for name, side in sides.items():
                median = statistics.median(side["seconds"][1:])
                print(f"{mode:5} {name:24} {median:7.2f} s a step, {theirs / median:5.2f} times PyTorch's speed, "
                      f"{side['peak'] / 1e9:.2f} GB", flush=True)
    Path(args.out).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
