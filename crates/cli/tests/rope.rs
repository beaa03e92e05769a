//! Rotary frequencies that are scaled as Llama 3.1's are: a network answers as the reference does (`golden/rope.safetensors`,
//! by `scripts/make_rope.py`), from a folder and from the GGUF file that is made of it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{copy_of, smolvlm, text};
use smolvlm_gguf::Gguf;
use smolvlm_golden::{cases, distance, folder, tensors};
use std::path::Path;

/// That a model's logits are the reference's, as a part of the largest.
fn check(model: &Path) {
    let golden = tensors(&folder().join("rope.safetensors"));
    let dir = tempfile::tempdir().unwrap();
    let (messages, dump) = (dir.path().join("messages.json"), dir.path().join("dump.safetensors"));
    let mut checked = 0;
    for case in cases(&folder().join("wide")) {
        let Some(want) = golden.get(&format!("wide.{}.last_logits", case.name)) else { continue };
        std::fs::write(&messages, case.messages.to_string()).unwrap();
        let mut args = vec!["run", "-m", text(model), "--dtype", "f32", "-n", "2", "--messages", text(&messages)];
        args.extend(["--dump", text(&dump)]);
        let images: Vec<_> = case.images.iter().map(|name| folder().join("images").join(name)).collect();
        images.iter().for_each(|image| args.extend(["--image", text(image)]));
        smolvlm(&args).ok();
        let apart = distance(tensors(&dump)["last_logits"].f32(), want.f32());
        assert!(apart < 1e-4, "{}, {}: logits differ by {apart:e}", model.display(), case.name);
        std::fs::remove_file(&dump).unwrap();
        checked += 1;
    }
    assert_eq!(checked, 2);
}

#[test]
fn frequencies_of_llama_3_1_answer_as_the_reference_does() {
    let (model, made) = (copy_of(&folder().join("wide")), tempfile::tempdir().unwrap());
    let path = model.path().join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["text_config"]["rope_parameters"] = serde_json::json!({
        "rope_theta": 100_000.0,
        "rope_type": "llama3",
        "factor": 4.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    });
    std::fs::write(&path, config.to_string()).unwrap();
    check(model.path());
    let (file, back) = (made.path().join("wide.gguf"), made.path().join("back"));
    smolvlm(&["convert", "-m", text(model.path()), "-o", text(&file), "--type", "f32"]).ok();
    check(&file);
    // What the file says is what llama.cpp's converter says of the same, to the last place or one beside it.
    let bytes = std::fs::read(&file).unwrap();
    let tensor = Gguf::parse(&bytes).unwrap().tensor("rope_freqs.weight").unwrap().clone();
    let golden = tensors(&folder().join("rope.safetensors"));
    let want = golden["wide.divisors"].f32();
    let got = tensor.kind.to_f32(tensor.bytes);
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 2.0 * f32::EPSILON * want, "{got} {want}");
    }
    // And back to a folder.
    smolvlm(&["convert", "-m", text(&file), "-o", text(&back)]).ok();
    check(&back);
}
