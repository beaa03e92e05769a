//! Two products in one job.

use super::finish::{self, Place};
use super::rows::{CHAIN, Inputs, More, Room, Rows, row_block};
use super::{Act, Epilogue, Input, Kept, PANEL, PackedWeight, Part, check, tasks_of_thread};
use crate::halves::{NumbersMut, Places};
use crate::tile::fours::{FourBlocks, Fours};
use crate::tile::{Blocks, Eights, Factor, Pair, Sixes, tiled};
use crate::{Isa, Pool};

/// Whether [`mlp`] of so many rows keeps all threads busy.
pub fn splits_by_rows(isa: Isa, pool: &Pool, up: &PackedWeight, rows: usize) -> bool {
    let shape = (rows, up.inputs, up.outputs);
    match up.kept {
        Kept::F32 => mlp_splits::<f32>(isa, pool.threads(), shape),
        Kept::Bf16 => mlp_splits::<Pair>(isa, pool.threads(), shape),
        Kept::Q8 => mlp_splits::<Eights>(isa, pool.threads(), shape),
        Kept::Q8Blocks => mlp_splits::<Blocks>(isa, pool.threads(), shape),
        Kept::Q4 => mlp_splits::<Fours>(isa, pool.threads(), shape),
        Kept::Q4K => mlp_splits::<FourBlocks>(isa, pool.threads(), shape),
        Kept::Q6K => mlp_splits::<Sixes>(isa, pool.threads(), shape),
    }
}

/// [`splits_by_rows`] of so many rows, inputs and hidden values.
fn mlp_splits<E: Factor>(isa: Isa, threads: usize, shape: (usize, usize, usize)) -> bool {
    shape.0.div_ceil(mlp_row_block::<E>(isa, threads, shape)) >= tasks_of_thread::<E>(isa) * threads
}

/// How many of `rows` an MLP's task takes.
fn mlp_row_block<E: Factor>(isa: Isa, threads: usize, (rows, inputs, hidden): (usize, usize, usize)) -> usize {
    row_block::<E>(isa, threads, rows, inputs + section::<E>(isa, hidden))
}

/// Two products, the second of what the first makes, a few rows at a time from beginning to end: what lies between them
/// never leaves the cache. The bits are those of the products one after the other.
///
/// # Panics
/// If a length does not fit, weights are kept differently, or the first epilogue has more than a bias and an activation that
/// needs no tensor.
pub fn mlp(
    isa: Isa,
    pool: &Pool,
    input: Input<'_>,
    (up, up_epilogue): (&PackedWeight, Epilogue<'_>),
    (down, down_epilogue): (&PackedWeight, Epilogue<'_>),
    out: &mut [f32],
) {
    assert!(up_epilogue.residual.is_none() && !matches!(up_epilogue.act, Act::SiluMul(_)), "mlp: between the products");
    assert!(!matches!(down_epilogue.act, Act::SwiGlu(_)), "mlp: the gate of the second product");
    assert!(down.kept == up.kept && down.inputs == up.outputs, "mlp: weights of one kind");
    check(input, up, &up_epilogue);
    assert_eq!(out.len(), input.rows * down.outputs, "mlp: out");
    assert!(down_epilogue.bias.is_none_or(|b| b.len() == down.outputs), "mlp: bias");
    assert!(down_epilogue.residual.is_none_or(|r| !r.is_empty() && r.len() % down.outputs == 0), "mlp: residual");
    if input.rows == 0 || up.inputs == 0 || up.outputs == 0 {
        return;
    }
    let out = NumbersMut::from(out).places();
    match up.kept {
        Kept::F32 => mlp_rows::<f32>(isa, pool, input, (up, up_epilogue), (down, down_epilogue), &out),
        Kept::Bf16 => mlp_rows::<Pair>(isa, pool, input, (up, up_epilogue), (down, down_epilogue), &out),
        Kept::Q8 => mlp_rows::<Eights>(isa, pool, input, (up, up_epilogue), (down, down_epilogue), &out),
        Kept::Q8Blocks => mlp_rows::<Blocks>(isa, pool, input, (up, up_epilogue), (down, down_epilogue), &out),
        Kept::Q4 => mlp_rows::<Fours>(isa, pool, input, (up, up_epilogue), (down, down_epilogue), &out),
        Kept::Q4K => mlp_rows::<FourBlocks>(isa, pool, input, (up, up_epilogue), (down, down_epilogue), &out),
        Kept::Q6K => mlp_rows::<Sixes>(isa, pool, input, (up, up_epilogue), (down, down_epilogue), &out),
    }
}

fn mlp_rows<E: Factor>(
    isa: Isa,
    pool: &Pool,
    input: Input<'_>,
    up: (&PackedWeight, Epilogue<'_>),
    down: (&PackedWeight, Epilogue<'_>),
    out: &Places,
) {
    let (inputs, hidden) = (up.0.inputs, up.0.outputs);
    let [up, down] = [up, down].map(|(weight, epilogue)| Part::<E>::new(weight, epilogue));
    let section = section::<E>(isa, hidden);
    let row_block = mlp_row_block::<E>(isa, pool.threads(), (input.rows, inputs, hidden));
    let more = More { inputs: section, sums: if section < hidden { down.panels() * PANEL } else { 0 } };
    pool.run(input.rows.div_ceil(row_block), |task| {
        let rows = Rows::of(input, inputs, task * row_block, row_block);
        rows.with_packed::<E>(isa, more, |x, Room { sums, between, held, totals }| {
            for first in (0..hidden).step_by(section) {
                let width = section.min(hidden - first);
                for panel in 0..width.div_ceil(PANEL) {
                    let of_all = first / PANEL + panel;
                    let (sums, gate) = rows.sums(isa, x, &up, of_all, sums);
                    finish::activate_sums(isa, sums, gate, up.columns(of_all), &up.epilogue);
                    rows.pack_panel::<E>(isa, sums, width, panel, (between, held));
                }
                let between = Rows::between(between, width);
                let weight = (down.weight, Inputs { first, of: hidden });
                for panel in 0..down.panels() {
                    let place = Place::of(&rows, &down, panel);
                    let sums = match totals.len() {
                        0 => &mut *sums,
                        _ => &mut totals[panel * PANEL * rows.count..][..PANEL * rows.count],
                    };
                    let last = first + width == hidden;
                    if last {
                        finish::fetch_ahead(place, &down.epilogue, out);
                    }
                    rows.sum(isa, between, weight, panel, sums);
                    if last {
                        finish::finish(isa, sums, None, place, &down.epilogue, out);
                    }
                }
            }
        });
    });
}

/// How much of what lies between two products is made at once: all of it, but for AMX, which wants more rows than the
/// second-level cache holds with it. Whole chains, so that the bits are those of all at once.
fn section<E: Factor>(isa: Isa, hidden: usize) -> usize {
    if tiled::<E>(isa) { hidden.min(3 * CHAIN) } else { hidden }
}
