//! A linear layer: one packed weight, perhaps a bias, perhaps adapters.

use crate::norm::{self, NormLayer};
use crate::{Grads, Kept, Save};
use smolvlm_backend::{Backend, Backward, Epilogue, Norm, Tensor, Weight};

/// `y = x W^T + bias + sum of adapters`, then an activation, then a residual.
pub struct Linear {
    /// Its name in a checkpoint, which adapters and gradients go by.
    pub name: String,
    /// [outputs, inputs]
    pub weight: Weight,
    /// [outputs]
    pub bias: Option<Tensor>,
    /// Low-rank additions.
    pub adapters: Vec<Adapter>,
}

/// A low-rank addition `B A x`; its factor is in `B`.
pub struct Adapter {
    /// What gradients of `a` go by.
    pub a_name: String,
    /// What gradients of `b` go by.
    pub b_name: String,
    /// [rank, inputs]
    pub a: Weight,
    /// [outputs, rank]
    pub b: Weight,
}

impl Linear {
    /// Whether it is one product, and nothing in it is kept.
    pub(crate) fn is_plain(&self, save: &Save) -> bool {
        self.adapters.is_empty() && !save.keeps()
    }

    /// `x [rows, inputs]` to [rows, outputs], plus a residual.
    pub fn forward(&self, backend: &dyn Backend, x: &Tensor, residual: Option<&Tensor>, save: &mut Save) -> Tensor {
        save.keep(x);
        let epilogue = Epilogue { bias: self.bias.as_ref(), residual, ..Epilogue::default() };
        let mut y = backend.linear(x, &self.weight, epilogue);
        for adapter in &self.adapters {
            let low = backend.linear(x, &adapter.a, Epilogue::default());
            save.keep(&low);
            y = backend.linear(&low, &adapter.b, Epilogue { residual: Some(&y), ..Epilogue::default() });
        }
        y
    }

    /// The gradient of x, of that of what came out. The parameters' go to `grads`.
    pub fn backward(&self, backend: &dyn Backward, grad: &Tensor, kept: &mut Kept, grads: &mut Grads) -> Tensor {
        let of_lows = self.gather(backend, grad, kept, grads);
        let mut of_x = backend.linear_input(grad, &self.weight);
        for (adapter, of_low) in self.adapters.iter().zip(of_lows) {
            let more = backend.linear_input(&of_low, &adapter.a);
            of_x = backend.activate(of_x, Epilogue { residual: Some(&more), ..Epilogue::default() });
        }
        of_x
    }

    /// The gradients of the parameters alone, where nothing below is trained; returns those of what the adapters' first
    /// products made.
    pub(crate) fn gather(
        &self,
        backend: &dyn Backward,
        grad: &Tensor,
        kept: &mut Kept,
        grads: &mut Grads,
    ) -> Vec<Tensor> {
        let mut lows: Vec<Tensor> = self.adapters.iter().map(|_| kept.take()).collect();
        lows.reverse();
        let (x, name) = (kept.take(), &self.name);
        let gather = |grads: &mut Grads, name: &str, x: &Tensor, grad: &Tensor, weight: &Weight| {
            grads.gather(name, |before| backend.linear_weight(x, grad, weight, before.as_ref()));
        };
        gather(grads, &format!("{name}.weight"), &x, grad, &self.weight);
        if self.bias.is_some() {
            grads.gather(&format!("{name}.bias"), |before| backend.column_sums(grad, before));
        }
        let mut of_lows = Vec::new();
        for (adapter, low) in self.adapters.iter().zip(&lows) {
            let of_low = backend.linear_input(grad, &adapter.b);
            gather(grads, &adapter.b_name, low, grad, &adapter.b);
            gather(grads, &adapter.a_name, &x, &of_low, &adapter.a);
            of_lows.push(of_low);
        }
        of_lows
    }
}

