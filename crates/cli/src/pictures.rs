//! Where pictures come from: files, stdin, the clipboard, and addresses.

use crate::clipboard;
use crate::error::Error;
use smolvlm_processor::{DecodeOptions, MediaSource, Picture, is_data_url, percent_decoded, read_data_url};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where a picture comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Stdin,
    Clipboard,
    /// `http:` or `https:`
    Web(String),
    /// `data:`
    Data(String),
}

/// What takes a place of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    Picture(Source),
    Clip(Source),
}

/// What the names of clips end in. Animated pictures are pictures unless they are asked for as clips.
const CLIPS: [&str; 14] =
    [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mts", ".m2ts", ".mpg", ".mpeg", ".ogv", ".flv", ".wmv", ".3gp"];

/// Whether a word's ending is that of a clip.
pub(crate) fn is_clip_name(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    CLIPS.iter().any(|ending| lower.ends_with(ending))
}

/// The most bytes of a picture that is no file: as many as are fetched.
const MOST: u64 = 64 << 20;

/// Pictures beside those that words name.
#[derive(clap::Args, Default)]
pub(crate) struct SourceArgs {
    /// The picture in the clipboard, behind all others
    #[arg(long)]
    clipboard: bool,
    /// Fetch pictures also from addresses of private networks and of this machine
    #[arg(long)]
    allow_private: bool,
}

/// The path in a `file:` address of this machine.
pub(crate) fn path_of_address(address: &str) -> Option<PathBuf> {
    let rest = address.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("file://")).and(address.get(7..))?;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let path = path.starts_with('/').then(|| percent_decoded(path))??;
    // file:///C:/a.png
    let bare = path.strip_prefix('/').filter(|bare| cfg!(windows) && bare.get(1..2) == Some(":")).map(str::to_owned);
    Some(PathBuf::from(bare.unwrap_or(path)))
}

impl Source {
    /// What a word names.
    pub(crate) fn of(word: &str) -> Source {
        let scheme = word.split_once("://").map_or("", |(scheme, _)| scheme);
        match word {
            "-" => Source::Stdin,
            _ if is_data_url(word) => Source::Data(word.to_owned()),
            _ if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
                Source::Web(word.to_owned())
            }
            _ if scheme.eq_ignore_ascii_case("file") => Source::File(path_of_address(word).unwrap_or(word.into())),
            _ => Source::File(word.into()),
        }
    }

    /// Whether it is a clip by its name, or a folder, whose pictures are the frames of one.
    fn is_clip(&self) -> bool {
        match self {
            Source::File(path) => path.is_dir() || is_clip_name(&path.to_string_lossy()),
            Source::Web(url) => is_clip_name(url.split(['?', '#']).next().unwrap_or(url)),
            Source::Data(url) => url.starts_with("data:video/"),
            Source::Stdin | Source::Clipboard => false,
        }
    }

    /// A picture or a clip, by its name.
    pub(crate) fn medium(self) -> Medium {
        if self.is_clip() { Medium::Clip(self) } else { Medium::Picture(self) }
    }

    /// Where an image part's picture comes from; none if it is given beside the chat.
    pub(crate) fn of_part(source: &MediaSource) -> Option<Source> {
        match source {
            MediaSource::Given => None,
            MediaSource::File(path) => Some(Source::File(path.clone())),
            MediaSource::Url(url) => Some(Source::of(url)),
        }
    }

    /// Whether there is a picture as far as can be seen without asking for it.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self, Source::File(path) if !path.exists())
    }

    /// Its name for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Source::File(path) => path.display().to_string(),
            Source::Stdin => "stdin".into(),
            Source::Clipboard => "the clipboard".into(),
            Source::Web(url) => url.chars().take(200).collect(),
            Source::Data(url) => url.split_once(',').map_or("data:", |(form, _)| form).chars().take(60).collect(),
        }
    }
}

impl SourceArgs {
    /// Whether a picture is asked for.
    pub(crate) fn is_some(&self) -> bool {
        self.clipboard
    }

