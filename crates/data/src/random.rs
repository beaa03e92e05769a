//! Random choices as functions of numbers: nothing is remembered between them, so any of them can be made again.

use smolvlm_kernels::random::{STEP, mix64, unit};

/// A number of a seed and of what it is for: splitmix64's finaliser (Steele, Lea and Flood 2014) over each in turn.
pub fn hash(seed: u64, parts: &[u64]) -> u64 {
    parts.iter().fold(mix(seed ^ 0x5AFE_5EED), |h, &part| mix(h.wrapping_add(STEP) ^ mix(part)))
}

fn mix(z: u64) -> u64 {
    mix64(z.wrapping_add(STEP))
}

/// In [0, 1).
pub fn uniform(seed: u64, parts: &[u64]) -> f64 {
    unit(hash(seed, parts))
}

/// A permutation of `0..n`: where `i` goes. A Feistel network of six rounds over the smallest square of two's power that holds
/// n, walked until it ends inside (Black and Rogaway 2002).
///
/// # Panics
/// If `i` is not below n.
pub fn permuted(seed: u64, epoch: u64, n: u64, i: u64) -> u64 {
    assert!(i < n, "permuted: {i} of {n}");
    let bits = (64 - (n - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1u64 << bits) - 1;
    let mut x = i;
    loop {
        let (mut left, mut right) = (x >> bits, x & mask);
        for round in 0..6 {
            (left, right) = (right, left ^ (hash(seed, &[epoch, round, right]) & mask));
        }
        x = left << bits | right;
        if x < n {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_meets_every_number_once_and_epochs_differ() {
        for n in [1, 2, 3, 16, 17, 1000] {
            let mut seen: Vec<u64> = (0..n).map(|i| permuted(5, 0, n, i)).collect();
            let order = seen.clone();
            seen.sort_unstable();
            assert!(seen == (0..n).collect::<Vec<_>>(), "{n}");
            if n == 1000 {
                let same = (0..n).filter(|&i| permuted(5, 1, n, i) == order[i as usize]).count();
                assert!(same < 10, "{same}");
                let fixed = (0..n).filter(|&i| order[i as usize] == i).count();
                assert!(fixed < 10, "{fixed}");
            }
        }
    }

    #[test]
    fn numbers_are_even() {
        let mean = (0..10_000).map(|i| uniform(1, &[i])).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert_ne!(hash(1, &[2, 3]), hash(1, &[3, 2]));
    }
}
