//! What a run leaves on disk: models or adapters that run at once, and what it takes to go on bit for bit.

use crate::Error;
use crate::files::{NewFolder, write};
use crate::load::Trained;
use crate::parameters::State;
use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};
use smolvlm_backend::{Backend, Tensor, numbers};
use smolvlm_model::Checkpoint;
use smolvlm_model::export::{self, Export};
use smolvlm_model::peft::{CONFIG, PREFIX, WEIGHTS};
use smolvlm_sys::Files;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where a run stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Steps that are done, of all stages.
    pub(crate) step: u64,
    /// The best validation loss, and after how many steps it was measured.
    pub(crate) best: Option<(u64, f64)>,
    /// Measurements since that were not the best.
    pub(crate) worse: u32,
    /// The losses of the last steps.
    pub(crate) recent: Vec<f64>,
    /// Samples left out so far.
    pub(crate) skipped: u64,
}

/// `training/state.json`.
#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    progress: Progress,
    /// Steps of each parameter's optimiser.
    steps: BTreeMap<String, u32>,
}

const VERSION: u32 = 1;
/// The folder of what it takes to go on.
const TRAINING: &str = "training";
/// Its files.
const STATE: &str = "state.json";
const TENSORS: &str = "state.safetensors";
/// A link to the newest checkpoint.
pub const LATEST: &str = "latest";
/// A link to the best one by validation.
pub const BEST: &str = "best";

/// A checkpoint's folder.
pub(crate) fn folder(output: &Path, step: u64) -> PathBuf {
    output.join(format!("checkpoint-{step}"))
}

/// Writes a checkpoint aside, down to the disk, and gives it its name; nothing of an older one is touched until then.
///
/// # Errors
/// Where it cannot be written; what was written is removed.
pub(crate) fn save(output: &Path, base: &Files, trained: &Trained, progress: &Progress) -> Result<PathBuf, Error> {
    let path = folder(output, progress.step);
    if path.exists() {
        return Ok(path);
    }
    let aside = NewFolder::begin(&path)?;
    let dir = aside.path();
    match &trained.adapter {
        Some(config) => {
            write(&dir.join(CONFIG), config.to_json().as_bytes())?;
            let tensors = trained.parameters.masters.iter();
            let named = tensors.map(|(name, x)| (format!("{PREFIX}{name}"), exported(trained, x)));
            export::write(&dir.join(WEIGHTS), named)?;
        }
        None => model(dir, base, trained)?,
    }
    state(&dir.join(TRAINING), trained, progress)?;
    sync(dir)?;
    aside.finish(&path)?;
    sync(output)?;
    link(output, LATEST, &path)?;
    Ok(path)
}

/// A model's folder: the base's files, and its tensors with those that were trained in their places.
fn model(dir: &Path, base: &Files, trained: &Trained) -> Result<(), Error> {
    let checkpoint = Checkpoint::open(base)?;
    export::copy_settings(base, dir)?;
    let config = &trained.engine.model().config;
    let mut tensors = Vec::new();
    for name in checkpoint.names() {
        // A head that is the table is not said twice.
        if config.tied && name == "lm_head.weight" {
            continue;
        }
        let Some((shape, dtype, bytes)) = checkpoint.raw(name) else { continue };
        let tensor = match trained.parameters.masters.get(name) {
            Some(master) => Export::f32(dtype, shape, move || numbers(&*trained.backend, master)),
            None => Export::raw(dtype, shape, bytes),
        };
        tensors.push((name.to_string(), tensor));
    }
    Ok(export::write(&dir.join("model.safetensors"), tensors)?)
}

