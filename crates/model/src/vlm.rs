//! The whole network: tower, connector, decoder.

use crate::adapter::add;
use crate::connector::Connector;
use crate::load::Role;
use crate::parameters::{Visit, VisitParts};
use crate::text::{Labels, Rows, Text};
use crate::vision::Vision;
use crate::{Checkpoint, Config, Error, Grads, Kept, Load, Save, TensorSource};
use smolvlm_backend::{Backend, Backward, Quant, Tensor};
use std::path::Path;

/// SmolVLM.
pub struct Vlm {
    /// Its sizes.
    pub config: Config,
    /// Tower and connector; `None` where the network is a decoder alone.
    pub sight: Option<Sight>,
    /// The decoder.
    pub text: Text,
}

/// What sees pictures.
pub struct Sight {
    /// The tower.
    pub vision: Vision,
    /// From the tower's features to the decoder's.
    pub connector: Connector,
}

impl Vlm {
    /// Loads a checkpoint folder. `progress` is told each tensor's name when it is packed.
    ///
    /// # Errors
    /// Where the folder is no checkpoint of this network, or a tensor is missing, misshapen or left over.
    pub fn open(dir: &Path, backend: &dyn Backend, quant: Quant, progress: &mut dyn FnMut(&str)) -> Result<Vlm, Error> {
        let config = Config::open(dir)?;
        let mut checkpoint = Checkpoint::open(dir)?;
        let (source, role) = (&mut checkpoint, &|_: &str| Role::Forward);
        Vlm::load(
            config,
            &mut Load {
                backend,
                source,
                quant: quant.into(),
                role,
                level: true,
                rounding: None,
                masters: None,
                progress,
            },
        )
    }

    /// Loads the network from any source of tensors.
    ///
    /// # Errors
    /// As [`Vlm::open`].
    pub fn load(config: Config, load: &mut Load<'_>) -> Result<Vlm, Error> {
        let sight = match &config.sight {
            None => None,
            Some(sight) => {
                let vision = Vision::load(load, "model.vision_model", &sight.tower)?;
                let connector = Connector::load(load, "model.connector", sight, config.text.hidden)?;
                Some(Sight { vision, connector })
            }
        };
        let text = Text::load(load, "model.text_model", &config.text, config.tied, config.vectors)?;
        TensorSource::finish(load.source)?;
        Ok(Vlm { config, sight, text })
    }

    /// Tensors that a checkpoint of this config holds, for progress.
    pub fn tensors(config: &Config) -> usize {
        let sight = config.sight.as_ref().map_or(0, |sight| 16 * sight.tower.layers + 5 + 1);
        let head = if config.vectors.is_some() { 2 } else { usize::from(!config.tied) };
        sight + 9 * config.text.layers + 2 + head
    }

    /// Tiles u8 [tiles, 3, side, side] to picture features [tiles * tokens, text hidden]; none where the network sees
    /// nothing.
    pub fn encode(&self, backend: &dyn Backend, pixels: &[u8], tables: &[[f32; 256]; 3], save: &mut Save) -> Tensor {
        self.features(backend, &Pictures::Tiles { pixels, tables }, true, true, save)
    }

    /// Every piece that has parameters.
    pub fn parts(&mut self, visit: &mut VisitParts<'_>) {
        if let Some(sight) = &mut self.sight {
            sight.vision.parts(visit);
            sight.connector.parts(visit);
        }
        self.text.parts(visit);
    }

    /// Every parameter, by its name in a checkpoint.
    pub fn parameters(&mut self, visit: &mut Visit<'_>) {
        self.parts(&mut |part| part.parameters(visit));
    }

