//! Keys and values in 8 bits: half the memory of bfloat16, which products of them are made in.
//!
//! A block holds, head after head: the keys as whole numbers `[dim, 64]`, dim padded as in bfloat16; the values `[64, lanes]`;
//! and what each position's keys, and then each position's values, are multiplied by, 64 f32 each. A head's block is widened as
//! it is read, in the processor's nearest cache.

use super::{BLOCK, Heads, PANEL};
use crate::Isa;
use crate::isa::for_each_isa;
use crate::tile::{Pair, interleave, nearest, scales};
use std::ops::Range;

/// Where the parts of a head's block begin, in bytes.
struct Places {
    values: usize,
    scales: usize,
    end: usize,
}

impl Places {
    fn of(heads: &Heads) -> Places {
        let values = heads.key_rows() * BLOCK;
        let scales = values + BLOCK * heads.lanes();
        Places { values, scales, end: scales + 2 * BLOCK * size_of::<f32>() }
    }
}

/// Where a head's keys lie in a block.
pub(super) fn keys(heads: &Heads, head: usize) -> Range<usize> {
    let Places { values, end, .. } = Places::of(heads);
    head * end..head * end + values
}

/// Where a head's values lie, and what keys and values are multiplied by.
pub(super) fn values(heads: &Heads, head: usize) -> Range<usize> {
    let Places { values, end, .. } = Places::of(heads);
    head * end + values..(head + 1) * end
}

/// Bytes of a block in 8 bits, a multiple of four.
pub fn block_bytes(heads: &Heads) -> usize {
    heads.kv_heads * Places::of(heads).end
}

/// Writes the `k` and `v` [rows, kv_heads * dim] of positions that follow each other at places `at`, `at + 1`, … of a block,
/// all below 64.
///
/// # Panics
/// If a length does not fit.
pub fn append_eights(heads: &Heads, block: &mut [u8], at: usize, k: &[f32], v: &[f32]) {
    let (dim, width) = (heads.dim, heads.kv_heads * heads.dim);
    assert!(k.len() == v.len() && k.len().is_multiple_of(width) && at + k.len() / width <= BLOCK, "append: rows");
    assert_eq!(block.len(), block_bytes(heads), "append: block");
    let places = Places::of(heads);
    for (head, block) in block.chunks_exact_mut(places.end).enumerate() {
        let (codes, multipliers) = block.split_at_mut(places.scales);
        let (keys, values) = codes.split_at_mut(places.values);
        let of_head = head * dim..(head + 1) * dim;
        for (place, (k, v)) in (at..).zip(k.chunks_exact(width).zip(v.chunks_exact(width))) {
            let (k, v) = (&k[of_head.clone()], &v[of_head.clone()]);
            let scale = put(k, keys.iter_mut().skip(place).step_by(BLOCK));
            multipliers[4 * place..][..4].copy_from_slice(&scale.to_le_bytes());
            let scale = put(v, values[place * heads.lanes()..].iter_mut());
            multipliers[4 * (BLOCK + place)..][..4].copy_from_slice(&scale.to_le_bytes());
        }
    }
}

/// Numbers as whole ones from -127 to 127; what these are multiplied by.
fn put<'a>(values: &[f32], to: impl Iterator<Item = &'a mut u8>) -> f32 {
    let (inverse, scale) = scales(values);
    to.zip(values).for_each(|(to, &x)| *to = nearest(x * inverse) as i8 as u8);
    scale
}

/// A head's part of a block: codes, and what each position's are multiplied by.
struct Part<'a> {
    codes: &'a [u8],
    multipliers: [f32; BLOCK],
}

impl<'a> Part<'a> {
    fn keys(heads: &Heads, block: &'a [u8], head: usize) -> Part<'a> {
        let Places { values, scales, end } = Places::of(heads);
        Part::of(&block[head * end..][..end], 0..values, scales)
    }

    fn values(heads: &Heads, block: &'a [u8], head: usize) -> Part<'a> {
        let Places { values, scales, end } = Places::of(heads);
        Part::of(&block[head * end..][..end], values..scales, scales + BLOCK * size_of::<f32>())
    }

    fn of(block: &'a [u8], codes: Range<usize>, scales: usize) -> Part<'a> {
        let mut multipliers = [0.0; BLOCK];
        for (to, bytes) in multipliers.iter_mut().zip(block[scales..].as_chunks().0) {
            *to = f32::from_le_bytes(*bytes);
        }
        Part { codes: &block[codes], multipliers }
    }
}

/// A head's keys of a block as pairs of bfloat16, laid out as products read them.
pub(super) fn widen_keys(isa: Isa, heads: &Heads, block: &[u8], head: usize, keys: &mut [Pair]) {
    let part = Part::keys(heads, block, head);
    let depth = heads.key_rows() / 2;
    for (pair, codes) in part.codes.chunks_exact(2 * BLOCK).enumerate() {
        let mut wide = [[0.0; BLOCK]; 2];
        for (wide, codes) in wide.iter_mut().zip(codes.chunks_exact(BLOCK)) {
            by_each(isa, codes, &part.multipliers, wide);
        }
        for panel in 0..BLOCK / PANEL {
            let [first, second] = wide.each_ref().map(|wide| &wide[panel * PANEL..][..PANEL]);
            interleave(isa, first, second, &mut keys[(panel * depth + pair) * PANEL..][..PANEL]);
        }
    }
}

/// A head's values of a block, likewise.
pub(super) fn widen_values(isa: Isa, heads: &Heads, block: &[u8], head: usize, values: &mut [Pair]) {
    let part = Part::values(heads, block, head);
    let lanes = heads.lanes();
    let rows = part.codes.chunks_exact(2 * lanes).zip(part.multipliers.as_chunks::<2>().0);
    for (pair, (codes, multipliers)) in rows.enumerate() {
        let mut wide = [[0.0; super::MAX_DIM]; 2];
        for ((wide, codes), &by) in wide.iter_mut().zip(codes.chunks_exact(lanes)).zip(multipliers) {
            by_one(isa, codes, by, &mut wide[..lanes]);
        }
        for panel in heads.value_panels() {
            let Range { start, end } = panel;
            let to = &mut values[start * BLOCK / 2 + pair * (end - start)..][..end - start];
            interleave(isa, &wide[0][start..end], &wide[1][start..end], to);
        }
    }
}

for_each_isa! {
    /// Whole numbers, each times its own number.
    fn by_each(codes: &[u8], by: &[f32], to: &mut [f32]) = times_each;
}

#[inline(always)]
fn times_each(codes: &[u8], by: &[f32], to: &mut [f32]) {
    for ((to, &code), by) in to.iter_mut().zip(codes).zip(by) {
        *to = f32::from(code as i8) * by;
    }
}

for_each_isa! {
    /// Whole numbers times one number.
    fn by_one(codes: &[u8], by: f32, to: &mut [f32]) = times_one;
}

#[inline(always)]
fn times_one(codes: &[u8], by: f32, to: &mut [f32]) {
    for (to, &code) in to.iter_mut().zip(codes) {
        *to = f32::from(code as i8) * by;
    }
}
