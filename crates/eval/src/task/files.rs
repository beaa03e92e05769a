//! Where the rows of a benchmark are, and what they name.

use super::Layout;
use super::columns::Elsewhere;
use super::item::Item;
use crate::Error;
use smolvlm_data::{ClipFile, PictureFile, Record, Records};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The most files that are looked through for clips.
const MOST_FILES: usize = 1_000_000;

/// The rows of a benchmark, as its layout has them.
pub(crate) struct Rows {
    layout: Layout,
    /// Files that follow each other, with their name without ending.
    parts: Vec<(String, Records)>,
    /// The rows that are the task's: (part, row).
    rows: Vec<(usize, usize)>,
    root: PathBuf,
    /// Rows by their names, where one shows the picture of another.
    by_id: OnceLock<BTreeMap<String, usize>>,
    /// Pictures in files of their own, by their names.
    pictures: Option<(Records, BTreeMap<String, usize>)>,
    /// Files below the root by their names, for clips.
    files: OnceLock<BTreeMap<String, Vec<PathBuf>>>,
}

impl Rows {
    /// Opens the files of a layout below `path`, or the one that it is. Clips are looked for below `media`, or beside the rows.
    ///
    /// # Errors
    /// There are none, or they have other columns.
    pub(crate) fn open(path: &Path, layout: Layout, media: Option<&Path>) -> Result<Rows, Error> {
        let files = files(path, &layout)?;
        let (wanted, needed) = layout.columns.names();
        let [wanted, needed] = [&wanted, &needed].map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
        let stem = |path: &Path| path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let is_parquet = files.iter().all(|file| file.extension().is_some_and(|ending| ending == "parquet"));
        let groups: Vec<Vec<PathBuf>> =
            if is_parquet { vec![files] } else { files.into_iter().map(|file| vec![file]).collect() };
        let mut parts = Vec::new();
        for group in groups {
            let name = group.first().map_or_else(String::new, |first| stem(first));
            parts.push((name, Records::open(&group, &needed, &wanted).map_err(Error::Data)?));
        }
        let pictures = match &layout.columns.elsewhere {
            Some(elsewhere) if !layout.table => Some(apart(path, elsewhere)?),
            _ => None,
        };
        let root = match media {
            Some(media) => media.to_owned(),
            None if path.is_dir() => path.to_owned(),
            None => path.parent().unwrap_or(Path::new("")).to_owned(),
        };
        let mut rows = Vec::new();
        for (part, (_, records)) in parts.iter().enumerate() {
            // A row that cannot be read is shown as such when its turn comes.
            let takes = |row: &usize| {
                layout.columns.is_all() || records.read(*row).map_or(true, |record| layout.columns.takes(&record))
            };
            rows.extend((0..records.len()).filter(takes).map(|row| (part, row)));
        }
        let (by_id, files) = (OnceLock::new(), OnceLock::new());
        Ok(Rows { layout, parts, rows, root, by_id, pictures, files })
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row `index`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn item(&self, index: usize) -> Result<Item, String> {
        let (record, file) = self.record(index)?;
        let columns = &self.layout.columns;
        let mut item = columns.item(&record, file, self.layout.table)?;
        if let Some(name) = item.picture_of.take() {
            item.pictures = self.pictures_of_row(&name)?;
        }
        if let (Some((records, places)), Some(elsewhere)) = (&self.pictures, &columns.elsewhere) {
            let key = record.text(&elsewhere.key)?.ok_or_else(|| format!("`{}` is empty", elsewhere.key))?;
            let place = places.get(&key).ok_or_else(|| format!("its picture {key:?} is not in {}", elsewhere.files))?;
            item.pictures = records.read(*place)?.pictures(&elsewhere.picture)?;
        }
        if item.pictures.is_empty() && (!columns.pictures.is_empty() || columns.elsewhere.is_some()) {
            return Err("it has no picture".to_owned());
        }
        if let Some(clip) = columns.clip(&record, file)? {
            item.clip = Some(ClipFile::Path(self.clip(&clip)?));
        }
        Ok(item)
    }

    fn record(&self, index: usize) -> Result<(Record, &str), String> {
        let none = || format!("there is no row {index}: {} rows", self.len());
        let &(part, row) = self.rows.get(index).ok_or_else(none)?;
        let (name, records) = self.parts.get(part).ok_or_else(none)?;
        Ok((records.read(row)?, name))
    }

    /// The pictures of the row that is called so.
    fn pictures_of_row(&self, name: &str) -> Result<Vec<PictureFile>, String> {
        let columns = &self.layout.columns;
        let id_of = |index: usize| self.record(index).ok()?.0.text(columns.id.as_deref()?).ok()?;
        let by_id =
            self.by_id.get_or_init(|| (0..self.len()).filter_map(|index| Some((id_of(index)?, index))).collect());
        let wrong = || format!("it shows the picture of row {name:?}, which is not there");
        let (record, file) = self.record(*by_id.get(name).ok_or_else(wrong)?)?;
        let item = columns.item(&record, file, self.layout.table)?;
        if item.picture_of.is_some() {
            return Err(format!("it shows the picture of row {name:?}, which holds none of its own"));
        }
        Ok(item.pictures)
    }

    /// A clip's file: where it should be, or the only one below the root whose path ends so.
    fn clip(&self, name: &str) -> Result<PathBuf, String> {
        let name = name.trim_start_matches("./");
        if Path::new(name).is_absolute() || name.split('/').any(|part| part == "..") {
            return Err(format!("its clip {name:?} lies outside of the data's folder"));
        }
        let here = self.root.join(name);
        if here.exists() {
            return Ok(here);
        }
        let files = self.files.get_or_init(|| below(&self.root));
        let last = name.rsplit('/').next().unwrap_or(name);
        let found = files.get(last).map_or(&[][..], Vec::as_slice);
        let mut ending = found.iter().filter(|path| path.ends_with(name));
        match (ending.next(), ending.next()) {
            (Some(only), None) => Ok(only.clone()),
            (None, _) => Err(format!("its clip {name} is not below {}", self.root.display())),
            // Copies of one, as when archives were unpacked twice.
            (Some(first), Some(second)) if length(first).is_some() && length(first) == length(second) => {
                Ok(first.clone())
            }
            (Some(first), Some(second)) => {
                Err(format!("its clip {name} is {} or {}", first.display(), second.display()))
            }
        }
    }
}

/// Bytes of a file; none of a folder.
fn length(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|data| data.len())
}

