//! Losses of training are those of a plain PyTorch loop: its first steps on a golden model, kept in `golden/curves`
//! (`scripts/curves.py --golden`; without it the same script compares longer runs, of a real model too).
#![allow(clippy::unwrap_used)]

use serde::Deserialize;
use smolvlm_backend::Isa;
use smolvlm_golden::folder;
use smolvlm_train::{Config, Observer, Options, StepLine, train};
use std::sync::atomic::AtomicBool;

/// What PyTorch lost in each step.
#[derive(Deserialize)]
struct Golden {
    losses: Vec<f64>,
}

/// How far a loss may be from PyTorch's. The runs are 2e-7 apart; ten times the decay makes 2e-4 in these few steps, a
/// hundred times the epsilon 3e-4, a second beta of 0.99 1e-3, so 1 %, which long runs are held to, would not notice.
const BOUND: f64 = 1e-4;

struct Losses(Vec<f64>);

impl Observer for Losses {
    fn loading(&mut self, _: usize, _: usize) {}

    fn step(&mut self, line: &StepLine, _: u64) {
        self.0.push(line.loss);
    }

    fn note(&mut self, _: &str) {}
}

fn is_pytorchs(mode: &str) {
    let golden = folder().join("curves");
    let want: Golden = serde_json::from_slice(&std::fs::read(golden.join(format!("{mode}.json"))).unwrap()).unwrap();
    let mut config = Config::open(&golden.join(format!("{mode}.toml"))).unwrap();
    let output = tempfile::tempdir().unwrap();
    config.output = output.path().join("out");
    let mut losses = Losses(Vec::new());
    let options = Options { threads: 2, isa: Isa::best(), resume: false, stop: &AtomicBool::new(false) };
    train(&config, &options, &mut losses).unwrap();
    assert_eq!(losses.0.len(), want.losses.len());
    for (step, (ours, theirs)) in losses.0.iter().zip(&want.losses).enumerate() {
        assert!((ours - theirs).abs() <= BOUND * theirs, "{mode}, step {}: {ours}, PyTorch {theirs}", step + 1);
    }
}

#[test]
fn a_whole_models_losses_are_pytorchs() {
    is_pytorchs("full");
}

#[test]
fn an_adapters_losses_are_pytorchs() {
    is_pytorchs("lora");
}
