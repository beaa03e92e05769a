//! From named tensors to layers.

use crate::level::{Levels, add_squares, scaled};
use crate::linear::Linear;
use crate::norm::{LayerNorm, RmsNorm};
use crate::{Adapter, Error, Quants};
use smolvlm_backend::{Backend, Quant, Source, Stored, Tensor, Use, Weight, numbers, widen};
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
    pub quant: Quants,
    /// What is done with each parameter, by its name.
    pub role: &'a dyn Fn(&str) -> Role,
    /// Whether channels may be brought level where matrices are kept in few bits; not where adapters will read them.
    pub level: bool,
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
        let none = Levels::default();
        self.leveled(&none, &none, name, shape, table)
    }

    /// A matrix that reads channels which were brought level, and makes such.
    fn leveled(
        &mut self,
        columns: &Levels,
        rows: &Levels,
        name: &str,
        shape: &[usize],
        table: bool,
    ) -> Result<Weight, Error> {
        let role = (self.role)(name);
        let purpose = match role {
            _ if table => Use::Lookup,
            Role::Trained | Role::Passed => Use::Train,
            Role::Forward => Use::Forward,
        };
        let raw = self.source.take(name, shape)?;
        let outputs = shape.first().copied().unwrap_or(0);
        let inputs = shape.iter().skip(1).product();
        let scaled = scaled(raw.stored, &raw.bytes, inputs, columns, rows);
        let source = match &scaled {
            Some(values) => Source { bytes: bytemuck::cast_slice(values), stored: Stored::F32, outputs, inputs },
            None => Source { bytes: &raw.bytes, stored: raw.stored, outputs, inputs },
        };
        let weight = self.backend.weight(&source, self.quant.of(name), purpose);
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
        let none = Levels::default();
        self.linear_between(&none, &none, name, shape, bias)
    }

    /// A linear layer that reads channels which were brought level, and makes such.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn linear_between(
        &mut self,
        columns: &Levels,
        rows: &Levels,
        name: &str,
        shape: &[usize],
        bias: bool,
    ) -> Result<Linear, Error> {
        let weight = self.leveled(columns, rows, &format!("{name}.weight"), shape, false)?;
        let outputs = weight.outputs();
        let bias = if bias { Some(self.gains(rows, &format!("{name}.bias"), outputs)?) } else { None };
        Ok(Linear { name: name.to_string(), weight, bias, adapters: Vec::<Adapter>::new() })
    }

    /// Sums of squares of the columns of matrices [outputs, width] that read the same channels; none where channels are not
    /// brought level.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn squares(&mut self, readers: &[(String, usize)], width: usize) -> Result<Vec<f32>, Error> {
        let mut squares = vec![0.0; width];
        for (reader, outputs) in readers {
            let name = format!("{reader}.weight");
            if !self.level || !self.quant.of(&name).is_few_bits() {
                return Ok(Vec::new());
            }
            let raw = self.source.take(&name, &[*outputs, width])?;
            add_squares(raw.stored, &raw.bytes, &mut squares);
        }
        Ok(squares)
    }

    /// How far columns of a matrix must be from others to be brought level, as a power of two: the fewer the bits, the less.
    pub fn least(&self, reader: &str) -> f32 {
        if self.quant.of(&format!("{reader}.weight")) == Quant::Q4 { 1.0 } else { 1.5 }
    }

    /// How the channels that these matrices [outputs, width] read, and nothing else, are brought level.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn levels(&mut self, readers: &[(String, usize)], width: usize) -> Result<Levels, Error> {
        let least = readers.first().map_or(0.0, |(reader, _)| self.least(reader));
        Ok(Levels::of(&self.squares(readers, width)?, least))
    }

    /// A norm's gains, or what is added to channels, brought level.
    fn gains(&mut self, levels: &Levels, name: &str, width: usize) -> Result<Tensor, Error> {
        let tensor = self.tensor(name, &[width])?;
        let mut values = numbers(self.backend, &tensor);
        Ok(if levels.lower(&mut values) { self.backend.upload(&[width], &values) } else { tensor })
    }

    /// A layer norm of `width`.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn layer_norm(&mut self, levels: &Levels, name: &str, width: usize, eps: f32) -> Result<LayerNorm, Error> {
        let gamma = self.gains(levels, &format!("{name}.weight"), width)?;
        let beta = self.gains(levels, &format!("{name}.bias"), width)?;
        Ok(LayerNorm { name: name.to_string(), gamma, beta, eps })
    }

    /// An RMS norm of `width`.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn rms_norm(&mut self, levels: &Levels, name: &str, width: usize, eps: f32) -> Result<RmsNorm, Error> {
        let gamma = self.gains(levels, &format!("{name}.weight"), width)?;
        Ok(RmsNorm { name: name.to_string(), gamma, eps })
    }
}
