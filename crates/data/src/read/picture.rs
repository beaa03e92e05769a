//! Where a row's pictures are. None is decoded or even opened.

use super::{
    Columns,
    cell::{Cell, Fields},
    layout::IMAGE,
};
use crate::PictureFile;
use smolvlm_processor::{is_data_url, read_base64, read_data_url};
use std::path::Path;

/// The row's pictures: of the column that was given, or of the first of [`IMAGE`] that is there; one or a list.
///
/// # Errors
/// The column that was given is missing (one that is null holds no picture), or [`picture`]'s.
pub(super) fn pictures(fields: &mut Fields, columns: &Columns, folder: &Path) -> Result<Vec<PictureFile>, String> {
    match cell(fields, columns)? {
        None => Ok(Vec::new()),
        Some(Cell::List(list)) => list
            .into_iter()
            .enumerate()
            .map(|(index, cell)| picture(cell, folder).map_err(|what| format!("picture {index}: {what}")))
            .collect(),
        Some(cell) => picture(cell, folder).map(|picture| vec![picture]),
    }
}

/// The column of the row's pictures, where it has one.
pub(super) fn cell(fields: &mut Fields, columns: &Columns) -> Result<Option<Cell>, String> {
    match &columns.image {
        Some(name) if !fields.names(name) => Err(format!("`{name}`, of pictures, is missing")),
        Some(name) => Ok(fields.take(name)),
        None => Ok(IMAGE.into_iter().find_map(|name| fields.take(name))),
    }
}

/// One picture: bytes; a path, relative to `folder`; a `data:` URL; base64 of a JPEG, a PNG, a GIF or a WebP, as tables for
/// evaluation hold it; or an object of `bytes` (base64, where it is a text) and `path`, of which the bytes go first.
pub(super) fn picture(cell: Cell, folder: &Path) -> Result<PictureFile, String> {
    match cell {
        Cell::Bytes(bytes) => Ok(PictureFile::Bytes(bytes)),
        Cell::Text(text) => named(&text, folder),
        Cell::Map(mut fields) => match (fields.take("bytes"), fields.take("path")) {
            (Some(Cell::Bytes(bytes)), _) => Ok(PictureFile::Bytes(bytes)),
            (Some(Cell::Text(text)), _) => decoded(&text),
            (None, Some(Cell::Text(path))) => named(&path, folder),
            _ => Err("an object without `bytes` or `path`; one of them would be right".to_owned()),
        },
        other => Err(format!("{} found; a path, a `data:` URL or bytes would be right", other.kind())),
    }
}

fn named(text: &str, folder: &Path) -> Result<PictureFile, String> {
    if is_data_url(text) {
        return read_data_url(text).map(PictureFile::Bytes).map_err(|error| error.to_string());
    }
    // The first bytes of a JPEG, a PNG, a GIF and a WebP, which no path has.
    if ["/9j/", "iVBORw0KGgo", "R0lGODdh", "R0lGODlh", "UklGR"].iter().any(|first| text.starts_with(first)) {
        return decoded(text);
    }
    if text.contains("://") {
        let start: String = text.chars().take(60).collect();
        return Err(format!("{start:?} is an address: only files are read; save the picture and give its path"));
    }
    if text.is_empty() || text.contains('\0') {
        return Err("its path is empty or has a null byte; the path of a file would be right".to_owned());
    }
    Ok(PictureFile::Path(folder.join(text)))
}

fn decoded(base64: &str) -> Result<PictureFile, String> {
    read_base64(base64).map(PictureFile::Bytes).map_err(|error| error.to_string())
}
