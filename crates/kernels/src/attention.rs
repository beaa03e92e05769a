//! Attention over keys and values in blocks of 64 positions, by online softmax: no matrix of scores in memory.
//!
//! A block holds, for one layer, the keys of every key head as `[dim, 64]` and then the values as `[64, lanes]`, where
//! `lanes` is `dim` rounded up to 16: what the two products of attention read in order. In bfloat16 two dimensions of a
//! key, and two positions of a value, lie together as a pair. Query rows that share a key head
//! are computed together, so its keys and values are read once. A row's result depends on its own keys alone and is
//! reduced chunk by chunk in order, so it is the same bits however many rows are asked for at once.

use crate::isa::for_each_isa;
use crate::math;
use crate::pool::SendPtr;
use crate::scratch::with_scratch;
use crate::tile::{Block, Element, Left, MAX_ROWS, Rows, elements, interleave, put_column, put_row, slots, tile};
use crate::{Isa, Pool};
use std::f32::consts::LOG2_E;
use std::ops::{Deref, Range};

/// Positions in a block.
pub const BLOCK: usize = 64;
/// The widest head.
pub const MAX_DIM: usize = 128;
/// Query rows of one key head in a task.
const TASK_ROWS: usize = 4 * MAX_ROWS;
/// Blocks of keys that are reduced alone before their sums are joined to the others'.
const CHUNK_BLOCKS: usize = 8;

/// The heads of an attention layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heads {
    /// Query heads; a multiple of `kv_heads`.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head, even, at most [`MAX_DIM`].
    pub dim: usize,
    /// What scores are multiplied by.
    pub scale: f32,
}

impl Heads {
    /// Width of a value row in a block.
    fn lanes(&self) -> usize {
        self.dim.div_ceil(16) * 16
    }

    /// Elements of one head's keys and of its values in a block.
    fn head_lens<E: Element>(&self) -> (usize, usize) {
        (self.dim * BLOCK / E::STEPS, BLOCK * self.lanes() / E::STEPS)
    }

    /// Numbers in a block: as many f32, or half as many pairs.
    pub fn block_len(&self) -> usize {
        let (k, v) = self.head_lens::<f32>();
        self.kv_heads * (k + v)
    }

    /// Head `head`'s keys `[dim, 64]` and values `[64, lanes]` of a block.
    fn split<'a, E: Element>(&self, block: &'a [E], head: usize) -> (&'a [E], &'a [E]) {
        let (k, v) = self.head_lens::<E>();
        (&block[head * k..][..k], &block[self.kv_heads * k + head * v..][..v])
    }
}

/// Writes the `k` and `v` [rows, kv_heads * dim] of positions that follow each other at places `at`, `at + 1`, … of a
/// block, all below 64.
///
/// # Panics
/// If a length does not fit.
pub fn append<E: Element>(isa: Isa, heads: &Heads, block: &mut [E], at: usize, k: &[f32], v: &[f32]) {
    let (dim, width) = (heads.dim, heads.kv_heads * heads.dim);
    assert!(k.len() == v.len() && k.len().is_multiple_of(width) && dim.is_multiple_of(2), "append: rows");
    assert!(at + k.len() / width <= BLOCK, "append: places");
    assert_eq!(block.len() * E::STEPS, heads.block_len(), "append: block");
    let (k_len, v_len) = heads.head_lens::<E>();
    let (keys, values) = block.split_at_mut(heads.kv_heads * k_len);
    let mut part = [E::zeroed(); MAX_DIM];
    let part = &mut part[..dim / E::STEPS];
    for head in 0..heads.kv_heads {
        let of_head = head * dim..(head + 1) * dim;
        let (keys, values) = (&mut keys[head * k_len..][..k_len], &mut values[head * v_len..][..v_len]);
        for (row, k) in k.chunks_exact(width).enumerate() {
            elements(isa, &k[of_head.clone()], part);
            for (to, &x) in keys[at + row..].iter_mut().step_by(BLOCK).zip(part.iter()) {
                *to = x;
            }
        }
        let mut rows = v.chunks_exact(width).map(|v| &v[of_head.clone()]).enumerate();
        while let Some((row, first)) = rows.next() {
            let place = at + row;
            let to = &mut values[place / E::STEPS * heads.lanes()..][..dim];
            if let Some(pairs) = E::pairs(to)
                && place.is_multiple_of(2)
                && let Some((_, second)) = rows.next()
            {
                interleave(isa, first, second, pairs);
                continue;
            }
            for (to, &x) in to.iter_mut().zip(first) {
                let mut steps = to.steps();
                steps[place % E::STEPS] = x;
                *to = E::of(steps);
            }
        }
    }
}

