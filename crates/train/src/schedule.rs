//! Rates and batch sizes over the steps.

use serde::{Deserialize, Serialize};

/// The rate over a stage's steps, behind its warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// The highest rate throughout.
    Constant,
    /// Down to 0 in a line.
    Linear,
    /// Down to 0 in half a wave.
    #[default]
    Cosine,
}

impl Schedule {
    /// The part of the highest rate at step `step` of `steps`, counted from 0, as transformers' `get_scheduler` has it: the
    /// first step of a warm-up has the rate 0.
    pub fn factor(self, step: u64, steps: u64, warmup: u64) -> f64 {
        if step < warmup {
            return step as f64 / warmup as f64;
        }
        let rest = steps.saturating_sub(warmup).max(1) as f64;
        let done = ((step - warmup) as f64 / rest).min(1.0);
        match self {
            Schedule::Constant => 1.0,
            Schedule::Linear => 1.0 - done,
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
        }
    }
}

/// Batches that grow: m4's `global_batch_size_ramp_up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// Samples of the first steps.
    pub start: usize,
    /// How much a batch grows at a time.
    pub increment: usize,
    /// Samples after which it grows.
    pub samples: u64,
}

impl Ramp {
    pub(crate) fn check(&self, finish: usize) -> Result<(), String> {
        if self.start == 0 || self.start > finish || self.increment == 0 || self.samples == 0 {
            return Err(format!(
                "ramp: start must be from 1 to the batch of {finish}, increment and samples at least 1"
            ));
        }
        Ok(())
    }
}

/// How many samples each step of a stage takes.
#[derive(Debug, Clone, Copy)]
pub struct Batches {
    /// At last.
    pub finish: usize,
    /// Before.
    pub ramp: Option<Ramp>,
}

impl Batches {
    /// The samples before step `step`, counted from 0, and those of it.
    pub fn at(&self, step: u64) -> (u64, usize) {
        let Some(ramp) = self.ramp else { return (step * self.finish as u64, self.finish) };
        let (mut seen, mut left) = (0u64, step);
        let mut size = ramp.start;
        let mut grown = ramp.samples;
        while size < self.finish {
            // Steps of this size: until as many samples were seen as it holds for.
            let steps = grown.saturating_sub(seen).div_ceil(size as u64);
            if left < steps {
                return (seen + left * size as u64, size);
            }
            (seen, left) = (seen + steps * size as u64, left - steps);
            (size, grown) = ((size + ramp.increment).min(self.finish), grown + ramp.samples);
        }
        (seen + left * self.finish as u64, self.finish)
    }

    /// Steps that take at least `samples`.
    pub fn steps(&self, samples: u64) -> u64 {
        let enough = |steps: &u64| self.at(*steps).0 >= samples;
        // Batches only grow, so few more steps are needed than with the smallest.
        let (mut low, mut high) = (0, samples + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if enough(&middle) { high = middle } else { low = middle + 1 }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_and_fall_as_transformers_has_them() {
        let at = |schedule: Schedule, step| schedule.factor(step, 110, 10);
        assert_eq!((at(Schedule::Linear, 0), at(Schedule::Linear, 5), at(Schedule::Linear, 10)), (0.0, 0.5, 1.0));
        assert_eq!((at(Schedule::Linear, 60), at(Schedule::Linear, 110)), (0.5, 0.0));
        assert!((at(Schedule::Cosine, 60) - 0.5).abs() < 1e-12 && at(Schedule::Constant, 109) == 1.0);
    }

    #[test]
    fn a_ramp_is_what_counting_step_by_step_gives() {
        let batches = Batches { finish: 10, ramp: Some(Ramp { start: 2, increment: 3, samples: 11 }) };
        let (mut seen, mut size, mut grown) = (0, 2, 11);
        for step in 0..40 {
            while size < 10 && seen >= grown {
                size = (size + 3).min(10);
                grown += 11;
            }
            assert_eq!(batches.at(step), (seen, size), "step {step}");
            seen += size as u64;
        }
        assert_eq!(batches.steps(batches.at(17).0), 17);
        assert_eq!(Batches { finish: 4, ramp: None }.steps(9), 3);
    }
}
