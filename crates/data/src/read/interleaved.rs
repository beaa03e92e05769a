//! Documents of texts and pictures in turn: OBELICS' rows, and m4's numbered pages.

use super::{
    cell::{Cell, Fields},
    chat::Piece,
    picture::picture,
};
use crate::{Content, PictureFile, Sample};
use smolvlm_processor::{MediaSource, Part};
use std::path::Path;

/// What stands in OBELICS' texts where one document of a web page ended and the next began.
const END: &str = "END_OF_DOCUMENT_TOKEN_TO_BE_REPLACED";

/// Whether a list of `texts` is a document's: texts and nulls, where a chat's are objects.
pub(super) fn is_document(texts: &Cell) -> bool {
    let Cell::List(texts) = texts else { return false };
    !texts.is_empty() && texts.iter().all(|text| matches!(text, Cell::Text(_) | Cell::Null))
}

/// A row of two lists of the same length, `texts` and pictures: at each place one of them has something, the other null.
///
/// # Errors
/// The lists do not fit together, a picture is an address or none at all, or nothing is said.
pub(super) fn row(texts: Cell, pictures: Option<Cell>, folder: &Path) -> Result<Sample, String> {
    let Cell::List(texts) = texts else { return Err("`texts` is no list".to_owned()) };
    let pictures = match pictures {
        None => texts.iter().map(|_| Cell::Null).collect(),
        Some(Cell::List(list)) => list,
        Some(other) => return Err(format!("the pictures are {}; a list beside `texts` would be right", other.kind())),
    };
    if pictures.len() != texts.len() {
        let (texts, pictures) = (texts.len(), pictures.len());
        return Err(format!("{texts} places for texts and {pictures} for pictures; as many would be right"));
    }
    let mut pieces = Vec::new();
    for (place, (text, shown)) in texts.into_iter().zip(pictures).enumerate() {
        match (text, shown) {
            (Cell::Text(_), shown) if !is_none(&shown) => {
                return Err(format!("place {place} has both a text and a picture; one of them would be right"));
            }
            (Cell::Text(text), _) => pieces.push(Piece::Text(text)),
            (_, shown) if is_none(&shown) => {}
            (_, shown) => {
                let own = picture(shown, folder).map_err(|what| format!("picture {place}: {what}"))?;
                pieces.push(Piece::Own(own));
            }
        }
    }
    document(pieces)
}

/// Whether there is no picture: null, or an object that is null in all its parts.
fn is_none(cell: &Cell) -> bool {
    match cell {
        Cell::Null => true,
        Cell::Map(Fields(fields)) => fields.iter().all(|(_, cell)| matches!(cell, Cell::Null)),
        _ => false,
    }
}

/// Texts and pictures (each its own) as a document. As m4 joins them, a blank stands between two texts and none beside a
/// picture; where one document of a page ended a paragraph does.
///
/// # Errors
/// Nothing is said.
pub(super) fn document(pieces: Vec<Piece>) -> Result<Sample, String> {
    let (mut parts, mut pictures): (Vec<Part>, Vec<PictureFile>) = (Vec::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                let text = without_ends(text);
                match parts.last_mut() {
                    _ if text.is_empty() => {}
                    Some(Part::Text(before)) => {
                        before.push(' ');
                        before.push_str(&text);
                    }
                    _ => parts.push(Part::Text(text)),
                }
            }
            Piece::Own(own) => {
                pictures.push(own);
                parts.push(Part::Image(MediaSource::Given));
            }
            Piece::Next | Piece::Nth(_) | Piece::NextClip | Piece::OwnClip(_) => {
                return Err("a place without a picture of its own".to_owned());
            }
        }
    }
    if !parts.iter().any(|part| matches!(part, Part::Text(text) if !text.trim().is_empty())) {
        return Err("no text in it".to_owned());
    }
    Ok(Sample { content: Content::Document(parts), pictures, clips: Vec::new() })
}

