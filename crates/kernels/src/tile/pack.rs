//! Rows of numbers in the forms that blocks read.

#[cfg(target_arch = "x86_64")]
use super::tiled;
use super::{Element, Pair, round_upper};
use crate::Isa;
use crate::isa::for_each_isa;

/// Steps in a group: what a row of an AMX tile holds. Reductions over pairs are padded with zeros to whole groups.
pub(super) const GROUP: usize = 32;

/// `steps` padded as the elements of a matrix of `E` are.
pub(crate) fn padded<E: Element>(steps: usize) -> usize {
    if E::STEPS == 2 { steps.next_multiple_of(GROUP) } else { steps }
}

/// Whether A is given as f32 of every step (rounded, where B is) or in pairs as B is: what the instructions want.
pub(crate) fn wants_pairs<E: Element>(isa: Isa) -> bool {
    E::STEPS == 2 && isa.has_pairs()
}

/// How many f32 slots of A the `steps` of a row take.
pub(crate) fn slots<E: Element>(isa: Isa, steps: usize) -> usize {
    if wants_pairs::<E>(isa) { padded::<E>(steps) / 2 } else { padded::<E>(steps) }
}

/// Writes one row of A side by side in the form that `tile` wants, and zeros behind it. A pair's bits travel as an f32's.
pub(crate) fn put_row<E: Element>(isa: Isa, row: &[f32], to: &mut [f32]) {
    if wants_pairs::<E>(isa) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `isa`, which wants pairs, was detected on this processor.
        unsafe {
            super::x86::pairs(row, to)
        };
        #[cfg(not(target_arch = "x86_64"))]
        pairs_of(row, to);
    } else if E::STEPS == 2 {
        rounded(isa, row, to);
    } else {
        to.copy_from_slice(row);
    }
}

/// Makes elements of a row, and zeros behind them.
pub(crate) fn elements<E: Element>(isa: Isa, row: &[f32], to: &mut [E]) {
    if wants_pairs::<E>(isa) {
        put_row::<E>(isa, row, bytemuck::cast_slice_mut(to));
        return;
    }
    let (whole, rest) = to.split_at_mut(row.len().div_ceil(E::STEPS));
    for (to, steps) in whole.iter_mut().zip(row.chunks(E::STEPS)) {
        *to = E::of([steps[0], steps.get(1).copied().unwrap_or(0.0)]);
    }
    rest.fill(E::zeroed());
}

/// Packs `count` rows, each of `steps`, as blocks of so many rows read them: `to` takes `count * slots(steps)`.
///
/// Vector instructions want slot by slot, and in a slot row by row. AMX wants tiles: group by group, in a group row by row.
pub(crate) fn pack_rows<'a, E: Element>(
    isa: Isa,
    count: usize,
    row: impl Fn(usize) -> &'a [f32],
    steps: usize,
    to: &mut [f32],
) {
    if count == 1 {
        return put_row::<E>(isa, row(0), to);
    }
    #[cfg(target_arch = "x86_64")]
    if tiled::<E>(isa) {
        // SAFETY: `isa`, which has pairs and tiles, was detected on this processor.
        return unsafe { super::x86::pack_for_tiles(count, row, steps, to) };
    }
    let group_slots = slots::<E>(isa, GROUP);
    let mut parts = [[0.0f32; GROUP]; super::VECTOR_ROWS];
    for (index, to) in to.chunks_mut(group_slots * count).enumerate() {
        let slots = to.len() / count;
        for (m, part) in parts.iter_mut().enumerate().take(count) {
            put_row::<E>(isa, &row(m)[index * GROUP..steps.min((index + 1) * GROUP)], &mut part[..slots]);
        }
        if let (super::VECTOR_ROWS, to) = (count, to.as_chunks_mut::<{ super::VECTOR_ROWS }>().0) {
            for (slot, to) in to.iter_mut().enumerate() {
                *to = std::array::from_fn(|m| parts[m][slot]);
            }
        } else {
            for (slot, to) in to.chunks_exact_mut(count).enumerate() {
                for (to, part) in to.iter_mut().zip(&parts) {
                    *to = part[slot];
                }
            }
        }
    }
}

