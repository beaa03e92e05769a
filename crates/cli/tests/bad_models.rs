//! Damaged checkpoints through the program: one clear error line that names the file.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{copy_of, smolvlm, text};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use smolvlm_golden::repository;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn model() -> PathBuf {
    repository().join("golden/idefics3-256m")
}

/// A copy whose file `name` is changed.
fn changed(name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> TempDir {
    let copy = copy_of(&model());
    let path = copy.path().join(name);
    std::fs::write(&path, change(std::fs::read(&path).unwrap())).unwrap();
    copy
}

/// A copy whose JSON file `name` is changed.
fn changed_json(name: &str, change: impl FnOnce(&mut Value)) -> TempDir {
    changed(name, |bytes| {
        let mut value = serde_json::from_slice(&bytes).unwrap();
        change(&mut value);
        value.to_string().into_bytes()
    })
}

fn set(name: &str, place: &str, to: Value) -> TempDir {
    changed_json(name, |value| *value.pointer_mut(place).unwrap() = to)
}

fn ask(model: &Path) -> common::Output {
    smolvlm(&["run", "-m", text(model), "Hello there", "-n", "2"])
}

fn refused(copy: &TempDir, file: &str, says: &str) {
    let error = ask(copy.path()).refused();
    assert!(error.contains(file) && error.contains(says), "'{error}' should name {file} and say '{says}'");
}

#[test]
fn files_that_are_missing_or_no_json() {
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        let copy = copy_of(&model());
        std::fs::remove_file(copy.path().join(name)).unwrap();
        refused(&copy, name, "");
    }
    let copy = copy_of(&model());
    std::fs::remove_file(copy.path().join("chat_template.jinja")).unwrap();
    refused(&copy, "chat_template.jinja", "no chat template");
    let copy = copy_of(&model());
    std::fs::remove_file(copy.path().join("generation_config.json")).unwrap();
    ask(copy.path()).ok();
    for name in ["config.json", "processor_config.json", "tokenizer_config.json", "tokenizer.json"] {
        refused(&changed(name, |_| b"nonsense".to_vec()), name, "not valid JSON");
        refused(&changed(name, |_| Vec::new()), name, "an empty file");
        refused(&changed(name, |_| b"\xFF\xFE".to_vec()), name, "not contain valid UTF-8");
        refused(&changed(name, |_| b"[".repeat(100_000)), name, "recursion limit exceeded");
        let huge = copy_of(&model());
        std::fs::File::create(huge.path().join(name)).unwrap().set_len(1 << 40).unwrap();
        refused(&huge, name, "1099511627776 bytes; no file of this kind has more than");
    }
    refused(&changed("generation_config.json", |_| b"{\"eos_token_id\": -1}".to_vec()), "generation_config.json", "");
    refused(&changed("generation_config.json", |_| Vec::new()), "generation_config.json", "an empty file");
    refused(&changed("chat_template.jinja", |_| Vec::new()), "chat_template.jinja", "an empty file");
    refused(&changed("chat_template.jinja", |_| b"{% for".to_vec()), "chat_template.jinja", "is not valid");
    let lines = b"{{ raise_exception('one\ntwo\x1b[2J') }}".to_vec();
    refused(&changed("chat_template.jinja", |_| lines), "chat_template.jinja", "one\\ntwo\\u{1b}[2J");
}

#[test]
fn tokenizers_that_do_not_hold_together() {
    let tokenizer =
        |says: &str, change: fn(&mut Value)| refused(&changed_json("tokenizer.json", change), "tokenizer.json", says);
    fn list<'a>(value: &'a mut Value, place: &str) -> &'a mut Vec<Value> {
        value.pointer_mut(place).unwrap().as_array_mut().unwrap()
    }
    tokenizer("not a tokenizer", |t| *t = json!({}));
    tokenizer("not a tokenizer", |t| t["model"] = Value::Null);
    tokenizer("Token `zz` out of vocabulary", |t| list(t, "/model/merges").push(json!(["zz", "qq"])));
    tokenizer("not a tokenizer", |t| list(t, "/model/merges").push(json!(["a", "b", "c"])));
    tokenizer("expected u32", |t| t["model"]["vocab"]["zz"] = json!(-1));
    tokenizer("must follow the vocabulary without gaps", |t| t["model"]["vocab"]["zz"] = json!(4_000_000_000_u32));
    tokenizer("the id 519 lies beyond the 519 rows", |t| {
        let tokens = list(t, "/added_tokens");
        let mut more = tokens[0].clone();
        (more["id"], more["content"]) = (json!(519), json!("<more>"));
        tokens.push(more);
    });
    tokenizer("<image>", |t| {
        list(t, "/added_tokens").iter_mut().for_each(|token| {
            if token["content"] == "<image>" {
                token["content"] = "<picture>".into();
            }
        })
    });
    tokenizer("`model.dropout` would give other ids", |t| t["model"]["dropout"] = json!(0.5));
    tokenizer("`continuing_subword_prefix`", |t| t["model"]["continuing_subword_prefix"] = json!("##"));
    tokenizer("`end_of_word_suffix`", |t| t["model"]["end_of_word_suffix"] = json!("</w>"));
    tokenizer("the piece {\"SpecialToken\"", |t| {
        t["post_processor"]["single"] = json!([{ "SpecialToken": { "id": "z", "type_id": 0 } }]);
    });
    tokenizer("the piece {\"Sequence\"", |t| {
        t["post_processor"]["single"] = json!([{ "Sequence": { "id": "B", "type_id": 0 } }]);
    });
    tokenizer("the id 99999 lies beyond the 519 rows", |t| {
        t["post_processor"] = json!({ "type": "RobertaProcessing", "sep": ["b", 99_999], "cls": ["a", 1],
            "trim_offsets": true, "add_prefix_space": false });
    });
    tokenizer("Opening parenthesis", |t| {
        t["pre_tokenizer"] =
            json!({ "type": "Split", "pattern": { "Regex": "(((" }, "behavior": "Isolated", "invert": false });
    });
    tokenizer("the only normalizers supported", |t| t["normalizer"] = json!({ "type": "Lowercase" }));
}

