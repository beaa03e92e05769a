"""Whether llama.cpp's own tools load the GGUF files that `smolvlm convert` writes, and how well they foretell a text with
them, beside the files that they wrote of the same model.

    scripts/make-smollm2.sh --off-grid
    cargo build --release
    pip install torch transformers gguf sentencepiece     # for llama.cpp's converter
    python scripts/check_gguf.py LLAMA BIN [TYPES]        # llama.cpp's source, and its built programs; q8_0 q4_0 … in TYPES

For each type: perplexity by `llama-perplexity` over the GPL-3 as Debian carries it, windows of 512, of ours and of theirs
(`convert_hf_to_gguf.py`, `llama-quantize`), and their ratio, which must be within 0.5 %. And `llama-mtmd-cli` must answer about
a picture with our pair. Prints one JSON object.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models/smollm2-256m-off-grid"
TEXT = Path("/usr/share/common-licenses/GPL-3")
# The tokenizer is known by a hash of what it makes of some text, which SmolVLM's own tokens change.
KNOWN = "import conversion.base as b; b.TextModel.get_vocab_base_pre = lambda *_: 'smollm'; "


def run(*args, **more):
    done = subprocess.run([str(arg) for arg in args], capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{args[0]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout + done.stderr


def perplexity(programs, model):
    said = run(programs / "llama-perplexity", "-m", model, "-f", TEXT, "-c", "512", "-t", "2", "--chunks", "8")
    return float(re.search(r"Final estimate: PPL = ([0-9.]+)", said).group(1))


def as_published(folder):
    """The model with its decoder's architecture named as published files name it: their converter asks for it."""
    folder.mkdir()
    for file in MODEL.iterdir():
        (folder / file.name).symlink_to(file)
    config = json.loads((MODEL / "config.json").read_text())
    config["text_config"]["architectures"] = ["VLlama3ForCausalLM"]
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def main():
    source, programs = Path(sys.argv[1]), Path(sys.argv[2])
    types = sys.argv[3:] or ["f16", "q8_0", "q4_0"]
    ours = ROOT / "target/release/smolvlm"
    report = {"model": MODEL.name, "text": str(TEXT), "types": {}}
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
        folder = Path(folder)
        half, model = folder / "theirs-f16.gguf", as_published(folder / "model")
        script = f"import sys; sys.path[:0] = [{str(source)!r}, {str(source / 'gguf-py')!r}]; {KNOWN}" \
                 "import runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
        run(sys.executable, "-c", script, source / "convert_hf_to_gguf.py", model, "--outtype", "f16", "--outfile", half)
        for kind in types:
            made, theirs = folder / f"ours-{kind}.gguf", half
            run(ours, "convert", "-m", MODEL, "-o", made, "--type", kind)
            if kind != "f16":
                theirs = folder / f"theirs-{kind}.gguf"
                run(programs / "llama-quantize", half, theirs, kind.upper(), "2")
            got, want = perplexity(programs, made), perplexity(programs, theirs)
            assert abs(got / want - 1) < 0.005, f"{kind}: perplexity {got} with our file, {want} with theirs"
            report["types"][kind] = {"ours": got, "theirs": want, "ratio": got / want}
            if theirs != half:
                theirs.unlink()
            if kind != types[-1]:
                made.unlink()
                (folder / f"mmproj-ours-{kind}.gguf").unlink()
        picture = ROOT / "golden/images/small.png"
        said = run(programs / "llama-mtmd-cli", "-m", made, "--mmproj", folder / f"mmproj-ours-{types[-1]}.gguf",
                   "--image", picture, "-p", "What is in the picture?", "-n", "8", "--temp", "0", "-t", "2")
        assert re.search(r"encod\w+ done|encoded", said), f"no picture was encoded:\n{said[-2000:]}"
        report["pictures"] = "encoded"
    print(json.dumps(report, indent=1))


main()
