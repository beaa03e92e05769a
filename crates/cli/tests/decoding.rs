//! How tokens are chosen, as a user says it: flags, a model's own settings, what is printed.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{copy_of, smolvlm, text};
use serde_json::{Value, json};
use smolvlm_golden::repository;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn model() -> PathBuf {
    repository().join("golden/idefics3-256m")
}

fn run_of(model: &Path, args: &[&str]) -> String {
    let output = smolvlm(&[&["run", "-m", text(model), "Tell a story."], args].concat());
    assert!(output.stderr.is_empty(), "{args:?}: {}", output.stderr);
    output.ok()
}

fn run(args: &[&str]) -> String {
    run_of(&model(), &[&["-n", "12"], args].concat())
}

fn report(args: &[&str]) -> Value {
    serde_json::from_str(&run(&[args, &["--json"]].concat())).unwrap()
}

/// A copy of the model whose generation settings have these keys too.
fn asking(keys: Value) -> TempDir {
    let copy = copy_of(&model());
    let path = copy.path().join("generation_config.json");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    settings.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    std::fs::write(&path, settings.to_string()).unwrap();
    copy
}

#[test]
fn a_search_prints_its_best_answer_at_the_end() {
    let best = report(&["--beams", "3"]);
    assert_eq!(run(&["--beams", "3"]).strip_suffix('\n').unwrap(), best["text"]);
    assert!(best["score"].as_f64().unwrap() < 0.0);
    let all = report(&["--beams", "3", "--samples", "3", "--length-penalty", "0"]);
    let scores: Vec<f64> =
        all["answers"].as_array().unwrap().iter().map(|answer| answer["score"].as_f64().unwrap()).collect();
    assert!(scores.len() == 3 && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
}

#[test]
fn samples_are_numbered_and_the_first_is_that_of_the_seed_alone() {
    let alone = report(&["--temp", "1.5", "--seed", "4"]);
    let args = ["--temp", "1.5", "--seed", "4", "--samples", "3"];
    let all = report(&args);
    let texts: Vec<&str> =
        all["answers"].as_array().unwrap().iter().map(|answer| answer["text"].as_str().unwrap()).collect();
    assert_eq!(texts[0], alone["text"]);
    assert_eq!(all["seed"], 4);
    assert_eq!(run(&args), format!("--- 1\n{}\n--- 2\n{}\n--- 3\n{}\n", texts[0], texts[1], texts[2]));
}

#[test]
fn log_probabilities_stand_in_the_report() {
    let report = report(&["--logprobs", "2"]);
    let steps = report["logprobs"].as_array().unwrap();
    assert_eq!(steps.len(), report["output_tokens"].as_u64().unwrap() as usize);
    for step in steps {
        // The likeliest is taken: it is the first of the alternatives.
        assert_eq!((&step["id"], &step["logprob"]), (&step["top"][0]["id"], &step["top"][0]["logprob"]));
        assert!(step["token"].is_string() && step["top"].as_array().unwrap().len() == 2);
        assert!(step["top"][0]["logprob"].as_f64() >= step["top"][1]["logprob"].as_f64());
    }
}

#[test]
fn biases_and_bans_change_what_comes() {
    assert_eq!(run(&["--logit-bias", "a=100"]), format!("{}\n", "a".repeat(12)));
    let once = run(&["--logit-bias", "a=100", "--no-repeat-ngram", "1"]);
    assert_eq!(once.matches('a').count().min(1), 1);
    assert!(!once.contains("aa"), "{once}");
    // The tokens "a" and " a" alone; others may have the letter.
    let banned = report(&["--logit-bias", "a=100", "--bad-word", "a", "--logprobs", "0"]);
    let tokens: Vec<&str> =
        banned["logprobs"].as_array().unwrap().iter().map(|step| step["token"].as_str().unwrap()).collect();
    assert!(tokens.len() == 12 && tokens.iter().all(|token| token.trim() != "a"), "{tokens:?}");
    // Sums of penalties overtake the bias.
    for flags in [["--frequency-penalty", "30"], ["--dry-multiplier", "30"]] {
        let text = run(&[&["--logit-bias", "a=100"], flags.as_slice()].concat());
        assert!(text.starts_with("aa") && text.trim_end().len() > text.matches('a').count(), "{flags:?}: {text}");
    }
    let end = ["--logit-bias", "<end_of_utterance>=100"];
    assert_eq!(report(&end)["output_tokens"], 1);
    assert_eq!(report(&[&end[..], &["--min-tokens", "5"]].concat())["output_tokens"], 6);
}

#[test]
fn a_seed_draws_the_same_answer_with_every_filter() {
    for flags in [
        ["--typical-p", "0.9"],
        ["--top-n-sigma", "2"],
        ["--top-h", "0.9"],
        ["--epsilon-cutoff", "0.001"],
        ["--eta-cutoff", "0.01"],
        ["--xtc-probability", "0.5"],
        ["--mirostat", "1"],
        ["--mirostat", "2"],
    ] {
        let drawn = |seed: &str| run(&[&["--temp", "2", "--seed", seed], flags.as_slice()].concat());
        let first = drawn("1");
        assert_eq!(first, drawn("1"), "{flags:?}");
        assert!((2..6).any(|seed| drawn(&seed.to_string()) != first), "{flags:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_a_sentence() {
    for (args, says) in [
        (&["--length-penalty", "2"][..], "they need --beams N above 1"),
        (&["--logit-bias", "a long text=1"], "but a bias is of one"),
        (&["--logit-bias", "5000000=1"], "logit-bias names token 5000000"),
        (&["--dry-multiplier", "1", "--dry-breaker", "no such token"], "no token of this model contains"),
        (&["--samples", "2", "--temp", "0"], "several samples of the likeliest"),
        (&["--logprobs", "2"], "--json"),
    ] {
        let error = smolvlm(&[&["run", "-m", text(&model()), "Hm?"], args].concat()).refused();
        assert!(error.contains(says), "{args:?}: {error}");
    }
}

#[test]
fn a_models_own_settings_hold_until_the_call_says_otherwise() {
    let plain = run(&[]);
    let short = asking(json!({"max_new_tokens": 3, "do_sample": false, "temperature": 0.1, "top_p": 0.5}));
    let three = run_of(short.path(), &[]);
    assert!(plain.starts_with(three.trim_end_matches('\n')) && three.len() < plain.len());
    assert_eq!(run_of(short.path(), &["-n", "12"]), plain);
    let searching = asking(json!({"num_beams": 3, "num_return_sequences": 2}));
    let own = run_of(searching.path(), &["-n", "12"]);
    assert_eq!(own, run(&["--beams", "3", "--samples", "2"]));
    assert_eq!(run_of(searching.path(), &["-n", "12", "--beams", "1", "--samples", "1"]), plain);
    let drawing = asking(json!({"do_sample": true, "temperature": 1.5, "top_k": 0}));
    assert_eq!(run_of(drawing.path(), &["-n", "12", "--seed", "4"]), run(&["--temp", "1.5", "--seed", "4"]));
    assert_eq!(run_of(drawing.path(), &["-n", "12", "--temp", "0"]), plain);
    let stop: String = plain.chars().skip(2).take(2).collect();
    let stopping = asking(json!({"stop_strings": [stop]}));
    assert_eq!(run_of(stopping.path(), &["-n", "12"]), run(&["--stop", &stop]));
}

#[test]
fn what_a_model_asks_in_vain_is_refused_or_noted() {
    let refused = asking(json!({"penalty_alpha": 0.6, "top_k": 4}));
    let error = smolvlm(&["run", "-m", text(refused.path()), "Hm?"]).refused();
    assert!(error.contains("penalty_alpha") && error.contains("contrastive"), "{error}");
    let noted = asking(json!({"future\nkey": 1}));
    let output = smolvlm(&["run", "-m", text(noted.path()), "Tell a story.", "-n", "12"]);
    assert_eq!(output.stderr, "generation_config.json: unknown key 'future\\nkey' is passed over\n");
    assert_eq!(output.ok(), run(&[]));
}
