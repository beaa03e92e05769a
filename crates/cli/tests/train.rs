//! `smolvlm train` from outside: what a user does, and what must not hurt.
#![allow(clippy::unwrap_used)]

use smolvlm_golden::{folder, repository};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn smolvlm(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smolvlm"));
    command.args(args).env("SMOLVLM_THREADS", "2").env("NO_COLOR", "1");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn model() -> String {
    folder().join("idefics3-256m").display().to_string()
}

/// A data file of these rows.
fn data(dir: &Path, rows: &[String]) -> String {
    let path = dir.join("data.jsonl");
    std::fs::write(&path, rows.join("\n")).unwrap();
    path.display().to_string()
}

fn chat(picture: Option<&Path>, question: &str, answer: &str) -> String {
    let picture = picture.map(|p| p.display().to_string());
    let image = picture.iter().map(|_| serde_json::json!({"type": "image"}));
    let question = image.chain([serde_json::json!({"type": "text", "text": question})]).collect::<Vec<_>>();
    let messages = serde_json::json!([
        {"role": "user", "content": question}, {"role": "assistant", "content": answer},
    ]);
    serde_json::json!({"messages": messages, "images": picture.iter().collect::<Vec<_>>()}).to_string()
}

fn chats() -> Vec<String> {
    let photo = repository().join("golden/images/photo.jpg");
    let picture = |i: usize| if i.is_multiple_of(2) { Some(photo.as_path()) } else { None };
    (0..6).map(|i| chat(picture(i), "What?", &format!("It is {i}."))).collect()
}

fn run(args: &[&str]) -> Output {
    smolvlm(args).output().unwrap()
}

#[test]
fn an_adapter_is_trained_and_answers_unmerged_and_merged_alike() {
    let dir = tempfile::tempdir().unwrap();
    let (file, model) = (data(dir.path(), &chats()), model());
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (out, merged) = (at("out"), at("merged"));
    let rate = ["--lora", "16", "--lr", "2e-2", "--epochs", "12", "--batch", "3"];
    let words = ["train", "-m", &model, "--data", &file, "-o", &out, "--precision", "f32", "--json"];
    let trained = run(&[&words[..], &rate].concat());
    assert!(trained.status.success(), "{}", text(&trained.stderr));
    let json: serde_json::Value = serde_json::from_slice(&trained.stdout).unwrap();
    assert_eq!(json["steps"], 24);
    assert!(json["loss"].as_f64().unwrap() < 4.0, "{json}");
    let latest = format!("{out}/latest");
    assert!(run(&["merge", "-m", &model, "--adapter", &latest, "-o", &merged]).status.success());
    let photo = repository().join("golden/images/photo.jpg").display().to_string();
    let ask = |model: &str, more: &[&str]| {
        let words = ["run", "-m", model, &photo, "What?", "-n", "12", "--dtype", "f32"];
        let answer = run(&[&words[..], more].concat());
        assert!(answer.status.success(), "{}", text(&answer.stderr));
        text(&answer.stdout)
    };
    let with = ask(&model, &["--adapter", &latest]);
    assert_eq!(with, ask(&merged, &[]));
    assert_ne!(with, ask(&model, &[]));
    assert_eq!(ask(&model, &["--adapter", &format!("{latest}=0")]), ask(&model, &[]));
    let page = std::fs::read_to_string(format!("{out}/report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("data.jsonl"));
}

#[test]
fn a_run_that_is_killed_goes_on_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (file, model) = (data(dir.path(), &chats()), model());
    let file = Path::new(&file).file_name().unwrap().to_str().unwrap();
    let at = |name: &str| dir.path().join(name);
    let words = |out: &Path| -> Vec<String> {
        let fixed = ["train", "-m", &model, "--data", file, "--steps", "40", "--save-every", "4", "--batch", "4"];
        let more = ["--lora", "4", "--dropout", "0.1", "--optimiser", "adamw8", "-o"];
        let out = out.file_name().unwrap().to_str().unwrap();
        fixed.iter().chain(&more).map(|w| w.to_string()).chain([out.to_string()]).collect()
    };
    let go = |words: &[String]| {
        let mut go = smolvlm(&words.iter().map(String::as_str).collect::<Vec<_>>());
        go.current_dir(dir.path());
        go
    };
    let (whole, killed) = (at("whole"), at("killed"));
    assert!(go(&words(&whole)).output().unwrap().status.success());
    let mut child = go(&words(&killed)).stderr(std::process::Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !killed.join("checkpoint-4").exists() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The run was begun with paths that start where the program was called; it goes on from another place.
    let resumed = smolvlm(&["train", "--resume", &killed.display().to_string(), "-t", "1"]).output().unwrap();
    assert!(resumed.status.success(), "{}", text(&resumed.stderr));
    for name in ["adapter_model.safetensors", "training/state.safetensors"] {
        let read = |out: &Path| std::fs::read(out.join("checkpoint-40").join(name)).unwrap();
        assert!(read(&whole) == read(&killed), "{name}");
    }
}

#[test]
#[cfg(unix)]
fn sigint_writes_a_checkpoint_and_a_full_disk_leaves_the_last_one_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (data(dir.path(), &chats()), dir.path().join("out"));
    let out_name = out.display().to_string();
    let words = ["train", "-m", &model(), "--data", &file, "--steps", "100000", "--save-every", "0", "-o", &out_name];
    let child = smolvlm(&words).stderr(std::process::Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    let logged = || std::fs::read_to_string(out.join("log.jsonl")).is_ok_and(|log| log.lines().count() > 2);
    while !logged() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait_with_output().unwrap().status.success());
    let checkpoints = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().path());
        entries.filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("checkpoint-")).collect()
    };
    let before = checkpoints();
    assert_eq!(before.len(), 1);
    let weights = std::fs::read(before[0].join("model.safetensors")).unwrap();
    // A limit on the size of files stands in for a disk that is full.
    let binary = env!("CARGO_BIN_EXE_smolvlm");
    let script =
        format!("trap '' XFSZ; ulimit -f 300; {binary} train --resume {out_name} & sleep 2; kill -INT $!; wait $!");
    let full = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(!full.status.success());
    assert!(text(&full.stderr).contains("error: "), "{}", text(&full.stderr));
    assert_eq!(checkpoints(), before);
    assert!(std::fs::read(before[0].join("model.safetensors")).unwrap() == weights);
    let answer = run(&["run", "-m", &format!("{out_name}/latest"), "Hello?", "-n", "3"]);
    assert!(answer.status.success(), "{}", text(&answer.stderr));
}

