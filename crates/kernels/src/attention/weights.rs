//! Scores become weights: the softmax of a chunk of keys, row by row.

use super::BLOCK;
use crate::Isa;
use crate::isa::for_each_isa;
use crate::math::{self, fold, join};
use crate::tile::{Element, put_row};

/// Turns rows of raw scores, 64 of each row and block, into weights `2^(scale * score - max)`, where max is the row's largest
/// scaled score; those behind the first `seen` of a row are 0. Gives the rows' `max` and the `sum` of weights, and the weights
/// as products read them, side by side as the scores were: the scores' own memory, or `room`.
pub(super) fn of_scores<'a, E: Element>(
    isa: Isa,
    scores: &'a mut [f32],
    seen: &[usize],
    scale: f32,
    (max, sum): (&mut [f32], &mut [f32]),
    room: &'a mut [f32],
) -> &'a [f32] {
    let keys = scores.len() / seen.len();
    for (m, &of_row) in seen.iter().enumerate().filter(|&(_, &of_row)| of_row < keys) {
        hide(scores, (m, seen.len()), of_row);
    }
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx512 {
        if E::STEPS == 2 && isa.has_pairs() {
            let room = &mut room[..scores.len() / 2];
            // Beside AMX's products the full polynomial would be what takes longest.
            let pairs = if crate::tile::tiled::<E>(isa) { x86::pairs::<true> } else { x86::pairs::<false> };
            // SAFETY: `isa` was detected on this processor, and has pairs.
            unsafe { pairs(scores, scale, max, sum, room) };
            return room;
        }
        // SAFETY: as above.
        unsafe { x86::in_place(scores, scale, max, sum) };
    } else {
        plain(isa, scores, scale, max, sum);
    }
    #[cfg(not(target_arch = "x86_64"))]
    plain(isa, scores, scale, max, sum);
    if E::STEPS == 1 {
        return scores;
    }
    let room = &mut room[..scores.len()];
    put_row::<E>(isa, scores, room);
    room
}

/// Makes the scores of a row, the m-th of `rows`, weigh nothing behind the first `seen`.
fn hide(scores: &mut [f32], (m, rows): (usize, usize), seen: usize) {
    for (block, part) in scores.as_chunks_mut::<BLOCK>().0[m..].iter_mut().step_by(rows).enumerate().skip(seen / BLOCK)
    {
        part[seen.saturating_sub(block * BLOCK)..].fill(f32::NEG_INFINITY);
    }
}

for_each_isa! {
    fn plain(scores: &mut [f32], scale: f32, max: &mut [f32], sum: &mut [f32]) = plain_rows;
}

#[inline(always)]
fn plain_rows(scores: &mut [f32], scale: f32, max: &mut [f32], sum: &mut [f32]) {
    let (rows, scores) = (max.len(), scores.as_chunks_mut::<BLOCK>().0);
    for (m, (max, sum)) in max.iter_mut().zip(sum).enumerate() {
        // Sixteen lanes of maxima and sums, joined in a fixed order, so that every path adds alike.
        let mut lanes = [f32::NEG_INFINITY; 16];
        for part in scores[m..].iter().step_by(rows).flat_map(|block| block.as_chunks::<16>().0) {
            for (lane, &x) in lanes.iter_mut().zip(part) {
                *lane = if x > *lane { x } else { *lane };
            }
        }
        *max = fold(lanes, |a, b| if b > a { b } else { a }) * scale;
        let mut lanes = [0.0f32; 16];
        for part in scores[m..].iter_mut().step_by(rows).flat_map(|block| block.as_chunks_mut::<16>().0) {
            for (lane, x) in lanes.iter_mut().zip(part) {
                *x = math::exp2(math::fma(*x, scale, -*max));
                *lane += *x;
            }
        }
        *sum = join(&lanes);
    }
}

