//! Gradients of the activations between two products.

use crate::isa::for_each_isa;
use crate::math::logistic;
use crate::pool::SendPtr;
use crate::{Isa, Pool};

/// Numbers in a task.
const TASK: usize = 1 << 14;

/// `grad * gelu'(x)`, GELU in its tanh form, of what went into it.
///
/// # Panics
/// If a length does not fit.
pub fn gelu_tanh_backward(isa: Isa, pool: &Pool, x: &[f32], grad: &[f32], out: &mut [f32]) {
    assert!(x.len() == out.len() && grad.len() == out.len(), "gelu's gradient: lengths");
    pool.chunks(out, TASK, |i, out| {
        let range = i * TASK..i * TASK + out.len();
        gelu(isa, &x[range.clone()], &grad[range], out);
    });
}

/// The gradients of `up * silu(gate)`: of the gate and of the other factor.
///
/// # Panics
/// If a length does not fit.
pub fn swiglu_backward(
    isa: Isa,
    pool: &Pool,
    (gate, up): (&[f32], &[f32]),
    grad: &[f32],
    (gate_grad, up_grad): (&mut [f32], &mut [f32]),
) {
    assert!(
        [gate.len(), up.len(), gate_grad.len(), up_grad.len()].iter().all(|&len| len == grad.len()),
        "swiglu's gradient"
    );
    let up_grad = SendPtr(up_grad.as_mut_ptr());
    pool.chunks(gate_grad, TASK, |i, gate_grad| {
        let range = i * TASK..i * TASK + gate_grad.len();
        // SAFETY: the same piece of a tensor as long, which belongs to this task alone and outlives the job.
        let up_grad = unsafe { std::slice::from_raw_parts_mut(up_grad.at(range.start), range.len()) };
        silu_both(isa, &gate[range.clone()], &up[range.clone()], &grad[range], gate_grad, up_grad);
    });
}

for_each_isa! {
    fn gelu(x: &[f32], grad: &[f32], out: &mut [f32]) = gelu_all;
}

#[inline(always)]
fn gelu_all(x: &[f32], grad: &[f32], out: &mut [f32]) {
    // gelu(x) = x l(2u) with the logistic function l and u = sqrt(2/pi) (x + 0.044715 x^3).
    const FACTOR: f32 = 1.595_769; // 2 sqrt(2/pi)
    for ((out, &x), &grad) in out.iter_mut().zip(x).zip(grad) {
        let square = x * x;
        let l = logistic(FACTOR * x * (1.0 + 0.044_715 * square));
        let slope = FACTOR * (1.0 + 3.0 * 0.044_715 * square);
        *out = grad * (l + x * l * (1.0 - l) * slope);
    }
}

for_each_isa! {
    fn silu_both(gate: &[f32], up: &[f32], grad: &[f32], gate_grad: &mut [f32], up_grad: &mut [f32]) = silu_both_all;
}

#[inline(always)]
fn silu_both_all(gate: &[f32], up: &[f32], grad: &[f32], gate_grad: &mut [f32], up_grad: &mut [f32]) {
    let given = gate.iter().zip(up).zip(grad);
    for (((&gate, &up), &grad), (gate_grad, up_grad)) in given.zip(gate_grad.iter_mut().zip(up_grad)) {
        let l = logistic(gate);
        *gate_grad = grad * up * l * (1.0 + gate * (1.0 - l));
        *up_grad = grad * gate * l;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logistic64(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    /// The slope of `f` at `x` by differences.
    fn slope(f: impl Fn(f64) -> f64, x: f32) -> f64 {
        let (x, h) = (f64::from(x), 1e-5);
        (f(x + h) - f(x - h)) / (2.0 * h)
    }

    #[test]
    fn are_the_slopes_of_the_activations() {
        let x: Vec<f32> = (0..501).map(|i| (i as f32 - 250.0) / 20.0).collect();
        let other: Vec<f32> = (0..501).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect();
        let grad: Vec<f32> = (0..501).map(|i| ((i * 53) % 97) as f32 / 40.0 - 1.2).collect();
        for isa in Isa::tested() {
            let pool = Pool::new(2);
            let [mut gelu, mut gate, mut up] = [(); 3].map(|()| vec![0.0; x.len()]);
            gelu_tanh_backward(isa, &pool, &x, &grad, &mut gelu);
            swiglu_backward(isa, &pool, (&x, &other), &grad, (&mut gate, &mut up));
            for i in 0..x.len() {
                let g = f64::from(grad[i]);
                let c = (2.0 / std::f64::consts::PI).sqrt();
                let want = g * slope(|x| 0.5 * x * (1.0 + (c * (x + 0.044_715 * x.powi(3))).tanh()), x[i]);
                assert!((f64::from(gelu[i]) - want).abs() < 2e-6, "gelu at {}: {} {want}", x[i], gelu[i]);
                let want = g * f64::from(other[i]) * slope(|x| x * logistic64(x), x[i]);
                assert!((f64::from(gate[i]) - want).abs() < 2e-6, "gate at {}: {} {want}", x[i], gate[i]);
                let want = g * f64::from(x[i]) * logistic64(f64::from(x[i]));
                assert!((f64::from(up[i]) - want).abs() < 4e-6, "up at {}: {} {want}", x[i], up[i]);
            }
        }
    }
}
