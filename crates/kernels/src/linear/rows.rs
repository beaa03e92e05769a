//! A few rows of a product's input, packed once for all of its panels.

use super::{Given, Input, PANEL, Part};
use crate::Isa;
use crate::halves::Numbers;
use crate::scratch::with_scratch;
use crate::tile::{Ahead, Block, Factor, Left, Right, block_rows, reads_rows, tiled};
use crate::transpose::transpose;

/// Inputs summed in one chain; the chains' sums are added in order. Shorter chains round less.
pub(super) const CHAIN: usize = 256;
/// Blocks of rows, each computed by one tile, that are packed together: few enough to stay in the second-level cache with
/// a panel of weights.
const BLOCKS: usize = 4;
/// Where tiles are computed as fast as AMX does, weights come too slowly for so few: as many rows as take so many slots, in
/// whole blocks, and no more than `MOST_BLOCKS`.
const TILED_SLOTS: usize = 200 << 10;
const MOST_BLOCKS: usize = 8;

/// Lines of 16 rows of a panel of pairs.
const LINES_OF_ROWS: usize = 32;

/// Distances of rows, in numbers, at which lines of different rows drive each other out of the first-level cache.
const CLASH: usize = 1024;

/// Rows as tiles read them, of so many inputs.
#[derive(Clone, Copy)]
pub(super) struct Ready<'a> {
    data: &'a [f32],
    inputs: usize,
    left: Left,
}

/// How many of `rows`, of so many inputs, are packed together: as many as may be, yet so that every thread has as much to do.
pub(super) fn row_block<E: Factor>(isa: Isa, threads: usize, rows: usize, inputs: usize) -> usize {
    let size = block_rows::<E>(isa);
    let blocks = if tiled::<E>(isa) {
        (TILED_SLOTS / (size * E::slots(isa, inputs).max(1))).clamp(BLOCKS, MOST_BLOCKS)
    } else {
        BLOCKS
    };
    let fewest = rows.div_ceil(blocks * size).max(1);
    rows.div_ceil(if fewest == 1 { 1 } else { fewest.next_multiple_of(threads) })
}

/// What a product that follows another needs.
#[derive(Clone, Copy, Default)]
pub(super) struct More {
    /// Its inputs, as many as are made at once.
    pub(super) inputs: usize,
    /// Sums of a row that are kept while its inputs come a part at a time.
    pub(super) sums: usize,
}

/// Room of a task, for all of its rows.
pub(super) struct Room<'a> {
    /// Two panels of sums.
    pub(super) sums: &'a mut [f32],
    /// The inputs of [`More`].
    pub(super) between: &'a mut [f32],
    /// For what [`Rows::pack_panel`] holds of them.
    pub(super) held: &'a mut [f32],
    /// The sums of [`More`].
    pub(super) totals: &'a mut [f32],
}

/// Inputs of a weight that a product begins at, whole chains, and all that it has.
#[derive(Clone, Copy)]
pub(super) struct Inputs {
    pub(super) first: usize,
    pub(super) of: usize,
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

