//! How an answer is scored, from 0 to 1.

mod anls;
mod choice;
mod exact;
mod relaxed;
mod vqa;
pub(crate) mod words;

use crate::rule::Rule;
use std::collections::BTreeMap;

/// A way of scoring answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// The same words, but for case, punctuation, articles and numbers written out.
    Exact,
    /// VQAv2's accuracy: how many of ten annotators say the same.
    Vqa,
    /// How many letters are right, as documents are scored.
    Anls,
    /// Numbers within 5 %, as charts are scored.
    Relaxed,
    /// The letter of an option.
    Choice,
    /// The option whose letter the model holds for the likeliest; nothing is written.
    Likelihood,
    /// A benchmark's own.
    Rule(Rule),
}

/// What is asked, and what is right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// The question.
    pub question: String,
    /// The answer of the data set.
    pub expected: String,
    /// The answers of several annotators, one each, where there are some.
    pub annotators: Vec<String>,
    /// Other right answers.
    pub also: Vec<String>,
    /// What was to be chosen from, by letters, where the row lists it.
    pub choices: Vec<(char, String)>,
    /// What the row is called.
    pub id: Option<String>,
    /// Other columns that a benchmark's metric needs.
    pub more: BTreeMap<String, String>,
}

impl Truth {
    /// Every answer that counts, some perhaps several times.
    pub fn accepted(&self) -> impl Iterator<Item = &str> {
        [&self.expected].into_iter().chain(&self.annotators).chain(&self.also).map(String::as_str)
    }
}

impl Metric {
    /// All that are for any data.
    pub const ALL: [Metric; 6] =
        [Metric::Exact, Metric::Vqa, Metric::Anls, Metric::Relaxed, Metric::Choice, Metric::Likelihood];

    /// Its name in options and files.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Exact => "exact",
            Metric::Vqa => "vqa",
            Metric::Anls => "anls",
            Metric::Relaxed => "relaxed",
            Metric::Choice => "choice",
            Metric::Likelihood => "likelihood",
            Metric::Rule(rule) => rule.name(),
        }
    }

    /// Whether scores lie between 0 and 1, too.
    pub fn is_graded(self) -> bool {
        match self {
            Metric::Rule(rule) => rule.is_graded(),
            metric => matches!(metric, Metric::Vqa | Metric::Anls),
        }
    }

    /// Whether options are chosen from.
    pub fn is_choice(self) -> bool {
        matches!(self, Metric::Choice | Metric::Likelihood)
    }

    /// The score of an answer.
    pub fn score(self, answer: &str, truth: &Truth) -> f64 {
        let right = |right: bool| f64::from(u8::from(right));
        match self {
            Metric::Exact => right(exact::is_right(answer, truth)),
            Metric::Vqa => vqa::score(answer, truth),
            Metric::Anls => anls::score(answer, truth),
            Metric::Relaxed => right(relaxed::is_right(answer, truth)),
            Metric::Likelihood if !truth.choices.is_empty() => right(answer == truth.expected),
            Metric::Choice | Metric::Likelihood => right(choice::is_right(answer, truth)),
            Metric::Rule(rule) => rule.score(answer, truth),
        }
    }
}

/// The letters of the options that a question lists.
pub(crate) fn letters(question: &str) -> Vec<String> {
    choice::options(question).into_iter().map(|(letter, _)| letter.to_string()).collect()
}

/// An answer as [`Metric::Exact`] compares it: a key by which answers that are alike meet.
pub(crate) fn key(answer: &str) -> String {
    exact::normal(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// `scripts/make_metrics.py` works the scores out in its own way.
    #[test]
    fn golden_scores() {
        let path = smolvlm_golden::repository().join("golden/metrics.jsonl");
        let cases = std::fs::read_to_string(path).unwrap();
        let mut counts = [0; Metric::ALL.len()];
        for line in cases.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| case[name].as_str().unwrap().to_owned();
            let texts = |name: &str| {
                let list = case[name].as_array().unwrap();
                list.iter().map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            let at = Metric::ALL.iter().position(|metric| metric.name() == text("metric")).unwrap();
            let truth = Truth {
                question: text("question"),
                expected: text("expected"),
                annotators: texts("annotators"),
                also: texts("also"),
                ..Truth::default()
            };
            let score = Metric::ALL[at].score(&text("answer"), &truth);
            assert!((score - case["score"].as_f64().unwrap()).abs() < 1e-12, "{score}: {line}");
            counts[at] += 1;
        }
        let of_text = Metric::ALL.iter().zip(counts).filter(|(metric, _)| **metric != Metric::Likelihood);
        assert!(of_text.clone().count() == 5 && of_text.map(|(_, count)| count).min() >= Some(40), "{counts:?}");
    }
}
