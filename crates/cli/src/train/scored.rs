//! Benchmarks that a training run's checkpoints are scored by.

use crate::error::Error;
use smolvlm_engine::Engine;
use smolvlm_eval::{Evaluation, Metric, Observer, Options, Prompts, Rule, Shard, SoFar, Style, Task};
use smolvlm_processor::{ClipChoice, ClipMode, DecodeOptions, PlanOptions};
use std::path::{Path, PathBuf};

/// The most tokens of an answer: enough for any that is right.
const MAX_TOKENS: usize = 64;

/// What is asked with every checkpoint.
pub(super) struct Scored {
    tasks: Vec<(Task, PathBuf, u64)>,
    output: PathBuf,
    max_edge: Option<u32>,
}

/// `TASK[=DATA]:N`
fn parse(text: &str) -> Result<(Task, Option<PathBuf>, u64), Error> {
    let wrong = || Error::Usage(format!("--eval {text}: TASK:N or TASK=DATA:N would be right, as chartqa:200"));
    let (what, count) = text.rsplit_once(':').ok_or_else(wrong)?;
    let count = count.parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
    let (name, data) = match what.split_once('=') {
        Some((name, data)) => (name, Some(PathBuf::from(data))),
        None => (what, None),
    };
    Ok((Task::open(name)?, data, count))
}

impl Scored {
    /// Of `--eval`'s words; rows that are not named come from the hub now, before the run begins.
    pub(super) fn of(words: &[String], output: &Path, max_edge: Option<u32>) -> Result<Scored, Error> {
        let mut tasks = Vec::new();
        for word in words {
            let (task, data, count) = parse(word)?;
            let path = data.map_or_else(|| crate::pull::task(&task), Ok)?;
            tasks.push((task, path, count));
        }
        Ok(Scored { tasks, output: output.join("eval"), max_edge })
    }

    /// The score of each benchmark, from 0 to 1; answers go below the run's folder.
    pub(super) fn scores(&self, step: u64, engine: &Engine) -> Result<Vec<(String, f64)>, Error> {
        let one = |(task, path, count): &(Task, PathBuf, u64)| {
            let folder = self.output.join(format!("{}-{step}", task.name));
            let evaluation = self.evaluation(task.clone(), path, *count, engine, folder)?;
            Ok((task.name.clone(), evaluation.run(engine, &mut Quiet)?.total.score))
        };
        self.tasks.iter().map(one).collect()
    }

    fn evaluation(
        &self,
        task: Task,
        path: &Path,
        count: u64,
        engine: &Engine,
        output: PathBuf,
    ) -> Result<Evaluation, Error> {
        let sight = engine.processor().settings().sight.as_ref();
        let second = sight.is_some_and(|sight| sight.clips.mode == ClipMode::SmolVlm2);
        let style = if task.has_clips() && !second { Style::Plain } else { Style::VlmEvalKit };
        let prompts = Prompts { style, shots: 0, support: None, media: None, second };
        let metric = Rule::named(task.metric()).map_or(Metric::Exact, Metric::Rule);
        let options = Options {
            model: "training".to_owned(),
            precision: String::new(),
            metric,
            control: None,
            limit: Some(count),
            shard: Shard { index: 0, of: 1 },
            seed: 0,
            batch: 8,
            max_tokens: MAX_TOKENS,
            plan: PlanOptions { longest_edge: self.max_edge, ..PlanOptions::default() },
            clips: ClipChoice::default(),
            decode: DecodeOptions::default(),
            output,
        };
        Ok(Evaluation::of_task(task, path, prompts, options)?)
    }
}

/// Rows that cannot be used are counted in the scores' file.
struct Quiet;

impl Observer for Quiet {
    fn goes_on(&mut self, _: usize) {}

    fn exchanging(&mut self, _: usize, _: usize) {}

    fn answered(&mut self, _: SoFar) {}

    fn bad(&mut self, _: &str, _: &str) {}

    fn stops(&mut self) -> bool {
        false
    }
}
