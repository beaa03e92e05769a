//! Checkpoints in few bits to disk.

use crate::compensate::{Answers, compensate};
use crate::statistics::blocks;
use crate::{Error, Observer, Statistics};
use serde_json::{Value, json};
use smolvlm_backend::{Backend, Cpu, Isa, Quant, Source, Stored, Use, widen};
use smolvlm_gguf::Kind;
use smolvlm_model::checkpoint::dtype;
use smolvlm_model::export::{self, Export};
use smolvlm_model::few_bits::{self, GROUP};
use smolvlm_model::vlm::TEXT;
use smolvlm_model::{Config, Load, Quants, RawTensor, Role, Rounding, Vlm, Weights};
use smolvlm_sys::{Files, aside};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Made {
    /// Bytes of the tensors.
    pub bytes: u64,
    /// Bytes of those in few bits, and how many numbers they stand for.
    pub few_bits: (u64, u64),
}

/// Writes a checkpoint whose matrices are kept in `quants`, as a folder with settings and safetensors; with statistics so that
/// what they saw is changed least.
///
/// # Errors
/// The output exists, the checkpoint cannot be read or is in few bits already, or a matrix does not fit.
pub fn quantise(
    files: &Files,
    (threads, isa): (usize, Isa),
    output: &Path,
    quants: Quants,
    statistics: Option<&Statistics>,
    observer: &mut dyn Observer,
) -> Result<Made, Error> {
    if output.exists() {
        return Err(Error::Exists { path: output.to_owned() });
    }
    let failed = |source| Error::File { path: output.to_owned(), source };
    let folder = aside::NewFolder::begin(output).map_err(failed)?;
    let backend = Cpu::with(threads, isa);
    let few_bits = Form::FewBits { name: words(quants), calibrated: statistics.is_some() };
    let made = write(files, &backend, folder.path(), quants, statistics, &few_bits, observer)?;
    folder.finish(output).map_err(failed)?;
    Ok(made)
}

/// Writes the pair of files that llama.cpp reads, in ggml's blocks: Q8_0 for 8 bits, Q4_1 for 4. With statistics channels are
/// brought level first.
///
/// # Errors
/// As [`quantise`].
pub fn quantise_gguf(
    files: &Files,
    (threads, isa): (usize, Isa),
    output: &Path,
    quants: Quants,
    statistics: Option<&Statistics>,
    observer: &mut dyn Observer,
) -> Result<smolvlm_convert::Made, Error> {
    let kind = |quant| match quant {
        Quant::Q8 => Kind::Q8_0,
        Quant::Q4 | Quant::Nf4 => Kind::Q4_1,
        Quant::F32 | Quant::Bf16 => Kind::F16,
    };
    let kinds = [kind(quants.text), kind(quants.vision)];
    let Some(statistics) = statistics else {
        check_plain(files, &Weights::open(files)?)?;
        return Ok(smolvlm_convert::to_gguf(files, output, kinds, &mut |done, of| observer.tensors(done, of))?);
    };
    let beside = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = tempfile::tempdir_in(beside).map_err(|source| Error::File { path: beside.to_owned(), source })?;
    let backend = Cpu::with(threads, isa);
    write(files, &backend, folder.path(), quants, Some(statistics), &Form::Plain, observer)?;
    let level = Files::from(folder.path());
    Ok(smolvlm_convert::to_gguf(&level, output, kinds, &mut |done, of| observer.tensors(done, of))?)
}

/// The form that is written.
enum Form {
    /// Few bits.
    FewBits {
        /// What the parts are in.
        name: Value,
        calibrated: bool,
    },
    /// Numbers one by one, channels level.
    Plain,
}

fn check_plain(files: &Files, weights: &Weights) -> Result<(), Error> {
    if weights.is_few_bits() { Err(Error::FewBits { path: files.to_string() }) } else { Ok(()) }
}

fn write(
    files: &Files,
    backend: &Cpu,
    folder: &Path,
    quants: Quants,
    statistics: Option<&Statistics>,
    form: &Form,
    observer: &mut dyn Observer,
) -> Result<Made, Error> {
    let (config, source) = (Config::open(files)?, &mut Weights::open(files)?);
    check_plain(files, source)?;
    let quants = Quants { lean: statistics.is_some(), ..quants };
    export::copy_settings(files, folder)?;
    settings(files, &folder.join(CONFIG), form)?;
    let alone = config.sight.is_none();
    let rounds = matches!(form, Form::FewBits { .. });
    let mut writer = Writer { backend, statistics, rounds, tensors: BTreeMap::new(), answers: None, failed: None };
    let (mut done, total) = (0, Vlm::tensors(&config));
    let mut load = Load {
        backend,
        source,
        quant: quants,
        role: &|_| Role::Forward,
        level: true,
        rounding: Some(&mut writer),
        masters: None,
        progress: &mut |_| {
            done += 1;
            observer.tensors(done, total);
        },
    };
    Vlm::load(config, &mut load)?;
    if let Some(error) = writer.failed {
        return Err(error);
    }
    let mut made = Made { bytes: 0, few_bits: (0, 0) };
    let mut all = Vec::new();
    for Tensors { numbers, few_bits, pieces } in writer.tensors.into_values() {
        let bytes: u64 = pieces.iter().map(|(_, piece)| safetensors::View::data_len(piece) as u64).sum();
        made.bytes += bytes;
        if few_bits {
            made.few_bits = (made.few_bits.0 + bytes, made.few_bits.1 + numbers);
        }
        let theirs = |piece: String| match piece.strip_prefix(TEXT).filter(|_| alone) {
            Some(rest) => format!("model.{rest}"),
            None => piece,
        };
        all.extend(pieces.into_iter().map(|(piece, export)| (theirs(piece), export)));
    }
    export::write(&folder.join("model.safetensors"), all)?;
    Ok(made)
}

