//! The gradients of attention over the rows' own keys and values, span by span.
//!
//! With P the softmax of the scaled scores S and D the row sums of dO times O: dV = P^T dO, dP = dO V^T,
//! dS = P (dP - D), dQ = scale dS K, dK = scale dS^T Q. A task takes one query head of a span, 64 query rows at a time, and
//! makes their scores anew: nothing of n x n is kept. Every sum has one order, whatever the threads.

use super::small::{Packed, Rows, pack_columns, pack_steps, packed_len, product};
use super::{Heads, PANEL, Span};
use crate::isa::for_each_isa;
use crate::math;
use crate::pool::SendPtr;
use crate::scratch::with_scratch;
use crate::tile::{Element, MAX_ROWS, padded};
use crate::transpose::transpose;
use crate::{Isa, Pool};
use std::f32::consts::LOG2_E;

/// Query rows whose scores are made at once.
const ROWS: usize = 64;

/// What the forward pass took and made.
#[derive(Clone, Copy)]
pub struct Forward<'a> {
    /// Queries [rows, heads * dim].
    pub q: &'a [f32],
    /// Keys [rows, kv_heads * dim].
    pub k: &'a [f32],
    /// Values [rows, kv_heads * dim].
    pub v: &'a [f32],
    /// What came out [rows, heads * dim].
    pub out: &'a [f32],
}

/// Gradients, each [rows, heads * dim]: those of keys and values for every query head on its own.
pub struct Gradients<'a> {
    /// Of the queries.
    pub q: &'a mut [f32],
    /// Of the keys.
    pub k: &'a mut [f32],
    /// Of the values.
    pub v: &'a mut [f32],
}

/// Writes the gradients of attention, given that of what came out, `dout [rows, heads * dim]`.
///
/// # Panics
/// If a length does not fit, or a span's keys are not those of its rows.
pub fn backward<E: Element>(
    isa: Isa,
    pool: &Pool,
    heads: &Heads,
    forward: Forward<'_>,
    dout: &[f32],
    spans: &[Span],
    gradients: Gradients<'_>,
) {
    let (width, kv_width) = (heads.heads * heads.dim, heads.kv_heads * heads.dim);
    let rows: usize = spans.iter().map(|s| s.rows).sum();
    assert!(spans.iter().all(|s| s.rows == s.keys), "attention's gradients: keys of the rows");
    let Gradients { q, k, v } = gradients;
    assert!([forward.q, forward.out, dout].iter().all(|x| x.len() == rows * width), "attention's gradients: queries");
    assert!([forward.k, forward.v].iter().all(|x| x.len() == rows * kv_width), "attention's gradients: keys");
    assert!([&q, &k, &v].iter().all(|x| x.len() == rows * width), "attention's gradients: room");
    let to = [q, k, v].map(|x| SendPtr(x.as_mut_ptr()));
    pool.run(spans.len() * heads.heads, |task| {
        let (span, head) = (task / heads.heads, task % heads.heads);
        let first = spans[..span].iter().map(|s| s.rows).sum();
        let head = Head { heads, forward, dout, first, rows: spans[span].rows, causal: spans[span].causal, head };
        if head.rows > 0 {
            with_scratch(head.scratch_len::<E>(), |scratch| head.run::<E>(isa, scratch, &to));
        }
    });
}

/// Sums gradients of query heads `x [rows, heads * dim]` to those of the key heads they share, `out [rows, kv_heads * dim]`.
///
/// # Panics
/// If a length does not fit.
pub fn sum_groups(pool: &Pool, heads: &Heads, x: &[f32], out: &mut [f32]) {
    let (width, kv_width) = (heads.heads * heads.dim, heads.kv_heads * heads.dim);
    assert!(x.len() / width * kv_width == out.len() && x.len().is_multiple_of(width), "sum of groups: rows");
    let group = heads.heads / heads.kv_heads;
    pool.chunks(out, ROWS * kv_width, |task, out| {
        let x = x[task * ROWS * width..].chunks_exact(group * heads.dim);
        for (out, x) in out.chunks_exact_mut(heads.dim).zip(x) {
            out.fill(0.0);
            for x in x.chunks_exact(heads.dim) {
                out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
            }
        }
    });
}

/// One query head of a span.
struct Head<'a> {
    heads: &'a Heads,
    forward: Forward<'a>,
    dout: &'a [f32],
    /// The span's first row among all.
    first: usize,
    rows: usize,
    causal: bool,
    head: usize,
}

