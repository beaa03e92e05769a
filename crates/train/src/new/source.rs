//! Trained parts: a decoder in SmolLM2's layout, a tower in SigLIP's.

use super::tensors::{EMBED, HEAD, Slot};
use super::{SMALL_FILE, read_object};
use crate::Error;
use safetensors::tensor::Dtype;
use serde_json::{Map, Value, json};
use smolvlm_backend::Stored;
use smolvlm_model::config::{TextConfig, VisionConfig};
use smolvlm_model::vlm::{TEXT, VISION};
use smolvlm_model::{Checkpoint, Config, TensorSource};
use std::path::Path;

/// A decoder (`LlamaForCausalLM`).
pub(super) struct TextSource {
    pub(super) weights: Checkpoint,
    pub(super) config: TextConfig,
    /// Whether its head is its table.
    pub(super) tied: bool,
}

/// A tower (`SiglipModel`, `SiglipVisionModel`).
pub(super) struct TowerSource {
    pub(super) weights: Checkpoint,
    pub(super) config: VisionConfig,
    /// What stands before its tensors' names.
    prefix: &'static str,
}

/// The sizes of a decoder and a tower, by the model's own reader.
fn sizes(path: &Path, text: Value, vision: Value) -> Result<Config, Error> {
    // The least that makes a whole model around them.
    let config = json!({
        "model_type": "idefics3", "scale_factor": 1, "image_token_id": 0, "text_config": text, "vision_config": vision,
    });
    Config::parse(&config.to_string()).map_err(|what| Error::state(path, what))
}

impl TextSource {
    /// Opens a folder with `config.json` and the weights.
    pub(super) fn open(dir: &Path) -> Result<TextSource, Error> {
        let path = dir.join("config.json");
        let config = read_object(&path, SMALL_FILE)?;
        let tied = match config.get("tie_word_embeddings") {
            // LlamaConfig's default.
            None | Some(Value::Null) => false,
            Some(Value::Bool(tied)) => *tied,
            Some(other) => return Err(Error::state(&path, format!("tie_word_embeddings is {other}; true or false"))),
        };
        let config = sizes(&path, Value::Object(config), json!({}))?.text;
        let weights = Checkpoint::open(dir)?;
        weights.check_plain()?;
        Ok(TextSource { weights, config, tied })
    }

    /// What a new model keeps its weights in, so that none of the decoder's bits are lost.
    pub(super) fn dtype(&self) -> Stored {
        match self.weights.raw(EMBED) {
            Some((_, Dtype::BF16, _)) => Stored::Bf16,
            _ => Stored::F32,
        }
    }

    /// That it has every tensor that a new model takes from it, and no other.
    pub(super) fn check(&mut self, slots: &[Slot]) -> Result<(), Error> {
        let table = [self.config.vocab, self.config.hidden];
        if self.tied {
            // Whatever a file may hold besides.
            self.weights.ignore(HEAD);
        }
        for slot in slots {
            if let Some(name) = self.name(&slot.name) {
                let shape = if slot.is_table() { &table[..] } else { &slot.shape };
                self.weights.take(&name, shape)?;
            }
        }
        Ok(self.weights.finish()?)
    }

    /// The tensor that becomes this one.
    pub(super) fn name(&self, slot: &str) -> Option<String> {
        match slot {
            HEAD if self.tied => Some(EMBED.to_string()),
            _ => (slot == HEAD || slot.starts_with(TEXT)).then(|| slot.to_string()),
        }
    }
}

impl TowerSource {
    /// Opens a folder with `config.json` and the weights.
    pub(super) fn open(dir: &Path) -> Result<TowerSource, Error> {
        let path = dir.join("config.json");
        let mut config = read_object(&path, SMALL_FILE)?;
        let kind = config.get("model_type").and_then(Value::as_str).unwrap_or("none");
        let vision = match kind {
            "siglip_vision_model" => config,
            "siglip" => match config.remove("vision_config") {
                Some(Value::Object(vision)) => vision,
                None | Some(Value::Null) => Map::new(),
                Some(other) => return Err(Error::state(&path, format!("vision_config is {other}; an object"))),
            },
            other => {
                let what = format!("model_type is '{other}'; a tower is taken from 'siglip' and 'siglip_vision_model'");
                return Err(Error::state(&path, what));
            }
        };
        let mut whole = siglip();
        whole.extend(vision);
        // A dummy of a decoder, which the reader asks for.
        let config = sizes(&path, json!({"hidden_size": 2, "num_attention_heads": 1}), Value::Object(whole))?;
        let none = || Error::state(&path, "it has no tower");
        let config = config.sight.ok_or_else(none)?.tower;
        let weights = Checkpoint::open(dir)?;
        // `SiglipVisionModel` of newer transformers saves names without it.
        let prefix = if weights.raw("post_layernorm.weight").is_some() { "" } else { "vision_model." };
        Ok(TowerSource { weights, config, prefix })
    }

    /// That it has every tensor that a new model takes from it. The pooling head and the text tower stay behind.
    pub(super) fn check(&mut self, slots: &[Slot]) -> Result<(), Error> {
        for slot in slots {
            if let Some(name) = self.name(&slot.name) {
                self.weights.take(&name, &slot.shape)?;
            }
        }
        Ok(())
    }

    /// The tensor that becomes this one.
    pub(super) fn name(&self, slot: &str) -> Option<String> {
        slot.strip_prefix(VISION).map(|rest| format!("{}{rest}", self.prefix))
    }
}

/// What a file leaves out has the default of transformers' `SiglipVisionConfig`.
fn siglip() -> Map<String, Value> {
    let defaults = [
        ("hidden_size", json!(768)),
        ("intermediate_size", json!(3072)),
        ("num_hidden_layers", json!(12)),
        ("num_attention_heads", json!(12)),
        ("num_channels", json!(3)),
        ("image_size", json!(224)),
        ("patch_size", json!(16)),
        ("hidden_act", json!("gelu_pytorch_tanh")),
        ("layer_norm_eps", json!(1e-6)),
    ];
    defaults.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}

impl Slot {
    /// Whether it has a row a token.
    pub(super) fn is_table(&self) -> bool {
        self.name == EMBED || self.name == HEAD
    }
}
