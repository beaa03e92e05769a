//! Scores of groups of questions.

use crate::chance::{Chance, chance};
use crate::interval::{Interval, normal, wilson};
use crate::metrics::{Metric, Truth};
use serde_json::{Value, json};

/// One answered question.
#[derive(Debug)]
pub(crate) struct Record {
    /// Its skill, or its source's name where it has none.
    pub(crate) group: usize,
    /// What its row says that it asks for.
    pub(crate) skill: Option<String>,
    /// Its source.
    pub(crate) source: usize,
    /// What its answer scored.
    pub(crate) score: f64,
    pub(crate) answer: String,
    pub(crate) truth: Truth,
    /// The line of it among all.
    pub(crate) line: usize,
}

/// The score of a group of questions.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// What they have in common.
    pub name: String,
    /// How many there are.
    pub count: usize,
    /// The mean.
    pub score: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// What the best constant answers would score.
    pub chance: Chance,
}

impl Score {
    fn of(name: &str, metric: Metric, records: &[&Record]) -> Score {
        let count = records.len();
        let sum: f64 = records.iter().map(|record| record.score).sum();
        let squares: f64 = records.iter().map(|record| record.score * record.score).sum();
        let interval = if metric.is_graded() { normal(sum, squares, count) } else { wilson(sum, count) };
        let truths: Vec<&Truth> = records.iter().map(|record| &record.truth).collect();
        let score = sum / count.max(1) as f64;
        Score { name: name.to_owned(), count, score, interval, chance: chance(metric, &truths) }
    }

    /// As it stands in JSON.
    pub fn to_json(&self) -> Value {
        let Score { name, count, score, interval: (low, high), chance } = self;
        json!({
            "name": name, "questions": count, "score": score, "low": low, "high": high, "chance": chance.score,
            "chance_answer": chance.answer, "chance_by_wording": chance.by_wording,
        })
    }
}

/// The scores of groups, in the order of `names`, without those that have no question.
pub(crate) fn by(metric: Metric, names: &[String], records: &[Record], group: impl Fn(&Record) -> usize) -> Vec<Score> {
    let mut groups: Vec<Vec<&Record>> = names.iter().map(|_| Vec::new()).collect();
    for record in records {
        if let Some(place) = groups.get_mut(group(record)) {
            place.push(record);
        }
    }
    let full = names.iter().zip(&groups).filter(|(_, records)| !records.is_empty());
    full.map(|(name, records)| Score::of(name, metric, records)).collect()
}

/// The score of all questions. Its constant answers are those of the groups, each for its own.
pub(crate) fn total(metric: Metric, records: &[Record], groups: &[Score]) -> Score {
    let all: Vec<&Record> = records.iter().collect();
    let mut total = Score::of("all", metric, &all);
    let mean = |of: fn(&Chance) -> f64| {
        groups.iter().map(|group| of(&group.chance) * group.count as f64).sum::<f64>() / total.count.max(1) as f64
    };
    let (score, by_wording) = (mean(|chance| chance.score), mean(|chance| chance.by_wording));
    let answer = match groups {
        [only] => only.chance.answer.clone(),
        _ => String::new(),
    };
    total.chance = Chance { answer, score, by_wording };
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(group: usize, score: f64, expected: &str) -> Record {
        let truth = Truth { expected: expected.into(), ..Truth::default() };
        Record { group, skill: None, source: 0, score, answer: String::new(), truth, line: 0 }
    }

    #[test]
    fn groups_and_all() {
        let records = [record(1, 1.0, "yes"), record(0, 1.0, "red"), record(1, 0.0, "no"), record(1, 0.0, "no")];
        let names = ["colour".to_owned(), "there".to_owned(), "none".to_owned()];
        let groups = by(Metric::Exact, &names, &records, |record| record.group);
        let brief: Vec<(&str, usize, f64)> =
            groups.iter().map(|g| (g.name.as_str(), g.count, g.chance.score)).collect();
        assert_eq!(brief, [("colour", 1, 1.0), ("there", 3, 2.0 / 3.0)]);
        let all = total(Metric::Exact, &records, &groups);
        assert_eq!((all.count, all.score, all.interval), (4, 0.5, wilson(2.0, 4)));
        assert_eq!((all.chance.score, all.chance.answer.as_str()), (0.75, ""));
        let graded = by(Metric::Anls, &names, &records, |record| record.group);
        assert_eq!(graded[1].interval, normal(1.0, 1.0, 3));
    }
}
