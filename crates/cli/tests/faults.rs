//! Faults of files and machines through the program, as docs/safety.md lists them: GGUF files that lie, tokenizers, links,
//! threads, instructions, numbers too small to be normal.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{copy_of, smolvlm, text};
use serde_json::{Value, json};
use smolvlm_golden::{folder, tensors};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const TEXT: &str = "wide-Q4_0.gguf";
const MMPROJ: &str = "mmproj-wide-f16.gguf";

fn gguf(name: &str) -> Vec<u8> {
    std::fs::read(folder().join("gguf").join(name)).unwrap()
}

/// Where the bytes of a key or a tensor's name end.
fn behind(bytes: &[u8], name: &str) -> usize {
    bytes.windows(name.len()).position(|part| part == name.as_bytes()).unwrap() + name.len()
}

/// The file with the number behind a key's kind replaced.
fn with_number(mut bytes: Vec<u8>, key: &str, number: u32) -> Vec<u8> {
    let at = behind(&bytes, key) + 4;
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Asks about a picture by a decoder's file and its tower's.
fn ask(decoder: &[u8], tower: &[u8]) -> common::Output {
    let dir = tempfile::tempdir().unwrap();
    let (model, mmproj) = (dir.path().join("model.gguf"), dir.path().join("mmproj.gguf"));
    std::fs::write(&model, decoder).unwrap();
    std::fs::write(&mmproj, tower).unwrap();
    let picture = folder().join("images/small.png");
    smolvlm(&["run", "-m", text(&model), text(&picture), "What?", "-n", "2"])
}

#[test]
fn gguf_files_that_lie() {
    let (decoder, tower) = (gguf(TEXT), gguf(MMPROJ));
    ask(&decoder, &tower).ok();
    let refused = |decoder: &[u8], tower: &[u8], says: &str| {
        let error = ask(decoder, tower).refused();
        assert!(error.contains(says), "'{error}' should say '{says}'");
    };
    refused(b"GGUF", &tower, "it ends in the middle of its version");
    refused(&decoder, b"GGUF", "it ends in the middle of its version");
    refused(&decoder[..decoder.len() / 2], &tower, "was it copied whole?");
    // Sizes that are not those of the tensors, and sizes that cannot be.
    for (key, number, says) in [
        ("llama.embedding_length", 64, "but the config asks for ["),
        ("llama.embedding_length", 0, "hidden_size is 0"),
        ("llama.block_count", 1, "belongs to no part of this network"),
        ("llama.block_count", 0, "num_hidden_layers is 0"),
        ("llama.block_count", 1_000_000, "num_hidden_layers is 1000000"),
        ("llama.attention.head_count", 0, "num_attention_heads is 0"),
        ("llama.context_length", 0, "max_position_embeddings"),
        ("tokenizer.ggml.eos_token_id", 1_000_000, "tokens"),
    ] {
        refused(&with_number(decoder.clone(), key, number), &tower, says);
    }
    for (key, number, says) in [
        ("clip.vision.embedding_length", 64, "but the config asks for ["),
        ("clip.vision.block_count", 0, "num_hidden_layers is 0"),
        ("clip.vision.patch_size", 0, "patch_size"),
        ("clip.vision.projector.scale_factor", 0, "scale_factor"),
        ("clip.vision.projector.scale_factor", 3, "scale_factor"),
        ("clip.vision.image_size", u32::MAX, "image_size"),
    ] {
        refused(&decoder, &with_number(tower.clone(), key, number), says);
    }
    // A text of 2^63 bytes, and a list of as many.
    for (key, at) in [("general.architecture", 4), ("tokenizer.ggml.tokens", 8)] {
        let mut long = decoder.clone();
        let at = behind(&long, key) + at;
        long[at..at + 8].copy_from_slice(&(1u64 << 63).to_le_bytes());
        refused(&long, &tower, "9223372036854775808 of them, and");
    }
    // A list of a kind that there is none of.
    refused(&with_number(decoder.clone(), "tokenizer.ggml.tokens", 99), &tower, "kinds 0 to 12 are known");
    refused(&with_number(decoder.clone(), "tokenizer.ggml.tokens", 9), &tower, "array of arrays");
}

#[test]
fn a_vocabulary_that_is_shorter_than_its_ids() {
    let copy = copy_of(&folder().join("idefics3-256m"));
    let path = copy.path().join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    tokenizer["added_tokens"].as_array_mut().unwrap().iter_mut().for_each(|token| {
        if token["content"] == "<end_of_utterance>" {
            token["id"] = json!(4_000_000_000u32);
        }
    });
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    let error = smolvlm(&["run", "-m", text(copy.path()), "hi", "-n", "2"]).refused();
    assert!(error.contains("tokenizer.json"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_dead_ones_named() {
    let model = folder().join("idefics3-256m");
    let linked = tempfile::tempdir().unwrap();
    for name in
        ["config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]
    {
        std::os::unix::fs::symlink(model.join(name), linked.path().join(name)).unwrap();
    }
    let weights = linked.path().join("model.safetensors");
    let ask = || smolvlm(&["run", "-m", text(linked.path()), "hi", "-n", "2"]);
    for dead in [Path::new("/no/such/file"), weights.as_path(), Path::new("/dev/zero")] {
        std::os::unix::fs::symlink(dead, &weights).unwrap();
        let error = ask().refused();
        assert!(error.contains("no weights in it"), "{}: {error}", dead.display());
        std::fs::remove_file(&weights).unwrap();
    }
    std::os::unix::fs::symlink(model.join("model.safetensors"), &weights).unwrap();
    ask().ok();
}

#[cfg(unix)]
#[test]
fn without_a_home_only_the_hub_is_out_of_reach() {
    let ask = |model: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_smolvlm"))
            .args(["run", "-m", model, "hi", "-n", "2"])
            .env_clear()
            .output()
            .unwrap();
        let string = |bytes| String::from_utf8(bytes).unwrap();
        common::Output {
            code: output.status.code().unwrap(),
            stdout: string(output.stdout),
            stderr: string(output.stderr),
        }
    };
    ask(text(&folder().join("idefics3-256m"))).ok();
    let error = ask("org/name").refused();
    assert!(error.contains("HF_HOME") || error.contains("HOME"), "{error}");
}

/// What a model computes of a picture and a question.
fn computed(model: &Path, env: &[(&str, &str)], threads: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let dump = dir.path().join("dump.safetensors");
    let picture = folder().join("images/small.png");
    let status = Command::new(env!("CARGO_BIN_EXE_smolvlm"))
        .args(["run", "-m", text(model), text(&picture), "What?", "-n", "4", "--dtype", "f32", "-t", threads, "--dump"])
        .arg(&dump)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    std::fs::read(&dump).unwrap()
}

#[test]
fn one_thread_and_128_answer_alike() {
    let model = folder().join("idefics3-256m");
    assert!(computed(&model, &[], "1") == computed(&model, &[], "128"));
}

#[test]
fn instructions_that_the_processor_lacks_are_refused() {
    let output = |isa: &str| {
        let call = Command::new(env!("CARGO_BIN_EXE_smolvlm"))
            .args(["run", "-m", text(&folder().join("idefics3-256m")), "hi", "-n", "1"])
            .env("SMOLVLM_ISA", isa)
            .output()
            .unwrap();
        (call.status.code(), String::from_utf8(call.stderr).unwrap())
    };
    let foreign = if cfg!(target_arch = "x86_64") { "neon" } else { "avx2" };
    for isa in [foreign, "none"] {
        let (code, error) = output(isa);
        assert!(
            code == Some(2) && error.starts_with(&format!("error: SMOLVLM_ISA={isa}: this processor has ")),
            "{error}"
        );
    }
    assert_eq!(output("scalar").0, Some(0));
}

/// A copy of a model with every number of some tensors replaced by `number` of its place.
fn with_weights(names: &[&str], number: impl Fn(usize) -> f32) -> TempDir {
    let copy = copy_of(&folder().join("idefics3-256m"));
    let path: PathBuf = copy.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let listed: Value = serde_json::from_slice(&bytes[8..header]).unwrap();
    for name in names {
        let offset = |i: usize| header + listed[name]["data_offsets"][i].as_u64().unwrap() as usize;
        let (numbers, _) = bytes[offset(0)..offset(1)].as_chunks_mut::<4>();
        numbers.iter_mut().enumerate().for_each(|(i, to)| *to = number(i).to_le_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    copy
}

#[test]
fn numbers_too_small_to_be_normal_are_kept_by_all_instructions() {
    // Some of 1e-40, which rounds to 0 where such numbers are flushed; the head makes them large again.
    let tiny = |i: usize| if i.is_multiple_of(3) { 1e-40 } else { -3e-41 };
    let copy = with_weights(&["model.text_model.layers.0.mlp.down_proj.weight", "lm_head.weight"], tiny);
    let best = computed(copy.path(), &[], "2");
    assert!(best == computed(copy.path(), &[("SMOLVLM_ISA", "scalar")], "2"));
    let file = copy.path().join("dump.safetensors");
    std::fs::write(&file, &best).unwrap();
    let dump = tensors(&file);
    let logits = dump["last_logits"].f32();
    assert!(logits.iter().any(|logit| *logit != 0.0 && !logit.is_normal()), "{:?}", &logits[..4]);
}

/// A model whose embedding and head have so many rows, all zero, which take no room on the disk.
#[cfg(target_os = "linux")]
fn with_a_large_vocabulary(rows: usize) -> TempDir {
    let copy = copy_of(&folder().join("idefics3-256m"));
    let config = std::fs::read_to_string(copy.path().join("config.json")).unwrap();
    let large = config.replace("\"vocab_size\": 519", &format!("\"vocab_size\": {rows}"));
    assert_ne!(large, config);
    std::fs::write(copy.path().join("config.json"), large).unwrap();
    let path = copy.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut listed: Value = serde_json::from_slice(&bytes[8..header]).unwrap();
    // The large ones lie behind the others, whose bytes stay where they are.
    let mut end = bytes.len() - header;
    for name in ["lm_head.weight", "model.text_model.embed_tokens.weight"] {
        let next = end + rows * 48 * 4;
        listed["left.".to_owned() + name] = listed[name].clone();
        listed[name] = json!({ "dtype": "F32", "shape": [rows, 48], "data_offsets": [end, next] });
        end = next;
    }
    let listed = listed.to_string();
    let file = std::fs::File::create(&path).unwrap();
    for part in [&(listed.len() as u64).to_le_bytes(), listed.as_bytes(), &bytes[header..]] {
        std::io::Write::write_all(&mut &file, part).unwrap();
    }
    file.set_len((8 + listed.len() + end) as u64).unwrap();
    copy
}

#[cfg(target_os = "linux")]
#[test]
fn a_model_that_is_cut_short_while_it_is_read_is_named() {
    let copy = with_a_large_vocabulary(1 << 20);
    let path = copy.path().join("model.safetensors");
    let ask = ["run", "-m", text(copy.path()), "hi", "-n", "1", "-t", "1"];
    let child = Command::new(env!("CARGO_BIN_EXE_smolvlm"))
        .args(ask)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // As soon as it is mapped: to read all of it takes much longer.
    let maps = format!("/proc/{}/maps", child.id());
    while !std::fs::read_to_string(&maps).unwrap().contains("model.safetensors") {}
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 16).unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let says = format!("error: a file that is being read was cut short, or its disk failed: {}\n", path.display());
    assert_eq!((output.status.code(), out.as_str(), error.as_str()), (Some(1), "", says.as_str()));
}