/// Three layers of the same rows' norm: queries, keys and values. Where nothing stands between, one job makes them all.
pub(crate) fn forward_three(
    backend: &dyn Backend,
    norm: Norm<'_>,
    layers: [&Linear; 3],
    x: &Tensor,
    save: &mut Save,
) -> [Tensor; 3] {
    if layers.iter().all(|layer| layer.is_plain(save)) {
        let biases = layers.map(|layer| layer.bias.as_ref());
        return backend.linear_three(x, norm, layers.map(|layer| &layer.weight), biases);
    }
    let normed = norm::forward(backend, norm, x, save);
    layers.map(|layer| layer.forward(backend, &normed, None, save))
}

/// The gradient of x, of those of the three; `add` is added to it: that of the residual stream.
pub(crate) fn backward_three(
    backend: &dyn Backward,
    norm: &dyn NormLayer,
    layers: [&Linear; 3],
    of: [Tensor; 3],
    add: &Tensor,
    kept: &mut Kept,
    grads: &mut Grads,
) -> Tensor {
    let mut sum: Option<Tensor> = None;
    for (layer, grad) in layers.into_iter().zip(of).rev() {
        let grad = layer.backward(backend, &grad, kept, grads);
        sum = Some(match sum {
            None => grad,
            Some(sum) => backend.activate(sum, Epilogue { residual: Some(&grad), ..Epilogue::default() }),
        });
    }
    match sum {
        Some(sum) => norm::backward(backend, norm, &sum, Some(add), kept, grads),
        None => add.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_backend::{Cpu, Quant, Source, Stored, Use};

    fn weight(cpu: &Cpu, outputs: usize, inputs: usize, values: &[f32]) -> Weight {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        cpu.weight(&Source { bytes: &bytes, stored: Stored::F32, outputs, inputs }, Quant::F32, Use::Train)
    }

    #[test]
    fn adapters_add_and_saving_changes_nothing() {
        let cpu = Cpu::new(1);
        let adapter = Adapter {
            a_name: "a".into(),
            b_name: "b".into(),
            a: weight(&cpu, 1, 2, &[1.0, 1.0]),
            b: weight(&cpu, 2, 1, &[0.5, -2.0]),
        };
        let mut linear = Linear {
            name: "test".into(),
            weight: weight(&cpu, 2, 2, &[1.0, 0.0, 0.0, 1.0]),
            bias: Some(cpu.upload(&[2], &[0.25, 0.5])),
            adapters: Vec::new(),
        };
        let x = cpu.upload(&[1, 2], &[1.0, 2.0]);
        let numbers = |y: &Tensor| {
            let mut out = [0.0; 2];
            cpu.download(y, &mut out);
            out
        };
        let run = |linear: &Linear, save: &mut Save| numbers(&linear.forward(&cpu, &x, Some(&x), save));
        assert_eq!(run(&linear, &mut Save::Off), [1.25 + 1.0, 2.5 + 2.0]);
        linear.adapters.push(adapter);
        let want = [1.25 + 1.5 + 1.0, 2.5 - 6.0 + 2.0];
        assert_eq!(run(&linear, &mut Save::Off), want);
        let mut save = Save::Keep(Vec::new());
        assert_eq!(run(&linear, &mut save), want);
        let mut grads = Grads::new(["test.weight", "test.bias", "a", "b"].map(String::from));
        let grad = cpu.upload(&[1, 2], &[3.0, 4.0]);
        // grad W + (grad B) A
        assert_eq!(numbers(&linear.backward(&cpu, &grad, &mut Kept::new(save), &mut grads)), [3.0 - 6.5, 4.0 - 6.5]);
        let of = |name: &str| {
            let grad = grads.get(name).unwrap();
            let mut out = vec![0.0; grad.len()];
            cpu.download(grad, &mut out);
            out
        };
        assert_eq!((of("test.weight"), of("test.bias")), (vec![3.0, 6.0, 4.0, 8.0], vec![3.0, 4.0]));
        assert_eq!((of("b"), of("a")), (vec![9.0, 12.0], vec![-6.5, -13.0]));
    }
}
