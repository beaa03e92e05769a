//! What a checkpoint says about pictures, tokens and the network's sizes, merged from its files and checked.
//!
//! Newer checkpoints keep the picture settings under `image_processor` in `processor_config.json`; older ones keep
//! them in `preprocessor_config.json` beside a short `processor_config.json`. A setting that this crate cannot honour
//! is refused by name: none is passed over in silence.

use serde_json::Value;
use smolvlm_sys::Files;

use crate::{ClipDefaults, ClipMode, Error, PictureSettings, files};

/// The longest `longest_edge` accepted, in pixels. The reference cuts every picture down to 4,096 anyway
/// (`MAX_IMAGE_SIZE` in transformers' `image_processing_pil_idefics3.py`).
pub const MAX_LONGEST_EDGE: u32 = 16_384;
/// The longest tile side accepted, in pixels.
pub const MAX_TILE: u32 = 4_096;
/// The most frames of a clip that a checkpoint may ask for.
const MAX_FRAMES: u64 = 100_000;
/// The most image tokens a tile may take.
const MAX_TOKENS_PER_TILE: usize = 16_384;
/// The largest token id or position that is believed.
const MAX_COUNT: u64 = 1 << 26;

/// The settings of one checkpoint.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How pictures are read; `None` where the network is a decoder alone.
    pub sight: Option<SightSettings>,
    /// The positions that the language model was made for.
    pub context: usize,
    /// Rows of the embedding table: every token id lies below.
    pub vocab: usize,
    /// The tokens that `tokenizer_config.json` names.
    pub special: SpecialNames,
}

/// How a checkpoint reads pictures.
#[derive(Clone, Debug)]
pub struct SightSettings {
    /// How pictures are resized and cut.
    pub pictures: PictureSettings,
    /// Subtracted from every channel after rescaling (the network normalises, see `std` and `rescale`).
    pub mean: [f32; 3],
    /// Divides every channel after the mean is subtracted: `(byte * rescale - mean) / std`.
    pub std: [f32; 3],
    /// Multiplies every byte first; 1/255 in all published checkpoints.
    pub rescale: f64,
    /// Image tokens a tile takes: `(image_size / patch_size / scale_factor)²` from `config.json`. It is the number of
    /// embeddings that the network makes, so it wins over `image_seq_len`.
    pub tokens_per_tile: usize,
    /// `image_seq_len` as `processor_config.json` has it, for comparison alone.
    pub image_seq_len: Option<usize>,
    /// The id whose positions receive the image embeddings.
    pub image_token_id: u32,
    /// How clips are shown where nothing else is asked for.
    pub clips: ClipDefaults,
}

/// Tokens named in `tokenizer_config.json`, as the chat template sees them.
#[derive(Clone, Debug, Default)]
pub struct SpecialNames {
    /// `bos_token`
    pub bos: Option<String>,
    /// `eos_token`
    pub eos: Option<String>,
    /// `pad_token`
    pub pad: Option<String>,
    /// `unk_token`
    pub unk: Option<String>,
}

impl Settings {
    /// Reads `config.json`, `processor_config.json`, `preprocessor_config.json` and `tokenizer_config.json`.
    ///
    /// # Errors
    /// A file that cannot be read or is not JSON, a setting that is missing, out of range or not supported.
    pub fn open(files: impl Into<Files>) -> Result<Self, Error> {
        const CONFIG: &str = "config.json";
        let files = &files.into();
        let path = files.path(CONFIG).display().to_string();
        let Some(config) = files::json(files, CONFIG)? else {
            let source = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file; a checkpoint folder has one");
            return Err(Error::Read { path, source });
        };
        let config = Section::new(path, config)?;
        // A decoder's own config has its settings at the top, and nothing of pictures.
        let whole = config.text("model_type")?.as_deref() != Some("llama");
        let text = match whole {
            true => &config.section("text_config")?.unwrap_or_else(|| config.empty("text_config")),
            false => &config,
        };
        Ok(Self {
            sight: if whole { Some(SightSettings::open(files, &config)?) } else { None },
            // LlamaConfig's own default where config.json is silent.
            context: text.count("max_position_embeddings", 1, MAX_COUNT)?.unwrap_or(2048) as usize,
            vocab: text.needed("vocab_size", 1, MAX_COUNT, "the number of rows of the embedding table")? as usize,
            special: special_names(&Section::open(files, "tokenizer_config.json")?)?,
        })
    }
}

