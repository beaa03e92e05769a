//! A conversation, line by line from a pipe: turns, commands, pictures, files.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Output, copy_of, smolvlm, smolvlm_with, text};
use serde_json::{Value, json};
use smolvlm_golden::repository;
use std::path::PathBuf;

fn model() -> PathBuf {
    repository().join("golden/idefics3-256m")
}

fn image(name: &str) -> String {
    text(&repository().join("golden/images").join(name)).to_string()
}

/// What comes of lines, with short answers.
fn chat(lines: &str, args: &[&str]) -> Output {
    smolvlm_with(&[&["chat", "-m", text(&model()), "-n", "8"], args].concat(), lines)
}

/// The objects of a conversation that went well.
fn turns(lines: &str, args: &[&str]) -> Vec<Value> {
    let printed = chat(lines, &[&["--json"], args].concat()).ok();
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn texts(turns: &[Value]) -> Vec<&str> {
    turns.iter().map(|turn| turn["text"].as_str().unwrap()).collect()
}

fn number(turn: &Value, key: &str) -> u64 {
    turn[key].as_u64().unwrap()
}

/// What `smolvlm run` answers to messages, as an object.
fn run(messages: &Value, args: &[&str]) -> Value {
    let model = model();
    let words = [&["run", "-m", text(&model), "-n", "8", "--json", "--messages", "-"], args].concat();
    serde_json::from_str(&smolvlm_with(&words, messages.to_string()).ok()).unwrap()
}

fn message(role: &str, text: &str) -> Value {
    json!({ "role": role, "content": text })
}

#[test]
fn turns_remember_what_came_before() {
    let told = turns("One.\n\nTwo.\nThree.\n", &["--system", "Be brief."]);
    assert_eq!(told.len(), 3);
    let mut messages = vec![message("system", "Be brief.")];
    for (question, turn) in ["One.", "Two.", "Three."].iter().zip(&told) {
        messages.push(message("user", question));
        let alone = run(&json!(messages), &[]);
        for key in ["text", "prompt_tokens", "output_tokens", "stop_reason"] {
            assert_eq!(turn[key], alone[key], "{question}: {key}");
        }
        messages.push(message("assistant", turn["text"].as_str().unwrap()));
    }
    assert!(number(&told[0], "prompt_tokens") < number(&told[1], "prompt_tokens"));
    // The turns before have passed the decoder already.
    assert_eq!(number(&told[0], "cached_tokens"), 0);
    assert!(number(&told[2], "cached_tokens") >= number(&told[1], "prompt_tokens"), "{told:?}");
    // As text: an answer a line, whatever is in it.
    let plain = chat("One.\nTwo.\nThree.\n", &["--system", "Be brief."]);
    assert_eq!(plain.stdout.matches(texts(&told)[1]).count(), 1, "{}", plain.stdout);
    assert!(
        plain.stderr.lines().count() == 3 && plain.stderr.lines().all(|line| line.contains(" tokens")),
        "{}",
        plain.stderr
    );
    let quiet = chat("One.\nTwo.\nThree.\n", &["--system", "Be brief.", "--quiet"]);
    assert_eq!((quiet.stderr.as_str(), &quiet.stdout), ("", &plain.stdout));
}

#[test]
fn pictures_are_named_in_lines() {
    let photo = image("photo.jpg");
    let direct = smolvlm(&["run", "-m", text(&model()), "-n", "8", "--json", &photo, "What is this?"]).ok();
    let direct: Value = serde_json::from_str(&direct).unwrap();
    for lines in [
        format!("{photo} What is this?\n"),
        format!("'{photo}' What is this?"),
        format!("What is this? file://{photo}\n"),
        format!("{photo}\nWhat is this?\n"),
        format!("/image {photo}\r\nWhat is this?\r\n"),
        format!("/image {photo}\n/clear\n/image '{photo}'\nWhat is this?\n"),
    ] {
        let told = turns(&lines, &[]);
        assert_eq!(told.len(), 1, "{lines}");
        for key in ["text", "prompt_tokens", "image_tokens"] {
            assert_eq!(told[0][key], direct[key], "{lines}: {key}");
        }
    }
    assert_eq!(texts(&turns("What is this?\n", &[&photo])), [direct["text"].as_str().unwrap()]);
    // It stays in the conversation; another comes beside it.
    let told = turns(&format!("{photo} What is this?\nWhere?\nCompare it with {}!\n", image("dot.png")), &[]);
    let seen: Vec<u64> = told.iter().map(|turn| number(turn, "image_tokens")).collect();
    assert!(seen[0] > 0 && seen[1] == seen[0] && seen[2] > seen[1], "{seen:?}");
    let note = chat(&format!("{photo} What is this?\n"), &[]).stderr;
    assert!(note.starts_with(&format!("{photo} (")) && note.contains(" tiles, "), "{note}");
}

#[test]
fn what_goes_wrong_ends_no_conversation() {
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken.png");
    std::fs::write(&broken, "no picture").unwrap();
    let broken = text(&broken);
    for (line, says, turn) in [
        ("/no/such.png What?", "/no/such.png: no such file", true),
        ("/image no-such.png", "no-such.png: ", false),
        (&format!("{broken} What?"), "broken.png: ", true),
        (&format!("/image {broken}"), "broken.png: ", false),
        ("/image clipboard-is-no-file", "clipboard-is-no-file: ", false),
        ("/image -", "stdin is for questions", false),
        ("/imgae x", "/image is the nearest", false),
        ("/load no-such.json", "no-such.json: ", false),
        ("/save", "/save needs a file", false),
        ("/save x.json", "nothing was said yet", false),
        ("/retry", "nothing was asked yet", true),
        ("/set heat 1", "there is no setting heat", false),
        ("/set temperature much", "--temp", false),
        ("/set edge -1", "no number of pixels", false),
        ("/set edge 0", "longest_edge", false),
        ("/set samples 2", "goes on from one answer", false),
    ] {
        let output = chat(&format!("{line}\nOne.\n"), &["--json"]);
        assert_eq!(output.code, 1, "{line}");
        let errors: Vec<&str> = output.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 2, "{line}: {}", output.stderr);
        assert!(errors[0].contains(says), "{line}: {}", errors[0]);
        assert_eq!(errors[1], "error: nothing came of 1 of the lines: what stands above says why");
        let printed: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(printed.len(), if turn { 2 } else { 1 }, "{line}");
        assert_eq!(turn, printed[0].get("error").is_some(), "{line}");
        // Nothing of it stays.
        assert_eq!(printed.last().unwrap()["text"], turns("One.\n", &[])[0]["text"], "{line}");
    }
    for (args, says) in [
        (&["no-such.png"][..], "'no-such.png' is no file"),
        (&["-"], "stdin is for questions"),
        (&["--load", "no-such.json"], "no-such.json: "),
        (&["--pictures", "ascii"], "--pictures"),
        (&["--samples", "2", "--temp", "1"], "goes on from one answer"),
    ] {
        let error = chat("One.\n", args).refused();
        assert!(error.contains(says), "{args:?}: {error}");
    }
}

