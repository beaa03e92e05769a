//! Samples through a network, whose matrices' inputs are told.

use crate::statistics::Gathered;
use crate::{Error, Statistics};
use smolvlm_backend::{Backend, Cpu, Isa, Span, Tensor};
use smolvlm_data::{Encoding, Example, Labels, Loader, Long, Mixture, SourceConfig};
use smolvlm_engine::{Engine, Network};
use smolvlm_model::text::Rows;
use smolvlm_model::{Config, Load, Quants, Role, Save, Vlm, Weights};
use smolvlm_processor::{ClipMode, DecodeOptions, Processor};
use smolvlm_sys::Files;
use std::sync::Arc;

/// What a network is calibrated by.
#[derive(Debug, Clone, Default)]
pub struct Calibration {
    /// Texts.
    pub texts: Vec<String>,
    /// Data as training reads it.
    pub sources: Vec<SourceConfig>,
    /// How many windows of each text are read, and how many rows of the data.
    pub limit: usize,
    /// The longest edge of resized pictures in pixels, instead of the model's.
    pub longest_edge: Option<u32>,
}

/// Is told what happens.
pub trait Observer {
    /// So many of all tensors are loaded, or written.
    fn tensors(&mut self, done: usize, of: usize);
    /// So many of all samples are seen.
    fn samples(&mut self, done: usize, of: usize);
    /// A row cannot be used; its name, and why.
    fn bad(&mut self, name: &str, why: &str);
}

/// Tokens of a text that are read together.
const WINDOW: usize = 512;
/// The most tokens of a row of data.
const LENGTH: usize = 4096;
/// The most rows of a sample whose logits are made.
const HEAD_ROWS: usize = 64;

/// What a model's matrices read, over the samples.
///
/// # Errors
/// The model or the data cannot be read, or no sample can be used.
pub fn calibrate(
    files: &Files,
    (threads, isa): (usize, Isa),
    calibration: &Calibration,
    observer: &mut dyn Observer,
) -> Result<Statistics, Error> {
    let backend = Arc::new(Cpu::with(threads, isa));
    let engine = open(files, &backend, observer)?;
    let gathered = Gathered::new(Arc::clone(&backend));
    let watched = gathered.clone();
    let pass = Pass {
        backend: &backend,
        engine: &engine,
        save: Save::Watch(Arc::new(move |layer: &str, x: &Tensor| watched.add(layer, x))),
    };
    pass.all(calibration, observer)?;
    Ok(gathered.finish())
}

/// The model in full precision, channels as they are.
fn open(files: &Files, backend: &Arc<Cpu>, observer: &mut dyn Observer) -> Result<Engine, Error> {
    let processor = Processor::open(files)?;
    let (config, source) = (Config::open(files)?, &mut Weights::open(files)?);
    let (mut done, total) = (0, Vlm::tensors(&config));
    let quant = Quants::from(smolvlm_backend::Quant::Bf16);
    let mut load = Load {
        backend: &**backend,
        source,
        quant,
        role: &|_| Role::Forward,
        level: false,
        rounding: None,
        masters: None,
        progress: &mut |_| {
            done += 1;
            observer.tensors(done, total);
        },
    };
    let model = Vlm::load(config, &mut load)?;
    let backend = Arc::clone(backend) as Arc<dyn Backend>;
    Ok(Engine::assemble(Arc::new(processor), Network { generation: None, backend, model, quant })?)
}

/// A network that is watched.
struct Pass<'a> {
    backend: &'a Cpu,
    engine: &'a Engine,
    save: Save,
}