impl SightSettings {
    fn open(files: &Files, config: &Section) -> Result<Self, Error> {
        let vision = config.section("vision_config")?.unwrap_or_else(|| config.empty("vision_config"));
        let processor = Section::open(files, "processor_config.json")?;
        let image = match processor.section("image_processor")? {
            Some(nested) => nested,
            None => Section::open(files, "preprocessor_config.json")?,
        };
        let (tile, tokens_per_tile) = network_tile(config, &vision)?;
        let pictures = picture_settings(&image, &vision, tile)?;
        Ok(Self {
            pictures,
            mean: image.three("image_mean", 0.5, |v| v.is_finite())?,
            std: image.three("image_std", 0.5, |v| v.is_finite() && v > 0.0)?,
            rescale: image.rescale()?,
            tokens_per_tile,
            image_seq_len: processor.count("image_seq_len", 0, MAX_COUNT)?.map(|n| n as usize),
            image_token_id: config.needed("image_token_id", 0, MAX_COUNT, "the id of `<image>`")? as u32,
            clips: clip_defaults(files, config, &processor, &image, tile)?,
        })
    }
}

/// The tile side and the image tokens a tile takes, from the network's own sizes.
///
/// The patch embedding is a convolution without padding, so a tile's side need not be a multiple of the patch: 384 with
/// patches of 14 gives 27 a side and leaves 6 pixels out (the published 2.2B). What must divide is the shuffle.
fn network_tile(config: &Section, vision: &Section) -> Result<(u32, usize), Error> {
    // The defaults are those of Idefics3VisionConfig and Idefics3Config, which a file may leave out.
    let side = vision.count("image_size", 1, u64::from(MAX_TILE))?.unwrap_or(224);
    let patch = vision.count("patch_size", 1, side)?.unwrap_or(32);
    let scale = config.count("scale_factor", 1, u64::from(MAX_TILE))?.unwrap_or(2);
    let patches = side / patch;
    if patches == 0 || patches % scale != 0 {
        let expected = format!(
            "it must divide the {patches} patches a side that `vision_config.image_size` {side} and \
             `vision_config.patch_size` {patch} make"
        );
        return Err(config.wrong("scale_factor", &scale, &expected));
    }
    let tokens = ((patches / scale) * (patches / scale)) as usize;
    if tokens > MAX_TOKENS_PER_TILE {
        let expected = format!("with it a tile takes {tokens} tokens, and more than {MAX_TOKENS_PER_TILE} is absurd");
        return Err(config.wrong("scale_factor", &scale, &expected));
    }
    Ok((side as u32, tokens))
}

