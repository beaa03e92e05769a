//! What GGUF files say of a model beside its weights, as llama.cpp's converter says it (`convert_hf_to_gguf.py`).

use crate::{Error, vocabulary};
use serde_json::Value;
use smolvlm_gguf::{Field, Kind};
use smolvlm_model::config::{SightConfig, TextConfig};
use smolvlm_model::rope::RopeScaling;
use smolvlm_model::{Config, GenerationConfig};
use smolvlm_processor::{Processor, SightSettings};

/// The version of how weights are packed.
const PACKING: u32 = 2;

/// Keys with what they say.
pub(crate) type Metadata = Vec<(&'static str, Field)>;

/// Of the decoder's file.
pub(crate) fn of_text(
    config: &Config,
    processor: &Processor,
    generation: Option<&GenerationConfig>,
    tokenizer: &Value,
    (name, kind): (&str, Kind),
) -> Result<Metadata, Error> {
    let TextConfig { head_dim, .. } = config.text;
    let mut metadata = general("llama", "model", name, kind);
    metadata.extend([
        ("llama.block_count", count(config.text.layers)),
        ("llama.context_length", count(config.text.context)),
        ("llama.embedding_length", count(config.text.hidden)),
        ("llama.feed_forward_length", count(config.text.intermediate)),
        ("llama.attention.head_count", count(config.text.heads)),
        ("llama.attention.head_count_kv", count(config.text.kv_heads)),
        ("llama.attention.key_length", count(head_dim)),
        ("llama.attention.value_length", count(head_dim)),
        ("llama.attention.layer_norm_rms_epsilon", Field::F32(config.text.eps)),
        ("llama.rope.dimension_count", count(head_dim)),
        ("llama.rope.freq_base", Field::F32(config.text.rope_theta as f32)),
        ("llama.vocab_size", count(config.text.vocab)),
    ]);
    if let RopeScaling::Linear(factor) = config.text.rope {
        metadata.push(("llama.rope.scaling.type", Field::Text("linear".into())));
        metadata.push(("llama.rope.scaling.factor", Field::F32(factor as f32)));
    }
    metadata.extend(vocabulary::fields(tokenizer, config.text.vocab)?);
    metadata.extend(special_tokens(config, processor, generation));
    metadata.push(("tokenizer.chat_template", Field::Text(processor.template().source().to_owned())));
    Ok(metadata)
}

/// The ids of tokens with a meaning. Files know two ends, that of a text and that of a turn.
fn special_tokens(config: &Config, processor: &Processor, generation: Option<&GenerationConfig>) -> Metadata {
    let names = &processor.settings().special;
    let id = |name: &Option<String>| name.as_deref().and_then(|name| processor.tokenizer().token_to_id(name));
    let eos = id(&names.eos);
    let ends = generation.iter().flat_map(|generation| &generation.eos).chain(&config.eos).copied();
    let turn = ends.chain(processor.turn_end()).find(|end| Some(*end) != eos);
    let ids = [
        ("tokenizer.ggml.bos_token_id", id(&names.bos)),
        ("tokenizer.ggml.eos_token_id", eos.or(turn)),
        ("tokenizer.ggml.eot_token_id", eos.and(turn)),
        ("tokenizer.ggml.unknown_token_id", id(&names.unk)),
        ("tokenizer.ggml.padding_token_id", id(&names.pad)),
    ];
    ids.into_iter().filter_map(|(key, id)| Some((key, Field::U32(id?)))).collect()
}

/// Of the file of tower and connector.
pub(crate) fn of_tower(sight: &SightConfig, settings: &SightSettings, width: usize, of: (&str, Kind)) -> Metadata {
    let SightConfig { tower, scale_factor, .. } = sight;
    let mut metadata = general("clip", "mmproj", of.0, of.1);
    metadata.extend([
        ("clip.has_vision_encoder", Field::Bool(true)),
        ("clip.projector_type", Field::Text("idefics3".into())),
        ("clip.use_gelu", Field::Bool(true)),
        ("clip.vision.projection_dim", count(width)),
        ("clip.vision.projector.scale_factor", count(*scale_factor)),
        ("clip.vision.image_size", count(tower.image_size)),
        ("clip.vision.patch_size", count(tower.patch_size)),
        ("clip.vision.embedding_length", count(tower.hidden)),
        ("clip.vision.feed_forward_length", count(tower.intermediate)),
        ("clip.vision.block_count", count(tower.layers)),
        ("clip.vision.attention.head_count", count(tower.heads)),
        ("clip.vision.attention.layer_norm_epsilon", Field::F32(tower.eps)),
        ("clip.vision.image_mean", Field::F32s(settings.mean.to_vec())),
        ("clip.vision.image_std", Field::F32s(settings.std.to_vec())),
        ("clip.vision.preproc_image_size", Field::U32(settings.pictures.longest_edge)),
    ]);
    metadata
}

fn general(architecture: &str, role: &str, name: &str, kind: Kind) -> Metadata {
    vec![
        ("general.architecture", Field::Text(architecture.into())),
        ("general.type", Field::Text(role.into())),
        ("general.name", Field::Text(name.into())),
        ("general.file_type", Field::U32(kind.file_type())),
        ("general.quantization_version", Field::U32(PACKING)),
    ]
}

/// Sizes are far below 2^32: the config's reader has seen to it.
fn count(count: usize) -> Field {
    Field::U32(u32::try_from(count).unwrap_or(u32::MAX))
}
