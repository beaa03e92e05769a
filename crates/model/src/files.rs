//! The small files of a checkpoint folder, read with a bound on their size.

use crate::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// No config and no index comes near this many bytes.
const MOST: u64 = 16 << 20;

/// The file's text.
pub(crate) fn text(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MOST + 1).read_to_string(&mut text));
    read.map_err(|source| Error::Read { path: path.display().to_string(), source })?;
    if text.len() as u64 > MOST {
        let what = format!("more than {MOST} bytes; no file of this kind has as many");
        return Err(Error::Settings { path: path.display().to_string(), what });
    }
    Ok(text)
}
