//! AdamW with means kept in 8 bits (Dettmers et al., 8-bit Optimizers via Block-wise Quantization), each step as the CUDA
//! kernel of bitsandbytes' `AdamW8bit` makes it: weights decay after they move, and a small negative mean does not become 0.

use super::{AdamW, TASK};
use crate::dynamic_map::{DynamicMap, ZERO, signed, unsigned};
use crate::isa::for_each_isa;
use crate::math::{fma, fold};
use crate::pool::SendPtr;
use crate::{Isa, Pool};

/// Numbers that share a scale.
pub const BLOCK: usize = 256;

/// A mean in 8 bits. All zeros at the start.
pub struct Blocks<'a> {
    /// A code of the dynamic map for each number.
    pub codes: &'a mut [u8],
    /// The largest size of each block of [`BLOCK`] numbers, the last perhaps shorter.
    pub absmax: &'a mut [f32],
}

/// One step over parameters, their gradients times `scale` (a clipped norm's factor), and both means: that of the gradient in
/// the signed dynamic map, that of its square in the unsigned.
///
/// A number whose gradient is not finite stays, and its means become 0.
///
/// # Panics
/// If a length does not fit.
pub fn adamw8(
    isa: Isa,
    pool: &Pool,
    settings: AdamW,
    parameters: &mut [f32],
    gradients: &[f32],
    scale: f32,
    mean: Blocks<'_>,
    square: Blocks<'_>,
) {
    let len = parameters.len();
    let fits = |blocks: &Blocks<'_>| blocks.codes.len() == len && blocks.absmax.len() == len.div_ceil(BLOCK);
    assert!(gradients.len() == len && fits(&mean) && fits(&square), "adamw8: lengths");
    let factors = Factors::of(settings, scale);
    let [mean, square] = [mean, square].map(|x| (SendPtr(x.codes.as_mut_ptr()), SendPtr(x.absmax.as_mut_ptr())));
    pool.chunks(parameters, TASK, |i, parameters| {
        let (start, len) = (i * TASK, parameters.len());
        let [mean, square] = [&mean, &square].map(|(codes, absmax)| {
            // SAFETY: the codes of this task's parameters alone, in a slice as long as theirs, which outlives the job; tasks
            // are whole blocks, but for the last, so the scales are this task's alone too.
            unsafe {
                Blocks {
                    codes: std::slice::from_raw_parts_mut(codes.at(start), len),
                    absmax: std::slice::from_raw_parts_mut(absmax.at(start / BLOCK), len.div_ceil(BLOCK)),
                }
            }
        });
        step(isa, factors, parameters, &gradients[start..][..len], mean, square);
    });
}

/// A step's numbers.
#[derive(Clone, Copy)]
struct Factors {
    scale: f32,
    beta1: f32,
    beta2: f32,
    /// Minus the rate, corrected for the means' start at 0.
    rate: f32,
    /// Corrected likewise.
    eps: f32,
    /// What decay leaves.
    keep: f32,
}

impl Factors {
    fn of(settings: AdamW, scale: f32) -> Factors {
        let AdamW { lr, beta1, beta2, eps, weight_decay, step } = settings;
        let bias = |beta: f32| 1.0 - f64::from(beta).powi(step as i32);
        let root = bias(beta2).sqrt();
        let rate = -(f64::from(lr) * root / bias(beta1)) as f32;
        Factors { scale, beta1, beta2, rate, eps: (f64::from(eps) * root) as f32, keep: 1.0 - lr * weight_decay }
    }
}

for_each_isa! {
    fn step(factors: Factors, parameters: &mut [f32], gradients: &[f32], mean: Blocks<'_>, square: Blocks<'_>) = step_all;
}

#[inline(always)]
fn step_all(factors: Factors, parameters: &mut [f32], gradients: &[f32], mean: Blocks<'_>, square: Blocks<'_>) {
    let (p, p_rest) = parameters.as_chunks_mut();
    let (g, g_rest) = gradients.as_chunks();
    let (m, m_rest) = mean.codes.as_chunks_mut();
    let (v, v_rest) = square.codes.as_chunks_mut();
    let mut absmax = mean.absmax.iter_mut().zip(square.absmax);
    for ((((p, g), m), v), absmax) in p.iter_mut().zip(g).zip(m).zip(v).zip(&mut absmax) {
        step_block(factors, p, g, (m, v), absmax);
    }
    for absmax in absmax {
        // A shorter block at the end is filled with zeros.
        let (mut p, mut g, mut m, mut v) = ([0.0; BLOCK], [0.0; BLOCK], [ZERO; BLOCK], [0; BLOCK]);
        let len = p_rest.len();
        p[..len].copy_from_slice(p_rest);
        g[..len].copy_from_slice(g_rest);
        m[..len].copy_from_slice(m_rest);
        v[..len].copy_from_slice(v_rest);
        step_block(factors, &mut p, &g, (&mut m, &mut v), absmax);
        p_rest.copy_from_slice(&p[..len]);
        m_rest.copy_from_slice(&m[..len]);
        v_rest.copy_from_slice(&v[..len]);
    }
}

