//! The online softmax: scores of a few queries with a block of keys, and their weighted values.

use super::tasks::TaskRows;
use super::{BLOCK, Blocks, CHUNK_BLOCKS, Heads, MAX_DIM, PANEL, Span, weights};
use crate::Isa;
use crate::halves::Numbers;
use crate::isa::for_each_isa;
use crate::math;
use crate::tile::{Block, Element, Left, MAX_ROWS, Pair, Right, pack_rows, padded, slots, tile, tile_parts};
use std::f32::consts::LOG2_E;

/// Keys of a chunk.
const CHUNK: usize = CHUNK_BLOCKS * BLOCK;

/// The queries of a block, ready for products with keys.
#[repr(C, align(64))]
pub(super) struct Queries {
    /// Packed for `tile`, each head's rows on their own.
    packed: [f32; MAX_DIM * MAX_ROWS],
    /// Of a chunk, one block of keys after the other: [rows, 64], first as scores, then as weights.
    scores: [f32; MAX_ROWS * CHUNK],
    /// The weights as the second product reads them, where that is not as they are.
    weights: [f32; MAX_ROWS * CHUNK],
    rows: usize,
    /// Rows of one head.
    of_head: usize,
    /// Keys that each sees.
    visible: [usize; MAX_ROWS],
}

impl Queries {
    pub(super) fn new() -> Queries {
        Queries {
            rows: 0,
            of_head: 0,
            visible: [0; MAX_ROWS],
            packed: [0.0; MAX_DIM * MAX_ROWS],
            scores: [0.0; MAX_ROWS * CHUNK],
            weights: [0.0; MAX_ROWS * CHUNK],
        }
    }

    pub(super) fn set<E: Element>(&mut self, isa: Isa, heads: &Heads, rows: &TaskRows, q: Numbers<'_>, span: &Span) {
        (self.rows, self.of_head) = (rows.len(), rows.of_head);
        for (visible, row) in self.visible.iter_mut().zip(rows.iter()) {
            *visible = span.visible(row.row);
        }
        let of_head = rows.of_head * slots::<E>(isa, heads.dim);
        for (rows, packed) in rows.chunks(rows.of_head).zip(self.packed.chunks_exact_mut(of_head)) {
            let count = rows.len();
            // The room of scores that are not there yet.
            let mut room = self.scores.chunks_exact_mut(heads.dim);
            let rows: [&[f32]; MAX_ROWS] = std::array::from_fn(|m| match (rows.get(m), room.next()) {
                (Some(row), Some(room)) => q.slice(row.at..row.at + heads.dim).widened(isa, room),
                _ => &[],
            });
            pack_rows::<E>(isa, count, |m| rows[m], heads.dim, packed);
        }
    }

    /// Chunks of which any row sees a key.
    pub(super) fn chunks_seen(&self) -> usize {
        self.visible[..self.rows].iter().max().map_or(0, |most| most.div_ceil(CHUNK))
    }

    /// Sets `sums` to those over the keys of one chunk of a span for the heads from `head` on: all scores of a row first, so
    /// that its largest is known before any becomes a weight.
    pub(super) fn chunk<'a, E: Element>(
        &mut self,
        isa: Isa,
        heads: &Heads,
        chunk: usize,
        (span, head): (usize, usize),
        (blocks, room): (&impl Blocks<'a, E>, &mut [f32]),
        sums: &mut Sums,
    ) {
        let rows = self.rows;
        let seen: [usize; MAX_ROWS] = std::array::from_fn(|m| {
            let visible = if m < rows { self.visible[m] } else { 0 };
            visible.saturating_sub(chunk * CHUNK).min(CHUNK)
        });
        let count = seen.iter().copied().max().unwrap_or(0).div_ceil(BLOCK);
        let of_heads = || (0..rows).step_by(self.of_head).enumerate();
        let first_block = chunk * CHUNK_BLOCKS;
        for block in 0..count {
            for (i, first) in of_heads() {
                let scores = &mut self.scores[(block * rows + first) * BLOCK..];
                let queries = &self.packed[first * slots::<E>(isa, heads.dim)..];
                if rows > self.of_head {
                    blocks.fetch(heads, span, first_block + block..first_block + count, head + i);
                }
                let keys = blocks.keys(heads, (span, first_block + block), head + i, room);
                score(isa, heads, self.of_head, queries, keys, scores);
            }
        }
        let scores = &mut self.scores[..count * rows * BLOCK];
        let totals = (&mut sums.max[..rows], &mut sums.sum[..rows]);
        let weights =
            weights::of_scores::<E>(isa, scores, &seen[..rows], heads.scale * LOG2_E, totals, &mut self.weights);
        let row_slots = slots::<E>(isa, BLOCK);
        // One head's blocks at once, or all heads of a block: in the order in which they lie in memory.
        let step = if rows > self.of_head { 1 } else { count.max(1) };
        for block in (0..count).step_by(step) {
            for (i, first) in of_heads() {
                let weights = &weights[(block * rows + first) * row_slots..];
                let (to, of_block) = (&mut sums.values[first * heads.lanes()..], first_block + block);
                let mut values: [&[E]; CHUNK_BLOCKS] = [&[]; CHUNK_BLOCKS];
                let values = &mut values[..step];
                // In 8 bits they are made as pairs.
                let rooms = room.chunks_exact_mut(heads.head_lens::<Pair>().1);
                for ((to, index), room) in values.iter_mut().zip(of_block..).zip(rooms) {
                    *to = blocks.values(heads, (span, index), head + i, room);
                }
                weigh(isa, heads, self.of_head, (weights, rows * row_slots), values, (to, block > 0));
            }
        }
    }
}

