"""What fewer bits lose, this program's beside llama.cpp's, on the same weights and texts.

    scripts/make-smollm2.sh --off-grid
    cargo build --release
    python benches/quantised.py LLAMA/build/bin [--types Q8_0,Q5_0,Q4_K_M,Q4_0] > benches/raw/quantised.json

Ours: `smolvlm compare` of q8 and q4, as loaded and as `smolvlm quantize` makes them of other texts, from f32. llama.cpp's:
`llama-quantize` of the f32 GGUF that `smolvlm convert` writes, and `llama-perplexity --kl-divergence` from that file (it
scores the second half of every window). Windows of 512 tokens. Bits a weight are those of the decoder's matrices: all bytes
of its file, but for the table that is only looked up in. The texts are Debian's, the samples of calibration, too.
"""

import argparse
import json
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LICENCES = Path("/usr/share/common-licenses")
TEXTS = ["GPL-2", "MPL-2.0"]
SAMPLES = ["Apache-2.0", "Artistic", "GFDL-1.3"]

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("llama", type=Path, help="the folder of llama.cpp's built programs")
ap.add_argument("--types", default="Q8_0,Q5_0,Q4_K_M,Q4_0")
ap.add_argument("--model", type=Path, default=ROOT / "models/smollm2-256m-off-grid")
ap.add_argument("--program", default=ROOT / "target/release/smolvlm")


def run(*args):
    done = subprocess.run([str(arg) for arg in args], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{args[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout + done.stderr


def ours(a, *other):
    texts = [word for text in TEXTS for word in ("--text", LICENCES / text)]
    said = json.loads(run(a.program, "compare", a.model, *other, "--first-dtype", "f32", *texts, "--json"))
    row = lambda text: dict(
        perplexity=text["perplexity"], divergence=text["divergence"], agreement=text["agreement"], tokens=text["tokens"]
    )
    return {Path(text["file"]).name: row(text) for text in said["texts"]}


def quantised(a, folder, quant):
    samples = [word for text in SAMPLES for word in ("--calibrate-text", LICENCES / text)]
    to = folder / f"{quant}-calibrated"
    run(a.program, "quantize", "-m", a.model, "--quant", quant, *samples, "-o", to)
    return to


def theirs(a, folder, base, kind):
    file = folder / f"{kind}.gguf"
    run(a.llama / "llama-quantize", base, file, kind)
    rows = {}
    for text in TEXTS:
        logits = folder / f"{text}.logits"
        common = ("-f", LICENCES / text, "-c", "512", "-t", "2", "--kl-divergence-base", logits)
        if not logits.exists():
            run(a.llama / "llama-perplexity", "-m", base, *common)
        said = run(a.llama / "llama-perplexity", "-m", file, *common, "--kl-divergence")
        of = lambda name: float(re.findall(rf"{name}\s*[:=]\s*([0-9.-]+)", said)[-1])
        rows[text] = dict(
            perplexity=[of(r"Mean PPL\(base\)"), of(r"Mean PPL\(Q\)")],
            divergence=of(r"Mean\s+KLD"),
            agreement=of("Same top p") / 100,
        )
    import gguf

    tensors = gguf.GGUFReader(file).tensors
    read = [t for t in tensors if t.name != "token_embd.weight" or not any(o.name == "output.weight" for o in tensors)]
    matrices = [t for t in read if len(t.shape) > 1]
    bits = 8 * sum(t.n_bytes for t in matrices) / sum(t.n_elements for t in matrices)
    kinds = sorted({t.tensor_type.name for t in matrices})
    return dict(bits=bits, kinds=kinds, texts=rows)


def main():
    a = ap.parse_args()
    report = {"smolvlm": run(a.program, "--version").strip(), "ours": {}, "llama.cpp": {}}
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
        folder = Path(folder)
        report["ours"]["bf16"] = ours(a)
        for quant in ("q8", "q4"):
            report["ours"][quant] = ours(a, "--quant", quant)
            report["ours"][f"{quant} calibrated"] = ours(a, quantised(a, folder, quant))
        base = folder / "base.gguf"
        run(a.program, "convert", "-m", a.model, "-o", base, "--type", "f32")
        for kind in filter(None, a.types.split(",")):
            report["llama.cpp"][kind] = theirs(a, folder, base, kind)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
