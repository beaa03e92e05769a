//! The small files of a checkpoint, read with a bound on their size.

use std::io::Read;

use serde_json::Value;
use smolvlm_sys::Files;

use crate::Error;

/// No settings file comes near this many bytes.
pub(crate) const SMALL: u64 = 16 << 20;

/// The file's text, or `None` where there is no such file.
pub(crate) fn text(files: &Files, name: &str, limit: u64) -> Result<Option<String>, Error> {
    let path = || files.path(name).display().to_string();
    let wrong = |source| Error::Read { path: path(), source };
    let (file, bytes) = match files.open(name) {
        Ok(opened) => opened,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(wrong(e)),
    };
    if bytes > limit {
        return Err(Error::FileTooLarge { path: path(), bytes, limit });
    }
    // The bound holds for files that grow, or that say nothing true about their size, as well.
    let mut text = String::new();
    file.take(limit).read_to_string(&mut text).map_err(wrong)?;
    if text.trim().is_empty() {
        return Err(Error::Empty { path: path() });
    }
    Ok(Some(text))
}

/// The file's JSON, or `None` where there is no such file.
pub(crate) fn json(files: &Files, name: &str) -> Result<Option<Value>, Error> {
    let Some(text) = text(files, name, SMALL)? else { return Ok(None) };
    match serde_json::from_str(&text) {
        Ok(value) => Ok(Some(value)),
        Err(source) => Err(Error::Json { path: files.path(name).display().to_string(), source }),
    }
}
