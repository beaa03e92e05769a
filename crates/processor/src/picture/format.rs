//! Which kind of file some bytes are, by their first ones.

use crate::Error;

/// A kind of picture file that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
}

impl Format {
    /// The kind of a file.
    pub(super) fn of(bytes: &[u8]) -> Result<Format, Error> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Ok(Format::Png),
            [0xFF, 0xD8, 0xFF, ..] => Ok(Format::Jpeg),
            _ => Err(Error::PictureFormat { found: looks_like(bytes) }),
        }
    }
}

/// What a file that is neither looks like, for the message.
fn looks_like(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "an empty file",
        [b'G', b'I', b'F', b'8', ..] => "a GIF",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "a WebP",
        [b'B', b'M', ..] => "a BMP",
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => "a TIFF",
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => "an AVIF",
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', b'e' | b'i', ..] => "a HEIC",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "a video (MP4)",
        [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => "a JPEG XL",
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => "a JPEG 2000",
        [0, 0, 1, 0, ..] => "an icon (ICO)",
        [b'8', b'B', b'P', b'S', ..] => "a Photoshop file",
        [b'%', b'P', b'D', b'F', ..] => "a PDF",
        [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..] => "a PNM",
        [b'q', b'o', b'i', b'f', ..] => "a QOI",
        _ => looks_like_text(bytes),
    }
}

/// Text that is sent as a picture: an SVG, or the web page that stood where the picture had been.
fn looks_like_text(bytes: &[u8]) -> &'static str {
    let start = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    let start = String::from_utf8_lossy(start).trim_start_matches('\u{FEFF}').trim_start().to_ascii_lowercase();
    if start.starts_with('<') && start.contains("<svg") {
        "an SVG"
    } else if start.starts_with("<!doctype html") || start.starts_with("<html") {
        "a web page (HTML)"
    } else if start.starts_with("<?xml") {
        "an XML file"
    } else {
        "no kind of picture that is known here"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        assert_eq!(Format::of(b"\x89PNG\r\n\x1a\n").unwrap(), Format::Png);
        assert_eq!(Format::of(b"\xff\xd8\xff\xe0").unwrap(), Format::Jpeg);
        for (bytes, found) in [
            (b"".as_slice(), "an empty file"),
            (b"GIF89a", "a GIF"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "a WebP"),
            (b"BM\0\0", "a BMP"),
            (b"II*\0", "a TIFF"),
            (b"\0\0\0\x1cftypavif", "an AVIF"),
            (b"\0\0\0\x1cftypheic", "a HEIC"),
            (b"\0\0\0\x1cftypmif1", "a HEIC"),
            (b"\0\0\0\x1cftypisom", "a video (MP4)"),
            (b"%PDF-1.7", "a PDF"),
            (b"P6\n1 1 255\n", "a PNM"),
            (b"<svg xmlns=''>", "an SVG"),
            (b"<?xml version='1.0'?>\n<svg>", "an SVG"),
            (b"\xef\xbb\xbf <!DOCTYPE html>", "a web page (HTML)"),
            (b"<?xml version='1.0'?>", "an XML file"),
            (b"hello", "no kind of picture that is known here"),
            (b"\xff\xd8", "no kind of picture that is known here"),
        ] {
            assert!(matches!(Format::of(bytes), Err(Error::PictureFormat { found: f }) if f == found), "{found}");
        }
    }
}
