//! Cross-entropy of logits, and its gradient in their place.

use crate::isa::for_each_isa;
use crate::math;
use crate::pool::SendPtr;
use crate::{Isa, Pool};
use std::f32::consts::{LN_2, LOG2_E};

/// For each row of `logits [rows, vocab]` its loss, `weight * (lse - logit of the target + z * lse^2)` where lse is the log
/// of the sum of e to the logits, into `losses`; the logits become the gradients of the sum of the losses. A row of weight 0
/// has neither, whatever its target.
///
/// # Panics
/// If a length does not fit, or a target that counts is none of the vocabulary.
pub fn cross_entropy(
    isa: Isa,
    pool: &Pool,
    logits: &mut [f32],
    targets: &[u32],
    weights: &[f32],
    z: f32,
    losses: &mut [f32],
) {
    let rows = targets.len();
    assert!(weights.len() == rows && losses.len() == rows && rows > 0, "cross-entropy: rows");
    assert!(logits.len().is_multiple_of(rows), "cross-entropy: logits");
    let vocab = logits.len() / rows;
    let losses = SendPtr(losses.as_mut_ptr());
    pool.chunks(logits, vocab, |row, logits| {
        let (target, weight) = (targets[row] as usize, weights[row]);
        let loss = if weight == 0.0 {
            logits.fill(0.0);
            0.0
        } else {
            assert!(target < vocab, "cross-entropy: target {target} of {vocab}");
            one_row(isa, logits, target, weight, z)
        };
        // SAFETY: a place for every row, and `losses` outlives the job.
        unsafe { *losses.at(row) = loss };
    });
}

for_each_isa! {
    fn one_row(logits: &mut [f32], target: usize, weight: f32, z: f32) -> f32 = one;
}

#[inline(always)]
fn one(logits: &mut [f32], target: usize, weight: f32, z: f32) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    for part in logits.chunks(16) {
        for (lane, &x) in lanes.iter_mut().zip(part) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    let max = math::fold(lanes, |a, b| if b > a { b } else { a });
    let right = logits[target] - max;
    let mut lanes = [0.0f32; 16];
    for part in logits.chunks_mut(16) {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *x = math::exp2((*x - max) * LOG2_E);
            *lane += *x;
        }
    }
    let sum = math::join(&lanes);
    let log = sum.log2() * LN_2;
    let lse = max + log;
    let factor = weight * (1.0 + 2.0 * z * lse) / sum;
    logits.iter_mut().for_each(|x| *x *= factor);
    logits[target] -= weight;
    weight * (log - right + z * lse * lse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_its_definition() {
        let (rows, vocab, z) = (5, 77, 1e-2f32);
        let logits: Vec<f32> = (0..rows * vocab).map(|i| ((i * 7919) % 211) as f32 / 30.0 - 3.0).collect();
        let (targets, weights) = ([3, 76, 0, 9, 40], [1.0, 0.5, 0.0, 2.0, 0.125]);
        let lse = |row: &[f64]| row.iter().map(|x| x.exp()).sum::<f64>().ln();
        let loss = |row: &[f64], r: usize| {
            let (lse, weight) = (lse(row), f64::from(weights[r]));
            weight * (lse - row[targets[r] as usize] + f64::from(z) * lse * lse)
        };
        for isa in Isa::tested() {
            let (mut grads, mut losses) = (logits.clone(), [0.0; 5]);
            cross_entropy(isa, &Pool::new(3), &mut grads, &targets, &weights, z, &mut losses);
            for r in 0..rows {
                let row: Vec<f64> = logits[r * vocab..][..vocab].iter().map(|&x| f64::from(x)).collect();
                assert!((f64::from(losses[r]) - loss(&row, r)).abs() < 2e-6, "{} {}", losses[r], loss(&row, r));
                for n in 0..vocab {
                    let (mut more, mut less) = (row.clone(), row.clone());
                    more[n] += 1e-5;
                    less[n] -= 1e-5;
                    let want = (loss(&more, r) - loss(&less, r)) / 2e-5;
                    assert!((f64::from(grads[r * vocab + n]) - want).abs() < 1e-6, "{isa:?} row {r}, {n}");
                }
            }
        }
    }
}
