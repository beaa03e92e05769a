//! `smolvlm eval` as a user calls it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Output, smolvlm, text};
use serde_json::{Value, json};
use smolvlm_golden::repository;
use std::path::{Path, PathBuf};

fn model() -> String {
    text(&repository().join("golden/idefics3-256m")).to_owned()
}

fn image(name: &str) -> String {
    text(&repository().join("golden/images").join(name)).to_owned()
}

/// A data file of these rows.
fn data(dir: &Path, rows: &[Value]) -> String {
    let path = dir.join("questions.jsonl");
    std::fs::write(&path, rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")).unwrap();
    text(&path).to_owned()
}

/// A row of questions with their answers.
fn row(pictures: &[&str], turns: &[(&str, &str)], more: Value) -> Value {
    let turn = |(question, answer): &(&str, &str)| {
        [json!({ "role": "user", "content": question }), json!({ "role": "assistant", "content": answer })]
    };
    let messages: Vec<Value> = turns.iter().flat_map(turn).collect();
    let images: Vec<String> = pictures.iter().map(|name| image(name)).collect();
    let mut row = json!({ "messages": messages, "images": images });
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

fn eval(data: &str, out: &Path, more: &[&str]) -> Output {
    let words = ["eval", "-m", &model(), "--data", data, "-n", "6", "-o", text(out)];
    smolvlm(&[&words[..], more].concat())
}

/// The `--json` object, and the lines of answers.
fn results(data: &str, out: &Path, more: &[&str]) -> (Value, Vec<Value>) {
    let json = eval(data, out, &[more, &["--json"]].concat()).ok();
    let lines = std::fs::read_to_string(out.join("answers.jsonl")).unwrap();
    (serde_json::from_str(&json).unwrap(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn answers(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["answer"].as_str()).collect()
}

/// Questions that are answered as the model answers them, but for some.
fn questions(said: &[&str]) -> Vec<Value> {
    let said = |index: usize| said.get(index).copied().unwrap_or("Nothing.");
    vec![
        row(&["photo.jpg"], &[("What is this?", said(0))], json!({ "skill": "name" })),
        row(&["photo.jpg"], &[("Who is this?", "wrong"), ("And now?", said(2))], json!({ "skill": ["who", "name"] })),
        row(&["missing.png"], &[("What is this?", "a cat")], json!({ "skill": "name" })),
        row(&[], &[("What is the capital of France?", "wrong")], json!({ "also": ["wrong as well", said(3)] })),
        row(&["small.png", "dot.png"], &[("What has changed?", "wrong")], json!({ "skill": "who" })),
        json!({ "messages": 3 }),
    ]
}

#[test]
fn answers_are_those_of_the_model_and_scores_those_of_the_answers() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let (_, lines) = results(&data(dir.path(), &questions(&[])), &out, &["--batch", "1"]);
    let said: Vec<String> = answers(&lines).into_iter().map(str::to_owned).collect();
    let alone = smolvlm(&["run", "-m", &model(), "-n", "6", &image("photo.jpg"), "What is this?"]).ok();
    assert_eq!((said.len(), alone.trim()), (5, said[0].as_str()));

    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let file = data(dir.path(), &questions(&said));
    let (json, lines) = results(&file, &out, &["--batch", "4"]);
    assert_eq!(answers(&lines), said);
    let brief: Vec<(&Value, &Value, &Value, &Value)> =
        lines.iter().map(|line| (&line["row"], &line["turn"], &line["skill"], &line["score"])).collect();
    let bad: Vec<&Value> = lines.iter().filter(|line| line["error"].is_string()).map(|line| &line["row"]).collect();
    assert_eq!(bad.len(), 2, "{bad:?}");
    assert!(brief.contains(&(&json!(1), &json!(1), &json!("name"), &json!(1.0))), "{brief:?}");
    assert!(brief.contains(&(&json!(2), &json!(1), &json!("who"), &json!(0.0))), "{brief:?}");
    assert!(brief.contains(&(&json!(2), &json!(2), &json!("name"), &json!(1.0))), "{brief:?}");
    assert!(brief.contains(&(&json!(4), &json!(1), &Value::Null, &json!(1.0))), "{brief:?}");
    assert_eq!((&json["questions"], &json["bad"], &json["rows"]), (&json!(5), &json!(2), &json!(6)));
    assert_eq!(
        (&json["all"]["score"], &json["control"], &json["metric"]),
        (&json!(0.6), &Value::Null, &json!("exact"))
    );
    let skills: Vec<(&Value, &Value, &Value)> = json["skills"]
        .as_array()
        .unwrap()
        .iter()
        .map(|skill| (&skill["name"], &skill["questions"], &skill["score"]))
        .collect();
    let expected = [("name", 2, 1.0), ("who", 2, 0.0), ("questions.jsonl", 1, 1.0)];
    let expected = expected.map(|(name, count, score)| (json!(name), json!(count), json!(score)));
    assert!(expected.iter().all(|(a, b, c)| skills.contains(&(a, b, c))) && skills.len() == 3, "{skills:?}");
    let saved: Value = serde_json::from_slice(&std::fs::read(out.join("scores.json")).unwrap()).unwrap();
    assert_eq!(saved, json);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("data:image/jpeg;base64,") && page.contains("What has changed?"));
    assert!(!out.join("answers.jsonl.part").exists());

    let shown = eval(&file, &out, &[]);
    assert!(shown.stderr.contains("questions.jsonl:3: ") && shown.stderr.contains("missing.png"), "{}", shown.stderr);
    let table = shown.ok();
    assert!(table.starts_with("exact: 5 questions of 6 rows\n"), "{table}");
    assert!(table.lines().any(|line| line.starts_with("all") && line.contains("60.0 %")), "{table}");
}

#[test]
fn controls_show_other_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let ask = |picture| row(&[picture], &[("What is this?", "wrong")], json!({}));
    let file =
        data(dir.path(), &[ask("photo.jpg"), ask("wide.png"), ask("photo.jpg"), row(&[], &[("Q", "A")], json!({}))]);
    let out = dir.path().join("out");
    let (_, plain) = results(&file, &out, &[]);
    let (json, shuffled) = results(&file, &out, &["--shuffle"]);
    let (plain, shuffled) = (answers(&plain), answers(&shuffled));
    assert_ne!(plain[0], plain[1]);
    assert_eq!(shuffled, [plain[1], plain[0], plain[1], plain[3]]);
    assert_eq!(json["control"], "shuffle");
    let (json, blank) = results(&file, &out, &["--blank"]);
    let blank = answers(&blank);
    assert!(blank[0] == blank[2] && blank[0] != plain[0] && blank[3] == plain[3], "{blank:?} {plain:?}");
    assert_eq!(json["control"], "blank");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("blank pictures"));
    assert!(eval(&file, &out, &["--blank", "--shuffle"]).refused().contains("cannot be used with"));
}

