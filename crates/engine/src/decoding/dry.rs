//! DRY, "don't repeat yourself": penalises the token that would go on with a repetition, the more the longer it is.
//!
//! Rule: its author's description (text-generation-webui, pull request 5677). A token that followed an earlier occurrence of
//! what stands at the text's end is penalised by `multiplier * base^(length - allowed_length)`, where `length` is that of the
//! longest such occurrence, if it is at least `allowed_length`. Nothing is compared across a breaker.

use super::settings::Dry;
use std::collections::BTreeMap;

/// Takes the penalties off.
pub(crate) fn penalise(dry: &Dry, history: &[u32], scores: &mut [f32]) {
    for (id, length) in repeats(&dry.breakers, history) {
        if length < dry.allowed_length {
            continue;
        }
        let power = (length - dry.allowed_length) as f64;
        let penalty = f64::from(dry.multiplier) * libm::pow(f64::from(dry.base), power);
        if let Some(score) = scores.get_mut(id as usize).filter(|score| score.is_finite()) {
            *score = (f64::from(*score) - penalty).max(f64::from(f32::MIN)) as f32;
        }
    }
}

/// The tokens that would go on with a repetition, and how long it is already.
///
/// The text from its end backwards, and the Z-function of it: how many tokens behind each place are those at the beginning.
fn repeats(breakers: &[u32], history: &[u32]) -> BTreeMap<u32, usize> {
    let mut longest = BTreeMap::new();
    // Backwards, up to the first breaker: the longest that can be repeated.
    let most = history.iter().rev().take_while(|id| breakers.binary_search(id).is_err()).count();
    let backwards: Vec<u32> = history.iter().rev().copied().collect();
    for (place, matched) in z_function(&backwards).into_iter().enumerate().skip(1) {
        let length = matched.min(most);
        if let Some(&next) = backwards.get(place - 1)
            && length > 0
            && breakers.binary_search(&next).is_err()
        {
            let known: &mut usize = longest.entry(next).or_default();
            *known = (*known).max(length);
        }
    }
    longest
}

/// For each place, how many of the items from it on are those from the beginning on. The first is 0.
fn z_function(items: &[u32]) -> Vec<usize> {
    let mut z = vec![0; items.len()];
    // The stretch of a match that reaches furthest.
    let (mut left, mut right) = (0, 0);
    for i in 1..items.len() {
        let mut n = if i < right { z.get(i - left).copied().unwrap_or(0).min(right - i) } else { 0 };
        while items.get(i + n).is_some_and(|item| items.get(n) == Some(item)) {
            n += 1;
        }
        if i + n > right {
            (left, right) = (i, i + n);
        }
        if let Some(place) = z.get_mut(i) {
            *place = n;
        }
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_backend::Splitmix;

    /// The definition, word for word: for every token, every earlier place where it stands, and backwards from there.
    fn plainly(dry: &Dry, history: &[u32], scores: &mut [f32]) {
        for id in 0..scores.len() as u32 {
            if dry.breakers.contains(&id) {
                continue;
            }
            let mut longest = 0;
            for at in (0..history.len()).filter(|&at| history[at] == id) {
                let mut length = 0;
                while length < at {
                    let (earlier, now) = (history[at - 1 - length], history[history.len() - 1 - length]);
                    if earlier != now || dry.breakers.contains(&now) {
                        break;
                    }
                    length += 1;
                }
                longest = longest.max(length);
            }
            if longest > 0 && longest >= dry.allowed_length {
                scores[id as usize] -= dry.multiplier * dry.base.powi((longest - dry.allowed_length) as i32);
            }
        }
    }

    #[test]
    fn penalties_are_those_of_the_definition() {
        let mut random = Splitmix::new(3);
        let mut penalised = 0;
        for round in 0..300 {
            let vocab = 2 + round % 4;
            let history: Vec<u32> = (0..round % 40).map(|_| (random.uniform() * vocab as f64) as u32).collect();
            let breakers = if round % 3 == 0 { vec![1] } else { Vec::new() };
            let dry = Dry { multiplier: 0.8, base: 1.1, allowed_length: 1 + round % 3, breakers };
            let (mut got, mut want) = (vec![0.0; vocab], vec![0.0; vocab]);
            penalise(&dry, &history, &mut got);
            plainly(&dry, &history, &mut want);
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() <= 1e-5 * want.abs(), "{history:?} {dry:?}");
            }
            penalised += want.iter().filter(|score| **score < 0.0).count();
        }
        assert!(penalised > 100, "{penalised}");
    }

    #[test]
    fn a_long_repetition_leaves_numbers() {
        let dry = Dry { multiplier: 1.0, base: 10.0, allowed_length: 2, breakers: Vec::new() };
        let mut scores = [1.0, 2.0];
        penalise(&dry, &[0; 5000], &mut scores);
        assert_eq!(scores, [f32::MIN, 2.0]);
    }
}
