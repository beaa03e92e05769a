//! How benchmarks score answers: by their own rules, as VLMEvalKit applies them without a judge, since it is its numbers that
//! are published for the family.

use crate::metrics::Truth;
use crate::official::{anls, choice, gqa, mathvista, mmmu, ocrbench, relaxed, video, vqa, yorn};

/// A benchmark's way of scoring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// VQA's own evaluation: as right as three annotators say the same.
    Vqa,
    /// VLMEvalKit's version of it, of TextVQA.
    VqaKit,
    /// How many letters are right.
    Anls,
    /// Numbers within 5 %, as ChartQA is scored.
    RelaxedKit,
    /// The option that an answer names.
    ChoiceKit,
    /// The same, and open questions.
    Mmmu,
    /// By choice, by number.
    Mathvista,
    /// An accepted answer stands in it.
    Ocrbench,
    /// By choice, in every turn of the options.
    Mmbench,
    /// Yes or no, by figures and by questions too.
    Hallusion,
    /// Yes or no, by F1.
    Pope,
    /// The same word.
    Gqa,
    /// CIDEr, BLEU and ROUGE-L.
    Captions,
    /// The first capital letter.
    VideoMme,
    /// The letter before a bracket.
    Mlvu,
    /// The first word.
    Mvbench,
    /// The letter in front.
    Tempcompass,
    /// The caption, or its label.
    TempcompassMatching,
    /// Yes or no in front.
    TempcompassYesNo,
    /// How many of the parts that are asked for stand in it; MM-Vet has a language model judge.
    Mmvet,
}

const NAMES: [(&str, Rule); 20] = [
    ("vqa", Rule::Vqa),
    ("vqa-kit", Rule::VqaKit),
    ("anls", Rule::Anls),
    ("relaxed-kit", Rule::RelaxedKit),
    ("choice-kit", Rule::ChoiceKit),
    ("mmmu", Rule::Mmmu),
    ("mathvista", Rule::Mathvista),
    ("ocrbench", Rule::Ocrbench),
    ("mmbench", Rule::Mmbench),
    ("hallusion", Rule::Hallusion),
    ("pope", Rule::Pope),
    ("gqa", Rule::Gqa),
    ("captions", Rule::Captions),
    ("video-mme", Rule::VideoMme),
    ("mlvu", Rule::Mlvu),
    ("mvbench", Rule::Mvbench),
    ("tempcompass", Rule::Tempcompass),
    ("tempcompass-matching", Rule::TempcompassMatching),
    ("tempcompass-yes-no", Rule::TempcompassYesNo),
    ("mmvet", Rule::Mmvet),
];

impl Rule {
    /// By its name in a task's file.
    pub fn named(name: &str) -> Option<Rule> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, rule)| *rule)
    }

    /// The names of all.
    pub fn names() -> String {
        NAMES.map(|(name, _)| name).join(", ")
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, rule)| *rule == self).map_or("", |(name, _)| name)
    }

    /// Whether scores lie between 0 and 1, too.
    pub fn is_graded(self) -> bool {
        matches!(self, Rule::Vqa | Rule::VqaKit | Rule::Anls | Rule::Captions | Rule::Mmvet)
    }

    /// The score of an answer, from 0 to 1.
    pub fn score(self, answer: &str, truth: &Truth) -> f64 {
        let right = |right: bool| f64::from(u8::from(right));
        let accepted: Vec<&str> = truth.accepted().collect();
        let annotators = if truth.annotators.is_empty() { &accepted } else { &texts(&truth.annotators) };
        let letter = || truth.expected.chars().next().unwrap_or(' ');
        match self {
            Rule::Vqa => vqa::gt(answer, annotators),
            Rule::VqaKit => vqa::kit(answer, annotators),
            Rule::Anls => anls::kit(answer, &accepted),
            Rule::RelaxedKit => right(relaxed::kit(answer, &accepted)),
            Rule::Mmmu if truth.choices.is_empty() => right(mmmu::kit_open(answer, &truth.expected)),
            Rule::ChoiceKit | Rule::Mmmu | Rule::Mmbench => {
                right(choice::kit(answer, &truth.choices) == Some(letter()))
            }
            Rule::Mathvista => right(of_mathvista(truth, |question| mathvista::kit(answer, question))),
            Rule::Ocrbench => right(ocrbench::kit(answer, &accepted, is_formula(truth))),
            Rule::Hallusion | Rule::Pope => {
                right(yorn::kit(answer).is_some_and(|said| said == is_yes(&truth.expected)))
            }
            Rule::Gqa => right(gqa::kit(answer, &truth.expected)),
            Rule::Captions => crate::captioned::of_one(answer, &accepted),
            Rule::VideoMme => right(video::videomme(answer) == Some(letter())),
            Rule::Mlvu => right(video::mlvu(answer, letter(), &options(truth))),
            Rule::Mvbench => right(video::mvbench(answer, letter(), &options(truth))),
            Rule::Tempcompass => right(video::compass_choice(answer, &line(truth))),
            Rule::TempcompassMatching => {
                let captions: Vec<&str> = truth.question.lines().skip(1).filter(|line| !line.is_empty()).collect();
                right(video::compass_match(answer, &captions, &truth.expected))
            }
            Rule::Mmvet => mmvet(answer, &truth.expected),
            Rule::TempcompassYesNo => right(video::compass_yes_no(answer, is_yes(&truth.expected))),
        }
    }
}

