//! Runs that end before their time: a loss that jumps, a validation loss that gets no better.
#![allow(clippy::unwrap_used, clippy::panic)]

use smolvlm_backend::Isa;
use smolvlm_data::SourceConfig;
use smolvlm_golden::folder;
use smolvlm_train::{BEST, Config, DType, Error, Observer, Options, Outcome, Stage, StepLine, Validation, train};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// The steps that were done.
struct Steps(Vec<u64>);

impl Observer for Steps {
    fn loading(&mut self, _: usize, _: usize) {}

    fn step(&mut self, line: &StepLine, _: u64) {
        self.0.push(line.step);
    }

    fn note(&mut self, _: &str) {}
}

fn go(config: &Config, resume: bool) -> (Result<Outcome, Error>, Vec<u64>) {
    let options = Options { threads: 2, isa: Isa::best(), resume, stop: &AtomicBool::new(false) };
    let mut steps = Steps(Vec::new());
    (train(config, &options, &mut steps), steps.0)
}

fn texts(dir: &Path, name: &str, texts: &[&str]) -> SourceConfig {
    let lines: String = texts.iter().map(|text| format!("{{\"text\": \"{text}\"}}\n")).collect();
    std::fs::write(dir.join(name), lines).unwrap();
    SourceConfig::new(dir.join(name))
}

/// Steps of two of four texts.
fn config(dir: &Path, stages: Vec<Stage>) -> Config {
    let mut config = Config {
        model: folder().join("idefics3-256m"),
        output: dir.join("out"),
        dtype: DType::F32,
        stages,
        ..Config::default()
    };
    config.data.sources = vec![texts(dir, "texts.jsonl", &["One two.", "Two three.", "Three four.", "Four five."])];
    config
}

fn stage(steps: u64, lr: f64) -> Stage {
    Stage { steps: Some(steps), batch: 2, lr, warmup: 0.0, ..Stage::default() }
}

fn lines(output: &Path, kind: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(output.join("log.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|line| line["kind"] == kind).collect()
}

fn weights(checkpoint: &Path) -> Vec<u8> {
    std::fs::read(checkpoint.join("model.safetensors")).unwrap()
}

#[test]
fn a_loss_that_jumps_stops_the_run_and_names_the_last_good_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    // The 31st step's rate spoils the parameters, which the 32nd step's loss tells.
    let mut config = config(dir.path(), vec![stage(30, 1e-4), stage(30, 1.0)]);
    (config.checkpoints.every, config.checkpoints.keep) = (1, 2);
    for resume in [false, true] {
        let (result, steps) = go(&config, resume);
        let Err(Error::Diverged { step, what, samples, rescue }) = result else { panic!("{result:?}") };
        assert_eq!((step, steps.last().copied()), (32, if resume { None } else { Some(31) }));
        assert!(what.contains("jumped"), "{what}");
        let mut named: Vec<&str> = samples.split(", ").collect();
        named.sort_unstable();
        assert!(named.len() == 2 && named.iter().all(|name| name.starts_with("texts.jsonl:")), "{samples}");
        // Checkpoint 31 is there, but it holds what the 31st step spoilt.
        assert!(config.output.join("checkpoint-31").is_dir() && !config.output.join("checkpoint-32").exists());
        let good = config.output.join("checkpoint-30");
        assert!(good.is_dir() && rescue.ends_with(&good.display().to_string()), "{rescue}");
    }
    assert_eq!(lines(&config.output, "step").len(), 31);
}

#[test]
fn without_a_checkpoint_from_before_the_error_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), vec![stage(10, 1e30)]);
    config.stages[0].clip = 0.0;
    config.checkpoints.every = 1;
    let Err(Error::Diverged { step, what, rescue, .. }) = go(&config, false).0 else { panic!("it went on") };
    assert!(step == 2 && what.contains("the loss is"), "{step}: {what}");
    assert!(rescue.contains("no checkpoint from before"), "{rescue}");
}

/// A run that learns one thing while it is measured on another.
fn measured(dir: &Path, output: &str, patience: u32) -> Config {
    let mut config = config(dir, vec![stage(40, 3e-3)]);
    config.output = dir.join(output);
    config.checkpoints.keep = 1;
    let other = texts(dir, "other.jsonl", &["Quite another, longer sentence: 17 + 4 = 21; and so on."]);
    config.validation = Some(Validation { every: 2, patience, answers: 0, ..Validation::new(vec![other]) });
    config
}

#[test]
fn patience_ends_at_the_right_step_and_the_best_checkpoint_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = measured(dir.path(), "out", 2);
    let (result, steps) = go(&config, false);
    let first = result.unwrap();
    let losses: Vec<(u64, f64)> = lines(&config.output, "validation")
        .iter()
        .map(|line| (line["step"].as_u64().unwrap(), line["loss"].as_f64().unwrap()))
        .collect();
    let best = losses.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert_eq!(first.best, Some(best), "{losses:?}");
    // Two measurements that are not the best, two steps apart.
    assert_eq!((first.steps, steps.len() as u64), (best.0 + 4, best.0 + 4), "{losses:?}");
    assert!(first.steps < 40 && first.stopped.as_ref().is_some_and(|why| why.contains("2 measurements")), "{losses:?}");
    let kept = |step: u64| config.output.join(format!("checkpoint-{step}"));
    assert!(kept(best.0).is_dir() && kept(first.steps).is_dir());
    let link = config.output.join(BEST).canonicalize().unwrap();
    assert_eq!(link, kept(best.0).canonicalize().unwrap());
    let before: Vec<PathBuf> = std::fs::read_dir(&config.output).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(before.iter().filter(|path| path.is_dir() && !path.is_symlink()).count(), 2, "{before:?}");

    // Asked to go on it has no more patience than before.
    let (again, steps) = go(&config, true);
    assert_eq!((again.unwrap(), steps), (first.clone(), vec![]));
    // With more, it goes on as if it had not stopped.
    config.validation.iter_mut().for_each(|validation| validation.patience = 4);
    std::fs::write(config.output.join("run.toml"), config.to_toml()).unwrap();
    let (more, steps) = go(&config, true);
    let more = more.unwrap();
    assert!(more.steps >= first.steps + 4 && steps[0] == first.steps + 1, "{more:?}");
    let whole = go(&measured(dir.path(), "whole", 4), false).0.unwrap();
    assert_eq!((whole.steps, whole.best, whole.loss), (more.steps, more.best, more.loss));
    assert!(weights(&whole.checkpoint) == weights(&more.checkpoint));
}
