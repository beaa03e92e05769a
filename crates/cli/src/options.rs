//! Options that several commands share.

use crate::error::Error;
use crate::progress::Progress;
use clap::{Args, ValueEnum};
use smolvlm_backend::Isa;
use smolvlm_data::{Columns, SourceConfig, read_mixture};
use smolvlm_engine::{Bits, DTypeChoice, Engine, EngineOptions, FewBits};
use smolvlm_processor::{Alpha, DecodeOptions, MAX_LONGEST_EDGE, PlanOptions};
use smolvlm_sys::Files;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Which model.
#[derive(Args)]
pub(crate) struct ModelName {
    /// The model: nano, which this program carries; a folder as Hugging Face has it (config.json, *.safetensors,
    /// tokenizer.json and the rest); a GGUF file; or a name on the hub (ORG/NAME[:QUANT][@REVISION], or a short one: smolvlm
    /// models lists them)
    #[arg(short, long, value_name = "MODEL")]
    #[cfg_attr(feature = "nano", arg(default_value = smolvlm_hub::NANO))]
    model: Option<String>,
    /// The GGUF file of the tower, where the model is a GGUF file and none or several lie beside it
    #[arg(long, value_name = "FILE")]
    mmproj: Option<PathBuf>,
}

impl ModelName {
    /// Whether one is named, or the program carries one.
    pub(crate) fn is_some(&self) -> bool {
        self.model.is_some()
    }

    /// As it was given.
    pub(crate) fn name(&self) -> Result<&str, Error> {
        self.model.as_deref().ok_or_else(|| {
            let what = "which model? -m FOLDER would be right: this program was built without nano, which it can carry";
            Error::Usage(what.into())
        })
    }

    /// The model's files.
    pub(crate) fn files(&self) -> Result<Files, Error> {
        crate::pull::files(self.name()?, self.mmproj.as_deref())
    }
}

/// Which model, and how it runs.
#[derive(Args)]
pub(crate) struct ModelArgs {
    #[command(flatten)]
    pub(crate) model: ModelName,
    /// An adapter's folder, as smolvlm train and peft write it, or its name on the hub; may be repeated; =F behind it makes it
    /// count F times
    #[arg(long, value_name = "FOLDER[=F]")]
    adapter: Vec<String>,
    #[command(flatten)]
    pub(crate) precision: PrecisionArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}

/// In what weights are kept and used.
#[derive(Args)]
pub(crate) struct PrecisionArgs {
    /// The precision in which weights are kept and used
    #[arg(long, value_enum, default_value_t = DType::Auto)]
    dtype: DType,
    /// What weights are brought to as they are loaded: fewer bits are smaller and faster, and lose a little
    ///
    /// none: as --dtype says; q8: 8 bits; q4: 4 bits, of the head 8; auto: as --dtype says where there is memory enough, else
    /// q8, else q4. Or part by part: text=q4,vision=q8,head=q8; a part that is not named stays as it is (docs/quantisation.md)
    #[arg(long, value_name = "BITS", default_value = "none", value_parser = few_bits)]
    quant: Asked,
    /// What keys and values are kept in: auto, as weights are used; q8, in 8 bits: half the memory of bf16, where memory is
    /// short; it takes longer
    #[arg(long, value_enum, value_name = "BITS", default_value_t = Kv::Auto)]
    kv: Kv,
}

/// `--kv`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kv {
    /// as weights are used: bfloat16 or single precision
    Auto,
    /// 8 bits, a scale for each position of each head
    Q8,
}

/// `--quant`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    None,
    Auto,
    Few(FewBits),
}

/// Reads `--quant`.
fn few_bits(word: &str) -> Result<Asked, String> {
    let of = |word: &str| match word {
        "none" => Ok(Bits::All),
        "q8" => Ok(Bits::Eight),
        "q4" => Ok(Bits::Four),
        _ => Err("none, q8, q4, auto, or parts as text=q4,vision=q8,head=q8 would be right".to_owned()),
    };
    match word {
        "auto" => return Ok(Asked::Auto),
        "q8" => return Ok(Asked::Few(FewBits::EIGHT)),
        "q4" => return Ok(Asked::Few(FewBits::FOUR)),
        _ if !word.contains('=') => return of(word).map(|_| Asked::None),
        _ => {}
    }
    let mut bits = FewBits { vision: Bits::All, text: Bits::All, head: Bits::All };
    let mut named = Vec::new();
    for part in word.split(',') {
        let (name, few) = part.split_once('=').ok_or_else(|| format!("'{part}' is no part; text=q4 would be"))?;
        let place = match name {
            "vision" => &mut bits.vision,
            "text" => &mut bits.text,
            "head" => &mut bits.head,
            _ => return Err(format!("no part is named '{name}'; there are text, vision and head")),
        };
        if named.contains(&name) {
            return Err(format!("'{name}' is named twice"));
        }
        *place = of(few)?;
        named.push(name);
    }
    let is_plain = [bits.vision, bits.text, bits.head].iter().all(|bits| *bits == Bits::All);
    Ok(if is_plain { Asked::None } else { Asked::Few(bits) })
}

