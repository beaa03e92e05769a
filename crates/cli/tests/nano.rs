//! The model that the program carries, as a user meets it.
#![cfg(feature = "nano")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, text};
use serde_json::Value;
use smolvlm_golden::repository;
use smolvlm_processor::{DecodeOptions, Picture};

fn photo() -> String {
    text(&repository().join("golden/images/photo.jpg")).to_string()
}

/// The files that nano is made of.
fn folder() -> String {
    text(&repository().join("crates/nano/model")).to_string()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn nano_answers_as_the_same_files_on_disk_do() {
    let dir = tempfile::tempdir().unwrap();
    let (photo, folder) = (photo(), folder());
    let computed = |model: &[&str], dtype: &str, name: &str| {
        let dump = dir.path().join(name);
        let rest = [&photo, "What is this?", "-n", "12", "--dtype", dtype, "--dump", text(&dump)];
        let answer = smolvlm(&[&["run"], model, &rest].concat()).ok();
        (answer, std::fs::read(dump).unwrap())
    };
    for dtype in ["auto", "f32"] {
        let held = computed(&["-m", "nano"], dtype, "held");
        assert!(held == computed(&["-m", &folder], dtype, "folder"), "{dtype}: {}", held.0);
        assert!(held == computed(&[], dtype, "unnamed"), "{dtype}: {}", held.0);
    }
}

#[test]
fn who_names_no_model_means_nano() {
    let explained = |model: &[&str]| smolvlm(&[&["explain", "--size", "640x480", "--json"], model].concat()).ok();
    assert_eq!(explained(&[]), explained(&["-m", "nano"]));
    assert_ne!(explained(&[]), explained(&["--preset", "256m"]));

    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&dir.path().join(name)).to_string();
    let chat = serde_json::json!({"messages": [
        {"role": "user", "content": "What is the capital of France?"}, {"role": "assistant", "content": "Paris"},
    ]});
    std::fs::write(at("data.jsonl"), chat.to_string()).unwrap();
    let scored = |model: &[&str], to: &str| {
        let words = ["eval", "--data", &at("data.jsonl"), "-n", "4", "-o", &at(to), "--json"];
        smolvlm(&[&words[..], model].concat()).ok();
        let answers = std::fs::read_to_string(dir.path().join(to).join("answers.jsonl")).unwrap();
        answers.lines().map(|line| parse(line)["answer"].clone()).collect::<Vec<Value>>()
    };
    let unnamed = scored(&[], "unnamed");
    assert!(unnamed.len() == 1 && unnamed[0].is_string(), "{unnamed:?}");
    assert_eq!(unnamed, scored(&["-m", "nano"], "named"));

    std::fs::write(at("book.txt"), "It was a dark and stormy night.").unwrap();
    let foretold = |model: &[&str]| smolvlm(&[&["perplexity", &at("book.txt")], model].concat()).ok();
    assert_eq!(foretold(&[]), foretold(&["-m", &folder()]));

    let timed = ["bench", "--size", "100x100", "--context", "256", "--runs", "1", "--warmup", "0", "--json"];
    assert_eq!(parse(&smolvlm(&timed).ok())["context"], 256);
}

