"""This program beside transformers, interleaved in one run, on random weights of a published shape.

    pip install torch transformers
    cargo build --release && python benches/peers.py [--shape 256m] [--dtype bf16] [--isa avx2] [--rounds 5]

Every round times, one after the other and on the same number of threads: `smolvlm bench --random` (a process of its own,
one warm run and one that counts), and in this process transformers' tower over as many tiles, its prefill of as many
tokens, and its decoding at that context. Prints medians and the ratios of medians, and appends every single run to
benches/raw/peers-DATE.jsonl with the machine and the versions. --isa avx2 or avx512 holds both sides to those
instructions.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--shape", default="256m", choices=["256m", "500m", "2b"])
ap.add_argument("--dtype", default="bf16", choices=["bf16", "f32"], help="transformers' weights")
ap.add_argument("--ours", default="bf16", choices=["bf16", "f32"], help="this program's weights")
ap.add_argument("--isa", choices=["avx2", "avx512"])
ap.add_argument("--rounds", type=int, default=5)
ap.add_argument("--threads", type=int, default=os.cpu_count())
ap.add_argument("--tiles", type=int, default=13, choices=[13], help="those of a 1920x1080 picture")
ap.add_argument("--context", type=int, default=1100)
ap.add_argument("--program", default="target/release/smolvlm")
a = ap.parse_args()
if a.isa:  # read when torch is imported
    os.environ["ONEDNN_MAX_CPU_ISA"] = {"avx2": "AVX2", "avx512": "AVX512_CORE_BF16"}[a.isa]
    os.environ["ATEN_CPU_CAPABILITY"] = a.isa

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import Idefics3Config, Idefics3ForConditionalGeneration  # noqa: E402

BASE = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, image_size=512, patch_size=16)
LARGE = dict(hidden_size=1152, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16, image_size=384, patch_size=14)
SHAPES = {
    "256m": (BASE, 4, dict(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3)),
    "500m": (BASE, 4, dict(hidden_size=960, intermediate_size=2560, num_hidden_layers=32, num_attention_heads=15, num_key_value_heads=5)),
    "2b": (LARGE, 3, dict(hidden_size=2048, intermediate_size=8192, num_hidden_layers=24, num_attention_heads=32, num_key_value_heads=32)),
}


def model():
    vision, scale, text = SHAPES[a.shape]
    text = dict(model_type="llama", vocab_size=49280, max_position_embeddings=8192, head_dim=64, rms_norm_eps=1e-5, pad_token_id=2, **text)
    torch.set_default_dtype(torch.bfloat16 if a.dtype == "bf16" else torch.float32)
    made = Idefics3ForConditionalGeneration(Idefics3Config(
        vision_config=vision | dict(num_channels=3, hidden_act="gelu_pytorch_tanh"), text_config=text, scale_factor=scale,
        image_token_id=49190, tie_word_embeddings=False, pad_token_id=2)).eval()
    return made


def seconds(f):
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def theirs(made):
    """Seconds of each stage, one run."""
    side = made.config.vision_config.image_size
    pixels = torch.randn(1, a.tiles, 3, side, side)
    mask = torch.ones(1, a.tiles, side, side, dtype=torch.bool)
    ids = torch.randint(20, 49000, (1, a.context))
    with torch.inference_mode():
        vision = seconds(lambda: made.model.get_image_features(pixel_values=pixels, pixel_attention_mask=mask))
        prefill = seconds(lambda: made(input_ids=ids, use_cache=True, logits_to_keep=1))
        out = made(input_ids=ids, use_cache=True, logits_to_keep=1)
        token, cache, count = out.logits[:, -1:].argmax(-1), out.past_key_values, 16

        def decode():
            nonlocal token
            for _ in range(count):
                token = made(input_ids=token, past_key_values=cache, use_cache=True).logits[:, -1:].argmax(-1)

        return dict(vision=vision, prefill=prefill, decode_token=seconds(decode) / count)


def ours():
    environment = os.environ | ({"SMOLVLM_ISA": a.isa} if a.isa else {})
    call = [a.program, "bench", "--random", f"smolvlm-{a.shape}", "--dtype", a.ours, "--context", str(a.context),
            "--runs", "1", "--warmup", "1", "-t", str(a.threads), "--json"]
    report = json.loads(subprocess.run(call, check=True, capture_output=True, env=environment).stdout)
    assert report["tiles"] == a.tiles
    return {stage: report[stage]["median"] for stage in ("vision", "prefill", "decode_token", "pixels", "first_token", "load")} | {
        "peak_rss": report["peak_rss"]}


def machine():
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":")[1].strip() for line in info.splitlines() if line.startswith(("model name", "cpu family", "model\t"))]
    return dict(processor=names[:3], threads=a.threads, system=platform.platform(), isa=a.isa or "all",
                torch=torch.__version__, transformers=transformers.__version__,
                smolvlm=subprocess.run([a.program, "--version"], capture_output=True, text=True).stdout.strip())


def main():
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    made = model()
    theirs(made)  # warm
    rows = []
    for _ in range(a.rounds):
        rows.append(dict(who="smolvlm", dtype=a.ours, **ours()))
        rows.append(dict(who="transformers", dtype=a.dtype, **theirs(made)))
        print(rows[-2], rows[-1], sep="\n", flush=True)
    raw = Path(__file__).parent / "raw" / f"peers-{datetime.date.today()}.jsonl"
    with open(raw, "a") as f:
        f.write(json.dumps(dict(shape=a.shape, tiles=a.tiles, context=a.context, **machine())) + "\n")
        f.writelines(json.dumps(row) + "\n" for row in rows)
    print(f"\n{a.shape}, {a.tiles} tiles, {a.context} tokens, medians of {a.rounds}, seconds")
    for stage in ("vision", "prefill", "decode_token"):
        mid = {who: statistics.median(r[stage] for r in rows if r["who"] == who) for who in ("smolvlm", "transformers")}
        print(f"{stage:14} smolvlm {mid['smolvlm']:.4f}   transformers {mid['transformers']:.4f}   ratio {mid['transformers'] / mid['smolvlm']:.2f}")


main()
