//! What the gradients of a linear layer need beside products.
//!
//! Of `y = x W^T + b`: dx = dy W is a product with W packed the other way round, dW = dy^T x one of dy's transpose with x
//! packed by its columns ([`super::PackedWeight::of_columns`]), and db the sums of dy's columns.

use crate::isa::for_each_isa;
use crate::pool::SendPtr;
use crate::{Isa, Pool};

/// Rows and columns that are turned at once: what fits the first-level cache.
const SQUARE: usize = 32;
/// Rows summed together, before their sums are added in order.
const SUM_ROWS: usize = 64;

/// Turns `x [rows, width]` into `out [width, rows]`.
///
/// # Panics
/// If a length does not fit.
pub fn transpose(pool: &Pool, x: &[f32], width: usize, out: &mut [f32]) {
    assert!(width > 0 && x.len() == out.len() && x.len().is_multiple_of(width), "transpose: rows");
    let rows = x.len() / width;
    pool.chunks(out, SQUARE * rows.max(1), |task, out| {
        for first in (0..rows).step_by(SQUARE) {
            let last = rows.min(first + SQUARE);
            for (column, out) in out.chunks_exact_mut(rows).enumerate() {
                for (to, row) in out[first..last].iter_mut().zip(first..last) {
                    *to = x[row * width + task * SQUARE + column];
                }
            }
        }
    });
}

/// Adds the sums of the columns of `x [rows, out.len()]` to `out`.
///
/// # Panics
/// If a length does not fit.
pub fn column_sums(isa: Isa, pool: &Pool, x: &[f32], out: &mut [f32]) {
    let width = out.len();
    assert!(width > 0 && x.len().is_multiple_of(width), "column sums: rows");
    let blocks = x.len().div_ceil(SUM_ROWS * width);
    let mut sums = vec![0.0f32; blocks * width];
    let to = SendPtr(sums.as_mut_ptr());
    pool.run(blocks, |block| {
        // SAFETY: a row of sums for each block, inside `sums`, which outlives the job.
        let sums = unsafe { std::slice::from_raw_parts_mut(to.at(block * width), width) };
        let rows = &x[block * SUM_ROWS * width..];
        sum_rows(isa, &rows[..rows.len().min(SUM_ROWS * width)], sums);
    });
    for sums in sums.chunks_exact(width) {
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
    }
}

for_each_isa! {
    fn sum_rows(rows: &[f32], sums: &mut [f32]) = sum_each;
}

#[inline(always)]
fn sum_each(rows: &[f32], sums: &mut [f32]) {
    for row in rows.chunks_exact(sums.len()) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
}
