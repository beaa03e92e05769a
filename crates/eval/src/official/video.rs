//! Questions about clips: Video-MME, MVBench, MLVU, TempCompass.

use super::python::{is_word, split, strip, strip_each};
use super::texts::{Stops, on_one_line, without_signs};
use super::{choice, extract, lettered};
use regex::Regex;
use std::sync::LazyLock;

/// The letters that Video-MME and MLVU have.
const LETTERS: [char; 4] = ['A', 'B', 'C', 'D'];
/// What VLMEvalKit takes out of answers to Video-MME, in order. Commas are missing in its list, so two are never met.
const PHRASES: [&str; 8] = [
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "The best option isThe correct option is",
    "Best answer:Best option:",
    "Answer:",
    "Option:",
];

/// The letter that VLMEvalKit takes an answer to Video-MME for: `vlmeval/dataset/utils/videomme.py`,
/// `extract_characters_regex`. The first capital from A to D counts, wherever it stands: "Dog" is D, "Best option: C"
/// B. None is what a judge would be asked about, and what counts as wrong without one.
pub(crate) fn videomme(answer: &str) -> Option<char> {
    let answer = PHRASES.iter().fold(strip(answer).to_owned(), |answer, phrase| answer.replace(phrase, ""));
    answer.chars().find(|letter| LETTERS.contains(letter))
}

/// The letter that lmms-eval takes an answer to Video-MME or MLVU for (`extract_mcq_answer`).
pub(crate) fn lmms_letter(answer: &str) -> Option<char> {
    extract::lmms(answer, &LETTERS)
}

/// VLMEvalKit's verdict on an answer to MVBench: `vlmeval/dataset/utils/mvbench.py`, `check_ans_with_model`.
///
/// The first word without full stops must be a part of "(x)", or have that in it; else the letter is inferred. So an
/// empty answer is right, as is "(", and "." too.
pub(crate) fn mvbench<S: AsRef<str>>(answer: &str, gold: char, options: &[S]) -> bool {
    let lower = answer.to_lowercase();
    let first = strip(&lower).split(' ').next().unwrap_or_default();
    let wanted = format!("({})", gold.to_lowercase());
    let meets = wanted.contains(&first.replace('.', "")) || first.contains(&wanted);
    meets || choice::kit(answer, &lettered(options)) == Some(gold)
}

/// lmms-eval's verdict on an answer to MVBench: `tasks/mvbench/utils.py`, `mcq_acc`. A letter from A to E in front of a
/// full stop and a text, else the first by itself, an article "a" among them. Answers that are empty are left out of
/// the mean.
pub(crate) fn mvbench_lmms(answer: &str, gold: char) -> bool {
    said(answer) == said(&gold.to_string())
}

/// A letter from A to E, or the text in small letters.
fn said(text: &str) -> String {
    static FRONT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^([A-Ea-e])\.[\s\x1c-\x1f]*.+$").ok());
    let front = FRONT.as_ref().and_then(|front| front.captures(strip(text))).and_then(|found| found.get(1));
    if let Some(letter) = front {
        return letter.as_str().to_uppercase();
    }
    let text = without_signs(&on_one_line(text), Stops::BeforeNoDigit);
    let text = strip_each(&text, &['\'', '"', ')', '(']);
    let text = strip(text).to_lowercase();
    by_itself(&text).map_or(text, |letter| letter.to_ascii_uppercase().to_string())
}

/// The first letter from a to e with no other of a word beside it.
fn by_itself(text: &str) -> Option<char> {
    let before = [' '].into_iter().chain(text.chars());
    let behind = text.chars().skip(1).chain([' ']);
    let mut letters = before.zip(text.chars()).zip(behind);
    let alone = letters
        .find(|((before, letter), behind)| matches!(letter, 'a'..='e') && !is_word(*before) && !is_word(*behind));
    alone.map(|((_, letter), _)| letter)
}

/// VLMEvalKit's verdict on an answer to MLVU's questions with options: `vlmeval/dataset/utils/mlvu.py`,
/// `check_ans_with_model`. What stands before the first ")" must be the letter, or without one the whole answer; else
/// the letter is inferred from the whole.
pub(crate) fn mlvu<S: AsRef<str>>(answer: &str, gold: char, options: &[S]) -> bool {
    let meets = match answer.split_once(')') {
        Some((front, _)) => front.ends_with(gold),
        None => answer.chars().eq([gold]),
    };
    meets || choice::kit(answer, &lettered(options)) == Some(gold)
}

