//! Weights: matrices packed once for the kernels that will read them.

use crate::{DType, Stored};
use smolvlm_kernels::linear::Kept;
use std::any::Any;
use std::sync::Arc;

/// A row-major matrix [outputs, inputs] as a checkpoint stores it.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Little-endian numbers.
    pub bytes: &'a [u8],
    /// Their type.
    pub stored: Stored,
    /// Output features.
    pub outputs: usize,
    /// Input features.
    pub inputs: usize,
}

/// What a weight is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quant {
    /// f32.
    F32,
    /// bfloat16, products summed in f32.
    Bf16,
    /// 8 bits in groups with a scale, and so what meets them in a product; all else as in bfloat16.
    Q8,
    /// 4 bits in groups with a scale and a least; what meets them in a product as with 8 bits.
    Q4,
    /// 4 bits (NF4 with double quantisation, as QLoRA has it), products as in bfloat16: for what is frozen.
    Nf4,
}

impl Quant {
    /// What products of activations are made in beside such weights.
    pub fn dtype(self) -> DType {
        match self {
            Quant::F32 => DType::F32,
            Quant::Bf16 | Quant::Q8 | Quant::Q4 | Quant::Nf4 => DType::Bf16,
        }
    }

    /// Whether numbers share scales, so that large ones leave others few bits.
    pub fn is_few_bits(self) -> bool {
        matches!(self, Quant::Q8 | Quant::Q4)
    }

    /// Bytes that a matrix takes, packed for products.
    pub fn bytes(self, outputs: usize, inputs: usize) -> u64 {
        match self {
            Quant::F32 => Kept::F32.bytes(outputs, inputs),
            Quant::Bf16 => Kept::Bf16.bytes(outputs, inputs),
            Quant::Q8 => Kept::Q8.bytes(outputs, inputs),
            Quant::Q4 => Kept::Q4.bytes(outputs, inputs),
            Quant::Nf4 => (outputs as u64).saturating_mul(inputs as u64) / 2,
        }
    }

    /// Without any loss to products of this type.
    pub fn of(dtype: DType) -> Quant {
        match dtype {
            DType::F32 => Quant::F32,
            DType::Bf16 => Quant::Bf16,
        }
    }
}

/// What a weight must serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Products, and looking up rows: a tied embedding.
    Forward,
    /// Products, their inputs' gradients, and looking up rows.
    Train,
    /// Looking up rows alone.
    Lookup,
}

/// A device's packed matrix.
pub trait DeviceWeight: Any + Send + Sync {
    /// Bytes that applying it reads.
    fn bytes(&self) -> usize;

    /// Its rows as a checkpoint stores them in few bits; none where it is not kept so.
    fn few_bits(&self) -> Option<(Stored, Vec<u8>)> {
        None
    }
}

/// A packed matrix. A clone shares it.
#[derive(Clone)]
pub struct Weight {
    packed: Arc<dyn DeviceWeight>,
    outputs: usize,
    inputs: usize,
}

impl Weight {
    /// A weight that a backend has packed.
    pub fn new(packed: Arc<dyn DeviceWeight>, outputs: usize, inputs: usize) -> Weight {
        Weight { packed, outputs, inputs }
    }

    /// Output features, or a table's rows.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Input features, or a table's width.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Bytes that applying it reads.
    pub fn bytes(&self) -> usize {
        self.packed.bytes()
    }

    /// Its rows as a checkpoint stores them in few bits; none where it is not kept so.
    pub fn few_bits(&self) -> Option<(Stored, Vec<u8>)> {
        self.packed.few_bits()
    }

    /// The packed form as a backend's own kind.
    ///
    /// # Panics
    /// If another backend packed it.
    pub fn packed<W: DeviceWeight>(&self) -> &W {
        let packed: &dyn Any = &*self.packed;
        match packed.downcast_ref() {
            Some(packed) => packed,
            None => unreachable!("this weight was packed by another backend"),
        }
    }
}

impl Weight {
    /// The packed form, to be packed again; `None` where it is shared.
    ///
    /// # Panics
    /// If another backend packed it.
    pub fn packed_mut<W: DeviceWeight>(&mut self) -> Option<&mut W> {
        let packed: &mut dyn Any = Arc::get_mut(&mut self.packed)?;
        match packed.downcast_mut() {
            Some(packed) => Some(packed),
            None => unreachable!("this weight was packed by another backend"),
        }
    }

    /// A weight of nothing, until one takes its place.
    pub fn none() -> Weight {
        struct Nothing;
        impl DeviceWeight for Nothing {
            fn bytes(&self) -> usize {
                0
            }
        }
        Weight::new(Arc::new(Nothing), 0, 0)
    }
}

impl std::fmt::Debug for Weight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Weight([{}, {}], {} bytes)", self.outputs, self.inputs, self.bytes())
    }
}