/// One sequence's part of a ragged batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Query rows.
    pub rows: usize,
    /// Keys: with `causal`, the last query row's position plus one.
    pub keys: usize,
    /// Whether row i sees only the keys up to its own position, `keys - rows + i`; else all keys.
    pub causal: bool,
}

impl Span {
    fn visible(&self, row: usize) -> usize {
        if self.causal { self.keys - self.rows + row + 1 } else { self.keys }
    }
}

/// `out [rows, heads * dim]`: attention of every query row of `q [rows, heads * dim]`, the spans' rows side by side.
///
/// `block(span, index)` gives the keys and values of positions `64 index` to `64 index + 63` of a span; places past the
/// span's keys may hold any finite numbers.
///
/// # Panics
/// If a length does not fit.
pub fn attention<'a, E: Element>(
    isa: Isa,
    pool: &Pool,
    heads: &Heads,
    q: &[f32],
    spans: &[Span],
    block: impl Fn(usize, usize) -> &'a [E] + Sync,
    out: &mut [f32],
) {
    let width = heads.heads * heads.dim;
    let rows: usize = spans.iter().map(|s| s.rows).sum();
    assert!(q.len() == rows * width && out.len() == rows * width, "attention: rows");
    assert!(heads.kv_heads > 0 && heads.heads.is_multiple_of(heads.kv_heads) && heads.dim <= MAX_DIM);
    assert!(spans.iter().all(|s| s.keys > 0 && (!s.causal || s.rows <= s.keys)), "attention: keys");
    let tasks: usize = spans.iter().map(|s| Layout::of(heads, s).tasks()).sum();
    let part_len = Sums::stored_len(heads);
    let parts: usize = spans.iter().map(|s| Layout::of(heads, s).parts()).sum();
    with_scratch(parts * part_len, |scratch| {
        let (to, stored) = (SendPtr(out.as_mut_ptr()), SendPtr(scratch.as_mut_ptr()));
        pool.run(tasks, |task| {
            let task = Task::find(heads, spans, task);
            let (mut queries, mut total, mut sums) = (Queries::new(), Sums::new(), Sums::new());
            for first in task.pairs.clone().step_by(MAX_ROWS) {
                let rows = task.rows(heads, first);
                queries.set::<E>(isa, heads, &rows, q, &spans[task.span]);
                total.clear(heads);
                for chunk in task.chunks.clone() {
                    sums.clear(heads);
                    queries.chunk(isa, heads, chunk, task.head, |index| block(task.span, index), &mut sums);
                    total.join(heads, rows.len(), &sums);
                }
                if let Some(part) = task.part {
                    // SAFETY: every part belongs to one task, and the scratch outlives the job.
                    let place = unsafe { std::slice::from_raw_parts_mut(stored.at(part * part_len), part_len) };
                    total.store(place);
                    continue;
                }
                for (m, row) in rows.iter().enumerate() {
                    // SAFETY: every (row, head) belongs to one task, and `out` outlives the job.
                    let place = unsafe { std::slice::from_raw_parts_mut(to.at(row.at), heads.dim) };
                    total.write(heads, m, place);
                }
            }
        });
        let tasks = (0..tasks).map(|task| Task::find(heads, spans, task)).filter(|task| task.part.is_some());
        let mut total = Sums::new();
        for task in tasks.take_while(|_| parts > 0) {
            // The chunks of one head follow each other.
            let (rows, part) = (task.rows(heads, 0), task.part.unwrap_or(0));
            if task.chunks.start == 0 {
                total = Sums::new();
            }
            total.join(heads, rows.len(), &Sums::load(&scratch[part * part_len..][..part_len]));
            if task.chunks.end == Layout::of(heads, &spans[task.span]).chunks {
                for (m, row) in rows.iter().enumerate() {
                    total.write(heads, m, &mut out[row.at..][..heads.dim]);
                }
            }
        }
    });
}

