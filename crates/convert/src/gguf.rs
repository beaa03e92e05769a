//! The pair of files that llama.cpp reads: the decoder, and tower with connector.

use crate::metadata::{self, Metadata};
use crate::{Error, tensors};
use serde_json::Value;
use smolvlm_gguf::{Kind, MMPROJ, NewTensor, ROPE_FREQS, TEXT, file_names};
use smolvlm_model::{Config, Entry, GenerationConfig, Weights};
use smolvlm_processor::Processor;
use smolvlm_sys::{Files, aside};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The decoder's file.
    pub text: PathBuf,
    /// That of tower and connector, where the model has them: `mmproj-` before the other's name, in the same folder, where
    /// llama.cpp and this program look for it.
    pub mmproj: Option<PathBuf>,
}

/// Writes a checkpoint as GGUF: the decoder's matrices in `kind`, the tower's and the connector's in `tower`. `progress` is
/// told (tensors done, tensors in all).
///
/// As llama.cpp's tools do it, vectors and what stands before the tower's layers stay F32, and table and head that are to be
/// read in fewer than eight bits are Q8_0, but for a table that is for looking up alone. Matrices whose rows are no whole
/// blocks are F16.
///
/// # Errors
/// The output exists, a kind is not written, or the checkpoint cannot be read or is none that llama.cpp knows.
pub fn to_gguf(
    files: &Files,
    output: &Path,
    [kind, tower]: [Kind; 2],
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Made, Error> {
    if let Some(kind) = [kind, tower].into_iter().find(|kind| !kind.is_written()) {
        return Err(Error::Kind { kind: kind.name().into(), known: Kind::written() });
    }
    let (config, processor) = (Config::open(files)?, Processor::open(files)?);
    let weights = Weights::open(files)?;
    let entries = tensors(&weights, &config)?;
    let total = entries.len();
    let mut done = 0;
    let progress = &mut || {
        done += 1;
        progress(done, total);
    };
    let name = output.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (generation, tokenizer) = (GenerationConfig::open(files)?, tokenizer(files)?);
    let of_text = metadata::of_text(&config, &processor, generation.as_ref(), &tokenizer, (&name, kind))?;
    let plan = Plan { config: &config, weights: &weights, kind };
    let text = plan.file(&entries, TEXT)?;
    let mmproj = match (&config.sight, &processor.settings().sight) {
        (Some(sight), Some(settings)) => {
            let metadata = metadata::of_tower(sight, settings, config.text.hidden, (&name, tower));
            let plan = Plan { kind: tower, ..plan };
            let path = output.with_file_name(format!("mmproj-{name}.gguf"));
            Some((path, metadata, plan.file(&entries, MMPROJ)?))
        }
        _ => None,
    };
    let towers = mmproj.as_ref().map(|(path, ..)| path.clone());
    if let Some(path) = [Some(output), towers.as_deref()].into_iter().flatten().find(|path| path.exists()) {
        return Err(Error::Exists { path: path.to_owned() });
    }
    // The tower's first: who finds the decoder's finds it too.
    if let Some((path, metadata, tensors)) = mmproj {
        plan.write(&path, &metadata, &tensors, progress)?;
    }
    plan.write(output, &of_text, &text, progress)?;
    Ok(Made { text: output.to_owned(), mmproj: towers })
}

fn tokenizer(files: &Files) -> Result<Value, Error> {
    const NAME: &str = "tokenizer.json";
    let failed = |source: std::io::Error| Error::File { path: files.path(NAME), source };
    let (file, _) = files.open(NAME).map_err(failed)?;
    serde_json::from_reader(std::io::BufReader::new(file)).map_err(|e| failed(e.into()))
}

/// A tensor of a file, and where its numbers come from.
struct Planned<'a> {
    source: Source<'a>,
    new: NewTensor,
}

/// Where a tensor's numbers come from.
enum Source<'a> {
    /// One of the network's.
    Entry(&'a Entry),
    /// The config.
    Numbers(Vec<f32>),
}

/// How tensors are written.
#[derive(Clone, Copy)]
struct Plan<'a> {
    config: &'a Config,
    weights: &'a Weights,
    kind: Kind,
}