impl<'a> Head<'a> {
    /// Rows of a tensor of query heads from the i-th on.
    fn of_queries(&self, x: &'a [f32], i: usize) -> Rows<'a> {
        let Heads { heads, dim, .. } = *self.heads;
        Rows { data: &x[((self.first + i) * heads + self.head) * dim..], stride: heads * dim }
    }

    /// Row i of a tensor of key heads.
    fn of_key(&self, x: &'a [f32], i: usize) -> &'a [f32] {
        let Heads { heads, kv_heads, dim, .. } = *self.heads;
        &x[((self.first + i) * kv_heads + self.head / (heads / kv_heads)) * dim..][..dim]
    }

    /// Floats of each piece of scratch, see `run`.
    fn scratch<E: Element>(&self) -> [usize; 10] {
        let (n, dim) = (self.rows, self.heads.dim);
        let (stride, lanes) = (n.next_multiple_of(PANEL), dim.next_multiple_of(PANEL));
        let (across, along) = (packed_len::<E>(dim, n), packed_len::<E>(n, dim));
        let longest = padded::<E>(n.max(dim).max(ROWS)).max(32);
        [
            across,
            across,
            along,
            packed_len::<E>(ROWS, dim),
            ROWS * stride,
            ROWS * stride,
            n * ROWS,
            n * lanes,
            n * lanes,
            MAX_ROWS * longest + ROWS * lanes,
        ]
    }

    fn scratch_len<E: Element>(&self) -> usize {
        self.scratch::<E>().iter().map(|len| len.next_multiple_of(16)).sum()
    }

    fn run<E: Element>(&self, isa: Isa, scratch: &mut [f32], [dq, dk, dv]: &[SendPtr<f32>; 3]) {
        let (n, dim, forward) = (self.rows, self.heads.dim, self.forward);
        let (stride, lanes) = (n.next_multiple_of(PANEL), dim.next_multiple_of(PANEL));
        let mut rest = scratch;
        let [keys_across, values_across, keys, block, scores, grads, turned, sum_k, sum_v, work] =
            self.scratch::<E>().map(|len| {
                let (piece, left) = std::mem::take(&mut rest).split_at_mut(len.next_multiple_of(16));
                rest = left;
                piece
            });
        let (work, part) = work.split_at_mut(work.len() - ROWS * lanes);
        let keys_across =
            pack_columns::<E>(isa, dim, n, |j| self.of_key(forward.k, j), bytemuck::cast_slice_mut(keys_across));
        let values_across =
            pack_columns::<E>(isa, dim, n, |j| self.of_key(forward.v, j), bytemuck::cast_slice_mut(values_across));
        let keys = pack_steps::<E>(isa, n, dim, |j| self.of_key(forward.k, j), bytemuck::cast_slice_mut(keys));
        sum_k.fill(0.0);
        sum_v.fill(0.0);
        for first in (0..n).step_by(ROWS) {
            let rows = ROWS.min(n - first);
            let seen = if self.causal { first + rows } else { n };
            let [query, out_grad, out] = [forward.q, self.dout, forward.out].map(|x| self.of_queries(x, first));
            product(isa, (rows, dim, seen), query, keys_across, work, (scores, stride, false));
            product(isa, (rows, dim, seen), out_grad, values_across, work, (grads, stride, false));
            for i in 0..rows {
                let visible = if self.causal { first + i + 1 } else { n };
                let (p, ds) = (&mut scores[i * stride..][..seen], &mut grads[i * stride..][..seen]);
                let through = dot(isa, out_grad.row(i, dim), out.row(i, dim));
                scores_to_gradients(isa, p, ds, visible, self.heads.scale, through);
            }
            let from = Rows { data: grads, stride };
            product(isa, (rows, seen, dim), from, keys, work, (part, lanes, false));
            self.write(dq, first, rows, part, lanes);
            let mut add = |x: &[f32], other: Rows<'_>, sum: &mut [f32]| {
                transpose(isa, (rows, seen), (x, stride), (turned, ROWS));
                let other = |i: usize| other.row(i, dim);
                let right: Packed<'_, E> = pack_steps(isa, rows, dim, other, bytemuck::cast_slice_mut(block));
                let left = Rows { data: turned, stride: ROWS };
                product(isa, (seen, rows, dim), left, right, work, (sum, lanes, true));
            };
            add(scores, out_grad, sum_v);
            add(grads, query, sum_k);
        }
        self.write(dk, 0, n, sum_k, lanes);
        self.write(dv, 0, n, sum_v, lanes);
    }

    /// Writes rows from the `first` of this head, which lie `stride` apart in `from`.
    fn write(&self, to: &SendPtr<f32>, first: usize, rows: usize, from: &[f32], stride: usize) {
        let Heads { heads, dim, .. } = *self.heads;
        for i in 0..rows {
            let at = ((self.first + first + i) * heads + self.head) * dim;
            // SAFETY: a row of a head belongs to one task, inside what `to` points to, which outlives the job.
            let to = unsafe { std::slice::from_raw_parts_mut(to.at(at), dim) };
            to.copy_from_slice(&from[i * stride..][..dim]);
        }
    }
}

for_each_isa! {
    fn dot(a: &[f32], b: &[f32]) -> f32 = dot_lanes;
}

#[inline(always)]
fn dot_lanes(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (a, b) in a.chunks(16).zip(b.chunks(16)) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane = math::fma(a, b, *lane);
        }
    }
    math::join(&lanes)
}

for_each_isa! {
    /// Turns a row of raw scores into weights, of which the first `visible` count, and the weights' gradients into those of
    /// the raw scores; `through` is the sum of the weights times their gradients.
    fn scores_to_gradients(
        p: &mut [f32],
        grads: &mut [f32],
        visible: usize,
        scale: f32,
        through: f32,
    ) = scores_to_gradients_row;
}

#[inline(always)]
fn scores_to_gradients_row(p: &mut [f32], grads: &mut [f32], visible: usize, scale: f32, through: f32) {
    let (p, unseen) = p.split_at_mut(visible);
    let (grads, unseen_grads) = grads.split_at_mut(visible);
    unseen.fill(0.0);
    unseen_grads.fill(0.0);
    let mut lanes = [f32::NEG_INFINITY; 16];
    for part in p.chunks(16) {
        for (lane, &x) in lanes.iter_mut().zip(part) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    let top = math::fold(lanes, |a, b| if b > a { b } else { a }) * scale * LOG2_E;
    let mut lanes = [0.0f32; 16];
    for part in p.chunks_mut(16) {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *x = math::exp2(math::fma(*x, scale * LOG2_E, -top));
            *lane += *x;
        }
    }
    let whole = 1.0 / math::join(&lanes);
    for (p, grad) in p.iter_mut().zip(grads) {
        *p *= whole;
        *grad = *p * (*grad - through) * scale;
    }
}