/// How a span's work is cut into tasks.
struct Layout {
    kv_heads: usize,
    /// Query rows of one key head: each row times the query heads that share it.
    pairs: usize,
    /// Pieces of the keys, each reduced alone and then joined in order: what makes the result the same whether or not
    /// they are different tasks.
    chunks: usize,
    /// Whether they are: where there are too few rows to keep all threads busy.
    split: bool,
}

impl Layout {
    fn of(heads: &Heads, span: &Span) -> Layout {
        let pairs = span.rows * (heads.heads / heads.kv_heads);
        let chunks = span.keys.div_ceil(CHUNK_BLOCKS * BLOCK);
        Layout { kv_heads: heads.kv_heads, pairs, chunks, split: pairs <= MAX_ROWS && chunks > 1 }
    }

    /// Tasks of one key head.
    fn tasks_of_head(&self) -> usize {
        if self.split { self.chunks } else { self.pairs.div_ceil(TASK_ROWS) }
    }

    fn tasks(&self) -> usize {
        self.kv_heads * self.tasks_of_head()
    }

    /// Sums that are stored to be joined behind the job.
    fn parts(&self) -> usize {
        if self.split { self.tasks() } else { 0 }
    }
}

/// Some query rows of one key head, over some or all of the keys.
struct Task {
    span: usize,
    /// The span's first row among all rows.
    first_row: usize,
    head: usize,
    /// Query rows of the head: row p is query head p % group of query row p / group.
    pairs: Range<usize>,
    chunks: Range<usize>,
    /// Where its sums are stored, if they are joined later.
    part: Option<usize>,
}

/// One query row of a task.
#[derive(Clone, Copy, Default)]
struct Row {
    /// The row of its span.
    row: usize,
    /// Where its query and its output begin.
    at: usize,
}

impl Task {
    fn find(heads: &Heads, spans: &[Span], index: usize) -> Task {
        let (mut left, mut first_row, mut first_part) = (index, 0, 0);
        for (span, shape) in spans.iter().enumerate() {
            let layout = Layout::of(heads, shape);
            if left < layout.tasks() {
                let (head, piece) = (left / layout.tasks_of_head(), left % layout.tasks_of_head());
                let (pairs, chunks) = if layout.split {
                    (0..layout.pairs, piece..piece + 1)
                } else {
                    (piece * TASK_ROWS..((piece + 1) * TASK_ROWS).min(layout.pairs), 0..layout.chunks)
                };
                let part = layout.split.then_some(first_part + left);
                return Task { span, first_row, head, pairs, chunks, part };
            }
            left -= layout.tasks();
            first_row += shape.rows;
            first_part += layout.parts();
        }
        unreachable!("task {index} lies behind the last span")
    }

    /// Up to 12 of its query rows, from the `first`.
    fn rows(&self, heads: &Heads, first: usize) -> TaskRows {
        let group = heads.heads / heads.kv_heads;
        let mut rows = [Row::default(); MAX_ROWS];
        let len = MAX_ROWS.min(self.pairs.end - first);
        for (m, row) in rows.iter_mut().enumerate().take(len) {
            let (of_span, head) = ((first + m) / group, self.head * group + (first + m) % group);
            *row = Row { row: of_span, at: ((self.first_row + of_span) * heads.heads + head) * heads.dim };
        }
        TaskRows { rows, len }
    }
}

/// Up to 12 query rows.
struct TaskRows {
    rows: [Row; MAX_ROWS],
    len: usize,
}

impl Deref for TaskRows {
    type Target = [Row];

    fn deref(&self) -> &[Row] {
        &self.rows[..self.len]
    }
}

/// Up to 12 queries, ready for products with keys.
struct Queries {
    rows: usize,
    /// Keys that each sees.
    visible: [usize; MAX_ROWS],
    /// Packed for `tile`: [dim, rows].
    packed: [f32; MAX_DIM * MAX_ROWS],
    /// Of one block: [rows, 64], first as scores, then as weights.
    scores: [f32; MAX_ROWS * BLOCK],
    /// The weights as the second product reads them.
    weights: [f32; MAX_ROWS * BLOCK],
}

