//! `smolvlm eval TASK`: made-up rows in every published layout (`golden/benchmarks`, of `scripts/make_benchmarks.py --rows 4
//! --broken`), runs that are killed and in parts, and servers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Output, smolvlm, text};
use serde_json::{Value, json};
use smolvlm_golden::repository;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn model(name: &str) -> String {
    text(&repository().join("golden").join(name)).to_owned()
}

fn rows(set: &str, layout: &str) -> String {
    text(&repository().join("golden/benchmarks").join(set).join(layout)).to_owned()
}

/// The scores of a benchmark, and the lines of its answers.
fn scores(task: &str, set: &str, layout: &str, out: &Path, more: &[&str]) -> (Value, Vec<Value>) {
    let (data, media) = (rows(set, layout), rows(set, ""));
    let words = ["eval", task, "--data", &data, "--media", &media, "-n", "3", "-o", text(out), "--json"];
    let output = smolvlm(&[&words[..], more].concat()).ok();
    let lines = std::fs::read_to_string(out.join("answers.jsonl")).unwrap();
    (serde_json::from_str(&output).unwrap(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn errors(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["error"].as_str()).collect()
}

const PICTURES: [(&str, &str); 18] = [
    ("ai2d", "AI2D"),
    ("chartqa", "ChartQA"),
    ("coco", "COCOCaptions"),
    ("docvqa", "DocVQA"),
    ("gqa", "GQA"),
    ("hallusionbench", "HallusionBench"),
    ("infovqa", "InfoVQA"),
    ("mathvista", "MathVista"),
    ("mmbench", "MMBench"),
    ("mmmu", "MMMU"),
    ("mmstar", "MMStar"),
    ("ocrbench", "OCRBench"),
    ("okvqa", "OKVQA"),
    ("pope", "POPE"),
    ("scienceqa", "ScienceQA"),
    ("seedbench", "SEEDBench"),
    ("textvqa", "TextVQA"),
    ("vqav2", "VQAv2"),
];

#[test]
fn pictures_in_every_published_layout_are_asked_about_and_broken_rows_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let small = ["-m", &model("idefics3-256m"), "--max-edge", "64", "--no-split"];
    for (task, set) in PICTURES {
        for layout in ["hub", "tsv"] {
            let (json, lines) = scores(task, set, layout, &dir.path().join(format!("{task}-{layout}")), &small);
            let (questions, bad) = (json["questions"].as_u64().unwrap(), json["bad"].as_u64().unwrap());
            let errors = errors(&lines);
            assert!(
                questions >= 3 && bad >= 2 && errors.len() as u64 == bad,
                "{task} {layout}: {questions} {errors:?}"
            );
            assert_eq!(lines.len() as u64, questions + bad, "{task} {layout}");
            // A picture that is none, and rows without an answer.
            assert!(errors.iter().any(|error| error.contains("not a picture")), "{task} {layout}: {errors:?}");
            assert!(errors.iter().any(|error| error.contains("answer")), "{task} {layout}: {errors:?}");
            let asked = errors.iter().any(|error| error.contains("its question, is empty"));
            assert!(asked || task == "coco", "{task} {layout}: {errors:?}");
            assert_eq!((&json["task"], &json["prompts"]), (&json!(task), &json!("vlmevalkit")));
            let page = std::fs::read_to_string(dir.path().join(format!("{task}-{layout}/report.html"))).unwrap();
            assert!(page.contains("data:image/"), "{task} {layout}");
        }
    }
}

#[test]
fn clips_in_every_published_layout_are_asked_about() {
    if Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).status().is_err() {
        eprintln!("left out: FFmpeg is not installed (apt install ffmpeg)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let second = model("smolvlm2");
    for (task, set, style) in [
        ("mlvu", "MLVU", "vlmevalkit"),
        ("mvbench", "MVBench", "vlmevalkit"),
        ("tempcompass", "TempCompass", "vlmevalkit"),
        ("tempcompass-yes-no", "TempCompass", "vlmevalkit"),
        ("tempcompass-matching", "TempCompass", "vlmevalkit"),
        ("video-mme", "Video-MME", "vlmevalkit"),
        ("cinepile", "CinePile", "plain"),
    ] {
        for layout in ["hub", "tsv"] {
            if (task == "tempcompass-matching" || task == "cinepile") && layout == "tsv" {
                continue;
            }
            let out = dir.path().join(format!("{task}-{layout}"));
            let more = ["-m", &second, "--prompts", style, "--max-frames", "2"];
            let (json, lines) = scores(task, set, layout, &out, &more);
            let questions = json["questions"].as_u64().unwrap();
            assert!(questions >= 1, "{task} {layout}: {:?}", errors(&lines));
        }
    }
    let (first, data) = (model("idefics3-256m"), rows("MLVU", "hub"));
    assert!(
        smolvlm(&["eval", "mlvu", "-m", &first, "--data", &data])
            .refused()
            .contains("VLMEvalKit shows clips to SmolVLM2 alone")
    );
}

#[test]
fn m4s_prompts_choose_by_likelihood_and_show_examples() {
    let dir = tempfile::tempdir().unwrap();
    let small = ["-m", &model("idefics3-256m"), "--max-edge", "64", "--no-split", "--prompts", "m4"];
    let (_, lines) = scores("ai2d", "AI2D", "hub", &dir.path().join("a"), &small);
    let chosen = lines.iter().filter(|line| line["likelihoods"].is_object());
    assert!(
        chosen.clone().count() >= 3 && chosen.clone().all(|line| line["likelihoods"].as_object().unwrap().len() >= 2)
    );
    let with = |shots: &str, out: &str| {
        let more = [&small[..], &["--shots", shots]].concat();
        scores("vqav2", "VQAv2", "hub", &dir.path().join(out), &more).1
    };
    let (none, two, again) = (with("0", "b"), with("2", "c"), with("2", "d"));
    assert!(none.len() == two.len() && none != two && two == again);
    assert!(!none.iter().any(|line| line["likelihoods"].is_object()));
    let refused = |words: &[&str]| {
        let (model, data) = (model("idefics3-256m"), rows("VQAv2", "hub"));
        smolvlm(&[&["eval", "-m", &model, "--data", &data][..], words].concat()).refused()
    };
    assert!(refused(&["vqav2", "--shots", "2"]).contains("examples in front are m4's way"));
    assert!(refused(&["ocrbench", "--prompts", "m4"]).contains("m4 has no prompt for it"));
    assert!(refused(&["vqa2"]).contains("there is no task \"vqa2\"; known are ai2d"));
    assert!(refused(&["docvqa"]).contains("no DocVQA/validation-*.parquet"));
    // Columns of another data set.
    let file = rows("ChartQA", "hub/data/test-00000-of-00001.parquet");
    let error = smolvlm(&["eval", "ai2d", "-m", &model("idefics3-256m"), "--data", &file]).refused();
    assert!(error.contains("`options` is missing; its columns are type, question, answer, image"), "{error}");
}

#[test]
fn a_task_of_ones_own() {
    let dir = tempfile::tempdir().unwrap();
    let task = dir.path().join("mine.toml");
    let toml = "title = 'Mine'\nabout = 'x'\nmetric = 'choice-kit'\nasks = 'choices'\nkit = 'choices'\n[hub]\nrepo = 'a/b'\n\
                files = ['*.jsonl']\nrows = 2\nschema = 'https://example.org'\nseen = '2026-11-28'\n[hub.columns]\n\
                pictures = ['photo']\nquestion = 'q'\nchoices = ['of']\nanswer = 'a'\nanswer_is = 'place'\n";
    std::fs::write(&task, toml).unwrap();
    let photo = repository().join("golden/images/photo.jpg");
    let row = |answer: u8| json!({ "photo": photo, "q": "What?", "of": ["a dog", "a cat"], "a": answer }).to_string();
    std::fs::write(dir.path().join("rows.jsonl"), format!("{}\n{}\n", row(0), row(2))).unwrap();
    let ask = |task: &Path| {
        let words = ["eval", text(task), "-m", &model("idefics3-256m"), "--data", text(dir.path()), "-n", "2", "-o"];
        smolvlm(&[&words[..], &[text(&dir.path().join("out"))]].concat())
    };
    let output = ask(&task);
    assert!(output.stderr.contains("mine:2: its answer \"2\" is none of its options"), "{}", output.stderr);
    assert!(output.ok().starts_with("mine, prompts of vlmevalkit: choice-kit: 1 questions of 2 rows"));
    std::fs::write(&task, toml.replace("choice-kit", "bleu")).unwrap();
    assert!(ask(&task).refused().contains("metric \"bleu\"; one of vqa, "));
    std::fs::write(&task, toml.replace("about", "abuot")).unwrap();
    assert!(ask(&task).refused().contains("abuot"));
}

/// A file of so many questions.
fn questions(dir: &Path, count: usize) -> String {
    let row =
        |at: usize| json!({ "question": format!("Question {at}?"), "answer": "x", "skill": format!("s{}", at % 3) });
    let path = dir.join("many.jsonl");
    std::fs::write(&path, (0..count).map(|at| format!("{}\n", row(at))).collect::<String>()).unwrap();
    text(&path).to_owned()
}

fn eval(data: &str, out: &Path, more: &[&str]) -> Output {
    let words = ["eval", "-m", &model("idefics3-256m"), "--data", data, "-n", "4", "-o", text(out)];
    smolvlm(&[&words[..], more].concat())
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// Starts a run and kills it when it has written some lines more.
#[cfg(unix)]
fn kill_at(data: &str, out: &Path, more: &[&str], lines: usize) -> bool {
    let words = ["eval", "-m", &model("idefics3-256m"), "--data", data, "-n", "4", "-o", text(out)];
    let mut child = Command::new(env!("CARGO_BIN_EXE_smolvlm"))
        .args([&words[..], more].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let part = out.join("answers.jsonl.part");
    let start = std::time::Instant::now();
    while start.elapsed() < std::time::Duration::from_secs(60) && child.try_wait().unwrap().is_none() {
        if std::fs::read_to_string(&part).is_ok_and(|text| text.lines().count() >= lines) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let going = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    going
}

#[test]
#[cfg(unix)]
fn killed_and_in_parts_it_comes_to_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let data = questions(dir.path(), 400);
    let whole = dir.path().join("whole");
    eval(&data, &whole, &["--batch", "7"]).ok();
    let parts: Vec<PathBuf> = (0..4).map(|part| dir.path().join(format!("part{part}"))).collect();
    let mut killed = 0;
    for (part, out) in parts.iter().enumerate() {
        let shard = format!("{part}/4");
        let more = ["--shard", &shard, "--batch", if part % 2 == 0 { "3" } else { "8" }];
        for lines in [9 + 5 * part, 40 + 7 * part] {
            killed += usize::from(kill_at(&data, out, &more, lines));
        }
        // What a kill leaves of a line is no answer.
        let file = out.join("answers.jsonl.part");
        if let Ok(mut half) = std::fs::read_to_string(&file) {
            half.push_str("{\"source\": \"many.jsonl\", \"ro");
            std::fs::write(&file, half).unwrap();
        }
        let output = eval(&data, out, &more);
        assert!(output.stderr.contains("goes on behind the "), "{}", output.stderr);
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
    assert!(killed >= 5, "{killed}");
    let merged = dir.path().join("merged");
    let words: Vec<&str> = parts.iter().map(|part| text(part)).collect();
    smolvlm(&[&["eval", "--merge"][..], &words, &["-o", text(&merged)]].concat()).ok();
    for name in ["answers.jsonl", "scores.json"] {
        assert!(read(&merged, name) == read(&whole, name), "{name}");
    }
    let missing = smolvlm(&[&["eval", "--merge"][..], &words[..3], &["-o", text(&merged)]].concat());
    assert!(missing.refused().contains("part 3/4 is missing"));
    let twice = smolvlm(&["eval", "--merge", words[0], words[0], "-o", text(&merged)]);
    assert!(twice.refused().contains("is there twice"));
    let other = smolvlm(&["eval", "--merge", words[0], text(&whole), "-o", text(&merged)]);
    assert!(other.refused().contains("settings differ"));
}

#[test]
fn two_runs_are_held_against_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let data = questions(dir.path(), 40);
    let (first, second) = (dir.path().join("a"), dir.path().join("b"));
    eval(&data, &first, &[]).ok();
    let same = eval(&data, &second, &["--against", text(&first)]).ok();
    assert!(same.lines().last().is_some_and(|line| line.starts_with("all ") && line.contains("+0.00")), "{same}");
    // Answers of another model: some are right.
    let lines = read(&first, "answers.jsonl").replacen("\"score\":0.0", "\"score\":1.0", 10);
    std::fs::write(first.join("answers.jsonl"), lines).unwrap();
    let json: Value = serde_json::from_str(&eval(&data, &second, &["--against", text(&first), "--json"]).ok()).unwrap();
    let all = json["against"].as_array().unwrap().last().unwrap();
    assert_eq!((&all["name"], &all["difference"], &all["questions"]), (&json!("all"), &json!(-0.25), &json!(40)));
    assert!(all["high"].as_f64().unwrap() < 0.0 && all["low"].as_f64().unwrap() > -0.5);
    let gone = eval(&data, &second, &["--against", text(&dir.path().join("none"))]);
    assert!(gone.stderr.lines().last().unwrap().contains("no evaluation was here"), "{}", gone.stderr);
}

#[test]
#[cfg(unix)]
fn several_benchmarks_are_one_table() {
    let dir = tempfile::tempdir().unwrap();
    // A folder of each one's name.
    for (set, name) in [("ChartQA", "ChartQA"), ("POPE", "pope")] {
        std::os::unix::fs::symlink(rows(set, "hub"), dir.path().join(name)).unwrap();
    }
    let data = text(dir.path()).to_owned();
    let words =
        ["eval", "chartqa", "pope", "-m", &model("idefics3-256m"), "--data", &data, "--max-edge", "64", "-n", "2"];
    let out = dir.path().join("out");
    let ask = |more: &[&str]| smolvlm(&[&words[..], &["-o", text(&out)], more].concat()).ok();
    let table = ask(&[]);
    assert!(table.contains("\n| ChartQA | ") && table.contains("\n| POPE | "), "{table}");
    let page = read(&out, "report.html");
    assert!(
        page.contains("id=\"pope\"") && page.contains("href=\"#chartqa-g0\"") && page.contains("id=\"chartqa-g0\"")
    );
    assert!(table.contains(read(&out, "report.md").trim()));
    assert!(out.join("pope/report.html").exists());
    let json: Value = serde_json::from_str(&ask(&["--json"])).unwrap();
    assert_eq!((&json[0]["task"], &json[1]["task"]), (&json!("chartqa"), &json!("pope")));
}

#[test]
fn the_list_tells_sources_and_scores() {
    let table = smolvlm(&["eval", "--list"]).ok();
    assert!(
        table
            .lines()
            .any(|line| line.starts_with("chartqa") && line.contains("lmms-lab/ChartQA") && line.contains("256M 55.8"))
    );
    let json: Value = serde_json::from_str(&smolvlm(&["eval", "--list", "--json"]).ok()).unwrap();
    let tasks: BTreeMap<&str, &Value> =
        json.as_array().unwrap().iter().map(|task| (task["name"].as_str().unwrap(), task)).collect();
    assert!(tasks.len() >= 23 && tasks["mmmu"]["hub"]["rows"] == 900 && tasks["mvbench"]["clips"] == true);
    assert_eq!(tasks["docvqa"]["published"]["SmolVLM-500M-Instruct"], 70.5);
}

#[cfg(all(unix, feature = "serve", feature = "net"))]
#[test]
fn a_server_gives_the_same_answers() {
    use std::io::{BufRead, BufReader};
    let dir = tempfile::tempdir().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_smolvlm"))
        .args(["serve", "-m", &model("idefics3-256m"), "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    for (task, set) in [("chartqa", "ChartQA"), ("pope", "POPE"), ("mmstar", "MMStar")] {
        let answers = |lines: Vec<Value>| -> Vec<String> {
            lines.iter().filter_map(|line| Some(line["answer"].as_str()?.to_owned())).collect()
        };
        let model = model("idefics3-256m");
        let here = scores(task, set, "hub", &dir.path().join(format!("here-{task}")), &["-m", &model]).1;
        let there = ["-m", "idefics3-256m", "--server", &url];
        let there = scores(task, set, "hub", &dir.path().join(format!("there-{task}")), &there).1;
        assert_eq!(answers(here), answers(there), "{task}");
    }
    server.kill().unwrap();
    server.wait().unwrap();
    let data = rows("POPE", "hub");
    let away = ["eval", "pope", "-m", "any", "--data", &data, "--server", &url, "--limit", "1"];
    let output = smolvlm(&[&away[..], &["-o", text(&dir.path().join("away"))]].concat());
    assert!(output.code == 1 && output.stderr.contains("no question was answered"), "{}", output.stderr);
}
