//! `smolvlm pull`: a model from the hub into the cache; and the bar that every command shows while one comes.

use crate::error::Error;
use crate::output::print_line;
use crate::progress::Progress;
use smolvlm_eval::Task;
use smolvlm_hub::{Event, Repo, Settings};
use smolvlm_sys::Files;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const EXAMPLES: &str = "\
Examples:
  smolvlm pull smolvlm-256m                               a short name: smolvlm models lists them
  smolvlm pull smolvlm-256m:q8_0                          GGUF files in eight bits
  smolvlm pull HuggingFaceTB/SmolVLM-Instruct@main        a name on the hub, and a branch, tag or commit
  HF_ENDPOINT=https://mirror.example smolvlm pull smolvlm2-500m
  smolvlm pull task:chartqa                               the rows of a benchmark: smolvlm eval --list
  smolvlm run -m smolvlm-256m photo.jpg \"What is this?\"     what is not here yet is pulled first

Files go where huggingface_hub keeps them (HF_HUB_CACHE, HF_HOME); a token is taken from HF_TOKEN or the token file.
A pull that is cut off goes on from where it was.";

/// What the name of a benchmark begins with.
const TASK: &str = "task:";

/// Fetch a model from the hub, or what is new of it; or the rows of a benchmark
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// ORG/NAME[:QUANT][@REVISION] on the hub, or a short name; or task:NAME
    model: String,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    if let Some(name) = args.model.strip_prefix(TASK) {
        return print_line(&task(&Task::open(name)?)?.display().to_string());
    }
    let Some(repo) = Repo::parse(&args.model) else {
        if args.model == smolvlm_hub::NANO {
            return Error::usage("nano lies in this program: there is nothing to fetch");
        }
        let what = "ORG/NAME[@REVISION] or a short name would be right; smolvlm models lists those";
        return Error::usage(format!("{}: {what}", args.model));
    };
    let settings = Settings::from_env()?;
    let folder = with_bar(|watch| smolvlm_hub::pull(&settings, &repo, watch))?;
    print_line(&folder.display().to_string())
}

/// The files of a model, with a bar while they come; `mmproj` is of a GGUF file's tower.
pub(crate) fn files(name: &str, mmproj: Option<&Path>) -> Result<Files, Error> {
    Ok(with_bar(|watch| smolvlm_hub::resolve(name, mmproj, watch))?)
}

/// The folder of a benchmark's rows, with a bar while they come.
pub(crate) fn task(task: &Task) -> Result<PathBuf, Error> {
    let Some(hub) = task.hub() else {
        return Error::usage(format!("{}: its rows are not on the hub; --data FILE would be right", task.name));
    };
    if task.has_clips() {
        let (rows, name) = (hub.files.join(", "), hub.name);
        return Error::usage(format!(
            "{}: its clips have to be here: --data FOLDER, with {rows} of the data set {name} and its clips below it",
            task.name
        ));
    }
    let settings = smolvlm_hub::Settings::from_env()?;
    Ok(with_bar(|watch| smolvlm_hub::data(&settings, hub.name, &hub.files, watch))?)
}

/// The folder of an adapter, with a bar while it comes.
pub(crate) fn adapter(name: &str) -> Result<PathBuf, Error> {
    Ok(with_bar(|watch| smolvlm_hub::adapter(name, watch))?)
}

fn with_bar<T>(fetch: impl FnOnce(&smolvlm_hub::Watch<'_>) -> T) -> T {
    let progress = Progress::new();
    let (all, there) = (AtomicU64::new(0), AtomicU64::new(0));
    fetch(&|event| {
        let file = match event {
            Event::LeftAlone { what } => return progress.note(&format!("{what}; it is left alone")),
            Event::All { bytes, .. } => {
                all.store(bytes, Ordering::Relaxed);
                ""
            }
            Event::More { file, bytes } => {
                there.fetch_add(bytes, Ordering::Relaxed);
                file
            }
            Event::Again { file, bytes } => {
                there.fetch_sub(bytes, Ordering::Relaxed);
                file
            }
        };
        let (there, all) = (there.load(Ordering::Relaxed), all.load(Ordering::Relaxed));
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        progress.line(&format!("{:.1} of {:.1} MB  {file}", megabytes(there), megabytes(all)), there, all);
    })
}
