//! What is asked of a chart.

use super::data::Data;
use crate::{
    Random, Split, Turn,
    reading::{Ink, turn},
};

/// A drawn chart, as questions see it.
pub(crate) struct Chart<'a> {
    pub(crate) data: &'a Data,
    /// The colours of its parts; none where they have all the same.
    pub(crate) inks: &'a [Ink],
    pub(crate) title: Option<&'static str>,
    /// What stands for a value: `bar`, `point` (of a line), `line` (whose points are not marked), `slice`.
    pub(crate) what: &'static str,
}

/// Which questions there are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// The largest and the smallest alone.
    Simple,
    /// All.
    All,
}

/// What a question is about.
#[derive(Clone, Copy)]
enum Kind {
    Largest,
    Smallest,
    Value,
    Compare,
    Count,
    Colour,
    OfColour,
    Title,
    Reckon,
    End,
}

use Kind::*;

/// All kinds, the frequent ones twice.
const KINDS: [Kind; 12] =
    [Largest, Smallest, Value, Value, Compare, Compare, Count, Colour, OfColour, Title, Reckon, End];

impl Chart<'_> {
    /// One to three turns; of a test the largest first, as its set asks.
    pub(crate) fn turns(&self, random: &mut Random, split: Split, asks: Asks) -> Vec<Turn> {
        let mut kinds = if asks == Asks::All { KINDS.to_vec() } else { vec![Largest, Smallest] };
        random.shuffle(&mut kinds);
        if split == Split::Test || random.chance(0.3) {
            kinds.insert(0, Largest);
        }
        let wanted = random.between(1, 3);
        let mut turns: Vec<Turn> = Vec::new();
        for kind in kinds {
            if turns.len() == wanted {
                break;
            }
            let Some(turn) = self.turn(kind, random, split) else { continue };
            if turns.iter().all(|other| other.skill != turn.skill) {
                turns.push(turn);
            }
        }
        turns
    }

    fn turn(&self, kind: Kind, random: &mut Random, split: Split) -> Option<Turn> {
        match kind {
            Largest => {
                Some(self.ask("chart-largest", "largest", split, random, &[], self.data.label(self.data.largest())))
            }
            Smallest => {
                Some(self.ask("chart-smallest", "smallest", split, random, &[], self.data.label(self.data.smallest())))
            }
            Value => self.value(random, split),
            Compare => self.compare(random, split),
            Count if self.what == "line" => None,
            Count => Some(self.ask("chart-count", "count", split, random, &[], &self.data.values.len().to_string())),
            Colour => self.colour(random, split),
            OfColour => self.of_colour(random, split),
            Title => self.title.map(|title| turn("chart-title", "chart.title", split, random, &[], title, Vec::new())),
            Reckon => self.reckon(random, split),
            End => self.end(random, split),
        }
    }

    fn section(&self, of: &str) -> String {
        let what = if self.what == "line" { "point" } else { self.what };
        format!("{what}.{of}")
    }

    fn ask(
        &self,
        skill: &'static str,
        of: &str,
        split: Split,
        random: &mut Random,
        fills: &[(&str, &str)],
        answer: &str,
    ) -> Turn {
        turn(skill, &self.section(of), split, random, fills, answer, Vec::new())
    }

    fn value(&self, random: &mut Random, split: Split) -> Option<Turn> {
        if !self.data.exact() {
            return None;
        }
        let (of, at) = match random.unit() {
            u if u < 0.15 => ("highest-value", self.data.largest()),
            u if u < 0.3 => ("lowest-value", self.data.smallest()),
            _ => ("value", random.below(self.data.values.len())),
        };
        let fills = [("label", self.data.label(at))];
        let also = if self.data.unit.is_empty() { Vec::new() } else { vec![self.data.value(at).to_string()] };
        let section = self.section(of);
        Some(turn("chart-value", &section, split, random, &fills, &self.data.answer(at), also))
    }

    fn compare(&self, random: &mut Random, split: Split) -> Option<Turn> {
        let (a, b) = self.data.pair(random)?;
        let larger = random.chance(0.6);
        let fills = [("label", self.data.label(a)), ("other", self.data.label(b))];
        let yes = (self.data.value(a) > self.data.value(b)) == larger;
        let of = if larger { "is-larger" } else { "is-smaller" };
        Some(self.ask("chart-compare", of, split, random, &fills, if yes { "yes" } else { "no" }))
    }

    fn colour(&self, random: &mut Random, split: Split) -> Option<Turn> {
        let at = match random.chance(0.3) {
            true => self.data.largest(),
            false => random.below(self.inks.len()),
        };
        let ink = self.inks.get(at)?;
        let also = ink.named.also.iter().map(|&name| name.to_owned()).collect();
        let largest = at == self.data.largest() && random.chance(0.5);
        let section = self.section(if largest { "colour-of-largest" } else { "colour" });
        let fills = [("label", self.data.label(at))];
        Some(turn("chart-colour", &section, split, random, &fills, ink.named.name, also))
    }

    fn of_colour(&self, random: &mut Random, split: Split) -> Option<Turn> {
        let at = random.below(self.inks.len());
        let ink = self.inks.get(at)?;
        Some(self.ask(
            "chart-of-colour",
            "of-colour",
            split,
            random,
            &[("colour", ink.named.name)],
            self.data.label(at),
        ))
    }

    /// The sum or the difference of two.
    fn reckon(&self, random: &mut Random, split: Split) -> Option<Turn> {
        let (a, b) = self.data.pair(random)?;
        let (of, answer) = match random.chance(0.5) {
            true => ("chart.sum", self.data.value(a) + self.data.value(b)),
            false => ("chart.difference", self.data.value(a).abs_diff(self.data.value(b))),
        };
        let easy = answer <= 20 || self.data.on_ticks;
        if !self.data.exact() || !easy || !self.data.unit.is_empty() || random.chance(0.5) {
            return None;
        }
        let fills = [("label", self.data.label(a)), ("other", self.data.label(b))];
        Some(turn("chart-reckon", of, split, random, &fills, &answer.to_string(), Vec::new()))
    }

    /// The label of the first or the last.
    fn end(&self, random: &mut Random, split: Split) -> Option<Turn> {
        if self.what != "bar" || random.chance(0.5) {
            return None;
        }
        let (of, label) = match random.chance(0.5) {
            true => ("first", self.data.labels.first()?),
            false => ("last", self.data.labels.last()?),
        };
        Some(self.ask("chart-end", of, split, random, &[], label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn answers_are_true_of_the_data() {
        let data = Data {
            labels: ["Tea", "Milk", "Cola"].map(String::from).to_vec(),
            values: vec![10, 40, 25],
            step: 5,
            most: 40,
            on_ticks: true,
            written: false,
            ticks: true,
            unit: "",
        };
        let value = |label: &str| data.values[data.labels.iter().position(|other| other == label).unwrap()];
        let mut random = Random::new(39, 40);
        let inks = ["red", "blue", "green"].map(|name| Ink::called(&mut random, name));
        let mut seen = BTreeSet::new();
        for at in 0..3000 {
            let what = ["bar", "point", "slice"][at % 3];
            let inks = if what == "point" { &[] } else { &inks[..] };
            let chart = Chart { data: &data, inks, title: Some("Sales"), what };
            for turn in chart.turns(&mut random, Split::Test, Asks::All) {
                let words = turn.question.split(|c: char| !c.is_alphabetic());
                let labels: Vec<&str> = words.filter(|word| data.labels.iter().any(|label| label == word)).collect();
                let says = |words: &[&str]| words.iter().any(|word| turn.question.contains(word));
                let either = |first: bool, one: &str, other: &str| if first { one } else { other }.to_owned();
                let right = match (turn.skill, &labels[..]) {
                    ("chart-largest", []) => "Milk".to_owned(),
                    ("chart-smallest", []) => "Tea".to_owned(),
                    ("chart-value", [label]) => value(label).to_string(),
                    ("chart-value", []) => either(says(&["lowest", "smallest", "least"]), "10", "40"),
                    ("chart-compare", [a, b]) => {
                        let smaller = says(&["smaller", "less", "lower", "below"]);
                        either((value(a) < value(b)) == smaller, "yes", "no")
                    }
                    ("chart-count", []) => "3".to_owned(),
                    ("chart-colour", []) => "blue".to_owned(),
                    ("chart-colour", ["Tea"]) => "red".to_owned(),
                    ("chart-colour", [label]) => either(*label == "Milk", "blue", "green"),
                    ("chart-of-colour", []) if says(&["green"]) => "Cola".to_owned(),
                    ("chart-of-colour", []) => either(says(&["red"]), "Tea", "Milk"),
                    ("chart-title", []) => "Sales".to_owned(),
                    ("chart-end", []) => either(says(&["first"]), "Tea", "Cola"),
                    ("chart-reckon", [a, b]) if says(&["differ"]) => value(a).abs_diff(value(b)).to_string(),
                    ("chart-reckon", [a, b]) => (value(a) + value(b)).to_string(),
                    other => panic!("{other:?}: {}", turn.question),
                };
                assert_eq!(turn.answer, right, "{}", turn.question);
                seen.insert(turn.skill);
            }
        }
        assert_eq!(seen.len(), 10, "{seen:?}");
    }
}