for_each_isa! {
    /// Makes pairs of two rows.
    pub(crate) fn interleave(first: &[f32], second: &[f32], to: &mut [Pair]) = interleave_rows;
}

#[inline(always)]
fn interleave_rows(first: &[f32], second: &[f32], to: &mut [Pair]) {
    for ((to, &first), &second) in to.iter_mut().zip(first).zip(second) {
        *to = Pair::of([first, second]);
    }
}

/// The reference of pairs side by side, zeros behind them.
pub(super) fn pairs_of(row: &[f32], to: &mut [f32]) {
    let (to, behind) = to.split_at_mut(row.len().div_ceil(2));
    behind.fill(0.0);
    let (whole, rest) = row.as_chunks::<2>();
    for (to, &[first, second]) in to.iter_mut().zip(whole) {
        *to = f32::from_bits(round_upper(first) | round_upper(second) >> 16);
    }
    if let (Some(&last), Some(to)) = (rest.first(), to.last_mut()) {
        *to = f32::from_bits(round_upper(last));
    }
}

for_each_isa! {
    fn rounded(row: &[f32], to: &mut [f32]) = rounded_row;
}

#[inline(always)]
fn rounded_row(row: &[f32], to: &mut [f32]) {
    for (to, &x) in to.iter_mut().zip(row) {
        *to = f32::from_bits(round_upper(x));
    }
    to[row.len()..].fill(0.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::tiled;

    #[test]
    fn vector_code_rounds_as_the_reference() {
        let mut row: Vec<f32> = (0..1000u32).map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761))).collect();
        row.extend([1e-40, -1e-40, f32::MAX, f32::INFINITY, f32::NAN, -0.0, 1.003_906_3]);
        let mut want: Vec<u32> = row.chunks(2).map(|p| Pair::of([p[0], *p.get(1).unwrap_or(&0.0)]).0).collect();
        want.resize(padded::<Pair>(row.len()) / 2, 0);
        for isa in Isa::tested() {
            if wants_pairs::<Pair>(isa) {
                let mut to = vec![1.0; want.len()];
                put_row::<Pair>(isa, &row, &mut to);
                let got: Vec<u32> = to.iter().map(|x| x.to_bits()).collect();
                assert_eq!(want, got, "{isa:?}");
            }
        }
    }

    #[test]
    fn every_step_of_packed_rows_lies_in_its_place() {
        let row = |m: usize| -> Vec<f32> { (0..70).map(|k| (m * 100 + k) as f32).collect() };
        for isa in Isa::tested() {
            for count in [1, 2, 12, 32] {
                if count <= super::super::block_rows::<Pair>(isa) {
                    let rows: Vec<Vec<f32>> = (0..count).map(row).collect();
                    let slots = slots::<Pair>(isa, 70);
                    let mut to = vec![f32::NAN; count * slots];
                    pack_rows::<Pair>(isa, count, |m| &rows[m], 70, &mut to);
                    for (m, row) in rows.iter().enumerate() {
                        let step = |k: usize| row.get(k).copied().unwrap_or(0.0);
                        for slot in 0..slots {
                            let tiled = tiled::<Pair>(isa);
                            let at = if tiled { (slot / 16 * count + m) * 16 + slot % 16 } else { slot * count + m };
                            let want = match wants_pairs::<Pair>(isa) {
                                true => Pair::of([step(2 * slot), step(2 * slot + 1)]),
                                false => Pair::of([step(slot), 0.0]),
                            };
                            assert_eq!(to[at].to_bits(), want.0, "{isa:?} {count} rows, row {m}, slot {slot}");
                        }
                    }
                }
            }
        }
    }
}
