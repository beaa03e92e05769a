//! Pictures against what Pillow and transformers make of them.
//!
//! `golden/plans.csv` and `golden/*/cases` come from the reference implementation; `golden/pictures` from
//! `scripts/make_pictures.py`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use serde_json::Value;
use smolvlm_kernels::Pool;
use smolvlm_kernels::resample::lanczos_rgb;
use smolvlm_processor::{Alpha, DecodeOptions, Error, Picture, PictureSettings};
use std::ops::ControlFlow;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden").join(path)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn plans() {
    let table = std::fs::read_to_string(golden("plans.csv")).unwrap();
    let mut rows = 0;
    for line in table.lines().skip(1) {
        let row: Vec<u32> = line.split(',').map(|number| number.parse().unwrap()).collect();
        let [longest_edge, tile, width, height, expected @ ..] = row.as_slice() else { panic!("{line}") };
        let settings = PictureSettings { longest_edge: *longest_edge, tile: *tile, split: true, resize: true };
        let plan = settings.plan(*width, *height).unwrap();
        let found = [plan.resized.0, plan.resized.1, plan.refined.0, plan.refined.1, plan.rows, plan.cols, plan.tiles];
        assert_eq!(found, expected, "{line}");
        rows += 1;
    }
    assert!(rows > 16_000);
}

/// The settings of a golden model with a case's options over them.
fn settings(model: &str, options: &Value) -> PictureSettings {
    let old = golden(model).join("preprocessor_config.json");
    let file = if old.exists() { json(&old) } else { json(&golden(model).join("processor_config.json")) };
    let all = file.get("image_processor").unwrap_or(&file);
    let setting = |name: &str| options.get(name).unwrap_or(&all[name]);
    let edge = |name: &str| setting(name)["longest_edge"].as_u64().unwrap() as u32;
    PictureSettings {
        longest_edge: edge("size"),
        tile: edge("max_image_size"),
        split: setting("do_image_splitting").as_bool().unwrap(),
        resize: setting("do_resize").as_bool().unwrap(),
    }
}

/// The tensor `pixels` of a safetensors file: u8 [tiles, 3, side, side].
fn pixels(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let length = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..length]).unwrap();
    assert_eq!(header["pixels"]["dtype"], "U8");
    let offset = |at: usize| header["pixels"]["data_offsets"][at].as_u64().unwrap() as usize;
    bytes[length + offset(0)..length + offset(1)].to_vec()
}

#[test]
fn tiles_of_golden_cases() {
    let pools = [1, 2, 3, 7].map(Pool::new);
    let mut cases = 0;
    for model in ["idefics3-256m", "idefics3-2b", "smolvlm2", "wide", "legacy"] {
        for entry in std::fs::read_dir(golden(model).join("cases")).unwrap() {
            let path = entry.unwrap().path();
            let case = match path.extension() {
                Some(extension) if extension == "json" => json(&path),
                _ => continue,
            };
            // Clips and the like are other tests' matter.
            let Some(images) = case["images"].as_array().filter(|images| !images.is_empty()) else { continue };
            if !cfg!(feature = "libjpeg") && images.iter().any(|image| image == "photo.jpg") {
                continue; // other decoders round otherwise
            }
            let settings = settings(model, &case["options"]);
            let expected = pixels(&path.with_extension("safetensors"));
            for pool in &pools {
                let mut tiles = Vec::new();
                for image in images {
                    let file = golden("images").join(image.as_str().unwrap());
                    let picture = Picture::open(&file, &DecodeOptions::default()).unwrap();
                    let plan = settings.plan(picture.width, picture.height).unwrap();
                    tiles.extend(plan.tiles(&picture, pool).unwrap());
                }
                assert!(tiles == expected, "{} with {} threads", path.display(), pool.threads());
            }
            cases += 1;
        }
    }
    assert!(cases >= 27, "{cases}");
}

/// CRC-32 as zlib has it: enough to notice a wrong byte.
fn crc32(bytes: &[u8]) -> u64 {
    let table: Vec<u32> = (0..256)
        .map(|byte| (0..8).fold(byte, |sum: u32, _| sum >> 1 ^ if sum & 1 == 1 { 0xEDB8_8320 } else { 0 }))
        .collect();
    u64::from(!bytes.iter().fold(u32::MAX, |sum, &byte| sum >> 8 ^ table[usize::from(sum as u8 ^ byte)]))
}

#[test]
fn resizes_like_pillow() {
    for case in json(&golden("pictures/resample.json"))["resizes"].as_array().unwrap() {
        let size = |name: &str| {
            let side = |at: usize| case[name][at].as_u64().unwrap() as usize;
            (side(0), side(1))
        };
        let (size, new_size) = (size("from"), size("to"));
        let sample = |i: u64| ((i + 1).wrapping_mul(2_654_435_761) >> 24 ^ i >> 7) as u8;
        let source: Vec<u8> = (0..3 * size.0 as u64 * size.1 as u64).map(sample).collect();
        for threads in [1, 2, 3, 7] {
            let mut target = vec![0; 3 * new_size.0 * new_size.1];
            lanczos_rgb(&source, size, &mut target, new_size, &Pool::new(threads));
            assert_eq!(crc32(&target), case["crc32"].as_u64().unwrap(), "{case}, {threads} threads");
        }
    }
}

