//! Many questions at once, as a user asks them: rows, answers in order, bad rows, stopping and going on.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Output, smolvlm, smolvlm_with, text};
use serde_json::{Value, json};
use smolvlm_golden::repository;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn model() -> PathBuf {
    repository().join("golden/idefics3-256m")
}

fn image(name: &str) -> String {
    text(&repository().join("golden/images").join(name)).to_string()
}

/// A folder with rows in it.
struct Place(TempDir);

impl Place {
    fn of(rows: &[Value]) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        fs::write(place.path("rows.jsonl"), rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn words(&self, output: &str) -> Vec<String> {
        let paths = [text(&self.path("rows.jsonl")).to_string(), text(&self.path(output)).to_string()];
        ["run", "--batch", &paths[0], "-o", &paths[1]].map(str::to_string).to_vec()
    }

    fn run(&self, model: &Path, output: &str, args: &[&str]) -> Output {
        let words = self.words(output);
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["-m", text(model)]).collect();
        smolvlm(&[&words, args].concat())
    }

    fn lines(&self, output: &str) -> Vec<Value> {
        let lines = fs::read_to_string(self.path(output)).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn rows_are_answered_as_each_alone() {
    let chat = json!([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Where?"}]}]);
    // What a row has, and what a call alone with the same meaning.
    let rows = [
        (
            json!({"id": "a", "image": image("photo.jpg"), "prompt": "What is this?"}),
            vec!["photo.jpg", "What is this?"],
        ),
        (
            json!({"prompt": "Tell a story.", "max_tokens": 30, "stop": ["q"]}),
            vec!["Tell a story.", "-n", "30", "--stop", "q"],
        ),
        (
            json!({"id": 7, "prompt": "Draw.", "temp": 1.5, "top_k": 9, "seed": 4, "logprobs": 1}),
            vec!["Draw.", "--temp", "1.5", "--top-k", "9", "--seed", "4", "--logprobs", "1"],
        ),
        (
            json!({"images": [image("wide.png"), image("dot.png")], "prompt": "What has changed?", "system": "Be brief."}),
            vec!["wide.png", "dot.png", "What has changed?", "--system", "Be brief."],
        ),
        (
            json!({"messages": chat, "image": image("photo.jpg"), "beams": 3}),
            vec!["photo.jpg", "Where?", "--beams", "3"],
        ),
        (json!({"prompt": "A draw", "temp": 1}), vec!["A draw", "--temp", "1", "--seed", "drawn"]),
        (json!({"prompt": "How many?", "regex": "[0-9]{2}"}), vec!["How many?", "--regex", "[0-9]{2}"]),
        (
            json!({"prompt": "Which?", "json_schema": {"enum": ["a", 7]}}),
            vec!["Which?", "--json-schema", r#"{"enum": ["a", 7]}"#],
        ),
        (
            json!({"prompt": "Several", "samples": 2, "seed": 3, "temp": 2}),
            vec!["Several", "--samples", "2", "--seed", "3", "--temp", "2"],
        ),
    ];
    let place = Place::of(&rows.each_ref().map(|(row, _)| row.clone()));
    let output = place.run(&model(), "answers.jsonl", &["-n", "12", "--at-once", "3", "--json"]);
    assert!(output.stderr.contains("9 of 9 rows answered"), "{}", output.stderr);
    assert!(output.ok().is_empty());
    let lines = place.lines("answers.jsonl");
    assert_eq!(lines.len(), rows.len());
    for (number, ((row, words), line)) in rows.iter().zip(&lines).enumerate() {
        assert_eq!((&line["row"], &line["id"]), (&json!(number + 1), &row["id"]));
        let seed = line["seed"].to_string();
        let mut words: Vec<String> = words
            .iter()
            .map(|word| match *word {
                "drawn" => seed.clone(),
                name if name.ends_with(".png") || name.ends_with(".jpg") => image(name),
                word => word.to_string(),
            })
            .collect();
        if !words.iter().any(|word| word == "-n") {
            words.extend(["-n", "12"].map(str::to_string));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let alone = smolvlm(&[&["run", "-m", text(&model()), "--json"], &words[..]].concat()).ok();
        let alone: Value = serde_json::from_str(&alone).unwrap();
        assert_eq!((&line["prompt_tokens"], &line["image_tokens"]), (&alone["prompt_tokens"], &alone["image_tokens"]));
        if let Some(answers) = alone.get("answers") {
            assert_eq!((&line["samples"], &line["text"]), (answers, &answers[0]["text"]));
            continue;
        }
        for key in ["text", "output_tokens", "stop_reason", "logprobs", "score", "seed"] {
            assert_eq!(line[key], alone[key], "{row}: {key}");
        }
    }
}

#[test]
fn a_bad_row_is_told_and_the_others_are_answered() {
    let place = Place::of(&[]);
    fs::write(place.path("broken.png"), "no picture").unwrap();
    fs::copy(image("dot.png"), place.path("dot.png")).unwrap();
    let long = json!({"id": "long", "prompt": "too long ".repeat(5000)}).to_string();
    let rows = [
        ("{\"id\": 1, \"prompt\": \"Hm?\", \"image\": \"dot.png\"}", ""),
        ("{\"id\": 2, \"prompt\": \"Hm?\", \"image\": \"missing.png\"}", "missing.png"),
        ("{\"id\": 3, \"prompt\": \"Hm?\", \"image\": \"broken.png\"}", "broken.png"),
        ("{\"id\": 4, \"prompt\": ", "not valid JSON"),
        ("", ""),
        ("{\"id\": 5, \"prompt\": \"Hm?\", \"tempp\": 1, \"x\": 2}", "a row has no `tempp`, `x`"),
        ("{\"id\": 6, \"prompt\": \"Hm?\", \"top_p\": 2}", "top-p is 2"),
        (long.as_str(), "context"),
        ("{\"id\": 8, \"prompt\": \"Hm?\", \"image\": \"dot.png\"}", ""),
    ];
    fs::write(place.path("rows.jsonl"), rows.map(|(row, _)| row).join("\n")).unwrap();
    let output = place.run(&model(), "answers.jsonl", &["-n", "3"]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("error: 6 of 8 rows could not be answered"), "{}", output.stderr);
    let lines = place.lines("answers.jsonl");
    let expected: Vec<(usize, &str)> =
        (1..).zip(rows).filter(|(_, (row, _))| !row.is_empty()).map(|(number, (_, says))| (number, says)).collect();
    assert_eq!(lines.len(), expected.len());
    for (line, (number, says)) in lines.iter().zip(expected) {
        assert_eq!(line["row"], number);
        assert_eq!(line["error"].is_null(), says.is_empty(), "{line}");
        assert!(line["error"].as_str().unwrap_or_default().contains(says), "{line}");
        assert_eq!(line["id"].is_null(), says == "not valid JSON", "{line}");
    }
    assert_eq!(lines[0]["text"], lines[7]["text"]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let place = Place::of(&[json!({"prompt": "Hm?"})]);
    let rows = place.path("rows.jsonl");
    let refused = |args: &[&str]| smolvlm(&[&["run", "-m", text(&model())], args].concat()).refused();
    assert!(refused(&["--batch", text(&rows)]).contains("--output"));
    assert!(refused(&["-o", "x", "Hm?"]).contains("--batch"));
    assert!(refused(&["--batch", text(&rows), "-o", "x", "Hm?"]).contains("cannot be used with"));
    assert!(refused(&["--batch", "no such file", "-o", text(&place.path("x"))]).contains("no such file"));
    assert!(refused(&["--batch", text(&rows), "-o", text(&place.path("no/such/x"))]).contains("no/such"));
    fs::write(place.path("there.jsonl"), "").unwrap();
    assert!(place.run(&model(), "there.jsonl", &["--restart"]).refused().contains("is there already"));
    let part = place.path("old.jsonl.part");
    let header = json!({"input": "other", "settings": "other", "model": "other"}).to_string() + "\n";
    fs::write(&part, &header).unwrap();
    assert!(place.run(&model(), "old.jsonl", &["-n", "2"]).refused().contains("a call with other rows"));
    assert_eq!(fs::read_to_string(&part).unwrap(), header);
    place.run(&model(), "old.jsonl", &["-n", "2", "--restart"]).ok();
    assert!(!part.exists() && place.lines("old.jsonl").len() == 1);
}

#[test]
fn stdin_has_the_rows_too_and_paths_are_the_callers() {
    let place = Place::of(&[]);
    let rows = json!({"prompt": "Hm?", "image": image("dot.png")}).to_string();
    let output = place.path("answers.jsonl");
    smolvlm_with(&["run", "-m", text(&model()), "--batch", "-", "-o", text(&output), "-n", "2"], &rows).ok();
    assert_eq!(place.lines("answers.jsonl")[0]["output_tokens"], 2);
    smolvlm_with(&["run", "-m", text(&model()), "--batch", "-", "-o", text(&place.path("none.jsonl"))], "").ok();
    assert_eq!(fs::read(place.path("none.jsonl")).unwrap(), b"");
}

/// Calls that are stopped and killed.
#[cfg(all(unix, feature = "nano"))]
mod stopped {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    const ROWS: usize = 200;

    /// Questions of many lengths, greedy and drawn; every 50th cannot be answered.
    fn rows() -> Vec<Value> {
        let names = ["photo.jpg", "small.png", "dot.png", "wide.png"];
        let row = |n: usize| {
            let name = if n % 50 == 49 { "missing.png" } else { names[n % 4] };
            json!({"id": n, "image": image(name), "prompt": "What is this? ".repeat(1 + n % 3),
                "max_tokens": 1 + n * 7 % 23, "min_tokens": (n * 5 % 11).min(1 + n * 7 % 23), "temp": (n % 3) as f64 * 0.6})
        };
        (0..ROWS).map(row).collect()
    }

    fn begin(place: &Place, output: &str) -> Child {
        let program = std::env::var_os("SMOLVLM_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_smolvlm").into());
        let mut command = Command::new(program);
        command.args(place.words(output)).args(["-m", "nano", "--at-once", "8"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until so many lines are written, or the call has ended.
    fn wait_for(place: &Place, child: &mut Child, part: &str, lines: usize) {
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            let written = fs::read(place.path(part)).unwrap_or_default();
            if written.iter().filter(|&&byte| byte == b'\n').count() > lines {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(300));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_is_killed_goes_on_and_gives_the_very_file() {
        let place = Place::of(&rows());
        let nano = Path::new("nano");
        assert_eq!(place.run(nano, "whole.jsonl", &["--at-once", "5"]).code, 1); // the missing pictures
        // Another moment each time.
        let random = Instant::now().elapsed().subsec_nanos() as usize + std::process::id() as usize;
        for kill in 0..3 {
            let mut child = begin(&place, "killed.jsonl");
            wait_for(&place, &mut child, "killed.jsonl.part", kill * 50 + random % 50);
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(!place.path("killed.jsonl").exists());
        }
        let last = place.run(nano, "killed.jsonl", &["--at-once", "8"]);
        assert!(last.code == 1 && last.stderr.contains("going on behind"), "{}", last.stderr);
        assert!(last.stderr.contains("4 of 200 rows could not be answered"), "{}", last.stderr);
        assert!(fs::read(place.path("killed.jsonl")).unwrap() == fs::read(place.path("whole.jsonl")).unwrap());
        assert!(!place.path("killed.jsonl.part").exists());
        let lines = place.lines("killed.jsonl");
        assert!(
            lines.len() == ROWS && lines.iter().enumerate().all(|(n, line)| line["id"] == n && line["row"] == n + 1)
        );
    }

    #[test]
    fn a_signal_ends_it_with_whole_lines_and_other_settings_do_not_go_on() {
        let place = Place::of(&rows());
        let mut child = begin(&place, "answers.jsonl");
        wait_for(&place, &mut child, "answers.jsonl.part", 20);
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("of 200 rows; the same call goes on there"), "{stderr}");
        let part = fs::read_to_string(place.path("answers.jsonl.part")).unwrap();
        assert!(part.ends_with('\n') && part.lines().count() > 20 && part.lines().count() < 201);
        let other = place.run(Path::new("nano"), "answers.jsonl", &["--seed", "3"]).refused();
        assert!(other.contains("a call with other settings"), "{other}");
    }
}
