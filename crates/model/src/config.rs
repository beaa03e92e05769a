//! `config.json`: the network's sizes, from every layout that the family has used.
//!
//! What a file leaves out has the default of transformers' `Idefics3Config`, `SmolVLMConfig` and `LlamaConfig`.

use crate::rope::{RawRope, RopeScaling};
use crate::{Error, files};
use serde::Deserialize;
use smolvlm_backend::{Heads, MAX_DIM};
use smolvlm_sys::Files;

/// The whole network's sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What sees pictures; `None` where the network is a decoder alone.
    pub sight: Option<SightConfig>,
    /// The decoder.
    pub text: TextConfig,
    /// Whether the head shares the embedding table.
    pub tied: bool,
    /// Where the head makes a vector of every position instead of words, to find pictures by: its width (`ColIdefics3` of
    /// colpali-engine).
    pub vectors: Option<usize>,
    /// End tokens that `config.json` names for the whole model.
    pub eos: Vec<u32>,
}

/// The tower, and how the decoder reads what it sees.
#[derive(Debug, Clone, PartialEq)]
pub struct SightConfig {
    /// The tower.
    pub tower: VisionConfig,
    /// Pixel shuffle: `scale_factor^2` patches become one token.
    pub scale_factor: usize,
    /// The token whose places pictures take.
    pub image_token_id: u32,
}

impl SightConfig {
    /// Tokens that a tile becomes.
    pub fn tokens_per_tile(&self) -> usize {
        self.tower.patches() / (self.scale_factor * self.scale_factor)
    }
}

/// The SigLIP tower.
#[derive(Debug, Clone, PartialEq)]
pub struct VisionConfig {
    /// Width.
    pub hidden: usize,
    /// Width inside the MLP.
    pub intermediate: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Side of a tile in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Of the layer norms.
    pub eps: f32,
}

/// The Llama decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct TextConfig {
    /// Width.
    pub hidden: usize,
    /// Width inside the MLP.
    pub intermediate: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Rows of the embedding and the head.
    pub vocab: usize,
    /// Positions that it was trained for.
    pub context: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How the rotary frequencies are changed for a longer context.
    pub rope: RopeScaling,
    /// Of the RMS norms.
    pub eps: f32,
    /// End tokens that the decoder's part of the config names: the reference stops on them only where nothing else names
    /// any.
    pub eos: Vec<u32>,
}

impl VisionConfig {
    /// Patches along a side of a tile.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Patches of a tile.
    pub fn patches(&self) -> usize {
        self.grid() * self.grid()
    }

    /// Its attention.
    pub fn attention(&self) -> Heads {
        let dim = self.hidden / self.heads;
        Heads { heads: self.heads, kv_heads: self.heads, dim, scale: (dim as f32).powf(-0.5) }
    }
}

impl TextConfig {
    /// Its attention.
    pub fn attention(&self) -> Heads {
        let scale = (self.head_dim as f32).powf(-0.5);
        Heads { heads: self.heads, kv_heads: self.kv_heads, dim: self.head_dim, scale }
    }

    /// The rotary frequencies of a head's pairs.
    pub fn frequencies(&self) -> Vec<f32> {
        self.rope.frequencies(self.rope_theta, self.head_dim)
    }
}

impl Config {
    /// Reads `config.json` of a checkpoint folder.
    ///
    /// # Errors
    /// Where the file cannot be read, is not JSON, or asks for a network that this is not or cannot be.
    pub fn open(files: impl Into<Files>) -> Result<Config, Error> {
        const NAME: &str = "config.json";
        let files = files.into();
        let text = files::text(&files, NAME)?;
        Config::parse(&text).map_err(|what| Error::Settings { path: files.path(NAME).display().to_string(), what })
    }

    /// Reads the text of a `config.json`; the error says what is wrong.
    ///
    /// # Errors
    /// As [`Config::open`].
    pub fn parse(text: &str) -> Result<Config, String> {
        match serde_json::from_str::<RawHead>(text).map_err(|e| e.to_string())?.model_type.as_str() {
            "idefics3" | "smolvlm" => Config::of_whole(text),
            "llama" => Config::of_decoder(text),
            kind => Err(format!(
                "model_type is '{kind}'; this program runs 'idefics3' and 'smolvlm', and 'llama' for text alone"
            )),
        }
    }

