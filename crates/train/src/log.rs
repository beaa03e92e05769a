//! What a run says of itself: JSON Lines, TensorBoard's events, a page.

use crate::files::replace;
use crate::report::{self, LogRow, Report, SampleAnswer};
use crate::tensorboard::Events;
use crate::{Config, Error};
use serde::{Deserialize, Serialize};
use smolvlm_data::Skipped;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// A line of `log.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// A step.
    Step(StepLine),
    /// Samples that were left out.
    Skipped {
        /// In which step.
        step: u64,
        /// Which, and why.
        samples: Vec<(String, String)>,
    },
    /// A measurement on the validation data.
    Validation {
        /// After how many steps.
        step: u64,
        /// The mean over tokens.
        loss: f64,
    },
    /// A score of a benchmark.
    Score {
        /// After how many steps.
        step: u64,
        /// Which benchmark.
        name: String,
        /// From 0 to 1.
        score: f64,
    },
    /// A sample's answer.
    Answer {
        /// After how many steps, to what, and what was said.
        #[serde(flatten)]
        answer: SampleAnswer,
    },
    /// A checkpoint.
    Checkpoint {
        /// After how many steps.
        step: u64,
    },
}

/// A step as it is logged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepLine {
    /// Steps with this one.
    pub step: u64,
    /// Which stage.
    pub stage: usize,
    /// The loss that was lowered.
    pub loss: f64,
    /// The mean loss of a picture's words, where `words` weighs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<f64>,
    /// The highest group's rate.
    pub lr: f64,
    /// The norm of the whole gradient, before it was clipped.
    pub grad_norm: f64,
    /// Tokens.
    pub tokens: usize,
    /// Of which were learnt.
    pub learnt: usize,
    /// Pictures.
    pub pictures: usize,
    /// Seconds.
    pub seconds: f64,
    /// The part of the processor's peak that the network's products came to.
    pub mfu: Option<f64>,
    /// The mean loss of a token by source.
    pub sources: BTreeMap<String, f64>,
}

impl Line {
    fn step(&self) -> u64 {
        match self {
            Line::Step(StepLine { step, .. })
            | Line::Skipped { step, .. }
            | Line::Validation { step, .. }
            | Line::Score { step, .. }
            | Line::Checkpoint { step } => *step,
            Line::Answer { answer } => answer.step,
        }
    }
}

/// A run's logs, open.
pub(crate) struct Log {
    output: PathBuf,
    lines: File,
    events: Events,
}

const LINES: &str = "log.jsonl";
const PAGE: &str = "report.html";
/// The run's settings, as they were.
pub(crate) const RUN: &str = "run.toml";

impl Log {
    /// Opens a run's logs; lines of steps after `step`, which will be done again, are let go.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub(crate) fn open(output: &Path, step: u64) -> Result<Log, Error> {
        let path = output.join(LINES);
        let failed = |source| Error::file(&path, source);
        if path.exists() {
            let kept: Vec<Line> = read(output)?.into_iter().filter(|line| line.step() <= step).collect();
            let lines: Vec<String> = kept.iter().map(|line| serde_json::to_string(line).unwrap_or_default()).collect();
            replace(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes())?;
        }
        let lines = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let events = Events::create(output).map_err(|source| Error::file(output, source))?;
        Ok(Log { output: output.to_path_buf(), lines, events })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn write(&mut self, line: &Line) -> Result<(), Error> {
        let path = self.output.join(LINES);
        writeln!(self.lines, "{}", serde_json::to_string(line).unwrap_or_default())
            .map_err(|source| Error::file(&path, source))?;
        let events = match line {
            Line::Step(row) => {
                let names: Vec<String> = row.sources.keys().map(|name| format!("loss/{name}")).collect();
                let mut scalars = vec![
                    ("train/loss", row.loss as f32),
                    ("train/lr", row.lr as f32),
                    ("train/grad_norm", row.grad_norm as f32),
                    ("speed/tokens_per_second", (row.tokens as f64 / row.seconds) as f32),
                    ("speed/pictures_per_second", (row.pictures as f64 / row.seconds) as f32),
                ];
                scalars.extend(row.mfu.map(|mfu| ("speed/mfu", mfu as f32)));
                scalars.extend(names.iter().map(String::as_str).zip(row.sources.values().map(|&x| x as f32)));
                self.events.scalars(row.step, &scalars)
            }
            Line::Validation { step, loss } => self.events.scalars(*step, &[("validation/loss", *loss as f32)]),
            Line::Score { step, name, score } => {
                self.events.scalars(*step, &[(&format!("scores/{name}"), *score as f32)])
            }
            Line::Answer { answer } => {
                let text = format!("**{}**\n\n{}\n\n(wanted: {})", answer.question, answer.answer, answer.want);
                self.events.text(answer.step, &format!("answers/{}", answer.sample), &text)
            }
            Line::Skipped { .. } | Line::Checkpoint { .. } => Ok(()),
        };
        events.map_err(|source| Error::file(&self.output, source))
    }

