//! The online softmax: scores of a few queries with a block of keys, and their weighted values.

use super::tasks::TaskRows;
use super::{BLOCK, Blocks, CHUNK_BLOCKS, Heads, MAX_DIM, PANEL, Span};
use crate::Isa;
use crate::isa::for_each_isa;
use crate::math::{self, fold, join};
use crate::tile::{Block, Element, Left, MAX_ROWS, Right, pack_rows, padded, put_row, slots, tile};
use std::f32::consts::LOG2_E;

/// The queries of a block, ready for products with keys.
#[repr(C, align(64))]
pub(super) struct Queries {
    /// Packed for `tile`, each head's rows on their own.
    packed: [f32; MAX_DIM * MAX_ROWS],
    /// Of one block: [rows, 64], first as scores, then as weights.
    scores: [f32; MAX_ROWS * BLOCK],
    /// The weights as the second product reads them.
    weights: [f32; MAX_ROWS * BLOCK],
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
            scores: [0.0; MAX_ROWS * BLOCK],
            weights: [0.0; MAX_ROWS * BLOCK],
        }
    }

    pub(super) fn set<E: Element>(&mut self, isa: Isa, heads: &Heads, rows: &TaskRows, q: &[f32], span: &Span) {
        (self.rows, self.of_head) = (rows.len(), rows.of_head);
        for (visible, row) in self.visible.iter_mut().zip(rows.iter()) {
            *visible = span.visible(row.row);
        }
        let of_head = rows.of_head * slots::<E>(isa, heads.dim);
        for (rows, packed) in rows.chunks(rows.of_head).zip(self.packed.chunks_exact_mut(of_head)) {
            pack_rows::<E>(isa, rows.len(), |m| &q[rows[m].at..][..heads.dim], heads.dim, packed);
        }
    }

    /// Adds the keys of one chunk of a span for the heads from `head` on.
    pub(super) fn chunk<E: Element>(
        &mut self,
        isa: Isa,
        heads: &Heads,
        chunk: usize,
        (span, head): (usize, usize),
        (blocks, room): (&impl Blocks<E>, &mut [f32]),
        sums: &mut Sums,
    ) {
        let seen = self.visible[..self.rows].iter().copied().max().unwrap_or(0).div_ceil(BLOCK);
        for index in chunk * CHUNK_BLOCKS..((chunk + 1) * CHUNK_BLOCKS).min(seen) {
            for (i, first_row) in (0..self.rows).step_by(self.of_head).enumerate() {
                blocks.with_head(heads, (span, index), head + i, room, |k, v| {
                    self.block(isa, heads, index * BLOCK, k, v, first_row, sums);
                });
            }
        }
    }

    /// Adds the keys and values of one head at the 64 positions from `first` to its rows.
    fn block<E: Element>(
        &mut self,
        isa: Isa,
        heads: &Heads,
        first: usize,
        k: &[E],
        v: &[E],
        first_row: usize,
        sums: &mut Sums,
    ) {
        let (rows, lanes, depth) = (self.of_head, heads.lanes(), padded::<E>(heads.dim) / E::STEPS);
        let packed = &self.packed[first_row * slots::<E>(isa, heads.dim)..];
        for (panel, keys) in k.chunks_exact(k.len() * PANEL / BLOCK).enumerate() {
            let block = Block { rows, cols: PANEL, depth, stride: BLOCK, add: false };
            let keys = Right { data: keys, stride: PANEL };
            tile(isa, block, Left::Packed, packed, keys, &mut self.scores[panel * PANEL..]);
        }
        let of_head = first_row..first_row + rows;
        let seen: [usize; MAX_ROWS] =
            std::array::from_fn(|m| self.visible.get(first_row + m).map_or(0, |v| v.saturating_sub(first).min(BLOCK)));
        let (max, sum) = (&mut sums.max[of_head.clone()], &mut sums.sum[of_head]);
        let keep = softmax(isa, &mut self.scores, &seen[..rows], heads.scale * LOG2_E, max, sum);
        let values = &mut sums.values[first_row * lanes..][..rows * lanes];
        scale(isa, values, lanes, &keep);
        let row_slots = slots::<E>(isa, BLOCK);
        put_row::<E>(isa, &self.scores[..rows * BLOCK], &mut self.weights[..rows * row_slots]);
        for panel in heads.value_panels() {
            let block = Block { rows, cols: panel.len(), depth: BLOCK / E::STEPS, stride: lanes, add: true };
            let right = Right { data: &v[panel.start * BLOCK / E::STEPS..], stride: panel.len() };
            tile(isa, block, Left::Rows64, &self.weights, right, &mut values[panel.start..]);
        }
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

    pub(super) fn write(&self, isa: Isa, heads: &Heads, m: usize, out: &mut [f32]) {
        divide(isa, &self.values[m * heads.lanes()..][..heads.dim], self.sum[m], out);
    }
}

