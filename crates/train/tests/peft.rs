//! What a run writes of an adapter is what `peft` wrote of it: the same settings, and the same file of tensors.
//! (`scripts/check-peft.sh` has peft itself read what runs write.)
#![allow(clippy::unwrap_used)]

use serde_json::{Map, Value};
use smolvlm_backend::Isa;
use smolvlm_data::SourceConfig;
use smolvlm_golden::folder;
use smolvlm_model::peft::{CONFIG, WEIGHTS};
use smolvlm_train::{Adapter, Config, DType, Observer, Options, Stage, StepLine, train};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

const ADAPTERS: [&str; 4] = ["lora", "rslora", "dora", "alllinear"];

struct Quiet;

impl Observer for Quiet {
    fn loading(&mut self, _: usize, _: usize) {}

    fn step(&mut self, _: &StepLine, _: u64) {}

    fn note(&mut self, _: &str) {}
}

/// Goes on from an adapter for a step of a warm-up, whose rate is 0, and saves it.
fn saved(adapter: &str, dir: &Path) -> PathBuf {
    std::fs::write(dir.join("texts.jsonl"), "{\"text\": \"abc abc\"}\n").unwrap();
    let from = Some(folder().join("adapters").join(adapter));
    let mut config = Config {
        model: folder().join("idefics3-256m"),
        output: dir.join("out"),
        dtype: DType::F32,
        adapter: Some(Adapter { from, ..Adapter::default() }),
        stages: vec![Stage { steps: Some(1), batch: 1, warmup: 2.0, ..Stage::default() }],
        ..Config::default()
    };
    config.data.sources = vec![SourceConfig::new(dir.join("texts.jsonl"))];
    let options = Options { threads: 2, isa: Isa::best(), resume: false, stop: &AtomicBool::new(false) };
    train(&config, &options, &mut Quiet).unwrap().checkpoint
}

fn settings(dir: &Path) -> Map<String, Value> {
    serde_json::from_slice(&std::fs::read(dir.join(CONFIG)).unwrap()).unwrap()
}

/// What peft says of settings that are not said here: that they are off.
fn is_off(key: &str, value: &Value) -> bool {
    match (key, value) {
        // Of peft itself, of the class that it wrapped, and of methods that are not asked for.
        ("peft_version" | "auto_mapping" | "megatron_core" | "qalora_group_size", _) => true,
        (_, Value::Null | Value::Bool(false)) => true,
        (_, Value::Object(map)) => map.is_empty(),
        _ => false,
    }
}

#[test]
fn settings_and_tensors_are_pefts() {
    for adapter in ADAPTERS {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (saved(adapter, dir.path()), folder().join("adapters").join(adapter));
        let (said, all) = (settings(&ours), settings(&theirs));
        for (key, value) in &said {
            assert_eq!(Some(value), all.get(key), "{adapter}: {key}");
        }
        for (key, value) in all.iter().filter(|(key, _)| !said.contains_key(*key)) {
            assert!(is_off(key, value), "{adapter}: {key} is {value}");
        }
        // Names, types, shapes, their order and every number.
        let file = |dir: &Path| std::fs::read(dir.join(WEIGHTS)).unwrap();
        assert!(file(&ours) == file(&theirs), "{adapter}");
    }
}