#[test]
fn settings_that_do_not_fit() {
    let (processor, config) = ("processor_config.json", "config.json");
    for (place, value, says) in [
        ("/image_processor/image_mean", json!([0.5]), "`image_processor.image_mean` is [0.5]; three numbers"),
        ("/image_processor/image_std", json!([0.5, 0.0, 0.5]), "three numbers above zero"),
        ("/image_processor/rescale_factor", json!(0), "a number above zero"),
        ("/image_processor/max_image_size/longest_edge", json!(0), "a whole number from 1 to 4096"),
        ("/image_processor/max_image_size/longest_edge", json!(128), "the network reads tiles"),
        ("/image_processor/size/longest_edge", json!(0), "a whole number from 1 to 16384"),
        ("/image_processor/size/longest_edge", json!(1_000_000), "a whole number from 1 to 16384"),
        ("/image_processor/resample", json!(3), "only 1 (Lanczos) is supported"),
        ("/image_processor", json!(5), "`image_processor` is 5; a JSON object would be right"),
    ] {
        refused(&set(processor, place, value), processor, says);
    }
    for (place, value, says) in [
        ("/model_type", json!("llava"), "model_type is 'llava'"),
        ("/vision_config/num_attention_heads", json!(5), "5 does not divide 32"),
        ("/vision_config/image_size", json!(4), "patch_size"),
        ("/vision_config/patch_size", json!(0), "patch_size"),
        ("/text_config/num_hidden_layers", json!(1_000_000_000), "num_hidden_layers is 1000000000"),
        ("/text_config/vocab_size", json!(0), "vocab_size"),
        ("/text_config/vocab_size", json!(500), "beyond the 500 rows of the embedding table"),
        ("/image_token_id", json!(5), "<image> has the id 509, but config.json says 5"),
        ("/scale_factor", json!(0), "scale_factor"),
    ] {
        refused(&set(config, place, value), "", says);
    }
}

#[test]
fn weights_that_are_cut_off_or_another_networks() {
    let weights = "model.safetensors";
    refused(&changed(weights, |bytes| bytes[..bytes.len() / 2].to_vec()), weights, "was the file copied whole?");
    refused(&changed(weights, |_| Vec::new()), weights, "it has 0 bytes");
    refused(
        &changed(weights, |_| b"version https://git-lfs.github.com/spec/v1\n".to_vec()),
        weights,
        "its header claims",
    );
    refused(&set("config.json", "/text_config/intermediate_size", json!(97)), weights, "but the config asks for [");
    refused(
        &set("config.json", "/text_config/num_hidden_layers", json!(2)),
        weights,
        "belongs to no part of this network",
    );
    refused(
        &set("config.json", "/text_config/num_hidden_layers", json!(4)),
        "",
        "layers.3.input_layernorm.weight' is missing",
    );
}

/// A copy with one number, or all, of a tensor replaced.
fn poisoned(tensor: &str, value: f32, all: bool) -> TempDir {
    changed("model.safetensors", |mut bytes| {
        let (from, len) = {
            let file = SafeTensors::deserialize(&bytes).unwrap();
            let data = file.tensor(tensor).unwrap().data();
            (data.as_ptr() as usize - bytes.as_ptr() as usize, data.len())
        };
        let len = if all { len } else { 4 };
        bytes[from..from + len].chunks_mut(4).for_each(|number| number.copy_from_slice(&value.to_le_bytes()));
        bytes
    })
}

#[test]
fn numbers_that_are_none_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let book = dir.path().join("book.txt");
    std::fs::write(&book, "A cat sat on the mat. ".repeat(20)).unwrap();
    let picture = repository().join("golden/images/small.png");
    for (tensor, value, all) in [
        ("lm_head.weight", f32::NAN, false),
        ("lm_head.weight", f32::INFINITY, true),
        ("model.text_model.norm.weight", f32::NEG_INFINITY, false),
        ("model.text_model.layers.0.self_attn.q_proj.weight", f32::NAN, true),
        ("model.text_model.layers.1.mlp.down_proj.weight", 3e38, true),
        ("model.vision_model.embeddings.patch_embedding.weight", f32::NAN, false),
    ] {
        let copy = poisoned(tensor, value, all);
        let model = text(copy.path());
        let ask = ["run", "-m", model, text(&picture), "What?", "-n", "2"];
        for dtype in ["f32", "bf16"] {
            for more in [&[][..], &["--seed", "1"], &["--repeat-penalty", "1.1"], &["--top-k", "3"]] {
                let error = smolvlm(&[&ask, more, &["--dtype", dtype]].concat()).refused();
                assert!(error.contains("logits that are not finite"), "{tensor} {value}: {error}");
            }
        }
        if !tensor.contains("vision") {
            let error = smolvlm(&["perplexity", "-m", model, text(&book)]).refused();
            assert!(error.contains("logits that are not finite"), "{tensor} {value}: {error}");
        }
    }
}
