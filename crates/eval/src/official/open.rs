//! Open questions of MMMU: what an answer may say, and whether the gold is in it.

use super::numbers::numbers;
use super::python::{float, length, round, strip};
use super::relaxed::m4_number;

/// What stands in front of an answer.
const INDICATORS: [&str; 8] = ["could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result "];
/// Answers of nothing but a sign.
const TRIVIAL: [&str; 7] = [":", ",", ".", "!", "?", ";", "'"];

/// A text or a number that an answer may mean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning {
    Text(String),
    Number(f64),
}

/// Whose rule it is.
#[derive(Clone, Copy)]
enum Rule {
    Mmmu,
    M4,
}

/// MMMU's own reading: `eval/utils/eval_utils.py`, `parse_open_response`, without what comes twice.
///
/// Each line's shortest text behind an indicator, wherever in a word that ends ("this " has "is "), else the whole
/// answer; and all numbers in those, rounded to two places. Sentences of a line are not parted: the expression that
/// should do it looks for capitals where all are small. A text of one letter becomes two, with a space on either side.
pub(crate) fn parse(answer: &str) -> Vec<Meaning> {
    parsed(answer, Rule::Mmmu)
}

/// MMMU's own verdict on what [`parse`] read: `eval_open`. A number must equal a gold, a text contain one: "12 dogs" is
/// right for "dog", and an empty gold for any text.
pub(crate) fn is_right<S: AsRef<str>>(said: &[Meaning], golds: &[S]) -> bool {
    let golds: Vec<Meaning> = golds.iter().flat_map(|gold| normal(gold.as_ref(), Rule::Mmmu)).collect();
    any_meets(said, &golds)
}

/// m4's metric, after MMMU's: `custom_metrics/open_ended_vqa_metrics.py`, `_compute_mmmu_style_vqa_accuracy`.
///
/// It knows one more indicator ("answer: "), words of digits, and does not part letters from their words. With
/// `letters` (`OE_MMMU_STYLE_VQA_ACCURACY`; without, `OE_ONLY_…`), where the first gold is a letter from A to I the
/// whole answer is held against it, and should equal it; but containing it will do, so that "A" is met by "yes, a dog".
pub(crate) fn m4<S: AsRef<str>>(answer: &str, golds: &[S], letters: bool) -> bool {
    let chosen = |gold: &S| matches!(gold.as_ref().as_bytes(), [b'A'..=b'I']);
    let said = match letters && golds.first().is_some_and(chosen) {
        true => normal(answer, Rule::M4),
        false => parsed(answer, Rule::M4),
    };
    let golds: Vec<Meaning> = golds.iter().flat_map(|gold| normal(gold.as_ref(), Rule::M4)).collect();
    any_meets(&said, &golds)
}

fn any_meets(said: &[Meaning], golds: &[Meaning]) -> bool {
    let meets = |said: &Meaning, gold: &Meaning| match (said, gold) {
        (Meaning::Text(said), Meaning::Text(gold)) => said.contains(gold),
        (Meaning::Number(said), Meaning::Number(gold)) => said == gold,
        _ => false,
    };
    said.iter().any(|said| golds.iter().any(|gold| meets(said, gold)))
}

fn parsed(answer: &str, rule: Rule) -> Vec<Meaning> {
    let answer = strip(answer).trim_matches('.').to_lowercase();
    let mut texts: Vec<String> = keys(&answer, rule).into_iter().map(str::to_owned).collect();
    let found: Vec<String> = texts.iter().flat_map(|text| numbers(text)).collect();
    texts.extend(found);
    let mut out: Vec<Meaning> = Vec::new();
    for meaning in texts.iter().flat_map(|text| normal(text, rule)) {
        if !out.contains(&meaning) {
            out.push(meaning);
        }
    }
    out
}

