//! `generation_config.json`: how a checkpoint wants to be asked.

use crate::config::OneOrMany;
use crate::{Error, files};
use serde::Deserialize;
use smolvlm_sys::Files;

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
    /// Reads `generation_config.json` of a checkpoint; `None` where there is none.
    ///
    /// # Errors
    /// Where the file cannot be read or is not such settings.
    pub fn open(files: impl Into<Files>) -> Result<Option<GenerationConfig>, Error> {
        const NAME: &str = "generation_config.json";
        let files = files.into();
        let text = match files::text(&files, NAME) {
            Ok(text) => text,
            Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let path = || files.path(NAME).display().to_string();
        let wrong = |e: serde_json::Error| Error::Settings { path: path(), what: e.to_string() };
        let raw: Raw = serde_json::from_str(&text).map_err(wrong)?;
        Ok(Some(GenerationConfig { eos: raw.eos_token_id.map(OneOrMany::into_vec).unwrap_or_default() }))
    }
}