/// A text whose documents are paragraphs.
fn without_ends(text: String) -> String {
    if !text.contains(END) {
        return text;
    }
    let documents = text.split(END).map(str::trim).filter(|document| !document.is_empty());
    documents.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Columns;
    use crate::read::{cell, open};

    fn read(json: &str) -> Result<String, String> {
        let Cell::Map(mut fields) = cell::json(json.as_bytes())? else { panic!("no object") };
        let texts = fields.take("texts").unwrap();
        assert!(is_document(&texts));
        row(texts, fields.take("images"), Path::new("/d")).map(|sample| brief(&sample))
    }

    /// The parts, with pictures as their paths or what is text of their bytes.
    fn brief(sample: &Sample) -> String {
        let Content::Document(parts) = &sample.content else { panic!("a chat") };
        let mut pictures = sample.pictures.iter().map(|picture| match picture {
            PictureFile::Path(path) => path.display().to_string(),
            PictureFile::Bytes(bytes) => String::from_utf8_lossy(bytes).replace('\u{fffd}', ""),
            PictureFile::Pixels(picture) => format!("{picture:?}"),
        });
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            _ => format!("[{}]", pictures.next().unwrap()),
        };
        parts.iter().map(part).collect()
    }

    #[test]
    fn texts_and_pictures_in_turn() {
        for (json, says) in [
            (r#"{"images":[null,"a.png",null],"texts":["One.",null,"Two."]}"#, "One.[/d/a.png]Two."),
            (r#"{"images":["a","b",null,null,null],"texts":[null,null,"C","D",null]}"#, "[/d/a][/d/b]C D"),
            (r#"{"images":[{"bytes":"Yg==","path":null},{"bytes":null,"path":null}],"texts":[null,"T"]}"#, "[b]T"),
            (r#"{"texts":["<image> is text here",""]}"#, "<image> is text here"),
            (
                r#"{"texts":["One.\n\nEND_OF_DOCUMENT_TOKEN_TO_BE_REPLACED\n\nTwo.END_OF_DOCUMENT_TOKEN_TO_BE_REPLACED"]}"#,
                "One.\n\nTwo.",
            ),
        ] {
            assert_eq!(read(json).as_deref(), Ok(says), "{json}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_document() {
        for (json, says) in [
            (
                r#"{"images":["https://x/y.jpg",null],"texts":[null,"T"]}"#,
                "picture 0: \"https://x/y.jpg\" is an address",
            ),
            (r#"{"images":[null,null],"texts":["T"]}"#, "1 places for texts and 2 for pictures"),
            (r#"{"images":["a"],"texts":["T"]}"#, "place 0 has both"),
            (r#"{"images":["a"],"texts":[null]}"#, "no text in it"),
            (r#"{"images":"a","texts":["T"]}"#, "the pictures are a text"),
            (r#"{"images":[3,null],"texts":[null,"T"]}"#, "picture 0: a number found"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }

    #[test]
    fn rows_of_parquet() {
        let data = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
        let source = open(&data("obelics.parquet"), &Columns::default()).unwrap();
        assert_eq!(source.len(), 4);
        let shown = |row: usize| source.read(row).map(|sample| brief(&sample));
        assert_eq!(shown(0).as_deref(), Ok("before 0[picture 0]behind 0"));
        assert_eq!(shown(3).as_deref(), Ok("before 3[picture 3]behind 3"));
        assert_eq!(shown(1), Ok("words alone".to_owned()));
        let refused = source.read(2).unwrap_err();
        assert!(refused.contains("\"https://example.org/2.jpg\" is an address: only files are read"), "{refused}");
        // As OBELICS itself is: addresses alone.
        let source = open(&data("obelics-addresses.parquet"), &Columns::default()).unwrap();
        assert!(source.read(0).unwrap_err().contains("is an address"));
        assert_eq!(source.read(1).map(|sample| brief(&sample)), Ok("words alone".to_owned()));
        let prompted = Columns { prompt: Some("P".to_owned()), ..Columns::default() };
        let source = open(&data("obelics.parquet"), &prompted).unwrap();
        assert!(source.read(0).unwrap_err().contains("neither a prompt nor a system message"));
    }
}
