//! Every command as a user calls it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, smolvlm_with, text};
use serde_json::{Value, json};
use smolvlm_golden::repository;
use smolvlm_processor::{DecodeOptions, Picture};
use std::path::PathBuf;

fn model() -> PathBuf {
    repository().join("golden/idefics3-256m")
}

fn image(name: &str) -> String {
    text(&repository().join("golden/images").join(name)).to_string()
}

/// What `smolvlm run` answers on stdout; nothing may stand on stderr.
fn run_with(args: &[&str], stdin: &str) -> String {
    let model = model();
    let output = smolvlm_with(&[&["run", "-m", text(&model), "-n", "12"], args].concat(), stdin);
    assert!(output.stderr.is_empty(), "{args:?}: {}", output.stderr);
    output.ok()
}

fn run(args: &[&str]) -> String {
    run_with(args, "")
}

/// The `--json` object.
fn report(args: &[&str]) -> Value {
    parse(&run(&[args, &["--json"]].concat()))
}

fn parse(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn one_question_in_every_form_has_one_answer() {
    let (photo, dot) = (image("photo.jpg"), image("small.png"));
    let answer = run(&[&photo, &dot, "What has changed?"]);
    assert!(answer.ends_with('\n') && answer.len() > 1, "{answer}");
    assert_eq!(run(&["-p", "What has changed?", &photo, &dot]), answer);
    assert_eq!(run(&[&photo, "--image", &dot, "-p", "What has changed?"]), answer);
    assert_eq!(run(&["--image", &photo, "--image", &dot, "What has changed?"]), answer);
    assert_eq!(run_with(&[&photo, &dot, "-p", "-"], "What has changed?\n"), answer);
    assert_eq!(run(&["-t", "1", &photo, &dot, "What has changed?"]), answer);
    assert_ne!(run(&[&dot, &photo, "What has changed?"]), answer);

    let dir = tempfile::tempdir().unwrap();
    let chat = |first: Value| {
        let text = serde_json::json!({ "type": "text", "text": "What has changed?" });
        let parts = [first, serde_json::json!({ "type": "image" }), text];
        serde_json::json!([{ "role": "user", "content": parts }]).to_string()
    };
    let given = chat(serde_json::json!({ "type": "image" }));
    let named = chat(serde_json::json!({ "type": "image", "path": photo }));
    let file = dir.path().join("chat.json");
    std::fs::write(&file, &given).unwrap();
    assert_eq!(run(&["--messages", text(&file), &photo, &dot]), answer);
    assert_eq!(run_with(&["--messages", "-", "--image", &photo, "--image", &dot], &given), answer);
    assert_eq!(run_with(&["--messages", "-", "--image", &dot], &named), answer);
}

#[test]
fn pictures_alone_are_described() {
    let (photo, dot, model) = (image("photo.jpg"), image("small.png"), model());
    for (pictures, question) in [(vec![&photo], "Describe the image."), (vec![&photo, &dot], "Describe the images.")] {
        let pictures: Vec<&str> = pictures.into_iter().map(String::as_str).collect();
        let output = smolvlm(&[&["run", "-m", text(&model), "-n", "12"], &pictures[..]].concat());
        assert_eq!(output.stderr, format!("no question was given; asking: {question}\n"));
        assert_eq!(output.ok(), run(&[&pictures[..], &[question]].concat()));
    }
    let by_option = smolvlm(&["run", "-m", text(&model), "-n", "12", "--image", &photo]).ok();
    assert_eq!(by_option, run(&[&photo, "Describe the image."]));
}

#[test]
fn a_chat_of_texts() {
    let plain = run(&["What is the capital of France?"]);
    let chat = r#"[{"role": "user", "content": "What is the capital of France?"}]"#;
    assert_eq!(run_with(&["--messages", "-"], chat), plain);
    let told = run(&["--system", "Answer in one word.", "What is the capital of France?"]);
    let chat = format!(r#"[{{"role": "system", "content": "Answer in one word."}}, {}"#, &chat[1..]);
    assert_eq!(run_with(&["--messages", "-"], &chat), told);
    assert_ne!(told, plain);
}

#[test]
fn a_stop_string_cuts_the_answer() {
    let whole = report(&[&image("photo.jpg"), "What?"]);
    let text = whole["text"].as_str().unwrap();
    let chars: Vec<char> = text.chars().collect();
    let stop: String = chars[chars.len() / 2..][..2].iter().collect();
    let cut = report(&[&image("photo.jpg"), "What?", "--stop", "never said", "--stop", &stop]);
    assert_eq!(cut["text"], text[..text.find(&stop).unwrap()], "{stop:?} in {text:?}");
    assert_eq!(cut["stop_reason"], "stop_string");
    assert!(cut["output_tokens"].as_u64() < whole["output_tokens"].as_u64());
}

#[test]
fn the_report_is_complete() {
    let (photo, question) = (image("photo.jpg"), "What is this?");
    let greedy = report(&[&photo, question]);
    let fields = ["image_tokens", "output_tokens", "peak_rss", "prompt_tokens", "stop_reason", "text", "times"];
    assert_eq!(keys(&greedy), fields);
    assert_eq!(keys(&greedy["times"]), ["decode", "first_text", "load", "pixels", "prefill", "total", "vision"]);
    let times: Vec<f64> = greedy["times"].as_object().unwrap().values().map(|t| t.as_f64().unwrap()).collect();
    let total = greedy["times"]["total"].as_f64().unwrap();
    assert!(times.iter().all(|&t| t > 0.0 && t <= total), "{greedy}");
    assert_eq!((&greedy["output_tokens"], &greedy["stop_reason"]), (&12.into(), &"max_tokens".into()));
    assert!(greedy["peak_rss"].as_u64().unwrap() > 1 << 20);
    assert_eq!(greedy["text"], run(&[&photo, question]).trim_end_matches('\n'));

    let drawn = report(&[&photo, question, "--seed", "7"]);
    assert_eq!(drawn["seed"], 7);
    assert_eq!(keys(&drawn).len(), keys(&greedy).len() + 1);

    let model = model();
    let spoken = smolvlm(&["run", "-m", text(&model), &photo, question, "-n", "12", "-v"]);
    assert!(spoken.stderr.contains("12 of answer (max_tokens); load "), "{}", spoken.stderr);
    assert_eq!(spoken.stdout, run(&[&photo, question]));
}

#[test]
fn a_seed_draws_the_same_answer_again() {
    let drawn = |seed| run(&["Tell a story.", "--temp", "0.9", "--top-k", "50", "--top-p", "0.95", "--seed", seed]);
    let first = drawn("1");
    assert_eq!(drawn("1"), first);
    assert!(["2", "3", "4"].iter().any(|seed| drawn(seed) != first));
    let free = report(&["Tell a story.", "--temp", "1"]);
    let seed = free["seed"].to_string();
    assert_eq!(report(&["Tell a story.", "--temp", "1", "--seed", &seed])["text"], free["text"]);
    assert_eq!(run(&["Tell a story.", "--top-k", "1"]), run(&["Tell a story."]));
    assert_eq!(run(&["Tell a story.", "--min-p", "1"]), run(&["Tell a story."]));
    assert_ne!(run(&["Tell a story.", "--repeat-penalty", "5"]), run(&["Tell a story."]));
}

#[test]
fn options_change_what_the_model_sees() {
    let (tall, question) = (image("tall.png"), "What?");
    let tokens = |more: &[&str]| {
        let report = report(&[&[tall.as_str(), question][..], more].concat());
        (report["image_tokens"].as_u64().unwrap(), report["prompt_tokens"].as_u64().unwrap())
    };
    let whole = tokens(&[]);
    let (smaller, one) = (tokens(&["--max-edge", "128"]), tokens(&["--no-split"]));
    assert!(whole.0 > smaller.0 && smaller.0 > one.0 && one.0 == 4, "{whole:?} {smaller:?} {one:?}");
    assert!(whole.1 > smaller.1 && smaller.1 > one.1);
    // With --special a typed place is a place.
    let typed = report(&[&tall, "a <image> b", "--special"]);
    assert_eq!(typed["image_tokens"], whole.0);
    let text = report(&[&tall, "a <image> b"]);
    assert_eq!(text["image_tokens"], whole.0);
    assert!(text["prompt_tokens"].as_u64() > typed["prompt_tokens"].as_u64());
    // The hidden colours of a transparent picture, and its white ground.
    let rgba = image("rgba.png");
    let dir = tempfile::tempdir().unwrap();
    let pixels = |alpha| {
        let dump = dir.path().join("dump");
        run(&[&rgba, "What?", "--alpha", alpha, "--dump", common::text(&dump)]);
        smolvlm_golden::tensors(&dump)["pixels"].clone()
    };
    assert_ne!(pixels("white"), pixels("drop"));
}

#[test]
fn explain_prices_pictures() {
    let published = ["explain", "--preset", "256m"];
    let explain = |more: &[&str]| smolvlm(&[&published[..], more].concat()).ok();
    let table = explain(&["--size", "1920x1080"]);
    for part in ["1920x1080 -> 2048x1152 -> 2048x1536", "as asked", "3x4 + 1", "13", "832", "--max-edge 1536"] {
        assert!(table.contains(part), "no '{part}' in {table}");
    }
    let one = parse(&explain(&["--size", "1920x1080", "--json"]));
    let fields =
        ["cheaper", "cols", "height", "image_tokens", "prompt_tokens", "refined", "resized", "rows", "tiles", "width"];
    assert_eq!(keys(&one), fields);
    assert_eq!(one["resized"], serde_json::json!([2048, 1152]));
    assert_eq!((&one["rows"], &one["cols"], &one["tiles"]), (&3.into(), &4.into(), &13.into()));
    assert_eq!((&one["image_tokens"], &one["prompt_tokens"]), (&832.into(), &862.into()));
    let edges: Vec<u64> = one["cheaper"].as_array().unwrap().iter().map(|c| c["max_edge"].as_u64().unwrap()).collect();
    assert_eq!(edges, [1536, 1024, 512]);
    assert_eq!(one["cheaper"][2]["tiles"], 1);

    let lines = smolvlm_with(&[&published[..], &["--size", "-", "--json"]].concat(), "640x480\n\n 100X50 \n").ok();
    assert_eq!(lines.lines().count(), 2);
    assert_eq!(parse(lines.lines().nth(1).unwrap())["width"], 100);

    for (name, tokens) in [("256m", 832), ("500M", 832), ("2b", 1053), ("smolvlm2-256m", 832), ("smolvlm2-2b", 1053)] {
        let one = parse(&smolvlm(&["explain", "--size", "1920x1080", "--json", "--preset", name]).ok());
        assert_eq!(one["image_tokens"], tokens, "{name}");
    }
    let photo = image("photo.jpg");
    let named = parse(&explain(&[&photo, "--json"]));
    assert_eq!(named["picture"], photo.as_str());
}

#[test]
fn explain_agrees_with_the_answer() {
    let model = model();
    for name in ["photo.jpg", "tall.png", "wide.png", "dot.png"] {
        for more in [&[][..], &["--max-edge", "128"], &["--no-split"]] {
            let picture = image(name);
            let args = [&["explain", "-m", text(&model), &picture, "--json"], more].concat();
            let explained = parse(&smolvlm(&args).ok());
            let (with, without) = (report(&[&[&picture, "What?"], more].concat()), report(&["What?"]));
            assert_eq!(explained["image_tokens"], with["image_tokens"], "{name} {more:?}");
            let prompt = |report: &Value| report["prompt_tokens"].as_u64().unwrap();
            // A picture also takes the space behind the colon.
            let apart = prompt(&with) - prompt(&without);
            assert!(apart.abs_diff(prompt(&explained)) <= 1, "{name} {more:?}: {apart} and {explained}");
        }
    }
}

#[test]
fn explain_draws_what_the_model_sees() {
    let dir = tempfile::tempdir().unwrap();
    let png = dir.path().join("tiles.png");
    let model = model();
    smolvlm(&["explain", "-m", text(&model), &image("wide.png"), "--png", text(&png)]).ok();
    let drawn = Picture::open(&png, &DecodeOptions::default()).unwrap();
    let explained = parse(&smolvlm(&["explain", "-m", text(&model), &image("wide.png"), "--json"]).ok());
    let refined = |i: usize| explained["refined"][i].as_u64().unwrap() as u32;
    assert!(drawn.width >= refined(0) && drawn.height >= refined(1), "{drawn:?} and {explained}");
}

#[test]
fn bench_measures_every_stage() {
    let model = model();
    let args = ["bench", "-m", text(&model), "--runs", "1", "--warmup", "0", "--context", "64", "--size", "100x80"];
    let report = parse(&smolvlm(&[&args[..], &["--json", "--bandwidth"]].concat()).ok());
    let stages = ["decode_token", "first_token", "load", "pixels", "prefill", "read", "vision"];
    let sizes = ["context", "foreseen", "kv_bytes", "peak_rss", "tiles", "weight_bytes"];
    let mut fields = [&stages[..], &sizes[..]].concat();
    fields.sort_unstable();
    assert_eq!(keys(&report), fields);
    for stage in stages {
        assert_eq!(keys(&report[stage]), ["max", "median", "min"], "{stage}");
        assert!(report[stage]["median"].as_f64().unwrap() > 0.0, "{stage}");
    }
    assert!(sizes.iter().all(|size| report[size].as_u64().unwrap() > 0), "{report}");
    assert_eq!((&report["context"], &report["tiles"]), (&64.into(), &17.into()));
    let one = parse(&smolvlm(&[&args[..], &["--json", "--no-split"]].concat()).ok());
    assert_eq!((&one["tiles"], &one["read"]), (&1.into(), &serde_json::Value::Null));
    let table = smolvlm(&args).ok();
    for stage in ["load", "pixels", "vision", "prefill", "decode", "first token", "peak memory"] {
        assert!(table.contains(stage), "{table}");
    }
}

#[test]
fn a_model_is_compared_with_itself_in_fewer_bits() {
    let dir = tempfile::tempdir().unwrap();
    let book = dir.path().join("book.txt");
    std::fs::write(&book, "the cat sat on the mat and the dog lay by the door, ".repeat(20)).unwrap();
    let model = repository().join("golden/idefics3-256m");
    let photo = repository().join("golden/images/small.png");
    let call = ["compare", text(&model), "--text", text(&book), "--picture", text(&photo), "--window", "64"];
    let of = |more: &[&str]| parse(&smolvlm(&[&call[..], more, &["--json"]].concat()).ok());
    let (same, eight, four) = (of(&[]), of(&["--quant", "q8"]), of(&["--quant", "text=q4,vision=q4,head=q4"]));
    let number = |report: &Value, name: &str| report["texts"][0][name].as_f64().unwrap();
    assert_eq!((number(&same, "divergence"), number(&same, "agreement"), &same["features"]), (0.0, 1.0, &json!(0.0)));
    assert_eq!(same["texts"][0]["perplexity"][0], eight["texts"][0]["perplexity"][0]);
    assert!(0.0 < number(&eight, "divergence") && number(&eight, "divergence") < number(&four, "divergence"));
    assert!(0.001 < eight["features"].as_f64().unwrap() && eight["features"].as_f64() < four["features"].as_f64());
    let lines = smolvlm(&[&call[..], &["--quant", "q8"]].concat()).ok();
    assert!(lines.contains("  agreement    the same likeliest token in ") && lines.contains("features: "), "{lines}");
}

#[test]
fn perplexity_of_a_small_text() {
    let (dir, model) = (tempfile::tempdir().unwrap(), model());
    let (book, words) = (dir.path().join("book.txt"), "The cat sat on the <image> mat. ".repeat(12));
    std::fs::write(&book, &words).unwrap();
    let score = parse(&smolvlm(&["perplexity", "-m", text(&model), text(&book), "--window", "32", "--json"]).ok());
    assert_eq!(keys(&score), ["mean_nll", "perplexity", "scored", "tokens", "window"]);
    let number = |key: &str| score[key].as_f64().unwrap();
    assert!((number("mean_nll").exp() / number("perplexity") - 1.0).abs() < 1e-9);
    assert_eq!(number("scored"), (number("tokens") / 32.0).floor() * 31.0);
    let line = smolvlm_with(&["perplexity", "-m", text(&model), "-", "--window", "32"], &words).ok();
    assert!(line.starts_with(&format!("perplexity {:.4} (", number("perplexity"))), "{line}");
    let first = parse(
        &smolvlm(&["perplexity", "-m", text(&model), text(&book), "--window", "32", "--chunks", "1", "--json"]).ok(),
    );
    assert_eq!(first["scored"], 31);
}

#[test]
fn models_are_listed_by_their_short_names() {
    let list = smolvlm(&["models"]).ok();
    assert!(list.contains("smolvlm2-2.2b") && list.contains("HuggingFaceTB/SmolVLM2-2.2B-Instruct"), "{list}");
    let report = parse(&smolvlm(&["models", "--json"]).ok());
    assert_eq!(keys(&report), ["cache", "models", "names"]);
    assert_eq!(report["names"]["smolvlm-256m"], "HuggingFaceTB/SmolVLM-256M-Instruct");
    assert!(report["models"].as_array().unwrap().is_empty());
}

#[cfg(unix)]
#[test]
fn a_broken_file_is_named_as_a_model_has_it() {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("hub/models--org--tiny");
    let (blob, commit) = (folder.join("blobs").join("ab".repeat(20)), "0a".repeat(20));
    let snapshot = folder.join("snapshots").join(&commit);
    [blob.parent().unwrap(), &snapshot].iter().for_each(|dir| std::fs::create_dir_all(dir).unwrap());
    std::fs::write(&blob, "{}").unwrap();
    std::os::unix::fs::symlink(format!("../../blobs/{}", "ab".repeat(20)), snapshot.join("config.json")).unwrap();
    let verify = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_smolvlm"));
        command.args(["models", "--verify", "org/tiny"]).args(more).env("HF_HOME", cache.path());
        let output = command.env_remove("HF_HUB_CACHE").output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stdout).unwrap()
    };
    let said = verify(&[]);
    let says = format!("{commit}/config.json: its bytes are not what its hash says ({})\n", blob.display());
    assert!(said.starts_with(&says), "{said}");
    assert_eq!(parse(&verify(&["--json"]))["broken"][0]["files"][0], format!("{commit}/config.json"));
}
