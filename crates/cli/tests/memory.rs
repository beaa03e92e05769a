//! Memory: what a run was foreseen to take is near what it takes, and what does not fit is refused before it is taken.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Output, copy_of, smolvlm, text};
use serde_json::Value;
use smolvlm_golden::repository;
use std::process::Command;

/// Calls `smolvlm` in a shell that bounds its addresses to so many MiB.
fn within(mib: u64, args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_smolvlm");
    let script = format!("ulimit -v {}; exec \"$0\" \"$@\"", mib << 10);
    let output = Command::new("sh").args(["-c", &script, program]).args(args).output().unwrap();
    let string = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code().unwrap_or(-1), stdout: string(output.stdout), stderr: string(output.stderr) }
}

#[test]
fn what_a_run_takes_is_foreseen() {
    let golden = |name: &str| repository().join("golden").join(name).to_str().unwrap().to_owned();
    let few = ["--runs", "1", "--warmup", "0", "--json", "-t", "2"];
    let models = ["idefics3-256m", "wide"].map(golden);
    for (model, more) in [
        (&["-m", models[0].as_str()], &["--size", "640x480"][..]),
        (&["-m", models[1].as_str()], &["--size", "640x480"]),
        (&["--random", "smolvlm-256m"], &["--size", "512x512", "--no-split", "--context", "600"]),
        (&["--random", "smolvlm-256m"], &["--size", "64x64", "--no-split", "--context", "100", "--dtype", "f32"]),
    ] {
        let report: Value =
            serde_json::from_str(&smolvlm(&[&["bench"], &model[..], more, &few].concat()).ok()).unwrap();
        let (foreseen, peak) = (report["foreseen"].as_f64().unwrap(), report["peak_rss"].as_f64().unwrap());
        let part = foreseen / peak;
        println!("{model:?}: foreseen {:.0} MB of {:.0} MB, {part:.2}", foreseen / 1e6, peak / 1e6);
        assert!((0.7..1.5).contains(&part), "{model:?} {more:?}: {foreseen} bytes foreseen, {peak} at the peak");
    }
}

#[test]
fn a_model_that_does_not_fit_is_refused_with_both_numbers() {
    let error = within(1500, &["bench", "--random", "smolvlm-2b", "--dtype", "f32"]).refused();
    assert!(error.contains("error: the model needs some ") && error.contains(" GB of memory, but "), "{error}");
    assert!(error.contains("of the process's limit (ulimit -v) are left; with --dtype bf16 it needs "), "{error}");
    let error = within(400, &["bench", "--random", "smolvlm-256m"]).refused();
    assert!(error.contains(" MB of memory, but ") && error.contains("with --quant q8 it needs "), "{error}");
    let error = within(350, &["bench", "--random", "smolvlm-256m", "--quant", "q4"]).refused();
    assert!(error.contains("a smaller model needs less"), "{error}");
    // One that fits answers.
    let model = repository().join("golden/idefics3-256m");
    within(1500, &["run", "-m", text(&model), "Hello there", "-n", "2", "-t", "2"]).ok();
}

#[test]
fn a_config_that_asks_for_more_than_any_machine_has_is_refused_before_the_weights_are_read() {
    // The embedding is as the config says; what the layers would be is not there.
    let copy = copy_of(&repository().join("golden/idefics3-256m"));
    let config = std::fs::read_to_string(copy.path().join("config.json")).unwrap();
    let large = config
        .replace("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 1024")
        .replace("\"intermediate_size\": 96", "\"intermediate_size\": 65536")
        .replace("\"head_dim\": 8", "\"head_dim\": 128");
    assert_ne!(large, config);
    std::fs::write(copy.path().join("config.json"), large).unwrap();
    let ask = ["run", "-m", text(copy.path()), "Hello there", "-n", "2"];
    let error = within(2000, &ask).refused();
    assert!(error.contains("the model needs some ") && error.contains(" GB of memory"), "{error}");
}

#[test]
fn a_request_that_does_not_fit_is_refused_and_a_long_limit_takes_nothing_by_itself() {
    let model = repository().join("golden/idefics3-256m");
    let ask = ["run", "-m", text(&model), "Hello there", "-t", "2", "--json", "-n"];
    let error = within(440, &[&ask[..], &["8000", "--samples", "64", "--temp", "1", "--seed", "1"]].concat()).refused();
    assert!(error.contains("the request needs some ") && error.contains("fewer tokens (-n)"), "{error}");
    // The cache of 8000 tokens is taken as it fills: this answer ends early, or the peak would show them.
    let peak = |tokens: &str| {
        let stop = ["--stop", "e", "--stop", "a", "--stop", "o", "--stop", " "];
        let report: Value = serde_json::from_str(&smolvlm(&[&ask[..], &[tokens], &stop].concat()).ok()).unwrap();
        assert!(report["output_tokens"].as_u64().unwrap() < 500, "{report}");
        report["peak_rss"].as_u64().unwrap()
    };
    assert!(peak("8000") < peak("1") + (4 << 20));
}

#[test]
fn a_training_step_that_does_not_fit_is_refused() {
    let (dir, model) = (tempfile::tempdir().unwrap(), repository().join("golden/idefics3-256m"));
    let chats = dir.path().join("chats.jsonl");
    let chat = |words: usize| {
        let answer = "word and other things ".repeat(words);
        serde_json::json!({"messages": [{"role": "user", "content": "Go on."}, {"role": "assistant", "content": answer}]})
    };
    let row = format!("{}\n", chat(130));
    std::fs::write(&chats, row.repeat(200)).unwrap();
    let step = ["train", "-m", text(&model), "--data", text(&chats), "-t", "2", "--dry-run", "--batch", "200"];
    let error = within(1500, &[&step[..], &["--pack-tokens", "1000000"]].concat()).refused();
    assert!(error.contains("a step of the training needs some ") && error.contains("--recompute, "), "{error}");
}
