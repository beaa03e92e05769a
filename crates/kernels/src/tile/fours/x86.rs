//! Products by AVX2, and by AVX-512's dot products of bytes.

use super::{DEPTH, PLANE, QUADS, SLOTS};
use crate::Isa;
use crate::tile::rounded::x86::{fetch_ahead, has_dots, has_rest};
use std::arch::x86_64::*;

/// # Safety
/// `isa` is there; pointers are valid for (rows, groups), as `tile` checks it.
pub(super) unsafe fn run<const HALF: bool>(
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
                1 => $kernel::<1, HALF>,
                2 => $kernel::<2, HALF>,
                3 => $kernel::<3, HALF>,
                4 => $kernel::<4, HALF>,
                5 => $kernel::<5, HALF>,
                _ => $kernel::<6, HALF>,
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
unsafe fn dots<const M: usize, const HALF: bool>(
    groups: usize,
    a: *const i32,
    b: *const i32,
    (c, stride): (*mut f32, usize),
    add: bool,
) {
    for group in 0..groups {
        // SAFETY: group < groups, so all loads and stores stay inside what the caller vouches for.
        unsafe {
            let (a, elements) = (a.add(group * SLOTS * M), b.add((1 + group * DEPTH) * 32));
            dots_plane::<M, M, HALF>(a, b, elements, (c, stride), group > 0 || add);
            for m in (0..M).filter(|m| has_rest::<M>(a.add(*m))) {
                dots_plane::<1, M, HALF>(a.add(PLANE * M + m), b, elements, (c.add(m * stride), stride), true);
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
unsafe fn dots_plane<const M: usize, const APART: usize, const HALF: bool>(
    a: *const i32,
    shared: *const i32,
    b: *const i32,
    (c, stride): (*mut f32, usize),
    add: bool,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let low = _mm512_set1_epi32(0x0F0F_0F0F);
        let mut sums = [[[_mm512_setzero_si512(); 2]; 2]; M];
        for k in 0..QUADS / 2 {
            let row = b.add(32 * k);
            fetch_ahead(row);
            let both = [_mm512_loadu_si512(row.cast()), _mm512_loadu_si512(row.add(16).cast())];
            let first = both.map(|both| _mm512_and_si512(both, low));
            let second = both.map(|both| _mm512_and_si512(_mm512_srli_epi32::<4>(both), low));
            for (m, sums) in sums.iter_mut().enumerate() {
                let inputs = [k, k + QUADS / 2].map(|k| _mm512_set1_epi32(*a.add(k * APART + m)));
                for v in 0..2 {
                    sums[0][v] = _mm512_dpbusd_epi32(sums[0][v], first[v], inputs[0]);
                    sums[1][v] = _mm512_dpbusd_epi32(sums[1][v], second[v], inputs[1]);
                }
            }
        }
        let row = b.add(32 * (DEPTH - 1));
        fetch_ahead(row);
        for v in 0..2 {
            let shared = _mm512_loadu_si512(shared.add(16 * v).cast());
            let [scale, least] = both_512::<HALF>(shared);
            let levels = _mm512_loadu_si512(row.add(16 * v).cast());
            let byte = _mm512_set1_epi32(0xFF);
            let level = |bytes| _mm512_cvtepi32_ps(_mm512_and_si512(bytes, byte));
            let first = _mm512_mul_ps(level(levels), scale);
            let first_least = _mm512_mul_ps(level(_mm512_srli_epi32::<8>(levels)), least);
            let second = _mm512_mul_ps(level(_mm512_srli_epi32::<16>(levels)), scale);
            let second_least = _mm512_mul_ps(level(_mm512_srli_epi32::<24>(levels)), least);
            for (m, sums) in sums.iter().enumerate() {
                let input_scale = *a.add(QUADS * APART + m);
                let of_inputs = |k: usize| _mm512_set1_ps(*a.add((QUADS + k) * APART + m) as f32);
                let mut sum = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[0][v]), first);
                sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[1][v]), second, sum);
                sum = _mm512_fnmadd_ps(of_inputs(1), first_least, sum);
                sum = _mm512_fnmadd_ps(of_inputs(2), second_least, sum);
                let at = c.add(m * stride + 16 * v);
                let before = if add { _mm512_loadu_ps(at) } else { _mm512_setzero_ps() };
                let input_scale = _mm512_set1_ps(f32::from_bits(input_scale as u32));
                _mm512_storeu_ps(at, _mm512_fmadd_ps(sum, input_scale, before));
            }
        }
    }
}

/// What scales and leasts are multiplied by, of 16 columns.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn both_512<const HALF: bool>(shared: __m512i) -> [__m512; 2] {
    if HALF {
        return [_mm512_srli_epi32::<16>(shared), shared].map(|half| _mm512_cvtph_ps(_mm512_cvtepi32_epi16(half)));
    }
    let upper = _mm512_and_si512(shared, _mm512_set1_epi32(0xFFFF_0000_u32 as i32));
    [upper, _mm512_slli_epi32::<16>(shared)].map(|bits| _mm512_castsi512_ps(bits))
}

