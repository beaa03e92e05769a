//! Options of a run, and where they go in its settings.

use crate::error::Error;
use crate::options::ComputeArgs;
use clap::ValueEnum;
use smolvlm_data::{Labels, Long, Packing};
use smolvlm_model::peft::Targets;
use smolvlm_train::{Adapter, Config, DType, Init, Optimiser, Schedule, Stage};
use std::path::PathBuf;

/// How samples are read.
#[derive(clap::Args)]
pub(super) struct SampleArgs {
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
pub(super) struct AdapterArgs {
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
pub(super) struct StageArgs {
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
    /// Whose step: adamw, adamw8 (its means in 8 bits), muon or sgd
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
pub(super) struct RunArgs {
    /// What the loss is measured on besides; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(super) validation: Vec<PathBuf>,
    /// Measure after so many steps
    #[arg(long, value_name = "N", requires = "validation")]
    every: Option<u64>,
    /// Stop after so many measurements that are not the best
    #[arg(long, value_name = "N", requires = "validation")]
    patience: Option<u32>,
    /// Ask so many questions of a benchmark (smolvlm eval --list) with each checkpoint; =DATA names its rows, which come from the
    /// hub otherwise; may be repeated
    #[arg(long, value_name = "TASK[=DATA]:N")]
    pub(super) eval: Vec<String>,
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
    pub(super) compute: ComputeArgs,
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

/// Puts what was given in the place of what was there.
fn set<T, U: From<T>>(place: &mut U, given: Option<T>) {
    if let Some(given) = given {
        *place = given.into();
    }
}

impl SampleArgs {
    /// Puts what was given into a run's settings.
    pub(super) fn apply(&self, config: &mut Config) {
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
    /// Puts what was given into a run's settings.
    pub(super) fn apply(&self, config: &mut Config) -> Result<(), Error> {
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
    /// Puts what was given into a run's settings.
    pub(super) fn apply(&self, stage: &mut Stage) {
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
    /// Puts what was given into a run's settings.
    pub(super) fn apply(&self, config: &mut Config) {
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