#[test]
fn commands_change_what_comes_next() {
    let one = turns("One.\n", &[]);
    let other = turns("One.\n", &["--system", "Be brief."]);
    assert_ne!(one[0]["prompt_tokens"], other[0]["prompt_tokens"]);
    let system = turns("/system Be brief.\nOne.\n/clear\nOne.\n/system \"\"\n/clear\nOne.\n/quit\nTwo.\n", &[]);
    assert_eq!(texts(&system), [texts(&other)[0], texts(&other)[0], texts(&one)[0]]);
    // Asked again, the likeliest answer is the same; a drawn one is another, and the next turn goes on from it.
    let retried = turns("One.\n/retry\nTwo.\n", &[]);
    assert_eq!(retried[0]["text"], retried[1]["text"]);
    assert_eq!(retried[2]["text"], turns("One.\nTwo.\n", &[])[1]["text"]);
    let drawn = turns("One.\n/retry\n", &["--seed", "5"]);
    assert_eq!((number(&drawn[0], "seed"), number(&drawn[1], "seed")), (5, 6));
    assert_eq!(drawn[0]["prompt_tokens"], drawn[1]["prompt_tokens"]);
    assert_ne!(drawn[0]["text"], drawn[1]["text"]);
    assert_eq!(texts(&turns("/set seed 6\nOne.\n", &[])), [texts(&drawn)[1]]);
    // Settings.
    let set = turns("/set tokens 3\nOne.\n/clear\n/set tokens default\nOne.\n/set max-tokens 2\nOne.\n", &[]);
    assert_eq!(set.iter().map(|turn| number(turn, "output_tokens")).collect::<Vec<_>>(), [3, 8, 2]);
    let photo = image("photo.jpg");
    let edges = turns(&format!("/set edge 64\n{photo} What?\n/clear\n/set edge default\n{photo} What?\n"), &[]);
    assert!(number(&edges[0], "image_tokens") < number(&edges[1], "image_tokens"));
    let listed = chat(
        &format!("/set top-k 7\n/set split off\n/set\n{photo}\n/show\n/help\n/system\n"),
        &["--system", "Hear\u{1b}me."],
    );
    assert!(listed.stdout.is_empty() && listed.code == 0, "{}", listed.stderr);
    for part in [
        "temperature        1\n",
        "tokens             8\n",
        "split              off\n",
        "top_k",
        "/retry",
        "[",
        "1 tile,",
        "Hear\\u{1b}me.",
    ] {
        assert!(listed.stderr.contains(part), "{part}: {}", listed.stderr);
    }
}

