//! Norms with their parameters.

use crate::Save;
use smolvlm_backend::{Backend, Norm, Tensor};

/// Layer norm.
pub struct LayerNorm {
    /// [width]
    pub gamma: Tensor,
    /// [width]
    pub beta: Tensor,
    /// Added to the variance.
    pub eps: f32,
}

impl LayerNorm {
    /// As an operation takes it.
    pub fn norm(&self) -> Norm<'_> {
        Norm::Layer { gamma: &self.gamma, beta: &self.beta, eps: self.eps }
    }
}

/// RMS norm.
pub struct RmsNorm {
    /// [width]
    pub gamma: Tensor,
    /// Added to the mean square.
    pub eps: f32,
}

impl RmsNorm {
    /// As an operation takes it.
    pub fn norm(&self) -> Norm<'_> {
        Norm::Rms { gamma: &self.gamma, eps: self.eps }
    }
}

/// The norm of every row on its own.
pub(crate) fn forward(backend: &dyn Backend, norm: Norm<'_>, x: &Tensor, save: &mut Save) -> Tensor {
    save.keep(x);
    backend.norm(x, norm)
}
