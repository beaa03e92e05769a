//! A run, from its settings to its last checkpoint.

use crate::batch::token_weights;
use crate::cache::FeatureCache;
use crate::checkpoint::{self, BEST, Progress};
use crate::load::{Chosen, Trained, load};
use crate::log::{Line, Log, RUN, StepLine, write_report};
use crate::parameters::{Rate, highest};
use crate::pass::{Measured, Passes};
use crate::prepare::{Preparer, Ready};
use crate::{Batches, Config, Error, Stage};
use sha2::{Digest, Sha256};
use smolvlm_backend::Isa;
use smolvlm_data::{Encoding, Loader, Mixture, SourceConfig, random};
use smolvlm_model::Grads;
use smolvlm_processor::{DecodeOptions, Processor};
use smolvlm_sys::Stopwatch;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;

/// How a run is done, which its result does not depend on.
pub struct Options<'a> {
    /// Threads of the pool.
    pub threads: usize,
    /// Instructions.
    pub isa: Isa,
    /// Goes on where the newest checkpoint of the output stands.
    pub resume: bool,
    /// Set when the run is to end after the step that it is at.
    pub stop: &'a AtomicBool,
}

/// Told of what happens.
pub trait Observer {
    /// Tensors that are loaded, of all.
    fn loading(&mut self, done: usize, total: usize);
    /// A step is done, of so many.
    fn step(&mut self, line: &StepLine, steps: u64);
    /// Something worth a line.
    fn note(&mut self, text: &str);
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Steps that are done.
    pub steps: u64,
    /// The loss of the last one.
    pub loss: f64,
    /// The best validation loss, and after how many steps.
    pub best: Option<(u64, f64)>,
    /// The last checkpoint.
    pub checkpoint: PathBuf,
    /// Samples left out.
    pub skipped: u64,
    /// Why it ended before its time.
    pub stopped: Option<String>,
}

/// A stage's place in the run.
pub(crate) struct Planned<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) chosen: Chosen<'a>,
    pub(crate) batches: Batches,
    /// Steps and draws before it.
    first_step: u64,
    first_draw: u64,
    /// Its steps.
    pub(crate) steps: u64,
    warmup: u64,
}

impl Planned<'_> {
    /// The draws of a step of the run: where they begin, and how many.
    pub(crate) fn draws(&self, step: u64) -> (u64, usize) {
        let (start, count) = self.batches.at(step - self.first_step);
        (self.first_draw + start, count)
    }

    fn factor(&self, step: u64) -> f64 {
        self.stage.schedule.factor(step - self.first_step, self.steps, self.warmup)
    }
}

/// The stages of a run over data of so many samples an epoch.
pub(crate) fn plan(config: &Config, epoch: u64) -> Result<Vec<Planned<'_>>, Error> {
    let (mut first_step, mut first_draw) = (0, 0);
    let mut planned = Vec::new();
    for stage in &config.stages {
        let batches = Batches { finish: stage.batch * stage.accumulate, ramp: stage.ramp };
        let steps = stage.steps.unwrap_or_else(|| batches.steps((stage.epochs * epoch as f64).ceil() as u64));
        let warmup = if stage.warmup < 1.0 { (stage.warmup * steps as f64).ceil() as u64 } else { stage.warmup as u64 };
        let chosen = Chosen::new(stage)?;
        planned.push(Planned { stage, chosen, batches, first_step, first_draw, steps, warmup });
        first_draw += batches.at(steps).0;
        first_step += steps;
    }
    Ok(planned)
}

/// The stage that a step of the run belongs to.
fn at<'p, 'c>(planned: &'p [Planned<'c>], step: u64) -> Option<(usize, &'p Planned<'c>)> {
    planned.iter().enumerate().rev().find(|(_, stage)| stage.first_step <= step)
}

