//! Pictures named in what a user types: paths as they are typed, completed, or dropped into a terminal.
//!
//! Terminals drop a path in quotes, with backslashes, or as a `file:` address. What is found must be there: a question may
//! speak of files.

use crate::pictures::{is_clip_name, path_of_address};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A question with the pictures that it named.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) pictures: Vec<PathBuf>,
    /// The question without them.
    pub(super) text: String,
}

/// A piece of a line: where it stands, and what it names.
struct Word {
    range: Range<usize>,
    name: String,
}

/// Takes the pictures out of a line. Those in front are cut away, as are those at the end behind a whole sentence; within one
/// their place is taken by "the picture", or a number where there are several.
///
/// # Errors
/// A path that can only mean a picture, where no file is; as a line.
pub(super) fn find(line: &str) -> Result<Found, String> {
    let mut found: Vec<(Range<usize>, PathBuf)> = Vec::new();
    let mut at = 0;
    while let Some(start) = next_word(line, at) {
        let leads = line.get(..start).is_some_and(|front| front.trim().is_empty());
        let picture = match candidates(line, start).into_iter().find_map(|word| is_picture(&word, leads)) {
            Some(picture) => picture?,
            None => {
                at = end_of_word(line, start);
                continue;
            }
        };
        at = picture.0.end;
        found.push(picture);
    }
    Ok(without(line, found))
}

/// The names that stand in a line, apart by spaces, in quotes or with backslashes; or one with spaces, where such a file is.
pub(super) fn names(line: &str) -> Vec<String> {
    let whole = local(line);
    if whole.is_file() {
        return vec![line.to_owned()];
    }
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(start) = next_word(line, at) {
        let word = quoted(line, start).unwrap_or_else(|| escaped(line, start));
        at = word.range.end;
        names.push(word.name);
    }
    names
}

/// A file's name that takes the whole line.
pub(super) fn file_name(line: &str) -> String {
    match names(line).as_slice() {
        [name] => name.clone(),
        _ => line.to_owned(),
    }
}

/// A text without the quotes around it, if it has some.
pub(super) fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

/// The path that a name means: `~/` and `file:` addresses are resolved.
pub(super) fn local(name: &str) -> PathBuf {
    if let Some(path) = path_of_address(name) {
        return path;
    }
    match name.strip_prefix("~/").map(|rest| (rest, std::env::home_dir())) {
        Some((rest, Some(home))) => home.join(rest),
        _ => PathBuf::from(name),
    }
}

/// Where the next word begins.
fn next_word(line: &str, at: usize) -> Option<usize> {
    let rest = line.get(at..)?;
    Some(at + rest.find(|c: char| !c.is_whitespace())?)
}

fn end_of_word(line: &str, start: usize) -> usize {
    let rest = line.get(start..).unwrap_or_default();
    rest.find(char::is_whitespace).map_or(line.len(), |length| start + length)
}

/// What a word may name, the longest first.
fn candidates(line: &str, start: usize) -> Vec<Word> {
    let mut words: Vec<Word> = quoted(line, start).into_iter().collect();
    let word = escaped(line, start);
    let trimmed = word.name.trim_end_matches([',', '.', ';', ':', '?', '!', ')']);
    // What is cut off has no backslash before it: it is as long in the line.
    let cut = word.name.len() - trimmed.len();
    let short = Word { range: start..word.range.end - cut, name: trimmed.to_owned() };
    words.push(word);
    if cut > 0 && !short.name.is_empty() {
        words.push(short);
    }
    words
}

/// A word in quotes, if one begins here.
fn quoted(line: &str, start: usize) -> Option<Word> {
    let rest = line.get(start..)?;
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let length = rest.get(1..)?.find(quote)?;
    let name = rest.get(1..1 + length)?.to_owned();
    Some(Word { range: start..start + length + 2, name })
}

/// A word up to a space that has no backslash before it.
fn escaped(line: &str, start: usize) -> Word {
    let (mut name, mut end) = (String::new(), line.len());
    let mut chars = line.get(start..).unwrap_or_default().char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            // Windows' own paths have backslashes.
            '\\' if cfg!(not(windows)) => match chars.next() {
                Some((_, next)) => name.push(next),
                None => name.push(c),
            },
            c if c.is_whitespace() => {
                end = start + at;
                break;
            }
            c => name.push(c),
        }
    }
    Word { range: start..end, name }
}

/// The picture that a word names, which may lead its line: `None` if it need not mean one, an error if it can mean nothing
/// else and is not there.
fn is_picture(word: &Word, leads: bool) -> Option<Result<(Range<usize>, PathBuf), String>> {
    let is_address = word.name.contains("://");
    let has_folder =
        !is_address && word.name.contains(std::path::is_separator) || path_of_address(&word.name).is_some();
    let is_named = is_picture_name(&word.name);
    // Most words are asked no further.
    let path = (has_folder || is_named).then(|| local(&word.name))?;
    if path.is_file() && (is_named || is_picture_file(&path)) {
        return Some(Ok((word.range.clone(), path)));
    }
    let missing = || format!("{}: no such file; between \"\"\" a text is taken as it stands", path.display());
    (is_named && (has_folder || leads && !is_address) && !path.exists()).then(|| Err(missing()))
}

/// Whether a name ends as those of pictures and clips do.
fn is_picture_name(name: &str) -> bool {
    const ENDINGS: [&str; 14] =
        ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "qoi", "ico", "pbm", "pgm", "ppm", "pnm"];
    let parts = Path::new(name).extension().and_then(|ending| ending.to_str());
    parts.is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))) || is_clip_name(name)
}

/// Whether a file holds a picture, as far as its beginning tells.
fn is_picture_file(path: &Path) -> bool {
    smolvlm_processor::Picture::size_of(path, &smolvlm_processor::DecodeOptions::default()).is_ok()
}

