//! Answers as the VQA rules compare them: four normalisers with one ancestor.

use super::python::{is_blank, is_digit, split, strip};
use crate::metrics::words::{contraction, digits, is_article};

/// Signs that are taken out or become spaces.
const SIGNS: [char; 21] =
    [';', '/', '[', ']', '"', '{', '}', '(', ')', '=', '+', '\\', '_', '-', '>', '<', '@', '`', ',', '?', '!'];
/// How many full stops are taken out: all projects hand a flag, `re.UNICODE`, where the count stands.
const STOPS: usize = 32;
/// What m4 takes for a space, besides those of ASCII: not all of Unicode's, but two signs that are none.
const M4_SPACES: [char; 11] = [
    '\u{2009}', '\u{200a}', '\u{202f}', '\u{2005}', '\u{3000}', '\u{2002}', '\u{2008}', '\u{2003}', '\u{fffc}',
    '\u{84}', '\u{a0}',
];

/// Which full stops go.
#[derive(Clone, Copy)]
pub(super) enum Stops {
    /// Those without a digit behind them.
    BeforeNoDigit,
    /// Those without a digit on either side.
    BetweenNoDigits,
}

/// GT-Vision-Lab/VQA, `vqaEval.py`, `processPunctuation` and `processDigitArticle`, after `evaluate` has made spaces of
/// line ends. Its look-behind for digits in front of full stops has a slip and never bites, so "5." is "5".
///
/// It is Python 2, whose `\d` is 0 to 9; here, as in the goldens and in the copies below, a digit of any script is one.
pub(super) fn gt(text: &str) -> String {
    words(&without_signs(&on_one_line(text), Stops::BeforeNoDigit))
}

/// VLMEvalKit, `dataset/utils/vqa_eval.py`, `process_answer`: GT's, with the look-behind put right. "5." stays "5.".
pub(super) fn kit(text: &str) -> String {
    words(&without_signs(&on_one_line(text), Stops::BetweenNoDigits))
}

/// TextVQA's own, of Pythia: lmms-eval, `_task_utils/vqa_eval_metric.py`, `EvalAIAnswerProcessor`. Commas and question
/// marks go first wherever they stand, and "'s" becomes a word.
pub(super) fn evalai(text: &str) -> String {
    let text = text.to_lowercase().replace([',', '?'], "").replace("'s", " 's");
    words(&without_signs(&on_one_line(strip(&text)), Stops::BeforeNoDigit))
}

/// m4's own, `custom_metrics/utils.py`, `vqa_normalize_text`: hyphens go, all other signs of ASCII but the apostrophe
/// become spaces, whatever stands beside them.
pub(super) fn m4(text: &str) -> String {
    let space = |letter: char| {
        let sign = letter.is_ascii_punctuation() && letter != '\'';
        if sign || matches!(letter, '\n' | '\t') || M4_SPACES.contains(&letter) { ' ' } else { letter }
    };
    let text: String = text.to_lowercase().chars().filter(|letter| *letter != '-').map(space).collect();
    let known = |word| digits(word).or_else(|| contraction(word)).unwrap_or(word);
    let words = text.split(' ').filter(|word| !word.is_empty() && !is_article(word)).map(known);
    strip(&words.collect::<Vec<_>>().join(" ")).to_owned()
}

/// A text without the line ends and tabs in it, and the spaces around it.
pub(super) fn on_one_line(text: &str) -> String {
    let text = text.replace(['\n', '\t'], " ");
    text.trim_matches(is_blank).to_owned()
}

/// A text without signs. One that stands beside a space somewhere goes everywhere; and all go, instead of becoming
/// spaces, where a comma stands between digits anywhere: "1,000 red/blue" is "1000 redblue".
pub(super) fn without_signs(text: &str, stops: Stops) -> String {
    let comma = thousands(text);
    let mut out = text.to_owned();
    for sign in SIGNS {
        let beside = || text.contains(&format!("{sign} ")) || text.contains(&format!(" {sign}"));
        if out.contains(sign) {
            out = out.replace(sign, if comma || beside() { "" } else { " " });
        }
    }
    without_stops(&out, stops)
}

/// Whether a comma stands between two digits.
fn thousands(text: &str) -> bool {
    let next = text.chars().skip(1).zip(text.chars().skip(2));
    text.chars().zip(next).any(|(before, (sign, behind))| sign == ',' && is_digit(before) && is_digit(behind))
}

fn without_stops(text: &str, stops: Stops) -> String {
    let mut left = STOPS;
    let mut before = ' ';
    let mut out = String::with_capacity(text.len());
    for (letter, behind) in text.chars().zip(text.chars().skip(1).chain([' '])) {
        let held = is_digit(behind) || (matches!(stops, Stops::BetweenNoDigits) && is_digit(before));
        if letter == '.' && !held && left > 0 {
            left -= 1;
        } else {
            out.push(letter);
        }
        before = letter;
    }
    out
}

/// The words in small letters: numbers up to ten in digits, no articles, contractions with their apostrophes.
fn words(text: &str) -> String {
    let text = text.to_lowercase();
    let words = split(&text).map(|word| digits(word).unwrap_or(word)).filter(|word| !is_article(word));
    words.map(|word| contraction(word).unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oddities() {
        assert_eq!(gt("1,000 red/blue"), "1000 redblue");
        assert_eq!(gt("9.5 a.m. 5."), "9.5 am 5");
        assert_eq!(kit("9.5 a.m. 5."), "9.5 am 5.");
        assert_eq!(evalai("Dog's, 1,000?"), "dog 's 1000");
        assert_eq!(m4("T-shirt: 1,000 isnt the\u{85}"), "tshirt 1 000 isn't the");
        assert_eq!(gt(&".".repeat(40)), ".".repeat(8));
        assert_eq!(m4(""), "");
    }
}
