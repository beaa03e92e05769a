//! A checkpoint, ready to answer.

use crate::core::Core;
use crate::grammar::Vocabulary;
use crate::{Defaults, Error, memory};
use smolvlm_backend::{Backend, Cpu, Isa, Quant, Stored, levels};
use smolvlm_model::peft::{self, AdapterConfig};
use smolvlm_model::{Attach, Config, GenerationConfig, Load, Quants, Role, Vlm, Weights};
use smolvlm_processor::Processor;
use smolvlm_sys::Files;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// What weights are computed in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DTypeChoice {
    /// f32 throughout.
    F32,
    /// bfloat16 weights and cache, products summed in f32.
    Bf16,
    /// Weights in few bits, brought to them as they are loaded; what meets them in products in 8; all else as in bfloat16.
    Few(FewBits),
    /// As the checkpoint stores them where there is memory enough, else in 8 bits, else in 4.
    Fitting,
    /// As the checkpoint stores them: bfloat16 stays so, all else is f32.
    #[default]
    Auto,
}

/// Bits of the weights of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    /// bfloat16.
    All,
    /// 8, in groups with a scale.
    Eight,
    /// 4, in groups with a scale and a least.
    Four,
}

/// How few bits weights are kept in, part by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FewBits {
    /// Of the tower and the connector.
    pub vision: Bits,
    /// Of the decoder's layers.
    pub text: Bits,
    /// Of the head.
    pub head: Bits,
}

impl FewBits {
    /// 8 bits for all.
    pub const EIGHT: FewBits = FewBits { vision: Bits::Eight, text: Bits::Eight, head: Bits::Eight };
    /// 4 bits, but for the head, whose loss is the largest: 8.
    pub const FOUR: FewBits = FewBits { vision: Bits::Four, text: Bits::Four, head: Bits::Eight };
}

impl From<FewBits> for Quants {
    fn from(bits: FewBits) -> Quants {
        let quant = |bits| match bits {
            Bits::All => Quant::Bf16,
            Bits::Eight => Quant::Q8,
            Bits::Four => Quant::Q4,
        };
        Quants::by_part(quant(bits.vision), quant(bits.text), quant(bits.head))
    }
}

/// How a checkpoint is opened.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Threads of the pool.
    pub threads: usize,
    /// Instructions, which the processor must have.
    pub isa: Isa,
    /// What weights are computed in.
    pub dtype: DTypeChoice,
    /// Whether keys and values are kept in 8 bits.
    pub narrow_kv: bool,
    /// Folders of adapters, as `peft` writes them, and what each counts.
    pub adapters: Vec<(PathBuf, f32)>,
}

/// A loaded model with its processor.
pub struct Engine {
    pub(crate) core: Core,
    pub(crate) processor: Arc<Processor>,
    /// Tokens that end an answer.
    pub(crate) stops: BTreeSet<u32>,
    generation: Option<GenerationConfig>,
    /// What grammars are told of the tokens.
    pub(crate) vocabulary: Vocabulary,
}

