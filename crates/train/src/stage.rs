//! A part of a run.

use crate::schedule::{Ramp, Schedule};
use serde::{Deserialize, Serialize};

/// A part of a run: what is trained, how long and how fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stage {
    /// What logs call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Steps; in the place of epochs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Passes over the data.
    pub epochs: f64,
    /// Samples of a step.
    pub batch: usize,
    /// Times this: gradients of so many batches are summed before a step.
    pub accumulate: usize,
    /// Smaller batches at first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Ramp>,
    /// Whose step.
    pub optimiser: Optimiser,
    /// The highest rate.
    pub lr: f64,
    /// That of the tower; 0 freezes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_vision: Option<f64>,
    /// That of the connector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_connector: Option<f64>,
    /// That of the decoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_text: Option<f64>,
    /// The rate over the steps.
    pub schedule: Schedule,
    /// Steps over which the rate rises; below 1 a part of the stage's.
    pub warmup: f64,
    /// AdamW's means.
    pub betas: [f64; 2],
    /// AdamW's addition to the root.
    pub eps: f64,
    /// Decoupled decay, of all but norms and biases.
    pub weight_decay: f64,
    /// SGD's (0 where it is not given) or Muon's (0.95).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// The greatest norm of the whole gradient; 0 does not clip.
    pub clip: f64,
    /// Whether the decoder takes part. Without it pictures foretell their answers' words alone (`words`): half the work, and
    /// the tower learns to see before the decoder asks it to.
    pub decoder: bool,
    /// Patterns of the names of parameters that are trained; none: all (or with adapters, theirs).
    pub train: Vec<String>,
    /// Patterns of those that are not.
    pub freeze: Vec<String>,
}

/// Whose step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimiser {
    /// AdamW, its means in f32.
    #[default]
    Adamw,
    /// AdamW, its means in 8 bits.
    Adamw8,
    /// Stochastic gradient descent.
    Sgd,
    /// Muon for the layers' matrices, AdamW for tables, norms, biases and the patch embedding.
    Muon,
}

impl Default for Stage {
    fn default() -> Stage {
        Stage {
            name: None,
            steps: None,
            epochs: 1.0,
            batch: 8,
            accumulate: 1,
            ramp: None,
            optimiser: Optimiser::default(),
            lr: 1e-4,
            lr_vision: None,
            lr_connector: None,
            lr_text: None,
            schedule: Schedule::default(),
            warmup: 0.03,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.01,
            momentum: None,
            clip: 1.0,
            decoder: true,
            train: Vec::new(),
            freeze: Vec::new(),
        }
    }
}

impl Stage {
    /// That every number is one that a stage can have; what is wrong.
    pub(crate) fn check(&self, adapter: bool) -> Result<(), String> {
        let rates = [Some(self.lr), self.lr_vision, self.lr_connector, self.lr_text];
        let positive = |x: &f64| x.is_finite() && *x >= 0.0;
        if !rates.iter().flatten().all(positive) || ![self.weight_decay, self.clip, self.warmup].iter().all(positive) {
            return Err("rates, weight_decay, clip and warmup must be 0 or more".into());
        }
        if self.batch == 0 || self.accumulate == 0 {
            return Err("batch and accumulate must be at least 1".into());
        }
        if self.steps == Some(0) || !(self.epochs.is_finite() && self.epochs > 0.0) {
            return Err("steps and epochs must be above 0".into());
        }
        if !self.betas.iter().chain(&self.momentum).all(|beta| (0.0..1.0).contains(beta)) || self.eps <= 0.0 {
            return Err("betas and momentum must be from 0 to below 1, eps above 0".into());
        }
        if adapter && !self.train.is_empty() {
            return Err("with an adapter its parameters alone are trained: `train` must be empty".into());
        }
        self.ramp.as_ref().map_or(Ok(()), |ramp| ramp.check(self.batch * self.accumulate))
    }
}
