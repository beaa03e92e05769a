//! What members' names say.

/// `0.text.txt`, taken apart.
pub(super) struct Suffix {
    pub(super) whole: String,
    pub(super) number: Option<u32>,
    /// Between the number and the extension.
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What a member is, by its extension.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Picture,
    Text,
    Json,
    Metadata,
    /// A document whose pages are not drawn here.
    Pdf,
    Other,
}

impl Suffix {
    pub(super) fn new(whole: &str) -> Self {
        let (number, rest) = match whole.split_once('.') {
            Some((first, rest)) if first.parse::<u32>().is_ok() => (first.parse().ok(), rest),
            _ => (None, whole),
        };
        let (name, extension) = rest.rsplit_once('.').unwrap_or(("", rest));
        let kind = match extension.to_ascii_lowercase().as_str() {
            "txt" if name == "metadata" && number.is_none() => Kind::Metadata,
            "txt" => Kind::Text,
            "json" => Kind::Json,
            "jpg" | "jpeg" | "png" | "webp" | "gif" | "bmp" | "tif" | "tiff" | "ppm" | "pgm" | "pbm" | "pnm"
            | "pfm" | "qoi" | "ico" => Kind::Picture,
            "pdf" => Kind::Pdf,
            _ => Kind::Other,
        };
        Self { whole: whole.to_owned(), number, name: name.to_owned(), kind }
    }
}

/// A member's sample and suffix: its name up to the first dot behind the last slash, and what follows. Hidden files are
/// none.
pub(super) fn split(name: &[u8]) -> Option<(&[u8], &str)> {
    let file = name.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let dot = name.get(file..)?.iter().position(|&byte| byte == b'.').filter(|&dot| dot > 0)?;
    Some((name.get(..file + dot)?, str::from_utf8(name.get(file + dot + 1..)?).ok()?))
}
