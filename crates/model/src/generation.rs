//! `generation_config.json`: how a checkpoint wants to be asked.

use crate::Error;
use crate::config::OneOrMany;
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
        let named = || path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Read { path: named(), source }),
        };
        let raw: Raw =
            serde_json::from_str(&text).map_err(|e| Error::Settings { path: named(), what: e.to_string() })?;
        Ok(Some(GenerationConfig { eos: raw.eos_token_id.map(OneOrMany::into_vec).unwrap_or_default() }))
    }
}
