//! How much memory a network of some sizes takes: known before anything of it is made.
//!
//! Sizes stay within [`u64`] by saturating: a config may ask for more than any machine has.

use crate::Config;
use crate::Quants;
use crate::config::{SightConfig, TextConfig, VisionConfig};
use smolvlm_backend::{Quant, Stored};

/// Matrices of one shape.
struct Matrices {
    count: usize,
    outputs: usize,
    inputs: usize,
    /// What they are kept in.
    quant: Quant,
    /// Whether they are looked up alone.
    table: bool,
}

impl Matrices {
    fn numbers(&self) -> u64 {
        product(&[self.outputs, self.inputs])
    }
}

fn product(sides: &[usize]) -> u64 {
    sides.iter().fold(1, |product, side| product.saturating_mul(*side as u64))
}

fn sum(parts: impl IntoIterator<Item = u64>) -> u64 {
    parts.into_iter().fold(0, u64::saturating_add)
}

/// Bytes of an f32.
const F32: usize = 4;

impl Config {
    /// Bytes of the weights as they are packed, from a checkpoint that stores numbers so.
    pub fn weight_bytes(&self, quant: Quants, stored: Stored) -> u64 {
        sum(self.matrices(quant).iter().map(|matrix| {
            let one = match matrix.table {
                true => (matrix.outputs as u64).saturating_mul(stored.row(matrix.inputs) as u64),
                false => matrix.quant.bytes(matrix.outputs, matrix.inputs),
            };
            one.saturating_mul(matrix.count as u64)
        }))
    }

    /// Numbers of its largest tensor: what is read of a checkpoint at once.
    pub fn largest_tensor(&self) -> u64 {
        self.matrices(Quant::F32.into()).iter().map(Matrices::numbers).max().unwrap_or(0)
    }

    /// Bytes of the keys and values of so many positions.
    pub fn cache_bytes(&self, positions: usize, quant: Quants) -> u64 {
        let TextConfig { layers, kv_heads, head_dim, .. } = self.text;
        product(&[layers, quant.kv().position_bytes(kv_heads, head_dim), positions.next_multiple_of(64)])
    }

    /// Bytes of what a tile becomes on its way through the tower and the connector.
    pub fn tile_bytes(&self) -> u64 {
        let Some(SightConfig { tower, .. }) = &self.sight else { return 0 };
        let VisionConfig { hidden, intermediate, patch_size, .. } = *tower;
        // Its patches; the rows that go in and come out; queries, keys, values and their mixture beside them, or the MLP's.
        let widths = [3 * patch_size * patch_size, 2 * hidden, 4 * hidden, intermediate];
        sum(widths.map(|width| product(&[F32, tower.patches(), width])))
    }

    /// Bytes of what so many rows of a prompt become on their way through the decoder.
    pub fn rows_bytes(&self, rows: usize) -> u64 {
        let TextConfig { hidden, intermediate, heads, kv_heads, head_dim, vocab, .. } = self.text;
        let widths = [3 * hidden, (2 * heads + 2 * kv_heads) * head_dim, intermediate];
        sum(widths.map(|width| product(&[F32, rows, width]))).saturating_add(product(&[F32, vocab]))
    }

