//! Weights of 4 bits out of numbers: the scales and leasts that lose least.

use super::{BLOCK, COLUMNS, DEPTH, Fours, Nibbles, Row, SHARED};
use crate::Isa;
use crate::isa::for_each_isa;
use crate::tile::rounded::{GROUP, low_bits, nearest};

/// Packs up to 256 weights of a panel's columns, a row of the columns for each; zeros follow. Where one is no number, no
/// product is. `to` takes `Fours::depth` rows.
pub(crate) fn pack(isa: Isa, values: &[Row], to: &mut [Fours]) {
    let mut all = [[0.0; COLUMNS]; SHARED];
    all[..values.len()].copy_from_slice(values);
    pack_rows(isa, &all, values.len(), to);
}

for_each_isa! {
    fn pack_rows(values: &[Row; SHARED], count: usize, to: &mut [Fours]) = pack_all;
}

#[inline(always)]
fn pack_all(values: &[Row; SHARED], count: usize, to: &mut [Fours]) {
    let mut fits = [Fit::NONE; SHARED / BLOCK];
    let (mut scale, mut least) = ([0.0f32; COLUMNS], [0.0f32; COLUMNS]);
    for (fit, values) in fits.iter_mut().zip(values.as_chunks::<BLOCK>().0).take(count.div_ceil(BLOCK)) {
        *fit = Fit::of(values);
        for n in 0..COLUMNS {
            scale[n] = scale[n].max(fit.scale[n]);
            least[n] = least[n].max(fit.least[n]);
        }
    }
    let mut sound = [0.0f32; COLUMNS];
    for row in &values[..count] {
        for n in 0..COLUMNS {
            sound[n] += row[n] * 0.0; // no number where one is none
        }
    }
    let (shared, rows) = to.split_at_mut(COLUMNS);
    for n in 0..COLUMNS {
        let of = if sound[n] == 0.0 { upper(scale[n] / 255.0) } else { f32::NAN.to_bits() & 0xFFFF_0000 };
        shared[n] = Nibbles(of | upper(least[n] / 255.0) >> 16);
        (scale[n], least[n]) = shared[n].both();
    }
    for (group, to) in rows.chunks_exact_mut(DEPTH * COLUMNS).enumerate() {
        let (elements, levels) = to.split_at_mut((DEPTH - 1) * COLUMNS);
        elements.fill(Nibbles(0));
        levels.fill(Nibbles(0));
        for half in 0..2 {
            let (fit, values) = (&fits[2 * group + half], &values[group * GROUP + half * BLOCK..][..BLOCK]);
            let (mut times, mut less, mut inverse) = ([0.0f32; COLUMNS], [0.0f32; COLUMNS], [0.0f32; COLUMNS]);
            for n in 0..COLUMNS {
                let (a, b) = (part(fit.scale[n], scale[n]), part(fit.least[n], least[n]));
                levels[n].0 |= (a as u32 | (b as u32) << 8) << (16 * half);
                (times[n], less[n]) = (a * scale[n], b * least[n]);
                inverse[n] = if times[n] > 0.0 { 1.0 / times[n] } else { 0.0 };
            }
            for (k, row) in values.iter().enumerate() {
                let to = &mut elements[k / 4 * COLUMNS..][..COLUMNS];
                for n in 0..COLUMNS {
                    let u = nearest(((row[n] + less[n]) * inverse[n]).clamp(0.0, 15.0));
                    to[n].0 |= low_bits(u) << (8 * (k % 4) + 4 * half);
                }
            }
        }
    }
}

/// How many of 255 parts of a number another is.
#[inline(always)]
fn part(x: f32, of: f32) -> f32 {
    if of > 0.0 { nearest((x / of).clamp(0.0, 255.0)) } else { 0.0 }
}

/// The upper half of a number, rounded up where that is not exact, so that nothing is above 255 parts.
#[inline(always)]
fn upper(x: f32) -> u32 {
    (x.to_bits() + 0xFFFF) & 0xFFFF_0000
}

/// Scales and leasts of a group of each column.
#[derive(Clone, Copy)]
struct Fit {
    scale: Row,
    least: Row,
}

