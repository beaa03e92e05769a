//! Archives in WebDataset's form: the members of a sample share their name up to the first dot.
//!
//! - `ID.image.jpeg` and `ID.text.txt`, or `ID.jpg` and `ID.txt` or `ID.json`: a row, as it would stand in a table.
//! - `ID.N.text.txt` and `ID.N.image.jpeg` with `ID.metadata.txt`, which lists all of them: a page, interleaved by N. If
//!   each of its texts is JSON of `user` and `assistant`, a chat, whose pictures go first.
//! - `ID.json` of a scan's text, and its pages' pictures, `ID.png` or `ID.0.png` and so on ([`scan`]).

mod members;
mod scan;
mod suffix;

use super::{
    Columns,
    cell::{self, Cell},
    file::{MAX_ROW, read_at},
    layout::layout,
    references::with_references,
    rows,
};
use crate::{Error, References, Sample, Source};
use members::{page, row, whole};
use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
};
use suffix::{Kind, Suffix, split};

/// The longest member, in bytes.
const MAX_MEMBER: u64 = 256 << 20;

/// The longest sample, in bytes.
const MAX_SAMPLE: u64 = 1 << 30;

/// The archives' index: 24 bytes a member, 32 a sample.
pub(super) struct Tar {
    paths: Vec<PathBuf>,
    samples: Vec<Members>,
    /// What stands behind the first dot of the members' names.
    suffixes: Vec<Suffix>,
    columns: Columns,
}

struct Members {
    archive: usize,
    members: Vec<Member>,
}

#[derive(Clone, Copy)]
struct Member {
    at: u64,
    bytes: u64,
    /// The index of its suffix.
    suffix: usize,
}

impl Tar {
    /// Opens archives, whose samples follow each other, by one pass over their headers.
    pub(super) fn open(paths: Vec<PathBuf>, columns: &Columns) -> Result<Self, Error> {
        let mut tar = Self { paths: Vec::new(), samples: Vec::new(), suffixes: Vec::new(), columns: columns.clone() };
        let mut suffixes = HashMap::new();
        for path in paths {
            tar.index(&path, &mut suffixes)?;
            tar.paths.push(path);
        }
        let useful = |member: &Member| tar.suffixes.get(member.suffix).is_some_and(|suffix| suffix.kind != Kind::Other);
        if tar.samples.iter().any(|sample| sample.members.iter().any(useful)) {
            return Ok(tar);
        }
        Err(Error::Format {
            path: tar.paths.first().map(|path| path.display().to_string()).unwrap_or_default(),
            what: "no samples in it: no member is named like ID.jpg, ID.txt, ID.json or ID.0.text.txt".to_owned(),
        })
    }

    fn index(&mut self, path: &Path, suffixes: &mut HashMap<String, usize>) -> Result<(), Error> {
        let unread = |source| Error::Read { path: path.display().to_string(), source };
        let wrong = |what| Error::Format { path: path.display().to_string(), what };
        let broken = |e: std::io::Error| wrong(format!("no tar archive that can be read: {e}"));
        let file = File::open(path).map_err(unread)?;
        let end = file.metadata().map_err(unread)?.len();
        let mut archive = tar::Archive::new(file);
        let mut ids: HashMap<Vec<u8>, usize> = HashMap::new();
        for entry in archive.entries_with_seek().map_err(broken)? {
            let entry = entry.map_err(broken)?;
            let name = entry.path_bytes();
            let Some((id, suffix)) = split(&name).filter(|_| entry.header().entry_type().is_file()) else { continue };
            let (at, bytes) = (entry.raw_file_position(), entry.size());
            if at.checked_add(bytes).is_none_or(|behind| behind > end) {
                let name = String::from_utf8_lossy(&name);
                return Err(wrong(format!("its member {name} goes on behind the file's end; the file is not whole")));
            }
            let suffix = *suffixes.entry(suffix.to_owned()).or_insert_with(|| {
                self.suffixes.push(Suffix::new(suffix));
                self.suffixes.len() - 1
            });
            let sample = *ids.entry(id.to_owned()).or_insert_with(|| {
                self.samples.push(Members { archive: self.paths.len(), members: Vec::new() });
                self.samples.len() - 1
            });
            if let Some(sample) = self.samples.get_mut(sample) {
                sample.members.push(Member { at, bytes, suffix });
            }
        }
        Ok(())
    }

