//! GGUF files that llama.cpp's own tools wrote: prompt, pixels and tokens are the reference's, logits those of the
//! reference with the same weights unpacked (`golden/gguf`, by `scripts/make_gguf_cases.py`).
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, text};
use sha2::{Digest, Sha256};
use smolvlm_gguf::Gguf;
use smolvlm_golden::{cases, folder, tensors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How far a logit may be from the reference's, both in f32: the largest are 4.5.
const BOUND: f32 = 1e-4;

/// Files of `golden/gguf` by their stems.
fn files(of: &str, extension: &str) -> BTreeMap<String, PathBuf> {
    let all = std::fs::read_dir(folder().join("gguf")).unwrap().map(|entry| entry.unwrap().path());
    let named = all.filter(|path| path.extension().unwrap() == extension);
    let named = named.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path));
    let found: BTreeMap<_, _> = named.filter(|(stem, _)| stem.starts_with(of)).collect();
    assert!(!found.is_empty());
    found
}

/// A decoder's file and its tower's.
fn pair() -> (PathBuf, PathBuf) {
    (folder().join("gguf/wide-Q4_0.gguf"), folder().join("gguf/mmproj-wide-f16.gguf"))
}

/// Puts the large files together: of each there is the head in `golden/gguf`, all in front of the weights, and these are
/// `golden/wide`'s as `smolvlm convert` writes them. Its hash says that every bit is what llama.cpp's tools wrote.
fn large(dir: &Path) -> BTreeMap<String, PathBuf> {
    let about: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder().join("gguf/heads.json")).unwrap()).unwrap();
    let mut whole = BTreeMap::new();
    for (kind, tower) in [("f32", "f32"), ("f16", "q8_0"), ("bf16", "bf16")] {
        let made = dir.join(format!("{kind}.gguf"));
        let wide = folder().join("wide");
        smolvlm(&["convert", "-m", text(&wide), "-o", text(&made), "--type", kind, "--mmproj-type", tower]).ok();
        let text = if kind == "bf16" { "wide-BF16".to_owned() } else { format!("wide-{kind}") };
        for (name, made) in [(text, &made), (format!("mmproj-wide-{tower}"), &dir.join(format!("mmproj-{kind}.gguf")))]
        {
            let Some(about) = about.get(&name) else { continue };
            let mut bytes = std::fs::read(folder().join("gguf").join(format!("{name}.head"))).unwrap();
            bytes.resize(about["bytes"].as_u64().unwrap() as usize, 0);
            let made = std::fs::read(made).unwrap();
            let made = Gguf::parse(&made).unwrap();
            let empty = bytes.clone();
            for (name, tensor) in Gguf::parse(&empty).unwrap().tensors() {
                let weights = made.tensor(name).unwrap();
                assert_eq!((&weights.shape, weights.kind), (&tensor.shape, tensor.kind), "{name}");
                bytes[tensor.start..][..weights.bytes.len()].copy_from_slice(weights.bytes);
            }
            let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, about["sha256"], "{name}");
            let path = dir.join(format!("{name}.gguf"));
            std::fs::write(&path, bytes).unwrap();
            whole.insert(name, path);
        }
    }
    assert_eq!(whole.len(), about.as_object().unwrap().len());
    whole
}

/// The logits of the reference's cases, and that their prompts are its own.
fn check(reference: &Path, model: &Path, mmproj: &Path) {
    compared(reference, model, mmproj, &["--dtype", "f32"], |what, got, want| {
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() <= BOUND, "{what}: a logit is {got}, the reference has {want}");
        }
    });
}

/// Logits of the reference's cases, of a model that is loaded with some options.
fn compared(reference: &Path, model: &Path, mmproj: &Path, options: &[&str], compare: impl Fn(&str, &[f32], &[f32])) {
    let want = tensors(reference);
    let mut checked = 0;
    for case in cases(&folder().join("wide")) {
        let Some(want) = want.get(&format!("{}.last_logits", case.name)) else { continue };
        let dir = tempfile::tempdir().unwrap();
        let (messages, dump) = (dir.path().join("messages.json"), dir.path().join("dump.safetensors"));
        std::fs::write(&messages, case.messages.to_string()).unwrap();
        let mut args = vec!["run", "-m", text(model), "--mmproj", text(mmproj), "-n", "2"];
        args.extend(options);
        args.extend(["--messages", text(&messages), "--dump", text(&dump)]);
        let images: Vec<_> = case.images.iter().map(|name| folder().join("images").join(name)).collect();
        images.iter().for_each(|image| args.extend(["--image", text(image)]));
        smolvlm(&args).ok();
        let got = tensors(&dump);
        let what = format!("{}, {}", reference.display(), case.name);
        let ids: Vec<u32> = got["input_ids"].i64().iter().map(|&id| id as u32).collect();
        assert_eq!(ids, case.input_ids, "{what}: tokens");
        if let Some(pixels) = case.tensors.get("pixels") {
            assert!(got["pixels"] == *pixels, "{what}: pixels differ");
        }
        let (got, want) = (got["last_logits"].f32(), want.f32());
        assert_eq!(got.len(), want.len(), "{what}");
        compare(&what, got, want);
        checked += 1;
    }
    assert_eq!(checked, want.len(), "{}", reference.display());
}

