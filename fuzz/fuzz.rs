//! Calls the target that `SMOLVLM_ATTACK` names with whatever the fuzzer makes up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<String> = LazyLock::new(|| std::env::var("SMOLVLM_ATTACK").unwrap_or_default());

fuzz_target!(|bytes: &[u8]| smolvlm_attacks::run(&TARGET, bytes));
