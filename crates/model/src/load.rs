//! From named tensors to layers.

use crate::linear::Linear;
use crate::norm::{LayerNorm, RmsNorm};
use crate::{Adapter, Error};
use smolvlm_backend::{Backend, Quant, Source, Stored, Tensor, Use, Weight, widen};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A tensor as it is stored.
pub struct RawTensor<'a> {
    /// Little-endian numbers.
    pub bytes: Cow<'a, [u8]>,
    /// Their type.
    pub stored: Stored,
}

/// Where tensors come from.
pub trait TensorSource {
    /// The tensor of this name, which must have this shape.
    ///
    /// # Errors
    /// Where it is missing, has another shape, or a type that is not read.
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<RawTensor<'_>, Error>;

    /// Says that a tensor may be there and is not read.
    fn ignore(&mut self, name: &str);

    /// Called when the network is complete.
    ///
    /// # Errors
    /// Where tensors are left that nothing has taken.
    fn finish(&self) -> Result<(), Error>;
}

/// Whether a name is one of the buffers that older versions of transformers saved beside the weights: they follow from
/// the config.
pub(crate) fn is_buffer(name: &str) -> bool {
    name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".embeddings.position_ids")
}

/// Tensors made from their names and shapes: random ones to measure speed with, or a test's.
pub struct Generated<F>(pub F);

impl<F: FnMut(&str, &[usize]) -> RawTensor<'static>> TensorSource for Generated<F> {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<RawTensor<'_>, Error> {
        Ok((self.0)(name, shape))
    }

    fn ignore(&mut self, _: &str) {}

    fn finish(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// What is done with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is read by forward passes alone.
    Forward,
    /// It is frozen, but gradients pass through it.
    Passed,
    /// It is trained.
    Trained,
}

/// Loads layers by their names.
pub struct Load<'a> {
    /// Where they will run.
    pub backend: &'a dyn Backend,
    /// Where their tensors come from.
    pub source: &'a mut dyn TensorSource,
    /// What their matrices are kept in.
    pub quant: Quant,
    /// What is done with each parameter, by its name.
    pub role: &'a dyn Fn(&str) -> Role,
    /// Where trained parameters are also kept in f32, by name and in rows, for an optimiser.
    pub masters: Option<&'a mut BTreeMap<String, Tensor>>,
    /// Told of every tensor that is done.
    pub progress: &'a mut dyn FnMut(&str),
}

impl Load<'_> {
    /// A vector or a table that operations read as a plain tensor.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, Error> {
        let raw = self.source.take(name, shape)?;
        let tensor = self.backend.upload(shape, &widen(raw.stored, &raw.bytes));
        if let (Some(masters), Role::Trained) = (&mut self.masters, (self.role)(name)) {
            masters.insert(name.to_string(), self.backend.copy(&tensor));
        }
        (self.progress)(name);
        Ok(tensor)
    }

    /// A matrix; `shape` may be that of a convolution, whose trailing dimensions are one. A `table` is for looking up alone.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn weight(&mut self, name: &str, shape: &[usize], table: bool) -> Result<Weight, Error> {
        let role = (self.role)(name);
        let purpose = match role {
            _ if table => Use::Lookup,
            Role::Trained | Role::Passed => Use::Train,
            Role::Forward => Use::Forward,
        };
        let raw = self.source.take(name, shape)?;
        let outputs = shape.first().copied().unwrap_or(0);
        let inputs = shape.iter().skip(1).product();
        let source = Source { bytes: &raw.bytes, stored: raw.stored, outputs, inputs };
        // As bitsandbytes has it, tables, the head and the patch embedding, a convolution there, are not in 4 bits.
        let whole = [".embed_tokens.weight", "lm_head.weight", ".patch_embedding.weight"];
        let quant = match self.quant {
            Quant::Nf4 if whole.iter().any(|whole| name.ends_with(whole)) => Quant::Bf16,
            // Pixels and a hundredth of the tower's work: nothing is gained by fewer bits.
            Quant::Q8 if name.ends_with(".patch_embedding.weight") => Quant::Bf16,
            quant => quant,
        };
        let weight = self.backend.weight(&source, quant, purpose);
        if let (Some(masters), Role::Trained) = (&mut self.masters, role) {
            let values = widen(raw.stored, &raw.bytes);
            masters.insert(name.to_string(), self.backend.upload(&[outputs, inputs], &values));
        }
        (self.progress)(name);
        Ok(weight)
    }

    /// A linear layer [outputs, inputs], `NAME.weight` and, with `bias`, `NAME.bias`.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn linear(&mut self, name: &str, shape: &[usize], bias: bool) -> Result<Linear, Error> {
        let weight = self.weight(&format!("{name}.weight"), shape, false)?;
        let outputs = weight.outputs();
        let bias = if bias { Some(self.tensor(&format!("{name}.bias"), &[outputs])?) } else { None };
        Ok(Linear { name: name.to_string(), weight, bias, adapters: Vec::<Adapter>::new() })
    }

    /// A layer norm of `width`.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn layer_norm(&mut self, name: &str, width: usize, eps: f32) -> Result<LayerNorm, Error> {
        let gamma = self.tensor(&format!("{name}.weight"), &[width])?;
        let beta = self.tensor(&format!("{name}.bias"), &[width])?;
        Ok(LayerNorm { name: name.to_string(), gamma, beta, eps })
    }

    /// An RMS norm of `width`.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn rms_norm(&mut self, name: &str, width: usize, eps: f32) -> Result<RmsNorm, Error> {
        let gamma = self.tensor(&format!("{name}.weight"), &[width])?;
        Ok(RmsNorm { name: name.to_string(), gamma, eps })
    }
}
