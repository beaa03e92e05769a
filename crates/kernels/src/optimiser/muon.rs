//! Muon: descent along the nearest orthogonal matrix of a momentum (Jordan et al. 2024), as `torch.optim.Muon` has it.

use super::TASK;
use crate::isa::for_each_isa;
use crate::linear::{Epilogue, Input, Kept, PackedWeight, linear, transpose};
use crate::math::fma;
use crate::pool::SendPtr;
use crate::{AlignedBytes, Isa, Pool};

/// What Muon's step depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Muon {
    /// The rate of this step. It is scaled by the matrix's size, so that numbers change as much as AdamW would change them
    /// (`match_rms_adamw`).
    pub lr: f32,
    /// How much of the mean gradient stays.
    pub momentum: f32,
    /// Decoupled decay, times the rate.
    pub weight_decay: f32,
}

/// The step's root mean square, over that of a matrix with orthonormal rows or columns (Liu et al. 2025).
const RMS: f32 = 0.2;
/// The polynomial that pushes singular values towards 1, and how often it is applied.
const POLYNOMIAL: [f32; 3] = [3.4445, -4.775, 2.0315];
const ITERATIONS: usize = 5;
/// The least norm that is divided by.
const EPS: f64 = 1e-7;

/// Memory of Muon's steps, kept from one to the next.
pub struct MuonRoom {
    packed: AlignedBytes,
    direction: Vec<f32>,
    turned: Vec<f32>,
    gram: Vec<f32>,
    square: Vec<f32>,
}

impl Default for MuonRoom {
    fn default() -> MuonRoom {
        let packed = AlignedBytes::zeroed(0);
        MuonRoom { packed, direction: Vec::new(), turned: Vec::new(), gram: Vec::new(), square: Vec::new() }
    }
}

/// One step over a matrix `parameters [rows, width]`, its gradient times `scale`, and the mean gradient, zeros at first.
///
/// # Panics
/// If a length does not fit.
#[expect(clippy::too_many_arguments, reason = "as the other optimisers' steps, and a matrix has a width")]
pub fn muon(
    isa: Isa,
    pool: &Pool,
    settings: Muon,
    (parameters, width): (&mut [f32], usize),
    gradients: &[f32],
    scale: f32,
    mean: &mut [f32],
    room: &mut MuonRoom,
) {
    let len = parameters.len();
    assert!(gradients.len() == len && mean.len() == len, "muon: lengths");
    assert!(width > 0 && len > 0 && len.is_multiple_of(width), "muon: rows");
    let rows = len / width;
    room.direction.resize(len, 0.0);
    let direction = SendPtr(room.direction.as_mut_ptr());
    pool.chunks(mean, TASK, |i, mean| {
        // SAFETY: this task's part alone of a vector as long as the means, which outlives the job.
        let direction = unsafe { std::slice::from_raw_parts_mut(direction.at(i * TASK), mean.len()) };
        look_ahead(isa, settings.momentum, &gradients[i * TASK..][..mean.len()], scale, mean, direction);
    });
    // The products are least where there are no more rows than columns.
    let tall = rows > width;
    if tall {
        room.turned.resize(len, 0.0);
        transpose(isa, pool, &room.direction, width, &mut room.turned);
        std::mem::swap(&mut room.direction, &mut room.turned);
    }
    orthogonalise(isa, pool, rows.min(width), room);
    if tall {
        transpose(isa, pool, &room.direction, rows, &mut room.turned);
        std::mem::swap(&mut room.direction, &mut room.turned);
    }
    let rate = settings.lr * RMS * (rows.max(width) as f32).sqrt();
    let keep = 1.0 - settings.lr * settings.weight_decay;
    let direction = &room.direction;
    pool.chunks(parameters, TASK, |i, parameters| {
        move_along(isa, &direction[i * TASK..][..parameters.len()], rate, keep, parameters);
    });
}

for_each_isa! {
    fn look_ahead(momentum: f32, gradients: &[f32], scale: f32, mean: &mut [f32], direction: &mut [f32])
        = look_ahead_all;
}

/// Takes the gradient into the mean, and Nesterov's step from there.
#[inline(always)]
fn look_ahead_all(momentum: f32, gradients: &[f32], scale: f32, mean: &mut [f32], direction: &mut [f32]) {
    for ((&g, m), d) in gradients.iter().zip(mean).zip(direction) {
        let g = g * scale;
        *m = fma(1.0 - momentum, g - *m, *m);
        *d = fma(momentum, *m - g, g);
    }
}

for_each_isa! {
    /// The step: numbers decay, and go along the direction.
    fn move_along(direction: &[f32], rate: f32, keep: f32, parameters: &mut [f32]) = move_all;
}

#[inline(always)]
fn move_all(direction: &[f32], rate: f32, keep: f32, parameters: &mut [f32]) {
    parameters.iter_mut().zip(direction).for_each(|(p, &d)| *p = fma(-rate, d, *p * keep));
}

for_each_isa! {
    /// `x <- b x + c square`
    fn weigh(b: f32, c: f32, square: &[f32], x: &mut [f32]) = weigh_all;
}

#[inline(always)]
fn weigh_all(b: f32, c: f32, square: &[f32], x: &mut [f32]) {
    x.iter_mut().zip(square).for_each(|(x, &square)| *x = fma(c, square, b * *x));
}

