//! Layer norm and RMS norm over rows.

use crate::isa::for_each_isa;
use crate::math::{fma, join};
use crate::pool::SendPtr;
use crate::{Isa, Pool};

/// Rows in a task.
const TASK_ROWS: usize = 16;

/// What rows are divided by, and what follows.
#[derive(Clone, Copy)]
pub enum Norm<'a> {
    /// `(x - mean) / sqrt(variance + eps) * gamma + beta`
    Layer {
        /// [width]
        gamma: &'a [f32],
        /// [width]
        beta: &'a [f32],
        /// Added to the variance.
        eps: f32,
    },
    /// `x / sqrt(mean of squares + eps) * gamma`
    Rms {
        /// [width]
        gamma: &'a [f32],
        /// Added to the mean square.
        eps: f32,
    },
}

impl Norm<'_> {
    /// Of the rows.
    pub fn width(&self) -> usize {
        match self {
            Norm::Layer { gamma, .. } | Norm::Rms { gamma, .. } => gamma.len(),
        }
    }

    /// One row.
    pub(crate) fn row(&self, isa: Isa, x: &[f32], out: &mut [f32]) {
        match *self {
            Norm::Layer { gamma, beta, eps } => layer_norm_one(isa, x, gamma, beta, eps, out),
            Norm::Rms { gamma, eps } => rms_norm_one(isa, x, gamma, eps, out),
        }
    }
}

/// The norm of every row of `x [rows, width]`.
///
/// # Panics
/// If a length does not fit.
pub fn norm(isa: Isa, pool: &Pool, x: &[f32], norm: Norm<'_>, out: &mut [f32]) {
    let width = norm.width();
    assert!(width > 0 && x.len() == out.len() && x.len().is_multiple_of(width), "norm: rows");
    assert!(!matches!(norm, Norm::Layer { gamma, beta, .. } if gamma.len() != beta.len()), "norm: beta");
    pool.chunks(out, TASK_ROWS * width, |i, out| {
        for (x, out) in x[i * TASK_ROWS * width..].chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            norm.row(isa, x, out);
        }
    });
}

for_each_isa! {
    fn layer_norm_one(x: &[f32], gamma: &[f32], beta: &[f32], eps: f32, out: &mut [f32]) = layer_norm_row;
}

#[inline(always)]
fn layer_norm_row(x: &[f32], gamma: &[f32], beta: &[f32], eps: f32, out: &mut [f32]) {
    let n = x.len() as f32;
    let mean = sum(x, |x| x) / n;
    let variance = sum(x, |x| (x - mean) * (x - mean)) / n;
    let scale = 1.0 / (variance + eps).sqrt();
    for (((out, &x), &gamma), &beta) in out.iter_mut().zip(x).zip(gamma).zip(beta) {
        *out = fma((x - mean) * scale, gamma, beta);
    }
}

for_each_isa! {
    fn rms_norm_one(x: &[f32], gamma: &[f32], eps: f32, out: &mut [f32]) = rms_norm_row;
}

#[inline(always)]
fn rms_norm_row(x: &[f32], gamma: &[f32], eps: f32, out: &mut [f32]) {
    let scale = 1.0 / (sum(x, |x| x * x) / x.len() as f32 + eps).sqrt();
    for ((out, &x), &gamma) in out.iter_mut().zip(x).zip(gamma) {
        *out = x * scale * gamma;
    }
}

/// Rows whose sums over columns are made together, and then added to the others' in order.
const GRAD_ROWS: usize = 64;

