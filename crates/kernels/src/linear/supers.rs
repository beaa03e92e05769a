//! GGUF's blocks of 256 weights, as they are: from a file's rows into panels, and as numbers.
//!
//! Layouts are ggml's (`ggml-common.h`): Q4_K is kept by [`FourBlocks`], Q6_K by [`Sixes`], both without loss.

use super::PANEL;
use crate::Pool;
use crate::tile::fours::{self, FourBlocks, Nibbles, SHARED as BLOCK};
use crate::tile::{FEW_BITS_GROUP as GROUP, FOURS_DEPTH, Parts, Sixes};
use half::f16;

/// Bytes of a block of Q4_K: two numbers of half precision, scales and leasts of 6 bits, codes of 4 bits.
const FOURS_BYTES: usize = 4 + 12 + BLOCK / 2;
/// Bytes of a block of Q6_K: codes of 4 lower and 2 upper bits, scales, a number of half precision.
const SIXES_BYTES: usize = BLOCK / 2 + BLOCK / 4 + BLOCK / 16 + 2;

/// Elements of a block in a column of a panel.
const FOURS_ROWS: usize = 1 + FOURS_DEPTH * BLOCK / GROUP;
const SIXES_ROWS: usize = Sixes::DEPTH * BLOCK / GROUP;

/// Bytes of a row in blocks of Q4_K.
pub(super) fn row_of_fours(numbers: usize) -> usize {
    numbers.div_ceil(BLOCK) * FOURS_BYTES
}

/// Bytes of a row in blocks of Q6_K.
pub(super) fn row_of_sixes(numbers: usize) -> usize {
    numbers.div_ceil(BLOCK) * SIXES_BYTES
}

/// Packs panels of blocks of Q4_K.
pub(super) fn pack_fours(pool: &Pool, bytes: &[u8], outputs: usize, inputs: usize, packed: &mut [FourBlocks]) {
    pack(pool, (bytes, FOURS_BYTES), outputs, inputs, packed, |block| column_of_fours(block).map(Nibbles));
}

/// Packs panels of blocks of Q6_K.
pub(super) fn pack_sixes(pool: &Pool, bytes: &[u8], outputs: usize, inputs: usize, packed: &mut [Sixes]) {
    pack(pool, (bytes, SIXES_BYTES), outputs, inputs, packed, |block| column_of_sixes(block).map(Parts));
}

/// Packs panels of blocks of so many bytes, each of which becomes elements of a column.
fn pack<E: Send, const ROWS: usize>(
    pool: &Pool,
    (bytes, block_bytes): (&[u8], usize),
    outputs: usize,
    inputs: usize,
    packed: &mut [E],
    column: impl Fn(&[u8]) -> [E; ROWS] + Sync,
) {
    assert!(inputs.is_multiple_of(BLOCK), "rows are of whole blocks");
    let blocks = inputs / BLOCK;
    if blocks == 0 {
        return;
    }
    pool.chunks(packed, PANEL * ROWS * blocks, |panel, packed| {
        for n in 0..PANEL.min(outputs - panel * PANEL) {
            let row = &bytes[(panel * PANEL + n) * blocks * block_bytes..][..blocks * block_bytes];
            for (block, packed) in row.chunks_exact(block_bytes).zip(packed.chunks_exact_mut(ROWS * PANEL)) {
                packed.iter_mut().skip(n).step_by(PANEL).zip(column(block)).for_each(|(to, element)| *to = element);
            }
        }
    });
}

/// A block of Q4_K: what scales and leasts are multiplied by; then of every 64 weights the codes, as they are, and the scales
/// and leasts.
fn column_of_fours(block: &[u8]) -> [u32; FOURS_ROWS] {
    let (shared, rest) = block.split_at(4);
    let (levels, codes) = rest.split_at(12);
    let mut column = [0; FOURS_ROWS];
    column[0] = word(shared).rotate_left(16);
    for (group, (to, codes)) in column[1..].chunks_exact_mut(FOURS_DEPTH).zip(codes.chunks_exact(32)).enumerate() {
        to.iter_mut().zip(codes.chunks_exact(4)).for_each(|(to, codes)| *to = word(codes));
        let (first, second) = (level_of_fours(levels, 2 * group), level_of_fours(levels, 2 * group + 1));
        to[FOURS_DEPTH - 1] = u32::from_le_bytes([first.0, first.1, second.0, second.1]);
    }
    column
}

/// The scale and the least of 32 weights of a block of Q4_K, of 6 bits each: the first four stand whole in eight bytes, whose
/// upper bits are those of the last four.
fn level_of_fours(levels: &[u8], at: usize) -> (u8, u8) {
    match at {
        0..4 => (levels[at] & 63, levels[at + 4] & 63),
        _ => {
            let lower = levels[at + 4];
            (lower & 15 | levels[at - 4] >> 6 << 4, lower >> 4 | levels[at] >> 6 << 4)
        }
    }
}

/// A block of Q6_K: of every 64 weights the codes around 128, four scales, and what these are multiplied by.
fn column_of_sixes(block: &[u8]) -> [u32; SIXES_ROWS] {
    let (codes, rest) = block.split_at(BLOCK * 3 / 4);
    let (scales, shared) = rest.split_at(BLOCK / 16);
    let shared = f16::from_le_bytes([shared[0], shared[1]]).to_f32().to_bits();
    let mut column = [0; SIXES_ROWS];
    for (group, to) in column.chunks_exact_mut(Sixes::DEPTH).enumerate() {
        for (k, to) in to[..GROUP / 4].iter_mut().enumerate() {
            *to = u32::from_le_bytes(std::array::from_fn(|i| code_of_sixes(codes, GROUP * group + 4 * k + i) + 96));
        }
        to[GROUP / 4] = word(&scales[4 * group..]);
        to[GROUP / 4 + 1] = shared;
    }
    column
}

