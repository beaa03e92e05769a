//! What a chart shows: labels, values, and colours with names.

use crate::{Colour, Random, reading::Ink};
use std::sync::LazyLock;

/// How much the largest value exceeds the second, and the smallest falls below the one before, of the axis.
pub(crate) const GAP: f64 = 0.09;

/// A set of labels.
pub(crate) struct Labels {
    ordered: bool,
    labels: Vec<&'static str>,
}

struct Lists {
    labels: Vec<Labels>,
    measures: Vec<&'static str>,
}

static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    let mut lists = Lists { labels: Vec::new(), measures: Vec::new() };
    for line in include_str!("../../words/labels.txt").lines() {
        let Some((head, words)) = line.split_once(':').filter(|_| !line.starts_with('#')) else { continue };
        let words = words.split_whitespace().collect();
        match head.starts_with("label") {
            true => lists.labels.push(Labels { ordered: head.starts_with("label >"), labels: words }),
            false => lists.measures = words,
        }
    }
    lists
});

/// What is measured: "Sales".
pub(crate) fn measure(random: &mut Random) -> &'static str {
    LISTS.measures.get(random.below(LISTS.measures.len())).copied().unwrap_or("Sales")
}

/// `n` labels of one set, in its order if it has one; with an order alone where that is asked for. Of those that
/// `fits` allows; `A`, `B`, … where a few tries find none.
pub(crate) fn labels(random: &mut Random, n: usize, ordered: bool, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let sets: Vec<&Labels> =
        LISTS.labels.iter().filter(|set| set.labels.len() >= n && (set.ordered || !ordered)).collect();
    for _ in 0..12 {
        let Some(set) = sets.get(random.below(sets.len())) else { break };
        let mut chosen: Vec<&str> = match set.ordered {
            true => set.labels.iter().skip(random.below(set.labels.len() - n + 1)).take(n).copied().collect(),
            false => {
                let mut all: Vec<&str> = set.labels.iter().copied().filter(|label| fits(label)).collect();
                random.shuffle(&mut all);
                all
            }
        };
        chosen.truncate(n);
        if chosen.len() == n && chosen.iter().all(|label| fits(label)) {
            return chosen.into_iter().map(str::to_owned).collect();
        }
    }
    ["A", "B", "C", "D", "E", "F", "G", "H"].iter().take(n).map(|&label| label.to_owned()).collect()
}

/// What a chart shows.
pub(crate) struct Data {
    /// One a bar, a point, a slice.
    pub(crate) labels: Vec<String>,
    /// Whole numbers.
    pub(crate) values: Vec<u32>,
    /// The step between ticks.
    pub(crate) step: u32,
    /// The axis' end: a multiple of the step.
    pub(crate) most: u32,
    /// Whether each value lies on a tick.
    pub(crate) on_ticks: bool,
    /// Whether values are written beside what stands for them.
    pub(crate) written: bool,
    /// Whether the axis has its numbers.
    pub(crate) ticks: bool,
    /// What stands behind a value: nothing, or `%`.
    pub(crate) unit: &'static str,
}

impl Data {
    /// Values for labels that are still to be found: the largest and the smallest stand out.
    pub(crate) fn pick(random: &mut Random, n: usize) -> Data {
        let step = *random.pick(&[1, 2, 5, 10, 10, 20, 25, 50, 100]);
        let count = random.between(4, 6) as u32;
        let most = step * count;
        let on_ticks = step == 1 || random.chance(0.4);
        let values = values(random, n, step, most, on_ticks);
        let written = random.chance(0.4);
        let ticks = (on_ticks && !written) || random.chance(0.5);
        Data { labels: Vec::new(), values, step, most, on_ticks, written, ticks, unit: "" }
    }

    /// The same axis and labels, without values.
    pub(crate) fn again(&self) -> Data {
        Data { labels: self.labels.clone(), values: Vec::new(), ..*self }
    }

    /// A value as it is written.
    pub(crate) fn answer(&self, at: usize) -> String {
        format!("{}{}", self.value(at), self.unit)
    }

    /// Where the largest is.
    pub(crate) fn largest(&self) -> usize {
        (0..self.values.len()).max_by_key(|&at| self.value(at)).unwrap_or(0)
    }

    /// Where the smallest is.
    pub(crate) fn smallest(&self) -> usize {
        (0..self.values.len()).min_by_key(|&at| self.value(at)).unwrap_or(0)
    }

