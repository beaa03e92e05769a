//! Which tensor of a pair of files each of the network's is.

use crate::{Error, Gguf, Kind, MMPROJ, TEXT};
use std::collections::BTreeMap;

/// Where one of the network's tensors lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// [`TEXT`] or [`MMPROJ`].
    pub file: &'static str,
    /// How its weights are kept.
    pub kind: Kind,
    /// Its sides, the slowest first.
    pub shape: Vec<usize>,
    /// Its bytes in the file.
    pub bytes: std::ops::Range<usize>,
    /// Heads whose rows llama.cpp's converter has interleaved for its rotation: of each head row `2 i` is the network's row
    /// `i`, row `2 i + 1` its row `i + half`. 0: none are.
    pub heads: usize,
}

/// Parts of the decoder's layers.
const OF_TEXT: &[(&str, &str)] = &[
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
];

/// Parts of the tower's layers.
const OF_VISION: &[(&str, &str)] = &[
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_out", "self_attn.out_proj"),
    ("ln1", "layer_norm1"),
    ("ln2", "layer_norm2"),
    ("ffn_up", "mlp.fc1"),
    ("ffn_down", "mlp.fc2"),
];

/// What lies outside the layers.
const WHOLE: &[(&str, &str)] = &[
    ("token_embd.weight", "model.text_model.embed_tokens.weight"),
    ("output_norm.weight", "model.text_model.norm.weight"),
    ("output.weight", "lm_head.weight"),
    ("v.patch_embd.weight", "model.vision_model.embeddings.patch_embedding.weight"),
    ("v.patch_embd.bias", "model.vision_model.embeddings.patch_embedding.bias"),
    ("v.position_embd.weight", "model.vision_model.embeddings.position_embedding.weight"),
    ("v.post_ln.weight", "model.vision_model.post_layernorm.weight"),
    ("v.post_ln.bias", "model.vision_model.post_layernorm.bias"),
    ("mm.model.fc.weight", "model.connector.modality_projection.proj.weight"),
];

/// What each rotary frequency of the decoder is divided by, where that is not the same for all: settings, and no weights.
pub const ROPE_FREQS: &str = "rope_freqs.weight";

/// The network's tensors by their names, out of a file of the decoder and one of tower and connector, if there is one.
///
/// # Errors
/// A tensor that is no part of this network, or does not fit its heads.
pub fn places(text: &Gguf<'_>, mmproj: Option<&Gguf<'_>>) -> Result<BTreeMap<String, Place>, Error> {
    let [heads, kv_heads] = ["llama.attention.head_count", "llama.attention.head_count_kv"].map(|key| text.count(key));
    let heads = heads?;
    let kv_heads = kv_heads.unwrap_or(heads);
    let swapped = mmproj.is_some_and(is_swapped);
    let mut places = BTreeMap::new();
    for (file, gguf) in [(TEXT, Some(text)), (MMPROJ, mmproj)] {
        for (name, tensor) in gguf.iter().flat_map(|gguf| gguf.tensors()).filter(|(name, _)| *name != ROPE_FREQS) {
            let theirs = network_name(name, swapped);
            let theirs = theirs
                .ok_or_else(|| Error::Wrong { what: format!("tensor '{name}' is no part of SmolVLM's network") })?;
            let heads = match name.split('.').nth(2) {
                Some("attn_q") if file == TEXT => heads,
                Some("attn_k") if file == TEXT => kv_heads,
                _ => 0,
            };
            let rows = tensor.shape.first().copied().unwrap_or(1);
            if heads > 0 && rows % heads != 0 {
                let what = format!("tensor '{name}' has {rows} rows, which are no whole number of {heads} heads");
                return Err(Error::Wrong { what });
            }
            let bytes = tensor.start..tensor.start + tensor.bytes.len();
            places.insert(theirs, Place { file, kind: tensor.kind, shape: tensor.shape.clone(), bytes, heads });
        }
    }
    Ok(places)
}

