//! Every golden case through the program, as a user would run it: pixels, tokens and greedy answers equal, features and
//! logits close.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, text};
use smolvlm_golden::{Case, cases, distance, folder, tensors};
use std::path::Path;

/// Runs a case with `--dump`; returns the answer's text.
fn run(model: &Path, case: &Case, dump: &Path, extra: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let messages = dir.path().join("messages.json");
    std::fs::write(&messages, case.messages.to_string()).unwrap();
    let images: Vec<_> = case.images.iter().map(|name| folder().join("images").join(name)).collect();
    let mut args = vec!["run", "-m", text(model), "--messages", text(&messages), "-n", "24", "--dump", text(dump)];
    images.iter().for_each(|image| args.extend(["--image", text(image)]));
    let edge = case.options.size.as_ref().map(|size| size.longest_edge.to_string());
    if let Some(edge) = &edge {
        args.extend(["--max-edge", edge]);
    }
    if case.options.do_image_splitting == Some(false) {
        args.push("--no-split");
    }
    args.extend(extra);
    smolvlm(&args).ok()
}

fn check(model: &Path, case: &Case, what: &str) {
    let dir = tempfile::tempdir().unwrap();
    let dump = dir.path().join("dump.safetensors");
    let answer = run(model, case, &dump, &["--dtype", "f32"]);
    let got = tensors(&dump);
    let want = &case.tensors;
    assert_eq!(got.contains_key("pixels"), want.contains_key("pixels"), "{what}: pixels");
    if let Some(pixels) = want.get("pixels") {
        assert!(got["pixels"] == *pixels, "{what}: pixels differ");
        assert_eq!(got["image_features"].shape(), want["image_features"].shape(), "{what}");
        let apart = distance(got["image_features"].f32(), want["image_features"].f32());
        assert!(apart < 1e-4, "{what}: features differ by {apart:e}");
    }
    let ids: Vec<u32> = got["input_ids"].i64().iter().map(|&id| id as u32).collect();
    assert_eq!(ids, case.input_ids, "{what}: tokens");
    assert_eq!(got["last_logits"].shape(), want["last_logits"].shape(), "{what}");
    let apart = distance(got["last_logits"].f32(), want["last_logits"].f32());
    assert!(apart < 1e-4, "{what}: logits differ by {apart:e}");
    let largest = want["last_logits"].f32().iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let (argmax, margin) = (want["argmax"].i64(), want["margin"].f32());
    assert_eq!(got["argmax"].shape(), [case.input_ids.len()], "{what}");
    for (at, got) in got["argmax"].i64().iter().enumerate() {
        assert!(*got == argmax[at] || margin[at] <= 2e-4 * largest, "{what}: the likeliest token after {at}");
    }
    let output: Vec<u32> = got["output_ids"].i64().iter().map(|&id| id as u32).collect();
    assert_eq!(output, case.greedy_ids, "{what}: the greedy answer");
    assert_eq!(answer.strip_suffix('\n').unwrap(), case.greedy_text, "{what}: the answer's text");
}

fn check_model(name: &str) {
    let model = folder().join(name);
    for case in cases(&model) {
        check(&model, &case, &format!("{name}/{}", case.name));
    }
}

#[test]
fn idefics3_256m() {
    check_model("idefics3-256m");
}

#[test]
fn idefics3_2b() {
    check_model("idefics3-2b");
}

#[test]
fn smolvlm2() {
    check_model("smolvlm2");
}

#[test]
fn wide() {
    check_model("wide");
}

#[test]
fn outliers() {
    check_model("outliers");
}

#[test]
fn legacy() {
    check_model("legacy");
}

#[test]
fn the_same_bits_with_any_threads() {
    let model = folder().join("idefics3-256m");
    let case = cases(&model).into_iter().find(|c| c.name == "turns").unwrap();
    let dir = tempfile::tempdir().unwrap();
    for dtype in ["f32", "bf16"] {
        let mut first: Option<Vec<u8>> = None;
        for threads in ["1", "2", "3", "7"] {
            let dump = dir.path().join("dump.safetensors");
            run(&model, &case, &dump, &["-t", threads, "--dtype", dtype]);
            let bytes = std::fs::read(&dump).unwrap();
            assert!(*first.get_or_insert_with(|| bytes.clone()) == bytes, "{dtype} with {threads} threads");
        }
    }
}
