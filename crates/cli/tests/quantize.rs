//! `smolvlm quantize`: what it writes is opened by every command, and what cannot be is one clear error.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, text};
use serde_json::Value;
use smolvlm_golden::{folder, repository};
use std::path::Path;

fn quantize(from: &Path, to: &Path, more: &[&str]) -> common::Output {
    smolvlm(&[&["quantize", "-m", text(from), "-o", text(to), "-t", "2"], more].concat())
}

#[test]
fn what_is_written_answers() {
    let at = tempfile::tempdir().unwrap();
    let (wide, to) = (folder().join("wide"), at.path().join("q8"));
    let photo = repository().join("golden/images/photo.jpg");
    let said: Value = serde_json::from_str(&quantize(&wide, &to, &["--quant", "q8", "--json"]).ok()).unwrap();
    assert!(said["few_bits"]["bits_per_weight"] == 8.5 && said["calibrated"] == false, "{said}");
    let run = |model: &Path, more: &[&str]| {
        smolvlm(&[&["run", "-m", text(model), text(&photo), "What is it?", "-n", "8"], more].concat()).ok()
    };
    assert_eq!(run(&to, &[]), run(&wide, &["--quant", "q8"]));
    let config = std::fs::read_to_string(to.join("config.json")).unwrap();
    assert!(config.contains("\"quant_method\": \"smolvlm\""), "{config}");

    let rows = at.path().join("rows.jsonl");
    std::fs::write(&rows, format!("{{\"image\": {photo:?}, \"question\": \"What is it?\", \"answer\": \"A cat.\"}}\n"))
        .unwrap();
    let book = at.path().join("book.txt");
    std::fs::write(&book, "It was a dark and stormy night. ".repeat(40)).unwrap();
    let by = ["--calibrate", text(&rows), "--calibrate-text", text(&book), "--max-edge", "600"];
    let four = at.path().join("q4");
    let line = quantize(&wide, &four, &[&["--quant", "text=q4,vision=q8"], &by[..]].concat()).ok();
    assert!(line.contains("bits each, calibrated"), "{line}");
    assert!(!run(&four, &[]).is_empty());
    let compare = ["compare", text(&wide), text(&four), "--text", text(&book), "--picture", text(&photo), "--json"];
    let compared: Value = serde_json::from_str(&smolvlm(&compare).ok()).unwrap();
    assert!(compared["features"].as_f64().unwrap() < 0.03, "{compared}");

    let gguf = at.path().join("wide.gguf");
    let names = quantize(&wide, &gguf, &[&["--quant", "q8"], &by[..]].concat()).ok();
    assert_eq!(names.lines().count(), 2, "{names}");
    assert!(!run(&gguf, &[]).is_empty());
    // Back to numbers, and on to other blocks.
    for (name, kind) in [("back", "bf16"), ("more.gguf", "q8_0")] {
        let back = at.path().join(name);
        smolvlm(&["convert", "-m", text(&to), "-o", text(&back), "--type", kind]).ok();
        assert!(!run(&back, &[]).is_empty());
        let config = std::fs::read_to_string(back.join("config.json")).unwrap_or_default();
        assert!(!config.contains("quant_method"), "{config}");
    }
}

#[test]
fn what_cannot_be_is_one_clear_error() {
    let at = tempfile::tempdir().unwrap();
    let (wide, to) = (folder().join("wide"), at.path().join("q8"));
    let says = |output: common::Output, code: i32, what: &str| {
        assert!(output.code == code && output.stdout.is_empty(), "{}", output.stderr);
        assert!(output.stderr.lines().count() == 1 && output.stderr.contains(what), "{}", output.stderr);
    };
    quantize(&wide, &to, &["--quant", "q8"]).ok();
    let nowhere = at.path().join("x");
    says(quantize(&wide, &to, &["--quant", "q8"]), 1, "exists already");
    says(quantize(&to, &nowhere, &["--quant", "q4"]), 1, "in few bits already");
    says(quantize(&to, &at.path().join("x.gguf"), &["--quant", "q4"]), 1, "in few bits already");
    says(quantize(&wide, &nowhere, &["--quant", "none"]), 2, "q8, q4, or parts");
    says(quantize(&wide, &nowhere, &["--quant", "q8", "--max-edge", "300"]), 2, "--calibrate");
    says(quantize(&wide, &nowhere, &["--quant", "q8", "--calibrate", "none.jsonl"]), 1, "none.jsonl");
    says(quantize(&folder().join("idefics3-256m"), &nowhere, &["--quant", "q4"]), 1, "q8 for its part would be right");
    let adapter = folder().join("idefics3-256m");
    let merge = ["merge", "-m", text(&to), "--adapter", text(&adapter), "-o", text(&nowhere)];
    says(smolvlm(&merge), 1, "the model that they were made of would be right");
    assert!(!nowhere.exists());

    // A file whose pieces do not fit.
    let file = to.join("model.safetensors");
    let whole = std::fs::read(&file).unwrap();
    let header = usize::try_from(u64::from_le_bytes(whole[..8].try_into().unwrap())).unwrap();
    let names = String::from_utf8(whole[8..8 + header].to_vec()).unwrap();
    let with = |from: &str, to: &str| {
        assert!(names.contains(from), "{from}");
        let changed = names.replacen(from, to, 1);
        [&whole[..8], changed.as_bytes(), &whole[8 + header..]].concat()
    };
    let run = || smolvlm(&["run", "-m", text(&to), "-p", "Hello", "-n", "1"]);
    let scales = "model.text_model.layers.0.self_attn.q_proj.weight.scales";
    std::fs::write(&file, with(scales, &scales.replace(".scales", ".scalez"))).unwrap();
    says(run(), 1, "q_proj.weight");
    let cut = whole.len() - 100;
    std::fs::write(&file, &whole[..cut]).unwrap();
    says(run(), 1, "not a usable file of weights");
}
