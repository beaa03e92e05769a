//! Products of weights in 8 bits.
//!
//! Both factors are integers in groups of 64 along the reduction, each group with a scale: a weight is `(u - 128) * scale`, an
//! input as `rounded` has it. A group of weights may be in two or four parts, each with a scale of its own, as ggml's blocks are. A
//! part's integer sum is exact, whatever the order, and at most 2^20, so that it is exact in f32, too; then come one product of the two
//! scales and one fused multiply-add a part, in rising order. So every path gives the same bits.
//!
//! In memory a group of a panel of weights is 16 rows of 32 columns, each element four numbers that follow each other in the
//! reduction, and a row of their scales: one of single precision; or two of half precision, the first the lower bits; or four whole
//! numbers of 8 bits, and in a further row what these are multiplied by, in single precision.

use super::rounded::{self, GROUP, PLANE, QUADS, SLOTS, nearest, scales};
use super::{Block, Factor, Left, Right};
use crate::Isa;
use crate::math::fma;
use half::f16;

/// Four numbers of 8 bits that follow each other in the reduction, the first in the lowest byte; or the bits of the scales of a
/// group, as many as it has parts: one, two or four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(crate) struct Parts<const PARTS: usize>(pub(crate) u32);

/// Of groups with one scale.
pub(crate) type Eights = Parts<1>;

/// Of groups with two, as ggml's blocks of 32 (Q8_0) have them.
pub(crate) type Blocks = Parts<2>;

/// Of groups with four, as ggml's blocks of 16 times 16 (Q6_K) have them.
pub(crate) type Sixes = Parts<4>;

impl<const PARTS: usize> Parts<PARTS> {
    /// Rows that a group of weights takes: its elements, and the scales.
    pub(crate) const DEPTH: usize = QUADS + if PARTS == 4 { 2 } else { 1 };

    /// The scale of a part of a group, of its rows.
    pub(crate) fn scale(row: impl Fn(usize) -> Self, part: usize) -> f32 {
        let scales = row(QUADS).0;
        match PARTS {
            1 => f32::from_bits(scales),
            2 => f16::from_bits((scales >> (16 * part)) as u16).to_f32(),
            _ => f32::from((scales >> (8 * part)) as u8 as i8) * f32::from_bits(row(QUADS + 1).0),
        }
    }
}

impl<const PARTS: usize> Factor for Parts<PARTS> {
    const STEPS: usize = 4;
    const GROUP: usize = GROUP;

    fn depth(steps: usize) -> usize {
        steps.div_ceil(GROUP) * Self::DEPTH
    }

    fn slots(_: Isa, steps: usize) -> usize {
        rounded::slots(steps)
    }

