//! Files of settings.

use crate::files;
use smolvlm_model::{Config, GenerationConfig};
use smolvlm_processor::Settings;

/// The files that an input holds, as far as it goes.
const NAMES: [&str; 5] = [
    "config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "tokenizer_config.json",
    "generation_config.json",
];

/// Settings of a checkpoint, and what they make of pictures.
pub(crate) fn settings(bytes: &[u8]) {
    let files = files(bytes, &NAMES);
    if let Ok(config) = Config::open(&files) {
        let _ = (config.text.frequencies().len(), config.tokens_per_tile(), config.text.attention());
    }
    let _ = GenerationConfig::open(&files).is_ok();
    let Ok(Settings { sight: Some(sight), .. }) = Settings::open(&files) else { return };
    for (width, height) in [(1, 1), (1, 20_000), (640, 480), (8_000, 8_000), (u32::MAX, 1), (u32::MAX, u32::MAX)] {
        let _ = sight.pictures.plan(width, height).is_ok();
    }
}
