//! Attention over keys and values in blocks of 64 positions, by online softmax: no matrix of scores in memory.
//!
//! A block holds, for one layer, the keys of every key head as `[dim, 64]` and then the values as `[64, lanes]`, where
//! `lanes` is `dim` rounded up to 16: what the two products of attention read in order. In bfloat16 two dimensions of a
//! key, and two positions of a value, lie together as a pair. Query rows that share a key head
//! are computed together, so its keys and values are read once. A row's result depends on its own keys alone and is
//! reduced block by block in order, so it is the same bits however many rows are asked for at once.

use crate::isa::for_each_isa;
use crate::math;
use crate::pool::SendPtr;
use crate::tile::{Block, Element, Left, MAX_ROWS, Rows, put_column, put_row, slots, tile};
use crate::{Isa, Pool};

/// Positions in a block.
pub const BLOCK: usize = 64;
/// The widest head.
pub const MAX_DIM: usize = 256;
/// Query rows of one key head in a task.
const TASK_ROWS: usize = 4 * MAX_ROWS;

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

/// Writes one position's `k` and `v` [kv_heads * dim] at place `at` (below 64) of a block.
///
/// # Panics
/// If a length does not fit.
pub fn append<E: Element>(heads: &Heads, block: &mut [E], at: usize, k: &[f32], v: &[f32]) {
    let (dim, width) = (heads.dim, heads.kv_heads * heads.dim);
    assert!(at < BLOCK && k.len() == width && v.len() == width && dim.is_multiple_of(2), "append: a position");
    assert_eq!(block.len() * E::STEPS, heads.block_len(), "append: block");
    let (k_len, v_len) = heads.head_lens::<E>();
    let (keys, values) = block.split_at_mut(heads.kv_heads * k_len);
    for head in 0..heads.kv_heads {
        let column = keys[head * k_len..][..k_len].iter_mut().skip(at).step_by(BLOCK);
        for (to, steps) in column.zip(k[head * dim..][..dim].chunks(E::STEPS)) {
            *to = E::of([steps[0], steps.get(1).copied().unwrap_or(0.0)]);
        }
        let row = &mut values[head * v_len + at / E::STEPS * heads.lanes()..][..dim];
        for (to, &x) in row.iter_mut().zip(&v[head * dim..][..dim]) {
            let mut steps = to.steps();
            steps[at % E::STEPS] = x;
            *to = E::of(steps);
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
    let group = heads.heads / heads.kv_heads;
    let chunks = |span: &Span| (span.rows * group).div_ceil(TASK_ROWS);
    let tasks = spans.iter().map(|s| heads.kv_heads * chunks(s)).sum();
    let out = SendPtr(out.as_mut_ptr());
    pool.run(tasks, |task| {
        // Which span, key head and rows this task is.
        let (mut left, mut first_row, mut index) = (task, 0, 0);
        while left >= heads.kv_heads * chunks(&spans[index]) {
            left -= heads.kv_heads * chunks(&spans[index]);
            first_row += spans[index].rows;
            index += 1;
        }
        let span = &spans[index];
        let (head, chunk) = (left / chunks(span), left % chunks(span));
        let end = ((chunk + 1) * TASK_ROWS).min(span.rows * group);
        for first in (chunk * TASK_ROWS..end).step_by(MAX_ROWS) {
            // Row p of a key head is query head p % group of query row p / group.
            let count = MAX_ROWS.min(end - first);
            let place = |m: usize| {
                let p = first + m;
                (p / group, (first_row + p / group) * width + (head * group + p % group) * heads.dim)
            };
            let mut state = State::new(count);
            for m in 0..count {
                let (row, at) = place(m);
                state.visible[m] = span.visible(row);
                put_column::<E>(isa, &q[at..][..heads.dim], &mut state.queries[m..], count);
            }
            let last = state.visible[..count].iter().copied().max().unwrap_or(0).div_ceil(BLOCK);
            for b in 0..last {
                let (k, v) = heads.split(block(index, b), head);
                state.take(isa, heads, count, b * BLOCK, k, v);
            }
            for m in 0..count {
                // SAFETY: every (row, head) belongs to one task, and `out` outlives the job.
                let to = unsafe { std::slice::from_raw_parts_mut(out.at(place(m).1), heads.dim) };
                state.write(heads, m, to);
            }
        }
    });
}

/// Up to 12 query rows under way: their queries, and the sums of the online softmax over the blocks taken so far.
struct State {
    visible: [usize; MAX_ROWS],
    /// Packed for `tile`: [dim, rows].
    queries: [f32; MAX_DIM * MAX_ROWS],
    /// The largest score yet.
    max: [f32; MAX_ROWS],
    /// The sum of exp(score - max).
    sum: [f32; MAX_ROWS],
    /// The sum of exp(score - max) times the value, [rows, lanes].
    values: [f32; MAX_DIM * MAX_ROWS],
}

impl State {
    fn new(rows: usize) -> State {
        debug_assert!(rows <= MAX_ROWS);
        State {
            visible: [0; MAX_ROWS],
            queries: [0.0; MAX_DIM * MAX_ROWS],
            max: [f32::NEG_INFINITY; MAX_ROWS],
            sum: [0.0; MAX_ROWS],
            values: [0.0; MAX_DIM * MAX_ROWS],
        }
    }

    /// Takes the keys and values of the 64 positions from `first`.
    fn take<E: Element>(&mut self, isa: Isa, heads: &Heads, rows: usize, first: usize, k: &[E], v: &[E]) {
        let lanes = heads.lanes();
        let mut scores = [0.0f32; MAX_ROWS * BLOCK];
        for col in (0..BLOCK).step_by(32) {
            let block = Block { rows, cols: 32, depth: heads.dim / E::STEPS, stride: BLOCK, add: false };
            let keys = Rows { data: &k[col..], stride: BLOCK };
            tile(isa, block, Left::Packed, &self.queries, keys, &mut scores[col..]);
        }
        let row_slots = slots::<E>(isa, BLOCK);
        let mut weights = [0.0f32; MAX_ROWS * BLOCK];
        for m in 0..rows {
            let visible = self.visible[m].saturating_sub(first).min(BLOCK);
            if visible == 0 {
                continue;
            }
            let row = &mut scores[m * BLOCK..][..BLOCK];
            let (max, sum) = softmax(isa, row, visible, heads.scale, self.max[m]);
            let keep = math::exp(self.max[m] - max);
            self.max[m] = max;
            self.sum[m] = self.sum[m] * keep + sum;
            scale(isa, &mut self.values[m * lanes..][..lanes], keep);
            put_row::<E>(isa, row, &mut weights[m * row_slots..]);
        }
        for col in (0..lanes).step_by(32) {
            let cols = 32.min(lanes - col);
            let block = Block { rows, cols, depth: BLOCK / E::STEPS, stride: lanes, add: true };
            let values = Rows { data: &v[col..], stride: lanes };
            tile(isa, block, Left::Rows64, &weights, values, &mut self.values[col..]);
        }
    }

    fn write(&self, heads: &Heads, m: usize, out: &mut [f32]) {
        let row = &self.values[m * heads.lanes()..][..heads.dim];
        for (out, &x) in out.iter_mut().zip(row) {
            *out = x / self.sum[m];
        }
    }
}

for_each_isa! {
    /// Turns the first `visible` raw scores of a row of 64 into `exp(scale * score - max)` and the others into 0, where
    /// max is the larger of theirs and `before`; returns max and the sum.
    fn softmax(row: &mut [f32], visible: usize, scale: f32, before: f32) -> (f32, f32) = softmax_row;
}

#[inline(always)]
fn softmax_row(row: &mut [f32], visible: usize, scale: f32, before: f32) -> (f32, f32) {
    for x in row.iter_mut() {
        *x *= scale;
    }
    row[visible..].fill(f32::NEG_INFINITY);
    // Sixteen lanes of maxima and sums, joined in a fixed order, so that every path adds alike.
    let mut lanes = [f32::NEG_INFINITY; 16];
    for part in row.chunks_exact(16) {
        for (lane, &x) in lanes.iter_mut().zip(part) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    let max = lanes.iter().fold(before, |a, &b| if b > a { b } else { a });
    let mut lanes = [0.0f32; 16];
    for part in row.chunks_exact_mut(16) {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *x = math::exp(*x - max);
            *lane += *x;
        }
    }
    (max, join(&lanes))
}

/// The sum of sixteen lanes, halves onto halves.
#[inline(always)]
pub(crate) fn join(lanes: &[f32; 16]) -> f32 {
    let mut sums = *lanes;
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
    }
    sums[0]
}

for_each_isa! {
    fn scale(row: &mut [f32], factor: f32) = scale_row;
}

#[inline(always)]
fn scale_row(row: &mut [f32], factor: f32) {
    row.iter_mut().for_each(|x| *x *= factor);
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
            append(heads, &mut blocks[p / BLOCK], p % BLOCK, &k[p * width..][..width], &v[p * width..][..width]);
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
        let (width, kv_width, n) = (6 * 24, 2 * 24, 150);
        let (q, k, v) = (noise(n * width, 1), noise(n * kv_width, 2), noise(n * kv_width, 3));
        let table = blocks::<Pair>(&heads, n, &k, &v);
        let whole = [Span { rows: n, keys: n, causal: true }];
        let mut want = vec![0.0; n * width];
        attention(Isa::Scalar, &Pool::new(1), &heads, &q, &whole, |_, b| &table[b][..], &mut want);
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(threads);
            for isa in Isa::available() {
                for piece in [1, 13, n] {
                    let mut got = vec![0.0; n * width];
                    for first in (0..n).step_by(piece) {
                        let rows = piece.min(n - first);
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
