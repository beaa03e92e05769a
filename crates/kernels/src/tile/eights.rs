//! Products of numbers in 8 bits.
//!
//! Both factors are integers in groups of 64 along the reduction, each group with a scale: a weight is `(u - 128) * scale`, an
//! input `i * scale`. A group's integer sum is exact, whatever the order, and at most 2^20, so that it is exact in f32, too;
//! then come one product of the two scales and one fused multiply-add a group, in rising order. So every path gives the same
//! bits.
//!
//! In memory a group of a panel of weights is 16 rows of 32 columns, each element four numbers that follow each other in the
//! reduction, and a row of their scales. A group of a row of inputs is 16 elements of four numbers, the scale, and what the sum
//! begins with: -128 times the sum of the inputs, for the offset of the weights; and once more the same of what rounding left,
//! which counts where one input of the group is so large that the others are hardly told apart (its scale is 0 elsewhere).

use super::{Block, Factor, Left, Right};
use crate::Isa;
use crate::isa::for_each_isa;
use crate::math::fma;

/// Numbers in a group.
pub(crate) const GROUP: usize = 64;
/// Elements of a group.
const QUADS: usize = GROUP / 4;
/// Rows that a group of weights takes: its elements, and the scales.
pub(crate) const DEPTH: usize = QUADS + 1;
/// Slots that a group of a row of inputs takes, and as many for what rounding left.
const PLANE: usize = QUADS + 2;
const SLOTS: usize = 2 * PLANE;
/// Where the inputs of a group, whole, are of this size or less on the average, what rounding left counts, too.
const FINE: usize = 12;
/// The largest number: both signs alike.
const LARGEST: f32 = 127.0;

/// Four numbers of 8 bits that follow each other in the reduction, the first in the lowest byte; or the bits of a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(crate) struct Eights(pub(crate) u32);

impl Factor for Eights {
    const STEPS: usize = 4;
    const GROUP: usize = GROUP;

    fn depth(steps: usize) -> usize {
        steps.div_ceil(GROUP) * DEPTH
    }

    fn slots(_: Isa, steps: usize) -> usize {
        steps.div_ceil(GROUP) * SLOTS
    }

    fn pack<'a>(isa: Isa, count: usize, row: impl Fn(usize) -> &'a [f32], steps: usize, to: &mut [f32]) {
        let mut part = [0.0; SLOTS];
        for (group, to) in to.chunks_mut(SLOTS * count).enumerate().take(steps.div_ceil(GROUP)) {
            for m in 0..count {
                put_group(isa, &row(m)[group * GROUP..steps.min((group + 1) * GROUP)], &mut part);
                to.iter_mut().skip(m).step_by(count).zip(part).for_each(|(to, slot)| *to = slot);
            }
        }
    }

    fn tile(isa: Isa, block: Block, left: Left, a: &[f32], b: Right<'_, Eights>, c: &mut [f32]) {
        let Block { rows, cols, depth, stride, add } = block;
        let groups = depth / DEPTH;
        assert!(
            matches!(left, Left::Packed) && (1..=super::VECTOR_ROWS).contains(&rows) && cols == 32 && b.stride == 32
        );
        assert!(depth.is_multiple_of(DEPTH) && a.len() >= groups * SLOTS * rows && b.data.len() >= depth * cols);
        assert!(c.len() >= (rows - 1) * stride + cols && stride >= cols);
        #[cfg(target_arch = "x86_64")]
        if isa > Isa::Scalar {
            // SAFETY: the lengths were checked just now, and `isa` was detected on this processor.
            unsafe { x86::run(isa, (rows, groups), a.as_ptr(), b.data.as_ptr().cast(), (c.as_mut_ptr(), stride), add) };
            return;
        }
        let _ = isa;
        scalar((rows, groups), a, b.data, (c, stride), add);
    }
}

/// A group of weights: whole numbers from 1 to 255 around 128, and what they are multiplied by.
pub(crate) fn weights(values: &[f32], to: &mut [u8; GROUP]) -> f32 {
    let (inverse, scale) = scales(values);
    to.fill(128);
    for (to, &x) in to.iter_mut().zip(values) {
        *to = (nearest(x * inverse) + 128.0) as u8;
    }
    scale
}

/// What numbers are multiplied by to be whole, and what whole ones are multiplied by. Where one is no number, no product is.
#[inline(always)]
fn scales(values: &[f32]) -> (f32, f32) {
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
fn nearest(x: f32) -> f32 {
    x + UNIT - UNIT
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
        *byte = (whole + UNIT).to_bits() as u8;
    }
    for (to, four) in to.iter_mut().zip(bytes.as_chunks().0) {
        *to = f32::from_bits(u32::from_le_bytes(*four));
    }
    [to[QUADS], to[QUADS + 1]] = [scale, f32::from_bits((-128.0 * whole.iter().sum::<f32>()) as i32 as u32)];
    (whole, scale)
}

