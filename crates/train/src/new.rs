//! A new checkpoint: a decoder and a tower that others have trained, or fresh ones, and a fresh connector between them,
//! in SmolVLM's layout.

mod cosines;
mod settings;
mod shape;
mod source;
mod tensors;
mod tokenizer;
mod tokens;

use crate::Error;
use crate::files::{NewFolder, write};
use settings::Names;
use shape::Shape;
use smolvlm_backend::Stored;
use smolvlm_model::config::TextConfig;
use smolvlm_model::rope::RopeScaling;
use smolvlm_model::{Config, export};
use smolvlm_processor::Processor;
use source::{TextSource, TowerSource};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tensors::Making;
use tokens::Tokens;

pub use tokenizer::{NewTokenizer, learn as learn_tokenizer};

/// What a new checkpoint is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct New {
    /// A trained decoder with its tokenizer, in SmolLM2's layout; else one of the shape's sizes is fresh.
    pub text: Option<PathBuf>,
    /// A trained tower in SigLIP's layout; else one of the shape's sizes is fresh.
    pub vision: Option<PathBuf>,
    /// Sizes of what is fresh: one of [`PUBLISHED`](smolvlm_model::published::PUBLISHED), or a TOML or JSON file. With
    /// `text` and without a shape, a fresh tower has the sizes of SmolVLM-256M's.
    pub shape: Option<String>,
    /// A folder whose tokenizer a fresh decoder takes.
    pub tokenizer: Option<PathBuf>,
    /// Where every random number begins.
    pub seed: u64,
    /// What weights are stored in. `None`: as the decoder's are, those in f16 in f32; without a decoder bfloat16.
    pub dtype: Option<Stored>,
    /// Positions, in the place of the decoder's own.
    pub context: Option<usize>,
    /// What makes more positions usable for a trained decoder.
    pub rope: Option<Rope>,
    /// The folder to make.
    pub output: PathBuf,
}

/// A change of the rotary frequencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rope {
    /// Another base: `rope_theta`.
    Base(f64),
    /// All divided by this: `rope_scaling` of the type `linear`.
    Linear(f64),
}

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The sizes.
    pub config: Config,
    /// What weights are stored in.
    pub dtype: Stored,
    /// Tokens that the tokenizer got.
    pub added: usize,
    /// Parameters of the tower.
    pub vision: u64,
    /// Parameters of the connector.
    pub connector: u64,
    /// Parameters of the decoder with its table and head.
    pub text: u64,
}

/// The most parameters of a new model: seven times those of the largest SmolVLM.
const MAX_PARAMETERS: u64 = 1 << 34;
/// No settings file comes near this many bytes.
const SMALL_FILE: u64 = 16 << 20;

/// Makes a checkpoint; `progress` is told how many of the tensors that are computed are done, and of how many.
///
/// All is written to a folder beside the output, which gets its name when it is whole.
///
/// # Errors
/// The output is there already, a file is missing or is not what it should be, or sizes do not fit together.
pub fn make(new: &New, progress: &dyn Fn(usize, usize)) -> Result<Made, Error> {
    let folder = begin(&new.output)?;
    let shape = new.shape.as_deref().map(|word| Shape::open(word, new)).transpose()?;
    let mut text = new.text.as_deref().map(TextSource::open).transpose()?;
    let mut tower = new.vision.as_deref().map(TowerSource::open).transpose()?;
    let tokens = Tokens::extended(tokenizer_folder(new)?)?;

    let (decoder, tied) = decoder(new, shape.as_ref(), text.as_ref(), &tokens)?;
    let vision = match (&tower, &shape) {
        (Some(tower), _) => tower.config.clone(),
        (None, Some(shape)) => shape.tower()?,
        (None, None) => Shape::default_tower(),
    };
    let scale_factor = match shape.as_ref().and_then(|shape| shape.scale_factor) {
        Some(factor) => factor,
        None => default_scale_factor(vision.grid())?,
    };
    let dtype = new.dtype.unwrap_or_else(|| text.as_ref().map_or(Stored::Bf16, TextSource::dtype));
    let names = Names { eos: decoder.eos.clone(), tokens: &tokens };
    let config = settings::config(&vision, &decoder, scale_factor, tied, dtype, &names);
    let config_text = settings::pretty(&config);
    let place = new.shape.as_deref().unwrap_or("the new model");
    let config = Config::parse(&config_text).map_err(|what| wrong(format!("{place}: {what}")))?;

    let slots = tensors::slots(&config, shape.as_ref().is_some_and(Shape::cosines));
    let [vision, connector, text_count] = tensors::parameters(&slots);
    if vision + connector + text_count > MAX_PARAMETERS {
        let asked = vision + connector + text_count;
        return Err(wrong(format!("{place}: {asked} parameters; more than {MAX_PARAMETERS} are not made")));
    }
    text.as_mut().map_or(Ok(()), |text| text.check(&slots))?;
    tower.as_mut().map_or(Ok(()), |tower| tower.check(&slots))?;

    write(&folder.path().join("config.json"), config_text.as_bytes())?;
    settings::write(folder.path(), &config, shape.as_ref().and_then(|shape| shape.longest_edge), &names)?;
    tokens.write(folder.path(), config.text.context)?;
    // Whatever a later reader would refuse is refused now.
    Processor::open(folder.path())?;
    let making = Making {
        text: text.as_ref().map(|text| (text, tokens.old)),
        tower: tower.as_ref(),
        seed: new.seed,
        dtype: smolvlm_model::checkpoint::dtype(dtype),
        progress,
    };
    export::write(&folder.path().join("model.safetensors"), making.exports(&slots))?;
    finish(folder, &new.output)?;
    Ok(Made { config, dtype, added: tokens.added, vision, connector, text: text_count })
}

