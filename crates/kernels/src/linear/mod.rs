//! Linear layers: `y = act(x W^T + bias) + residual`, W packed once at load.

mod weight;

use crate::isa::for_each_isa;
use crate::math;
use crate::pool::SendPtr;
use crate::scratch::with_scratch;
use crate::tile::{Block, Element, Left, Pair, Right, block_rows, pack_rows, padded, slots, tile};
use crate::{Isa, Pool};

pub use weight::{Kept, PackedWeight, Stored, widen, widen_into};

/// Output features in a panel: the columns that one tile computes.
const PANEL: usize = 32;
/// Inputs summed in one chain; the chains' sums are added in order. Shorter chains round less.
const CHAIN: usize = 256;
/// Rows of x packed together, in blocks that a tile computes at once: few enough to stay in the second-level cache with a
/// panel of weights.
const ROW_BLOCKS: usize = 4;

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
    /// Multiplies by SiLU of x's product with the gate's weight, of the same shape as the other.
    SwiGlu(&'a PackedWeight),
}

/// One of the products that a job makes of the same rows.
pub struct Product<'a> {
    /// W [outputs, inputs].
    pub weight: &'a PackedWeight,
    /// What follows.
    pub epilogue: Epilogue<'a>,
    /// [rows, outputs]
    pub out: &'a mut [f32],
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
    products(isa, pool, x, rows, [Product { weight, epilogue, out }]);
}

/// Products of the same rows with several weights of one kind, in one job.
///
/// # Panics
/// If a length does not fit, or weights are kept differently.
pub fn products<const N: usize>(isa: Isa, pool: &Pool, x: &[f32], rows: usize, products: [Product<'_>; N]) {
    let Some(first) = products.first() else { return };
    let (inputs, kept) = (first.weight.inputs, first.weight.kept);
    assert_eq!(x.len(), rows * inputs, "linear: x");
    for Product { weight, epilogue, out } in &products {
        let outputs = weight.outputs;
        assert!(weight.inputs == inputs && weight.kept == kept, "linear: weights of one kind");
        assert_eq!(out.len(), rows * outputs, "linear: out");
        assert!(epilogue.bias.is_none_or(|b| b.len() == outputs), "linear: bias");
        assert!(epilogue.residual.is_none_or(|r| !r.is_empty() && r.len() % outputs == 0), "linear: residual");
        match epilogue.act {
            Act::SiluMul(gate) => assert_eq!(gate.len(), out.len(), "linear: gate"),
            Act::SwiGlu(gate) => assert!(gate.outputs == outputs && gate.inputs == inputs && gate.kept == kept),
            Act::None | Act::GeluTanh => {}
        }
    }
    if rows == 0 || inputs == 0 {
        return;
    }
    match kept {
        Kept::F32 => run::<f32, N>(isa, pool, x, rows, inputs, products),
        Kept::Bf16 => run::<Pair, N>(isa, pool, x, rows, inputs, products),
    }
}

/// A product as the tasks of a job see it.
struct Part<'a, E> {
    weight: &'a [E],
    /// The gate's weight, where the activation has one.
    gate: Option<&'a [E]>,
    outputs: usize,
    epilogue: Epilogue<'a>,
    out: SendPtr<f32>,
}

