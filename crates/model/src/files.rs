//! The small files of a checkpoint, read with a bound on their size.

use crate::Error;
use smolvlm_sys::Files;
use std::io::Read;

/// No config and no index comes near this many bytes.
const MOST: u64 = 16 << 20;

/// The file's text.
pub(crate) fn text(files: &Files, name: &str) -> Result<String, Error> {
    let path = || files.path(name).display().to_string();
    let mut text = String::new();
    let read = files.open(name).and_then(|(file, _)| file.take(MOST + 1).read_to_string(&mut text));
    read.map_err(|source| Error::Read { path: path(), source })?;
    if text.len() as u64 > MOST {
        let what = format!("more than {MOST} bytes; no file of this kind has as many");
        return Err(Error::Settings { path: path(), what });
    }
    if text.trim().is_empty() {
        let what = "an empty file; JSON would be right: was it copied whole?".into();
        return Err(Error::Settings { path: path(), what });
    }
    Ok(text)
}