impl Queries {
    fn new() -> Queries {
        Queries {
            rows: 0,
            visible: [0; MAX_ROWS],
            packed: [0.0; MAX_DIM * MAX_ROWS],
            scores: [0.0; MAX_ROWS * BLOCK],
            weights: [0.0; MAX_ROWS * BLOCK],
        }
    }

    fn set<E: Element>(&mut self, isa: Isa, heads: &Heads, rows: &[Row], q: &[f32], span: &Span) {
        self.rows = rows.len();
        for (m, row) in rows.iter().enumerate() {
            self.visible[m] = span.visible(row.row);
            put_column::<E>(isa, &q[row.at..][..heads.dim], &mut self.packed[m..], rows.len());
        }
    }

    /// Adds the keys of one chunk.
    fn chunk<'a, E: Element>(
        &mut self,
        isa: Isa,
        heads: &Heads,
        chunk: usize,
        head: usize,
        block: impl Fn(usize) -> &'a [E],
        sums: &mut Sums,
    ) {
        let seen = self.visible[..self.rows].iter().copied().max().unwrap_or(0).div_ceil(BLOCK);
        for index in chunk * CHUNK_BLOCKS..((chunk + 1) * CHUNK_BLOCKS).min(seen) {
            let (k, v) = heads.split(block(index), head);
            self.block(isa, heads, index * BLOCK, k, v, sums);
        }
    }

    /// Adds the keys and values of the 64 positions from `first`.
    fn block<E: Element>(&mut self, isa: Isa, heads: &Heads, first: usize, k: &[E], v: &[E], sums: &mut Sums) {
        let (rows, lanes) = (self.rows, heads.lanes());
        for col in (0..BLOCK).step_by(32) {
            let block = Block { rows, cols: 32, depth: heads.dim / E::STEPS, stride: BLOCK, add: false };
            let keys = Rows { data: &k[col..], stride: BLOCK };
            tile(isa, block, Left::Packed, &self.packed, keys, &mut self.scores[col..]);
        }
        let seen: [usize; MAX_ROWS] = std::array::from_fn(|m| self.visible[m].saturating_sub(first).min(BLOCK));
        let keep = softmax(isa, &mut self.scores, &seen[..rows], heads.scale * LOG2_E, &mut sums.max, &mut sums.sum);
        scale(isa, &mut sums.values[..rows * lanes], lanes, &keep);
        let row_slots = slots::<E>(isa, BLOCK);
        for (row, to) in self.scores.chunks_exact(BLOCK).zip(self.weights.chunks_exact_mut(row_slots)).take(rows) {
            put_row::<E>(isa, row, to);
        }
        for col in (0..lanes).step_by(32) {
            let cols = 32.min(lanes - col);
            let block = Block { rows, cols, depth: BLOCK / E::STEPS, stride: lanes, add: true };
            let values = Rows { data: &v[col..], stride: lanes };
            tile(isa, block, Left::Rows64, &self.weights, values, &mut sums.values[col..]);
        }
    }
}

/// The sums of the online softmax of up to 12 rows over some keys.
struct Sums {
    /// The largest score, scaled, to the base 2.
    max: [f32; MAX_ROWS],
    /// The sum of 2^(score - max).
    sum: [f32; MAX_ROWS],
    /// The sum of 2^(score - max) times the value, [rows, lanes].
    values: [f32; MAX_DIM * MAX_ROWS],
}

impl Sums {
    /// Over no keys.
    fn new() -> Sums {
        Sums { max: [f32::NEG_INFINITY; MAX_ROWS], sum: [0.0; MAX_ROWS], values: [0.0; MAX_DIM * MAX_ROWS] }
    }

    /// As new.
    fn clear(&mut self, heads: &Heads) {
        self.max.fill(f32::NEG_INFINITY);
        self.sum.fill(0.0);
        self.values[..MAX_ROWS * heads.lanes()].fill(0.0);
    }

