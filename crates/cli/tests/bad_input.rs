//! Bad calls, chats and pictures through the program: one clear error line each, and strange input that must work.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, smolvlm_with, text};
use smolvlm_golden::repository;
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn model() -> PathBuf {
    repository().join("golden/idefics3-256m")
}

fn image(name: &str) -> String {
    text(&repository().join("golden/images").join(name)).to_string()
}

/// Asks the model with these arguments behind; it must be refused in these words.
fn refused(args: &[&str], stdin: &str, says: &str) {
    let start = Instant::now();
    let error = smolvlm_with(&[&["run", "-m", text(&model()), "-n", "2"], args].concat(), stdin).refused();
    assert!(error.contains(says), "{args:?}: '{error}' should say '{says}'");
    assert!(start.elapsed() < Duration::from_secs(5), "{args:?} took {:?}", start.elapsed());
}

/// Asks the model with these arguments behind; it must answer.
fn answered(args: &[&str], stdin: &str) -> serde_json::Value {
    let model = model();
    let few: &[&str] = if args.contains(&"-n") { &[] } else { &["-n", "2"] };
    let args = [&["run", "-m", text(&model), "--json"], few, args].concat();
    serde_json::from_str(&smolvlm_with(&args, stdin).ok()).unwrap()
}

#[test]
fn arguments_that_are_wrong() {
    let photo = image("photo.jpg");
    let model = model();
    let model = text(&model);
    for (code, args, says) in [
        (2, vec!["run", "-m", model, "no-such.JPG"], "'no-such.JPG' is no file: pictures and clips come first"),
        (2, vec!["run", "-m", model, "What?", &photo], "'What?' is no file: pictures and clips come first"),
        (2, vec!["run", "-m", model, "What", "is", "this?"], "'What' is no file: pictures and clips come first"),
        (2, vec!["run", "-m", model, "no-such.png", "What?"], "'no-such.png' is no file"),
        (1, vec!["run", "-m", model, "--image", "no-such.png", "What?"], "no-such.png: No such file"),
        (1, vec!["run", "-m", model, "--messages", "no-such.json"], "no-such.json: No such file"),
        (2, vec!["run", "-m", model, "hi", "--tempp", "1"], "a similar argument exists: '--temp'"),
        (2, vec!["run", "-m", model, "hi", "--temp", "nan"], "temperature is NaN; it must be 0 (greedy) or more"),
        (2, vec!["run", "-m", model, "hi", "--temp", "-1"], "temperature is -1"),
        (2, vec!["run", "-m", model, "hi", "--temp", "1e99"], "temperature is inf"),
        (2, vec!["run", "-m", model, "hi", "--temp", "warm"], "invalid value 'warm'"),
        (2, vec!["run", "-m", model, "hi", "--temp", "0", "--seed", "1"], "--temp 0 takes the likeliest"),
        (2, vec!["run", "-m", model, "hi", "--top-p", "nan"], "top-p is NaN; it must be above 0 and at most 1"),
        (2, vec!["run", "-m", model, "hi", "--top-p", "-0.5"], "top-p is -0.5"),
        (2, vec!["run", "-m", model, "hi", "--min-p", "2"], "min-p is 2; it must be 0 to 1"),
        (2, vec!["run", "-m", model, "hi", "--top-k", "-3"], "invalid value '-3' for '--top-k <K>'"),
        (2, vec!["run", "-m", model, "hi", "--repeat-penalty", "0"], "repeat-penalty is 0; it must be above 0"),
        (2, vec!["run", "-m", model, "hi", "--seed", "-1"], "invalid value '-1' for '--seed <N>'"),
        (2, vec!["run", "-m", model, "hi", "-n", "3", "--min-tokens", "4"], "more than the 3 that an answer may have"),
        (2, vec!["run", "-m", model, "hi", "--max-edge", "64"], "--max-edge is given, and nothing that it is for"),
        (2, vec!["run", "-m", model, &photo, "hi", "--dedup"], "--dedup is given, and nothing that it is for"),
        (2, vec!["run", "-m", model, "file:///no-such.png", "hi"], "'file:///no-such.png' is no file"),
        (2, vec!["run", "-m", model, "hi", "-n", "-1"], "invalid value '-1' for '--max-tokens <N>'"),
        (2, vec!["run", "-m", model, "hi", "-n", "99999999999999999999"], "number too large"),
        (2, vec!["run", "-m", model, "hi", "--stop", "", "--stop", "x"], "--stop '' would end no answer"),
        (2, vec!["run", "-m", model, "hi", "-t", "0"], "0 is not in 1..=1024"),
        (2, vec!["run", "-m", model, "hi", "-t", "99999999"], "is not in 1..=1024"),
        (2, vec!["run", "-m", model, "hi", "--max-edge", "0"], "0 is not in 1..=16384"),
        (2, vec!["run", "-m", model, "hi", "--max-edge", "4294967295"], "is not in 1..=16384"),
        (2, vec!["run", "-m", model, "hi", "--dtype", "q8"], "possible values: f32, bf16, auto"),
        (2, vec!["run", "-m", model, "-p", "hi", "--messages", "-"], "cannot be used with"),
        (1, vec!["run", "-m", model, "hi", "--dump", "no/such/folder/x"], "there is no such folder"),
        (1, vec!["run", "-m", model, "hi", "--dump", "/"], "a folder, or no name of a file"),
        (1, vec!["run", "-m", "no-such", "hi"], "no-such: no such folder"),
        (1, vec!["run", "-m", "", "hi"], "the model's name is empty"),
        (1, vec!["run", "-m", "org/name", "hi"], "org/name: no such folder here, not in the cache"),
        (1, vec!["pull", "smolvlm-256m"], "HuggingFaceTB/SmolVLM-256M-Instruct: no such folder here, not in the cache"),
        (2, vec!["pull", "./here"], "ORG/NAME[@REVISION] or a short name would be right"),
        (1, vec!["models", "--remove", "org/name"], "org/name: not in the cache"),
        (1, vec!["models", "--verify", "org/name"], "org/name: not in the cache"),
        (1, vec!["run", "-m", &photo, "hi"], "a file, not a folder"),
        (1, vec!["run", "-m", "src", "hi"], "no config.json in it"),
        (2, vec!["explain"], "no picture, no clip and no size"),
        (2, vec!["explain", "--size", "0x5"], "'0x5' is no size in pixels"),
        (2, vec!["explain", "--size", "5"], "'5' is no size in pixels"),
        (2, vec!["explain", "--size", "99999999999x5"], "is no size in pixels"),
        (2, vec!["explain", "--size", "a\nb"], "'a\\nb' is no size in pixels"),
        (2, vec!["explain", "--size", "5x5", "--preset", "7b"], "no preset is named '7b'; there are 256m"),
        (2, vec!["explain", "--size", "5x5", "--preset", "2b", "-m", model], "cannot be used with"),
        (2, vec!["explain", &photo, &photo, "--png", "tiles.png"], "--png draws one picture"),
        (1, vec!["explain", "no-such.png"], "no-such.png: No such file"),
        (2, vec!["bench", "--random", "7b"], "no model is named '7b'; there are smolvlm-256m"),
        (2, vec!["bench", "-m", model, "--quant", "q8", "--dtype", "f32"], "computes the rest in bfloat16"),
        (2, vec!["bench", "-m", model, "--quant", "q3"], "q3"),
        (2, vec!["bench", "-m", model, "--context", "0"], "--context must be at least 1"),
        (2, vec!["bench", "-m", model, "--runs", "0"], "0 is not in 1.."),
        (1, vec!["bench", "-m", model, "--context", "1000000000000"], "the model's holds 8192"),
        (1, vec!["bench", "-m", model, "--size", "60000x60000"], "at most 64000000 pixels"),
        (2, vec!["run", "-m", model, "hi", "--quant", "q7"], "none, q8, q4, auto, or parts as text=q4"),
        (2, vec!["run", "-m", model, "hi", "--quant", "text=q4,text=q8"], "'text' is named twice"),
        (2, vec!["run", "-m", model, "hi", "--quant", "tower=q4"], "no part is named 'tower'"),
        (
            2,
            vec!["run", "-m", model, "hi", "--quant", "q8", "--dtype", "f32"],
            "--dtype f32 would do nothing beside it",
        ),
        (2, vec!["compare", model], "nothing to compare by"),
        (1, vec!["compare", model, "--text", "no-such.txt"], "no-such.txt: No such file"),
        (1, vec!["perplexity", "-m", model, "no-such.txt"], "no-such.txt: No such file"),
        (2, vec!["perplexity", "-m", model, "-", "--window", "1"], "--window must be at least 2"),
        (2, vec!["perplexity", "-m", model, "-", "--window", "9000"], "exceeds the model's context of 8192"),
        (1, vec!["perplexity", "-m", model, "-"], "the text has 0 tokens; scoring needs at least 2"),
        (2, vec!["talk"], "unrecognized subcommand 'talk'"),
    ] {
        let output = smolvlm(&args);
        assert_eq!(output.code, code, "{args:?}: {}", output.stderr);
        let error = output.refused();
        assert!(error.contains(says), "{args:?}: '{error}' should say '{says}'");
    }
}

