//! `smolvlm convert`: what llama.cpp's own tools write of the same model is written to the bit, and nothing is lost on the
//! way there and back.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, text};
use smolvlm_gguf::{Gguf, Value};
use smolvlm_golden::{cases, folder, tensors};
use std::path::Path;

/// Converts, and returns what is said.
fn convert(from: &Path, to: &Path, more: &[&str]) -> String {
    smolvlm(&[&["convert", "-m", text(from), "-o", text(to)], more].concat()).ok()
}

#[test]
fn blocks_and_metadata_are_the_ones_that_llama_cpp_writes() {
    let dir = tempfile::tempdir().unwrap();
    let golden = folder().join("gguf");
    for kind in ["q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"] {
        let made = dir.path().join(format!("wide-{kind}.gguf"));
        convert(&folder().join("wide"), &made, &["--type", &kind.to_lowercase()]);
        compare(&made, &golden.join(format!("wide-{kind}.gguf")));
    }
    compare(&dir.path().join("mmproj-wide-q8_0.gguf"), &golden.join("mmproj-wide-f16.gguf"));
}

/// That a file says what another says: names of all keys but a few, and every tensor's bits.
fn compare(made: &Path, golden: &Path) {
    let (made_bytes, golden_bytes) = (std::fs::read(made).unwrap(), std::fs::read(golden).unwrap());
    let (made, want) = (Gguf::parse(&made_bytes).unwrap(), Gguf::parse(&golden_bytes).unwrap());
    for key in want.keys().filter(|key| !["general.name", "general.size_label"].contains(key)) {
        let is_nothing = |value: &Value<'_>| matches!(value, Value::Bool(false));
        assert!(made.value(key) == want.value(key) || want.value(key).is_some_and(is_nothing), "{key}");
    }
    let mut same = 0;
    for (name, want) in want.tensors() {
        let made = made.tensor(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(made.shape, want.shape, "{name}");
        // The head: llama-quantize gives it six bits where rows are whole blocks of 256.
        if made.kind == want.kind {
            assert!(made.bytes == want.bytes, "{name} as {}", made.kind.name());
            same += 1;
        }
    }
    assert!(same + 1 >= want.tensors().count() && made.tensors().count() == want.tensors().count());
}

#[test]
fn there_and_back_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (wide, files) = (folder().join("wide"), at("wide.gguf"));
    let said = convert(&wide, &files, &["--type", "f32"]);
    assert_eq!(said, format!("{}\n{}\n", files.display(), at("mmproj-wide.gguf").display()));
    convert(&files, &at("back"), &[]);
    let (before, after) = (tensors(&wide.join("model.safetensors")), tensors(&at("back/model.safetensors")));
    assert!(before == after);
    // Prompts, pixels and answers are the same by way of either.
    let case = cases(&wide).into_iter().find(|case| case.name == "two").unwrap();
    let messages = at("messages.json");
    std::fs::write(&messages, case.messages.to_string()).unwrap();
    let images: Vec<_> = case.images.iter().map(|name| folder().join("images").join(name)).collect();
    for model in [&files, &at("back")] {
        let dump = at("dump.safetensors");
        let mut args = vec!["run", "-m", text(model), "--messages", text(&messages), "-n", "4", "--dump", text(&dump)];
        images.iter().for_each(|image| args.extend(["--image", text(image)]));
        smolvlm(&args).ok();
        let got = tensors(&dump);
        let ids: Vec<u32> = got["input_ids"].i64().iter().map(|&id| id as u32).collect();
        assert_eq!(ids, case.input_ids);
        assert!(got["pixels"] == case.tensors["pixels"]);
        std::fs::remove_file(&dump).unwrap();
    }
    // Half the bytes.
    convert(&at("back"), &at("half"), &["--type", "bf16"]);
    let config = std::fs::read_to_string(at("half/config.json")).unwrap();
    assert!(config.contains("\"bfloat16\""), "{config}");
    let size = |name: &str| std::fs::metadata(at(name)).unwrap().len();
    assert!(size("half/model.safetensors") < size("back/model.safetensors") * 52 / 100);
}

#[test]
fn a_decoder_alone_keeps_to_itself() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::copy(folder().join("gguf/wide-q8_0.gguf"), at("alone.gguf")).unwrap();
    convert(&at("alone.gguf"), &at("folder"), &[]);
    assert_eq!(
        convert(&at("folder"), &at("again.gguf"), &["--type", "q8_0"]),
        format!("{}\n", at("again.gguf").display())
    );
    // As LlamaForCausalLM has it.
    assert!(tensors(&at("folder/model.safetensors")).contains_key("model.layers.0.mlp.up_proj.weight"));
    let ask = |model: &str| smolvlm(&["run", "-m", text(&at(model)), "Who are you?", "-n", "8", "--dtype", "f32"]).ok();
    assert_eq!(ask("alone.gguf"), ask("folder"));
    assert_eq!(ask("alone.gguf"), ask("again.gguf"));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (wide, out) = (folder().join("wide"), dir.path().join("out.gguf"));
    let refused =
        |to: &Path, more: &[&str]| smolvlm(&[&["convert", "-m", text(&wide), "-o", text(to)], more].concat()).refused();
    assert!(refused(&dir.path().join("out"), &["--type", "q4_0"]).contains("a name that ends in .gguf"));
    assert!(refused(&dir.path().join("out.safetensors"), &[]).contains("a folder is written"));
    assert!(refused(&dir.path().join("out"), &["--mmproj-type", "f16"]).contains("one file of weights"));
    assert!(refused(&dir.path().join("none/out.gguf"), &[]).contains("no such folder"));
    std::fs::write(dir.path().join("mmproj-out.gguf"), "mine").unwrap();
    assert!(refused(&out, &[]).contains("mmproj-out.gguf exists already; nothing is overwritten"));
    assert!(!out.exists());
    assert!(refused(dir.path(), &[]).contains("exists already"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind");
}
