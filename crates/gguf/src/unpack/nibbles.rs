//! Blocks of 32 weights with one scale.

use super::{Fields, iq4};

/// Weights of a block.
const HALF: usize = 16;

/// The halves of a block: a byte's lower four bits are of the first, its upper of the second.
fn halves(to: &mut [f32]) -> impl Iterator<Item = (&mut f32, &mut f32)> {
    let (low, high) = to.split_at_mut(HALF.min(to.len()));
    low.iter_mut().zip(high)
}

/// Fills a block of nibbles, each by its number.
fn fill(bytes: &[u8], to: &mut [f32], number: impl Fn(u8) -> f32) {
    for ((low, high), byte) in halves(to).zip(bytes) {
        (*low, *high) = (number(byte & 15), number(byte >> 4));
    }
}

/// The same with a fifth bit of each.
fn fill_five(top: u32, bytes: &[u8], to: &mut [f32], number: impl Fn(u8) -> f32) {
    for (at, ((low, high), byte)) in halves(to).zip(bytes).enumerate() {
        let bit = |at: usize| ((top >> at & 1) as u8) << 4;
        (*low, *high) = (number(byte & 15 | bit(at)), number(byte >> 4 | bit(at + HALF)));
    }
}

pub(super) fn q4_0(block: &[u8], to: &mut [f32]) {
    let mut fields = Fields(block);
    let scale = fields.half();
    fill(fields.bytes(HALF), to, |q| (f32::from(q) - 8.0) * scale);
}

pub(super) fn q4_1(block: &[u8], to: &mut [f32]) {
    let mut fields = Fields(block);
    let (scale, least) = (fields.half(), fields.half());
    fill(fields.bytes(HALF), to, |q| f32::from(q) * scale + least);
}

pub(super) fn q5_0(block: &[u8], to: &mut [f32]) {
    let mut fields = Fields(block);
    let (scale, top) = (fields.half(), fields.whole(4));
    fill_five(top, fields.bytes(HALF), to, |q| (f32::from(q) - 16.0) * scale);
}

pub(super) fn q5_1(block: &[u8], to: &mut [f32]) {
    let mut fields = Fields(block);
    let (scale, least, top) = (fields.half(), fields.half(), fields.whole(4));
    fill_five(top, fields.bytes(HALF), to, |q| f32::from(q) * scale + least);
}

pub(super) fn q8_0(block: &[u8], to: &mut [f32]) {
    let mut fields = Fields(block);
    let scale = fields.half();
    to.iter_mut().zip(fields.0).for_each(|(to, byte)| *to = f32::from(*byte as i8) * scale);
}

pub(super) fn iq4_nl(block: &[u8], to: &mut [f32]) {
    let mut fields = Fields(block);
    let scale = fields.half();
    fill(fields.bytes(HALF), to, |q| scale * iq4(q));
}