impl Plan<'_> {
    /// Those of one file, in the order of the network's names.
    fn file<'e>(&self, entries: &'e [Entry], file: &str) -> Result<Vec<Planned<'e>>, Error> {
        let mut planned = Vec::new();
        let text = &self.config.text;
        if let Some(divisors) = text.rope.divisors(text.rope_theta, text.head_dim).filter(|_| file == TEXT) {
            let new = NewTensor { kind: Kind::F32, name: ROPE_FREQS.into(), shape: vec![divisors.len()] };
            planned.push(Planned { source: Source::Numbers(divisors), new });
        }
        for entry in entries {
            let (of, name) = file_names(&entry.name).ok_or_else(|| Error::Name { name: entry.name.clone() })?;
            if of == file {
                let new = NewTensor { kind: self.kind_of(&name, &entry.shape), name, shape: entry.shape.clone() };
                planned.push(Planned { source: Source::Entry(entry), new });
            }
        }
        Ok(planned)
    }

    fn kind_of(&self, name: &str, shape: &[usize]) -> Kind {
        let few_bits = !matches!(self.kind, Kind::F32 | Kind::F16 | Kind::BF16 | Kind::Q8_0);
        let kind = match name {
            _ if shape.len() != 2 || name == "v.position_embd.weight" => return Kind::F32,
            "output.weight" if few_bits => Kind::Q8_0,
            "token_embd.weight" if few_bits && self.config.tied => Kind::Q8_0,
            _ => self.kind,
        };
        match shape.last() {
            Some(row) if row % kind.block() == 0 => kind,
            _ => Kind::F16,
        }
    }

    fn write(
        &self,
        path: &Path,
        metadata: &Metadata,
        tensors: &[Planned<'_>],
        progress: &mut dyn FnMut(),
    ) -> Result<(), Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        let file = aside::NewFile::begin(path).map_err(failed)?;
        let new: Vec<NewTensor> = tensors.iter().map(|planned| planned.new.clone()).collect();
        let mut out = BufWriter::new(file);
        let weights = |place: usize, _: &NewTensor| match tensors.get(place).map(|planned| &planned.source) {
            Some(Source::Entry(entry)) => {
                progress();
                self.numbers(entry)
            }
            Some(Source::Numbers(numbers)) => Ok(numbers.clone()),
            None => Ok(Vec::new()),
        };
        smolvlm_gguf::write(&mut out, metadata, &new, weights).map_err(|wrong| match wrong {
            Wrong::Io(source) => failed(source),
            Wrong::Ours(error) => error,
        })?;
        let file = out.into_inner().map_err(|e| failed(e.into_error()))?;
        file.finish().map_err(failed)
    }

    /// A tensor's numbers in the order of files: of each head of queries and keys row `2 i` is the network's row `i`, row
    /// `2 i + 1` its row `i + half`.
    fn numbers(&self, entry: &Entry) -> Result<Vec<f32>, Wrong> {
        let numbers = self.weights.numbers(&entry.name);
        if !numbers.iter().all(|x| x.is_finite()) {
            return Err(Wrong::Ours(Error::NotFinite { name: entry.name.clone() }));
        }
        let of_text = entry.name.starts_with(smolvlm_model::vlm::TEXT);
        let turned = [".self_attn.q_proj.weight", ".self_attn.k_proj.weight"];
        if !of_text || !turned.iter().any(|end| entry.name.ends_with(end)) {
            return Ok(numbers);
        }
        let row = entry.shape.last().copied().unwrap_or(1).max(1);
        Ok(together(&numbers, row, self.config.text.head_dim))
    }
}

/// What can go wrong while a file is written.
enum Wrong {
    Io(std::io::Error),
    Ours(Error),
}

impl From<std::io::Error> for Wrong {
    fn from(error: std::io::Error) -> Wrong {
        Wrong::Io(error)
    }
}

/// Rows of heads, the two halves of each interleaved.
fn together(numbers: &[f32], row: usize, head: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(numbers.len());
    for head in numbers.chunks(row * head.max(1)) {
        let (first, second) = head.split_at(head.len() / 2);
        for (first, second) in first.chunks(row).zip(second.chunks(row)) {
            out.extend_from_slice(first);
            out.extend_from_slice(second);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_heads_are_interleaved() {
        // Two heads of four rows of one number.
        assert_eq!(together(&[0., 1., 2., 3., 4., 5., 6., 7.], 1, 4), [0., 2., 1., 3., 4., 6., 5., 7.]);
    }
}
