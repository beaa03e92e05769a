//! Several sources as one: which sample is drawn when.

use crate::random::{hash, permuted, uniform};
use crate::{Error, Source, SourceConfig, open};

/// One source of a mixture, open.
struct Part {
    name: String,
    source: Box<dyn Source>,
    /// Which rows count: a range, or a drawn choice of as many.
    rows: Rows,
    repeat: u64,
    loss_weight: f32,
    shuffle_turns: bool,
    max_edge: Option<u32>,
}

enum Rows {
    Range { start: u64, count: u64 },
    Random { seed: u64, len: u64, count: u64 },
}

/// Sources as one stream.
pub struct Mixture {
    parts: Vec<Part>,
    /// The shares of the sources, where weights are given; they sum to 1.
    shares: Option<Vec<f64>>,
    seed: u64,
}

/// What was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// Which source.
    pub source: usize,
    /// Which row of it.
    pub row: u64,
}

impl Mixture {
    /// Opens the sources.
    ///
    /// # Errors
    /// Where one cannot be opened, a limit or a weight is none, or nothing is left to draw.
    pub fn open(sources: &[SourceConfig], seed: u64) -> Result<Mixture, Error> {
        let mut parts = Vec::new();
        for (index, config) in sources.iter().enumerate() {
            let source = open(&config.path, &config.columns())?;
            let wrong = |what: String| Error::Format { path: config.path.display().to_string(), what };
            let len = source.len() as u64;
            let rows = rows(config.limit.as_deref(), len, hash(seed, &[index as u64, 77])).map_err(wrong)?;
            if config.repeat == 0 || rows.count() == 0 {
                return Err(wrong("nothing of it is left: its limit and its repeat must be at least 1".into()));
            }
            let loss_weight = config.loss_weight;
            if !(loss_weight.is_finite() && loss_weight >= 0.0) {
                return Err(wrong(format!("loss_weight {loss_weight} must be 0 or more")));
            }
            let (name, repeat, shuffle_turns) = (config.name(), config.repeat as u64, config.shuffle_turns);
            parts.push(Part { name, source, rows, repeat, loss_weight, shuffle_turns, max_edge: config.max_edge });
        }
        if parts.is_empty() {
            return Err(Error::Format { path: "data".into(), what: "no source is given".into() });
        }
        Ok(Mixture { parts, shares: shares(sources)?, seed })
    }

    /// The sources' names.
    pub fn names(&self) -> Vec<String> {
        self.parts.iter().map(|part| part.name.clone()).collect()
    }

    /// Samples of an epoch: each of the sources' as often as they are repeated.
    pub fn epoch(&self) -> u64 {
        self.parts.iter().map(|part| part.rows.count() * part.repeat).sum()
    }

    /// Every row that counts, once, source after source, in order.
    pub fn rows(&self) -> impl Iterator<Item = Draw> {
        self.parts.iter().enumerate().flat_map(|(source, part)| {
            (0..part.rows.count()).map(move |place| Draw { source, row: part.rows.row(place) })
        })
    }

    /// What a source's samples count in the loss.
    pub fn loss_weight(&self, source: usize) -> f32 {
        self.parts.get(source).map_or(0.0, |part| part.loss_weight)
    }

    /// Whether a source's turns are shown in a drawn order.
    pub fn shuffles_turns(&self, source: usize) -> bool {
        self.parts.get(source).is_some_and(|part| part.shuffle_turns)
    }

    /// The longest edge of a source's resized pictures, where it has its own.
    pub fn max_edge(&self, source: usize) -> Option<u32> {
        self.parts.get(source).and_then(|part| part.max_edge)
    }

    /// A source's samples.
    pub fn source(&self, source: usize) -> Option<&dyn Source> {
        self.parts.get(source).map(|part| &*part.source)
    }

    /// The draws `start..start + count` of the stream. They depend on the seed and their places alone.
    pub fn draws(&self, start: u64, count: usize) -> Vec<Draw> {
        match &self.shares {
            None => (start..start + count as u64).filter_map(|at| self.of_epoch(at)).collect(),
            Some(shares) => self.by_share(shares, start, count),
        }
    }

    /// Without weights: each epoch is a permutation of all samples.
    fn of_epoch(&self, at: u64) -> Option<Draw> {
        let n = self.epoch();
        let mut place = permuted(self.seed, at / n, n, at % n);
        for (source, part) in self.parts.iter().enumerate() {
            let count = part.rows.count() * part.repeat;
            if place < count {
                return Some(Draw { source, row: part.rows.row(place % part.rows.count()) });
            }
            place -= count;
        }
        None
    }

    /// With weights: each draw chooses its source, and each source goes through its own epochs.
    fn by_share(&self, shares: &[f64], start: u64, count: usize) -> Vec<Draw> {
        let choose = |at: u64| {
            let mut u = uniform(self.seed, &[at, 1]);
            shares.iter().position(|share| {
                u -= share;
                u < 0.0
            })
        };
        let last = self.parts.len() - 1;
        // How often each source was drawn before: a few nanoseconds a draw, less than reading one sample.
        let mut before = vec![0u64; self.parts.len()];
        let mut draws = Vec::with_capacity(count);
        for at in 0..start + count as u64 {
            let source = choose(at).unwrap_or(last);
            let (Some(seen), Some(part)) = (before.get_mut(source), self.parts.get(source)) else { continue };
            if at >= start {
                let n = part.rows.count();
                let place = permuted(hash(self.seed, &[source as u64, 2]), *seen / n, n, *seen % n);
                draws.push(Draw { source, row: part.rows.row(place) });
            }
            *seen += 1;
        }
        draws
    }
}