#[test]
fn mixtures_limits_and_columns() {
    let dir = tempfile::tempdir().unwrap();
    let csv = dir.path().join("b.csv");
    std::fs::write(&csv, "q,a,topic\nHello?,x,one\nWho?,y,two\n").unwrap();
    let rows: Vec<Value> = (0..9).map(|i| row(&[], &[(&format!("Question {i}?"), "x")], json!({}))).collect();
    data(dir.path(), &rows);
    let mixture = dir.path().join("m.toml");
    let text_of = "[[sources]]\npath = 'questions.jsonl'\nname = 'first'\nlimit = 'first:4'\n\
                   [[sources]]\npath = 'b.csv'\nquestion = 'q'\nanswer = 'a'\nskill = 'topic'\n";
    std::fs::write(&mixture, text_of).unwrap();
    let out = dir.path().join("out");
    let (json, lines) = results(text(&mixture), &out, &["--metric", "anls"]);
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|score| score["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&json["skills"]), ["first", "one", "two"]);
    assert_eq!(names(&json["sources"]), ["first", "b.csv"]);
    assert_eq!((lines.len(), &json["interval"]), (6, &json!("normal")));
    let columns = ["--question", "q", "--answer", "a", "--skill-column", "topic", "--limit", "1", "--seed", "3"];
    let (json, lines) = results(text(&csv), &out, &columns);
    assert_eq!((lines.len(), &json["rows"], &json["limit"]), (1, &json!(1), &json!(1)));
    assert!(lines[0]["skill"] == "one" || lines[0]["skill"] == "two");
}

#[test]
fn what_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let bad = |rows: &[Value], more: &[&str]| {
        let output = eval(&data(dir.path(), rows), &out, more);
        assert!(output.code != 0 && output.stdout.is_empty(), "{}", output.stdout);
        output.stderr.lines().last().unwrap().to_owned()
    };
    let rows = [row(&["missing.png"], &[("Q", "A")], json!({})), json!({ "messages": 3 })];
    let error = bad(&rows, &[]);
    let expected = "error: no question was answered: 2 rows were read, 2 could not be used; questions.jsonl:";
    assert!(error.starts_with(expected), "{error}");
    let text_row = [row(&[], &[("Q", "A")], json!({}))];
    assert!(bad(&text_row, &["--skill-column", "topic"]).contains("`topic` is missing"));
    assert!(bad(&text_row, &["--metric", "bleu"]).contains("bleu"));
    assert!(bad(&text_row, &["--limit", "0"]).contains("0"));
    let file = PathBuf::from(&data(dir.path(), &text_row));
    let blocked = file.join("out");
    assert!(eval(text(&file), &blocked, &[]).refused().contains("questions.jsonl"));
    assert!(eval("gone.jsonl", &out, &[]).refused().contains("gone.jsonl"));
}