/// Trains.
///
/// # Errors
/// Where the settings do not fit together, something cannot be loaded or written, or the loss diverged: the last
/// checkpoint is whole.
pub fn train(config: &Config, options: &Options<'_>, observer: &mut dyn Observer) -> Result<Outcome, Error> {
    config.check()?;
    let output = &config.output;
    let resumed = begin(config, options.resume)?;
    let mut trained = load(config, options.threads, options.isa, &mut |done, total| observer.loading(done, total))?;
    let processor = trained.engine.processor_shared();
    let loader = loader(config, &config.data.sources, config.seed, Arc::clone(&processor))?;
    let validation = config.validation.as_ref().map(|validation| {
        let loader = self::loader(config, &validation.sources, random::hash(config.seed, &[9]), processor)?;
        Ok::<_, Error>((validation, loader))
    });
    let validation = validation.transpose()?;
    let planned = plan(config, loader.mixture.epoch())?;
    let mut progress = match &resumed {
        Some(path) => checkpoint::restore(path, &mut trained)?,
        None => Progress::default(),
    };
    let total = planned.last().map_or(0, |p| p.first_step + p.steps);
    if !options.resume {
        create(config)?;
    }
    let cache = feature_cache(config, &trained)?;
    let passes = Passes::new(config, &trained, cache.as_ref());
    let mut log = Log::open(output, progress.step)?;
    let names = loader.mixture.names();
    let pool = Arc::clone(&trained.backend);
    let preparer = |loader| Preparer {
        loader,
        packing: config.data.packing,
        pack_tokens: config.data.pack_tokens,
        cache: cache.as_ref(),
        pool: smolvlm_backend::Backend::pool(&*pool),
    };
    let (mut loss, mut stopped) = (f64::NAN, None);
    let mut run = Run { config, trained: &mut trained, passes, log: &mut log, names: &names };
    let ended = AtomicBool::new(false);
    let first = progress.step;
    std::thread::scope(|scope| -> Result<(), Error> {
        // Two steps wait ready while a third runs; the channel's bound is the memory's.
        let (ready, steps) = sync_channel::<Ready>(2);
        let (prepared, planned, ended) = (preparer(&loader), &planned, &ended);
        scope.spawn(move || {
            for step in first..total {
                let Some((_, stage)) = at(planned, step) else { return };
                let (start, count) = stage.draws(step);
                if ended.load(Ordering::Relaxed) || ready.send(prepared.step(start, count)).is_err() {
                    return;
                }
            }
        });
        let result = (|| {
            for step in first..total {
                let Ok(ready) = steps.recv() else { break };
                let Some((index, stage)) = at(planned, step) else { break };
                let line = run.step(step, index, stage, ready, &mut progress)?;
                if let Some(line) = line {
                    loss = line.loss;
                    observer.step(&line, total);
                }
                if let Some((validation, loader)) = &validation
                    && (progress.step.is_multiple_of(validation.every) || progress.step == total)
                {
                    let measured = run.validate(&preparer(loader), validation, &mut progress)?;
                    observer.note(&format!("validation after {} steps: {measured:.4}", progress.step));
                    if progress.best.is_some_and(|(at, _)| at == progress.step) {
                        let path = checkpoint::save(output, &config.model, run.trained, &progress)?;
                        checkpoint::link(output, BEST, &path)?;
                    }
                    if validation.patience > 0 && progress.worse >= validation.patience {
                        stopped = Some(format!("{} measurements without a better loss", progress.worse));
                    }
                }
                if options.stop.load(Ordering::Relaxed) {
                    stopped = Some("asked to stop; --resume goes on".into());
                }
                let every = config.checkpoints.every;
                if stopped.is_some() || progress.step == total || (every > 0 && progress.step.is_multiple_of(every)) {
                    run.save(&progress)?;
                }
                if stopped.is_some() {
                    break;
                }
            }
            Ok(())
        })();
        // Whatever happened, the thread above is let go.
        ended.store(true, Ordering::Relaxed);
        drop(steps);
        result
    })?;
    let status = stopped.as_ref().map_or_else(|| "done".to_string(), |why| format!("stopped: {why}"));
    write_report(output, &status)?;
    let checkpoint = checkpoint::folder(output, progress.step);
    let Progress { step, best, skipped, .. } = progress;
    Ok(Outcome { steps: step, loss, best, checkpoint, skipped, stopped })
}

/// A run while it goes on.
struct Run<'a> {
    config: &'a Config,
    trained: &'a mut Trained,
    passes: Passes<'a>,
    log: &'a mut Log,
    names: &'a [String],
}