/// The same by AVX-512, where compilers join lanes one by one.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::BLOCK;
    use crate::math::WIDTH;
    use crate::math512::{exp2, exp2_near, load};
    use std::arch::x86_64::*;

    /// Vectors of a row in a block, which go through each step together.
    const VECTORS: usize = BLOCK / 16;
    const _: () = assert!(BLOCK == WIDTH);

    /// [`super::plain_rows`].
    ///
    /// # Safety
    /// AVX-512 F.
    #[target_feature(enable = "avx2,fma,avx512f")]
    pub(super) unsafe fn in_place(scores: &mut [f32], scale: f32, max: &mut [f32], sum: &mut [f32]) {
        let (rows, scores) = (max.len(), scores.as_chunks_mut::<BLOCK>().0);
        largest(scores, scale, max);
        for (m, (max, sum)) in max.iter().zip(sum).enumerate() {
            let exponents = Exponents::new(scale, *max);
            let mut lanes = _mm512_setzero_ps();
            for block in scores[m..].iter_mut().step_by(rows) {
                for (v, weight) in exp2(exponents.of(block)).into_iter().enumerate() {
                    lanes = _mm512_add_ps(lanes, weight);
                    // SAFETY: 16 of a block's 64.
                    unsafe { _mm512_storeu_ps(block.as_mut_ptr().add(16 * v), weight) };
                }
            }
            *sum = _mm512_reduce_add_ps(lanes);
        }
    }

    /// The same, the weights as pairs of bfloat16 in `to`; `NEAR` tells whether they need only be as near as that.
    ///
    /// # Safety
    /// AVX-512 F, DQ and BF16.
    #[target_feature(enable = "avx2,fma,avx512f,avx512dq,avx512bf16")]
    pub(super) unsafe fn pairs<const NEAR: bool>(
        scores: &[f32],
        scale: f32,
        max: &mut [f32],
        sum: &mut [f32],
        to: &mut [f32],
    ) {
        let (rows, scores) = (max.len(), scores.as_chunks::<BLOCK>().0);
        let to = to.as_chunks_mut::<{ BLOCK / 2 }>().0;
        largest(scores, scale, max);
        for (m, (max, sum)) in max.iter().zip(sum).enumerate() {
            let exponents = Exponents::new(scale, *max);
            let mut lanes = _mm512_setzero_ps();
            for (block, to) in scores[m..].iter().step_by(rows).zip(to[m..].iter_mut().step_by(rows)) {
                let exponents = exponents.of(block);
                let weights = if NEAR { exp2_near(exponents) } else { exp2(exponents) };
                for (i, &[low, high]) in weights.as_chunks::<2>().0.iter().enumerate() {
                    lanes = _mm512_add_ps(_mm512_add_ps(lanes, low), high);
                    // SAFETY: both are 512 bits of plain numbers; 16 of a block's 32 pairs.
                    unsafe {
                        let halves = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
                        // The first of two comes in the lower half; it belongs in the upper.
                        _mm512_storeu_si512(to.as_mut_ptr().add(16 * i).cast(), _mm512_rol_epi32::<16>(halves));
                    }
                }
            }
            *sum = _mm512_reduce_add_ps(lanes);
        }
    }

    /// The largest scaled score of each row: of all rows first, so that none waits for the joining of another's lanes.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn largest(scores: &[[f32; BLOCK]], scale: f32, max: &mut [f32]) {
        let rows = max.len();
        for (m, max) in max.iter_mut().enumerate() {
            let mut lanes = [_mm512_set1_ps(f32::NEG_INFINITY); VECTORS];
            for block in scores[m..].iter().step_by(rows) {
                for (v, lanes) in lanes.iter_mut().enumerate() {
                    // SAFETY: 16 of a block's 64. Of two that do not compare the second is taken, as in plain code.
                    *lanes = unsafe { _mm512_max_ps(_mm512_loadu_ps(block.as_ptr().add(16 * v)), *lanes) };
                }
            }
            let [a, b, c, d] = lanes;
            *max = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(a, b), _mm512_max_ps(c, d))) * scale;
        }
    }

    /// What turns a row's scores into exponents.
    #[derive(Clone, Copy)]
    struct Exponents {
        scale: __m512,
        top: __m512,
    }

    impl Exponents {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn new(scale: f32, top: f32) -> Exponents {
            Exponents { scale: _mm512_set1_ps(scale), top: _mm512_set1_ps(top) }
        }

        /// Those of a row's 64 scores.
        #[target_feature(enable = "avx512f,fma")]
        #[inline]
        fn of(self, scores: &[f32; BLOCK]) -> [__m512; VECTORS] {
            load(scores).map(|x| _mm512_fmsub_ps(x, self.scale, self.top))
        }
    }
}
