//! What the matrices of a network's parts are kept in.

use smolvlm_backend::{DType, Quant};

/// What the matrices of each part are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quants {
    /// Of the tower and the connector.
    pub vision: Quant,
    /// Of the decoder's layers.
    pub text: Quant,
    /// Of the head, and of the table of tokens where it is the head.
    pub head: Quant,
}

impl From<Quant> for Quants {
    fn from(all: Quant) -> Quants {
        Quants { vision: all, text: all, head: all }
    }
}

impl Quants {
    /// Of the matrix, or of what stands before it, of this name in a checkpoint.
    pub fn of(self, name: &str) -> Quant {
        const HEADS: [&str; 2] = [".embed_tokens.weight", "lm_head.weight"];
        const SENSITIVE: [&str; 3] = [".v_proj.weight", ".down_proj.weight", ".fc2.weight"];
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
            Quant::Q4 if SENSITIVE.iter().any(|part| name.ends_with(part)) => Quant::Q8,
            quant => quant,
        }
    }

    /// What keys and values are kept in, and products of the decoder's activations are made in.
    pub fn dtype(self) -> DType {
        self.text.dtype()
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
        let quants = Quants { vision: Quant::Q8, text: Quant::Q4, head: Quant::F32 };
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
        let frozen = Quants::from(Quant::Nf4);
        assert_eq!(frozen.of("lm_head.weight"), Quant::Bf16);
        assert_eq!(frozen.of("linear.weight"), Quant::Nf4);
    }
}
