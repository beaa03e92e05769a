//! Where a row's clips are. None is opened.

use super::{
    Columns,
    cell::{Cell, Fields},
    held,
    layout::CLIP,
};
use crate::ClipFile;
use std::path::Path;

const KIND: &str = "clip";

/// The row's clips: of the column that was given, or of the first of [`CLIP`] that is there; one or a list.
///
/// # Errors
/// The column that was given is missing (one that is null holds no clip), or [`held::held`]'s.
pub(super) fn clips(fields: &mut Fields, columns: &Columns, folder: &Path) -> Result<Vec<ClipFile>, String> {
    let cell = match &columns.video {
        Some(name) if !fields.names(name) => return Err(format!("`{name}`, of clips, is missing")),
        Some(name) => fields.take(name),
        None => CLIP.into_iter().find_map(|name| fields.take(name)),
    };
    cell.map_or(Ok(Vec::new()), |cell| held::all(cell, folder, KIND, &[]))
}

/// One clip.
///
/// # Errors
/// As [`held::held`].
pub(super) fn clip(cell: Cell, folder: &Path) -> Result<ClipFile, String> {
    held::held(cell, folder, KIND, &[]).map(ClipFile::from)
}
