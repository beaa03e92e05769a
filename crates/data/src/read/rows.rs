//! A row becomes a sample, whatever file it comes from.

use super::{
    Columns,
    answer::text,
    cell::{Cell, Fields},
    chat::{self, Marks, Piece, Shown, Turn},
    choices,
    clip::clips,
    interleaved,
    layout::{CHAT, Layout, SYSTEM, TURNS, layout},
    picture::{self, pictures},
    references::with_references,
};
use crate::{Content, Error, References, Sample, Source};
use smolvlm_processor::{Message, Part};
use std::path::{Path, PathBuf};

/// Rows that can be read in any order.
pub(super) trait Rows: Send + Sync {
    fn len(&self) -> usize;

    /// The row `index`, or what is wrong with it.
    fn row(&self, index: usize) -> Result<Cell, String>;
}

/// Rows as samples.
pub(super) struct RowSource<R> {
    pub(super) rows: R,
    pub(super) columns: Columns,
    /// Where the pictures' relative paths start.
    pub(super) folder: PathBuf,
}

impl<R: Rows> Source for RowSource<R> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn read(&self, index: usize) -> Result<Sample, String> {
        sample(self.rows.row(index)?, &self.columns, &self.folder)
    }

    fn read_with_references(&self, index: usize) -> Result<(Sample, Vec<References>), String> {
        with_references(self.rows.row(index)?, &self.columns, &self.folder)
    }
}

/// How many rows must fail before a file of JSON is taken for one of another kind.
const PROBED: usize = 16;

impl<R: Rows> RowSource<R> {
    /// That there are rows, and that not every one of the first is of a form that nobody knows.
    pub(super) fn probe(self, path: &Path) -> Result<Self, Error> {
        let wrong = |what| Err(Error::Format { path: path.display().to_string(), what });
        let mut first = None;
        for index in 0..self.len().min(PROBED) {
            let known = self.rows.row(index).and_then(|row| match row {
                Cell::List(_) => Ok(()),
                Cell::Map(fields) => layout(&|name| fields.get(name).is_some(), &self.columns).map(|_| ()),
                other => Err(no_row(&other)),
            });
            match known {
                Ok(()) => return Ok(self),
                Err(what) => first = first.or(Some(what)),
            }
        }
        match first {
            None => wrong("no rows".to_owned()),
            Some(what) => wrong(format!("no samples in it; its first row: {what}")),
        }
    }
}

fn no_row(cell: &Cell) -> String {
    format!("{} found; an object, or a list of messages, would be right", cell.kind())
}

/// The sample of a row: a list of messages, or an object of which [`layout`] knows the columns.
pub(super) fn sample(row: Cell, columns: &Columns, folder: &Path) -> Result<Sample, String> {
    let mut fields = match row {
        Cell::Map(fields) => fields,
        Cell::List(list) => Fields(vec![(CHAT[0].to_owned(), Cell::List(list))]),
        other => return Err(no_row(&other)),
    };
    let layout = layout(&|name| fields.get(name).is_some(), columns)?;
    let system = system(&mut fields, columns)?;
    let shown = |fields: &mut Fields| {
        Ok::<_, String>(Shown { pictures: pictures(fields, columns, folder)?, clips: clips(fields, columns, folder)? })
    };
    let said = |name: &str, fields: &mut Fields| text(name, fields.take(name).unwrap_or(Cell::Null), columns);
    let (mut turns, marks) = match layout {
        Layout::Chat(name) => {
            let marks = if name == CHAT[0] { Marks::WithPictures } else { Marks::Always };
            (chat::turns(fields.take(name).unwrap_or(Cell::Null), folder)?, marks)
        }
        Layout::Turns => {
            let cell = fields.take(TURNS).unwrap_or(Cell::Null);
            if interleaved::is_document(&cell) {
                if columns.system.is_some() || columns.prompt.is_some() {
                    return Err(NO_CHAT.to_owned());
                }
                return interleaved::row(cell, picture::cell(&mut fields, columns)?, folder);
            }
            (pairs(cell)?, Marks::Never)
        }
        Layout::Asked { question, answer } => {
            let asked = said(&question, &mut fields)?;
            let told = fields.take(&answer).unwrap_or(Cell::Null);
            let (asked, told) = choices::asked(&mut fields, asked, told)?;
            let turns = vec![Turn::text("user", asked), Turn::text("assistant", text(&answer, told, columns)?)];
            (turns, Marks::WithPictures)
        }
        Layout::Prompted { answer } => {
            let user = Turn { role: "user", content: Vec::new() };
            (vec![user, Turn::text("assistant", said(&answer, &mut fields)?)], Marks::Never)
        }
        Layout::Document { text } => {
            if columns.system.is_some() {
                return Err("a document has no system message; a question beside it would be right".to_owned());
            }
            let page = Turn::text("user", said(&text, &mut fields)?);
            return document(page, shown(&mut fields)?);
        }
    };
    turns.retain(|turn| turn.role != "system" || turn.says());
    if let Some(text) = system.filter(|_| turns.first().is_none_or(|turn| turn.role != "system")) {
        turns.insert(0, Turn::text("system", text));
    }
    let (mut turns, Shown { pictures, clips }) = chat::fill(turns, marks, shown(&mut fields)?)?;
    prompt(&mut turns, columns)?;
    chat::check(&turns)?;
    let messages = turns.into_iter().map(|turn| Message { role: turn.role.to_owned(), content: parts(turn.content) });
    Ok(Sample { content: Content::Chat(messages.collect()), pictures, clips })
}

