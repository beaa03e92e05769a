//! Linear layers: `y = act(x W^T + bias) + residual`, W packed once at load.

mod weight;

use crate::isa::for_each_isa;
use crate::math;
use crate::pool::SendPtr;
use crate::scratch::with_scratch;
use crate::tile::{Block, Element, Left, MAX_ROWS, Pair, Rows, put_row, slots, tile};
use crate::{Isa, Pool};

pub use weight::{Kept, PackedWeight, Stored, widen, widen_into};

/// Output features in a panel: the columns that one tile computes.
const PANEL: usize = 32;
/// Inputs summed in one chain; the chains' sums are added in order. Shorter chains round less.
const CHAIN: usize = 256;
/// Inputs of a row that are packed at once.
const PART: usize = 32;
/// Rows of x packed together: small enough to stay in the second-level cache with a panel of weights.
const ROW_BLOCK: usize = 4 * MAX_ROWS;

/// What happens to a product's sum before it is written.
#[derive(Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Added first, [outputs].
    pub bias: Option<&'a [f32]>,
    /// Applied second.
    pub act: Act<'a>,
    /// Added last: [rows, outputs], or fewer rows that are repeated.
    pub residual: Option<&'a [f32]>,
}

/// The activation of an epilogue.
#[derive(Clone, Copy, Default)]
pub enum Act<'a> {
    /// None.
    #[default]
    None,
    /// GELU in its tanh form.
    GeluTanh,
    /// Multiplies by SiLU of a gate [rows, outputs].
    SiluMul(&'a [f32]),
}

/// `out [rows, outputs] = act(x [rows, inputs] W^T + bias) + residual`.
///
/// # Panics
/// If a length does not fit.
pub fn linear(
    isa: Isa,
    pool: &Pool,
    x: &[f32],
    rows: usize,
    weight: &PackedWeight,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let (inputs, outputs) = (weight.inputs, weight.outputs);
    assert_eq!(x.len(), rows * inputs, "linear: x");
    assert_eq!(out.len(), rows * outputs, "linear: out");
    assert!(epilogue.bias.is_none_or(|b| b.len() == outputs), "linear: bias");
    assert!(epilogue.residual.is_none_or(|r| !r.is_empty() && r.len() % outputs == 0), "linear: residual");
    assert!(!matches!(epilogue.act, Act::SiluMul(gate) if gate.len() != out.len()), "linear: gate");
    if rows == 0 || outputs == 0 || inputs == 0 {
        return;
    }
    match weight.kept {
        Kept::F32 => run(isa, pool, x, rows, weight.data.values::<f32>(), inputs, outputs, epilogue, out),
        Kept::Bf16 => run(isa, pool, x, rows, weight.data.values::<Pair>(), inputs, outputs, epilogue, out),
    }
}

fn run<E: Element>(
    isa: Isa,
    pool: &Pool,
    x: &[f32],
    rows: usize,
    packed: &[E],
    inputs: usize,
    outputs: usize,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let (panels, depth) = (outputs.div_ceil(PANEL), inputs.div_ceil(E::STEPS));
    // What a row of x takes when it is packed, and what a chain of it takes.
    let (row_slots, chain_slots) = (slots::<E>(isa, inputs), slots::<E>(isa, CHAIN));
    let row_blocks = rows.div_ceil(ROW_BLOCK);
    // Few rows: a part for each thread, which it reads from end to end. Many: enough tasks to keep all busy to the end, but
    // no more packing of x than that needs.
    let tasks = if row_blocks == 1 { pool.threads() } else { 4 * pool.threads() };
    let groups = tasks.div_ceil(row_blocks).min(panels);
    let group = panels.div_ceil(groups);
    let out = SendPtr(out.as_mut_ptr());
    pool.run(row_blocks * groups, |task| {
        let (block, first_panel) = (task / groups, task % groups * group);
        let first_row = block * ROW_BLOCK;
        let block_rows = ROW_BLOCK.min(rows - first_row);
        let x = &x[first_row * inputs..][..block_rows * inputs];
        with_packed::<E>(isa, x, block_rows, inputs, |packed_x| {
            let mut sums = [0.0f32; ROW_BLOCK * PANEL];
            for panel in first_panel..(first_panel + group).min(panels) {
                let weights = &packed[panel * PANEL * depth..][..PANEL * depth];
                // A chain of weights stays in the first-level cache for all rows.
                for (chain, b) in weights.chunks(CHAIN / E::STEPS * PANEL).enumerate() {
                    for at in (0..block_rows).step_by(MAX_ROWS) {
                        let count = MAX_ROWS.min(block_rows - at);
                        let a = &packed_x[at * row_slots + chain * chain_slots * count..];
                        let block =
                            Block { rows: count, cols: PANEL, depth: b.len() / PANEL, stride: PANEL, add: chain > 0 };
                        tile(isa, block, Left::Packed, a, Rows { data: b, stride: PANEL }, &mut sums[at * PANEL..]);
                    }
                }
                let col = panel * PANEL;
                let place = Place { row: first_row, rows: block_rows, col, cols: PANEL.min(outputs - col), outputs };
                finish(isa, Some(&mut sums), place, &epilogue, &out);
            }
        });
    });
}

