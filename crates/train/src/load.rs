//! A base model becomes one that is trained.

use crate::parameters::{Parameters, highest};
use crate::{Config, DType, Error, Init, Stage, memory};
use regex::Regex;
use smolvlm_backend::{Backend, Cpu, Isa, Quant, Tensor};
use smolvlm_engine::{Engine, Network};
use smolvlm_model::peft::{self, AdapterConfig};
use smolvlm_model::vlm::{CONNECTOR, VISION};
use smolvlm_model::{
    Attach, Checkpoint, Config as ModelConfig, GenerationConfig, Load, Role, TensorSource, Vlm, fresh,
};
use smolvlm_processor::Processor;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A model in training.
pub(crate) struct Trained {
    pub(crate) engine: Engine,
    pub(crate) backend: Arc<Cpu>,
    pub(crate) parameters: Parameters,
    /// The adapter's settings, where one is trained.
    pub(crate) adapter: Option<AdapterConfig>,
    /// What matrices are kept in.
    pub(crate) quant: Quant,
}

/// Which parameters a stage trains.
pub(crate) struct Chosen<'a> {
    stage: &'a Stage,
    train: Vec<Regex>,
    freeze: Vec<Regex>,
}

impl Chosen<'_> {
    pub(crate) fn new(stage: &Stage) -> Result<Chosen<'_>, Error> {
        let compile = |patterns: &[String]| -> Result<Vec<Regex>, Error> {
            let one = |p: &String| {
                Regex::new(p).map_err(|e| Error::Config { what: format!("the pattern '{p}' cannot be used: {e}") })
            };
            patterns.iter().map(one).collect()
        };
        Ok(Chosen { stage, train: compile(&stage.train)?, freeze: compile(&stage.freeze)? })
    }

    /// Whether a parameter is trained.
    pub(crate) fn has(&self, name: &str) -> bool {
        let any = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(name));
        (self.train.is_empty() || any(&self.train)) && !any(&self.freeze) && highest(self.stage, name) > 0.0
    }
}

/// Loads the base, and its adapter where one is trained.
///
/// # Errors
/// Where the model or the adapter cannot be loaded, or nothing would be trained.
pub(crate) fn load(
    config: &Config,
    threads: usize,
    isa: Isa,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Trained, Error> {
    let base = &config.base()?;
    let (processor, model_config) = (Arc::new(Processor::open(base)?), ModelConfig::open(base)?);
    let mut checkpoint = Checkpoint::open(base)?;
    checkpoint.check_plain()?;
    let stages = config.stages.iter().map(Chosen::new).collect::<Result<Vec<_>, _>>()?;
    let (adapter, from) = adapter(config)?;
    let places = match &adapter {
        None => Vec::new(),
        Some(adapter) => places(adapter, &checkpoint, model_config.tied)?,
    };
    let names: Vec<String> = checkpoint.names().map(str::to_string).collect();
    // With an adapter nothing of the base is trained.
    let training: &[Chosen<'_>] = if adapter.is_some() { &[] } else { &stages };
    let roles = Roles::new(training, &names, &places);
    let quant = Quant::from(config.dtype);
    let backend = Arc::new(Cpu::with(threads, isa));
    let learnt = names.iter().filter(|name| roles.trains(name)).filter_map(|name| checkpoint.raw(name));
    memory::check_model(&model_config, quant, learnt.map(|(shape, ..)| shape.iter().product::<usize>()).sum())?;
    let mut masters = BTreeMap::new();
    let (mut done, total) = (0, Vlm::tensors(&model_config));
    let mut load = Load {
        backend: &*backend,
        source: &mut checkpoint,
        quant: quant.into(),
        level: false,
        role: &|name| roles.of(name),
        rounding: None,
        masters: Some(&mut masters),
        progress: &mut |_| {
            done += 1;
            progress(done, total);
        },
    };
    let mut model = Vlm::load(model_config, &mut load)?;
    // An adapter's own matrices are never in 4 bits.
    let plain = Quant::of(quant.dtype());
    if let Some(adapter) = &adapter {
        let mut source: Box<dyn TensorSource> = match from {
            Some(from) => Box::new(peft::weights(from)?),
            None => Box::new(fresh(config.adapter.as_ref().map_or(Init::Default, |a| a.init).into(), config.seed)),
        };
        let (source, masters) = (&mut *source, Some(&mut masters));
        let attach =
            &mut Attach { backend: &*backend, source, fresh: from.is_none(), quant: plain, factor: 1.0, masters };
        model.attach(adapter, attach)?;
    }
    if !masters.keys().any(|name| stages.iter().any(|stage| stage.has(name))) {
        return Err(Error::Config {
            what: "nothing would be trained: all rates are 0 or all parameters frozen".into(),
        });
    }
    let sees = |name: &&String| name.starts_with(VISION) || name.starts_with(CONNECTOR);
    if config.words > 0.0 && !masters.keys().any(|name| sees(&name)) {
        return Err(Error::Config { what: "words is learnt by tower and connector, but neither is trained".into() });
    }
    let generation = GenerationConfig::open(base)?;
    let shared: Arc<dyn Backend> = Arc::clone(&backend) as Arc<dyn Backend>;
    let engine = Engine::assemble(processor, Network { generation, backend: shared, model, quant: plain.into() })?;
    let parameters = Parameters { masters, ..Parameters::default() };
    Ok(Trained { engine, backend, parameters, adapter, quant })
}

impl From<DType> for Quant {
    fn from(dtype: DType) -> Quant {
        match dtype {
            DType::Bf16 => Quant::Bf16,
            DType::F32 => Quant::F32,
            DType::Nf4 => Quant::Nf4,
        }
    }
}

/// What the base's parameters are for.
struct Roles<'a> {
    /// The stages that train them.
    stages: &'a [Chosen<'a>],
    /// Whether gradients pass through the tower, and the connector: through all above the lowest that is trained.
    vision: bool,
    connector: bool,
}

