//! Steps of optimisers, in place.

mod eight;
mod muon;

use crate::isa::for_each_isa;
use crate::math::fma;
use crate::pool::SendPtr;
use crate::{Isa, Pool};

pub use eight::{BLOCK, Blocks, adamw8};
pub use muon::{Muon, MuonRoom, muon};

/// Numbers in a task.
const TASK: usize = 1 << 14;

/// What AdamW's step depends on, as `torch.optim.AdamW` names it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// The rate of this step.
    pub lr: f32,
    /// How much of the mean gradient stays.
    pub beta1: f32,
    /// How much of the mean squared gradient stays.
    pub beta2: f32,
    /// Added to the root.
    pub eps: f32,
    /// Decoupled decay, times the rate.
    pub weight_decay: f32,
    /// Steps with this one, from 1.
    pub step: u32,
}

/// One step over parameters, their gradients times `scale` (a clipped norm's factor), and both means.
///
/// # Panics
/// If a length does not fit.
pub fn adamw(
    isa: Isa,
    pool: &Pool,
    settings: AdamW,
    parameters: &mut [f32],
    gradients: &[f32],
    scale: f32,
    (mean, square): (&mut [f32], &mut [f32]),
) {
    let len = parameters.len();
    assert!(gradients.len() == len && mean.len() == len && square.len() == len, "adamw: lengths");
    let [mean, square] = [mean, square].map(|x| SendPtr(x.as_mut_ptr()));
    pool.chunks(parameters, TASK, |i, parameters| {
        let (start, len) = (i * TASK, parameters.len());
        // SAFETY: the means of this task's parameters alone, inside slices as long as theirs, which outlive the job.
        let [mean, square] = [&mean, &square].map(|x| unsafe { std::slice::from_raw_parts_mut(x.at(start), len) });
        step(isa, settings, parameters, &gradients[start..][..len], scale, mean, square);
    });
}

for_each_isa! {
    fn step(
        settings: AdamW,
        parameters: &mut [f32],
        gradients: &[f32],
        scale: f32,
        mean: &mut [f32],
        square: &mut [f32],
    ) = step_all;
}

#[inline(always)]
fn step_all(
    settings: AdamW,
    parameters: &mut [f32],
    gradients: &[f32],
    scale: f32,
    mean: &mut [f32],
    square: &mut [f32],
) {
    let AdamW { lr, beta1, beta2, eps, weight_decay, step } = settings;
    // The means' bias towards their start at 0, in f64 as PyTorch corrects it.
    let bias = |beta: f32| 1.0 - f64::from(beta).powi(step as i32);
    let rate = (f64::from(lr) / bias(beta1)) as f32;
    let root = bias(beta2).sqrt() as f32;
    let keep = 1.0 - lr * weight_decay;
    for (((p, &g), m), v) in parameters.iter_mut().zip(gradients).zip(mean).zip(square) {
        let g = g * scale;
        *m = fma(1.0 - beta1, g - *m, *m);
        *v = fma((1.0 - beta2) * g, g, *v * beta2);
        *p = fma(-rate, *m / (v.sqrt() / root + eps), *p * keep);
    }
}

/// What a step of plain descent depends on, as `torch.optim.SGD` names it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// The rate of this step.
    pub lr: f32,
    /// Added to the gradient, times the parameter.
    pub weight_decay: f32,
}

/// One step down the gradients times `scale`; with momentum, its factor and the velocity, zeros at first, that it keeps.
///
/// # Panics
/// If a length does not fit.
pub fn sgd(
    isa: Isa,
    pool: &Pool,
    settings: Sgd,
    parameters: &mut [f32],
    gradients: &[f32],
    scale: f32,
    momentum: Option<(f32, &mut [f32])>,
) {
    let len = parameters.len();
    let fits = momentum.as_ref().is_none_or(|(_, velocity)| velocity.len() == len);
    assert!(gradients.len() == len && fits, "sgd: lengths");
    let momentum = momentum.map(|(factor, velocity)| (factor, SendPtr(velocity.as_mut_ptr())));
    pool.chunks(parameters, TASK, |i, parameters| {
        let gradients = &gradients[i * TASK..][..parameters.len()];
        match &momentum {
            Some((factor, velocity)) => {
                // SAFETY: the velocity of this task's parameters alone, in a slice as long as theirs, which outlives the job.
                let velocity = unsafe { std::slice::from_raw_parts_mut(velocity.at(i * TASK), parameters.len()) };
                roll(isa, settings, parameters, gradients, scale, *factor, velocity);
            }
            None => descend(isa, settings, parameters, gradients, scale),
        }
    });
}

for_each_isa! {
    fn descend(settings: Sgd, parameters: &mut [f32], gradients: &[f32], scale: f32) = descend_all;
}

#[inline(always)]
fn descend_all(settings: Sgd, parameters: &mut [f32], gradients: &[f32], scale: f32) {
    for (p, &g) in parameters.iter_mut().zip(gradients) {
        *p = fma(-settings.lr, fma(settings.weight_decay, *p, g * scale), *p);
    }
}

for_each_isa! {
    fn roll(
        settings: Sgd,
        parameters: &mut [f32],
        gradients: &[f32],
        scale: f32,
        momentum: f32,
        velocity: &mut [f32],
    ) = roll_all;
}