#[test]
fn questions_have_several_lines() {
    let whole = run(&json!([message("user", "One.\n  Two.")]), &[]);
    for lines in
        ["One.\\\n  Two.\n", "\"\"\"One.\n  Two.\"\"\"\n", "\"\"\"\nOne.\n  Two.\n\"\"\"\n", "\"\"\"\nOne.\n  Two.\n"]
    {
        assert_eq!(texts(&turns(lines, &[])), [whole["text"].as_str().unwrap()], "{lines}");
    }
    let command = run(&json!([message("user", "/help")]), &[]);
    assert_eq!(texts(&turns("\"\"\"/help\"\"\"\n", &[])), [command["text"].as_str().unwrap()]);
}

#[test]
fn a_conversation_is_saved_and_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let saved = dir.path().join("chat one.json");
    let at = text(&saved);
    std::fs::copy(image("photo.jpg"), dir.path().join("p.jpg")).unwrap();
    let photo = text(&dir.path().join("p.jpg")).to_string();
    let whole = turns(&format!("{photo} What is this?\nWhere?\n/save {at}\nWhen?\n"), &["--system", "Be brief."]);
    let messages: Value = serde_json::from_str(&std::fs::read_to_string(&saved).unwrap()).unwrap();
    assert_eq!(messages.as_array().unwrap().len(), 5);
    assert_eq!(messages[0], message("system", "Be brief."));
    assert_eq!(messages[1]["content"][0], json!({"type": "image", "path": photo}));
    assert_eq!(messages[4], message("assistant", texts(&whole)[1]));
    for told in [turns(&format!("Something else.\n/load {at}\nWhen?\n"), &[]), turns("When?\n", &["--load", at])] {
        assert_eq!(told.last().unwrap()["text"], whole[2]["text"]);
        assert_eq!(told.last().unwrap()["prompt_tokens"], whole[2]["prompt_tokens"]);
    }
    // The same, asked by run.
    let mut asked = messages.as_array().unwrap().clone();
    asked.push(message("user", "When?"));
    assert_eq!(run(&json!(asked), &[])["text"], whole[2]["text"]);
    // What stands open is answered.
    std::fs::write(&saved, json!(asked).to_string()).unwrap();
    assert_eq!(texts(&turns("/retry\n", &["--load", at])), [texts(&whole)[2]]);
    // A file that cannot be gone on with changes nothing.
    std::fs::remove_file(dir.path().join("p.jpg")).unwrap();
    let given = dir.path().join("given.json");
    std::fs::write(&given, json!([{"role": "user", "content": [{"type": "image"}]}]).to_string()).unwrap();
    let output =
        chat(&format!("One.\n/load {at}\n/load {}\n/load {}\nTwo.\n", text(&given), image("dot.png")), &["--json"]);
    assert_eq!(output.stderr.matches("error: ").count(), 4, "{}", output.stderr);
    let told: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(texts(&told), texts(&turns("One.\nTwo.\n", &[])));
}

