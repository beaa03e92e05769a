"""How near every stage comes to this machine's limits, and whether that has become worse.

    cargo build --release && python benches/regress.py [--save] [--shape 256m]

For each kind of instructions that the processor has, in bf16 and in f32: operations a second of the tower and of prefill
as a part of what registers can do, bytes a second of decoding as a part of what reading a plain buffer gives in the same
run. Parts, not seconds: a busy machine slows both sides. They are compared with those in benches/regress.json for the
same processor, which --save writes; a part that fell by more than 15 % of itself is an error. Some two minutes.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--program", default="target/release/smolvlm")
ap.add_argument("--shape", default="256m", choices=["256m", "500m", "2b"])
ap.add_argument("--context", type=int, default=1100)
ap.add_argument("--save", action="store_true", help="keep these parts as the ones to compare with")
a = ap.parse_args()
KEPT = Path(__file__).parent / "regress.json"
FALL = 0.15

# hidden, inner, layers, patches of the tower; hidden, inner, layers, heads, key heads of the decoder; pixels of a patch,
# side of the pixel shuffle
SHAPES = {
    "256m": ((768, 3072, 12, 1024), (576, 1536, 30, 9, 3), 768, 4),
    "500m": ((768, 3072, 12, 1024), (960, 2560, 32, 15, 5), 768, 4),
    "2b": ((1152, 4304, 27, 729), (2048, 8192, 24, 32, 32), 588, 3),
}


def operations():
    """Of one tile through tower and connector, and of a prompt to its last logits: products and attention alone."""
    (width, inner, layers, n), (hidden, mlp, depth, heads, kv_heads), patch, side = SHAPES[a.shape]
    tile = n * patch * width + layers * (n * (4 * width * width + 2 * width * inner) + 2 * n * n * width)
    tile += n * width * hidden  # the connector: n / side^2 rows of side^2 * width
    rows, kv = a.context, 64 * kv_heads
    attention = 2 * 64 * heads * rows * (rows + 1) / 2
    layer = rows * (hidden * (64 * heads + 2 * kv) + 64 * heads * hidden + 3 * hidden * mlp) + attention
    return 2 * tile, 2 * (depth * layer + hidden * 49280)


def run(isa, *args):
    environment = os.environ | ({"SMOLVLM_ISA": isa} if isa else {})
    return json.loads(subprocess.run([a.program, *args, "--json"], check=True, capture_output=True, env=environment).stdout)


def parts(isa):
    """{dtype: {stage: part of the limit}}"""
    limits = {r["what"]: r["limit"] for r in run(isa, "doctor")["reaches"]}
    tile, prompt = operations()
    found = {}
    for dtype in ("bf16", "f32"):
        limit = limits[f"product, {dtype}"]
        if limit is None:
            continue
        r = run(isa, "bench", "--random", f"smolvlm-{a.shape}", "--no-split", "--size", "512x512", "--dtype", dtype,
                "--context", str(a.context), "--runs", "3", "--bandwidth")
        found[dtype] = {
            "vision": tile / r["vision"]["min"] / 1e9 / limit,
            "prefill": prompt / r["prefill"]["min"] / 1e9 / limit,
            "decode": r["read"]["median"] / r["decode_token"]["median"],
        }
    return found


def main():
    doctor = run(None, "doctor")
    kinds = [isa for isa in doctor["instructions_found"] if isa != "scalar"]
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    key = f"{doctor['processor']}, {doctor['threads']} threads, {a.shape}, {a.context} tokens"
    before, now, worse = kept.get(key, {}), {}, 0
    print(f"{key}\n{'':18} {'vision':>8} {'prefill':>8} {'decode':>8}")
    for isa in kinds:
        now[isa] = parts(isa)
        for dtype, stages in now[isa].items():
            line = f"{isa + ' ' + dtype:18}"
            for stage, part in stages.items():
                old = before.get(isa, {}).get(dtype, {}).get(stage)
                fell = old is not None and part < old * (1 - FALL)
                worse += fell
                line += f" {100 * part:6.0f} %" + (f" (was {100 * old:.0f} %)" if fell else "")
            print(line, flush=True)
    if a.save:
        rounded = {i: {d: {s: round(p, 3) for s, p in st.items()} for d, st in ds.items()} for i, ds in now.items()}
        KEPT.write_text(json.dumps(kept | {key: rounded}, indent=1) + "\n")
    elif not before:
        print("nothing kept for this processor to compare with: --save keeps these")
    sys.exit(1 if worse and not a.save else 0)


main()
