//! `generation_config.json`: how a checkpoint wants to be asked.

use crate::config::OneOrMany;
use crate::{Error, files};
use serde_json::{Map, Value};
use smolvlm_sys::Files;

/// A checkpoint's generation settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerationConfig {
    /// Tokens that end an answer.
    pub eos: Vec<u32>,
    /// All keys of the file, as they stand there.
    pub settings: Map<String, Value>,
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
        let settings: Map<String, Value> = serde_json::from_str(&text).map_err(wrong)?;
        let eos = settings.get("eos_token_id").cloned().unwrap_or_default();
        let eos: Option<OneOrMany> = serde_json::from_value(eos).map_err(|_| Error::Settings {
            path: path(),
            what: "eos_token_id must be a token's id or a list of them".into(),
        })?;
        Ok(Some(GenerationConfig { eos: eos.map(OneOrMany::into_vec).unwrap_or_default(), settings }))
    }
}
