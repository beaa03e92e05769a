//! Which steps a run has, and what each of them draws.

use crate::load::Chosen;
use crate::{Batches, Config, Error, Stage};

/// The stages of a run, one behind the other.
pub(crate) struct Plan<'a> {
    pub(crate) stages: Vec<Planned<'a>>,
    /// All their steps.
    pub(crate) steps: u64,
}

/// A stage's place in the run.
pub(crate) struct Planned<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) chosen: Chosen<'a>,
    pub(crate) batches: Batches,
    /// Steps and draws before it.
    first_step: u64,
    first_draw: u64,
    /// Its steps.
    pub(crate) steps: u64,
    warmup: u64,
}

impl Planned<'_> {
    /// The draws of a step of the run: where they begin, and how many.
    pub(crate) fn draws(&self, step: u64) -> (u64, usize) {
        let (start, count) = self.batches.at(step - self.first_step);
        (self.first_draw + start, count)
    }

    /// The part of the highest rates at a step of the run.
    pub(crate) fn factor(&self, step: u64) -> f64 {
        self.stage.schedule.factor(step - self.first_step, self.steps, self.warmup)
    }
}

impl<'a> Plan<'a> {
    /// The stages over data of so many samples an epoch.
    ///
    /// # Errors
    /// A pattern of a stage cannot be used.
    pub(crate) fn new(config: &'a Config, epoch: u64) -> Result<Plan<'a>, Error> {
        let (mut first_step, mut first_draw) = (0, 0);
        let mut stages = Vec::new();
        for stage in &config.stages {
            let batches = Batches { finish: stage.batch * stage.accumulate, ramp: stage.ramp };
            let steps = stage.steps.unwrap_or_else(|| batches.steps((stage.epochs * epoch as f64).ceil() as u64));
            let part = (stage.warmup * steps as f64).ceil() as u64;
            let warmup = if stage.warmup < 1.0 { part } else { stage.warmup as u64 };
            let chosen = Chosen::new(stage)?;
            stages.push(Planned { stage, chosen, batches, first_step, first_draw, steps, warmup });
            first_draw += batches.at(steps).0;
            first_step += steps;
        }
        Ok(Plan { stages, steps: first_step })
    }

    /// The stage that a step of the run belongs to, and which it is.
    pub(crate) fn at(&self, step: u64) -> Option<(usize, &Planned<'a>)> {
        self.stages.iter().enumerate().rev().find(|(_, stage)| stage.first_step <= step)
    }
}
