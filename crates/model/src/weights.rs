//! A checkpoint's weights, whichever kind of file holds them.

use crate::gguf::GgufWeights;
use crate::load::{RawTensor, TensorSource, is_buffer};
use crate::vlm::{CONNECTOR, VISION};
use crate::{Checkpoint, Error, Quants};
use smolvlm_backend::{Quant, Stored};
use smolvlm_sys::Files;

/// The weights of a checkpoint.
pub enum Weights {
    /// Safetensors.
    Safetensors(Checkpoint),
    /// GGUF files.
    Gguf(GgufWeights),
}

/// One of a checkpoint's tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The network's name for it.
    pub name: String,
    /// Its sides.
    pub shape: Vec<usize>,
    /// What its numbers are once read; blocks of few bits are unpacked as f32.
    pub stored: Stored,
}

impl Weights {
    /// Opens them; no tensor is read yet.
    ///
    /// # Errors
    /// There are none, or a file does not hold together.
    pub fn open(files: &Files) -> Result<Weights, Error> {
        Ok(match GgufWeights::are_of(files) {
            true => Weights::Gguf(GgufWeights::open(files)?),
            false => Weights::Safetensors(Checkpoint::open(files)?),
        })
    }

    /// Lets GGUF's blocks of whole numbers come as they are, for products in 8 bits.
    pub fn keep_blocks(&mut self) {
        if let Weights::Gguf(weights) = self {
            weights.keep_blocks();
        }
    }

    /// What its parts are in, where some are in few bits; what is not is in bfloat16 then.
    ///
    /// # Errors
    /// As [`Weights::entries`].
    pub fn quants(&self) -> Result<Option<Quants>, Error> {
        let entries = self.entries()?;
        let of = |is_of: &dyn Fn(&str) -> bool| {
            let kept = || entries.iter().filter(|entry| is_of(&entry.name)).map(|entry| entry.stored);
            if kept().any(|stored| matches!(stored, Stored::Q4 | Stored::Q4K)) {
                Quant::Q4
            } else if kept().any(Stored::is_few_bits) {
                Quant::Q8
            } else {
                Quant::Bf16
            }
        };
        let is_head =
            |name: &str| name == "lm_head.weight" || name == "linear.weight" || name.ends_with(".embed_tokens.weight");
        let is_vision = |name: &str| name.starts_with(VISION) || name.starts_with(CONNECTOR);
        let text = |name: &str| !is_head(name) && !is_vision(name);
        let quants = || Quants { as_stored: true, ..Quants::by_part(of(&is_vision), of(&text), of(&is_head)) };
        Ok(entries.iter().any(|entry| entry.stored.is_few_bits()).then(quants))
    }

    /// Whether matrices are in few bits of this program's own form.
    pub fn is_few_bits(&self) -> bool {
        matches!(self, Weights::Safetensors(checkpoint) if checkpoint.is_few_bits())
    }

    /// All tensors by name, but for buffers that follow from the config.
    ///
    /// # Errors
    /// One has numbers of a type that is not read.
    pub fn entries(&self) -> Result<Vec<Entry>, Error> {
        match self {
            Weights::Gguf(weights) => Ok(weights.entries().collect()),
            Weights::Safetensors(checkpoint) => {
                let names = checkpoint.names().filter(|name| !is_buffer(name));
                names.filter_map(|name| checkpoint.entry(name)).collect()
            }
        }
    }

    /// How the tensor of this name, which must have this shape, is stored.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn stored(&mut self, name: &str, shape: &[usize]) -> Result<Stored, Error> {
        let entry = match self {
            Weights::Gguf(weights) => weights.entries().find(|entry| entry.name == name),
            Weights::Safetensors(checkpoint) => checkpoint.entry(name).transpose()?,
        };
        match entry {
            Some(entry) if entry.shape == shape => Ok(entry.stored),
            // It says what is wrong.
            _ => Ok(self.take(name, shape)?.stored),
        }
    }

    /// A tensor's numbers; none where there is no such tensor.
    pub fn numbers(&self, name: &str) -> Vec<f32> {
        match self {
            // In blocks or not, it comes with its numbers one by one.
            Weights::Gguf(weights) => weights.raw(name).map(|raw| raw.numbers(1)),
            Weights::Safetensors(checkpoint) => checkpoint.numbers(name),
        }
        .unwrap_or_default()
    }

    fn source(&mut self) -> &mut dyn TensorSource {
        match self {
            Weights::Safetensors(checkpoint) => checkpoint,
            Weights::Gguf(weights) => weights,
        }
    }
}

impl TensorSource for Weights {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<RawTensor<'_>, Error> {
        self.source().take(name, shape)
    }

    fn ignore(&mut self, name: &str) {
        self.source().ignore(name);
    }

    fn finish(&self) -> Result<(), Error> {
        match self {
            Weights::Safetensors(checkpoint) => checkpoint.finish(),
            Weights::Gguf(weights) => weights.finish(),
        }
    }
}
