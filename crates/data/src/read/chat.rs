//! The turns of a chat, their places for pictures and clips, and what takes these places.

use super::{
    cell::{self, Cell, Fields},
    clip::clip,
    picture::picture,
};
use crate::{ClipFile, PictureFile};
use smolvlm_processor::{MediaSource, Part};
use std::path::Path;

/// What stands in a text for a picture, and for a clip.
const MARKS: [&str; 2] = ["<image>", "<video>"];

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
    /// The next of the row's clips.
    NextClip,
    /// A clip that the turn brings itself.
    OwnClip(ClipFile),
}

/// What a row shows: its own, or in the order of its places.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Shown {
    pub(super) pictures: Vec<PictureFile>,
    pub(super) clips: Vec<ClipFile>,
}

impl Shown {
    fn is_empty(&self) -> bool {
        self.pictures.is_empty() && self.clips.is_empty()
    }
}

/// Whether [`MARKS`] in a text are places.
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
            Self::NextClip | Self::OwnClip(_) => Part::Clip(MediaSource::Given),
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
        _ => return Err("`type` is missing; known are text, image and video".to_owned()),
    };
    match (kind.as_str(), fields.take("text")) {
        ("text", Some(Cell::Text(text))) => Ok(Piece::Text(text)),
        ("text", _) => Err("`text` is missing, or no text".to_owned()),
        ("image" | "image_url", _) => image(fields, folder),
        ("video" | "video_url", _) => video(fields, folder),
        (other, _) => {
            let other: String = other.chars().take(60).collect();
            Err(format!("the type {other:?} is unknown; known are text, image and video"))
        }
    }
}

/// A place for a picture: its own, the row's of an `index`, or the row's next.
fn image(mut fields: Fields, folder: &Path) -> Result<Piece, String> {
    if let Some(cell) = own(&mut fields, &["image", "path", "bytes", "image_url", "url"]) {
        return picture(cell, folder).map(Piece::Own);
    }
    match fields.take("index") {
        None => Ok(Piece::Next),
        Some(Cell::Number(index)) => index.parse().map(Piece::Nth).map_err(|_| format!("`index` is {index}")),
        Some(other) => Err(format!("`index` is {}; a number would be right", other.kind())),
    }
}

/// A place for a clip: its own, or the row's next.
fn video(mut fields: Fields, folder: &Path) -> Result<Piece, String> {
    match own(&mut fields, &["video", "path", "bytes", "video_url", "url"]) {
        Some(cell) => clip(cell, folder).map(Piece::OwnClip),
        None => Ok(Piece::NextClip),
    }
}

/// What a part brings itself, under one of these names.
fn own(fields: &mut Fields, names: &[&str]) -> Option<Cell> {
    match names.iter().find_map(|name| fields.take(name))? {
        Cell::Map(mut inner) if inner.get("url").is_some() => inner.take("url"),
        cell => Some(cell),
    }
}

/// Gives every place its picture or clip; the pieces that come back are texts and places, what is shown lies in these
/// places' order. Where there is something to show and no place, it goes in front of what the user says first, as LLaVA has
/// it. Where a row has clips and no pictures, `<image>` stands for a clip, as LLaVA-Video has it.
///
/// # Errors
/// More places than pictures or clips, or some that no place shows.
pub(super) fn fill(mut turns: Vec<Turn>, marks: Marks, given: Shown) -> Result<(Vec<Turn>, Shown), String> {
    let placed = turns.iter().any(Turn::shows);
    if marks == Marks::Always || (marks == Marks::WithPictures && !placed && !given.is_empty()) {
        for turn in &mut turns {
            // Without clips `<video>` is text, as in a page of HTML.
            let marks = if given.clips.is_empty() { &MARKS[..1] } else { &MARKS };
            turn.content =
                std::mem::take(&mut turn.content).into_iter().flat_map(|piece| marked(piece, marks)).collect();
        }
    }
    let pieces = |turns: &mut [Turn], change: &mut dyn FnMut(&mut Piece)| {
        turns.iter_mut().flat_map(|turn| &mut turn.content).for_each(change);
    };
    if given.pictures.is_empty() && !given.clips.is_empty() {
        pieces(&mut turns, &mut |piece| {
            if *piece == Piece::Next {
                *piece = Piece::NextClip;
            }
        });
    }
    if !given.is_empty() && !turns.iter().any(Turn::shows) {
        let user = turns.iter_mut().find(|turn| turn.role == "user");
        let user = user.ok_or("pictures, but no turn of the user that could show them")?;
        let pictures = given.pictures.iter().map(|_| Piece::Next);
        user.content.splice(..0, pictures.chain(given.clips.iter().map(|_| Piece::NextClip)));
    }
    let (mut pictures, mut clips) = (Places::new("picture", given.pictures), Places::new("clip", given.clips));
    pieces(&mut turns, &mut |piece| match piece {
        Piece::Text(_) => {}
        Piece::Own(own) => pictures.shown.push(own.clone()),
        Piece::Nth(index) => pictures.show(*index),
        Piece::Next => pictures.show_next(),
        Piece::NextClip => clips.show_next(),
        Piece::OwnClip(own) => clips.shown.push(own.clone()),
    });
    Ok((turns, Shown { pictures: pictures.finish()?, clips: clips.finish()? }))
}

