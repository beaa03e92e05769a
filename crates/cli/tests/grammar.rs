//! Answers of a form, as a user asks for them: text and files, one and several, and what is told where they are cut off.
#![cfg(feature = "grammar")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Output, smolvlm, text};
use serde_json::Value;
use smolvlm_golden::repository;
use std::fs;

fn run(args: &[&str]) -> Output {
    let model = repository().join("golden/idefics3-256m");
    smolvlm(&[&["run", "-m", text(&model)], args].concat())
}

#[test]
fn forms_come_as_text_and_from_files() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = place.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let schema = file("schema.json", r#"{"type": "boolean"}"#);
    let grammar = file("grammar.lark", "start: \"x\" DIGIT\nDIGIT: /[0-9]/");
    let photo = repository().join("golden/images/photo.jpg");
    for (args, fits) in [
        (vec![text(&photo), "What?", "--regex", "[0-9]{2}"], (|answer| answer.len() == 2) as fn(&str) -> bool),
        (vec!["What?", "--json-schema", &schema], |answer| answer == "true" || answer == "false"),
        (vec!["What?", "--json-schema", r#"{"const": "é"}"#], |answer| answer == "\"é\""),
        (vec!["What?", "--lark", &grammar], |answer| answer.starts_with('x') && answer.len() == 2),
        (vec!["What?", "--lark", "start: \"a\" | \"b\""], |answer| answer == "a" || answer == "b"),
    ] {
        let output = run(&args);
        assert!(output.stderr.is_empty(), "{}", output.stderr);
        let answer = output.ok();
        assert!(fits(answer.trim_end_matches('\n')), "{args:?}: {answer:?}");
    }
}

#[test]
fn an_answer_that_is_cut_off_says_so() {
    let output = run(&["What?", "--json-object", "-n", "3"]);
    assert_eq!(output.stderr, "the answer reached its limit of tokens (-n N sets another) before its form was whole\n");
    assert!(output.ok().starts_with('{'));
    let output = run(&["What?", "--regex", "[a-z]{90}", "-n", "3", "--samples", "2", "--temp", "1", "--json"]);
    assert_eq!(output.stderr.lines().count(), 2);
    assert!(output.stderr.contains("answer 2 reached its limit"), "{}", output.stderr);
    let report: Value = serde_json::from_str(&output.ok()).unwrap();
    assert_eq!(report["answers"][1]["stop_reason"], "max_tokens");
}

#[test]
fn what_is_no_form_is_refused() {
    for (args, says) in [
        (&["--regex", "a("][..], "the regular expression cannot be used: in the expression \"a(\": unclosed group"),
        (&["--json-schema", "nowhere.json"], "nowhere.json"),
        (&["--json-schema", r#"{"not": {}}"#], "keywords that are not supported: [\"not\"]"),
        (&["--lark", "start: b"], "unknown name: \"b\""),
        (&["--regex", "a", "--json-object"], "cannot be used with"),
        (&["--regex", "a", "--beams", "2"], "--beams cannot search with it"),
    ] {
        let error = run(&[&["What?"], args].concat()).refused();
        assert!(error.contains(says), "{args:?}: {error}");
    }
}