#[test]
fn good_files_like_pillow() {
    let cases = json(&golden("pictures/pictures.json"));
    let mut wrong = Vec::new();
    for (name, case) in cases["good"].as_object().unwrap() {
        if (name.ends_with("jpg") || name.starts_with("tiff-jpeg")) && cfg!(not(feature = "libjpeg")) {
            continue; // other decoders round otherwise
        }
        let bytes = std::fs::read(golden("pictures").join(name)).unwrap();
        let later = case["frames"].as_array().map_or(&[][..], Vec::as_slice);
        for (frame, case) in (0..).zip([case].into_iter().chain(later)) {
            wrong.extend(differences(&bytes, frame, case).map(|what| format!("{name} {frame} {what}")));
        }
        // In one walk along the file: all of them, and every second.
        for step in [1, 2] {
            let wanted: Vec<u32> = (0..=later.len() as u32).step_by(step).collect();
            let mut walked = Vec::new();
            let done = Picture::frames(&bytes, &wanted, &DecodeOptions::default(), &mut |place, picture| {
                walked.push((wanted[place], picture));
                ControlFlow::Continue(())
            });
            let alone = |frame: &u32| {
                let options = DecodeOptions { frame: *frame, ..DecodeOptions::default() };
                (*frame, Picture::decode(&bytes, &options).unwrap())
            };
            if done.is_err() || walked != wanted.iter().map(alone).collect::<Vec<_>>() {
                wrong.push(format!("{name}: frames of one walk, by {step}"));
            }
        }
        let beyond = DecodeOptions { frame: later.len() as u32 + 1, ..DecodeOptions::default() };
        for refusal in [Picture::decode(&bytes, &beyond).err(), Picture::size(&bytes, &beyond).err()] {
            match refusal {
                Some(Error::NoFrame { frame, frames }) if frame == frames && frame == beyond.frame => {}
                other => wrong.push(format!("{name} beyond its frames: {other:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// In what a frame of a file differs from a case.
fn differences(bytes: &[u8], frame: u32, case: &Value) -> impl Iterator<Item = String> {
    let expected = (case["width"].as_u64().unwrap() as u32, case["height"].as_u64().unwrap() as u32);
    [(Alpha::White, "white"), (Alpha::Drop, "drop")].into_iter().filter_map(move |(alpha, key)| {
        let options = DecodeOptions { alpha, frame, ..DecodeOptions::default() };
        let picture = match Picture::decode(bytes, &options) {
            Ok(picture) => picture,
            Err(error) => return Some(format!("{key}: {error}")),
        };
        let size = (picture.width, picture.height);
        if size != expected || Picture::size(bytes, &options).ok() != Some(expected) {
            return Some(format!("{key}: {size:?} instead of {expected:?}"));
        }
        (crc32(&picture.rgb) != case[key].as_u64().unwrap()).then(|| key.to_string())
    })
}

#[test]
fn bad_files_are_refused() {
    let cases = json(&golden("pictures/pictures.json"));
    let mut wrong = Vec::new();
    for (name, refusal) in cases["bad"].as_object().unwrap() {
        let path = golden("pictures").join(name);
        let bytes = std::fs::read(&path).unwrap();
        let options = DecodeOptions::default();
        let error = Picture::decode(&bytes, &options).expect_err(name);
        let found = match &error {
            Error::PictureTruncated { .. } => "truncated",
            Error::PictureCorrupt { .. } => "corrupt",
            Error::PictureUnsupported { .. } => "unsupported",
            Error::PictureFormat { .. } => "format",
            Error::ZeroSize { .. } => "zero size",
            Error::TooManyPixels { .. } => "too many pixels",
            Error::NoFrame { .. } => "no frame",
            Error::NoDecoder { .. } => refusal.as_str().unwrap(),
            _ => "something else",
        };
        if found != refusal {
            wrong.push(format!("{name}: {error}, not {refusal}"));
        }
        // Opened by name, the message begins with the name, and nothing else is added.
        let named = Picture::open(&path, &options).expect_err(name);
        assert!(matches!(named, Error::PictureFile { .. }));
        assert_eq!(named.to_string(), format!("{}: {error}", path.display()));
        // The header alone never needs more than decoding does.
        if let Err(header) = Picture::size(&bytes, &options) {
            assert_eq!(header.to_string(), error.to_string(), "{name}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let missing = Picture::open(&golden("pictures/absent.png"), &DecodeOptions::default());
    assert!(matches!(missing, Err(Error::Read { .. })));
}

#[test]
fn options_are_followed() {
    let bytes = std::fs::read(golden("pictures/exif-6.png")).unwrap();
    let upright = DecodeOptions { exif: false, ..DecodeOptions::default() };
    let picture = Picture::decode(&bytes, &upright).unwrap();
    assert_eq!((picture.width, picture.height), (5, 3));
    assert_eq!(Picture::size(&bytes, &upright).unwrap(), (5, 3));
    assert_eq!(Picture::size(&bytes, &DecodeOptions::default()).unwrap(), (3, 5));
    let few = DecodeOptions { max_pixels: 14, ..DecodeOptions::default() };
    assert!(matches!(Picture::decode(&bytes, &few), Err(Error::TooManyPixels { width: 5, height: 3, limit: 14 })));
    assert!(matches!(Picture::size(&bytes, &few), Err(Error::TooManyPixels { .. })));
    assert!(Picture::decode(&bytes, &DecodeOptions { max_pixels: 15, ..few }).is_ok());
}
