//! Names of models become files.
//!
//! A name is `nano`, the model that the program carries; the path of a checkpoint folder; `org/name[@revision]` on the
//! Hugging Face hub, or a short name of one ([`ALIASES`]). What comes from the hub is kept in the cache that
//! `huggingface_hub` uses too.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]
// What fills the cache.
#![cfg_attr(not(feature = "net"), allow(dead_code))]

mod cache;
#[cfg(feature = "net")]
mod client;
mod data;
#[cfg(feature = "net")]
mod download;
mod error;
mod hash;
mod models;
mod name;
#[cfg(feature = "net")]
mod proxy;
mod pull;
mod quant;
mod settings;
#[cfg(feature = "net")]
mod tls;

pub use data::data;
pub use error::Error;
pub use models::{Broken, Kept, kept, remove, verify};
pub use name::{ALIASES, MAIN, Repo};
pub use pull::{Event, Watch, pull};
pub use settings::Settings;

use cache::Cache;
use smolvlm_sys::Files;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The name of the model that the program carries. It means no folder, also where one is called so: `./nano` is that.
pub const NANO: &str = "nano";
/// The model of who names none, where the program carries one.
pub const DEFAULT: Option<&str> = if cfg!(feature = "nano") { Some(NANO) } else { None };

/// Finds the files of a model, and brings them from the hub if they are not here.
///
/// `name` is [`NANO`]; the path of a folder in Hugging Face's checkpoint form: `config.json` beside `model.safetensors`, or
/// beside `model.safetensors.index.json` and the parts that it lists; or a [`Repo`]'s. A folder goes before a name on the
/// hub. What the cache has of a branch is taken as it is; [`pull`] asks for what is new. It may also be a GGUF file of a
/// decoder; `mmproj` is that of its tower, where it is not the one that lies beside it. A decoder without either reads text
/// alone.
///
/// # Errors
/// The program does not carry the model; there is no such folder, it is a file, it lacks `config.json` or weights, its only
/// weights are pickled, or it cannot be read; the hub has no such model, or it cannot be fetched.
pub fn resolve(name: &str, mmproj: Option<&Path>, watch: &Watch<'_>) -> Result<Files, Error> {
    let is_gguf = Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    if is_gguf {
        return gguf(Path::new(name), mmproj, watch);
    }
    if mmproj.is_some() {
        return Err(Error::NotGguf { name: name.to_owned() });
    }
    if name.is_empty() {
        return Err(Error::Empty);
    }
    if name == NANO {
        return nano();
    }
    let dir = PathBuf::from(name);
    match fs::metadata(&dir) {
        Ok(found) if found.is_dir() => checkpoint(&dir)?,
        Ok(_) => return Err(Error::NotAFolder { path: dir }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return of_hub(name, watch);
        }
        Err(source) => return Err(Error::Read { path: dir, source }),
    }
    Ok(Files::Folder(dir))
}

/// GGUF files as a checkpoint.
fn gguf(text: &Path, mmproj: Option<&Path>, watch: &Watch<'_>) -> Result<Files, Error> {
    let (mmproj, left) = match mmproj {
        Some(mmproj) => (Some(mmproj.to_owned()), None),
        None => beside(text)?,
    };
    let files = smolvlm_gguf::checkpoint(text, mmproj.as_deref()).map_err(|error| match error {
        smolvlm_gguf::Error::File { source, .. } if *source == smolvlm_gguf::Error::Tower => tower(text),
        error => Error::Gguf(error),
    })?;
    if let Some(left) = left {
        watch(Event::LeftAlone { what: &left.to_string() });
    }
    Ok(files)
}

/// The error of a tower's file where a decoder's should be, with the files beside it that it belongs to.
fn tower(path: &Path) -> Error {
    let theirs = |text: &PathBuf| !is_mmproj(text) && smolvlm_gguf::fit(text, path).is_ok();
    let mut there = ggufs(path).unwrap_or_default();
    there.retain(theirs);
    let there: Vec<String> = there.iter().map(|text| text.display().to_string()).collect();
    let there = if there.is_empty() { "none lies beside it".to_owned() } else { there.join(", ") };
    Error::Tower { path: path.to_owned(), there }
}

/// The GGUF files in a file's folder, in order.
fn ggufs(beside: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = beside.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = cache::entries(folder)?;
    found.retain(|path| path.file_name().is_some_and(|name| quant::is_gguf(&name.to_string_lossy())));
    found.sort();
    Ok(found)
}

/// Whether a file is a tower's, by its name.
fn is_mmproj(path: &Path) -> bool {
    path.file_name().is_some_and(|name| quant::is_mmproj(&name.to_string_lossy()))
}

