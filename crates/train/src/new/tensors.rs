//! Every tensor of a new checkpoint, and where its numbers come from.
//!
//! Fresh ones are drawn as transformers draws them. A tower: `SiglipVisionModel`'s own rules, as SigLIP was trained from
//! (the patch embedding lecun-normal, attention and MLP xavier-uniform, positions normal with a deviation of one over the
//! root of the width). The connector and a decoder: normal with a deviation of 0.02, the `initializer_range` of
//! `Idefics3Config` and `LlamaConfig`, from which SmolVLM's connector was trained. Norms begin as no change at all.

use super::cosines;
use super::source::{TextSource, TowerSource};
use safetensors::tensor::Dtype;
use smolvlm_backend::{Stored, widen};
use smolvlm_model::checkpoint::stored;
use smolvlm_model::config::{SightConfig, TextConfig, VisionConfig};
use smolvlm_model::export::Export;
use smolvlm_model::vlm::{TEXT, VISION};
use smolvlm_model::{Config, Stream};
use std::cell::Cell;
use std::rc::Rc;

pub(super) const EMBED: &str = "model.text_model.embed_tokens.weight";
pub(super) const HEAD: &str = "lm_head.weight";
const CONNECTOR: &str = "model.connector.modality_projection.proj.weight";

/// transformers' `initializer_range`.
const RANGE: f64 = 0.02;

/// A tensor.
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// How it is drawn where it is fresh.
    rule: Rule,
}

/// How fresh numbers are drawn.
#[derive(Clone, Copy)]
enum Rule {
    Constant(f32),
    /// Of this deviation.
    Normal(f64),
    /// Normal, cut at two deviations, which leaves this one.
    Truncated(f64),
    /// Within this of 0.
    Uniform(f64),
    /// Cosines of patches of so many pixels.
    Cosines(usize),
}

impl Rule {
    /// Of LeCun et al. (1998), as Flax cuts it.
    fn lecun(inputs: usize) -> Rule {
        Rule::Truncated((inputs as f64).powf(-0.5))
    }

    /// Of Glorot and Bengio (2010).
    fn xavier(outputs: usize, inputs: usize) -> Rule {
        Rule::Uniform((6.0 / (outputs + inputs) as f64).sqrt())
    }

    /// The same numbers for the same seed and name.
    fn numbers(self, count: usize, seed: u64, name: &str) -> Vec<f32> {
        if let Rule::Cosines(patch) = self {
            return cosines::embedding(count / cosines::most(patch), patch);
        }
        let mut random = Stream::of(seed, name);
        let draw = |_| match self {
            Rule::Constant(value) => value,
            Rule::Cosines(_) => 0.0,
            Rule::Normal(deviation) => (deviation * random.normal()) as f32,
            Rule::Truncated(deviation) => (deviation / CUT_DEVIATION * within_two(&mut random)) as f32,
            Rule::Uniform(bound) => (bound * (2.0 * random.uniform() - 1.0)) as f32,
        };
        (0..count).map(draw).collect()
    }
}

/// The deviation of a standard normal variable that is cut at -2 and 2.
const CUT_DEVIATION: f64 = 0.879_625_661_034_239_8;

fn within_two(random: &mut Stream) -> f64 {
    loop {
        let x = random.normal();
        if x.abs() <= 2.0 {
            return x;
        }
    }
}

/// Every tensor of a model; a fresh tower's patch embedding begins as cosines or at random.
pub(super) fn slots(config: &Config, cosines: bool) -> Vec<Slot> {
    let mut slots = Vec::new();
    if let Some(SightConfig { tower: vision, scale_factor, .. }) = &config.sight {
        tower(vision, cosines, &mut |name, shape, rule| slots.push(slot(VISION, name, shape, rule)));
        let deep = vision.hidden * scale_factor * scale_factor;
        slots.push(slot(CONNECTOR, "", &[config.text.hidden, deep], Rule::Normal(RANGE)));
    }
    decoder(&config.text, &mut |name, shape, rule| slots.push(slot(TEXT, name, shape, rule)));
    if !config.tied {
        slots.push(slot(HEAD, "", &[config.text.vocab, config.text.hidden], Rule::Normal(RANGE)));
    }
    slots
}

fn slot(prefix: &str, name: &str, shape: &[usize], rule: Rule) -> Slot {
    Slot { name: format!("{prefix}{name}"), shape: shape.to_vec(), rule }
}

/// The names of `vision.rs`.
fn tower(config: &VisionConfig, cosines: bool, add: &mut dyn FnMut(&str, &[usize], Rule)) {
    let VisionConfig { hidden, intermediate: inner, patch_size: patch, .. } = *config;
    let (zero, one, tiny) = (Rule::Constant(0.0), Rule::Constant(1.0), Rule::Normal(1e-6));
    let (patches, positions) = match cosines {
        true => (Rule::Cosines(patch), cosines::POSITIONS),
        false => (Rule::lecun(3 * patch * patch), (hidden as f64).powf(-0.5)),
    };
    add("embeddings.patch_embedding.weight", &[hidden, 3, patch, patch], patches);
    add("embeddings.patch_embedding.bias", &[hidden], zero);
    let positions = Rule::Normal(positions);
    add("embeddings.position_embedding.weight", &[config.patches(), hidden], positions);
    for layer in 0..config.layers {
        let mut at = |part: &str, shape: &[usize], rule| add(&format!("encoder.layers.{layer}.{part}"), shape, rule);
        for norm in ["layer_norm1", "layer_norm2"] {
            at(&format!("{norm}.weight"), &[hidden], one);
            at(&format!("{norm}.bias"), &[hidden], zero);
        }
        for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            at(&format!("self_attn.{part}.weight"), &[hidden, hidden], Rule::xavier(hidden, hidden));
            at(&format!("self_attn.{part}.bias"), &[hidden], zero);
        }
        for (part, outputs, inputs) in [("fc1", inner, hidden), ("fc2", hidden, inner)] {
            at(&format!("mlp.{part}.weight"), &[outputs, inputs], Rule::xavier(outputs, inputs));
            at(&format!("mlp.{part}.bias"), &[outputs], tiny);
        }
    }
    add("post_layernorm.weight", &[hidden], one);
    add("post_layernorm.bias", &[hidden], zero);
}

