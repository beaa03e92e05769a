//! Attention over keys and values in blocks of 64 positions, by online softmax: no matrix of scores in memory.
//!
//! A block holds, for one layer and one key head after the other, the keys as two panels `[dim, 32]`, dim padded to 32, and
//! then the values as panels `[64, 32]` of dim rounded up to 16 (so the last may be `[64, 16]`): what the two products of
//! attention read, in the order in which they read it. In bfloat16 two dimensions of a key, and two positions of a value,
//! lie together as a pair. Query rows that share a key head are computed together, so its keys and values are read once. A
//! row's result depends on its own keys alone and is reduced chunk by chunk in order, so it is the same bits however many
//! rows are asked for at once.

mod append;
mod backward;
mod blocks;
mod eights;
mod small;
mod softmax;
mod tasks;
mod weights;

use crate::halves::{Numbers, NumbersMut};
use crate::pool::SendPtr;
use crate::scratch::with_scratch;
use crate::tile::{Element, Pair, block_rows, padded};
use crate::{Isa, Pool};
use blocks::{Blocks, Narrow, Plain};
use softmax::{Queries, Sums, View};
use std::cell::RefCell;
use std::ops::Range;
use tasks::{Layout, Task};

pub use append::append;
pub use backward::{Forward, Gradients, backward, sum_groups};
pub use eights::{append_eights, block_bytes};

