//! The whole network: tower, connector, decoder.

use crate::connector::Connector;
use crate::text::Text;
use crate::vision::Vision;
use crate::{Checkpoint, Config, Error, Load, Save, TensorSource};
use smolvlm_backend::{Backend, Quant, Tensor};
use std::path::Path;

/// SmolVLM.
pub struct Vlm {
    /// Its sizes.
    pub config: Config,
    /// The tower.
    pub vision: Vision,
    /// From the tower's features to the decoder's.
    pub connector: Connector,
    /// The decoder.
    pub text: Text,
}

impl Vlm {
    /// Loads a checkpoint folder. `progress` is told each tensor's name when it is packed.
    ///
    /// # Errors
    /// Where the folder is no checkpoint of this network, or a tensor is missing, misshapen or left over.
    pub fn open(dir: &Path, backend: &dyn Backend, quant: Quant, progress: &mut dyn FnMut(&str)) -> Result<Vlm, Error> {
        let config = Config::open(dir)?;
        let mut checkpoint = Checkpoint::open(dir)?;
        Vlm::load(config, &mut Load { backend, source: &mut checkpoint, quant, progress })
    }

    /// Loads the network from any source of tensors.
    ///
    /// # Errors
    /// As [`Vlm::open`].
    pub fn load(config: Config, load: &mut Load<'_>) -> Result<Vlm, Error> {
        let vision = Vision::load(load, "model.vision_model", &config.vision)?;
        let connector = Connector::load(load, "model.connector", &config)?;
        let text = Text::load(load, "model.text_model", &config.text, config.tied)?;
        TensorSource::finish(load.source)?;
        Ok(Vlm { config, vision, connector, text })
    }

    /// Tensors that a checkpoint of this config holds, for progress.
    pub fn tensors(config: &Config) -> usize {
        let (vision, text) = (16 * config.vision.layers + 5, 9 * config.text.layers + 2);
        vision + 1 + text + usize::from(!config.tied)
    }

    /// Tiles u8 [tiles, 3, side, side] to picture features [tiles * tokens, text hidden].
    pub fn encode(&self, backend: &dyn Backend, pixels: &[u8], tables: &[[f32; 256]; 3], save: &mut Save) -> Tensor {
        let features = self.vision.forward(backend, pixels, tables, save);
        self.connector.forward(backend, &features, save)
    }
}
