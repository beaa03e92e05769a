//! Relaxed accuracy (ChartQA): numbers may be 5 % off, as they are read from charts.

use super::python::{float, strip};

/// What a number may be off, as a part of the right one.
const TOLERANCE: f64 = 0.05;
/// Words that m4 takes for digits, in its order: "twoone" is 21, and "eightwo" eigh2, thus no number.
const WORDS: [(&str, &str); 10] = [
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("zero", "0"),
];

/// VLMEvalKit's: `vlmeval/dataset/utils/vqa_eval.py`, `relaxed_correctness` (of pix2struct), any gold.
///
/// 5 % off is right. "14%" is 0.14, so "14" is wrong for it. Where the gold is 0 or either is no number ("1,000" is
/// none), the texts must be the same but for case: "0.0" is wrong for "0". `golds` is what
/// [`super::literal::alternatives`] makes of a cell: a gold "[2018, 2019]" is met by "2018" alone, and not by the list
/// that ChartQA's prompt asks for.
pub(crate) fn kit<S: AsRef<str>>(answer: &str, golds: &[S]) -> bool {
    let answer = strip(answer);
    golds.iter().map(AsRef::as_ref).any(|gold| match (percent(answer), percent(gold).filter(|gold| *gold != 0.0)) {
        (Some(answer), Some(gold)) => (answer - gold).abs() / gold.abs() <= TOLERANCE,
        _ => answer.to_lowercase() == gold.to_lowercase(),
    })
}

fn percent(text: &str) -> Option<f64> {
    match text.ends_with('%') {
        true => float(text.trim_end_matches('%')).map(|number| number / 100.0),
        false => float(text),
    }
}

/// m4's: `custom_metrics/open_ended_vqa_metrics.py`, `_compute_relaxed_vqa_accuracy`.
///
/// Full stops around the texts go, and nothing else: " yes" is wrong for "yes", as is "Yes". The difference is divided
/// by the gold with its sign, so any number is right for a negative gold. 5 % off is wrong. An answer that is a number
/// is held against the first gold that is one, and no other.
pub(crate) fn m4<S: AsRef<str>>(answer: &str, golds: &[S]) -> bool {
    let answer = answer.trim_matches('.');
    let mut golds = golds.iter().map(|gold| gold.as_ref().trim_matches('.'));
    match m4_number(answer) {
        Some(said) => golds.find_map(m4_number).is_some_and(|gold| match gold == 0.0 {
            true => said == 0.0,
            false => (said - gold).abs() / gold < TOLERANCE,
        }),
        None => golds.any(|gold| gold == answer),
    }
}

/// The number that a text is for m4 (`custom_metrics/utils.py`, `convert_to_number`): words of digits and commas are
/// replaced wherever they stand.
pub(super) fn m4_number(text: &str) -> Option<f64> {
    let text = WORDS.iter().fold(text.to_lowercase(), |text, (word, digit)| text.replace(word, digit));
    float(&text.replace(',', ""))
}

#[cfg(test)]
mod tests {
    use super::super::cases::{read, right, text, texts};
    use super::super::literal::alternatives;
    use super::*;

    #[test]
    fn golden() {
        for case in read("relaxed", 2000) {
            let (answer, golds) = (text(&case["answer"]), texts(&case["golds"]));
            // One gold is a cell as it stands, which may be a list; several are the items of one.
            let cell = match golds.as_slice() {
                [cell] => alternatives(cell),
                items => items.iter().map(|item| (*item).to_owned()).collect(),
            };
            right(kit(answer, &cell), &case["kit"], &case);
            right(m4(answer, &golds), &case["m4"], &case);
        }
    }

    #[test]
    fn signs_and_edges() {
        assert!(kit("95", &["100"]) && !m4("95", &["100"]));
        assert!(m4("1000", &["-5"]) && !kit("1000", &["-5"]));
        assert!(m4("one.", &["yes", "1", "2"]) && !m4("two", &["1", "2"]) && !m4("0.01", &["0"]));
    }
}
