//! Adapters: low-rank additions to linear layers, as LoRA (Hu et al. 2021) and DoRA (Liu et al. 2024) have them.

use crate::{Grads, Kept, Save};
use smolvlm_backend::{Backend, Backward, Epilogue, Tensor, Weight, numbers};

/// A low-rank addition `scale * B A x` to a layer's product; with [`Dora`], the rows of `W + scale * B A` are brought to
/// lengths of their own.
pub struct Adapter {
    /// What its parameters' names begin with: its layer's name, and which adapter it is where there are several.
    pub name: String,
    /// [rank, inputs]
    pub a: Weight,
    /// [outputs, rank]
    pub b: Weight,
    /// [1]
    pub scale: Tensor,
    /// Of the adapter's input, in training.
    pub dropout: Option<Dropout>,
    /// The lengths of rows.
    pub dora: Option<Dora>,
}

/// Which inputs of an adapter are dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// How likely.
    pub p: f32,
    /// What makes each step's and each layer's its own.
    pub key: u64,
}

/// DoRA's part of an adapter. The rows' lengths count as constants in a backward pass, as in the paper's section 4.3.
pub struct Dora {
    /// What the rows' lengths become: [outputs].
    pub magnitude: Tensor,
    /// One over the rows' lengths in `W + scale * B A`: [outputs].
    pub inverse: Tensor,
    /// `magnitude * inverse`: [outputs].
    pub ratio: Tensor,
    /// The squares of the lengths of `W`'s own rows: [outputs].
    pub squares: Vec<f32>,
}

/// What an adapter's tensors are called behind its name.
pub mod names {
    /// [rank, inputs]
    pub const A: &str = "lora_A.weight";
    /// [outputs, rank]
    pub const B: &str = "lora_B.weight";
    /// [outputs]
    pub const MAGNITUDE: &str = "lora_magnitude_vector";
}

impl Adapter {
    /// The name of one of its tensors, of [`names`].
    pub fn of(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }

    /// Its input: what of x is not dropped. Of a gradient of that input it makes x's, too.
    fn input(&self, backend: &dyn Backend, x: &Tensor) -> Tensor {
        match self.dropout {
            Some(Dropout { p, key }) if p > 0.0 => backend.dropout(x, p, key),
            _ => x.clone(),
        }
    }

    /// `scale * A x` [rows, rank], of its own input.
    fn low(&self, backend: &dyn Backend, x: &Tensor) -> Tensor {
        backend.multiply(backend.linear(x, &self.a, Epilogue::default()), &self.scale)
    }

    /// `y` plus what the adapter adds to it.
    pub(crate) fn forward(&self, backend: &dyn Backend, x: &Tensor, y: Tensor, save: &mut Save) -> Tensor {
        let low = self.low(backend, &self.input(backend, x));
        save.keep(&low);
        backend.linear(&low, &self.b, Epilogue { residual: Some(&y), ..Epilogue::default() })
    }

    /// The gradients of its parameters, of that of `B`'s product; returns that of `A`'s.
    fn gather(&self, backend: &dyn Backward, x: &Tensor, low: &Tensor, grad: &Tensor, grads: &mut Grads) -> Tensor {
        let (a, b) = (self.of(names::A), self.of(names::B));
        grads.gather(&b, |before| backend.linear_weight(low, grad, &self.b, before.as_ref()));
        let of_low = backend.multiply(backend.linear_input(grad, &self.b, None), &self.scale);
        grads.gather(&a, |before| backend.linear_weight(x, &of_low, &self.a, before.as_ref()));
        of_low
    }

    /// The gradients of its parameters and, where `below` is trained, of its input.
    pub(crate) fn backward(
        &self,
        backend: &dyn Backward,
        x: &Tensor,
        grad: &Tensor,
        below: bool,
        kept: &mut Kept,
        grads: &mut Grads,
    ) -> Option<Tensor> {
        let (low, x) = (kept.take(backend), self.input(backend, x));
        let of_low = self.gather(backend, &x, &low, grad, grads);
        below.then(|| self.input(backend, &backend.linear_input(&of_low, &self.a, None)))
    }

    /// A layer's whole output with DoRA, but for its bias and residual.
    pub(crate) fn dora_forward(
        &self,
        backend: &dyn Backend,
        dora: &Dora,
        x: &Tensor,
        weight: &Weight,
        save: &mut Save,
    ) -> Tensor {
        let own = self.input(backend, x);
        let plain = backend.linear(&own, weight, Epilogue::default());
        let low = self.low(backend, &own);
        save.keep(&low);
        let sum = backend.linear(&low, &self.b, Epilogue { residual: Some(&plain), ..Epilogue::default() });
        save.keep(&sum);
        let scaled = backend.multiply(sum, &dora.ratio);
        if self.dropout.is_none() {
            return scaled;
        }
        // What is dropped is the addition's input; the layer's own product has it all.
        let change = add(backend, scaled, &minus(backend, plain));
        backend.linear(x, weight, Epilogue { residual: Some(&change), ..Epilogue::default() })
    }