    /// These as they stand, where they are f32 and pass nothing first.
    fn as_they_stand(&self) -> Option<&'a [f32]> {
        match (self.input.x, self.input.norm) {
            (Given::Rows(Numbers::F32(x)), None) => Some(&x[self.first * self.inputs..][..self.count * self.inputs]),
            _ => None,
        }
    }

    /// `width` inputs from the `first` of so many rows from the m-th of these, in f32: a slice in which the rows begin, and lie
    /// so far apart. `room` takes whole rows; those that stand there already are not made again for a later `first`.
    fn part<'b>(
        &self,
        isa: Isa,
        (m, count): (usize, usize),
        (first, width): (usize, usize),
        room: &'b mut [f32],
    ) -> (&'b [f32], usize)
    where
        'a: 'b,
    {
        let (row, inputs) = (self.first + m, self.inputs);
        let of_rows = row * inputs..(row + count) * inputs;
        let whole = match (self.input.x, self.input.norm) {
            (Given::Columns(x), _) => {
                let rows = self.input.rows;
                transpose(isa, (width, count), (&x[first * rows + row..], rows), (room, width));
                return (room, width);
            }
            (Given::Rows(Numbers::F32(x)), Some(norm)) => {
                if first == 0 {
                    for (row, normed) in x[of_rows].chunks_exact(inputs).zip(room.chunks_exact_mut(inputs)) {
                        norm.row(isa, row, normed);
                    }
                }
                &*room
            }
            (Given::Rows(x @ Numbers::Bf16(_)), _) if first == 0 => x.slice(of_rows).widened(isa, room),
            (Given::Rows(Numbers::Bf16(_)), _) => room,
            (Given::Rows(Numbers::F32(x)), None) => &x[of_rows],
        };
        (&whole[first..], inputs)
    }

    /// The blocks that tiles compute at once, as even as may be: the first row and the count of each.
    fn blocks<E: Factor>(&self, isa: Isa) -> impl Iterator<Item = (usize, usize)> + use<E> {
        let (count, most) = (self.count, block_rows::<E>(isa));
        let size = count.div_ceil(count.div_ceil(most));
        (0..count).step_by(size).map(move |at| (at, size.min(count - at)))
    }

    /// Where the block from row `at` on lies, of the chain of `inputs` that begins at the `first`: chain after chain, and in a
    /// chain block after block, as they are read.
    fn place<E: Factor>(&self, isa: Isa, inputs: usize, first: usize, at: usize) -> usize {
        self.count * E::slots(isa, first) + at * E::slots(isa, CHAIN.min(inputs - first))
    }

    /// Gives `f` the rows as tiles read them, and room.
    pub(super) fn with_packed<E: Factor>(&self, isa: Isa, more: More, f: impl FnOnce(Ready<'_>, Room<'_>)) {
        let (inputs, slots_of) = (self.inputs, |steps| self.count * E::slots(isa, steps));
        let reads = E::STEPS == 1 && (self.count == 1 || reads_rows::<E>(isa) && !inputs.is_multiple_of(CLASH));
        let as_it_is = self.as_they_stand().filter(|_| reads);
        let made_len = if self.as_they_stand().is_none() { block_rows::<E>(isa) * inputs } else { 0 };
        let packed_len = if as_it_is.is_some() { 0 } else { slots_of(inputs) };
        // Finished sums wait until those of a group are complete.
        let held_len = if more.inputs > 0 && E::GROUP > PANEL { self.count * E::GROUP } else { 0 };
        let lens = [2 * PANEL * self.count, packed_len, slots_of(more.inputs), held_len, more.sums * self.count];
        with_scratch(lens.iter().sum::<usize>() + made_len, |scratch| {
            let mut rest = scratch;
            let [sums, packed, between, held, totals] = lens.map(|len| {
                let (piece, left) = std::mem::take(&mut rest).split_at_mut(len);
                rest = left;
                piece
            });
            let (made, room) = (rest, Room { sums, between, held, totals });
            if let Some(data) = as_it_is {
                let left = if self.count == 1 { Left::Packed } else { Left::Rows(inputs) };
                return f(Ready { data, inputs, left }, room);
            }
            for (at, count) in self.blocks::<E>(isa) {
                for first in (0..inputs).step_by(CHAIN) {
                    let width = CHAIN.min(inputs - first);
                    let to = &mut packed[self.place::<E>(isa, inputs, first, at)..][..E::slots(isa, width) * count];
                    let (rows, stride) = self.part(isa, (at, count), (first, width), made);
                    E::pack(isa, count, |m| &rows[m * stride..][..width], width, to);
                }
            }
            f(Ready { data: packed, inputs, left: Left::Packed }, room);
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
        let all = Inputs { first: 0, of: x.inputs };
        self.sum(isa, x, (part.weight, all), panel, sums);
        let gate = part.gate.map(|gate| {
            self.sum(isa, x, (gate, all), panel, gate_sums);
            &*gate_sums
        });
        (sums, gate)
    }

    /// The sums of one panel of a weight over some of its inputs; where they are not the first, added to what is there.
    pub(super) fn sum<E: Factor>(
        &self,
        isa: Isa,
        x: Ready<'_>,
        (weight, inputs): (&[E], Inputs),
        panel: usize,
        sums: &mut [f32],
    ) {
        let first = panel * PANEL * E::depth(inputs.of) + PANEL * E::depth(inputs.first);
        let weight = &weight[first..][..PANEL * E::depth(x.inputs)];
        // A chain of weights stays in the first-level cache for all rows. Those behind the next one are asked for meanwhile.
        let chain_len = E::depth(CHAIN) * PANEL;
        let chains = x.inputs.div_ceil(CHAIN);
        // What lies in a panel beside these inputs.
        let others = PANEL * (E::depth(inputs.of) - E::depth(x.inputs));
        let blocks = self.blocks::<E>(isa).count();
        for (chain, b) in weight.chunks(chain_len).enumerate() {
            let lines = LINES_OF_ROWS.div_ceil(blocks);
            for (index, (at, count)) in self.blocks::<E>(isa).enumerate() {
                let first = chain * CHAIN;
                let place = match x.left {
                    Left::Rows(stride) => at * stride + first,
                    Left::Packed | Left::Rows64 => self.place::<E>(isa, x.inputs, first, at),
                };
                let a = &x.data[place..];
                let block = Block {
                    rows: count,
                    cols: PANEL,
                    depth: b.len() / PANEL,
                    stride: PANEL,
                    add: inputs.first + chain > 0,
                };
                let beyond = if chain + 2 < chains { 0 } else { others };
                let ahead = Ahead { from: 2 * chain_len + beyond + b.len() * index / blocks, lines };
                E::tile(isa, block, x.left, a, Right { data: b, stride: PANEL, ahead }, &mut sums[at * PANEL..]);
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
        let before = E::slots(isa, first % CHAIN);
        for (at, count) in self.blocks::<E>(isa) {
            let block = self.place::<E>(isa, inputs, first / CHAIN * CHAIN, at);
            let to = &mut packed[block + before * count..][..E::slots(isa, steps) * count];
            E::pack(isa, count, |m| &sums[(at + m) * width..][..steps], steps, to);
        }
    }
}
