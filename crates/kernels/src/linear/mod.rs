//! Linear layers: `y = act(x W^T + bias) + residual`, W packed once at load.

mod few_bits;
mod finish;
mod grad;
mod mlp;
mod rows;
mod supers;
mod turn;
mod weight;
mod weight_gradient;

use crate::halves::{Numbers, NumbersMut};
use crate::norm::Norm;
use crate::tile::fours::{FourBlocks, Fours};
use crate::tile::{Blocks, Eights, Factor, Pair, Sixes, tiled};
use crate::{Isa, Pool};
use finish::{Place, activate_rows};
use rows::{More, Room, Rows, row_block};

pub use grad::column_sums;
pub(crate) use grad::transpose;
pub use mlp::{mlp, splits_by_rows};
pub use weight::{Kept, PackedWeight, Stored, widen, widen_into};
pub use weight_gradient::weight_gradient;

/// Output features in a panel: the columns that one tile computes, and a group of the inputs of a product that follows.
const PANEL: usize = 32;

/// What a product takes.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// [rows, inputs]
    pub x: Given<'a>,
    /// How many rows.
    pub rows: usize,
    /// What every row passes first; such rows are f32.
    pub norm: Option<Norm<'a>>,
}

/// How the rows of an input lie.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    /// One after the other.
    Rows(Numbers<'a>),
    /// As columns of a matrix [inputs, rows]: the gradient of a weight is a product of such.
    Columns(&'a [f32]),
}

impl Given<'_> {
    fn len(self) -> usize {
        match self {
            Given::Rows(x) => x.len(),
            Given::Columns(x) => x.len(),
        }
    }
}

impl<'a, T: Into<Numbers<'a>>> From<T> for Given<'a> {
    fn from(x: T) -> Given<'a> {
        Given::Rows(x.into())
    }
}

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
    /// [rows, outputs]; where it is rounded, without a residual and without a gate that is a tensor.
    pub out: NumbersMut<'a>,
}

/// `out [rows, outputs] = act(x [rows, inputs] W^T + bias) + residual`.
///
/// # Panics
/// If a length does not fit.
pub fn linear(isa: Isa, pool: &Pool, input: Input<'_>, weight: &PackedWeight, epilogue: Epilogue<'_>, out: &mut [f32]) {
    products(isa, pool, input, [Product { weight, epilogue, out: out.into() }]);
}

/// Products of the same rows with several weights of one kind, in one job.
///
/// # Panics
/// If a length does not fit, or weights are kept differently.
pub fn products<const N: usize>(isa: Isa, pool: &Pool, input: Input<'_>, products: [Product<'_>; N]) {
    let Some(first) = products.first() else { return };
    let (inputs, kept) = (first.weight.inputs, first.weight.kept);
    for Product { weight, epilogue, out } in &products {
        assert!(weight.inputs == inputs && weight.kept == kept, "linear: weights of one kind");
        check(input, weight, epilogue);
        assert_eq!(out.len(), input.rows * weight.outputs, "linear: out");
        let added_behind = epilogue.residual.is_some() || matches!(epilogue.act, Act::SiluMul(_));
        assert!(!added_behind || matches!(out, NumbersMut::F32(_)), "linear: nothing is added to what is rounded");
    }
    if input.rows == 0 || inputs == 0 {
        return;
    }
    match kept {
        Kept::F32 => run::<f32, N>(isa, pool, input, inputs, products),
        Kept::Bf16 => run::<Pair, N>(isa, pool, input, inputs, products),
        Kept::Q8 => run::<Eights, N>(isa, pool, input, inputs, products),
        Kept::Q8Blocks => run::<Blocks, N>(isa, pool, input, inputs, products),
        Kept::Q4 => run::<Fours, N>(isa, pool, input, inputs, products),
        Kept::Q4K => run::<FourBlocks, N>(isa, pool, input, inputs, products),
        Kept::Q6K => run::<Sixes, N>(isa, pool, input, inputs, products),
    }
}

fn check(input: Input<'_>, weight: &PackedWeight, epilogue: &Epilogue<'_>) {
    let PackedWeight { inputs, outputs, kept, .. } = *weight;
    assert_eq!(input.x.len(), input.rows * inputs, "linear: x");
    assert!(input.norm.is_none_or(|norm| norm.width() == inputs), "linear: norm");
    let of_f32 = matches!(input.x, Given::Rows(Numbers::F32(_)));
    assert!(input.norm.is_none() || of_f32, "linear: rows that pass a norm are f32");
    assert!(epilogue.bias.is_none_or(|b| b.len() == outputs), "linear: bias");
    assert!(epilogue.residual.is_none_or(|r| !r.is_empty() && r.len() % outputs == 0), "linear: residual");
    match epilogue.act {
        Act::SiluMul(gate) => assert_eq!(gate.len(), input.rows * outputs, "linear: gate"),
        Act::SwiGlu(gate) => assert!(gate.outputs == outputs && gate.inputs == inputs && gate.kept == kept),
        Act::None | Act::GeluTanh => {}
    }
}