    fn of_whole(text: &str) -> Result<Config, String> {
        let raw: RawConfig = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let tower = raw.vision_config.check()?;
        let eos = raw.eos_token_id.map(OneOrMany::into_vec).unwrap_or_default();
        let text = raw.text_config.check()?;
        let grid = tower.grid();
        if raw.scale_factor == 0 || !grid.is_multiple_of(raw.scale_factor) {
            return Err(format!("scale_factor {} must divide the {grid} patches of a tile's side", raw.scale_factor));
        }
        if raw.image_token_id as usize >= text.vocab {
            return Err(format!("image_token_id {} lies outside the vocabulary of {}", raw.image_token_id, text.vocab));
        }
        let sight = SightConfig { tower, scale_factor: raw.scale_factor, image_token_id: raw.image_token_id };
        let vectors = raw.architectures.iter().any(|name| name == RETRIEVER).then_some(RETRIEVER_WIDTH);
        Ok(Config { sight: Some(sight), text, tied: raw.tie_word_embeddings && vectors.is_none(), vectors, eos })
    }

    /// Reads a decoder's own config, that of a network without sight: its settings stand at the top.
    fn of_decoder(text: &str) -> Result<Config, String> {
        let head: RawHead = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let text: RawText = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let text = text.check()?;
        Ok(Config { sight: None, eos: text.eos.clone(), text, tied: head.tie_word_embeddings, vectors: None })
    }

    /// The places of tokens that pictures take.
    pub fn image_places(&self, ids: &[u32]) -> Vec<u32> {
        let image = self.sight.as_ref().map(|sight| sight.image_token_id);
        (0..).zip(ids).filter(|(_, id)| Some(**id) == image).map(|(at, _)| at).collect()
    }

    /// Tokens that a tile becomes; 0 where pictures cannot be seen.
    pub fn tokens_per_tile(&self) -> usize {
        self.sight.as_ref().map_or(0, SightConfig::tokens_per_tile)
    }
}

/// An id, or a list of them.
#[derive(Deserialize, Clone)]
#[serde(untagged, expecting = "eos_token_id must be a token's id or a list of ids")]
pub(crate) enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

impl OneOrMany {
    pub(crate) fn into_vec(self) -> Vec<u32> {
        match self {
            OneOrMany::One(id) => vec![id],
            OneOrMany::Many(ids) => ids,
        }
    }
}

/// What tells which kind of network it is.
#[derive(Deserialize)]
struct RawHead {
    model_type: String,
    #[serde(default)]
    tie_word_embeddings: bool,
}

/// The architecture whose head makes vectors, and their width, which its config does not say.
const RETRIEVER: &str = "ColIdefics3";
const RETRIEVER_WIDTH: usize = 128;

#[derive(Deserialize)]
struct RawConfig {
    #[serde(default)]
    architectures: Vec<String>,
    vision_config: RawVision,
    text_config: RawText,
    #[serde(default = "RawConfig::scale_factor")]
    scale_factor: usize,
    #[serde(default = "RawConfig::image_token_id")]
    image_token_id: u32,
    #[serde(default)]
    tie_word_embeddings: bool,
    eos_token_id: Option<OneOrMany>,
}

impl RawConfig {
    fn scale_factor() -> usize {
        2
    }

