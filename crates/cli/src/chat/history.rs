//! The lines that were entered, kept from call to call for those who go back to them: a file that its owner alone reads.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The most entries of the file.
const ENTRIES: usize = 1000;
/// The most bytes of an entry; a longer one is a pasted text, or a picture as an address.
const LONGEST: usize = 8192;

/// The file.
pub(super) struct History {
    path: PathBuf,
}

impl History {
    /// Its place in the user's folder for what programs remember; `None` where there is no such folder.
    pub(super) fn of_user() -> Option<History> {
        let folder = folder(&|name| std::env::var_os(name).map(PathBuf::from))?;
        Some(History { path: folder.join("smolvlm").join("history") })
    }

    /// The entries, the oldest first; none where the file cannot be read.
    pub(super) fn entries(&self) -> Vec<String> {
        let mut bytes = Vec::new();
        let most = 2 * (ENTRIES * LONGEST) as u64;
        let read = std::fs::File::open(&self.path).and_then(|file| file.take(most).read_to_end(&mut bytes));
        if read.is_err() {
            return Vec::new();
        }
        String::from_utf8_lossy(&bytes).lines().map(unescaped).collect()
    }

    /// Adds an entry behind those that are there by now, which others may have added to. A line that begins with a space is
    /// not for keeping, nor is one that was entered just before.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn add(&self, entry: &str) -> std::io::Result<()> {
        if entry.len() > LONGEST || entry.starts_with(' ') || entry.trim().is_empty() {
            return Ok(());
        }
        let mut entries = self.entries();
        if entries.last().is_some_and(|last| last == entry) {
            return Ok(());
        }
        entries.push(entry.to_owned());
        let first = entries.len().saturating_sub(ENTRIES);
        let lines: String = entries.iter().skip(first).map(|entry| escaped(entry) + "\n").collect();
        write(&self.path, lines.as_bytes())
    }
}

/// The folder: `XDG_STATE_HOME`, or where it is by default.
fn folder(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let of_windows = || absolute("LOCALAPPDATA").filter(|_| cfg!(windows));
    let of_home = || absolute("HOME").map(|home| home.join(".local").join("state"));
    absolute("XDG_STATE_HOME").or_else(of_windows).or_else(of_home)
}

/// Writes the file aside, for its owner alone, and gives it its name.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // A temporary file is its owner's alone from the beginning.
    let mut file = tempfile::Builder::new().prefix(".history-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// An entry on one line.
fn escaped(entry: &str) -> String {
    entry.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescaped(line: &str) -> String {
    let (mut entry, mut chars) = (String::new(), line.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => entry.push('\n'),
                Some('r') => entry.push('\r'),
                other => entry.extend(other),
            },
            c => entry.push(c),
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_kept_for_their_owner() {
        let dir = tempfile::tempdir().unwrap();
        let history = History { path: dir.path().join("state/smolvlm/history") };
        assert!(history.entries().is_empty());
        for entry in ["one", "two\nlines \\n \\", "two\nlines \\n \\", " secret", "", &"x".repeat(LONGEST + 1), "ü"] {
            history.add(entry).unwrap();
        }
        assert_eq!(history.entries(), ["one", "two\nlines \\n \\", "ü"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&history.path), 0o600);
            assert_eq!(mode(history.path.parent().unwrap()), 0o700);
        }
        // Nothing else is left there.
        assert_eq!(std::fs::read_dir(history.path.parent().unwrap()).unwrap().count(), 1);
        let many: String = (0..2 * ENTRIES).map(|number| format!("{number}\n")).collect();
        write(&history.path, many.as_bytes()).unwrap();
        history.add("last").unwrap();
        let entries = history.entries();
        assert_eq!((entries.len(), entries[ENTRIES - 1].as_str()), (ENTRIES, "last"));
        assert_eq!(entries[0], (ENTRIES + 1).to_string());
    }

    #[test]
    fn the_folder_is_the_users() {
        let of = |variables: &[(&str, &str)]| {
            folder(&|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("HOME", "")]), None);
        assert_eq!(of(&[("HOME", "relative"), ("XDG_STATE_HOME", "also")]), None);
        #[cfg(unix)]
        {
            assert_eq!(of(&[("HOME", "/home/a")]), Some("/home/a/.local/state".into()));
            assert_eq!(of(&[("HOME", "/home/a"), ("XDG_STATE_HOME", "/state")]), Some("/state".into()));
        }
    }
}