#[test]
fn a_call_that_asks_nothing_is_told_what_to_try() {
    for args in [&["run"][..], &["run", "-m", text(&model())], &["run", "--json"]] {
        let output = smolvlm(args);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{args:?}");
        let lines: Vec<&str> = output.stderr.lines().collect();
        assert_eq!(lines[0], "error: no picture and no question; for example:");
        assert!(lines[1..].iter().all(|line| line.starts_with("  smolvlm ")), "{lines:?}");
        assert!(lines[1..].iter().any(|line| line.contains("smolvlm demo")), "{lines:?}");
    }
}

#[test]
fn chats_that_are_wrong() {
    let photo = image("photo.jpg");
    let deep = "[".repeat(100_000);
    let user = |content: &str| format!(r#"[{{"role": "user", "content": {content}}}]"#);
    let place = user(r#"[{"type": "image"}, {"type": "text", "text": "What?"}]"#);
    let none = user(r#""What?""#);
    for (chat, images, says) in [
        ("", 0, "messages: not valid JSON"),
        ("nonsense", 0, "messages: not valid JSON"),
        ("{}", 0, "an object found; a list of messages would be right"),
        ("[]", 0, "the list is empty; at least one message is needed"),
        ("[1]", 0, "message 0: a number found"),
        (deep.as_str(), 0, "messages: not valid JSON: recursion limit exceeded"),
        (r#"[{"role": "root", "content": "hi"}]"#, 0, "message 0: the role \"root\" is unknown; known are user"),
        (r#"[{"content": "hi"}]"#, 0, "message 0: `role` is missing"),
        (r#"[{"role": "user"}]"#, 0, "message 0: `content` is missing"),
        (&user("[]"), 0, "message 0: the content is empty"),
        (&user("[{\"type\": \"audio\"}]"), 0, "the type \"audio\" is unknown"),
        (&user("[{\"type\": \"video\"}]"), 0, "1 place(s) for clips without a path"),
        (&user(r#"[{"type": "image", "url": "ftp://x/y.png"}]"#), 0, "\"ftp://x/y.png\" is no address; https://"),
        (
            &user(r#"[{"type": "image", "path": "ftp://x/y.png"}]"#),
            0,
            "an address of another kind than http, https and data",
        ),
        (&user(r#"[{"type": "image", "path": "no-such.png"}]"#), 0, "no-such.png: No such file"),
        (&user("\"\\ud800\""), 0, "messages: not valid JSON"),
        (&place, 0, "1 place(s) for pictures without a path, but 0 picture(s) given; each place needs one"),
        (&place, 2, "2 picture(s) given, but the chat has 1 place(s) for them"),
        (&none, 1, "1 picture(s) given, but the chat has 0 place(s) for them"),
    ] {
        let mut args = vec!["--messages", "-"];
        (0..images).for_each(|_| args.extend(["--image", &photo]));
        refused(&args, chat, says);
    }
    let system = r#"[{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]"#;
    refused(&["--messages", "-", "--system", "c"], system, "the messages have a system message already");
    refused(&["--special", "<image>"], "", "1 place(s) for pictures without a path, but 0 picture(s) given");

    let dir = tempfile::tempdir().unwrap();
    let bytes = dir.path().join("bytes");
    std::fs::write(&bytes, b"[{\"role\": \"\xFF\"}]").unwrap();
    refused(&["--messages", text(&bytes)], "", "no text: not UTF-8");
    std::fs::File::create(&bytes).unwrap().set_len(1 << 40).unwrap();
    refused(&["--messages", text(&bytes)], "", "more than 8 MiB of text");
    refused(&["-p", "-"], &" ".repeat((8 << 20) + 1), "stdin: more than 8 MiB of text");
    let error =
        smolvlm(&["perplexity", "-m", text(&model()), text(&repository().join("golden/images/photo.jpg"))]).refused();
    assert!(error.contains("no text: not UTF-8"), "{error}");
}

#[cfg(unix)]
#[test]
fn words_that_are_not_utf_8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let word = OsStr::from_bytes(b"\xFF");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_smolvlm"))
        .args(["run", "-m", text(&model()), "-p"])
        .arg(word)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && error.starts_with("error: invalid UTF-8"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn prompts_longer_than_the_context_are_refused_before_any_tile_is_encoded() {
    refused(&["-p", "-"], &"one two three ".repeat(10_000), "but the context holds 8192");
    // 17 tiles of 4 tokens each, and a context that only the first few would fit.
    let copy = common::copy_of(&model());
    let config = std::fs::read_to_string(copy.path().join("config.json")).unwrap();
    let config = config.replace("\"max_position_embeddings\": 8192", "\"max_position_embeddings\": 60");
    std::fs::write(copy.path().join("config.json"), config).unwrap();
    let square = image("square.png");
    let dump = copy.path().join("dump");
    let args = ["run", "-m", text(copy.path()), &square, "What?", "--dump", text(&dump)];
    let error = smolvlm(&args).refused();
    assert!(error.contains("the prompt needs at least 68 tokens, but the context holds 60"), "{error}");
    assert!(!dump.exists());
    let cheap = [&args[..5], &["--no-split", "-n", "1"]].concat();
    smolvlm(&cheap).ok();
    // A context that the answer fills.
    let answer = smolvlm(&[&args[..5], &["--no-split", "--json"]].concat()).ok();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let tokens = answer["prompt_tokens"].as_u64().unwrap() + answer["output_tokens"].as_u64().unwrap();
    assert!(answer["stop_reason"] != "context_full" || tokens == 61, "{answer}");
}

#[test]
fn strange_input_that_must_work() {
    let plain = answered(&["What?"], "");
    for question in ["", " ", "\n", "<", "日本 👩‍👩‍👧 \u{202e}", "--"] {
        answered(&["-p", question], "");
    }
    answered(&["-p", "-"], "");
    answered(&["-p", "-"], "a\0b\u{1b}[2J\r\n");
    // What looks like a token in a question is text: more tokens, and no place for a picture.
    for typed in ["<image>", "<end_of_utterance>", "<fake_token_around_image>", "<|im_start|>"] {
        let answer = answered(&[&format!("What? {typed}")], "");
        assert_eq!(answer["image_tokens"], 0, "{typed}");
        let more = answer["prompt_tokens"].as_u64().unwrap() - plain["prompt_tokens"].as_u64().unwrap();
        assert!(more >= 5, "{typed} became {more} tokens");
    }
    let (photo, picture) = (image("photo.jpg"), image("dot.png"));
    let with = answered(&[&picture, "<image>"], "");
    assert_eq!(with["image_tokens"], 17 * 4);
    answered(&[&photo, "What?", "--stop", "never"], "");
    let nothing = answered(&["What?", "-n", "0"], "");
    assert_eq!((&nothing["text"], &nothing["stop_reason"]), (&"".into(), &"max_tokens".into()));
    assert_eq!(answered(&["What?", "--temp", "1e-45", "--seed", "1"], "")["text"], plain["text"]);
    assert_eq!(answered(&["What?", "--top-k", "4294967295", "--temp", "1e-30"], "")["text"], plain["text"]);
    answered(&["What?", "--temp", "3e38", "--repeat-penalty", "1e-45", "-t", "64"], "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_stdout_or_stderr() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let call = |args: &[&str]| {
        let mut call = std::process::Command::new(env!("CARGO_BIN_EXE_smolvlm"));
        call.args(args);
        call
    };
    let output = call(&["explain", "--preset", "256m", "--size", "5x5"]).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
    assert_eq!(call(&["explain", "--size", "0x5"]).stderr(full()).status().unwrap().code(), Some(2));
    let model = model();
    let args = ["run", "-m", text(&model), "hi", "-n", "1", "-v"];
    assert_eq!(call(&args).stdout(std::process::Stdio::null()).stderr(full()).status().unwrap().code(), Some(0));
}

#[test]
fn the_help_is_there() {
    let help = smolvlm(&["--help"]).ok();
    for command in ["run", "demo", "explain", "perplexity", "bench"] {
        assert!(help.contains(command));
        let help = smolvlm(&[command, "--help"]).ok();
        assert!(help.contains("Usage:") && help.contains("Examples:"));
    }
    assert!(smolvlm(&["--version"]).ok().starts_with("smolvlm "));
    let bare = smolvlm(&[]);
    assert!(bare.code == 2 && bare.stderr.contains("Usage:"));
}
