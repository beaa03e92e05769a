//! Relaxed accuracy: numbers may be a little off, as they are read from charts (ChartQA).

use super::words::digits;
use super::{Truth, exact};

/// What a number may be off, as a part of the right one; this much is too much.
const TOLERANCE: f64 = 0.05;

/// Whether the answer is a number less than 5 % off one that counts, or else the same words.
pub(super) fn is_right(answer: &str, truth: &Truth) -> bool {
    let close = |wanted: &str| match (number(answer), number(wanted)) {
        (Some(answer), Some(wanted)) => answer == wanted || (answer - wanted).abs() / wanted.abs() < TOLERANCE,
        _ => false,
    };
    truth.accepted().any(close) || exact::is_right(answer, truth)
}

/// The number that a text is: in digits, with commas between thousands, with a percent sign or a full stop behind, or a word
/// up to ten.
fn number(text: &str) -> Option<f64> {
    let text = text.trim().trim_end_matches('.').trim_end_matches('%').trim_end().to_lowercase();
    let text = digits(&text).unwrap_or(&text);
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | '+' | 'e');
    if !text.chars().all(plain) {
        return None;
    }
    let (whole, rest) = text.split_at(text.find(['.', 'e']).unwrap_or(text.len()));
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let fits = |group: &str| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit());
    let short = first.trim_start_matches(['-', '+']).len() <= 3 && !first.is_empty();
    if rest.contains(',') || (whole.contains(',') && !(short && groups.all(fits))) {
        return None;
    }
    format!("{}{rest}", whole.replace(',', "")).parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_they_are_written() {
        for (text, expected) in [
            (" 12.50 ", Some(12.5)),
            ("-3", Some(-3.0)),
            ("1,234,567.5", Some(1_234_567.5)),
            ("12,34", None),
            ("1234,567", None),
            ("1.5,000", None),
            (",123", None),
            ("5 %.", Some(5.0)),
            ("Seven", Some(7.0)),
            ("1e3", Some(1000.0)),
            (".5", Some(0.5)),
            ("inf", None),
            ("1e999", None),
            ("", None),
            ("-", None),
            ("7 dogs", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
