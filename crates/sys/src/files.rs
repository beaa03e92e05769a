//! Where a checkpoint's files lie: in a folder, in the program itself, or made of others.

use crate::FileMap;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of one checkpoint. What reads a checkpoint reads it through this, and need not know where it lies.
#[derive(Clone, PartialEq, Eq)]
pub enum Files {
    /// Those of a folder.
    Folder(PathBuf),
    /// Those that the program carries.
    Held {
        /// What messages call them: it stands where a folder's path would.
        name: &'static str,
        /// Names and bytes.
        files: &'static [(&'static str, &'static [u8])],
    },
    /// Those that this process made of others.
    Made(Arc<Made>),
}

/// Files that a process made of others: the small ones in memory, the large ones where they lie.
#[derive(Debug, PartialEq, Eq)]
pub struct Made {
    /// What messages call it: it stands where a folder's path would.
    pub name: String,
    /// Names and bytes.
    pub held: BTreeMap<String, Vec<u8>>,
    /// Names, and which files of the disk they mean.
    pub linked: BTreeMap<String, PathBuf>,
}

impl Files {
    /// A file's path, or what stands in messages for one.
    pub fn path(&self, file: &str) -> PathBuf {
        match self {
            Files::Folder(dir) => dir.join(file),
            Files::Held { name, .. } => Path::new(name).join(file),
            Files::Made(made) => made.linked.get(file).cloned().unwrap_or_else(|| Path::new(&made.name).join(file)),
        }
    }

    /// Whether there is such a file.
    pub fn has(&self, file: &str) -> bool {
        match self {
            Files::Folder(dir) => dir.join(file).is_file(),
            Files::Held { .. } => self.held(file).is_ok(),
            Files::Made(made) => {
                made.held.contains_key(file) || made.linked.get(file).is_some_and(|path| path.is_file())
            }
        }
    }

    /// The names of all files, in order; a folder's subfolders are not among them.
    ///
    /// # Errors
    /// The folder cannot be looked into.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        match self {
            Files::Folder(dir) => {
                for entry in std::fs::read_dir(dir)? {
                    let path = entry?.path();
                    if path.is_file() {
                        names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
                    }
                }
            }
            Files::Held { files, .. } => names.extend(files.iter().map(|(name, _)| name.to_string())),
            Files::Made(made) => names.extend(made.held.keys().chain(made.linked.keys()).cloned()),
        }
        names.sort();
        Ok(names)
    }

    /// Opens a file: its bytes from the start, and how many it says there are.
    ///
    /// # Errors
    /// The system's own; `NotFound` where there is no such file.
    pub fn open(&self, file: &str) -> io::Result<(Box<dyn Read>, u64)> {
        match self {
            Files::Held { .. } => {
                let bytes = self.held(file)?;
                Ok((Box::new(bytes), bytes.len() as u64))
            }
            Files::Made(made) if made.held.contains_key(file) => {
                let bytes = made.held.get(file).cloned().unwrap_or_default();
                let length = bytes.len() as u64;
                Ok((Box::new(io::Cursor::new(bytes)), length))
            }
            Files::Folder(_) | Files::Made(_) => {
                let file = File::open(self.on_disk(file)?)?;
                let bytes = file.metadata()?.len();
                Ok((Box::new(file), bytes))
            }
        }
    }

    /// All of a file's bytes, mapped from the disk, as they stand in the program, or as they were made.
    ///
    /// # Errors
    /// As [`Files::open`].
    pub fn map(&self, file: &str) -> io::Result<FileMap> {
        match self {
            Files::Made(made) if made.held.contains_key(file) => {
                Ok(FileMap::made(made.held.get(file).cloned().unwrap_or_default()))
            }
            Files::Folder(_) | Files::Made(_) => FileMap::open(&self.on_disk(file)?),
            Files::Held { .. } => Ok(FileMap::held(self.held(file)?)),
        }
    }

    fn on_disk(&self, file: &str) -> io::Result<PathBuf> {
        let path = match self {
            Files::Folder(dir) => Some(dir.join(file)),
            Files::Held { .. } => None,
            Files::Made(made) => made.linked.get(file).cloned(),
        };
        path.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn held(&self, file: &str) -> io::Result<&'static [u8]> {
        let found = match self {
            Files::Folder(_) | Files::Made(_) => None,
            Files::Held { files, .. } => files.iter().find(|(name, _)| *name == file),
        };
        found.map(|(_, bytes)| *bytes).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Files::Folder(dir) => dir.display().fmt(f),
            Files::Held { name, .. } => name.fmt(f),
            Files::Made(made) => made.name.fmt(f),
        }
    }
}

impl fmt::Debug for Files {
    /// Without the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Files({self})")
    }
}

impl From<&Path> for Files {
    fn from(dir: &Path) -> Files {
        Files::Folder(dir.to_path_buf())
    }
}

impl From<&PathBuf> for Files {
    fn from(dir: &PathBuf) -> Files {
        Files::Folder(dir.clone())
    }
}

impl From<&Files> for Files {
    fn from(files: &Files) -> Files {
        files.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Files = Files::Held { name: "small", files: &[("b.json", b"{}"), ("a.txt", b"text")] };

    fn text(files: &Files, name: &str) -> String {
        let (mut read, bytes) = files.open(name).unwrap();
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text.len() as u64, bytes);
        assert_eq!(*files.map(name).unwrap(), *text.as_bytes());
        text
    }

    #[test]
    fn a_folder_and_what_the_program_carries_read_alike() {
        let dir = std::env::temp_dir().join(format!("smolvlm-files-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("below")).unwrap();
        std::fs::write(dir.join("b.json"), "{}").unwrap();
        std::fs::write(dir.join("a.txt"), "text").unwrap();
        for files in [Files::from(&dir), HELD] {
            assert_eq!(files.names().unwrap(), ["a.txt", "b.json"]);
            assert_eq!((text(&files, "a.txt"), text(&files, "b.json")), ("text".into(), "{}".into()));
            assert!(files.has("a.txt") && !files.has("c") && !files.has("below"));
            assert_eq!(files.open("c").err().unwrap().kind(), io::ErrorKind::NotFound);
            assert_eq!(files.map("c").err().unwrap().kind(), io::ErrorKind::NotFound);
            assert_eq!(files.path("c"), Path::new(&files.to_string()).join("c"));
        }
        let linked = BTreeMap::from([("b.json".to_owned(), dir.join("b.json"))]);
        let held = BTreeMap::from([("a.txt".to_owned(), b"text".to_vec())]);
        let made = Files::Made(Arc::new(Made { name: "made".into(), held, linked }));
        assert_eq!(made.names().unwrap(), ["a.txt", "b.json"]);
        assert_eq!(text(&made, "b.json"), "{}");
        assert_eq!(text(&made, "a.txt"), "text");
        assert!(made.has("a.txt") && made.has("b.json") && !made.has("c"));
        assert_eq!((made.path("b.json"), made.path("a.txt")), (dir.join("b.json"), "made/a.txt".into()));
        assert_eq!(made.open("c").err().unwrap().kind(), io::ErrorKind::NotFound);
        assert_eq!(HELD.path("a.txt").display().to_string(), "small/a.txt");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