/// Which file has a tensor of the network, and what it is called there.
pub fn file_names(name: &str) -> Option<(&'static str, String)> {
    let file = |theirs: &str| if theirs.starts_with("v.") || theirs.starts_with("mm.") { MMPROJ } else { TEXT };
    if let Some((theirs, _)) = WHOLE.iter().find(|(_, ours)| *ours == name) {
        return Some((file(theirs), (*theirs).to_owned()));
    }
    let (prefix, parts, rest) = match name.strip_prefix("model.vision_model.encoder.layers.") {
        Some(rest) => ("v.blk", OF_VISION, rest),
        None => ("blk", OF_TEXT, name.strip_prefix("model.text_model.layers.")?),
    };
    let (layer, rest) = rest.split_once('.')?;
    let (part, what) = rest.rsplit_once('.')?;
    let (theirs, _) = parts.iter().find(|(_, ours)| *ours == part)?;
    let theirs = format!("{prefix}.{layer}.{theirs}.{what}");
    let sound = layer.parse::<u16>().is_ok() && matches!(what, "weight" | "bias");
    sound.then(|| (file(&theirs), theirs))
}

/// What the network calls a file's tensor.
fn network_name(name: &str, swapped: bool) -> Option<String> {
    if let Some((_, whole)) = WHOLE.iter().find(|(theirs, _)| *theirs == name) {
        return Some((*whole).to_owned());
    }
    let (prefix, parts, rest) = match name.strip_prefix("v.blk.") {
        Some(rest) => ("model.vision_model.encoder.layers", OF_VISION, rest),
        None => ("model.text_model.layers", OF_TEXT, name.strip_prefix("blk.")?),
    };
    let mut rest = rest.split('.');
    let (layer, part, what) = (rest.next()?, rest.next()?, rest.next()?);
    let part = match part {
        "ffn_up" if swapped && parts == OF_VISION => "ffn_down",
        "ffn_down" if swapped && parts == OF_VISION => "ffn_up",
        part => part,
    };
    let (_, part) = parts.iter().find(|(theirs, _)| *theirs == part)?;
    let sound = layer.parse::<u16>().is_ok() && matches!(what, "weight" | "bias") && rest.next().is_none();
    sound.then(|| format!("{prefix}.{layer}.{part}.{what}"))
}

/// Whether what is called the way up in the tower's layers is the way down: early converters named them so.
fn is_swapped(mmproj: &Gguf<'_>) -> bool {
    let up = mmproj.tensor("v.blk.0.ffn_up.weight");
    let width = mmproj.count("clip.vision.embedding_length").ok();
    up.is_some_and(|up| up.shape.last().copied() != width && up.shape.first().copied() == width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_have_the_networks_names() {
        let name = |name: &str| network_name(name, false);
        assert_eq!(name("blk.12.attn_q.weight").unwrap(), "model.text_model.layers.12.self_attn.q_proj.weight");
        assert_eq!(name("v.blk.0.ffn_up.bias").unwrap(), "model.vision_model.encoder.layers.0.mlp.fc1.bias");
        assert_eq!(network_name("v.blk.0.ffn_up.bias", true), name("v.blk.0.ffn_down.bias"));
        assert_eq!(network_name("blk.0.ffn_up.weight", true), name("blk.0.ffn_up.weight"));
        assert_eq!(name("output.weight").unwrap(), "lm_head.weight");
        for wrong in
            ["blk.x.attn_q.weight", "blk.0.attn_q", "blk.0.attn_q.weight.x", "v.class_embd", "blk.0.moe.weight"]
        {
            assert_eq!(name(wrong), None, "{wrong}");
        }
        for theirs in
            ["blk.12.attn_q.weight", "v.blk.0.ffn_up.bias", "output.weight", "v.post_ln.bias", "mm.model.fc.weight"]
        {
            let file = if theirs.contains("v.") || theirs.contains("mm") { MMPROJ } else { TEXT };
            assert_eq!(file_names(&name(theirs).unwrap()), Some((file, theirs.to_owned())));
        }
        assert_eq!(file_names("model.text_model.layers.x.mlp.up_proj.weight"), None);
        assert_eq!(file_names("model.text_model.rotary_emb.inv_freq"), None);
    }
}
