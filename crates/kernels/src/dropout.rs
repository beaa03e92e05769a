//! Dropout: a number is kept with a probability and enlarged by its inverse, or becomes 0.
//!
//! What is dropped is a function of a key and the number's place alone, so a backward pass, a recomputed forward pass and
//! any number of threads drop the same.

use crate::isa::for_each_isa;
use crate::pool::SendPtr;
use crate::random::{STEP, mix64};
use crate::{Isa, Pool};

/// Numbers in a task.
const TASK: usize = 1 << 14;

/// Drops numbers of `x` with probability `p` into `out`.
///
/// # Panics
/// If the lengths differ, or p is not in [0, 1).
pub fn dropout(isa: Isa, pool: &Pool, x: &[f32], p: f32, key: u64, out: &mut [f32]) {
    assert!(x.len() == out.len() && (0.0..1.0).contains(&p), "dropout");
    // A place's hash is below this where it is dropped.
    let below = (f64::from(p) * 2f64.powi(32)) as u32;
    let out_ptr = SendPtr(out.as_mut_ptr());
    pool.run(x.len().div_ceil(TASK), |i| {
        let part = &x[i * TASK..x.len().min((i + 1) * TASK)];
        // SAFETY: this task's part of `out`, which is as long as `x` and outlives the job.
        let out = unsafe { std::slice::from_raw_parts_mut(out_ptr.at(i * TASK), part.len()) };
        let key = mix64(key.wrapping_add((i as u64).wrapping_mul(STEP)));
        masked(isa, part, below, 1.0 / (1.0 - p), key as u32, out);
    });
}

for_each_isa! {
    fn masked(x: &[f32], below: u32, factor: f32, key: u32, out: &mut [f32]) = masked_all;
}

#[inline(always)]
fn masked_all(x: &[f32], below: u32, factor: f32, key: u32, out: &mut [f32]) {
    for ((place, &x), out) in (0u32..).zip(x).zip(out) {
        // Two rounds of multiply and shift mix 32 bits well (C. Wellons, "Prospecting for hash functions").
        let mut h = place.wrapping_add(key);
        h = (h ^ (h >> 16)).wrapping_mul(0x7FEB_352D);
        h = (h ^ (h >> 15)).wrapping_mul(0x846C_A68B);
        h ^= h >> 16;
        *out = if h < below { 0.0 } else { x * factor };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_as_often_as_asked_and_the_same_with_any_threads() {
        let x = vec![1.0; 100_003];
        let run = |isa, threads, key| {
            let mut out = vec![f32::NAN; x.len()];
            dropout(isa, &Pool::new(threads), &x, 0.1, key, &mut out);
            out
        };
        let want = run(Isa::Scalar, 1, 7);
        for isa in Isa::tested() {
            assert!(run(isa, 3, 7) == want, "{isa:?}");
        }
        let dropped = want.iter().filter(|&&x| x == 0.0).count() as f64 / x.len() as f64;
        assert!((dropped - 0.1).abs() < 0.004, "{dropped}");
        assert!(want.iter().all(|&x| x == 0.0 || x == 1.0 / 0.9));
        // Another key drops others: of what one drops, the other drops a tenth.
        let both = run(Isa::Scalar, 1, 8).iter().zip(&want).filter(|(a, b)| **a == 0.0 && **b == 0.0).count();
        assert!((both as f64 / x.len() as f64 - 0.01).abs() < 0.002, "{both}");
    }
}