/// The gradients of [`norm`], given that of what came out: of `x` plus `add` into `out`, and added to `gamma` and, for a
/// layer norm, to `beta`, both [width].
///
/// # Panics
/// If a length does not fit.
pub fn norm_backward(
    isa: Isa,
    pool: &Pool,
    x: &[f32],
    norm: Norm<'_>,
    grad: &[f32],
    add: Option<&[f32]>,
    out: &mut [f32],
    (gamma, beta): (&mut [f32], &mut [f32]),
) {
    let width = norm.width();
    assert!(width > 0 && x.len() == out.len() && grad.len() == x.len() && x.len().is_multiple_of(width), "norm: rows");
    assert!(gamma.len() == width && beta.len() == width, "norm: gradients of its parameters");
    assert!(add.is_none_or(|add| add.len() == x.len()), "norm: what is added");
    let blocks = x.len().div_ceil(GRAD_ROWS * width);
    let mut sums = vec![0.0f32; 2 * blocks * width];
    let out = SendPtr(out.as_mut_ptr());
    pool.chunks(&mut sums, 2 * width, |block, sums| {
        let start = block * GRAD_ROWS * width;
        let len = (GRAD_ROWS * width).min(x.len() - start);
        // SAFETY: rows of this block alone, inside `out`, which outlives the job.
        let out = unsafe { std::slice::from_raw_parts_mut(out.at(start), len) };
        let (gamma, beta) = sums.split_at_mut(width);
        let rows = x[start..][..len].chunks_exact(width).zip(grad[start..][..len].chunks_exact(width));
        for (row, ((x, grad), out)) in rows.zip(out.chunks_exact_mut(width)).enumerate() {
            let add = add.map(|add| &add[start + row * width..][..width]);
            backward_one(isa, x, norm, grad, add, out, gamma, beta);
        }
    });
    for sums in sums.chunks_exact(2 * width) {
        gamma.iter_mut().zip(&sums[..width]).for_each(|(to, x)| *to += x);
        beta.iter_mut().zip(&sums[width..]).for_each(|(to, x)| *to += x);
    }
}

for_each_isa! {
    fn backward_one(
        x: &[f32],
        norm: Norm<'_>,
        grad: &[f32],
        add: Option<&[f32]>,
        out: &mut [f32],
        gamma_sum: &mut [f32],
        beta_sum: &mut [f32],
    ) = backward_row;
}

#[inline(always)]
fn backward_row(
    x: &[f32],
    norm: Norm<'_>,
    grad: &[f32],
    add: Option<&[f32]>,
    out: &mut [f32],
    gamma_sum: &mut [f32],
    beta_sum: &mut [f32],
) {
    let n = x.len() as f32;
    let (gamma, mean, scale) = match norm {
        Norm::Layer { gamma, eps, .. } => {
            let mean = sum(x, |x| x) / n;
            (gamma, mean, 1.0 / (sum(x, |x| (x - mean) * (x - mean)) / n + eps).sqrt())
        }
        Norm::Rms { gamma, eps } => (gamma, 0.0, 1.0 / (sum(x, |x| x * x) / n + eps).sqrt()),
    };
    // out first holds the gradient of the normed x, and what it makes with the normed x.
    for (((out, &x), &grad), &gamma) in out.iter_mut().zip(x).zip(grad).zip(gamma) {
        *out = grad * gamma * (x - mean) * scale;
    }
    let along = sum(out, |x| x) / n;
    for ((out, &grad), &gamma) in out.iter_mut().zip(grad).zip(gamma) {
        *out = grad * gamma;
    }
    let across = if let Norm::Layer { .. } = norm { sum(out, |x| x) / n } else { 0.0 };
    for (out, &x) in out.iter_mut().zip(x) {
        *out = scale * (*out - across - (x - mean) * scale * along);
    }
    if let Some(add) = add {
        out.iter_mut().zip(add).for_each(|(out, add)| *out += add);
    }
    for ((to, &x), &grad) in gamma_sum.iter_mut().zip(x).zip(grad) {
        *to = fma(grad, (x - mean) * scale, *to);
    }
    beta_sum.iter_mut().zip(grad).for_each(|(to, &grad)| *to += grad);
}