for_each_isa! {
    /// Adds the sums over the keys that follow to rows of `lanes` values.
    fn join_sums(to: &mut Sums, rows: usize, lanes: usize, next: View<'_>) = join_rows;
}

#[inline(always)]
fn join_rows(to: &mut Sums, rows: usize, lanes: usize, next: View<'_>) {
    for m in 0..rows {
        let (before, after) = (to.max[m], next.max[m]);
        let max = if after > before { after } else { before };
        if max == f32::NEG_INFINITY {
            continue; // nothing seen yet
        }
        let (keep, take) = (math::exp2(before - max), math::exp2(after - max));
        to.max[m] = max;
        to.sum[m] = to.sum[m] * keep + next.sum[m] * take;
        let range = m * lanes..(m + 1) * lanes;
        for (to, &x) in to.values[range.clone()].iter_mut().zip(&next.values[range]) {
            *to = *to * keep + x * take;
        }
    }
}

for_each_isa! {
    fn divide(row: &[f32], by: f32, out: &mut [f32]) = divide_row;
}

#[inline(always)]
fn divide_row(row: &[f32], by: f32, out: &mut [f32]) {
    for (out, &x) in out.iter_mut().zip(row) {
        *out = x / by;
    }
}

for_each_isa! {
    /// Turns rows of 64 raw scores into weights `2^(scale * score - max)`, where max is the largest scaled score that a
    /// row has met yet; those behind the first `seen` of a row are 0. Takes the weights into the rows' `sum`, and returns
    /// what the rows' earlier weights must be multiplied by.
    fn softmax(
        scores: &mut [f32; MAX_ROWS * BLOCK],
        seen: &[usize],
        scale: f32,
        max: &mut [f32],
        sum: &mut [f32],
    ) -> [f32; MAX_ROWS] = softmax_rows;
}

#[inline(always)]
fn softmax_rows(
    scores: &mut [f32; MAX_ROWS * BLOCK],
    seen: &[usize],
    scale: f32,
    max: &mut [f32],
    sum: &mut [f32],
) -> [f32; MAX_ROWS] {
    let mut keep = [1.0f32; MAX_ROWS];
    for (m, (row, &seen)) in scores.as_chunks_mut::<BLOCK>().0.iter_mut().zip(seen).enumerate() {
        if seen == 0 {
            row.fill(0.0);
            continue;
        }
        if seen < BLOCK {
            row[seen..].fill(f32::NEG_INFINITY);
        }
        // Sixteen lanes of maxima and sums, joined in a fixed order, so that every path adds alike.
        let mut lanes = [f32::NEG_INFINITY; 16];
        for part in row.as_chunks::<16>().0 {
            for (lane, &x) in lanes.iter_mut().zip(part) {
                *lane = if x > *lane { x } else { *lane };
            }
        }
        let (before, here) = (max[m], fold(lanes, |a, b| if b > a { b } else { a }) * scale);
        let top = if here > before { here } else { before };
        let mut lanes = [0.0f32; 16];
        for part in row.as_chunks_mut::<16>().0 {
            for (lane, x) in lanes.iter_mut().zip(part) {
                *x = math::exp2_of_nonpositive(math::fma(*x, scale, -top));
                *lane += *x;
            }
        }
        row[seen..].fill(0.0);
        keep[m] = math::exp2(before - top);
        max[m] = top;
        sum[m] = math::fma(sum[m], keep[m], join(&lanes));
    }
    keep
}

for_each_isa! {
    /// Multiplies each row of `width` by its factor.
    fn scale(rows: &mut [f32], width: usize, factors: &[f32; MAX_ROWS]) = scale_rows;
}

#[inline(always)]
fn scale_rows(rows: &mut [f32], width: usize, factors: &[f32; MAX_ROWS]) {
    for (row, &factor) in rows.chunks_exact_mut(width).zip(factors) {
        row.iter_mut().for_each(|x| *x *= factor);
    }
}