#[test]
#[cfg(unix)]
fn what_is_answered_before_an_interrupt_stays() {
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<Value> = (0..20_000).map(|i| row(&[], &[(&format!("Question {i}?"), "x")], json!({}))).collect();
    let (file, out) = (data(dir.path(), &rows), dir.path().join("out"));
    let words = ["eval", "-m", &model(), "--data", &file, "-n", "6", "-o", text(&out), "--json"];
    let child = Command::new(env!("CARGO_BIN_EXE_smolvlm"))
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let part = out.join("answers.jsonl.part");
    let start = std::time::Instant::now();
    let some = || std::fs::read_to_string(&part).is_ok_and(|lines| lines.lines().count() > 20);
    while !some() && start.elapsed() < std::time::Duration::from_secs(60) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && stderr.contains("the answers so far"), "{stderr}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines = std::fs::read_to_string(out.join("answers.jsonl")).unwrap().lines().count();
    assert_eq!((&json["stopped"], &json["questions"]), (&json!(true), &json!(lines)));
    assert!((20..20_000).contains(&lines), "{lines}");
}

fn clip(name: &str) -> String {
    text(&repository().join("golden/pictures").join(name)).to_owned()
}

#[test]
fn choices_over_clips_are_scored_by_letter_and_by_likelihood() {
    let dir = tempfile::tempdir().unwrap();
    let choices = ["a dog", "a cat", "rain"];
    let row = |name: &str, answer: &str| json!({ "video": clip(name), "question": "What is it?", "choices": choices, "answer": answer });
    let rows = [
        row("gif-frames-1.gif", "a cat"),
        row("webp-frames.webp", "rain"),
        json!({ "video": "missing.mp4", "question": "Q", "choices": choices, "answer": "A" }),
    ];
    let file = data(dir.path(), &rows);
    let answered = |lines: Vec<Value>| lines.into_iter().filter(|line| line["answer"].is_string()).collect::<Vec<_>>();
    let (json, written) = results(&file, &dir.path().join("a"), &["--metric", "choice"]);
    let written = answered(written);
    assert_eq!((&json["questions"], &json["bad"]), (&json!(2), &json!(1)), "{json}");
    let question = "What is it?\nChoices:\nA. a dog\nB. a cat\nC. rain\nAnswer with the letter.";
    assert_eq!((written[0]["question"].as_str(), &written[1]["expected"]), (Some(question), &json!("C")));
    // As the first SmolVLM's script shows a clip.
    let alone = |mode: &str| {
        let words =
            ["run", "-m", &model(), "-n", "6", "--video", &clip("gif-frames-1.gif"), question, "--video-mode", mode];
        smolvlm(&words).ok().trim().to_owned()
    };
    assert_eq!(answers(&written)[0], alone("v1"));
    let (_, timed) = results(&file, &dir.path().join("b"), &["--metric", "choice", "--video-mode", "smolvlm2"]);
    assert_eq!(answers(&timed)[0], alone("smolvlm2"));

    let out = dir.path().join("c");
    let (json, likely) = results(&file, &out, &["--metric", "likelihood"]);
    let likely = answered(likely);
    assert_eq!((json["questions"].as_u64(), likely.len()), (Some(2), 2));
    for line in &likely {
        let of = |letter: &str| line["likelihoods"][letter].as_f64().unwrap();
        let best = ["A", "B", "C"].into_iter().max_by(|a, b| of(a).total_cmp(&of(b))).unwrap();
        assert_eq!(line["answer"].as_str(), Some(best));
        assert_eq!(line["score"].as_f64(), Some(f64::from(u8::from(line["expected"].as_str() == Some(best)))));
    }
    assert!(std::fs::read_to_string(out.join("report.html")).unwrap().contains("<img"));
    let of = |control: &str| {
        let lines = results(&file, &dir.path().join(control), &["--metric", "likelihood", control]).1;
        answered(lines).iter().map(|line| line["likelihoods"].clone()).collect::<Vec<_>>()
    };
    let (blank, shuffled) = (of("--blank"), of("--shuffle"));
    assert!(blank.len() == 2 && blank[0] != likely[0]["likelihoods"]);
    assert!(shuffled.len() == 2 && shuffled[0] != likely[0]["likelihoods"], "each is shown the other's clip");

    let open = data(dir.path(), &[json!({ "video": clip("gif-frames-1.gif"), "question": "What?", "answer": "A" })]);
    let refused = eval(&open, &dir.path().join("d"), &["--metric", "likelihood"]);
    assert!(refused.code == 1 && refused.stderr.contains("it lists no options by letters"), "{}", refused.stderr);
}
