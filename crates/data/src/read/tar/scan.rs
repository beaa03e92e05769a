//! Scanned and rendered pages with their text, as m4 learns to read: a picture of each page, and behind it what stands on it.
//!
//! The text is in `ID.json`: RenderedText's `ocr_annotation.text`, a list of lines; PDFA's `pages[].lines.text` and IDL's
//! `pages[].text`, lists of a page's lines (`m4/training/dataset_utils.py`). RenderedText has its picture beside; PDFA and
//! IDL have a PDF, whose pages are not drawn here: they are read where a picture of each page lies beside it.

use crate::Sample;
use crate::read::{
    Columns,
    cell::{Cell, Fields},
    chat::Piece,
    interleaved,
    picture::picture,
    rows,
};
use std::path::Path;

/// Each page's text, taken out of the JSON's fields; `None` where they are of another kind.
pub(super) fn texts(fields: &mut Fields) -> Option<Result<Vec<String>, String>> {
    if let Some(Cell::Map(mut page)) = fields.take("ocr_annotation") {
        // Rendered lines are lines.
        return Some(lines(page.take("text"), "\n").map(|text| vec![text]));
    }
    let Some(Cell::List(pages)) = fields.take("pages") else { return None };
    let page = |(index, page)| {
        let Cell::Map(mut page) = page else { return Err(format!("page {index} is no object")) };
        let text = match page.take("lines") {
            Some(Cell::Map(mut inner)) => inner.take("text"),
            _ => page.take("text"),
        };
        lines(text, " ").map_err(|what| format!("page {index}: {what}"))
    };
    Some(pages.into_iter().enumerate().map(page).collect())
}

/// A list of lines as one text.
fn lines(cell: Option<Cell>, between: &str) -> Result<String, String> {
    match cell {
        Some(Cell::Text(text)) => Ok(text),
        Some(Cell::List(list)) => {
            let line = |cell| match cell {
                Cell::Text(line) => Ok(line),
                other => Err(format!("a line is {}; a text would be right", other.kind())),
            };
            Ok(list.into_iter().map(line).collect::<Result<Vec<_>, _>>()?.join(between))
        }
        Some(other) => Err(format!("`text` is {}; a list of lines would be right", other.kind())),
        None => Err("`text`, a list of lines, is missing".to_owned()),
    }
}

/// The pages one behind the other, each a picture and its text, with an empty line between pages. `fields` has the
/// pictures; `pdf` says that there is a PDF of them.
///
/// # Errors
/// The pictures are not as many as pages, or nothing stands on them.
pub(super) fn document(texts: Vec<String>, mut fields: Fields, pdf: bool, columns: &Columns) -> Result<Sample, String> {
    if *columns != Columns::default() {
        return Err(rows::NO_CHAT.to_owned());
    }
    let pictures = match fields.take("image") {
        Some(Cell::List(list)) => list,
        _ => Vec::new(),
    };
    if pictures.len() != texts.len() {
        let (pages, shown) = (texts.len(), pictures.len());
        let drawn = if pdf { "; a PDF is not drawn here" } else { "" };
        return Err(format!(
            "{pages} pages of text and {shown} pictures{drawn}: a picture of each page, ID.0.png, ID.1.png and so on, \
             would be right"
        ));
    }
    let last = texts.len().saturating_sub(1);
    let mut pieces = Vec::new();
    for (page, (text, shown)) in texts.into_iter().zip(pictures).enumerate() {
        pieces.push(Piece::Own(picture(shown, Path::new(""))?));
        pieces.push(Piece::Text(if page < last { format!("{text}\n\n") } else { text }));
    }
    interleaved::document(pieces)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{document, write};
    use crate::Columns;
    use crate::read::open;

    #[test]
    fn pages_with_their_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let pages = |pages: &str| format!(r#"{{"pages":[{pages}]}}"#).into_bytes();
        let pdfa =
            pages(r#"{"lines":{"text":["one","two"],"bbox":[]},"words":{"text":["x"]}},{"lines":{"text":["three"]}}"#);
        let idl = pages(r#"{"text":["one","two"],"bbox":[[0.1,0.2]]}"#);
        write(
            &path,
            &[
                ("r.json", br#"{"ocr_annotation":{"text":["first","second"],"bb_relative":[]},"image":"no.png"}"#),
                ("r.png", b"R"),
                ("p.json", &pdfa),
                ("p.pdf", b"%PDF"),
                ("p.1.png", b"Q"),
                ("p.0.png", b"P"),
                ("i.jpg", b"I"),
                ("i.json", &idl),
                ("i.ocr", b"not read"),
            ],
        );
        let source = open(&path, &Columns::default()).unwrap();
        assert_eq!(source.len(), 3);
        assert_eq!(source.read(0), Ok(document(&["", "first\nsecond"], &["R"])));
        assert_eq!(source.read(1), Ok(document(&["", "one two\n\n", "", "three"], &["P", "Q"])));
        assert_eq!(source.read(2), Ok(document(&["", "one two"], &["I"])));
        assert_eq!(source.read_with_references(2), Ok((document(&["", "one two"], &["I"]), Vec::new())));
        let prompt = Columns { prompt: Some("Read it.".to_owned()), ..Columns::default() };
        assert!(open(&path, &prompt).unwrap().read(0).unwrap_err().contains("neither a prompt"));
    }

    #[test]
    fn pages_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        write(
            &path,
            &[
                ("a.json", br#"{"pages":[{"text":["one"]}]}"#),
                ("a.pdf", b"%PDF"),
                ("b.json", br#"{"pages":[{"text":["one"]},{"text":["two"]}]}"#),
                ("b.png", b"B"),
                ("c.json", br#"{"pages":[{"words":{}}]}"#),
                ("c.png", b"C"),
                ("d.json", br#"{"ocr_annotation":{"text":[3]}}"#),
                ("d.png", b"D"),
                ("e.json", br#"{"pages":[{"text":[]}]}"#),
                ("e.png", b"E"),
            ],
        );
        let source = open(&path, &Columns::default()).unwrap();
        for (index, says) in [
            "1 pages of text and 0 pictures; a PDF is not drawn here: a picture of each page",
            "2 pages of text and 1 pictures: a picture of each page",
            "page 0: `text`, a list of lines, is missing",
            "a line is a number",
            "no text in it",
        ]
        .into_iter()
        .enumerate()
        {
            let error = source.read(index).unwrap_err();
            assert!(error.contains(says), "{index}: {error}");
        }
    }
}
