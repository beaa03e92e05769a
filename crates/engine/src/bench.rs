//! How fast a model is, stage by stage.

use crate::core::Core;
use crate::prompt::{Prompt, Sights};
use crate::{Engine, Error, Times, memory};
use smolvlm_backend::{Backend, Cpu, Quant, Reading, Stored, levels};
use smolvlm_model::published::random_weights;
use smolvlm_model::{Config, Load, Quants, RawTensor, Role, TensorSource, Vlm};
use smolvlm_processor::{DecodeOptions, Picture, PictureSettings, Plan, PlanOptions};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct BenchOptions {
    /// Width and height of the picture.
    pub size: (u32, u32),
    /// Tokens of the prompt, the picture's among them, and of the context that decoding reads.
    pub context: usize,
    /// Runs that are counted.
    pub runs: usize,
    /// Runs before them that are not.
    pub warmup: usize,
    /// Whether reading a buffer of as many bytes as a decoded token reads is timed too, in turns with the tokens.
    pub bandwidth: bool,
}

/// Tokens decoded in a run, whose middle counts.
const DECODED: usize = 9;

/// Seconds over the runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The middle.
    pub median: f64,
    /// The fastest.
    pub min: f64,
    /// The slowest.
    pub max: f64,
}

impl Spread {
    /// Of these runs; all zero where there is none.
    pub fn of(runs: &[f64]) -> Spread {
        let mut sorted = runs.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or(0.0);
        let last = sorted.len().saturating_sub(1);
        Spread { median: (at(last / 2) + at(last - last / 2)) / 2.0, min: at(0), max: at(last) }
    }
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchReport {
    /// Bytes of weights that one decoded token reads: layers and head.
    pub weight_bytes: usize,
    /// Bytes of keys and values that it reads at this context.
    pub kv_bytes: usize,
    /// Positions.
    pub context: usize,
    /// Tiles of the picture.
    pub tiles: usize,
    /// Bytes of memory that this was foreseen to take, beside the program itself.
    pub estimate: u64,
    /// Reading and packing the weights.
    pub load: Spread,
    /// From RGB to tiles.
    pub pixels: Spread,
    /// All tiles through the tower and the connector.
    pub vision: Spread,
    /// The prompt through the decoder, to the logits of its last position.
    pub prefill: Spread,
    /// One token at this context.
    pub decode_token: Spread,
    /// Reading the bytes of one token from a plain buffer.
    pub read: Option<Spread>,
    /// From RGB to the first token.
    pub first_token: Spread,
}

/// A model to measure.
pub struct Bench {
    core: Core,
    pictures: PictureSettings,
    load: Vec<f64>,
}

impl Bench {
    /// Random weights of a published shape, made in memory; making them does not count as loading.
    ///
    /// # Errors
    /// None that these weights can cause; those of loading are passed on.
    pub fn random(config: &Config, pictures: PictureSettings, quant: Quants, cpu: Cpu) -> Result<Bench, Error> {
        memory::check_network(config, quant, Stored::Bf16, false)?;
        let backend: Arc<dyn Backend> = Arc::new(cpu);
        let mut source = Timed { inner: random_weights(), seconds: 0.0 };
        let start = Instant::now();
        let mut load = Load {
            backend: &*backend,
            source: &mut source,
            quant,
            level: false,
            role: &|_| Role::Forward,
            rounding: None,
            masters: None,
            progress: &mut |_| {},
        };
        let model = Vlm::load(config.clone(), &mut load)?;
        let load = vec![start.elapsed().as_secs_f64() - source.seconds];
        let tables = [levels(1.0 / 255.0, 0.5, 0.5); 3];
        Ok(Bench { core: Core { backend, model, quant, tables }, pictures, load })
    }

    /// A checkpoint; `open` loads it, as often as it is to be timed.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn checkpoint(mut open: impl FnMut() -> Result<Engine, Error>, times: usize) -> Result<Bench, Error> {
        let mut load = Vec::new();
        loop {
            let start = Instant::now();
            let engine = open()?;
            load.push(start.elapsed().as_secs_f64());
            if load.len() >= times {
                let pictures = engine.processor.picture_settings(&PlanOptions::default())?;
                return Ok(Bench { core: engine.core, pictures, load });
            }
        }
    }

