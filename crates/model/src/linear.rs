//! A linear layer: one packed weight, perhaps a bias, perhaps adapters.

use crate::{Save, norm};
use smolvlm_backend::{Act, Backend, Epilogue, Norm, Tensor, Weight};

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

    /// `x [rows, inputs]` to [rows, outputs].
    pub fn forward(
        &self,
        backend: &dyn Backend,
        x: &Tensor,
        act: Act<'_>,
        residual: Option<&Tensor>,
        save: &mut Save,
    ) -> Tensor {
        save.keep(x);
        let bias = self.bias.as_ref();
        if self.is_plain(save) {
            return backend.linear(x, &self.weight, Epilogue { bias, act, residual });
        }
        // Adapters come before the activation, and backward wants what went into it.
        let mut y = backend.linear(x, &self.weight, Epilogue { bias, ..Epilogue::default() });
        for adapter in &self.adapters {
            let low = backend.linear(x, &adapter.a, Epilogue::default());
            save.keep(&low);
            y = backend.linear(&low, &adapter.b, Epilogue { residual: Some(&y), ..Epilogue::default() });
        }
        if !matches!(act, Act::None) {
            save.keep(&y);
        }
        backend.activate(y, Epilogue { bias: None, act, residual })
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
    layers.map(|layer| layer.forward(backend, &normed, Act::None, None, save))
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_backend::{Cpu, Quant, Source, Stored, Use};

    fn weight(cpu: &Cpu, outputs: usize, inputs: usize, values: &[f32]) -> Weight {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        cpu.weight(&Source { bytes: &bytes, stored: Stored::F32, outputs, inputs }, Quant::F32, Use::Forward)
    }

    #[test]
    fn adapters_add_before_the_activation_and_saving_changes_nothing() {
        let cpu = Cpu::new(1);
        let adapter = Adapter { a: weight(&cpu, 1, 2, &[1.0, 1.0]), b: weight(&cpu, 2, 1, &[0.5, -2.0]) };
        let mut linear = Linear {
            name: "test".into(),
            weight: weight(&cpu, 2, 2, &[1.0, 0.0, 0.0, 1.0]),
            bias: Some(cpu.upload(&[2], &[0.25, 0.5])),
            adapters: Vec::new(),
        };
        let x = cpu.upload(&[1, 2], &[1.0, 2.0]);
        let gate = cpu.upload(&[1, 2], &[30.0, 40.0]); // silu(x) is x there
        let run = |linear: &Linear, save: &mut Save| {
            let y = linear.forward(&cpu, &x, Act::SiluMul(&gate), Some(&x), save);
            let mut out = [0.0; 2];
            cpu.download(&y, &mut out);
            out
        };
        assert_eq!(run(&linear, &mut Save::Off), [1.25 * 30.0 + 1.0, 2.5 * 40.0 + 2.0]);
        linear.adapters.push(adapter);
        let want = [(1.25 + 1.5) * 30.0 + 1.0, (2.5 - 6.0) * 40.0 + 2.0];
        assert_eq!(run(&linear, &mut Save::Off), want);
        let mut save = Save::Keep(Vec::new());
        assert_eq!(run(&linear, &mut save), want);
        assert!(matches!(save, Save::Keep(kept) if kept.len() == 3), "x, the low-rank product, the sums");
        let mut save = Save::Recompute(Vec::new());
        assert_eq!(run(&linear, &mut save), want);
        assert!(matches!(save, Save::Recompute(kept) if kept.is_empty()), "only a layer's input is kept");
    }
}
