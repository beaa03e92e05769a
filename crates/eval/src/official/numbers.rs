//! The numbers in a text, as MMMU finds them.

use super::python::{is_digit, is_word};
use regex::Regex;
use std::sync::LazyLock;

/// A number with an exponent.
static SCIENTIFIC: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"-?\d+(?:\.\d+)?[eE][+-]?\d+").ok());

/// MMMU's `eval_utils.py`, `extract_numbers`, by three expressions one after the other, so that a number may be found
/// twice and in parts: those with commas between thousands, those with an exponent, and plain ones, which no comma and
/// no digit follow. "1,234" is found by the first, and its 234 by the last.
pub(super) fn numbers(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let scientific = SCIENTIFIC.iter().flat_map(|found| found.find_iter(text)).map(|found| found.as_str().to_owned());
    let with_commas = all(&letters, with_commas);
    let plain = all(&letters, plain);
    with_commas.into_iter().chain(scientific).chain(plain).collect()
}

/// A text, and a place in it.
#[derive(Clone, Copy)]
struct Place<'a> {
    letters: &'a [char],
    at: usize,
}

impl Place<'_> {
    fn letter(self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn before(self) -> Option<char> {
        self.letters.get(self.at.checked_sub(1)?).copied()
    }

    fn is(self, sign: char) -> bool {
        self.letter() == Some(sign)
    }

    fn on(self, steps: usize) -> Self {
        Place { at: self.at + steps, ..self }
    }

    /// Behind the sign, if it stands here.
    fn behind(self, sign: char) -> Option<Self> {
        self.is(sign).then(|| self.on(1))
    }

    /// How many digits come.
    fn digits(self) -> usize {
        self.letters.iter().skip(self.at).take_while(|letter| is_digit(**letter)).count()
    }

    /// Behind the digits that come, if there are some.
    fn behind_digits(self) -> Option<Self> {
        Some(self.digits()).filter(|digits| *digits > 0).map(|digits| self.on(digits))
    }
}

/// What an expression matches from left to right, given where a match from a place ends.
fn all(letters: &[char], end: fn(Place<'_>) -> Option<usize>) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let place = Place { letters, at };
        // A hyphen in front belongs to the number.
        match end(place.behind('-').unwrap_or(place)) {
            Some(end) => {
                found.push(letters.iter().take(end).skip(at).collect());
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// `\b\d{1,3}(?:,\d{3})+\b`.
fn with_commas(place: Place<'_>) -> Option<usize> {
    let first = place.digits();
    if first == 0 || first > 3 || place.before().is_some_and(is_word) {
        return None;
    }
    let mut end = place.on(first);
    // The last group that may be the end: a comma behind it is one, another word's letter is not.
    let mut fits = None;
    while let Some(group) = end.behind(',').filter(|group| group.digits() >= 3) {
        end = group.on(3);
        if !end.letter().is_some_and(is_word) {
            fits = Some(end.at);
        }
    }
    fits
}

/// `(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])`. Fewer digits than there are never do, as one would follow.
fn plain(place: Place<'_>) -> Option<usize> {
    let whole = place.behind_digits();
    let fraction = whole.unwrap_or(place).behind('.').and_then(Place::behind_digits);
    let ends = |end: &Place<'_>| !end.is(',') && !exponent(*end);
    let word = |end: &Place<'_>| !end.letter().is_some_and(is_word);
    fraction.filter(ends).or_else(|| whole.filter(ends).filter(word)).map(|end| end.at)
}

fn exponent(place: Place<'_>) -> bool {
    let behind = place.behind('e').or_else(|| place.behind('E'));
    behind.is_some_and(|place| place.behind('+').or_else(|| place.behind('-')).unwrap_or(place).digits() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_expressions_find_them() {
        for (text, expected) in [
            ("1,234 and -5", "1,234 234 -5"),
            ("1,2345,678", "678"),
            ("1,234,56", "1,234 56"),
            ("x1,234", "234"),
            ("a-1,234b", ""),
            ("-2.5e-3 1.5e3x", "-2.5e-3 1.5e3 -2 -3 1"),
            ("1.5e", "1.5"),
            ("12a 3. .5 1.2.3", "3 .5 1.2 .3"),
            ("1.5,2", "1 2"),
            ("3--4", "3 -4"),
            ("1½ _7 7_", "7"),
            ("٣٤", "٣٤"),
            ("1,234,567a 1,234.5 1,234é", "1,234 1,234 234.5"),
            ("", ""),
        ] {
            assert_eq!(numbers(text).join(" "), expected, "{text}");
        }
    }
}
