//! A patch embedding that begins as cosines, the coarse ones damped.
//!
//! Drawn at random, every feature of a patch is mostly its mean brightness, as that varies a hundred times as much as its
//! fine structure, and a tower on few pictures is long in finding the rest. Cosines of brightness and two differences of
//! colour, the basis that JPEG took, keep the parts of a patch apart; each is scaled so that what it varies by on
//! pictures (about one over its frequency) comes out nearly even.

use std::f64::consts::PI;

/// How much the three colours vary beside each other: brightness, red against blue, green against both.
const COLOURS: [([f64; 3], f64); 3] = [([1.0, 1.0, 1.0], 1.0), ([1.0, 0.0, -1.0], 0.31), ([1.0, -2.0, 1.0], 0.21)];
/// What keeps the mean, of frequency 0, finite.
const MEAN: f64 = 0.23;
/// 0 would even all out, 1 nothing: the finest parts are noise more than the others.
const KEPT: f64 = 0.3;
/// The root mean square of the features.
const SIZE: f64 = 0.6;
/// The deviation of the positions beside them.
pub(super) const POSITIONS: f64 = 0.25;

/// A cosine of a patch.
#[derive(Clone, Copy)]
struct Cosine {
    colour: usize,
    down: usize,
    across: usize,
}

impl Cosine {
    /// How much pictures vary along it.
    fn spread(self) -> f64 {
        COLOURS[self.colour].1 / ((self.down + self.across) as f64 + MEAN)
    }
}

/// How many there are.
pub(super) fn most(patch: usize) -> usize {
    3 * patch * patch
}

/// The embedding [hidden, 3, patch, patch]: the `hidden` cosines that pictures vary along most.
pub(super) fn embedding(hidden: usize, patch: usize) -> Vec<f32> {
    let all = |colour| (0..patch * patch).map(move |at| Cosine { colour, down: at / patch, across: at % patch });
    let mut cosines: Vec<Cosine> = (0..3).flat_map(all).collect();
    // Equal ones stay in order, so the choice is the same everywhere.
    cosines.sort_by(|a, b| b.spread().total_cmp(&a.spread()));
    cosines.truncate(hidden);
    let mean = cosines.iter().map(|cosine| libm::pow(cosine.spread(), 2.0 * KEPT)).sum::<f64>() / hidden as f64;
    let unit = SIZE / mean.sqrt() / patch as f64;
    cosines.iter().flat_map(|&cosine| filter(cosine, patch, unit)).collect()
}

/// A cosine's weights [3, patch, patch].
fn filter(cosine: Cosine, patch: usize, unit: f64) -> Vec<f32> {
    let size = unit * libm::pow(cosine.spread(), KEPT - 1.0);
    let wave = |frequency: usize, at: usize| {
        let norm = if frequency == 0 { 1.0 } else { 2.0f64.sqrt() };
        norm / (patch as f64).sqrt() * libm::cos(PI * (at as f64 + 0.5) * frequency as f64 / patch as f64)
    };
    let (mix, _) = COLOURS[cosine.colour];
    let norm = mix.iter().map(|x| x * x).sum::<f64>().sqrt();
    let pixel = |channel: f64, at: usize| {
        (size * channel / norm * wave(cosine.down, at / patch) * wave(cosine.across, at % patch)) as f32
    };
    mix.iter().flat_map(|&channel| (0..patch * patch).map(move |at| pixel(channel, at))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_patch_are_kept_apart_and_nearly_even() {
        let (hidden, patch) = (96, 8);
        let (weights, width) = (embedding(hidden, patch), most(patch));
        assert_eq!(weights.len(), hidden * width);
        let rows: Vec<&[f32]> = weights.chunks_exact(width).collect();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let length = |a: &[f32]| dot(a, a).sqrt();
        for (i, row) in rows.iter().enumerate() {
            for other in &rows[..i] {
                assert!(dot(row, other).abs() < 1e-5 * length(row) * length(other));
            }
        }
        // The mean brightness, which varies most, is weighed least, and a grey patch has nothing else.
        let shortest = rows.iter().map(|row| length(row)).fold(f64::MAX, f64::min);
        assert_eq!(length(rows[0]), shortest);
        let grey = vec![1.0; width];
        assert!(dot(rows[0], &grey).abs() > 0.0);
        assert!(rows[1..].iter().all(|row| dot(row, &grey).abs() < 1e-4));
    }
}
