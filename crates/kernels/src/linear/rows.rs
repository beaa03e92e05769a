//! A few rows of a product's input, packed once for all of its panels.

use super::{Input, PANEL, Part};
use crate::Isa;
use crate::scratch::with_scratch;
use crate::tile::{Block, Factor, Left, Right, block_rows, reads_rows};

/// Inputs summed in one chain; the chains' sums are added in order. Shorter chains round less.
pub(super) const CHAIN: usize = 256;
/// Blocks of rows, each computed by one tile, that are packed together: few enough to stay in the second-level cache with
/// a panel of weights.
const BLOCKS: usize = 4;

/// Distances of rows, in numbers, at which lines of different rows drive each other out of the first-level cache.
const CLASH: usize = 1024;

/// Rows as tiles read them, of so many inputs.
#[derive(Clone, Copy)]
pub(super) struct Ready<'a> {
    data: &'a [f32],
    inputs: usize,
    left: Left,
}

/// How many of `rows` are packed together: as many as may be, yet so that every thread has as much to do.
pub(super) fn row_block<E: Factor>(isa: Isa, threads: usize, rows: usize) -> usize {
    let fewest = rows.div_ceil(BLOCKS * block_rows::<E>(isa)).max(1);
    rows.div_ceil(if fewest == 1 { 1 } else { fewest.next_multiple_of(threads) })
}

/// The rows of a task.
pub(super) struct Rows<'a> {
    input: Input<'a>,
    inputs: usize,
    /// The first among all rows.
    pub(super) first: usize,
    pub(super) count: usize,
}

impl<'a> Rows<'a> {
    /// Up to `most` rows from the `first`.
    pub(super) fn of(input: Input<'a>, inputs: usize, first: usize, most: usize) -> Rows<'a> {
        Rows { input, inputs, first, count: most.min(input.rows - first) }
    }

    /// Row m of these.
    fn row(&self, m: usize) -> &'a [f32] {
        &self.input.x[(self.first + m) * self.inputs..][..self.inputs]
    }

    /// The blocks that tiles compute at once, as even as may be: the first row and the count of each.
    fn blocks<E: Factor>(&self, isa: Isa) -> impl Iterator<Item = (usize, usize)> + use<E> {
        let (count, most) = (self.count, block_rows::<E>(isa));
        let size = count.div_ceil(count.div_ceil(most));
        (0..count).step_by(size).map(move |at| (at, size.min(count - at)))
    }

    /// Gives `f` the rows as tiles read them, room for two panels of sums, and room for as many rows of `more` inputs, and
    /// for what [`Rows::pack_panel`] holds of them.
    pub(super) fn with_packed<E: Factor>(
        &self,
        isa: Isa,
        more: usize,
        f: impl FnOnce(Ready<'_>, &mut [f32], (&mut [f32], &mut [f32])),
    ) {
        let (inputs, slots_of) = (self.inputs, |steps| self.count * E::slots(isa, steps));
        let whole = E::STEPS == 1 && self.input.norm.is_none();
        let as_it_is = whole && (self.count == 1 || reads_rows::<E>(isa) && !inputs.is_multiple_of(CLASH));
        let normed_len = if self.input.norm.is_some() { block_rows::<E>(isa) * inputs } else { 0 };
        let packed_len = if as_it_is { 0 } else { slots_of(inputs) };
        // Finished sums wait until those of a group are complete.
        let held_len = if more > 0 && E::GROUP > PANEL { self.count * E::GROUP } else { 0 };
        with_scratch(2 * self.count * PANEL + packed_len + slots_of(more) + held_len + normed_len, |scratch| {
            let (sums, scratch) = scratch.split_at_mut(2 * self.count * PANEL);
            let (packed, scratch) = scratch.split_at_mut(packed_len);
            let (more, scratch) = scratch.split_at_mut(slots_of(more));
            let (held, normed) = scratch.split_at_mut(held_len);
            if as_it_is {
                let data = &self.input.x[self.first * inputs..][..self.count * inputs];
                let left = if self.count == 1 { Left::Packed } else { Left::Rows(inputs) };
                return f(Ready { data, inputs, left }, sums, (more, held));
            }
            for (at, count) in self.blocks::<E>(isa) {
                let to = &mut packed[at * E::slots(isa, inputs)..][..E::slots(isa, inputs) * count];
                match self.input.norm {
                    None => E::pack(isa, count, |m| self.row(at + m), inputs, to),
                    Some(norm) => {
                        for (m, normed) in normed.chunks_exact_mut(inputs).enumerate().take(count) {
                            norm.row(isa, self.row(at + m), normed);
                        }
                        E::pack(isa, count, |m| &normed[m * inputs..][..inputs], inputs, to);
                    }
                }
            }
            f(Ready { data: packed, inputs, left: Left::Packed }, sums, (more, held));
        });
    }

    /// The sums [rows, 32] of one panel of a product, and those of its gate.
    pub(super) fn sums<'s, E: Factor>(
        &self,
        isa: Isa,
        x: Ready<'_>,
        part: &Part<'_, E>,
        panel: usize,
        sums: &'s mut [f32],
    ) -> (&'s mut [f32], Option<&'s [f32]>) {
        let (sums, gate_sums) = sums.split_at_mut(self.count * PANEL);
        self.sum(isa, x, part.weight, panel, sums);
        let gate = part.gate.map(|gate| {
            self.sum(isa, x, gate, panel, gate_sums);
            &*gate_sums
        });
        (sums, gate)
    }