/// The same of 8 columns.
///
/// # Safety
/// AVX2 and F16C.
#[inline(always)]
unsafe fn both_256<const HALF: bool>(shared: __m256i) -> [__m256; 2] {
    // SAFETY: as the caller vouches.
    unsafe {
        if HALF {
            let lower = _mm256_and_si256(shared, _mm256_set1_epi32(0xFFFF));
            return [_mm256_srli_epi32::<16>(shared), lower].map(|half| {
                let halves = _mm_packus_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
                _mm256_cvtph_ps(halves)
            });
        }
        let upper = _mm256_and_si256(shared, _mm256_set1_epi32(0xFFFF_0000_u32 as i32));
        [upper, _mm256_slli_epi32::<16>(shared)].map(|bits| _mm256_castsi256_ps(bits))
    }
}

/// # Safety
/// AVX2, FMA and F16C; pointers as `tile` checks them.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<const M: usize, const HALF: bool>(
    groups: usize,
    a: *const i32,
    b: *const i32,
    (c, stride): (*mut f32, usize),
    add: bool,
) {
    for group in 0..groups {
        // SAFETY: group < groups, and m < M.
        unsafe {
            let (a, elements) = (a.add(group * SLOTS * M), b.add((1 + group * DEPTH) * 32));
            for m in 0..M {
                avx2_row::<M, HALF>(a.add(m), b, elements, c.add(m * stride), group > 0 || add);
                if has_rest::<M>(a.add(m)) {
                    avx2_row::<M, HALF>(a.add(PLANE * M + m), b, elements, c.add(m * stride), true);
                }
            }
        }
    }
}

/// A group of one row, 32 columns. Eight products of a byte and four bits, in pairs, stay within 16 bits.
///
/// # Safety
/// As `avx2`.
#[inline(always)]
unsafe fn avx2_row<const M: usize, const HALF: bool>(
    a: *const i32,
    shared: *const i32,
    b: *const i32,
    c: *mut f32,
    add: bool,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let low = _mm256_set1_epi32(0x0F0F_0F0F);
        let mut sums = [[_mm256_setzero_si256(); 2]; 4];
        for k in 0..QUADS / 2 {
            let inputs = [k, k + QUADS / 2].map(|k| _mm256_set1_epi32(*a.add(k * M)));
            fetch_ahead(b.add(32 * k));
            for (v, sums) in sums.iter_mut().enumerate() {
                let both = _mm256_loadu_si256(b.add(32 * k + 8 * v).cast());
                let halves = [_mm256_and_si256(both, low), _mm256_and_si256(_mm256_srli_epi32::<4>(both), low)];
                for ((sum, &half), &inputs) in sums.iter_mut().zip(&halves).zip(&inputs) {
                    *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(half, inputs));
                }
            }
        }
        let one = _mm256_set1_epi16(1);
        let input_scale = _mm256_set1_ps(f32::from_bits(*a.add(QUADS * M) as u32));
        let of_inputs = [1, 2].map(|k| _mm256_set1_ps(*a.add((QUADS + k) * M) as f32));
        for (v, sums) in sums.iter().enumerate() {
            let shared = _mm256_loadu_si256(shared.add(8 * v).cast());
            let [scale, least] = both_256::<HALF>(shared);
            let levels = _mm256_loadu_si256(b.add(32 * (DEPTH - 1) + 8 * v).cast());
            let byte = _mm256_set1_epi32(0xFF);
            let level = |bytes| _mm256_cvtepi32_ps(_mm256_and_si256(bytes, byte));
            let sum = |half: usize| _mm256_cvtepi32_ps(_mm256_madd_epi16(sums[half], one));
            let mut all = _mm256_mul_ps(sum(0), _mm256_mul_ps(level(levels), scale));
            let second = _mm256_mul_ps(level(_mm256_srli_epi32::<16>(levels)), scale);
            all = _mm256_fmadd_ps(sum(1), second, all);
            let first_least = _mm256_mul_ps(level(_mm256_srli_epi32::<8>(levels)), least);
            all = _mm256_fnmadd_ps(of_inputs[0], first_least, all);
            let second_least = _mm256_mul_ps(level(_mm256_srli_epi32::<24>(levels)), least);
            all = _mm256_fnmadd_ps(of_inputs[1], second_least, all);
            let at = c.add(8 * v);
            let before = if add { _mm256_loadu_ps(at) } else { _mm256_setzero_ps() };
            _mm256_storeu_ps(at, _mm256_fmadd_ps(all, input_scale, before));
        }
    }
}