impl Engine {
    /// Loads a checkpoint, wherever its files lie. `progress` is told (tensors done, tensors in all).
    ///
    /// # Errors
    /// Where it is no usable checkpoint of this family.
    pub fn open(
        files: impl Into<Files>,
        options: &EngineOptions,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Engine, Error> {
        let files = &files.into();
        let (processor, network) = beside(|| Processor::open(files), || Network::open(files, options, progress));
        Engine::assemble(Arc::new(processor?), network?)
    }

    /// A processor and a network as one.
    ///
    /// # Errors
    /// Where they do not belong together.
    pub fn assemble(processor: Arc<Processor>, network: Network) -> Result<Engine, Error> {
        let (settings, config) = (processor.settings(), &network.model.config);
        let (largest, vocab) = (processor.tokenizer().len().saturating_sub(1), config.text.vocab);
        if largest >= vocab {
            return Err(Error::Vocabulary { largest, vocab });
        }
        let tile = settings.sight.as_ref().map_or(0, |sight| sight.pictures.tile);
        let tower = config.sight.as_ref().map_or(0, |sight| sight.tower.image_size);
        if tile as usize != tower {
            return Err(Error::TileSize { processor: tile, tower });
        }
        let tables = settings.sight.as_ref().map_or([[0.0; 256]; 3], |sight| {
            let ([r, g, b], [r_std, g_std, b_std]) = (sight.mean, sight.std);
            [(r, r_std), (g, g_std), (b, b_std)].map(|(mean, std)| levels(sight.rescale, mean, std))
        });
        let stops = stops(&processor, config, network.generation.as_ref());
        let Network { backend, model, quant, generation } = network;
        let core = Core { backend, model, quant, tables };
        Ok(Engine { core, processor, stops, generation, vocabulary: Vocabulary::default() })
    }

    /// Its processor.
    pub fn processor(&self) -> &Processor {
        &self.processor
    }

    /// Its processor, to be shared.
    pub fn processor_shared(&self) -> Arc<Processor> {
        Arc::clone(&self.processor)
    }

    /// Its network.
    pub fn model(&self) -> &Vlm {
        &self.core.model
    }

    /// Its network, to be changed: training takes a step.
    pub fn model_mut(&mut self) -> &mut Vlm {
        &mut self.core.model
    }

    /// What every level of a channel becomes before the tower.
    pub fn tables(&self) -> &[[f32; 256]; 3] {
        &self.core.tables
    }

    /// Tokens that end an answer.
    pub fn stops(&self) -> &BTreeSet<u32> {
        &self.stops
    }

    /// What the checkpoint asks for where its user does not.
    ///
    /// # Errors
    /// Where its generation settings are wrong, or ask for what is not done here.
    pub fn defaults(&self) -> Result<Defaults, Error> {
        self.generation.as_ref().map_or_else(|| Ok(Defaults::default()), Defaults::of)
    }

    /// The tokens of a text as it stands, and behind a space: how a word is written at an answer's beginning and within it.
    /// Special tokens in it are read as such, as transformers' tokenizer does.
    ///
    /// # Errors
    /// The tokenizer fails, which its file is to blame for.
    pub fn spellings(&self, text: &str) -> Result<Vec<Vec<u32>>, Error> {
        let tokenizer = self.processor.tokenizer();
        let (bare, spaced) = (tokenizer.encode_unframed(text)?, tokenizer.encode_unframed(&format!(" {text}"))?);
        Ok(if bare == spaced { vec![bare] } else { vec![bare, spaced] })
    }

    /// The tokens whose text contains this.
    pub fn tokens_with(&self, text: &str) -> Vec<u32> {
        let tokenizer = self.processor.tokenizer();
        let contains = |bytes: Vec<u8>| bytes.windows(text.len().max(1)).any(|part| part == text.as_bytes());
        (0..tokenizer.len() as u32).filter(|&id| tokenizer.token_bytes(id).is_some_and(contains)).collect()
    }

    /// What weights are kept in.
    pub fn quant(&self) -> Quants {
        self.core.quant
    }
}

/// The network's half of a checkpoint.
pub struct Network {
    /// How its maker would have it answer.
    pub generation: Option<GenerationConfig>,
    /// Where it runs.
    pub backend: Arc<dyn Backend>,
    /// The network.
    pub model: Vlm,
    /// What its weights are kept in.
    pub quant: Quants,
}

impl Network {
    fn open(files: &Files, options: &EngineOptions, progress: &mut dyn FnMut(usize, usize)) -> Result<Network, Error> {
        let config = Config::open(files)?;
        let generation = GenerationConfig::open(files)?;
        let source = &mut Weights::open(files)?;
        if !matches!(options.dtype, DTypeChoice::F32 | DTypeChoice::Bf16) {
            source.keep_blocks();
        }
        let stored = stored(source, &config)?;
        let check = |quant| memory::check_network(&config, quant, stored, matches!(source, Weights::Gguf(_)));
        let quant = choose(stored, source.quants()?, options.dtype, &|quant| check(quant).is_ok());
        let quant = Quants { narrow_kv: options.narrow_kv, ..quant };
        check(quant)?;
        let backend: Arc<dyn Backend> = Arc::new(Cpu::with(options.threads, options.isa));
        let (mut done, total) = (0, Vlm::tensors(&config));
        let progress = &mut |_: &str| {
            done += 1;
            progress(done, total);
        };
        let mut load = Load {
            backend: &*backend,
            source,
            quant,
            role: &|_| Role::Forward,
            level: options.adapters.is_empty(),
            rounding: None,
            masters: None,
            progress,
        };
        let mut model = Vlm::load(config, &mut load)?;
        for (dir, factor) in &options.adapters {
            let (config, source) = (AdapterConfig::open(dir)?, &mut peft::weights(dir)?);
            let attach = &mut Attach {
                backend: &*backend,
                source,
                fresh: false,
                quant: Quant::of(quant.dtype()),
                factor: *factor,
                masters: None,
            };
            model.attach(&config, attach).map_err(|e| Error::Adapter { path: dir.display().to_string(), source: e })?;
        }
        Ok(Network { generation, backend, model, quant })
    }
}

/// Does both, the first on a thread of its own where the system gives one: reading a tokenizer is long work for one core.
fn beside<A: Send, B>(first: impl Fn() -> A + Sync, second: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let running = std::thread::Builder::new().spawn_scoped(scope, &first);
        let second = second();
        let first = match running {
            Ok(running) => running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => first(),
        };
        (first, second)
    })
}

