//! `smolvlm train`: fine-tuning and pretraining.

use crate::error::Error;
use crate::options::{ColumnArgs, ComputeArgs, sources};
use crate::output::print_line;
use crate::progress::Progress;
use crate::{signals, train_show};
use clap::ValueEnum;
use indicatif::HumanDuration;
use serde_json::json;
use smolvlm_data::{Labels, Long, Packing};
use smolvlm_model::peft::Targets;
use smolvlm_train::{
    Adapter, Config, DType, Init, Observer, Optimiser, Options, RECIPES, Schedule, Stage, StepLine, Validation,
};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  smolvlm train -m MODEL --data chats.jsonl --lora -o out         an adapter, at sensible rates
  smolvlm train -m MODEL --data chats.jsonl --lora --dry-run      what that would do, learn and need
  smolvlm train -m MODEL --recipe vqa-qlora --data vqa.parquet --prompt \"Answer briefly.\" -o out
  smolvlm train -m MODEL --data a.jsonl --data b.jsonl --validation c.jsonl --every 100 -o out
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
    /// The base model's folder
    #[arg(short, long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// What to learn from; may be repeated
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// Where checkpoints, logs and reports go
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Settings to begin from: vqa-lora, vqa-qlora, full, sft, pretrain-1 or pretrain-2
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
    run: RunArgs,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

/// How samples are read.
#[derive(clap::Args)]
struct SampleArgs {
    /// Which tokens are learnt: answers, all but pictures, or as SmolVLM's supervised fine-tuning
    #[arg(long, value_enum)]
    labels: Option<LabelsArg>,
    /// The most tokens of a sample
    #[arg(long, value_name = "N")]
    length: Option<usize>,
    /// What becomes of longer ones: left out, with smaller pictures, or (texts) a stretch of them
    #[arg(long, value_enum)]
    long: Option<LongArg>,
    /// Bring a picture's longer side to N pixels first
    #[arg(long, value_name = "N")]
    max_edge: Option<u32>,
    /// One tile a picture
    #[arg(long)]
    no_split: bool,
    /// How samples share a pass: blocks apart, as the seed's trainer packs, or padded
    #[arg(long, value_enum)]
    packing: Option<PackingArg>,
    /// The most tokens of a pass
    #[arg(long, value_name = "N")]
    pack_tokens: Option<usize>,
}

/// Low-rank adapters.
#[derive(clap::Args)]
struct AdapterArgs {
    /// Train an adapter of this rank in the place of the model [default with no rank given: 8]
    #[arg(long, value_name = "RANK", num_args = 0..=1, default_missing_value = "8")]
    lora: Option<usize>,
    /// With DoRA: rows have lengths of their own
    #[arg(long)]
    dora: bool,
    /// Times this over the rank [default: the rank]
    #[arg(long, value_name = "A")]
    alpha: Option<f64>,
    /// Over the root of the rank
    #[arg(long)]
    rslora: bool,
    /// How likely an adapter's input is dropped
    #[arg(long, value_name = "P")]
    dropout: Option<f32>,
    /// Ends of the names of layers that have one, with commas between; all-linear; or a pattern for whole names
    #[arg(long, value_name = "NAMES")]
    targets: Option<String>,
    /// How it begins
    #[arg(long, value_enum)]
    init: Option<InitArg>,
    /// Go on from this adapter
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
}

/// What is done.
#[derive(clap::Args)]
struct StageArgs {
    /// Passes over the data
    #[arg(long, value_name = "N")]
    epochs: Option<f64>,
    /// Steps, in the place of epochs
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Samples of a step
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Batches whose gradients are summed before a step
    #[arg(long, value_name = "N")]
    accumulate: Option<usize>,
    /// The highest rate
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// That of the tower; 0 freezes it
    #[arg(long, value_name = "RATE")]
    lr_vision: Option<f64>,
    /// That of the connector
    #[arg(long, value_name = "RATE")]
    lr_connector: Option<f64>,
    /// That of the decoder
    #[arg(long, value_name = "RATE")]
    lr_text: Option<f64>,
    /// The rate over the steps
    #[arg(long, value_enum)]
    schedule: Option<ScheduleArg>,
    /// Steps over which the rate rises; below 1 a part of them
    #[arg(long, value_name = "N")]
    warmup: Option<f64>,
    /// Whose step: adamw, adamw8 (its means in 8 bits) or sgd
    #[arg(long, value_enum)]
    optimiser: Option<OptimiserArg>,
    /// Decay of all but norms and biases
    #[arg(long, value_name = "D")]
    weight_decay: Option<f64>,
    /// The greatest norm of the gradient; 0 does not clip
    #[arg(long, value_name = "N")]
    clip: Option<f64>,
    /// Train the parameters whose names match this pattern, and no others; may be repeated
    #[arg(long, value_name = "PATTERN")]
    train: Vec<String>,
    /// Do not train those that match; may be repeated
    #[arg(long, value_name = "PATTERN")]
    freeze: Vec<String>,
}