    /// Adds the sums over the keys that follow.
    fn join(&mut self, heads: &Heads, rows: usize, next: &Sums) {
        let lanes = heads.lanes();
        for m in 0..rows {
            let (before, after) = (self.max[m], next.max[m]);
            let max = if after > before { after } else { before };
            if max == f32::NEG_INFINITY {
                continue; // nothing seen yet
            }
            let (keep, take) = (math::exp2(before - max), math::exp2(after - max));
            self.max[m] = max;
            self.sum[m] = self.sum[m] * keep + next.sum[m] * take;
            let range = m * lanes..(m + 1) * lanes;
            for (to, &x) in self.values[range.clone()].iter_mut().zip(&next.values[range]) {
                *to = *to * keep + x * take;
            }
        }
    }

    fn stored_len(heads: &Heads) -> usize {
        MAX_ROWS * (2 + heads.lanes())
    }

    /// Into [`Sums::stored_len`] numbers.
    fn store(&self, to: &mut [f32]) {
        let (max, rest) = to.split_at_mut(MAX_ROWS);
        let (sum, values) = rest.split_at_mut(MAX_ROWS);
        max.copy_from_slice(&self.max);
        sum.copy_from_slice(&self.sum);
        values.copy_from_slice(&self.values[..values.len()]);
    }

    fn load(from: &[f32]) -> Sums {
        let mut sums = Sums::new();
        let (max, rest) = from.split_at(MAX_ROWS);
        let (sum, values) = rest.split_at(MAX_ROWS);
        sums.max.copy_from_slice(max);
        sums.sum.copy_from_slice(sum);
        sums.values[..values.len()].copy_from_slice(values);
        sums
    }

    fn write(&self, heads: &Heads, m: usize, out: &mut [f32]) {
        let row = &self.values[m * heads.lanes()..][..heads.dim];
        for (out, &x) in out.iter_mut().zip(row) {
            *out = x / self.sum[m];
        }
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
        max: &mut [f32; MAX_ROWS],
        sum: &mut [f32; MAX_ROWS],
    ) -> [f32; MAX_ROWS] = softmax_rows;
}

#[inline(always)]
fn softmax_rows(
    scores: &mut [f32; MAX_ROWS * BLOCK],
    seen: &[usize],
    scale: f32,
    max: &mut [f32; MAX_ROWS],
    sum: &mut [f32; MAX_ROWS],
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
                *x = math::exp2(math::fma(*x, scale, -top));
                *lane += *x;
            }
        }
        keep[m] = math::exp2(before - top);
        max[m] = top;
        sum[m] = math::fma(sum[m], keep[m], join(&lanes));
    }
    keep
}

/// Sixteen lanes joined, halves onto halves.
#[inline(always)]
fn fold(lanes: [f32; 16], f: impl Fn(f32, f32) -> f32) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| f(lanes[i], lanes[i + 8]));
    let four: [f32; 4] = std::array::from_fn(|i| f(eight[i], eight[i + 4]));
    f(f(four[0], four[2]), f(four[1], four[3]))
}

