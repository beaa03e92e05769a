//! Where attention finds keys and values.

use super::{CHUNK_BLOCKS, Heads, eights};
use crate::Isa;
use crate::prefetch::{LINE, far};
use crate::tile::{Element, Pair};
use std::ops::Range;

/// Keys and values, wherever and however they are kept. A place is a span and the index of a block; `room` is for whoever
/// must make first what is asked for.
pub(super) trait Blocks<E>: Sync {
    /// Asks for a head's values of the first of some blocks and its keys of the next, which are read soon: where few rows
    /// see them, memory is all there is to wait for, and processors do not look ahead from one head's to another's.
    fn fetch(&self, heads: &Heads, span: usize, blocks: Range<usize>, head: usize);

    /// Calls `f` with a head's keys of a block.
    fn with_keys(&self, heads: &Heads, place: (usize, usize), head: usize, room: &mut [f32], f: impl FnOnce(&[E]));

    /// Calls `f` with a head's values of some blocks of a span, at most [`CHUNK_BLOCKS`].
    fn with_values(
        &self,
        heads: &Heads,
        span: usize,
        blocks: Range<usize>,
        head: usize,
        room: &mut [f32],
        f: impl FnOnce(&[&[E]]),
    );
}

/// As products read them.
pub(super) struct Plain<F>(pub(super) F);

impl<'a, E: Element, F: Fn(usize, usize) -> &'a [E] + Sync> Blocks<E> for Plain<F> {
    fn fetch(&self, heads: &Heads, span: usize, mut blocks: Range<usize>, head: usize) {
        let first = blocks.next().map(|first| heads.split((self.0)(span, first), head).1);
        let next = blocks.next().map(|next| heads.split((self.0)(span, next), head).0);
        for part in first.into_iter().chain(next) {
            part.iter().step_by(LINE / size_of::<E>()).for_each(|line| far(line));
        }
    }

    fn with_keys(
        &self,
        heads: &Heads,
        (span, index): (usize, usize),
        head: usize,
        _: &mut [f32],
        f: impl FnOnce(&[E]),
    ) {
        f(heads.split((self.0)(span, index), head).0);
    }

    fn with_values(
        &self,
        heads: &Heads,
        span: usize,
        blocks: Range<usize>,
        head: usize,
        _: &mut [f32],
        f: impl FnOnce(&[&[E]]),
    ) {
        let mut values: [&[E]; CHUNK_BLOCKS] = [&[]; CHUNK_BLOCKS];
        let values = &mut values[..blocks.len()];
        values.iter_mut().zip(blocks).for_each(|(to, index)| *to = heads.split((self.0)(span, index), head).1);
        f(values);
    }
}

/// In 8 bits.
pub(super) struct Narrow<F> {
    pub(super) isa: Isa,
    pub(super) block: F,
}

impl<'a, F: Fn(usize, usize) -> &'a [u8] + Sync> Blocks<Pair> for Narrow<F> {
    fn fetch(&self, heads: &Heads, span: usize, mut blocks: Range<usize>, head: usize) {
        let ask = |index, part: fn(&Heads, usize) -> Range<usize>| {
            (self.block)(span, index)[part(heads, head)].iter().step_by(LINE).for_each(|line| far(line));
        };
        if let Some(first) = blocks.next() {
            ask(first, eights::values);
        }
        if let Some(next) = blocks.next() {
            ask(next, eights::keys);
        }
    }

    fn with_keys(
        &self,
        heads: &Heads,
        (span, index): (usize, usize),
        head: usize,
        room: &mut [f32],
        f: impl FnOnce(&[Pair]),
    ) {
        let keys = bytemuck::cast_slice_mut(&mut room[..heads.head_lens::<Pair>().0]);
        eights::widen_keys(self.isa, heads, (self.block)(span, index), head, keys);
        f(keys);
    }

    fn with_values(
        &self,
        heads: &Heads,
        span: usize,
        blocks: Range<usize>,
        head: usize,
        room: &mut [f32],
        f: impl FnOnce(&[&[Pair]]),
    ) {
        let mut values: [&[Pair]; CHUNK_BLOCKS] = [&[]; CHUNK_BLOCKS];
        let values = &mut values[..blocks.len()];
        let room = bytemuck::cast_slice_mut(room).chunks_exact_mut(heads.head_lens::<Pair>().1);
        for ((to, index), room) in values.iter_mut().zip(blocks).zip(room) {
            eights::widen_values(self.isa, heads, (self.block)(span, index), head, room);
            *to = room;
        }
        f(values);
    }
}
