//! Checkpoints in few bits: the same as a model brought to them as it is loaded, and nearer to the original where samples are
//! given.
#![allow(clippy::unwrap_used, clippy::panic)]

use smolvlm_backend::{Isa, Quant};
use smolvlm_data::SourceConfig;
use smolvlm_engine::{Apart, DTypeChoice, Engine, EngineOptions, FewBits};
use smolvlm_golden::folder;
use smolvlm_model::Quants;
use smolvlm_processor::{DecodeOptions, Picture, PlanOptions};
use smolvlm_quantise::{Calibration, Error, Observer, Statistics, calibrate, quantise, quantise_gguf};
use smolvlm_sys::Files;
use std::path::Path;

/// Names the rows that cannot be used.
#[derive(Default)]
struct Told(Vec<String>);

impl Observer for Told {
    fn tensors(&mut self, done: usize, of: usize) {
        assert!(done <= of, "{done} of {of} tensors");
    }

    fn samples(&mut self, done: usize, of: usize) {
        assert!(done <= of, "{done} of {of} samples");
    }

    fn bad(&mut self, name: &str, why: &str) {
        self.0.push(format!("{name}: {why}"));
    }
}

const MACHINE: fn() -> (usize, Isa) = || (2, Isa::best());

fn golden(model: impl AsRef<Path>) -> Files {
    Files::from(&*folder().join(model))
}

fn open(model: impl Into<Files>, dtype: DTypeChoice) -> Engine {
    let options = EngineOptions { threads: 2, isa: Isa::best(), dtype, narrow_kv: false, adapters: Vec::new() };
    Engine::open(model, &options, &mut |_, _| {}).unwrap()
}

fn made(model: &str, to: &Path, quant: Quant, statistics: Option<&Statistics>) {
    let files = golden(model);
    let made = quantise(&files, MACHINE(), to, Quants::from(quant), statistics, &mut Told::default()).unwrap();
    assert!(made.few_bits.0 < 2 * made.few_bits.1 && made.few_bits.0 < made.bytes);
}

/// Tokens that mean nothing.
fn ids(count: u32, first: u32) -> Vec<u32> {
    (0..count).map(|i| 20 + (i * 7919 + first) % 300).collect()
}

fn features_apart(exact: &Engine, other: &Engine, picture: &str) -> f64 {
    let photo = Picture::open(&folder().join("images").join(picture), &DecodeOptions::default()).unwrap();
    let mut apart = Apart::default();
    exact.see_beside(other, &photo, &PlanOptions::default(), &mut apart).unwrap();
    apart.relative()
}

#[test]
fn a_folder_is_what_loading_makes_of_the_original() {
    let at = tempfile::tempdir().unwrap();
    for (quant, bits) in
        [(Quant::Q8, FewBits::EIGHT), (Quant::Q4, FewBits { head: smolvlm_engine::Bits::Four, ..FewBits::FOUR })]
    {
        let to = at.path().join(format!("{quant:?}"));
        made("wide", &to, quant, None);
        let (loaded, kept) = (open(golden("wide"), DTypeChoice::Few(bits)), open(&*to, DTypeChoice::Auto));
        assert_eq!(kept.quant(), Quants { as_stored: true, ..Quants::from(quant) });
        let same = loaded.compare(&kept, &ids(200, 1), 100, &mut |_, _| {}).unwrap();
        assert_eq!((same.divergence(), same.first), (0.0, same.second));
        assert_eq!(features_apart(&loaded, &kept, "photo.jpg"), 0.0);
        // Once more, and in other precisions, as any checkpoint.
        let again =
            quantise(&Files::from(&*to), MACHINE(), &at.path().join("x"), Quant::Q8.into(), None, &mut Told::default());
        assert!(matches!(again, Err(Error::FewBits { .. })));
        let exact = open(&*to, DTypeChoice::F32);
        let near = exact.compare(&kept, &ids(200, 1), 100, &mut |_, _| {}).unwrap();
        assert!(near.divergence() > 0.0 && near.divergence() < 0.01, "{}", near.divergence());
    }
    let files = golden("wide");
    let there = quantise(&files, MACHINE(), at.path(), Quant::Q8.into(), None, &mut Told::default());
    assert!(matches!(there, Err(Error::Exists { .. })));
    let ragged = golden("idefics3-256m");
    let to = at.path().join("ragged");
    let refused = quantise(&ragged, MACHINE(), &to, Quant::Q4.into(), None, &mut Told::default());
    assert!(matches!(refused, Err(Error::Ragged { .. })) && !to.exists());
    // In 8 bits all widths are kept.
    made("idefics3-256m", &to, Quant::Q8, None);
    let (loaded, kept) =
        (open(golden("idefics3-256m"), DTypeChoice::Few(FewBits::EIGHT)), open(&*to, DTypeChoice::Auto));
    assert_eq!(features_apart(&loaded, &kept, "photo.jpg"), 0.0);
}