#[test]
fn a_demo_of_a_seed_is_the_same_each_time_and_its_picture_can_be_asked_about() {
    let dir = tempfile::tempdir().unwrap();
    let png = dir.path().join("demo.png");
    let demo = |more: &[&str]| smolvlm(&[&["demo", "--seed", "7", "-t", "1"], more].concat());
    let first = parse(&demo(&["--json", "-o", text(&png)]).ok());
    let again = parse(&demo(&["--json"]).ok());
    assert_eq!((&first["picture"], &again["picture"]), (&text(&png).into(), &Value::Null));
    for field in ["seed", "skill", "question", "answer", "expected", "also", "right"] {
        assert!(!first[field].is_null() && first[field] == again[field], "{field}: {first} {again}");
    }
    let picture = Picture::open(&png, &DecodeOptions::default()).unwrap();
    assert!(picture.width > 16 && picture.height > 16 && picture.rgb.iter().any(|&level| level != picture.rgb[0]));
    let asked = smolvlm(&["run", text(&png), first["question"].as_str().unwrap(), "-n", "64"]).ok();
    assert_eq!(asked.trim(), first["answer"].as_str().unwrap());

    let shown = demo(&[]);
    assert!(shown.stderr.is_empty(), "{}", shown.stderr);
    let shown = shown.ok();
    assert!(shown.contains(first["question"].as_str().unwrap()) && !shown.contains('\u{1b}'), "{shown}");
    let verdict = if first["right"] == true { "right" } else { "wrong: " };
    assert!(shown.lines().last().unwrap().trim_start().starts_with(verdict), "{shown}");

    let several = demo(&["--count", "3", "--json", "-o", text(&png)]).ok();
    let several: Vec<Value> = several.lines().map(parse).collect();
    assert_eq!((several.len(), &several[0]["question"]), (3, &first["question"]));
    assert_ne!(several[1]["seed"], several[2]["seed"]);
    assert!((1..=3).all(|at| dir.path().join(format!("demo-{at}.png")).is_file()));
    let last = smolvlm(&["demo", "--seed", &several[2]["seed"].to_string(), "--json"]).ok();
    assert_eq!(parse(&last)["question"], several[2]["question"]);

    let free = smolvlm(&["demo"]);
    assert!(free.stderr.starts_with("--seed ") && free.stderr.ends_with(" draws this again\n"), "{}", free.stderr);
}

#[test]
fn adapters_and_models_are_trained_from_nano() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&dir.path().join(name)).to_string();
    let chat = serde_json::json!({"messages": [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]},
        {"role": "assistant", "content": "A bird."},
    ], "images": [photo()]});
    std::fs::write(at("data.jsonl"), format!("{chat}\n{chat}")).unwrap();
    let train = |more: &[&str]| {
        let words = ["train", "-m", "nano", "--data", &at("data.jsonl"), "--batch", "1", "--steps", "2", "--json"];
        parse(&smolvlm(&[&words[..], more].concat()).ok())
    };
    let ask = |more: &[&str]| smolvlm(&[&["run", &photo(), "What?", "-n", "6"], more].concat()).ok();

    train(&["--recipe", "vqa-lora", "--lr", "0.1", "-o", &at("adapter")]);
    let adapter = at("adapter/latest");
    let settings = std::fs::read_to_string(format!("{adapter}/adapter_config.json")).unwrap();
    assert_eq!(parse(&settings)["base_model_name_or_path"], "nano");
    assert_ne!(ask(&["--adapter", &adapter]), ask(&[]));
    let merged = smolvlm(&["merge", "-m", "nano", "--adapter", &adapter, "-o", &at("merged")]).ok();
    assert!(merged.ends_with(" layers changed\n"), "{merged}");
    assert_ne!(ask(&["-m", &at("merged")]), ask(&[]));

    // A whole model takes nano's settings with it, and its run goes on by the name.
    let trained = train(&["--save-every", "1", "--lr", "1e-4", "-o", &at("whole")]);
    assert_eq!(trained["steps"], 2);
    ask(&["-m", &at("whole/latest")]);
    for name in ["config.json", "tokenizer.json", "chat_template.json", "preprocessor_config.json"] {
        let read = |folder: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
        assert_eq!(read(&at("whole/latest")), read(&folder()), "{name}");
        assert_eq!(read(&at("merged")), read(&folder()), "{name}");
    }
    assert!(std::fs::read_to_string(at("whole/run.toml")).unwrap().contains("model = \"nano\""));
    std::fs::remove_dir_all(dir.path().join("whole/checkpoint-2")).unwrap();
    let resumed = parse(&smolvlm(&["train", "--resume", &at("whole"), "--json"]).ok());
    assert_eq!((&resumed["steps"], &resumed["loss"]), (&trained["steps"], &trained["loss"]));
}
