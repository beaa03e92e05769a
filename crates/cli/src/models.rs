//! `smolvlm models`: which models there are: the short names, and what is in the cache.

use crate::error::Error;
use crate::output::print_line;
use serde_json::{Value, json};
use smolvlm_hub::{ALIASES, Kept, MAIN, NANO, Repo, Settings};

const EXAMPLES: &str = "\
Examples:
  smolvlm models                               short names, and what is in the cache
  smolvlm models --verify smolvlm-256m         read its files again and hold them against their hashes
  smolvlm models --remove smolvlm-256m         free its room";

/// List models: short names, and what is in the cache; check or remove one
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Hold a model's files against their hashes
    #[arg(long, value_name = "MODEL", conflicts_with = "remove")]
    verify: Option<String>,
    /// Remove a model from the cache
    #[arg(long, value_name = "MODEL")]
    remove: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let settings = Settings::from_env()?;
    match (&args.verify, &args.remove) {
        (Some(name), _) => verify(&settings, &id(name)?, args.json),
        (_, Some(name)) => remove(&settings, &id(name)?, args.json),
        _ => list(&settings, args.json),
    }
}

fn id(name: &str) -> Result<String, Error> {
    match Repo::parse(name) {
        Some(Repo { quant: None, revision, id }) if revision == MAIN => Ok(id),
        Some(Repo { id, .. }) => {
            Error::usage(format!("{name}: a model is checked or removed as a whole; {id} would be right"))
        }
        None if name == NANO => Error::usage("nano lies in this program: there is nothing to check or to remove"),
        None => Error::usage(format!("{name}: ORG/NAME or a short name would be right")),
    }
}

fn list(settings: &Settings, as_json: bool) -> Result<(), Error> {
    let kept = smolvlm_hub::kept(settings)?;
    if as_json {
        let model = |kept: &Kept| json!({ "name": kept.name, "bytes": kept.bytes, "revisions": kept.revisions, "unfinished": kept.unfinished });
        let names: Value = ALIASES.iter().map(|(alias, id)| (alias.to_string(), json!(id))).collect();
        let models: Vec<Value> = kept.iter().map(model).collect();
        return print_line(&json!({ "cache": settings.cache, "models": models, "names": names }).to_string());
    }
    if smolvlm_hub::DEFAULT == Some(NANO) {
        print_line("nano                     in this program")?;
    }
    for (alias, id) in ALIASES {
        let there = kept.iter().find(|kept| kept.name == *id).map_or(String::new(), size);
        print_line(format!("{alias:24} {id:46} {there}").trim_end())?;
    }
    for kept in kept.iter().filter(|kept| ALIASES.iter().all(|(_, id)| *id != kept.name)) {
        print_line(&format!("{:24} {:46} {}", "", kept.name, size(kept)))?;
    }
    print_line(&format!("\nSizes are of models in the cache, {}", settings.cache.display()))
}

fn size(kept: &Kept) -> String {
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let unfinished = match kept.unfinished {
        0 => String::new(),
        bytes => format!(", {} not finished: pull it again", megabytes(bytes)),
    };
    format!("{}{unfinished}", megabytes(kept.bytes))
}

fn verify(settings: &Settings, name: &str, as_json: bool) -> Result<(), Error> {
    let (broken, count) = smolvlm_hub::verify(settings, name)?;
    if as_json {
        let file =
            |broken: &smolvlm_hub::Broken| json!({ "path": broken.path, "files": broken.files, "what": broken.what });
        let files: Vec<Value> = broken.iter().map(file).collect();
        print_line(&json!({ "name": name, "files": count, "broken": files }).to_string())?;
    } else {
        for file in &broken {
            let names = if file.files.is_empty() { "no file of a snapshot".into() } else { file.files.join(", ") };
            print_line(&format!("{names}: {} ({})", file.what, file.path.display()))?;
        }
        print_line(&format!("{name}: {} of {count} files are whole", count.saturating_sub(broken.len())))?;
    }
    match broken.len() {
        0 => Ok(()),
        count => Err(Error::Broken { count, name: name.to_owned() }),
    }
}

fn remove(settings: &Settings, name: &str, as_json: bool) -> Result<(), Error> {
    let bytes = smolvlm_hub::remove(settings, name)?;
    match as_json {
        true => print_line(&json!({ "name": name, "freed": bytes }).to_string()),
        false => print_line(&format!("{name}: {:.1} MB freed", bytes as f64 / 1e6)),
    }
}
