//! `model.connector`: patch features to the decoder's width, fewer and deeper.

use crate::linear::Linear;
use crate::{Config, Error, Load, Save};
use smolvlm_backend::{Act, Backend, Tensor};

/// Pixel shuffle and one product.
pub struct Connector {
    /// Patches along a tile's side.
    grid: usize,
    scale_factor: usize,
    proj: Linear,
}

impl Connector {
    /// Loads `NAME.modality_projection.proj`.
    ///
    /// # Errors
    /// Where the tensor is missing or misshapen.
    pub fn load(load: &mut Load<'_>, name: &str, config: &Config) -> Result<Connector, Error> {
        let inputs = config.vision.hidden * config.scale_factor * config.scale_factor;
        let proj = load.linear(&format!("{name}.modality_projection.proj"), &[config.text.hidden, inputs], false)?;
        Ok(Connector { grid: config.vision.grid(), scale_factor: config.scale_factor, proj })
    }

    /// [tiles * patches, vision hidden] to [tiles * tokens, text hidden].
    pub fn forward(&self, backend: &dyn Backend, x: &Tensor, save: &mut Save) -> Tensor {
        let deep = backend.pixel_shuffle(x, self.grid, self.scale_factor);
        self.proj.forward(backend, &deep, Act::None, None, save)
    }
}