    /// The losses of whole sequences side by side, and the gradients of their sum.
    ///
    /// # Panics
    /// If a length does not fit, or the features' tower or connector is trained.
    pub fn learn(&self, backend: &dyn Backward, batch: &Batch<'_>, grads: &mut Grads, recompute: bool) -> Losses {
        let save = || Save::keeping(recompute, self.text.dtype());
        let (mut of_tiles, mut of_rows) = (save(), save());
        let places = self.config.image_places(batch.ids);
        let tower = grads.wants_any(VISION);
        let pictures = tower || grads.wants_any(CONNECTOR);
        let mut x = self.text.embed(backend, batch.ids);
        if let Some(noise) = batch.noise {
            x = add(backend, x, noise);
        }
        let (mut losses, mut of_words) = (Losses::default(), None);
        if !places.is_empty() {
            let features = self.features(backend, &batch.pictures, tower, pictures, &mut of_tiles);
            if let Some(words) = batch.words.as_ref().filter(|words| pictures && !words.whose.is_empty()) {
                let (each, grad) = self.words_loss(backend, &features, words, grads);
                (losses.words, of_words) = (each, Some(grad));
            }
            x = backend.scatter_rows(x, &places, &features);
        }
        let hidden = self.text.forward_rows(backend, x, &batch.rows, &mut of_rows);
        let (each, grad) = self.text.loss(backend, &hidden, &batch.labels, grads);
        losses.rows = each;
        drop(hidden);
        let below = grads.wants(&self.text.embed_name) || (pictures && !places.is_empty());
        let kept = &mut Kept::new(of_rows);
        let Some(grad) = self.text.backward(backend, grad, &batch.rows, below, kept, grads) else { return losses };
        if places.is_empty() {
            self.text.embed_backward(backend, batch.ids, &grad, grads);
            return losses;
        }
        let mut of_features = backend.gather_rows(&grad, &places);
        // What stood in pictures' places was no embedding.
        let none = backend.upload(of_features.shape(), &vec![0.0; of_features.len()]);
        let grad = backend.scatter_rows(grad, &places, &none);
        self.text.embed_backward(backend, batch.ids, &grad, grads);
        if let Some(of_words) = of_words {
            of_features = add(backend, of_features, &of_words);
        }
        self.features_backward(backend, &of_features, of_tiles, grads);
        losses
    }

    /// The losses of pictures' words alone, and the gradients of their sum: the decoder has no part in it.
    ///
    /// # Panics
    /// If a length does not fit, or the features' tower or connector is trained.
    pub fn learn_words(
        &self,
        backend: &dyn Backward,
        pictures: &Pictures<'_>,
        words: &Words<'_>,
        grads: &mut Grads,
        recompute: bool,
    ) -> Vec<f32> {
        if words.whose.is_empty() {
            return Vec::new();
        }
        let mut save = Save::keeping(recompute, self.text.dtype());
        let tower = grads.wants_any(VISION);
        let trained = tower || grads.wants_any(CONNECTOR);
        let features = self.features(backend, pictures, tower, trained, &mut save);
        let (losses, of_features) = self.words_loss(backend, &features, words, grads);
        self.features_backward(backend, &of_features, save, grads);
        losses
    }

    /// The gradients of the connector's and the tower's parameters, of that of the features.
    fn features_backward(&self, backend: &dyn Backward, of_features: &Tensor, save: Save, grads: &mut Grads) {
        let kept = &mut Kept::new(save);
        let Some(Sight { vision, connector }) = &self.sight else { return };
        if grads.wants_any(VISION) {
            let grad = connector.backward(backend, of_features, kept, grads);
            vision.backward(backend, &grad, kept, grads);
        } else if grads.wants_any(CONNECTOR) {
            connector.gather(backend, of_features, kept, grads);
        }
    }

    /// The losses of words that the features of their groups should foretell all together, in no order, as if they were
    /// the decoder's last state; and the gradient of the features. The tower so learns to see from the words alone, before
    /// any decoder can make sense of what it sees (as Huang et al. 2024, "Classification Done Right").
    fn words_loss(
        &self,
        backend: &dyn Backward,
        features: &Tensor,
        words: &Words<'_>,
        grads: &mut Grads,
    ) -> (Vec<f32>, Tensor) {
        let width = features.width();
        let zeros = || backend.upload(&[words.groups, width], &vec![0.0; words.groups * width]);
        // The norm before the head makes a sum as good as a mean.
        let sums = backend.embed_backward(words.owners, features, zeros());
        let (losses, grad) = self.text.loss(backend, &backend.gather_rows(&sums, words.whose), &words.labels, grads);
        let of_sums = backend.embed_backward(words.whose, &grad, zeros());
        (losses, backend.gather_rows(&of_sums, words.owners))
    }

