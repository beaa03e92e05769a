//! Noise that is smooth in the plane.

use crate::Random;

/// Value noise, row by row, in [0, 1]: random numbers on a grid of `period` pixels and smooth between them, and `octaves`
/// of it, each of half the period and half the height of the one before.
pub fn field(width: u32, height: u32, period: f64, octaves: u32, random: &mut Random) -> Vec<f64> {
    let (w, h) = (width as usize, height as usize);
    let mut sum = vec![0.0; w * h];
    let (mut period, mut tall, mut whole) = (period.max(2.0), 1.0, 0.0);
    for _ in 0..octaves {
        add(&mut sum, w, h, period, tall, random);
        whole += tall;
        period = (period / 2.0).max(2.0);
        tall /= 2.0;
    }
    sum.iter_mut().for_each(|value| *value /= whole);
    sum
}

/// One octave.
fn add(sum: &mut [f64], w: usize, h: usize, period: f64, tall: f64, random: &mut Random) {
    let columns = (w as f64 / period) as usize + 2;
    let rows = (h as f64 / period) as usize + 2;
    let grid: Vec<f64> = (0..columns * rows).map(|_| random.unit() * tall).collect();
    let across: Vec<(usize, f64)> = (0..w).map(|x| split(x, period)).collect();
    let mut line = vec![0.0; columns];
    for (y, out) in sum.chunks_exact_mut(w).enumerate() {
        let (row, share) = split(y, period);
        let (upper, lower) = (&grid[row * columns..][..columns], &grid[(row + 1) * columns..][..columns]);
        line.iter_mut().zip(upper.iter().zip(lower)).for_each(|(to, (a, b))| *to = a + (b - a) * share);
        for (out, &(column, share)) in out.iter_mut().zip(&across) {
            *out += line[column] + (line[column + 1] - line[column]) * share;
        }
    }
}

/// The grid's cell of a pixel, and how far it is into it: smooth at both ends.
fn split(at: usize, period: f64) -> (usize, f64) {
    let place = at as f64 / period;
    let cell = place as usize;
    let t = place - cell as f64;
    (cell, t * t * (3.0 - 2.0 * t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_smooth_and_fills_its_range() {
        let field = field(200, 100, 16.0, 1, &mut Random::new(1, 2));
        let (low, high) = field.iter().fold((1.0f64, 0.0f64), |(low, high), &v| (low.min(v), high.max(v)));
        assert!(field.len() == 20_000 && (0.0..0.1).contains(&low) && (0.9..=1.0).contains(&high), "{low} {high}");
        let step = |a: &[f64]| (a[1] - a[0]).abs();
        assert!(field.chunks_exact(200).flat_map(|row| row.windows(2)).map(step).fold(0.0, f64::max) < 0.1);
    }
}
