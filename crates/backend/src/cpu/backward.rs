//! The operations of a backward pass on the CPU.

use super::{Cpu, CpuWeight, f32s, norm_of, values_mut};
use crate::{
    AdamW, Angles, AttentionForward, Backend, Backward, Blocks, DType, Heads, Muon, Norm, NormGrads, Quant, Sgd,
    Source, Span, Stored, Tensor, Use, Weight,
};
use smolvlm_kernels::attention::{self, Forward, Gradients};
use smolvlm_kernels::linear::{self, Epilogue, Given, Input, Kept, PackedWeight};
use smolvlm_kernels::{AlignedBytes, Pair, activation, loss, norm, optimiser, patches, rope};
use std::sync::PoisonError;

impl Backward for Cpu {
    fn linear_input(&self, grad: &Tensor, weight: &Weight, add: Option<&Tensor>) -> Tensor {
        let turned = match weight.packed() {
            CpuWeight::Packed(packed) => self.made(|data| packed.turned(self.isa, &self.pool, data)),
            CpuWeight::Nf4(nf4) => self.unpacked(nf4, |data, x| {
                PackedWeight::of_columns(self.isa, &self.pool, data, x, nf4.rows(), nf4.cols(), Kept::Bf16)
            }),
            CpuWeight::Table { .. } => unreachable!("this weight was packed for looking up alone"),
        };
        self.make(&[grad.rows(), weight.inputs()], |out| {
            let input = Input { x: f32s(grad).into(), rows: grad.rows(), norm: None };
            let epilogue = Epilogue { residual: add.map(f32s), ..Epilogue::default() };
            linear::linear(self.isa, &self.pool, input, &turned, epilogue, out);
        })
    }

    fn linear_weight(&self, x: &Tensor, grad: &Tensor, weight: &Weight, before: Option<&Tensor>) -> Tensor {
        let (outputs, inputs, rows) = (weight.outputs(), weight.inputs(), x.rows());
        let CpuWeight::Packed(forward) = weight.packed() else { unreachable!("this weight was not made for training") };
        let precision = forward.kept();
        if precision == Kept::F32 {
            return self.make(&[outputs, inputs], |out| {
                linear::weight_gradient(
                    self.isa,
                    &self.pool,
                    (f32s(grad), outputs),
                    (f32s(x), inputs),
                    before.map(f32s),
                    out,
                );
            });
        }
        // The memory of x's columns is kept from call to call.
        let mut kept = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        let data = std::mem::replace(&mut *kept, AlignedBytes::zeroed(0));
        let columns = PackedWeight::of_columns(self.isa, &self.pool, data, f32s(x), rows, inputs, precision);
        let out = self.make(&[outputs, inputs], |out| {
            let input = Input { x: Given::Columns(f32s(grad)), rows: outputs, norm: None };
            let epilogue = Epilogue { residual: before.map(f32s), ..Epilogue::default() };
            linear::linear(self.isa, &self.pool, input, &columns, epilogue, out);
        });
        *kept = columns.into_data();
        out
    }

    fn gram(&self, x: &Tensor, before: Option<&Tensor>) -> Tensor {
        let (values, width) = (f32s(x), x.width());
        self.make(&[width, width], |out| {
            let rows = (values, width);
            linear::weight_gradient(self.isa, &self.pool, rows, rows, before.map(f32s), out);
        })
    }

    fn column_sums(&self, grad: &Tensor, before: Option<Tensor>) -> Tensor {
        let mut sums = before.map_or_else(|| self.zeros(&[grad.width()]), |before| self.own(before));
        linear::column_sums(self.isa, &self.pool, f32s(grad), values_mut(&mut sums));
        sums
    }

    fn gelu_tanh_backward(&self, x: &Tensor, grad: &Tensor) -> Tensor {
        self.make(x.shape(), |out| activation::gelu_tanh_backward(self.isa, &self.pool, f32s(x), f32s(grad), out))
    }

    fn swiglu_backward(&self, gate: &Tensor, up: &Tensor, grad: &Tensor) -> [Tensor; 2] {
        let mut of_gate = self.empty(gate.shape(), DType::F32);
        let of_up = self.make(up.shape(), |of_up| {
            let out = (values_mut(&mut of_gate), of_up);
            activation::swiglu_backward(self.isa, &self.pool, (f32s(gate), f32s(up)), f32s(grad), out);
        });
        [of_gate, of_up]
    }

    fn norm_backward(&self, x: &Tensor, norm: Norm<'_>, grad: &Tensor, add: Option<&Tensor>) -> NormGrads {
        let (mut gamma, mut beta) = (self.zeros(&[x.width()]), self.zeros(&[x.width()]));
        let x = self.make(x.shape(), |out| {
            let parameters = (values_mut(&mut gamma), values_mut(&mut beta));
            let (norm, add) = (norm_of(norm), add.map(f32s));
            norm::norm_backward(self.isa, &self.pool, f32s(x), norm, f32s(grad), add, out, parameters);
        });
        NormGrads { x, gamma, beta }
    }

    fn rope_backward(&self, grad: Tensor, dim: usize, angles: &Angles) -> Tensor {
        let mut grad = self.own(grad);
        let (heads, cos, sin) = (grad.width() / dim, f32s(&angles.cos), f32s(&angles.sin));
        rope::rope_backward(self.isa, &self.pool, values_mut(&mut grad), heads, dim, cos, sin);
        grad
    }