/// The sum of sixteen lanes.
#[inline(always)]
pub(crate) fn join(lanes: &[f32; 16]) -> f32 {
    fold(*lanes, |a, b| a + b)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::Pair;

    fn noise(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| (((i + seed) * 7919 + 13) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    /// Keys and values of one sequence in blocks.
    fn blocks<E: Element>(heads: &Heads, keys: usize, k: &[f32], v: &[f32]) -> Vec<Vec<E>> {
        let width = heads.kv_heads * heads.dim;
        let mut blocks = vec![vec![E::of([0.0; 2]); heads.block_len() / E::STEPS]; keys.div_ceil(BLOCK)];
        for p in 0..keys {
            append(
                Isa::best(),
                heads,
                &mut blocks[p / BLOCK],
                p % BLOCK,
                &k[p * width..][..width],
                &v[p * width..][..width],
            );
        }
        blocks
    }

    fn naive(heads: &Heads, q: &[f32], span: Span, k: &[f32], v: &[f32]) -> Vec<f64> {
        let (width, kv_width) = (heads.heads * heads.dim, heads.kv_heads * heads.dim);
        let mut out = vec![0.0; span.rows * width];
        for row in 0..span.rows {
            for head in 0..heads.heads {
                let kv = head / (heads.heads / heads.kv_heads) * heads.dim;
                let q = &q[row * width + head * heads.dim..][..heads.dim];
                let weights: Vec<f64> = (0..span.visible(row))
                    .map(|p| {
                        let k = &k[p * kv_width + kv..][..heads.dim];
                        let dot: f64 = q.iter().zip(k).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                        (dot * f64::from(heads.scale)).exp()
                    })
                    .collect();
                let sum: f64 = weights.iter().sum();
                for d in 0..heads.dim {
                    out[row * width + head * heads.dim + d] =
                        weights.iter().enumerate().map(|(p, w)| w / sum * f64::from(v[p * kv_width + kv + d])).sum();
                }
            }
        }
        out
    }

    #[test]
    fn equals_the_definition_on_ragged_spans() {
        let pool = Pool::new(2);
        for (heads, kv_heads, dim) in [(6, 2, 8), (9, 3, 64), (2, 2, 72), (1, 1, 2)] {
            let heads = Heads { heads, kv_heads, dim, scale: 2.0 * (dim as f32).powf(-0.5) };
            let (width, kv_width) = (heads.heads * dim, kv_heads * dim);
            let spans = [
                Span { rows: 5, keys: 5, causal: true },
                Span { rows: 70, keys: 200, causal: true },
                Span { rows: 40, keys: 129, causal: false },
                Span { rows: 1, keys: 64, causal: true },
            ];
            let rows: usize = spans.iter().map(|s| s.rows).sum();
            let q = noise(rows * width, 1);
            let kv: Vec<_> =
                spans.iter().map(|s| (noise(s.keys * kv_width, 7), noise(s.keys * kv_width, 11))).collect();
            let table: Vec<_> = spans.iter().zip(&kv).map(|(s, (k, v))| blocks::<f32>(&heads, s.keys, k, v)).collect();
            let mut out = vec![0.0; rows * width];
            attention(Isa::best(), &pool, &heads, &q, &spans, |s, b| &table[s][b][..], &mut out);
            let mut at = 0;
            for (span, (k, v)) in spans.iter().zip(&kv) {
                let want = naive(&heads, &q[at..], *span, k, v);
                for (i, want) in want.iter().enumerate() {
                    assert!((f64::from(out[at + i]) - want).abs() < 2e-5, "{heads:?} {span:?} {i}");
                }
                at += span.rows * width;
            }
        }
    }

    #[test]
    fn same_bits_on_every_path_with_any_threads_and_in_pieces() {
        let heads = Heads { heads: 6, kv_heads: 2, dim: 24, scale: 0.3 };
        let (width, kv_width, n) = (6 * 24, 2 * 24, 1100);
        let one_by_one = 1090; // the last rows alone: then the keys are split
        let (q, k, v) = (noise(n * width, 1), noise(n * kv_width, 2), noise(n * kv_width, 3));
        let table = blocks::<Pair>(&heads, n, &k, &v);
        let whole = [Span { rows: n, keys: n, causal: true }];
        let mut want = vec![0.0; n * width];
        attention(Isa::Scalar, &Pool::new(1), &heads, &q, &whole, |_, b| &table[b][..], &mut want);
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(threads);
            for isa in Isa::available() {
                for piece in [213, n] {
                    let mut got = vec![0.0; n * width];
                    let pieces = (0..one_by_one).step_by(piece).chain(one_by_one..n);
                    for first in pieces {
                        let rows = if first < one_by_one { piece.min(one_by_one - first) } else { 1 };
                        // As in a prompt taken in pieces: later positions are not there yet.
                        let partial = blocks::<Pair>(&heads, first + rows, &k, &v);
                        let span = [Span { rows, keys: first + rows, causal: true }];
                        let (from, to) = (first * width, (first + rows) * width);
                        attention(isa, &pool, &heads, &q[from..to], &span, |_, b| &partial[b][..], &mut got[from..to]);
                    }
                    assert_eq!(want, got, "{isa:?} {threads} threads, pieces of {piece}");
                }
            }
        }
    }
}
