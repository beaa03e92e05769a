//! `smolvlm synth` from outside.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn synth(folder: &std::path::Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smolvlm"));
    command.arg("synth").args(args).current_dir(folder).env("NO_COLOR", "1").env("SMOLVLM_SYNTH", folder);
    command.output().unwrap()
}

fn said(output: &Output) -> (bool, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn samples_are_written_and_the_same_each_time() {
    let dir = tempfile::tempdir().unwrap();
    for (folder, start) in [("a", "0"), ("b", "0"), ("c", "5")] {
        let args = ["-o", folder, "--skills", "single,count=2", "--count", "10", "--start", start];
        let (done, out, err) = said(&synth(dir.path(), &args));
        assert!(done && out.starts_with(&format!("{folder}: 10 samples, ")) && err.is_empty(), "{out}{err}");
    }
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    assert!(read("a/data.jsonl") == read("b/data.jsonl") && read("a/data.jsonl") != read("c/data.jsonl"));
    assert_eq!(read("a/pictures/000007.png"), read("c/pictures/000002.png"));
    let row: serde_json::Value =
        serde_json::from_slice(read("a/data.jsonl").split(|b| *b == b'\n').next().unwrap()).unwrap();
    let count = |key: &str| row[key].as_array().unwrap().len();
    assert_eq!(row["images"][0], "pictures/000000.png");
    assert!(row["messages"][0]["role"] == "user" && count("messages") == 2 * count("skill"));
    assert_eq!(count("skill"), count("also"));
}

#[test]
fn test_sets_sheets_and_lists() {
    let dir = tempfile::tempdir().unwrap();
    let (done, out, _) =
        said(&synth(dir.path(), &["-o", "t", "--test", "yesno", "--count", "3", "--format", "parquet"]));
    assert!(done && out == "t: 3 samples, 3 questions\n" && dir.path().join("t/data.parquet").exists(), "{out}");
    let (done, out, _) = said(&synth(dir.path(), &["--sheet", "look.png", "--skills", "relation", "--count", "4"]));
    assert!(done && out.starts_with("look.png: 4 samples, "), "{out}");
    assert!(std::fs::read(dir.path().join("look.png")).unwrap().starts_with(b"\x89PNG"));
    let (done, out, _) = said(&synth(dir.path(), &["--list"]));
    assert!(
        done && out.contains("single")
            && out.contains("(drawings of things missing)")
            && out.contains("test sets: shape")
    );
}

#[test]
fn what_cannot_be_drawn_is_one_clear_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("there")).unwrap();
    let wrong = [
        (vec!["-o", "x", "--skills", "singel"], "'singel' is no skill; known are single"),
        (vec!["-o", "x", "--test", "shapes"], "'shapes' is no test set; known are shape"),
        (vec!["-o", "x", "--skills", "name"], "scripts/get-drawings.sh fetch them"),
        (vec!["-o", "there", "--skills", "single"], "there: entity already exists"),
        (vec!["-o", "x", "--test", "count", "--start", "2000"], "leave no sample"),
        (vec!["--sheet", "x.png", "--skills", "single", "--count", "1000"], "at most 240 samples"),
        (vec!["--skills", "single"], "--output"),
    ];
    for (args, want) in wrong {
        let (done, out, err) = said(&synth(dir.path(), &args));
        assert!(!done && out.is_empty() && err.contains(want) && err.lines().count() == 1, "{args:?}: {err}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
