//! Adapters merged into the model that they were made for.

use crate::Error;
use crate::files::NewFolder;
use smolvlm_backend::{Stored, widen};
use smolvlm_model::adapter::{lengths, names};
use smolvlm_model::checkpoint::stored;
use smolvlm_model::export::{self, Export};
use smolvlm_model::peft::{self, AdapterConfig, PREFIX};
use smolvlm_model::{Checkpoint, Config, TensorSource};
use smolvlm_sys::Files;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An adapter's part in one layer.
struct Part {
    rank: usize,
    factor: f64,
    a: Vec<f32>,
    b: Vec<f32>,
    /// DoRA's lengths of rows.
    magnitude: Option<Vec<f32>>,
}

/// Writes a model with adapters in its weights, each counting as often as is said, and returns how many layers changed. The
/// sums are made in f32 and written in the type that the model's tensor has.
///
/// # Errors
/// Where the output exists, an adapter does not fit the model, or something cannot be read or written.
pub fn merge(model: impl Into<Files>, adapters: &[(PathBuf, f32)], output: &Path) -> Result<usize, Error> {
    if output.exists() {
        return Err(Error::Config { what: format!("{} exists already; nothing is overwritten", output.display()) });
    }
    let model = &model.into();
    let (base, tied) = (Checkpoint::open(model)?, Config::open(model)?.tied);
    base.check_plain()?;
    let mut parts: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    for (dir, factor) in adapters {
        read(&base, tied, dir, *factor, &mut parts)?;
    }
    let aside = NewFolder::begin(output)?;
    export::copy_settings(model, aside.path())?;
    let mut tensors = Vec::new();
    for name in base.names() {
        let Some((shape, dtype, bytes)) = base.raw(name) else { continue };
        let module = name.strip_suffix(".weight").and_then(|module| parts.get(module));
        let tensor = match module {
            Some(parts) => {
                let Some(stored) = stored(dtype) else {
                    return Err(Error::state(
                        Path::new(&model.to_string()),
                        format!("tensor '{name}' holds {dtype:?}, which is not read"),
                    ));
                };
                let width = shape.iter().skip(1).product();
                Export::f32(dtype, shape, move || merged(stored, bytes, width, parts))
            }
            None => Export::raw(dtype, shape, bytes),
        };
        tensors.push((name.to_string(), tensor));
    }
    export::write(&aside.path().join("model.safetensors"), tensors)?;
    aside.finish(output)?;
    Ok(parts.len())
}

/// Reads an adapter's parts.
fn read(
    base: &Checkpoint,
    tied: bool,
    dir: &Path,
    factor: f32,
    parts: &mut BTreeMap<String, Vec<Part>>,
) -> Result<(), Error> {
    let config = AdapterConfig::open(dir)?;
    let mut source = peft::weights(dir)?;
    let wrong = |what: String| Error::state(dir, what);
    let linears = peft::linears(base, tied);
    for (module, rank, scale) in config.places(linears.iter().map(String::as_str)).map_err(wrong)?.modules {
        let Some((shape, ..)) = base.raw(&format!("{module}.weight")) else { continue };
        let &[outputs, inputs] = shape else { continue };
        let mut take = |part: &str, shape: &[usize]| -> Result<Vec<f32>, Error> {
            let raw = source.take(&format!("{PREFIX}{module}.{part}"), shape)?;
            Ok(raw.numbers(shape.last().copied().unwrap_or(1)))
        };
        let (a, b) = (take(names::A, &[rank, inputs])?, take(names::B, &[outputs, rank])?);
        let magnitude = if config.use_dora { Some(take(names::MAGNITUDE, &[outputs])?) } else { None };
        let here = parts.entry(module.clone()).or_default();
        if here.iter().any(|part| part.magnitude.is_some()) || (magnitude.is_some() && !here.is_empty()) {
            return Err(wrong(format!("{module} has an adapter with DoRA and another: merge one after the other")));
        }
        here.push(Part { rank, factor: scale * f64::from(factor), a, b, magnitude });
    }
    Ok(source.finish()?)
}

/// A weight [outputs, width] with adapters in it.
fn merged(stored: Stored, bytes: &[u8], width: usize, parts: &[Part]) -> Vec<f32> {
    let mut weight = widen(stored, bytes, width);
    for part in parts {
        for (row, b) in weight.chunks_exact_mut(width).zip(part.b.chunks_exact(part.rank)) {
            for (a, &b) in part.a.chunks_exact(width).zip(b) {
                let factor = (part.factor * f64::from(b)) as f32;
                row.iter_mut().zip(a).for_each(|(w, a)| *w += factor * a);
            }
        }
        if let Some(magnitude) = &part.magnitude {
            let lengths = lengths(&weight, width);
            for ((row, m), length) in weight.chunks_exact_mut(width).zip(magnitude).zip(lengths) {
                row.iter_mut().for_each(|w| *w *= m / length);
            }
        }
    }
    weight
}