/// VLMEvalKit's verdict on an answer to TempCompass's multiple choice: `vlmeval/dataset/utils/tempcompass.py`,
/// `eval_rule_multi_choice`. The gold ("B. text") itself, its letter alone, or its letter in front of a full stop or a
/// bracket; anything else is a judge's, and wrong without one.
pub(crate) fn compass_choice(answer: &str, gold: &str) -> bool {
    let letter = match answer.split_once(['.', ')']) {
        Some((letter, _)) => letter,
        None => answer,
    };
    let mut named = letter.chars();
    let known = matches!((named.next(), named.next()), (Some('A'..='D'), None));
    answer == gold || (known && gold.starts_with(letter))
}

/// VLMEvalKit's verdict on an answer to TempCompass's matching of captions: `eval_rule_caption_matching`. Options and
/// gold are "Sentence A: text" or the like.
///
/// What an answer is taken for is an option, its text (alone, or behind the answer's first bracket), or its label, with
/// or without its word; a label outdoes a text, that an option, and of equals the last counts. Anything else is a
/// judge's, and wrong without one.
pub(crate) fn compass_match<S: AsRef<str>>(answer: &str, options: &[S], gold: &str) -> bool {
    let options: Vec<&str> = options.iter().map(AsRef::as_ref).collect();
    let label = |option: &'_ str| option.split(": ").next().unwrap_or_default().to_owned();
    let bracketed = answer.split(") ").nth(1);
    let undotted = answer.replace('.', "");
    let is_label = |label: &String| label == answer || *label == undotted;
    let bare = |option: &str| label(option).replace("Sentence ", "").replace("Option ", "").replace("Caption ", "");
    let by_bare = || options.iter().map(|option| bare(option)).rfind(is_label);
    let by_label = || options.iter().map(|option| label(option)).rfind(is_label);
    let text = |option: &&'_ str| option.split(": ").nth(1).map(str::to_owned);
    let by_text = || options.iter().filter_map(text).rfind(|text| text == answer || Some(text.as_str()) == bracketed);
    let whole = || options.contains(&answer).then(|| answer.to_owned());
    let said = by_bare().or_else(by_label).or_else(by_text).or_else(whole);
    said.is_some_and(|said| means(&said, gold))
}

/// Whether what was said is the gold, its label, its text, or its label's second word.
fn means(said: &str, gold: &str) -> bool {
    let label = gold.split(": ").next().unwrap_or_default();
    said == gold
        || gold.split(':').next() == Some(said)
        || gold.split(": ").nth(1) == Some(said)
        || split(label).nth(1) == Some(said)
}

/// VLMEvalKit's verdict on an answer to TempCompass's questions of yes and no: `eval_rule_YorN`. The answer's beginning
/// counts, so that "Nothing" is no.
pub(crate) fn compass_yes_no(answer: &str, gold_is_yes: bool) -> bool {
    let answer = answer.to_lowercase();
    if gold_is_yes { answer.starts_with("yes") } else { answer.starts_with("no") }
}

#[cfg(test)]
mod tests {
    use super::super::cases::{letter, read, right, text, texts};
    use super::*;
    use serde_json::Value;

    /// Holds one case against its rule.
    fn check(case: &Value) {
        let answer = text(&case["answer"]);
        let options = case.get("options").map(texts).unwrap_or_default();
        let gold = || letter(&case["gold"]).unwrap();
        match text(&case["kind"]) {
            "videomme" => {
                assert_eq!(videomme(answer).unwrap_or('Z'), letter(&case["kit"]).unwrap(), "{case}");
                assert_eq!(lmms_letter(answer), letter(&case["lmms"]), "{case}");
            }
            "mvbench" => {
                right(mvbench(answer, gold(), &options), &case["kit"], case);
                right(mvbench_lmms(answer, gold()), &case["lmms"], case);
            }
            "mlvu" => {
                right(mlvu(answer, gold(), &options), &case["kit"], case);
                assert_eq!(lmms_letter(answer), letter(&case["lmms"]), "{case}");
            }
            "compass_choice" => right(compass_choice(answer, text(&case["gold"])), &case["kit"], case),
            "compass_match" => right(compass_match(answer, &options, text(&case["gold"])), &case["kit"], case),
            _ => right(compass_yes_no(answer, case["gold"] == "yes"), &case["kit"], case),
        }
    }

    #[test]
    fn golden() {
        let cases = read("video", 3000);
        for kind in ["videomme", "mvbench", "mlvu", "compass_choice", "compass_match", "compass_yes_no"] {
            let cases: Vec<&Value> = cases.iter().filter(|case| case["kind"] == kind).collect();
            assert!(cases.len() >= 100, "{kind}: {} cases", cases.len());
            cases.into_iter().for_each(check);
        }
    }

    #[test]
    fn empty_answers() {
        assert!(mvbench("", 'A', &["red"]) && mvbench(".", 'A', &["red"]) && !mlvu("", 'A', &["red"]));
        assert_eq!((videomme("Best option: C"), videomme("")), (Some('B'), None));
    }
}
