//! Tensors, weights, and the short list of operations that the network is written in.
//!
//! [`Backend`] is that list; [`Cpu`] implements it over `smolvlm-kernels`. It knows nothing of SmolVLM.
#![forbid(unsafe_code)]

mod backward;
mod buffers;
mod cpu;
mod kv;
mod tensor;
mod weight;

pub use backward::{AttentionForward, Backward, NormGrads};
pub use cpu::Cpu;
pub use kv::{KvKind, KvLayout, KvSequence};
pub use smolvlm_kernels::attention::{Heads, MAX_DIM, Span};
pub use smolvlm_kernels::linear::{Stored, widen, widen_into};
pub use smolvlm_kernels::optimiser::{AdamW, BLOCK as OPTIMISER_BLOCK, Blocks, Muon, Sgd};
pub use smolvlm_kernels::patches::levels;
pub use smolvlm_kernels::peak::Reading;
pub use smolvlm_kernels::random::Splitmix;
pub use smolvlm_kernels::rope::frequencies;
pub use smolvlm_kernels::top::Top;
pub use smolvlm_kernels::{Isa, Pool};
pub use tensor::{DType, DeviceBuffer, Tensor};
pub use weight::{DeviceWeight, Quant, Source, Use, Weight};

/// What happens to a product before it is written: `act(x W^T + bias) + residual`.
#[derive(Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added first, [outputs].
    pub bias: Option<&'a Tensor>,
    /// Applied second.
    pub act: Act<'a>,
    /// Added last: [rows, outputs], or fewer rows that are repeated.
    pub residual: Option<&'a Tensor>,
}

/// The activation of an epilogue.
#[derive(Clone, Copy, Default)]
pub enum Act<'a> {
    /// None.
    #[default]
    None,
    /// GELU in its tanh form.
    GeluTanh,
    /// Multiplies by SiLU of a gate of the same shape.
    SiluMul(&'a Tensor),
    /// Multiplies by SiLU of the input's product with the gate's weight; inside a product alone.
    SwiGlu(&'a Weight),
}

/// A norm of rows.
#[derive(Clone, Copy)]
pub enum Norm<'a> {
    /// `(x - mean) / sqrt(variance + eps) * gamma + beta`
    Layer {
        /// [width]
        gamma: &'a Tensor,
        /// [width]
        beta: &'a Tensor,
        /// Added to the variance.
        eps: f32,
    },
    /// `x / sqrt(mean of squares + eps) * gamma`
    Rms {
        /// [width]
        gamma: &'a Tensor,
        /// Added to the mean square.
        eps: f32,
    },
}

/// Cosines and sines of rotary angles, each [rows, dim / 2].
pub struct Angles {
    /// Cosines.
    pub cos: Tensor,
    /// Sines.
    pub sin: Tensor,
}

/// Where attention finds its keys and values.
#[derive(Clone, Copy)]
pub enum KvView<'a> {
    /// Of the very rows that ask: `k` and `v` [rows, kv_heads * dim].
    Fresh {
        /// Keys.
        k: &'a Tensor,
        /// Values.
        v: &'a Tensor,
        /// What products with them are made in.
        dtype: DType,
    },
    /// In the caches of sequences, one a span.
    Cached {
        /// Whose blocks.
        sequences: &'a [&'a mut KvSequence],
        /// Which layer's part of them.
        layer: usize,
    },
}

/// A tensor's numbers, downloaded.
pub fn numbers(backend: &dyn Backend, x: &Tensor) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    backend.download(x, &mut out);
    out
}

/// The operations. Tensors are row-major, [rows, width], and f32 where nothing else is said; a wrong shape is a mistake of
/// the caller and panics.
///
/// What a device computes may be late: only [`Backend::download`] and [`Backend::top`] wait for it.
pub trait Backend: Send + Sync {
    /// The host's threads: the one pool for everything hot.
    fn pool(&self) -> &Pool;

    /// Bytes that tensors have given back, and that the next will take.
    fn spare_bytes(&self) -> u64 {
        0
    }

    /// A tensor of these numbers.
    fn upload(&self, shape: &[usize], data: &[f32]) -> Tensor;

    /// A tensor's numbers.
    fn download(&self, x: &Tensor, out: &mut [f32]);

