//! What follows a product's sums: bias, activation, residual.

use super::rows::Rows;
use super::{Act, Epilogue, PANEL, Part};
use crate::isa::for_each_isa;
use crate::math;
use crate::pool::SendPtr;
use crate::prefetch::{LINE, near};
use crate::tile::Factor;
use std::ops::Range;

/// A piece of the output: rows, and columns of each.
#[derive(Clone, Copy)]
pub(super) struct Place {
    row: usize,
    rows: usize,
    col: usize,
    cols: usize,
    /// The output's width.
    outputs: usize,
}

impl Place {
    /// Where a panel of a product of these rows goes.
    pub(super) fn of<E: Factor>(rows: &Rows<'_>, part: &Part<'_, E>, panel: usize) -> Place {
        let columns = part.columns(panel);
        Place { row: rows.first, rows: rows.count, col: columns.start, cols: columns.len(), outputs: part.outputs }
    }
}

/// Asks for the memory that a piece will be written to, and what is added to it, before its sums are made: rows of a panel
/// lie far apart, where the processor does not fetch ahead by itself.
#[inline]
pub(super) fn fetch_ahead(place: Place, epilogue: &Epilogue<'_>, out: &SendPtr<f32>) {
    for row in place.row..place.row + place.rows {
        let start = row * place.outputs + place.col;
        for col in (0..place.cols).step_by(LINE / size_of::<f32>()) {
            near(out.at(start + col));
            if let Some(residual) = epilogue.residual {
                near(residual.as_ptr().wrapping_add((start + col) % residual.len()));
            }
        }
    }
}

for_each_isa! {
    /// The beginning of an epilogue on rows of a panel, which are columns `columns` of the product: bias, activation, and the
    /// gate's product.
    pub(super) fn activate_sums(
        sums: &mut [f32],
        gate: Option<&[f32]>,
        columns: Range<usize>,
        epilogue: &Epilogue<'_>,
    ) = activate_panel;
}

#[inline(always)]
fn activate_panel(sums: &mut [f32], gate: Option<&[f32]>, columns: Range<usize>, epilogue: &Epilogue<'_>) {
    if let Some(bias) = epilogue.bias {
        let bias = &bias[columns];
        for sums in sums.as_chunks_mut::<PANEL>().0 {
            for (sum, bias) in sums.iter_mut().zip(bias) {
                *sum += bias;
            }
        }
    }
    // All rows at once: a long loop hides the latencies of an activation.
    if let Act::GeluTanh = epilogue.act {
        sums.iter_mut().for_each(|x| *x = math::gelu_tanh(*x));
    }
    if let Some(gate) = gate {
        sums.iter_mut().zip(gate).for_each(|(x, &gate)| *x *= math::silu(gate));
    }
}

for_each_isa! {
    /// Finishes a piece: its sums, and those of its gate, rows of a panel each, through the epilogue. No other thread touches
    /// the piece, and `out` is valid for it.
    pub(super) fn finish(
        sums: &mut [f32],
        gate: Option<&[f32]>,
        place: Place,
        epilogue: &Epilogue<'_>,
        out: &SendPtr<f32>,
    ) = finish_rows;
}

#[inline(always)]
fn finish_rows(sums: &mut [f32], gate: Option<&[f32]>, place: Place, epilogue: &Epilogue<'_>, out: &SendPtr<f32>) {
    let Place { row, rows, col, cols, outputs } = place;
    let sums = &mut sums[..rows * PANEL];
    activate_panel(sums, gate, col..col + cols, epilogue);
    for (m, sums) in sums.as_chunks::<PANEL>().0.iter().enumerate() {
        let start = (row + m) * outputs + col;
        // SAFETY: the piece belongs to the task that called, inside what `out` points to, which outlives the job.
        let x = unsafe { std::slice::from_raw_parts_mut(out.at(start), cols) };
        match x.as_chunks_mut::<PANEL>() {
            ([whole], _) => *whole = *sums,
            (_, part) => part.copy_from_slice(&sums[..cols]),
        }
        gate_and_residual(x, start, epilogue);
    }
}

for_each_isa! {
    /// An epilogue on rows of `width` that stand at `start` of the output.
    pub(super) fn activate_rows(x: &mut [f32], width: usize, start: usize, epilogue: &Epilogue<'_>) = activate_each;
}

#[inline(always)]
fn activate_each(x: &mut [f32], width: usize, start: usize, epilogue: &Epilogue<'_>) {
    if let Act::GeluTanh = epilogue.act {
        x.iter_mut().for_each(|x| *x = math::gelu_tanh(*x));
    }
    for (row, x) in x.chunks_exact_mut(width).enumerate() {
        gate_and_residual(x, start + row * width, epilogue);
    }
}

/// The rest of an epilogue for a piece of one row, which starts at `start` of the output.
#[inline(always)]
fn gate_and_residual(x: &mut [f32], start: usize, epilogue: &Epilogue<'_>) {
    if let Act::SiluMul(gate) = epilogue.act {
        for (x, &gate) in x.iter_mut().zip(&gate[start..]) {
            *x *= math::silu(gate);
        }
    }
    if let Some(residual) = epilogue.residual {
        for (x, residual) in x.iter_mut().zip(&residual[start % residual.len()..]) {
            *x += residual;
        }
    }
}
