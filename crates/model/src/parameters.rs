//! Every parameter by its name, to be read when a network is loaded for training and replaced after a step.

use crate::adapter::names;
use crate::linear::Linear;
use crate::norm::{LayerNorm, RmsNorm};
use smolvlm_backend::{Tensor, Weight};

/// A piece of the network that has parameters.
pub enum Part<'a> {
    /// A linear layer with its adapters.
    Linear(&'a mut Linear),
    /// A layer norm.
    LayerNorm(&'a mut LayerNorm),
    /// An RMS norm.
    RmsNorm(&'a mut RmsNorm),
    /// A table, by its name in a checkpoint.
    Table(&'a str, Slot<'a>),
}

/// Told of every piece.
pub type VisitParts<'v> = dyn FnMut(Part<'_>) + 'v;

/// Where a parameter stands in the network.
pub enum Slot<'a> {
    /// A matrix that products read.
    Matrix(&'a mut Weight),
    /// A matrix whose rows are looked up, and no more.
    Table(&'a mut Weight),
    /// What operations read as it is.
    Plain(&'a mut Tensor),
}

/// Told each parameter's name in a checkpoint and its place.
pub type Visit<'v> = dyn FnMut(&str, Slot<'_>) + 'v;

impl Part<'_> {
    /// Its parameters.
    pub(crate) fn parameters(self, visit: &mut Visit<'_>) {
        match self {
            Part::Linear(linear) => linear.parameters(visit),
            Part::LayerNorm(LayerNorm { name, gamma, beta, .. }) => {
                visit(&format!("{name}.weight"), Slot::Plain(gamma));
                visit(&format!("{name}.bias"), Slot::Plain(beta));
            }
            Part::RmsNorm(RmsNorm { name, gamma, .. }) => visit(&format!("{name}.weight"), Slot::Plain(gamma)),
            Part::Table(name, slot) => visit(name, slot),
        }
    }
}

impl Linear {
    /// Its weight, bias and adapters.
    fn parameters(&mut self, visit: &mut Visit<'_>) {
        visit(&format!("{}.weight", self.name), Slot::Matrix(&mut self.weight));
        if let Some(bias) = &mut self.bias {
            visit(&format!("{}.bias", self.name), Slot::Plain(bias));
        }
        for adapter in &mut self.adapters {
            let [a, b, magnitude] = [names::A, names::B, names::MAGNITUDE].map(|part| adapter.of(part));
            visit(&a, Slot::Matrix(&mut adapter.a));
            visit(&b, Slot::Matrix(&mut adapter.b));
            if let Some(dora) = &mut adapter.dora {
                visit(&magnitude, Slot::Plain(&mut dora.magnitude));
            }
        }
    }
}