    fn attention_backward(
        &self,
        forward: AttentionForward<'_>,
        grad: &Tensor,
        heads: &Heads,
        spans: &[Span],
        dtype: DType,
    ) -> [Tensor; 3] {
        let AttentionForward { q, k, v, out } = forward;
        let kernel = match dtype {
            DType::F32 => attention::backward::<f32>,
            DType::Bf16 => attention::backward::<Pair>,
        };
        let [mut of_q, mut of_k, mut of_v] = [(); 3].map(|()| self.empty(q.shape(), DType::F32));
        let forward = Forward { q: f32s(q), k: f32s(k), v: f32s(v), out: f32s(out) };
        let grads = Gradients { q: values_mut(&mut of_q), k: values_mut(&mut of_k), v: values_mut(&mut of_v) };
        kernel(self.isa, &self.pool, heads, forward, f32s(grad), spans, grads);
        if heads.heads == heads.kv_heads {
            return [of_q, of_k, of_v];
        }
        let [of_k, of_v] =
            [of_k, of_v].map(|x| self.make(k.shape(), |out| attention::sum_groups(&self.pool, heads, f32s(&x), out)));
        [of_q, of_k, of_v]
    }

    fn embed_backward(&self, ids: &[u32], grad: &Tensor, before: Tensor) -> Tensor {
        let (mut table, width) = (self.own(before), grad.width());
        let rows: &mut [f32] = values_mut(&mut table);
        for (&id, grad) in ids.iter().zip(f32s(grad).chunks_exact(width)) {
            rows[id as usize * width..][..width].iter_mut().zip(grad).for_each(|(sum, x)| *sum += x);
        }
        table
    }

    fn pixel_unshuffle(&self, grad: &Tensor, side: usize, factor: usize) -> Tensor {
        let (square, width) = (factor * factor, grad.width() / (factor * factor));
        self.make(&[grad.rows() * square, width], |out| {
            patches::pixel_unshuffle(&self.pool, f32s(grad), side, width, factor, out);
        })
    }

    fn replace(&self, weight: &mut Weight, parameters: &Tensor) {
        let (outputs, inputs) = (weight.outputs(), weight.inputs());
        let bytes: &[u8] = bytemuck::cast_slice(f32s(parameters));
        let Some(packed) = weight.packed_mut::<CpuWeight>() else {
            let (quant, purpose) = match weight.packed::<CpuWeight>() {
                CpuWeight::Packed(packed) if packed.kept() == Kept::F32 => (Quant::F32, Use::Train),
                CpuWeight::Packed(_) => (Quant::Bf16, Use::Train),
                CpuWeight::Table { .. } => (Quant::F32, Use::Lookup),
                CpuWeight::Nf4(_) => unreachable!("a weight in 4 bits is frozen"),
            };
            *weight = self.weight(&Source { bytes, stored: Stored::F32, outputs, inputs }, quant, purpose);
            return;
        };
        match packed {
            CpuWeight::Packed(packed) => packed.replace(&self.pool, Stored::F32, bytes),
            CpuWeight::Table { bytes: table, stored } => {
                *stored = Stored::F32;
                table.clear();
                table.extend_from_slice(bytes);
            }
            CpuWeight::Nf4(_) => unreachable!("a weight in 4 bits is frozen"),
        }
    }

    fn adamw(&self, settings: AdamW, parameters: &mut Tensor, grad: &Tensor, scale: f32, means: [&mut Tensor; 2]) {
        let [mean, square] = means.map(values_mut);
        optimiser::adamw(self.isa, &self.pool, settings, values_mut(parameters), f32s(grad), scale, (mean, square));
    }

    fn adamw8(&self, settings: AdamW, parameters: &mut Tensor, grad: &Tensor, scale: f32, means: [Blocks<'_>; 2]) {
        let ([mean, square], p) = (means, values_mut(parameters));
        optimiser::adamw8(self.isa, &self.pool, settings, p, f32s(grad), scale, mean, square);
    }

    fn sgd(
        &self,
        settings: Sgd,
        parameters: &mut Tensor,
        grad: &Tensor,
        scale: f32,
        velocity: Option<(f32, &mut Tensor)>,
    ) {
        let velocity = velocity.map(|(momentum, velocity)| (momentum, values_mut(velocity)));
        optimiser::sgd(self.isa, &self.pool, settings, values_mut(parameters), f32s(grad), scale, velocity);
    }

    fn muon(&self, settings: Muon, parameters: &mut Tensor, grad: &Tensor, scale: f32, mean: &mut Tensor) {
        let mut room = self.muon.lock().unwrap_or_else(PoisonError::into_inner);
        let (width, mean) = (parameters.width(), values_mut(mean));
        let matrix = (values_mut(parameters), width);
        optimiser::muon(self.isa, &self.pool, settings, matrix, f32s(grad), scale, mean, &mut room);
    }

    fn sum_of_squares(&self, x: &Tensor) -> f64 {
        optimiser::sum_of_squares(self.isa, &self.pool, f32s(x))
    }

    fn cross_entropy(&self, logits: Tensor, targets: &[u32], weights: &[f32], z: f32) -> (Vec<f32>, Tensor) {
        let (mut logits, mut losses) = (self.own(logits), vec![0.0; targets.len()]);
        loss::cross_entropy(self.isa, &self.pool, values_mut(&mut logits), targets, weights, z, &mut losses);
        (losses, logits)
    }
}

impl Cpu {
    fn zeros(&self, shape: &[usize]) -> Tensor {
        self.make(shape, |out| out.fill(0.0))
    }
}
