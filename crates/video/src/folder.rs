//! Folders of frames.

use crate::Error;
use smolvlm_processor::{DecodeOptions, Picture};
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// What frames' names end in.
const ENDINGS: [&str; 9] = ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "ppm", "qoi"];

/// The frames of a folder in the order of their names, numbers in them by their size.
pub(crate) fn frames(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read { path: folder.display().to_string(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        if ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) && path.is_file() {
            files.push(path);
        }
    }
    files.sort_by(|a, b| by_numbers(&name(a), &name(b)));
    Ok(files)
}

/// The frame of a file.
pub(crate) fn frame(file: &Path, options: &DecodeOptions) -> Result<Picture, Error> {
    Ok(Picture::open(file, options)?)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Names in the order in which people count: "f9" before "f10".
fn by_numbers(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let ((text, number, rest), (other_text, other_number, other_rest)) = (split(left), split(right));
        let order = text.cmp(other_text).then(number.len().cmp(&other_number.len())).then(number.cmp(other_number));
        if order != Ordering::Equal || rest.is_empty() || other_rest.is_empty() {
            return order.then(rest.cmp(other_rest)).then(a.cmp(b));
        }
        (left, right) = (rest, other_rest);
    }
}

/// What stands before the first number, the number without its zeros in front, and what stands behind.
fn split(text: &str) -> (&str, &str, &str) {
    let digit = |c: char| c.is_ascii_digit();
    let (before, from) = text.split_at(text.find(digit).unwrap_or(text.len()));
    let (number, rest) = from.split_at(from.find(|c| !digit(c)).unwrap_or(from.len()));
    (before, number.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["f10.png", "f9.PNG", "f009b.jpg", "a1.webp", "notes.txt", "f1.png.bak"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("z.png")).unwrap();
        let names: Vec<String> = frames(folder.path()).unwrap().iter().map(|path| name(path)).collect();
        assert_eq!(names, ["a1.webp", "f9.PNG", "f009b.jpg", "f10.png"]);
        assert!(matches!(frames(&folder.path().join("nowhere")), Err(Error::Read { .. })));
    }
}