/// Positions in a block.
pub const BLOCK: usize = 64;
/// Columns of a panel: what one product computes at once.
const PANEL: usize = 32;
/// The widest head.
pub const MAX_DIM: usize = 128;
/// Blocks of keys that are reduced alone before their sums are joined to the others'.
const CHUNK_BLOCKS: usize = 4;

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

    /// The lanes of each panel of values.
    fn value_panels(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let lanes = self.lanes();
        (0..lanes).step_by(PANEL).map(move |first| first..lanes.min(first + PANEL))
    }

    /// Rows of a block's keys: a head's dimensions, padded with zeros as products of pairs want them.
    fn key_rows(&self) -> usize {
        padded::<Pair>(self.dim)
    }

    /// Elements of one head's keys and of its values in a block.
    fn head_lens<E: Element>(&self) -> (usize, usize) {
        (self.key_rows() * BLOCK / E::STEPS, BLOCK * self.lanes() / E::STEPS)
    }

    /// Numbers in a block: as many f32, or half as many pairs.
    pub fn block_len(&self) -> usize {
        let (k, v) = self.head_lens::<f32>();
        self.kv_heads * (k + v)
    }

    /// Head `head`'s keys `[dim, 64]` and values `[64, lanes]` of a block.
    fn split<'a, E: Element>(&self, block: &'a [E], head: usize) -> (&'a [E], &'a [E]) {
        let (k, v) = self.head_lens::<E>();
        let (keys, rest) = block[head * (k + v)..].split_at(k);
        (keys, &rest[..v])
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
pub fn attention<'a, 'x, E: Element>(
    isa: Isa,
    pool: &Pool,
    heads: &Heads,
    q: impl Into<Numbers<'x>>,
    spans: &[Span],
    block: impl Fn(usize, usize) -> &'a [E] + Sync,
    out: impl Into<NumbersMut<'x>>,
) {
    attend(isa, pool, heads, q.into(), spans, &Plain(block), out.into());
}

/// The same over keys and values that [`append_eights`] wrote; products as in bfloat16.
///
/// # Panics
/// If a length does not fit.
pub fn attention_eights<'a, 'x>(
    isa: Isa,
    pool: &Pool,
    heads: &Heads,
    q: impl Into<Numbers<'x>>,
    spans: &[Span],
    block: impl Fn(usize, usize) -> &'a [u8] + Sync,
    out: impl Into<NumbersMut<'x>>,
) {
    attend(isa, pool, heads, q.into(), spans, &Narrow { isa, block }, out.into());
}

fn attend<'a, E: Element>(
    isa: Isa,
    pool: &Pool,
    heads: &Heads,
    q: Numbers<'_>,
    spans: &[Span],
    blocks: &impl Blocks<'a, E>,
    mut out: NumbersMut<'_>,
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
        let (to, stored) = (out.places(), SendPtr(scratch.as_mut_ptr()));
        pool.run(tasks, |task| {
            let task = Task::find(heads, spans, task);
            with_work(|Work { queries, total, sums, room }| {
                let size = block_rows::<E>(isa);
                let mut next = task.rows(heads, task.pairs.start, size);
                for first in task.pairs.clone().step_by(size) {
                    let rows = next;
                    queries.set::<E>(isa, heads, &rows, q, &spans[task.span]);
                    next = task.rows(heads, (first + size).min(task.pairs.end), size);
                    // Rows lie far apart, where processors do not look ahead by themselves.
                    next.iter().for_each(|row| q.fetch(row.at, heads.dim));
                    rows.iter().for_each(|row| to.fetch(row.at, heads.dim));
                    let mut begun = false;
                    for chunk in task.chunks.start..task.chunks.end.min(queries.chunks_seen()) {
                        let to = if begun { &mut *sums } else { &mut *total };
                        queries.chunk(isa, heads, chunk, (task.span, task.heads.start), (blocks, room), to);
                        if begun {
                            total.join(isa, heads, rows.len(), sums.view());
                        }
                        begun = true;
                    }
                    if !begun {
                        total.clear(heads, rows.len());
                    }
                    if let Some(part) = task.part {
                        debug_assert_eq!(
                            rows.len(),
                            task.heads.len() * task.pairs.len(),
                            "attention: one block a part"
                        );
                        // SAFETY: every part belongs to one task, and the scratch outlives the job.
                        let place = unsafe { std::slice::from_raw_parts_mut(stored.at(part * part_len), part_len) };
                        total.store(heads, rows.len(), place);
                        continue;
                    }
                    for (m, row) in rows.iter().enumerate() {
                        // SAFETY: every (row, head) belongs to one task, and `out` outlives the job.
                        unsafe { to.put(isa, row.at, total.mean(isa, heads, m, room)) };
                    }
                }
            });
        });
        if parts == 0 {
            return;
        }
        with_work(|Work { total, room, .. }| {
            for task in (0..tasks).map(|task| Task::find(heads, spans, task)) {
                let Some(part) = task.part else { continue };
                // The chunks of a span follow each other.
                let rows = task.rows(heads, 0, task.pairs.end);
                if task.chunks.start == 0 {
                    total.clear(heads, rows.len());
                }
                total.join(isa, heads, rows.len(), View::stored(&scratch[part * part_len..][..part_len]));
                if task.chunks.end == Layout::of(heads, &spans[task.span]).chunks {
                    for (m, row) in rows.iter().enumerate() {
                        // SAFETY: the job is over, and `out` is still there.
                        unsafe { to.put(isa, row.at, total.mean(isa, heads, m, room)) };
                    }
                }
            }
        });
    });
}

/// Pairs of bfloat16 of the widest head's values in a chunk.
const ROOM: usize = CHUNK_BLOCKS * BLOCK * MAX_DIM / 2;

/// What a task works with, a thread's own: large, so kept from task to task.
struct Work {
    queries: Queries,
    total: Sums,
    sums: Sums,
    /// For a head's keys of a block or its values of a chunk.
    room: [f32; ROOM],
}

/// Lends this thread's `Work`, with unknown contents.
fn with_work(f: impl FnOnce(&mut Work)) {
    thread_local! {
        static WORK: RefCell<Box<Work>> =
            RefCell::new(Box::new(Work { queries: Queries::new(), total: Sums::new(), sums: Sums::new(), room: [0.0; ROOM] }));
    }
    WORK.with_borrow_mut(|work| f(work));
}

