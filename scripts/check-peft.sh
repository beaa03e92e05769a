#!/bin/sh
# That `peft` reads the adapters that `smolvlm train` writes: two steps of each kind on golden/idefics3-256m, then the
# logits of `smolvlm run --adapter` beside those that peft makes of the same folder. One line a case; ends with 1 where
# they are more than 1e-4 of the largest logit apart, or training changed nothing.
#
#     cargo build --release -p smolvlm && scripts/check-peft.sh [CASE...]
#
# SMOLVLM names another program than target/release/smolvlm, PYTHON a Python that has torch, transformers, safetensors, pillow
# and peft already; without it they are installed once into target/peft, which takes some gigabytes.
set -eu
cd "$(dirname "$0")/.."

program=${SMOLVLM:-target/release/smolvlm}
[ -x "$program" ] || { echo "$program is not there; cargo build --release -p smolvlm makes it" >&2; exit 2; }
if [ -z "${PYTHON-}" ]; then
    PYTHON=target/peft/bin/python
    pins="torch transformers==5.23.0 safetensors peft==0.21.2 pillow"
    if [ "$(cat target/peft/pins 2>/dev/null || true)" != "$pins" ]; then
        echo "installing $pins into target/peft"
        [ -x $PYTHON ] || python3 -m venv target/peft
        # shellcheck disable=SC2086 # one word a package
        $PYTHON -m pip install --quiet --disable-pip-version-check $pins
        echo "$pins" > target/peft/pins
    fi
fi

base=golden/idefics3-256m
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
text=q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj
broken=0

# check NAME PRECISION OPTION...
check() {
    name=$1
    precision=$2
    shift 2
    case " $cases " in *" $name "*) ;; *) return 0 ;; esac
    out=$work/$name
    if "$program" train -m $base --data golden/curves/chats.jsonl -o "$out" --steps 2 --batch 2 --lr 2e-2 --warmup 0 \
        --length 512 --cache 0 --lora 4 --alpha 8 --precision "$precision" "$@" > "$out.log" 2>&1 &&
        "$program" run -m $base --adapter "$out/latest" --dtype f32 -n 1 --dump "$out.safetensors" \
            golden/images/square.png golden/images/photo.jpg "Can you describe the two images?" > "$out.log" 2>&1 &&
        $PYTHON scripts/read_adapter.py "$out/latest" $base two --against "$out.safetensors" > "$out.json" 2> "$out.log"
    then
        $PYTHON - "$name" "$out.json" <<'PYTHON' || broken=1
import json, sys
name, path = sys.argv[1:]
of = json.load(open(path))
good = of["distance"] <= 1e-4 and of["changed"] >= 1e-3
print(f"{name:10} logits {of['distance']:.1e} apart, changed by {of['changed']:.1e}: {'as peft' if good else 'BROKEN'}")
sys.exit(not good)
PYTHON
    else
        broken=1
        echo "$name: BROKEN"
        tail -n 5 "$out.log" >&2
    fi
}

cases=${*:-lora rslora dora all-linear qlora}
check lora f32 --targets $text
check rslora bf16 --rslora --init gaussian --dropout 0.1 \
    --targets '.*\.text_model\.layers\.\d+\.(self_attn|mlp)\.(q|v|o|down)_proj'
check dora f32 --dora --targets $text,out_proj,fc1,fc2,proj
check all-linear f32 --targets all-linear
check qlora nf4 --targets $text
exit $broken
