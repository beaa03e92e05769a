//! GGUF files that llama.cpp's own tools wrote: prompt, pixels and tokens are the reference's, logits those of the
//! reference with the same weights unpacked (`golden/gguf`, by `make_gguf_reference.py`).
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, text};
use smolvlm_golden::{cases, distance, folder, tensors};
use std::path::{Path, PathBuf};

fn files(of: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder().join("gguf")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        path.extension().unwrap() == "gguf" && path.file_name().unwrap().to_string_lossy().starts_with(of)
    });
    files.sort();
    assert!(!files.is_empty());
    files
}

/// The logits of a case, and that its prompt is the reference's.
fn check(model: &Path, mmproj: &Path, bound: f32) {
    let want = tensors(&model.with_extension("safetensors"));
    for case in cases(&folder().join("wide")) {
        let Some(want) = want.get(&format!("{}.last_logits", case.name)) else { continue };
        let dir = tempfile::tempdir().unwrap();
        let (messages, dump) = (dir.path().join("messages.json"), dir.path().join("dump.safetensors"));
        std::fs::write(&messages, case.messages.to_string()).unwrap();
        let mut args = vec!["run", "-m", text(model), "--mmproj", text(mmproj), "--dtype", "f32", "-n", "2"];
        args.extend(["--messages", text(&messages), "--dump", text(&dump)]);
        let images: Vec<_> = case.images.iter().map(|name| folder().join("images").join(name)).collect();
        images.iter().for_each(|image| args.extend(["--image", text(image)]));
        smolvlm(&args).ok();
        let got = tensors(&dump);
        let what = format!("{}, {}", model.display(), case.name);
        let ids: Vec<u32> = got["input_ids"].i64().iter().map(|&id| id as u32).collect();
        assert_eq!(ids, case.input_ids, "{what}: tokens");
        if let Some(pixels) = case.tensors.get("pixels") {
            assert!(got["pixels"] == *pixels, "{what}: pixels differ");
        }
        let apart = distance(got["last_logits"].f32(), want.f32());
        assert!(apart < bound, "{what}: logits differ by {apart:e}");
    }
}

#[test]
fn every_type_answers_as_the_reference_does_with_its_weights() {
    let mmproj = files("mmproj").remove(0);
    files("wide").iter().for_each(|model| check(model, &mmproj, 1e-3));
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let (model, mmproj) = (files("wide").remove(0), files("mmproj").remove(0));
    let refused = |args: &[&str]| smolvlm(&[&["run", "hi", "-n", "2"], args].concat()).refused();
    let dir = tempfile::tempdir().unwrap();
    let alone = dir.path().join("alone.gguf");
    std::fs::copy(&model, &alone).unwrap();
    assert!(refused(&["-m", text(&mmproj), "--mmproj", text(&model)]).contains("it has no tokenizer"));
    assert!(refused(&["-m", text(&model), "--mmproj", text(&model)]).contains("general.architecture is llama; clip"));
    assert!(refused(&["-m", "nano", "--mmproj", text(&mmproj)]).contains("nothing that --mmproj could belong to"));
    assert!(refused(&["-m", text(&dir.path().join("none.gguf")), "--mmproj", text(&mmproj)]).contains("No such file"));
    std::fs::write(&alone, b"PK\x03\x04").unwrap();
    assert!(refused(&["-m", text(&alone), "--mmproj", text(&mmproj)]).contains("no GGUF file"));
    // Beside it, it is found.
    std::fs::copy(&model, &alone).unwrap();
    std::fs::copy(&mmproj, dir.path().join("mmproj-alone.gguf")).unwrap();
    smolvlm(&["run", "hi", "-n", "2", "-m", text(&alone)]).ok();
}

#[test]
fn a_decoder_alone_reads_text_alone() {
    let (model, mmproj) = (files("wide").remove(0), files("mmproj").remove(0));
    let dir = tempfile::tempdir().unwrap();
    let alone = dir.path().join("alone.gguf");
    std::fs::copy(&model, &alone).unwrap();
    let case = cases(&folder().join("wide")).into_iter().find(|case| case.name == "text").unwrap();
    let messages = dir.path().join("messages.json");
    std::fs::write(&messages, case.messages.to_string()).unwrap();
    let ask = |more: &[&str]| {
        let args = ["run", "-m", text(&alone), "--messages", text(&messages), "--dtype", "f32", "-n", "8"];
        smolvlm(&[&args[..], more].concat()).ok()
    };
    assert_eq!(ask(&[]), ask(&["--mmproj", text(&mmproj)]));
    let picture = folder().join("images/photo.jpg");
    let error = smolvlm(&["run", "-m", text(&alone), text(&picture), "What is it?", "-n", "2"]).refused();
    assert!(error.contains("reads text alone: it has no tower"), "{error}");
    // What a picture's place is called is text like any other here.
    smolvlm(&["run", "-m", text(&alone), "What does <image> mean?", "-n", "2"]).ok();
    // What is trained or merged are safetensors.
    let out = dir.path().join("out");
    let data = ["--data", "synth:shape", "--steps", "1", "-o", text(&out)];
    let error = smolvlm(&[&["train", "-m", text(&alone)], &data[..]].concat()).refused();
    assert!(error.contains("smolvlm convert -m"), "{error}");
    // Two towers beside it: which?
    for name in ["mmproj-a.gguf", "mmproj-b.gguf"] {
        std::fs::copy(&mmproj, dir.path().join(name)).unwrap();
    }
    let error = smolvlm(&["run", "-m", text(&alone), "hi", "-n", "2"]).refused();
    assert!(error.contains("2 files mmproj*.gguf lie beside it; --mmproj FILE names"), "{error}");
    // The one of its own name.
    let own = format!("mmproj-{}", alone.file_name().unwrap().to_str().unwrap());
    std::fs::copy(&mmproj, dir.path().join(own)).unwrap();
    assert_eq!(ask(&[]), ask(&["--mmproj", text(&mmproj)]));
}

#[test]
fn a_repository_in_the_cache_answers_by_its_quantisation() {
    let cache = tempfile::tempdir().unwrap();
    let (repo, commit) = (cache.path().join("hub/models--org--wide-GGUF"), "0a".repeat(20));
    let snapshot = repo.join("snapshots").join(&commit);
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(repo.join("refs")).unwrap();
    std::fs::write(repo.join("refs/main"), &commit).unwrap();
    for name in ["wide-Q4_0.gguf", "wide-q8_0.gguf", "mmproj-wide-f16.gguf"] {
        std::fs::copy(folder().join("gguf").join(name), snapshot.join(name)).unwrap();
    }
    let picture = folder().join("images/photo.jpg");
    let ask = |model: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_smolvlm"))
            .args(["run", "-m", model, text(&picture), "What is it?", "-n", "4"])
            .envs([("HF_HOME", text(cache.path())), ("HF_HUB_OFFLINE", "1")])
            .output()
            .unwrap();
        String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr }).into_owned()
    };
    assert_eq!(ask("org/wide-GGUF:Q8_0"), ask(text(&snapshot.join("wide-q8_0.gguf"))));
    let error = ask("org/wide-GGUF:q6_k");
    assert!(error.starts_with("error:") && error.contains("HF_HUB_OFFLINE"), "{error}");
}
