//! MMBench and CCBench: a question is asked once for every place of its right option.

use super::share;

/// Rows of one question have indices that are alike but for millions.
const TURNS: u64 = 1_000_000;

/// Which questions are right in every turn of their options, in order of their first rows: VLMEvalKit's
/// `vlmeval/dataset/utils/multiple_choice.py`, `mcq_circular_eval`, for sets whose names have mmbench, ccbench,
/// circular or mmcr in them. `rows` are the index of each and whether [`super::choice::kit`] gives its letter. A row of
/// a question without its first row counts nowhere.
pub(crate) fn hits(rows: &[(u64, bool)]) -> Vec<bool> {
    let firsts = rows.iter().map(|(index, _)| *index).filter(|index| *index < TURNS);
    let whole = |first: u64| rows.iter().filter(|(index, _)| index % TURNS == first).all(|(_, right)| *right);
    firsts.map(whole).collect()
}

/// The share of questions that are right in every turn; none where there are no questions.
pub(crate) fn circular(rows: &[(u64, bool)]) -> Option<f64> {
    share(hits(rows))
}

/// The share of rows that are right (`mcq_vanilla_eval`).
pub(crate) fn vanilla(rows: &[(u64, bool)]) -> Option<f64> {
    share(rows.iter().map(|(_, right)| *right))
}

#[cfg(test)]
mod tests {
    use super::super::cases::{letter, read, same, text, texts};
    use super::super::{choice, lettered};
    use super::*;
    use serde_json::Value;

    #[test]
    fn golden() {
        for case in read("mmbench", 400) {
            let right = |row: &Value| {
                let found = choice::kit(text(&row[3]), &lettered(&texts(&row[1])));
                (row[0].as_u64().unwrap(), found == letter(&row[2]))
            };
            let rows: Vec<(u64, bool)> = case["rows"].as_array().unwrap().iter().map(right).collect();
            let expected: Vec<bool> = case["hits"].as_array().unwrap().iter().map(|hit| *hit == 1).collect();
            assert_eq!(hits(&rows), expected, "{case}");
            same(circular(&rows).unwrap(), &case["circular"], &case);
            same(vanilla(&rows).unwrap(), &case["vanilla"], &case);
        }
        assert_eq!(circular(&[]), None);
    }
}