    /// All matrices; vectors are too short to count.
    fn matrices(&self, quant: Quants) -> Vec<Matrices> {
        let TextConfig { hidden, intermediate, layers, heads, kv_heads, head_dim, vocab, .. } = self.text;
        let of = |quant| move |count, outputs, inputs| Matrices { count, outputs, inputs, quant, table: false };
        let (head, matrix) = (of(quant.head), of(quant.text));
        let text = |part: &str| of(quant.of(&format!("model.text_model.layers.0.{part}.weight")));
        let (value, down) = (text("self_attn.v_proj"), text("mlp.down_proj"));
        let mut all = vec![
            Matrices { table: !self.tied, ..head(1, vocab, hidden) },
            head(usize::from(!self.tied), vocab, hidden),
            matrix(layers, heads * head_dim, hidden),
            matrix(layers, kv_heads * head_dim, hidden),
            value(layers, kv_heads * head_dim, hidden),
            matrix(layers, hidden, heads * head_dim),
            matrix(2 * layers, intermediate, hidden),
            down(layers, hidden, intermediate),
        ];
        if let Some(SightConfig { tower, scale_factor, .. }) = &self.sight {
            let matrix = of(quant.vision);
            let vision = |part: &str| of(quant.of(&format!("model.vision_model.{part}.weight")));
            let (patches, value) = (vision("embeddings.patch_embedding"), vision("encoder.layers.0.self_attn.v_proj"));
            let second = vision("encoder.layers.0.mlp.fc2");
            all.extend([
                patches(1, tower.hidden, 3 * tower.patch_size * tower.patch_size),
                Matrices { table: true, ..matrix(1, tower.patches(), tower.hidden) },
                matrix(3 * tower.layers, tower.hidden, tower.hidden),
                value(tower.layers, tower.hidden, tower.hidden),
                matrix(tower.layers, tower.intermediate, tower.hidden),
                second(tower.layers, tower.hidden, tower.intermediate),
                matrix(1, hidden, tower.hidden * scale_factor * scale_factor),
            ]);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::random_weights;
    use crate::{Load, Role, Vlm};
    use smolvlm_backend::Cpu;

    #[test]
    fn the_decoders_part_is_what_its_weights_take() {
        let mut config = Config::published("smolvlm-256m").unwrap();
        (config.text.layers, config.text.vocab, config.sight) = (2, 1000, None);
        for quant in [Quant::F32, Quant::Bf16, Quant::Q8, Quant::Q4] {
            let mut load = Load {
                backend: &Cpu::new(1),
                source: &mut random_weights(),
                quant: quant.into(),
                level: false,
                role: &|_| Role::Forward,
                rounding: None,
                masters: None,
                progress: &mut |_| {},
            };
            let network = Vlm::load(config.clone(), &mut load).unwrap();
            // What a token reads is all but the table.
            let table = 2 * 1000 * 576;
            assert_eq!(config.weight_bytes(quant.into(), Stored::Bf16), network.text.step_bytes() as u64 + table);
        }
    }

    #[test]
    fn the_published_sizes() {
        let config = Config::published("smolvlm-256m").unwrap();
        // Without a tied head it has 28 million parameters more than its name says.
        let weights = config.weight_bytes(Quant::Bf16.into(), Stored::Bf16);
        assert!((2 * 256_000_000..2 * 290_000_000).contains(&weights), "{weights}");
        assert_eq!(config.largest_tensor(), 49_280 * 576);
        assert_eq!(config.cache_bytes(8192, Quant::Bf16.into()), 30 * 2 * 3 * 64 * 8192 * 2);
        assert_eq!(config.cache_bytes(1, Quant::F32.into()), 30 * 2 * 3 * 64 * 64 * 4);
        let narrow = Quants { narrow_kv: true, ..Quant::Bf16.into() };
        assert_eq!(config.cache_bytes(8192, narrow), 30 * 2 * 3 * (64 + 4) * 8192);
    }

    #[test]
    fn absurd_sizes_do_not_overflow() {
        let mut config = Config::published("smolvlm-2b").unwrap();
        let text = &mut config.text;
        (text.hidden, text.intermediate, text.vocab, text.layers) = (1 << 16, 1 << 16, 1 << 22, 1 << 10);
        (text.heads, text.kv_heads, text.head_dim, text.context) = (1 << 16, 1 << 16, 256, 1 << 22);
        config.sight.iter_mut().for_each(|sight| {
            (sight.tower.hidden, sight.tower.intermediate, sight.tower.layers) = (1 << 16, 1 << 16, 1 << 10);
            (sight.tower.image_size, sight.tower.patch_size, sight.scale_factor) = (4096, 1, 4096);
        });
        let petabytes = 1 << 50;
        assert!(config.weight_bytes(Quant::F32.into(), Stored::F32) > petabytes);
        assert!(config.cache_bytes(1 << 22, Quant::F32.into()) > petabytes);
        assert!(config.tile_bytes() > 1 << 40 && config.rows_bytes(512) > 1 << 34);
    }
}
