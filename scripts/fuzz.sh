#!/usr/bin/env bash
# Fuzzes every target of crates/attacks, one after the other, so many seconds each (default 600), on one core:
#     scripts/fuzz.sh [SECONDS [TARGET...]]
# What it finds stays in target/fuzz (FUZZ_WORK names another folder): inputs worth keeping in TARGET/, faults in faults/,
# and with MINIMISE=1 the fewest inputs that reach as much in least/, of which some belong into fuzz/corpus. CARGO names
# another cargo than the usual one.
#
# The stable compiler takes the flags by RUSTC_BOOTSTRAP; a C++ compiler builds LLVM's fuzzer.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-600}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(safetensors gguf tokenizer settings template picture orientation data_url grammar body)
fi
work=${FUZZ_WORK:-target/fuzz}
host=$(rustc -vV | sed -n 's/^host: //p')

# Counters that the fuzzer reads, and checks of memory.
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address --cfg=fuzzing -Cforce-frame-pointers"
CARGO_TARGET_DIR=$work/build ${CARGO:-cargo} build --release --locked --manifest-path fuzz/Cargo.toml --target "$host"
fuzz=$work/build/$host/release/fuzz

for target in "${targets[@]}"; do
    mkdir -p "$work/$target" "$work/faults/$target"
    # The largest input, chosen so that every golden seed fits.
    case $target in
        gguf | tokenizer) longest=65536 ;;
        *) longest=16384 ;;
    esac
    echo "== $target, $seconds s"
    SMOLVLM_ATTACK=$target "$fuzz" "$work/$target" "fuzz/corpus/$target" \
        -max_total_time="$seconds" -max_len=$longest -timeout=60 -rss_limit_mb=2048 -malloc_limit_mb=1024 \
        -artifact_prefix="$work/faults/$target/" -print_final_stats=1 -verbosity=1 \
        >"$work/$target.log" 2>&1 && ended=0 || ended=$?
    grep -E 'stat::number_of_executed_units|stat::peak_rss_mb|^SUMMARY|Done ' "$work/$target.log" || true
    if [ $ended -ne 0 ]; then
        echo "$target: a fault; see $work/$target.log and $work/faults/$target"
        faults=1
    fi
    if [ "${MINIMISE:-0}" = 1 ]; then
        mkdir -p "$work/least"
        rm -rf "${work:?}/least/$target"
        mkdir "$work/least/$target"
        SMOLVLM_ATTACK=$target "$fuzz" -merge=1 "$work/least/$target" "fuzz/corpus/$target" "$work/$target" \
            -max_len=$longest -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$work/faults/$target/" >>"$work/$target.log" 2>&1
    fi
done
exit "${faults:-0}"
