//! A folder as Hugging Face has it: settings, and weights as safetensors.

use crate::{Error, table, tensors};
use serde_json::{Value, json};
use smolvlm_backend::Stored;
use smolvlm_model::checkpoint::{self, dtype_name};
use smolvlm_model::export::{self, Export};
use smolvlm_model::vlm::TEXT;
use smolvlm_model::{Config, Entry, Weights};
use smolvlm_sys::{Files, aside};
use std::path::Path;

/// Writes a checkpoint as a folder with all numbers in `dtype`, or each in its own type; blocks of few bits become F32.
/// `progress` is told (tensors done, tensors in all).
///
/// # Errors
/// The output exists, or the checkpoint cannot be read.
pub fn to_folder(
    files: &Files,
    output: &Path,
    dtype: Option<Stored>,
    progress: &dyn Fn(usize, usize),
) -> Result<(), Error> {
    if output.exists() {
        return Err(Error::Exists { path: output.to_owned() });
    }
    let config = Config::open(files)?;
    let weights = Weights::open(files)?;
    let entries = tensors(&weights, &config)?;
    let failed = |source| Error::File { path: output.to_owned(), source };
    let folder = aside::NewFolder::begin(output).map_err(failed)?;
    export::copy_settings(files, folder.path())?;
    let settings = settings(files, dtype.unwrap_or_else(|| table(&entries)))?;
    std::fs::write(folder.path().join(CONFIG), settings).map_err(failed)?;
    let (total, done) = (entries.len(), std::cell::Cell::new(0));
    let (weights, done, alone) = (&weights, &done, config.sight.is_none());
    let tensors = entries.into_iter().map(|Entry { name, shape, stored }| {
        let theirs = match name.strip_prefix(TEXT).filter(|_| alone) {
            Some(rest) => format!("model.{rest}"),
            None => name.clone(),
        };
        let tensor = Export::f32(checkpoint::dtype(dtype.unwrap_or(stored)), &shape, move || {
            done.set(done.get() + 1);
            progress(done.get(), total);
            weights.numbers(&name)
        });
        (theirs, tensor)
    });
    export::write(&folder.path().join("model.safetensors"), tensors)?;
    folder.finish(output).map_err(failed)
}

const CONFIG: &str = "config.json";

/// The network's settings, which say what its weights are in.
fn settings(files: &Files, dtype: Stored) -> Result<String, Error> {
    let failed = |source: std::io::Error| Error::File { path: files.path(CONFIG), source };
    let (file, _) = files.open(CONFIG).map_err(failed)?;
    let mut config: Value = serde_json::from_reader(std::io::BufReader::new(file)).map_err(|e| failed(e.into()))?;
    let name = dtype_name(dtype);
    if let Some(config) = config.as_object_mut() {
        // Numbers one by one are in few bits no longer.
        config.remove("quantization_config");
        say(config, name, !config.contains_key("dtype"));
        for part in ["text_config", "vision_config"] {
            if let Some(part) = config.get_mut(part).and_then(Value::as_object_mut) {
                say(part, name, false);
            }
        }
    }
    Ok(format!("{config:#}\n"))
}

/// Says the type under the names that transformers has had for it, where they are there; under the older where it `must`.
fn say(part: &mut serde_json::Map<String, Value>, name: &str, must: bool) {
    for key in ["dtype", "torch_dtype"] {
        if part.contains_key(key) || (must && key == "torch_dtype") {
            part.insert(key.into(), json!(name));
        }
    }
}