/// A code of a block of Q6_K, 0 to 63, which stands for 32 less. Each half of the block is four times 32 weights: of the lower
/// bits two share a byte, of the upper four.
fn code_of_sixes(codes: &[u8], at: usize) -> u8 {
    let (lower, upper) = codes.split_at(BLOCK / 2);
    let (half, quarter, k) = (at / 128, at % 128 / 32, at % 32);
    let low = lower[64 * half + quarter % 2 * 32 + k] >> (quarter / 2 * 4) & 15;
    let high = upper[32 * half + k] >> (2 * quarter) & 3;
    low | high << 4
}

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// A row of blocks of Q4_K as f32.
pub(super) fn widen_fours(row: &[u8], out: &mut [f32]) {
    let mut panel = [Nibbles::<true>(0); FOURS_ROWS * PANEL];
    for (out, block) in out.chunks_mut(BLOCK).zip(row.chunks_exact(FOURS_BYTES)) {
        let column = panel.iter_mut().step_by(PANEL);
        column.zip(column_of_fours(block)).for_each(|(to, element)| *to = Nibbles(element));
        fours::read(&panel, 0, out);
    }
}

/// A row of blocks of Q6_K as f32.
pub(super) fn widen_sixes(row: &[u8], out: &mut [f32]) {
    for (out, block) in out.chunks_mut(BLOCK).zip(row.chunks_exact(SIXES_BYTES)) {
        let column = column_of_sixes(block).map(Parts::<4>);
        for (out, group) in out.chunks_mut(GROUP).zip(column.chunks_exact(Sixes::DEPTH)) {
            for (k, out) in out.iter_mut().enumerate() {
                let scale = Parts::scale(|row| group[row], k / 16);
                *out = (f32::from(group[k / 4].0.to_le_bytes()[k % 4]) - 128.0) * scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Epilogue, Input, Kept, PackedWeight, Stored, linear, widen};
    use super::*;
    use crate::{Arena, Isa};

    /// Rows of blocks of any codes, scales and leasts, with small numbers to multiply these by.
    fn rows(stored: Stored, outputs: usize, inputs: usize) -> Vec<u8> {
        let (bytes_of, halves) = match stored {
            Stored::Q4K => (FOURS_BYTES, &[0, 2][..]),
            _ => (SIXES_BYTES, &[SIXES_BYTES - 2][..]),
        };
        let mut bytes: Vec<u8> = (0..outputs * stored.row(inputs)).map(|i| (i * i * 97 + i / 5) as u8).collect();
        for (at, block) in bytes.chunks_exact_mut(bytes_of).enumerate() {
            for &half in halves {
                let number = f16::from_f32(0.0003 * (at % 40 + 1) as f32);
                block[half..half + 2].copy_from_slice(&number.to_le_bytes());
            }
        }
        bytes
    }

    #[test]
    fn blocks_of_256_are_kept_as_they_are_stored() {
        let pool = Pool::new(2);
        for stored in [Stored::Q4K, Stored::Q6K] {
            for (outputs, inputs) in [(1, 256), (33, 256), (70, 768)] {
                let bytes = rows(stored, outputs, inputs);
                let pack =
                    |kept| PackedWeight::pack(&pool, &mut Arena::default(), stored, &bytes, outputs, inputs, kept);
                let (blocks, exact) = (pack(stored.in_blocks().unwrap()), pack(Kept::F32));
                let wide = widen(stored, &bytes, inputs);
                for index in 0..outputs {
                    let (mut row, mut same) = (vec![0.0; inputs], vec![0.0; inputs]);
                    blocks.row(index, &mut row);
                    exact.row(index, &mut same);
                    assert_eq!((&row[..], &same[..]), (&wide[index * inputs..][..inputs], &row[..]), "row {index}");
                }
            }
        }
    }

    #[test]
    fn products_are_the_same_on_every_path_and_near_those_of_the_numbers() {
        let (count, inputs, outputs) = (29, 768, 70);
        let x: Vec<f32> = (0..count * inputs).map(|i| ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0).collect();
        for stored in [Stored::Q4K, Stored::Q6K] {
            let bytes = rows(stored, outputs, inputs);
            let product = |isa: Isa, threads: usize, piece: usize, kept| {
                let pool = Pool::new(threads);
                let weight = PackedWeight::pack(&pool, &mut Arena::default(), stored, &bytes, outputs, inputs, kept);
                let mut out = vec![0.0; count * outputs];
                for (x, out) in x.chunks(piece * inputs).zip(out.chunks_mut(piece * outputs)) {
                    let input = Input { x: x.into(), rows: x.len() / inputs, norm: None };
                    linear(isa, &pool, input, &weight, Epilogue::default(), out);
                }
                out
            };
            let kept = stored.in_blocks().unwrap();
            let want = product(Isa::Scalar, 1, count, kept);
            for isa in Isa::tested() {
                for (threads, piece) in [(1, 29), (2, 1), (3, 5)] {
                    assert_eq!(want, product(isa, threads, piece, kept), "{kept:?} {isa:?} {threads} {piece}");
                }
            }
            let exact = product(Isa::best(), 2, count, Kept::F32);
            let square = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x * x)).sum::<f64>();
            let error = square(&mut exact.iter().zip(&want).map(|(a, b)| a - b)) / square(&mut exact.iter().copied());
            assert!(error < 2e-4, "{kept:?}: {error}");
        }
    }
}