fn run<E: Element, const N: usize>(
    isa: Isa,
    pool: &Pool,
    x: &[f32],
    rows: usize,
    inputs: usize,
    products: [Product<'_>; N],
) {
    let parts = products.map(|Product { weight, epilogue, out }| Part {
        weight: weight.data.values::<E>(),
        gate: if let Act::SwiGlu(gate) = epilogue.act { Some(gate.data.values()) } else { None },
        outputs: weight.outputs,
        epilogue,
        out: SendPtr(out.as_mut_ptr()),
    });
    let panels: usize = parts.iter().map(|part| part.outputs.div_ceil(PANEL)).sum();
    let row_block = ROW_BLOCKS * block_rows::<E>(isa);
    let row_blocks = rows.div_ceil(row_block);
    // Few rows: a part for each thread, which it reads from end to end. Many: enough tasks to keep all busy to the end, but
    // no more packing of x than that needs.
    let tasks = if row_blocks == 1 { pool.threads() } else { 4 * pool.threads() };
    let groups = tasks.div_ceil(row_blocks).min(panels);
    if groups == 0 {
        return;
    }
    pool.run(row_blocks * groups, |task| {
        let (block, group) = (task / groups, task % groups);
        let first_row = block * row_block;
        let block_rows = row_block.min(rows - first_row);
        let rows =
            Rows { x: &x[first_row * inputs..][..block_rows * inputs], first: first_row, count: block_rows, inputs };
        let (from, to) = (group * panels / groups, (group + 1) * panels / groups);
        rows.with_packed::<E>(isa, |packed, sums| {
            let mut skipped = 0;
            for part in &parts {
                let here = part.outputs.div_ceil(PANEL);
                for panel in from.max(skipped)..to.min(skipped + here) {
                    rows.panel(isa, packed, sums, part, panel - skipped);
                }
                skipped += here;
            }
        });
    });
}

/// The rows of x in a task.
struct Rows<'a> {
    x: &'a [f32],
    /// The first among all rows.
    first: usize,
    count: usize,
    inputs: usize,
}

impl Rows<'_> {
    /// The blocks that tiles compute at once, as even as may be: the first row and the count of each.
    fn blocks<E: Element>(&self, isa: Isa) -> impl Iterator<Item = (usize, usize)> {
        let (count, most) = (self.count, block_rows::<E>(isa));
        let size = count.div_ceil(count.div_ceil(most));
        (0..count).step_by(size).map(move |at| (at, size.min(count - at)))
    }

    /// Gives `f` the rows as tiles read them, and room for two panels of sums.
    fn with_packed<E: Element>(&self, isa: Isa, f: impl FnOnce(&[f32], &mut [f32])) {
        let (inputs, slots) = (self.inputs, slots::<E>(isa, self.inputs));
        let as_it_is = self.count == 1 && E::STEPS == 1;
        let packed_len = if as_it_is { 0 } else { self.count * slots };
        with_scratch(2 * self.count * PANEL + packed_len, |scratch| {
            let (sums, packed) = scratch.split_at_mut(2 * self.count * PANEL);
            if as_it_is {
                return f(self.x, sums);
            }
            for (at, count) in self.blocks::<E>(isa) {
                let row = |m: usize| &self.x[(at + m) * inputs..][..inputs];
                pack_rows::<E>(isa, count, row, inputs, &mut packed[at * slots..][..count * slots]);
            }
            f(packed, sums);
        });
    }

    /// One panel of a product, to the end.
    fn panel<E: Element>(&self, isa: Isa, packed: &[f32], sums: &mut [f32], part: &Part<'_, E>, panel: usize) {
        let (sums, gate_sums) = sums.split_at_mut(self.count * PANEL);
        self.sum(isa, packed, part.weight, panel, sums);
        let gate = part.gate.map(|gate| {
            self.sum(isa, packed, gate, panel, gate_sums);
            &*gate_sums
        });
        let (col, outputs) = (panel * PANEL, part.outputs);
        let place = Place { row: self.first, rows: self.count, col, cols: PANEL.min(outputs - col), outputs };
        finish(isa, sums, gate, place, &part.epilogue, &part.out);
    }

    /// The sums [rows, 32] of one panel of a weight.
    fn sum<E: Element>(&self, isa: Isa, packed: &[f32], weight: &[E], panel: usize, sums: &mut [f32]) {
        let depth = padded::<E>(self.inputs) / E::STEPS;
        // What a row of x takes when it is packed, and what a chain of it takes.
        let (row_slots, chain_slots) = (slots::<E>(isa, self.inputs), slots::<E>(isa, CHAIN));
        let weight = &weight[panel * PANEL * depth..][..PANEL * depth];
        // A chain of weights stays in the first-level cache for all rows.
        for (chain, b) in weight.chunks(CHAIN / E::STEPS * PANEL).enumerate() {
            for (at, count) in self.blocks::<E>(isa) {
                let a = &packed[at * row_slots + chain * chain_slots * count..];
                let block = Block { rows: count, cols: PANEL, depth: b.len() / PANEL, stride: PANEL, add: chain > 0 };
                tile(isa, block, Left::Packed, a, Right { data: b, stride: PANEL }, &mut sums[at * PANEL..]);
            }
        }
    }
}