/// Brings the singular values of `direction [rows, ...]`, of no more rows than columns, near 1: Newton and Schulz's iteration
/// `X <- (a + b X X^T + c (X X^T)^2) X`.
fn orthogonalise(isa: Isa, pool: &Pool, rows: usize, room: &mut MuonRoom) {
    let MuonRoom { packed, direction, turned: next, gram, square } = room;
    let width = direction.len() / rows;
    let norm = super::sum_of_squares(isa, pool, direction).sqrt().max(EPS);
    let factor = (1.0 / norm) as f32;
    pool.chunks(direction, TASK, |_, x| x.iter_mut().for_each(|x| *x *= factor));
    next.resize(direction.len(), 0.0);
    gram.resize(rows * rows, 0.0);
    square.resize(rows * rows, 0.0);
    let [a, b, c] = POLYNOMIAL;
    let mut data = std::mem::replace(packed, AlignedBytes::zeroed(0));
    let product = |x: &[f32], weight: PackedWeight, out: &mut [f32]| {
        linear(isa, pool, Input { x: x.into(), rows, norm: None }, &weight, Epilogue::default(), out);
        weight.into_data()
    };
    for _ in 0..ITERATIONS {
        data = product(direction, PackedWeight::of_rows(pool, data, direction, rows, width, Kept::F32), gram);
        // It is symmetric, and so is its square.
        data = product(gram, PackedWeight::of_rows(pool, data, gram, rows, rows, Kept::F32), square);
        let piece = TASK.div_ceil(rows) * rows;
        pool.chunks(gram, piece, |i, gram| {
            weigh(isa, b, c, &square[i * piece..][..gram.len()], gram);
            let first = i * piece / rows;
            gram.chunks_exact_mut(rows).zip(first..).for_each(|(gram, row)| gram[row] += a);
        });
        data = product(gram, PackedWeight::of_columns(isa, pool, data, direction, rows, width, Kept::F32), next);
        std::mem::swap(direction, next);
    }
    *packed = data;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, salt: usize) -> Vec<f32> {
        (0..n).map(|i| (((i + salt) * 7919) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    /// One step by the definition, in f64.
    fn defined(p: &mut [f64], g: &[f64], m: &mut [f64], (rows, width): (usize, usize), s: Muon) {
        let wide = f64::from;
        let mut x = vec![0.0; p.len()];
        for i in 0..p.len() {
            m[i] += (1.0 - wide(s.momentum)) * (g[i] - m[i]);
            x[i] = (1.0 - wide(s.momentum)) * g[i] + wide(s.momentum) * m[i];
        }
        let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        x.iter_mut().for_each(|x| *x /= norm);
        let [a, b, c] = POLYNOMIAL.map(wide);
        for _ in 0..ITERATIONS {
            // On the rows' side whatever the shape: the singular values do not mind.
            let dot =
                |x: &[f64], i: usize, j: usize| (0..width).map(|k| x[i * width + k] * x[j * width + k]).sum::<f64>();
            let gram: Vec<f64> = (0..rows * rows).map(|at| dot(&x, at / rows, at % rows)).collect();
            let square = |i: usize, j: usize| (0..rows).map(|k| gram[i * rows + k] * gram[k * rows + j]).sum::<f64>();
            let by: Vec<f64> = (0..rows * rows)
                .map(|at| {
                    b * gram[at] + c * square(at / rows, at % rows) + if at / rows == at % rows { a } else { 0.0 }
                })
                .collect();
            x = (0..rows * width)
                .map(|at| (0..rows).map(|k| by[at / width * rows + k] * x[k * width + at % width]).sum())
                .collect();
        }
        let rate = wide(s.lr) * wide(RMS) * (rows.max(width) as f64).sqrt();
        p.iter_mut().zip(&x).for_each(|(p, d)| *p = *p * (1.0 - wide(s.lr) * wide(s.weight_decay)) - rate * d);
    }

    #[test]
    fn steps_are_those_of_the_definition_with_any_threads() {
        let settings = Muon { lr: 0.02, momentum: 0.95, weight_decay: 0.1 };
        for (rows, width) in [(24, 70), (70, 24), (33, 33), (1, 9)] {
            let start = noise(rows * width, 1);
            let (mut want, mut velocity) =
                (start.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), vec![0.0; start.len()]);
            for step in 0..3 {
                let g: Vec<f64> = noise(start.len(), 5 + step).iter().map(|&g| 0.5 * f64::from(g)).collect();
                defined(&mut want, &g, &mut velocity, (rows, width), settings);
            }
            let mut first: Option<Vec<f32>> = None;
            for (isa, threads) in Isa::tested().into_iter().flat_map(|isa| [(isa, 1), (isa, 3)]) {
                let (mut p, mut mean, mut room) = (start.clone(), vec![0.0; start.len()], MuonRoom::default());
                for step in 0..3 {
                    let g = noise(start.len(), 5 + step);
                    muon(isa, &Pool::new(threads), settings, (&mut p, width), &g, 0.5, &mut mean, &mut room);
                }
                assert_eq!(first.get_or_insert_with(|| p.clone()), &p, "{isa:?}, {threads} threads");
            }
            for (i, (got, want)) in first.unwrap().iter().zip(&want).enumerate() {
                assert!((f64::from(*got) - want).abs() < 1e-4, "[{rows}, {width}] {i}: {got} {want}");
            }
        }
    }
}