    /// Packs a matrix for its use. Called once at load.
    fn weight(&self, source: &Source<'_>, quant: Quant, purpose: Use) -> Weight;

    /// The same numbers in another type, rounded to nearest, ties to even. What is kept for later may be in bfloat16; the
    /// other operations take f32.
    fn cast(&self, x: &Tensor, dtype: DType) -> Tensor;

    /// Rows `ids` of a table: [ids, width].
    fn embed(&self, table: &Weight, ids: &[u32]) -> Tensor;

    /// `act(x W^T + bias) + residual`: [rows, outputs]. x may be in bfloat16.
    fn linear(&self, x: &Tensor, weight: &Weight, epilogue: Epilogue<'_>) -> Tensor;

    /// Three products of the same rows' norm, each with its bias, in one job: what attention begins with. The weights are
    /// of one kind. Written in `dtype`: where attention rounds them to bfloat16 anyway, the same bits in half the memory.
    fn linear_three(
        &self,
        x: &Tensor,
        norm: Norm<'_>,
        weights: [&Weight; 3],
        biases: [Option<&Tensor>; 3],
        dtype: DType,
    ) -> [Tensor; 3];

    /// Two products, the second of what the first makes of the rows' norm. The weights are of one kind; the first epilogue
    /// has no residual and no gate that is a tensor.
    fn mlp(&self, x: &Tensor, norm: Norm<'_>, up: (&Weight, Epilogue<'_>), down: (&Weight, Epilogue<'_>)) -> Tensor;

    /// An epilogue on its own, where a product's sums were wanted for something else first.
    fn activate(&self, x: Tensor, epilogue: Epilogue<'_>) -> Tensor;

    /// `x * by`, where `by` holds a factor for all, one a column, or one a number: it repeats.
    fn multiply(&self, x: Tensor, by: &Tensor) -> Tensor;

    /// Drops numbers with probability `p` and enlarges the others by `1 / (1 - p)`; the key and a number's place say which.
    fn dropout(&self, x: &Tensor, p: f32, key: u64) -> Tensor;

    /// The norm of every row.
    fn norm(&self, x: &Tensor, norm: Norm<'_>) -> Tensor;

    /// The rotary angles of positions.
    fn angles(&self, frequencies: &[f32], positions: &[u32]) -> Angles;

    /// Turns heads of `dim` by their row's angles.
    fn rope(&self, x: Tensor, dim: usize, angles: &Angles) -> Tensor;

    /// A block of a KV cache, zeroed.
    fn kv_block(&self, layout: &KvLayout) -> Tensor;

    /// A copy of a tensor that shares nothing with it.
    fn copy(&self, x: &Tensor) -> Tensor;

    /// Writes each span's `k` and `v` [rows, kv_heads * dim] into one layer of its sequence, behind the sequence's length.
    /// Room must have been reserved.
    fn kv_append(&self, sequences: &mut [&mut KvSequence], layer: usize, spans: &[Span], k: &Tensor, v: &Tensor);

    /// Attention of `q` [rows, heads * dim], the spans' rows side by side. Written in `dtype`, as the product that follows
    /// reads it.
    fn attention(&self, q: &Tensor, kv: KvView<'_>, heads: &Heads, spans: &[Span], dtype: DType) -> Tensor;

    /// Tiles u8 [tiles, 3, side, side] as rows of whole patches, each level looked up: [tiles * (side / patch)^2, 3 * patch^2].
    fn patches(&self, pixels: &[u8], side: usize, patch: usize, tables: &[[f32; 256]; 3]) -> Tensor;

    /// Space to depth of tiles [tiles * side^2, width]: [tiles * (side / factor)^2, width * factor^2].
    fn pixel_shuffle(&self, x: &Tensor, side: usize, factor: usize) -> Tensor;

    /// Writes the rows of `source` over rows `rows` of `x`.
    fn scatter_rows(&self, x: Tensor, rows: &[u32], source: &Tensor) -> Tensor;

    /// Rows `rows` of `x`.
    fn gather_rows(&self, x: &Tensor, rows: &[u32]) -> Tensor;

    /// The top of a row.
    fn top(&self, x: &Tensor, row: usize) -> Top;
}
