//! Sizes of what is made fresh: a published model's, or those of a file.

use super::cosines::most;
use super::{New, SMALL_FILE, read_file, wrong};
use crate::Error;
use serde::Deserialize;
use smolvlm_model::Config;
use smolvlm_model::config::{SightConfig, TextConfig, VisionConfig};
use smolvlm_model::published::PUBLISHED;
use smolvlm_model::rope::RopeScaling;
use std::path::Path;

/// A shape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    vision: Option<TowerShape>,
    text: Option<DecoderShape>,
    /// Pixel shuffle: `scale_factor^2` patches become one token.
    pub(super) scale_factor: Option<usize>,
    /// What pictures' longest edges are brought to; four tiles, where the file is silent.
    pub(super) longest_edge: Option<usize>,
    /// Whether the head shares the embedding table.
    pub(super) tied: Option<bool>,
    /// Its name or file, for errors.
    #[serde(skip)]
    place: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TowerShape {
    hidden: usize,
    intermediate: usize,
    layers: usize,
    heads: usize,
    image_size: usize,
    patch_size: usize,
    /// How the patch embedding begins.
    #[serde(default)]
    patches: Patches,
}

/// How a patch embedding begins.
#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Patches {
    #[default]
    Random,
    Cosines,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecoderShape {
    hidden: usize,
    intermediate: usize,
    layers: usize,
    heads: usize,
    /// As many as heads, where the file is silent.
    kv_heads: Option<usize>,
    /// The width over the heads, where the file is silent.
    head_dim: Option<usize>,
    /// Rows of the table; as many as the tokenizer has tokens, where the file is silent.
    vocab: Option<usize>,
    /// Set for a published shape alone.
    #[serde(skip)]
    context: Option<usize>,
    #[serde(skip)]
    rope_theta: Option<f64>,
}

/// What SmolLM2 was trained for, and a fresh decoder without more words gets.
const CONTEXT: usize = 8192;
const ROPE_THETA: f64 = 100_000.0;

impl Shape {
    /// The published shape of this name, or the file's. A file says nothing of what `new` takes from elsewhere.
    pub(super) fn open(word: &str, new: &New) -> Result<Shape, Error> {
        if let Some(config) = Config::published(word) {
            let mut shape = Shape::published(config, word);
            if new.text.is_some() {
                // The decoder keeps its own head.
                shape.tied = None;
            }
            return Ok(shape);
        }
        let path = Path::new(word);
        if !path.is_file() {
            let names = PUBLISHED.join(", ");
            return Err(wrong(format!("--shape {word}: neither a file nor one of {names}")));
        }
        let text = read_file(path, SMALL_FILE)?;
        let json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        let parsed = if json {
            serde_json::from_str(&text).map_err(|e| e.to_string())
        } else {
            toml::from_str(&text).map_err(|e: toml::de::Error| e.to_string().trim_end().to_string())
        };
        let shape: Shape = parsed.map_err(|what| wrong(format!("{word}: {what}")))?;
        for (given, part, option) in [
            (shape.text.is_some() && new.text.is_some(), "text", "--text"),
            (shape.vision.is_some() && new.vision.is_some(), "vision", "--vision"),
        ] {
            if given {
                return Err(wrong(format!(
                    "{word}: its part '{part}' does nothing beside {option}; leave one of them out"
                )));
            }
        }
        Ok(Shape { place: word.to_string(), ..shape })
    }

    /// The tower that a decoder gets without more words: SmolVLM-256M's, a SigLIP base of 512 pixels.
    pub(super) fn default_tower() -> VisionConfig {
        VisionConfig {
            hidden: 768,
            intermediate: 3072,
            layers: 12,
            heads: 12,
            image_size: 512,
            patch_size: 16,
            eps: 1e-6,
        }
    }

    fn published(config: Config, name: &str) -> Shape {
        let Config { sight, text, tied, .. } = config;
        let scale_factor = sight.as_ref().map(|sight| sight.scale_factor);
        Shape {
            vision: sight.map(|SightConfig { tower: vision, .. }| TowerShape {
                hidden: vision.hidden,
                intermediate: vision.intermediate,
                layers: vision.layers,
                heads: vision.heads,
                image_size: vision.image_size,
                patch_size: vision.patch_size,
                patches: Patches::Random,
            }),
            text: Some(DecoderShape {
                hidden: text.hidden,
                intermediate: text.intermediate,
                layers: text.layers,
                heads: text.heads,
                kv_heads: Some(text.kv_heads),
                head_dim: Some(text.head_dim),
                // The tokenizer's affair.
                vocab: None,
                context: Some(text.context),
                rope_theta: Some(text.rope_theta),
            }),
            scale_factor,
            tied: Some(tied),
            longest_edge: None,
            place: name.to_string(),
        }
    }

    /// Whether the patch embedding begins as cosines.
    pub(super) fn cosines(&self) -> bool {
        self.vision.as_ref().is_some_and(|shape| shape.patches == Patches::Cosines)
    }

    /// A fresh tower's sizes.
    pub(super) fn tower(&self) -> Result<VisionConfig, Error> {
        let place = &self.place;
        let Some(shape) = &self.vision else {
            return Err(wrong(format!("{place}: its part 'vision' is missing; it has a fresh tower's sizes")));
        };
        let TowerShape { hidden, intermediate, layers, heads, image_size, patch_size, patches } = *shape;
        // A trained tower may leave pixels out (SigLIP's of 384 with patches of 14 does); a new one has no reason to.
        let trained = Config::published(place).is_some();
        if !trained && image_size.checked_rem(patch_size) != Some(0) {
            return Err(wrong(format!(
                "{place}: image_size {image_size} must be a multiple of patch_size {patch_size}"
            )));
        }
        let most = most(patch_size);
        if patches == Patches::Cosines && hidden > most {
            return Err(wrong(format!(
                "{place}: patches of {patch_size} have {most} cosines; hidden {hidden} takes patches = \"random\""
            )));
        }
        Ok(VisionConfig { hidden, intermediate, layers, heads, image_size, patch_size, eps: 1e-6 })
    }

    /// A fresh decoder's sizes, for a tokenizer of so many tokens.
    pub(super) fn decoder(&self, tokens: usize) -> Result<TextConfig, Error> {
        let place = &self.place;
        let Some(shape) = &self.text else {
            return Err(wrong(format!("{place}: its part 'text' is missing; it has a fresh decoder's sizes")));
        };
        let vocab = shape.vocab.unwrap_or(tokens);
        if vocab < tokens {
            return Err(wrong(format!("{place}: vocab {vocab} has no room for the tokenizer's {tokens} tokens")));
        }
        Ok(TextConfig {
            hidden: shape.hidden,
            intermediate: shape.intermediate,
            layers: shape.layers,
            heads: shape.heads,
            kv_heads: shape.kv_heads.unwrap_or(shape.heads),
            head_dim: shape.head_dim.or(shape.hidden.checked_div(shape.heads)).unwrap_or(0),
            vocab,
            context: shape.context.unwrap_or(CONTEXT),
            rope_theta: shape.rope_theta.unwrap_or(ROPE_THETA),
            rope: RopeScaling::None,
            eps: 1e-5,
            eos: Vec::new(),
        })
    }
}
