//! What one answer to everything would score: the best one that looks at no picture.

use crate::metrics::{Metric, Truth, key};
use std::collections::BTreeMap;

/// How many of the commonest answers are tried.
const TRIED: usize = 4;
/// Longer ones are not, in letters: nobody gives them to every question.
const LONGEST: usize = 64;
/// Questions in the same words from which on they have a constant answer of their own.
const SAME: usize = 20;

/// The best constant answers' scores.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chance {
    /// The answer, the same to all questions.
    pub answer: String,
    /// Its score.
    pub score: f64,
    /// The score of one answer for each wording that at least 20 questions share, and one for the rest.
    pub by_wording: f64,
}

/// Finds them. Answers count as often as questions accept them; of equally common ones the first does.
pub(crate) fn chance(metric: Metric, truths: &[&Truth]) -> Chance {
    let (answer, score) = best(metric, truths);
    let mut wordings: BTreeMap<&str, Vec<&Truth>> = BTreeMap::new();
    truths.iter().for_each(|truth| wordings.entry(&truth.question).or_default().push(truth));
    let (own, rest): (Vec<_>, Vec<_>) = wordings.into_values().partition(|same| same.len() >= SAME);
    let rest: Vec<&Truth> = rest.into_iter().flatten().collect();
    let sum: f64 = own.iter().chain([&rest]).map(|truths| best(metric, truths).1 * truths.len() as f64).sum();
    Chance { answer, score, by_wording: sum / truths.len().max(1) as f64 }
}

/// The answer that scores best, and its score.
fn best(metric: Metric, truths: &[&Truth]) -> (String, f64) {
    // Of each answer: how many accept it, where it came first, how it is written.
    let mut counts: BTreeMap<String, (usize, usize, &str)> = BTreeMap::new();
    for (place, truth) in truths.iter().enumerate() {
        let mut own: BTreeMap<String, &str> = BTreeMap::new();
        let short = truth.accepted().filter(|answer| answer.chars().nth(LONGEST).is_none());
        short.for_each(|answer| {
            own.entry(key(answer)).or_insert(answer);
        });
        for (key, answer) in own {
            counts.entry(key).or_insert((0, place, answer)).0 += 1;
        }
    }
    let mut common: Vec<(usize, usize, &str)> = counts.into_values().collect();
    common.sort_by_key(|&(count, place, answer)| (std::cmp::Reverse(count), place, answer));
    let mut best = (String::new(), 0.0);
    for (_, _, answer) in common.into_iter().take(TRIED) {
        let score = truths.iter().map(|truth| metric.score(answer, truth)).sum::<f64>() / truths.len() as f64;
        if score > best.1 {
            best = (answer.to_owned(), score);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(question: &str, expected: &str, also: &[&str]) -> Truth {
        let also = also.iter().map(|text| text.to_string()).collect();
        Truth { question: question.into(), expected: expected.into(), also, ..Truth::default() }
    }

    #[test]
    fn the_commonest_answer_is_the_constant() {
        let truths =
            [truth("a", "Two", &[]), truth("b", "three", &["2"]), truth("c", "3.", &[]), truth("d", "2", &["2"])];
        let found = chance(Metric::Exact, &truths.iter().collect::<Vec<_>>());
        assert_eq!(found, Chance { answer: "Two".into(), score: 0.75, by_wording: 0.75 });
        assert_eq!(chance(Metric::Exact, &[]), Chance::default());
    }

    #[test]
    fn wordings_have_constants_of_their_own() {
        let mut truths: Vec<Truth> =
            (0..20).map(|i| truth("Is it red?", if i < 12 { "yes" } else { "no" }, &[])).collect();
        truths.extend((0..20).map(|i| truth("What colour?", if i < 15 { "blue" } else { "red" }, &[])));
        truths.extend((0..10).map(|i| truth(&format!("How many {i}?"), &(i % 5).to_string(), &[])));
        let found = chance(Metric::Exact, &truths.iter().collect::<Vec<_>>());
        assert_eq!(found, Chance { answer: "blue".into(), score: 0.3, by_wording: 29.0 / 50.0 });
    }

    #[test]
    fn a_close_number_may_be_the_best() {
        let truths = [truth("a", "100", &[]), truth("b", "100", &[]), truth("c", "104", &[]), truth("d", "108", &[])];
        let found = chance(Metric::Relaxed, &truths.iter().collect::<Vec<_>>());
        assert_eq!((found.answer.as_str(), found.score), ("104", 1.0));
    }
}