    /// As [`Adapter::backward`], of the whole output's gradient; the layer's own weight has none beside DoRA.
    pub(crate) fn dora_backward(
        &self,
        backend: &dyn Backward,
        dora: &Dora,
        (x, weight): (&Tensor, &Weight),
        grad: &Tensor,
        below: bool,
        kept: &mut Kept,
        grads: &mut Grads,
    ) -> Option<Tensor> {
        let (sum, low, own) = (kept.take(backend), kept.take(backend), self.input(backend, x));
        grads.gather(&self.of(names::MAGNITUDE), |before| {
            let of = backend.column_sums(&backend.multiply(sum, grad), None);
            let of = backend.multiply(of, &dora.inverse);
            before.map_or_else(|| of.clone(), |before| add(backend, before, &of))
        });
        let of_sum = backend.multiply(grad.clone(), &dora.ratio);
        let of_low = self.gather(backend, &own, &low, &of_sum, grads);
        if !below {
            return None;
        }
        let by_a = backend.linear_input(&of_low, &self.a, None);
        if self.dropout.is_none() {
            return Some(add(backend, backend.linear_input(&of_sum, weight, None), &by_a));
        }
        let change = add(backend, of_sum, &minus(backend, grad.clone()));
        let by_own = self.input(backend, &add(backend, backend.linear_input(&change, weight, None), &by_a));
        Some(add(backend, backend.linear_input(grad, weight, None), &by_own))
    }

    /// Finds the rows' lengths again, after the adapter's parameters have changed.
    ///
    /// `|W_j + s B_j A|^2 = |W_j|^2 + 2 s B_j . (W A^T)_j + s^2 B_j (A A^T) B_j^T`: no product of the weight's size is made.
    pub fn measure(&mut self, backend: &dyn Backend, weight: &Weight) {
        let Some(dora) = &mut self.dora else { return };
        let (rank, outputs) = (self.a.outputs(), self.b.outputs());
        let rows = |weight: &Weight| backend.embed(weight, &(0..weight.outputs() as u32).collect::<Vec<_>>());
        let (a, b) = (rows(&self.a), numbers(backend, &rows(&self.b)));
        let by_weight = numbers(backend, &backend.linear(&a, weight, Epilogue::default())); // [rank, outputs]
        let (a, inputs) = (numbers(backend, &a), self.a.inputs());
        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        let scale = f64::from(numbers(backend, &self.scale)[0]);
        let among: Vec<f64> = (0..rank * rank)
            .map(|i| dot(&a[i / rank * inputs..][..inputs], &a[i % rank * inputs..][..inputs]))
            .collect();
        let inverse: Vec<f32> = (0..outputs)
            .map(|j| {
                let b = &b[j * rank..][..rank];
                let (mut cross, mut square) = (0.0, 0.0);
                for (r, &x) in b.iter().enumerate() {
                    let x = f64::from(x);
                    cross += x * f64::from(by_weight[r * outputs + j]);
                    square += x * b.iter().zip(&among[r * rank..]).map(|(&y, m)| f64::from(y) * m).sum::<f64>();
                }
                (1.0 / (f64::from(dora.squares[j]) + 2.0 * scale * cross + scale * scale * square).sqrt()) as f32
            })
            .collect();
        dora.inverse = backend.upload(&[outputs], &inverse);
        dora.ratio = backend.multiply(backend.copy(&dora.magnitude), &dora.inverse);
    }
}

/// The squares of the lengths of a weight's rows: [outputs].
pub fn squares(backend: &dyn Backend, weight: &Weight) -> Vec<f32> {
    let ids: Vec<u32> = (0..weight.outputs() as u32).collect();
    let part = |ids: &[u32]| numbers(backend, &backend.embed(weight, ids));
    let square = |row: &[f32]| square(row) as f32;
    ids.chunks(256).flat_map(|ids| part(ids).chunks_exact(weight.inputs()).map(square).collect::<Vec<_>>()).collect()
}

/// The lengths of rows of `width` numbers.
pub fn lengths(matrix: &[f32], width: usize) -> Vec<f32> {
    matrix.chunks_exact(width.max(1)).map(|row| square(row).sqrt() as f32).collect()
}

fn square(row: &[f32]) -> f64 {
    row.iter().map(|&x| f64::from(x).powi(2)).sum()
}

/// `x + y`, where y may have fewer rows, which repeat.
pub(crate) fn add(backend: &dyn Backend, x: Tensor, y: &Tensor) -> Tensor {
    backend.activate(x, Epilogue { residual: Some(y), ..Epilogue::default() })
}

fn minus(backend: &dyn Backend, x: Tensor) -> Tensor {
    backend.multiply(x, &backend.upload(&[1], &[-1.0]))
}
