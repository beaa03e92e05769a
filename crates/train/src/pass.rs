//! Passes of a step's packs through the network.

use crate::batch::{self, Parts, Rows};
use crate::cache::FeatureCache;
use crate::cost::{self, Work};
use crate::load::Trained;
use crate::prepare::{Prepared, Ready};
use crate::{Config, Error};
use smolvlm_backend::{Backend, Tensor};
use smolvlm_data::Pack;
use smolvlm_model::text::{Labels, Rows as Sequences};
use smolvlm_model::vlm::{Batch, CONNECTOR, Pictures, VISION};
use smolvlm_model::{Grads, Save};
use std::collections::BTreeMap;

/// Which parts below the decoder are trained in any stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) vision: bool,
    pub(crate) connector: bool,
}

impl Reach {
    pub(crate) fn of(masters: &BTreeMap<String, Tensor>) -> Reach {
        let any = |prefix: &str| masters.keys().any(|name| name.starts_with(prefix));
        Reach { vision: any(VISION), connector: any(CONNECTOR) }
    }
}

/// What a step came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Measured {
    /// The loss that is lowered.
    pub(crate) loss: f64,
    /// The loss of the pictures' words.
    pub(crate) words: f64,
    /// The sum of the losses of each source's tokens, and how many.
    pub(crate) sources: BTreeMap<usize, (f64, usize)>,
    /// Operations of the network's products.
    pub(crate) operations: f64,
}

/// What all passes share.
pub(crate) struct Passes<'a> {
    config: &'a Config,
    cache: Option<&'a FeatureCache>,
    reach: Reach,
    /// The processor's operations a second, where it was measured.
    pub(crate) peak: Option<f64>,
    pad: u32,
    parts: Option<Parts>,
}

