//! Where a row holds a file: a picture, a clip.

use super::cell::Cell;
use crate::{ClipFile, PictureFile};
use smolvlm_processor::{is_data_url, read_base64, read_data_url};
use std::path::{Path, PathBuf};

/// A file of a row.
pub(super) enum Held {
    Path(PathBuf),
    Bytes(Vec<u8>),
}

impl From<Held> for PictureFile {
    fn from(held: Held) -> PictureFile {
        match held {
            Held::Path(path) => PictureFile::Path(path),
            Held::Bytes(bytes) => PictureFile::Bytes(bytes),
        }
    }
}

impl From<Held> for ClipFile {
    fn from(held: Held) -> ClipFile {
        match held {
            Held::Path(path) => ClipFile::Path(path),
            Held::Bytes(bytes) => ClipFile::Bytes(bytes),
        }
    }
}

/// One file or a list of them; `kind` is what it is, for messages.
///
/// # Errors
/// [`held`]'s, with its place in a list.
pub(super) fn all<T: From<Held>>(cell: Cell, folder: &Path, kind: &str, base64: &[&str]) -> Result<Vec<T>, String> {
    let one = |cell| held(cell, folder, kind, base64).map(T::from);
    match cell {
        Cell::List(list) => list
            .into_iter()
            .enumerate()
            .map(|(index, cell)| one(cell).map_err(|what| format!("{kind} {index}: {what}")))
            .collect(),
        cell => one(cell).map(|file| vec![file]),
    }
}

/// One file: bytes; a path, relative to `folder`; a `data:` URL; a text that begins as `base64` ones of such files do; or an
/// object of `bytes` (base64, where it is a text) and `path`, of which the bytes go first.
///
/// # Errors
/// It is none of these, an address, or no base64.
pub(super) fn held(cell: Cell, folder: &Path, kind: &str, base64: &[&str]) -> Result<Held, String> {
    match cell {
        Cell::Bytes(bytes) => Ok(Held::Bytes(bytes)),
        Cell::Text(text) => named(&text, folder, kind, base64),
        Cell::Map(mut fields) => match (fields.take("bytes"), fields.take("path")) {
            (Some(Cell::Bytes(bytes)), _) => Ok(Held::Bytes(bytes)),
            (Some(Cell::Text(text)), _) => decoded(&text),
            (None, Some(Cell::Text(path))) => named(&path, folder, kind, base64),
            _ => Err("an object without `bytes` or `path`; one of them would be right".to_owned()),
        },
        other => Err(format!("{} found; a path, a `data:` URL or bytes would be right", other.kind())),
    }
}

fn named(text: &str, folder: &Path, kind: &str, base64: &[&str]) -> Result<Held, String> {
    if is_data_url(text) {
        return read_data_url(text).map(Held::Bytes).map_err(|error| error.to_string());
    }
    if base64.iter().any(|first| text.starts_with(first)) {
        return decoded(text);
    }
    if text.contains("://") {
        let start: String = text.chars().take(60).collect();
        return Err(format!("{start:?} is an address: only files are read; save the {kind} and give its path"));
    }
    if text.is_empty() || text.contains('\0') {
        return Err("its path is empty or has a null byte; the path of a file would be right".to_owned());
    }
    Ok(Held::Path(folder.join(text)))
}

fn decoded(base64: &str) -> Result<Held, String> {
    read_base64(base64).map(Held::Bytes).map_err(|error| error.to_string())
}