/// The sum of `f` over `x` in sixteen lanes, joined in a fixed order.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let parts = x.chunks_exact(16);
    let rest = parts.remainder();
    for part in parts {
        for (lane, &x) in lanes.iter_mut().zip(part) {
            *lane += f(x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane += f(x);
    }
    join(&lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follow_their_definitions_on_every_path_and_with_any_threads() {
        for (rows, width) in [(1, 1), (3, 48), (40, 33), (2, 1152)] {
            let x: Vec<f32> = (0..rows * width).map(|i| ((i * 7919) % 1013) as f32 / 100.0 - 3.0).collect();
            let gamma: Vec<f32> = (0..width).map(|i| 1.0 + i as f32 / 100.0).collect();
            let beta: Vec<f32> = (0..width).map(|i| i as f32 / 50.0 - 0.5).collect();
            let mut first: Option<(Vec<f32>, Vec<f32>)> = None;
            for threads in [1, 3] {
                for isa in Isa::tested() {
                    let pool = Pool::new(threads);
                    let (mut layer, mut rms) = (vec![0.0; x.len()], vec![0.0; x.len()]);
                    norm(isa, &pool, &x, Norm::Layer { gamma: &gamma, beta: &beta, eps: 1e-6 }, &mut layer);
                    norm(isa, &pool, &x, Norm::Rms { gamma: &gamma, eps: 1e-5 }, &mut rms);
                    for (r, row) in x.chunks(width).enumerate() {
                        let n = width as f64;
                        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
                        let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
                        let square = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n;
                        for (i, &x) in row.iter().enumerate() {
                            let (x, g) = (f64::from(x), f64::from(gamma[i]));
                            let want = (x - mean) / (variance + 1e-6).sqrt() * g + f64::from(beta[i]);
                            assert!((f64::from(layer[r * width + i]) - want).abs() < 1e-4, "layer {width}");
                            let want = x / (square + 1e-5).sqrt() * g;
                            assert!((f64::from(rms[r * width + i]) - want).abs() < 1e-4, "rms {width}");
                        }
                    }
                    let this = (layer, rms);
                    assert_eq!(first.get_or_insert_with(|| this.clone()), &this);
                }
            }
        }
    }

    #[test]
    fn gradients_are_slopes_with_any_threads() {
        let (rows, width) = (70, 33);
        let noise = |n: usize, seed: usize| -> Vec<f32> {
            (0..n).map(|i| (((i + seed) * 7919 + 13) % 1009) as f32 / 504.5 - 1.0).collect()
        };
        let (x, gamma, beta, grad) = (noise(rows * width, 1), noise(width, 2), noise(width, 3), noise(rows * width, 4));
        let added = noise(x.len(), 5);
        for norm in [Norm::Layer { gamma: &gamma, beta: &beta, eps: 1e-6 }, Norm::Rms { gamma: &gamma, eps: 1e-5 }] {
            let layer = matches!(norm, Norm::Layer { .. });
            // The sum of a row's outputs times their gradients, in f64.
            let value = |x: &[f64], grad: &[f32], gamma: &[f64]| -> f64 {
                let n = width as f64;
                let mean = if layer { x.iter().sum::<f64>() / n } else { 0.0 };
                let eps = if layer { f64::from(1e-6f32) } else { f64::from(1e-5f32) };
                let scale = 1.0 / (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n + eps).sqrt();
                x.iter().zip(grad).zip(gamma).map(|((x, &g), gamma)| (x - mean) * scale * gamma * f64::from(g)).sum()
            };
            let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f64::from(x)).collect() };
            let mut first = None;
            for isa in Isa::tested() {
                for threads in [1, 3] {
                    let (mut out, mut by_gamma, mut by_beta) = (vec![0.0; x.len()], vec![0.0; width], vec![0.0; width]);
                    let (pool, by) = (Pool::new(threads), (&mut by_gamma[..], &mut by_beta[..]));
                    norm_backward(isa, &pool, &x, norm, &grad, Some(&added), &mut out, by);
                    out.iter_mut().zip(&added).for_each(|(out, add)| *out -= add);
                    let this = (out, by_gamma, by_beta);
                    assert_eq!(first.get_or_insert_with(|| this.clone()), &this);
                }
            }
            let (out, by_gamma, by_beta) = first.unwrap();
            let slope = |f: &dyn Fn(f64) -> f64| (f(1e-5) - f(-1e-5)) / 2e-5;
            for i in 0..width {
                for r in [0, 69] {
                    let (row, grad) = (wide(&x[r * width..][..width]), &grad[r * width..][..width]);
                    let want = slope(&|h| {
                        let mut row = row.clone();
                        row[i] += h;
                        value(&row, grad, &wide(&gamma))
                    });
                    assert!(
                        (f64::from(out[r * width + i]) - want).abs() < 5e-6,
                        "{r}, {i}: {} {want}",
                        out[r * width + i]
                    );
                }
                let rows = || x.chunks(width).zip(grad.chunks(width));
                let want = slope(&|h| {
                    let mut gamma = wide(&gamma);
                    gamma[i] += h;
                    rows().map(|(x, grad)| value(&wide(x), grad, &gamma)).sum()
                });
                assert!((f64::from(by_gamma[i]) - want).abs() < 2e-5, "gamma {i}: {} {want}", by_gamma[i]);
                let want: f64 = rows().map(|(_, grad)| f64::from(grad[i])).sum();
                assert!((f64::from(by_beta[i]) - want).abs() < 2e-5, "beta {i}");
            }
        }
    }
}