    /// The members of a sample with their suffixes, by number and name.
    fn members(&self, sample: &Members) -> Result<Vec<(&Suffix, Member)>, String> {
        let found = sample.members.iter().filter_map(|&member| Some((self.suffixes.get(member.suffix)?, member)));
        let mut found: Vec<_> = found.collect();
        found.sort_by(|(a, _), (b, _)| (a.number, &a.whole).cmp(&(b.number, &b.whole)));
        for pair in found.windows(2) {
            if let [(a, _), (b, _)] = pair
                && a.whole == b.whole
            {
                return Err(format!("two members end in .{}", a.whole));
            }
        }
        let limit = |kind| if kind == Kind::Picture { MAX_MEMBER } else { MAX_ROW };
        // What is not read has no limit.
        found.retain(|(suffix, _)| suffix.kind != Kind::Other);
        let read = found.iter().filter(|(suffix, _)| suffix.kind != Kind::Pdf);
        if let Some((suffix, member)) = read.clone().find(|(suffix, member)| member.bytes > limit(suffix.kind)) {
            let limit = limit(suffix.kind);
            return Err(format!("the member .{} has {} bytes; at most {limit} are read", suffix.whole, member.bytes));
        }
        let sum = read.fold(0u64, |sum, (_, member)| sum.saturating_add(member.bytes));
        if sum > MAX_SAMPLE {
            return Err(format!("{sum} bytes in all its members; at most {MAX_SAMPLE} are read"));
        }
        Ok(found)
    }
}

impl Source for Tar {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn read(&self, index: usize) -> Result<Sample, String> {
        match self.found(index)? {
            Found::Row(row) => rows::sample(row, &self.columns, Path::new("")),
            Found::Document(sample) => Ok(sample),
        }
    }

    fn read_with_references(&self, index: usize) -> Result<(Sample, Vec<References>), String> {
        match self.found(index)? {
            Found::Row(row) => with_references(row, &self.columns, Path::new("")),
            Found::Document(sample) => Ok((sample, Vec::new())),
        }
    }
}

/// What a sample's members are.
enum Found {
    /// A row, as it would stand in a table.
    Row(Cell),
    /// Pages of texts and pictures, of which nothing is asked.
    Document(Sample),
}

impl Tar {
    /// Reads a sample's members.
    fn found(&self, index: usize) -> Result<Found, String> {
        let none = || format!("there is no sample {index}: {} samples", self.samples.len());
        let sample = self.samples.get(index).ok_or_else(none)?;
        let members = self.members(sample)?;
        let path = self.paths.get(sample.archive).ok_or_else(none)?;
        let mut archive = File::open(path).map_err(|e| e.to_string())?;
        let mut read = |member: Member| read_at(&mut archive, member.at, member.bytes).map_err(|e| e.to_string());
        let numbered = members.iter().any(|(suffix, _)| suffix.kind == Kind::Text && suffix.number.is_some());
        let listed = members.iter().find(|(suffix, _)| suffix.kind == Kind::Metadata);
        match listed {
            Some(&(_, metadata)) => whole(&members, &cell::text(read(metadata)?)?)?,
            None if numbered => {
                return Err("metadata.txt, the list of its members, is missing: they may not be all".to_owned());
            }
            None => {
                let mut fields = row(&members, &mut read, &self.columns)?;
                if layout(&|name| fields.get(name).is_some(), &self.columns).is_err()
                    && let Some(texts) = scan::texts(&mut fields)
                {
                    let pdf = members.iter().any(|(suffix, _)| suffix.kind == Kind::Pdf);
                    return scan::document(texts?, fields, pdf, &self.columns).map(Found::Document);
                }
                return Ok(Found::Row(Cell::Map(fields)));
            }
        }
        page(&members, &mut read, &self.columns)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::read::open;
    use crate::{Content, PictureFile};
    use smolvlm_processor::{MediaSource, Part};

    pub(super) fn write(path: &Path, members: &[(&str, &[u8])]) {
        let mut archive = ::tar::Builder::new(File::create(path).unwrap());
        for (name, bytes) in members {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, *bytes).unwrap();
        }
        archive.finish().unwrap();
    }

    fn bytes(all: &[&str]) -> Vec<PictureFile> {
        all.iter().map(|bytes| PictureFile::Bytes(bytes.as_bytes().to_vec())).collect()
    }

    pub(super) fn document(parts: &[&str], pictures: &[&str]) -> Sample {
        let part = |part: &&str| match *part {
            "" => Part::Image(MediaSource::Given),
            text => Part::Text(text.to_owned()),
        };
        Sample {
            content: Content::Document(parts.iter().map(part).collect()),
            pictures: bytes(pictures),
            clips: Vec::new(),
        }
    }

