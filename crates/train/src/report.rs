//! A training run as one HTML page: headline numbers, curves, sample answers, settings.
//!
//! The page needs nothing outside itself: the curves are SVG made here, and a small script adds tooltips, the
//! logarithmic scale, smoothing and hiding of lines. Where scripts are off, the curves stay.

mod axis;
mod curves;
mod line;
mod number;
mod page;

pub(crate) use page::html;
use serde::{Deserialize, Deserializer, Serialize};

/// What a report shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// The page's title.
    pub title: String,
    /// `running`, `done`, or `stopped: why`.
    pub status: String,
    /// Names and values: model, data, recipe, machine, trained parameters.
    pub facts: Vec<(String, String)>,
    /// The run's settings, TOML.
    pub settings: String,
    /// The log. Of rows of the same step the last one counts.
    pub rows: Vec<LogRow>,
    /// Step and loss on held-out data.
    pub validation: Vec<(u64, f64)>,
    /// Scores of benchmarks, each by step.
    pub scores: std::collections::BTreeMap<String, Vec<(u64, f64)>>,
    /// Answers to the same questions at several steps.
    pub answers: Vec<SampleAnswer>,
    /// Names of the data's sources.
    pub sources: Vec<String>,
}

/// A row of the log. As JSON has no NaN, a `null` reads as NaN.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LogRow {
    /// Optimizer steps done.
    pub step: u64,
    /// Mean cross-entropy per answer token, nats.
    #[serde(deserialize_with = "number_or_null")]
    pub loss: f64,
    /// Learning rate.
    #[serde(deserialize_with = "number_or_null")]
    pub lr: f64,
    /// Norm of all gradients before clipping.
    #[serde(deserialize_with = "number_or_null")]
    pub grad_norm: f64,
    /// Tokens per second.
    #[serde(deserialize_with = "number_or_null")]
    pub tokens_per_second: f64,
    /// Pictures per second.
    #[serde(deserialize_with = "number_or_null")]
    pub pictures_per_second: f64,
    /// Part of the machine's peak arithmetic that the model's arithmetic makes, 0 to 1, where the peak is known.
    #[serde(default)]
    pub mfu: Option<f64>,
    /// Loss by source: index into [`Report::sources`] and mean loss.
    #[serde(default, deserialize_with = "numbers_or_null")]
    pub by_source: Vec<(usize, f64)>,
}

/// What the model answered to a sample at a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SampleAnswer {
    /// Optimizer steps done.
    pub step: u64,
    /// The sample's name.
    pub sample: String,
    /// What was asked.
    pub question: String,
    /// What should be answered.
    pub want: String,
    /// What was answered.
    pub answer: String,
    /// The picture as a `data:image/…` URL. Any other URL is left out.
    #[serde(default)]
    pub picture: Option<String>,
}

fn number_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

fn numbers_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(usize, f64)>, D::Error> {
    let pairs = Vec::<(usize, Option<f64>)>::deserialize(from)?;
    Ok(pairs.into_iter().map(|(source, loss)| (source, loss.unwrap_or(f64::NAN))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn row(step: u64, loss: f64) -> LogRow {
        LogRow { step, loss, lr: 1e-4, grad_norm: 1.0, tokens_per_second: 512.0, ..LogRow::default() }
    }

    pub(super) fn run(rows: Vec<LogRow>) -> Report {
        Report { title: "A run".into(), status: "done".into(), rows, ..Report::default() }
    }

    /// The data that the script reads, by chart.
    pub(super) fn charts(page: &str) -> Vec<serde_json::Value> {
        let parts = page.split("<script type=application/json>").skip(1);
        parts.map(|part| serde_json::from_str(part.split_once("</script>").unwrap().0).unwrap()).collect()
    }

    #[test]
    fn a_log_with_nan_reads_back() {
        let row = LogRow { by_source: vec![(0, f64::NAN), (1, 2.0)], ..row(3, f64::NAN) };
        let text = serde_json::to_string(&row).unwrap();
        let back: LogRow = serde_json::from_str(&text).unwrap();
        assert!(back.loss.is_nan() && back.by_source[0].1.is_nan());
        assert_eq!((back.step, back.lr, back.by_source[1]), (3, 1e-4, (1, 2.0)));
    }
}
