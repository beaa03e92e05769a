//! The gradient of a weight in f32, straight of the rows that were kept.
//!
//! Of `y = x W^T`: dW = dy^T x, a sum over rows. A row of dy holds side by side what a block reads of its left factor at one
//! step, and a row of x what it reads of its right factor: nothing is turned. Its bits are those of a product of dy's
//! transpose with x packed by its columns.

use super::PANEL;
use super::rows::CHAIN;
use crate::isa::for_each_isa;
use crate::pool::SendPtr;
use crate::scratch::with_scratch;
use crate::tile::{Block, Left, Right, VECTOR_ROWS as ROWS, tile};
use crate::{Isa, Pool};
use std::ops::Range;

/// The most outputs, and inputs, of a task: its sums and a chain of both factors stay in the second-level cache.
const MOST: usize = 384;

/// `out = before + grad^T x` [outputs, inputs] of `grad [rows, outputs]` and `x [rows, inputs]`, each given with its width.
///
/// # Panics
/// If a length does not fit.
pub fn weight_gradient(
    isa: Isa,
    pool: &Pool,
    (grad, outputs): (&[f32], usize),
    (x, inputs): (&[f32], usize),
    before: Option<&[f32]>,
    out: &mut [f32],
) {
    assert!(outputs > 0 && inputs > 0 && out.len() == outputs * inputs, "gradient of a weight: out");
    assert!(
        grad.len().is_multiple_of(outputs) && x.len() == grad.len() / outputs * inputs,
        "gradient of a weight: rows"
    );
    assert!(before.is_none_or(|before| before.len() == out.len()), "gradient of a weight: the sum so far");
    let (down, across) = pieces(pool.threads(), outputs, inputs);
    let out = SendPtr(out.as_mut_ptr());
    pool.run(down * across, |task| {
        let piece = Piece {
            outputs: part(task / across, down, outputs, ROWS),
            inputs: part(task % across, across, inputs, PANEL),
            grad: Columns { rows: grad, width: outputs },
            x: Columns { rows: x, width: inputs },
        };
        piece.sum(isa, |output, inputs_of, sums| {
            let start = output * inputs + inputs_of.start;
            // SAFETY: a part of a row that belongs to this piece alone, inside `out`, which outlives the job.
            let to = unsafe { std::slice::from_raw_parts_mut(out.at(start), inputs_of.len()) };
            match before {
                Some(before) => {
                    let sums = sums.iter().zip(&before[start..]);
                    to.iter_mut().zip(sums).for_each(|(to, (sum, before))| *to = sum + before);
                }
                None => to.copy_from_slice(&sums[..inputs_of.len()]),
            }
        });
    });
}

/// Into how many pieces outputs and inputs are cut: a piece for each thread, and none too large.
fn pieces(threads: usize, outputs: usize, inputs: usize) -> (usize, usize) {
    let (mut down, mut across) = (outputs.div_ceil(MOST), inputs.div_ceil(MOST));
    // The longer side is cut, so that as little as may be is packed for several pieces.
    while down * across < threads && (outputs / down).max(inputs / across) > PANEL {
        if outputs / down >= inputs / across { down += 1 } else { across += 1 }
    }
    (down, across)
}

/// The `index`-th of so many pieces of `0..of`, cut at multiples of `unit`.
fn part(index: usize, pieces: usize, of: usize, unit: usize) -> Range<usize> {
    let border = |index: usize| (index * of.div_ceil(unit) / pieces * unit).min(of);
    border(index)..border(index + 1)
}

/// Some outputs and inputs of a weight's gradient.
struct Piece<'a> {
    outputs: Range<usize>,
    inputs: Range<usize>,
    grad: Columns<'a>,
    x: Columns<'a>,
}

impl Piece<'_> {
    /// Gives `write` the sums over all rows: of each output, with the piece's inputs.
    fn sum(&self, isa: Isa, write: impl Fn(usize, &Range<usize>, &[f32])) {
        let (outputs, stride) = (self.outputs.len(), self.inputs.len().next_multiple_of(PANEL));
        let rows = self.x.rows.len() / self.x.width;
        with_scratch((outputs + CHAIN) * stride + CHAIN * outputs, |scratch| {
            let (sums, scratch) = scratch.split_at_mut(outputs * stride);
            let (right, left) = scratch.split_at_mut(CHAIN * stride);
            if rows == 0 {
                sums.fill(0.0);
            }
            for first in (0..rows).step_by(CHAIN) {
                let steps = first..rows.min(first + CHAIN);
                let depth = steps.len();
                pack_left(isa, self.grad, steps.clone(), self.outputs.clone(), left);
                pack_right(isa, self.x, steps, self.inputs.clone(), right);
                for (panel, b) in right[..depth * stride].chunks_exact(depth * PANEL).enumerate() {
                    for (strip, a) in left[..depth * outputs].chunks(depth * ROWS).enumerate() {
                        let (rows, add) = (a.len() / depth, first > 0);
                        let block = Block { rows, cols: PANEL, depth, stride, add };
                        let c = &mut sums[strip * ROWS * stride + panel * PANEL..];
                        tile(isa, block, Left::Packed, a, Right::new(b, PANEL), c);
                    }
                }
            }
            for (output, sums) in self.outputs.clone().zip(sums.chunks_exact(stride.max(1))) {
                write(output, &self.inputs, sums);
            }
        });
    }
}

/// A matrix whose columns are taken.
#[derive(Clone, Copy)]
struct Columns<'a> {
    rows: &'a [f32],
    width: usize,
}

for_each_isa! {
    /// Packs columns of rows as left factors: strip by strip, in a strip row by row, the last strip narrower.
    fn pack_left(x: Columns<'_>, rows: Range<usize>, columns: Range<usize>, to: &mut [f32]) = left_strips;
}

#[inline(always)]
fn left_strips(x: Columns<'_>, rows: Range<usize>, columns: Range<usize>, to: &mut [f32]) {
    let rest = columns.len() % ROWS;
    strips::<ROWS>(x, rows, columns, rest, to);
}

for_each_isa! {
    /// Packs columns of rows as right factors: strip by strip, in a strip row by row, zeros behind the last column.
    fn pack_right(x: Columns<'_>, rows: Range<usize>, columns: Range<usize>, to: &mut [f32]) = right_strips;
}

#[inline(always)]
fn right_strips(x: Columns<'_>, rows: Range<usize>, columns: Range<usize>, to: &mut [f32]) {
    strips::<PANEL>(x, rows, columns, PANEL, to);
}

/// Packs columns of rows in strips of `N`; the columns behind whole strips have `last` places.
#[inline(always)]
fn strips<const N: usize>(x: Columns<'_>, rows: Range<usize>, columns: Range<usize>, last: usize, to: &mut [f32]) {
    let count = rows.len();
    let (whole_to, last_to) = to.split_at_mut(columns.len() / N * N * count);
    for (step, row) in rows.enumerate() {
        let (whole, rest) = x.rows[row * x.width..][columns.clone()].as_chunks::<N>();
        for (part, to) in whole.iter().zip(whole_to.chunks_exact_mut(N * count)) {
            to[step * N..][..N].copy_from_slice(part);
        }
        if !rest.is_empty() {
            let (to, behind) = last_to[step * last..][..last].split_at_mut(rest.len());
            to.copy_from_slice(rest);
            behind.fill(0.0);
        }
    }
}