#[cfg(test)]
mod tests {
    use super::*;

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
        // The last rows alone, or a few at a time: then the keys are split, if all rows are one block.
        let (few_by_few, few) = (1085, [1, 2, 3, 4, 5]);
        let (q, k, v) = (noise(n * width, 1), noise(n * kv_width, 2), noise(n * kv_width, 3));
        let table = blocks::<Pair>(&heads, n, &k, &v);
        let whole = [Span { rows: n, keys: n, causal: true }];
        for isa in Isa::tested() {
            let mut want = vec![0.0; n * width];
            attention(isa.reference(), &Pool::new(1), &heads, &q, &whole, |_, b| &table[b][..], &mut want);
            for threads in [1, 2, 3, 7] {
                let pool = Pool::new(threads);
                for piece in [213, n] {
                    let mut got = vec![0.0; n * width];
                    let mut first = 0;
                    let mut few = few.iter().copied();
                    while first < n {
                        let left = few_by_few - first.min(few_by_few);
                        let rows = if left > 0 { piece.min(left) } else { few.next().unwrap() };
                        // As in a prompt taken in pieces: later positions are not there yet.
                        let partial = blocks::<Pair>(&heads, first + rows, &k, &v);
                        let span = [Span { rows, keys: first + rows, causal: true }];
                        let (from, to) = (first * width, (first + rows) * width);
                        attention(isa, &pool, &heads, &q[from..to], &span, |_, b| &partial[b][..], &mut got[from..to]);
                        first += rows;
                    }
                    assert_eq!(want, got, "{isa:?} {threads} threads, pieces of {piece}");
                }
            }
        }
    }

    #[test]
    fn in_8_bits_it_is_near_with_the_same_bits_everywhere() {
        for (heads, kv_heads, dim) in [(6, 2, 24), (9, 3, 64), (2, 1, 72), (1, 1, 2)] {
            let heads = Heads { heads, kv_heads, dim, scale: (dim as f32).powf(-0.5) };
            let (width, kv_width, n) = (heads.heads * dim, heads.kv_heads * dim, 300);
            let (q, k, v) = (noise(n * width, 1), noise(n * kv_width, 2), noise(n * kv_width, 3));
            let mut table = vec![vec![0u8; block_bytes(&heads)]; n.div_ceil(BLOCK)];
            for p in 0..n {
                let of = |x: &[f32]| x[p * kv_width..][..kv_width].to_vec();
                append_eights(&heads, &mut table[p / BLOCK], p % BLOCK, &of(&k), &of(&v));
            }
            let span = [Span { rows: n, keys: n, causal: true }];
            let run = |isa: Isa, threads: usize| {
                let mut out = vec![0.0; n * width];
                attention_eights(isa, &Pool::new(threads), &heads, &q, &span, |_, b| &table[b][..], &mut out);
                out
            };
            let first = run(Isa::best(), 1);
            let want = naive(&heads, &q, span[0], &k, &v);
            let far = first.iter().zip(&want).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(far < 0.02, "{heads:?}: {far}");
            for isa in Isa::tested() {
                assert_eq!(run(isa.reference(), 1), run(isa, 3), "{isa:?}");
            }
            // A row at a time, the keys split.
            let mut one = vec![0.0; width];
            let last = [Span { rows: 1, keys: n, causal: true }];
            attention_eights(
                Isa::best(),
                &Pool::new(2),
                &heads,
                &q[(n - 1) * width..],
                &last,
                |_, b| &table[b][..],
                &mut one,
            );
            assert_eq!(one, first[(n - 1) * width..]);
        }
    }

    /// The gradients by the definition in f64: of queries, and of each query head's keys and values.
    fn naive_backward(heads: &Heads, q: &[f32], k: &[f32], v: &[f32], dout: &[f32], causal: bool) -> [Vec<f64>; 3] {
        let (width, kv_width, dim) = (heads.heads * heads.dim, heads.kv_heads * heads.dim, heads.dim);
        let n = q.len() / width;
        let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f64::from(x)).collect() };
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let [mut dq, mut dk, mut dv] = [(); 3].map(|()| vec![0.0; n * width]);
        for head in 0..heads.heads {
            let kv = head / (heads.heads / heads.kv_heads) * dim;
            for i in 0..n {
                let seen = if causal { i + 1 } else { n };
                let at = |i: usize| i * width + head * dim;
                let (q, dout) = (wide(&q[at(i)..][..dim]), wide(&dout[at(i)..][..dim]));
                let key = |j: usize| wide(&k[j * kv_width + kv..][..dim]);
                let value = |j: usize| wide(&v[j * kv_width + kv..][..dim]);
                let scale = f64::from(heads.scale);
                let e: Vec<f64> = (0..seen).map(|j| (dot(&q, &key(j)) * scale).exp()).collect();
                let sum: f64 = e.iter().sum();
                let dp: Vec<f64> = (0..seen).map(|j| dot(&dout, &value(j))).collect();
                let through: f64 = e.iter().zip(&dp).map(|(e, dp)| e / sum * dp).sum();
                for j in 0..seen {
                    let p = e[j] / sum;
                    let ds = p * (dp[j] - through) * scale;
                    let key = key(j);
                    for d in 0..dim {
                        dq[at(i) + d] += ds * key[d];
                        dk[at(j) + d] += ds * q[d];
                        dv[at(j) + d] += p * dout[d];
                    }
                }
            }
        }
        [dq, dk, dv]
    }

    #[test]
    fn gradients_are_those_of_the_definition_with_any_threads() {
        for (heads, kv_heads, dim) in [(4, 2, 8), (3, 3, 72)] {
            let heads = Heads { heads, kv_heads, dim, scale: 2.0 * (dim as f32).powf(-0.5) };
            let (width, kv_width) = (heads.heads * dim, kv_heads * dim);
            let spans = [(5, true), (150, true), (131, false), (0, false)].map(|(rows, causal)| Span {
                rows,
                keys: rows,
                causal,
            });
            let rows: usize = spans.iter().map(|s| s.rows).sum();
            let (q, dout) = (noise(rows * width, 1), noise(rows * width, 9));
            let (k, v) = (noise(rows * kv_width, 7), noise(rows * kv_width, 11));
            let mut want = [(); 3].map(|()| Vec::new());
            let mut out = Vec::new();
            let mut at = 0;
            for span in spans {
                let part = |x: &[f32], width: usize| x[at * width..(at + span.rows) * width].to_vec();
                let (q, k, v) = (part(&q, width), part(&k, kv_width), part(&v, kv_width));
                out.extend(naive(&heads, &q, span, &k, &v).into_iter().map(|x| x as f32));
                let grads = naive_backward(&heads, &q, &k, &v, &part(&dout, width), span.causal);
                want.iter_mut().zip(grads).for_each(|(want, grads)| want.extend(grads));
                at += span.rows;
            }
            let forward = Forward { q: &q, k: &k, v: &v, out: &out };
            for isa in Isa::tested() {
                let mut first = None;
                for threads in [1, 3] {
                    let pool = Pool::new(threads);
                    for bf16 in [false, true] {
                        let mut got = [(); 3].map(|()| vec![0.0; rows * width]);
                        let [q, k, v] = &mut got;
                        let gradients = Gradients { q, k, v };
                        if bf16 {
                            backward::<Pair>(isa, &pool, &heads, forward, &dout, &spans, gradients);
                        } else {
                            backward::<f32>(isa, &pool, &heads, forward, &dout, &spans, gradients);
                        }
                        let bound = if bf16 { 0.1 } else { 2e-5 };
                        for (name, got, want) in
                            [("q", &got[0], &want[0]), ("k", &got[1], &want[1]), ("v", &got[2], &want[2])]
                        {
                            for (i, want) in want.iter().enumerate() {
                                assert!(
                                    (f64::from(got[i]) - want).abs() < bound,
                                    "{isa:?} d{name} {i}: {} {want}",
                                    got[i]
                                );
                            }
                        }
                        if !bf16 {
                            assert_eq!(first.get_or_insert_with(|| got.clone()), &got, "{isa:?}, {threads} threads");
                        }
                    }
                }
            }
            let mut summed = vec![0.0; rows * kv_width];
            sum_groups(&Pool::new(2), &heads, &q, &mut summed);
            let group = heads.heads / kv_heads;
            let of = |row: usize, head: usize, d: usize| q[row * width + head * dim + d];
            let last = (0..group).map(|g| of(3, (kv_heads - 1) * group + g, 1)).fold(0.0, |a, b| a + b);
            assert_eq!(summed[3 * kv_width + (kv_heads - 1) * dim + 1], last);
        }
    }
}
