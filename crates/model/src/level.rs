//! Channels brought level, for matrices that are kept in few bits.
//!
//! Behind a norm some channels may be far larger than others, and what reads them in the matrices that follow as much smaller:
//! trained towers have such. In a group of numbers that share a scale the large ones leave the others few bits, and the small
//! ones have few themselves. So the norm's gains of such a channel are divided by a power of two, and the columns that read it
//! multiplied by the same: the same function, to the last bit where nothing is rounded.

use smolvlm_backend::{Stored, widen, widen_into};

/// A gain so many times as large as others, or as small, is looked at.
const FAR: f32 = 4.0;
/// Columns whose size tells what is usual.
const SAMPLED: usize = 64;

/// What the columns behind a norm are multiplied by, and its gains divided by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Levels(Option<Vec<f32>>);

impl Levels {
    /// Of a norm's gains, and of the sizes of columns of the matrices that follow, which `sizes` tells.
    ///
    /// # Errors
    /// As `sizes` has them.
    pub(crate) fn of<E>(gains: &[f32], sizes: impl FnOnce(&[usize]) -> Result<Vec<f32>, E>) -> Result<Levels, E> {
        let usual = median(gains.iter().map(|gain| gain.abs()).collect());
        let apart = |gain: f32| gain.abs() / usual;
        let is_far = |&(_, &gain): &(usize, &f32)| {
            let apart = apart(gain);
            apart.is_finite() && (apart >= FAR || (apart > 0.0 && apart <= 1.0 / FAR))
        };
        let far: Vec<(usize, f32)> =
            gains.iter().enumerate().filter(is_far).map(|(k, &gain)| (k, apart(gain))).collect();
        if far.is_empty() {
            return Ok(Levels(None));
        }
        let sampled = (0..gains.len()).step_by(gains.len().div_ceil(SAMPLED));
        let columns: Vec<usize> = far.iter().map(|&(k, _)| k).chain(sampled).collect();
        let mut sizes = sizes(&columns)?;
        let usual = median(sizes.split_off(far.len()));
        let mut levels = vec![1.0; gains.len()];
        for (&(k, apart), size) in far.iter().zip(sizes) {
            // No further than the gain is from the others, nor than the column is.
            let room = usual / size;
            let level = if apart > 1.0 { apart.min(room).max(1.0) } else { apart.max(room).min(1.0) };
            if let Some(to) = levels.get_mut(k).filter(|_| level.is_finite()) {
                *to = level.log2().round().exp2();
            }
        }
        Ok(Levels(Some(levels)))
    }

    /// A norm's gains, or what it adds, divided; whether any may have changed.
    pub(crate) fn lower(&self, values: &mut [f32]) -> bool {
        for (value, level) in values.iter_mut().zip(self.0.iter().flatten()) {
            *value /= level;
        }
        self.0.is_some()
    }

    /// The rows of a matrix, their columns multiplied; none where all stay as they are.
    pub(crate) fn raised(&self, stored: Stored, bytes: &[u8]) -> Option<Vec<f32>> {
        let levels = self.0.as_ref()?;
        let mut values = widen(stored, bytes);
        for row in values.chunks_mut(levels.len()) {
            row.iter_mut().zip(levels).for_each(|(value, level)| *value *= level);
        }
        Some(values)
    }
}

/// The largest numbers of columns of a row-major matrix, taken into those of others.
pub(crate) fn sizes_of(stored: Stored, bytes: &[u8], inputs: usize, columns: &[usize], sizes: &mut [f32]) {
    for row in bytes.chunks_exact(inputs * stored.size()) {
        for (&column, most) in columns.iter().zip(&mut *sizes) {
            let mut value = [0.0];
            if let Some(bytes) = row.get(column * stored.size()..) {
                widen_into(stored, bytes, &mut value);
            }
            *most = most.max(value[0].abs());
        }
    }
}

/// The middle one.
fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(gains: &[f32], sizes: &[f32]) -> Vec<f32> {
        let of = |columns: &[usize]| Ok::<_, ()>(columns.iter().map(|&k| sizes[k]).collect());
        Levels::of(gains, of).unwrap().0.unwrap_or_default()
    }

    #[test]
    fn a_loud_channel_is_brought_down_as_far_as_its_columns_have_room() {
        let with = |at: usize, x: f32| (0..8).map(|k| if k == at { x } else { 1.0 }).collect::<Vec<f32>>();
        assert_eq!(levels(&with(3, 30.0), &with(3, 1.0 / 30.0)), with(3, 32.0));
        assert_eq!(levels(&with(3, -30.0), &with(3, 0.25)), with(3, 4.0));
        assert_eq!(levels(&with(3, 30.0), &with(3, 2.0)), with(3, 1.0), "no room");
        assert_eq!(levels(&with(3, 0.1), &with(3, 8.0)), with(3, 0.125), "a quiet one that is read loudly");
        assert_eq!(levels(&with(3, 0.1), &with(3, 0.5)), with(3, 1.0));
        assert_eq!(levels(&with(3, 30.0), &with(3, 0.0)), with(3, 32.0), "one that nothing reads");
        assert!(levels(&with(3, 3.9), &with(3, 0.1)).is_empty(), "not far");
        assert!(levels(&[0.0; 8], &[1.0; 8]).is_empty() && levels(&with(3, f32::NAN), &with(3, 1.0)).is_empty());
    }

    #[test]
    fn the_function_is_the_same() {
        let levels = Levels(Some(vec![1.0, 32.0]));
        let mut gains = [0.3, 9.0];
        assert!(levels.lower(&mut gains) && !Levels::default().lower(&mut gains));
        let raised = levels.raised(Stored::F32, bytemuck::cast_slice(&[0.5f32, 0.1, -2.0, 0.7])).unwrap();
        assert_eq!((gains, &*raised), ([0.3, 9.0 / 32.0], &[0.5, 3.2, -2.0, 22.4][..]));
        assert!(Levels::default().raised(Stored::F32, &[]).is_none());
        let mut sizes = [0.5, 0.0];
        sizes_of(Stored::F32, bytemuck::cast_slice(&[1.0f32, 2.0, -3.0, 0.1]), 2, &[1, 0], &mut sizes);
        assert_eq!(sizes, [2.0, 3.0]);
    }
}
