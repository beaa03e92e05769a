//! What a run is: everything that its result depends on, as a TOML file.

use crate::{Error, Stage};
use serde::{Deserialize, Serialize};
use smolvlm_data::{Labels, Long, Packing, SourceConfig, is_drawn};
use smolvlm_hub::NANO;
use smolvlm_model::peft::{ALL_LINEAR, AdapterConfig, Targets};
use smolvlm_processor::{ClipChoice, ClipMode};
use smolvlm_sys::Files;
use std::path::{Path, PathBuf};

/// A run of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The base model: its folder, or `nano`.
    pub model: PathBuf,
    /// Where checkpoints, logs and reports go.
    pub output: PathBuf,
    /// Where every random choice begins.
    pub seed: u64,
    /// What products are made in; parameters that are trained are kept in f32 beside.
    pub dtype: DType,
    /// Keeps layers' inputs alone and computes the rest again in the backward pass: less memory, a third more work.
    pub recompute: bool,
    /// The weight of the square of the log of the softmax's denominator.
    pub z_loss: f32,
    /// The weight of a second loss, by which tower and connector learn sooner to see: a sample's pictures, without the
    /// decoder, foretell which words its answers have. 0 is none.
    pub words: f32,
    /// Whether `words` of an answer that lists as many things, between commas, as its pictures have features are learnt each
    /// by its own feature, in order: many times as much is learnt of a picture whose parts are named row by row.
    pub parts: bool,
    /// NEFTune's noise on the embeddings: its alpha; 0 is none.
    pub neftune: f32,
    /// What the loss of a step is a mean of.
    pub reduction: Reduction,
    /// What is learnt from.
    pub data: DataConfig,
    /// What the loss is measured on besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// Low-rank adapters in the place of the model's own parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<Adapter>,
    /// What is kept on disk.
    pub checkpoints: Checkpoints,
    /// Features of pictures that a frozen tower made.
    pub cache: Cache,
    /// What is done, one after the other.
    pub stages: Vec<Stage>,
}

/// What products are made in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// bfloat16, summed in f32.
    #[default]
    Bf16,
    /// f32.
    F32,
    /// Frozen matrices in 4 bits (NF4 with double quantisation), products in bfloat16: QLoRA's base.
    Nf4,
}

/// What the loss of a step is a mean of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// Tokens: long answers count more.
    #[default]
    Token,
    /// Samples, each the mean of its tokens.
    Sample,
    /// Between the two: a sample counts the root of its tokens.
    Sqrt,
}

/// What is learnt from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Files and folders.
    pub sources: Vec<SourceConfig>,
    /// Which tokens are learnt.
    pub labels: Labels,
    /// The most tokens of a sample.
    pub length: usize,
    /// What becomes of longer samples.
    pub long: Long,
    /// The longest edge of resized pictures in pixels, instead of the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_edge: Option<u32>,
    /// Whether pictures are cut into tiles, instead of as the model says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<bool>,
    /// How clips are shown, instead of as the model says.
    #[serde(skip_serializing_if = "is_default")]
    pub clips: ClipChoice,
    /// How often a sample's pictures are brought to a random number of tiles.
    pub scale_frequency: f64,
    /// How the samples of a step share passes through the network.
    pub packing: Packing,
    /// The most tokens of a pass.
    pub pack_tokens: usize,
}

fn is_default(clips: &ClipChoice) -> bool {
    *clips == ClipChoice::default()
}

/// A second mixture, on which the loss is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Files and folders.
    pub sources: Vec<SourceConfig>,
    /// After so many steps.
    #[serde(default = "Validation::every")]
    pub every: u64,
    /// At most so many samples, the same each time.
    #[serde(default = "Validation::samples")]
    pub samples: usize,
    /// Answers written out beside the loss.
    #[serde(default = "Validation::answers")]
    pub answers: usize,
    /// Stops after so many measurements that are not the best; 0 never does.
    #[serde(default)]
    pub patience: u32,
}

/// Low-rank adapters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adapter {
    /// The rank.
    pub r: usize,
    /// Times this over the rank.
    pub alpha: f64,
    /// Over the root of the rank instead.
    pub rslora: bool,
    /// DoRA: rows with lengths of their own.
    pub dora: bool,
    /// How likely an input is dropped.
    pub dropout: f32,
    /// Which linear layers: ends of names, one pattern for whole names, or `all-linear`.
    pub targets: Targets,
    /// Which of those not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Targets>,
    /// How `A` is drawn.
    pub init: Init,
    /// Goes on from an adapter's folder; its settings hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