/// A block's parameters, and both means' codes and largest sizes.
#[inline(always)]
fn step_block(
    factors: Factors,
    p: &mut [f32; BLOCK],
    g: &[f32; BLOCK],
    codes: (&mut [u8; BLOCK], &mut [u8; BLOCK]),
    absmax: (&mut f32, &mut f32),
) {
    let Factors { scale, beta1, beta2, rate, eps, keep } = factors;
    let mut m = dequantise(signed(), codes.0, *absmax.0);
    let mut v = dequantise(unsigned(), codes.1, *absmax.1);
    for (((p, &g), m), v) in p.iter_mut().zip(g).zip(&mut m).zip(&mut v) {
        let counts = g.abs() < f32::INFINITY;
        let g = g * scale;
        let mean = fma(*m, beta1, (1.0 - beta1) * g);
        let square = fma(*v, beta2, (1.0 - beta2) * g * g);
        let moved = fma(rate, mean / (square.sqrt() + eps), *p) * keep;
        (*p, *m, *v) = if counts { (moved, mean, square) } else { (*p, 0.0, 0.0) };
    }
    *absmax.0 = quantise(signed(), &m, codes.0);
    *absmax.1 = quantise(unsigned(), &v, codes.1);
}

#[inline(always)]
fn dequantise<const SIGNED: bool>(map: &DynamicMap<SIGNED>, codes: &[u8; BLOCK], absmax: f32) -> [f32; BLOCK] {
    codes.map(|code| map.values[usize::from(code)] * absmax)
}

