//! Questions of yes and no, and POPE's scores.

use super::python::{split, strip};
use super::texts::{Stops, without_signs};
use std::collections::BTreeMap;

/// What an answer says for VLMEvalKit, or none ("Unknown"): `vlmeval/dataset/utils/yorn.py`, `YOrN_Extraction`. The
/// words "yes" and "no" count where the other is not there, too. Signs go as in its VQA accuracy, so that "5,0 yes-no"
/// has the one word "yesno".
pub(crate) fn kit(answer: &str) -> Option<bool> {
    let plain = without_signs(&answer.to_lowercase(), Stops::BetweenNoDigits);
    let has = |wanted: &str| split(&plain).any(|word| word == wanted);
    match (has("yes"), has("no")) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// What an answer says for lmms-eval, or none: it must be "yes" or "no" alone (`tasks/pope/utils.py`,
/// `pope_process_results`).
pub(crate) fn lmms(answer: &str) -> Option<bool> {
    match strip(&answer.to_lowercase()) {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// A question of POPE, answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Of VLMEvalKit's table, several between commas.
    pub(crate) category: &'a str,
    pub(crate) gold: bool,
    /// What [`kit`] or [`lmms`] makes of the answer.
    pub(crate) said: Option<bool>,
}

/// POPE's scores, each from 0 to 1 (VLMEvalKit gives percent).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pope {
    pub(crate) accuracy: f64,
    pub(crate) precision: f64,
    pub(crate) recall: f64,
    /// What VLMEvalKit calls "Overall", and what papers report.
    pub(crate) f1: f64,
    /// How many right answers are yes.
    pub(crate) yes: f64,
}

/// VLMEvalKit's scores, "Overall" and by category in order of names: `vlmeval/dataset/utils/yorn.py`, `POPE_rating`. A
/// question of several categories counts once in each, and as often in "Overall". An answer that says neither is wrong,
/// and a no for precision, recall and F1.
pub(crate) fn pope_kit(asked: &[Asked<'_>]) -> Vec<(String, Pope)> {
    let mut by_category: BTreeMap<&str, Vec<Asked<'_>>> = BTreeMap::new();
    let mut all = Vec::new();
    for question in asked {
        for category in question.category.split(',') {
            by_category.entry(category).or_default().push(*question);
            all.push(*question);
        }
    }
    let parts = [("Overall", all)].into_iter().chain(by_category);
    parts.map(|(name, asked)| (name.to_owned(), pope(&asked, |question| question.said != Some(true)))).collect()
}

/// lmms-eval's scores: `tasks/pope/utils.py`, `pope_aggregate_…`. An answer that says neither is wrong, but recall and
/// F1 know nothing of it.
pub(crate) fn pope_lmms(asked: &[Asked<'_>]) -> Pope {
    pope(asked, |question| question.said == Some(false))
}

/// The scores, given which answers are a no.
fn pope(asked: &[Asked<'_>], denies: impl Fn(&Asked<'_>) -> bool) -> Pope {
    let count = |fits: &dyn Fn(&Asked<'_>) -> bool| asked.iter().filter(|question| fits(question)).count();
    let part = |some: usize, all: usize| if all == 0 { 0.0 } else { some as f64 / all as f64 };
    let found = count(&|question| question.gold && question.said == Some(true));
    let precision = part(found, count(&|question| question.said == Some(true)));
    let recall = part(found, found + count(&|question| question.gold && denies(question)));
    let both = precision + recall;
    Pope {
        accuracy: part(count(&|question| question.said == Some(question.gold)), asked.len()),
        precision,
        recall,
        f1: if both == 0.0 { 0.0 } else { 2.0 * (precision * recall) / both },
        yes: part(count(&|question| question.gold), asked.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::{read, same, text};
    use super::*;
    use serde_json::Value;

    fn asked(row: &Value, said: fn(&str) -> Option<bool>) -> Asked<'_> {
        Asked { category: text(&row[0]), gold: row[1] == "Yes", said: said(text(&row[2])) }
    }

    fn scores(pope: &Pope, times: f64) -> [f64; 4] {
        [pope.accuracy, pope.precision, pope.recall, pope.f1].map(|score| score * times)
    }

    #[test]
    fn golden_pope() {
        let (mut answers, mut tables) = (0, 0);
        for case in read("pope", 2000) {
            if case.get("rows").is_none() {
                let answer = text(&case["answer"]);
                let said = kit(answer).map_or("Unknown", |yes| if yes { "Yes" } else { "No" });
                assert_eq!(said, case["kit"], "{case}");
                let said = &case["lmms"];
                let expected = if said == "yes" { Some(true) } else { (said == "no").then_some(false) };
                assert_eq!(lmms(answer), expected, "{case}");
                answers += 1;
                continue;
            }
            let rows = |said| -> Vec<Asked<'_>> {
                case["rows"].as_array().unwrap().iter().map(|row| asked(row, said)).collect()
            };
            let table = pope_kit(&rows(kit));
            assert_eq!(table.len(), case["kit"].as_object().unwrap().len(), "{case}");
            for (name, found) in table {
                for (index, score) in scores(&found, 100.0).into_iter().enumerate() {
                    same(score, &case["kit"][&name][index], &case);
                }
            }
            let found = pope_lmms(&rows(lmms));
            for (index, score) in scores(&found, 1.0).into_iter().chain([found.yes]).enumerate() {
                same(score, &case["lmms"][index], &case);
            }
            tables += 1;
        }
        assert!(answers > 1500 && tables > 500, "{answers} answers, {tables} tables");
    }
}
