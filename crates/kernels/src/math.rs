//! Exponential, GELU and SiLU as polynomials that the compiler vectorises, and sums of lanes in a fixed order.
//!
//! Branch-free and built on `fma`, so scalar and vector code give the same bits.

use crate::Isa;
use crate::isa::for_each_isa;
#[cfg(target_arch = "x86_64")]
use crate::math512;
use std::f32::consts::{LN_2, LOG2_E};

/// `a * b + c`, as every path on this target computes it: rounded once where processors have an instruction for that,
/// and twice on wasm32, whose portable instructions have none (`mul_add` is a slow call there).
#[inline(always)]
pub(crate) fn fma(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(target_arch = "wasm32") { a * b + c } else { a.mul_add(b, c) }
}

/// Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// The least exponent of two that a normal number has.
pub(crate) const LEAST_POWER: f32 = -126.0;

/// The polynomial of least relative error for 2^x on -1/2 to 1/2 with 1 at 0, from the highest power: 2e-9 before rounding.
pub(crate) const POWERS: [f32; 7] =
    [1.535_336_2e-4, 1.339_887_4e-3, 9.618_437e-3, 5.550_332_4e-2, 2.402_264_8e-1, LN_2, 1.0];

/// 2^x within 2 units in the last place for x up to 127; 0 up to -126.
#[inline(always)]
pub(crate) fn exp2(x: f32) -> f32 {
    let shifted = x + ROUND;
    let r = x - (shifted - ROUND);
    let [highest, rest @ ..] = POWERS;
    let mut p = highest;
    for next in rest {
        p = fma(r, p, next);
    }
    let power = f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23));
    if x > LEAST_POWER { power } else { 0.0 }
}

/// The largest power of two whose inverse is taken.
pub(crate) const LARGEST: f32 = 120.0;

/// From which the bits of a number are subtracted for those of its inverse: the exponent turned over, and a line in place of
/// the hyperbola, an eighth off at most.
pub(crate) const INVERSE: u32 = 0x7EF3_11C7;

/// Steps that make it exact: each squares what it is off.
pub(crate) const INVERSE_STEPS: usize = 3;

/// 1 / (1 + 2^x) within 2 units in the last place, and no less than 2^-120. A division would take longer than all else here:
/// processors divide sixteen numbers in sixteen cycles.
#[inline(always)]
fn inverse_of_one_and_exp2(x: f32) -> f32 {
    let y = 1.0 + exp2(if x < LARGEST { x } else { LARGEST });
    let mut inverse = f32::from_bits(INVERSE.wrapping_sub(y.to_bits()));
    for _ in 0..INVERSE_STEPS {
        let off = fma(-y, inverse, 1.0);
        inverse = fma(inverse, off, inverse);
    }
    inverse
}

/// 1 / (1 + e^-x)
#[inline(always)]
pub(crate) fn logistic(x: f32) -> f32 {
    inverse_of_one_and_exp2(-x * LOG2_E)
}

/// x times the logistic function of x.
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x * inverse_of_one_and_exp2(-x * LOG2_E)
}

/// GELU in its tanh form: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), written as x times a logistic function.
#[inline(always)]
pub(crate) fn gelu_tanh(x: f32) -> f32 {
    let inner = fma(x * x, GELU_CUBE, 1.0) * x;
    x * inverse_of_one_and_exp2(inner * GELU_FACTOR)
}

/// What the cube weighs in GELU's tanh form.
pub(crate) const GELU_CUBE: f32 = 0.044_715;
/// -2 sqrt(2/pi) log2(e), with the minus of e^-x.
pub(crate) const GELU_FACTOR: f32 = -2.302_208_2;

/// Numbers that go through the steps of an activation together.
pub(crate) const WIDTH: usize = 64;

/// GELU of each and its bias, which repeats, in its tanh form.
pub(crate) fn gelu_tanh_each(isa: Isa, x: &mut [f32], bias: &[f32; WIDTH]) {
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx512 {
        // SAFETY: `isa` was detected on this processor.
        return unsafe { math512::gelu_tanh(x, bias) };
    }
    gelu_tanh_plain(isa, x, bias);
}

/// Multiplies each by SiLU of its gate.
pub(crate) fn times_silu(isa: Isa, x: &mut [f32], gate: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx512 {
        // SAFETY: as above.
        return unsafe { math512::times_silu(x, gate) };
    }
    times_silu_plain(isa, x, gate);
}

