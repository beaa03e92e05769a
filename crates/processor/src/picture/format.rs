//! Which kind of file some bytes are, by their first ones.

use crate::Error;

/// A kind of picture file that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Bmp,
    Gif,
    Ico,
    Jpeg,
    Png,
    Pnm,
    Qoi,
    Tiff,
    WebP,
}

impl Format {
    /// The kind of a file.
    pub(super) fn of(bytes: &[u8]) -> Result<Format, Error> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Ok(Format::Png),
            [0xFF, 0xD8, 0xFF, ..] => Ok(Format::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Format::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Format::Gif),
            [b'B', b'M', ..] => Ok(Format::Bmp),
            // Those with the bytes exchanged are wrong and yet written by some programs; 43 is BigTIFF.
            [b'I', b'I', b'*' | b'+', 0, ..] | [b'M', b'M', 0, b'*' | b'+', ..] => Ok(Format::Tiff),
            [b'I', b'I', 0, b'*', ..] | [b'M', b'M', b'*', 0, ..] => Ok(Format::Tiff),
            [b'P', b'1'..=b'6' | b'f', b' ' | b'\t' | b'\n' | 0x0B | 0x0C | b'\r', ..] => Ok(Format::Pnm),
            [b'q', b'o', b'i', b'f', ..] => Ok(Format::Qoi),
            [0, 0, 1, 0, ..] => Ok(Format::Ico),
            _ => {
                let found = looks_like(bytes);
                Err(Error::PictureFormat { found, convertible: !NO_PICTURES.contains(&found) })
            }
        }
    }

    /// Whether a file can hold several pictures.
    pub(super) fn has_frames(self) -> bool {
        matches!(self, Format::Gif | Format::Png | Format::Tiff | Format::WebP)
    }
}

const EMPTY: &str = "an empty file";
const PAGE: &str = "a web page (HTML)";
const XML: &str = "an XML file";
const UNKNOWN: &str = "something else";
/// What no program makes a picture of.
const NO_PICTURES: [&str; 4] = [EMPTY, PAGE, XML, UNKNOWN];

/// What a file that is of none of them looks like, for the message.
fn looks_like(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => EMPTY,
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => "an AVIF",
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', b'e' | b'i', ..] => "a HEIC",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "a video (MP4)",
        [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => "a JPEG XL",
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => "a JPEG 2000",
        // A TGA may begin like a cursor, but for the number of pictures, which is 0 there.
        _ if is_tga(bytes) => "a TGA",
        [0, 0, 2, 0, low, high, ..] if (*low, *high) != (0, 0) => "a cursor (CUR)",
        [b'8', b'B', b'P', b'S', ..] => "a Photoshop file",
        [b'%', b'P', b'D', b'F', ..] => "a PDF",
        [b'P', b'7', b' ' | b'\n' | b'\r' | b'\t', ..] => "a PAM",
        [b'P', b'F', b' ' | b'\n' | b'\r' | b'\t', ..] => "a PFM in colour",
        _ => looks_like_text(bytes),
    }
}

/// Whether some bytes are the header of a TGA, which has no mark of its own: with a palette or without, of a kind that there
/// is, and of a depth that there is.
fn is_tga(bytes: &[u8]) -> bool {
    let (Some(start), Some(depth)) = (bytes.get(1..8), bytes.get(16)) else { return false };
    let kind = matches!(start, [0, 2 | 3 | 10 | 11, 0, 0, 0, 0, 0] | [1, 1 | 9, _, _, _, _, 15 | 16 | 24 | 32]);
    kind && matches!(depth, 8 | 15 | 16 | 24 | 32)
}

/// Text that is sent as a picture: an SVG, or the web page that stood where the picture had been.
fn looks_like_text(bytes: &[u8]) -> &'static str {
    let start = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    let start = String::from_utf8_lossy(start).trim_start_matches('\u{FEFF}').trim_start().to_ascii_lowercase();
    if start.starts_with('<') && start.contains("<svg") {
        "an SVG"
    } else if start.starts_with("<!doctype html") || start.starts_with("<html") {
        PAGE
    } else if start.starts_with("<?xml") {
        XML
    } else {
        UNKNOWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (bytes, format) in [
            (b"\x89PNG\r\n\x1a\n".as_slice(), Format::Png),
            (b"\xff\xd8\xff\xe0", Format::Jpeg),
            (b"GIF89a", Format::Gif),
            (b"RIFF\0\0\0\0WEBPVP8 ", Format::WebP),
            (b"BM\0\0", Format::Bmp),
            (b"II*\0", Format::Tiff),
            (b"MM\0+", Format::Tiff),
            (b"P6\n1 1 255\n", Format::Pnm),
            (b"Pf\n", Format::Pnm),
            (b"qoif", Format::Qoi),
            (b"\0\0\x01\0", Format::Ico),
        ] {
            assert_eq!(Format::of(bytes).unwrap(), format);
        }
        for (bytes, found) in [
            (b"".as_slice(), "an empty file"),
            (b"\0\0\0\x1cftypavif", "an AVIF"),
            (b"\0\0\0\x1cftypheic", "a HEIC"),
            (b"\0\0\0\x1cftypmif1", "a HEIC"),
            (b"\0\0\0\x1cftypisom", "a video (MP4)"),
            (b"P7\nWIDTH 1", "a PAM"),
            (b"%PDF-1.7", "a PDF"),
            (b"\0\0\x02\0\0\0\0\0\0\0\0\0\x05\0\x05\0\x18\0", "a TGA"),
            (b"\x03\0\x0a\0\0\0\0\0\0\0\0\0\x05\0\x05\0\x20\x08abc", "a TGA"),
            (b"\0\x01\x01\0\0\0\x01\x18\0\0\0\0\x05\0\x05\0\x08\0", "a TGA"),
            (b"\0\0\x02\0\x01\0\x20\x20\0\0\0\0\0\0\x30\0\0\0", "a cursor (CUR)"),
            (b"\0\0\x02\0\0\0\0\0\0\0\0\0\x05\0\x05\0\x07\0", "something else"),
            (b"<svg xmlns=''>", "an SVG"),
            (b"<?xml version='1.0'?>\n<svg>", "an SVG"),
            (b"\xef\xbb\xbf <!DOCTYPE html>", "a web page (HTML)"),
            (b"<?xml version='1.0'?>", "an XML file"),
            (b"hello", "something else"),
            (b"\xff\xd8", "something else"),
        ] {
            assert!(matches!(Format::of(bytes), Err(Error::PictureFormat { found: f, .. }) if f == found), "{found}");
        }
    }
}