/// The mmproj file that lies beside a decoder's and belongs to it, if there is any: that of its name, or the only one. Those
/// of other models are left alone; where there is no other, also what is wrong with the first.
fn beside(text: &Path) -> Result<(Option<PathBuf>, Option<smolvlm_gguf::Error>), Error> {
    if is_mmproj(text) {
        return Ok((None, None));
    }
    let own = text.with_file_name(format!("mmproj-{}", text.file_name().unwrap_or_default().to_string_lossy()));
    let found = if own.is_file() { vec![own] } else { ggufs(text)? };
    let (mut theirs, mut left) = (Vec::new(), None);
    for path in found.into_iter().filter(|path| is_mmproj(path)) {
        match smolvlm_gguf::fit(text, &path) {
            Ok(()) => theirs.push(path),
            Err(error) if error.is_unfit() => left = left.or(Some(error)),
            Err(error) => return Err(Error::Gguf(error)),
        }
    }
    match theirs.len() {
        0 => Ok((None, left)),
        1 => Ok((theirs.pop(), None)),
        count => Err(Error::Mmproj { text: text.to_owned(), count }),
    }
}

/// A model's files in the cache, which come if they are not there.
fn of_hub(name: &str, watch: &Watch<'_>) -> Result<Files, Error> {
    let Some(repo) = Repo::parse(name) else {
        let is_path = name.contains(['/', '\\']) || name.starts_with('.');
        return Err(match is_path {
            true => Error::NoFolder { dir: PathBuf::from(name) },
            false => Error::Unknown { name: name.to_owned() },
        });
    };
    let settings = Settings::from_env()?;
    let there = in_cache(&settings, &repo).map_or_else(|| pull(&settings, &repo, watch), Ok)?;
    match &repo.quant {
        Some(quant) => {
            let chosen = chosen(&repo, quant, &there)?;
            let mmproj = chosen.mmproj.map(|name| there.join(name));
            Ok(smolvlm_gguf::checkpoint(&there.join(chosen.text), mmproj.as_deref())?)
        }
        None => {
            checkpoint(&there)?;
            Ok(Files::Folder(there))
        }
    }
}

/// The GGUF files of a folder that a name means.
fn chosen(repo: &Repo, quant: &str, dir: &Path) -> Result<quant::Chosen, Error> {
    let names = cache::entries(dir)?.into_iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let names: Vec<String> = names.collect();
    quant::chosen(repo, quant, names.iter().map(String::as_str))
}

/// The folder of an adapter: that of a path, or of a name on the hub, which comes if it is not there.
///
/// # Errors
/// As [`resolve`].
pub fn adapter(name: &str, watch: &Watch<'_>) -> Result<PathBuf, Error> {
    let dir = PathBuf::from(name);
    if dir.exists() {
        return Ok(dir);
    }
    let Some(repo) = Repo::parse(name) else { return Err(Error::NoFolder { dir }) };
    let settings = Settings::from_env()?;
    in_cache(&settings, &repo).map_or_else(|| pull(&settings, &repo, watch), Ok)
}

/// A model's folder in the cache, if all of it is there; or an adapter's.
fn in_cache(settings: &Settings, repo: &Repo) -> Option<PathBuf> {
    let cache = Cache::new(&settings.cache);
    let dir = cache.snapshot(&repo.id, &cache.commit(repo)?);
    let whole = match &repo.quant {
        Some(quant) => chosen(repo, quant, &dir).is_ok_and(|chosen| {
            [Some(chosen.text), chosen.mmproj].iter().flatten().all(|name| dir.join(name).is_file())
        }),
        None => missing(&dir).is_none(),
    };
    whole.then_some(dir)
}

/// What a checkpoint's or an adapter's folder lacks, if anything.
fn missing(dir: &Path) -> Option<&'static str> {
    let has = |name: &str| dir.join(name).is_file();
    if has(ADAPTER) && !has("config.json") {
        return (!has("adapter_model.safetensors")).then_some("adapter_model.safetensors is missing: pull it again");
    }
    match checkpoint(dir) {
        Err(_) => Some("its settings or its weights are missing: pull it again"),
        Ok(()) if !has("tokenizer.json") => Some("tokenizer.json is missing: pull it again"),
        Ok(()) if !parts(dir) => Some("a part of its weights is missing: pull it again"),
        Ok(()) => None,
    }
}

/// What tells an adapter's folder.
pub(crate) const ADAPTER: &str = "adapter_config.json";

/// Whether all parts that an index lists are there.
fn parts(dir: &Path) -> bool {
    let Ok(text) = fs::read_to_string(dir.join("model.safetensors.index.json")) else {
        return dir.join("model.safetensors").is_file();
    };
    let index: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let Some(serde_json::Value::Object(map)) =
        index.and_then(|mut index| index.get_mut("weight_map").map(|map| map.take()))
    else {
        return false;
    };
    map.values().all(|part| part.as_str().is_some_and(|part| dir.join(part).is_file()))
}

