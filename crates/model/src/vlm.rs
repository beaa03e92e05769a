//! The whole network: tower, connector, decoder.

use crate::connector::Connector;
use crate::parameters::Visit;
use crate::text::{Labels, Rows, Text};
use crate::vision::Vision;
use crate::{Checkpoint, Config, Error, Grads, Kept, Load, Save, TensorSource};
use smolvlm_backend::{Backend, Backward, Quant, Tensor, Use};
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
        let (source, purpose) = (&mut checkpoint, Use::Forward);
        Vlm::load(config, &mut Load { backend, source, quant, purpose, masters: None, progress })
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

    /// Every parameter, by its name in a checkpoint.
    pub fn parameters(&mut self, visit: &mut Visit<'_>) {
        self.vision.parameters(visit);
        self.connector.parameters(visit);
        self.text.parameters(visit);
    }

    /// The loss of whole sequences side by side, each row's, and the gradients of their sum.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn learn(&self, backend: &dyn Backward, batch: &Batch<'_>, grads: &mut Grads, recompute: bool) -> Vec<f32> {
        let save = || if recompute { Save::Recompute(Vec::new()) } else { Save::Keep(Vec::new()) };
        let (mut of_tiles, mut of_rows) = (save(), save());
        let image = self.config.image_token_id;
        let places: Vec<u32> = (0..).zip(batch.ids).filter(|(_, id)| **id == image).map(|(at, _)| at).collect();
        let mut x = self.text.embed(backend, batch.ids);
        if !places.is_empty() {
            let features = self.encode(backend, batch.pixels, batch.tables, &mut of_tiles);
            x = backend.scatter_rows(x, &places, &features);
        }
        let hidden = self.text.forward_rows(backend, x, &batch.rows, &mut of_rows);
        let (losses, grad) = self.text.loss(backend, &hidden, &batch.labels, grads);
        drop(hidden);
        let grad = self.text.backward(backend, grad, &batch.rows, &mut Kept::new(of_rows), grads);
        if places.is_empty() {
            self.text.embed_backward(backend, batch.ids, &grad, grads);
            return losses;
        }
        let of_features = backend.gather_rows(&grad, &places);
        // What stood in pictures' places was no embedding.
        let none = backend.upload(of_features.shape(), &vec![0.0; of_features.len()]);
        let grad = backend.scatter_rows(grad, &places, &none);
        self.text.embed_backward(backend, batch.ids, &grad, grads);
        if grads.wants_any("model.connector.") || grads.wants_any("model.vision_model.") {
            let mut kept = Kept::new(of_tiles);
            let grad = self.connector.backward(backend, &of_features, &mut kept, grads);
            if grads.wants_any("model.vision_model.") {
                self.vision.backward(backend, &grad, &mut kept, grads);
            }
        }
        losses
    }
}

/// What a step of training learns from.
pub struct Batch<'a> {
    /// Tokens of the sequences, side by side.
    pub ids: &'a [u32],
    /// Tiles u8 [tiles, 3, side, side] of their pictures, in order.
    pub pixels: &'a [u8],
    /// What every level of a channel becomes.
    pub tables: &'a [[f32; 256]; 3],
    /// The sequences and their rows' positions.
    pub rows: Rows<'a>,
    /// What the rows should foretell.
    pub labels: Labels<'a>,
}
