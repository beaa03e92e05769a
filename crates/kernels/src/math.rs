//! Exponential, GELU and SiLU as polynomials that the compiler vectorises, and sums of lanes in a fixed order.
//!
//! Branch-free and built on `fma`, so scalar and vector code give the same bits.

use std::f32::consts::{LN_2, LOG2_E};

/// `a * b + c`, as every path on this target computes it: rounded once where processors have an instruction for that,
/// and twice on wasm32, whose portable instructions have none (`mul_add` is a slow call there).
#[inline(always)]
pub(crate) fn fma(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(target_arch = "wasm32") { a * b + c } else { a.mul_add(b, c) }
}

/// Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;

/// 2^x within 2 units in the last place; 0 up to -126, and no more than 2^127.
#[inline(always)]
pub(crate) fn exp2(x: f32) -> f32 {
    let clamped = if x > -126.0 { x } else { -126.0 };
    let power = power(if clamped > 127.0 { 127.0 } else { clamped });
    if x > -126.0 { power } else { 0.0 }
}

/// 2^x for x from -126 to 127.
#[inline(always)]
fn power(x: f32) -> f32 {
    let shifted = x + ROUND;
    let r = x - (shifted - ROUND);
    // The polynomial of least relative error on -1/2 to 1/2 with 1 at 0: 2e-9 before rounding.
    let mut p = 1.535_336_2e-4;
    p = fma(r, p, 1.339_887_4e-3);
    p = fma(r, p, 9.618_437e-3);
    p = fma(r, p, 5.550_332_4e-2);
    p = fma(r, p, 2.402_264_8e-1);
    p = fma(r, p, LN_2);
    p = fma(r, p, 1.0);
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// As [`exp2`] for x that are at most 0, and 2^-126 for all below -126: what a softmax needs, in fewer steps.
#[inline(always)]
pub(crate) fn exp2_of_nonpositive(x: f32) -> f32 {
    let clamped = if x > -126.0 { x } else { -126.0 };
    power(clamped)
}

/// 1 / (1 + e^-x)
#[inline(always)]
pub(crate) fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp2(-x * LOG2_E))
}

/// x times the logistic function of x.
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + exp2(-x * LOG2_E))
}

/// GELU in its tanh form: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), written as x times a logistic function.
#[inline(always)]
pub(crate) fn gelu_tanh(x: f32) -> f32 {
    // -2 sqrt(2/pi) log2(e), with the minus of e^-x.
    const FACTOR: f32 = -2.302_208_2;
    let inner = fma(x * x, 0.044_715, 1.0) * x;
    x / (1.0 + exp2(inner * FACTOR))
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
        assert!(exp2(1000.0).is_finite());
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