impl Run<'_> {
    /// A step; `None` where none of its samples could be learnt from.
    fn step(
        &mut self,
        step: u64,
        index: usize,
        planned: &Planned<'_>,
        ready: Ready,
        progress: &mut Progress,
    ) -> Result<Option<StepLine>, Error> {
        let start = Stopwatch::start();
        let done = step + 1;
        self.log.skipped(done, &ready.skipped)?;
        progress.skipped += ready.skipped.len() as u64;
        if ready.examples.is_empty() {
            if step == 0 {
                return Err(ready.useless("of the first step's samples"));
            }
            progress.step = done;
            return Ok(None);
        }
        let wanted = self.trained.parameters.masters.keys().filter(|name| planned.chosen.has(name)).cloned();
        let mut grads = Grads::new(wanted);
        let weights = token_weights(&ready.examples, self.config.reduction);
        let key = random::hash(self.config.seed, &[step, 5]);
        let measured = self.passes.learn(self.trained, &ready, &weights, key, &mut grads)?;
        let loss = measured.loss;
        let backend = Arc::clone(&self.trained.backend);
        let grad_norm = self.trained.parameters.norm(&*backend, &grads);
        self.check(done, loss, grad_norm, &ready, progress)?;
        let clip = planned.stage.clip;
        let scale = if clip > 0.0 && grad_norm > clip { clip / (grad_norm + 1e-6) } else { 1.0 };
        let rate = Rate { stage: planned.stage, factor: planned.factor(step) };
        let Trained { parameters, engine, .. } = &mut *self.trained;
        parameters.step(&*backend, engine.model_mut(), &grads, scale as f32, rate);
        progress.step = done;
        let names = self.trained.parameters.masters.keys().filter(|name| planned.chosen.has(name));
        let lr = names.map(|name| highest(planned.stage, name)).fold(0.0, f64::max) * rate.factor;
        let line = self.line(done, index, lr, grad_norm, measured, &ready, start.seconds());
        self.log.write(&Line::Step(line.clone()))?;
        Ok(Some(line))
    }

    /// Stops a run whose loss is no number or has jumped, before its parameters follow.
    fn check(&self, step: u64, loss: f64, norm: f64, ready: &Ready, progress: &mut Progress) -> Result<(), Error> {
        let recent = &mut progress.recent;
        let count = recent.len() as f64;
        let mean = recent.iter().sum::<f64>() / count;
        let deviation = (recent.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
        let what = if !loss.is_finite() || !norm.is_finite() {
            format!("the loss is {loss}, the gradient's norm {norm}")
        } else if recent.len() >= RECENT / 2 && loss > mean + 10.0 * deviation + 1.0 {
            format!("the loss jumped to {loss:.4}, from {mean:.4} in the mean of the last {} steps", recent.len())
        } else {
            recent.push(loss);
            if recent.len() > RECENT {
                recent.remove(0);
            }
            return Ok(());
        };
        let samples: Vec<&str> = ready.examples.iter().map(|example| example.name.as_str()).take(16).collect();
        let rescue = match checkpoint::steps(&self.config.output).into_iter().max() {
            Some(step) => {
                format!("the last good checkpoint is {}", checkpoint::folder(&self.config.output, step).display())
            }
            None => "no checkpoint was written yet; a lower rate or a longer warm-up may help".to_string(),
        };
        Err(Error::Diverged { step, what, samples: samples.join(", "), rescue })
    }

    fn line(
        &self,
        step: u64,
        stage: usize,
        lr: f64,
        grad_norm: f64,
        measured: Measured,
        ready: &Ready,
        seconds: f64,
    ) -> StepLine {
        let by_source = measured.sources.iter().filter(|(_, (_, count))| *count > 0);
        let name = |source: &usize| self.names.get(*source).cloned().unwrap_or_default();
        StepLine {
            step,
            stage: stage + 1,
            loss: measured.loss,
            lr,
            grad_norm,
            tokens: ready.examples.iter().map(|example| example.ids.len()).sum(),
            learnt: ready.examples.iter().map(|example| example.learnt()).sum(),
            pictures: ready.examples.iter().map(|example| example.pictures.len()).sum(),
            seconds,
            mfu: self.passes.peak.map(|peak| measured.operations / seconds / peak),
            sources: by_source.map(|(source, (sum, count))| (name(source), sum / *count as f64)).collect(),
        }
    }

    /// Measures the loss on validation data, and writes out some answers.
    fn validate(
        &mut self,
        preparer: &Preparer<'_>,
        validation: &crate::Validation,
        progress: &mut Progress,
    ) -> Result<f64, Error> {
        let epoch = preparer.loader.mixture.epoch();
        let ready = preparer.step(0, (validation.samples as u64).min(epoch) as usize);
        if ready.examples.is_empty() {
            return Err(ready.useless("of the validation's samples"));
        }
        self.trained.engine.model_mut().set_dropout(None);
        let loss = self.passes.losses(self.trained, &ready)?;
        self.log.write(&Line::Validation { step: progress.step, loss })?;
        if progress.best.is_none_or(|(_, best)| loss < best) {
            (progress.best, progress.worse) = (Some((progress.step, loss)), 0);
        } else {
            progress.worse += 1;
        }
        for draw in preparer.loader.mixture.draws(0, validation.answers.min(epoch as usize)) {
            if let Some(mut answer) =
                crate::answers::answer(&self.trained.engine, preparer.loader, draw, progress.step)?
            {
                // A picture is logged once.
                if progress.step > validation.every {
                    answer.picture = None;
                }
                self.log.write(&Line::Answer { answer })?;
            }
        }
        Ok(loss)
    }

    fn save(&mut self, progress: &Progress) -> Result<(), Error> {
        let output = &self.config.output;
        checkpoint::save(output, &self.config.model, self.trained, progress)?;
        self.log.write(&Line::Checkpoint { step: progress.step })?;
        checkpoint::prune(output, self.config.checkpoints.keep, progress.best.map(|(step, _)| step));
        write_report(output, "running")?;
        Ok(())
    }
}

