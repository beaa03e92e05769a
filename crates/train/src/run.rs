//! A run, from its settings to its last checkpoint.

use crate::batch::token_weights;
use crate::cache::FeatureCache;
use crate::checkpoint::{self, BEST, Progress};
use crate::load::{Trained, load};
use crate::log::{Line, Log, RUN, StepLine, write_report};
use crate::memory::Foreseen;
use crate::parameters::{Rate, highest};
use crate::pass::{Measured, Passes};
use crate::plan::Plan;
use crate::prepare::{Preparer, Ready, loader};
use crate::watch::{self, impatient};
use crate::{Config, Error, Validation};
use smolvlm_backend::{Backend, Isa};
use smolvlm_data::{ClipFrames, Loader, random};
use smolvlm_engine::Engine;
use smolvlm_model::Grads;
use smolvlm_sys::Stopwatch;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

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
    /// A checkpoint is written after so many steps: scores of the model as it is, by what they are of, for the logs.
    ///
    /// # Errors
    /// What went wrong; the run goes on.
    fn scores(&mut self, _step: u64, _engine: &Engine) -> Result<Vec<(String, f64)>, String> {
        Ok(Vec::new())
    }
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

/// Trains.
///
/// # Errors
/// Where the settings do not fit together, something cannot be loaded or written, or the loss diverged: the last
/// checkpoint is whole.
pub fn train(config: &Config, options: &Options<'_>, observer: &mut dyn Observer) -> Result<Outcome, Error> {
    config.check()?;
    let resumed = begin(config, options.resume)?;
    let mut trained = load(config, options.threads, options.isa, &mut |done, total| observer.loading(done, total))?;
    let learnt = loader(config, &config.data.sources, config.seed, trained.engine.processor_shared())?;
    let measured = config.validation.as_ref().map(|validation| {
        let (seed, processor) = (random::hash(config.seed, &[9]), trained.engine.processor_shared());
        let loader = loader(config, &validation.sources, seed, processor)?;
        // One limit for the frames of both.
        let clips = learnt.clips.as_ref().map(ClipFrames::beside);
        Ok::<_, Error>((validation, Loader { clips, ..loader }))
    });
    let measured = measured.transpose()?;
    let plan = Plan::new(config, learnt.mixture.epoch())?;
    let progress = match &resumed {
        Some(path) => checkpoint::restore(path, &mut trained)?,
        None => Progress::default(),
    };
    if !options.resume {
        create(config)?;
    }
    let cache = FeatureCache::of_run(config, &trained)?;
    let backend = Arc::clone(&trained.backend);
    let preparer = |loader| Preparer::new(config, loader, cache.as_ref(), backend.pool());
    let mut run = Run {
        config,
        plan: &plan,
        passes: Passes::new(config, &trained, cache.as_ref())?,
        validation: measured.as_ref().map(|(validation, loader)| (*validation, preparer(loader))),
        log: Log::open(&config.output, progress.step)?,
        names: learnt.mixture.names(),
        loss: progress.recent.last().copied().unwrap_or(f64::NAN),
        progress,
        foreseen: Foreseen::default(),
        trained: &mut trained,
    };
    let stopped = run.go(preparer(&learnt), options.stop, observer)?;
    let Run { loss, progress: Progress { step, best, skipped, .. }, .. } = run;
    let status = stopped.as_ref().map_or_else(|| "done".to_string(), |why| format!("stopped: {why}"));
    write_report(&config.output, &status)?;
    Ok(Outcome { steps: step, loss, best, checkpoint: checkpoint::folder(&config.output, step), skipped, stopped })
}

/// A run while it goes on.
struct Run<'a> {
    config: &'a Config,
    plan: &'a Plan<'a>,
    passes: Passes<'a>,
    validation: Option<(&'a Validation, Preparer<'a>)>,
    log: Log,
    /// The sources'.
    names: Vec<String>,
    /// Of the last step.
    loss: f64,
    progress: Progress,
    foreseen: Foreseen,
    trained: &'a mut Trained,
}

