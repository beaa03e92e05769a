//! Filters of drawn tokens: what is left out has a score of minus infinity. Each works on those that are left.
//!
//! Rules: transformers' `logits_process.py`; top-n-sigma that of Tang et al. 2024 (arXiv 2411.07641). At least `keep` tokens
//! stay in all but top-h.

use super::logprobs::largest;
use std::cmp::Ordering;

/// Entries that [`top_h`] looks at.
const TOP_H: usize = 100;

/// The tokens that are left, likeliest first, and the lowest id first among equals.
pub(crate) fn sorted(scores: &[f32]) -> Vec<(u32, f32)> {
    let mut left = left(scores);
    left.sort_unstable_by(falling);
    left
}

fn left(scores: &[f32]) -> Vec<(u32, f32)> {
    (0..).zip(scores.iter().copied()).filter(|(_, score)| *score > f32::NEG_INFINITY).collect()
}

fn falling(a: &(u32, f32), b: &(u32, f32)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// The probabilities of a list of scores.
pub(crate) fn softmax(scores: impl Iterator<Item = f32> + Clone) -> Vec<f64> {
    let max = scores.clone().fold(f32::NEG_INFINITY, f32::max);
    let mut weights: Vec<f64> = scores.map(|score| libm::exp(f64::from(score) - f64::from(max))).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// Makes scores log-probabilities.
pub(crate) fn log_softmax(scores: &mut [f32]) {
    let total = log_sum(scores);
    scores.iter_mut().for_each(|score| *score = (f64::from(*score) - total) as f32);
}

/// The logarithm of the sum of the scores' exponentials.
pub(crate) fn log_sum(scores: &[f32]) -> f64 {
    let max = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let left = scores.iter().filter(|score| **score > f32::NEG_INFINITY);
    max + libm::log(left.map(|&score| libm::exp(f64::from(score) - max)).sum())
}

fn remove(id: u32, scores: &mut [f32]) {
    super::bans::ban(&[id], scores);
}

/// Leaves out the tokens of which `out` holds, but for the `keep` likeliest. Takes (token, probability).
fn remove_where(keep: usize, scores: &mut [f32], out: impl Fn(f64) -> bool) {
    let sorted = sorted(scores);
    let probabilities = softmax(sorted.iter().map(|&(_, score)| score));
    for (&(id, _), _) in sorted.iter().zip(probabilities).skip(keep).filter(|(_, p)| out(*p)) {
        remove(id, scores);
    }
}

/// The entropy of probabilities, in nats.
fn entropy(probabilities: &[f64]) -> f64 {
    -probabilities.iter().filter(|p| **p > 0.0).map(|p| p * libm::log(*p)).sum::<f64>()
}

/// Divides by the temperature. Where the likeliest would not stay a number, it is put at 0 first: a tiny temperature takes
/// the others to minus infinity.
pub(crate) fn temperature(temperature: f32, scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shift = if (max / temperature).is_finite() { 0.0 } else { max };
    for score in scores.iter_mut().filter(|score| score.is_finite()) {
        *score = (*score - shift) / temperature;
    }
}

/// Keeps scores of at least the largest less `n` standard deviations of those that are left.
pub(crate) fn top_n_sigma(n: f32, keep: usize, scores: &mut [f32]) {
    let sorted = sorted(scores);
    let Some(&(_, max)) = sorted.first() else { return };
    let mean = |values: &dyn Fn(f64) -> f64| {
        sorted.iter().map(|&(_, score)| values(f64::from(score))).sum::<f64>() / sorted.len() as f64
    };
    let middle = mean(&|score| score);
    let sigma = mean(&|score| (score - middle) * (score - middle)).sqrt();
    let least = f64::from(max) - f64::from(n) * sigma;
    for &(id, _) in sorted.iter().skip(keep).filter(|(_, score)| f64::from(*score) < least) {
        remove(id, scores);
    }
}

/// Keeps the likeliest whose entropy, summed, stays within a part of that of the hundred likeliest.
pub(crate) fn top_h(part: f32, scores: &mut [f32]) {
    let mut sorted = sorted(scores);
    let behind = sorted.split_off(TOP_H.min(sorted.len()));
    behind.iter().for_each(|&(id, _)| remove(id, scores));
    let probabilities = softmax(sorted.iter().map(|&(_, score)| score));
    let (most, mut sum) = (entropy(&probabilities) * f64::from(part), 0.0);
    for (place, (&(id, _), &p)) in sorted.iter().zip(&probabilities).enumerate() {
        sum -= p * libm::log(p);
        // A sum that is no number, of a probability of 0, keeps nothing.
        if place > 0 && !matches!(sum.partial_cmp(&most), Some(Ordering::Less | Ordering::Equal)) {
            remove(id, scores);
        }
    }
}

/// Keeps the `k` likeliest, and equals of the last.
pub(crate) fn top_k(k: usize, keep: usize, scores: &mut [f32]) {
    let (mut left, k) = (left(scores), k.max(keep));
    if k == 0 || k >= left.len() {
        return;
    }
    let (_, &mut (_, least), _) = left.select_nth_unstable_by(k - 1, falling);
    scores.iter_mut().filter(|score| **score < least).for_each(|score| *score = f32::NEG_INFINITY);
}

/// Keeps the likeliest whose probabilities first reach `p`.
pub(crate) fn top_p(p: f32, keep: usize, scores: &mut [f32]) {
    let sorted = sorted(scores);
    let probabilities = softmax(sorted.iter().map(|&(_, score)| score));
    let mut behind = 0.0;
    let few = sorted.len().saturating_sub(keep);
    for (&(id, _), probability) in sorted.iter().zip(&probabilities).rev().take(few) {
        behind += probability;
        if behind > 1.0 - f64::from(p) {
            return;
        }
        remove(id, scores);
    }
}

/// Keeps those at least `part` as likely as the likeliest.
pub(crate) fn min_p(part: f32, keep: usize, scores: &mut [f32]) {
    let kept = largest(scores, keep);
    let Some(&(_, max)) = kept.first() else { return };
    for (place, score) in scores.iter_mut().enumerate().filter(|(_, score)| **score > f32::NEG_INFINITY) {
        let relative = libm::exp(f64::from(*score) - f64::from(max));
        if relative < f64::from(part) && !kept.iter().any(|(known, _)| *known == place) {
            *score = f32::NEG_INFINITY;
        }
    }
}

/// Keeps those whose surprise is nearest to the expected one, up to `mass` of probability.
pub(crate) fn typical_p(mass: f32, keep: usize, scores: &mut [f32]) {
    let left = left(scores);
    let probabilities = softmax(left.iter().map(|&(_, score)| score));
    let expected = entropy(&probabilities);
    let apart = |p: f64| (-libm::log(p) - expected).abs();
    let mut nearest: Vec<(u32, f64, f64)> =
        left.iter().zip(probabilities).map(|(&(id, _), p)| (id, apart(p), p)).collect();
    nearest.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut sum = 0.0;
    let below = nearest.iter().take_while(|(_, _, p)| {
        sum += p;
        sum < f64::from(mass)
    });
    let last = below.count().min(nearest.len().saturating_sub(1));
    let Some(&(_, limit, _)) = nearest.get(last) else { return };
    for &(id, ..) in nearest.iter().skip(keep).filter(|(_, apart, _)| *apart > limit) {
        remove(id, scores);
    }
}

/// Keeps those at least as probable as `epsilon`.
pub(crate) fn epsilon(epsilon: f32, keep: usize, scores: &mut [f32]) {
    remove_where(keep, scores, |p| p < f64::from(epsilon));
}

/// Keeps those at least as probable as the lesser of `epsilon` and its root times e to the negative entropy.
pub(crate) fn eta(epsilon: f32, keep: usize, scores: &mut [f32]) {
    let entropy = entropy(&softmax(left(scores).iter().map(|&(_, score)| score)));
    let epsilon = f64::from(epsilon);
    let least = epsilon.min(epsilon.sqrt() * libm::exp(-entropy));
    remove_where(keep, scores, |p| p < least);
}

/// Leaves out the tokens of at least the threshold's probability but for the least probable of them.
pub(crate) fn xtc(threshold: f32, keep: usize, scores: &mut [f32]) {
    let sorted = sorted(scores);
    let probabilities = softmax(sorted.iter().map(|&(_, score)| score));
    let above = probabilities.iter().take_while(|p| **p >= f64::from(threshold)).count();
    // So many stay that a search with beams always finds enough.
    let out = above.saturating_sub(1).min(sorted.len().saturating_sub(keep));
    sorted.iter().take(out).for_each(|&(id, _)| remove(id, scores));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens that a filter leaves of probabilities 0.4, 0.1, 0.3, 0.2 and one that is forbidden.
    fn kept(filter: impl Fn(&mut [f32])) -> Vec<u32> {
        let mut scores: Vec<f32> = [0.4f32, 0.1, 0.3, 0.2, 0.0].iter().map(|p| p.ln()).collect();
        filter(&mut scores);
        left(&scores).iter().map(|&(id, _)| id).collect()
    }

    #[test]
    fn each_filter_keeps_what_it_says() {
        assert_eq!(kept(|_| ()), [0, 1, 2, 3]);
        assert_eq!(kept(|s| top_k(2, 1, s)), [0, 2]);
        assert_eq!(kept(|s| top_k(1, 3, s)), [0, 2, 3]);
        assert_eq!(kept(|s| top_k(9, 1, s)), [0, 1, 2, 3]);
        assert_eq!(kept(|s| top_p(0.65, 1, s)), [0, 2]);
        assert_eq!(kept(|s| top_p(0.75, 1, s)), [0, 2, 3]);
        assert_eq!(kept(|s| top_p(0.01, 1, s)), [0]);
        assert_eq!(kept(|s| top_p(0.01, 3, s)), [0, 2, 3]);
        assert_eq!(kept(|s| min_p(0.6, 1, s)), [0, 2]);
        assert_eq!(kept(|s| min_p(1.0, 1, s)), [0]);
        assert_eq!(kept(|s| min_p(1.0, 2, s)), [0, 2]);
        assert_eq!(kept(|s| epsilon(0.15, 1, s)), [0, 2, 3]);
        assert_eq!(kept(|s| epsilon(0.9, 2, s)), [0, 2]);
        // The entropy is 1.28: surprises 0.92, 2.30, 1.20, 1.61 are nearest in the order 2, 3, 0, 1.
        assert_eq!(kept(|s| typical_p(0.2, 1, s)), [2]);
        assert_eq!(kept(|s| typical_p(0.4, 1, s)), [2, 3]);
        assert_eq!(kept(|s| typical_p(0.95, 1, s)), [0, 1, 2, 3]);
        // eta: min(0.9, sqrt(0.9) * exp(-1.28)) = 0.264
        assert_eq!(kept(|s| eta(0.9, 1, s)), [0, 2]);
        // Entropies 0.367, 0.361, 0.322, 0.230 of 1.28
        assert_eq!(kept(|s| top_h(0.6, s)), [0, 2]);
        assert_eq!(kept(|s| top_h(0.01, s)), [0]);
        assert_eq!(kept(|s| xtc(0.15, 1, s)), [1, 3]);
        assert_eq!(kept(|s| xtc(0.35, 1, s)), [0, 1, 2, 3]);
        assert_eq!(kept(|s| xtc(0.15, 3, s)), [1, 2, 3]);
    }

    #[test]
    fn equals_of_the_last_stay_among_the_likeliest() {
        let mut scores = [1.0, 0.5, 0.5, 0.0];
        top_k(2, 1, &mut scores);
        assert_eq!(scores, [1.0, 0.5, 0.5, f32::NEG_INFINITY]);
    }

    #[test]
    fn sigma_is_that_of_the_tokens_left() {
        // Mean 2, variance 6.4, of the five that are left.
        let left = [4.0, 5.0, 3.0, -1.0, -1.0];
        let mut scores = vec![f32::NEG_INFINITY];
        scores.extend(left);
        let mean = left.iter().sum::<f32>() / 5.0;
        let sigma = (left.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 5.0).sqrt();
        assert!((sigma - 6.4f32.sqrt()).abs() < 1e-6);
        for n in [0.1, 0.5, 0.9, 2.3, 3.0] {
            let mut got = scores.clone();
            top_n_sigma(n, 1, &mut got);
            let want = scores.iter().map(|&x| if x >= 5.0 - n * sigma { x } else { f32::NEG_INFINITY });
            assert_eq!(got, want.collect::<Vec<_>>(), "{n}");
        }
    }

    #[test]
    fn a_tiny_temperature_leaves_numbers() {
        for t in [1e-30, f32::MIN_POSITIVE, 1e-45] {
            let mut scores = [-3.0, 900.0, 800.0];
            temperature(t, &mut scores);
            assert!(scores[1].is_finite());
            assert!(scores[1] - scores[0] > 1e9 && scores[1] - scores[2] > 1e9);
        }
        let mut scores = [f32::NEG_INFINITY, 3.0, -1.0];
        temperature(2.0, &mut scores);
        assert_eq!(scores, [f32::NEG_INFINITY, 1.5, -0.5]);
    }
}
