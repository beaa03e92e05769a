//! Exponential, GELU and SiLU as polynomials that the compiler vectorises.
//!
//! Branch-free and built on `fma`, so scalar and vector code give the same bits.

/// `a * b + c`, as every path on this target computes it: rounded once where processors have an instruction for that,
/// and twice on wasm32, whose portable instructions have none (`mul_add` is a slow call there).
#[inline(always)]
pub(crate) fn fma(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(target_arch = "wasm32") { a * b + c } else { a.mul_add(b, c) }
}

/// e^x for finite x, within 2 units in the last place; 0 below -87.3, clamped to e^88 above 88.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // x = n ln2 + r with |r| <= ln2 / 2; ln2 in two parts so that r is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.3, 88.0);
    let shifted = fma(clamped, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, clamped));
    // Taylor's series to r^7 errs by less than 2^-26 on that interval.
    let mut p = 1.0 / 5040.0;
    p = fma(r, p, 1.0 / 720.0);
    p = fma(r, p, 1.0 / 120.0);
    p = fma(r, p, 1.0 / 24.0);
    p = fma(r, p, 1.0 / 6.0);
    p = fma(r, p, 0.5);
    p = fma(r * r, p, r) + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3F80_0000));
    if x < -87.3 { 0.0 } else { p * power }
}

/// x times the logistic function of x.
#[inline(always)]
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// GELU in its tanh form: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), written as x times a logistic function.
#[inline(always)]
pub(crate) fn gelu_tanh(x: f32) -> f32 {
    const TWICE_ROOT: f32 = 1.595_769_2; // 2 sqrt(2/pi)
    let inner = fma(x * x, 0.044_715, 1.0) * x * TWICE_ROOT;
    x / (1.0 + exp(-inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> impl Iterator<Item = f32> {
        (-90_000..90_000).map(|i| i as f32 * 1e-3 + 1.7e-5)
    }

    #[test]
    fn exp_is_within_two_units() {
        let mut worst = 0.0f64;
        for x in inputs().filter(|x| (-87.0..88.0).contains(x)) {
            let exact = f64::from(x).exp();
            worst = worst.max(((f64::from(exp(x)) - exact) / exact).abs());
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "{worst:e}");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-88.0), 0.0);
        assert!(exp(1000.0).is_finite());
        assert!(exp(f32::NAN).is_nan());
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
