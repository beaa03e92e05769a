//! Clips as a user asks about them: a folder of frames, animated pictures, films; and what is said where they cannot be shown.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, smolvlm_with, text};
use serde_json::{Value, json};
use smolvlm_golden::repository;
use std::path::{Path, PathBuf};
use std::process::Command;

fn model() -> PathBuf {
    repository().join("golden/smolvlm2")
}

fn frames() -> PathBuf {
    model().join("clips/frames")
}

fn case(name: &str) -> Value {
    let path = model().join(format!("clips/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The `--json` object of `smolvlm run`.
fn report(words: &[&str]) -> Value {
    let output = smolvlm(&[&["run", "-m", text(&model()), "--json"], words].concat());
    assert!(output.stderr.is_empty(), "{}", output.stderr);
    serde_json::from_str(&output.ok()).unwrap()
}

/// A film of the golden frames, if FFmpeg is there.
fn film(folder: &Path) -> Option<PathBuf> {
    let path = folder.join("film.mkv");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-framerate", "4", "-i"])
        .arg(frames().join("%03d.png"))
        .args(["-c:v", "ffv1", "-pix_fmt", "bgr0"])
        .arg(&path)
        .status();
    match made {
        Ok(status) => {
            assert!(status.success());
            Some(path)
        }
        Err(_) => {
            eprintln!("left out: FFmpeg is not installed (apt install ffmpeg)");
            None
        }
    }
}

#[test]
fn three_ways_to_show_a_clip_have_the_references_answers() {
    let frames = frames();
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path());
    for mode in ["smolvlm2", "v1", "vlmevalkit"] {
        let case = case(mode);
        let question = case["question"].as_str().unwrap();
        // The folder says nothing of its rate; the film does.
        let own = [vec![text(&frames), question, "--fps", "4"]].into_iter();
        for words in own.chain(film.iter().map(|film| vec![text(film), question])) {
            let report = report(&[words.as_slice(), &["--video-mode", mode, "-n", "24"]].concat());
            let answer = report["text"].as_str().unwrap();
            assert_eq!(answer.trim(), case["greedy_text"].as_str().unwrap().trim(), "{mode} {words:?}");
            let clip = &report["clips"][0];
            let indices: Vec<&Value> = clip["frames"].as_array().unwrap().iter().map(|frame| &frame["index"]).collect();
            assert_eq!(json!(indices), case["indices"]);
            assert_eq!(report["prompt_tokens"], case["input_ids"].as_array().unwrap().len());
        }
    }
}

#[test]
fn animated_pictures_are_clips_where_they_are_asked_for_as_such() {
    for name in ["gif-frames-1.gif", "webp-frames.webp", "apng-rgb8.png"] {
        let file = repository().join("golden/pictures").join(name);
        let still = report(&[text(&file), "What?", "-n", "3"]);
        assert!(still.get("clips").is_none());
        let moving = report(&["--video", text(&file), "What?", "-n", "3", "--video-fps", "1000"]);
        let clip = &moving["clips"][0];
        assert!(clip["frames_in_all"].as_u64().unwrap() >= 2, "{name}: {clip}");
        let shown = clip["frames"].as_array().unwrap().len();
        assert_eq!(shown as u64, clip["frames_in_all"].as_u64().unwrap(), "{name}");
    }
}

#[test]
fn frames_that_are_alike_are_looked_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for at in 0..6 {
        let frame = frames().join(if at < 3 { "000.png" } else { "020.png" });
        std::fs::copy(frame, folder.path().join(format!("{at}.png"))).unwrap();
    }
    let model = model();
    let words = ["run", "-m", text(&model), text(folder.path()), "What?", "-n", "5"];
    let every = smolvlm(&words).ok();
    let output = smolvlm(&[&words[..], &["--dedup"]].concat());
    assert!(output.stderr.starts_with("4 of 6 frames are like those before them"), "{}", output.stderr);
    assert_eq!(output.ok(), every, "equal frames have equal features");
    let dump = folder.path().join("all.safetensors");
    assert_eq!(smolvlm(&[&words[..], &["--dump", text(&dump)]].concat()).ok(), every);
    assert!(dump.exists());
}

#[test]
fn rows_of_a_batch_show_clips() {
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows.jsonl");
    let question = case("smolvlm2")["question"].clone();
    let parts = json!([{"type": "video", "path": frames()}, {"type": "text", "text": question}]);
    let lines = [
        json!({"video": frames(), "prompt": question, "max_tokens": 24}),
        json!({"messages": [{"role": "user", "content": parts}], "max_tokens": 24}),
        json!({"video": "nowhere.mp4", "prompt": "What?"}),
        json!({"videos": [frames()], "video": "a", "prompt": "What?"}),
    ];
    std::fs::write(&rows, lines.map(|line| line.to_string()).join("\n")).unwrap();
    let out = folder.path().join("out.jsonl");
    let model = model();
    let words = ["run", "-m", text(&model), "--batch", text(&rows), "-o", text(&out), "--fps", "4"];
    assert_eq!(smolvlm(&words).code, 1);
    let answers: Vec<Value> =
        std::fs::read_to_string(&out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for answer in &answers[..2] {
        assert_eq!(answer["text"].as_str().unwrap().trim(), case("smolvlm2")["greedy_text"].as_str().unwrap().trim());
    }
    assert!(answers[2]["error"].as_str().unwrap().contains("nowhere.mp4"), "{}", answers[2]);
    assert!(answers[3]["error"].as_str().unwrap().contains("both name"), "{}", answers[3]);
}

#[test]
fn a_conversation_has_clips_and_is_saved_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let (model, frames, saved) = (model(), frames(), folder.path().join("chat.json"));
    let case = case("smolvlm2");
    let question = case["question"].as_str().unwrap();
    let words = ["chat", "-m", text(&model), "--fps", "4", "-n", "24", "--json"];
    let lines = format!("/video {}\n{question}\nAnd then?\n/show\n/save {}\n", text(&frames), text(&saved));
    let answers = smolvlm_with(&words, lines).ok();
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[0]["text"].as_str().unwrap().trim(), case["greedy_text"].as_str().unwrap().trim());
    assert_eq!(answers[0]["prompt_tokens"], case["input_ids"].as_array().unwrap().len());
    assert!(answers[1]["cached_tokens"].as_u64() > Some(200), "the frames are known: {}", answers[1]);
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&saved).unwrap()).unwrap();
    assert_eq!(kept[0]["content"][0], json!({"type": "video", "path": frames}));
    let load = [&words[..], &["--load", text(&saved)]].concat();
    let again = smolvlm_with(&load, "/retry\n").ok();
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap()["text"], answers[1]["text"]);
    let broken = smolvlm_with(&words, "/video nowhere.mp4\n");
    assert!(broken.stderr.contains("nowhere.mp4") && broken.code == 1, "{}", broken.stderr);
}