    #[test]
    fn pairs_rows_pages_and_chats_over_shards() {
        let folder = tempfile::tempdir().unwrap();
        let long = format!("dir/{}.jpg", "x".repeat(200));
        write(
            &folder.path().join("1.tar"),
            &[
                ("a.image.jpeg", b"A"),
                ("a.text.txt", b"pair"),
                ("b.json", br#"{"question":"Q","answer":"A","skill":"s"}"#),
                ("b.png", b"B"),
                ("._b.png", b"a Mac's"),
                (&long, b"L"),
                (&long.replace("jpg", "txt"), b"plain"),
            ],
        );
        write(
            &folder.path().join("2.tar"),
            &[
                ("./p.0.text.txt", b"zero"),
                ("./p.1.image.jpeg", b"P"),
                ("./p.10.text.txt", b"ten"),
                ("./p.2.image.jpeg", b"R"),
                ("./p.metadata.txt", b"p.0.text.txt\np.1.image.jpeg\np.2.image.jpeg\np.10.text.txt"),
                ("s.0.text.txt", br#"{"user":"Q","assistant":"A","source":"x"}"#),
                ("s.1.text.txt", br#"{"user":"R","assistant":"B"}"#),
                ("s.2.image.jpeg", b"S"),
                ("s.metadata.txt", b"s.0.text.txt\ns.1.text.txt\ns.2.image.jpeg\n"),
            ],
        );
        let source = open(folder.path(), &Columns::default()).unwrap();
        assert_eq!(source.len(), 5);
        assert_eq!(source.read(0), Ok(document(&["", "pair"], &["A"])));
        assert_eq!(source.read(2), Ok(document(&["", "plain"], &["L"])));
        assert_eq!(source.read(3), Ok(document(&["zero", "", "", "ten"], &["P", "R"])));
        let said = |sample: Sample| match sample.content {
            Content::Chat(messages) => {
                (messages.iter().map(|m| m.content.clone()).collect::<Vec<_>>(), sample.pictures)
            }
            Content::Document(_) => unreachable!(),
        };
        let text = |text: &str| vec![Part::Text(text.to_owned())];
        let first = |text: &str| vec![Part::Image(MediaSource::Given), Part::Text(text.to_owned())];
        assert_eq!(said(source.read(1).unwrap()), (vec![first("Q"), text("A")], bytes(&["B"])));
        assert_eq!(said(source.read(4).unwrap()), (vec![first("Q"), text("A"), text("R"), text("B")], bytes(&["S"])));

        let skills = |row| {
            let (_, references) = source.read_with_references(row).unwrap();
            references.into_iter().map(|answer| answer.skill).collect::<Vec<_>>()
        };
        assert_eq!((skills(1), skills(3), skills(4)), (vec![Some("s".to_owned())], vec![], vec![None, None]));

        let prompt = Columns { prompt: Some("P".to_owned()), ..Columns::default() };
        let source = open(folder.path(), &prompt).unwrap();
        assert!(matches!(source.read(0).unwrap().content, Content::Chat(_)));
        assert!(source.read(3).unwrap_err().contains("neither a prompt nor a system message"));
    }

    #[test]
    fn samples_that_are_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        write(
            &path,
            &[
                ("a.0.text.txt", b"x"),
                ("a.metadata.txt", b"a.0.text.txt\na.1.image.jpeg"),
                ("b.0.text.txt", b"x"),
                ("c.0.text.txt", b"x"),
                ("c.0.image.jpeg", b"x"),
                ("c.metadata.txt", b"c.0.text.txt"),
                ("d.txt", b"x"),
                ("d.txt", b"y"),
                ("e.txt", b"\xff"),
                ("f.jpg", b"x"),
                ("g.0.text.txt", b"x"),
                ("g.metadata.txt", b""),
                ("h.json", b"{"),
            ],
        );
        let source = open(&path, &Columns::default()).unwrap();
        for (index, says) in [
            "\"a.1.image.jpeg\" is missing",
            "metadata.txt, the list of its members, is missing",
            "two members have the place 0",
            "two members end in .txt",
            "not UTF-8",
            "nothing in it makes a sample",
            "metadata.txt, the list of its members, is empty",
            "not valid JSON",
        ]
        .into_iter()
        .enumerate()
        {
            let error = source.read(index).unwrap_err();
            assert!(error.contains(says), "{index}: {error}");
        }
        assert!(source.read(8).is_err());
    }

    #[test]
    fn archives_that_are_none_or_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let error = || open(&path, &Columns::default()).err().unwrap().to_string();
        std::fs::write(&path, [7; 1024]).unwrap();
        assert!(error().contains("no tar archive"));
        write(&path, &[("notes.md", b"x")]);
        assert!(error().contains("no samples in it"));
        write(&path, &[("a.txt", &[b'x'; 2000])]);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(1024).unwrap();
        assert!(error().contains("a.txt goes on behind the file's end"));
    }
}
