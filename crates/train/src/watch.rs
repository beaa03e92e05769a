//! When a run ends before its time.

use crate::checkpoint::{self, Progress};
use crate::log::RUN;
use crate::prepare::Ready;
use crate::{Config, Error};
use std::path::Path;

/// Steps whose losses a jump is measured by.
const RECENT: usize = 50;
/// A jump is so many deviations of those above their mean, and [`LEAST_JUMP`] more.
const DEVIATIONS: f64 = 10.0;
/// See [`DEVIATIONS`].
const LEAST_JUMP: f64 = 1.0;

/// Takes note of a step's loss.
///
/// # Errors
/// It, or the gradient's norm, is no number, or it has jumped: the parameters must not follow.
pub(crate) fn check(
    output: &Path,
    step: u64,
    (loss, norm): (f64, f64),
    ready: &Ready,
    progress: &mut Progress,
) -> Result<(), Error> {
    let recent = &mut progress.recent;
    let count = recent.len() as f64;
    let mean = recent.iter().sum::<f64>() / count;
    let deviation = (recent.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
    if !loss.is_finite() || !norm.is_finite() {
        return Err(diverged(output, step, format!("the loss is {loss}, the gradient's norm {norm}"), ready));
    }
    if recent.len() >= RECENT / 2 && loss > mean + DEVIATIONS * deviation + LEAST_JUMP {
        let steps = recent.len();
        let what = format!("the loss jumped to {loss:.4}, from {mean:.4} in the mean of the last {steps} steps");
        return Err(diverged(output, step, what, ready));
    }
    recent.push(loss);
    if recent.len() > RECENT {
        recent.remove(0);
    }
    Ok(())
}

/// What went wrong at a step, with its samples and the last checkpoint that is known to be good: one written just before may
/// hold what went wrong, so a step behind it must have been fine.
pub(crate) fn diverged(output: &Path, step: u64, what: String, ready: &Ready) -> Error {
    let samples: Vec<&str> = ready.examples.iter().map(|example| example.name.as_str()).take(16).collect();
    let rescue = match checkpoint::steps(output).into_iter().filter(|saved| saved + 1 < step).max() {
        Some(saved) => format!("the last good checkpoint is {}", checkpoint::folder(output, saved).display()),
        None => "there is no checkpoint from before; a lower rate or a longer warm-up may help".to_string(),
    };
    Error::Diverged { step, what, samples: samples.join(", "), rescue }
}

/// Why a run of so many steps ends before them, where its validation loss gets no better.
pub(crate) fn impatient(config: &Config, progress: &Progress, total: u64) -> Option<String> {
    let (patience, (best, _)) = (config.validation.as_ref()?.patience, progress.best?);
    let worse = progress.worse;
    (patience > 0 && worse >= patience && progress.step < total).then(|| {
        format!(
            "{worse} measurements without a better loss than after {best} steps; with a greater `patience` in {RUN} \
             --resume goes on"
        )
    })
}
