#!/usr/bin/env bash
# Builds for aarch64 and WebAssembly and runs tests there: under QEMU, and in Node. Not part of .ci/run: it installs a
# second Rust compiler whose standard library is built from source (Debian's rustc-web), and takes half an hour
# on one core. Root, and Node 20 or newer, are needed.
#
#     scripts/check-targets.sh            # RUNNER="nice -n 19" and JOBS=1 make it a quiet neighbour
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

say() { printf '\n== %s\n' "$*"; }
summary=()
# Runs a command under a title, shows the ends of its tests, and remembers whether it did well.
check() {
    local title=$1 log
    shift
    say "$title"
    log=$(mktemp)
    if ${RUNNER:-} "$@" >"$log" 2>&1; then
        grep -E '^test result: .* [1-9][0-9]* passed' "$log" || true
        summary+=("ok      $title")
    else
        tail -n 40 "$log"
        summary+=("FAILED  $title")
    fi
    rm -f "$log"
}

packages=(rustc-web cargo-web rust-web-src lld gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user wasi-libc)
if ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
    say "installing ${packages[*]}"
    apt-get update -q && apt-get install -qy --no-install-recommends "${packages[@]}"
fi

# Debian's own compiler; it builds the standard library with flags that are not stable yet.
export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target/targets}
export SMOLVLM_GOLDEN=$root/golden
cargo=(/usr/bin/cargo)
jobs=(--locked -j "${JOBS:-$(nproc)}")
no_c=(--no-default-features --features zune-jpeg)

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
emulator="qemu-aarch64 -L /usr/aarch64-linux-gnu"
arm=(--target aarch64-unknown-linux-gnu -Zbuild-std=std,panic_unwind "${jobs[@]}")

say "versions"
rustc_version=$("$RUSTC" --version)
echo "$rustc_version; $(qemu-aarch64 --version | head -n 1); node $(node --version)"

for cpu in max cortex-a72; do
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$emulator -cpu $cpu"
    check "aarch64, $cpu (emulated): the kernels' tests" "${cargo[@]}" test "${arm[@]}" -p smolvlm-kernels
done
check "aarch64: every crate and the program are built" "${cargo[@]}" build "${arm[@]}" --workspace
program=$CARGO_TARGET_DIR/aarch64-unknown-linux-gnu/debug/smolvlm
for cpu in max cortex-a72; do
    # A test calls the program, which the system can run through a script alone.
    wrapper=$CARGO_TARGET_DIR/smolvlm-$cpu
    printf '#!/bin/sh\nexec %s -cpu %s %s "$@"\n' "$emulator" "$cpu" "$program" >"$wrapper"
    chmod +x "$wrapper"
    export SMOLVLM_PROGRAM=$wrapper CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$emulator -cpu $cpu"
    check "aarch64, $cpu (emulated): golden cases of idefics3-256m through the program" \
        "${cargo[@]}" test "${arm[@]}" -p smolvlm --test golden idefics3_256m
done

export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="node $root/scripts/run-wasm.mjs"
wasm=(--target wasm32-unknown-unknown -Zbuild-std=std,panic_abort "${jobs[@]}")
check "wasm32-unknown-unknown: everything up to the engine is built" "${cargo[@]}" build "${wasm[@]}" -p smolvlm-engine "${no_c[@]}"
check "wasm32-unknown-unknown, Node: the kernels' tests (silent: a failure would end them)" \
    "${cargo[@]}" test "${wasm[@]}" -p smolvlm-kernels --lib

# The same instructions with a system around them, so that tests can print and read files. Debian's C library for it is
# older than the standard library expects and has no threads: the runner refuses to start any.
wasi=/usr/lib/wasm32-wasi
export CARGO_TARGET_WASM32_WASIP1_LINKER=wasm-ld CARGO_TARGET_WASM32_WASIP1_RUNNER="node --no-warnings $root/scripts/run-wasi.mjs"
export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-Clink-self-contained=no -Clink-arg=$wasi/crt1-command.o -Lnative=$wasi -Clink-arg=--allow-undefined"
wasip1=(--target wasm32-wasip1 -Zbuild-std=std,panic_abort "${jobs[@]}")
check "wasm32-wasip1 without vectors, Node: the kernels' tests" "${cargo[@]}" test "${wasip1[@]}" -p smolvlm-kernels --lib
CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-Ctarget-feature=+simd128 $CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS"
check "wasm32-wasip1 with simd128, Node: the kernels' tests" "${cargo[@]}" test "${wasip1[@]}" -p smolvlm-kernels --lib
check "wasm32-wasip1 with simd128, Node: the network's golden cases (bf16, same bits in pieces)" \
    "${cargo[@]}" test "${wasip1[@]}" -p smolvlm-model --test golden -- bf16 same_bits

say "summary: aarch64 was emulated, no ARM machine was used; WebAssembly ran in Node"
printf '%s\n' "${summary[@]}"
[[ ! "${summary[*]}" =~ FAILED ]]
