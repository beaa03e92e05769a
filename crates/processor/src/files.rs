//! The small files of a checkpoint folder, read with a bound on their size.

use std::{fs::File, io::Read, path::Path};

use serde_json::Value;

use crate::Error;

/// No settings file comes near this many bytes.
pub(crate) const SMALL: u64 = 16 << 20;

/// The file's text, or `None` where there is no such file.
pub(crate) fn text(path: &Path, limit: u64) -> Result<Option<String>, Error> {
    let name = || path.display().to_string();
    let wrong = |source| Error::Read { path: name(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(wrong(e)),
    };
    let bytes = file.metadata().map_err(wrong)?.len();
    if bytes > limit {
        return Err(Error::FileTooLarge { path: name(), bytes, limit });
    }
    // The bound holds for files that grow, or that say nothing true about their size, as well.
    let mut text = String::new();
    file.take(limit).read_to_string(&mut text).map_err(wrong)?;
    Ok(Some(text))
}

/// The file's JSON, or `None` where there is no such file.
pub(crate) fn json(path: &Path) -> Result<Option<Value>, Error> {
    let Some(text) = text(path, SMALL)? else { return Ok(None) };
    match serde_json::from_str(&text) {
        Ok(value) => Ok(Some(value)),
        Err(source) => Err(Error::Json { path: path.display().to_string(), source }),
    }
}