    /// Measures. `progress` is told (runs done, runs in all).
    ///
    /// # Errors
    /// Where the picture is too large or cannot be planned, or the context is longer than the model's.
    pub fn measure(
        &self,
        options: &BenchOptions,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<BenchReport, Error> {
        let plan = self.plan(options)?;
        let picture = noise(options.size);
        let (mut pixels, mut vision, mut prefill) = (Vec::new(), Vec::new(), Vec::new());
        let (mut decode, mut first, mut read) = (Vec::new(), Vec::new(), Vec::new());
        let config = &self.core.model.config;
        let stored = if self.core.quant == Quant::F32.into() { Stored::F32 } else { Stored::Bf16 };
        let request = memory::of_request(config, self.core.quant, &plan, 1, DECODED);
        memory::check_request(&*self.core.backend, request)?;
        let layout = *self.core.sequence().layout();
        let position = layout.kind.position_bytes(layout.heads.kv_heads, layout.heads.dim);
        let (weight_bytes, kv_bytes) = (self.core.model.text.step_bytes(), options.context * layout.layers * position);
        let pool = self.core.backend.pool();
        let reading = options.bandwidth.then(|| Reading::new(pool, weight_bytes + kv_bytes));
        let total = options.warmup + options.runs;
        for run in 0..total {
            let mut times = Times::default();
            let start = Instant::now();
            let prompt = self.core.take_prompt(
                &plan,
                Sights::Pictures(std::slice::from_ref(&picture)),
                &mut None,
                &mut times,
                &mut |_| ControlFlow::Continue(()),
            )?;
            let Some(Prompt { mut sequence, logits }) = prompt else { break };
            self.core.backend.top(&logits, 0);
            let first_token = start.elapsed().as_secs_f64();
            let (mut tokens, mut reads) = (Vec::new(), Vec::new());
            for _ in 0..DECODED {
                sequence.truncate(options.context);
                let start = Instant::now();
                let logits = self.core.step(&mut sequence, 0);
                self.core.backend.top(&logits, 0);
                tokens.push(start.elapsed().as_secs_f64());
                reads.extend(reading.as_ref().map(|reading| reading.read(pool)));
            }
            if run >= options.warmup {
                first.push(first_token);
                pixels.push(times.pixels);
                vision.push(times.vision);
                prefill.push(times.prefill);
                decode.push(Spread::of(&tokens).median);
                read.extend(reading.is_some().then(|| Spread::of(&reads).median));
            }
            progress(run + 1, total);
        }
        Ok(BenchReport {
            weight_bytes,
            kv_bytes,
            context: options.context,
            tiles: plan.tiles,
            estimate: memory::of_network(config, self.core.quant, stored, false)
                .max(config.weight_bytes(self.core.quant, stored).saturating_add(request)),
            load: Spread::of(&self.load),
            pixels: Spread::of(&pixels),
            vision: Spread::of(&vision),
            prefill: Spread::of(&prefill),
            decode_token: Spread::of(&decode),
            read: reading.map(|_| Spread::of(&read)),
            first_token: Spread::of(&first),
        })
    }

    /// Takes every picture as one tile, whatever the checkpoint says.
    pub fn one_tile(&mut self) {
        self.pictures.split = false;
    }

    /// A prompt of the wanted length around the picture; where the picture needs more places than that, the last tiles
    /// are encoded but not put in.
    fn plan(&self, options: &BenchOptions) -> Result<Plan, Error> {
        let config = &self.core.model.config;
        let (width, height) = options.size;
        let limit = DecodeOptions::default().max_pixels;
        if u64::from(width) * u64::from(height) > limit {
            return Err(smolvlm_processor::Error::TooManyPixels { width, height, limit }.into());
        }
        if options.context > config.text.context {
            return Err(Error::Context { asked: options.context, context: config.text.context });
        }
        let layout = self.pictures.plan(width, height)?;
        let per_tile = config.tokens_per_tile();
        let tiles = layout.tiles as usize;
        let image_tokens = tiles.min(options.context / per_tile.max(1)) * per_tile;
        let mut ids = vec![0; options.context];
        let image = config.sight.as_ref().map_or(0, |sight| sight.image_token_id);
        ids.iter_mut().take(image_tokens).for_each(|id| *id = image);
        Ok(Plan { chat: String::new(), ids, pictures: vec![layout], image_tokens, tiles })
    }
}

/// A source whose own time is counted apart.
struct Timed<S> {
    inner: S,
    seconds: f64,
}

impl<S: TensorSource> TensorSource for Timed<S> {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<RawTensor<'_>, smolvlm_model::Error> {
        let start = Instant::now();
        let taken = self.inner.take(name, shape);
        self.seconds += start.elapsed().as_secs_f64();
        taken
    }

    fn ignore(&mut self, name: &str) {
        self.inner.ignore(name);
    }

    fn finish(&self) -> Result<(), smolvlm_model::Error> {
        self.inner.finish()
    }
}

/// A picture of slopes and noise.
fn noise((width, height): (u32, u32)) -> Picture {
    let mut state = 1u32;
    let mut rgb = Vec::with_capacity(3 * width as usize * height as usize);
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            rgb.extend([(x >> 3) as u8, (y >> 3) as u8, (state >> 24) as u8]);
        }
    }
    Picture { width, height, rgb }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_the_runs() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
        assert_eq!(Spread::of(&[]).median, 0.0);
    }
}
