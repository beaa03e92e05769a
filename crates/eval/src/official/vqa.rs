//! VQA accuracy (VQAv2, OKVQA, TextVQA, VizWiz): an answer is as right as three annotators say the same.
//!
//! Each annotator is left out in turn, and the others that give the answer are counted: the mean of min(1, count / 3).
//! The projects differ in how they make answers alike (`texts`) and in what they do with few annotators.

use super::texts;
use std::collections::HashSet;

/// How much of an answer m4 compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    /// What stands before the first space, against whole answers of annotators.
    FirstWord,
}

/// VQAv2's own: GT-Vision-Lab/VQA, `PythonEvaluationTools/vqaEvaluation/vqaEval.py`, `evaluate`.
///
/// Answers are processed only where annotators differ. Where all wrote the same, an answer must be that to the letter,
/// and "Yes" is wrong where ten say "yes". One annotator alone has no others, so that any answer scores 0.
pub(crate) fn gt<S: AsRef<str>>(answer: &str, golds: &[S]) -> f64 {
    let golds: Vec<String> = golds.iter().map(|gold| texts::on_one_line(gold.as_ref())).collect();
    if golds.iter().collect::<HashSet<_>>().len() > 1 {
        let golds: Vec<String> = golds.iter().map(|gold| texts::gt(gold)).collect();
        return leave_one_out(&texts::gt(answer), &golds);
    }
    leave_one_out(&texts::on_one_line(answer), &golds)
}

/// VLMEvalKit's: `vlmeval/dataset/utils/vqa_eval.py`, `process_line` by `vqa_score` and the mean in `hit_calculate`.
///
/// Answers are always processed, and full stops behind digits stay: "5." is not "5". One annotator alone scores 0.
/// `golds` is what [`super::literal::alternatives`] makes of a cell.
pub(crate) fn kit<S: AsRef<str>>(answer: &str, golds: &[S]) -> f64 {
    leave_one_out(&texts::kit(answer), &normal(golds, texts::kit))
}

/// TextVQA's own, as lmms-eval has it: `tasks/textvqa/utils.py`, `textvqa_process_results`. One annotator alone scores
/// 0.
pub(crate) fn evalai<S: AsRef<str>>(answer: &str, golds: &[S]) -> f64 {
    leave_one_out(&texts::evalai(answer), &normal(golds, texts::evalai))
}

/// m4's with its own normaliser: `custom_metrics/open_ended_vqa_metrics.py`, `_compute_vqa_accuracy`. A single gold is
/// met or not.
pub(crate) fn m4<S: AsRef<str>>(answer: &str, golds: &[S], part: Part) -> f64 {
    some_or_one(&texts::m4(answer), &normal(golds, texts::m4), part)
}

/// m4's with its copy of VQAv2's normaliser, the one that the SmolVLM scores of VQAv2, OKVQA and TextVQA are made with.
/// Unlike [`gt`] it always processes.
pub(crate) fn m4_gt<S: AsRef<str>>(answer: &str, golds: &[S], part: Part) -> f64 {
    some_or_one(&texts::gt(answer), &normal(golds, texts::gt), part)
}

fn normal<S: AsRef<str>>(golds: &[S], normaliser: fn(&str) -> String) -> Vec<String> {
    golds.iter().map(|gold| normaliser(gold.as_ref())).collect()
}

fn some_or_one(answer: &str, golds: &[String], part: Part) -> f64 {
    let answer = match part {
        Part::Whole => answer,
        Part::FirstWord => answer.split(' ').next().unwrap_or_default(),
    };
    match golds {
        [gold] => f64::from(u8::from(gold == answer)),
        golds => leave_one_out(answer, golds),
    }
}

/// The mean over annotators. Those that give the answer see one fewer among the others.
fn leave_one_out(answer: &str, golds: &[String]) -> f64 {
    let same = golds.iter().filter(|gold| *gold == answer).count();
    let of = |others: usize| (others as f64 / 3.0).min(1.0);
    let sum = same as f64 * of(same.saturating_sub(1)) + (golds.len() - same) as f64 * of(same);
    if golds.is_empty() { 0.0 } else { sum / golds.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::super::cases::{read, same, text, texts};
    use super::*;

    #[test]
    fn golden() {
        for case in read("vqa", 2000) {
            let (answer, golds) = (text(&case["answer"]), texts(&case["golds"]));
            same(gt(answer, &golds), &case["gt"], &case);
            same(kit(answer, &golds), &case["kit"], &case);
            same(evalai(answer, &golds), &case["evalai"], &case);
            for (index, part) in [Part::Whole, Part::FirstWord].into_iter().enumerate() {
                same(m4(answer, &golds, part), &case["m4"][index], &case);
                same(m4_gt(answer, &golds, part), &case["m4_gt"][index], &case);
            }
            for (name, normaliser) in [
                ("gt", super::texts::gt as fn(&str) -> String),
                ("kit", super::texts::kit),
                ("m4", super::texts::m4),
                ("evalai", super::texts::evalai),
            ] {
                assert_eq!(normaliser(answer), text(&case["texts"][name]), "{name}: {case}");
            }
        }
    }

    #[test]
    fn nothing_is_processed_where_all_agree() {
        assert_eq!(gt("Yes.", &["yes"; 10]), 0.0);
        assert_eq!(gt(" yes\n", &["yes"; 10]), 1.0);
        assert_eq!(kit("Yes.", &["yes"; 10]), 1.0);
        assert_eq!([gt("yes", &["yes"]), kit("yes", &["yes"]), m4("yes", &["yes"], Part::Whole)], [0.0, 0.0, 1.0]);
        assert_eq!(gt("", &[""; 0]), 0.0);
    }
}
