//! What the columns of a benchmark mean.

use super::item::Item;
use crate::metrics::Truth;
use crate::official::literal::alternatives;
use serde::Deserialize;
use smolvlm_data::{Cell, Record};
use std::collections::BTreeMap;

/// Letters of options.
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Texts that pandas, by which VLMEvalKit reads its tables, takes for nothing.
pub(crate) const NOTHING: [&str; 18] = [
    "None", "N/A", "NA", "n/a", "nan", "NaN", "NULL", "null", "<NA>", "#N/A", "-nan", "-NaN", "#NA", "1.#IND",
    "1.#QNAN", "-1.#IND", "-1.#QNAN", "#N/A N/A",
];

/// The longest text that is the number of another row, not a picture in base64 (`dump_image` of VLMEvalKit).
const LONGEST_NUMBER: usize = 64;

/// Which columns hold what. Names may have a dot in them: `metadata.task` is a part of a struct.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Columns {
    /// What a row is called.
    pub(super) id: Option<String>,
    /// Pictures, one or a list in each.
    pub(super) pictures: Vec<String>,
    /// Pictures that lie in other files.
    pub(super) elsewhere: Option<Elsewhere>,
    /// Where a clip is, with columns in braces; `{file}` is the name of the rows' file without its ending.
    pub(super) clip: Option<String>,
    /// What `{folder}` stands for, by the name of the rows' file.
    pub(super) folders: BTreeMap<String, String>,
    /// The question; without one the task asks what it always asks.
    pub(super) question: Option<String>,
    pub(super) hint: Option<String>,
    pub(super) lecture: Option<String>,
    pub(super) subtitles: Option<String>,
    /// Options: a column that lists them, or one for each letter.
    pub(super) choices: Vec<String>,
    /// How options are written.
    pub(super) choices_in: ChoicesIn,
    /// A list of options that the question names already.
    pub(super) listed: Option<String>,
    /// The right answer.
    pub(super) answer: Option<String>,
    /// How it is written.
    pub(super) answer_is: AnswerIs,
    /// A list of answers of one annotator each.
    pub(super) annotators: Option<String>,
    /// A list of answers that are all right; or one.
    pub(super) also: Option<String>,
    /// By what scores are grouped.
    pub(super) skill: Option<String>,
    /// Columns that metrics and prompts need besides.
    pub(super) keep: Vec<String>,
    /// Rows are left out in which these columns hold something else.
    pub(super) only: BTreeMap<String, String>,
    /// Texts that stand for nothing.
    pub(super) none: Vec<String>,
}

/// Pictures that lie in files of their own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Elsewhere {
    /// The row's column that names its picture.
    pub(super) key: String,
    /// The files.
    pub(super) files: String,
    /// Their column of names.
    pub(super) id: String,
    /// Their column of pictures.
    pub(super) picture: String,
}

/// How options are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ChoicesIn {
    /// A list of texts, or a column for each letter.
    #[default]
    Columns,
    /// A list whose items begin with their letters, "A. red".
    Lettered,
    /// Lines behind the question, "A. red".
    Lines,
    /// Behind the question, "Options: A: red, B: blue".
    Question,
}

/// How the right answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AnswerIs {
    /// As it is.
    #[default]
    Text,
    /// The letter of an option; where there are none, as it is.
    Letter,
    /// Its place, counted from 0.
    Place,
    /// Its text.
    Choice,
    /// Its line, "A. red".
    Line,
    /// 0 for no, 1 for yes.
    Digit,
}

impl Columns {
    /// All columns that are read, and those of them without which nothing can be asked.
    pub(super) fn names(&self) -> (Vec<String>, Vec<String>) {
        let outer = |name: &String| name.split_once('.').map_or(name.clone(), |(outer, _)| outer.to_owned());
        let answers = [&self.answer, &self.annotators, &self.also];
        let mut needed: Vec<String> = [&self.question].into_iter().chain(answers).flatten().map(outer).collect();
        needed.extend(self.pictures.iter().take(1).map(outer));
        needed.extend(self.elsewhere.iter().map(|elsewhere| outer(&elsewhere.key)));
        needed.extend(self.choices.iter().take(2).map(outer));
        let mut wanted: Vec<String> = [&self.id, &self.hint, &self.lecture, &self.subtitles, &self.listed, &self.skill]
            .into_iter()
            .flatten()
            .chain(&self.pictures)
            .chain(&self.choices)
            .chain(&self.keep)
            .chain(self.only.keys())
            .map(outer)
            .collect();
        let clip = self.clip.iter().flat_map(|pattern| places(pattern));
        needed.extend(clip.filter(|name| ![FILE, FOLDER].contains(name)).map(str::to_owned));
        wanted.extend(needed.iter().cloned());
        (wanted, needed)
    }

