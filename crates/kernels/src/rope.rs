//! Rotary position embedding: halves of a head turned against each other.

use crate::isa::for_each_isa;
use crate::{Isa, Pool};

/// Rows in a task.
const TASK_ROWS: usize = 16;

/// The frequencies of heads of `dim`: `theta^(-2i/dim)` for each of dim / 2 pairs, rounded to f32 as the reference does.
pub fn frequencies(theta: f64, dim: usize) -> Vec<f32> {
    let power = |i: usize| theta.powf(f64::from((2 * i) as f32 / dim as f32)) as f32;
    (0..dim / 2).map(|i| 1.0 / power(i)).collect()
}

/// Cosines and sines of every position's angles, each [positions, frequencies]; the angle is the product in f32.
///
/// # Panics
/// If a length does not fit.
pub fn angles(pool: &Pool, frequencies: &[f32], positions: &[u32], cos: &mut [f32], sin: &mut [f32]) {
    let half = frequencies.len();
    assert!(half > 0 && cos.len() == positions.len() * half && sin.len() == cos.len(), "angles: rows");
    let fill = |out: &mut [f32], f: fn(f64) -> f64| {
        pool.chunks(out, TASK_ROWS * half, |i, rows| {
            for (row, &position) in rows.chunks_exact_mut(half).zip(&positions[i * TASK_ROWS..]) {
                for (out, &frequency) in row.iter_mut().zip(frequencies) {
                    *out = f(f64::from(position as f32 * frequency)) as f32;
                }
            }
        });
    };
    fill(cos, f64::cos);
    fill(sin, f64::sin);
}

/// Turns every head of `x [rows, heads * dim]` in place by its row's angles, `cos` and `sin` [rows, dim / 2].
///
/// # Panics
/// If a length does not fit.
pub fn rope(isa: Isa, pool: &Pool, x: &mut [f32], heads: usize, dim: usize, cos: &[f32], sin: &[f32]) {
    let (width, half) = (heads * dim, dim / 2);
    assert!(half > 0 && dim.is_multiple_of(2) && x.len().is_multiple_of(width), "rope: rows");
    assert!(cos.len() == x.len() / width * half && sin.len() == cos.len(), "rope: angles");
    pool.chunks(x, TASK_ROWS * width, |i, rows| {
        let first = i * TASK_ROWS * half;
        let angles = cos[first..].chunks_exact(half).zip(sin[first..].chunks_exact(half));
        for (row, (cos, sin)) in rows.chunks_exact_mut(width).zip(angles) {
            turn(isa, row, cos, sin);
        }
    });
}

/// Turns every head back: the gradient of [`rope`].
///
/// # Panics
/// If a length does not fit.
pub fn rope_backward(isa: Isa, pool: &Pool, x: &mut [f32], heads: usize, dim: usize, cos: &[f32], sin: &[f32]) {
    let back: Vec<f32> = sin.iter().map(|x| -x).collect();
    rope(isa, pool, x, heads, dim, cos, &back);
}

for_each_isa! {
    /// Turns the heads of a row.
    fn turn(row: &mut [f32], cos: &[f32], sin: &[f32]) = turn_row;
}

#[inline(always)]
fn turn_row(row: &mut [f32], cos: &[f32], sin: &[f32]) {
    for head in row.chunks_exact_mut(2 * cos.len()) {
        let (low, high) = head.split_at_mut(cos.len());
        for (((low, high), &cos), &sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
            (*low, *high) = (*low * cos - *high * sin, *high * cos + *low * sin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_pairs_by_their_angle() {
        let (heads, dim) = (2, 4);
        let pool = Pool::new(2);
        let positions = [0, 3, 9];
        let (mut cos, mut sin) = (vec![0.0; 6], vec![0.0; 6]);
        angles(&pool, &frequencies(100.0, dim), &positions, &mut cos, &mut sin);
        let mut x: Vec<f32> = (0..3 * heads * dim).map(|i| i as f32).collect();
        let before = x.clone();
        rope(Isa::best(), &pool, &mut x, heads, dim, &cos, &sin);
        for (row, &position) in positions.iter().enumerate() {
            for head in 0..heads {
                for i in 0..2 {
                    let at = (row * heads + head) * dim + i;
                    let angle = f64::from(position) * 100f64.powf(-(i as f64) / 2.0);
                    let (a, b) = (f64::from(before[at]), f64::from(before[at + 2]));
                    assert!((f64::from(x[at]) - (a * angle.cos() - b * angle.sin())).abs() < 1e-4);
                    assert!((f64::from(x[at + 2]) - (b * angle.cos() + a * angle.sin())).abs() < 1e-4);
                }
            }
        }
        rope_backward(Isa::best(), &pool, &mut x, heads, dim, &cos, &sin);
        assert!(x.iter().zip(&before).all(|(a, b)| (a - b).abs() < 1e-4), "turned back");
    }
}
