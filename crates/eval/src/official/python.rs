//! Python's ways with texts and numbers, as far as the official rules lean on them.

use regex::Regex;
use std::sync::LazyLock;

/// Letters of a kind, made once.
type Kind = LazyLock<Option<Regex>>;

static DIGIT: Kind = LazyLock::new(|| Regex::new(r"\d").ok());
static LETTER: Kind = LazyLock::new(|| Regex::new(r"\p{L}").ok());
static WORD: Kind = LazyLock::new(|| Regex::new(r"[\p{L}\p{N}_]").ok());

fn is(kind: &Kind, letter: char) -> bool {
    kind.as_ref().is_some_and(|kind| kind.is_match(letter.encode_utf8(&mut [0; 4])))
}

/// `str.isspace` of a letter: four separators of ASCII are spaces, too.
pub(super) fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}

/// What `\d` matches: a digit of any script.
pub(super) fn is_digit(letter: char) -> bool {
    if letter.is_ascii() { letter.is_ascii_digit() } else { is(&DIGIT, letter) }
}

/// `str.isalpha` of a letter.
pub(super) fn is_letter(letter: char) -> bool {
    if letter.is_ascii() { letter.is_ascii_alphabetic() } else { is(&LETTER, letter) }
}

/// What `\w` matches. Unlike the expressions of Rust, Python takes ½ and ² for parts of words, and no combining marks.
pub(super) fn is_word(letter: char) -> bool {
    if letter.is_ascii() { letter.is_ascii_alphanumeric() || letter == '_' } else { is(&WORD, letter) }
}

/// `str.strip()`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// `str.split()`.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_blank).filter(|word| !word.is_empty())
}

/// `str.strip(sign)` for one sign after the other; one that another sign hides stays.
pub(super) fn strip_each<'a>(text: &'a str, signs: &[char]) -> &'a str {
    signs.iter().fold(text, |text, sign| text.trim_matches(*sign))
}

/// How many letters a text has: `len`.
pub(super) fn length(text: &str) -> usize {
    text.chars().count()
}

/// The value of a digit. Scripts have theirs in a row, from 0 to 9, so one's place among its neighbours tells it.
fn value(digit: char) -> Option<char> {
    if digit.is_ascii() || !is_digit(digit) {
        return digit.is_ascii_digit().then_some(digit);
    }
    let below = (0..u32::from(digit)).rev().map_while(char::from_u32).take_while(|letter| is_digit(*letter)).count();
    char::from_digit(u32::try_from(below % 10).ok()?, 10)
}

/// A number's text with plain digits, without the spaces around, and without the `_` that may stand between two digits.
/// The separators of ASCII, which `strip` takes away, are no spaces to `float` and `int`.
fn plain(text: &str) -> Option<String> {
    let text: String = text.trim().chars().map(|letter| value(letter).unwrap_or(letter)).collect();
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for (letter, next) in text.chars().zip(text.chars().skip(1).chain([' '])) {
        match letter {
            '_' if before.is_ascii_digit() && next.is_ascii_digit() => {}
            '_' => return None,
            letter => out.push(letter),
        }
        before = letter;
    }
    Some(out)
}

/// `float(text)`.
pub(super) fn float(text: &str) -> Option<f64> {
    plain(text)?.parse().ok()
}

/// `int(text)`, of any length, as Python would write it.
pub(super) fn integer(text: &str) -> Option<String> {
    let text = plain(text)?;
    let (minus, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some(if digits.is_empty() { "0".to_owned() } else { format!("{minus}{digits}") })
}

/// `round(number, places)`: of the number as it is stored, ties to the even neighbour.
pub(super) fn round(number: f64, places: usize) -> f64 {
    // Rust writes all digits of the stored number, and rounds those in the same way.
    format!("{number:.places$}").parse().unwrap_or(number)
}

/// `str(number)`: the shortest text that reads back as the number.
pub(super) fn write(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() {
        return number.to_string().to_lowercase();
    }
    if size == 0.0 || (1e-4..1e16).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_python_does() {
        for (text, expected) in [
            (" 1e5\n", Some(1e5)),
            ("\u{85}+4\u{3000}", Some(4.0)),
            ("4\u{1c}", None),
            ("1_000.5_0", Some(1000.5)),
            ("5.", Some(5.0)),
            (".5", Some(0.5)),
            ("1.e2", Some(100.0)),
            ("１４٣", Some(143.0)),
            ("𝟗𝟎", Some(90.0)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1e999", Some(f64::INFINITY)),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("1_.5", None),
            ("in_f", None),
            ("1,000", None),
            ("5%", None),
            ("1 2", None),
            ("0x10", None),
            ("", None),
            (".", None),
            ("e5", None),
            ("²", None),
        ] {
            assert_eq!(float(text), expected, "{text:?}");
        }
        assert!(float("-nAn").is_some_and(f64::is_nan));
    }

    #[test]
    fn whole_numbers_are_read_as_python_does() {
        for (text, expected) in [
            (" 007 ", Some("7")),
            ("+1_000", Some("1000")),
            ("-0", Some("0")),
            ("-１４", Some("-14")),
            ("99999999999999999999999", Some("99999999999999999999999")),
            ("5.0", None),
            ("1e3", None),
            ("--1", None),
            ("- 1", None),
            ("", None),
        ] {
            assert_eq!(integer(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_rounded_and_written_as_python_does() {
        for (number, expected) in
            [(0.125, 0.12), (0.375, 0.38), (2.675, 2.67), (1.005, 1.0), (-0.125, -0.12), (1e300, 1e300)]
        {
            assert_eq!(round(number, 2), expected, "{number}");
        }
        for (number, expected) in [
            (1000.0, "1000.0"),
            (1e16, "1e+16"),
            (1.5e-5, "1.5e-05"),
            (1e-4, "0.0001"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (1e-300, "1e-300"),
            (-0.0, "-0.0"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(write(number), expected);
        }
    }
}
