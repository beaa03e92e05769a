//! The members of a sample become its row, its page or its chat.

use super::{
    Found, Member,
    suffix::{Kind, Suffix, split},
};
use crate::PictureFile;
use crate::read::{
    Columns,
    cell::{self, Cell, Fields},
    chat::Piece,
    interleaved,
    layout::TURNS,
    rows,
};

/// That every member that the list names is there.
pub(super) fn whole(members: &[(&Suffix, Member)], list: &str) -> Result<(), String> {
    let mut names = list.lines().map(str::trim).filter(|name| !name.is_empty()).peekable();
    if names.peek().is_none() {
        return Err("metadata.txt, the list of its members, is empty".to_owned());
    }
    let missing = names.find(|name| {
        let suffix = split(name.as_bytes()).map(|(_, suffix)| suffix);
        !members.iter().any(|(found, _)| Some(found.whole.as_str()) == suffix)
    });
    match missing {
        None => Ok(()),
        Some(name) => Err(format!("its member {:?} is missing", name.chars().take(200).collect::<String>())),
    }
}

/// A row of members without numbers. Its pictures stand in the column that was given for them, each text under its own
/// name (`text` without one), and JSON adds its own fields.
pub(super) fn row(
    members: &[(&Suffix, Member)],
    read: &mut dyn FnMut(Member) -> Result<Vec<u8>, String>,
    columns: &Columns,
) -> Result<Fields, String> {
    let (mut pictures, mut fields, mut more) = (Vec::new(), Fields::default(), Fields::default());
    for &(suffix, member) in members {
        match suffix.kind {
            Kind::Picture => pictures.push(Cell::Bytes(read(member)?)),
            Kind::Text => {
                let name = if suffix.name.is_empty() { "text" } else { &suffix.name };
                fields.0.push((name.to_owned(), Cell::Text(cell::text(read(member)?)?)));
            }
            Kind::Json => match cell::json(&read(member)?)? {
                Cell::Map(mut inner) => more.0.append(&mut inner.0),
                list @ Cell::List(_) => more.0.push(("messages".to_owned(), list)),
                other => return Err(format!(".{} is {}; an object would be right", suffix.whole, other.kind())),
            },
            Kind::Metadata | Kind::Pdf | Kind::Other => {}
        }
    }
    if !pictures.is_empty() {
        let name = columns.image.as_deref().unwrap_or("image");
        fields.0.insert(0, (name.to_owned(), Cell::List(pictures)));
    }
    fields.0.append(&mut more.0);
    Ok(fields)
}

/// A page of numbered members, or the chat that its texts are.
pub(super) fn page(
    members: &[(&Suffix, Member)],
    read: &mut dyn FnMut(Member) -> Result<Vec<u8>, String>,
    columns: &Columns,
) -> Result<Found, String> {
    let (mut pieces, mut turns) = (Vec::new(), Vec::new());
    for &(suffix, member) in members {
        match suffix.kind {
            Kind::Text => {
                let text = cell::text(read(member)?)?;
                turns.extend(turn(&text));
                pieces.push((suffix.number, Piece::Text(text)));
            }
            Kind::Picture => pieces.push((suffix.number, Piece::Own(PictureFile::Bytes(read(member)?)))),
            Kind::Json | Kind::Metadata | Kind::Pdf | Kind::Other => {}
        }
    }
    let texts = pieces.iter().filter(|(_, piece)| matches!(piece, Piece::Text(_))).count();
    if texts > 0 && turns.len() == texts {
        return Ok(Found::Row(chat(pieces.into_iter().map(|(_, piece)| piece), turns, columns)));
    }
    if *columns != Columns::default() {
        return Err(rows::NO_CHAT.to_owned());
    }
    let mut last = None;
    for (number, _) in &pieces {
        match number {
            None => return Err("a member has no number, which would tell its place".to_owned()),
            Some(number) if Some(*number) == last => return Err(format!("two members have the place {number}")),
            Some(number) => last = Some(*number),
        }
    }
    interleaved::document(pieces.into_iter().map(|(_, piece)| piece).collect()).map(Found::Document)
}

/// A row of turns, with the pictures among these pieces in front.
fn chat(pieces: impl Iterator<Item = Piece>, turns: Vec<Cell>, columns: &Columns) -> Cell {
    let pictures = pieces.filter_map(|piece| match piece {
        Piece::Own(PictureFile::Bytes(bytes)) => Some(Cell::Bytes(bytes)),
        _ => None,
    });
    let image = columns.image.as_deref().unwrap_or("images").to_owned();
    let fields = vec![(image, Cell::List(pictures.collect())), (TURNS.to_owned(), Cell::List(turns))];
    Cell::Map(Fields(fields))
}

/// A text that is JSON of `user` and `assistant`.
fn turn(text: &str) -> Option<Cell> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    match cell::json(text.as_bytes()) {
        Ok(Cell::Map(fields)) if fields.get("user").is_some() && fields.get("assistant").is_some() => {
            Some(Cell::Map(fields))
        }
        _ => None,
    }
}