#[test]
fn every_type_answers_as_the_reference_does_with_its_weights() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = large(dir.path());
    all.extend(files("", "gguf"));
    let references = files("wide", "safetensors");
    assert!(all.keys().all(|name| name.starts_with("mmproj") || references.contains_key(name)));
    for (name, reference) in &references {
        // Where none is named, the tower is golden/wide's own.
        let (model, tower) = name.split_once("_mmproj-wide-").unwrap_or((name, "f32"));
        check(reference, &all[model], &all[&format!("mmproj-wide-{tower}")]);
    }
}

/// Without `--dtype` matrices in blocks that a kernel serves are computed in as they are: beside the reference's f32 only inputs
/// are rounded.
#[test]
fn blocks_that_are_computed_in_as_they_are_lose_little() {
    let square = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x * x)).sum::<f64>();
    let (files, references) = (files("wide", "gguf"), files("wide", "safetensors"));
    for name in ["q8_0", "Q5_0", "Q4_0", "IQ4_NL", "Q4_K_M", "Q6_K"].map(|kind| format!("wide-{kind}")) {
        let mmproj = folder().join("gguf/mmproj-wide-f16.gguf");
        compared(&references[&name], &files[&name], &mmproj, &[], |what, got, want| {
            let difference = square(&mut got.iter().zip(want).map(|(a, b)| a - b)) / square(&mut want.iter().copied());
            assert!(difference.sqrt() < 0.05, "{what}: {}", difference.sqrt());
        });
    }
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let (model, mmproj) = pair();
    let refused = |args: &[&str]| smolvlm(&[&["run", "hi", "-n", "2"], args].concat()).refused();
    let dir = tempfile::tempdir().unwrap();
    let alone = dir.path().join("alone.gguf");
    std::fs::copy(&model, &alone).unwrap();
    assert!(refused(&["-m", text(&mmproj), "--mmproj", text(&model)]).contains("a tower's file (mmproj)"));
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
fn a_tower_of_another_model_is_left_alone() {
    let (model, mmproj) = pair();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    // Two decoders: one that knows nothing of pictures, and one of another width.
    let narrow = folder().join("idefics3-256m");
    smolvlm(&["convert", "-m", text(&narrow), "-o", text(&at("narrow.gguf"))]).ok();
    std::fs::remove_file(at("mmproj-narrow.gguf")).unwrap();
    let named = std::fs::read(&model).unwrap();
    let place = named.windows(7).position(|bytes| bytes == b"<image>").unwrap();
    std::fs::write(at("text.gguf"), [&named[..place], b"<emage>", &named[place + 7..]].concat()).unwrap();
    std::fs::copy(&mmproj, at("mmproj-other.gguf")).unwrap();
    let ask = |name: &str, more: &[&str]| smolvlm(&[&["run", "-m", text(&at(name)), "hi", "-n", "2"], more].concat());
    for (name, what) in [("text.gguf", "there is no token <image>"), ("narrow.gguf", "its vectors have 256 numbers")] {
        let alone = ask(name, &[]);
        assert_eq!(alone.stderr.lines().count(), 1, "{}", alone.stderr);
        let says = format!("{}: it does not belong to this decoder: {what}", at("mmproj-other.gguf").display());
        assert!(alone.stderr.starts_with(&says) && alone.stderr.ends_with("it is left alone\n"), "{}", alone.stderr);
        alone.ok();
        let asked = ask(name, &["--mmproj", text(&mmproj)]).refused();
        assert!(
            asked.contains(&format!("{}: it does not belong to this decoder: {what}", mmproj.display())),
            "{asked}"
        );
    }
    // Beside one of another model, its own is the only one.
    std::fs::copy(&model, at("wide.gguf")).unwrap();
    std::fs::copy(folder().join("gguf/mmproj-wide-f16.gguf"), at("mmproj-a.gguf")).unwrap();
    smolvlm(&["convert", "-m", text(&narrow), "-o", text(&at("b.gguf"))]).ok();
    std::fs::remove_file(at("mmproj-other.gguf")).unwrap();
    let picture = folder().join("images/photo.jpg");
    let seen = smolvlm(&["run", "-m", text(&at("wide.gguf")), text(&picture), "hi", "-n", "2"]);
    assert_eq!(seen.stderr, "");
    seen.ok();
    // A tower by itself: which file would be right?
    let error = ask("mmproj-a.gguf", &[]).refused();
    let says = format!(
        "mmproj-a.gguf: a tower's file (mmproj), which sees and does not speak; -m takes its decoder's \
                        file: {}",
        at("wide.gguf").display()
    );
    assert!(error.ends_with(&says), "{error}");
    let error = smolvlm(&["run", "-m", text(&mmproj), "hi"]).refused();
    assert!(error.contains("wide-Q4_K_M.gguf"), "{error}");
}

#[test]
fn a_decoder_alone_reads_text_alone() {
    let (model, mmproj) = pair();
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
