//! `generation_config.json`: how a checkpoint wants to be asked.

use crate::config::OneOrMany;
use crate::{Error, files};
use serde::Deserialize;
use std::path::Path;

/// What is used of a checkpoint's generation settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenerationConfig {
    /// Tokens that end an answer.
    pub eos: Vec<u32>,
}

#[derive(Deserialize)]
struct Raw {
    eos_token_id: Option<OneOrMany>,
}

impl GenerationConfig {
    /// Reads `generation_config.json` of a checkpoint folder; `None` where there is none.
    ///
    /// # Errors
    /// Where the file cannot be read or is not such settings.
    pub fn open(dir: &Path) -> Result<Option<GenerationConfig>, Error> {
        let path = dir.join("generation_config.json");
        let text = match files::text(&path) {
            Ok(text) => text,
            Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let wrong = |e: serde_json::Error| Error::Settings { path: path.display().to_string(), what: e.to_string() };
        let raw: Raw = serde_json::from_str(&text).map_err(wrong)?;
        Ok(Some(GenerationConfig { eos: raw.eos_token_id.map(OneOrMany::into_vec).unwrap_or_default() }))
    }
}
