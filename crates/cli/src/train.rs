//! `smolvlm train`: fine-tuning and pretraining.

mod args;
mod dry;
mod scored;
mod shown;

use crate::clips::FrameArgs;
use crate::error::Error;
use crate::options::{ColumnArgs, sources};
use crate::output::print_line;
use crate::progress::Progress;
use crate::signals::stop_on_signals;
use args::{AdapterArgs, RunArgs, SampleArgs, StageArgs};
use scored::Scored;
use serde_json::json;
use shown::Shown;
use smolvlm_hub::NANO;
use smolvlm_train::{Config, Options, RECIPES, Validation};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const EXAMPLES: &str = "\
Examples:
  smolvlm train -m MODEL --data chats.jsonl --lora -o out         an adapter, at sensible rates
  smolvlm train -m nano --data chats.jsonl --recipe vqa-lora -o out    one for the model that the program carries
  smolvlm train -m MODEL --data chats.jsonl --lora --dry-run      what that would do, learn and need
  smolvlm train -m MODEL --recipe vqa-qlora --data vqa.parquet --prompt \"Answer briefly.\" -o out
  smolvlm train -m MODEL --recipe video-captions --data clips.jsonl --prompt \"Caption the video.\" -o out
  smolvlm train -m MODEL --data a.jsonl --data b.jsonl --validation c.jsonl --every 100 -o out
  smolvlm train -m MODEL --data chats.jsonl --lora --eval chartqa=rows:200 --save-every 500 -o out
  smolvlm train --recipe sft --print > run.toml                   a recipe's settings, to be changed
  smolvlm train --config run.toml
  smolvlm train --resume out                                      goes on, bit for bit
  smolvlm train --report out                                      writes out/report.html anew

Data: chats in .json, .jsonl or .parquet, questions in .csv, WebDataset's .tar, folders of them; mixtures in .toml, .yaml.
Then: smolvlm run -m MODEL --adapter out/latest photo.jpg \"What is this?\"";

/// Train a model, or an adapter for it, on pictures and texts of your own
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The base model: its folder, or nano
    #[arg(short, long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// What to learn from; may be repeated
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// Where checkpoints, logs and reports go
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Settings to begin from: vqa-lora, vqa-qlora, full, video-captions, sft, pretrain-1 or pretrain-2
    #[arg(long, value_name = "NAME")]
    recipe: Option<String>,
    /// A run's settings; options given beside it count more
    #[arg(long, value_name = "FILE", conflicts_with = "recipe")]
    config: Option<PathBuf>,
    /// Print the settings and end
    #[arg(long)]
    print: bool,
    /// Do the first step's work, and say what would be learnt, how long it takes and what it needs
    #[arg(long)]
    dry_run: bool,
    /// Go on with the run in this folder where its newest checkpoint stands
    #[arg(long, value_name = "FOLDER")]
    resume: Option<PathBuf>,
    /// Write the page of the run in this folder anew, and end
    #[arg(long, value_name = "FOLDER")]
    report: Option<PathBuf>,
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    samples: SampleArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
    #[command(flatten)]
    stage: StageArgs,
    #[command(flatten)]
    clips: FrameArgs,
    #[command(flatten)]
    run: RunArgs,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    if let Some(folder) = &args.report {
        return print_line(&smolvlm_train::write_report(folder, "written on demand")?.display().to_string());
    }
    let config = match &args.resume {
        Some(folder) => resumed(&args, folder)?,
        None => config(&args)?,
    };
    if args.print {
        return print_line(config.to_toml().trim_end());
    }
    if config.model.as_os_str().is_empty() {
        return Error::usage(format!("which model? -m FOLDER would be right, or -m {NANO}"));
    }
    config.base()?;
    let compute = &args.run.compute;
    let stop = Arc::new(AtomicBool::new(false));
    let resume = args.resume.is_some();
    let options = Options { threads: compute.threads(), isa: compute.isa()?, resume, stop: &stop };
    if args.dry_run {
        let progress = Progress::new();
        let dry = smolvlm_train::dry_run(&config, &options, &mut |done, total| progress.show("loading", done, total))?;
        progress.clear();
        return dry::print(&dry, args.json);
    }
    if config.output.as_os_str().is_empty() {
        return Error::usage("where does it go? -o FOLDER would be right (or --dry-run)");
    }
    stop_on_signals(&stop, "stopping after this step")?;
    let mut shown = Shown::new(Scored::of(&args.run.eval, &config.output, config.data.max_edge)?);
    let outcome = smolvlm_train::train(&config, &options, &mut shown)?;
    shown.clear();
    report(&config, &outcome, args.json)
}

/// The answer on stdout: where the model is.
fn report(config: &Config, outcome: &smolvlm_train::Outcome, json: bool) -> Result<(), Error> {
    if json {
        let best = outcome.best.map(|(step, loss)| json!({"step": step, "loss": loss}));
        return print_line(
            &json!({
                "steps": outcome.steps, "loss": outcome.loss, "best": best, "checkpoint": outcome.checkpoint,
                "skipped": outcome.skipped, "stopped": outcome.stopped, "peak_rss": smolvlm_sys::peak_rss(),
            })
            .to_string(),
        );
    }
    let mut err = std::io::stderr();
    if let Some(why) = &outcome.stopped {
        let _ = writeln!(err, "stopped after {} steps: {why}", outcome.steps);
    }
    if outcome.skipped > 0 {
        let log = config.output.join("log.jsonl");
        let _ = writeln!(err, "{} samples were left out; {} says which and why", outcome.skipped, log.display());
    }
    let page = config.output.join("report.html");
    let _ = writeln!(err, "{} steps, the last loss {:.4}; curves in {}", outcome.steps, outcome.loss, page.display());
    print_line(&outcome.checkpoint.display().to_string())
}

/// The settings of a run that goes on: its own.
fn resumed(args: &Args, folder: &Path) -> Result<Config, Error> {
    let given = args.model.is_some() || !args.data.is_empty() || args.recipe.is_some() || args.config.is_some();
    if given || args.output.is_some() {
        return Error::usage("--resume takes the run's own settings: no other than --threads would be right beside it");
    }
    let mut config = Config::open(&folder.join("run.toml"))?;
    config.output = folder.to_path_buf();
    Ok(config)
}

/// The settings that the words of the call make.
fn config(args: &Args) -> Result<Config, Error> {
    let mut config = match (&args.recipe, &args.config) {
        (Some(name), _) => match RECIPES.iter().find(|recipe| recipe.name == name) {
            Some(recipe) => recipe.config(),
            None => {
                let known: Vec<String> = RECIPES.iter().map(|r| format!("{} ({})", r.name, r.about)).collect();
                return Error::usage(format!("no recipe is called '{name}'; there are {}", known.join("; ")));
            }
        },
        (None, Some(path)) => Config::open(path)?,
        (None, None) => Config::default(),
    };
    if let Some(model) = &args.model {
        config.model.clone_from(model);
    }
    if let Some(output) = &args.output {
        config.output.clone_from(output);
    }
    let data = sources(&args.data, &args.columns.columns())?;
    if !data.is_empty() {
        config.data.sources = data;
    }
    let validation = sources(&args.run.validation, &args.columns.columns())?;
    if !validation.is_empty() {
        config.validation = Some(Validation::new(validation));
    }
    args.samples.apply(&mut config);
    config.data.clips = args.clips.choice().over(config.data.clips);
    args.adapter.apply(&mut config)?;
    config.stages.iter_mut().for_each(|stage| args.stage.apply(stage));
    args.run.apply(&mut config);
    Ok(config)
}
