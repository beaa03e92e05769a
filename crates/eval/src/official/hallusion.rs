//! HallusionBench's scores.

use super::share;
use std::collections::BTreeMap;

/// A question of HallusionBench, answered. VLMEvalKit's index has set, figure and question as the parts 3, 4 and 5
/// between underscores, counted from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figured<'a> {
    /// VD (the picture decides) or VS (it supplements).
    pub(crate) category: &'a str,
    /// `l2-category`.
    pub(crate) kind: &'a str,
    pub(crate) set: &'a str,
    /// "0" for the original, or for no picture in VS.
    pub(crate) figure: &'a str,
    pub(crate) question: &'a str,
    pub(crate) gold: bool,
    /// What [`super::yorn::kit`] makes of the answer.
    pub(crate) said: Option<bool>,
}

impl Figured<'_> {
    fn is_right(&self) -> bool {
        self.said == Some(self.gold)
    }

    fn lacks_picture(&self) -> bool {
        self.category == "VS" && self.figure == "0"
    }
}

/// HallusionBench's scores, each from 0 to 1; none where there is nothing to score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hallusion {
    /// aAcc: of all answers.
    pub(crate) answers: Option<f64>,
    /// fAcc: of figures, all answers about which must be right.
    pub(crate) figures: Option<f64>,
    /// qAcc: of questions, which must be answered rightly about all figures.
    pub(crate) questions: Option<f64>,
}

/// VLMEvalKit's scores: `vlmeval/dataset/utils/yorn.py`, `Hallusion_rating`. It forgets the category, so that sets of
/// the kind "ocr", which VD and VS both have, are thrown together.
pub(crate) fn kit(rows: &[Figured<'_>]) -> Hallusion {
    let right = Figured::is_right;
    Hallusion {
        answers: share(rows.iter().map(right)),
        figures: whole_groups(rows, |row| ("", row.kind, row.set, row.figure), right),
        questions: whole_groups(rows, |row| ("", row.kind, row.set, row.question), right),
    }
}

/// The benchmark's own scores, as lmms-eval has them (`tasks/hallusion_bench/utils.py`): not to know is right where
/// there is no picture, and such rows are no figures. There GPT-4 judges answers; here those that say neither count as
/// unclear.
pub(crate) fn lmms(rows: &[Figured<'_>]) -> Hallusion {
    let right = |row: &Figured<'_>| row.is_right() || (row.lacks_picture() && row.said.is_none());
    let seen: Vec<Figured<'_>> = rows.iter().filter(|row| !row.lacks_picture()).copied().collect();
    Hallusion {
        answers: share(rows.iter().map(right)),
        figures: whole_groups(&seen, |row| (row.category, row.kind, row.set, row.figure), right),
        questions: whole_groups(rows, |row| (row.category, row.kind, row.set, row.question), right),
    }
}

/// The share of groups in which every answer is right.
fn whole_groups<'a, K: Ord>(
    rows: &[Figured<'a>],
    group: impl Fn(&Figured<'a>) -> K,
    right: impl Fn(&Figured<'a>) -> bool,
) -> Option<f64> {
    let mut groups: BTreeMap<K, bool> = BTreeMap::new();
    for row in rows {
        *groups.entry(group(row)).or_insert(true) &= right(row);
    }
    share(groups.into_values())
}

#[cfg(test)]
mod tests {
    use super::super::cases::{read, same, text};
    use super::super::yorn;
    use super::*;
    use serde_json::Value;

    fn figured<'a>(row: &'a Value, numbers: &'a [String; 3]) -> Figured<'a> {
        let [set, figure, question] = numbers;
        let (category, kind) = (text(&row[0]), text(&row[1]));
        Figured { category, kind, set, figure, question, gold: row[5] == "Yes", said: yorn::kit(text(&row[6])) }
    }

    #[test]
    fn golden_hallusion() {
        let of = |scores: Hallusion| [scores.answers, scores.figures, scores.questions];
        for case in read("hallusion", 400) {
            let numbers: Vec<[String; 3]> = case["rows"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| [2, 3, 4].map(|index| row[index].to_string()))
                .collect();
            let rows: Vec<Figured<'_>> = case["rows"]
                .as_array()
                .unwrap()
                .iter()
                .zip(&numbers)
                .map(|(row, numbers)| figured(row, numbers))
                .collect();
            for (name, scores) in [("kit", of(kit(&rows))), ("lmms", of(lmms(&rows)))] {
                for (score, expected) in scores.into_iter().zip(case[name].as_array().unwrap()) {
                    match score {
                        Some(score) => same(100.0 * score, expected, &case),
                        None => assert!(expected.is_null(), "{case}"),
                    }
                }
            }
        }
    }
}
