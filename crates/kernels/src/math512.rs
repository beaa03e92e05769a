//! The polynomials of `math` by AVX-512, with the same bits.
//!
//! Four vectors go through each step together. One alone would wait for itself: a chain of some twenty steps of four cycles
//! each, of which a processor keeps too few at hand to fill the gaps with what comes later, and compilers do not mix loops'
//! rounds by themselves.

use crate::math::{self, GELU_CUBE, GELU_FACTOR, INVERSE, LARGEST, LEAST_POWER, POWERS, ROUND, WIDTH};
use std::arch::x86_64::*;
use std::f32::consts::LOG2_E;

/// Four vectors.
pub(crate) type Four = [__m512; 4];

/// What `$step` makes of each of four.
macro_rules! each {
    (|$($x:ident),+| $step:expr) => {{
        let mut out = [_mm512_setzero_ps(); 4];
        for i in 0..4 {
            $(let $x = $x[i];)+
            out[i] = $step;
        }
        out
    }};
}

#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) fn load(from: &[f32; WIDTH]) -> Four {
    // SAFETY: sixteen of 64 numbers each.
    std::array::from_fn(|i| unsafe { _mm512_loadu_ps(from.as_ptr().add(16 * i)) })
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(x: Four, to: &mut [f32; WIDTH]) {
    for (i, x) in x.into_iter().enumerate() {
        // SAFETY: sixteen of 64 numbers each.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr().add(16 * i), x) };
    }
}

/// `math::exp2`.
#[target_feature(enable = "avx512f,fma")]
#[inline]
pub(crate) fn exp2(x: Four) -> Four {
    let round = _mm512_set1_ps(ROUND);
    let shifted = each!(|x| _mm512_add_ps(x, round));
    let nearest = each!(|shifted| _mm512_sub_ps(shifted, round));
    let r = each!(|x, nearest| _mm512_sub_ps(x, nearest));
    let mut p = [_mm512_set1_ps(POWERS[0]); 4];
    for &next in &POWERS[1..] {
        let next = _mm512_set1_ps(next);
        p = each!(|r, p| _mm512_fmadd_ps(r, p, next));
    }
    each!(|x, shifted, p| {
        let counts = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_set1_ps(LEAST_POWER));
        let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted));
        _mm512_castsi512_ps(_mm512_maskz_add_epi32(counts, _mm512_castps_si512(p), exponent))
    })
}

/// `math::inverse_of_one_and_exp2`.
#[target_feature(enable = "avx512f,fma")]
#[inline]
fn inverse_of_one_and_exp2(x: Four) -> Four {
    let (one, largest) = (_mm512_set1_ps(1.0), _mm512_set1_ps(LARGEST));
    let y = exp2(each!(|x| _mm512_min_ps(x, largest)));
    let y = each!(|y| _mm512_add_ps(one, y));
    let first = _mm512_set1_epi32(INVERSE as i32);
    let mut inverse = each!(|y| _mm512_castsi512_ps(_mm512_sub_epi32(first, _mm512_castps_si512(y))));
    for _ in 0..math::INVERSE_STEPS {
        let off = each!(|y, inverse| _mm512_fnmadd_ps(y, inverse, one));
        inverse = each!(|inverse, off| _mm512_fmadd_ps(inverse, off, inverse));
    }
    inverse
}

/// `math::gelu_tanh` of each and its bias, which repeats.
///
/// # Safety
/// AVX-512 F.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(crate) unsafe fn gelu_tanh(x: &mut [f32], bias: &[f32; WIDTH]) {
    let (cube, factor, one) = (_mm512_set1_ps(GELU_CUBE), _mm512_set1_ps(GELU_FACTOR), _mm512_set1_ps(1.0));
    let biases = load(bias);
    let (whole, rest) = x.as_chunks_mut::<WIDTH>();
    for part in whole {
        let x = load(part);
        let x = each!(|x, biases| _mm512_add_ps(x, biases));
        let square = each!(|x| _mm512_mul_ps(x, x));
        let inner = each!(|square| _mm512_fmadd_ps(square, cube, one));
        let inner = each!(|inner, x| _mm512_mul_ps(inner, x));
        let inverse = inverse_of_one_and_exp2(each!(|inner| _mm512_mul_ps(inner, factor)));
        store(each!(|x, inverse| _mm512_mul_ps(x, inverse)), part);
    }
    rest.iter_mut().zip(bias).for_each(|(x, bias)| *x = math::gelu_tanh(*x + bias));
}

/// Multiplies each by `math::silu` of its gate.
///
/// # Safety
/// AVX-512 F.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(crate) unsafe fn times_silu(x: &mut [f32], gate: &[f32]) {
    let factor = _mm512_set1_ps(-LOG2_E);
    let ((whole, rest), (gates, gates_left)) = (x.as_chunks_mut::<WIDTH>(), gate.as_chunks::<WIDTH>());
    for (part, gate) in whole.iter_mut().zip(gates) {
        let (x, gate) = (load(part), load(gate));
        let inverse = inverse_of_one_and_exp2(each!(|gate| _mm512_mul_ps(gate, factor)));
        let silu = each!(|gate, inverse| _mm512_mul_ps(gate, inverse));
        store(each!(|x, silu| _mm512_mul_ps(x, silu)), part);
    }
    rest.iter_mut().zip(gates_left).for_each(|(x, &gate)| *x *= math::silu(gate));
}