/// That a folder is a checkpoint.
fn checkpoint(dir: &Path) -> Result<(), Error> {
    if !dir.join("config.json").is_file() {
        let names: Vec<String> = cache::entries(dir)?
            .iter()
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect();
        return Err(match quant::there(names.iter().map(String::as_str)) {
            Some(there) => Error::GgufFolder { dir: dir.to_owned(), there },
            None if dir.join(ADAPTER).is_file() => Error::AdapterAlone { name: dir.display().to_string() },
            None => Error::NoConfig { dir: dir.to_owned() },
        });
    }
    weights(dir)
}

#[cfg(feature = "nano")]
fn nano() -> Result<Files, Error> {
    Ok(smolvlm_nano::files())
}

#[cfg(not(feature = "nano"))]
fn nano() -> Result<Files, Error> {
    Err(Error::NoNano)
}

/// That there are weights, and not pickled ones alone.
fn weights(dir: &Path) -> Result<(), Error> {
    if ["model.safetensors", "model.safetensors.index.json"].iter().any(|name| dir.join(name).is_file()) {
        return Ok(());
    }
    let wrong = |source| Error::Read { path: dir.to_owned(), source };
    let mut pickled: Option<PathBuf> = None;
    for entry in fs::read_dir(dir).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let is_pickled = path.extension().is_some_and(|e| e == "bin" || e == "pt" || e == "pth" || e == "ckpt");
        if is_pickled && pickled.as_ref().is_none_or(|first| path < *first) {
            pickled = Some(path);
        }
    }
    Err(match pickled {
        Some(path) => Error::Pickled { path },
        None => Error::NoWeights { dir: dir.to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str) -> String {
        resolve(name, None, &|_| {}).unwrap_err().to_string()
    }

    #[test]
    fn a_checkpoint_folder_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().to_str().unwrap();
        fs::write(dir.path().join("config.json"), "{}").unwrap();
        fs::write(dir.path().join("pytorch_model.bin"), "").unwrap();
        fs::write(dir.path().join("model.safetensors"), "").unwrap();
        assert_eq!(resolve(name, None, &|_| {}).unwrap(), Files::from(dir.path()));
        assert_eq!(resolve(&format!("{name}/"), None, &|_| {}).unwrap(), Files::from(dir.path()));
        fs::rename(dir.path().join("model.safetensors"), dir.path().join("model.safetensors.index.json")).unwrap();
        assert_eq!(resolve(name, None, &|_| {}).unwrap(), Files::from(dir.path()));
    }

    #[test]
    fn nano_is_what_the_program_carries_or_says_that_it_does_not() {
        match resolve(NANO, None, &|_| {}) {
            Ok(files) => {
                assert_eq!(DEFAULT, Some(NANO));
                let needed =
                    ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json", "README.md"];
                assert!(needed.iter().all(|name| files.has(name)), "{:?}", files.names());
            }
            Err(error) => {
                assert_eq!(DEFAULT, None);
                assert!(error.to_string().starts_with("nano: this program was built without it"), "{error}");
            }
        }
        // A folder is named by a path.
        assert!(message("./nano").contains("./nano: no such folder"));
    }

    #[test]
    fn every_mistake_has_its_message() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().to_str().unwrap();
        assert!(message("").contains("empty"));
        assert!(message("./nowhere/at all").contains("no such folder"));
        assert!(message("nowhere").contains("no short name of a model"));
        assert!(message(name).contains("no config.json in it"));
        fs::write(dir.path().join("some-q8_0.gguf"), "").unwrap();
        fs::write(dir.path().join("mmproj-some.gguf"), "").unwrap();
        assert!(message(name).contains("would be right: some-q8_0.gguf"));
        for file in ["some-q8_0.gguf", "mmproj-some.gguf"] {
            fs::remove_file(dir.path().join(file)).unwrap();
        }
        fs::write(dir.path().join("config.json"), "{}").unwrap();
        assert!(message(name).contains("no weights in it"));
        fs::write(dir.path().join("pytorch_model.bin"), "").unwrap();
        assert!(message(name).contains("pytorch_model.bin: pickled weights are refused"));
        assert!(message(&format!("{name}/config.json")).contains("a file, not a folder"));
        assert!(matches!(
            resolve(&format!("{name}/config.json/x"), None, &|_| {}),
            Err(Error::Read { .. } | Error::NoFolder { .. })
        ));
        assert!(matches!(resolve("a\0b", None, &|_| {}), Err(Error::Read { .. })));
        fs::remove_file(dir.path().join("config.json")).unwrap();
        fs::create_dir(dir.path().join("config.json")).unwrap();
        assert!(message(name).contains("no config.json in it"));
    }
}
