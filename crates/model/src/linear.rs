//! A linear layer: one packed weight, perhaps a bias, perhaps adapters.

use crate::adapter::{Adapter, Dora, add};
use crate::norm::{self, NormLayer};
use crate::{Grads, Kept, Save};
use smolvlm_backend::{Backend, Backward, DType, Epilogue, Norm, Tensor, Weight};

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

impl Linear {
    /// Whether it is one product, and nothing in it is kept.
    pub(crate) fn is_plain(&self, save: &Save) -> bool {
        self.adapters.is_empty() && !save.keeps()
    }

    /// `x [rows, inputs]` to [rows, outputs], plus a residual.
    pub fn forward(&self, backend: &dyn Backend, x: &Tensor, residual: Option<&Tensor>, save: &mut Save) -> Tensor {
        let y = match self.dora() {
            Some((adapter, dora)) => {
                let mut y = adapter.dora_forward(backend, dora, x, &self.weight, save);
                for more in self.bias.iter().chain(residual) {
                    y = add(backend, y, more);
                }
                y
            }
            None => {
                let epilogue = Epilogue { bias: self.bias.as_ref(), residual, ..Epilogue::default() };
                let y = backend.linear(x, &self.weight, epilogue);
                self.adapters.iter().fold(y, |y, adapter| adapter.forward(backend, x, y, save))
            }
        };
        save.keep_input(&self.name, x);
        y
    }

    /// Its adapter with DoRA, which stands alone.
    fn dora(&self) -> Option<(&Adapter, &Dora)> {
        self.adapters.first().and_then(|adapter| Some((adapter, adapter.dora.as_ref()?)))
    }

    /// The gradient of x, of that of what came out, plus `sum`. The parameters' go to `grads`.
    pub fn backward(
        &self,
        backend: &dyn Backward,
        grad: &Tensor,
        sum: Option<&Tensor>,
        kept: &mut Kept,
        grads: &mut Grads,
    ) -> Tensor {
        // Adapters' parts are added up first.
        let (within, behind) = if self.adapters.is_empty() { (sum, None) } else { (None, sum) };
        match self.gradients(backend, grad, Below::Wanted(within), kept, grads) {
            Some(of_x) => behind.into_iter().fold(of_x, |of_x, sum| add(backend, of_x, sum)),
            None => unreachable!("the gradient of x was asked for"),
        }
    }

    /// The gradients of the parameters alone, where nothing below is trained.
    pub(crate) fn gather(&self, backend: &dyn Backward, grad: &Tensor, kept: &mut Kept, grads: &mut Grads) {
        self.gradients(backend, grad, Below::Frozen, kept, grads);
    }

    fn gradients(
        &self,
        backend: &dyn Backward,
        grad: &Tensor,
        of_x: Below<'_>,
        kept: &mut Kept,
        grads: &mut Grads,
    ) -> Option<Tensor> {
        let below = matches!(of_x, Below::Wanted(_));
        let (x, name) = (kept.take(backend), &self.name);
        if self.bias.is_some() {
            grads.gather(&format!("{name}.bias"), |before| backend.column_sums(grad, before));
        }
        if let Some((adapter, dora)) = self.dora() {
            return adapter.dora_backward(backend, dora, (&x, &self.weight), grad, below, kept, grads);
        }
        let of_weight = |before: Option<Tensor>| backend.linear_weight(&x, grad, &self.weight, before.as_ref());
        grads.gather(&format!("{name}.weight"), of_weight);
        let mut of_x = match of_x {
            Below::Wanted(sum) => Some(backend.linear_input(grad, &self.weight, sum)),
            Below::Frozen => None,
        };
        for adapter in self.adapters.iter().rev() {
            let more = adapter.backward(backend, &x, grad, below, kept, grads);
            of_x = of_x.zip(more).map(|(of_x, more)| add(backend, of_x, &more));
        }
        of_x
    }
}

/// Whether the gradient of a layer's input is worth computing.
enum Below<'a> {
    /// It is, and added to this.
    Wanted(Option<&'a Tensor>),
    /// Nothing below is trained.
    Frozen,
}

/// Three layers of the same rows' norm: queries, keys and values. Where nothing stands between, one job makes them all, in
/// `dtype`, which what follows must read.
pub(crate) fn forward_three(
    backend: &dyn Backend,
    norm: Norm<'_>,
    layers: [&Linear; 3],
    x: &Tensor,
    dtype: DType,
    save: &mut Save,
) -> [Tensor; 3] {
    if layers.iter().all(|layer| layer.is_plain(save)) {
        let biases = layers.map(|layer| layer.bias.as_ref());
        return backend.linear_three(x, norm, layers.map(|layer| &layer.weight), biases, dtype);
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
        sum = Some(layer.backward(backend, &grad, sum.as_ref(), kept, grads));
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
            name: "low".into(),
            a: weight(&cpu, 1, 2, &[1.0, 1.0]),
            b: weight(&cpu, 2, 1, &[0.25, -1.0]),
            scale: cpu.upload(&[1], &[2.0]),
            dropout: None,
            dora: None,
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
        let mut save = Save::keeping(false, DType::F32);
        assert_eq!(run(&linear, &mut save), want);
        let mut grads =
            Grads::new(["test.weight", "test.bias", "low.lora_A.weight", "low.lora_B.weight"].map(String::from));
        let grad = cpu.upload(&[1, 2], &[3.0, 4.0]);
        // grad W + (grad B) A
        assert_eq!(
            numbers(&linear.backward(&cpu, &grad, None, &mut Kept::new(save), &mut grads)),
            [3.0 - 6.5, 4.0 - 6.5]
        );
        let of = |name: &str| {
            let grad = grads.get(name).unwrap();
            let mut out = vec![0.0; grad.len()];
            cpu.download(grad, &mut out);
            out
        };
        assert_eq!((of("test.weight"), of("test.bias")), (vec![3.0, 6.0, 4.0, 8.0], vec![3.0, 4.0]));
        let (b, a) = (of("low.lora_B.weight"), of("low.lora_A.weight"));
        assert_eq!((b, a), (vec![18.0, 24.0], vec![-6.5, -13.0]));
    }
}
