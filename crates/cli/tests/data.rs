//! `smolvlm data` as a user calls it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, text};
use serde_json::{Value, json};
use smolvlm_golden::repository;
use std::path::PathBuf;

/// A training set of two good pictures, one that is missing and a row that is none; a test set of one of the pictures.
fn sets() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["big.png", "photo.jpg"] {
        std::fs::copy(repository().join("golden/images").join(name), dir.path().join(name)).unwrap();
    }
    let (train, test) = (dir.path().join("train.jsonl"), dir.path().join("test.jsonl"));
    let rows = [
        r#"{"image": "big.png", "query": "What?\nWhere?", "answer": "A cat."}"#,
        r#"{"image": ["missing.png", "photo.jpg"], "query": "What?", "answer": "A dog."}"#,
        r#"{"image": 3, "query": "What?", "answer": "None."}"#,
    ];
    std::fs::write(&train, rows.join("\n")).unwrap();
    std::fs::write(&test, r#"{"image": "photo.jpg", "question": "What?", "answer": "A dog."}"#).unwrap();
    (dir, train, test)
}

#[test]
fn samples_are_shown_as_they_are_read() {
    let (_dir, train, _) = sets();
    let name = text(&train);
    let shown = smolvlm(&["data", "show", name, "--answer", "reply"]).refused();
    assert!(shown.contains("`reply` is missing"), "{shown}");
    let shown = smolvlm(&["data", "show", name, "-n", "2", "--prompt", "Look."]).ok();
    let expected = format!(
        "{name}: 3 samples\n\n{name}:1\n  user       Look. [picture 611x433] What?\\nWhere?\n  assistant  A cat.\n\n\
         {name}:2\n"
    );
    assert!(shown.starts_with(&expected), "{shown}");
    assert!(shown.contains("missing.png") && shown.contains("[picture 200x150]"), "{shown}");

    let lines = smolvlm(&["data", "show", name, "--json"]).ok();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    let first = &lines[0]["messages"][0]["content"];
    assert_eq!((&first[0]["width"], &first[1]["text"]), (&json!(611), &json!("What?\nWhere?")));
    assert_eq!(lines[0]["messages"][1]["role"], "assistant");
    assert!(lines[1]["messages"][0]["content"][0]["error"].is_string());
    assert!(lines[2]["row"] == 3 && lines[2]["error"].is_string() && lines[2]["messages"].is_null());
}

#[test]
fn training_pictures_of_a_test_set_are_found() {
    let (_dir, train, test) = sets();
    let (train, test) = (text(&train), text(&test));
    let output = smolvlm(&["data", "dedup", train, "--against", test]);
    assert_eq!(output.stderr.lines().count(), 2, "{}", output.stderr);
    assert!(output.stderr.starts_with(&format!("{train}:2 picture 1: ")), "{}", output.stderr);
    let lines: Vec<String> = output.ok().lines().map(str::to_owned).collect();
    let expected = [
        format!("{train}:2 picture 2  =  {test}:1 picture 1"),
        "of 3 training pictures 1 stand in the test set of 1 and 0 nearly so, in 1 of 3 rows; 2 could not be read"
            .into(),
    ];
    assert_eq!(lines, expected);

    let found = smolvlm(&["data", "dedup", test, "--against", train, "--limit", "0", "--json"]).ok();
    let found: Value = serde_json::from_str(&found).unwrap();
    let pair = json!({
        "train": { "file": test, "row": 1, "picture": 1 }, "test": { "file": train, "row": 2, "picture": 2 },
        "same": true, "distance": 0,
    });
    assert_eq!(found["pairs"], json!([pair]));
    assert_eq!((&found["same"], &found["test"]["bad"]), (&json!(1), &json!(2)));
    assert!(smolvlm(&["data", "dedup", train]).refused().contains("--against"));
    assert!(smolvlm(&["data", "dedup", train, "--against", test, "--limit", "17"]).refused().contains("17"));
}

#[test]
fn the_training_set_is_written_without_them_and_nothing_is_written_over() {
    let (dir, train, test) = sets();
    // A document, a chat without a picture and a second file behind the first.
    let more = dir.path().join("more.jsonl");
    let rows = [
        r#"{"image": "big.png", "text": "A page."}"#,
        r#"{"image": "photo.jpg", "text": "The test's."}"#,
        r#"{"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Yes."}]}"#,
    ];
    std::fs::write(&more, rows.join("\n")).unwrap();
    let clean = dir.path().join("clean.jsonl");
    let (train, test, more, clean) = (text(&train), text(&test), text(&more), text(&clean));
    let words = ["data", "dedup", train, more, "--against", test];
    let output = smolvlm(&[&words[..], &["-o", clean]].concat()).ok();
    // Row 2 of the first file has a picture of the test set and one that is missing; row 3 is none.
    let last = format!("{clean}: 3 rows, without 2 with such pictures and 1 that could not be read");
    assert_eq!(output.lines().last(), Some(last.as_str()), "{output}");

    let shown = smolvlm(&["data", "show", clean, "-n", "9", "--json"]).ok();
    let shown: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let before = smolvlm(&["data", "show", train, more, "-n", "9", "--json"]).ok();
    let before: Vec<Value> = before.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(shown.len(), 3);
    for (shown, row) in shown.iter().zip([0, 3, 5]) {
        for field in ["messages", "document"] {
            assert_eq!(shown[field], before[row][field], "{row}");
        }
    }
    // Against the test set there is nothing left to find.
    let again = smolvlm(&["data", "dedup", clean, "--against", test, "--json"]).ok();
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!((&again["same"], &again["near"], &again["clean"]), (&json!(0), &json!(0), &Value::Null));

    let whole = std::fs::read(train).unwrap();
    for (output, says) in [(train, "exists already"), (clean, "exists already"), ("x.parquet", ".jsonl")] {
        assert!(smolvlm(&[&words[..], &["-o", output]].concat()).refused().contains(says), "{output}");
    }
    let none = dir.path().join("none.jsonl");
    assert!(!smolvlm(&["data", "dedup", test, "--against", test, "-o", text(&none)]).stderr.is_empty());
    assert!(!none.exists() && std::fs::read(train).unwrap() == whole);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
}