    /// Whether all rows are the task's.
    pub(super) fn is_all(&self) -> bool {
        self.only.is_empty()
    }

    /// Whether rows have clips.
    pub(super) fn has_clip(&self) -> bool {
        self.clip.is_some()
    }

    /// The files of pictures that lie apart.
    pub(super) fn elsewhere_files(&self) -> Option<&str> {
        self.elsewhere.as_ref().map(|elsewhere| elsewhere.files.as_str())
    }

    /// Whether a row is one of the task's.
    pub(super) fn takes(&self, row: &Record) -> bool {
        let is = |(name, text): (&String, &String)| row.text(name).ok().flatten().is_none_or(|found| found == *text);
        self.only.iter().all(is)
    }

    /// A row; `file` is the name of its file. A table is read as pandas reads it: texts such as "None" are nothing.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn item(&self, row: &Record, file: &str, table: bool) -> Result<Item, String> {
        let reader = Reader { columns: self, row, table };
        let question = match &self.question {
            Some(name) => reader.text(name)?.ok_or_else(|| format!("`{name}`, its question, is empty"))?,
            None => String::new(),
        };
        let (question, choices) = reader.choices(question)?;
        let listed = reader.list(self.listed.as_deref())?.unwrap_or_default();
        let truth = Truth { choices: lettered(listed), ..reader.truth(&question, &choices)? };
        let (pictures, picture_of) = reader.pictures()?;
        let optional = |name: &Option<String>| name.as_deref().map_or(Ok(None), |name| reader.text(name));
        let skill = match self.skill.as_deref() {
            Some(name) if name.contains('{') => Some(filled(name, row, (file, &self.folders))?),
            Some(name) => reader.list(Some(name))?.map(|all| all.join(", ").replace('\n', " ")),
            None => None,
        };
        let mut more = BTreeMap::new();
        for name in &self.keep {
            more.extend(reader.text(name)?.map(|text| (name.clone(), text)));
        }
        let (hint, lecture, subtitles) = (optional(&self.hint)?, optional(&self.lecture)?, optional(&self.subtitles)?);
        Ok(Item {
            question,
            hint: hint.filter(|hint| !hint.is_empty()),
            lecture: lecture.filter(|lecture| !lecture.is_empty()),
            subtitles,
            truth: Truth { id: optional(&self.id)?, more: more.clone(), ..truth },
            choices,
            pictures,
            clip: None,
            picture_of,
            skill: skill.filter(|skill| !skill.is_empty()),
            more,
        })
    }

    /// The path of a row's clip.
    ///
    /// # Errors
    /// A column that names it is empty.
    pub(super) fn clip(&self, row: &Record, file: &str) -> Result<Option<String>, String> {
        self.clip.as_ref().map(|pattern| filled(pattern, row, (file, &self.folders))).transpose()
    }
}

/// What stands for the rows' file in a pattern.
const FILE: &str = "file";
/// And for the folder of its clips.
const FOLDER: &str = "folder";

/// The names in braces of a pattern.
fn places(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0))
}

/// A pattern with columns in the places of their names. Of an address what stands behind its last `=` or `/` counts.
fn filled(pattern: &str, row: &Record, (file, folders): (&str, &BTreeMap<String, String>)) -> Result<String, String> {
    let mut out = pattern.to_owned();
    for name in places(pattern) {
        let value = match name {
            FILE => file.to_owned(),
            FOLDER => folders.get(file).cloned().unwrap_or_default(),
            _ => row.text(name)?.ok_or_else(|| format!("`{name}`, which names its clip, is empty"))?,
        };
        let value = match value.contains("://") {
            true => value.rsplit(['=', '/']).next().unwrap_or_default().to_owned(),
            false => value,
        };
        out = out.replace(&format!("{{{name}}}"), &value);
    }
    Ok(out)
}

/// Options with the letters of their places.
fn lettered(choices: Vec<String>) -> Vec<(char, String)> {
    LETTERS.chars().zip(choices).collect()
}

/// A row as its columns are read.
struct Reader<'a> {
    columns: &'a Columns,
    row: &'a Record,
    table: bool,
}