#[test]
fn samples_leave_less_to_lose() {
    let at = tempfile::tempdir().unwrap();
    let rows = at.path().join("rows.jsonl");
    let images = folder().join("images");
    let row = |image: &str| {
        format!("{{\"image\": {:?}, \"question\": \"What is it?\", \"answer\": \"A cat.\"}}\n", images.join(image))
    };
    std::fs::write(&rows, [row("small.png"), row("photo.jpg"), row("none.png")].concat()).unwrap();
    let calibration = Calibration { sources: vec![SourceConfig::new(&rows)], limit: 3, ..Calibration::default() };
    let mut told = Told::default();
    let files = golden("wide");
    let statistics = calibrate(&files, MACHINE(), &calibration, &mut told).unwrap();
    assert!(told.0.len() == 1 && told.0[0].contains("none.png"), "{:?}", told.0);
    let exact = open(golden("wide"), DTypeChoice::F32);
    let loss = |name: &str, quant, statistics| {
        let to = at.path().join(name);
        made("wide", &to, quant, statistics);
        features_apart(&exact, &open(&*to, DTypeChoice::Auto), "photo.jpg")
    };
    for quant in [Quant::Q8, Quant::Q4] {
        let (plain, less) =
            (loss(&format!("{quant:?}"), quant, None), loss(&format!("{quant:?}-less"), quant, Some(&statistics)));
        println!("{quant:?}: features {plain:.4} apart, calibrated {less:.4}");
        assert!(less < 0.8 * plain, "{quant:?}: {less} of {plain}");
    }
    // On any number of threads the same.
    let one = calibrate(&files, (1, Isa::best()), &calibration, &mut Told::default()).unwrap();
    made("wide", &at.path().join("one"), Quant::Q4, Some(&one));
    let read = |name: &str| std::fs::read(at.path().join(name).join("model.safetensors")).unwrap();
    assert!(read("one") == read("Q4-less"));
    let nothing = Calibration { sources: vec![SourceConfig::new(&rows)], limit: 0, ..Calibration::default() };
    assert!(matches!(calibrate(&files, MACHINE(), &nothing, &mut Told::default()), Err(Error::NoSamples { .. })));
}

#[test]
fn gguf_is_written_level() {
    let at = tempfile::tempdir().unwrap();
    let files = golden("outliers");
    let calibration =
        Calibration { texts: vec!["The quick brown fox. ".repeat(60)], limit: 4, ..Calibration::default() };
    let statistics = calibrate(&files, MACHINE(), &calibration, &mut Told::default()).unwrap();
    let exact = open(golden("outliers"), DTypeChoice::F32);
    let loss = |name: &str, statistics: Option<&Statistics>| {
        let to = at.path().join(name);
        let quants = Quants { vision: Quant::Bf16, ..Quants::from(Quant::Q8) };
        let made = quantise_gguf(&files, MACHINE(), &to, quants, statistics, &mut Told::default()).unwrap();
        let kept = smolvlm_gguf::checkpoint(&made.text, made.mmproj.as_deref()).unwrap();
        let kept = open(kept, DTypeChoice::F32);
        exact.compare(&kept, &ids(200, 1), 100, &mut |_, _| {}).unwrap().divergence()
    };
    let (plain, less) = (loss("plain.gguf", None), loss("level.gguf", Some(&statistics)));
    println!("divergence of GGUF {plain:.6}, level {less:.6}");
    assert!(less < plain, "{less} of {plain}");
    let left = std::fs::read_dir(at.path()).unwrap().count();
    assert_eq!(left, 4, "two files each, and nothing else");
}