/// How an adapter's `A` is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// Uniform, peft's default.
    #[default]
    Default,
    /// Normal.
    Gaussian,
}

impl From<Init> for smolvlm_model::Init {
    fn from(init: Init) -> smolvlm_model::Init {
        match init {
            Init::Default => smolvlm_model::Init::Uniform,
            Init::Gaussian => smolvlm_model::Init::Gaussian,
        }
    }
}

/// What is kept on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Checkpoints {
    /// After so many steps; 0: at the end alone.
    pub every: u64,
    /// So many of the last; the best by validation is kept besides.
    pub keep: usize,
}

/// Features of pictures that a frozen tower made, and frames of clips.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Where they lie [default: `features` in the output]; frames in `frames` beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// The most MiB of each; 0 keeps none.
    pub limit_mib: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            model: PathBuf::new(),
            output: PathBuf::new(),
            seed: 42,
            dtype: DType::default(),
            recompute: false,
            z_loss: 0.0,
            words: 0.0,
            parts: false,
            neftune: 0.0,
            reduction: Reduction::default(),
            data: DataConfig::default(),
            validation: None,
            adapter: None,
            checkpoints: Checkpoints::default(),
            cache: Cache::default(),
            stages: vec![Stage::default()],
        }
    }
}

impl Default for DataConfig {
    fn default() -> DataConfig {
        DataConfig {
            sources: Vec::new(),
            labels: Labels::default(),
            length: 2048,
            long: Long::default(),
            max_edge: None,
            split: None,
            clips: ClipChoice::default(),
            scale_frequency: 0.0,
            packing: Packing::default(),
            pack_tokens: 2048,
        }
    }
}

impl Validation {
    /// A mixture with the default of everything else.
    pub fn new(sources: Vec<SourceConfig>) -> Validation {
        Validation { sources, every: Self::every(), samples: Self::samples(), answers: Self::answers(), patience: 0 }
    }

    fn every() -> u64 {
        100
    }

    fn samples() -> usize {
        64
    }

    fn answers() -> usize {
        4
    }
}

impl Default for Adapter {
    fn default() -> Adapter {
        Adapter {
            r: 8,
            alpha: 8.0,
            rslora: false,
            dora: false,
            dropout: 0.0,
            targets: Targets::Pattern(ALL_LINEAR.into()),
            exclude: None,
            init: Init::default(),
            from: None,
        }
    }
}

impl Adapter {
    /// As adapters' folders have it.
    pub fn config(&self, base: &Path) -> AdapterConfig {
        AdapterConfig {
            r: self.r,
            lora_alpha: self.alpha,
            use_rslora: self.rslora,
            use_dora: self.dora,
            lora_dropout: self.dropout,
            target_modules: self.targets.clone(),
            exclude_modules: self.exclude.clone(),
            base: Some(base.display().to_string()),
            ..AdapterConfig::default()
        }
    }
}

impl Default for Checkpoints {
    fn default() -> Checkpoints {
        Checkpoints { every: 250, keep: 2 }
    }
}

impl Default for Cache {
    fn default() -> Cache {
        Cache { folder: None, limit_mib: 8192 }
    }
}