impl Run<'_> {
    /// Takes all steps that are left, until something stops them; what did.
    fn go(
        &mut self,
        preparer: Preparer<'_>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<String>, Error> {
        let (plan, first) = (self.plan, self.progress.step);
        let ended = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            // Two steps wait ready while a third runs; the channel's bound is the memory's.
            let (ready, steps) = sync_channel::<Ready>(2);
            scope.spawn(move || {
                for step in first..plan.steps {
                    let Some((_, stage)) = plan.at(step) else { return };
                    let (start, count) = stage.draws(step);
                    if ended.load(Ordering::Relaxed) || ready.send(preparer.step(start, count)).is_err() {
                        return;
                    }
                }
            });
            let result = self.steps(&steps, stop, observer);
            // Whatever happened, the thread above is let go.
            ended.store(true, Ordering::Relaxed);
            drop(steps);
            result
        })
    }

    fn steps(
        &mut self,
        steps: &Receiver<Ready>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<String>, Error> {
        let (total, every) = (self.plan.steps, self.config.checkpoints.every);
        // A run that lost its patience has none when it is asked to go on.
        let mut stopped = impatient(self.config, &self.progress, total);
        for step in self.progress.step..total {
            if stopped.is_some() {
                break;
            }
            let Ok(ready) = steps.recv() else { break };
            if let Some(line) = self.step(step, &ready)? {
                self.loss = line.loss;
                observer.step(&line, total);
            }
            let done = self.progress.step;
            if let Some((validation, preparer)) = self.validation
                && (done.is_multiple_of(validation.every) || done == total)
            {
                let loss = self.validate(preparer, validation)?;
                observer.note(&format!("validation after {done} steps: {loss:.4}"));
                stopped = impatient(self.config, &self.progress, total);
            }
            if stop.load(Ordering::Relaxed) {
                stopped = Some("asked to stop; --resume goes on".into());
            }
            if stopped.is_some() || done == total || (every > 0 && done.is_multiple_of(every)) {
                self.save()?;
                self.score(observer)?;
            }
        }
        Ok(stopped)
    }

    /// Logs what the observer scores the model with.
    fn score(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        let step = self.progress.step;
        self.trained.engine.model_mut().set_dropout(None);
        match observer.scores(step, &self.trained.engine) {
            Ok(scores) => {
                for (name, score) in scores {
                    self.log.write(&Line::Score { step, name, score })?;
                }
            }
            Err(why) => observer.note(&format!("no scores after {step} steps: {why}")),
        }
        Ok(())
    }

    /// A step; `None` where none of its samples could be learnt from.
    fn step(&mut self, step: u64, ready: &Ready) -> Result<Option<StepLine>, Error> {
        let start = Stopwatch::start();
        let done = step + 1;
        self.log.skipped(done, &ready.skipped)?;
        self.progress.skipped += ready.skipped.len() as u64;
        let Some((index, planned)) = self.plan.at(step).filter(|_| !ready.examples.is_empty()) else {
            if step == 0 {
                return Err(ready.useless("of the first step's samples"));
            }
            self.progress.step = done;
            return Ok(None);
        };
        self.foreseen.check(self.config, self.trained, ready)?;
        let wanted = self.trained.parameters.masters.keys().filter(|name| planned.chosen.has(name)).cloned();
        let mut grads = Grads::new(wanted);
        let weights = token_weights(&ready.examples, self.config.reduction);
        let key = random::hash(self.config.seed, &[step, 5]);
        let measured = self.passes.learn(self.trained, ready, &weights, key, planned.stage.decoder, &mut grads)?;
        let backend = Arc::clone(&self.trained.backend);
        let grad_norm = self.trained.parameters.norm(&*backend, &grads);
        watch::check(&self.config.output, done, (measured.loss, grad_norm), ready, &mut self.progress)?;
        let clip = planned.stage.clip;
        let scale = if clip > 0.0 && grad_norm > clip { clip / (grad_norm + 1e-6) } else { 1.0 };
        let rate = Rate { stage: planned.stage, factor: planned.factor(step) };
        let Trained { parameters, engine, .. } = &mut *self.trained;
        parameters.step(&*backend, engine.model_mut(), &grads, scale as f32, rate);
        self.progress.step = done;
        let names = self.trained.parameters.masters.keys().filter(|name| planned.chosen.has(name));
        let lr = names.map(|name| highest(planned.stage, name)).fold(0.0, f64::max) * rate.factor;
        let line = self.line(done, index, lr, grad_norm, measured, ready, start.seconds());
        self.log.write(&Line::Step(line.clone()))?;
        Ok(Some(line))
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
            words: (self.config.words > 0.0).then(|| measured.words / f64::from(self.config.words)),
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

    /// Measures the loss on validation data, keeps the best checkpoint, and writes out some answers.
    fn validate(&mut self, preparer: Preparer<'_>, validation: &Validation) -> Result<f64, Error> {
        let step = self.progress.step;
        let epoch = preparer.loader.mixture.epoch();
        let ready = preparer.step(0, (validation.samples as u64).min(epoch) as usize);
        if ready.examples.is_empty() {
            return Err(ready.useless("of the validation's samples"));
        }
        self.trained.engine.model_mut().set_dropout(None);
        let loss = self.passes.losses(self.trained, &ready)?;
        if !loss.is_finite() {
            // It was measured behind the step.
            return Err(watch::diverged(
                &self.config.output,
                step + 1,
                format!("the validation loss is {loss}"),
                &ready,
            ));
        }
        self.log.write(&Line::Validation { step, loss })?;
        if self.progress.best.is_none_or(|(_, best)| loss < best) {
            (self.progress.best, self.progress.worse) = (Some((step, loss)), 0);
        } else {
            self.progress.worse += 1;
        }
        for draw in preparer.loader.mixture.draws(0, validation.answers.min(epoch as usize)) {
            if let Some(mut answer) = crate::answers::answer(&self.trained.engine, preparer.loader, draw, step)? {
                // A picture is logged once.
                if step > validation.every {
                    answer.picture = None;
                }
                self.log.write(&Line::Answer { answer })?;
            }
        }
        if self.progress.worse == 0 {
            let path = checkpoint::save(&self.config.output, &self.config.base()?, self.trained, &self.progress)?;
            checkpoint::link(&self.config.output, BEST, &path)?;
        }
        Ok(loss)
    }

    fn save(&mut self) -> Result<(), Error> {
        let (output, progress) = (&self.config.output, &self.progress);
        checkpoint::save(output, &self.config.base()?, self.trained, progress)?;
        self.log.write(&Line::Checkpoint { step: progress.step })?;
        checkpoint::prune(output, self.config.checkpoints.keep, progress.best.map(|(step, _)| step));
        write_report(output, "running")?;
        Ok(())
    }
}

/// The checkpoint that the run goes on from, if it does; otherwise that its output holds no other.
fn begin(config: &Config, resume: bool) -> Result<Option<PathBuf>, Error> {
    let output = &config.output;
    let run = output.join(RUN);
    if resume {
        // The folder may have been named otherwise, or moved.
        let before = Config { output: output.clone(), ..Config::open(&run)? };
        if before != (Config { output: output.clone(), ..config.with_whole_paths() }) {
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

/// Makes the output's folder, and writes down what the run is, to go on with from wherever the program is called.
fn create(config: &Config) -> Result<(), Error> {
    let (output, run) = (&config.output, config.output.join(RUN));
    std::fs::create_dir_all(output).map_err(|source| Error::file(output, source))?;
    std::fs::write(&run, config.with_whole_paths().to_toml()).map_err(|source| Error::file(&run, source))
}
