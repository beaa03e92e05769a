//! How probable tokens were: by the model's own logits, before any setting has acted on them.

use super::warpers::log_sum;
use std::cmp::Ordering;

/// A step's log-probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprobs {
    /// Of the token that was chosen.
    pub chosen: f32,
    /// The likeliest tokens and theirs, likeliest first.
    pub top: Vec<(u32, f32)>,
}

impl TokenLogprobs {
    /// Of the token `id` and the `count` likeliest, by a row of logits.
    pub(crate) fn of(logits: &[f32], id: u32, count: usize) -> TokenLogprobs {
        let total = log_sum(logits);
        let logprob = |logit: f32| (f64::from(logit) - total) as f32;
        let chosen = logits.get(id as usize).map_or(f32::NEG_INFINITY, |&logit| logprob(logit));
        let top = largest(logits, count).into_iter().map(|(at, logit)| (at as u32, logprob(logit))).collect();
        TokenLogprobs { chosen, top }
    }
}

/// The `count` largest scores and their places, the largest first; of equals the first.
pub(crate) fn largest(scores: &[f32], count: usize) -> Vec<(usize, f32)> {
    let falling = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    let mut kept: Vec<(usize, f32)> = Vec::with_capacity(count + 1);
    for (place, &score) in scores.iter().enumerate() {
        let last = kept.last().map(|(_, least)| score.total_cmp(least));
        if kept.len() == count && last.is_none_or(|order| order != Ordering::Greater) {
            continue;
        }
        let at = kept.partition_point(|known| falling(known, &(place, score)) == Ordering::Less);
        kept.insert(at, (place, score));
        kept.truncate(count);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logprobs_are_those_of_the_bare_logits() {
        let logits = [1.0f32, 3.0, 2.0, 3.0];
        let sum: f32 = logits.iter().map(|x| x.exp()).sum();
        let got = TokenLogprobs::of(&logits, 2, 3);
        assert!((got.chosen - (2.0 - sum.ln())).abs() < 1e-6);
        assert_eq!(got.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 3, 2]);
        assert!((got.top[0].1 - (3.0 - sum.ln())).abs() < 1e-6);
        assert_eq!(TokenLogprobs::of(&logits, 0, 0).top, []);
    }

    #[test]
    fn the_largest_and_of_equals_the_first() {
        let scores = [1.0, f32::NEG_INFINITY, 5.0, 1.0, 7.0, 5.0];
        assert_eq!(largest(&scores, 4), [(4, 7.0), (2, 5.0), (5, 5.0), (0, 1.0)]);
        assert_eq!(largest(&scores, 9).len(), 6);
        assert_eq!(largest(&scores, 0), []);
    }
}
