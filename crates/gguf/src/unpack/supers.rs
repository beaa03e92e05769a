//! Blocks of 256 weights: smaller blocks with scales (and minima) of their own, which are counted in those of the whole.

use super::{Fields, iq4};

fn at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The sixteen scales of six bits, of which the upper two stand behind the others.
fn sixteen(packed: &[u8]) -> impl Fn(usize) -> u8 {
    move |n| {
        let low = if n < 8 { at(packed, n) & 15 } else { at(packed, n - 8) >> 4 };
        low | (at(packed, 8 + n % 4) >> (2 * (n / 4)) & 3) << 4
    }
}

/// The eight scales and minima of six bits.
fn eight(packed: &[u8]) -> impl Fn(usize) -> (u8, u8) {
    move |n| match n < 4 {
        true => (at(packed, n) & 63, at(packed, n + 4) & 63),
        false => {
            let low = at(packed, n + 4);
            (low & 15 | at(packed, n - 4) >> 6 << 4, low >> 4 | at(packed, n) >> 6 << 4)
        }
    }
}

/// Two bits each, sixteen weights a scale.
pub(super) fn q2_k(block: &[u8], to: &mut [f32]) {
    let mut fields = Fields(block);
    let (scales, bits) = (fields.bytes(16), fields.bytes(64));
    let (scale, least) = (fields.half(), fields.half());
    for (n, to) in to.chunks_exact_mut(16).enumerate() {
        // 32 bytes hold 128 weights: 32 by each pair of bits.
        let (from, shift) = (n / 8 * 32 + n % 2 * 16, n % 8 / 2 * 2);
        let (d, m) = (scale * f32::from(at(scales, n) & 15), least * f32::from(at(scales, n) >> 4));
        for (l, to) in to.iter_mut().enumerate() {
            *to = d * f32::from(at(bits, from + l) >> shift & 3) - m;
        }
    }
}

/// Three bits each, the third apart; sixteen weights a scale.
pub(super) fn q3_k(block: &[u8], to: &mut [f32]) {
    let mut fields = Fields(block);
    let (top, bits, scales) = (fields.bytes(32), fields.bytes(64), fields.bytes(12));
    let (scale, scale_of) = (fields.half(), sixteen(scales));
    for (n, to) in to.chunks_exact_mut(16).enumerate() {
        let (from, shift, bit) = (n / 8 * 32, n % 8 / 2 * 2, n / 2);
        let d = scale * (f32::from(scale_of(n)) - 32.0);
        for (l, to) in to.iter_mut().enumerate() {
            let l = n % 2 * 16 + l;
            let low = f32::from(at(bits, from + l) >> shift & 3);
            *to = d * (low - if at(top, l) >> bit & 1 == 1 { 0.0 } else { 4.0 });
        }
    }
}

/// Four bits each, 32 weights a scale and a minimum.
pub(super) fn q4_k(block: &[u8], to: &mut [f32]) {
    let mut fields = Fields(block);
    let (scale, least, packed) = (fields.half(), fields.half(), fields.bytes(12));
    let (bits, part) = (fields.bytes(128), eight(packed));
    for (n, to) in to.chunks_exact_mut(32).enumerate() {
        let (d, m) = part(n);
        let (d, m) = (scale * f32::from(d), least * f32::from(m));
        for (l, to) in to.iter_mut().enumerate() {
            *to = d * f32::from(at(bits, n / 2 * 32 + l) >> (n % 2 * 4) & 15) - m;
        }
    }
}

/// The same with a fifth bit apart.
pub(super) fn q5_k(block: &[u8], to: &mut [f32]) {
    let mut fields = Fields(block);
    let (scale, least, packed) = (fields.half(), fields.half(), fields.bytes(12));
    let (top, bits, part) = (fields.bytes(32), fields.bytes(128), eight(packed));
    for (n, to) in to.chunks_exact_mut(32).enumerate() {
        let (d, m) = part(n);
        let (d, m) = (scale * f32::from(d), least * f32::from(m));
        for (l, to) in to.iter_mut().enumerate() {
            let low = at(bits, n / 2 * 32 + l) >> (n % 2 * 4) & 15;
            *to = d * f32::from(low | (at(top, l) >> n & 1) << 4) - m;
        }
    }
}

/// Six bits each, the upper two apart; sixteen weights a scale of eight bits.
pub(super) fn q6_k(block: &[u8], to: &mut [f32]) {
    let mut fields = Fields(block);
    let (bits, top, scales) = (fields.bytes(128), fields.bytes(64), fields.bytes(16));
    let scale = fields.half();
    for (n, to) in to.chunks_exact_mut(16).enumerate() {
        // 64 bytes hold 128 weights: their lower four bits the first 64, their upper the last.
        let (half, quarter) = (n / 8, n % 8 / 2);
        let d = scale * f32::from(at(scales, n) as i8);
        for (l, to) in to.iter_mut().enumerate() {
            let l = n % 2 * 16 + l;
            let low = at(bits, half * 64 + quarter % 2 * 32 + l) >> (quarter / 2 * 4) & 15;
            let high = at(top, half * 32 + l) >> (quarter * 2) & 3;
            *to = d * (f32::from(low | high << 4) - 32.0);
        }
    }
}

/// Four bits each out of a table, 32 weights a scale of six bits.
pub(super) fn iq4_xs(block: &[u8], to: &mut [f32]) {
    let mut fields = Fields(block);
    let (scale, high, low) = (fields.half(), fields.whole(2), fields.bytes(4));
    let bits = fields.bytes(128);
    for (n, to) in to.chunks_exact_mut(32).enumerate() {
        let six = u32::from(at(low, n / 2) >> (n % 2 * 4) & 15) | (high >> (2 * n) & 3) << 4;
        let d = scale * (six as f32 - 32.0);
        for (l, to) in to.iter_mut().enumerate() {
            *to = d * iq4(at(bits, n * 16 + l % 16) >> (l / 16 * 4));
        }
    }
}