    fn pack<'a>(isa: Isa, count: usize, row: impl Fn(usize) -> &'a [f32], steps: usize, to: &mut [f32]) {
        rounded::pack(isa, count, row, steps, to);
    }

    fn tile(isa: Isa, block: Block, left: Left, a: &[f32], b: Right<'_, Self>, c: &mut [f32]) {
        let Block { rows, cols, depth, stride, add } = block;
        let groups = depth / Self::DEPTH;
        assert!(
            matches!(left, Left::Packed) && (1..=super::VECTOR_ROWS).contains(&rows) && cols == 32 && b.stride == 32
        );
        assert!(depth.is_multiple_of(Self::DEPTH) && a.len() >= groups * SLOTS * rows && b.data.len() >= depth * cols);
        assert!(c.len() >= (rows - 1) * stride + cols && stride >= cols);
        #[cfg(target_arch = "x86_64")]
        if isa > Isa::Scalar {
            // SAFETY: the lengths were checked just now, and `isa` was detected on this processor.
            unsafe {
                x86::run::<PARTS>(
                    isa,
                    (rows, groups),
                    a.as_ptr(),
                    b.data.as_ptr().cast(),
                    (c.as_mut_ptr(), stride),
                    add,
                )
            };
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

/// The elements of a part.
#[inline(always)]
fn quads<const PARTS: usize>(part: usize) -> std::ops::Range<usize> {
    part * QUADS / PARTS..(part + 1) * QUADS / PARTS
}

/// The reference.
fn scalar<const PARTS: usize>(
    (rows, groups): (usize, usize),
    a: &[f32],
    b: &[Parts<PARTS>],
    (c, stride): (&mut [f32], usize),
    add: bool,
) {
    for m in 0..rows {
        for (n, c) in c[m * stride..][..32].iter_mut().enumerate() {
            let mut total = if add { *c } else { 0.0 };
            for (group, plane) in (0..groups).flat_map(|group| [(group, 0), (group, PLANE)]) {
                let slot = |k: usize| a[(group * SLOTS + plane + k) * rows + m];
                let element = |k: usize| b[(group * Parts::<PARTS>::DEPTH + k) * 32 + n];
                if plane > 0 && slot(QUADS) == 0.0 {
                    continue;
                }
                for part in 0..PARTS {
                    let quarters = 4 * part / PARTS..4 * (part + 1) / PARTS;
                    let of_inputs = |quarter| rounded::of_quarter(quarter, |k| rounded::whole(slot(k)));
                    let mut sum: i32 = quarters.map(|quarter| -128 * of_inputs(quarter)).sum();
                    for k in quads::<PARTS>(part) {
                        let (inputs, weights) = (slot(k).to_bits().to_le_bytes(), element(k).0.to_le_bytes());
                        for (x, w) in inputs.into_iter().zip(weights) {
                            sum += i32::from(x as i8) * i32::from(w);
                        }
                    }
                    total = fma(sum as f32, slot(QUADS) * Parts::scale(element, part), total);
                }
            }
            *c = total;
        }
    }
}

/// By AVX2, and by AVX-512's dot products of bytes.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::rounded::x86::{fetch_ahead, has_dots, has_rest, start, start_of_half, start_of_quarter};
    use super::{PLANE, Parts, QUADS, SLOTS, quads};
    use crate::Isa;
    use std::arch::x86_64::*;

    /// # Safety
    /// `isa` is there; pointers are valid for (rows, groups), as `tile` checks it.
    pub(super) unsafe fn run<const PARTS: usize>(
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
                    1 => $kernel::<1, PARTS>,
                    2 => $kernel::<2, PARTS>,
                    3 => $kernel::<3, PARTS>,
                    4 => $kernel::<4, PARTS>,
                    5 => $kernel::<5, PARTS>,
                    6 => $kernel::<6, PARTS>,
                    7 => $kernel::<7, PARTS>,
                    8 => $kernel::<8, PARTS>,
                    9 => $kernel::<9, PARTS>,
                    10 => $kernel::<10, PARTS>,
                    11 => $kernel::<11, PARTS>,
                    _ => $kernel::<12, PARTS>,
                }
            };
        }
        type Kernel = unsafe fn(usize, *const i32, *const i32, (*mut f32, usize), bool);
        let kernel: Kernel = if has_dots(isa) { by_rows!(dots) } else { by_rows!(avx2) };
        // SAFETY: as the caller vouches.
        unsafe { kernel(groups, a.cast(), b, (c, stride), add) };
    }

    /// # Safety
    /// AVX-512 F, BW and VNNI; pointers as `tile` checks them.
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn dots<const M: usize, const PARTS: usize>(
        groups: usize,
        a: *const i32,
        b: *const i32,
        (c, stride): (*mut f32, usize),
        add: bool,
    ) {
        for group in 0..groups {
            // SAFETY: group < groups, so all loads and stores stay inside what the caller vouches for.
            unsafe {
                let (a, b) = (a.add(group * SLOTS * M), b.add(group * Parts::<PARTS>::DEPTH * 32));
                dots_plane::<M, M, PARTS>(a, b, (c, stride), group > 0 || add);
                for m in (0..M).filter(|m| has_rest::<M>(a.add(*m))) {
                    dots_plane::<1, M, PARTS>(a.add(PLANE * M + m), b, (c.add(m * stride), stride), true);
                }
            }
        }
    }

    /// One plane of a group, of `M` rows whose slots are `APART` from each other.
    ///
    /// # Safety
    /// As `dots`.
    #[inline]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn dots_plane<const M: usize, const APART: usize, const PARTS: usize>(
        a: *const i32,
        b: *const i32,
        (c, stride): (*mut f32, usize),
        add: bool,
    ) {
        // SAFETY: as the caller vouches.
        unsafe {
            for part in 0..PARTS {
                let mut sums = [[_mm512_setzero_si512(); 2]; M];
                for (m, sum) in sums.iter_mut().enumerate() {
                    *sum = [_mm512_set1_epi32(begin::<APART, PARTS>(a.add(m), part)); 2];
                }
                for k in quads::<PARTS>(part) {
                    let row = b.add(32 * k);
                    fetch_ahead(row);
                    let weights = [_mm512_loadu_si512(row.cast()), _mm512_loadu_si512(row.add(16).cast())];
                    for (m, sum) in sums.iter_mut().enumerate() {
                        let inputs = _mm512_set1_epi32(*a.add(k * APART + m));
                        for (sum, &weights) in sum.iter_mut().zip(&weights) {
                            *sum = _mm512_dpbusd_epi32(*sum, weights, inputs);
                        }
                    }
                }
                let row = b.add(32 * QUADS);
                fetch_ahead(row);
                if PARTS == 4 {
                    fetch_ahead(row.add(32));
                }
                let scales = [scales_512::<PARTS>(row, part), scales_512::<PARTS>(row.add(16), part)];
                for (m, sum) in sums.iter().enumerate() {
                    let scale = _mm512_set1_ps(f32::from_bits(*a.add(QUADS * APART + m) as u32));
                    for (v, (&sum, &weights)) in sum.iter().zip(&scales).enumerate() {
                        let at = c.add(m * stride + 16 * v);
                        let before = if add || part > 0 { _mm512_loadu_ps(at) } else { _mm512_setzero_ps() };
                        let both = _mm512_mul_ps(scale, weights);
                        _mm512_storeu_ps(at, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), both, before));
                    }
                }
            }
        }
    }

    /// What a part's sum begins with, as weights are offset.
    ///
    /// # Safety
    /// As [`start`].
    #[inline(always)]
    unsafe fn begin<const APART: usize, const PARTS: usize>(a: *const i32, part: usize) -> i32 {
        // SAFETY: as the caller vouches.
        unsafe {
            match PARTS {
                1 => start::<APART>(a),
                2 => start_of_half::<APART>(a, part),
                _ => start_of_quarter::<APART>(a, part),
            }
        }
    }

    /// The scales of a part, of 16 columns.
    ///
    /// # Safety
    /// As `dots`; `row` is valid for 16 elements, and with four parts so is the row behind it.
    #[inline]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn scales_512<const PARTS: usize>(row: *const i32, part: usize) -> __m512 {
        // SAFETY: as the caller vouches.
        let both = unsafe { _mm512_loadu_si512(row.cast()) };
        match (PARTS, part) {
            (1, _) => _mm512_castsi512_ps(both),
            (2, 0) => _mm512_cvtph_ps(_mm512_cvtepi32_epi16(both)),
            (2, _) => _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(both))),
            _ => {
                let upper = _mm512_sllv_epi32(both, _mm512_set1_epi32(24 - 8 * part as i32));
                // SAFETY: as the caller vouches.
                let times = unsafe { _mm512_loadu_ps(row.add(32).cast()) };
                _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_srai_epi32::<24>(upper)), times)
            }
        }
    }

    /// The same of 8 columns.
    ///
    /// # Safety
    /// AVX2 and F16C; `row` is valid for 8 elements, and with four parts so is the row behind it.
    #[inline(always)]
    unsafe fn scales_256<const PARTS: usize>(row: *const i32, part: usize) -> __m256 {
        // SAFETY: as the caller vouches.
        unsafe {
            let both = _mm256_loadu_si256(row.cast());
            if PARTS == 1 {
                return _mm256_castsi256_ps(both);
            }
            if PARTS == 4 {
                let upper = _mm256_sllv_epi32(both, _mm256_set1_epi32(24 - 8 * part as i32));
                let levels = _mm256_cvtepi32_ps(_mm256_srai_epi32::<24>(upper));
                return _mm256_mul_ps(levels, _mm256_loadu_ps(row.add(32).cast()));
            }
            let half = if part == 0 {
                _mm256_and_si256(both, _mm256_set1_epi32(0xFFFF))
            } else {
                _mm256_srli_epi32::<16>(both)
            };
            let halves = _mm_packus_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
            _mm256_cvtph_ps(halves)
        }
    }

    /// # Safety
    /// AVX2, FMA and F16C; pointers as `tile` checks them.
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn avx2<const M: usize, const PARTS: usize>(
        groups: usize,
        a: *const i32,
        b: *const i32,
        (c, stride): (*mut f32, usize),
        add: bool,
    ) {
        for group in 0..groups {
            // SAFETY: group < groups, and m < M.
            unsafe {
                let (a, b) = (a.add(group * SLOTS * M), b.add(group * Parts::<PARTS>::DEPTH * 32));
                for m in 0..M {
                    avx2_row::<M, PARTS>(a.add(m), b, c.add(m * stride), group > 0 || add);
                    if has_rest::<M>(a.add(m)) {
                        avx2_row::<M, PARTS>(a.add(PLANE * M + m), b, c.add(m * stride), true);
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
    unsafe fn avx2_row<const M: usize, const PARTS: usize>(a: *const i32, b: *const i32, c: *mut f32, add: bool) {
        // SAFETY: as the caller vouches.
        unsafe {
            let even = _mm256_set1_epi16(0xFF);
            let scale = _mm256_set1_ps(f32::from_bits(*a.add(QUADS * M) as u32));
            for part in 0..PARTS {
                let mut sums = [_mm256_set1_epi32(begin::<M, PARTS>(a, part)); 4];
                for k in quads::<PARTS>(part) {
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
                for (v, &sum) in sums.iter().enumerate() {
                    let at = c.add(8 * v);
                    let before = if add || part > 0 { _mm256_loadu_ps(at) } else { _mm256_setzero_ps() };
                    let both = _mm256_mul_ps(scale, scales_256::<PARTS>(b.add(32 * QUADS + 8 * v), part));
                    _mm256_storeu_ps(at, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), both, before));
                }
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
    fn panel<const PARTS: usize>(steps: usize) -> Vec<Parts<PARTS>> {
        let mut panel = vec![Parts(0); Parts::<PARTS>::depth(steps) * 32];
        for (group, panel) in panel.chunks_mut(Parts::<PARTS>::DEPTH * 32).enumerate() {
            for n in 0..32 {
                let values: Vec<f32> =
                    (group * GROUP..steps.min((group + 1) * GROUP)).map(|k| noise(3 * (n * steps + k) + 1)).collect();
                let mut whole = [0; GROUP];
                let scale = weights(&values, &mut whole);
                for (k, four) in whole.as_chunks::<4>().0.iter().enumerate() {
                    panel[k * 32 + n] = Parts(u32::from_le_bytes(*four));
                }
                // Every further part of a group counts half of what the last does; the third against its sign.
                let half = |scale: f32| u32::from(f16::from_f32(scale).to_bits());
                panel[QUADS * 32 + n] = Parts(match PARTS {
                    1 => scale.to_bits(),
                    2 => half(scale) | half(scale / 2.0) << 16,
                    _ => u32::from_le_bytes([64, 32, -16i8 as u8, 8]),
                });
                if PARTS == 4 {
                    panel[(QUADS + 1) * 32 + n] = Parts((scale / 64.0).to_bits());
                }
            }
        }
        panel
    }

    #[test]
    fn every_path_equals_the_reference_and_is_near_the_product() {
        of_parts::<1>();
        of_parts::<2>();
        of_parts::<4>();
    }

    fn of_parts<const PARTS: usize>() {
        for steps in [1, 63, 64, 65, 256, 300] {
            let b = panel::<PARTS>(steps);
            for rows in 1..=super::super::VECTOR_ROWS {
                let inputs: Vec<Vec<f32>> =
                    (0..rows).map(|m| (0..steps).map(|k| noise(m * steps + k)).collect()).collect();
                let block = Block { rows, cols: 32, depth: Parts::<PARTS>::depth(steps), stride: 40, add: false };
                let run = |isa: Isa, add: bool| {
                    let mut a = vec![0.0; rows * Eights::slots(isa, steps)];
                    Eights::pack(isa, rows, |m| &inputs[m], steps, &mut a);
                    let mut c = vec![0.5; rows * 40];
                    Parts::tile(isa, Block { add, ..block }, Left::Packed, &a, Right::new(&b, 32), &mut c);
                    c
                };
                for add in [false, true] {
                    let want = run(Isa::Scalar, add);
                    for isa in Isa::tested() {
                        assert_eq!(want, run(isa, add), "{isa:?} {rows}x{steps}");
                    }
                }
                let of_part = |k: usize| [1.0, 0.5, -0.25, 0.125][k % GROUP * PARTS / GROUP];
                let got = run(Isa::Scalar, false);
                for (m, row) in inputs.iter().enumerate() {
                    for n in 0..32 {
                        let exact: f64 = row
                            .iter()
                            .enumerate()
                            .map(|(k, x)| f64::from(*x) * f64::from(noise(3 * (n * steps + k) + 1)) * of_part(k))
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
            let (row, b) = (vec![x; 64], panel::<1>(64));
            let mut a = vec![0.0; SLOTS];
            Eights::pack(Isa::best(), 1, |_| &row, 64, &mut a);
            let mut c = vec![0.0; 32];
            let block = Block { rows: 1, cols: 32, depth: Eights::DEPTH, stride: 32, add: false };
            Eights::tile(Isa::best(), block, Left::Packed, &a, Right::new(&b, 32), &mut c);
            c[0]
        };
        assert!(product(f32::NAN).is_nan() && product(f32::INFINITY).is_nan());
        assert_eq!((product(0.0), product(-0.0), product(1e-40)), (0.0, 0.0, 0.0));
        assert!(product(1e-30).is_finite() && product(3e38).abs() > 1.0);
    }
}
