//! What the steps of a run learn, so that another program can learn the same: `scripts/train_curve.py` reads it.
//!
//! ```sh
//! cargo run --release -p smolvlm-train --example steps -- RUN.toml STEPS.json PIXELS.safetensors
//! ```
//!
//! `STEPS.json` is `{"steps": [{"sequences": [{"ids", "labels", "pixels"}]}]}`: a sequence an example, labels -100
//! where nothing is learnt, and where it has pictures the name of its tensor of `PIXELS.safetensors`, u8
//! `[tiles, 3, side, side]`.

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use smolvlm_backend::Pool;
use smolvlm_data::{Encoding, Example, Loader, Mixture, Packing};
use smolvlm_processor::{ClipMode, DecodeOptions, Processor};
use smolvlm_train::{Batches, Config, Reduction};
use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [run, steps, pixels] = args.as_slice() else {
        return Err("three files would be right: RUN.toml STEPS.json PIXELS.safetensors".into());
    };
    let config = Config::open(run.as_ref())?;
    config.check()?;
    plain(&config)?;
    let loader = loader(&config)?;
    let (pool, mut tiles) = (Pool::new(1), Tiles::default());
    let mut learnt = Vec::new();
    for (start, count) in draws(&config, loader.mixture.epoch()) {
        let step = loader.load(start, count);
        if let Some(skipped) = step.skipped.first() {
            return Err(format!("{} was left out: {}", skipped.name, skipped.why).into());
        }
        let sequence = |example| sequence(example, &loader.encoding.decode, &pool, &mut tiles);
        let sequences = step.examples.iter().map(sequence).collect::<Outcome<Vec<_>>>()?;
        learnt.push(json!({ "sequences": sequences }));
    }
    std::fs::write(steps, json!({ "steps": learnt }).to_string())?;
    tiles.write(pixels.as_ref())
}

/// That the other program's loss is this run's: a mean over tokens, each sequence by itself, nothing drawn.
fn plain(config: &Config) -> Outcome<()> {
    let drops = config.adapter.as_ref().is_some_and(|adapter| adapter.dropout > 0.0);
    let weighed = config.data.sources.iter().any(|source| source.loss_weight != 1.0);
    let joined = config.data.packing == Packing::Seed || config.reduction != Reduction::Token;
    if drops || weighed || joined || config.z_loss != 0.0 || config.neftune != 0.0 {
        return Err(
            "a run whose loss is the plain mean over its tokens would be right: no dropout, z_loss, neftune or \
                    loss_weight, reduction token, packing not seed"
                .into(),
        );
    }
    Ok(())
}

/// The run's examples, as [`smolvlm_train::train`] has them.
fn loader(config: &Config) -> Outcome<Loader> {
    let (data, processor) = (&config.data, Arc::new(Processor::open(config.base()?)?));
    let encoding = Encoding {
        labels: data.labels,
        length: data.length.min(processor.context()),
        long: data.long,
        longest_edge: data.max_edge,
        split: data.split,
        scale_frequency: data.scale_frequency,
        clips: ClipMode::default(),
        decode: DecodeOptions::default(),
        seed: config.seed,
    };
    Ok(Loader { mixture: Mixture::open(&data.sources, config.seed)?, encoding, processor, clips: None })
}

/// Where the draws of each step begin, and how many there are, stage after stage.
fn draws(config: &Config, epoch: u64) -> Vec<(u64, usize)> {
    let (mut draws, mut first) = (Vec::new(), 0);
    for stage in &config.stages {
        let batches = Batches { finish: stage.batch * stage.accumulate, ramp: stage.ramp };
        let steps = stage.steps.unwrap_or_else(|| batches.steps((stage.epochs * epoch as f64).ceil() as u64));
        draws.extend((0..steps).map(|step| batches.at(step)).map(|(start, count)| (first + start, count)));
        first += batches.at(steps).0;
    }
    draws
}

fn sequence(example: &Example, decode: &DecodeOptions, pool: &Pool, tiles: &mut Tiles) -> Outcome<Value> {
    let labels = example.ids.iter().zip(&example.trained);
    let labels: Vec<i64> = labels.map(|(&id, &trained)| if trained { i64::from(id) } else { -100 }).collect();
    let mut sequence = json!({ "ids": example.ids, "labels": labels });
    if let Some(name) = tiles.of(example, decode, pool)? {
        sequence["pixels"] = name.into();
    }
    Ok(sequence)
}

/// The tiles of examples and their names; the same tiles are kept once.
#[derive(Default)]
struct Tiles {
    names: HashMap<Vec<u8>, String>,
    side: usize,
}

impl Tiles {
    /// The name of an example's tiles; `None` where it has no picture.
    fn of(&mut self, example: &Example, decode: &DecodeOptions, pool: &Pool) -> Outcome<Option<String>> {
        let mut tiles = Vec::new();
        for picture in &example.pictures {
            tiles.extend(picture.plan.tiles(&*picture.data.decode(decode)?, pool)?);
            self.side = picture.plan.tile as usize;
        }
        let next = self.names.len().to_string();
        Ok((!tiles.is_empty()).then(|| self.names.entry(tiles).or_insert(next).clone()))
    }

    fn write(&self, path: &Path) -> Outcome<()> {
        let view = |(tiles, name): (_, _)| {
            let tiles: &Vec<u8> = tiles;
            let shape = vec![tiles.len() / (3 * self.side * self.side), 3, self.side, self.side];
            Ok((name, TensorView::new(Dtype::U8, shape, tiles)?))
        };
        let views = self.names.iter().map(view).collect::<Outcome<Vec<(&String, _)>>>()?;
        Ok(std::fs::write(path, safetensors::serialize(views, None)?)?)
    }
}
