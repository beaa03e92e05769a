//! What the matrices of a network's parts are kept in.

use smolvlm_backend::{DType, KvKind, Quant};

/// What the matrices of each part are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quants {
    /// Of the tower and the connector.
    pub vision: Quant,
    /// Of the decoder's layers.
    pub text: Quant,
    /// Of the head, and of the table of tokens where it is the head.
    pub head: Quant,
    /// Whether keys and values are kept in 8 bits, where they would be in more.
    pub narrow_kv: bool,
    /// Whether the second matrices of MLPs are in 4 bits where others are: they lose the most, unless samples make up for it.
    pub lean: bool,
    /// Whether what a checkpoint holds in more bits stays in bfloat16 beside what it holds in few.
    pub as_stored: bool,
}

impl From<Quant> for Quants {
    fn from(all: Quant) -> Quants {
        Quants::by_part(all, all, all)
    }
}

impl Quants {
    /// Of parts that are kept so, all else as usual.
    pub fn by_part(vision: Quant, text: Quant, head: Quant) -> Quants {
        Quants { vision, text, head, narrow_kv: false, lean: false, as_stored: false }
    }

    /// Of the matrix, or of what stands before it, of this name in a checkpoint.
    pub fn of(self, name: &str) -> Quant {
        const HEADS: [&str; 2] = [".embed_tokens.weight", "lm_head.weight"];
        const SECOND: [&str; 2] = [".down_proj.weight", ".fc2.weight"];
        let is_sensitive =
            || name.ends_with(".v_proj.weight") || (!self.lean && SECOND.iter().any(|part| name.ends_with(part)));
        let quant = match name {
            _ if HEADS.iter().any(|head| name.ends_with(head)) || name == "linear.weight" => self.head,
            _ if name.contains(".vision_model.") || name.contains(".connector.") => self.vision,
            _ => self.text,
        };
        match quant {
            // As bitsandbytes has it, tables, the head and the patch embedding, a convolution there, are not in 4 bits.
            Quant::Nf4 if HEADS.iter().any(|head| name.ends_with(head)) || is_patches(name) => Quant::Bf16,
            // Pixels and a hundredth of the tower's work: nothing is gained by fewer bits.
            Quant::Q8 | Quant::Q4 if is_patches(name) => Quant::Bf16,
            // What 4 bits lose is lost here above all: there are few values to many queries, and the inputs of an MLP's second
            // matrix are of all sizes.
            Quant::Q4 if is_sensitive() => Quant::Q8,
            quant => quant,
        }
    }

    /// What products of the decoder's activations are made in.
    pub fn dtype(self) -> DType {
        self.text.dtype()
    }

    /// What keys and values are kept in.
    pub fn kv(self) -> KvKind {
        match self.dtype() {
            _ if self.narrow_kv => KvKind::Q8,
            DType::F32 => KvKind::F32,
            DType::Bf16 => KvKind::Bf16,
        }
    }
}

fn is_patches(name: &str) -> bool {
    name.ends_with(".patch_embedding.weight")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_matrix_is_of_a_part() {
        let quants = Quants::by_part(Quant::Q8, Quant::Q4, Quant::F32);
        for (name, quant) in [
            ("model.vision_model.encoder.layers.0.mlp.fc1.weight", Quant::Q8),
            ("model.connector.modality_projection.proj.weight", Quant::Q8),
            ("model.vision_model.embeddings.patch_embedding.weight", Quant::Bf16),
            ("model.text_model.layers.0.mlp.up_proj.weight", Quant::Q4),
            ("model.text_model.layers.0.mlp.down_proj.weight", Quant::Q8),
            ("model.text_model.layers.0.self_attn.v_proj.weight", Quant::Q8),
            ("model.text_model.embed_tokens.weight", Quant::F32),
            ("lm_head.weight", Quant::F32),
            ("linear.weight", Quant::F32),
        ] {
            assert_eq!(quants.of(name), quant, "{name}");
        }
        let lean = Quants { lean: true, ..quants };
        assert_eq!(lean.of("model.text_model.layers.0.mlp.down_proj.weight"), Quant::Q4);
        assert_eq!(lean.of("model.text_model.layers.0.self_attn.v_proj.weight"), Quant::Q8);
        let frozen = Quants::from(Quant::Nf4);
        assert_eq!(frozen.of("lm_head.weight"), Quant::Bf16);
        assert_eq!(frozen.of("linear.weight"), Quant::Nf4);
    }
}
