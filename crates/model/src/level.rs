//! Channels brought level, for matrices that are kept in few bits.
//!
//! The columns of a matrix that read different channels may be of very different sizes: where channels are loud, trained columns
//! are quiet. In a group of numbers that share a scale the large ones leave the others few bits. So a column is multiplied by a
//! power of two that makes it as large as others, and what makes the channel is divided by it: the gains of a norm, the rows of
//! a matrix of values, or of one that multiplies. The function is the same, to the last bit where nothing is rounded; and
//! channels then are as large as what they contribute, which is what the rounding of inputs wants, too.

use smolvlm_backend::{Stored, widen, widen_into};

/// The furthest that a channel is brought, as a power of two.
const MOST: f32 = 8.0;
/// Rows of a matrix that tell how large its columns are.
const SAMPLED: usize = 256;

/// What columns are multiplied by, and what makes their channels divided by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Levels(Option<Vec<f32>>);

impl Levels {
    /// Of columns with these sums of squares. Those nearer to the usual size than the `least` power of two stay as they are.
    pub(crate) fn of(squares: &[f32], least: f32) -> Levels {
        let mut sorted: Vec<f32> = squares.iter().copied().filter(|square| *square > 0.0).collect();
        sorted.sort_by(f32::total_cmp);
        let Some(usual) = sorted.get(sorted.len() / 2) else { return Levels(None) };
        let level = |square: &f32| match (usual / square).log2() / 2.0 {
            power if power.is_finite() && power.abs() >= least => power.clamp(-MOST, MOST).round().exp2(),
            _ => 1.0,
        };
        let levels: Vec<f32> = squares.iter().map(level).collect();
        Levels(levels.iter().any(|level| *level != 1.0).then_some(levels))
    }

    /// Of channels with these mean squares, which columns with these sums of squares read: the rounding of loud inputs and that
    /// of small columns are brought into balance (as Xiao et al. 2023, "SmoothQuant").
    pub(crate) fn balanced(loudness: &[f32], squares: &[f32]) -> Levels {
        /// How much of the difference columns take over. Rounding that compensates for errors makes up for theirs; that of
        /// inputs has nothing of the kind, but is less of the loss.
        const PART: f32 = 0.3;
        let both = || loudness.iter().zip(squares).filter(|(loud, square)| **loud > 0.0 && **square > 0.0);
        let power = |loud: &f32, square: &f32| (PART * loud.log2() - (1.0 - PART) * square.log2()) / 2.0;
        let mean = both().map(|(loud, square)| power(loud, square)).sum::<f32>() / both().count().max(1) as f32;
        let level = |(loud, square): (&f32, &f32)| match power(loud, square) - mean {
            power if power.is_finite() => power.clamp(-MOST, MOST).exp2(),
            _ => 1.0,
        };
        Levels(Some(loudness.iter().zip(squares).map(level).collect()))
    }

    /// The same for heads of `dim` channels, each of which `times` heads read that follow each other.
    pub(crate) fn repeated(&self, times: usize, dim: usize) -> Levels {
        Levels(self.0.as_ref().map(|levels| levels.chunks(dim).flat_map(|head| head.repeat(times)).collect()))
    }

    /// What each of so many columns is multiplied by.
    pub(crate) fn factors(&self, columns: usize) -> Vec<f32> {
        self.0.clone().unwrap_or_else(|| vec![1.0; columns])
    }

    /// What makes the channels, divided; whether any may have changed.
    pub(crate) fn lower(&self, values: &mut [f32]) -> bool {
        for (value, level) in values.iter_mut().zip(self.0.iter().flatten()) {
            *value /= level;
        }
        self.0.is_some()
    }
}

/// A matrix with its columns multiplied by `columns` and its rows divided by `rows`; none where all stay as they are.
pub(crate) fn scaled(stored: Stored, bytes: &[u8], inputs: usize, columns: &Levels, rows: &Levels) -> Option<Vec<f32>> {
    if columns.0.is_none() && rows.0.is_none() {
        return None;
    }
    let mut values = widen(stored, bytes, inputs);
    for (at, row) in values.chunks_mut(inputs).enumerate() {
        let by = rows.0.as_ref().and_then(|rows| rows.get(at)).map_or(1.0, |level| 1.0 / level);
        row.iter_mut().for_each(|value| *value *= by);
        row.iter_mut().zip(columns.0.iter().flatten()).for_each(|(value, level)| *value *= level);
    }
    Some(values)
}