/// Gives `f` the rows of x packed as tiles read them, in blocks of up to 12.
fn with_packed<E: Element>(isa: Isa, x: &[f32], rows: usize, inputs: usize, f: impl FnOnce(&[f32])) {
    if rows == 1 && E::STEPS == 1 {
        return f(x);
    }
    let row_slots = slots::<E>(isa, inputs);
    with_scratch(rows * row_slots, |packed| {
        for at in (0..rows).step_by(MAX_ROWS) {
            let count = MAX_ROWS.min(rows - at);
            let rows = &x[at * inputs..][..count * inputs];
            pack_rows::<E>(isa, rows, inputs, &mut packed[at * row_slots..][..count * row_slots]);
        }
        f(packed);
    });
}

/// Up to 12 rows as tiles read them: slot by slot, in a slot row by row.
fn pack_rows<E: Element>(isa: Isa, rows: &[f32], inputs: usize, to: &mut [f32]) {
    let count = rows.len() / inputs;
    if count == 1 {
        return put_row::<E>(isa, rows, to);
    }
    let mut parts = [[0.0f32; PART]; MAX_ROWS];
    let part_slots = slots::<E>(isa, PART);
    for (index, to) in to.chunks_mut(part_slots * count).enumerate() {
        for (row, part) in rows.chunks_exact(inputs).zip(&mut parts) {
            put_row::<E>(isa, &row[index * PART..inputs.min((index + 1) * PART)], part);
        }
        if let (MAX_ROWS, to) = (count, to.as_chunks_mut::<MAX_ROWS>().0) {
            for (slot, to) in to.iter_mut().enumerate() {
                *to = std::array::from_fn(|m| parts[m][slot]);
            }
        } else {
            for (slot, to) in to.chunks_exact_mut(count).enumerate() {
                for (to, part) in to.iter_mut().zip(&parts) {
                    *to = part[slot];
                }
            }
        }
    }
}

/// An epilogue without bias on sums `x [rows, width]` that were written already, in place.
///
/// # Panics
/// If a length does not fit.
pub fn activate(isa: Isa, pool: &Pool, x: &mut [f32], width: usize, act: Act<'_>, residual: Option<&[f32]>) {
    assert!(width > 0 && x.len().is_multiple_of(width), "activate: x");
    assert!(residual.is_none_or(|r| !r.is_empty() && r.len() % width == 0), "activate: residual");
    assert!(!matches!(act, Act::SiluMul(gate) if gate.len() != x.len()), "activate: gate");
    let epilogue = Epilogue { bias: None, act, residual };
    let (rows, out) = (x.len() / width, SendPtr(x.as_mut_ptr()));
    pool.run(rows, |row| {
        finish(isa, None, Place { row, rows: 1, col: 0, cols: width, outputs: width }, &epilogue, &out)
    });
}

/// A piece of the output: rows, and columns of each.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    rows: usize,
    col: usize,
    cols: usize,
    /// The output's width.
    outputs: usize,
}

