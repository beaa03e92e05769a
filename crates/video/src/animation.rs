//! Animated GIF, WebP and PNG files.

use crate::Error;
use crate::times::Times;
use smolvlm_processor::{DecodeOptions, Picture, frame_seconds};
use std::path::Path;

/// Whether a file may be one, by its first bytes.
pub(crate) fn is_one(start: &[u8]) -> bool {
    let webp = start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP");
    webp || start.starts_with(b"GIF8") || start.starts_with(b"\x89PNG\r\n\x1a\n")
}

/// Whether a file is a picture of a kind that never moves, by its first bytes.
pub(crate) fn is_still(start: &[u8]) -> bool {
    let kinds: [&[u8]; 5] = [b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"qoif"];
    kinds.iter().any(|kind| start.starts_with(kind))
}

/// A file's bytes, and when its frames are shown.
pub(crate) fn open(path: &Path, options: &DecodeOptions) -> Result<(Vec<u8>, Times), Error> {
    let bytes = Picture::read(path, options)?;
    let named =
        |source| smolvlm_processor::Error::PictureFile { path: path.display().to_string(), source: Box::new(source) };
    let seconds = frame_seconds(&bytes).map_err(named)?;
    Ok((bytes, Times::lasting(&seconds)))
}
