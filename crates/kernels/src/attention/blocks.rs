//! Where attention finds keys and values.

use super::{Heads, eights};
use crate::Isa;
use crate::prefetch::{LINE, far};
use crate::tile::{Element, Pair};
use std::ops::Range;

/// Keys and values, wherever and however they are kept. A place is a span and the index of a block; `room` is for whoever
/// must make first what is asked for.
pub(super) trait Blocks<'a, E>: Sync {
    /// A head's keys and its values of a block, as they lie in memory.
    fn stored(&self, heads: &Heads, place: (usize, usize), head: usize) -> [&'a [u8]; 2];

    /// A head's keys of a block.
    fn keys<'b>(&self, heads: &Heads, place: (usize, usize), head: usize, room: &'b mut [f32]) -> &'b [E]
    where
        'a: 'b;

    /// A head's values of a block.
    fn values<'b>(&self, heads: &Heads, place: (usize, usize), head: usize, room: &'b mut [f32]) -> &'b [E]
    where
        'a: 'b;

    /// Asks for a head's values of the first of some blocks and its keys of the next, which are read soon: where few rows
    /// see them, memory is all there is to wait for, and processors do not look ahead from one head's to another's.
    fn fetch(&self, heads: &Heads, span: usize, mut blocks: Range<usize>, head: usize) {
        let first = blocks.next().map(|first| self.stored(heads, (span, first), head)[1]);
        let next = blocks.next().map(|next| self.stored(heads, (span, next), head)[0]);
        for part in first.into_iter().chain(next) {
            part.iter().step_by(LINE).for_each(|line| far(line));
        }
    }
}

/// As products read them.
pub(super) struct Plain<F>(pub(super) F);

impl<'a, E: Element, F: Fn(usize, usize) -> &'a [E] + Sync> Blocks<'a, E> for Plain<F> {
    fn stored(&self, heads: &Heads, (span, index): (usize, usize), head: usize) -> [&'a [u8]; 2] {
        let (keys, values) = heads.split((self.0)(span, index), head);
        [bytemuck::cast_slice(keys), bytemuck::cast_slice(values)]
    }

    fn keys<'b>(&self, heads: &Heads, (span, index): (usize, usize), head: usize, _: &'b mut [f32]) -> &'b [E]
    where
        'a: 'b,
    {
        heads.split((self.0)(span, index), head).0
    }

    fn values<'b>(&self, heads: &Heads, (span, index): (usize, usize), head: usize, _: &'b mut [f32]) -> &'b [E]
    where
        'a: 'b,
    {
        heads.split((self.0)(span, index), head).1
    }
}

/// In 8 bits.
pub(super) struct Narrow<F> {
    pub(super) isa: Isa,
    pub(super) block: F,
}

impl<'a, F: Fn(usize, usize) -> &'a [u8] + Sync> Blocks<'a, Pair> for Narrow<F> {
    fn stored(&self, heads: &Heads, (span, index): (usize, usize), head: usize) -> [&'a [u8]; 2] {
        let block = (self.block)(span, index);
        [&block[eights::keys(heads, head)], &block[eights::values(heads, head)]]
    }

    fn keys<'b>(&self, heads: &Heads, (span, index): (usize, usize), head: usize, room: &'b mut [f32]) -> &'b [Pair]
    where
        'a: 'b,
    {
        let keys = bytemuck::cast_slice_mut(&mut room[..heads.head_lens::<Pair>().0]);
        eights::widen_keys(self.isa, heads, (self.block)(span, index), head, keys);
        keys
    }

    fn values<'b>(&self, heads: &Heads, (span, index): (usize, usize), head: usize, room: &'b mut [f32]) -> &'b [Pair]
    where
        'a: 'b,
    {
        let values = bytemuck::cast_slice_mut(&mut room[..heads.head_lens::<Pair>().1]);
        eights::widen_values(self.isa, heads, (self.block)(span, index), head, values);
        values
    }
}