/// What is wrong with a prompt or a system message for a document of texts and pictures in turn.
pub(super) const NO_CHAT: &str =
    "a page of texts and pictures has neither a prompt nor a system message; none given would be right";

/// Text and pictures without a template.
fn document(page: Turn, given: Shown) -> Result<Sample, String> {
    let (pages, Shown { pictures, clips }) = chat::fill(vec![page], Marks::WithPictures, given)?;
    let parts = parts(pages.into_iter().flat_map(|page| page.content).collect());
    if !parts.iter().any(|part| matches!(part, Part::Text(text) if !text.trim().is_empty())) {
        return Err("its text is empty".to_owned());
    }
    Ok(Sample { content: Content::Document(parts), pictures, clips })
}

fn parts(content: Vec<Piece>) -> Vec<Part> {
    content.into_iter().map(Piece::part).collect()
}

/// The prompt is a text of its own in front of what the user says and shows first.
fn prompt(turns: &mut [Turn], columns: &Columns) -> Result<(), String> {
    let Some(text) = &columns.prompt else { return Ok(()) };
    let user =
        turns.iter_mut().find(|turn| turn.role == "user").ok_or("the user says nothing that a prompt could lead")?;
    user.content.insert(0, Piece::Text(text.clone()));
    Ok(())
}

/// The row's system message: of the column that was given, or of one that has the usual name.
fn system(fields: &mut Fields, columns: &Columns) -> Result<Option<String>, String> {
    let name = columns.system.as_deref().unwrap_or(SYSTEM);
    if columns.system.is_some() && !fields.names(name) {
        return Err(format!("`{name}` is missing"));
    }
    match fields.take(name) {
        None => Ok(None),
        Some(Cell::Text(text)) if text.trim().is_empty() => Ok(None),
        Some(cell) => text(name, cell, columns).map(Some),
    }
}