impl Reader<'_> {
    fn is_nothing(&self, text: &str) -> bool {
        (self.table && NOTHING.contains(&text)) || self.columns.none.iter().any(|none| none == text)
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        Ok(self.row.text(name)?.filter(|text| !self.is_nothing(text)))
    }

    /// The texts of a column: a list, one as Python writes it, or one text; of a list of objects their `answer`.
    fn list(&self, name: Option<&str>) -> Result<Option<Vec<String>>, String> {
        let Some((name, cell)) = name.and_then(|name| Some((name, self.row.get(name)?))) else { return Ok(None) };
        let wrong = || format!("`{name}` is no list of texts");
        let item = |cell: &Cell| match cell {
            Cell::Map(fields) => fields.get("answer").and_then(Cell::plain),
            other => other.plain(),
        };
        if let Cell::List(all) = cell {
            return all.iter().map(|cell| item(cell).ok_or_else(wrong)).collect::<Result<_, _>>().map(Some);
        }
        let text = cell.plain().ok_or_else(wrong)?;
        if self.is_nothing(&text) {
            return Ok(None);
        }
        Ok(Some(alternatives(&text)))
    }

    /// The question and its options.
    fn choices(&self, question: String) -> Result<(String, Vec<(char, String)>), String> {
        let names = &self.columns.choices;
        match (self.columns.choices_in, names.as_slice()) {
            (ChoicesIn::Question, _) => inline(&question).ok_or_else(|| {
                "its options could not be told from its question: Options: A: …, B: …, or lines (A) …, would be right".to_owned()
            }),
            (ChoicesIn::Lines, _) => {
                let (asked, lines) = question.split_once('\n').unwrap_or((&question, ""));
                let lines = lines.lines().filter(|line| !line.trim().is_empty());
                Ok((asked.to_owned(), lines.map(line).collect::<Result<_, _>>()?))
            }
            (_, []) => Ok((question, Vec::new())),
            (ChoicesIn::Lettered, [name, ..]) => {
                let all = self.list(Some(name))?.unwrap_or_default();
                Ok((question, all.iter().map(|text| line(text)).collect::<Result<_, _>>()?))
            }
            (ChoicesIn::Columns, [name]) => Ok((question, lettered(self.list(Some(name))?.unwrap_or_default()))),
            (ChoicesIn::Columns, names) => {
                let mut choices = Vec::new();
                for (letter, name) in LETTERS.chars().zip(names) {
                    choices.extend(self.text(name)?.map(|text| (letter, text)));
                }
                Ok((question, choices))
            }
        }
    }

    fn truth(&self, question: &str, choices: &[(char, String)]) -> Result<Truth, String> {
        let annotators = self.list(self.columns.annotators.as_deref())?.unwrap_or_default();
        let also = self.list(self.columns.also.as_deref())?.unwrap_or_default();
        let expected = match &self.columns.answer {
            Some(name) => {
                let answer = self.text(name)?.ok_or_else(|| format!("`{name}`, its answer, is empty"))?;
                self.right(&answer, choices)?
            }
            None => commonest(if annotators.is_empty() { also.get(..1).unwrap_or_default() } else { &annotators })
                .ok_or("it has no answer")?,
        };
        let also = if self.columns.answer.is_none() { also.into_iter().skip(1).collect() } else { also };
        Ok(Truth { question: question.to_owned(), expected, annotators, also, ..Truth::default() })
    }

    /// The right answer: a letter where there are options.
    fn right(&self, answer: &str, choices: &[(char, String)]) -> Result<String, String> {
        let letter = |found: Option<&(char, String)>| {
            let none = || format!("its answer {answer:?} is none of its options");
            found.map(|(letter, _)| letter.to_string()).ok_or_else(none)
        };
        match self.columns.answer_is {
            AnswerIs::Text => Ok(answer.to_owned()),
            AnswerIs::Letter if choices.is_empty() => Ok(answer.to_owned()),
            AnswerIs::Letter => letter(choices.iter().find(|(letter, _)| answer.trim() == letter.to_string())),
            AnswerIs::Place => letter(answer.trim().parse().ok().and_then(|place: usize| choices.get(place))),
            AnswerIs::Choice => letter(choices.iter().find(|(_, text)| text == answer)),
            AnswerIs::Line => letter(choices.iter().find(|choice| line(answer).as_ref() == Ok(*choice))),
            AnswerIs::Digit => match answer.trim() {
                "0" => Ok("No".to_owned()),
                "1" => Ok("Yes".to_owned()),
                other => Err(format!("its answer is {other:?}; 0 or 1 would be right")),
            },
        }
    }

    /// The pictures, or the number of the row that holds them.
    fn pictures(&self) -> Result<(Vec<smolvlm_data::PictureFile>, Option<String>), String> {
        let mut pictures = Vec::new();
        for name in &self.columns.pictures {
            if self.table
                && let Some(text) = self.text(name)?
            {
                if text.len() <= LONGEST_NUMBER && !text.contains('.') {
                    return Ok((Vec::new(), Some(text)));
                }
                for one in alternatives(&text) {
                    pictures.push(self.row.base64(name, one)?);
                }
                continue;
            }
            pictures.extend(self.row.pictures(name)?);
        }
        Ok((pictures, None))
    }
}