/// Adds the squares of some rows of a row-major matrix to those of others, column by column.
pub(crate) fn add_squares(stored: Stored, bytes: &[u8], squares: &mut [f32]) {
    let row_bytes = stored.row(squares.len());
    let rows = bytes.len() / row_bytes.max(1);
    let mut row = vec![0.0; squares.len()];
    for bytes in bytes.chunks_exact(row_bytes.max(1)).step_by(rows.div_ceil(SAMPLED).max(1)) {
        widen_into(stored, bytes, &mut row);
        squares.iter_mut().zip(&row).for_each(|(square, x)| *square += x * x);
    }
}

/// The mean over the heads that read the same channels: `times` that follow each other, of `dim` channels.
pub(crate) fn shared(squares: &[f32], times: usize, dim: usize) -> Vec<f32> {
    let of_head = |heads: &[f32]| (0..dim).map(|d| heads.iter().skip(d).step_by(dim).sum()).collect::<Vec<f32>>();
    squares.chunks(times * dim).flat_map(of_head).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_columns_are_brought_up_and_loud_ones_down() {
        let levels = |squares: &[f32]| Levels::of(squares, 0.5).0.unwrap_or_default();
        let quiet = 1.0 / 900.0; // a thirtieth
        assert_eq!(levels(&[1.0, quiet, 1.1, 70.0, 0.0, 1.0]), [1.0, 32.0, 1.0, 0.125, 1.0, 1.0]);
        assert_eq!(levels(&[1.0, 1e-30, 1.0]), [1.0, 256.0, 1.0], "no further than that");
        assert_eq!(levels(&[1.0, f32::NAN, f32::INFINITY, 4.0, 1.0, 0.9]), [1.0, 1.0, 1.0, 0.5, 1.0, 1.0]);
        assert!(Levels::of(&[1.0, 4.0, 1.0], 1.5).0.is_none() && Levels::of(&[1.0, 9.0, 1.0], 1.5).0.is_some());
        assert!(levels(&[1.0, 1.5, 0.7]).is_empty() && levels(&[0.0; 3]).is_empty());
    }

    #[test]
    fn loud_inputs_and_small_columns_meet() {
        let levels = Levels::balanced(&[1.0, 16.0, 0.0, 1.0], &[1.0, 1.0, 1.0, 1.0 / 16.0]).0.unwrap();
        let ratio = |a: usize, b: usize| (levels[a] / levels[b]).log2();
        assert!((ratio(1, 0) - 0.6).abs() < 1e-5 && (ratio(3, 0) - 1.4).abs() < 1e-5);
        assert_eq!(levels[2], 1.0, "of what is never there nothing is known");
        assert!((levels[0] * levels[1] * levels[3] - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_function_is_the_same() {
        let levels = Levels(Some(vec![1.0, 32.0]));
        let mut gains = [0.3, 9.0];
        assert!(levels.lower(&mut gains) && !Levels::default().lower(&mut gains));
        let matrix = [0.5f32, 0.1, -2.0, 0.7];
        let of = |columns: &Levels, rows: &Levels| scaled(Stored::F32, bytemuck::cast_slice(&matrix), 2, columns, rows);
        let none = Levels::default();
        assert_eq!((gains, of(&levels, &none).unwrap()), ([0.3, 9.0 / 32.0], vec![0.5, 3.2, -2.0, 22.4]));
        assert_eq!(of(&none, &levels).unwrap(), [0.5, 0.1, -2.0 / 32.0, 0.7 / 32.0]);
        assert!(of(&none, &none).is_none());
        let mut squares = [0.5, 0.0];
        add_squares(Stored::F32, bytemuck::cast_slice(&matrix), &mut squares);
        assert_eq!(squares, [4.75, 0.1 * 0.1 + 0.7 * 0.7]);
    }

    #[test]
    fn heads_that_read_the_same_channels_share_their_levels() {
        assert_eq!(shared(&[1.0, 2.0, 10.0, 20.0, 3.0, 4.0, 30.0, 40.0], 2, 2), [11.0, 22.0, 33.0, 44.0]);
        let levels = Levels(Some(vec![1.0, 2.0, 4.0, 8.0]));
        assert_eq!(levels.repeated(2, 2).0.unwrap(), [1.0, 2.0, 1.0, 2.0, 4.0, 8.0, 4.0, 8.0]);
    }
}