/// The Cauldron's turns.
fn pairs(cell: Cell) -> Result<Vec<Turn>, String> {
    let Cell::List(list) = cell else {
        return Err(format!("`{TURNS}` is {}; a list of `user` and `assistant` would be right", cell.kind()));
    };
    let mut turns = Vec::new();
    for (index, pair) in list.into_iter().enumerate() {
        let Cell::Map(mut pair) = pair else {
            return Err(format!("turn {index} is {}; an object of `user` and `assistant` would be right", pair.kind()));
        };
        for role in ["user", "assistant"] {
            match pair.take(role) {
                Some(Cell::Text(text)) => turns.push(Turn::text(role, text)),
                None => return Err(format!("turn {index}: `{role}` is missing")),
                Some(other) => {
                    return Err(format!("turn {index}: `{role}` is {}; a text would be right", other.kind()));
                }
            }
        }
    }
    Ok(turns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::cell;
    use crate::{ClipFile, PictureFile};

    fn read(json: &str, columns: &Columns) -> Result<Sample, String> {
        sample(cell::json(json.as_bytes())?, columns, Path::new("/d"))
    }

    /// A sample in short: `role: text [picture] | …`, or a document's parts alone.
    fn brief(sample: &Sample) -> String {
        let mut pictures = sample.pictures.iter().map(|picture| match picture {
            PictureFile::Path(path) => path.display().to_string(),
            PictureFile::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            PictureFile::Pixels(picture) => format!("{picture:?}"),
        });
        let mut parts = |parts: &[Part]| {
            let part = |part: &Part| match part {
                Part::Text(text) => text.clone(),
                _ => format!("[{}]", pictures.next().unwrap()),
            };
            parts.iter().map(part).collect::<Vec<_>>().join(" ")
        };
        let text = match &sample.content {
            Content::Document(document) => parts(document),
            Content::Chat(messages) => {
                let said = messages.iter().map(|message| format!("{}: {}", message.role, parts(&message.content)));
                said.collect::<Vec<_>>().join(" | ")
            }
        };
        assert!(pictures.next().is_none(), "every picture has its place");
        text
    }

    fn columns(image: &str, question: &str, answer: &str, system: &str, prompt: &str) -> Columns {
        let given = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
        let (image, question, answer) = (given(image), given(question), given(answer));
        Columns { image, question, answer, system: given(system), prompt: given(prompt), ..Columns::default() }
    }

    #[test]
    fn clips_of_rows() {
        let path = |name: &str| ClipFile::Path(Path::new("/d").join(name));
        let places = |sample: &Sample| {
            let parts = |parts: &[Part]| {
                let part = |part: &Part| match part {
                    Part::Text(text) => text.clone(),
                    Part::Clip(_) => "[clip]".to_owned(),
                    _ => "[picture]".to_owned(),
                };
                parts.iter().map(part).collect::<Vec<_>>().join(" ")
            };
            match &sample.content {
                Content::Chat(messages) => messages.iter().map(|m| parts(&m.content)).collect::<Vec<_>>().join(" | "),
                Content::Document(document) => parts(document),
            }
        };
        let prompted = Columns { prompt: Some("P".into()), video: Some("film".into()), ..Columns::default() };
        let plain = Columns::default();
        for (json, columns, says, clips) in [
            (r#"{"video":"a.mp4","question":"Q","answer":"A"}"#, &plain, "[clip] Q | A", vec![path("a.mp4")]),
            (r#"{"film":"a.mp4","caption":"A"}"#, &prompted, "P [clip] | A", vec![path("a.mp4")]),
            (
                r#"{"videos":["a.mp4",{"bytes":"Yg=="}],"text":"T"}"#,
                &plain,
                "[clip] [clip] T",
                vec![path("a.mp4"), ClipFile::Bytes(b"b".into())],
            ),
            // LLaVA-Video's mark, and the usual one.
            (
                r#"{"video":"a.mp4","conversations":[{"from":"human","value":"<image>\nQ"},{"from":"gpt","value":"A"}]}"#,
                &plain,
                "[clip] Q | A",
                vec![path("a.mp4")],
            ),
            (
                r#"{"video":"a.mp4","image":"b.png","conversations":[{"from":"human","value":"<image> and <video>: Q"},{"from":"gpt","value":"A"}]}"#,
                &plain,
                "[picture]  and  [clip] : Q | A",
                vec![path("a.mp4")],
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"Q"},{"type":"video","path":"a.mp4"}]},{"role":"assistant","content":"A"}]}"#,
                &plain,
                "Q [clip] | A",
                vec![path("a.mp4")],
            ),
            (
                r#"{"video":"a.mp4","question":"Q","choices":["x","y"],"answer":"y"}"#,
                &plain,
                "[clip] Q\nChoices:\nA. x\nB. y\nAnswer with the letter. | B",
                vec![path("a.mp4")],
            ),
        ] {
            let sample = read(json, columns).unwrap();
            assert_eq!((places(&sample).as_str(), sample.clips), (says, clips), "{json}");
        }
        // Without a clip its mark is text.
        let html = r#"{"image":"a.png","question":"Q <video>","answer":"A <video>"}"#;
        assert_eq!(places(&read(html, &plain).unwrap()), "[picture] Q <video> | A <video>");
    }

    #[test]
    fn the_layouts() {
        let plain = Columns::default();
        for (json, says) in [
            (
                r#"{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]}"#,
                "user: Q | assistant: A",
            ),
            (r#"[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]"#, "user: Q | assistant: A"),
            (
                r#"{"messages":"[{\"role\":\"user\",\"content\":\"Q\"},{\"role\":\"assistant\",\"content\":\"A\"}]"}"#,
                "user: Q | assistant: A",
            ),
            // Places: its own path, the row's next, the row's of an index, an OpenAI data URL.
            (
                r#"{"messages":[{"role":"user","content":[{"type":"image","path":"o.png"},{"type":"image"},
                    {"type":"text","text":"Q"},{"type":"image","image":null}]},{"role":"assistant","content":"A"}],
                    "images":["a.png",{"bytes":"Yg==","path":"no.png"}]}"#,
                "user: [/d/o.png] [/d/a.png] Q [b] | assistant: A",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"image","index":1,"text":null},{"type":"image","index":0},
                    {"type":"image_url","image_url":{"url":"data:image/png;base64,Yg=="}},{"type":"image","index":1}]},
                    {"role":"assistant","content":[{"type":"text","text":"A"}]}],"images":["a","/abs/c"]}"#,
                "user: [/abs/c] [/d/a] [b] [/abs/c] | assistant: A",
            ),
            // Marks in the texts of messages, and pictures for which nothing gives a place.
            (
                r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"<image>Q"},
                    {"role":"assistant","content":"A"}],"image":"a"}"#,
                "system: S | user: [/d/a] Q | assistant: A",
            ),
            (
                r#"{"messages":[{"role":"system","content":""},{"role":"user","content":"Q"},
                    {"role":"assistant","content":"A"}],"images":["a","b"]}"#,
                "user: [/d/a] [/d/b] Q | assistant: A",
            ),
            (
                r#"{"messages":[{"role":"user","content":"<image> in HTML?"},{"role":"assistant","content":"A"}]}"#,
                "user: <image> in HTML? | assistant: A",
            ),
            (
                r#"{"conversations":[{"from":"human","value":"<image>\nQ"},{"from":"gpt","value":"A"},
                    {"from":"human","value":"one\n<image>\ntwo <image> three"},{"from":"gpt","value":"B"}],
                    "image":["a","b","c"],"id":7}"#,
                "user: [/d/a] Q | assistant: A | user: one [/d/b] two  [/d/c]  three | assistant: B",
            ),
            (
                r#"{"conversations":[{"from":"human","value":"<image><image>\nQ"},{"from":"gpt","value":"A"}],
                    "image":["a","b"]}"#,
                "user: [/d/a] [/d/b] Q | assistant: A",
            ),
            (
                r#"{"conversations":[{"from":"human","value":"Q"},{"from":"gpt","value":"A"}],"image":"a","system":"S"}"#,
                "system: S | user: [/d/a] Q | assistant: A",
            ),
            (
                r#"{"images":["a","b"],"texts":[{"user":"Q <image>","assistant":"A","source":"s"},
                    {"user":"R","assistant":"B"}]}"#,
                "user: [/d/a] [/d/b] Q <image> | assistant: A | user: R | assistant: B",
            ),
            (r#"{"text":"T","url":"http://x/y"}"#, "T"),
            (r#"{"text":"T","image":"a"}"#, "[/d/a] T"),
            (r#"{"caption":"T","image":"iVBORw0KGgo=","path":"where/it/was"}"#, "[�PNG\r\n\u{1a}\n] T"),
            (r#"{"text":"one <image> two","images":["a"]}"#, "one  [/d/a]  two"),
            (r#"{"image":"a","question":"Q","answer":"A"}"#, "user: [/d/a] Q | assistant: A"),
            (r#"{"question":"Q","multiple_choice_answer":"A","answers":["B"]}"#, "user: Q | assistant: A"),
            (r#"{"question":"Q","answer":null,"answers":["c","b","a","b","c"]}"#, "user: Q | assistant: c"),
            (r#"{"query":"Q","answers":[{"answer":"a"},{"answer":"b"},{"answer":"b"}]}"#, "user: Q | assistant: b"),
            (r#"{"question":"2 + 2?","answer":4}"#, "user: 2 + 2? | assistant: 4"),
        ] {
            assert_eq!(read(json, &plain).map(|sample| brief(&sample)).as_deref(), Ok(says), "{json}");
        }
    }

    #[test]
    fn columns_that_are_named_and_a_prompt() {
        let row = r#"{"img":"a","q":"Q","a":"A","who":"S","messages":[],"label":3}"#;
        for (columns, json, says) in [
            (columns("img", "q", "a", "who", ""), row, "system: S | user: [/d/a] Q | assistant: A"),
            (columns("", "q", "label", "", "P"), row, "user: P Q | assistant: 3"),
            (columns("img", "", "a", "", ""), row, "[/d/a] A"),
            (columns("img", "", "a", "", "P"), row, "user: P [/d/a] | assistant: A"),
            (columns("", "", "", "", "P"), r#"{"image":"a","caption":"C"}"#, "user: P [/d/a] | assistant: C"),
            (
                columns("", "", "", "", "P"),
                r#"{"image":"a","question":"Q","answer":"A"}"#,
                "user: P [/d/a] Q | assistant: A",
            ),
            (
                columns("", "", "", "", "P"),
                r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"Q"},
                    {"role":"assistant","content":"A"}]}"#,
                "system: S | user: P Q | assistant: A",
            ),
        ] {
            assert_eq!(read(json, &columns).map(|sample| brief(&sample)).as_deref(), Ok(says), "{json}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_row() {
        let plain = Columns::default();
        let chat = |user: &str, more: &str| {
            format!(r#"{{"messages":[{{"role":"user","content":{user}}},{{"role":"assistant","content":"A"}}]{more}}}"#)
        };
        for (json, columns, says) in [
            ("{".to_owned(), &plain, "not valid JSON"),
            ("7".to_owned(), &plain, "a number found; an object"),
            ("{}".to_owned(), &plain, "nothing in it makes a sample"),
            (r#"{"question":"Q","answer":null}"#.to_owned(), &plain, "nothing in it makes a sample"),
            (r#"{"messages":7}"#.to_owned(), &plain, "the chat is a number"),
            (r#"{"messages":[]}"#.to_owned(), &plain, "no turn of the assistant"),
            (r#"{"messages":[{"role":"user","content":"Q"}]}"#.to_owned(), &plain, "no turn of the assistant"),
            (r#"{"messages":[{"role":"tool","content":"Q"}]}"#.to_owned(), &plain, "message 0: the role \"tool\" is unknown"),
            (r#"{"messages":[{"role":"user"}]}"#.to_owned(), &plain, "`content` is missing"),
            (chat(r#"[{"type":"sound"}]"#, ""), &plain, "part 0: the type \"sound\" is unknown"),
            (chat(r#"[{"type":"video"}]"#, ""), &plain, "a place for clip 0, but 0 clips"),
            (r#"{"question":"Q","answer":"A","video":"https://x.example/a.mp4"}"#.to_owned(), &plain, "save the clip"),
            (chat(r#"[{"type":"text"}]"#, ""), &plain, "`text` is missing"),
            (chat(r#"[{"type":"image"}]"#, ""), &plain, "a place for picture 0, but 0 pictures"),
            (chat(r#"[{"type":"image"}]"#, r#","images":["a","b"]"#), &plain, "picture 1 of 2 has no place"),
            (chat(r#"[{"type":"image","index":9}]"#, r#","images":["a"]"#), &plain, "a place for picture 9"),
            (chat(r#"[{"type":"image","url":"https://x/y.png"}]"#, ""), &plain, "only files are read"),
            (chat(r#"" ""#, ""), &plain, "message 0: it says nothing"),
            (chat(r#""Q""#, r#","images":[null]"#), &plain, "picture 0: null found"),
            (chat(r#""Q""#, r#","image":{"bytes":"?"}"#), &plain, "not base64"),
            (chat(r#""Q""#, r#","image":"data:image/png,x""#), &plain, "not base64"),
            (chat(r#""Q""#, r#","image":"""#), &plain, "its path is empty"),
            (
                r#"{"conversations":[{"from":"human","value":"<image><image>"},{"from":"gpt","value":"A"}],"image":"a"}"#.to_owned(),
                &plain,
                "a place for picture 1, but 1 pictures",
            ),
            (
                r#"{"conversations":[{"from":"human","value":"Q"},{"from":"gpt","value":" "}]}"#.to_owned(),
                &plain,
                "message 1: the answer is empty",
            ),
            (r#"{"texts":[{"user":"Q"}]}"#.to_owned(), &plain, "turn 0: `assistant` is missing"),
            (r#"{"texts":[{"user":"Q","assistant":"A"},"Q"]}"#.to_owned(), &plain, "turn 1 is a text"),
            (r#"{"text":" "}"#.to_owned(), &plain, "its text is empty"),
            (r#"{"question":"Q","answers":[]}"#.to_owned(), &plain, "`answers` is empty"),
            (r#"{"question":"Q","label":3}"#.to_owned(), &plain, "a class by its place"),
            (r#"{"question":{},"answer":"A"}"#.to_owned(), &plain, "`question` is an object"),
            (r#"{"question":"Q","answer":"A"}"#.to_owned(), &columns("img", "", "", "", ""), "`img`, of pictures, is missing"),
            (r#"{"question":"Q","answer":"A"}"#.to_owned(), &columns("", "q", "", "", ""), "`q` is missing"),
            (r#"{"question":"Q","answer":"A"}"#.to_owned(), &columns("", "", "", "s", ""), "`s` is missing"),
            (r#"{"text":"T","s":"S"}"#.to_owned(), &columns("", "", "", "s", ""), "a document has no system message"),
        ] {
            let error = read(&json, columns).map(|sample| brief(&sample)).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