/// "A. red", "A) red" or "A: red", or in brackets, as a letter and a text.
fn line(text: &str) -> Result<(char, String), String> {
    let wrong = || format!("its option {text:?} does not begin with a letter");
    let inner = text.trim_start().trim_start_matches('(');
    let mut letters = inner.chars();
    let letter = letters.next().filter(|letter| LETTERS.contains(*letter)).ok_or_else(wrong)?;
    let rest = letters.as_str().strip_prefix(['.', ')', ':']).ok_or_else(wrong)?;
    // As it stands, but for the space behind its letter: prompts show it again.
    Ok((letter, rest.strip_prefix(' ').unwrap_or(rest).to_owned()))
}

/// A question with its options behind it, in one of MMStar's three forms: "Options: A: red, B: blue"; lines "(A) red"; and these
/// behind "Hint: …", "Question: …" and "Choices:".
pub(crate) fn inline(question: &str) -> Option<(String, Vec<(char, String)>)> {
    let lines = question.lines().filter(|line| !line.starts_with("Hint: ")).collect::<Vec<_>>().join("\n");
    let (asked, choices) = match lines.rsplit_once("Options:") {
        Some((asked, options)) => (asked, between(options, "A: ", |letter| format!(", {letter}: "))?),
        None => {
            let (asked, options) = lines.split_once("\n(A)")?;
            (asked, between(options, "", |letter| format!("\n({letter})"))?)
        }
    };
    let asked = asked.trim();
    let asked = asked.strip_suffix("Choices:").unwrap_or(asked).trim();
    Some((asked.strip_prefix("Question:").unwrap_or(asked).trim().to_owned(), choices))
}

/// Options with their marks between them.
fn between(options: &str, first: &str, mark: impl Fn(char) -> String) -> Option<Vec<(char, String)>> {
    let mut rest = options.trim().strip_prefix(first)?;
    let mut choices = Vec::new();
    let mut letters = LETTERS.chars();
    let mut letter = letters.next()?;
    for next in letters {
        let Some((text, more)) = rest.split_once(&mark(next)) else { break };
        choices.push((letter, text.trim().to_owned()));
        (rest, letter) = (more, next);
    }
    choices.push((letter, rest.trim().to_owned()));
    (choices.len() > 1).then_some(choices)
}

/// The most frequent text, of equally frequent ones the first.
fn commonest(texts: &[String]) -> Option<String> {
    let count = |text: &String| texts.iter().filter(|other| *other == text).count();
    let most = texts.iter().map(count).max()?;
    texts.iter().find(|text| count(text) == most).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_behind_a_question() {
        let choices = |texts: &[&str]| ('A'..='Z').zip(texts.iter().map(|text| (*text).to_owned())).collect::<Vec<_>>();
        let two = Some(("Which?".to_owned(), choices(&["x.", "y, z"])));
        assert_eq!(inline("Which?\nOptions: A: x., B: y, z"), two);
        assert_eq!(inline("Which?\n(A) x.\n(B) y, z"), two);
        assert_eq!(inline("Hint: A, B.\nQuestion: Which?\nChoices:\n(A) x.\n(B)y, z"), two);
        assert_eq!((inline("Which?"), inline("Options: B: x, A: y")), (None, None));
        assert_eq!(line("(C) red"), Ok(('C', "red".to_owned())));
        assert_eq!(line("C.  red "), Ok(('C', " red ".to_owned())));
        assert!(line("red").is_err() && line("C red").is_err());
    }
}