impl Fit {
    const NONE: Fit = Fit { scale: [0.0; COLUMNS], least: [0.0; COLUMNS] };

    /// As near as may be to the weights: scales a little above and below that of the extremes are tried, each with the scale
    /// and least that then fit best (least squares), and what leaves the smallest error is taken. Large weights count more.
    #[inline(always)]
    fn of(values: &[Row; BLOCK]) -> Fit {
        /// How many fifteenths of the range are tried as steps.
        const TRIED: [f32; 9] = [14.0, 14.3, 14.6, 14.8, 15.0, 15.2, 15.4, 15.7, 16.0];
        let mut best = Fit::NONE;
        let (mut low, mut high, mut square) = ([0.0f32; COLUMNS], [0.0f32; COLUMNS], [0.0f32; COLUMNS]);
        for row in values {
            for n in 0..COLUMNS {
                low[n] = low[n].min(row[n]);
                high[n] = high[n].max(row[n]);
                square[n] += row[n] * row[n];
            }
        }
        let (mut mean, mut inverse) = ([0.0f32; COLUMNS], [0.0f32; COLUMNS]);
        for n in 0..COLUMNS {
            mean[n] = (square[n] / BLOCK as f32).sqrt();
            let range = high[n] - low[n];
            inverse[n] = if range > 1e-30 { 1.0 / range } else { 0.0 };
            (best.scale[n], best.least[n]) = if range > 1e-30 { (range / 15.0, -low[n]) } else { (0.0, 0.0) };
        }
        let mut fewest = [f32::INFINITY; COLUMNS];
        for tried in TRIED {
            // Sums of weights w, of what weights are in steps u, and of the weights x.
            let mut sums = [[0.0f32; COLUMNS]; 5];
            for row in values {
                for n in 0..COLUMNS {
                    let x = row[n];
                    let u = nearest(((x - low[n]) * (tried * inverse[n])).clamp(0.0, 15.0));
                    let w = mean[n] + x.abs();
                    let wu = w * u;
                    sums[0][n] += w;
                    sums[1][n] += wu;
                    sums[2][n] += wu * u;
                    sums[3][n] += w * x;
                    sums[4][n] += wu * x;
                }
            }
            for n in 0..COLUMNS {
                let [w, wu, wuu, wx, wux] = [sums[0][n], sums[1][n], sums[2][n], sums[3][n], sums[4][n]];
                let determinant = w * wuu - wu * wu;
                let (s, l) = ((w * wux - wu * wx) / determinant, (wu * wux - wuu * wx) / determinant);
                // Leasts are not below zero.
                let (s, l) = if l < 0.0 { (wux / wuu, 0.0) } else { (s, l) };
                // What is left of the sum of squares, but for what all share.
                let error = s * s * wuu + l * l * w - 2.0 * (s * l * wu + s * wux - l * wx);
                if error < fewest[n] && s > 0.0 && determinant > 0.0 {
                    (fewest[n], best.scale[n], best.least[n]) = (error, s, l);
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::tile::Factor;

    #[test]
    fn odd_weights_are_kept_as_well_as_may_be() {
        let kept = |values: &[f32]| {
            let rows: Vec<Row> = values.iter().map(|&x| [x; COLUMNS]).collect();
            let mut packed = vec![Nibbles(0); Fours::depth(rows.len()) * COLUMNS];
            pack(Isa::best(), &rows, &mut packed);
            let mut out = vec![1.0; values.len()];
            read(&packed, 31, &mut out);
            out
        };
        assert_eq!(kept(&[0.0; 256]), [0.0; 256]);
        assert!(kept(&[1.0, f32::NAN]).iter().chain(&kept(&[f32::INFINITY])).all(|x| x.is_nan()));
        for x in [1e-20f32, 0.3, -0.3, 1e15] {
            assert!(
                kept(&[x; 40]).iter().all(|near| (near / x - 1.0).abs() < 0.02),
                "{x} is read as {:?}",
                kept(&[x; 40])
            );
        }
        // A group of weights above zero has no least.
        let values: Vec<f32> = (0..32).map(|k| 1.0 + k as f32 / 31.0).collect();
        assert!(kept(&values).iter().zip(&values).all(|(near, x)| (near - x).abs() < 0.1));
    }
}