    fn image_token_id() -> u32 {
        128_257
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct RawVision {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_channels: usize,
    image_size: usize,
    patch_size: usize,
    hidden_act: String,
    layer_norm_eps: f32,
}

impl Default for RawVision {
    fn default() -> RawVision {
        RawVision {
            hidden_size: 1152,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 16,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            hidden_act: "gelu_pytorch_tanh".into(),
            layer_norm_eps: 1e-6,
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct RawText {
    model_type: String,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    rms_norm_eps: f32,
    rope_theta: Option<f64>,
    rope_scaling: Option<RawRope>,
    rope_parameters: Option<RawRope>,
    attention_bias: bool,
    mlp_bias: bool,
    eos_token_id: Option<OneOrMany>,
}

impl Default for RawText {
    fn default() -> RawText {
        RawText {
            model_type: "llama".into(),
            hidden_size: 4096,
            intermediate_size: 11008,
            num_hidden_layers: 32,
            num_attention_heads: 32,
            num_key_value_heads: None,
            head_dim: None,
            vocab_size: 32000,
            max_position_embeddings: 2048,
            hidden_act: "silu".into(),
            rms_norm_eps: 1e-6,
            rope_theta: None,
            rope_scaling: None,
            rope_parameters: None,
            attention_bias: false,
            mlp_bias: false,
            eos_token_id: None,
        }
    }
}

/// Bounds that no model of this family comes near, checked before anything is sized by them.
const MAX_WIDTH: usize = 1 << 16;
const MAX_LAYERS: usize = 1 << 10;
const MAX_VOCAB: usize = 1 << 22;
const MAX_CONTEXT: usize = 1 << 22;

fn within(name: &str, value: usize, most: usize) -> Result<(), String> {
    if (1..=most).contains(&value) { Ok(()) } else { Err(format!("{name} is {value}; it must be 1 to {most}")) }
}

fn expect(name: &str, found: &str, want: &str) -> Result<(), String> {
    if found == want { Ok(()) } else { Err(format!("{name} is '{found}'; this network has '{want}'")) }
}

fn divides(what: &str, part: usize, whole: usize) -> Result<(), String> {
    if part > 0 && whole.is_multiple_of(part) { Ok(()) } else { Err(format!("{what}: {part} does not divide {whole}")) }
}

fn eps(name: &str, value: f32) -> Result<(), String> {
    if value.is_finite() && value > 0.0 { Ok(()) } else { Err(format!("{name} is {value}; it must be positive")) }
}

impl RawVision {
    fn check(self) -> Result<VisionConfig, String> {
        within("vision_config.hidden_size", self.hidden_size, MAX_WIDTH)?;
        within("vision_config.intermediate_size", self.intermediate_size, MAX_WIDTH)?;
        within("vision_config.num_hidden_layers", self.num_hidden_layers, MAX_LAYERS)?;
        within("vision_config.image_size", self.image_size, 4096)?;
        // 14 does not divide 384: the convolution leaves the last six pixels out.
        within("vision_config.patch_size", self.patch_size, self.image_size)?;
        divides("vision_config.num_attention_heads in hidden_size", self.num_attention_heads, self.hidden_size)?;
        within("the width of a vision head", self.hidden_size / self.num_attention_heads, MAX_DIM)?;
        divides("the width of a vision head in pairs", 2, self.hidden_size / self.num_attention_heads)?;
        expect("vision_config.hidden_act", &self.hidden_act, "gelu_pytorch_tanh")?;
        eps("vision_config.layer_norm_eps", self.layer_norm_eps)?;
        if self.num_channels != 3 {
            return Err(format!("vision_config.num_channels is {}; pictures have 3", self.num_channels));
        }
        Ok(VisionConfig {
            hidden: self.hidden_size,
            intermediate: self.intermediate_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            image_size: self.image_size,
            patch_size: self.patch_size,
            eps: self.layer_norm_eps,
        })
    }
}

impl RawText {
    fn check(self) -> Result<TextConfig, String> {
        within("text_config.hidden_size", self.hidden_size, MAX_WIDTH)?;
        within("text_config.intermediate_size", self.intermediate_size, MAX_WIDTH)?;
        within("text_config.num_hidden_layers", self.num_hidden_layers, MAX_LAYERS)?;
        within("text_config.vocab_size", self.vocab_size, MAX_VOCAB)?;
        within("text_config.max_position_embeddings", self.max_position_embeddings, MAX_CONTEXT)?;
        let heads = self.num_attention_heads;
        within("text_config.num_attention_heads", heads, MAX_WIDTH)?;
        let kv_heads = self.num_key_value_heads.unwrap_or(heads);
        divides("text_config.num_key_value_heads in num_attention_heads", kv_heads, heads)?;
        if self.head_dim.is_none() {
            divides("text_config.num_attention_heads in hidden_size", heads, self.hidden_size)?;
        }
        let head_dim = self.head_dim.unwrap_or(self.hidden_size / heads);
        within("text_config.head_dim", head_dim, MAX_DIM)?;
        divides("text_config.head_dim in pairs", 2, head_dim)?;
        expect("text_config.model_type", &self.model_type, "llama")?;
        expect("text_config.hidden_act", &self.hidden_act, "silu")?;
        eps("text_config.rms_norm_eps", self.rms_norm_eps)?;
        if self.attention_bias || self.mlp_bias {
            return Err("text_config asks for biases in attention or MLP; this network has none".into());
        }
        // Where both are there, the reference takes the older.
        let ropes: Vec<RawRope> = [self.rope_scaling, self.rope_parameters].into_iter().flatten().collect();
        let theta = ropes.iter().find_map(|rope| rope.rope_theta).or(self.rope_theta).unwrap_or(10_000.0);
        let context = self.max_position_embeddings;
        let rope = ropes.into_iter().next().map_or(Ok(RopeScaling::None), |rope| rope.check(head_dim, context))?;
        if !(theta.is_finite() && theta > 0.0) {
            return Err(format!("text_config.rope_theta is {theta}; it must be positive"));
        }
        Ok(TextConfig {
            hidden: self.hidden_size,
            intermediate: self.intermediate_size,
            layers: self.num_hidden_layers,
            heads,
            kv_heads,
            head_dim,
            vocab: self.vocab_size,
            context,
            rope_theta: theta,
            rope,
            eps: self.rms_norm_eps,
            eos: self.eos_token_id.map(OneOrMany::into_vec).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"model_type": "idefics3", "scale_factor": 4, "image_token_id": 9,
        "vision_config": {"hidden_size": 32, "num_attention_heads": 4, "image_size": 64, "patch_size": 8},
        "text_config": {"hidden_size": 48, "num_attention_heads": 6, "vocab_size": 10, "rope_theta": 5.0,
        "eos_token_id": [2, 3]}}"#;

    #[test]
    fn defaults_are_the_references() {
        let config = Config::parse(SMALL).unwrap();
        assert_eq!((config.text.head_dim, config.text.kv_heads, config.text.rope_theta), (8, 6, 5.0));
        let tower = &config.sight.as_ref().unwrap().tower;
        assert_eq!((tower.intermediate, tower.patches(), config.tokens_per_tile()), (3072, 64, 4));
        assert!(!config.tied && config.eos.is_empty());
        assert_eq!(config.text.eos, [2, 3]);
    }

    #[test]
    fn linear_scaling_is_read_from_every_layout() {
        for (rope, want) in [
            (r#""rope_theta": 5.0, "rope_scaling": null"#, (5.0, RopeScaling::None)),
            (r#""rope_theta": 5.0, "rope_scaling": {"type": "linear", "factor": 4}"#, (5.0, RopeScaling::Linear(4.0))),
            (
                r#""rope_scaling": {"type": "linear", "rope_type": "linear", "factor": 1.5}"#,
                (10_000.0, RopeScaling::Linear(1.5)),
            ),
            (
                r#""rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 7.0}"#,
                (7.0, RopeScaling::Linear(2.0)),
            ),
            (
                r#""rope_parameters": {"rope_type": "default", "factor": 2.0, "rope_theta": 7.0}"#,
                (7.0, RopeScaling::None),
            ),
        ] {
            let text = Config::parse(&SMALL.replace(r#""rope_theta": 5.0"#, rope)).unwrap().text;
            assert_eq!((text.rope_theta, text.rope), want, "{rope}");
        }
    }

    #[test]
    fn a_network_that_cannot_be_is_refused_by_name() {
        for (from, to, want) in [
            ("\"idefics3\"", "\"llava\"", "model_type is 'llava'"),
            ("\"scale_factor\": 4", "\"scale_factor\": 3", "scale_factor 3 must divide"),
            ("\"scale_factor\": 4", "\"scale_factor\": 0", "scale_factor 0 must divide"),
            ("\"image_token_id\": 9", "\"image_token_id\": 10", "outside the vocabulary"),
            ("\"patch_size\": 8", "\"patch_size\": 0", "patch_size"),
            ("\"patch_size\": 8", "\"patch_size\": 65", "patch_size is 65"),
            ("\"image_size\": 64", "\"image_size\": 99999", "image_size is 99999"),
            ("\"num_attention_heads\": 4", "\"num_attention_heads\": 5", "5 does not divide 32"),
            ("\"num_attention_heads\": 6", "\"num_attention_heads\": 5", "5 does not divide 48"),
            ("\"num_attention_heads\": 6", "\"num_attention_heads\": 0", "num_attention_heads is 0"),
            ("\"rope_theta\": 5.0", "\"num_hidden_layers\": 1000000000", "num_hidden_layers is 1000000000"),
            ("\"rope_theta\": 5.0", "\"rope_theta\": -1", "rope_theta is -1"),
            ("\"rope_theta\": 5.0", "\"rope_scaling\": {\"type\": \"yarn\"}", "'yarn'"),
            (
                "\"rope_theta\": 5.0",
                "\"rope_parameters\": {\"rope_type\": \"llama3\", \"factor\": 2}",
                "'llama3' needs a low_freq_factor",
            ),
            ("\"rope_theta\": 5.0", "\"rope_scaling\": {\"rope_type\": \"linear\"}", "needs a factor"),
            ("\"rope_theta\": 5.0", "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 0}", "rope factor is 0"),
            ("\"rope_theta\": 5.0", "\"mlp_bias\": true", "biases"),
            ("\"vocab_size\": 10", "\"vocab_size\": -1", "invalid value"),
            ("\"vision_config\"", "\"vision\"", "missing field `vision_config`"),
        ] {
            let text = SMALL.replace(from, to);
            assert_ne!(text, SMALL);
            let error = Config::parse(&text).unwrap_err();
            assert!(error.contains(want), "{error} should say {want}");
        }
    }
}