    /// What takes the places of pictures, with what a backward pass through `tower` and connector (`pictures`) needs.
    fn features(
        &self,
        backend: &dyn Backend,
        pictures: &Pictures<'_>,
        tower: bool,
        trained: bool,
        save: &mut Save,
    ) -> Tensor {
        let Some(Sight { vision, connector }) = &self.sight else {
            return backend.upload(&[0, self.config.text.hidden], &[]);
        };
        let mut off = Save::Off;
        let of_tower = match *pictures {
            Pictures::Features(features) => {
                assert!(!trained, "what made these features is trained");
                return features.clone();
            }
            Pictures::Tower(features) => {
                assert!(!tower, "the tower that made these features is trained");
                features.clone()
            }
            Pictures::Tiles { pixels, tables } => {
                vision.forward(backend, pixels, tables, if tower { save } else { &mut off })
            }
        };
        connector.forward(backend, &of_tower, if trained { save } else { &mut off })
    }

    /// The losses of the same without any gradient: validation.
    pub fn losses(&self, backend: &dyn Backward, batch: &Batch<'_>) -> Vec<f32> {
        let places = self.config.image_places(batch.ids);
        let mut x = self.text.embed(backend, batch.ids);
        if !places.is_empty() {
            let features = self.features(backend, &batch.pictures, false, false, &mut Save::Off);
            x = backend.scatter_rows(x, &places, &features);
        }
        let hidden = self.text.forward_rows(backend, x, &batch.rows, &mut Save::Off);
        self.text.losses(backend, &hidden, &batch.labels)
    }
}

/// What the names of the tower's parameters begin with.
pub const VISION: &str = "model.vision_model.";
/// What those of the connector's begin with.
pub const CONNECTOR: &str = "model.connector.";
/// What those of the decoder's begin with, but for an untied head's.
pub const TEXT: &str = "model.text_model.";

/// What a step of training learns from.
pub struct Batch<'a> {
    /// Tokens of the sequences, side by side.
    pub ids: &'a [u32],
    /// The sequences' pictures, in order.
    pub pictures: Pictures<'a>,
    /// Added to the embeddings before pictures take their places: [ids, hidden].
    pub noise: Option<&'a Tensor>,
    /// The sequences and their rows' positions.
    pub rows: Rows<'a>,
    /// What the rows should foretell.
    pub labels: Labels<'a>,
    /// What the pictures should foretell by themselves; counts where the tower or the connector is trained.
    pub words: Option<Words<'a>>,
}

/// Words that pictures' features should foretell, in groups: those of a sample, or each feature by itself.
pub struct Words<'a> {
    /// How many groups there are.
    pub groups: usize,
    /// Which group each row of the pictures' features is of.
    pub owners: &'a [u32],
    /// Which group each word is of.
    pub whose: &'a [u32],
    /// The words.
    pub labels: Labels<'a>,
}

/// What a pass came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Losses {
    /// Each row's loss.
    pub rows: Vec<f32>,
    /// Each word's.
    pub words: Vec<f32>,
}

/// Pictures, as far as they have come.
pub enum Pictures<'a> {
    /// As tiles.
    Tiles {
        /// u8 [tiles, 3, side, side]
        pixels: &'a [u8],
        /// What every level of a channel becomes.
        tables: &'a [[f32; 256]; 3],
    },
    /// Through the tower, which is frozen: [tiles * patches, vision hidden].
    Tower(&'a Tensor),
    /// Through tower and connector, which are frozen: [tiles * tokens, text hidden].
    Features(&'a Tensor),
}
