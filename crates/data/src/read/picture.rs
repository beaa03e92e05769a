//! Where a row's pictures are. None is decoded or even opened.

use super::{
    Columns,
    cell::{Cell, Fields},
    held,
    layout::IMAGE,
};
use crate::PictureFile;
use std::path::Path;

const KIND: &str = "picture";
/// How a JPEG, a PNG, a GIF and a WebP begin in base64, as tables for evaluation hold them; no path does.
const BASE64: [&str; 5] = ["/9j/", "iVBORw0KGgo", "R0lGODdh", "R0lGODlh", "UklGR"];

/// The row's pictures: of the column that was given, or of the first of [`IMAGE`] that is there; one or a list.
///
/// # Errors
/// The column that was given is missing (one that is null holds no picture), or [`held::held`]'s.
pub(super) fn pictures(fields: &mut Fields, columns: &Columns, folder: &Path) -> Result<Vec<PictureFile>, String> {
    cell(fields, columns)?.map_or(Ok(Vec::new()), |cell| all(cell, folder))
}

/// One picture or a list of them.
///
/// # Errors
/// As [`held::held`], with its place in a list.
pub(super) fn all(cell: Cell, folder: &Path) -> Result<Vec<PictureFile>, String> {
    held::all(cell, folder, KIND, &BASE64)
}

/// The column of the row's pictures, where it has one.
pub(super) fn cell(fields: &mut Fields, columns: &Columns) -> Result<Option<Cell>, String> {
    match &columns.image {
        Some(name) if !fields.names(name) => Err(format!("`{name}`, of pictures, is missing")),
        Some(name) => Ok(fields.take(name)),
        None => Ok(IMAGE.into_iter().find_map(|name| fields.take(name))),
    }
}

/// One picture.
///
/// # Errors
/// As [`held::held`].
pub(super) fn picture(cell: Cell, folder: &Path) -> Result<PictureFile, String> {
    held::held(cell, folder, KIND, &BASE64).map(PictureFile::from)
}
