//! Layer norm and RMS norm over rows.

use crate::isa::for_each_isa;
use crate::math::{fma, join};
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
}
