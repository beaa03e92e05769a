//! Every parameter by its name, to be read when a network is loaded for training and replaced after a step.

use crate::linear::Linear;
use crate::norm::{LayerNorm, RmsNorm};
use smolvlm_backend::{Tensor, Weight};

/// Where a parameter stands in the network.
pub enum Slot<'a> {
    /// A matrix that products read.
    Matrix(&'a mut Weight),
    /// What operations read as it is.
    Plain(&'a mut Tensor),
}

/// Told each parameter's name in a checkpoint and its place.
pub type Visit<'v> = dyn FnMut(&str, Slot<'_>) + 'v;

impl Linear {
    /// Its weight, bias and adapters.
    pub(crate) fn parameters(&mut self, visit: &mut Visit<'_>) {
        visit(&format!("{}.weight", self.name), Slot::Matrix(&mut self.weight));
        if let Some(bias) = &mut self.bias {
            visit(&format!("{}.bias", self.name), Slot::Plain(bias));
        }
        for adapter in &mut self.adapters {
            visit(&adapter.a_name, Slot::Matrix(&mut adapter.a));
            visit(&adapter.b_name, Slot::Matrix(&mut adapter.b));
        }
    }
}

impl LayerNorm {
    /// Its factors and what it adds.
    pub(crate) fn parameters(&mut self, visit: &mut Visit<'_>) {
        visit(&format!("{}.weight", self.name), Slot::Plain(&mut self.gamma));
        visit(&format!("{}.bias", self.name), Slot::Plain(&mut self.beta));
    }
}

impl RmsNorm {
    /// Its factors.
    pub(crate) fn parameters(&mut self, visit: &mut Visit<'_>) {
        visit(&format!("{}.weight", self.name), Slot::Plain(&mut self.gamma));
    }
}