/// How the whole run is done.
#[derive(clap::Args)]
struct RunArgs {
    /// What the loss is measured on besides; may be repeated
    #[arg(long, value_name = "FILE")]
    validation: Vec<PathBuf>,
    /// Measure after so many steps
    #[arg(long, value_name = "N", requires = "validation")]
    every: Option<u64>,
    /// Stop after so many measurements that are not the best
    #[arg(long, value_name = "N", requires = "validation")]
    patience: Option<u32>,
    /// Write a checkpoint after so many steps
    #[arg(long, value_name = "N")]
    save_every: Option<u64>,
    /// Keep so many of them
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Less memory for a third more work
    #[arg(long)]
    recompute: bool,
    /// NEFTune's noise on the embeddings
    #[arg(long, value_name = "ALPHA")]
    neftune: Option<f32>,
    /// Where random choices begin
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The most MiB of features of pictures that a frozen tower made, on disk
    #[arg(long, value_name = "MIB")]
    cache: Option<u64>,
    /// The precision of products: bf16, f32, or nf4 (a frozen base in 4 bits)
    #[arg(long, value_enum)]
    precision: Option<PrecisionArg>,
    #[command(flatten)]
    compute: ComputeArgs,
}

/// Declares an option's choices and what they stand for.
macro_rules! choices {
    ($($name:ident => $target:ident { $($(#[$doc:meta])* $choice:ident),+ $(,)? })+) => { $(
        #[derive(Clone, Copy, ValueEnum)]
        enum $name { $($(#[$doc])* $choice),+ }

        impl From<$name> for $target {
            fn from(choice: $name) -> $target {
                match choice { $($name::$choice => $target::$choice),+ }
            }
        }
    )+ };
}

choices! {
    LabelsArg => Labels { Answers, All, Sft }
    LongArg => Long { Skip, Shrink, Cut }
    PackingArg => Packing { Blocks, Seed, Pad }
    InitArg => Init { Default, Gaussian }
    ScheduleArg => Schedule { Constant, Linear, Cosine }
    OptimiserArg => Optimiser { Adamw, Adamw8, Sgd }
    PrecisionArg => DType { Bf16, F32, Nf4 }
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
        return Error::usage("which model? -m FOLDER would be right");
    }
    smolvlm_hub::resolve(&config.model.display().to_string())?;
    let compute = &args.run.compute;
    let stop = Arc::new(AtomicBool::new(false));
    let resume = args.resume.is_some();
    let options = Options { threads: compute.threads(), isa: compute.isa()?, resume, stop: &stop };
    if args.dry_run {
        let progress = Progress::new();
        let dry = smolvlm_train::dry_run(&config, &options, &mut |done, total| progress.show("loading", done, total))?;
        progress.clear();
        return train_show::dry(&dry, args.json);
    }
    if config.output.as_os_str().is_empty() {
        return Error::usage("where does it go? -o FOLDER would be right (or --dry-run)");
    }
    signals::stop_on_signals(&stop, "stopping after this step")?;
    let mut shown = Shown { progress: Progress::new(), start: Instant::now(), first: None, lines: Instant::now() };
    let outcome = smolvlm_train::train(&config, &options, &mut shown)?;
    shown.progress.clear();
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
    args.adapter.apply(&mut config)?;
    config.stages.iter_mut().for_each(|stage| args.stage.apply(stage));
    args.run.apply(&mut config);
    Ok(config)
}

/// Puts what was given in the place of what was there.
fn set<T, U: From<T>>(place: &mut U, given: Option<T>) {
    if let Some(given) = given {
        *place = given.into();
    }
}

impl SampleArgs {
    fn apply(&self, config: &mut Config) {
        let data = &mut config.data;
        set(&mut data.labels, self.labels);
        set(&mut data.length, self.length);
        set(&mut data.long, self.long);
        set(&mut data.packing, self.packing);
        set(&mut data.pack_tokens, self.pack_tokens);
        data.max_edge = self.max_edge.or(data.max_edge);
        if self.no_split {
            data.split = Some(false);
        }
    }
}

impl AdapterArgs {
    fn apply(&self, config: &mut Config) -> Result<(), Error> {
        if self.lora.is_some() || self.from.is_some() {
            config.adapter.get_or_insert_with(Adapter::default);
        }
        let Some(adapter) = &mut config.adapter else {
            let given = self.dora || self.rslora || self.alpha.is_some() || self.dropout.is_some();
            if given || self.targets.is_some() || self.init.is_some() {
                return Error::usage("--dora, --rslora, --alpha, --dropout, --targets and --init belong to --lora");
            }
            return Ok(());
        };
        if let Some(rank) = self.lora {
            (adapter.r, adapter.alpha) = (rank, rank as f64);
        }
        set(&mut adapter.alpha, self.alpha);
        set(&mut adapter.dropout, self.dropout);
        set(&mut adapter.init, self.init);
        adapter.dora |= self.dora;
        adapter.rslora |= self.rslora;
        if let Some(targets) = &self.targets {
            let plain = targets.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ',' | '.'));
            adapter.targets = match plain && targets != smolvlm_model::peft::ALL_LINEAR {
                true => Targets::Names(targets.split(',').map(String::from).collect()),
                false => Targets::Pattern(targets.clone()),
            };
        }
        adapter.from = self.from.clone().or(adapter.from.take());
        Ok(())
    }
}

impl StageArgs {
    fn apply(&self, stage: &mut Stage) {
        set(&mut stage.epochs, self.epochs);
        set(&mut stage.batch, self.batch);
        set(&mut stage.accumulate, self.accumulate);
        set(&mut stage.lr, self.lr);
        set(&mut stage.schedule, self.schedule);
        set(&mut stage.warmup, self.warmup);
        set(&mut stage.optimiser, self.optimiser);
        set(&mut stage.weight_decay, self.weight_decay);
        set(&mut stage.clip, self.clip);
        stage.steps = self.steps.or(if self.epochs.is_some() { None } else { stage.steps });
        stage.lr_vision = self.lr_vision.or(stage.lr_vision);
        stage.lr_connector = self.lr_connector.or(stage.lr_connector);
        stage.lr_text = self.lr_text.or(stage.lr_text);
        stage.train.extend(self.train.iter().cloned());
        stage.freeze.extend(self.freeze.iter().cloned());
    }
}

impl RunArgs {
    fn apply(&self, config: &mut Config) {
        if let Some(validation) = &mut config.validation {
            set(&mut validation.every, self.every);
            set(&mut validation.patience, self.patience);
        }
        set(&mut config.checkpoints.every, self.save_every);
        set(&mut config.checkpoints.keep, self.keep);
        set(&mut config.neftune, self.neftune);
        set(&mut config.seed, self.seed);
        set(&mut config.cache.limit_mib, self.cache);
        set(&mut config.dtype, self.precision);
        config.recompute |= self.recompute;
    }
}

/// A run as it is seen on stderr.
struct Shown {
    progress: Progress,
    start: Instant,
    /// The first step that was done, and when it was.
    first: Option<(u64, Instant)>,
    /// When the last line was written where stderr is no terminal.
    lines: Instant,
}

/// Where stderr is no terminal, so often a line is written.
const LINES: Duration = Duration::from_secs(10);

impl Observer for Shown {
    fn loading(&mut self, done: usize, total: usize) {
        self.progress.show("loading", done, total);
    }

    fn step(&mut self, line: &StepLine, steps: u64) {
        let (first, since) = *self.first.get_or_insert_with(|| (line.step, Instant::now()));
        let rate =
            if line.step > first { since.elapsed().as_secs_f64() / (line.step - first) as f64 } else { line.seconds };
        let left = Duration::from_secs_f64((steps - line.step) as f64 * rate);
        let mfu = line.mfu.map_or_else(String::new, |mfu| format!(", MFU {:.0} %", 100.0 * mfu));
        let text = format!(
            "step {}/{steps}: loss {:.4}, rate {:.2e}, {:.0} tokens/s, {:.2} pictures/s{mfu}, {} left",
            line.step,
            line.loss,
            line.lr,
            line.tokens as f64 / line.seconds,
            line.pictures as f64 / line.seconds,
            HumanDuration(left),
        );
        if std::io::stderr().is_terminal() {
            self.progress.line(&text, line.step, steps);
        } else if self.lines.elapsed() >= LINES || line.step == first || line.step == steps {
            self.lines = Instant::now();
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    fn note(&mut self, text: &str) {
        self.progress.clear();
        let _ = writeln!(std::io::stderr(), "{text} ({} since the start)", HumanDuration(self.start.elapsed()));
    }
}
