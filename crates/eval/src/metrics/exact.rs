//! The same answer, but for how it is written.

use super::Truth;
use super::words::{contraction, digits, is_article};

/// Whether the answer is one of those that count.
pub(super) fn is_right(answer: &str, truth: &Truth) -> bool {
    let answer = normal(answer);
    truth.accepted().any(|accepted| normal(accepted) == answer)
}

/// An answer as it is compared: in lower case, without punctuation and articles, numbers to ten in digits, contractions
/// with their apostrophes. m4's rule for VQA, which would make one of "1,000" and "1 000", of "-5" and "5", of "3-4" and
/// "34", and of "A" and nothing; here numbers stay whole, and an answer of articles or signs alone stays as it is.
pub(super) fn normal(text: &str) -> String {
    let text = text.to_lowercase();
    let bare = bare(&text);
    let words: Vec<&str> = bare.split_whitespace().map(|word| word.trim_matches('\'')).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let telling: Vec<&str> = words.iter().filter(|word| !is_article(word)).copied().collect();
    let words = if telling.is_empty() { words } else { telling };
    if words.is_empty() {
        return text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let right = |word| digits(word).or_else(|| contraction(word)).unwrap_or(word);
    words.into_iter().map(right).collect::<Vec<_>>().join(" ")
}

/// The text without punctuation: a hyphen between letters goes, all else becomes a space.
fn bare(text: &str) -> String {
    let letters: Vec<char> = text.chars().map(plain).collect();
    let at = |index: usize| letters.get(index).copied().unwrap_or(' ');
    let mut out = String::new();
    for (index, &letter) in letters.iter().enumerate() {
        let before = if index == 0 { ' ' } else { at(index - 1) };
        let next = at(index + 1);
        let (digit_before, digit_next) = (before.is_ascii_digit(), next.is_ascii_digit());
        let inside = before.is_alphanumeric();
        match letter {
            '-' if digit_next && !inside => out.push('-'),
            '-' if inside && next.is_alphanumeric() && !(digit_before && digit_next) => {}
            '.' if digit_next && (digit_before || !inside) => out.push('.'),
            ',' if digit_before && thousand(letters.get(index + 1..).unwrap_or_default()) => {}
            '\'' => out.push('\''),
            c if c.is_ascii_punctuation() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Whether exactly three digits come.
fn thousand(letters: &[char]) -> bool {
    letters.iter().take_while(|letter| letter.is_ascii_digit()).count() == 3
}

/// Typographers' signs as they are typed.
fn plain(letter: char) -> char {
    match letter {
        '‘' | '’' => '\'',
        '‐' | '‑' | '–' | '—' | '−' => '-',
        '“' | '”' | '„' | '«' | '»' | '…' | '¿' | '¡' => '"',
        letter => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_they_are_compared() {
        for (text, expected) in [
            ("  A red\tBUS. ", "red bus"),
            ("the T-shirt", "tshirt"),
            ("“Yes!”", "yes"),
            ("'yes'", "yes"),
            ("don’t", "don't"),
            ("dont", "don't"),
            ("Three dogs, one cat", "3 dogs 1 cat"),
            ("1,000.5", "1000.5"),
            ("1,2", "1 2"),
            ("-5 °C", "-5 °c"),
            ("3-4", "3 4"),
            ("No.5", "no 5"),
            (".5", ".5"),
            ("A", "a"),
            ("the a", "the a"),
            ("?!", "?!"),
            (" ", ""),
            ("ÉTÉ", "été"),
        ] {
            assert_eq!(normal(text), expected, "{text:?}");
        }
    }
}