const CONFIG: &str = "config.json";

/// The settings, which say what the parts are in: whoever knows nothing of it should not take codes for numbers.
fn settings(files: &Files, path: &Path, form: &Form) -> Result<(), Error> {
    let Form::FewBits { name, calibrated } = form else { return Ok(()) };
    let failed = |source: std::io::Error| Error::File { path: path.to_owned(), source };
    let (file, _) = files.open(CONFIG).map_err(failed)?;
    let mut config: Value = serde_json::from_reader(std::io::BufReader::new(file)).map_err(|e| failed(e.into()))?;
    if let Some(config) = config.as_object_mut() {
        let said = json!({ "quant_method": "smolvlm", "parts": name, "calibrated": calibrated });
        config.insert("quantization_config".into(), said);
    }
    std::fs::write(path, format!("{config:#}\n")).map_err(failed)
}

/// What the parts are in, for the settings.
fn words(quants: Quants) -> Value {
    let word = |quant| match quant {
        Quant::Q8 => "q8",
        Quant::Q4 | Quant::Nf4 => "q4",
        Quant::F32 | Quant::Bf16 => "none",
    };
    json!({ "vision": word(quants.vision), "text": word(quants.text), "head": word(quants.head) })
}

/// A tensor of the network as tensors of a file.
struct Tensors {
    numbers: u64,
    few_bits: bool,
    pieces: Vec<(String, Export<'static>)>,
}

/// Rounds matrices, and keeps everything for the file.
struct Writer<'a> {
    backend: &'a Cpu,
    statistics: Option<&'a Statistics>,
    /// Whether matrices are rounded here, or left to another.
    rounds: bool,
    tensors: BTreeMap<String, Tensors>,
    /// The answers of the inputs that a matrix read last: others read the same.
    answers: Option<(String, Vec<Answers>)>,
    /// What went wrong first.
    failed: Option<Error>,
}

impl Writer<'_> {
    /// The answers of a matrix's inputs, which were multiplied by these as its channels were brought level.
    fn answers(&mut self, name: &str, levels: &[f32]) -> &[Answers] {
        let (Some(statistics), backend) = (self.statistics, self.backend) else { return &[] };
        let Some(key) = statistics.key(name) else { return &[] };
        if self.answers.as_ref().is_none_or(|(last, _)| *last != key) {
            let products = statistics.products(backend, name).unwrap_or_default();
            let of_block = |(range, mut products): (std::ops::Range<usize>, Vec<f32>)| {
                let levels = levels.get(range.clone())?;
                for (row, a) in products.chunks_exact_mut(range.len().max(1)).zip(levels) {
                    row.iter_mut().zip(levels).for_each(|(x, b)| *x /= a * b);
                }
                Answers::of(backend.pool(), range.start, &products, range.len())
            };
            let answers = blocks(levels.len()).zip(products).filter_map(of_block).collect();
            self.answers = Some((key, answers));
        }
        self.answers.as_ref().map_or(&[], |(_, answers)| answers)
    }

    /// Keeps a tensor that is written as it is, in the place of what was kept of it before.
    fn keep(&mut self, name: &str, numbers: u64, export: Export<'static>) {
        let pieces = vec![(name.to_owned(), export)];
        self.tensors.insert(name.to_owned(), Tensors { numbers, few_bits: false, pieces });
    }

    /// A matrix's rows in few bits.
    fn rounded(&mut self, name: &str, source: &Source<'_>, levels: &[f32], quant: Quant) -> Option<(Stored, Vec<u8>)> {
        let Source { bytes, stored, inputs, .. } = *source;
        let wide = widen(stored, bytes, inputs);
        let wrong = if !wide.iter().all(|x| x.is_finite()) {
            Some(Error::NotFinite { name: name.to_owned() })
        } else if quant == Quant::Q4 && !inputs.is_multiple_of(GROUP) {
            Some(Error::Ragged { name: name.to_owned(), inputs })
        } else {
            None
        };
        if wrong.is_some() {
            self.failed = self.failed.take().or(wrong);
            return None;
        }
        let (stored, mut rows) = self.backend.weight(source, quant, Use::Train).few_bits()?;
        let backend = self.backend;
        let answers = self.answers(name, levels);
        compensate(backend.pool(), answers, &wide, inputs, stored, &mut rows);
        Some((stored, rows))
    }
}

impl Rounding for Writer<'_> {
    fn loudness(&self, matrix: &str) -> Option<Vec<f32>> {
        self.statistics?.loudness(self.backend, matrix)
    }

    fn matrix(
        &mut self,
        name: &str,
        shape: &[usize],
        source: &Source<'_>,
        levels: &[f32],
        quant: Quant,
    ) -> Option<RawTensor<'static>> {
        let (outputs, inputs) = (source.outputs, source.inputs);
        let numbers = outputs as u64 * inputs as u64;
        if self.rounds && quant.is_few_bits() {
            let (stored, rows) = self.rounded(name, source, levels, quant)?;
            let pieces = few_bits::exports(name, stored, [outputs, inputs], rows.clone());
            self.tensors.insert(name.to_owned(), Tensors { numbers, few_bits: true, pieces });
            return Some(RawTensor { bytes: Cow::Owned(rows), stored });
        }
        let bytes = source.bytes.to_vec();
        self.keep(name, numbers, Export::made(dtype(source.stored), shape, move || bytes.clone()));
        None
    }

    fn tensor(&mut self, name: &str, shape: &[usize], numbers: &[f32]) {
        let (count, numbers) = (numbers.len() as u64, numbers.to_vec());
        self.keep(name, count, Export::f32(safetensors::Dtype::F32, shape, move || numbers.clone()));
    }
}