impl Pass<'_> {
    fn all(mut self, calibration: &Calibration, observer: &mut dyn Observer) -> Result<(), Error> {
        let Calibration { texts, sources, limit, longest_edge } = calibration;
        let mut windows = Vec::new();
        for text in texts {
            let ids = self.engine.processor().tokenizer().encode_plain(text).map_err(smolvlm_engine::Error::from)?;
            windows.extend(spread(&ids, *limit));
        }
        let rows = if sources.is_empty() { 0 } else { *limit };
        let total = windows.len() + rows;
        for (index, ids) in windows.iter().enumerate() {
            self.sequence(ids, &[], &(0..ids.len() as u32).collect::<Vec<u32>>());
            observer.samples(index + 1, total);
        }
        let mut why = String::new();
        let mut used = windows.len();
        if rows > 0 {
            let loader = self.loader(sources, *longest_edge)?;
            let rows = rows.min(usize::try_from(loader.mixture.epoch()).unwrap_or(usize::MAX));
            let total = windows.len() + rows;
            for row in 0..rows {
                let step = loader.load(row as u64, 1);
                for example in &step.examples {
                    match self.tiles(example) {
                        Ok(tiles) => {
                            self.example(example, &tiles);
                            used += 1;
                        }
                        Err(what) => observer.bad(&example.name, &what),
                    }
                }
                for skipped in &step.skipped {
                    observer.bad(&skipped.name, &skipped.why);
                    why = format!(": {}: {}", skipped.name, skipped.why);
                }
                observer.samples(windows.len() + row + 1, total);
            }
        }
        if used == 0 { Err(Error::NoSamples { why }) } else { Ok(()) }
    }

    fn loader(&self, sources: &[SourceConfig], longest_edge: Option<u32>) -> Result<Loader, Error> {
        let encoding = Encoding {
            labels: Labels::Answers,
            length: self.engine.processor().context().min(LENGTH),
            long: Long::Shrink,
            longest_edge,
            split: None,
            scale_frequency: 0.0,
            clips: ClipMode::default(),
            decode: DecodeOptions::default(),
            seed: 0,
        };
        let (mixture, processor) = (Mixture::open(sources, 0)?, self.engine.processor_shared());
        Ok(Loader { mixture, encoding, processor, clips: None })
    }

    /// The tiles of an example's pictures.
    fn tiles(&self, example: &Example) -> Result<Vec<u8>, String> {
        let mut tiles = Vec::new();
        for picture in &example.pictures {
            let whole = picture.data.decode(&DecodeOptions::default()).map_err(|e| e.to_string())?;
            tiles.extend(picture.plan.tiles(&whole, self.backend.pool()).map_err(|e| e.to_string())?);
        }
        Ok(tiles)
    }

    fn example(&mut self, example: &Example, tiles: &[u8]) {
        // The rows that foretell what is learnt.
        let next = example.trained.iter().skip(1);
        let learnt: Vec<u32> = (0..).zip(next).filter(|(_, trained)| **trained).map(|(row, _)| row).collect();
        self.sequence(&example.ids, tiles, &learnt);
    }

    /// Tokens with their tiles; of some rows logits, too.
    fn sequence(&mut self, ids: &[u32], tiles: &[u8], learnt: &[u32]) {
        let (backend, model) = (self.backend, self.engine.model());
        let places = model.config.image_places(ids);
        let mut x = model.text.embed(backend, ids);
        if !places.is_empty() {
            let features = model.encode(backend, tiles, self.engine.tables(), &mut self.save);
            x = backend.scatter_rows(x, &places, &features);
        }
        let spans = [Span { rows: ids.len(), keys: ids.len(), causal: true }];
        let positions: Vec<u32> = (0..ids.len() as u32).collect();
        let rows = Rows { spans: &spans, positions: &positions };
        let hidden = model.text.forward_rows(backend, x, &rows, &mut self.save);
        let step = learnt.len().div_ceil(HEAD_ROWS).max(1);
        let some: Vec<u32> = learnt.iter().copied().step_by(step).collect();
        if !some.is_empty() {
            model.text.logits(backend, &backend.gather_rows(&hidden, &some), &mut self.save);
        }
    }
}

/// At most so many windows of a text, at equal distances; a short text is one.
fn spread(ids: &[u32], limit: usize) -> impl Iterator<Item = Vec<u32>> {
    let whole = ids.len() / WINDOW;
    let count = whole.min(limit);
    let short = (whole == 0 && ids.len() > 1 && limit > 0).then(|| ids.to_vec());
    let at = move |index: usize| ids.iter().copied().skip(index * whole / count * WINDOW).take(WINDOW).collect();
    short.into_iter().chain((0..count).map(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_spread_over_the_text() {
        let ids: Vec<u32> = (0..5200).collect();
        let firsts = |limit| spread(&ids, limit).map(|window| (window[0], window.len())).collect::<Vec<_>>();
        assert_eq!(firsts(2), [(0, 512), (5 * 512, 512)]);
        assert_eq!((firsts(100).len(), firsts(0).len()), (10, 0));
        assert_eq!(spread(&ids[..7], 3).map(|window| window.len()).collect::<Vec<_>>(), [7]);
        assert_eq!(spread(&ids[..1], 3).count(), 0);
    }
}