    /// A value.
    pub(crate) fn value(&self, at: usize) -> u32 {
        self.values.get(at).copied().unwrap_or(0)
    }

    /// A label.
    pub(crate) fn label(&self, at: usize) -> &str {
        self.labels.get(at).map_or("", String::as_str)
    }

    /// A value's share of the axis.
    pub(crate) fn share(&self, at: usize) -> f64 {
        f64::from(self.value(at)) / f64::from(self.most.max(1))
    }

    /// Whether values can be told exactly.
    pub(crate) fn exact(&self) -> bool {
        self.written || (self.on_ticks && self.ticks)
    }

    /// Two that can be told apart, the one that is asked of first.
    pub(crate) fn pair(&self, random: &mut Random) -> Option<(usize, usize)> {
        for _ in 0..12 {
            let (a, b) = (random.below(self.values.len()), random.below(self.values.len()));
            if libm::fabs(self.share(a) - self.share(b)) >= GAP {
                return Some((a, b));
            }
        }
        None
    }
}

/// `n` values of an axis, the largest and the smallest apart from the others.
pub(crate) fn values(random: &mut Random, n: usize, step: u32, most: u32, on_ticks: bool) -> Vec<u32> {
    let unit = if on_ticks { step } else { 1 };
    let least = (f64::from(most) * 0.08 / f64::from(unit)).ceil().max(1.0) as usize;
    let gap = (f64::from(most) * GAP).ceil() as u32;
    let mut values = Vec::new();
    for _ in 0..200 {
        values = (0..n).map(|_| unit * random.between(least, (most / unit) as usize) as u32).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let stands_out = |pair: &[u32]| matches!(*pair, [a, b] if b - a >= gap);
        if n < 2 || (sorted.get(..2).is_some_and(stands_out) && sorted.get(n - 2..).is_some_and(stands_out)) {
            return values;
        }
    }
    // The two ends of the axis, and its middle for the others: the tries above find something in all but a few cases.
    let middle = most / 2 / unit * unit;
    let ends = |at: usize| {
        if at == 0 {
            unit * least as u32
        } else if at == 1 {
            most
        } else {
            middle
        }
    };
    for (at, value) in values.iter_mut().enumerate() {
        *value = ends(at);
    }
    random.shuffle(&mut values);
    values
}

/// `n` colours of different names, none near another, all seen on a ground.
pub(crate) fn inks(random: &mut Random, n: usize, ground: Colour) -> Vec<Ink> {
    let mut inks: Vec<Ink> = Vec::new();
    for _ in 0..400 {
        if inks.len() == n {
            break;
        }
        let ink = Ink::seen(random, ground);
        let apart = |other: &Ink| {
            other.named != ink.named && !other.named.is_near(ink.named) && other.colour.contrast(ink.colour) > 0.12
        };
        if inks.iter().all(apart) {
            inks.push(ink);
        }
    }
    inks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_and_the_smallest_stand_out() {
        let mut random = Random::new(11, 12);
        for at in 0..4000 {
            let n = 2 + at % 6;
            let data = Data::pick(&mut random, n);
            let mut shares: Vec<f64> = (0..n).map(|at| data.share(at)).collect();
            shares.sort_by(f64::total_cmp);
            assert!(shares[0] >= 0.079 && shares[n - 1] <= 1.0);
            assert!(shares[1] - shares[0] >= 0.08 && shares[n - 1] - shares[n - 2] >= 0.08, "{:?}", data.values);
            assert!(!data.on_ticks || data.values.iter().all(|value| value % data.step == 0));
            assert_eq!(data.value(data.largest()), *data.values.iter().max().unwrap());
            assert_eq!(data.value(data.smallest()), *data.values.iter().min().unwrap());
        }
    }

    #[test]
    fn labels_are_as_many_as_asked_for_and_differ() {
        let mut random = Random::new(13, 14);
        for at in 0..2000 {
            let n = 2 + at % 6;
            let mut labels = labels(&mut random, n, at % 2 == 0, |label| label.len() <= 4);
            assert!(labels.len() == n && labels.iter().all(|label| label.len() <= 4));
            labels.sort();
            labels.dedup();
            assert_eq!(labels.len(), n);
        }
    }

    #[test]
    fn colours_have_different_names() {
        let mut random = Random::new(15, 16);
        for _ in 0..200 {
            let inks = inks(&mut random, 6, Colour(255, 255, 255));
            assert_eq!(inks.len(), 6);
        }
    }
}