for_each_isa! {
    /// Finishes a piece: its sums, in rows of a panel (else what stands in `out`), through the epilogue. No other thread
    /// touches the piece, and `out` is valid for it.
    fn finish(sums: Option<&mut [f32]>, place: Place, epilogue: &Epilogue<'_>, out: &SendPtr<f32>) = finish_rows;
}

#[inline(always)]
fn finish_rows(sums: Option<&mut [f32]>, place: Place, epilogue: &Epilogue<'_>, out: &SendPtr<f32>) {
    let Place { row, rows, col, cols, outputs } = place;
    // SAFETY: the piece belongs to the task that called, inside what `out` points to, which outlives the job.
    let row_of = |m: usize| unsafe { std::slice::from_raw_parts_mut(out.at((row + m) * outputs + col), cols) };
    let Some(sums) = sums else {
        for m in 0..rows {
            let x = row_of(m);
            if let Act::GeluTanh = epilogue.act {
                x.iter_mut().for_each(|x| *x = math::gelu_tanh(*x));
            }
            gate_and_residual(x, (row + m) * outputs + col, epilogue);
        }
        return;
    };
    let sums = &mut sums[..rows * PANEL];
    if let Some(bias) = epilogue.bias {
        for sums in sums.chunks_exact_mut(PANEL) {
            for (sum, bias) in sums.iter_mut().zip(&bias[col..col + cols]) {
                *sum += bias;
            }
        }
    }
    if let Act::GeluTanh = epilogue.act {
        sums.iter_mut().for_each(|x| *x = math::gelu_tanh(*x)); // all rows at once: a long loop hides its latencies
    }
    for (m, sums) in sums.chunks_exact(PANEL).enumerate() {
        let x = row_of(m);
        x.copy_from_slice(&sums[..cols]);
        gate_and_residual(x, (row + m) * outputs + col, epilogue);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arena;
    use half::{bf16, f16};

    fn noise(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| (((i + seed) * 7919 + 13) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    fn packed(pool: &Pool, w: &[f32], outputs: usize, inputs: usize, kept: Kept) -> PackedWeight {
        PackedWeight::pack(pool, &mut Arena::default(), Stored::F32, bytemuck::cast_slice(w), outputs, inputs, kept)
    }

    #[test]
    fn equals_the_definition_in_f64_on_awkward_shapes() {
        let pool = Pool::new(2);
        for (rows, inputs, outputs) in [(1, 1, 1), (3, 7, 33), (13, 48, 96), (50, 600, 31), (97, 1100, 65)] {
            let (x, w) = (noise(rows * inputs, 1), noise(outputs * inputs, 2));
            let (bias, gate, residual) = (noise(outputs, 3), noise(rows * outputs, 4), noise(outputs, 5));
            let weight = packed(&pool, &w, outputs, inputs, Kept::F32);
            let mut out = vec![0.0; rows * outputs];
            let epilogue = Epilogue { bias: Some(&bias), act: Act::SiluMul(&gate), residual: Some(&residual) };
            linear(Isa::best(), &pool, &x, rows, &weight, epilogue, &mut out);
            for m in 0..rows {
                for n in 0..outputs {
                    let dot: f64 =
                        (0..inputs).map(|k| f64::from(x[m * inputs + k]) * f64::from(w[n * inputs + k])).sum();
                    let g = f64::from(gate[m * outputs + n]);
                    let want = (dot + f64::from(bias[n])) * g / (1.0 + (-g).exp()) + f64::from(residual[n]);
                    let got = f64::from(out[m * outputs + n]);
                    assert!(
                        (got - want).abs() < 2e-6 * (inputs as f64 + want.abs()),
                        "[{rows}, {inputs}, {outputs}] at {m}, {n}: {got} {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn same_bits_on_every_path_with_any_threads_and_in_pieces() {
        let (rows, inputs, outputs) = (61, 1101, 77);
        let (x, w) = (noise(rows * inputs, 1), noise(outputs * inputs, 2));
        for kept in [Kept::F32, Kept::Bf16] {
            let mut want = vec![0.0; rows * outputs];
            let one = Pool::new(1);
            let weight = packed(&one, &w, outputs, inputs, kept);
            let epilogue = Epilogue { act: Act::GeluTanh, ..Epilogue::default() };
            linear(Isa::Scalar, &one, &x, rows, &weight, epilogue, &mut want);
            for threads in [1, 2, 3, 7] {
                let pool = Pool::new(threads);
                for isa in Isa::available() {
                    for piece in [1, 5, 61] {
                        let mut got = vec![0.0; rows * outputs];
                        for (x, out) in x.chunks(piece * inputs).zip(got.chunks_mut(piece * outputs)) {
                            linear(isa, &pool, x, x.len() / inputs, &weight, epilogue, out);
                        }
                        assert_eq!(want, got, "{kept:?} {isa:?} {threads} threads, pieces of {piece}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_come_back_from_the_packed_form() {
        let pool = Pool::new(2);
        let (outputs, inputs) = (70, 9);
        let w: Vec<f32> = noise(outputs * inputs, 2).iter().map(|&x| bf16::from_f32(x).to_f32()).collect();
        for kept in [Kept::F32, Kept::Bf16] {
            let weight = packed(&pool, &w, outputs, inputs, kept);
            let mut row = vec![0.0; inputs];
            for i in 0..outputs {
                weight.row(i, &mut row);
                assert_eq!(row, w[i * inputs..][..inputs]);
            }
        }
    }

    #[test]
    fn stored_numbers_are_read_exactly() {
        let values = [0.0f32, -1.5, 0.099_975_586, 65504.0];
        let half: Vec<u8> = values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
        assert_eq!(widen(Stored::F16, &half), values);
        let single: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(widen(Stored::F32, &single), values);
        let brain: Vec<u8> = [1.0f32, -2.5].iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
        assert_eq!(widen(Stored::Bf16, &brain), [1.0, -2.5]);
    }
}
