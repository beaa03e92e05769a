//! `smolvlm embed`: vectors of a ColIdefics3 that is made of a golden model, against what `scripts/make_vectors.py` computes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{copy_of, smolvlm, text};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use smolvlm_golden::{distance, folder, tensors};
use std::path::Path;

const WIDTH: usize = 128;

/// Gives a golden model the head of a ColIdefics3 in the place of its words'.
fn make_retriever(model: &Path) {
    let config = std::fs::read_to_string(model.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["architectures"] = serde_json::json!(["ColIdefics3"]);
    std::fs::write(model.join("config.json"), config.to_string()).unwrap();
    let hidden = config["text_config"]["hidden_size"].as_u64().unwrap() as usize;
    let bytes = std::fs::read(model.join("model.safetensors")).unwrap();
    let old = SafeTensors::deserialize(&bytes).unwrap();
    let number = |i: usize| ((i + 1) as f64).sin() as f32 / 4.0;
    let numbers: Vec<u8> = (0..WIDTH * (hidden + 1)).flat_map(|i| number(i).to_le_bytes()).collect();
    let (weight, bias) = numbers.split_at(4 * WIDTH * hidden);
    let mut new: Vec<_> = old.tensors().into_iter().filter(|(name, _)| name != "lm_head.weight").collect();
    new.push(("linear.weight".into(), TensorView::new(Dtype::F32, vec![WIDTH, hidden], weight).unwrap()));
    new.push(("linear.bias".into(), TensorView::new(Dtype::F32, vec![WIDTH], bias).unwrap()));
    let written = safetensors::serialize(new, None).unwrap();
    std::fs::write(model.join("model.safetensors"), written).unwrap();
}

#[test]
fn vectors_and_scores_are_the_references() {
    let model = copy_of(&folder().join("idefics3-256m"));
    make_retriever(model.path());
    let out = model.path().join("vectors.safetensors");
    let pictures = ["photo.jpg", "small.png"].map(|name| folder().join("images").join(name));
    let mut args = vec!["embed", "-m", text(model.path()), text(&pictures[0]), text(&pictures[1]), "--dtype", "f32"];
    args.extend(["--query", "Where is the boat?", "--query", "A small <image> of 12 dots", "--json", "-o", text(&out)]);
    let report: serde_json::Value = serde_json::from_str(&smolvlm(&args).ok()).unwrap();
    let (want, got) = (tensors(&folder().join("vectors.safetensors")), tensors(&out));
    for name in ["picture.0", "picture.1", "query.0", "query.1"] {
        assert_eq!(got[name].f32().len(), want[name].f32().len(), "{name}");
        let apart = distance(got[name].f32(), want[name].f32());
        assert!(apart < 1e-4, "{name}: vectors differ by {apart:e}");
    }
    let scores: Vec<f64> = report["scores"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|x| x.as_f64().unwrap())
        .collect();
    assert_eq!(scores.len(), 4);
    for (got, want) in scores.iter().zip(want["scores"].f32()) {
        assert!((got - f64::from(*want)).abs() < 1e-3, "{got} for {want}");
    }
    // Words are not to be had of it.
    let error = smolvlm(&["run", "-m", text(model.path()), "Who are you?"]).refused();
    assert!(error.contains("makes vectors") && error.contains("smolvlm embed"), "{error}");
}

#[test]
fn models_that_make_words_and_calls_without_anything_are_refused() {
    let model = folder().join("idefics3-256m");
    let error = smolvlm(&["embed", "-m", text(&model), "--query", "What?"]).refused();
    assert!(error.contains("makes no vectors"), "{error}");
    assert!(smolvlm(&["embed", "-m", text(&model)]).refused().contains("nothing to make vectors of"));
}
