//! The turns of a chat, their places for pictures, and the pictures for these places.

use super::{
    cell::{self, Cell, Fields},
    picture::picture,
};
use crate::PictureFile;
use smolvlm_processor::{MediaSource, Part};
use std::path::Path;

/// What stands in a text for a picture.
const MARK: &str = "<image>";

/// One turn.
#[derive(Debug, PartialEq)]
pub(super) struct Turn {
    pub(super) role: &'static str,
    pub(super) content: Vec<Piece>,
}

/// A piece of a turn.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    /// The next of the row's pictures.
    Next,
    /// The row's picture of this index.
    Nth(usize),
    /// A picture that the turn brings itself.
    Own(PictureFile),
}

/// Whether [`MARK`] in a text is a place for a picture.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Marks {
    /// It is text.
    Never,
    /// Where the row has pictures and no part is a place for one.
    WithPictures,
    /// LLaVA's: always.
    Always,
}

impl Turn {
    pub(super) fn text(role: &'static str, text: String) -> Self {
        Self { role, content: vec![Piece::Text(text)] }
    }

    fn shows(&self) -> bool {
        self.content.iter().any(|piece| !matches!(piece, Piece::Text(_)))
    }

    pub(super) fn says(&self) -> bool {
        self.content.iter().any(|piece| matches!(piece, Piece::Text(text) if !text.trim().is_empty()))
    }
}

impl Piece {
    pub(super) fn part(self) -> Part {
        match self {
            Self::Text(text) => Part::Text(text),
            Self::Next | Self::Nth(_) | Self::Own(_) => Part::Image(MediaSource::Given),
        }
    }
}

/// Reads a list of messages, or a text that holds one as JSON: `role` (or `from`) and `content` (or `value`), which is a
/// text or a list of parts. Fields that are not known are left aside, as tables have the same ones for every row.
pub(super) fn turns(cell: Cell, folder: &Path) -> Result<Vec<Turn>, String> {
    let cell = match cell {
        Cell::Text(text) => cell::json(text.as_bytes())?,
        cell => cell,
    };
    let Cell::List(list) = cell else {
        return Err(format!("the chat is {}; a list of messages would be right", cell.kind()));
    };
    let turn = |(index, cell)| turn(cell, folder).map_err(|what| format!("message {index}: {what}"));
    list.into_iter().enumerate().map(turn).collect()
}

fn turn(cell: Cell, folder: &Path) -> Result<Turn, String> {
    let Cell::Map(mut fields) = cell else {
        return Err(format!("{} found; an object of `role` and `content` would be right", cell.kind()));
    };
    let role = match fields.take("role").or_else(|| fields.take("from")) {
        Some(Cell::Text(name)) => role(&name)?,
        Some(other) => return Err(format!("`role` is {}; a text would be right", other.kind())),
        None => return Err("`role` is missing".to_owned()),
    };
    let content = match fields.take("content").or_else(|| fields.take("value")) {
        Some(Cell::Text(text)) => vec![Piece::Text(text)],
        Some(Cell::List(parts)) => parts
            .into_iter()
            .enumerate()
            .map(|(index, cell)| piece(cell, folder).map_err(|what| format!("part {index}: {what}")))
            .collect::<Result<_, _>>()?,
        Some(other) => return Err(format!("`content` is {}; a text or a list of parts would be right", other.kind())),
        None => return Err("`content` is missing".to_owned()),
    };
    Ok(Turn { role, content })
}

fn role(name: &str) -> Result<&'static str, String> {
    match name {
        "user" | "human" => Ok("user"),
        "assistant" | "gpt" => Ok("assistant"),
        "system" => Ok("system"),
        _ => {
            let name: String = name.chars().take(60).collect();
            Err(format!("the role {name:?} is unknown; known are user (human), assistant (gpt) and system"))
        }
    }
}

fn piece(cell: Cell, folder: &Path) -> Result<Piece, String> {
    let mut fields = match cell {
        Cell::Map(fields) => fields,
        Cell::Text(text) => return Ok(Piece::Text(text)),
        other => return Err(format!("{} found; an object with a `type` would be right", other.kind())),
    };
    let kind = match fields.take("type") {
        Some(Cell::Text(kind)) => kind,
        _ => return Err("`type` is missing; known are text and image".to_owned()),
    };
    match (kind.as_str(), fields.take("text")) {
        ("text", Some(Cell::Text(text))) => Ok(Piece::Text(text)),
        ("text", _) => Err("`text` is missing, or no text".to_owned()),
        ("image" | "image_url", _) => image(fields, folder),
        (other, _) => {
            let other: String = other.chars().take(60).collect();
            Err(format!("the type {other:?} is unknown; known are text and image"))
        }
    }
}