/// How pictures are resized and cut, and that nothing else is asked for.
fn picture_settings(image: &Section, vision: &Section, side: u32) -> Result<PictureSettings, Error> {
    if let Some(kind) = image.text("image_processor_type")?
        && !(kind.starts_with("Idefics3ImageProcessor") || kind.starts_with("SmolVLMImageProcessor"))
    {
        return Err(image.wrong("image_processor_type", &kind, "supported are Idefics3's and SmolVLM's"));
    }
    // Pillow's number for its Lanczos filter.
    if let Some(resample) = image.count("resample", 0, MAX_COUNT)?
        && resample != 1
    {
        return Err(image.wrong("resample", &resample, "only 1 (Lanczos) is supported"));
    }
    for key in ["do_convert_rgb", "do_rescale", "do_normalize"] {
        if !image.flag(key, true)? {
            return Err(image.wrong(key, &false, "only true is supported"));
        }
    }
    if image.flag("do_center_crop", false)? {
        return Err(image.wrong("do_center_crop", &true, "only false is supported"));
    }
    let edge = |key: &str, most: u32| -> Result<Option<u32>, Error> {
        match image.longest_edge(key, most)? {
            Some(edge) => Ok(Some(edge)),
            None => vision.longest_edge(key, most),
        }
    };
    let places = format!("{} or {}", image.path, vision.path);
    let missing = |key: &str, expected: &str| Error::MissingSetting {
        path: places.clone(),
        key: key.to_owned(),
        expected: expected.to_owned(),
    };
    let tile = edge("max_image_size", MAX_TILE)?
        .ok_or_else(|| missing("max_image_size", "{\"longest_edge\": the side of a tile} should be there"))?;
    let longest_edge = edge("size", MAX_LONGEST_EDGE)?
        .ok_or_else(|| missing("size", "{\"longest_edge\": the side that pictures are resized to} should be there"))?;
    if tile != side {
        let expected = format!("the network reads tiles of `vision_config.image_size` = {side} pixels");
        return Err(image.wrong("max_image_size.longest_edge", &tile, &expected));
    }
    Ok(PictureSettings {
        longest_edge,
        tile,
        split: image.flag("do_image_splitting", true)?,
        resize: image.flag("do_resize", true)?,
    })
}

/// How clips are shown: what the video processor's settings say, which lie in one of three files, else what SmolVLM2's do.
/// A `size` beside `video_sampling` goes before its `video_size` (`SmolVLMVideoProcessor.__init__`), also where it was meant for
/// pictures.
fn clip_defaults(
    files: &Files,
    config: &Section,
    processor: &Section,
    image: &Section,
    tile: u32,
) -> Result<ClipDefaults, Error> {
    let mode = match config.text("model_type")?.as_deref() {
        Some("smolvlm") => ClipMode::SmolVlm2,
        _ => ClipMode::V1,
    };
    let own = match processor.section("video_processor")? {
        Some(own) => own,
        None => Section::open(files, "video_preprocessor_config.json")?,
    };
    let (sampling, size) = match own.section("video_sampling")? {
        Some(sampling) => (Some(sampling), own.longest_edge("size", MAX_LONGEST_EDGE)?),
        None => (image.section("video_sampling")?, image.longest_edge("size", MAX_LONGEST_EDGE)?),
    };
    let sampling = sampling.unwrap_or_else(|| own.empty("video_sampling"));
    let fps = match sampling.get("fps") {
        None => 1.0,
        Some(value) => value
            .as_f64()
            .filter(|fps| fps.is_finite() && *fps > 0.0)
            .ok_or_else(|| sampling.wrong("fps", value, "frames a second, a number above zero, would be right"))?,
    };
    let max_frames = sampling.count("max_frames", 1, MAX_FRAMES)?.unwrap_or(64) as usize;
    let edge = match size {
        Some(edge) => edge,
        None => sampling.longest_edge("video_size", MAX_LONGEST_EDGE)?.unwrap_or(tile),
    };
    Ok(ClipDefaults { mode, fps, max_frames, edge })
}

/// A special token is written as its text, or as an object with the text under `content`.
fn special_names(config: &Section) -> Result<SpecialNames, Error> {
    let name = |key: &str| match config.value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => match other.get("content").and_then(Value::as_str) {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(config.wrong(key, other, "a token's text or {\"content\": text} would be right")),
        },
    };
    Ok(SpecialNames {
        bos: name("bos_token")?,
        eos: name("eos_token")?,
        pad: name("pad_token")?,
        unk: name("unk_token")?,
    })
}

/// One JSON object of a file, with what is needed to name the place of a mistake.
struct Section {
    path: String,
    prefix: String,
    value: Value,
}

impl Section {
    fn new(path: String, value: Value) -> Result<Self, Error> {
        let section = Self { path, prefix: String::new(), value };
        if section.value.is_object() { Ok(section) } else { Err(section.not_an_object("the file", &section.value)) }
    }