/// Steps whose losses a jump is measured by.
const RECENT: usize = 50;

/// The checkpoint that the run goes on from, if it does; otherwise that its output holds no other.
fn begin(config: &Config, resume: bool) -> Result<Option<PathBuf>, Error> {
    let output = &config.output;
    let run = output.join(RUN);
    if resume {
        let before = Config::open(&run)?;
        if before != *config {
            let what = format!("{} is of another run than the settings given; --resume takes its own", run.display());
            return Err(Error::Config { what });
        }
        let newest = checkpoint::steps(output).into_iter().max();
        return Ok(newest.map(|step| checkpoint::folder(output, step)));
    }
    // What was stopped before its first checkpoint has nothing to go on from, and is begun anew.
    if !checkpoint::steps(output).is_empty() {
        let what = format!("{} holds a run already; --resume goes on with it", output.display());
        return Err(Error::Config { what });
    }
    Ok(None)
}

/// Makes the output's folder, and writes down what the run is.
fn create(config: &Config) -> Result<(), Error> {
    let (output, run) = (&config.output, config.output.join(RUN));
    std::fs::create_dir_all(output).map_err(|source| Error::file(output, source))?;
    std::fs::write(&run, config.to_toml()).map_err(|source| Error::file(&run, source))
}

/// The examples of some sources.
pub(crate) fn loader(
    config: &Config,
    sources: &[SourceConfig],
    seed: u64,
    processor: Arc<Processor>,
) -> Result<Loader, Error> {
    let data = &config.data;
    let length = data.length.min(processor.context());
    let encoding = Encoding {
        labels: data.labels,
        length,
        long: data.long,
        longest_edge: data.max_edge,
        split: data.split,
        scale_frequency: data.scale_frequency,
        decode: DecodeOptions::default(),
        seed,
    };
    Ok(Loader { mixture: Mixture::open(sources, seed)?, encoding, processor })
}

/// Features of pictures, where the tower is frozen in every stage.
pub(crate) fn feature_cache(config: &Config, trained: &Trained) -> Result<Option<FeatureCache>, Error> {
    let reach = crate::pass::Reach::of(&trained.parameters.masters);
    if config.cache.limit_mib == 0 || reach.vision {
        return Ok(None);
    }
    let folder = config.cache.folder.clone().unwrap_or_else(|| config.output.join("features"));
    let maker = maker(&config.model, &format!("{:?} {reach:?}", config.dtype))?;
    FeatureCache::open(&folder, config.cache.limit_mib << 20, maker).map(Some)
}

/// A hash of what makes features: the weights of the tower and the connector, and how they are used.
fn maker(model: &Path, how: &str) -> Result<[u8; 32], Error> {
    let checkpoint = smolvlm_model::Checkpoint::open(model)?;
    let mut hash = Sha256::new();
    hash.update(how);
    for name in checkpoint.names().filter(|name| !name.starts_with(smolvlm_model::vlm::TEXT)) {
        if let Some((shape, dtype, bytes)) = checkpoint.raw(name) {
            hash.update(format!("{name} {shape:?} {dtype:?}"));
            hash.update(bytes);
        }
    }
    Ok(hash.finalize().into())
}
