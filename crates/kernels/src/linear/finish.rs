//! What follows a product's sums: bias, activation, residual.

use super::rows::Rows;
use super::{Act, Epilogue, PANEL, Part};
use crate::Isa;
#[cfg(target_arch = "x86_64")]
use crate::halves::narrow_biased;
use crate::halves::{Numbers, Places, narrow_part};
use crate::isa::for_each_isa;
use crate::math;
use crate::pool::SendPtr;
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
pub(super) fn fetch_ahead(place: Place, epilogue: &Epilogue<'_>, out: &Places) {
    for row in place.row..place.row + place.rows {
        let start = row * place.outputs + place.col;
        out.fetch(start, place.cols);
        if let Some(residual) = epilogue.residual {
            let start = start % residual.len();
            Numbers::F32(residual).fetch(start, place.cols);
        }
    }
}

/// The beginning of an epilogue on rows of a panel, which are columns `columns` of the product: bias, activation, and the
/// gate's product. All rows at once: a long loop hides the latencies of an activation.
pub(super) fn activate_sums(
    isa: Isa,
    sums: &mut [f32],
    gate: Option<&[f32]>,
    columns: Range<usize>,
    epilogue: &Epilogue<'_>,
) {
    let biases = biases(epilogue, columns);
    if let Act::GeluTanh = epilogue.act {
        math::gelu_tanh_each(isa, sums, &std::array::from_fn(|i| biases[i % PANEL]));
    } else if epilogue.bias.is_some() {
        add_bias(isa, sums, &biases);
    }
    if let Some(gate) = gate {
        math::times_silu(isa, sums, gate);
    }
}

/// The biases of a panel, zeros where there are none.
fn biases(epilogue: &Epilogue<'_>, columns: Range<usize>) -> [f32; PANEL] {
    let mut biases = [0.0; PANEL];
    if let Some(bias) = epilogue.bias {
        biases[..columns.len()].copy_from_slice(&bias[columns]);
    }
    biases
}

for_each_isa! {
    fn add_bias(sums: &mut [f32], bias: &[f32; PANEL]) = add_bias_to_rows;
}

#[inline(always)]
fn add_bias_to_rows(sums: &mut [f32], bias: &[f32; PANEL]) {
    for sums in sums.as_chunks_mut::<PANEL>().0 {
        sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
    }
}

/// Finishes a piece: its sums, and those of its gate, rows of a panel each, through the epilogue. No other thread touches
/// the piece, and `out` is valid for it.
pub(super) fn finish(
    isa: Isa,
    sums: &mut [f32],
    gate: Option<&[f32]>,
    place: Place,
    epilogue: &Epilogue<'_>,
    out: &Places,
) {
    let (sums, columns) = (&mut sums[..place.rows * PANEL], place.col..place.col + place.cols);
    let biases = match epilogue.act {
        // A bias alone is added on the way.
        Act::None | Act::SiluMul(_) => biases(epilogue, columns),
        Act::GeluTanh | Act::SwiGlu(_) => {
            activate_sums(isa, sums, gate, columns, epilogue);
            [0.0; PANEL]
        }
    };
    match out {
        Places::F32(out) => write(isa, sums, &biases, place, epilogue, out),
        Places::Bf16(out) => write_rounded(isa, sums, &biases, place, out),
    }
}

/// Writes sums and biases, to which nothing more is to be added.
fn write_rounded(isa: Isa, sums: &[f32], biases: &[f32; PANEL], place: Place, out: &SendPtr<u16>) {
    let Place { row, cols, col, outputs, .. } = place;
    for (m, sums) in sums.as_chunks::<PANEL>().0.iter().enumerate() {
        let start = out.at((row + m) * outputs + col);
        // SAFETY: the piece belongs to the task that called, inside what `out` points to, which outlives the job.
        let to = unsafe { std::slice::from_raw_parts_mut(start, cols) };
        #[cfg(target_arch = "x86_64")]
        if let (true, ([to], _)) = (isa.has_pairs(), to.as_chunks_mut::<PANEL>()) {
            // SAFETY: `isa`, which has pairs, was detected on this processor.
            unsafe { narrow_biased(sums, biases, to) };
            continue;
        }
        let wide: [f32; PANEL] = std::array::from_fn(|i| sums[i] + biases[i]);
        narrow_part(isa, &wide[..cols], to);
    }
}

for_each_isa! {
    fn write(
        sums: &[f32],
        biases: &[f32; PANEL],
        place: Place,
        epilogue: &Epilogue<'_>,
        out: &SendPtr<f32>,
    ) = write_rows;
}

#[inline(always)]
fn write_rows(sums: &[f32], biases: &[f32; PANEL], place: Place, epilogue: &Epilogue<'_>, out: &SendPtr<f32>) {
    let Place { row, cols, col, outputs, .. } = place;
    for (m, sums) in sums.as_chunks::<PANEL>().0.iter().enumerate() {
        let start = (row + m) * outputs + col;
        // SAFETY: as above.
        let x = unsafe { std::slice::from_raw_parts_mut(out.at(start), cols) };
        match x.as_chunks_mut::<PANEL>() {
            ([whole], _) => *whole = std::array::from_fn(|i| sums[i] + biases[i]),
            (_, part) => part.iter_mut().zip(sums).zip(biases).for_each(|((x, sum), bias)| *x = sum + bias),
        }
        gate_and_residual(x, start, epilogue);
    }
}

/// An epilogue on rows of `width` that stand at `start` of the output.
pub(super) fn activate_rows(isa: Isa, x: &mut [f32], width: usize, start: usize, epilogue: &Epilogue<'_>) {
    if let Act::GeluTanh = epilogue.act {
        math::gelu_tanh_each(isa, x, &[0.0; math::WIDTH]);
    }
    finish_each(isa, x, width, start, epilogue);
}

for_each_isa! {
    fn finish_each(x: &mut [f32], width: usize, start: usize, epilogue: &Epilogue<'_>) = finish_each_row;
}

#[inline(always)]
fn finish_each_row(x: &mut [f32], width: usize, start: usize, epilogue: &Epilogue<'_>) {
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