/// Pictures in files of their own, and where each is.
fn apart(path: &Path, elsewhere: &Elsewhere) -> Result<(Records, BTreeMap<String, usize>), Error> {
    let root = path.ancestors().find(|folder| folder.is_dir()).unwrap_or(path);
    let found = [Some(root), root.parent()].into_iter().flatten().map(|root| matching(root, &elsewhere.files));
    let files = found.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
    if files.is_empty() {
        return Err(Error::NoRows { path: path.display().to_string(), wanted: elsewhere.files.clone() });
    }
    let names = [elsewhere.id.as_str()];
    let ids = Records::open(&files, &names, &[]).map_err(Error::Data)?;
    let id = |row: usize| ids.read(row).ok()?.text(&elsewhere.id).ok()?;
    let places = (0..ids.len()).filter_map(|row| Some((id(row)?, row))).collect();
    let records = Records::open(&files, &[&elsewhere.picture], &names).map_err(Error::Data)?;
    Ok((records, places))
}

/// The files of a layout: `path` itself, or those below it that it names, wherever below the folder stands.
fn files(path: &Path, layout: &Layout) -> Result<Vec<PathBuf>, Error> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let below = |pattern: &String| {
        let last = pattern.rsplit('/').next().unwrap_or(pattern);
        let found = matching(path, pattern);
        if found.is_empty() { matching(path, last) } else { found }
    };
    let mut found = layout.files.iter().map(below).filter(|found| !found.is_empty());
    // Of a table the first of its names counts, or the only one there is; the files of the hub's form belong together.
    let all: Vec<PathBuf> = match layout.table {
        true => found.next().filter(|found| found.len() == 1).unwrap_or_default(),
        false => found.flatten().collect(),
    };
    match all.is_empty() {
        false => Ok(all),
        true => Err(Error::NoRows { path: path.display().to_string(), wanted: layout.files.join(", ") }),
    }
}

/// Files below a folder by a pattern, in whose parts `*` stands for any letters; in the order of their names.
pub(super) fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for part in pattern.split('/') {
        let entries = |folder: &PathBuf| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let named = entries.filter(|entry| fits(part, &entry.file_name().to_string_lossy()));
            named.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        found = found.iter().flat_map(entries).collect();
    }
    found.retain(|path| path.is_file());
    found.sort();
    found
}

/// Whether a name is what a pattern with at most one `*` says.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len()
                && name.starts_with(start)
                && name.ends_with(end)
                && !name.starts_with('.')
        }
    }
}

/// All files and folders below a folder by their names.
fn below(root: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let (mut folders, mut count) = (vec![root.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            count += 1;
            if count > MOST_FILES {
                return files;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
            files.entry(entry.file_name().to_string_lossy().into_owned()).or_default().push(entry.path());
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(fits("val-*.parquet", "val-0.parquet") && fits("*", "a") && fits("a.b", "a.b"));
        assert!(!fits("val-*.parquet", "val.parquet") && !fits("a", "b") && !fits("*.json", ".json"));
        let folder = tempfile::tempdir().unwrap();
        for name in ["x/b.json", "x/a.json", "y/c.json", "y/d.txt"] {
            std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = matching(folder.path(), "*/*.json");
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(names, [Path::new("x/a.json"), Path::new("x/b.json"), Path::new("y/c.json")]);
    }
}