/// What a row has of a kind, on the way to its places.
struct Places<T> {
    kind: &'static str,
    given: Vec<T>,
    /// Which of those given have a place.
    used: Vec<bool>,
    next: usize,
    /// In the places' order.
    shown: Vec<T>,
    wrong: Option<String>,
}

impl<T: Clone> Places<T> {
    fn new(kind: &'static str, given: Vec<T>) -> Places<T> {
        Places { kind, used: vec![false; given.len()], given, next: 0, shown: Vec::new(), wrong: None }
    }

    fn show(&mut self, index: usize) {
        match (self.given.get(index), self.used.get_mut(index)) {
            (Some(given), Some(used)) => {
                self.shown.push(given.clone());
                *used = true;
            }
            _ => {
                let (kind, count) = (self.kind, self.given.len());
                self.wrong.get_or_insert(format!("a place for {kind} {index}, but {count} {kind}s"));
            }
        }
    }

    fn show_next(&mut self) {
        self.show(self.next);
        self.next += 1;
    }

    fn finish(self) -> Result<Vec<T>, String> {
        let Places { kind, given, used, shown, wrong, .. } = self;
        let unused = used.iter().position(|used| !used).map(|index| {
            let count = given.len();
            format!("{kind} {index} of {count} has no place; as many places as {kind}s would be right")
        });
        wrong.or(unused).map_or(Ok(shown), Err)
    }
}

/// Splits a text at its marks. A line of marks alone goes with its line break, as in LLaVA's `<image>\nWhat is this?`.
fn marked(piece: Piece, marks: &[&str]) -> Vec<Piece> {
    let Piece::Text(said) = piece else { return vec![piece] };
    let (mut pieces, mut text, mut broken) = (Vec::new(), String::new(), false);
    let flush = |text: &mut String, pieces: &mut Vec<Piece>| {
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(text)));
        }
    };
    for line in said.split('\n') {
        let (words, places) = split(line, marks);
        let alone = !places.is_empty() && words.iter().all(|words| words.trim().is_empty());
        if broken && !alone {
            text.push('\n');
        }
        let mut places = places.into_iter();
        for (index, words) in words.into_iter().enumerate() {
            if index > 0 {
                flush(&mut text, &mut pieces);
                pieces.extend(places.next());
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

/// What stands between a line's marks, and the places that the marks are.
fn split<'a>(line: &'a str, marks: &[&str]) -> (Vec<&'a str>, Vec<Piece>) {
    let (mut words, mut places, mut rest) = (Vec::new(), Vec::new(), line);
    let first = |text: &str| marks.iter().filter_map(|mark| text.find(mark).map(|at| (at, *mark))).min();
    while let Some((at, mark)) = first(rest) {
        let (before, behind) = rest.split_at(at);
        words.push(before);
        places.push(if mark == MARKS[0] { Piece::Next } else { Piece::NextClip });
        rest = behind.strip_prefix(mark).unwrap_or_default();
    }
    words.push(rest);
    (words, places)
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
