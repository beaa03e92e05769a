//! Seeds for hash tables in a browser's WebAssembly, where no system gives random numbers.

use getrandom::Error;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the crate `getrandom`, built with `getrandom_backend="custom"`, fills its callers' bytes by: splitmix64 from a
/// fixed start. The tokenizer's hash tables are seeded with it and need no secret: whoever chose the text a table holds
/// could slow down a page of their own at most. Nothing else here asks; sampling has generators of its own.
///
/// # Safety
/// `to` points to `len` bytes that may be written.
// SAFETY: no other symbol has this name, which getrandom reserves for the purpose.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(to: *mut u8, len: usize) -> Result<(), Error> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    for at in 0..len {
        let mut z = COUNT.fetch_add(1, Ordering::Relaxed).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // SAFETY: as the caller vouches. The bytes may be uninitialised, and are only written.
        unsafe { to.add(at).write((z >> 56) as u8) };
    }
    Ok(())
}