/// How the checkpoint stores its embedding, and so the rest.
fn stored(weights: &mut Weights, config: &Config) -> Result<Stored, Error> {
    Ok(weights.stored("model.text_model.embed_tokens.weight", &[config.text.vocab, config.text.hidden])?)
}

/// What the weights are kept in: asked for, or as the checkpoint stores them, in few bits even.
fn choose(stored: Stored, few_bits: Option<Quants>, choice: DTypeChoice, fits: &dyn Fn(Quants) -> bool) -> Quants {
    match (choice, few_bits) {
        (DTypeChoice::Auto, Some(few_bits)) => return few_bits,
        (DTypeChoice::Fitting, Some(few_bits)) if fits(few_bits) => return few_bits,
        _ => {}
    }
    match choice {
        DTypeChoice::F32 => Quant::F32.into(),
        DTypeChoice::Bf16 => Quant::Bf16.into(),
        DTypeChoice::Few(bits) => bits.into(),
        DTypeChoice::Auto if stored == Stored::Bf16 => Quant::Bf16.into(),
        DTypeChoice::Auto => Quant::F32.into(),
        DTypeChoice::Fitting => {
            let mut tried = [choose(stored, few_bits, DTypeChoice::Auto, fits), FewBits::EIGHT.into()].into_iter();
            tried.find(|quant| fits(*quant)).unwrap_or(FewBits::FOUR.into())
        }
    }
}

/// Tokens that end an answer: `<end_of_utterance>`, what the chat template puts behind an answer, the tokenizer's end token,
/// and those that the generation settings and the config name.
///
/// The decoder's own part of the config counts only where the others name none: SmolVLM2's names `<|im_end|>` there, on
/// which the reference does not stop.
fn stops(processor: &Processor, config: &Config, generation: Option<&GenerationConfig>) -> BTreeSet<u32> {
    let tokenizer_eos = processor.eos_token().and_then(|token| processor.tokenizer().token_to_id(token));
    let mut named: BTreeSet<u32> = config.eos.iter().copied().collect();
    named.extend(generation.iter().flat_map(|g| &g.eos));
    if named.is_empty() {
        named.extend(&config.text.eos);
    }
    named.extend(processor.end_of_utterance());
    named.extend(processor.turn_end());
    named.extend(tokenizer_eos);
    named
}