    /// What words name, and the clipboard.
    pub(crate) fn sources<'a>(&self, words: impl Iterator<Item = &'a String>) -> Result<Vec<Source>, Error> {
        let mut sources: Vec<Source> = words.map(|word| Source::of(word)).collect();
        sources.extend(self.clipboard.then_some(Source::Clipboard));
        if sources.iter().filter(|source| **source == Source::Stdin).count() > 1 {
            return Error::usage("'-' stands twice among the pictures: stdin holds one");
        }
        Ok(sources)
    }

    /// A picture.
    pub(crate) fn open(&self, source: &Source, options: &DecodeOptions) -> Result<Picture, Error> {
        match source {
            Source::File(path) => Ok(Picture::open(path, options)?),
            _ => Picture::decode(&self.bytes(source)?, options).map_err(|error| named(source, error)),
        }
    }

    /// A picture's (width, height), of its header.
    pub(crate) fn size(&self, source: &Source, options: &DecodeOptions) -> Result<(u32, u32), Error> {
        match source {
            Source::File(path) => Ok(Picture::size_of(path, options)?),
            _ => Picture::size(&self.bytes(source)?, options).map_err(|error| named(source, error)),
        }
    }

    /// The bytes of one that is no file.
    pub(crate) fn bytes(&self, source: &Source) -> Result<Vec<u8>, Error> {
        match source {
            Source::File(path) => Ok(Picture::read(Path::new(path), &DecodeOptions::default())?),
            Source::Stdin => {
                let mut bytes = Vec::new();
                let read = std::io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes);
                read.map_err(|source| Error::Stream { stream: "stdin", source })?;
                match bytes.len() as u64 {
                    0 => Error::usage("stdin is empty: '-' reads a picture from it"),
                    length if length > MOST => Error::usage("stdin: more than 64 MiB, which no picture needs"),
                    _ => Ok(bytes),
                }
            }
            Source::Clipboard => clipboard::picture(MOST),
            Source::Data(url) => read_data_url(url).map_err(|error| named(source, error)),
            Source::Web(url) => self.fetch(url),
        }
    }

    #[cfg(feature = "net")]
    fn fetch(&self, url: &str) -> Result<Vec<u8>, Error> {
        let limits = smolvlm_fetch::Limits { private: self.allow_private, ..smolvlm_fetch::Limits::default() };
        smolvlm_fetch::fetch(url, &limits).map_err(|error| match error {
            smolvlm_fetch::Error::Private { .. } => Error::Usage(format!("{error} (--allow-private allows them)")),
            error => Error::Fetch(error),
        })
    }

    #[cfg(not(feature = "net"))]
    fn fetch(&self, _: &str) -> Result<Vec<u8>, Error> {
        let _ = self.allow_private;
        Error::usage("this program was built without fetching from addresses; save the picture and give its path")
    }
}

fn named(source: &Source, error: smolvlm_processor::Error) -> Error {
    Error::Processor(smolvlm_processor::Error::PictureFile { path: source.name(), source: Box::new(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_words_name() {
        assert_eq!(Source::of("-"), Source::Stdin);
        assert_eq!(Source::of("a.png"), Source::File("a.png".into()));
        assert_eq!(Source::of("HTTPS://a/b"), Source::Web("HTTPS://a/b".into()));
        assert_eq!(Source::of("ftp://a/b"), Source::File("ftp://a/b".into()));
        assert_eq!(Source::of("data:,"), Source::Data("data:,".into()));
        assert_eq!(Source::Data("data:image/png;base64,AAAA".into()).name(), "data:image/png;base64");
        let twice = ["-".to_owned(), "-".to_owned()];
        assert!(SourceArgs::default().sources(twice.iter()).is_err());
        let behind = SourceArgs { clipboard: true, ..SourceArgs::default() }.sources(twice[..1].iter()).unwrap();
        assert_eq!(behind, [Source::Stdin, Source::Clipboard]);
    }
}
