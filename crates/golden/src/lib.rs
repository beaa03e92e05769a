//! What the reference implementation computes (`golden/`), read for tests. Anything unexpected panics: this crate is a
//! test's, never the program's.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository's root")
}

/// `golden/`, or the folder that `SMOLVLM_GOLDEN` names: cases of another seed, laid out alike.
pub fn folder() -> PathBuf {
    std::env::var_os("SMOLVLM_GOLDEN").map_or_else(|| repository().join("golden"), PathBuf::from)
}

/// One case: what went in and what the reference answered.
#[derive(Deserialize)]
pub struct Case {
    /// Its file's stem.
    #[serde(skip)]
    pub name: String,
    /// The chat, as JSON.
    #[serde(default)]
    pub messages: serde_json::Value,
    /// Files in `golden/images`.
    #[serde(default)]
    pub images: Vec<String>,
    /// The processor's options.
    #[serde(default)]
    pub options: Options,
    /// The chat through the template.
    #[serde(default, alias = "prompt")]
    pub chat_prompt: String,
    /// The prompt's tokens.
    pub input_ids: Vec<u32>,
    /// The greedy answer.
    #[serde(default)]
    pub greedy_ids: Vec<u32>,
    /// The greedy answer as text.
    #[serde(default)]
    pub greedy_text: String,
    /// Tiles of a `hashed` case.
    #[serde(default)]
    pub tiles: usize,
    /// Their side.
    #[serde(default)]
    pub side: usize,
    /// Its tensors.
    #[serde(skip)]
    pub tensors: BTreeMap<String, Numbers>,
}

/// The processor's options of a case.
#[derive(Deserialize, Default)]
pub struct Options {
    /// False: one tile.
    pub do_image_splitting: Option<bool>,
    /// The longest edge.
    pub size: Option<Size>,
}

/// `size` of the processor.
#[derive(Deserialize)]
pub struct Size {
    /// Pixels.
    pub longest_edge: u32,
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// f32
    F32(Vec<usize>, Vec<f32>),
    /// i64
    I64(Vec<usize>, Vec<i64>),
    /// u8
    U8(Vec<usize>, Vec<u8>),
}

impl Numbers {
    /// As f32.
    pub fn f32(&self) -> &[f32] {
        let Numbers::F32(_, values) = self else { panic!("not f32") };
        values
    }

    /// As i64.
    pub fn i64(&self) -> &[i64] {
        let Numbers::I64(_, values) = self else { panic!("not i64") };
        values
    }

    /// As u8.
    pub fn u8(&self) -> &[u8] {
        let Numbers::U8(_, values) = self else { panic!("not u8") };
        values
    }

    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        let (Numbers::F32(shape, _) | Numbers::I64(shape, _) | Numbers::U8(shape, _)) = self;
        shape
    }
}

/// Reads a safetensors file of f32, i64 and u8.
pub fn tensors(path: &Path) -> BTreeMap<String, Numbers> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |name: &String| {
        let view = file.tensor(name).unwrap();
        let (shape, data) = (view.shape().to_vec(), view.data());
        match view.dtype() {
            Dtype::F32 => {
                Numbers::F32(shape, data.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect())
            }
            Dtype::I64 => {
                Numbers::I64(shape, data.chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect())
            }
            Dtype::U8 => Numbers::U8(shape, data.to_vec()),
            other => panic!("{name}: {other:?}"),
        }
    };
    file.names().into_iter().map(|name| (name.to_string(), read(&name.to_string()))).collect()
}

/// All cases of a model's folder, by name. What `scripts/bf16_of_golden.py` made beside them is added to their tensors.
pub fn cases(model: &Path) -> Vec<Case> {
    let folder = model.join("cases");
    let mut stems: Vec<String> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .filter_map(|f| f.unwrap().file_name().into_string().unwrap().strip_suffix(".json").map(String::from))
        .collect();
    stems.sort();
    assert!(!stems.is_empty(), "no cases in {}", folder.display());
    let bf16 = model.join("bf16.safetensors");
    let mut bf16 = if bf16.exists() { tensors(&bf16) } else { BTreeMap::new() };
    let mut read = |stem: String| {
        let text = std::fs::read_to_string(folder.join(format!("{stem}.json"))).unwrap();
        let case: Case = serde_json::from_str(&text).unwrap();
        let mut tensors = tensors(&folder.join(format!("{stem}.safetensors")));
        tensors.extend(bf16.remove(&stem).map(|logits| ("bf16_last_logits".to_string(), logits)));
        Case { tensors, name: stem, ..case }
    };
    stems.into_iter().map(&mut read).collect()
}

/// The largest difference, as a part of the largest of `want`.
pub fn distance(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len(), "lengths");
    let largest = want.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let worst =
        got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0f32, |a, b| if b.is_nan() { b } else { a.max(b) });
    worst / largest
}

/// A tensor made from its name alone, as `make_reference.py` makes it: splitmix64 of (FNV-1a of the name + index).
pub fn hashed(name: &str, shape: &[usize]) -> Vec<f32> {
    let n: usize = shape.iter().product();
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3));
    let uniform = (0..n as u64).map(move |i| {
        let mut z = hash.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 40) as f32 * 2f32.powi(-23) - 1.0
    });
    if name.contains("bias") {
        uniform.map(|u| 0.1 * u).collect()
    } else if shape.len() == 1 {
        uniform.map(|u| 1.0 + 0.1 * u).collect()
    } else {
        let factor = (1.2 * (3.0 / (n / shape[0]) as f64).sqrt()) as f32;
        uniform.map(|u| u * factor).collect()
    }
}

/// u8 [tiles, 3, side, side] of a `hashed` case.
pub fn hashed_pixels(tiles: usize, side: usize) -> Vec<u8> {
    let values = hashed("pixels.bias", &[tiles, 3, side, side]);
    let level = |x: f32| ((f64::from(x) / f64::from(0.1f32) + 1.0) * 128.0).floor().clamp(0.0, 255.0) as u8;
    values.into_iter().map(level).collect()
}
