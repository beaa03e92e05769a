//! The letter of an option in free text, as lmms-eval finds it.

use super::python::{is_letter, strip, strip_each};

/// What announces a letter. Two that contain each other add the same places, so the order does not matter.
const PHRASES: [&str; 27] = [
    "the answer is",
    "answer is",
    "the correct answer is",
    "correct answer is",
    "the best answer is",
    "best answer is",
    "the correct option is",
    "correct option is",
    "the best option is",
    "best option is",
    "the choice is",
    "choice is",
    "the correct choice is",
    "correct choice is",
    "i choose",
    "i select",
    "i pick",
    "my answer is",
    "my choice is",
    "옵션",
    "정답은",
    "답은",
    "답:",
    "答案是",
    "答案为",
    "选",
    "答えは",
];

/// A letter that may be meant: how sure its form is, and where it stands.
#[derive(Clone, Copy)]
struct Candidate {
    name: char,
    rank: u8,
    place: usize,
}

/// The letter that an answer gives, of so many options: lmms-eval's `tasks/_task_utils/mcq_extract.py`,
/// `extract_mcq_answer`. None where none is in it.
///
/// The surest form wins: a letter at the start, at the end, behind a phrase, "(A)", "A.", "A:", "A)", "A ", and only
/// without all these any. In one form the last wins, then the earlier letter. Every letter anywhere behind a phrase
/// counts for it: "The answer is A, not B" is B.
pub(super) fn lmms(answer: &str, letters: &[char]) -> Option<char> {
    let bare = strip_each(strip(answer), &[',', '.', '!', '?', ';', ':', '\'', '"']);
    let text: Vec<char> = format!(" {bare} ").chars().collect();
    let mut found = marked(&text, letters);
    found.extend(announced(&text, letters));
    found.extend(at_the_ends(strip(bare), text.len(), letters));
    if found.is_empty() {
        let rank = |name: &char| candidate(*name, 0, rfind(&text, &[*name]));
        found.extend(letters.iter().filter_map(rank));
    }
    let better = |best: Candidate, next: Candidate| match (next.rank, next.place) > (best.rank, best.place) {
        true => next,
        false => best,
    };
    found.into_iter().reduce(better).map(|best| best.name)
}

fn candidate(name: char, rank: u8, place: Option<usize>) -> Option<Candidate> {
    Some(Candidate { name, rank, place: place? })
}

/// Letters by the signs that stand before and behind them.
fn marked(text: &[char], letters: &[char]) -> Vec<Candidate> {
    let forms = [(6, "(", ")"), (5, "", "."), (4, "", ":"), (3, "", ")"), (2, "", " ")];
    let place = |name: char, before: &str, behind: &str| {
        let wanted: Vec<char> = before.chars().chain([name]).chain(behind.chars()).collect();
        rfind(text, &wanted)
    };
    let of = |(rank, before, behind)| {
        letters.iter().filter_map(move |name| candidate(*name, rank, place(*name, before, behind)))
    };
    forms.into_iter().flat_map(of).collect()
}

/// Letters behind what announces them. Places are those in the text in small letters, which may be a longer one.
fn announced(text: &[char], letters: &[char]) -> Vec<Candidate> {
    let small: Vec<char> = text.iter().collect::<String>().to_lowercase().chars().collect();
    let behind = |phrase: &&str| {
        let phrase: Vec<char> = phrase.chars().collect();
        find(&small, &phrase).map(|place| place + phrase.len())
    };
    let named = |from: usize, name: char| {
        let place = text.iter().skip(from).position(|letter| *letter == name);
        candidate(name, 7, place.map(|place| from + place))
    };
    let of = |from: usize| letters.iter().filter_map(move |name| named(from, *name));
    PHRASES.iter().filter_map(behind).flat_map(of).collect()
}

/// Letters at the start and at the end, unless they belong to a word.
fn at_the_ends(bare: &str, length: usize, letters: &[char]) -> Vec<Candidate> {
    let mut found = Vec::new();
    let start = (bare.chars().next(), bare.chars().nth(1));
    let end = (bare.chars().next_back(), bare.chars().rev().nth(1));
    for (rank, place, (letter, neighbour)) in [(10, 0, start), (9, length.saturating_sub(1), end)] {
        let named = letters.iter().find(|name| Some(**name) == letter);
        if !neighbour.is_some_and(is_letter) {
            found.extend(named.and_then(|name| candidate(*name, rank, Some(place))));
        }
    }
    found
}

fn find(text: &[char], wanted: &[char]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn rfind(text: &[char], wanted: &[char]) -> Option<usize> {
    text.windows(wanted.len()).rposition(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_form_wins() {
        for (answer, expected) in [
            ("The answer is A, not B, I think", Some('B')),
            ("B. because (A) is wrong", Some('B')),
            ("(A) or (C) may be", Some('C')),
            ("I think it is C", Some('C')),
            ("Cat", Some('C')),
            ("정답은 D입니다", Some('D')),
            ("답은 D입니다 (A)", Some('A')),
            ("blue", None),
            (" ", None),
        ] {
            assert_eq!(lmms(answer, &['A', 'B', 'C', 'D']), expected, "{answer}");
        }
    }
}