#[inline(always)]
fn roll_all(settings: Sgd, parameters: &mut [f32], gradients: &[f32], scale: f32, momentum: f32, velocity: &mut [f32]) {
    for ((p, &g), v) in parameters.iter_mut().zip(gradients).zip(velocity) {
        *v = fma(momentum, *v, fma(settings.weight_decay, *p, g * scale));
        *p = fma(-settings.lr, *v, *p);
    }
}

/// The sum of the squares, in f64, in one order whatever the threads.
pub fn sum_of_squares(isa: Isa, pool: &Pool, x: &[f32]) -> f64 {
    let mut sums = vec![0.0f64; x.len().div_ceil(TASK)];
    pool.chunks(&mut sums, 1, |i, sum| sum[0] = squares(isa, &x[i * TASK..x.len().min((i + 1) * TASK)]));
    sums.iter().sum()
}

for_each_isa! {
    fn squares(x: &[f32]) -> f64 = squares_of_all;
}

/// Sixteen sums side by side, then joined in order.
#[inline(always)]
fn squares_of_all(x: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 16];
    let (whole, rest) = x.as_chunks::<16>();
    for part in whole {
        lanes.iter_mut().zip(part).for_each(|(lane, &x)| *lane += f64::from(x) * f64::from(x));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, &x)| *lane += f64::from(x) * f64::from(x));
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_the_definition_with_any_threads() {
        let n = 40_003;
        let start: Vec<f32> = (0..n).map(|i| ((i * 7919) % 1009) as f32 / 504.5 - 1.0).collect();
        let gradient = |step: u32, i: usize| ((i * 31 + step as usize * 977) % 701) as f32 / 350.5 - 1.0;
        let mut settings = AdamW { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1, step: 0 };
        let mut first: Option<Vec<f32>> = None;
        for isa in Isa::tested() {
            for threads in [1, 3] {
                let pool = Pool::new(threads);
                let (mut p, mut m, mut v) = (start.clone(), vec![0.0; n], vec![0.0; n]);
                for step in 1..=5 {
                    settings.step = step;
                    let g: Vec<f32> = (0..n).map(|i| gradient(step, i)).collect();
                    adamw(isa, &pool, settings, &mut p, &g, 0.5, (&mut m, &mut v));
                }
                assert_eq!(first.get_or_insert_with(|| p.clone()), &p, "{isa:?}, {threads} threads");
            }
        }
        let got = first.unwrap();
        for i in (0..n).step_by(997) {
            let (mut p, mut m, mut v) = (f64::from(start[i]), 0.0, 0.0);
            for step in 1..=5u32 {
                let g = 0.5 * f64::from(gradient(step, i));
                let wide = |x: f32| f64::from(x);
                p -= wide(settings.lr) * wide(settings.weight_decay) * p;
                m = wide(settings.beta1) * m + (1.0 - wide(settings.beta1)) * g;
                v = wide(settings.beta2) * v + (1.0 - wide(settings.beta2)) * g * g;
                let (mh, vh) = (
                    m / (1.0 - wide(settings.beta1).powi(step as i32)),
                    v / (1.0 - wide(settings.beta2).powi(step as i32)),
                );
                p -= wide(settings.lr) * mh / (vh.sqrt() + wide(settings.eps));
            }
            assert!((f64::from(got[i]) - p).abs() < 1e-5, "{i}: {} {p}", got[i]);
        }
    }

    #[test]
    fn descent_is_that_of_the_definition_with_any_threads() {
        let n = TASK + 77;
        let start: Vec<f32> = (0..n).map(|i| ((i * 7919) % 1009) as f32 / 504.5 - 1.0).collect();
        let gradients: Vec<f32> = start.iter().rev().map(|x| x * 3.0).collect();
        let settings = Sgd { lr: 0.1, weight_decay: 0.01 };
        for momentum in [None, Some(0.9f32)] {
            for (isa, threads) in Isa::tested().into_iter().flat_map(|isa| [(isa, 1), (isa, 3)]) {
                let (mut p, mut velocity) = (start.clone(), vec![0.0; n]);
                for _ in 0..3 {
                    let kept = momentum.map(|factor| (factor, &mut velocity[..]));
                    sgd(isa, &Pool::new(threads), settings, &mut p, &gradients, 0.5, kept);
                }
                for i in (0..n).step_by(61) {
                    let (mut want, mut v) = (f64::from(start[i]), 0.0);
                    for _ in 0..3 {
                        v = momentum.map_or(0.0, f64::from) * v + 0.5 * f64::from(gradients[i]) + 0.01 * want;
                        want -= 0.1 * v;
                    }
                    assert!((f64::from(p[i]) - want).abs() < 1e-6, "{momentum:?} {isa:?} {i}: {} {want}", p[i]);
                }
            }
        }
    }

    #[test]
    fn squares_are_summed_alike_with_any_threads() {
        let x: Vec<f32> = (0..50_001).map(|i| ((i * 7919) % 1009) as f32 / 504.5 - 1.0).collect();
        let want = sum_of_squares(Isa::Scalar, &Pool::new(1), &x);
        for isa in Isa::tested() {
            assert_eq!(want, sum_of_squares(isa, &Pool::new(3), &x), "{isa:?}");
        }
        let naive: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((want - naive).abs() < 1e-6 * naive);
    }
}