/// A place for a picture: its own, the row's of an `index`, or the row's next.
fn image(mut fields: Fields, folder: &Path) -> Result<Piece, String> {
    if let Some(cell) = ["image", "path", "bytes", "image_url", "url"].into_iter().find_map(|name| fields.take(name)) {
        let cell = match cell {
            Cell::Map(mut inner) if inner.get("url").is_some() => inner.take("url").unwrap_or(Cell::Null),
            cell => cell,
        };
        return picture(cell, folder).map(Piece::Own);
    }
    match fields.take("index") {
        None => Ok(Piece::Next),
        Some(Cell::Number(index)) => index.parse().map(Piece::Nth).map_err(|_| format!("`index` is {index}")),
        Some(other) => Err(format!("`index` is {}; a number would be right", other.kind())),
    }
}

/// Gives every place its picture; the pieces that come back are texts and places, the pictures lie in these places'
/// order. Where there are pictures and no place, they go in front of what the user says first, as LLaVA has it.
///
/// # Errors
/// More places than pictures, or pictures that no place shows.
pub(super) fn fill(
    mut turns: Vec<Turn>,
    marks: Marks,
    given: Vec<PictureFile>,
) -> Result<(Vec<Turn>, Vec<PictureFile>), String> {
    let placed = turns.iter().any(Turn::shows);
    if marks == Marks::Always || (marks == Marks::WithPictures && !placed && !given.is_empty()) {
        for turn in &mut turns {
            turn.content = std::mem::take(&mut turn.content).into_iter().flat_map(marked).collect();
        }
    }
    if !given.is_empty() && !turns.iter().any(Turn::shows) {
        let user = turns.iter_mut().find(|turn| turn.role == "user");
        let user = user.ok_or("pictures, but no turn of the user that could show them")?;
        user.content.splice(..0, given.iter().map(|_| Piece::Next));
    }
    let count = given.len();
    let mut shown = vec![false; count];
    let mut next = 0;
    let mut pictures = Vec::new();
    for piece in turns.iter_mut().flat_map(|turn| &mut turn.content) {
        let index = match piece {
            Piece::Text(_) => continue,
            Piece::Own(own) => {
                pictures.push(own.clone());
                continue;
            }
            Piece::Nth(index) => *index,
            Piece::Next => {
                next += 1;
                next - 1
            }
        };
        let picture = given.get(index).ok_or_else(|| format!("a place for picture {index}, but {count} pictures"))?;
        pictures.push(picture.clone());
        if let Some(shown) = shown.get_mut(index) {
            *shown = true;
        }
    }
    match shown.iter().position(|shown| !shown) {
        Some(index) => {
            Err(format!("picture {index} of {count} has no place; as many places as pictures would be right"))
        }
        None => Ok((turns, pictures)),
    }
}

/// Splits a text at its marks. A line of marks alone goes with its line break, as in LLaVA's `<image>\nWhat is this?`.
fn marked(piece: Piece) -> Vec<Piece> {
    let Piece::Text(said) = piece else { return vec![piece] };
    let (mut pieces, mut text, mut broken) = (Vec::new(), String::new(), false);
    let flush = |text: &mut String, pieces: &mut Vec<Piece>| {
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(text)));
        }
    };
    for line in said.split('\n') {
        let alone = line.contains(MARK) && line.replace(MARK, "").trim().is_empty();
        if broken && !alone {
            text.push('\n');
        }
        for (index, words) in line.split(MARK).enumerate() {
            if index > 0 {
                flush(&mut text, &mut pieces);
                pieces.push(Piece::Next);
            }
            if !alone {
                text.push_str(words);
            }
        }
        broken = !alone;
    }
    flush(&mut text, &mut pieces);
    pieces
}

/// That something is said in every turn, and something answered.
pub(super) fn check(turns: &[Turn]) -> Result<(), String> {
    for (index, turn) in turns.iter().enumerate() {
        match turn.role {
            "assistant" if !turn.says() => return Err(format!("message {index}: the answer is empty")),
            _ if !turn.says() && !turn.shows() => return Err(format!("message {index}: it says nothing")),
            _ => {}
        }
    }
    match turns.iter().any(|turn| turn.role == "assistant") {
        true => Ok(()),
        false => Err("no turn of the assistant: there is nothing to learn".to_owned()),
    }
}