#[test]
fn explain_tells_frames_and_tokens_and_draws_them() {
    let folder = tempfile::tempdir().unwrap();
    let sheet = folder.path().join("sheet.png");
    let (model, frames) = (model(), frames());
    let words = ["explain", "-m", text(&model), text(&frames), "--fps", "4", "--json"];
    let told: Value =
        serde_json::from_str(&smolvlm(&[&words[..], &["--contact-sheet", text(&sheet)]].concat()).ok()).unwrap();
    assert_eq!(told["frames"].as_array().unwrap().len(), 6);
    assert_eq!(told["image_tokens"], 24);
    let whole = case("smolvlm2")["input_ids"].as_array().unwrap().len() as u64;
    assert!(told["prompt_tokens"].as_u64().unwrap() < whole);
    assert!(std::fs::read(&sheet).unwrap().starts_with(b"\x89PNG"));
    let plain = smolvlm(&words[..6]).ok();
    assert!(plain.contains("6 shown, 24 image tokens") && plain.contains("00:04"), "{plain}");
    let preset = smolvlm(&["explain", "--preset", "smolvlm2-256m", text(&frames), "--json"]).ok();
    let preset: Value = serde_json::from_str(&preset).unwrap();
    assert_eq!((&preset["image_tokens"], &preset["prompt_tokens"]), (&json!(23 * 64), &Value::Null));
}

#[test]
fn what_cannot_be_shown_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let says = |words: &[&str]| {
        let output = smolvlm(&[&["run", "-m", text(&model())], words].concat());
        output.refused()
    };
    assert!(says(&["nowhere.mp4", "What?"]).contains("'nowhere.mp4' is no file"));
    assert!(says(&[text(folder.path()), "What?"]).contains("no frames"));
    for (flag, wrong) in [("--video-fps", "0"), ("--video-fps", "nan"), ("--fps", "-1"), ("--max-frames", "0")] {
        let flag = format!("{flag}={wrong}");
        assert!(says(&[text(&frames()), "What?", &flag]).contains("would be right") || flag.contains("max-frames"));
    }
    // More frames than the context holds: said before any is decoded.
    let many = ["--video-fps", "100000", "--max-frames", "23", "--system", &"word ".repeat(9000)];
    let long = says(&[&[text(&frames()), "What?"][..], &many].concat());
    assert!(long.contains("the context holds"), "{long}");
    let blind = repository().join("golden/gguf/nowhere.gguf");
    smolvlm(&["run", "-m", text(&blind), text(&frames()), "What?"]).refused();
    // A film, where FFmpeg is not to be found.
    let film = folder.path().join("a.mp4");
    std::fs::write(&film, "anything").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_smolvlm"))
        .args(["run", "-m", text(&model()), text(&film), "What?"])
        .env("SMOLVLM_FFMPEG", folder.path().join("nowhere/ffmpeg"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("clips are decoded by FFmpeg") && !output.status.success(), "{said}");
    let typed = says(&[text(&frames()), "What is <image>?", "--special"]);
    assert!(typed.contains("place"), "{typed}");
}
