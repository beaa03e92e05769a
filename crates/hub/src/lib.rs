//! Names of models become files.
//!
//! A name is `nano`, the model that the program carries, or the path of a checkpoint folder. Names on the Hugging Face
//! hub (`org/name`) are recognised, so that they get an answer of their own, but nothing is downloaded yet.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

use smolvlm_sys::Files;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The name of the model that the program carries. It means no folder, also where one is called so: `./nano` is that.
pub const NANO: &str = "nano";
/// The model of who names none, where the program carries one.
pub const DEFAULT: Option<&str> = if cfg!(feature = "nano") { Some(NANO) } else { None };

/// Why a name did not become files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program was built without the model that it would carry.
    #[error(
        "nano: this program was built without it; give the path of a checkpoint folder (./nano, if one is called so)"
    )]
    NoNano,
    /// The name is empty.
    #[error("the model's name is empty; give the path of a checkpoint folder")]
    Empty,
    /// A name on the hub, and no folder of that name.
    #[error(
        "{name}: no such folder; models cannot be downloaded by name yet, so download it first and give its folder"
    )]
    HubName {
        /// The name.
        name: String,
    },
    /// There is nothing at this path.
    #[error("{dir}: no such folder")]
    NoFolder {
        /// The path.
        dir: PathBuf,
    },
    /// The path is a file.
    #[error("{path}: a file, not a folder; give the checkpoint folder that it lies in")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The folder is no checkpoint.
    #[error("{dir}: no config.json in it; a checkpoint folder holds config.json, *.safetensors and tokenizer.json")]
    NoConfig {
        /// The folder.
        dir: PathBuf,
    },
    /// There are no weights.
    #[error("{dir}: no weights in it: neither model.safetensors nor model.safetensors.index.json with its parts")]
    NoWeights {
        /// The folder.
        dir: PathBuf,
    },
    /// The only weights are pickled.
    #[error(
        "{path}: pickled weights are refused, as reading them runs code from the file; convert them to \
         model.safetensors"
    )]
    Pickled {
        /// The first such file by name.
        path: PathBuf,
    },
    /// The folder cannot be looked into.
    #[error("{path}: {source}")]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Finds the files of a model.
///
/// `name` is [`NANO`], or the path of a folder in Hugging Face's checkpoint form: `config.json` beside
/// `model.safetensors`, or
/// beside `model.safetensors.index.json` and the parts that it lists.
///
/// # Errors
/// The program does not carry the model; there is no such folder ([`Error::NoFolder`]; [`Error::HubName`] where the name
/// has the form `org/name`), it is a
/// file, it lacks `config.json` or weights, its only weights are pickled, or it cannot be read.
pub fn resolve(name: &str) -> Result<Files, Error> {
    if name.is_empty() {
        return Err(Error::Empty);
    }
    if name == NANO {
        return nano();
    }
    let dir = PathBuf::from(name);
    match fs::metadata(&dir) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(Error::NotAFolder { path: dir }),
        Err(e) if e.kind() == io::ErrorKind::NotFound && is_hub_name(name) => {
            return Err(Error::HubName { name: name.to_owned() });
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Error::NoFolder { dir }),
        Err(source) => return Err(Error::Read { path: dir, source }),
    }
    if !dir.join("config.json").is_file() {
        return Err(Error::NoConfig { dir });
    }
    weights(&dir)?;
    Ok(Files::Folder(dir))
}

#[cfg(feature = "nano")]
fn nano() -> Result<Files, Error> {
    Ok(smolvlm_nano::files())
}

#[cfg(not(feature = "nano"))]
fn nano() -> Result<Files, Error> {
    Err(Error::NoNano)
}

/// Whether the name has the form that the hub gives its models: `org/name`, letters, digits, `-`, `_` and `.`.
fn is_hub_name(name: &str) -> bool {
    let sound = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    name.split_once('/').is_some_and(|(org, model)| sound(org) && sound(model))
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
        resolve(name).unwrap_err().to_string()
    }

    #[test]
    fn a_checkpoint_folder_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().to_str().unwrap();
        fs::write(dir.path().join("config.json"), "{}").unwrap();
        fs::write(dir.path().join("pytorch_model.bin"), "").unwrap();
        fs::write(dir.path().join("model.safetensors"), "").unwrap();
        assert_eq!(resolve(name).unwrap(), Files::from(dir.path()));
        assert_eq!(resolve(&format!("{name}/")).unwrap(), Files::from(dir.path()));
        fs::rename(dir.path().join("model.safetensors"), dir.path().join("model.safetensors.index.json")).unwrap();
        assert_eq!(resolve(name).unwrap(), Files::from(dir.path()));
    }

    #[test]
    fn nano_is_what_the_program_carries_or_says_that_it_does_not() {
        match resolve(NANO) {
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
        assert!(message("HuggingFaceTB/SmolVLM-256M-Instruct").contains("cannot be downloaded by name yet"));
        assert!(message("./nowhere/at all").contains("no such folder"));
        assert!(message("nowhere").contains("no such folder"));
        assert!(message(name).contains("no config.json in it"));
        fs::write(dir.path().join("config.json"), "{}").unwrap();
        assert!(message(name).contains("no weights in it"));
        fs::write(dir.path().join("pytorch_model.bin"), "").unwrap();
        assert!(message(name).contains("pytorch_model.bin: pickled weights are refused"));
        assert!(message(&format!("{name}/config.json")).contains("a file, not a folder"));
        assert!(matches!(resolve(&format!("{name}/config.json/x")), Err(Error::Read { .. } | Error::NoFolder { .. })));
        assert!(matches!(resolve("a\0b"), Err(Error::Read { .. })));
        fs::remove_file(dir.path().join("config.json")).unwrap();
        fs::create_dir(dir.path().join("config.json")).unwrap();
        assert!(message(name).contains("no config.json in it"));
    }

    #[test]
    fn names_of_the_hub() {
        for (name, is) in [
            ("HuggingFaceTB/SmolVLM-Instruct", true),
            ("a/b", true),
            ("a/b/c", false),
            ("./a", false),
            ("../a", false),
            ("/a", false),
            ("a", false),
            ("a/", false),
            ("a b/c", false),
        ] {
            assert_eq!(is_hub_name(name), is, "{name}");
        }
    }
}
