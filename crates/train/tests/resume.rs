//! A run that was stopped or killed and goes on ends with the bits of one that was not.
#![allow(clippy::unwrap_used)]

use smolvlm_backend::Isa;
use smolvlm_data::{Packing, SourceConfig};
use smolvlm_golden::{folder, repository};
use smolvlm_model::peft::Targets;
use smolvlm_train::{
    Adapter, Config, Observer, Optimiser, Options, Ramp, Reduction, Stage, StepLine, Validation, train,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops after a step.
struct Stop<'a> {
    after: u64,
    flag: &'a AtomicBool,
    losses: Vec<f64>,
}

impl Observer for Stop<'_> {
    fn loading(&mut self, _: usize, _: usize) {}

    fn step(&mut self, line: &StepLine, _: u64) {
        self.losses.push(line.loss);
        self.flag.store(line.step >= self.after, Ordering::Relaxed);
    }

    fn note(&mut self, _: &str) {}
}

/// Two sources: chats about pictures, and documents of many lengths; one row is broken.
fn data(dir: &Path) -> Vec<SourceConfig> {
    let picture = repository().join("golden/images/photo.jpg");
    let chats: String = (0..6)
        .map(|i| {
            format!(
                "{{\"messages\": [{{\"role\": \"user\", \"content\": [{{\"type\": \"image\"}}, {{\"type\": \"text\", \
                 \"text\": \"What is {i}?\"}}]}}, {{\"role\": \"assistant\", \"content\": \"It is {i}.\"}}], \
                 \"images\": [\"{}\"]}}\n",
                picture.display()
            )
        })
        .collect();
    let texts: String = (1..20).map(|i| format!("{{\"text\": \"{}\"}}\n", "abc ".repeat(i))).collect();
    std::fs::write(dir.join("chats.jsonl"), chats).unwrap();
    std::fs::write(dir.join("texts.jsonl"), texts + "{\"text\": \n").unwrap();
    let weighted = |name: &str, weight| SourceConfig { weight: Some(weight), ..SourceConfig::new(dir.join(name)) };
    vec![weighted("chats.jsonl", 1.0), weighted("texts.jsonl", 2.0)]
}

fn config(dir: &Path, output: &str, adapter: bool) -> Config {
    let stage = Stage {
        steps: Some(7),
        batch: 6,
        lr: 1e-3,
        warmup: 2.0,
        optimiser: Optimiser::Adamw8,
        ramp: Some(Ramp { start: 2, increment: 2, samples: 6 }),
        ..Stage::default()
    };
    let second = Stage {
        steps: Some(if adapter { 4 } else { 2 }),
        ramp: None,
        freeze: vec!["vision_model".into()],
        optimiser: Optimiser::Muon,
        ..stage.clone()
    };
    let third = Stage { steps: Some(2), decoder: false, freeze: Vec::new(), ..second.clone() };
    let mut config = Config {
        model: folder().join("idefics3-256m"),
        output: dir.join(output),
        stages: if adapter { vec![stage, second] } else { vec![stage, second, third] },
        words: if adapter { 0.0 } else { 0.5 },
        reduction: Reduction::Sqrt,
        neftune: 5.0,
        ..Config::default()
    };
    if adapter {
        let targets = Targets::Names(["q_proj", "v_proj", "fc1", "down_proj"].map(String::from).into());
        config.adapter = Some(Adapter { dora: true, dropout: 0.2, targets, ..Adapter::default() });
    }
    config.data.sources = data(dir);
    config.data.packing = Packing::Blocks;
    config.data.pack_tokens = 96;
    config.data.length = 512;
    config.data.scale_frequency = 0.5;
    config.validation = Some(Validation {
        every: 5,
        samples: 4,
        answers: 1,
        ..Validation::new(vec![SourceConfig::new(dir.join("chats.jsonl"))])
    });
    config.checkpoints.every = 3;
    config.checkpoints.keep = 2;
    config
}

fn go(config: &Config, threads: usize, resume: bool, after: u64) -> (Vec<f64>, PathBuf) {
    let flag = AtomicBool::new(false);
    let options = Options { threads, isa: Isa::best(), resume, stop: &flag };
    let mut stop = Stop { after, flag: &flag, losses: Vec::new() };
    let outcome = train(config, &options, &mut stop).unwrap();
    assert_eq!(outcome.stopped.is_some(), after <= outcome.steps && outcome.steps < 11, "{:?}", outcome.stopped);
    assert!(outcome.skipped > 0 || after < 11, "the broken row is counted");
    (stop.losses, outcome.checkpoint)
}

/// A checkpoint's files that a run's end is judged by.
fn files(checkpoint: &Path, adapter: bool) -> Vec<Vec<u8>> {
    let weights = if adapter { "adapter_model.safetensors" } else { "model.safetensors" };
    let read = |name: &str| std::fs::read(checkpoint.join(name)).unwrap();
    vec![read(weights), read("training/state.safetensors"), read("training/state.json")]
}

#[test]
fn stopped_and_resumed_with_other_threads_is_bit_for_bit_the_same() {
    for adapter in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let whole = config(dir.path(), "whole", adapter);
        let (losses, end) = go(&whole, 2, false, u64::MAX);
        assert_eq!(losses.len(), 11);
        let parts = config(dir.path(), "parts", adapter);
        let (first, _) = go(&parts, 1, false, 4);
        let (second, _) = go(&parts, 3, true, 8);
        // As if it had been killed after that: the newest checkpoint is gone, and the log goes on too far.
        std::fs::remove_dir_all(parts.output.join("checkpoint-8")).unwrap();
        let (third, resumed) = go(&parts, 2, true, u64::MAX);
        assert_eq!([&first[..], &second[..]].concat(), losses[..8]);
        assert_eq!(third, losses[11 - third.len()..]);
        assert!(files(&end, adapter) == files(&resumed, adapter), "adapter {adapter}");
        let log = |config: &Config| {
            let text = std::fs::read_to_string(config.output.join("log.jsonl")).unwrap();
            let steps = text.lines().filter(|line| line.contains("\"kind\":\"step\""));
            steps.map(|line| line.split("\"tokens\"").next().unwrap().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(log(&whole), log(&parts));
    }
}

#[test]
fn a_run_is_not_begun_over_another_nor_gone_on_with_as_another() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = config(dir.path(), "run", true);
    go(&run, 2, false, 3);
    let flag = AtomicBool::new(false);
    let again = |config: &Config, resume: bool| {
        let options = Options { threads: 1, isa: Isa::best(), resume, stop: &flag };
        let mut stop = Stop { after: 0, flag: &flag, losses: Vec::new() };
        train(config, &options, &mut stop).unwrap_err().to_string()
    };
    assert!(again(&run, false).contains("holds a run already"));
    run.seed += 1;
    assert!(again(&run, true).contains("another run"));
    run.seed -= 1;
    let state = run.output.join("checkpoint-3/training/state.safetensors");
    let bytes = std::fs::read(&state).unwrap();
    std::fs::write(&state, &bytes[..bytes.len() / 2]).unwrap();
    assert!(again(&run, true).contains("state.safetensors"));
}
