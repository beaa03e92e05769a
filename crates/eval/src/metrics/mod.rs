//! How an answer is scored, from 0 to 1.

mod anls;
mod choice;
mod exact;
mod relaxed;
mod vqa;
mod words;

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
}

impl Truth {
    /// Every answer that counts, some perhaps several times.
    pub fn accepted(&self) -> impl Iterator<Item = &str> {
        [&self.expected].into_iter().chain(&self.annotators).chain(&self.also).map(String::as_str)
    }
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 5] = [Metric::Exact, Metric::Vqa, Metric::Anls, Metric::Relaxed, Metric::Choice];

    /// Its name in options and files.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Exact => "exact",
            Metric::Vqa => "vqa",
            Metric::Anls => "anls",
            Metric::Relaxed => "relaxed",
            Metric::Choice => "choice",
        }
    }

    /// Whether scores lie between 0 and 1, too.
    pub fn is_graded(self) -> bool {
        matches!(self, Metric::Vqa | Metric::Anls)
    }

    /// The score of an answer.
    pub fn score(self, answer: &str, truth: &Truth) -> f64 {
        let right = |right: bool| f64::from(u8::from(right));
        match self {
            Metric::Exact => right(exact::is_right(answer, truth)),
            Metric::Vqa => vqa::score(answer, truth),
            Metric::Anls => anls::score(answer, truth),
            Metric::Relaxed => right(relaxed::is_right(answer, truth)),
            Metric::Choice => right(choice::is_right(answer, truth)),
        }
    }
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
            };
            let score = Metric::ALL[at].score(&text("answer"), &truth);
            assert!((score - case["score"].as_f64().unwrap()).abs() < 1e-12, "{score}: {line}");
            counts[at] += 1;
        }
        assert!(counts.iter().all(|count| *count >= 40), "{counts:?}");
    }
}