/// Writes the codes of a block's numbers and returns their largest size.
#[inline(always)]
fn quantise<const SIGNED: bool>(map: &DynamicMap<SIGNED>, x: &[f32; BLOCK], codes: &mut [u8; BLOCK]) -> f32 {
    let mut lanes = [0.0f32; 16];
    for part in x.as_chunks::<16>().0 {
        for (lane, &x) in lanes.iter_mut().zip(part) {
            *lane = if x.abs() > *lane { x.abs() } else { *lane };
        }
    }
    let absmax = fold(lanes, |a, b| if b > a { b } else { a });
    let divisor = if absmax > 0.0 { absmax } else { 1.0 };
    // Keys first, since they are vectorised and looking up is not.
    let mut keys = [0; BLOCK];
    for (key, &x) in keys.iter_mut().zip(x) {
        *key = DynamicMap::<SIGNED>::key(x / divisor);
    }
    for (code, &key) in codes.iter_mut().zip(&keys) {
        *code = map.code(key);
    }
    absmax
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimiser::adamw;

    /// A mean's own memory.
    #[derive(Clone, Debug, PartialEq)]
    struct State {
        codes: Vec<u8>,
        absmax: Vec<f32>,
    }

    impl State {
        fn new(len: usize) -> State {
            State { codes: vec![0; len], absmax: vec![0.0; len.div_ceil(BLOCK)] }
        }

        fn blocks(&mut self) -> Blocks<'_> {
            Blocks { codes: &mut self.codes, absmax: &mut self.absmax }
        }

        fn number(&self, map: &[f32; 256], i: usize) -> f64 {
            f64::from(map[usize::from(self.codes[i])]) * f64::from(self.absmax[i / BLOCK])
        }
    }

    const SETTINGS: AdamW = AdamW { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1, step: 0 };

    fn noise(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 977) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    /// Gradients of many sizes.
    fn gradients(n: usize, step: u32) -> Vec<f32> {
        let sizes = noise(n, 5).into_iter().map(|x| 10.0f32.powf(3.0 * x));
        noise(n, step as usize).into_iter().zip(sizes).map(|(x, size)| x * size).collect()
    }

    /// No number of the map is nearer, and none can be farther than half the widest gap.
    fn check(map: &[f32; 256], got: f64, exact: f64, largest: f64, bound: f64) {
        let least = map.iter().map(|&x| (f64::from(x) * largest - exact).abs()).fold(f64::INFINITY, f64::min);
        let off = (got - exact).abs();
        assert!(off <= least + 1e-6 * largest && off <= bound * largest, "{got} for {exact} of {largest}");
    }

    #[test]
    fn steps_are_those_of_the_definition() {
        let n = 1300;
        let (mut p, mut mean, mut square) = (noise(n, 0), State::new(n), State::new(n));
        let wide = |x: f32| f64::from(x);
        for step in 1..=6 {
            let (before, g) = ((p.clone(), mean.clone(), square.clone()), gradients(n, step));
            let settings = AdamW { step, ..SETTINGS };
            adamw8(Isa::best(), &Pool::new(1), settings, &mut p, &g, 0.5, mean.blocks(), square.blocks());
            // In f64, from the codes before.
            let (b1, b2) = (wide(settings.beta1), wide(settings.beta2));
            let (c1, c2) = (1.0 - b1.powi(step as i32), (1.0 - b2.powi(step as i32)).sqrt());
            let mut exact = vec![];
            for i in 0..n {
                let g = 0.5 * wide(g[i]);
                let m = b1 * before.1.number(&signed().values, i) + (1.0 - b1) * g;
                let v = b2 * before.2.number(&unsigned().values, i) + (1.0 - b2) * g * g;
                let moved = wide(before.0[i]) - wide(settings.lr) * c2 / c1 * m / (v.sqrt() + c2 * wide(settings.eps));
                let want = moved * (1.0 - wide(settings.lr) * wide(settings.weight_decay));
                assert!((wide(p[i]) - want).abs() < 3e-7, "step {step}, {i}: {} {want}", p[i]);
                exact.push([m, v]);
            }
            for (block, exact) in exact.chunks(BLOCK).enumerate() {
                let largest = [0, 1].map(|k| exact.iter().map(|x| x[k].abs()).fold(0.0, f64::max));
                assert!((wide(mean.absmax[block]) - largest[0]).abs() < 1e-6 * largest[0]);
                assert!((wide(square.absmax[block]) - largest[1]).abs() < 1e-6 * largest[1]);
                for (i, &[m, v]) in exact.iter().enumerate() {
                    let i = block * BLOCK + i;
                    check(&signed().values, mean.number(&signed().values, i), m, largest[0], 7.1e-3);
                    check(&unsigned().values, square.number(&unsigned().values, i), v, largest[1], 3.6e-3);
                    assert!(mean.number(&signed().values, i).is_sign_negative() == m.is_sign_negative(), "sign {i}");
                }
            }
        }
    }

    #[test]
    fn bits_are_the_same_with_any_threads_and_instructions() {
        let n = 3 * TASK + 777;
        let mut first = None;
        for isa in Isa::tested() {
            for threads in [1, 3] {
                let pool = Pool::new(threads);
                let (mut p, mut mean, mut square) = (noise(n, 0), State::new(n), State::new(n));
                for step in 1..=4 {
                    let (settings, g) = (AdamW { step, ..SETTINGS }, gradients(n, step));
                    adamw8(isa, &pool, settings, &mut p, &g, 0.7, mean.blocks(), square.blocks());
                }
                let got = (p, mean, square);
                assert_eq!(first.get_or_insert_with(|| got.clone()), &got, "{isa:?}, {threads} threads");
            }
        }
    }

    #[test]
    fn goes_where_adamw_goes() {
        let (n, pool, target) = (2000, Pool::new(1), noise(2000, 3));
        let settings = AdamW { weight_decay: 0.0, ..SETTINGS };
        let (mut p, mut mean, mut square) = (noise(n, 0), State::new(n), State::new(n));
        let (mut q, mut m, mut v) = (p.clone(), vec![0.0; n], vec![0.0; n]);
        let slope = |x: &[f32]| -> Vec<f32> { x.iter().zip(&target).map(|(x, to)| x - to).collect() };
        let far = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| (x - y).abs()).sum::<f32>() / n as f32;
        let start = far(&p, &target);
        for step in 1..=100 {
            let settings = AdamW { step, ..settings };
            let g = slope(&p);
            adamw8(Isa::best(), &pool, settings, &mut p, &g, 1.0, mean.blocks(), square.blocks());
            let g = slope(&q);
            adamw(Isa::best(), &pool, settings, &mut q, &g, 1.0, (&mut m, &mut v));
        }
        let (left, apart) = (far(&q, &target), far(&p, &q));
        assert!(left < 0.3 * start && apart < 0.02, "{start} {left} {apart}");
    }

    #[test]
    fn zeros_stay_and_what_is_not_finite_is_skipped() {
        let n = 300;
        for isa in Isa::tested() {
            let (mut p, mut mean, mut square) = (noise(n, 1), State::new(n), State::new(n));
            let settings = AdamW { step: 1, weight_decay: 0.0, ..SETTINGS };
            let mut g = vec![0.0; n];
            adamw8(isa, &Pool::new(1), settings, &mut p, &g, 1.0, mean.blocks(), square.blocks());
            assert_eq!((&p, &mean.absmax, &square.absmax), (&noise(n, 1), &vec![0.0; 2], &vec![0.0; 2]));
            (g[3], g[4], g[5]) = (f32::NAN, f32::NEG_INFINITY, 1.0);
            let settings = AdamW { step: 2, ..settings };
            adamw8(isa, &Pool::new(1), settings, &mut p, &g, 1.0, mean.blocks(), square.blocks());
            let moved: Vec<usize> = (0..n).filter(|&i| p[i] != noise(n, 1)[i]).collect();
            assert_eq!((moved, mean.codes[3], square.codes[4]), (vec![5], 127, 0), "{isa:?}");
        }
    }
}
