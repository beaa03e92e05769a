//! Numbers as blocks, as ggml's reference packs them (`quantize_row_*_ref` of `ggml-quants.c`): in f32 and in its order, so
//! that blocks are the same to the bit.

use crate::Kind;
use half::{bf16, f16};

/// Weights of a block of those kinds that have one scale.
const HALF: usize = 16;

/// Packs rows of whole blocks; `None` where this kind is read alone.
pub(crate) fn pack(kind: Kind, weights: &[f32]) -> Option<Vec<u8>> {
    let one: fn(&[f32], &mut Vec<u8>) = match kind {
        Kind::F32 => |weights, to| weights.iter().for_each(|x| to.extend(x.to_le_bytes())),
        Kind::F16 => |weights, to| weights.iter().for_each(|x| half(*x, to)),
        Kind::BF16 => |weights, to| weights.iter().for_each(|x| to.extend(bf16::from_f32(*x).to_le_bytes())),
        Kind::Q4_0 => |weights, to| {
            let (scale, codes) = around_zero(weights, 4);
            half(scale, to);
            nibbles(&codes, to);
        },
        Kind::Q5_0 => |weights, to| {
            let (scale, codes) = around_zero(weights, 5);
            half(scale, to);
            to.extend(fifth_bits(&codes).to_le_bytes());
            nibbles(&codes, to);
        },
        Kind::Q4_1 => |weights, to| {
            let (scale, least, codes) = from_least(weights, 4);
            half(scale, to);
            half(least, to);
            nibbles(&codes, to);
        },
        Kind::Q5_1 => |weights, to| {
            let (scale, least, codes) = from_least(weights, 5);
            half(scale, to);
            half(least, to);
            to.extend(fifth_bits(&codes).to_le_bytes());
            nibbles(&codes, to);
        },
        Kind::Q8_0 => |weights, to| {
            let most = weights.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let scale = most / 127.0;
            half(scale, to);
            let inverse = inverse(scale);
            to.extend(weights.iter().map(|x| (x * inverse).round() as i8 as u8));
        },
        _ => return None,
    };
    let mut blocks = Vec::with_capacity(weights.len() / kind.block() * kind.bytes());
    weights.chunks_exact(kind.block()).for_each(|weights| one(weights, &mut blocks));
    Some(blocks)
}

fn half(x: f32, to: &mut Vec<u8>) {
    to.extend(f16::from_f32(x).to_le_bytes());
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// Codes of so many bits whose middle stands for 0; the weight that is farthest from it has the code 0.
fn around_zero(weights: &[f32], bits: u32) -> (f32, Vec<u8>) {
    let middle = (1 << (bits - 1)) as f32;
    let farthest = weights.iter().fold(0.0f32, |farthest, x| if farthest.abs() < x.abs() { *x } else { farthest });
    let scale = farthest / -middle;
    let inverse = inverse(scale);
    let most = (1u8 << bits) - 1;
    (scale, weights.iter().map(|x| ((x * inverse + (middle + 0.5)) as u8).min(most)).collect())
}

/// Codes of so many bits from the least weight up.
fn from_least(weights: &[f32], bits: u32) -> (f32, f32, Vec<u8>) {
    let least = weights.iter().fold(f32::MAX, |least, x| least.min(*x));
    let largest = weights.iter().fold(f32::MIN, |largest, x| largest.max(*x));
    let most = (1u8 << bits) - 1;
    let scale = (largest - least) / f32::from(most);
    let inverse = inverse(scale);
    (scale, least, weights.iter().map(|x| (((x - least) * inverse + 0.5) as u8).min(most)).collect())
}

/// The lower four bits of a block's codes: a byte has one of the first half and one of the second.
fn nibbles(codes: &[u8], to: &mut Vec<u8>) {
    let (low, high) = codes.split_at(HALF.min(codes.len()));
    to.extend(low.iter().zip(high).map(|(low, high)| (low & 15) | high << 4));
}

/// The fifth bits of a block's codes, that of the first the lowest.
fn fifth_bits(codes: &[u8]) -> u32 {
    codes.iter().rev().fold(0, |bits, code| bits << 1 | u32::from(code >> 4 & 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// golden/gguf-packed.safetensors has rows of numbers, and under each kind's name the blocks that gguf-py packs of them
    /// (scripts/make_gguf_blocks.py).
    #[test]
    fn blocks_are_the_ones_that_gguf_py_packs() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/gguf-packed.safetensors");
        let file = std::fs::read(path).unwrap();
        let golden = safetensors::SafeTensors::deserialize(&file).unwrap();
        let numbers = golden.tensor("numbers").unwrap();
        let (numbers, _) = numbers.data().as_chunks::<4>();
        let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        for kind in [Kind::F16, Kind::BF16, Kind::Q4_0, Kind::Q4_1, Kind::Q5_0, Kind::Q5_1, Kind::Q8_0] {
            let want = golden.tensor(kind.name()).unwrap();
            let got = pack(kind, &numbers).unwrap();
            let wrong = got.iter().zip(want.data()).position(|(got, want)| got != want);
            assert_eq!((wrong, got.len()), (None, want.data().len()), "{}", kind.name());
        }
        assert!(pack(Kind::Q6_K, &numbers).is_none());
    }
}
