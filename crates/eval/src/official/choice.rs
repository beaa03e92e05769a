//! The option that an answer names, as VLMEvalKit infers it for every set of multiple choice.

use super::python::{length, split};
use regex::Regex;
use std::sync::LazyLock;

/// Signs that part words.
const SIGNS: [char; 14] = ['.', '(', ')', '[', ']', ',', ':', ';', '!', '*', '#', '{', '}', ' '];
/// What refuses, as far as it is known by its words.
const REFUSALS: [&str; 4] = [
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
];
/// What a failed call leaves in place of an answer.
const FAILED: &str = "Failed to obtain answer via API";
/// A letter counts among so many last words.
const LAST: usize = 4;

/// Nothing parts the letter from what follows it, and case does not count: "the answer is blue" says B, "answer is a
/// dog" says A. Spaces are Python's, and so are the letters that are an i where case does not count.
static SAID: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)answer[\s\x1c-\x1f]+[iıİ]s[\s\x1c-\x1f]+\**([ABCD])").ok());

/// The letter that an answer names, Z where it refuses, or none, which `exact_matching` counts as Z and a judge would
/// be asked about: `vlmeval/utils/matching_util.py`, `can_infer`.
///
/// First the only option whose letter is a word by itself, if it is among the last four words ("A" may be an article);
/// then the letter behind "answer is", of A to D alone; then the only option whose text is in the answer, unless that
/// is more than twice as long as all options together.
pub(crate) fn kit<S: AsRef<str>>(answer: &str, options: &[(char, S)]) -> Option<char> {
    by_letter(answer, options).or_else(|| by_text(answer, options))
}

fn by_letter<S>(answer: &str, options: &[(char, S)]) -> Option<char> {
    if answer.contains(FAILED) {
        return None;
    }
    if REFUSALS.iter().any(|refusal| answer.contains(refusal)) {
        return Some('Z');
    }
    let parted = answer.replace(SIGNS, " ");
    let words: Vec<&str> = split(&parted).collect();
    let place = |letter: char| words.iter().position(|word| word.chars().eq([letter]));
    let named: Vec<(char, usize)> = options.iter().filter_map(|(name, _)| Some((*name, place(*name)?))).collect();
    match named.as_slice() {
        [(name, first)] if first + LAST >= words.len() => Some(*name),
        [] if place('Z').is_some() => Some('Z'),
        _ => said(answer).filter(|letter| options.iter().any(|(name, _)| name == letter)),
    }
}

/// The letter behind the first "answer is" that one follows.
fn said(answer: &str) -> Option<char> {
    let letter = SAID.as_ref()?.captures(answer)?.get(1)?;
    letter.as_str().chars().next().map(|letter| letter.to_ascii_uppercase())
}

fn by_text<S: AsRef<str>>(answer: &str, options: &[(char, S)]) -> Option<char> {
    let answer = answer.to_lowercase();
    let all: usize = options.iter().map(|(_, text)| length(text.as_ref())).sum();
    if length(&answer) > 2 * all {
        return None;
    }
    let mut found = options.iter().filter(|(_, text)| answer.contains(&text.as_ref().to_lowercase()));
    match (found.next(), found.next()) {
        (Some((name, _)), None) => Some(*name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::{letter, read, text, texts};
    use super::super::lettered;
    use super::*;

    #[test]
    fn golden() {
        for case in read("choice", 2000) {
            let options = texts(&case["options"]);
            assert_eq!(kit(text(&case["answer"]), &lettered(&options)), letter(&case["letter"]), "{case}");
        }
    }

    #[test]
    fn oddities() {
        let options = lettered(&["red", "dark red", "a dog"]);
        for (answer, expected) in [
            ("the answer is blue", Some('B')),
            ("answer is a dog", Some('A')),
            ("A man of the sea and sun", None),
            ("I'm sorry, but without the image provided", Some('Z')),
            ("Z", Some('Z')),
            ("dark red", None),
            ("a dog", Some('C')),
            ("", None),
        ] {
            assert_eq!(kit(answer, &options), expected, "{answer}");
        }
    }
}