/// A product as the tasks of a job see it.
struct Part<'a, E> {
    weight: &'a [E],
    /// The gate's weight, where the activation has one.
    gate: Option<&'a [E]>,
    outputs: usize,
    epilogue: Epilogue<'a>,
}

impl<'a, E: Factor> Part<'a, E> {
    fn new(weight: &'a PackedWeight, epilogue: Epilogue<'a>) -> Part<'a, E> {
        let gate = if let Act::SwiGlu(gate) = epilogue.act { Some(gate.data.values()) } else { None };
        Part { weight: weight.data.values(), gate, outputs: weight.outputs, epilogue }
    }

    fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    /// The columns of a panel.
    fn columns(&self, panel: usize) -> std::ops::Range<usize> {
        panel * PANEL..self.outputs.min((panel + 1) * PANEL)
    }
}

fn run<E: Factor, const N: usize>(isa: Isa, pool: &Pool, input: Input<'_>, inputs: usize, products: [Product<'_>; N]) {
    let parts = products.map(|Product { weight, epilogue, mut out }| (Part::<E>::new(weight, epilogue), out.places()));
    let panels: usize = parts.iter().map(|(part, _)| part.panels()).sum();
    let row_block = row_block::<E>(isa, pool.threads(), input.rows, inputs);
    let row_blocks = input.rows.div_ceil(row_block);
    // Few rows: a part for each thread, which it reads from end to end. Many: enough tasks to keep all busy to the end, but
    // no more packing of x than that needs.
    let tasks = if row_blocks == 1 { pool.threads() } else { tasks_of_thread::<E>(isa) * pool.threads() };
    let groups = tasks.div_ceil(row_blocks).min(panels);
    if groups == 0 {
        return;
    }
    pool.run(row_blocks * groups, |task| {
        let (block, group) = (task / groups, task % groups);
        let (from, to) = (group * panels / groups, (group + 1) * panels / groups);
        let rows = Rows::of(input, inputs, block * row_block, row_block);
        rows.with_packed::<E>(isa, More::default(), |x, Room { sums, .. }| {
            let mut skipped = 0;
            for (part, out) in &parts {
                for panel in from.max(skipped)..to.min(skipped + part.panels()) {
                    let (panel, place) = (panel - skipped, Place::of(&rows, part, panel - skipped));
                    finish::fetch_ahead(place, &part.epilogue, out);
                    let (sums, gate) = rows.sums(isa, x, part, panel, sums);
                    finish::finish(isa, sums, gate, place, &part.epilogue, out);
                }
                skipped += part.panels();
            }
        });
    });
}

/// How many tasks a thread wants at least, so that all end together: where tasks are large, fewer.
fn tasks_of_thread<E: Factor>(isa: Isa) -> usize {
    if tiled::<E>(isa) { 2 } else { 4 }
}

/// An epilogue without bias and without a gate's weight on sums that were written already: `x [rows, width]` in place, or
/// those of `from`, into x.
///
/// # Panics
/// If a length does not fit.
pub fn activate(
    isa: Isa,
    pool: &Pool,
    from: Option<&[f32]>,
    x: &mut [f32],
    width: usize,
    act: Act<'_>,
    residual: Option<&[f32]>,
) {
    assert!(width > 0 && x.len().is_multiple_of(width), "activate: x");
    assert!(from.is_none_or(|from| from.len() == x.len()), "activate: what x is made of");
    assert!(residual.is_none_or(|r| !r.is_empty() && r.len() % width == 0), "activate: residual");
    assert!(!matches!(act, Act::SiluMul(gate) if gate.len() != x.len()), "activate: gate");
    assert!(!matches!(act, Act::SwiGlu(_)), "activate: the gate's product was not made");
    let epilogue = Epilogue { bias: None, act, residual };
    let piece = TASK.div_ceil(width) * width;
    pool.chunks(x, piece, |task, x| {
        if let Some(from) = from {
            x.copy_from_slice(&from[task * piece..][..x.len()]);
        }
        activate_rows(isa, x, width, task * piece, &epilogue);
    });
}

