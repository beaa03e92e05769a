//! The published shapes, for measuring speed without a download.

use crate::Config;
use crate::config::{SightConfig, TextConfig, VisionConfig};
use crate::load::{Generated, RawTensor};
use crate::rope::RopeScaling;
use smolvlm_backend::Stored;
use std::borrow::Cow;

/// The names that [`Config::published`] knows.
pub const PUBLISHED: [&str; 3] = ["smolvlm-256m", "smolvlm-500m", "smolvlm-2b"];

impl Config {
    /// The config of a published model, by one of the names in [`PUBLISHED`], with or without `smolvlm-`.
    pub fn published(name: &str) -> Option<Config> {
        let base = VisionConfig {
            hidden: 768,
            intermediate: 3072,
            layers: 12,
            heads: 12,
            image_size: 512,
            patch_size: 16,
            eps: 1e-6,
        };
        let so400m = VisionConfig {
            hidden: 1152,
            intermediate: 4304,
            layers: 27,
            heads: 16,
            image_size: 384,
            patch_size: 14,
            eps: 1e-6,
        };
        let text = |hidden, intermediate, layers, heads, kv_heads| TextConfig {
            hidden,
            intermediate,
            layers,
            heads,
            kv_heads,
            head_dim: 64,
            vocab: 49_280,
            context: 8192,
            rope_theta: 100_000.0,
            rope: RopeScaling::None,
            eps: 1e-5,
            eos: Vec::new(),
        };
        let (tower, text, scale_factor, image_token_id) = match name.strip_prefix("smolvlm-").unwrap_or(name) {
            "256m" => (base, text(576, 1536, 30, 9, 3), 4, 49_190),
            "500m" => (base, text(960, 2560, 32, 15, 5), 4, 49_190),
            "2b" => {
                let text = text(2048, 8192, 24, 32, 32);
                (so400m, TextConfig { vocab: 49_155, context: 16_384, rope_theta: 273_768.0, ..text }, 3, 49_153)
            }
            _ => return None,
        };
        let sight = Some(SightConfig { tower, scale_factor, image_token_id });
        Some(Config { sight, text, tied: false, vectors: None, eos: Vec::new() })
    }
}

/// Random bfloat16 weights of a size that keeps activations in range; the same for the same names.
pub fn random_weights() -> Generated<impl FnMut(&str, &[usize]) -> RawTensor<'static>> {
    Generated(|name: &str, shape: &[usize]| {
        let count: usize = shape.iter().product();
        let fan_in: usize = shape.iter().skip(1).product();
        // Norm weights lie around 1, all else around 0 with the variance of one over the inputs.
        let (centre, spread) = if shape.len() > 1 { (0.0, (3.0 / fan_in as f32).sqrt()) } else { (1.0, 0.1) };
        let centre = if name.ends_with("bias") { 0.0 } else { centre };
        let mut state =
            name.bytes().fold(0x9E37_79B9_7F4A_7C15u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3));
        let mut bytes = Vec::with_capacity(2 * count);
        for _ in 0..count {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let uniform = (state >> 40) as f32 * 2f32.powi(-23) - 1.0;
            bytes.extend_from_slice(&half::bf16::from_f32(centre + spread * uniform).to_le_bytes());
        }
        RawTensor { bytes: Cow::Owned(bytes), stored: Stored::Bf16 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_shapes_are_coherent() {
        for (name, tokens, patches) in [("smolvlm-256m", 64, 1024), ("500m", 64, 1024), ("smolvlm-2b", 81, 729)] {
            let config = Config::published(name).unwrap();
            let tower = &config.sight.as_ref().unwrap().tower;
            assert_eq!((config.tokens_per_tile(), tower.patches()), (tokens, patches), "{name}");
            assert!(config.text.hidden == config.text.heads * config.text.head_dim);
        }
        assert!(PUBLISHED.iter().all(|name| Config::published(name).is_some()) && Config::published("7b").is_none());
    }
}
