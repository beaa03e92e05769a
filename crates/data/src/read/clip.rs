//! Where a row's clips are. None is opened.

use super::{
    Columns,
    cell::{Cell, Fields},
    layout::CLIP,
};
use crate::ClipFile;
use smolvlm_processor::{is_data_url, read_base64, read_data_url};
use std::path::Path;

/// The row's clips: of the column that was given, or of the first of [`CLIP`] that is there; one or a list.
///
/// # Errors
/// The column that was given is missing (one that is null holds no clip), or [`clip`]'s.
pub(super) fn clips(fields: &mut Fields, columns: &Columns, folder: &Path) -> Result<Vec<ClipFile>, String> {
    let cell = match &columns.video {
        Some(name) if !fields.names(name) => return Err(format!("`{name}`, of clips, is missing")),
        Some(name) => fields.take(name),
        None => CLIP.into_iter().find_map(|name| fields.take(name)),
    };
    match cell {
        None => Ok(Vec::new()),
        Some(Cell::List(list)) => list
            .into_iter()
            .enumerate()
            .map(|(index, cell)| clip(cell, folder).map_err(|what| format!("clip {index}: {what}")))
            .collect(),
        Some(cell) => clip(cell, folder).map(|clip| vec![clip]),
    }
}

/// One clip: bytes; a path, relative to `folder`; a `data:` URL; or an object of `bytes` (base64, where it is a text) and
/// `path`, of which the bytes go first.
pub(super) fn clip(cell: Cell, folder: &Path) -> Result<ClipFile, String> {
    let decoded = |text: &str| read_base64(text).map(ClipFile::Bytes).map_err(|error| error.to_string());
    match cell {
        Cell::Bytes(bytes) => Ok(ClipFile::Bytes(bytes)),
        Cell::Text(text) => named(&text, folder),
        Cell::Map(mut fields) => match (fields.take("bytes"), fields.take("path")) {
            (Some(Cell::Bytes(bytes)), _) => Ok(ClipFile::Bytes(bytes)),
            (Some(Cell::Text(text)), _) => decoded(&text),
            (None, Some(Cell::Text(path))) => named(&path, folder),
            _ => Err("an object without `bytes` or `path`; one of them would be right".to_owned()),
        },
        other => Err(format!("{} found; a path, a `data:` URL or bytes would be right", other.kind())),
    }
}

fn named(text: &str, folder: &Path) -> Result<ClipFile, String> {
    if is_data_url(text) {
        return read_data_url(text).map(ClipFile::Bytes).map_err(|error| error.to_string());
    }
    if text.contains("://") {
        let start: String = text.chars().take(60).collect();
        return Err(format!("{start:?} is an address: only files are read; save the clip and give its path"));
    }
    if text.is_empty() || text.contains('\0') {
        return Err("its path is empty or has a null byte; the path of a file would be right".to_owned());
    }
    Ok(ClipFile::Path(folder.join(text)))
}
