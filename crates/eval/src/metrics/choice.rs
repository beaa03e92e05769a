//! The option that an answer names, by its letter or its words.

use super::{Truth, exact};
use regex::Regex;
use std::sync::LazyLock;

/// Letters of options.
const LETTERS: &str = "ABCDEFGHI";

/// An expression, made once. None of them is wrong: tests run them all.
macro_rules! expression {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($text).ok());
    };
}

expression!(MARK, r"(?:^|\s)\(?([A-I])[.):]\s+");
expression!(FIRST, r"^(?:\(([A-I])\)|([A-I])(?:[.):,]|\s*$))");
expression!(SAID, r"(?i:answer|option|choice)(?i:\s+is)?\s*:?\s*\(?([A-I])(?:[^\p{L}\p{N}]|$)");

/// Whether the answer names the option that the expected one names. Where that is none, the words must be the same.
pub(super) fn is_right(answer: &str, truth: &Truth) -> bool {
    let options = options(&truth.question);
    let named = letter(answer, &options);
    truth.accepted().any(|accepted| match letter(accepted, &options) {
        Some(letter) => named == Some(letter),
        None => exact::normal(accepted) == exact::normal(answer),
    })
}

/// The options that a question lists: "A. red", "(B) blue", "C) green", from A on in order.
pub(super) fn options(question: &str) -> Vec<(char, String)> {
    let Some(mark) = MARK.as_ref() else { return Vec::new() };
    let mut marks: Vec<(char, usize, usize)> = Vec::new();
    let mut from = 0;
    // Marks may share the space between them, as in "A. B. ".
    while let Some(found) = mark.captures_at(question, from) {
        let (Some(all), Some(letter)) = (found.get(0), found.get(1)) else { break };
        from = letter.end();
        let name = letter.as_str().chars().next().unwrap_or(' ');
        if name == 'A' {
            marks.clear();
        }
        if LETTERS.chars().nth(marks.len()) == Some(name) {
            marks.push((name, all.start(), all.end()));
        }
    }
    if marks.len() < 2 {
        return Vec::new();
    }
    let ends = marks.iter().skip(1).map(|(_, start, _)| *start).chain([question.len()]);
    let text = |start: usize, end: usize| question.get(start..end).unwrap_or_default();
    let of = |((name, _, start), end): (&(char, usize, usize), usize)| {
        let line = text(*start, end.max(*start)).split('\n').next().unwrap_or_default();
        (*name, exact::normal(line))
    };
    marks.iter().zip(ends).map(of).collect()
}

/// The letter that an answer names: alone, in front, behind "answer" or "option", as the only one that stands by itself;
/// else the option whose words are the only ones in it.
fn letter(answer: &str, options: &[(char, String)]) -> Option<char> {
    let answer = answer.trim();
    let known = |letter: &char| match options.is_empty() {
        true => LETTERS.contains(*letter),
        false => options.iter().any(|(name, _)| name == letter),
    };
    let alone = answer.trim_matches(|c: char| !c.is_alphanumeric());
    let mut letters = alone.chars();
    let alone = match (letters.next(), letters.next()) {
        (Some(one), None) => Some(one.to_ascii_uppercase()).filter(known),
        _ => None,
    };
    let group = |found: regex::Captures<'_>| found.iter().skip(1).flatten().last()?.as_str().chars().next();
    let first = FIRST.as_ref().and_then(|first| first.captures(answer)).and_then(group);
    let said = || SAID.as_ref().and_then(|said| said.captures_iter(answer).last()).and_then(group);
    let first = alone.or_else(|| first.filter(known)).or_else(|| said().filter(known));
    first.or_else(|| by_itself(answer, &known)).or_else(|| words(answer, options))
}

/// The only letter that stands by itself as a word. An A in front of a word in small letters is an article.
fn by_itself(answer: &str, known: &dyn Fn(&char) -> bool) -> Option<char> {
    let words: Vec<&str> = answer.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut found = None;
    for (index, word) in words.iter().enumerate() {
        let mut letters = word.chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else { continue };
        let article = letter == 'A' && words.get(index + 1).is_some_and(|next| next.starts_with(char::is_lowercase));
        if !known(&letter) || article {
            continue;
        }
        if found.is_some_and(|found| found != letter) {
            return None;
        }
        found = Some(letter);
    }
    found
}

/// The only option whose words stand in the answer; one that stands within another's words does not count.
fn words(answer: &str, options: &[(char, String)]) -> Option<char> {
    let within = |words: &str, text: &str| !words.is_empty() && format!(" {text} ").contains(&format!(" {words} "));
    let answer = exact::normal(answer);
    let found: Vec<&(char, String)> = options.iter().filter(|(_, words)| within(words, &answer)).collect();
    let longer = |words: &str| found.iter().any(|(_, other)| other != words && within(words, other));
    let mut whole = found.iter().filter(|(_, words)| !longer(words));
    match (whole.next(), whole.next()) {
        (Some((letter, _)), None) => Some(*letter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_questions() {
        let brief = |question: &str| {
            options(question).iter().map(|(name, words)| format!("{name}={words}")).collect::<Vec<_>>().join(" ")
        };
        for (question, expected) in [
            ("What?\nA. red\nB. dark red\nAnswer with the letter.", "A=red B=dark red"),
            ("What? (A) A dog (B) two cats", "A=dog B=2 cats"),
            ("What? A: x B: y C: z", "A=x B=y C=z"),
            ("A. or not? A) one B) two", "A=1 B=2"),
            ("What does vitamin A. do", ""),
            ("What? A. x C. y", ""),
            ("", ""),
        ] {
            assert_eq!(brief(question), expected, "{question}");
        }
    }

    #[test]
    fn letters_of_answers() {
        let options = options("What?\nA. red\nB. dark red\nC. a dog");
        for (answer, expected) in [
            ("B", Some('B')),
            ("(b).", Some('B')),
            ("B. dark red", Some('B')),
            ("A dog", Some('C')),
            ("The answer is (C).", Some('C')),
            ("It is B because of A", None),
            ("I take option B", Some('B')),
            ("dark red", Some('B')),
            ("It is red.", Some('A')),
            ("red or a dog", None),
            ("E", None),
            ("blue", None),
            ("", None),
        ] {
            assert_eq!(letter(answer, &options), expected, "{answer}");
        }
        assert_eq!(letter("F", &[]), Some('F'));
    }
}