    /// The sums of one panel of a weight.
    fn sum<E: Factor>(&self, isa: Isa, x: Ready<'_>, weight: &[E], panel: usize, sums: &mut [f32]) {
        let depth = E::depth(x.inputs);
        // What a row of x takes, and what a chain of it takes.
        let (row_slots, chain_slots) = (E::slots(isa, x.inputs), E::slots(isa, CHAIN));
        let weight = &weight[panel * PANEL * depth..][..PANEL * depth];
        // A chain of weights stays in the first-level cache for all rows.
        for (chain, b) in weight.chunks(E::depth(CHAIN) * PANEL).enumerate() {
            for (at, count) in self.blocks::<E>(isa) {
                let rows_together = if x.left == Left::Packed { count } else { 1 };
                let a = &x.data[at * row_slots + chain * chain_slots * rows_together..];
                let block = Block { rows: count, cols: PANEL, depth: b.len() / PANEL, stride: PANEL, add: chain > 0 };
                E::tile(isa, block, x.left, a, Right { data: b, stride: PANEL }, &mut sums[at * PANEL..]);
            }
        }
    }

    /// Finished sums, packed by [`Rows::pack_panel`], as a product of so many inputs reads them.
    pub(super) fn between(packed: &[f32], inputs: usize) -> Ready<'_> {
        Ready { data: packed, inputs, left: Left::Packed }
    }

    /// Packs finished sums as inputs from `32 panel` of a product with `inputs` that follows. Where a group of its inputs is
    /// several panels, they are `held` until the last has come.
    pub(super) fn pack_panel<E: Factor>(
        &self,
        isa: Isa,
        sums: &[f32],
        inputs: usize,
        panel: usize,
        (packed, held): (&mut [f32], &mut [f32]),
    ) {
        let width = E::GROUP.max(PANEL);
        let first = panel * PANEL / width * width;
        let steps = inputs.min((panel + 1) * PANEL) - first;
        let sums = if width > PANEL {
            let column = panel * PANEL - first;
            for (held, sums) in held.chunks_exact_mut(width).zip(sums.as_chunks::<PANEL>().0) {
                held[column..][..PANEL].copy_from_slice(sums);
            }
            if steps < width && first + steps < inputs {
                return;
            }
            &*held
        } else {
            sums
        };
        let (row_slots, before) = (E::slots(isa, inputs), E::slots(isa, first));
        for (at, count) in self.blocks::<E>(isa) {
            let to = &mut packed[at * row_slots + before * count..][..E::slots(isa, steps) * count];
            E::pack(isa, count, |m| &sums[(at + m) * width..][..steps], steps, to);
        }
    }
}
