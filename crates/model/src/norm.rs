//! Norms with their parameters.

use crate::Save;
use smolvlm_backend::{Backend, Tensor};

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
    /// Row by row.
    pub fn forward(&self, backend: &dyn Backend, x: &Tensor, save: &mut Save) -> Tensor {
        save.keep(x);
        backend.layer_norm(x, &self.gamma, &self.beta, self.eps)
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
    /// Row by row.
    pub fn forward(&self, backend: &dyn Backend, x: &Tensor, save: &mut Save) -> Tensor {
        save.keep(x);
        backend.rms_norm(x, &self.gamma, self.eps)
    }
}
