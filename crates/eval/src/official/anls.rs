//! Average normalised Levenshtein similarity (DocVQA, InfoVQA): how much of a read text is right.

use super::edits::distance;
use super::python::{length, split, strip};

/// Less similar than this is another answer, not one that was read badly.
const THRESHOLD: f64 = 0.5;

/// VLMEvalKit's: `vlmeval/dataset/utils/vqa_eval.py`, `anls_compute`, and `hit_calculate` with the least distance of
/// all golds.
///
/// Texts are compared in small letters with single spaces, but the edits are divided by the longer's length as it was
/// written, in capitals: spaces around an answer make it more similar, and "ß" counts twice. A similarity of exactly
/// 0.5 counts. `golds` is what [`super::literal::alternatives`] makes of a cell.
pub(crate) fn kit<S: AsRef<str>>(answer: &str, golds: &[S]) -> f64 {
    let least = golds.iter().map(|gold| kit_distance(gold.as_ref(), answer)).fold(1.0, f64::min);
    let similarity = 1.0 - least;
    if similarity < THRESHOLD { 0.0 } else { similarity }
}

fn kit_distance(gold: &str, answer: &str) -> f64 {
    let plain = |text: &str| split(&text.to_lowercase()).collect::<Vec<_>>().join(" ");
    match length(&gold.to_uppercase()).max(length(&answer.to_uppercase())) {
        0 => 0.0,
        longer => distance(&plain(gold), &plain(answer)) as f64 / longer as f64,
    }
}

/// m4's: `custom_metrics/doc_vqa_metrics.py`, `DocVQAMetrics`.
///
/// Spaces and then full stops around the answer go, but not around golds. An answer without anything else scores 0,
/// even where the gold is empty. A similarity of exactly 0.5 does not count, as on DocVQA's server.
pub(crate) fn m4<S: AsRef<str>>(answer: &str, golds: &[S]) -> f64 {
    let answer = strip(answer).trim_matches('.').to_lowercase();
    let similarity = |gold: &S| {
        let gold = gold.as_ref().to_lowercase();
        let part = distance(&gold, &answer) as f64 / length(&gold).max(length(&answer)) as f64;
        if part < THRESHOLD { 1.0 - part } else { 0.0 }
    };
    if answer.is_empty() { 0.0 } else { golds.iter().map(similarity).fold(0.0, f64::max) }
}

#[cfg(test)]
mod tests {
    use super::super::cases::{read, same, text, texts};
    use super::*;

    #[test]
    fn golden() {
        for case in read("anls", 2000) {
            let (answer, golds) = (text(&case["answer"]), texts(&case["golds"]));
            same(kit(answer, &golds), &case["kit"], &case);
            same(m4(answer, &golds), &case["m4"], &case);
        }
    }

    #[test]
    fn half_counts_for_one_alone() {
        assert_eq!((kit("ab", &["ax"]), m4("ab", &["ax"])), (0.5, 0.0));
        assert_eq!((kit("", &[""]), m4("", &[""])), (1.0, 0.0));
    }
}