/// Reads how few bits each part is brought to, where some must be.
pub(crate) fn parts(word: &str) -> Result<FewBits, String> {
    match few_bits(word)? {
        Asked::Few(bits) => Ok(bits),
        Asked::None | Asked::Auto => Err("q8, q4, or parts as text=q4,vision=q8,head=q8 would be right".to_owned()),
    }
}

impl std::fmt::Display for PrecisionArgs {
    /// As it is told in files.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map_or_else(String::new, |value| value.get_name().to_owned())
        };
        let (dtype, kv) = (name(self.dtype.to_possible_value()), name(self.kv.to_possible_value()));
        write!(f, "dtype {dtype}, quant {:?}, kv {kv}", self.quant)
    }
}

impl PrecisionArgs {
    /// Whether keys and values are kept in 8 bits.
    pub(crate) fn narrow_kv(&self) -> bool {
        self.kv == Kv::Q8
    }

    /// As the engine takes it, whatever `--quant` says.
    pub(crate) fn plain(&self) -> Result<DTypeChoice, Error> {
        self.choice().map(|_| self.dtype.into())
    }

    /// As the engine takes it.
    pub(crate) fn choice(&self) -> Result<DTypeChoice, Error> {
        match (self.quant, self.dtype) {
            (Asked::None, dtype) => Ok(dtype.into()),
            (Asked::Auto, DType::Auto) => Ok(DTypeChoice::Fitting),
            (_, DType::F32) => {
                Error::usage("--quant computes the rest in bfloat16: --dtype f32 would do nothing beside it")
            }
            (Asked::Auto, DType::Bf16) => {
                Error::usage("--quant auto takes --dtype auto, and fewer bits where memory is short")
            }
            (Asked::Few(bits), _) => Ok(DTypeChoice::Few(bits)),
        }
    }
}

/// An adapter's folder and what it counts.
pub(crate) fn adapter(word: &str) -> Result<(PathBuf, f32), Error> {
    let Some((folder, factor)) = word.rsplit_once('=').filter(|_| !Path::new(word).is_dir()) else {
        return Ok((crate::pull::adapter(word)?, 1.0));
    };
    match factor.parse::<f32>() {
        Ok(factor) if factor.is_finite() => Ok((crate::pull::adapter(folder)?, factor)),
        _ => Error::usage(format!("--adapter {word}: '{factor}' is no number; FOLDER=0.5 would be right")),
    }
}

/// How a model runs.
#[derive(Args)]
pub(crate) struct ComputeArgs {
    /// Threads [default: all that this process may use]
    #[arg(short, long, value_name = "N", env = "SMOLVLM_THREADS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Instructions to use, for comparing: scalar, avx2, avx512, avx512bf16, amx or neon [default: the best there are]
    #[arg(long, value_name = "NAME", env = "SMOLVLM_ISA", hide = true)]
    isa: Option<String>,
}

/// `--dtype`
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DType {
    /// single precision
    F32,
    /// bfloat16, summed in single precision
    Bf16,
    /// as the checkpoint has it: bfloat16, GGUF's blocks as they are, else single precision
    Auto,
}

impl From<DType> for DTypeChoice {
    fn from(dtype: DType) -> DTypeChoice {
        match dtype {
            DType::F32 => DTypeChoice::F32,
            DType::Bf16 => DTypeChoice::Bf16,
            DType::Auto => DTypeChoice::Auto,
        }
    }
}

impl ComputeArgs {
    /// The instructions asked for, or the best.
    pub(crate) fn isa(&self) -> Result<Isa, Error> {
        let Some(name) = &self.isa else { return Ok(Isa::best()) };
        Isa::named(name).ok_or_else(|| {
            let there: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
            Error::Usage(format!("SMOLVLM_ISA={name}: this processor has {}", there.join(", ")))
        })
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads.map_or_else(smolvlm_sys::threads, usize::from)
    }
}

impl ModelArgs {
    /// The model and its adapters, as they were given.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.model.name().into_iter().chain(self.adapter.iter().map(String::as_str))
    }

    /// Loads the model.
    pub(crate) fn open(&self) -> Result<Engine, Error> {
        let options = EngineOptions {
            threads: self.compute.threads(),
            isa: self.compute.isa()?,
            dtype: self.precision.choice()?,
            narrow_kv: self.precision.narrow_kv(),
            adapters: self.adapter.iter().map(|word| adapter(word)).collect::<Result<_, _>>()?,
        };
        let progress = Progress::new();
        let files = self.model.files()?;
        Ok(Engine::open(files, &options, &mut |done, total| progress.show("loading", done, total))?)
    }
}

/// How picture files are read and cut.
#[derive(Args, Default)]
pub(crate) struct PictureArgs {
    /// Bring a picture's longer side to N pixels first; less is faster and sees less [default: the model's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LONGEST_EDGE)))]
    pub(crate) max_edge: Option<u32>,
    /// Do not cut pictures into tiles: one tile each
    #[arg(long)]
    pub(crate) no_split: bool,
    /// Leave pictures as they are stored, whatever EXIF says of the camera's orientation
    #[arg(long)]
    ignore_exif: bool,
    /// What shows through transparent pictures: white, as in training, or the hidden colours
    #[arg(long, value_enum, default_value_t)]
    alpha: AlphaChoice,
    /// Which frame of an animation, or page, to take, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    frame: u32,
}

