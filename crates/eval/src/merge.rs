//! Runs that are finished: parts as one, and two held against each other.

use crate::Error;
use crate::data::Data;
use crate::evaluation::Control;
use crate::interval::{Interval, normal};
use crate::metrics::Metric;
use crate::page::Pictures;
use crate::picture::Shown;
use crate::records::Line;
use crate::results::{Outcome, Results};
use crate::rule::Rule;
use crate::run_state::{Folder, Origin, RunFile, merged};
use crate::task::Task;
use serde_json::Value;
use smolvlm_data::Draw;
use smolvlm_processor::DecodeOptions;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The parts of a run as one, in a folder of its own. The answers and scores are those of a run that was never in parts; the page
/// shows pictures where the data is still where it was.
///
/// # Errors
/// A part is missing, not finished, or of another run; a file cannot be written.
pub fn merge(parts: &[PathBuf], output: &Path) -> Result<Outcome, Error> {
    let (run, lines) = merged(parts)?;
    let text = |name: &str| run.settings.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let named = Metric::ALL.into_iter().find(|metric| metric.name() == text("metric"));
    let metric = named.or_else(|| Rule::named(&text("metric")).map(Metric::Rule)).ok_or_else(|| Error::Run {
        path: parts.first().map_or_else(String::new, |part| part.display().to_string()),
        what: format!("its metric {:?} is not known", text("metric")),
    })?;
    let control = [Control::Blank, Control::Shuffle].into_iter().find(|control| control.name() == text("control"));
    let task = match &run.origin {
        Origin::Task { task, .. } => Some(Task::open(task)?),
        Origin::Sources(_) => None,
    };
    let names = run.settings.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    let names: Vec<String> = names.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    let seed = run.settings.get("seed").and_then(Value::as_u64).unwrap_or(0);
    let folder = Folder::new(output);
    folder.put("run.json", b"{}")?;
    folder.finish(&run, &lines)?;
    let pictures = Kept(opened(&run, task.as_ref(), control));
    let results = Results { metric, seed, task: task.as_ref(), run: &run, lines: &lines, stopped: false };
    results.write(&folder, (&text("model"), control), &names, (&pictures, &DecodeOptions::default()))
}

/// The data of a run, to show its pictures again; none where it is no longer there, or pictures were not its own.
fn opened(run: &RunFile, task: Option<&Task>, control: Option<Control>) -> Option<Box<dyn Data>> {
    if control.is_some() {
        return None;
    }
    match (&run.origin, task) {
        (Origin::Sources(sources), _) => Some(Box::new(crate::data::Mixed::open(sources, 0).ok()?)),
        (Origin::Task { path, .. }, Some(task)) => {
            Some(Box::new(crate::data::Benchmark::plain(task.clone(), path).ok()?))
        }
        _ => None,
    }
}

/// Pictures of data that is there.
struct Kept(Option<Box<dyn Data>>);

impl Pictures for Kept {
    fn of(&self, row: Draw, _: usize) -> Vec<Arc<Shown>> {
        let read = self.0.as_ref().and_then(|data| data.read(row).ok());
        read.map_or_else(Vec::new, |read| read.pictures.into_iter().map(|file| Arc::new(Shown::File(file))).collect())
    }
}

/// How far one run is ahead of another over the questions that both answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// What the questions have in common; `all` for all.
    pub name: String,
    /// How many both answered.
    pub count: usize,
    /// The first run's mean score less the other's.
    pub difference: f64,
    /// Its 95 % interval: of the differences of each question.
    pub interval: Interval,
}

/// The differences of a run's scores to another's, by skill and of all questions, the last.
///
/// # Errors
/// One of them is not finished, or they have no question in common.
pub fn against(run: &Path, other: &Path) -> Result<Vec<Difference>, Error> {
    let (_, lines) = Folder::new(run).open()?;
    let (_, others) = Folder::new(other).open()?;
    let key = |line: &Line| (line.source.clone(), line.row, line.turn);
    let scored = |line: &Line| Some((key(line), line.what.as_ref().ok()?.score));
    let others: BTreeMap<_, f64> = others.iter().filter_map(scored).collect();
    let mut groups: Vec<(String, Vec<f64>)> = Vec::new();
    let mut all = Vec::new();
    for line in &lines {
        let (Ok(answered), Some(other)) = (&line.what, others.get(&key(line))) else { continue };
        let difference = answered.score - other;
        all.push(difference);
        let name = answered.skill.as_deref().unwrap_or(&line.source);
        match groups.iter_mut().find(|(group, _)| group == name) {
            Some((_, differences)) => differences.push(difference),
            None => groups.push((name.to_owned(), vec![difference])),
        }
    }
    if all.is_empty() {
        let what = format!("it has no question in common with {}", run.display());
        return Err(Error::Run { path: other.display().to_string(), what });
    }
    if groups.len() < 2 {
        groups.clear();
    }
    groups.push(("all".to_owned(), all));
    Ok(groups.into_iter().map(|(name, differences)| difference(name, &differences)).collect())
}

fn difference(name: String, differences: &[f64]) -> Difference {
    let (count, sum) = (differences.len(), differences.iter().sum::<f64>());
    let squares = differences.iter().map(|difference| difference * difference).sum();
    Difference { name, count, difference: sum / count.max(1) as f64, interval: paired(sum, squares, count) }
}

/// The normal interval of a mean that may be below 0.
fn paired(sum: f64, squares: f64, count: usize) -> Interval {
    let (low, high) = normal((sum + count as f64) / 2.0, (squares + 2.0 * sum + count as f64) / 4.0, count);
    (2.0 * low - 1.0, 2.0 * high - 1.0)
}
