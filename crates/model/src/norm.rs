//! Norms with their parameters.

use crate::{Grads, Kept, Save};
use smolvlm_backend::{Backend, Backward, Norm, NormGrads, Tensor};

/// A norm with its name in a checkpoint.
pub(crate) trait NormLayer {
    /// Its name.
    fn name(&self) -> &str;

    /// As an operation takes it.
    fn norm(&self) -> Norm<'_>;
}

/// Layer norm.
pub struct LayerNorm {
    /// Its name in a checkpoint.
    pub name: String,
    /// [width]
    pub gamma: Tensor,
    /// [width]
    pub beta: Tensor,
    /// Added to the variance.
    pub eps: f32,
}

impl NormLayer for LayerNorm {
    fn name(&self) -> &str {
        &self.name
    }

    fn norm(&self) -> Norm<'_> {
        Norm::Layer { gamma: &self.gamma, beta: &self.beta, eps: self.eps }
    }
}

/// RMS norm.
pub struct RmsNorm {
    /// Its name in a checkpoint.
    pub name: String,
    /// [width]
    pub gamma: Tensor,
    /// Added to the mean square.
    pub eps: f32,
}

impl NormLayer for RmsNorm {
    fn name(&self) -> &str {
        &self.name
    }

    fn norm(&self) -> Norm<'_> {
        Norm::Rms { gamma: &self.gamma, eps: self.eps }
    }
}

/// The norm of every row on its own.
pub(crate) fn forward(backend: &dyn Backend, norm: Norm<'_>, x: &Tensor, save: &mut Save) -> Tensor {
    save.keep(x);
    backend.norm(x, norm)
}

/// The gradient of the rows, plus `add`; those of the parameters go to `grads`.
pub(crate) fn backward(
    backend: &dyn Backward,
    norm: &dyn NormLayer,
    grad: &Tensor,
    add: Option<&Tensor>,
    kept: &mut Kept,
    grads: &mut Grads,
) -> Tensor {
    let NormGrads { x, gamma, beta } = backend.norm_backward(&kept.take(backend), norm.norm(), grad, add);
    grads.add(backend, &format!("{}.weight", norm.name()), gamma);
    if let Norm::Layer { .. } = norm.norm() {
        grads.add(backend, &format!("{}.bias", norm.name()), beta);
    }
    x
}