/// `--alpha`
#[derive(Clone, Copy, Default, ValueEnum)]
enum AlphaChoice {
    /// composited on white
    #[default]
    White,
    /// dropped, as when a program converts to RGB first
    Drop,
}

impl PictureArgs {
    /// An option that is given, and means nothing where no picture is.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--max-edge", self.max_edge.is_some()),
            ("--no-split", self.no_split),
            ("--ignore-exif", self.ignore_exif),
            ("--alpha", matches!(self.alpha, AlphaChoice::Drop)),
            ("--frame", self.frame > 0),
        ];
        given.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }

    pub(crate) fn decode(&self) -> DecodeOptions {
        let alpha = match self.alpha {
            AlphaChoice::White => Alpha::White,
            AlphaChoice::Drop => Alpha::Drop,
        };
        DecodeOptions { exif: !self.ignore_exif, alpha, frame: self.frame, ..DecodeOptions::default() }
    }

    /// The part of a plan's options that pictures need.
    pub(crate) fn plan(&self) -> PlanOptions {
        PlanOptions {
            longest_edge: self.max_edge,
            split: if self.no_split { Some(false) } else { None },
            ..PlanOptions::default()
        }
    }
}

/// Which columns mean what, where their names do not tell it.
#[derive(clap::Args, Default)]
pub(crate) struct ColumnArgs {
    /// The column of pictures
    #[arg(long, value_name = "COLUMN")]
    image: Option<String>,
    /// The column of clips
    #[arg(long, value_name = "COLUMN")]
    video: Option<String>,
    /// The column of questions
    #[arg(long, value_name = "COLUMN")]
    question: Option<String>,
    /// The column of answers; without a question, of the documents' texts
    #[arg(long, value_name = "COLUMN")]
    answer: Option<String>,
    /// The column of system messages
    #[arg(long, value_name = "COLUMN")]
    system: Option<String>,
    /// What every chat begins with, in front of what the user shows and says
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
}

impl ColumnArgs {
    /// As readers take them.
    pub(crate) fn columns(&self) -> Columns {
        let ColumnArgs { image, video, question, answer, system, prompt } = self;
        Columns {
            image: image.clone(),
            video: video.clone(),
            question: question.clone(),
            answer: answer.clone(),
            system: system.clone(),
            prompt: prompt.clone(),
            skill: None,
        }
    }
}

/// Files as sources; a mixture's file gives its own.
pub(crate) fn sources(files: &[PathBuf], columns: &Columns) -> Result<Vec<SourceConfig>, Error> {
    let mut sources = Vec::new();
    for file in files {
        let mixture = file.extension().is_some_and(|e| e == "toml" || e == "yaml" || e == "yml");
        if mixture {
            sources.extend(read_mixture(file)?);
            continue;
        }
        sources.push(SourceConfig::new(file).with(columns.clone()));
    }
    Ok(sources)
}

/// The most MiB of a question or a chat: a hundred times what a context holds.
pub(crate) const CHAT: u64 = 8;

/// A file's text, or stdin's for `-`; at most so many MiB.
pub(crate) fn read_text(path: &str, most: u64) -> Result<String, Error> {
    let limit = most << 20;
    let named = |source| Error::File { path: if path == "-" { "stdin".into() } else { path.into() }, source };
    let mut text = String::new();
    if path == "-" {
        std::io::stdin().take(limit + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(Path::new(path)).map_err(named)?;
        file.take(limit + 1).read_to_string(&mut text)
    }
    .map_err(|error| match error.kind() {
        ErrorKind::InvalidData => named(std::io::Error::new(error.kind(), "no text: not UTF-8")),
        _ => named(error),
    })?;
    if text.len() as u64 > limit {
        return Err(named(std::io::Error::new(ErrorKind::InvalidData, format!("more than {most} MiB of text"))));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_model_is_built_in_one_must_be_named() {
        let of = |model: Option<&str>| ModelName { model: model.map(String::from), mmproj: None };
        let error = of(None).files().unwrap_err();
        assert!(matches!(error, Error::Usage(_)));
        let says = "which model? -m FOLDER would be right: this program was built without nano";
        assert!(error.to_string().starts_with(says), "{error}");
        assert_eq!(of(Some("a")).name().unwrap(), "a");
    }

    #[test]
    fn nano_is_the_default_where_it_is_built_in() {
        #[derive(clap::Parser)]
        struct Words {
            #[command(flatten)]
            model: ModelName,
        }
        let given = |words: &[&str]| <Words as clap::Parser>::parse_from(words).model.model;
        assert_eq!(given(&["x"]).as_deref(), smolvlm_hub::DEFAULT);
        assert_eq!(given(&["x", "-m", "a"]).as_deref(), Some("a"));
    }
}
