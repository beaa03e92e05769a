//! `model.connector`: patch features to the decoder's width, fewer and deeper.

use crate::config::SightConfig;
use crate::linear::Linear;
use crate::parameters::{Part, VisitParts};
use crate::{Error, Grads, Kept, Load, Save};
use smolvlm_backend::{Backend, Backward, Tensor};

/// Pixel shuffle and one product.
pub struct Connector {
    /// Patches along a tile's side.
    grid: usize,
    scale_factor: usize,
    proj: Linear,
}

impl Connector {
    /// Loads `NAME.modality_projection.proj`, which makes rows of the decoder's width, `hidden`.
    ///
    /// # Errors
    /// Where the tensor is missing or misshapen.
    pub fn load(load: &mut Load<'_>, name: &str, sight: &SightConfig, hidden: usize) -> Result<Connector, Error> {
        let SightConfig { tower, scale_factor, .. } = sight;
        let inputs = tower.hidden * scale_factor * scale_factor;
        let proj = load.linear(&format!("{name}.modality_projection.proj"), &[hidden, inputs], false)?;
        Ok(Connector { grid: tower.grid(), scale_factor: *scale_factor, proj })
    }

    /// [tiles * patches, vision hidden] to [tiles * tokens, text hidden].
    pub fn forward(&self, backend: &dyn Backend, x: &Tensor, save: &mut Save) -> Tensor {
        let deep = backend.pixel_shuffle(x, self.grid, self.scale_factor);
        self.proj.forward(backend, &deep, None, save)
    }

    /// Its one piece.
    pub fn parts(&mut self, visit: &mut VisitParts<'_>) {
        visit(Part::Linear(&mut self.proj));
    }

    /// The gradients of its parameters alone.
    pub fn gather(&self, backend: &dyn Backward, grad: &Tensor, kept: &mut Kept, grads: &mut Grads) {
        self.proj.gather(backend, grad, kept, grads);
    }

    /// The gradient of the tower's features, of that of what came out.
    pub fn backward(&self, backend: &dyn Backward, grad: &Tensor, kept: &mut Kept, grads: &mut Grads) -> Tensor {
        let deep = self.proj.backward(backend, grad, None, kept, grads);
        backend.pixel_unshuffle(&deep, self.grid, self.scale_factor)
    }
}