/// The names of `text.rs`.
fn decoder(config: &TextConfig, add: &mut dyn FnMut(&str, &[usize], Rule)) {
    let (hidden, inner) = (config.hidden, config.intermediate);
    let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
    let (one, drawn) = (Rule::Constant(1.0), Rule::Normal(RANGE));
    add("embed_tokens.weight", &[config.vocab, hidden], drawn);
    for layer in 0..config.layers {
        let mut at = |part: &str, shape: &[usize], rule| add(&format!("layers.{layer}.{part}.weight"), shape, rule);
        at("input_layernorm", &[hidden], one);
        for (part, outputs) in [("q_proj", q), ("k_proj", kv), ("v_proj", kv)] {
            at(&format!("self_attn.{part}"), &[outputs, hidden], drawn);
        }
        at("self_attn.o_proj", &[hidden, q], drawn);
        at("post_attention_layernorm", &[hidden], one);
        for (part, outputs, inputs) in
            [("gate_proj", inner, hidden), ("up_proj", inner, hidden), ("down_proj", hidden, inner)]
        {
            at(&format!("mlp.{part}"), &[outputs, inputs], drawn);
        }
    }
    add("norm.weight", &[hidden], one);
}

/// Parameters of the tower, the connector and the decoder.
pub(super) fn parameters(slots: &[Slot]) -> [u64; 3] {
    let mut sums = [0; 3];
    let [vision, connector, text] = &mut sums;
    for slot in slots {
        let count: u64 = slot.shape.iter().map(|&n| n as u64).product();
        *match slot.name.as_str() {
            CONNECTOR => &mut *connector,
            name if name.starts_with(VISION) => &mut *vision,
            _ => &mut *text,
        } += count;
    }
    sums
}

/// How tensors are made.
pub(super) struct Making<'a> {
    /// A trained decoder, and the rows of its tables that are kept.
    pub(super) text: Option<(&'a TextSource, usize)>,
    /// A trained tower.
    pub(super) tower: Option<&'a TowerSource>,
    pub(super) seed: u64,
    /// What they are stored in.
    pub(super) dtype: Dtype,
    /// Told how many are computed, and of how many.
    pub(super) progress: &'a dyn Fn(usize, usize),
}

/// A tensor of a source: shape, type, bytes.
type Found<'a> = (&'a [usize], Dtype, &'a [u8]);

impl<'a> Making<'a> {
    /// Every tensor to write; the sources have been checked against the slots.
    pub(super) fn exports(&'a self, slots: &'a [Slot]) -> Vec<(String, Export<'a>)> {
        let total = slots.iter().filter(|slot| self.as_is(slot).is_none()).count();
        let done = Rc::new(Cell::new(0));
        let export = |slot: &'a Slot| match self.as_is(slot) {
            Some((shape, dtype, bytes)) => Export::raw(dtype, shape, bytes),
            None => {
                let done = Rc::clone(&done);
                Export::f32(self.dtype, &slot.shape, move || {
                    done.set(done.get() + 1);
                    (self.progress)(done.get(), total);
                    self.numbers(slot)
                })
            }
        };
        slots.iter().map(|slot| (slot.name.clone(), export(slot))).collect()
    }

    /// Where a tensor is copied from; `None`: it is fresh.
    fn found(&self, slot: &Slot) -> Option<Found<'a>> {
        let of_text = || self.text.and_then(|(text, _)| text.weights.raw(&text.name(&slot.name)?));
        let of_tower = || self.tower.and_then(|tower| tower.weights.raw(&tower.name(&slot.name)?));
        of_text().or_else(of_tower)
    }

    /// A source's tensor that is written as it stands there.
    fn as_is(&self, slot: &Slot) -> Option<Found<'a>> {
        self.found(slot).filter(|(shape, dtype, _)| *dtype == self.dtype && *shape == slot.shape)
    }

    fn numbers(&self, slot: &Slot) -> Vec<f32> {
        let Some((_, dtype, bytes)) = self.found(slot) else {
            return slot.rule.numbers(slot.shape.iter().product(), self.seed, &slot.name);
        };
        // The sources were checked: their tensors are of types that are read.
        let numbers = widen(stored(dtype).unwrap_or(Stored::F32), bytes, 1);
        match self.text {
            Some((_, old)) if slot.is_table() => resized(numbers, old, &slot.shape),
            _ => numbers,
        }
    }
}

/// A table's first `old` rows, and their mean as often as it takes for `shape` [rows, width]: a new token begins as none in
/// particular, and a head that does not know it yet gives it the mean of the logits.
fn resized(mut table: Vec<f32>, old: usize, shape: &[usize]) -> Vec<f32> {
    let [rows, width] = *shape else { return table };
    table.truncate(old * width);
    let mut sums = vec![0.0f64; width];
    for row in table.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let mean: Vec<f32> = sums.iter().map(|sum| (sum / old as f64) as f32).collect();
    (old..rows).for_each(|_| table.extend(&mean));
    table
}