/// Numbers in a task of what is done to each on its own.
const TASK: usize = 1 << 13;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arena;
    use half::{bf16, f16};

    fn noise(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| (((i + seed) * 7919 + 13) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    fn input(x: &[f32], rows: usize) -> Input<'_> {
        Input { x: x.into(), rows, norm: None }
    }

    fn packed(pool: &Pool, w: &[f32], outputs: usize, inputs: usize, kept: Kept) -> PackedWeight {
        let blocks;
        let (stored, bytes) = match kept {
            Kept::Q8Blocks => {
                blocks = as_blocks(w, inputs);
                (Stored::Q8Blocks, &blocks[..])
            }
            _ => (Stored::F32, bytemuck::cast_slice(w)),
        };
        PackedWeight::pack(pool, &mut Arena::default(), stored, bytes, outputs, inputs, kept)
    }

    /// Rows of numbers from -1 to 1 in blocks of 32, each with a scale of half precision. The last may be of fewer.
    fn as_blocks(w: &[f32], inputs: usize) -> Vec<u8> {
        let block = |(at, block): (usize, &[f32])| {
            let scale = half::f16::from_f32((1.0 + (at % 7) as f32 / 8.0) / 127.0);
            let code = |x: &f32| (x / scale.to_f32()).round() as i8 as u8;
            let codes = block.iter().map(code).chain(std::iter::repeat(0)).take(32);
            scale.to_le_bytes().into_iter().chain(codes).collect::<Vec<_>>()
        };
        w.chunks(inputs).flat_map(|row| row.chunks(32).enumerate().flat_map(block)).collect()
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
            linear(Isa::best(), &pool, input(&x, rows), &weight, epilogue, &mut out);
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
        for kept in [Kept::F32, Kept::Bf16, Kept::Q8, Kept::Q8Blocks, Kept::Q4] {
            let one = Pool::new(1);
            let weight = packed(&one, &w, outputs, inputs, kept);
            let epilogue = Epilogue { act: Act::GeluTanh, ..Epilogue::default() };
            for isa in Isa::tested() {
                let mut want = vec![0.0; rows * outputs];
                linear(isa.reference(), &one, input(&x, rows), &weight, epilogue, &mut want);
                for threads in [1, 2, 3, 7] {
                    let pool = Pool::new(threads);
                    for piece in [1, 5, 61] {
                        let mut got = vec![0.0; rows * outputs];
                        for (x, out) in x.chunks(piece * inputs).zip(got.chunks_mut(piece * outputs)) {
                            linear(isa, &pool, input(x, x.len() / inputs), &weight, epilogue, out);
                        }
                        assert_eq!(want, got, "{kept:?} {isa:?} {threads} threads, pieces of {piece}");
                    }
                }
            }
        }
    }

    #[test]
    fn eight_bits_are_near_and_rows_are_read_back() {
        let pool = Pool::new(2);
        let (rows, inputs, outputs) = (29, 300, 70);
        let (x, w) = (noise(rows * inputs, 1), noise(outputs * inputs, 2));
        let product = |kept| {
            let mut out = vec![0.0; rows * outputs];
            let weight = packed(&pool, &w, outputs, inputs, kept);
            linear(Isa::best(), &pool, input(&x, rows), &weight, Epilogue::default(), &mut out);
            out
        };
        let exact = product(Kept::F32);
        let square = |x: &[f32]| x.iter().map(|x| f64::from(x * x)).sum::<f64>();
        for kept in [Kept::Q8, Kept::Q8Blocks] {
            let difference: Vec<f32> = exact.iter().zip(product(kept)).map(|(a, b)| a - b).collect();
            assert!(square(&difference) < 2e-4 * square(&exact), "{kept:?}: {}", square(&difference) / square(&exact));
        }
        let weight = packed(&pool, &w, outputs, inputs, Kept::Q8);
        let mut row = vec![0.0; inputs];
        for index in [0, 31, 32, 69] {
            weight.row(index, &mut row);
            for (got, want) in row.iter().zip(&w[index * inputs..]) {
                assert!((got - want).abs() <= 0.5 / 127.0 + 1e-6, "{got} {want}");
            }
        }
        let groups = inputs.div_ceil(64);
        assert_eq!(Kept::Q8.bytes(outputs, inputs), (96 * groups * 68) as u64);
    }

    #[test]
    fn several_products_and_a_gate_in_one_job_are_the_single_ones() {
        let (rows, inputs) = (53, 70);
        let x = noise(rows * inputs, 1);
        for kept in [Kept::F32, Kept::Bf16, Kept::Q8, Kept::Q4] {
            for threads in [1, 2, 5] {
                let pool = Pool::new(threads);
                let weights = [40, 33, 96, 96].map(|n| packed(&pool, &noise(n * inputs, n), n, inputs, kept));
                let isa = Isa::best();
                let single = |w: &PackedWeight, act: Act<'_>| {
                    let mut out = vec![0.0; rows * w.outputs];
                    linear(isa, &pool, input(&x, rows), w, Epilogue { act, ..Epilogue::default() }, &mut out);
                    out
                };
                let mut outs = [40, 33, 96].map(|n| vec![0.0; rows * n]);
                let acts = [Act::None, Act::GeluTanh, Act::SwiGlu(&weights[3])];
                let [a, b, c] = &mut outs;
                let job = [(a, 0), (b, 1), (c, 2)].map(|(out, i)| Product {
                    weight: &weights[i],
                    epilogue: Epilogue { act: acts[i], ..Epilogue::default() },
                    out: out.into(),
                });
                products(isa, &pool, input(&x, rows), job);
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
    fn an_mlp_is_its_products_one_after_the_other() {
        let (rows, inputs, inner) = (401, 70, 77);
        let (x, gamma) = (noise(rows * inputs, 1), noise(inputs, 8));
        let (bias, residual) = (noise(inner, 3), noise(rows * inputs, 5));
        let normed = Input { x: (&x).into(), rows, norm: Some(Norm::Rms { gamma: &gamma, eps: 1e-5 }) };
        for kept in [Kept::F32, Kept::Bf16, Kept::Q8, Kept::Q4] {
            for threads in [1, 2] {
                let pool = Pool::new(threads);
                let [up, gate, down] = [(inner, inputs), (inner, inputs), (inputs, inner)]
                    .map(|(outputs, inputs)| packed(&pool, &noise(outputs * inputs, outputs), outputs, inputs, kept));
                let down_epilogue = Epilogue { residual: Some(&residual), ..Epilogue::default() };
                for act in [Act::GeluTanh, Act::SwiGlu(&gate)] {
                    let up_epilogue = Epilogue { bias: Some(&bias), act, residual: None };
                    for isa in Isa::tested() {
                        let (mut between, mut want) = (vec![0.0; rows * inner], vec![0.0; rows * inputs]);
                        linear(isa, &pool, normed, &up, up_epilogue, &mut between);
                        linear(isa, &pool, input(&between, rows), &down, down_epilogue, &mut want);
                        let mut got = vec![0.0; rows * inputs];
                        mlp(isa, &pool, normed, (&up, up_epilogue), (&down, down_epilogue), &mut got);
                        assert_eq!(want, got, "{kept:?} {isa:?}, {threads} threads");
                    }
                }
            }
        }
    }

    #[test]
    fn the_gradient_of_a_weight_is_a_product_over_rows() {
        let (rows, inputs, outputs) = (301, 70, 45);
        let (x, grad) = (noise(rows * inputs, 1), noise(rows * outputs, 2));
        let before = noise(outputs * inputs, 3);
        for (kept, bound) in [(Kept::F32, 1e-4), (Kept::Bf16, 0.5)] {
            let mut first = None;
            for threads in [1, 3] {
                let pool = Pool::new(threads);
                let data = crate::AlignedBytes::zeroed(0);
                let columns = PackedWeight::of_columns(Isa::best(), &pool, data, &x, rows, inputs, kept);
                let mut turned = vec![0.0; grad.len()];
                transpose(Isa::best(), &pool, &grad, outputs, &mut turned);
                let mut out = vec![0.0; outputs * inputs];
                let epilogue = Epilogue { residual: Some(&before), ..Epilogue::default() };
                linear(Isa::best(), &pool, input(&turned, outputs), &columns, epilogue, &mut out);
                let mut of_columns = vec![0.0; outputs * inputs];
                let given = Input { x: Given::Columns(&grad), rows: outputs, norm: None };
                linear(Isa::best(), &pool, given, &columns, epilogue, &mut of_columns);
                assert_eq!(out, of_columns, "{kept:?}");
                assert_eq!(first.get_or_insert_with(|| out.clone()), &out);
                if kept == Kept::F32 {
                    for isa in Isa::tested() {
                        let mut got = vec![0.0; out.len()];
                        weight_gradient(isa, &pool, (&grad, outputs), (&x, inputs), Some(&before), &mut got);
                        assert_eq!(out, got, "{isa:?}, {threads} threads");
                    }
                }
                for o in 0..outputs {
                    for i in 0..inputs {
                        let sum: f64 =
                            (0..rows).map(|r| f64::from(grad[r * outputs + o]) * f64::from(x[r * inputs + i])).sum();
                        let want = sum + f64::from(before[o * inputs + i]);
                        assert!((f64::from(out[o * inputs + i]) - want).abs() < bound, "{kept:?} {o}, {i}");
                    }
                }
            }
        }
        let mut sums = vec![1.0; outputs];
        column_sums(Isa::best(), &Pool::new(2), &grad, &mut sums);
        let want: f64 = (0..rows).map(|r| f64::from(grad[r * outputs + 7])).sum();
        assert!((f64::from(sums[7]) - 1.0 - want).abs() < 1e-4);
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
        assert_eq!(widen(Stored::F16, &half, 4), values);
        let single: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(widen(Stored::F32, &single, 2), values);
        let brain: Vec<u8> = [1.0f32, -2.5].iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
        assert_eq!(widen(Stored::Bf16, &brain, 1), [1.0, -2.5]);
    }
}