/// Scores of a head's rows with the keys of a block: rows 64 apart.
fn score<E: Element>(isa: Isa, heads: &Heads, rows: usize, queries: &[f32], keys: &[E], scores: &mut [f32]) {
    let depth = padded::<E>(heads.dim) / E::STEPS;
    for (panel, keys) in keys.chunks_exact(keys.len() * PANEL / BLOCK).enumerate() {
        let block = Block { rows, cols: PANEL, depth, stride: BLOCK, add: false };
        let keys = Right::new(keys, PANEL);
        tile(isa, block, Left::Packed, queries, keys, &mut scores[panel * PANEL..]);
    }
}

/// The values of some blocks, weighted for a head's rows, whose weights for the next block are `step` further on.
fn weigh<E: Element>(
    isa: Isa,
    heads: &Heads,
    rows: usize,
    (weights, step): (&[f32], usize),
    values: &[&[E]],
    (to, add): (&mut [f32], bool),
) {
    let stride = heads.lanes();
    for panel in heads.value_panels() {
        let to = &mut to[panel.start..];
        let from = panel.start * BLOCK / E::STEPS..panel.end * BLOCK / E::STEPS;
        let block = Block { rows, cols: panel.len(), depth: BLOCK / E::STEPS, stride, add };
        tile_parts(isa, block, (weights, step), (values, from), to);
    }
}

/// The sums of the online softmax of a block's rows over some keys.
#[repr(C, align(64))]
pub(super) struct Sums {
    /// The sum of 2^(score - max) times the value, [rows, lanes].
    values: [f32; MAX_DIM * MAX_ROWS],
    /// The largest score, scaled, to the base 2.
    max: [f32; MAX_ROWS],
    /// The sum of 2^(score - max).
    sum: [f32; MAX_ROWS],
}

/// Sums to be added to others.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    max: &'a [f32],
    sum: &'a [f32],
    values: &'a [f32],
}

impl View<'_> {
    /// What [`Sums::store`] wrote.
    pub(super) fn stored(from: &[f32]) -> View<'_> {
        let (max, rest) = from.split_at(MAX_ROWS);
        let (sum, values) = rest.split_at(MAX_ROWS);
        View { max, sum, values }
    }
}

impl Sums {
    /// Over no keys.
    pub(super) fn new() -> Sums {
        Sums { max: [f32::NEG_INFINITY; MAX_ROWS], sum: [0.0; MAX_ROWS], values: [0.0; MAX_DIM * MAX_ROWS] }
    }

    /// As new, for so many rows.
    pub(super) fn clear(&mut self, heads: &Heads, rows: usize) {
        self.max.fill(f32::NEG_INFINITY);
        self.sum.fill(0.0);
        self.values[..rows * heads.lanes()].fill(0.0);
    }

    pub(super) fn view(&self) -> View<'_> {
        View { max: &self.max, sum: &self.sum, values: &self.values }
    }

    /// Adds the sums over the keys that follow.
    pub(super) fn join(&mut self, isa: Isa, heads: &Heads, rows: usize, next: View<'_>) {
        join_sums(isa, self, rows, heads.lanes(), next);
    }

    /// Floats of what [`Sums::store`] writes.
    pub(super) fn stored_len(heads: &Heads) -> usize {
        MAX_ROWS * (2 + heads.lanes())
    }

    /// Into [`Sums::stored_len`] numbers.
    pub(super) fn store(&self, heads: &Heads, rows: usize, to: &mut [f32]) {
        let (max, rest) = to.split_at_mut(MAX_ROWS);
        let (sum, values) = rest.split_at_mut(MAX_ROWS);
        max.copy_from_slice(&self.max[..MAX_ROWS]);
        sum.copy_from_slice(&self.sum[..MAX_ROWS]);
        let len = rows * heads.lanes();
        values[..len].copy_from_slice(&self.values[..len]);
    }

    /// The weighted mean of row m's values, in `room`.
    pub(super) fn mean<'a>(&self, isa: Isa, heads: &Heads, m: usize, room: &'a mut [f32]) -> &'a [f32] {
        let out = &mut room[..heads.dim];
        divide(isa, &self.values[m * heads.lanes()..][..heads.dim], self.sum[m], out);
        out
    }
}

for_each_isa! {
    /// Adds the sums over the keys that follow to rows of `lanes` values.
    fn join_sums(to: &mut Sums, rows: usize, lanes: usize, next: View<'_>) = join_rows;
}

#[inline(always)]
fn join_rows(to: &mut Sums, rows: usize, lanes: usize, next: View<'_>) {
    let (mut keep, mut take) = ([1.0; MAX_ROWS], [0.0; MAX_ROWS]);
    for m in 0..MAX_ROWS {
        let (before, after) = (to.max[m], next.max[m]);
        let max = if after > before { after } else { before };
        to.max[m] = max;
        // Where nothing is seen yet there is nothing to keep or take.
        let seen = max > f32::NEG_INFINITY;
        keep[m] = if seen { math::exp2(before - max) } else { 1.0 };
        take[m] = if seen { math::exp2(after - max) } else { 0.0 };
        to.sum[m] = to.sum[m] * keep[m] + next.sum[m] * take[m];
    }
    for m in 0..rows {
        let range = m * lanes..(m + 1) * lanes;
        for (to, &x) in to.values[range.clone()].iter_mut().zip(&next.values[range]) {
            *to = *to * keep[m] + x * take[m];
        }
    }
}

for_each_isa! {
    fn divide(row: &[f32], by: f32, out: &mut [f32]) = divide_row;
}

#[inline(always)]
fn divide_row(row: &[f32], by: f32, out: &mut [f32]) {
    let inverse = 1.0 / by;
    for (out, &x) in out.iter_mut().zip(row) {
        *out = x * inverse;
    }
}