/// The reference.
fn scalar((rows, groups): (usize, usize), a: &[f32], b: &[Eights], (c, stride): (&mut [f32], usize), add: bool) {
    for m in 0..rows {
        for (n, c) in c[m * stride..][..32].iter_mut().enumerate() {
            let mut total = if add { *c } else { 0.0 };
            for (group, plane) in (0..groups).flat_map(|group| [(group, 0), (group, PLANE)]) {
                let slot = |k: usize| a[(group * SLOTS + plane + k) * rows + m];
                let element = |k: usize| b[(group * DEPTH + k) * 32 + n].0;
                if plane > 0 && slot(QUADS) == 0.0 {
                    continue;
                }
                let mut sum = slot(QUADS + 1).to_bits() as i32;
                for k in 0..QUADS {
                    let (inputs, weights) = (slot(k).to_bits().to_le_bytes(), element(k).to_le_bytes());
                    for (x, w) in inputs.into_iter().zip(weights) {
                        sum += i32::from(x as i8) * i32::from(w);
                    }
                }
                total = fma(sum as f32, slot(QUADS) * f32::from_bits(element(QUADS)), total);
            }
            *c = total;
        }
    }
}

/// By AVX2, and by AVX-512's dot products of bytes.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{DEPTH, FINE, GROUP, PLANE, QUADS, SLOTS, scales_of};
    use crate::Isa;
    use crate::prefetch::{LINE, far};
    use std::arch::x86_64::*;

    /// How many rows ahead weights are asked for.
    const AHEAD: usize = 256;

    #[inline(always)]
    fn fetch_ahead(b: *const i32) {
        for line in 0..2 {
            far(b.wrapping_add(AHEAD * 32 + line * LINE / 4));
        }
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
        if _mm512_reduce_add_epi32(sum(sizes)) <= (FINE * GROUP) as i32 && scale > 0.0 {
            let scale = _mm512_set1_ps(scale);
            let rest = |i: usize| _mm512_fnmadd_ps(_mm512_cvtepi32_ps(whole[i]), scale, parts[i]);
            put_plane([rest(0), rest(1), rest(2), rest(3)], second);
        }
    }

    /// Numbers, whole, as slots; and what they are multiplied by.
    #[inline]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
    fn put_plane(parts: [__m512; 4], to: &mut [f32]) -> ([__m512i; 4], f32) {
        let to = &mut to[..QUADS + 2];
        let size = |i: usize| _mm512_and_si512(_mm512_castps_si512(parts[i]), _mm512_set1_epi32(0x7FFF_FFFF));
        let most = _mm512_max_epu32(_mm512_max_epu32(size(0), size(1)), _mm512_max_epu32(size(2), size(3)));
        let (inverse, scale) = scales_of(_mm512_reduce_max_epu32(most));
        let inverse = _mm512_set1_ps(inverse);
        let whole = parts.map(|part| _mm512_cvtps_epi32(_mm512_mul_ps(part, inverse)));
        for (i, &whole) in whole.iter().enumerate() {
            // SAFETY: 4 slots of 16.
            unsafe { _mm_storeu_si128(to.as_mut_ptr().add(4 * i).cast(), _mm512_cvtepi32_epi8(whole)) };
        }
        let start = _mm512_reduce_add_epi32(sum(whole)).wrapping_mul(-128);
        [to[QUADS], to[QUADS + 1]] = [scale, f32::from_bits(start as u32)];
        (whole, scale)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn sum([a, b, c, d]: [__m512i; 4]) -> __m512i {
        _mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c, d))
    }

    /// Whether AVX-512 has dot products of bytes; a processor that has those of bfloat16 does.
    fn has_dots(isa: Isa) -> bool {
        isa >= Isa::Avx512 && std::arch::is_x86_feature_detected!("avx512vnni")
    }

    /// # Safety
    /// `isa` is there; pointers are valid for (rows, groups), as `tile` checks it.
    pub(super) unsafe fn run(
        isa: Isa,
        (rows, groups): (usize, usize),
        a: *const f32,
        b: *const i32,
        (c, stride): (*mut f32, usize),
        add: bool,
    ) {
        macro_rules! by_rows {
            ($kernel:ident) => {
                match rows {
                    1 => $kernel::<1>,
                    2 => $kernel::<2>,
                    3 => $kernel::<3>,
                    4 => $kernel::<4>,
                    5 => $kernel::<5>,
                    6 => $kernel::<6>,
                    7 => $kernel::<7>,
                    8 => $kernel::<8>,
                    9 => $kernel::<9>,
                    10 => $kernel::<10>,
                    11 => $kernel::<11>,
                    _ => $kernel::<12>,
                }
            };
        }
        type Kernel = unsafe fn(usize, *const i32, *const i32, (*mut f32, usize), bool);
        let kernel: Kernel = if has_dots(isa) { by_rows!(dots) } else { by_rows!(avx2) };
        // SAFETY: as the caller vouches.
        unsafe { kernel(groups, a.cast(), b, (c, stride), add) };
    }

    /// Whether what rounding left counts in any of `M` rows of a group.
    ///
    /// # Safety
    /// `a` is valid for the group's slots of `M` rows.
    #[inline(always)]
    unsafe fn has_rest<const M: usize>(a: *const i32) -> bool {
        // SAFETY: as the caller vouches.
        (0..M).any(|m| unsafe { *a.add((PLANE + QUADS) * M + m) } != 0)
    }

    /// # Safety
    /// AVX-512 F, BW and VNNI; pointers as `tile` checks them.
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn dots<const M: usize>(
        groups: usize,
        a: *const i32,
        b: *const i32,
        (c, stride): (*mut f32, usize),
        add: bool,
    ) {
        for group in 0..groups {
            // SAFETY: group < groups, so all loads and stores stay inside what the caller vouches for.
            unsafe {
                let (a, b) = (a.add(group * SLOTS * M), b.add(group * DEPTH * 32));
                dots_plane::<M>(a, b, (c, stride), group > 0 || add, false);
                if has_rest::<M>(a) {
                    dots_plane::<M>(a.add(PLANE * M), b, (c, stride), true, true);
                }
            }
        }
    }

    /// One plane of a group; of what rounding left, rows in which it does not count stay as they are.
    ///
    /// # Safety
    /// As `dots`.
    #[inline]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn dots_plane<const M: usize>(
        a: *const i32,
        b: *const i32,
        (c, stride): (*mut f32, usize),
        add: bool,
        is_rest: bool,
    ) {
        // SAFETY: as the caller vouches.
        unsafe {
            let mut sums = [[_mm512_setzero_si512(); 2]; M];
            for (m, sum) in sums.iter_mut().enumerate() {
                *sum = [_mm512_set1_epi32(*a.add((QUADS + 1) * M + m)); 2];
            }
            for k in 0..QUADS {
                let row = b.add(32 * k);
                fetch_ahead(row);
                let weights = [_mm512_loadu_si512(row.cast()), _mm512_loadu_si512(row.add(16).cast())];
                for (m, sum) in sums.iter_mut().enumerate() {
                    let inputs = _mm512_set1_epi32(*a.add(k * M + m));
                    for (sum, &weights) in sum.iter_mut().zip(&weights) {
                        *sum = _mm512_dpbusd_epi32(*sum, weights, inputs);
                    }
                }
            }
            let row = b.add(32 * QUADS).cast::<f32>();
            fetch_ahead(row.cast());
            let scales = [_mm512_loadu_ps(row), _mm512_loadu_ps(row.add(16))];
            for (m, sum) in sums.iter().enumerate() {
                let scale = *a.add(QUADS * M + m);
                if is_rest && scale == 0 {
                    continue;
                }
                let scale = _mm512_set1_ps(f32::from_bits(scale as u32));
                for (v, (&sum, &weights)) in sum.iter().zip(&scales).enumerate() {
                    let at = c.add(m * stride + 16 * v);
                    let before = if add { _mm512_loadu_ps(at) } else { _mm512_setzero_ps() };
                    let both = _mm512_mul_ps(scale, weights);
                    _mm512_storeu_ps(at, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), both, before));
                }
            }
        }
    }

    /// # Safety
    /// AVX2 and FMA; pointers as `tile` checks them.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<const M: usize>(
        groups: usize,
        a: *const i32,
        b: *const i32,
        (c, stride): (*mut f32, usize),
        add: bool,
    ) {
        for group in 0..groups {
            // SAFETY: group < groups, and m < M.
            unsafe {
                let (a, b) = (a.add(group * SLOTS * M), b.add(group * DEPTH * 32));
                for m in 0..M {
                    avx2_row::<M>(a.add(m), b, c.add(m * stride), group > 0 || add);
                    if *a.add((PLANE + QUADS) * M + m) != 0 {
                        avx2_row::<M>(a.add(PLANE * M + m), b, c.add(m * stride), true);
                    }
                }
            }
        }
    }

    /// A group of one row, 32 columns. Bytes are widened: AVX2's own products of bytes could overflow.
    ///
    /// # Safety
    /// As `avx2`.
    #[inline(always)]
    unsafe fn avx2_row<const M: usize>(a: *const i32, b: *const i32, c: *mut f32, add: bool) {
        // SAFETY: as the caller vouches.
        unsafe {
            let even = _mm256_set1_epi16(0xFF);
            let mut sums = [_mm256_set1_epi32(*a.add((QUADS + 1) * M)); 4];
            for k in 0..QUADS {
                let inputs = _mm256_set1_epi32(*a.add(k * M));
                let evens = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(inputs));
                let odds = _mm256_srai_epi16::<8>(inputs);
                fetch_ahead(b.add(32 * k));
                for (v, sum) in sums.iter_mut().enumerate() {
                    let weights = _mm256_loadu_si256(b.add(32 * k + 8 * v).cast());
                    let first = _mm256_madd_epi16(_mm256_and_si256(weights, even), evens);
                    let second = _mm256_madd_epi16(_mm256_srli_epi16::<8>(weights), odds);
                    *sum = _mm256_add_epi32(*sum, _mm256_add_epi32(first, second));
                }
            }
            let scale = _mm256_set1_ps(f32::from_bits(*a.add(QUADS * M) as u32));
            for (v, &sum) in sums.iter().enumerate() {
                let at = c.add(8 * v);
                let before = if add { _mm256_loadu_ps(at) } else { _mm256_setzero_ps() };
                let both = _mm256_mul_ps(scale, _mm256_loadu_ps(b.add(32 * QUADS + 8 * v).cast()));
                _mm256_storeu_ps(at, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), both, before));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: usize) -> f32 {
        ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0
    }

    /// A panel of weights [32, steps].
    fn panel(steps: usize) -> Vec<Eights> {
        let mut panel = vec![Eights(0); Eights::depth(steps) * 32];
        for (group, panel) in panel.chunks_mut(DEPTH * 32).enumerate() {
            for n in 0..32 {
                let values: Vec<f32> =
                    (group * GROUP..steps.min((group + 1) * GROUP)).map(|k| noise(3 * (n * steps + k) + 1)).collect();
                let mut whole = [0; GROUP];
                let scale = weights(&values, &mut whole);
                for (k, four) in whole.as_chunks::<4>().0.iter().enumerate() {
                    panel[k * 32 + n] = Eights(u32::from_le_bytes(*four));
                }
                panel[QUADS * 32 + n] = Eights(scale.to_bits());
            }
        }
        panel
    }

    #[test]
    fn every_path_equals_the_reference_and_is_near_the_product() {
        for steps in [1, 63, 64, 65, 256, 300] {
            let b = panel(steps);
            for rows in 1..=super::super::VECTOR_ROWS {
                let inputs: Vec<Vec<f32>> =
                    (0..rows).map(|m| (0..steps).map(|k| noise(m * steps + k)).collect()).collect();
                let block = Block { rows, cols: 32, depth: Eights::depth(steps), stride: 40, add: false };
                let run = |isa: Isa, add: bool| {
                    let mut a = vec![0.0; rows * Eights::slots(isa, steps)];
                    Eights::pack(isa, rows, |m| &inputs[m], steps, &mut a);
                    let mut c = vec![0.5; rows * 40];
                    Eights::tile(isa, Block { add, ..block }, Left::Packed, &a, Right { data: &b, stride: 32 }, &mut c);
                    c
                };
                for add in [false, true] {
                    let want = run(Isa::Scalar, add);
                    for isa in Isa::tested() {
                        assert_eq!(want, run(isa, add), "{isa:?} {rows}x{steps}");
                    }
                }
                let got = run(Isa::Scalar, false);
                for (m, row) in inputs.iter().enumerate() {
                    for n in 0..32 {
                        let exact: f64 = row
                            .iter()
                            .enumerate()
                            .map(|(k, x)| f64::from(*x) * f64::from(noise(3 * (n * steps + k) + 1)))
                            .sum();
                        let error = (f64::from(got[m * 40 + n]) - exact).abs();
                        assert!(error < 0.012 * (steps as f64).sqrt(), "{steps}: {error} of {exact}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none_and_zeros_are_zeros() {
        let product = |x: f32| {
            let (row, b) = (vec![x; 64], panel(64));
            let mut a = vec![0.0; SLOTS];
            Eights::pack(Isa::best(), 1, |_| &row, 64, &mut a);
            let mut c = vec![0.0; 32];
            let block = Block { rows: 1, cols: 32, depth: DEPTH, stride: 32, add: false };
            Eights::tile(Isa::best(), block, Left::Packed, &a, Right { data: &b, stride: 32 }, &mut c);
            c[0]
        };
        assert!(product(f32::NAN).is_nan() && product(f32::INFINITY).is_nan());
        assert_eq!((product(0.0), product(-0.0), product(1e-40)), (0.0, 0.0, 0.0));
        assert!(product(1e-30).is_finite() && product(3e38).abs() > 1.0);
    }
}
