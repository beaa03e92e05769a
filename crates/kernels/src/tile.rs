//! The heart of every product: a small block of C from a packed piece of A and rows of B.
//!
//! `C[m, n] (+)= sum over k of A[m, k] B[k, n]` for up to 12 rows and 16 or 32 columns, accumulators in registers. Each
//! element is one chain of fused multiply-adds over k in rising order, whatever the instructions and whatever the number
//! of rows, so every path gives the same bits.

use crate::Isa;
use half::bf16;

/// The most rows of a block.
pub(crate) const MAX_ROWS: usize = 12;

/// What B is stored in. Products are f32.
pub trait Element: bytemuck::Pod + Send + Sync + 'static {
    /// Whether this is bfloat16 (else f32).
    const BF16: bool;
    /// The value as f32, exactly.
    fn widen(self) -> f32;
    /// The nearest value to `x`, ties to even.
    fn narrow(x: f32) -> Self;
}

impl Element for f32 {
    const BF16: bool = false;
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
    #[inline(always)]
    fn narrow(x: f32) -> f32 {
        x
    }
}

impl Element for bf16 {
    const BF16: bool = true;
    #[inline(always)]
    fn widen(self) -> f32 {
        self.to_f32()
    }
    #[inline(always)]
    fn narrow(x: f32) -> bf16 {
        bf16::from_f32(x)
    }
}

/// Rows of B: row k starts at `data[k * stride]`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, E> {
    pub(crate) data: &'a [E],
    pub(crate) stride: usize,
}

/// Computes a block of `rows` (1 to 12) by `cols` (16 or 32).
///
/// `a` is packed: element (m, k) at `a[k * rows + m]`. `c` has rows of `c_stride`; `add` adds to it, else it is set.
pub(crate) fn tile<E: Element>(
    isa: Isa,
    rows: usize,
    cols: usize,
    depth: usize,
    a: &[f32],
    b: Rows<'_, E>,
    c: &mut [f32],
    c_stride: usize,
    add: bool,
) {
    assert!((1..=MAX_ROWS).contains(&rows) && (cols == 16 || cols == 32) && depth > 0);
    assert!(a.len() >= depth * rows && b.data.len() >= (depth - 1) * b.stride + cols);
    assert!(c.len() >= (rows - 1) * c_stride + cols && c_stride >= cols);
    #[cfg(target_arch = "x86_64")]
    if isa > Isa::Scalar {
        let f = x86::pick::<E>(isa, rows, cols);
        // SAFETY: the lengths were checked just now, and `isa` was detected on this processor.
        unsafe { f(depth, a.as_ptr(), b.data.as_ptr(), b.stride, c.as_mut_ptr(), c_stride, add) };
        return;
    }
    let _ = isa;
    scalar(rows, cols, depth, a, b, c, c_stride, add);
}

