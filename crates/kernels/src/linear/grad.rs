//! What the gradients of a linear layer need beside products.
//!
//! Of `y = x W^T + b`: dx = dy W is a product with W packed the other way round, dW = dy^T x one of dy's transpose with x
//! packed by its columns ([`super::PackedWeight::of_columns`]), and db the sums of dy's columns.

use crate::isa::for_each_isa;
use crate::pool::SendPtr;
use crate::{Isa, Pool};

/// Columns that a task turns: what comes of a cache line of each row.
const COLUMNS: usize = 16;
/// Rows summed together, before their sums are added in order.
const SUM_ROWS: usize = 64;

/// Turns `x [rows, width]` into `out [width, rows]`.
///
/// # Panics
/// If a length does not fit.
pub(crate) fn transpose(isa: Isa, pool: &Pool, x: &[f32], width: usize, out: &mut [f32]) {
    assert!(width > 0 && x.len() == out.len() && x.len().is_multiple_of(width), "transpose: rows");
    let rows = x.len() / width;
    pool.chunks(out, COLUMNS * rows.max(1), |task, out| {
        let (first, columns) = (task * COLUMNS, out.len() / rows.max(1));
        crate::transpose::transpose(isa, (rows, columns), (&x[first.min(x.len())..], width), (out, rows));
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
