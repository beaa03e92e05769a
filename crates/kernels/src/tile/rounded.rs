//! Inputs of products with weights in few bits.
//!
//! A row's numbers are rounded to whole ones from -127 to 127 in groups of 64, each group with a scale. In memory a group is 16
//! elements of four numbers, the scale, and for what weights are offset by sums of its whole numbers: of the first and the second
//! half, and of the first half of each; and once more the same of what rounding left, which counts where one number of the group is
//! so large that the others are hardly told apart (its scale is 0 elsewhere).

use crate::Isa;
use crate::isa::for_each_isa;
use crate::math::fma;

/// Numbers in a group.
pub(crate) const GROUP: usize = 64;
/// Elements of a group: four numbers each.
pub(super) const QUADS: usize = GROUP / 4;
/// Slots that a group takes, and as many for what rounding left.
pub(super) const PLANE: usize = QUADS + 5;
pub(super) const SLOTS: usize = 2 * PLANE;
/// Where the whole numbers of a group are of this size or less on the average, what rounding left counts, too.
const FINE: usize = 20;
/// The largest number: both signs alike.
const LARGEST: f32 = 127.0;

/// Slots of a row of so many numbers.
pub(super) fn slots(steps: usize) -> usize {
    steps.div_ceil(GROUP) * SLOTS
}

/// Packs `count` rows, their slots side by side.
pub(super) fn pack<'a>(isa: Isa, count: usize, row: impl Fn(usize) -> &'a [f32], steps: usize, to: &mut [f32]) {
    let mut part = [0.0; SLOTS];
    for (group, to) in to.chunks_mut(SLOTS * count).enumerate().take(steps.div_ceil(GROUP)) {
        for m in 0..count {
            put_group(isa, &row(m)[group * GROUP..steps.min((group + 1) * GROUP)], &mut part);
            to.iter_mut().skip(m).step_by(count).zip(part).for_each(|(to, slot)| *to = slot);
        }
    }
}

/// The whole number in a slot.
pub(super) fn whole(slot: f32) -> i32 {
    slot.to_bits() as i32
}

/// The sum of the whole numbers of a quarter of a plane, of its slots.
#[inline(always)]
pub(super) fn of_quarter(quarter: usize, slot: impl Fn(usize) -> i32) -> i32 {
    let first = slot(QUADS + 3 + quarter / 2);
    if quarter.is_multiple_of(2) { first } else { slot(QUADS + 1 + quarter / 2).wrapping_sub(first) }
}

/// What numbers are multiplied by to be whole, and what whole ones are multiplied by. Where one is no number, no product is.
#[inline(always)]
pub(crate) fn scales(values: &[f32]) -> (f32, f32) {
    // Sizes are in the order of their bits; infinities and what is no number come last.
    scales_of(values.iter().fold(0, |most: u32, x| most.max(x.to_bits() & 0x7FFF_FFFF)))
}

/// The same, where these are the bits of the largest size.
#[inline(always)]
fn scales_of(bits: u32) -> (f32, f32) {
    let largest = f32::from_bits(bits);
    match bits {
        0x7F80_0000.. => (0.0, f32::NAN),
        // The inverse of such small ones is beyond all numbers.
        _ if largest < 1e-36 => (0.0, 0.0),
        _ => (LARGEST / largest, largest / LARGEST),
    }
}

/// 1.5 * 2^23: from here to 2^24 numbers are whole, and their low bits count.
const UNIT: f32 = 12_582_912.0;

/// The nearest whole number, ties to even, of one of up to 2^22.
#[inline(always)]
pub(crate) fn nearest(x: f32) -> f32 {
    x + UNIT - UNIT
}

/// The lowest eight bits of a whole number.
#[inline(always)]
pub(super) fn low_bits(whole: f32) -> u32 {
    (whole + UNIT).to_bits() & 0xFF
}

/// A group of a row of inputs; where it is short, zeros follow.
fn put_group(isa: Isa, values: &[f32], to: &mut [f32; SLOTS]) {
    #[cfg(target_arch = "x86_64")]
    if let (true, Ok(values)) = (isa >= Isa::Avx512, values.try_into()) {
        // SAFETY: `isa` was detected on this processor.
        return unsafe { x86::put_group(values, to) };
    }
    put_any(isa, values, to);
}

for_each_isa! {
    /// The same, by plain code.
    fn put_any(values: &[f32], to: &mut [f32; SLOTS]) = group_of;
}

#[inline(always)]
fn group_of(values: &[f32], to: &mut [f32; SLOTS]) {
    let mut group = [0.0; GROUP];
    group[..values.len()].copy_from_slice(values);
    let (first, second) = to.split_at_mut(PLANE);
    let (whole, scale) = plane_of(&group, first);
    let size = whole.iter().map(|x| x.abs()).sum::<f32>();
    // A group of zeros has no rest, nor one that is no number.
    if size <= (FINE * GROUP) as f32 && scale > 0.0 {
        let mut rest = [0.0; GROUP];
        for (rest, (&x, &whole)) in rest.iter_mut().zip(group.iter().zip(&whole)) {
            *rest = fma(-whole, scale, x);
        }
        plane_of(&rest, second);
    } else {
        second.fill(0.0);
    }
}

