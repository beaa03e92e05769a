//! The parameters that are trained, in f32, and what their optimiser remembers.

use crate::{Optimiser, Stage};
use smolvlm_backend::{AdamW, Backend, Backward, Blocks, Muon, OPTIMISER_BLOCK, Sgd, Tensor};
use smolvlm_model::parameters::Slot;
use smolvlm_model::vlm::{CONNECTOR, VISION};
use smolvlm_model::{Grads, Vlm};
use std::collections::BTreeMap;

/// What an optimiser remembers of a parameter.
pub(crate) enum State {
    /// AdamW's means, and its steps.
    AdamW { means: [Tensor; 2], steps: u32 },
    /// The same in 8 bits: codes and blocks' scales.
    AdamW8 { means: [(Vec<u8>, Vec<f32>); 2], steps: u32 },
    /// Stochastic gradient descent's velocity.
    Sgd { velocity: Tensor },
    /// Muon's mean gradient.
    Muon { mean: Tensor },
}

/// The parameters by name.
#[derive(Default)]
pub(crate) struct Parameters {
    /// In f32.
    pub(crate) masters: BTreeMap<String, Tensor>,
    /// What is remembered of those that a stage has trained.
    pub(crate) states: BTreeMap<String, State>,
}

/// Of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate<'a> {
    pub(crate) stage: &'a Stage,
    /// The part of the highest rates.
    pub(crate) factor: f64,
}

impl Rate<'_> {
    /// The rate of a parameter.
    pub(crate) fn of(&self, name: &str) -> f64 {
        self.factor * highest(self.stage, name)
    }
}

/// The highest rate of a parameter in a stage.
pub(crate) fn highest(stage: &Stage, name: &str) -> f64 {
    let group = if name.starts_with(VISION) {
        stage.lr_vision
    } else if name.starts_with(CONNECTOR) {
        stage.lr_connector
    } else {
        stage.lr_text
    };
    group.unwrap_or(stage.lr)
}

impl Parameters {
    /// The norm of the whole gradient.
    pub(crate) fn norm(&self, backend: &dyn Backward, grads: &Grads) -> f64 {
        let squares = self.masters.keys().filter_map(|name| grads.get(name)).map(|grad| backend.sum_of_squares(grad));
        squares.sum::<f64>().sqrt()
    }

    /// A step of every parameter that has a gradient, which counts `scale` times; the network follows.
    pub(crate) fn step(&mut self, backend: &dyn Backward, model: &mut Vlm, grads: &Grads, scale: f32, rate: Rate<'_>) {
        for (name, master) in &mut self.masters {
            let Some(grad) = grads.get(name) else { continue };
            let optimiser = chosen(rate.stage, name, master);
            // What another optimiser remembered is of no use.
            if self.states.get(name).is_none_or(|state| state.optimiser() != optimiser) {
                self.states.insert(name.clone(), State::new(backend, optimiser, master));
            }
            let Some(state) = self.states.get_mut(name) else { continue };
            // A master may still share its numbers with what it was loaded beside.
            if master.is_shared() {
                *master = backend.copy(master);
            }
            state.step(backend, name, master, grad, scale, rate);
        }
        self.apply(backend, model, |name| grads.get(name).is_some());
    }

    /// Puts parameters into the network.
    pub(crate) fn apply(&self, backend: &dyn Backward, model: &mut Vlm, which: impl Fn(&str) -> bool) {
        model.parameters(&mut |name, slot| {
            let Some(master) = self.masters.get(name).filter(|_| which(name)) else { return };
            match slot {
                Slot::Matrix(weight) | Slot::Table(weight) => backend.replace(weight, master),
                Slot::Plain(tensor) => *tensor = backend.copy(master).reshape(tensor.shape()),
            }
        });
        model.measure_adapters(backend);
    }
}

/// Whose step a parameter takes in a stage.
fn chosen(stage: &Stage, name: &str, master: &Tensor) -> Optimiser {
    match stage.optimiser {
        Optimiser::Adamw8 if master.len() < SMALL => Optimiser::Adamw,
        // Tables of tokens and positions, and the head, are lists of rows rather than maps.
        Optimiser::Muon if master.shape().len() != 2 || name.contains("embed") || name.contains("lm_head") => {
            Optimiser::Adamw
        }
        optimiser => optimiser,
    }
}

impl State {
    fn new(backend: &dyn Backend, optimiser: Optimiser, master: &Tensor) -> State {
        let zeros = || backend.upload(master.shape(), &vec![0.0; master.len()]);
        let none = || (vec![0; master.len()], vec![0.0; master.len().div_ceil(OPTIMISER_BLOCK)]);
        match optimiser {
            Optimiser::Adamw => State::AdamW { means: [zeros(), zeros()], steps: 0 },
            Optimiser::Adamw8 => State::AdamW8 { means: [none(), none()], steps: 0 },
            Optimiser::Sgd => State::Sgd { velocity: zeros() },
            Optimiser::Muon => State::Muon { mean: zeros() },
        }
    }

    /// Whose it is.
    fn optimiser(&self) -> Optimiser {
        match self {
            State::AdamW { .. } => Optimiser::Adamw,
            State::AdamW8 { .. } => Optimiser::Adamw8,
            State::Sgd { .. } => Optimiser::Sgd,
            State::Muon { .. } => Optimiser::Muon,
        }
    }

    fn step(
        &mut self,
        backend: &dyn Backward,
        name: &str,
        master: &mut Tensor,
        grad: &Tensor,
        scale: f32,
        rate: Rate<'_>,
    ) {
        let stage = rate.stage;
        // Norms' factors, biases and DoRA's lengths do not decay.
        let weight_decay = if master.shape().len() > 1 { stage.weight_decay as f32 } else { 0.0 };
        let lr = rate.of(name) as f32;
        let adamw = |steps: &mut u32| {
            *steps += 1;
            let [beta1, beta2] = stage.betas.map(|beta| beta as f32);
            AdamW { lr, beta1, beta2, eps: stage.eps as f32, weight_decay, step: *steps }
        };
        match self {
            State::AdamW { means: [mean, square], steps } => {
                backend.adamw(adamw(steps), master, grad, scale, [mean, square]);
            }
            State::AdamW8 { means, steps } => {
                let means = means.each_mut().map(|(codes, absmax)| Blocks { codes, absmax });
                backend.adamw8(adamw(steps), master, grad, scale, means);
            }
            State::Sgd { velocity } => {
                let momentum = stage.momentum.filter(|x| *x > 0.0).map(|x| (x as f32, velocity));
                backend.sgd(Sgd { lr, weight_decay }, master, grad, scale, momentum);
            }
            State::Muon { mean } => {
                let momentum = stage.momentum.unwrap_or(MUON_MOMENTUM) as f32;
                backend.muon(Muon { lr, momentum, weight_decay }, master, grad, scale, mean);
            }
        }
    }
}

/// Parameters of fewer numbers keep their means in f32 (`min_8bit_size` of bitsandbytes).
const SMALL: usize = 4096;
/// Muon's momentum, where a stage says none.
const MUON_MOMENTUM: f64 = 0.95;