impl Config {
    /// Reads a run's file. Relative paths in it start where it lies.
    ///
    /// # Errors
    /// Where it cannot be read, is no TOML, or has a key that a run has not.
    pub fn open(path: &Path) -> Result<Config, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::file(path, source))?;
        let wrong = |what: String| Error::Config { what: format!("{}: {what}", path.display()) };
        let mut config: Config = toml::from_str(&text).map_err(|e| wrong(e.to_string().trim_end().to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        // A name on the hub has the form of a path; a folder goes before it.
        let is_here = folder.join(&config.model).exists();
        let is_name = smolvlm_hub::Repo::parse(&config.model.to_string_lossy()).is_some();
        config.each_path(is_here || !is_name, |path| {
            if path.is_relative() && !path.as_os_str().is_empty() {
                *path = folder.join(&*path);
            }
        });
        Ok(config)
    }

    /// The same with paths that mean the same wherever they are read.
    pub(crate) fn with_whole_paths(&self) -> Config {
        let mut config = self.clone();
        config.each_path(self.model.exists(), |path| {
            if let Ok(whole) = std::path::absolute(&*path) {
                *path = whole;
            }
        });
        config
    }

    /// Shows `visit` every path; the model's where it is one.
    fn each_path(&mut self, is_model_path: bool, mut visit: impl FnMut(&mut PathBuf)) {
        let validation = self.validation.iter_mut().flat_map(|v| &mut v.sources);
        let sources = self.data.sources.iter_mut().chain(validation);
        sources.filter(|source| !is_drawn(&source.path)).for_each(|source| visit(&mut source.path));
        if is_model_path && self.model != Path::new(NANO) {
            visit(&mut self.model);
        }
        visit(&mut self.output);
        self.cache.folder.iter_mut().for_each(&mut visit);
        self.adapter.iter_mut().filter_map(|adapter| adapter.from.as_mut()).for_each(&mut visit);
    }

    /// The base model's files.
    ///
    /// # Errors
    /// There is no such model.
    pub fn base(&self) -> Result<Files, Error> {
        Ok(smolvlm_hub::resolve(&self.model.to_string_lossy(), None, &|_| {})?)
    }

    /// As a file.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_default()
    }

    /// That every number is one that a run can have.
    ///
    /// # Errors
    /// Says which is not.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::Config { what });
        if self.data.sources.is_empty() {
            return wrong("no data is given; --data FILE or [[data.sources]] would be right".into());
        }
        if self.stages.is_empty() {
            return wrong("the run has no stage; [[stages]] would be right".into());
        }
        if self.data.length < 2 || self.data.pack_tokens < 2 {
            return wrong("data.length and data.pack_tokens must be at least 2".into());
        }
        if !(0.0..=1.0).contains(&self.data.scale_frequency) {
            return wrong("data.scale_frequency must be from 0 to 1".into());
        }
        let positive = |x: f64| x.is_finite() && x >= 0.0;
        if ![self.z_loss, self.words, self.neftune].iter().all(|&x| positive(x.into())) {
            return wrong("z_loss, words and neftune must be 0 or more".into());
        }
        if let Err(what) = self.data.clips.check() {
            return wrong(format!("data.clips: {what}"));
        }
        if self.data.clips.mode == Some(ClipMode::VlmEvalKit) {
            return wrong(
                "data.clips: vlmevalkit's prompt ends with a question, and no answer can be learnt behind it".into(),
            );
        }
        if self.dtype == DType::Nf4 && self.adapter.is_none() {
            return wrong("dtype nf4 keeps the base frozen: give an adapter to train".into());
        }
        if let Some(adapter) = &self.adapter
            && (adapter.r == 0 || !adapter.alpha.is_finite() || !(0.0..1.0).contains(&adapter.dropout))
        {
            return wrong("adapter: r must be at least 1, alpha a number, dropout from 0 to below 1".into());
        }
        if self.validation.as_ref().is_some_and(|v| v.every == 0 || v.sources.is_empty() || v.samples == 0) {
            return wrong("validation needs sources, and every and samples of at least 1".into());
        }
        if self.words == 0.0 && self.parts {
            return wrong("parts says how words are learnt: words must be above 0".into());
        }
        if self.words == 0.0 && self.stages.iter().any(|stage| !stage.decoder) {
            return wrong("a stage without the decoder learns words alone: words must be above 0".into());
        }
        self.stages.iter().enumerate().try_for_each(|(index, stage)| {
            stage.check(self.adapter.is_some()).or_else(|what| wrong(format!("stage {}: {what}", index + 1)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_as_it_is_written_and_unknown_keys_are_errors() {
        let mut config = Config { adapter: Some(Adapter::default()), ..Config::default() };
        config.data.sources.push(SourceConfig::new("/data.jsonl"));
        config.validation = Some(Validation::new(vec![SourceConfig::new("/more.jsonl")]));
        config.check().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.toml");
        std::fs::write(&path, config.to_toml()).unwrap();
        assert_eq!(Config::open(&path).unwrap(), config);
        for (text, says) in [
            ("lerning_rate = 1", "lerning_rate"),
            ("[[stages]]\nlr = 1e-4\nbatchsize = 3", "batchsize"),
            ("[data]\nlabels = \"some\"", "some"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Config::open(&path).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("run.toml"), "{error}");
        }
    }

    #[test]
    fn numbers_that_no_run_can_have_are_named() {
        let with = |change: fn(&mut Config)| {
            let mut config = Config::default();
            config.data.sources.push(SourceConfig::new("x"));
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(with(|c| c.data.sources.clear()).contains("no data"));
        assert!(with(|c| c.stages[0].batch = 0).contains("stage 1: batch"));
        assert!(with(|c| c.stages[0].lr = f64::NAN).contains("rates"));
        assert!(with(|c| c.stages[0].betas[1] = 1.0).contains("betas"));
        assert!(with(|c| c.dtype = DType::Nf4).contains("nf4"));
    }
}