/// Numbers, whole, as slots; and what they are multiplied by.
#[inline(always)]
fn plane_of(values: &[f32; GROUP], to: &mut [f32]) -> ([f32; GROUP], f32) {
    let (inverse, scale) = scales(values);
    let (mut whole, mut bytes) = ([0.0f32; GROUP], [0u8; GROUP]);
    for (whole, &x) in whole.iter_mut().zip(values) {
        *whole = nearest(x * inverse);
    }
    for (byte, &whole) in bytes.iter_mut().zip(&whole) {
        *byte = low_bits(whole) as u8;
    }
    for (to, four) in to.iter_mut().zip(bytes.as_chunks().0) {
        *to = f32::from_bits(u32::from_le_bytes(*four));
    }
    let sum = |part: &[f32]| f32::from_bits(part.iter().sum::<f32>() as i32 as u32);
    let (first, second) = whole.split_at(GROUP / 2);
    let (first_half, second_half) = (&first[..GROUP / 4], &second[..GROUP / 4]);
    to[QUADS..].copy_from_slice(&[scale, sum(first), sum(second), sum(first_half), sum(second_half)]);
    (whole, scale)
}

/// By AVX-512, and what kernels share.
#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use super::{FINE, GROUP, PLANE, QUADS, SLOTS, scales_of};
    use crate::Isa;
    use crate::prefetch::{LINE, far};
    use std::arch::x86_64::*;

    /// How many rows ahead weights are asked for.
    const AHEAD: usize = 256;

    #[inline(always)]
    pub(in crate::tile) fn fetch_ahead(b: *const i32) {
        for line in 0..2 {
            far(b.wrapping_add(AHEAD * 32 + line * LINE / 4));
        }
    }

    /// Whether AVX-512 has dot products of bytes; a processor that has those of bfloat16 does.
    pub(in crate::tile) fn has_dots(isa: Isa) -> bool {
        isa >= Isa::Avx512 && std::arch::is_x86_feature_detected!("avx512vnni")
    }

    /// What a sum of products with weights begins with that are offset by 128.
    ///
    /// # Safety
    /// `a` is valid for the slots of a plane, `M` apart.
    #[inline(always)]
    pub(in crate::tile) unsafe fn start<const M: usize>(a: *const i32) -> i32 {
        // SAFETY: as the caller vouches.
        unsafe { (*a.add((QUADS + 1) * M)).wrapping_add(*a.add((QUADS + 2) * M)).wrapping_mul(-128) }
    }

    /// The same of one half of a group.
    ///
    /// # Safety
    /// As [`start`].
    #[inline(always)]
    pub(in crate::tile) unsafe fn start_of_half<const M: usize>(a: *const i32, half: usize) -> i32 {
        // SAFETY: as the caller vouches.
        unsafe { (*a.add((QUADS + 1 + half) * M)).wrapping_mul(-128) }
    }

    /// The same of a quarter.
    ///
    /// # Safety
    /// As [`start`].
    #[inline(always)]
    pub(in crate::tile) unsafe fn start_of_quarter<const M: usize>(a: *const i32, quarter: usize) -> i32 {
        // SAFETY: as the caller vouches.
        super::of_quarter(quarter, |k| unsafe { *a.add(k * M) }).wrapping_mul(-128)
    }

    /// Whether what rounding left counts in a row of a group.
    ///
    /// # Safety
    /// `a` is valid for the row's slots, `M` apart.
    #[inline(always)]
    pub(in crate::tile) unsafe fn has_rest<const M: usize>(a: *const i32) -> bool {
        // SAFETY: as the caller vouches.
        unsafe { *a.add((PLANE + QUADS) * M) != 0 }
    }

    /// A whole group of a row of inputs.
    ///
    /// # Safety
    /// AVX-512.
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) unsafe fn put_group(values: &[f32; GROUP], to: &mut [f32; SLOTS]) {
        let parts = std::array::from_fn(|i| {
            // SAFETY: 16 numbers of 64.
            unsafe { _mm512_loadu_ps(values.as_ptr().add(16 * i)) }
        });
        let (first, second) = to.split_at_mut(PLANE);
        let (whole, scale) = put_plane(parts, first);
        let sizes = whole.map(|whole| _mm512_abs_epi32(whole));
        second.fill(0.0);
        let size = _mm512_reduce_add_epi32(_mm512_add_epi32(
            _mm512_add_epi32(sizes[0], sizes[1]),
            _mm512_add_epi32(sizes[2], sizes[3]),
        ));
        if size <= (FINE * GROUP) as i32 && scale > 0.0 {
            let scale = _mm512_set1_ps(scale);
            let rest = |i: usize| _mm512_fnmadd_ps(_mm512_cvtepi32_ps(whole[i]), scale, parts[i]);
            put_plane([rest(0), rest(1), rest(2), rest(3)], second);
        }
    }

    /// Numbers, whole, as slots; and what they are multiplied by.
    #[inline]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
    fn put_plane(parts: [__m512; 4], to: &mut [f32]) -> ([__m512i; 4], f32) {
        let to = &mut to[..PLANE];
        let size = |i: usize| _mm512_and_si512(_mm512_castps_si512(parts[i]), _mm512_set1_epi32(0x7FFF_FFFF));
        let most = _mm512_max_epu32(_mm512_max_epu32(size(0), size(1)), _mm512_max_epu32(size(2), size(3)));
        let (inverse, scale) = scales_of(_mm512_reduce_max_epu32(most));
        let inverse = _mm512_set1_ps(inverse);
        let whole = parts.map(|part| _mm512_cvtps_epi32(_mm512_mul_ps(part, inverse)));
        for (i, &whole) in whole.iter().enumerate() {
            // SAFETY: 4 slots of 16.
            unsafe { _mm_storeu_si128(to.as_mut_ptr().add(4 * i).cast(), _mm512_cvtepi32_epi8(whole)) };
        }
        let sums = whole.map(|whole| _mm512_reduce_add_epi32(whole));
        let slots = [sums[0] + sums[1], sums[2] + sums[3], sums[0], sums[2]].map(|sum| f32::from_bits(sum as u32));
        to[QUADS] = scale;
        to[QUADS + 1..].copy_from_slice(&slots);
        (whole, scale)
    }
}