/// The folder that the tokenizer comes from.
fn tokenizer_folder(new: &New) -> Result<&Path, Error> {
    match (&new.text, &new.tokenizer) {
        (Some(_), Some(_)) => Err(wrong("--tokenizer: the decoder of --text has a tokenizer of its own".into())),
        (Some(folder), None) | (None, Some(folder)) => Ok(folder),
        (None, None) => Err(wrong(
            "a fresh decoder needs a tokenizer: --tokenizer DIR of a SmolLM2 or SmolVLM would be right".into(),
        )),
    }
}

/// The decoder's sizes and whether its head is tied.
fn decoder(
    new: &New,
    shape: Option<&Shape>,
    source: Option<&TextSource>,
    tokens: &Tokens,
) -> Result<(TextConfig, bool), Error> {
    let (mut decoder, tied) = match (source, shape) {
        (Some(source), _) => {
            let tied = shape.and_then(|shape| shape.tied).unwrap_or(source.tied);
            if tied && !source.tied {
                return Err(wrong("tied = true: the decoder of --text has a head of its own".into()));
            }
            // Rows without a token, which pad a table to a round number, stay.
            let rows = tokens.rows_beside(&source.config)?;
            (TextConfig { vocab: rows, ..source.config.clone() }, tied)
        }
        (None, Some(shape)) => (shape.decoder(tokens.len)?, shape.tied.unwrap_or(false)),
        (None, None) => {
            return Err(wrong(
                "nothing says how large the decoder is: give --text DIR, or --shape for a fresh one".into(),
            ));
        }
    };
    if let Some(context) = new.context {
        if source.is_some() && context > decoder.context && new.rope.is_none() {
            return Err(wrong(format!(
                "--context {context}: the decoder knows {} positions; --rope-base or --rope-scaling linear:F would make \
                 more usable",
                decoder.context
            )));
        }
        decoder.context = context;
    }
    match new.rope {
        Some(Rope::Base(base) | Rope::Linear(base)) if !(base.is_finite() && base > 0.0) => {
            return Err(wrong(format!("--rope-base and --rope-scaling take a number above 0, not {base}")));
        }
        Some(Rope::Base(base)) => decoder.rope_theta = base,
        Some(Rope::Linear(factor)) => decoder.rope = RopeScaling::Linear(factor),
        None => {}
    }
    if decoder.eos.is_empty() {
        decoder.eos = vec![tokens.turn_end];
    }
    Ok((decoder, tied))
}

/// What SmolVLM has: 4 of 32 patches a side, 3 of 27; 2 where neither fits.
fn default_scale_factor(grid: usize) -> Result<usize, Error> {
    let fits = [4, 3, 2].into_iter().find(|&factor| grid.is_multiple_of(factor));
    fits.ok_or_else(|| {
        wrong(format!("none of 4, 3 and 2 divides the tower's {grid} patches a side; a shape's scale_factor must"))
    })
}

/// The folder in which all is made; an error here comes before any work is done.
fn begin(output: &Path) -> Result<NewFolder, Error> {
    refuse_existing(output)?;
    let parent = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if output.file_name().is_none() || !parent.is_dir() {
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, "there is no folder to make it in");
        return Err(Error::file(output, source));
    }
    NewFolder::begin(output)
}

/// Gives the folder its name.
fn finish(folder: NewFolder, output: &Path) -> Result<(), Error> {
    refuse_existing(output)?;
    folder.finish(output)
}

fn refuse_existing(output: &Path) -> Result<(), Error> {
    match output.symlink_metadata() {
        Ok(_) => Err(wrong(format!("{} is there already; a new model needs a new folder", output.display()))),
        Err(_) => Ok(()),
    }
}

fn wrong(what: String) -> Error {
    Error::Config { what }
}

/// The text of a file of at most `limit` bytes.
fn read_file(path: &Path, limit: u64) -> Result<String, Error> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_string(&mut text));
    read.map_err(|source| Error::file(path, source))?;
    if text.len() as u64 > limit {
        return Err(Error::state(path, format!("more than {limit} bytes; no file of this kind has as many")));
    }
    Ok(text)
}

/// The JSON object of a file.
fn read_object(path: &Path, limit: u64) -> Result<serde_json::Map<String, serde_json::Value>, Error> {
    serde_json::from_str(&read_file(path, limit)?).map_err(|e| Error::state(path, format!("not a JSON object: {e}")))
}