/// The share of the parts between `<AND>` of which one of those between `<OR>` stands in the answer, word for word but for case
/// and signs. MM-Vet's own judge is GPT-4, which gives tenths; this is not it.
fn mmvet(answer: &str, right: &str) -> f64 {
    let words = |text: &str| {
        let lower = text.to_lowercase();
        let kept =
            lower.split(|letter: char| !letter.is_alphanumeric() && letter != '-').filter(|word| !word.is_empty());
        format!(" {} ", kept.collect::<Vec<_>>().join(" "))
    };
    let said = words(answer);
    let parts: Vec<&str> = right.split("<AND>").collect();
    let there = parts.iter().filter(|part| part.split("<OR>").any(|one| said.contains(&words(one)))).count();
    there as f64 / parts.len().max(1) as f64
}

fn texts(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

pub(crate) fn options(truth: &Truth) -> Vec<&str> {
    truth.choices.iter().map(|(_, text)| text.as_str()).collect()
}

pub(crate) fn is_yes(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("yes")
}

pub(crate) fn is_formula(truth: &Truth) -> bool {
    truth.more.values().any(|value| value == ocrbench::FORMULAS)
}

/// The right option as a line, "A. red".
fn line(truth: &Truth) -> String {
    let right = truth.choices.iter().find(|(letter, _)| truth.expected == letter.to_string());
    right.map_or_else(|| truth.expected.clone(), |(letter, text)| format!("{letter}. {text}"))
}

pub(crate) fn of_mathvista(truth: &Truth, rule: impl Fn(&mathvista::Question<'_>) -> bool) -> bool {
    let is = |name: &str, value: &str| truth.more.get(name).is_some_and(|found| found == value);
    let options = if is("question_type", "multi_choice") { options(truth) } else { Vec::new() };
    let form = match truth.more.get("answer_type").map(String::as_str) {
        Some("integer") => mathvista::Form::Integer,
        Some("float") => mathvista::Form::Float,
        Some("list") => mathvista::Form::List,
        _ => mathvista::Form::Text,
    };
    let precision = truth.more.get("precision").and_then(|places| places.parse::<f64>().ok()).unwrap_or(0.0) as usize;
    rule(&mathvista::Question { options: &options, form, gold: &truth.expected, precision })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_rules_are_one_for_one() {
        for (name, rule) in NAMES {
            assert_eq!((Rule::named(name), rule.name()), (Some(rule), name));
        }
        assert!(Rule::named("bleu").is_none());
    }

    #[test]
    fn benchmarks_score_by_their_rules() {
        let choices = || vec![('A', "red".to_owned()), ('B', "blue".to_owned())];
        let truth = Truth { expected: "B".into(), choices: choices(), ..Truth::default() };
        for (rule, answer, score) in [
            (Rule::ChoiceKit, "B", 1.0),
            (Rule::ChoiceKit, "It is blue.", 1.0),
            (Rule::ChoiceKit, "red", 0.0),
            (Rule::Mmbench, "B.", 1.0),
            (Rule::VideoMme, "Best option: B", 1.0),
            (Rule::Mlvu, "(B) blue", 1.0),
            (Rule::Mvbench, "b", 1.0),
            (Rule::Tempcompass, "B. blue", 1.0),
            (Rule::Tempcompass, "blue", 0.0),
        ] {
            assert!((rule.score(answer, &truth) - score).abs() < 1e-12, "{rule:?} {answer}");
        }
        let of = |expected: &str, also: &[&str]| Truth {
            expected: expected.into(),
            also: also.iter().map(|text| (*text).to_owned()).collect(),
            ..Truth::default()
        };
        for (rule, answer, truth, score) in [
            (Rule::RelaxedKit, "104", of("100", &[]), 1.0),
            (Rule::RelaxedKit, "106", of("100", &[]), 0.0),
            (Rule::Anls, "Abc", of("x", &["abd"]), 2.0 / 3.0),
            (Rule::Ocrbench, "It reads STOP here", of("stop", &[]), 1.0),
            (Rule::Gqa, " Red", of("red", &[]), 1.0),
            (Rule::Pope, "Yes, there is.", of("yes", &[]), 1.0),
            (Rule::Hallusion, "perhaps", of("No", &[]), 0.0),
            (Rule::Mmmu, "The result is 42", of("42", &[]), 1.0),
            (Rule::Mmvet, "x = -5", of("-1 <AND> -5", &[]), 0.5),
            (Rule::Mmvet, "A Red bus.", of("car <OR> red bus", &[]), 1.0),
            (Rule::Mmvet, "15", of("5", &[]), 0.0),
        ] {
            assert!((rule.score(answer, &truth) - score).abs() < 1e-12, "{rule:?} {answer}");
        }
    }
}
