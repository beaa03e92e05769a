//! Real language: SmolLM2-135M-Instruct in SmolVLM-256M's layout, which `scripts/make-smollm2.sh` makes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, text};
use serde::Deserialize;
use smolvlm_engine::{DTypeChoice, Engine, EngineOptions};
use smolvlm_golden::{Case, cases, distance, folder, repository, tensors};
use std::path::{Path, PathBuf};

fn model() -> PathBuf {
    let model = repository().join("models/smollm2-256m");
    assert!(model.is_dir(), "make it with scripts/make-smollm2.sh");
    model
}

fn engine(model: &Path, dtype: DTypeChoice) -> Engine {
    let options =
        EngineOptions { threads: 2, isa: smolvlm_backend::Isa::best(), dtype, narrow_kv: false, adapters: Vec::new() };
    let files = smolvlm_hub::resolve(text(model), None, &|_| {}).unwrap();
    Engine::open(files, &options, &mut |_, _| {}).unwrap()
}

/// Its source, a decoder alone.
fn gguf() -> PathBuf {
    let model = repository().join("target/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(model.is_file(), "fetch it with scripts/make-smollm2.sh");
    model
}

#[test]
#[ignore = "needs the checkpoint that scripts/make-smollm2.sh makes"]
fn answers_every_case_with_the_references_tokens() {
    check(&model(), cases(&folder().join("smollm2-256m")), 1e-4);
}

#[test]
#[ignore = "needs the GGUF file that scripts/make-smollm2.sh fetches"]
fn a_gguf_decoder_alone_answers_with_the_references_tokens() {
    check(&gguf(), cases(&folder().join("smollm2-gguf")), 1e-3);
}

/// That a model's prompts, logits and greedy answers are the reference's.
fn check(model: &Path, cases: Vec<Case>, bound: f32) {
    let dir = tempfile::tempdir().unwrap();
    assert!(cases.len() >= 8);
    for case in cases {
        let (messages, dump) = (dir.path().join("messages.json"), dir.path().join("dump.safetensors"));
        std::fs::write(&messages, case.messages.to_string()).unwrap();
        let args = ["run", "-m", text(model), "--messages", text(&messages), "-n", "64", "--dtype", "f32"];
        let answer = smolvlm(&[&args[..], &["--dump", text(&dump)]].concat()).ok();
        let got = tensors(&dump);
        let ids = |name: &str| got[name].i64().iter().map(|&id| id as u32).collect::<Vec<_>>();
        assert_eq!(ids("input_ids"), case.input_ids, "{}", case.name);
        assert_eq!(ids("output_ids"), case.greedy_ids, "{}", case.name);
        assert_eq!(answer.strip_suffix('\n').unwrap(), case.greedy_text, "{}", case.name);
        let want = case.tensors["last_logits"].f32();
        let last = &got["last_logits"].f32()[got["last_logits"].f32().len() - want.len()..];
        let apart = distance(last, want);
        assert!(apart < bound, "{}: logits differ by {apart:e}", case.name);
        let largest = want.iter().fold(0.0f32, |a, b| a.max(b.abs()));
        let (argmax, margin) = (case.tensors["argmax"].i64(), case.tensors["margin"].f32());
        for (at, got) in got["argmax"].i64().iter().enumerate() {
            assert!(*got == argmax[at] || margin[at] <= 2e-4 * largest, "{}: after {at}", case.name);
        }
    }
}

#[test]
#[ignore = "needs the checkpoint that scripts/make-smollm2.sh makes"]
fn knows_the_capital_of_france() {
    let answer = smolvlm(&["run", "-m", text(&model()), "What is the capital of France?"]).ok();
    assert_eq!(answer, "The capital of France is Paris.\n");
}

#[test]
#[ignore = "needs the checkpoint that scripts/make-smollm2.sh makes"]
fn bf16_foretells_the_tokens_that_f32_is_sure_of() {
    let [exact, low] = [DTypeChoice::F32, DTypeChoice::Bf16].map(|dtype| engine(&model(), dtype));
    let (mut sure, mut positions) = (0, 0);
    for case in cases(&folder().join("smollm2-256m")) {
        let ids: Vec<u32> = case.input_ids.iter().chain(&case.greedy_ids).copied().collect();
        let (want, got) = (exact.tops(&ids).unwrap(), low.tops(&ids).unwrap());
        assert_eq!((want.len(), got.len()), (ids.len(), ids.len()));
        for (at, (want, got)) in want.iter().zip(&got).enumerate().filter(|(_, (want, _))| want.margin > 0.25) {
            assert_eq!(want.index, got.index, "{}: after {at}, where the margin is {}", case.name, want.margin);
            sure += 1;
        }
        positions += ids.len();
    }
    assert!(sure > positions / 2, "{sure} of {positions}");
}

#[test]
#[ignore = "needs the checkpoint that scripts/make-smollm2.sh makes, and the file that it fetches"]
fn perplexity_of_a_licence_is_the_references() {
    #[derive(Deserialize)]
    struct Golden {
        ids: Vec<u32>,
        window: usize,
        scored: usize,
        mean_nll: f64,
    }
    for (model, name, dtype, bound) in [
        (model(), "smollm2-256m", DTypeChoice::F32, 1e-5),
        (model(), "smollm2-256m", DTypeChoice::Bf16, 1e-3),
        (gguf(), "smollm2-gguf", DTypeChoice::F32, 1e-5),
    ] {
        let golden = std::fs::read_to_string(folder().join(name).join("perplexity.json")).unwrap();
        let golden: Golden = serde_json::from_str(&golden).unwrap();
        let score = engine(&model, dtype).perplexity(&golden.ids, golden.window, &mut |_, _| {}).unwrap();
        assert_eq!(score.scored, golden.scored);
        let apart = (score.perplexity() / golden.mean_nll.exp() - 1.0).abs();
        assert!(apart < bound, "{dtype:?}: perplexity {} differs by {apart:e}", score.perplexity());
    }
}