/// The line without the pictures' names.
fn without(line: &str, found: Vec<(Range<usize>, PathBuf)>) -> Found {
    let count = found.len();
    let mut text = String::new();
    let (mut at, mut pictures) = (0, Vec::new());
    for (number, (range, path)) in (1..).zip(found) {
        text += line.get(at..range.start).unwrap_or_default();
        let rest = line.get(range.end..).unwrap_or_default();
        let begins = text.trim().is_empty();
        let is_apart = rest.trim().is_empty() && text.trim_end().ends_with(['.', '?', '!', ':']);
        at = range.end;
        if begins || is_apart {
            text.truncate(text.trim_end().len());
            at += rest.len() - rest.trim_start_matches([',', ';', ':']).len();
        } else if count == 1 {
            text += "the picture";
        } else {
            text += &format!("picture {number}");
        }
        pictures.push(path);
    }
    text += line.get(at..).unwrap_or_default();
    Found { pictures, text: if count == 0 { text } else { text.trim().to_owned() } }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    /// A folder with pictures and others.
    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let png = smolvlm_processor::Picture { width: 1, height: 1, rgb: vec![0; 3] }.to_png().unwrap();
        for name in ["a.png", "b c.JPG", "it's.png", "bare", "ü.png"] {
            std::fs::write(dir.path().join(name), &png).unwrap();
        }
        std::fs::write(dir.path().join("text.txt"), "text").unwrap();
        dir
    }

    #[test]
    fn pictures_are_found_as_terminals_drop_them() {
        let dir = folder();
        let at = dir.path().to_str().unwrap();
        for (line, pictures, text) in [
            (format!("{at}/a.png"), vec!["a.png"], ""),
            (format!("{at}/a.png What?"), vec!["a.png"], "What?"),
            (format!("'{at}/b c.JPG' What?"), vec!["b c.JPG"], "What?"),
            (format!("\"{at}/it's.png\" What's that?"), vec!["it's.png"], "What's that?"),
            (format!("{at}/b\\ c.JPG What?"), vec!["b c.JPG"], "What?"),
            (format!("{at}/it\\'s.png What?"), vec!["it's.png"], "What?"),
            (format!("file://{at}/b%20c.JPG What?"), vec!["b c.JPG"], "What?"),
            (format!("file://localhost{at}/%C3%BC.png"), vec!["ü.png"], ""),
            (format!("{at}/bare What?"), vec!["bare"], "What?"),
            (format!("  {at}/a.png  '{at}/b c.JPG'  What has changed?"), vec!["a.png", "b c.JPG"], "What has changed?"),
            (format!("What is this? {at}/a.png"), vec!["a.png"], "What is this?"),
            (format!("What is in {at}/a.png?"), vec!["a.png"], "What is in the picture?"),
            (format!("Is {at}/a.png like '{at}/b c.JPG'?"), vec!["a.png", "b c.JPG"], "Is picture 1 like picture 2?"),
            (format!("{at}/a.png: what?"), vec!["a.png"], "what?"),
            (format!("{at}/a.png\nOne.\nTwo."), vec!["a.png"], "One.\nTwo."),
        ] {
            let found = find(&line).unwrap();
            let pictures: Vec<PathBuf> = pictures.into_iter().map(|name| dir.path().join(name)).collect();
            assert_eq!(found, Found { pictures, text: text.into() }, "{line}");
        }
    }

    #[test]
    fn questions_stay_as_they_are() {
        let dir = folder();
        let at = dir.path().to_str().unwrap();
        for line in [
            "What's a .png, and what's 'this'?",
            "Is x.png better than x.jpg?",
            "  two\n lines \\ and \"quotes\" ",
            "https://example.org/a.png is a picture",
            &format!("{at}/text.txt is a text, {at} a folder"),
            &format!("{at}/nothing is no picture"),
            "1/2 + 1/4 = and/or",
            "ends with \\",
            "",
        ] {
            let found = find(line).unwrap();
            assert_eq!((found.pictures.len(), found.text.as_str()), (0, line));
        }
    }

    #[test]
    fn a_picture_that_is_not_there_is_told() {
        for line in [
            "/no/such.png What?",
            "no.png What?",
            "  no.png, what?",
            "What is ./no.jpg?",
            "'/no such/a b.gif' What?",
            "file:///no/a%20b.png",
        ] {
            let error = find(line).unwrap_err();
            assert!(error.contains(": no such file"), "{line}: {error}");
        }
        assert!(find("file:///no/a%20b.png").unwrap_err().starts_with("/no/a b.png:"));
    }

    #[test]
    fn names_of_a_command() {
        let dir = folder();
        let spaced = dir.path().join("b c.JPG");
        assert_eq!(names(spaced.to_str().unwrap()), [spaced.to_str().unwrap()]);
        assert_eq!(names(" a 'b c'  \"d\" e\\ f 'g"), ["a", "b c", "d", "e f", "'g"]);
        assert_eq!(
            (file_name("a\\ b"), file_name("a b c"), file_name("'a b'")),
            ("a b".into(), "a b c".into(), "a b".into())
        );
        assert_eq!((unquoted("\"\""), unquoted("'a'"), unquoted("\"a")), ("", "a", "\"a"));
    }

    #[test]
    fn addresses_of_files() {
        assert_eq!(path_of_address("FILE:///a%2Fb"), Some("/a/b".into()));
        for other in
            ["file://host/a", "file:/a", "/a", "file:///a%", "file:///a%zz", "file:///%ff", "file:///%00", "file://é"]
        {
            assert_eq!(path_of_address(other), None, "{other}");
        }
    }
}