#[test]
fn bad_rows_are_counted_and_named_and_bad_runs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (model, out) = (model(), dir.path().join("out").display().to_string());
    let long = "word ".repeat(3000);
    let mut rows = chats();
    rows.push(chat(Some(Path::new("nowhere.png")), "What?", "A."));
    rows.push(chat(Some(&repository().join("README.md")), "What?", "A."));
    rows.push(chat(None, &long, "A."));
    rows.push(r#"{"messages": [{"role": "user", "content": "Masked?"}]}"#.into());
    rows.push("{\"messages\": ".into());
    let file = data(dir.path(), &rows);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.extend(b"\n{\"text\": \"\xff\xfe\"}\n");
    std::fs::write(&file, bytes).unwrap();
    let words = ["train", "-m", &model, "--data", &file, "-o", &out, "--batch", "12", "--length", "512", "--json"];
    let trained = run(&words);
    assert!(trained.status.success(), "{}", text(&trained.stderr));
    let json: serde_json::Value = serde_json::from_slice(&trained.stdout).unwrap();
    assert_eq!(json["skipped"], 6, "{json}");
    let log = std::fs::read_to_string(format!("{out}/log.jsonl")).unwrap();
    for says in ["nowhere.png", "data.jsonl:9", "invalid unicode"] {
        assert!(log.contains(says), "{says}: {log}");
    }

    let good = data(dir.path(), &chats());
    let new = dir.path().join("new").display().to_string();
    let refused = |words: &[&str], says: &str| {
        let output = run(words);
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{words:?}: {error}");
        assert_eq!(error.lines().filter(|line| line.starts_with("error:")).count(), 1, "{error}");
    };
    refused(&["train", "-m", &model, "--data", &good, "-o", &out], "holds a run already");
    refused(&["train", "-m", &model, "-o", &new], "no data");
    refused(&["train", "--data", &good, "-o", &new], "which model?");
    refused(&["train", "-m", &model, "--data", &good], "where does it go?");
    refused(&["train", "-m", &model, "--data", "gone.jsonl", "-o", &new], "gone.jsonl");
    refused(&["train", "-m", &model, "--data", &good, "-o", &new, "--lora", "--targets", "none"], "no linear layer");
    refused(&["train", "-m", &model, "--data", &good, "-o", &new, "--dora"], "belong to --lora");
    refused(&["train", "-m", &model, "--data", &good, "-o", &new, "--recipe", "x"], "no recipe");
    refused(&["train", "--resume", &out, "--data", &good], "--resume takes");
    let nan = dir.path().join("nan").display().to_string();
    let rate = ["--lr", "1e30", "--warmup", "0", "--steps", "50", "--clip", "0", "--save-every", "1"];
    refused(&[&["train", "-m", &model, "--data", &good, "-o", &nan][..], &rate].concat(), "checkpoint");
    let other = folder().join("wide").display().to_string();
    let adapter = folder().join("adapters/lora").display().to_string();
    refused(&["run", "-m", &other, "--adapter", &adapter, "Hello?"], "does not fit");
}
