//! VQAv2's accuracy: an answer is as right as three annotators say the same.
//!
//! The mean over the annotators, each left out in turn, of min(1, how many of the others say the same / 3). Answers
//! meet after the processing of the benchmark's own evaluation (`processPunctuation`, `processDigitArticle`), its
//! oddities included. That evaluation compares answers as they stand where all annotators wrote the same; here they are
//! processed there, too, so that "Yes." is right where ten say "yes".

use super::Truth;
use super::words::{contraction, digits, is_article};
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// Signs that are taken out or become spaces.
const SIGNS: [char; 21] =
    [';', '/', '[', ']', '"', '{', '}', '(', ')', '=', '+', '\\', '_', '-', '>', '<', '@', '`', ',', '?', '!'];
/// How many full stops are taken out: the evaluation gives a flag where the count stands.
const STOPS: usize = 32;

/// The score of an answer. Where there are not two annotators, it is right or wrong.
pub(super) fn score(answer: &str, truth: &Truth) -> f64 {
    let answer = processed(answer);
    let same = |other: &String| processed(other) == answer;
    let count = truth.annotators.len();
    if count < 2 {
        let right = truth.accepted().any(|accepted| processed(accepted) == answer);
        return f64::from(u8::from(right));
    }
    if truth.also.iter().any(same) {
        return 1.0;
    }
    let matching = truth.annotators.iter().filter(|other| same(other)).count();
    let of = |others: usize| (others as f64 / 3.0).min(1.0);
    let sum = matching as f64 * of(matching.saturating_sub(1)) + (count - matching) as f64 * of(matching);
    sum / count as f64
}

/// An answer as VQA compares it.
fn processed(text: &str) -> String {
    let text = text.replace(['\n', '\t'], " ");
    let text = without_signs(text.trim_matches(blank)).to_lowercase();
    let words = text.split(blank).filter(|word| !word.is_empty());
    let words = words.map(|word| digits(word).unwrap_or(word)).filter(|word| !is_article(word));
    words.map(|word| contraction(word).unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

/// What Python's `split` takes for a space.
fn blank(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}

/// A sign that stands beside a space somewhere goes everywhere, and all do where a comma stands between digits; others
/// become spaces. Then full stops go that have no digit behind them.
fn without_signs(text: &str) -> String {
    static COMMA: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\d,\d").ok());
    static STOP: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\.(\d?)").ok());
    let comma = COMMA.as_ref().is_some_and(|comma| comma.is_match(text));
    let mut out = text.to_owned();
    for sign in SIGNS {
        let beside = |pair: &[u8]| pair == [sign as u8, b' '] || pair == [b' ', sign as u8];
        if out.contains(sign) {
            let goes = comma || text.as_bytes().windows(2).any(beside);
            out = out.replace(sign, if goes { "" } else { " " });
        }
    }
    let Some(stop) = STOP.as_ref() else { return out };
    let mut left = STOPS;
    let replaced = stop.replace_all(&out, |found: &Captures<'_>| {
        let whole = found.get(0).map_or("", |all| all.as_str());
        if whole.len() > 1 || left == 0 {
            return whole.to_owned();
        }
        left -= 1;
        String::new()
    });
    replaced.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_they_are_compared() {
        for (text, expected) in [
            ("The  Cat", "cat"),
            ("two-thirds", "2 thirds"),
            ("two - thirds", "2 thirds"),
            ("1,000", "1000"),
            ("9.5 a.m.", "9.5 am"),
            ("what?!", "what"),
            ("dont", "don't"),
            ("A", ""),
            ("l'eau: d'or", "l'eau: d'or"),
            (".b", "b"),
        ] {
            assert_eq!(processed(text), expected, "{text}");
        }
        assert_eq!(processed(&".".repeat(40)), ".".repeat(8));
    }

    #[test]
    fn annotators_are_left_out_in_turn() {
        let of = |says: usize| {
            let annotators = (0..10).map(|i| if i < says { "yes" } else { "no" }.to_owned()).collect();
            score("Yes.", &Truth { annotators, ..Truth::default() })
        };
        let expected = [0.0, 0.3, 0.6, 0.9, 1.0, 1.0];
        for (says, expected) in expected.into_iter().enumerate() {
            assert!((of(says) - expected).abs() < 1e-12, "{says}: {}", of(says));
        }
    }
}
