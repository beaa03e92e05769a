//! From named tensors to layers.

use crate::level::{Levels, add_squares, scaled, shared};
use crate::linear::Linear;
use crate::norm::{LayerNorm, RmsNorm};
use crate::{Adapter, Error, Quants, Rounding};
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

impl RawTensor<'_> {
    /// Its numbers, where it is a matrix with rows of `width`.
    pub fn numbers(&self, width: usize) -> Vec<f32> {
        widen(self.stored, &self.bytes, width)
    }
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
    /// Who rounds matrices to few bits, where a checkpoint is made of the network.
    pub rounding: Option<&'a mut dyn Rounding>,
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
        let numbers = self.source.take(name, shape)?.numbers(shape.last().copied().unwrap_or(1));
        let tensor = self.backend.upload(shape, &numbers);
        if let Some(rounding) = &mut self.rounding {
            rounding.tensor(name, shape, &numbers);
        }
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
        let quant = match self.quant.of(name) {
            // GGUF's blocks stay as they are, whatever the others of their part are in.
            Quant::Q8 | Quant::Q4 if self.quant.as_stored && raw.stored.in_blocks().is_some() => Quant::Q8,
            // What is in 4 bits stays so where few bits are wanted: more would hold no more of it.
            Quant::Q8 if raw.stored == Stored::Q4 => Quant::Q4,
            Quant::Q8 | Quant::Q4 if self.quant.as_stored && !raw.stored.is_few_bits() => Quant::Bf16,
            quant => quant,
        };
        let rounded = self.rounding.as_mut().and_then(|rounding| {
            // What is only looked up in stays as the checkpoint has it.
            let quant = if table { Quant::Bf16 } else { quant };
            rounding.matrix(name, shape, &source, &columns.factors(inputs), quant)
        });
        let source = match &rounded {
            Some(rounded) => Source { bytes: &rounded.bytes, stored: rounded.stored, ..source },
            None => source,
        };
        let weight = self.backend.weight(&source, quant, purpose);
        if let (Some(masters), Role::Trained) = (&mut self.masters, role) {
            let values = raw.numbers(inputs);
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
    fn squares(&mut self, readers: &[(String, usize)], width: usize) -> Result<Vec<f32>, Error> {
        let mut squares = vec![0.0; width];
        for (reader, outputs) in readers {
            let name = format!("{reader}.weight");
            if !self.level || !self.quant.of(&name).is_few_bits() {
                return Ok(Vec::new());
            }
            let raw = self.source.take(&name, &[*outputs, width])?;
            if raw.stored.is_few_bits() {
                return Ok(Vec::new());
            }
            add_squares(raw.stored, &raw.bytes, &mut squares);
        }
        Ok(squares)
    }

    /// How the channels that these matrices [outputs, width] read, and nothing else, are brought level.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn levels(&mut self, readers: &[(String, usize)], width: usize) -> Result<Levels, Error> {
        self.levels_of_heads(readers, width, 1, width)
    }

    /// The same where heads of `dim` channels are each read by `times` heads of the matrices' inputs that follow each other.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn levels_of_heads(
        &mut self,
        readers: &[(String, usize)],
        width: usize,
        times: usize,
        dim: usize,
    ) -> Result<Levels, Error> {
        let squares = shared(&self.squares(readers, width)?, times, dim);
        let Some(name) = readers.first().map(|(reader, _)| format!("{reader}.weight")) else {
            return Ok(Levels::default());
        };
        if squares.is_empty() {
            return Ok(Levels::default());
        }
        if let Some(loudness) = self.loudness(&name) {
            return Ok(Levels::balanced(&shared(&loudness, times, dim), &squares));
        }
        // How far columns must be from others: the fewer the bits, the less.
        let least = if self.quant.of(&name) == Quant::Q4 { 1.0 } else { 1.5 };
        Ok(Levels::of(&squares, least))
    }

    /// How the channels that this matrix [outputs, width] reads are brought level where it is known how loud they are; of
    /// inputs of all sizes the sizes of columns alone tell nothing.
    ///
    /// # Errors
    /// As [`TensorSource::take`].
    pub fn levels_if_known(&mut self, reader: String, outputs: usize, width: usize) -> Result<Levels, Error> {
        if self.loudness(&format!("{reader}.weight")).is_none() {
            return Ok(Levels::default());
        }
        self.levels(&[(reader, outputs)], width)
    }

    fn loudness(&self, matrix: &str) -> Option<Vec<f32>> {
        self.rounding.as_ref()?.loudness(matrix)
    }

    /// A norm's gains, or what is added to channels, brought level.
    fn gains(&mut self, levels: &Levels, name: &str, width: usize) -> Result<Tensor, Error> {
        let tensor = self.tensor(name, &[width])?;
        let mut values = numbers(self.backend, &tensor);
        if !levels.lower(&mut values) {
            return Ok(tensor);
        }
        if let Some(rounding) = &mut self.rounding {
            rounding.tensor(name, &[width], &values);
        }
        Ok(self.backend.upload(&[width], &values))
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