/// An epilogue without bias and without a gate's weight on sums `x [rows, width]` that were written already, in place.
///
/// # Panics
/// If a length does not fit.
pub fn activate(isa: Isa, pool: &Pool, x: &mut [f32], width: usize, act: Act<'_>, residual: Option<&[f32]>) {
    assert!(width > 0 && x.len().is_multiple_of(width), "activate: x");
    assert!(residual.is_none_or(|r| !r.is_empty() && r.len() % width == 0), "activate: residual");
    assert!(!matches!(act, Act::SiluMul(gate) if gate.len() != x.len()), "activate: gate");
    assert!(!matches!(act, Act::SwiGlu(_)), "activate: the gate's product was not made");
    let epilogue = Epilogue { bias: None, act, residual };
    pool.chunks(x, width, |row, x| activate_row(isa, x, row * width, &epilogue));
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
    /// Finishes a piece: its sums, and those of its gate, rows of a panel each, through the epilogue. No other thread touches
    /// the piece, and `out` is valid for it.
    fn finish(
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
    if let Some(bias) = epilogue.bias {
        for sums in sums.chunks_exact_mut(PANEL) {
            for (sum, bias) in sums.iter_mut().zip(&bias[col..col + cols]) {
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
    /// An epilogue on a row that stands at `start` of the output.
    fn activate_row(x: &mut [f32], start: usize, epilogue: &Epilogue<'_>) = activate_one;
}

#[inline(always)]
fn activate_one(x: &mut [f32], start: usize, epilogue: &Epilogue<'_>) {
    if let Act::GeluTanh = epilogue.act {
        x.iter_mut().for_each(|x| *x = math::gelu_tanh(*x));
    }
    gate_and_residual(x, start, epilogue);
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
            let one = Pool::new(1);
            let weight = packed(&one, &w, outputs, inputs, kept);
            let epilogue = Epilogue { act: Act::GeluTanh, ..Epilogue::default() };
            for isa in Isa::available() {
                let mut want = vec![0.0; rows * outputs];
                linear(isa.reference(), &one, &x, rows, &weight, epilogue, &mut want);
                for threads in [1, 2, 3, 7] {
                    let pool = Pool::new(threads);
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
    fn several_products_and_a_gate_in_one_job_are_the_single_ones() {
        let (rows, inputs) = (53, 70);
        let x = noise(rows * inputs, 1);
        for kept in [Kept::F32, Kept::Bf16] {
            for threads in [1, 2, 5] {
                let pool = Pool::new(threads);
                let weights = [40, 33, 96, 96].map(|n| packed(&pool, &noise(n * inputs, n), n, inputs, kept));
                let isa = Isa::best();
                let single = |w: &PackedWeight, act: Act<'_>| {
                    let mut out = vec![0.0; rows * w.outputs];
                    linear(isa, &pool, &x, rows, w, Epilogue { act, ..Epilogue::default() }, &mut out);
                    out
                };
                let mut outs = [40, 33, 96].map(|n| vec![0.0; rows * n]);
                let acts = [Act::None, Act::GeluTanh, Act::SwiGlu(&weights[3])];
                let [a, b, c] = &mut outs;
                let job = [(a, 0), (b, 1), (c, 2)].map(|(out, i)| Product {
                    weight: &weights[i],
                    epilogue: Epilogue { act: acts[i], ..Epilogue::default() },
                    out,
                });
                products(isa, &pool, &x, rows, job);
                let gate = single(&weights[3], Act::None);
                let want = [
                    single(&weights[0], acts[0]),
                    single(&weights[1], acts[1]),
                    single(&weights[2], Act::SiluMul(&gate)),
                ];
                assert_eq!(want, outs, "{kept:?}, {threads} threads");
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