#[test]
fn a_picture_that_has_no_file_is_saved_whole() {
    use base64::Engine as _;
    let dir = tempfile::tempdir().unwrap();
    let saved = dir.path().join("chat.json");
    let bytes = std::fs::read(image("dot.png")).unwrap();
    let url = format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes));
    let whole = turns(&format!("/image {url}\nWhat?\n/save {}\nWhere?\n", text(&saved)), &[]);
    assert_eq!(texts(&turns("Where?\n", &["--load", text(&saved)])), [texts(&whole)[1]]);
}

#[test]
fn answers_cannot_move_the_cursor() {
    let args = ["--logit-bias", "\u{1b}=1000", "-n", "3"];
    let output = smolvlm_with(&[&["chat", "-m", text(&model())], &args[..]].concat(), "One.\n");
    assert_eq!(output.ok(), "\\u{1b}\\u{1b}\\u{1b}\n");
}

#[test]
fn what_no_longer_fits_is_left_out() {
    let copy = copy_of(&model());
    let config = copy.path().join("config.json");
    let settings = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, settings.replace("\"max_position_embeddings\": 8192", "\"max_position_embeddings\": 128"))
        .unwrap();
    let line = "Tell me more about it.\n";
    let words = ["chat", "-m", text(copy.path()), "-n", "8"];
    let output = smolvlm_with(&[&words[..], &["--json"]].concat(), line.repeat(12));
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stderr.contains("the context of 128 tokens is full"), "{}", output.stderr);
    let told: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 12);
    assert!(told.iter().all(|turn| number(turn, "prompt_tokens") <= 120), "{told:?}");
    assert!(told[1].get("left_out").is_none() && number(&told[11], "left_out") > 0);
    // One that does not fit by itself is taken back.
    let long = format!("One.\n{}\nTwo.\n", "word ".repeat(200));
    let output = smolvlm_with(&words, &long);
    assert!(output.stderr.contains("but the context holds 128"), "{}", output.stderr);
    let short = smolvlm_with(&words, "One.\nTwo.\n");
    assert_eq!(output.stdout, short.stdout);
}

#[test]
fn pictures_are_shown_where_it_is_asked_for() {
    let dot = image("photo.jpg");
    let shown = |args: &[&str]| chat("/show\n", &[&[dot.as_str()], args].concat()).stderr;
    for (how, begins) in [
        ("kitty", "\u{1b}_Gf=100"),
        ("iterm", "\u{1b}]1337;File=inline=1"),
        ("sixel", "\u{1b}P0;1q\"1;1;"),
        ("blocks", "\u{1b}[38;"),
    ] {
        assert!(shown(&["--pictures", how]).starts_with(begins), "{how}");
    }
    for args in [&[][..], &["--no-pictures"], &["--pictures", "none"], &["--pictures", "kitty", "--json"]] {
        assert!(!shown(args).contains('\u{1b}'), "{args:?}");
    }
}

#[cfg(feature = "nano")]
#[test]
fn nano_talks_unless_another_is_named() {
    let photo = image("photo.jpg");
    let answer = smolvlm(&["run", &photo, "What is this?", "-n", "8"]).ok();
    let output = smolvlm_with(&["chat", "-n", "8"], format!("{photo} What is this?\n"));
    // The template's own space in front of an answer is left out of a talk.
    assert_eq!(output.ok(), answer.trim_start());
}

/// In a pseudo-terminal, by `scripts/check-chat.py`.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs Python"]
fn a_person_in_a_terminal() {
    let script = repository().join("scripts/check-chat.py");
    let output = std::process::Command::new("python3").arg(script).arg(env!("CARGO_BIN_EXE_smolvlm")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