impl<'a> Roles<'a> {
    /// Of a base's parameters, and its layers that have an adapter.
    fn new(stages: &'a [Chosen<'a>], names: &[String], adapted: &[String]) -> Roles<'a> {
        let mut roles = Roles { stages, vision: false, connector: false };
        let reaches = |prefix: &str| {
            let trained = names.iter().filter(|name| roles.trains(name));
            trained.chain(adapted).any(|name| name.starts_with(prefix))
        };
        let (vision, connector) = (reaches(VISION), reaches(CONNECTOR));
        (roles.vision, roles.connector) = (vision, connector || vision);
        roles
    }

    fn trains(&self, name: &str) -> bool {
        self.stages.iter().any(|stage| stage.has(name))
    }

    fn of(&self, name: &str) -> Role {
        let passed = if name.starts_with(VISION) {
            self.vision
        } else if name.starts_with(CONNECTOR) {
            self.connector
        } else {
            true
        };
        match (self.trains(name), passed) {
            (true, _) => Role::Trained,
            (false, true) => Role::Passed,
            (false, false) => Role::Forward,
        }
    }
}

/// The settings of the adapter that is trained, and the folder that it goes on from.
fn adapter(config: &Config) -> Result<(Option<AdapterConfig>, Option<&PathBuf>), Error> {
    let Some(adapter) = &config.adapter else { return Ok((None, None)) };
    let settings = match &adapter.from {
        Some(from) => AdapterConfig::open(from)?,
        None => adapter.config(&config.model),
    };
    Ok((Some(settings), adapter.from.as_ref()))
}

/// The layers that have an adapter.
fn places(adapter: &AdapterConfig, checkpoint: &Checkpoint, tied: bool) -> Result<Vec<String>, Error> {
    let linears = peft::linears(checkpoint, tied);
    let places = adapter.places(linears.iter().map(String::as_str));
    let places = places.map_err(|what| Error::Config { what: format!("adapter: {what}") })?;
    Ok(places.modules.into_iter().map(|(name, ..)| name).collect())
}

/// Numbers of the parameters that are trained and whose names begin so, for a plan.
pub(crate) fn count(tensors: &BTreeMap<String, Tensor>, chosen: &Chosen<'_>, prefix: &str) -> usize {
    let trained = tensors.iter().filter(|(name, _)| name.starts_with(prefix) && chosen.has(name));
    trained.map(|(_, tensor)| tensor.len()).sum()
}
