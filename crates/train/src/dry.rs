//! What a run would do, without doing it.

use crate::batch::token_weights;
use crate::cache::FeatureCache;
use crate::load::{Trained, count, load};
use crate::memory::{Foreseen, Parts};
use crate::pass::Passes;
use crate::plan::Plan;
use crate::prepare::{Preparer, loader};
use crate::{Config, Error, Options};
use smolvlm_backend::Backend;
use smolvlm_data::Skipped;
use smolvlm_model::Grads;
use smolvlm_model::vlm::{CONNECTOR, VISION};
use smolvlm_processor::PicturePlan;
use smolvlm_sys::Stopwatch;
use std::sync::Arc;

/// What a run would do.
pub struct DryRun {
    /// The first samples.
    pub samples: Vec<ShownSample>,
    /// Samples of the first step that would be left out.
    pub skipped: Vec<Skipped>,
    /// Samples of an epoch.
    pub epoch: u64,
    /// Each stage's steps, and how many numbers it trains of tower, connector and decoder.
    pub stages: Vec<(u64, [usize; 3])>,
    /// Bytes, by what they are for.
    pub memory: Vec<(&'static str, f64)>,
    /// The most that the process has held so far, in bytes.
    pub peak: u64,
    /// Seconds of the first step, the second time: pictures of a frozen tower are kept by then.
    pub seconds: f64,
    /// Its tokens.
    pub tokens: usize,
    /// The part of the processor's peak that its products came to.
    pub mfu: Option<f64>,
}

/// A sample, as the network would see it.
pub struct ShownSample {
    /// Which sample of which source.
    pub name: String,
    /// Its text in pieces, and whether each is learnt. What stands for pictures is left out.
    pub pieces: Vec<(String, bool)>,
    /// Its pictures.
    pub pictures: Vec<PicturePlan>,
    /// Its tokens.
    pub tokens: usize,
    /// Of which are learnt.
    pub learnt: usize,
}

/// Does the first step's passes, twice, and takes no step.
///
/// # Errors
/// As [`crate::train`], but nothing is written.
pub fn dry_run(config: &Config, options: &Options<'_>, loading: &mut dyn FnMut(usize, usize)) -> Result<DryRun, Error> {
    config.check()?;
    let mut trained = load(config, options.threads, options.isa, loading)?;
    let aside = tempfile::tempdir().map_err(|source| Error::file(&std::env::temp_dir(), source))?;
    let mut cached = config.clone();
    cached.cache.folder = Some(aside.path().to_path_buf());
    let loader = loader(&cached, &config.data.sources, config.seed, trained.engine.processor_shared())?;
    let plan = Plan::new(config, loader.mixture.epoch())?;
    let cache = FeatureCache::of_run(&cached, &trained)?;
    let backend = Arc::clone(&trained.backend);
    let preparer = Preparer::new(config, &loader, cache.as_ref(), backend.pool());
    let Some(first) = plan.stages.first() else { return Err(Error::Config { what: "the run has no stage".into() }) };
    let (start, samples) = first.draws(0);
    let passes = Passes::new(config, &trained, cache.as_ref())?;
    let mut foreseen = Foreseen::default();
    let (mut seconds, mut measured, mut ready) = (0.0, crate::pass::Measured::default(), None);
    for _ in 0..2 {
        let step = preparer.step(start, samples);
        if step.examples.is_empty() {
            return Err(step.useless("of the first step's samples"));
        }
        foreseen.check(config, &trained, &step)?;
        let time = Stopwatch::start();
        let names = trained.parameters.masters.keys().filter(|name| first.chosen.has(name)).cloned();
        let mut grads = Grads::new(names.collect::<Vec<_>>());
        let weights = token_weights(&step.examples, config.reduction);
        measured = passes.learn(&mut trained, &step, &weights, 0, first.stage.decoder, &mut grads)?;
        seconds = time.seconds();
        ready = Some(step);
    }
    let Some(ready) = ready else { return Err(Error::Config { what: "no step was made ready".into() }) };
    let parts = Parts::of(config, &trained, &ready);
    let masters = &trained.parameters.masters;
    let stages = plan.stages.iter().map(|stage| {
        let of = |prefix: &str| count(masters, &stage.chosen, prefix);
        let (all, vision, connector) = (of(""), of(VISION), of(CONNECTOR));
        (stage.steps, [vision, connector, all - vision - connector])
    });
    Ok(DryRun {
        samples: ready.examples.iter().take(3).map(|example| shown(&trained, example)).collect(),
        epoch: loader.mixture.epoch(),
        stages: stages.collect(),
        memory: vec![
            ("parameters in f32", parts.parameters),
            ("gradients", parts.gradients),
            ("the optimiser's means", parts.means),
            ("what the backward pass needs", parts.pass),
        ],
        peak: smolvlm_sys::peak_rss().unwrap_or(0),
        seconds,
        tokens: ready.examples.iter().map(|example| example.ids.len()).sum(),
        mfu: passes.peak.map(|peak| measured.operations / seconds / peak),
        skipped: ready.skipped,
    })
}

fn shown(trained: &Trained, example: &smolvlm_data::Example) -> ShownSample {
    let processor = trained.engine.processor();
    let image = processor.image_token_id();
    let mut pieces: Vec<(Vec<u32>, bool)> = Vec::new();
    for (place, (&id, &learnt)) in example.ids.iter().zip(&example.trained).enumerate() {
        // A first token follows nothing, so it is not learnt.
        let learnt = learnt && place > 0;
        match pieces.last_mut() {
            _ if Some(id) == image => {}
            Some((ids, same)) if *same == learnt => ids.push(id),
            _ => pieces.push((vec![id], learnt)),
        }
    }
    let text = |ids: Vec<u32>| processor.tokenizer().decode(&ids, true);
    ShownSample {
        name: example.name.clone(),
        pieces: pieces.into_iter().map(|(ids, learnt)| (text(ids), learnt)).collect(),
        pictures: example.pictures.iter().map(|picture| picture.plan).collect(),
        tokens: example.ids.len(),
        learnt: example.learnt(),
    }
}
