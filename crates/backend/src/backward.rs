//! The operations of a backward pass.

use crate::{AdamW, Angles, Backend, Blocks, DType, Heads, Muon, Norm, Sgd, Span, Tensor, Weight};

/// What attention took and made, [rows, heads * dim] and, of keys and values, [rows, kv_heads * dim].
#[derive(Clone, Copy)]
pub struct AttentionForward<'a> {
    /// Queries.
    pub q: &'a Tensor,
    /// Keys.
    pub k: &'a Tensor,
    /// Values.
    pub v: &'a Tensor,
    /// What came out.
    pub out: &'a Tensor,
}

/// The gradients of a norm.
pub struct NormGrads {
    /// Of its rows.
    pub x: Tensor,
    /// Of its factors [width].
    pub gamma: Tensor,
    /// Of what a layer norm adds [width].
    pub beta: Tensor,
}

/// The gradients of [`Backend`]'s operations. `grad` is always that of what came out, in its shape.
///
/// Where a parameter's gradient is made, it is added to `before`, the sum so far.
pub trait Backward: Backend {
    /// `grad W` [rows, inputs]: of a product's input, plus `add` of the same shape. The weight was made for training.
    fn linear_input(&self, grad: &Tensor, weight: &Weight, add: Option<&Tensor>) -> Tensor;

    /// `before + grad^T x` [outputs, inputs]: of a weight, in the precision that `weight` is kept in.
    fn linear_weight(&self, x: &Tensor, grad: &Tensor, weight: &Weight, before: Option<&Tensor>) -> Tensor;

    /// `before + x^T x` [width, width]: what products with rows like x's make of errors in a weight.
    fn gram(&self, x: &Tensor, before: Option<&Tensor>) -> Tensor;

    /// `before` plus the sums of columns [width]: of a bias.
    fn column_sums(&self, grad: &Tensor, before: Option<Tensor>) -> Tensor;

    /// Of what went into GELU in its tanh form.
    fn gelu_tanh_backward(&self, x: &Tensor, grad: &Tensor) -> Tensor;

    /// Of `up * silu(gate)`: the gate's, then the other factor's.
    fn swiglu_backward(&self, gate: &Tensor, up: &Tensor, grad: &Tensor) -> [Tensor; 2];

    /// Of a norm; `add` is added to that of its rows.
    fn norm_backward(&self, x: &Tensor, norm: Norm<'_>, grad: &Tensor, add: Option<&Tensor>) -> NormGrads;

    /// Turns heads of `dim` back by their row's angles.
    fn rope_backward(&self, grad: Tensor, dim: usize, angles: &Angles) -> Tensor;

    /// Of the queries, the keys and the values of attention over the rows' own keys, its products made in `dtype`.
    fn attention_backward(
        &self,
        forward: AttentionForward<'_>,
        grad: &Tensor,
        heads: &Heads,
        spans: &[Span],
        dtype: DType,
    ) -> [Tensor; 3];

    /// `before` [rows of the table, width] plus each row of `grad` at its id: of an embedding.
    fn embed_backward(&self, ids: &[u32], grad: &Tensor, before: Tensor) -> Tensor;

    /// Depth back to space: of a pixel shuffle by `factor` of tiles of `side`.
    fn pixel_unshuffle(&self, grad: &Tensor, side: usize, factor: usize) -> Tensor;

    /// Packs f32 parameters [outputs, inputs] in the place of a weight that was made for training, or of a table.
    fn replace(&self, weight: &mut Weight, parameters: &Tensor);

    /// A step of AdamW over f32 parameters and both means of their gradients, which count `scale` times.
    fn adamw(&self, settings: AdamW, parameters: &mut Tensor, grad: &Tensor, scale: f32, means: [&mut Tensor; 2]);

    /// The same with means in 8 bits: each its codes, and its blocks' scales.
    fn adamw8(&self, settings: AdamW, parameters: &mut Tensor, grad: &Tensor, scale: f32, means: [Blocks<'_>; 2]);

    /// A step of stochastic gradient descent, with a velocity where there is a momentum.
    fn sgd(
        &self,
        settings: Sgd,
        parameters: &mut Tensor,
        grad: &Tensor,
        scale: f32,
        velocity: Option<(f32, &mut Tensor)>,
    );

    /// A step of Muon over a matrix in f32, its gradient, which counts `scale` times, and the mean gradient.
    fn muon(&self, settings: Muon, parameters: &mut Tensor, grad: &Tensor, scale: f32, mean: &mut Tensor);

    /// The sum of a tensor's squares.
    fn sum_of_squares(&self, x: &Tensor) -> f64;

    /// Each row's loss, `weight * (cross-entropy + z lse^2)`, and the gradients of their sum in the logits' place. Rows of
    /// weight 0 count for nothing.
    fn cross_entropy(&self, logits: Tensor, targets: &[u32], weights: &[f32], z: f32) -> (Vec<f32>, Tensor);
}
