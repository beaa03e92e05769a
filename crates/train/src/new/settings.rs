//! The settings files of a new checkpoint, with the names and values of SmolVLM2's.

use super::tokens::Tokens;
use crate::Error;
use crate::files;
use serde_json::{Value, json};
use smolvlm_backend::Stored;
use smolvlm_model::Config;
use smolvlm_model::checkpoint::dtype_name;
use smolvlm_model::config::{TextConfig, VisionConfig};
use std::path::Path;

/// SmolVLM's chat form.
const CHAT_TEMPLATE: &str = "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}\
    {% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}\
    {% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}\
    {% elif line['type'] == 'image' %}{{ '<image>' }}{% elif line['type'] == 'video' %}{{ '<video>' }}{% endif %}{% endfor %}\
    <end_of_utterance>\n\
    {% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";

/// Tiles along a resized picture's longer side.
const TILES: usize = 4;

/// Tokens with a meaning.
pub(super) struct Names<'a> {
    /// The decoder's own end tokens.
    pub(super) eos: Vec<u32>,
    pub(super) tokens: &'a Tokens,
}

/// `config.json`
pub(super) fn config(
    vision: &VisionConfig,
    text: &TextConfig,
    scale_factor: usize,
    tied: bool,
    dtype: Stored,
    names: &Names<'_>,
) -> Value {
    let Tokens { image, start, turn_end, .. } = *names.tokens;
    let dtype = dtype_name(dtype);
    let text_config = json!({
        "model_type": "llama",
        "hidden_size": text.hidden,
        "intermediate_size": text.intermediate,
        "num_hidden_layers": text.layers,
        "num_attention_heads": text.heads,
        "num_key_value_heads": text.kv_heads,
        "head_dim": text.head_dim,
        "hidden_act": "silu",
        "attention_bias": false,
        "mlp_bias": false,
        "rms_norm_eps": shortest(text.eps),
        "rope_theta": text.rope_theta,
        "rope_scaling": text.rope.settings(),
        "max_position_embeddings": text.context,
        "vocab_size": text.vocab,
        "tie_word_embeddings": tied,
        "bos_token_id": start,
        "eos_token_id": one_or_many(&names.eos),
        "pad_token_id": turn_end,
        "torch_dtype": dtype,
    });
    json!({
        "model_type": "smolvlm",
        "architectures": ["SmolVLMForConditionalGeneration"],
        "image_token_id": image,
        "pad_token_id": turn_end,
        "scale_factor": scale_factor,
        "tie_word_embeddings": tied,
        "torch_dtype": dtype,
        "text_config": text_config,
        "vision_config": {
            "model_type": "smolvlm_vision",
            "hidden_size": vision.hidden,
            "intermediate_size": vision.intermediate,
            "num_hidden_layers": vision.layers,
            "num_attention_heads": vision.heads,
            "num_channels": 3,
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "hidden_act": "gelu_pytorch_tanh",
            "layer_norm_eps": shortest(vision.eps),
        },
    })
}

/// The number with the fewest digits that is read as this one.
fn shortest(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}

fn one_or_many(ids: &[u32]) -> Value {
    match ids {
        [id] => (*id).into(),
        ids => ids.into(),
    }
}

/// A file's text.
pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Writes `generation_config.json`, `processor_config.json`, `preprocessor_config.json` and `chat_template.json`.
pub(super) fn write(
    folder: &Path,
    config: &Config,
    longest_edge: Option<usize>,
    names: &Names<'_>,
) -> Result<(), Error> {
    let side = config.sight.as_ref().map_or(0, |sight| sight.tower.image_size);
    // Both the decoder's own end and SmolVLM's, which it has yet to learn.
    let mut ends = names.eos.clone();
    if !ends.contains(&names.tokens.end) {
        ends.push(names.tokens.end);
    }
    let files = [
        (
            "generation_config.json",
            json!({
                "bos_token_id": names.tokens.start, "eos_token_id": ends, "pad_token_id": names.tokens.turn_end,
            }),
        ),
        (
            "processor_config.json",
            json!({
                "image_seq_len": config.tokens_per_tile(),
                "processor_class": "SmolVLMProcessor",
                "video_processor": {
                    "video_processor_type": "SmolVLMVideoProcessor",
                    "do_convert_rgb": true,
                    "do_resize": true,
                    "size": {"longest_edge": side},
                    "resample": 1,
                    "max_image_size": {"longest_edge": side},
                    "do_rescale": true,
                    "rescale_factor": 1.0 / 255.0,
                    "do_normalize": true,
                    "image_mean": [0.5, 0.5, 0.5],
                    "image_std": [0.5, 0.5, 0.5],
                    "do_pad": true,
                    "video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": side}},
                },
            }),
        ),
        (
            "preprocessor_config.json",
            json!({
                "image_processor_type": "SmolVLMImageProcessor",
                "do_convert_rgb": true,
                "do_resize": true,
                "size": {"longest_edge": longest_edge.unwrap_or(TILES * side)},
                "resample": 1,
                "do_image_splitting": true,
                "max_image_size": {"longest_edge": side},
                "do_rescale": true,
                "rescale_factor": 1.0 / 255.0,
                "do_normalize": true,
                "image_mean": [0.5, 0.5, 0.5],
                "image_std": [0.5, 0.5, 0.5],
                "do_pad": true,
                "processor_class": "SmolVLMProcessor",
            }),
        ),
        ("chat_template.json", json!({"chat_template": CHAT_TEMPLATE})),
    ];
    files.iter().try_for_each(|(name, value)| files::write(&folder.join(name), pretty(value).as_bytes()))
}
