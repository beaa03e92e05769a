//! MMMU: its own reading of answers, and VLMEvalKit's way with questions that have no options. Its own
//! reading of those is in `open`.

use super::choice;
use super::lettered;
use super::python::{split, strip_each};

/// MMMU's own: `eval/utils/eval_utils.py`, `parse_multi_choice_response`, as lmms-eval has it in `mmmu_mcq_utils.py`.
/// None where the official code draws a letter by lot.
///
/// Letters in brackets come first, then those with a space behind, then those with a full stop. Only the sign behind
/// counts, so "USA won" says A. Of several the one that stands last by itself is taken, the first of them where none
/// does. Without any, an answer of more than five words says the option whose text is in it, the last again.
pub(crate) fn multi_choice<S: AsRef<str>>(answer: &str, options: &[S]) -> Option<char> {
    let answer = format!(" {} ", strip_each(answer, &[',', '.', '!', '?', ';', ':', '\'']));
    let options = lettered(options);
    let marked = |mark: &dyn Fn(char) -> String| -> Vec<char> {
        options.iter().map(|(name, _)| *name).filter(|name| answer.contains(&mark(*name))).collect()
    };
    let bracketed = |name| format!("({name})");
    let found = marked(&bracketed);
    if !found.is_empty() {
        return last(found, |name| answer.rfind(&bracketed(*name)));
    }
    let found = marked(&|name| format!("{name} "));
    let found = if found.is_empty() { marked(&|name| format!("{name}.")) } else { found };
    if !found.is_empty() {
        return last(found, |name| answer.rfind(&format!(" {name} ")));
    }
    by_text(&answer, &options)
}

fn by_text(answer: &str, options: &[(char, &str)]) -> Option<char> {
    if split(answer).count() <= 5 {
        return None;
    }
    let answer = answer.to_lowercase();
    let place = |text: &str| answer.rfind(&text.to_lowercase());
    let found = options.iter().filter_map(|(name, text)| Some((*name, place(text)?))).collect();
    last(found, |(_, place)| Some(*place)).map(|(name, _)| name)
}

/// The one that stands last, the first among equals. One that stands nowhere is before all others.
fn last<T>(found: Vec<T>, place: impl Fn(&T) -> Option<usize>) -> Option<T> {
    let later = |best: T, next: T| if place(&next) > place(&best) { next } else { best };
    found.into_iter().reduce(later)
}

/// VLMEvalKit's way with open questions: `dataset/utils/multiple_choice.py`, `MMMU_preproc` and `mcq_vanilla_eval`.
///
/// The gold becomes option A, "Other Answers" B, and A is right; but a gold of one capital letter stays the right
/// letter itself, so that "B" is met by "B" and "C" by nothing. `gold` is the cell as it stands, though it be a list.
pub(crate) fn kit_open(answer: &str, gold: &str) -> bool {
    let mut letters = gold.chars();
    let right = match (letters.next(), letters.next()) {
        (Some(letter @ 'A'..='Z'), None) => letter,
        _ => 'A',
    };
    choice::kit(answer, &[('A', gold), ('B', "Other Answers")]) == Some(right)
}

#[cfg(test)]
mod tests {
    use super::super::cases::{letter, read, right, text, texts};
    use super::*;
    use serde_json::Value;

    /// How Python writes a list of texts, as far as the cases need it.
    fn listed(golds: &[&str]) -> String {
        let sign = |letter: char, quote: char| match letter {
            '\n' => "\\n".to_owned(),
            '\t' => "\\t".to_owned(),
            '\\' => "\\\\".to_owned(),
            letter if letter == quote => format!("\\{quote}"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{a0}' => format!("\\x{:02x}", u32::from(letter)),
            '\u{2009}' | '\u{3000}' => format!("\\u{:04x}", u32::from(letter)),
            letter => letter.to_string(),
        };
        let quoted = |gold: &&str| {
            let quote = if gold.contains('\'') && !gold.contains('"') { '"' } else { '\'' };
            format!("{quote}{}{quote}", gold.chars().map(|letter| sign(letter, quote)).collect::<String>())
        };
        format!("[{}]", golds.iter().map(quoted).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn golden() {
        let (chosen, opened): (Vec<Value>, Vec<Value>) =
            read("mmmu", 4000).into_iter().partition(|case| case.get("options").is_some());
        for case in &chosen {
            let found = multi_choice(text(&case["answer"]), &texts(&case["options"]));
            assert_eq!((found, found.is_none()), (letter(&case["letter"]), case["random"] == true), "{case}");
        }
        for case in &opened {
            let gold =
                if case["gold"].is_array() { listed(&texts(&case["gold"])) } else { text(&case["gold"]).to_owned() };
            right(kit_open(text(&case["answer"]), &gold), &case["kit"], case);
        }
        assert!(chosen.len().min(opened.len()) >= 1500, "{} and {} cases", chosen.len(), opened.len());
    }
}