impl<'a> Passes<'a> {
    /// # Errors
    /// Words are to be learnt in parts, and the tokenizer has no token for a comma.
    pub(crate) fn new(
        config: &'a Config,
        trained: &Trained,
        cache: Option<&'a FeatureCache>,
    ) -> Result<Passes<'a>, Error> {
        let processor = trained.engine.processor();
        let pad = processor.settings().special.pad.as_deref().and_then(|pad| processor.tokenizer().token_to_id(pad));
        let comma = processor.tokenizer().token_to_id(",");
        if config.parts && comma.is_none() {
            return Err(Error::Config { what: "parts are told by commas, and the tokenizer has no token ','".into() });
        }
        let tile = trained.engine.model().config.tokens_per_tile();
        Ok(Passes {
            config,
            cache,
            reach: Reach::of(&trained.parameters.masters),
            peak: trained.backend.peak(trained.quant.dtype()),
            pad: pad.unwrap_or(0),
            parts: comma.filter(|_| config.parts).map(|comma| Parts { comma, tile }),
        })
    }

    /// The gradients of a step, all its packs', gathered in order. `key` is the step's, for what is drawn;
    /// without `decoder` the pictures' words alone are learnt.
    pub(crate) fn learn(
        &self,
        trained: &mut Trained,
        ready: &Ready,
        token_weights: &[f32],
        key: u64,
        decoder: bool,
        grads: &mut Grads,
    ) -> Result<Measured, Error> {
        let dropout = trained.adapter.as_ref().map_or(0.0, |adapter| adapter.lora_dropout);
        let mut measured = Measured::default();
        let tile = trained.engine.model().config.tokens_per_tile();
        let words = (self.config.words > 0.0).then(|| batch::words(&ready.examples, self.config.words, self.parts));
        for (place, pack) in ready.packs.iter().enumerate() {
            let key = smolvlm_data::random::hash(key, &[place as u64]);
            trained.engine.model_mut().set_dropout((dropout > 0.0).then_some((dropout, key)));
            let inputs = self.inputs(trained, ready, pack)?;
            let of_words = words.as_ref().map(|words| batch::word_rows(pack, &ready.examples, words, tile));
            let backend = std::sync::Arc::clone(&trained.backend);
            if let Some(of_words) = of_words.as_ref().filter(|_| !decoder) {
                let (model, recompute) = (trained.engine.model(), self.config.recompute);
                let pictures = pictures(trained, &inputs);
                let losses = model.learn_words(&*backend, &pictures, &of_words.words(), grads, recompute);
                measured.words += losses.iter().map(|&loss| f64::from(loss)).sum::<f64>();
                measured.operations += self.operations(trained, None, &inputs);
                continue;
            }
            let rows = batch::rows(pack, self.config.data.packing, &ready.examples, token_weights, self.pad);
            let noise = self.noise(trained, &rows, key);
            let mut batch = self.batch(trained, &rows, &inputs, noise.as_ref(), self.config.z_loss);
            batch.words = of_words.as_ref().map(batch::WordRows::words);
            let losses = trained.engine.model().learn(&*backend, &batch, grads, self.config.recompute);
            measured.words += losses.words.iter().map(|&loss| f64::from(loss)).sum::<f64>();
            for (row, loss) in losses.rows.iter().enumerate().filter(|(row, _)| rows.weights[*row] != 0.0) {
                measured.loss += f64::from(*loss);
                let source = ready.examples[rows.examples[row]].source;
                let (sum, count) = measured.sources.entry(source).or_default();
                (*sum, *count) = (*sum + f64::from(*loss) / f64::from(rows.weights[row]), *count + 1);
            }
            measured.operations += self.operations(trained, Some(&rows), &inputs);
        }
        if !decoder {
            measured.loss = measured.words;
        }
        trained.engine.model_mut().set_dropout(None);
        Ok(measured)
    }

    /// The mean loss of a token.
    pub(crate) fn losses(&self, trained: &Trained, ready: &Ready) -> Result<f64, Error> {
        let ones = vec![1.0; ready.examples.len()];
        let (mut sum, mut count) = (0.0, 0usize);
        for pack in &ready.packs {
            let rows = batch::rows(pack, self.config.data.packing, &ready.examples, &ones, self.pad);
            let inputs = self.inputs(trained, ready, pack)?;
            let batch = self.batch(trained, &rows, &inputs, None, 0.0);
            let losses = trained.engine.model().losses(&*trained.backend, &batch);
            sum += losses.iter().map(|&loss| f64::from(loss)).sum::<f64>();
            count += rows.weights.iter().filter(|weight| **weight != 0.0).count();
        }
        Ok(sum / count as f64)
    }

    fn batch<'b>(
        &self,
        trained: &'b Trained,
        rows: &'b Rows,
        inputs: &'b Inputs,
        noise: Option<&'b Tensor>,
        z: f32,
    ) -> Batch<'b> {
        Batch {
            ids: &rows.ids,
            pictures: pictures(trained, inputs),
            noise,
            rows: Sequences { spans: &rows.spans, positions: &rows.positions },
            labels: Labels { targets: &rows.targets, weights: &rows.weights, z },
            words: None,
        }
    }

    /// A pack's pictures, as far as nothing that is trained has a part in them.
    fn inputs(&self, trained: &Trained, ready: &Ready, pack: &Pack) -> Result<Inputs, Error> {
        let pictures = || pack.examples.iter().flat_map(|&i| ready.pictures[i].iter().zip(&ready.examples[i].pictures));
        if self.reach.vision || pictures().next().is_none() {
            return Ok(Inputs::Tiles(pictures().flat_map(|(p, _)| p.tiles.iter().flatten().copied()).collect()));
        }
        let config = &trained.engine.model().config;
        let (rows, width) = match &config.sight {
            Some(sight) if self.reach.connector => (sight.tower.patches(), sight.tower.hidden),
            _ => (config.tokens_per_tile(), config.text.hidden),
        };
        let mut features = Vec::new();
        for (prepared, picture) in pictures() {
            let len = picture.plan.tiles as usize * rows * width;
            let kept = prepared.key.zip(self.cache).and_then(|(key, cache)| cache.get(key, len));
            match kept {
                Some(kept) => features.extend(kept),
                None => {
                    let made = self.encode(trained, prepared, picture)?;
                    if let Some((key, cache)) = prepared.key.zip(self.cache) {
                        cache.put(key, &made);
                    }
                    features.extend(made);
                }
            }
        }
        let features = trained.backend.upload(&[features.len() / width, width], &features);
        Ok(if self.reach.connector { Inputs::Tower(features) } else { Inputs::Features(features) })
    }

    /// A picture through what is frozen, tile by tile: each stays in the processor's caches.
    fn encode(
        &self,
        trained: &Trained,
        prepared: &Prepared,
        picture: &smolvlm_data::ExamplePicture,
    ) -> Result<Vec<f32>, Error> {
        let (backend, model) = (&*trained.backend, trained.engine.model());
        let decoded;
        let tiles = match &prepared.tiles {
            Some(tiles) => tiles,
            None => {
                // Its features were kept when the step was made ready, and have been let go since.
                let options = smolvlm_processor::DecodeOptions::default();
                let whole = picture.data.decode(&options)?;
                decoded = picture.plan.tiles(&whole, backend.pool())?;
                &decoded
            }
        };
        let side = picture.plan.tile as usize;
        let mut out = Vec::new();
        for tile in tiles.chunks_exact(3 * side * side) {
            let made = match &model.sight {
                Some(sight) if self.reach.connector => {
                    sight.vision.forward(backend, tile, trained.engine.tables(), &mut Save::Off)
                }
                _ => model.encode(backend, tile, trained.engine.tables(), &mut Save::Off),
            };
            let start = out.len();
            out.resize(start + made.len(), 0.0);
            backend.download(&made, &mut out[start..]);
        }
        Ok(out)
    }

    /// NEFTune's noise (Jain et al. 2023): uniform, of a size that falls with the root of a sequence's numbers.
    fn noise(&self, trained: &Trained, rows: &Rows, key: u64) -> Option<Tensor> {
        let alpha = self.config.neftune;
        if alpha == 0.0 {
            return None;
        }
        let width = trained.engine.model().config.text.hidden;
        let mut noise = Vec::with_capacity(rows.ids.len() * width);
        let mut row = 0u64;
        for span in &rows.spans {
            let size = f64::from(alpha) / ((span.rows * width) as f64).sqrt();
            for _ in 0..span.rows {
                let draw = |i: usize| smolvlm_data::random::uniform(key, &[row, i as u64]);
                noise.extend((0..width).map(|i| (size * (2.0 * draw(i) - 1.0)) as f32));
                row += 1;
            }
        }
        Some(trained.backend.upload(&[rows.ids.len(), width], &noise))
    }

    /// Operations of a pass; of the pictures' part where no rows pass the decoder.
    fn operations(&self, trained: &Trained, rows: Option<&Rows>, inputs: &Inputs) -> f64 {
        let config = &trained.engine.model().config;
        let work = if trained.adapter.is_some() { Work::Passed } else { Work::Trained };
        let tiles = match inputs {
            Inputs::Tiles(pixels) => config.sight.as_ref().map_or(0, |sight| {
                let side = sight.tower.image_size;
                pixels.len() / (3 * side * side)
            }),
            // Kept features cost nothing, and what was made is made once.
            Inputs::Tower(_) | Inputs::Features(_) => 0,
        };
        let of_text = rows.map_or(0.0, |rows| {
            let sequences: Vec<usize> = rows.spans.iter().map(|span| span.rows).collect();
            let learnt = rows.weights.iter().filter(|weight| **weight != 0.0).count();
            cost::text(&config.text, &sequences, learnt, work)
        });
        cost::tower(config, tiles, work) + of_text
    }
}

/// A pack's pictures.
enum Inputs {
    Tiles(Vec<u8>),
    Tower(Tensor),
    Features(Tensor),
}

/// A pack's pictures as the network takes them.
fn pictures<'a>(trained: &'a Trained, inputs: &'a Inputs) -> Pictures<'a> {
    match inputs {
        Inputs::Tiles(pixels) => Pictures::Tiles { pixels, tables: trained.engine.tables() },
        Inputs::Tower(features) => Pictures::Tower(features),
        Inputs::Features(features) => Pictures::Features(features),
    }
}