    /// Adds the samples that were left out.
    ///
    /// # Errors
    /// As [`Log::write`].
    pub(crate) fn skipped(&mut self, step: u64, skipped: &[Skipped]) -> Result<(), Error> {
        if skipped.is_empty() {
            return Ok(());
        }
        let samples = skipped.iter().map(|s| (s.name.clone(), s.why.clone())).collect();
        self.write(&Line::Skipped { step, samples })
    }
}

/// The lines of a run's log; a last one that was cut short is left out.
fn read(output: &Path) -> Result<Vec<Line>, Error> {
    let path = output.join(LINES);
    let file = File::open(&path).map_err(|source| Error::file(&path, source))?;
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    Ok(lines.filter_map(|line| serde_json::from_str(&line).ok()).collect())
}

/// Writes a run's page from its log.
///
/// # Errors
/// Where the folder holds no run, or the page cannot be written.
pub fn write_report(output: &Path, status: &str) -> Result<PathBuf, Error> {
    let config = Config::open(&output.join(RUN))?;
    let mut report = Report {
        title: output.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        settings: config.to_toml(),
        status: status.to_string(),
        sources: config.data.sources.iter().map(smolvlm_data::SourceConfig::name).collect(),
        ..Report::default()
    };
    let mut last = None;
    for line in read(output)? {
        match line {
            Line::Step(row) => {
                let by_source = row.sources.iter();
                let place = |name: &String| report.sources.iter().position(|source| source == name);
                report.rows.push(LogRow {
                    step: row.step,
                    loss: row.loss,
                    lr: row.lr,
                    grad_norm: row.grad_norm,
                    tokens_per_second: row.tokens as f64 / row.seconds,
                    pictures_per_second: row.pictures as f64 / row.seconds,
                    mfu: row.mfu,
                    by_source: by_source.filter_map(|(name, &loss)| Some((place(name)?, loss))).collect(),
                });
                last = Some(row);
            }
            Line::Validation { step, loss } => report.validation.push((step, loss)),
            Line::Score { step, name, score } => report.scores.entry(name).or_default().push((step, score)),
            Line::Answer { answer } => report.answers.push(answer),
            Line::Skipped { .. } | Line::Checkpoint { .. } => {}
        }
    }
    let mut fact = |name: &str, value: String| report.facts.push((name.to_string(), value));
    fact("model", config.model.display().to_string());
    let names: Vec<String> = config.data.sources.iter().map(|s| s.path.display().to_string()).collect();
    fact("data", names.join(", "));
    fact("trained", if config.adapter.is_some() { "an adapter".into() } else { "the model".into() });
    if let Some(row) = last {
        fact("steps", row.step.to_string());
        fact("tokens of the last step", row.tokens.to_string());
    }
    let path = output.join(PAGE);
    replace(&path, report::html(&report).as_bytes())?;
    Ok(path)
}