fn shares(sources: &[SourceConfig]) -> Result<Option<Vec<f64>>, Error> {
    let wrong = |config: &SourceConfig, what: &str| Error::Format {
        path: config.path.display().to_string(),
        what: what.to_string(),
    };
    if sources.iter().all(|config| config.weight.is_none()) {
        return Ok(None);
    }
    let mut weights = Vec::new();
    for config in sources {
        match config.weight {
            Some(weight) if weight.is_finite() && weight > 0.0 => weights.push(weight),
            Some(_) => return Err(wrong(config, "its weight must be above 0")),
            None => {
                return Err(wrong(config, "it has no weight, and another source has: give all of them one or none"));
            }
        }
    }
    let sum: f64 = weights.iter().sum();
    Ok(Some(weights.iter().map(|weight| weight / sum).collect()))
}

impl Rows {
    fn count(&self) -> u64 {
        match self {
            Rows::Range { count, .. } | Rows::Random { count, .. } => *count,
        }
    }

    fn row(&self, place: u64) -> u64 {
        match *self {
            Rows::Range { start, .. } => start + place,
            Rows::Random { seed, len, .. } => permuted(seed, 0, len, place),
        }
    }
}

/// The rows that a limit leaves of `len`.
fn rows(limit: Option<&str>, len: u64, seed: u64) -> Result<Rows, String> {
    let limit = limit.unwrap_or("all");
    if limit == "all" {
        return Ok(Rows::Range { start: 0, count: len });
    }
    let wrong = || format!("the limit '{limit}' is none; first:N, end:N, random:N or random:N% would be right");
    let (kind, number) = limit.split_once(':').ok_or_else(wrong)?;
    let count = match number.strip_suffix('%') {
        Some(percent) => {
            let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
            if !(0.0..=100.0).contains(&percent) {
                return Err(wrong());
            }
            (len as f64 * percent / 100.0).ceil() as u64
        }
        None => number.trim().parse::<u64>().map_err(|_| wrong())?,
    };
    let count = count.min(len);
    match kind {
        "first" => Ok(Rows::Range { start: 0, count }),
        "end" => Ok(Rows::Range { start: len - count, count }),
        "random" => Ok(Rows::Random { seed, len, count }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn folder(files: &[(&str, usize)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, rows) in files {
            let text: String = (0..*rows).map(|i| format!("{{\"text\": \"{name} {i}\"}}\n")).collect();
            std::fs::write(dir.path().join(format!("{name}.jsonl")), text).unwrap();
        }
        dir
    }

    fn source(dir: &tempfile::TempDir, name: &str) -> SourceConfig {
        SourceConfig::new(dir.path().join(format!("{name}.jsonl")))
    }

    #[test]
    fn an_epoch_holds_every_sample_once_and_any_stretch_can_be_drawn_again() {
        let dir = folder(&[("a", 10), ("b", 7)]);
        let b = SourceConfig { repeat: 2, ..source(&dir, "b") };
        let mixture = Mixture::open(&[source(&dir, "a"), b], 3).unwrap();
        assert_eq!(mixture.epoch(), 24);
        let draws = mixture.draws(24, 24);
        let mut counts = BTreeMap::new();
        draws.iter().for_each(|d| *counts.entry((d.source, d.row)).or_insert(0) += 1);
        assert!(counts.iter().all(|((source, _), count)| *count == source + 1) && counts.len() == 17);
        assert_eq!(mixture.draws(30, 5), draws[6..11]);
        assert_ne!(mixture.draws(0, 24), draws);
    }

    #[test]
    fn weights_are_the_shares_and_each_source_goes_through_its_own_epochs() {
        let dir = folder(&[("a", 10), ("b", 5)]);
        let weighted = |name: &str, weight| SourceConfig { weight: Some(weight), ..source(&dir, name) };
        let mixture = Mixture::open(&[weighted("a", 3.0), weighted("b", 1.0)], 1).unwrap();
        let draws = mixture.draws(0, 4000);
        let of_b: Vec<u64> = draws.iter().filter(|d| d.source == 1).map(|d| d.row).collect();
        assert!((900..1100).contains(&of_b.len()), "{}", of_b.len());
        for epoch in of_b.chunks_exact(5) {
            let mut rows = epoch.to_vec();
            rows.sort_unstable();
            assert_eq!(rows, [0, 1, 2, 3, 4]);
        }
        assert_eq!(mixture.draws(1000, 50), draws[1000..1050]);
        assert!(Mixture::open(&[weighted("a", 3.0), source(&dir, "b")], 1).is_err());
    }

    #[test]
    fn limits_leave_what_they_say() {
        let dir = folder(&[("a", 10)]);
        let of = |limit: &str| {
            let config = SourceConfig { limit: Some(limit.into()), ..source(&dir, "a") };
            Mixture::open(&[config], 1).map(|m| {
                let mut rows: Vec<u64> = m.draws(0, m.epoch() as usize).iter().map(|d| d.row).collect();
                rows.sort_unstable();
                rows
            })
        };
        assert_eq!(of("first:3").unwrap(), [0, 1, 2]);
        assert_eq!(of("end:2").unwrap(), [8, 9]);
        assert_eq!(of("all").unwrap().len(), 10);
        let config = SourceConfig { limit: Some("end:2".into()), repeat: 3, ..source(&dir, "a") };
        let mixture = Mixture::open(&[source(&dir, "a"), config], 1).unwrap();
        let rows: Vec<(usize, u64)> = mixture.rows().map(|draw| (draw.source, draw.row)).collect();
        assert_eq!(rows, (0..10).map(|row| (0, row)).chain([(1, 8), (1, 9)]).collect::<Vec<_>>());
        let random = of("random:40%").unwrap();
        assert!(random.len() == 4 && random != [0, 1, 2, 3]);
        for wrong in ["half", "first:x", "random:101%", "some:3", "first:0"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
