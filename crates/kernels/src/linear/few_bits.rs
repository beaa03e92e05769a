//! Weights in few bits: from a checkpoint's rows into panels, and back.

use super::{PANEL, Stored, widen_into};
use crate::tile::fours::{self, Fours, Nibbles, SHARED};
use crate::tile::{Blocks, Eights, FEW_BITS_GROUP as GROUP, FOURS_DEPTH, Factor, Parts, eights};
use crate::{Isa, Pool};
use half::f16;

/// Numbers and bytes of one of GGUF's blocks.
const BLOCK: usize = GROUP / 2;
const BLOCK_BYTES: usize = BLOCK + 2;

/// Bytes of a row in 8 bits.
pub(super) fn row_of_eights(numbers: usize) -> usize {
    numbers.div_ceil(GROUP) * (GROUP + 4)
}

/// Bytes of a row in blocks of 8 bits.
pub(super) fn row_of_blocks(numbers: usize) -> usize {
    numbers.div_ceil(BLOCK) * BLOCK_BYTES
}

/// Bytes of a row in 4 bits.
pub(super) fn row_of_fours(numbers: usize) -> usize {
    numbers.div_ceil(GROUP) * (GROUP / 2 + 4) + numbers.div_ceil(SHARED) * 4
}

/// Packs panels in 8 bits.
pub(super) fn pack_eights(
    pool: &Pool,
    stored: Stored,
    bytes: &[u8],
    outputs: usize,
    inputs: usize,
    packed: &mut [Eights],
) {
    let (depth, row_bytes) = (Eights::depth(inputs), stored.row(inputs));
    if depth == 0 {
        return;
    }
    pool.chunks(packed, PANEL * depth, |panel, packed| {
        let (mut values, mut whole) = ([0.0f32; GROUP], [0; GROUP]);
        for n in 0..PANEL.min(outputs - panel * PANEL) {
            let row = &bytes[(panel * PANEL + n) * row_bytes..][..row_bytes];
            for (group, packed) in packed.chunks_exact_mut(Eights::DEPTH * PANEL).enumerate() {
                let first = group * GROUP;
                let scale = if stored == Stored::Q8 {
                    whole.iter_mut().zip(&row[first..]).for_each(|(to, &byte)| *to = byte ^ 128);
                    f32::from_bits(scale_bits(row, inputs, group))
                } else {
                    let count = GROUP.min(inputs - first);
                    widen_into(stored, &row[stored.row(first)..], &mut values[..count]);
                    eights(&values[..count], &mut whole)
                };
                let elements = whole.as_chunks::<4>().0.iter().map(|four| Parts(u32::from_le_bytes(*four)));
                let column = packed.iter_mut().skip(n).step_by(PANEL);
                column.zip(elements.chain([Parts(scale.to_bits())])).for_each(|(to, element)| *to = element);
            }
        }
    });
}

/// Packs panels of blocks as they are stored: a group holds two; where a row ends with one, the second is of zeros.
pub(super) fn pack_blocks(pool: &Pool, bytes: &[u8], outputs: usize, inputs: usize, packed: &mut [Blocks]) {
    let (depth, row_bytes) = (Blocks::depth(inputs), row_of_blocks(inputs));
    if depth == 0 {
        return;
    }
    pool.chunks(packed, PANEL * depth, |panel, packed| {
        for n in 0..PANEL.min(outputs - panel * PANEL) {
            let row = &bytes[(panel * PANEL + n) * row_bytes..][..row_bytes];
            for (pair, packed) in row.chunks(2 * BLOCK_BYTES).zip(packed.chunks_exact_mut(Blocks::DEPTH * PANEL)) {
                let (mut whole, mut scales) = ([128; GROUP], 0);
                for (part, block) in pair.chunks_exact(BLOCK_BYTES).enumerate() {
                    scales |= u32::from(u16::from_le_bytes([block[0], block[1]])) << (16 * part);
                    let to = whole[part * BLOCK..].iter_mut();
                    to.zip(&block[2..]).for_each(|(to, &byte)| *to = byte ^ 128);
                }
                let elements = whole.as_chunks::<4>().0.iter().map(|four| Parts(u32::from_le_bytes(*four)));
                let column = packed.iter_mut().skip(n).step_by(PANEL);
                column.zip(elements.chain([Parts(scales)])).for_each(|(to, element)| *to = element);
            }
        }
    });
}

/// A row of blocks as f32.
pub(super) fn widen_blocks(row: &[u8], out: &mut [f32]) {
    for (out, block) in out.chunks_mut(BLOCK).zip(row.chunks_exact(BLOCK_BYTES)) {
        let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
        out.iter_mut().zip(&block[2..]).for_each(|(out, &code)| *out = f32::from(code as i8) * scale);
    }
}

/// The scale of a group of a row as it is stored.
fn scale_bits(row: &[u8], inputs: usize, group: usize) -> u32 {
    word(row, inputs.next_multiple_of(GROUP) / 4 + group)
}

