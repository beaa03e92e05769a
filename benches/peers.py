"""This program beside others, interleaved in one run, on random weights of a published shape.

    cargo build --release
    pip install torch transformers
    python benches/peers.py [--shape 256m] [--rounds 5] [--peers transformers:bf16,openvino:bf16,llama.cpp:F16]
        [--python openvino=ITS-VENV/bin/python]... [--checkpoint FOLDER] [--llama FOLDER]

Every round times, one after the other and on the same number of threads: `smolvlm bench --random` (a process of its
own, one warm run and one that counts), and every peer in a worker that keeps its model from round to round: vision (all
tiles of a picture), prefill of the context, decoding at it. Prints medians and the ratios of medians, and appends every
single run to benches/raw/peers-DATE.jsonl with the machine and the versions. benches/README.md tells how each peer is
set up and what is timed of it; worker.py what a worker is.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PEERS = {  # the worker, and the format where none is asked for
    "transformers": ("peer_transformers.py", "bf16"),
    "openvino": ("peer_openvino.py", "bf16"),
    "llama.cpp": ("peer_llama.py", "F16"),
    "onnxruntime": ("peer_onnx.py", "f32"),
}
STAGES = ("vision", "prefill", "decode_token")

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--shape", default="256m", choices=["256m", "500m", "2b"])
ap.add_argument("--ours", default="bf16", help="this program's weights: bf16, f32, q8 or q4, or several, as bf16,q8")
ap.add_argument(
    "--peers", default="transformers", help="NAME or NAME:FORMAT, with commas between them; of " + ", ".join(PEERS)
)
ap.add_argument(
    "--python", action="append", default=[], metavar="NAME=PROGRAM", help="the Python that has this peer's packages"
)
ap.add_argument(
    "--checkpoint", help="a model's folder of this shape, for peers that convert one (checkpoint.py makes one)"
)
ap.add_argument("--cache", default="target/peers", help="where what is converted stays")
ap.add_argument("--llama", help="llama.cpp's source folder, built in its folder `build`")
ap.add_argument(
    "--isa", choices=["avx2", "avx512"], help="hold both sides to these instructions; with transformers alone"
)
ap.add_argument("--rounds", type=int, default=5)
ap.add_argument("--threads", type=int, default=os.cpu_count())
ap.add_argument("--tiles", type=int, default=13, choices=[13], help="those of a 1920x1080 picture")
ap.add_argument("--context", type=int, default=1100)
ap.add_argument("--program", default="target/release/smolvlm")


class Worker:
    """A peer's process, warm."""

    def __init__(self, a, spec):
        name, _, form = spec.partition(":")
        file, usual = PEERS[name]
        self.name, self.format = name, form or usual
        settings = {
            key: getattr(a, key) for key in ("shape", "checkpoint", "cache", "llama", "threads", "tiles", "context")
        }
        environment = os.environ | dict(HF_HUB_OFFLINE="1", OMP_NUM_THREADS=str(a.threads))
        if a.isa:  # read when torch is imported
            environment |= dict(
                ONEDNN_MAX_CPU_ISA={"avx2": "AVX2", "avx512": "AVX512_CORE_BF16"}[a.isa], ATEN_CPU_CAPABILITY=a.isa
            )
        call = [
            dict(p.split("=", 1) for p in a.python).get(name, sys.executable),
            HERE / file,
            json.dumps(settings | dict(format=self.format)),
        ]
        self.process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.versions = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name}'s worker ended: what it said is above")
        return json.loads(line)

    def run(self):
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def ours(a, weights):
    environment = os.environ | ({"SMOLVLM_ISA": a.isa} if a.isa else {})
    call = [
        a.program,
        "bench",
        "--random",
        f"smolvlm-{a.shape}",
        "--quant" if weights.startswith("q") else "--dtype",
        weights,
        "--context",
        str(a.context),
        "--runs",
        "1",
        "--warmup",
        "1",
        "-t",
        str(a.threads),
        "--json",
    ]
    report = json.loads(subprocess.run(call, check=True, stdout=subprocess.PIPE, env=environment).stdout)
    assert report["tiles"] == a.tiles
    return {stage: report[stage]["median"] for stage in (*STAGES, "pixels", "first_token", "load")} | {
        "peak_rss": report["peak_rss"]
    }


def machine(a, workers):
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [
        line.split(":")[1].strip()
        for line in info.splitlines()
        if line.startswith(("model name", "cpu family", "model\t"))
    ]
    return dict(
        processor=names[:3],
        threads=a.threads,
        system=platform.platform(),
        isa=a.isa or "all",
        smolvlm=subprocess.run([a.program, "--version"], capture_output=True, text=True).stdout.strip(),
        peers=[dict(who=w.name, dtype=w.format, **w.versions) for w in workers],
    )


def table(a, rows):
    def of(side, key):
        return statistics.median(r[key] for r in rows if (r["who"], r["dtype"]) == side and r[key])

    sides = list(dict.fromkeys((r["who"], r["dtype"]) for r in rows))
    print(f"\n{a.shape}, {a.tiles} tiles, {a.context} tokens, {a.threads} threads")
    print(f"medians of {a.rounds} in seconds (and how many times smolvlm's)")
    print(f"{'':20}" + "".join(f"{stage:>18}" for stage in STAGES) + f"{'peak memory':>16}")
    for side in sides:
        cells = (f"{of(side, stage):10.4f} ({of(side, stage) / of(sides[0], stage):5.2f})" for stage in STAGES)
        print(f"{' '.join(side):20}" + "".join(cells) + f"{of(side, 'peak_rss') / 1e9:13.2f} GB")


def main():
    a = ap.parse_args()
    if unknown := set(a.ours.split(",")) - {"bf16", "f32", "q8", "q4"}:
        ap.error(f"this program has no weights in {', '.join(sorted(unknown))}")
    specs = a.peers.split(",")
    unknown = [spec for spec in specs if spec.partition(":")[0] not in PEERS]
    if unknown:
        ap.error(f"no peer is named {', '.join(unknown)}")
    if a.isa and any(spec.partition(":")[0] != "transformers" for spec in specs):
        ap.error("--isa holds transformers alone")
    if any(spec.partition(":")[0] != "transformers" for spec in specs) and not a.checkpoint:
        ap.error("all peers but transformers need --checkpoint")
    if any(spec.startswith("llama.cpp") for spec in specs) and not a.llama:
        ap.error("llama.cpp needs --llama")
    workers = [Worker(a, spec) for spec in specs]
    rows = []
    for _ in range(a.rounds):
        for side in (*a.ours.split(","), *workers):
            time.sleep(0.5)  # threads that wait by spinning have gone to sleep
            if isinstance(side, str):
                row = dict(who="smolvlm", dtype=side, **ours(a, side))
            else:
                row = dict(who=side.name, dtype=side.format, **side.run())
            rows.append(row)
            print(json.dumps(row), flush=True)
    about = dict(shape=a.shape, tiles=a.tiles, context=a.context, **machine(a, workers))
    with open(HERE / "raw" / f"peers-{datetime.date.today()}.jsonl", "a") as f:
        f.writelines(json.dumps(row) + "\n" for row in (about, *rows))
    for worker in workers:
        worker.end()
    table(a, rows)


if __name__ == "__main__":
    main()
