//! Captions among the metrics: one picture's score, and those of a set.

use crate::caption::{Captioned, Scores, ptb, rouge_l, scores, spaced};
use crate::scores::Record;

/// ROUGE-L of one answer: what a single picture can be scored by; CIDEr and BLEU are of a set.
pub(crate) fn of_one(answer: &str, references: &[&str]) -> f64 {
    let references: Vec<Vec<String>> = references.iter().map(|text| ptb::tokens(text)).collect();
    rouge_l(&ptb::tokens(answer), &references)
}

/// CIDEr first, as papers report it, in points of a hundred; then the others, and all without the tokeniser, as VLMEvalKit has
/// them.
pub(crate) fn tables(records: &[Record]) -> Vec<(String, f64)> {
    let mut tables = table(records, "", ptb::tokens);
    tables.extend(table(records, ", as VLMEvalKit has it", spaced));
    tables
}

fn table(records: &[Record], whose: &str, tokens: fn(&str) -> Vec<String>) -> Vec<(String, f64)> {
    let captioned = |record: &Record| Captioned {
        candidate: tokens(&record.answer),
        references: record.truth.accepted().map(tokens).collect(),
    };
    let Scores { bleu, rouge_l, cider } = scores(&records.iter().map(captioned).collect::<Vec<_>>());
    let named = |name: &str, value: f64| (format!("{name}{whose}"), 100.0 * value);
    let bleu = bleu.iter().enumerate().map(|(at, value)| named(&format!("BLEU-{}", at + 1), *value));
    [named("CIDEr", cider)].into_iter().chain(bleu).chain([named("ROUGE-L", rouge_l)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Truth;

    #[test]
    fn the_same_caption_is_the_best() {
        let record = |answer: &str, expected: &str| Record {
            group: 0,
            skill: None,
            source: 0,
            score: 0.0,
            answer: answer.into(),
            truth: Truth { expected: expected.into(), ..Truth::default() },
            line: 0,
        };
        let of = |answer: &str| {
            tables(&[record(answer, "A red bus on a road."), record("x y z w", "two dogs run in grass")])
        };
        let (right, wrong) = (of("a red bus on a road"), of("no such thing here"));
        assert!(right[0].0 == "CIDEr" && right[0].1 > 100.0 && wrong[0].1 < 1.0, "{right:?} {wrong:?}");
        // Without the tokeniser case and the full stop count.
        assert!(right[6].0 == "CIDEr, as VLMEvalKit has it" && right[6].1 < right[0].1, "{right:?}");
        assert!((of_one("A red bus!", &["a red bus"]) - 1.0).abs() < 1e-9);
    }
}
