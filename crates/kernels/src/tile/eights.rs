//! Products of weights in 8 bits.
//!
//! Both factors are integers in groups of 64 along the reduction, each group with a scale: a weight is `(u - 128) * scale`, an
//! input as `rounded` has it. A group's integer sum is exact, whatever the order, and at most 2^20, so that it is exact in f32,
//! too; then come one product of the two scales and one fused multiply-add a group, in rising order. So every path gives the
//! same bits.
//!
//! In memory a group of a panel of weights is 16 rows of 32 columns, each element four numbers that follow each other in the
//! reduction, and a row of their scales.

use super::rounded::{self, GROUP, PLANE, QUADS, SLOTS, nearest, scales};
use super::{Block, Factor, Left, Right};
use crate::Isa;
use crate::math::fma;

/// Rows that a group of weights takes: its elements, and the scales.
pub(crate) const DEPTH: usize = QUADS + 1;

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
        rounded::slots(steps)
    }

    fn pack<'a>(isa: Isa, count: usize, row: impl Fn(usize) -> &'a [f32], steps: usize, to: &mut [f32]) {
        rounded::pack(isa, count, row, steps, to);
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
                let mut sum = -128 * (rounded::whole(slot(QUADS + 1)) + rounded::whole(slot(QUADS + 2)));
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
    use super::super::rounded::x86::{fetch_ahead, has_dots, has_rest, start};
    use super::{DEPTH, PLANE, QUADS, SLOTS};
    use crate::Isa;
    use std::arch::x86_64::*;

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
                dots_plane::<M, M>(a, b, (c, stride), group > 0 || add);
                for m in (0..M).filter(|m| has_rest::<M>(a.add(*m))) {
                    dots_plane::<1, M>(a.add(PLANE * M + m), b, (c.add(m * stride), stride), true);
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
    unsafe fn dots_plane<const M: usize, const APART: usize>(
        a: *const i32,
        b: *const i32,
        (c, stride): (*mut f32, usize),
        add: bool,
    ) {
        // SAFETY: as the caller vouches.
        unsafe {
            let mut sums = [[_mm512_setzero_si512(); 2]; M];
            for (m, sum) in sums.iter_mut().enumerate() {
                *sum = [_mm512_set1_epi32(start::<APART>(a.add(m))); 2];
            }
            for k in 0..QUADS {
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
            let row = b.add(32 * QUADS).cast::<f32>();
            fetch_ahead(row.cast());
            let scales = [_mm512_loadu_ps(row), _mm512_loadu_ps(row.add(16))];
            for (m, sum) in sums.iter().enumerate() {
                let scale = _mm512_set1_ps(f32::from_bits(*a.add(QUADS * APART + m) as u32));
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
                    if has_rest::<M>(a.add(m)) {
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
            let mut sums = [_mm256_set1_epi32(start::<M>(a)); 4];
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