/// The texts that may hold the answer.
fn keys(answer: &str, rule: Rule) -> Vec<&str> {
    let lines: Vec<&str> = answer.split('\n').collect();
    let last = |index: usize| index + 1 == lines.len();
    let keys: Vec<&str> = lines.iter().enumerate().filter_map(|(index, line)| key(line, rule, last(index))).collect();
    if keys.is_empty() { vec![answer] } else { keys }
}

/// The shortest text behind the last of an indicator. The last line may be an equation, too.
fn key(line: &str, rule: Rule, last: bool) -> Option<&str> {
    let more = match rule {
        Rule::Mmmu => None,
        Rule::M4 => Some("answer: "),
    };
    let indicators = INDICATORS.into_iter().chain(more).chain(last.then_some("="));
    let mut shortest = "";
    for (_, behind) in indicators.filter_map(|indicator| line.rsplit_once(indicator)) {
        let behind = strip(behind);
        if shortest.is_empty() || length(behind) < length(shortest) {
            shortest = behind;
        }
    }
    Some(shortest).filter(|key| !key.is_empty() && !TRIVIAL.contains(key))
}

/// A number, rounded, or a text in small letters.
fn normal(text: &str, rule: Rule) -> Vec<Meaning> {
    let text = strip(text);
    match rule {
        Rule::Mmmu => match float(&text.replace(',', "")) {
            Some(number) => vec![Meaning::Number(round(number, 2))],
            None => spread(text.to_lowercase()),
        },
        Rule::M4 => {
            let plain = if text.starts_with("Answer: ") { text.replace("Answer: ", "") } else { text.to_owned() };
            let number = m4_number(&plain).map(|number| Meaning::Number(round(number, 2)));
            vec![number.unwrap_or_else(|| Meaning::Text(plain.to_lowercase()))]
        }
    }
}

/// A letter by itself must not be met by any word that has it.
fn spread(text: String) -> Vec<Meaning> {
    match length(&text) {
        1 => vec![Meaning::Text(format!(" {text}")), Meaning::Text(format!("{text} "))],
        _ => vec![Meaning::Text(text)],
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::{read, right, text, texts};
    use super::*;
    use serde_json::{Value, json};

    /// What an answer means, as the golden file has it: texts and numbers, both in order.
    fn written(meanings: &[Meaning]) -> (Value, Value) {
        let mut strings = Vec::new();
        let mut numbers = Vec::new();
        for meaning in meanings {
            match meaning {
                Meaning::Text(text) => strings.push(text.clone()),
                Meaning::Number(number) => numbers.push(*number),
            }
        }
        strings.sort();
        numbers.sort_by_key(|number| super::super::python::write(*number));
        let number = |number: f64| match number.is_finite() {
            true => json!(number),
            false => json!(super::super::python::write(number)),
        };
        (json!(strings), numbers.into_iter().map(number).collect())
    }

    #[test]
    fn golden() {
        let cases = read("mmmu", 4000).into_iter().filter(|case| case.get("gold").is_some());
        let mut count = 0;
        for case in cases {
            let answer = text(&case["answer"]);
            let golds = if case["gold"].is_array() { texts(&case["gold"]) } else { vec![text(&case["gold"])] };
            let said = parse(answer);
            assert_eq!(written(&said), (case["strings"].clone(), case["numbers"].clone()), "{case}");
            right(is_right(&said, &golds), &case["right"], &case);
            right(m4(answer, &golds, true), &case["m4"], &case);
            right(m4(answer, &golds, false), &case["m4_open"], &case);
            count += 1;
        }
        assert!(count >= 1500, "{count} cases");
    }

    #[test]
    fn oddities() {
        assert!(is_right(&parse("The answer is b"), &["B"]));
        assert!(!is_right(&parse("The answer is blue"), &["B"]));
        assert!(m4("yes, a dog", &["A"], true) && m4("Answer: two", &["2"], true));
        assert!(is_right(&parse("x = 1,234.004"), &["1234"]));
    }
}