/// The little-endian number at this place of a row.
fn word(row: &[u8], at: usize) -> u32 {
    row.as_chunks().0.get(at).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// A row in 8 bits as f32.
pub(super) fn widen_eights(row: &[u8], out: &mut [f32]) {
    let inputs = out.len();
    for (group, (out, codes)) in out.chunks_mut(GROUP).zip(row.chunks(GROUP)).enumerate() {
        let scale = f32::from_bits(scale_bits(row, inputs, group));
        out.iter_mut().zip(codes).for_each(|(out, &code)| *out = f32::from(code as i8) * scale);
    }
}

/// Row `index` of panels in 8 bits.
pub(super) fn read_eights<const PARTS: usize>(packed: &[Parts<PARTS>], index: usize, out: &mut [f32]) {
    let panel = &packed[index / PANEL * PANEL * Parts::<PARTS>::depth(out.len())..];
    for (out, group) in out.chunks_mut(GROUP).zip(panel.chunks_exact(Parts::<PARTS>::DEPTH * PANEL)) {
        let at = |k: usize| group[k * PANEL + index % PANEL];
        for (k, out) in out.chunks_mut(4).enumerate() {
            let scale = Parts::scale(at, 4 * k * PARTS / GROUP);
            for (out, whole) in out.iter_mut().zip(at(k).0.to_le_bytes()) {
                *out = (f32::from(whole) - 128.0) * scale;
            }
        }
    }
}

/// All rows of panels in 8 bits, as a checkpoint stores them.
pub(super) fn stored_eights(packed: &[Eights], outputs: usize, inputs: usize) -> Vec<u8> {
    let mut rows = Vec::with_capacity(outputs * row_of_eights(inputs));
    for index in 0..outputs {
        let panel = packed[index / PANEL * PANEL * Eights::depth(inputs)..].chunks_exact(Eights::DEPTH * PANEL);
        let mut scales = Vec::new();
        for group in panel.take(inputs.div_ceil(GROUP)) {
            let mut column = group.iter().skip(index % PANEL).step_by(PANEL).map(|element| element.0);
            let codes = column.by_ref().take(Eights::DEPTH - 1).flat_map(u32::to_le_bytes);
            rows.extend(codes.map(|byte| byte ^ 128));
            scales.extend(column.next().unwrap_or(0).to_le_bytes());
        }
        rows.extend(scales);
    }
    rows
}

/// Packs panels in 4 bits.
pub(super) fn pack_fours(
    pool: &Pool,
    stored: Stored,
    bytes: &[u8],
    outputs: usize,
    inputs: usize,
    packed: &mut [Fours],
) {
    let (depth, row_bytes) = (Fours::depth(inputs), stored.row(inputs));
    if depth == 0 {
        return;
    }
    pool.chunks(packed, PANEL * depth, |panel, packed| {
        let (mut row, mut rows) = ([0.0f32; SHARED], [[0.0f32; PANEL]; SHARED]);
        let count_of_rows = PANEL.min(outputs - panel * PANEL);
        let from = |n: usize| &bytes[(panel * PANEL + n) * row_bytes..][..row_bytes];
        for (part, packed) in packed.chunks_mut(Fours::depth(SHARED) * PANEL).enumerate() {
            if stored == Stored::Q4 {
                (0..count_of_rows).for_each(|n| place_fours(from(n), inputs, part, n, packed));
                continue;
            }
            let first = part * SHARED;
            let count = SHARED.min(inputs - first);
            for n in 0..count_of_rows {
                widen_into(stored, &from(n)[stored.row(first)..], &mut row[..count]);
                rows.iter_mut().zip(&row[..count]).for_each(|(to, &x)| to[n] = x);
            }
            fours::pack(Isa::best(), &rows[..count], packed);
        }
    });
}

/// Where a row's scales and leasts, and what these are multiplied by, begin: in words.
fn places_of_fours(inputs: usize) -> [usize; 2] {
    let groups = inputs.div_ceil(GROUP);
    [groups * GROUP / 8, groups * (GROUP / 8 + 1)]
}

/// The words of up to 256 numbers of a row, as they follow each other in a column of a panel: what is shared; then of every 64
/// the elements, and the scales and leasts.
fn words_of_fours(inputs: usize, part: usize) -> impl Iterator<Item = usize> {
    let [levels, shared] = places_of_fours(inputs);
    let groups = part * (SHARED / GROUP)..inputs.div_ceil(GROUP).min((part + 1) * (SHARED / GROUP));
    let of_group = move |group: usize| (group * GROUP / 8..(group + 1) * GROUP / 8).chain([levels + group]);
    [shared + part].into_iter().chain(groups.flat_map(of_group))
}

fn place_fours(row: &[u8], inputs: usize, part: usize, n: usize, packed: &mut [Fours]) {
    let column = packed.iter_mut().skip(n).step_by(PANEL);
    column.zip(words_of_fours(inputs, part)).for_each(|(to, at)| *to = Nibbles(word(row, at)));
}

/// A row in 4 bits as f32.
pub(super) fn widen_fours(row: &[u8], out: &mut [f32]) {
    let (inputs, mut packed) = (out.len(), vec![Nibbles(0); (1 + FOURS_DEPTH * SHARED / GROUP) * PANEL]);
    for (part, out) in out.chunks_mut(SHARED).enumerate() {
        place_fours(row, inputs, part, 0, &mut packed);
        fours::read(&packed, 0, out);
    }
}

/// Row `index` of panels in 4 bits.
pub(super) fn read_fours<const HALF: bool>(packed: &[Nibbles<HALF>], index: usize, out: &mut [f32]) {
    let panel = &packed[index / PANEL * PANEL * Fours::depth(out.len())..];
    let parts = panel.chunks(Fours::depth(SHARED) * PANEL);
    out.chunks_mut(SHARED).zip(parts).for_each(|(out, part)| fours::read(part, index % PANEL, out));
}

/// All rows of panels in 4 bits, as a checkpoint stores them.
pub(super) fn stored_fours(packed: &[Fours], outputs: usize, inputs: usize) -> Vec<u8> {
    let row_bytes = row_of_fours(inputs);
    let mut rows = vec![0; outputs * row_bytes];
    for (index, row) in rows.chunks_exact_mut(row_bytes.max(1)).enumerate() {
        let row = row.as_chunks_mut::<4>().0;
        let panel = &packed[index / PANEL * PANEL * Fours::depth(inputs)..];
        for (part, packed) in panel.chunks(Fours::depth(SHARED) * PANEL).take(inputs.div_ceil(SHARED)).enumerate() {
            let column = packed.iter().skip(index % PANEL).step_by(PANEL);
            for (at, element) in words_of_fours(inputs, part).zip(column) {
                if let Some(word) = row.get_mut(at) {
                    *word = element.0.to_le_bytes();
                }
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::{Kept, PackedWeight, widen};
    use super::*;
    use crate::Arena;

    #[test]
    fn blocks_are_kept_as_they_are_stored() {
        let pool = Pool::new(2);
        for (outputs, inputs) in [(1, 32), (33, 64), (40, 96), (70, 576)] {
            let mut bytes: Vec<u8> = (0..outputs * row_of_blocks(inputs)).map(|i| (i * 97 + 31) as u8).collect();
            for (at, block) in bytes.chunks_exact_mut(BLOCK_BYTES).enumerate() {
                block[..2].copy_from_slice(&f16::from_f32(0.001 * (at + 1) as f32).to_le_bytes());
            }
            let pack = |kept| {
                PackedWeight::pack(&pool, &mut Arena::default(), Stored::Q8Blocks, &bytes, outputs, inputs, kept)
            };
            let (blocks, exact) = (pack(Kept::Q8Blocks), pack(Kept::F32));
            let wide = widen(Stored::Q8Blocks, &bytes, inputs);
            for index in 0..outputs {
                let (mut row, mut same) = (vec![0.0; inputs], vec![0.0; inputs]);
                blocks.row(index, &mut row);
                exact.row(index, &mut same);
                assert_eq!((&row[..], &same[..]), (&wide[index * inputs..][..inputs], &row[..]), "row {index}");
            }
            assert_eq!(blocks.bytes(), pack(Kept::Q8).bytes());
        }
    }

    #[test]
    fn rows_of_few_bits_go_into_panels_and_come_back() {
        let pool = Pool::new(2);
        for (outputs, inputs) in [(1, 1), (33, 64), (40, 100), (70, 320), (3, 600)] {
            let w: Vec<f32> = (0..outputs * inputs).map(|i| ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0).collect();
            for kept in [Kept::Q8, Kept::Q4] {
                let pack = |stored, bytes: &[u8]| {
                    PackedWeight::pack(&pool, &mut Arena::default(), stored, bytes, outputs, inputs, kept)
                };
                let first = pack(Stored::F32, bytemuck::cast_slice(&w));
                let (stored, rows) = first.few_bits().unwrap();
                assert_eq!(rows.len(), outputs * stored.row(inputs));
                let again = pack(stored, &rows);
                assert_eq!(first.data.bytes(), again.data.bytes(), "{kept:?} [{outputs}, {inputs}]");
                let wide = widen(stored, &rows, inputs);
                let mut row = vec![0.0; inputs];
                for (index, wide) in wide.chunks_exact(inputs).enumerate() {
                    first.row(index, &mut row);
                    assert_eq!(row, wide, "{kept:?} row {index}");
                }
                // In another precision it is what it stands for.
                let arena = &mut Arena::default();
                let exact = PackedWeight::pack(&pool, arena, stored, &rows, outputs, inputs, Kept::F32);
                exact.row(outputs - 1, &mut row);
                assert_eq!(row, wide[(outputs - 1) * inputs..]);
                assert!(exact.few_bits().is_none());
            }
        }
    }
}