/// What it takes to go on.
fn state(dir: &Path, trained: &Trained, progress: &Progress) -> Result<(), Error> {
    std::fs::create_dir(dir).map_err(|source| Error::file(dir, source))?;
    let parameters = &trained.parameters;
    let mut tensors: Vec<(String, Export<'_>)> =
        parameters.masters.iter().map(|(name, x)| (format!("master/{name}"), exported(trained, x))).collect();
    let mut steps = BTreeMap::new();
    for (name, state) in &parameters.states {
        match state {
            State::AdamW { means, steps: count } => {
                steps.insert(name.clone(), *count);
                for (kind, mean) in ["mean", "square"].into_iter().zip(means) {
                    tensors.push((format!("{kind}/{name}"), exported(trained, mean)));
                }
            }
            State::AdamW8 { means, steps: count } => {
                steps.insert(name.clone(), *count);
                for (kind, (codes, scales)) in ["mean", "square"].into_iter().zip(means) {
                    tensors.push((format!("{kind}8/{name}"), Export::u8(codes)));
                    let scales = Export::f32(Dtype::F32, &[scales.len()], || scales.clone());
                    tensors.push((format!("{kind}8.scales/{name}"), scales));
                }
            }
            State::Sgd { velocity } => tensors.push((format!("velocity/{name}"), exported(trained, velocity))),
            State::Muon { mean } => tensors.push((format!("muon/{name}"), exported(trained, mean))),
        }
    }
    export::write(&dir.join(TENSORS), tensors)?;
    let saved = Saved { version: VERSION, progress: progress.clone(), steps };
    write(&dir.join(STATE), serde_json::to_string_pretty(&saved).unwrap_or_default().as_bytes())?;
    sync(dir)
}

/// Takes up where a checkpoint stands.
///
/// # Errors
/// Where its state is missing, broken, or not of this run.
pub(crate) fn restore(path: &Path, trained: &mut Trained) -> Result<Progress, Error> {
    let dir = path.join(TRAINING);
    let file = dir.join(STATE);
    let text = std::fs::read_to_string(&file).map_err(|source| Error::file(&file, source))?;
    let saved: Saved = serde_json::from_str(&text).map_err(|e| Error::state(&file, e.to_string()))?;
    if saved.version != VERSION {
        let what = format!("is of version {}; this program goes on from version {VERSION}", saved.version);
        return Err(Error::state(&file, what));
    }
    let tensors = Tensors { path: dir.join(TENSORS), file: Checkpoint::open_file(&dir.join(TENSORS))? };
    let backend = std::sync::Arc::clone(&trained.backend);
    let parameters = &mut trained.parameters;
    for (name, master) in &mut parameters.masters {
        let shape = master.shape().to_vec();
        let upload = |numbers: Vec<f32>| backend.upload(&shape, &numbers);
        let len = master.len();
        *master = upload(tensors.numbers(&format!("master/{name}"), len)?);
        let steps = saved.steps.get(name).copied();
        let state = if tensors.has(&format!("mean/{name}")) {
            let [mean, square] = ["mean", "square"].map(|kind| tensors.numbers(&format!("{kind}/{name}"), len));
            State::AdamW { means: [upload(mean?), upload(square?)], steps: steps.unwrap_or(0) }
        } else if tensors.has(&format!("mean8/{name}")) {
            let blocks = len.div_ceil(smolvlm_backend::OPTIMISER_BLOCK);
            let [mean, square] = ["mean", "square"].map(|kind| {
                let codes = tensors.bytes(&format!("{kind}8/{name}"), len)?;
                Ok::<_, Error>((codes, tensors.numbers(&format!("{kind}8.scales/{name}"), blocks)?))
            });
            State::AdamW8 { means: [mean?, square?], steps: steps.unwrap_or(0) }
        } else if tensors.has(&format!("velocity/{name}")) {
            State::Sgd { velocity: upload(tensors.numbers(&format!("velocity/{name}"), len)?) }
        } else if tensors.has(&format!("muon/{name}")) {
            State::Muon { mean: upload(tensors.numbers(&format!("muon/{name}"), len)?) }
        } else {
            continue;
        };
        parameters.states.insert(name.clone(), state);
    }
    parameters.apply(&*backend, trained.engine.model_mut(), |_| true);
    Ok(saved.progress)
}

/// The tensors of a state.
struct Tensors {
    path: PathBuf,
    file: Checkpoint,
}

impl Tensors {
    fn has(&self, name: &str) -> bool {
        self.file.raw(name).is_some()
    }

    fn bytes(&self, name: &str, len: usize) -> Result<Vec<u8>, Error> {
        match self.file.raw(name) {
            Some((_, _, bytes)) if bytes.len() == len => Ok(bytes.to_vec()),
            Some((_, _, bytes)) => {
                let what = format!("'{name}' has {} bytes, but {len} are needed: it is of another run", bytes.len());
                Err(Error::state(&self.path, what))
            }
            None => Err(Error::state(&self.path, format!("'{name}' is missing: it is of another run"))),
        }
    }

    fn numbers(&self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        let bytes = self.bytes(name, 4 * len)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }
}

/// Removes all checkpoints but the last `keep` and the best.
pub(crate) fn prune(output: &Path, keep: usize, best: Option<u64>) {
    let mut steps: Vec<u64> = steps(output);
    steps.sort_unstable();
    let last = steps.len().saturating_sub(keep.max(1));
    for step in steps.into_iter().take(last).filter(|step| Some(*step) != best) {
        let _ = std::fs::remove_dir_all(folder(output, step));
    }
}

/// The steps of the checkpoints in a run's folder.
pub(crate) fn steps(output: &Path) -> Vec<u64> {
    let entries = std::fs::read_dir(output).into_iter().flatten().flatten();
    let step = |name: String| name.strip_prefix("checkpoint-")?.parse().ok();
    entries.filter_map(|entry| step(entry.file_name().to_string_lossy().into_owned())).collect()
}

/// Makes a link in a run's folder, in the place of the one before.
pub(crate) fn link(output: &Path, name: &str, to: &Path) -> Result<(), Error> {
    let target = to.file_name().unwrap_or_default();
    let (path, aside) = (output.join(name), output.join(format!(".{name}")));
    let _ = std::fs::remove_file(&aside);
    #[cfg(unix)]
    std::os::unix::fs::symlink(target, &aside)
        .and_then(|()| std::fs::rename(&aside, &path))
        .map_err(|source| Error::file(&path, source))?;
    #[cfg(not(unix))]
    let _ = (target, path, aside);
    Ok(())
}

/// That a folder's names are on the disk.
fn sync(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|source| Error::file(dir, source))
}

fn exported<'a>(trained: &'a Trained, x: &'a Tensor) -> Export<'a> {
    Export::f32(Dtype::F32, x.shape(), move || numbers(&*trained.backend, x))
}