/// The reference.
fn scalar<E: Element>(
    rows: usize,
    cols: usize,
    depth: usize,
    a: &[f32],
    b: Rows<'_, E>,
    c: &mut [f32],
    c_stride: usize,
    add: bool,
) {
    for m in 0..rows {
        for n in 0..cols {
            let mut sum = 0.0f32;
            for k in 0..depth {
                sum = a[k * rows + m].mul_add(b.data[k * b.stride + n].widen(), sum);
            }
            let at = &mut c[m * c_stride + n];
            *at = if add { *at + sum } else { sum };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Element, Isa};
    use std::arch::x86_64::*;

    pub(super) type Kernel<E> = unsafe fn(usize, *const f32, *const E, usize, *mut f32, usize, bool);

    /// The kernel for this block.
    pub(super) fn pick<E: Element>(isa: Isa, rows: usize, cols: usize) -> Kernel<E> {
        macro_rules! by_rows {
            ($kernel:ident, $vectors:literal) => {
                match rows {
                    1 => $kernel::<1, $vectors, E>,
                    2 => $kernel::<2, $vectors, E>,
                    3 => $kernel::<3, $vectors, E>,
                    4 => $kernel::<4, $vectors, E>,
                    5 => $kernel::<5, $vectors, E>,
                    6 => $kernel::<6, $vectors, E>,
                    7 => $kernel::<7, $vectors, E>,
                    8 => $kernel::<8, $vectors, E>,
                    9 => $kernel::<9, $vectors, E>,
                    10 => $kernel::<10, $vectors, E>,
                    11 => $kernel::<11, $vectors, E>,
                    _ => $kernel::<12, $vectors, E>,
                }
            };
        }
        match (isa, cols) {
            (Isa::Avx512, 16) => by_rows!(avx512, 1),
            (Isa::Avx512, _) => by_rows!(avx512, 2),
            (_, 16) => by_rows!(avx2, 1),
            (_, _) => by_rows!(avx2, 2),
        }
    }

    /// `V` vectors of 16 columns.
    ///
    /// # Safety
    /// AVX-512 F, BW; `a`, `b` and `c` valid for the block as `tile` checks it.
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
    unsafe fn avx512<const M: usize, const V: usize, E: Element>(
        depth: usize,
        a: *const f32,
        b: *const E,
        b_stride: usize,
        c: *mut f32,
        c_stride: usize,
        add: bool,
    ) {
        let mut sums = [[_mm512_setzero_ps(); V]; M];
        for k in 0..depth {
            // SAFETY: k < depth, so the loads stay inside what the caller vouches for.
            unsafe {
                let mut row = [_mm512_setzero_ps(); V];
                for (v, value) in row.iter_mut().enumerate() {
                    *value = load512(b.add(k * b_stride + 16 * v));
                }
                for (m, sum) in sums.iter_mut().enumerate() {
                    let left = _mm512_set1_ps(*a.add(k * M + m));
                    for (sum, &value) in sum.iter_mut().zip(&row) {
                        *sum = _mm512_fmadd_ps(left, value, *sum);
                    }
                }
            }
        }
        for (m, sum) in sums.iter().enumerate() {
            for (v, &sum) in sum.iter().enumerate() {
                // SAFETY: rows and columns of the block, inside `c`.
                unsafe {
                    let at = c.add(m * c_stride + 16 * v);
                    let sum = if add { _mm512_add_ps(_mm512_loadu_ps(at), sum) } else { sum };
                    _mm512_storeu_ps(at, sum);
                }
            }
        }
    }

    /// # Safety
    /// AVX-512 F and BW; `p` valid for 16 values.
    #[inline]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
    unsafe fn load512<E: Element>(p: *const E) -> __m512 {
        // SAFETY: as the caller vouches; a bfloat16 is the upper half of an f32.
        unsafe {
            if E::BF16 {
                let half = _mm256_loadu_si256(p.cast());
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)))
            } else {
                _mm512_loadu_ps(p.cast())
            }
        }
    }

    /// `V` pairs of vectors of 8 columns, 16 columns and up to 6 rows at a time: what 16 registers hold.
    ///
    /// # Safety
    /// AVX2 and FMA; `a`, `b` and `c` valid for the block as `tile` checks it.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<const M: usize, const V: usize, E: Element>(
        depth: usize,
        a: *const f32,
        b: *const E,
        b_stride: usize,
        c: *mut f32,
        c_stride: usize,
        add: bool,
    ) {
        for v in 0..V {
            // SAFETY: the columns 16 v to 16 v + 15 of the block.
            let (b, c) = unsafe { (b.add(16 * v), c.add(16 * v)) };
            let mut first = 0;
            while first < M {
                let rows = (M - first).min(6);
                // SAFETY: the rows `first` to `first + rows - 1` of the block.
                unsafe {
                    let (a, c) = (a.add(first), c.add(first * c_stride));
                    match rows {
                        1 => avx2_rows::<M, 1, E>(depth, a, b, b_stride, c, c_stride, add),
                        2 => avx2_rows::<M, 2, E>(depth, a, b, b_stride, c, c_stride, add),
                        3 => avx2_rows::<M, 3, E>(depth, a, b, b_stride, c, c_stride, add),
                        4 => avx2_rows::<M, 4, E>(depth, a, b, b_stride, c, c_stride, add),
                        5 => avx2_rows::<M, 5, E>(depth, a, b, b_stride, c, c_stride, add),
                        _ => avx2_rows::<M, 6, E>(depth, a, b, b_stride, c, c_stride, add),
                    }
                }
                first += rows;
            }
        }
    }

    /// `R` of the `M` packed rows, 16 columns.
    ///
    /// # Safety
    /// As `avx2`.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2_rows<const M: usize, const R: usize, E: Element>(
        depth: usize,
        a: *const f32,
        b: *const E,
        b_stride: usize,
        c: *mut f32,
        c_stride: usize,
        add: bool,
    ) {
        let mut sums = [[_mm256_setzero_ps(); 2]; R];
        for k in 0..depth {
            // SAFETY: k < depth, so the loads stay inside what the caller vouches for.
            unsafe {
                let row = [load256(b.add(k * b_stride)), load256(b.add(k * b_stride + 8))];
                for (m, sum) in sums.iter_mut().enumerate() {
                    let left = _mm256_set1_ps(*a.add(k * M + m));
                    sum[0] = _mm256_fmadd_ps(left, row[0], sum[0]);
                    sum[1] = _mm256_fmadd_ps(left, row[1], sum[1]);
                }
            }
        }
        for (m, sum) in sums.iter().enumerate() {
            for (v, &sum) in sum.iter().enumerate() {
                // SAFETY: rows and columns of the block, inside `c`.
                unsafe {
                    let at = c.add(m * c_stride + 8 * v);
                    let sum = if add { _mm256_add_ps(_mm256_loadu_ps(at), sum) } else { sum };
                    _mm256_storeu_ps(at, sum);
                }
            }
        }
    }

    /// # Safety
    /// AVX2; `p` valid for 8 values.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn load256<E: Element>(p: *const E) -> __m256 {
        // SAFETY: as the caller vouches.
        unsafe {
            if E::BF16 {
                let half = _mm_loadu_si128(p.cast());
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(half)))
            } else {
                _mm256_loadu_ps(p.cast())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<E: Element>() {
        let noise = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0;
        for isa in Isa::available() {
            for rows in 1..=MAX_ROWS {
                for (cols, depth, stride) in [(16, 1, 16), (16, 5, 48), (32, 64, 32), (32, 33, 64)] {
                    let a: Vec<f32> = (0..rows * depth).map(noise).collect();
                    let b: Vec<E> = (0..depth * stride).map(|i| E::narrow(noise(i + 3))).collect();
                    let b = Rows { data: &b, stride };
                    for add in [false, true] {
                        let mut want = vec![0.5; rows * 40];
                        let mut got = want.clone();
                        scalar(rows, cols, depth, &a, b, &mut want, 40, add);
                        tile(isa, rows, cols, depth, &a, b, &mut got, 40, add);
                        assert_eq!(want, got, "{isa:?} {rows}x{cols}x{depth}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_path_equals_the_reference() {
        check::<f32>();
        check::<bf16>();
    }
}