for_each_isa! {
    fn gelu_tanh_plain(x: &mut [f32], bias: &[f32; WIDTH]) = gelu_tanh_loop;
}

#[inline(always)]
fn gelu_tanh_loop(x: &mut [f32], bias: &[f32; WIDTH]) {
    let (whole, rest) = x.as_chunks_mut::<WIDTH>();
    for x in whole {
        x.iter_mut().zip(bias).for_each(|(x, bias)| *x = gelu_tanh(*x + bias));
    }
    rest.iter_mut().zip(bias).for_each(|(x, bias)| *x = gelu_tanh(*x + bias));
}

for_each_isa! {
    fn times_silu_plain(x: &mut [f32], gate: &[f32]) = times_silu_loop;
}

#[inline(always)]
fn times_silu_loop(x: &mut [f32], gate: &[f32]) {
    x.iter_mut().zip(gate).for_each(|(x, &gate)| *x *= silu(gate));
}

/// Sixteen lanes joined, halves onto halves.
#[inline(always)]
pub(crate) fn fold(lanes: [f32; 16], f: impl Fn(f32, f32) -> f32) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| f(lanes[i], lanes[i + 8]));
    let four: [f32; 4] = std::array::from_fn(|i| f(eight[i], eight[i + 4]));
    f(f(four[0], four[2]), f(four[1], four[3]))
}

/// The sum of sixteen lanes.
#[inline(always)]
pub(crate) fn join(lanes: &[f32; 16]) -> f32 {
    fold(*lanes, |a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> impl Iterator<Item = f32> {
        (-90_000..90_000).map(|i| i as f32 * 1e-3 + 1.7e-5)
    }

    #[test]
    fn exp2_is_within_two_units() {
        let mut worst = 0.0f64;
        for x in inputs().filter(|x| (-125.9..90.0).contains(x)) {
            let exact = f64::from(x).exp2();
            worst = worst.max(((f64::from(exp2(x)) - exact) / exact).abs());
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "{worst:e}");
        assert_eq!((exp2(0.0), exp2(f32::NEG_INFINITY), exp2(-130.0)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn every_path_has_the_same_bits() {
        let x: Vec<f32> = inputs().step_by(7).chain([-0.0, f32::MAX, f32::MIN, f32::INFINITY, 1e-40]).collect();
        let gates: Vec<f32> = x.iter().rev().copied().collect();
        let run = |isa: Isa| {
            let (mut gelu, mut silu) = (x.clone(), x.clone());
            gelu_tanh_each(isa, &mut gelu, &std::array::from_fn(|i| i as f32 / 64.0));
            times_silu(isa, &mut silu, &gates);
            [gelu, silu].map(|x| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
        };
        let want = run(Isa::Scalar);
        for isa in Isa::tested() {
            assert_eq!(want, run(isa), "{isa:?}");
        }
    }

    #[test]
    fn the_inverse_is_within_two_units() {
        let mut worst = 0.0f64;
        for x in inputs().map(|x| x * 1.3) {
            let exact = 1.0 / (1.0 + f64::from(x).exp2());
            worst = worst.max(((f64::from(inverse_of_one_and_exp2(x)) - exact) / exact).abs());
        }
        assert!(worst < 2.5 * f64::from(f32::EPSILON), "{worst:e}");
        assert_eq!((logistic(f32::INFINITY), silu(-1e30)), (1.0, -1e30 * 2f32.powi(-120)));
        assert!(silu(f32::NAN).is_nan() && gelu_tanh(f32::NAN).is_nan());
    }

    #[test]
    fn activations_follow_their_definitions() {
        for x in inputs() {
            let wide = f64::from(x);
            let logistic = wide / (1.0 + (-wide).exp());
            assert!((f64::from(silu(x)) - logistic).abs() <= 4e-7 * (1.0 + logistic.abs()), "silu {x}");
            let u = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044_715 * wide.powi(3));
            let gelu = 0.5 * wide * (1.0 + u.tanh());
            assert!((f64::from(gelu_tanh(x)) - gelu).abs() <= 1e-6 * (1.0 + gelu.abs()), "gelu {x}");
        }
    }
}
