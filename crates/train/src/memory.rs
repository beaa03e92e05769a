//! What a run's memory goes to, and whether there is as much: asked before a pass takes it.

use crate::cost;
use crate::load::Trained;
use crate::pass::Reach;
use crate::prepare::Ready;
use crate::{Config, Error, Optimiser};
use smolvlm_backend::{Backend, Quant, Stored};
use smolvlm_engine::memory;
use smolvlm_model::Config as ModelConfig;
use smolvlm_sys::room;

/// Bytes, by what they are for.
pub(crate) struct Parts {
    /// Parameters in f32, which are there from the beginning.
    pub(crate) parameters: f64,
    /// As many gradients.
    pub(crate) gradients: f64,
    /// The optimiser's means, there from the first step on.
    pub(crate) means: f64,
    /// What a step's largest backward pass needs.
    pub(crate) pass: f64,
}

impl Parts {
    pub(crate) fn of(config: &Config, trained: &Trained, ready: &Ready) -> Parts {
        let numbers = trained.parameters.masters.values().map(|x| x.len()).sum::<usize>() as f64;
        let means = |optimiser: Optimiser| match optimiser {
            Optimiser::Adamw => 8.0,
            Optimiser::Adamw8 => 2.0 + 8.0 / 256.0,
            Optimiser::Sgd | Optimiser::Muon => 4.0,
        };
        let most = config.stages.iter().map(|stage| means(stage.optimiser)).fold(0.0, f64::max);
        let vision = Reach::of(&trained.parameters.masters).vision;
        let pack = |pack: &smolvlm_data::Pack| {
            let tiles = pack.examples.iter().filter_map(|&i| ready.examples.get(i)).map(|example| example.tiles());
            let tiles = if vision { tiles.sum() } else { 0 };
            cost::kept(&trained.engine.model().config, pack.rows(), tiles, config.recompute)
        };
        Parts {
            parameters: 4.0 * numbers,
            gradients: 4.0 * numbers,
            means: most * numbers,
            pass: ready.packs.iter().map(pack).fold(0.0, f64::max),
        }
    }
}

/// That there is the memory for a model of which so many numbers are learnt, before it is loaded.
///
/// # Errors
/// There is not as much.
pub(crate) fn check_model(model: &ModelConfig, quant: Quant, learnt: usize) -> Result<(), Error> {
    let need = memory::of_network(model, quant.into(), Stored::F32, false).saturating_add(4 * learnt as u64);
    Ok(memory::check("the model with what is learnt of it", need, 0, room(), || {
        "adapters (--lora) instead of whole matrices, and a smaller model need less".into()
    })?)
}

/// The largest step that there was room for.
#[derive(Default)]
pub(crate) struct Foreseen {
    most: f64,
}

impl Foreseen {
    /// That there is the memory that a step takes beside what the run holds already. Asked of the first step, and of those
    /// that need more than any before.
    ///
    /// # Errors
    /// There is not as much.
    pub(crate) fn check(&mut self, config: &Config, trained: &Trained, ready: &Ready) -> Result<(), Error> {
        let parts = Parts::of(config, trained, ready);
        let begun = !trained.parameters.states.is_empty();
        let need = parts.gradients + parts.pass + if begun { 0.0 } else { parts.means };
        if need > self.most {
            memory::check("a step of the training", need as u64, trained.backend.spare_bytes(), room(), || {
                let recompute = if config.recompute { "" } else { "--recompute, " };
                format!("{recompute}shorter packs, adapters instead of whole matrices, and AdamW in 8 bits need less")
            })?;
            self.most = need;
        }
        Ok(())
    }
}