    /// The file's object; an empty one where there is no such file.
    fn open(files: &Files, name: &str) -> Result<Self, Error> {
        let value = files::json(files, name)?.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        Self::new(files.path(name).display().to_string(), value)
    }

    fn empty(&self, key: &str) -> Self {
        self.nested(key, Value::Object(serde_json::Map::new()))
    }

    fn nested(&self, key: &str, value: Value) -> Self {
        Self { path: self.path.clone(), prefix: format!("{}{key}.", self.prefix), value }
    }

    fn section(&self, key: &str) -> Result<Option<Self>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(value @ Value::Object(_)) => Ok(Some(self.nested(key, value.clone()))),
            Some(other) => Err(self.not_an_object(key, other)),
        }
    }

    /// The value under `key`; a null counts as absent, as it does in the reference.
    fn get(&self, key: &str) -> Option<&Value> {
        self.value.get(key).filter(|v| !v.is_null())
    }

    fn not_an_object(&self, key: &str, found: &Value) -> Error {
        self.wrong(key, found, "a JSON object would be right")
    }

    fn wrong(&self, key: &str, found: &dyn std::fmt::Display, expected: &str) -> Error {
        // A value of any size may stand in the file; a message shows its beginning.
        let mut found = found.to_string();
        if found.chars().count() > 80 {
            found = found.chars().take(80).chain("…".chars()).collect();
        }
        let key = if key.starts_with(&self.prefix) { key.to_owned() } else { format!("{}{key}", self.prefix) };
        Error::Setting { path: self.path.clone(), key, found, expected: expected.to_owned() }
    }

    fn text(&self, key: &str) -> Result<Option<String>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.wrong(key, other, "a text would be right")),
        }
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, Error> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(key, other, "true or false would be right")),
        }
    }

    fn count(&self, key: &str, least: u64, most: u64) -> Result<Option<u64>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(n) if (least..=most).contains(&n) => Ok(Some(n)),
                _ => Err(self.wrong(key, value, &format!("a whole number from {least} to {most} would be right"))),
            },
        }
    }

    fn needed(&self, key: &str, least: u64, most: u64, what: &str) -> Result<u64, Error> {
        self.count(key, least, most)?.ok_or_else(|| Error::MissingSetting {
            path: self.path.clone(),
            key: format!("{}{key}", self.prefix),
            expected: format!("{what} should be there"),
        })
    }

    /// `{key: {"longest_edge": n}}`
    fn longest_edge(&self, key: &str, most: u32) -> Result<Option<u32>, Error> {
        let Some(size) = self.section(key)? else { return Ok(None) };
        match size.count("longest_edge", 1, u64::from(most))? {
            Some(edge) => Ok(Some(edge as u32)),
            None => Err(self.wrong(key, &size.value, "only {\"longest_edge\": pixels} is supported")),
        }
    }

    /// Three numbers, one a channel. transformers takes a single number as well, which no published checkpoint has.
    fn three(&self, key: &str, default: f32, sound: fn(f32) -> bool) -> Result<[f32; 3], Error> {
        let Some(value) = self.get(key) else { return Ok([default; 3]) };
        let numbers: Option<Vec<f32>> =
            value.as_array().and_then(|list| list.iter().map(|v| v.as_f64().map(|f| f as f32)).collect());
        match numbers.as_deref() {
            Some([r, g, b]) if sound(*r) && sound(*g) && sound(*b) => Ok([*r, *g, *b]),
            _ if key == "image_std" => {
                Err(self.wrong(key, value, "three numbers above zero, one a channel, would be right"))
            }
            _ => Err(self.wrong(key, value, "three numbers, one a channel, would be right")),
        }
    }

    fn rescale(&self) -> Result<f64, Error> {
        let key = "rescale_factor";
        let Some(value) = self.get(key) else { return Ok(1.0 / 255.0) };
        match value.as_f64() {
            Some(f) if f.is_finite() && f > 0.0 => Ok(f),
            _ => Err(self.wrong(key, value, "a number above zero, as 1/255, would be right")),
        }
    }
}
