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

/// The polynomial of least relative error for 2^x on 0 to 1 with 1 at 0, from the highest power: 9e-5, a twentieth of what
/// rounding to bfloat16 loses.
const NEAR_POWERS: [f32; 4] = [0.077_067_05, 0.227_644_98, 0.695_116_8, 1.0];

/// 2^x near enough for numbers that are rounded to bfloat16 next; 0 up to -126. `tests::near` is this in scalar code.
#[target_feature(enable = "avx512f,avx512dq,fma")]
#[inline]
pub(crate) fn exp2_near(x: Four) -> Four {
    // What lies above the next integer below, rounded down: the bits say so, and that no flags are raised.
    const ABOVE_FLOOR: i32 = 0b1001;
    let r = each!(|x| _mm512_reduce_ps::<ABOVE_FLOOR>(x));
    let mut p = [_mm512_set1_ps(NEAR_POWERS[0]); 4];
    for &next in &NEAR_POWERS[1..] {
        let next = _mm512_set1_ps(next);
        p = each!(|r, p| _mm512_fmadd_ps(r, p, next));
    }
    each!(|x, p| {
        let counts = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_set1_ps(LEAST_POWER));
        _mm512_maskz_scalef_ps(counts, p, x)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    /// [`exp2_near`] of one number.
    fn near(x: f32) -> f32 {
        if x <= LEAST_POWER {
            return 0.0;
        }
        let floor = x.floor();
        let r = x - floor;
        // Rounded down: where the difference was rounded up, the number below.
        let r = if f64::from(r) > f64::from(x) - f64::from(floor) { r.next_down() } else { r };
        let p = NEAR_POWERS[1..].iter().fold(NEAR_POWERS[0], |p, &next| math::fma(r, p, next));
        p * 2.0f32.powi(floor as i32)
    }

    #[test]
    fn near_powers_are_those_of_the_scalar_code_and_near() {
        if Isa::available().into_iter().all(|isa| isa < Isa::Avx512) {
            return;
        }
        let edges = [0.0, -1e-9, -1.0, -0.5, -125.99, -126.0, -130.0, f32::NEG_INFINITY, 1e-7, f32::MIN];
        let mut x: Vec<f32> = (0..40_000).map(|i| i as f32 * -3.3e-3 + 1e-4).chain(edges).collect();
        x.resize(x.len().next_multiple_of(WIDTH), -0.01);
        for part in x.as_chunks::<WIDTH>().0 {
            let mut got = [0.0; WIDTH];
            // SAFETY: AVX-512 was found just now.
            unsafe { store(exp2_near(load(part)), &mut got) };
            for (&x, got) in part.iter().zip(got) {
                assert_eq!(near(x).to_bits(), got.to_bits(), "{x}");
                let exact = f64::from(x).exp2();
                assert!(x <= LEAST_POWER || (f64::from(got) / exact - 1.0).abs() < 9e-5, "{x}: {got}");
            }
        }
        assert_eq!((near(0.0), near(f32::NEG_INFINITY)), (1.0, 0.0));
    }
}
