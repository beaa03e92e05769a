//! Weights as they are kept: safetensors in one file or in shards with an index, mapped and read tensor by tensor.

use crate::gguf::GgufWeights;
use crate::load::{RawTensor, TensorSource};
use crate::vlm::TEXT;
use crate::{Entry, Error, few_bits, files, header, load};
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;
use smolvlm_backend::{Stored, widen};
use smolvlm_sys::{FileMap, Files};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A checkpoint's tensors.
pub struct Checkpoint {
    /// What messages call it.
    path: String,
    shards: Vec<Shard>,
    /// Where each tensor is, by the network's name.
    tensors: BTreeMap<String, Place>,
    taken: BTreeSet<String>,
    /// The tensor taken last: it is packed when the next is asked for, and its memory can go.
    last: Option<String>,
}

/// Where a tensor is.
struct Place {
    /// Its shard.
    shard: usize,
    /// What it is called there.
    name: String,
    /// What its numbers are, where they are codes of few bits.
    few_bits: Option<Stored>,
}

/// One safetensors file.
struct Shard {
    path: String,
    map: FileMap,
    metadata: Metadata,
    /// Where the tensors' bytes begin.
    start: usize,
}

/// `model.safetensors.index.json`.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

impl Checkpoint {
    /// Opens the weights of a checkpoint. Headers are checked; no tensor is read yet.
    ///
    /// # Errors
    /// Where there are no weights, or a file's header or the index does not hold together.
    pub fn open(from: impl Into<Files>) -> Result<Checkpoint, Error> {
        let from = from.into();
        let path = from.to_string();
        let mut files: Vec<String> = vec![SINGLE.into()];
        let mut weight_map = BTreeMap::new();
        if from.has(INDEX) {
            weight_map = read_index(&from)?;
            files = weight_map.values().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        } else if !from.has(SINGLE) {
            return Err(Error::NoWeights { path, what: what_is_there(&from) });
        }
        let shards = files.iter().map(|file| Shard::open(&from, file)).collect::<Result<Vec<_>, _>>()?;
        let mut tensors = BTreeMap::new();
        for (i, shard) in shards.iter().enumerate() {
            for name in shard.metadata.tensors().into_keys() {
                if let Some(other) = tensors.insert(name.clone(), i) {
                    let other = shards.get(other).map_or("", |s| &s.path);
                    return Err(shard.error(format!("tensor '{name}' stands in {other} too")));
                }
            }
        }
        for (name, file) in &weight_map {
            let shard = tensors.get(name).and_then(|&i| files.get(i));
            if shard != Some(file) {
                let what = format!("says that tensor '{name}' is in {file}, which does not hold it");
                return Err(Error::Settings { path: from.path(INDEX).display().to_string(), what });
            }
        }
        Ok(Checkpoint::of(path, shards, tensors))
    }

    /// Of these tensors, by their names in shards.
    fn of(path: String, shards: Vec<Shard>, tensors: BTreeMap<String, usize>) -> Checkpoint {
        let few_bits = |name: &str, shard: usize| {
            let is_with = [".scales", ".levels"].iter().any(|suffix| tensors.contains_key(&format!("{name}{suffix}")));
            let (_, dtype, _) = shards.get(shard).filter(|_| is_with)?.tensor(name)?;
            few_bits::of_codes(dtype)
        };
        let place = |(name, shard): (&String, &usize)| {
            let few_bits = few_bits(name, *shard);
            (name.clone(), Place { shard: *shard, name: name.clone(), few_bits })
        };
        // What stands beside a matrix is read with it.
        let own = tensors.iter().filter(|(name, _)| few_bits::beside(name).is_none_or(|of| !tensors.contains_key(of)));
        let places = named(own.map(place).collect());
        Checkpoint { path, shards, tensors: places, taken: BTreeSet::new(), last: None }
    }

    /// Whether matrices are in few bits.
    pub fn is_few_bits(&self) -> bool {
        self.tensors.values().any(|place| place.few_bits.is_some())
    }

    /// That no matrix is in few bits: what is to be made of a checkpoint would begin with what rounding left of it.
    ///
    /// # Errors
    /// One is.
    pub fn check_plain(&self) -> Result<(), Error> {
        if self.is_few_bits() { Err(Error::FewBits { path: self.path.clone() }) } else { Ok(()) }
    }

    /// Opens one safetensors file.
    ///
    /// # Errors
    /// Where it cannot be read, or its header does not hold together.
    pub fn open_file(path: &Path) -> Result<Checkpoint, Error> {
        let map = FileMap::open(path);
        let path = path.display().to_string();
        let shard = Shard::new(path.clone(), map)?;
        let tensors = shard.metadata.tensors().into_keys().map(|name| (name, 0)).collect();
        Ok(Checkpoint::of(path, vec![shard], tensors))
    }

    /// Every tensor's name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor as the file has it: shape, type, bytes; of a matrix in few bits its codes.
    pub fn raw(&self, name: &str) -> Option<(&[usize], Dtype, &[u8])> {
        let (shard, name) = self.place(name)?;
        shard.tensor(name)
    }

    /// A tensor as [`Weights`](crate::Weights) lists it; `None` where there is none of that name.
    pub(crate) fn entry(&self, name: &str) -> Option<Result<Entry, Error>> {
        let (shard, theirs) = self.place(name)?;
        let (shape, dtype, _) = shard.tensor(theirs)?;
        if let Some(stored) = self.few_bits(name) {
            return Some(Ok(Entry { name: name.to_owned(), shape: few_bits::shape_of(stored, shape), stored }));
        }
        let entry = |stored| Entry { name: name.to_owned(), shape: shape.to_vec(), stored };
        Some(shard.stored(theirs, dtype).map(entry))
    }

    /// What a matrix in few bits is stored as.
    fn few_bits(&self, name: &str) -> Option<Stored> {
        self.tensors.get(name)?.few_bits
    }

    /// The rows of a matrix in few bits.
    fn together(&self, stored: Stored, name: &str, shape: &[usize]) -> Result<Vec<u8>, Error> {
        let Some((shard, name)) = self.place(name) else { return Ok(Vec::new()) };
        let outputs = shape.first().copied().unwrap_or(0);
        let find = |name: &str| self.shards.iter().find_map(|shard| shard.tensor(name));
        few_bits::together(stored, name, [outputs, shape.iter().skip(1).product()], find)
            .map_err(|what| shard.error(format!("tensor '{name}': {what}")))
    }

    /// A tensor's numbers; none where there is no such tensor, or one that is not read.
    pub(crate) fn numbers(&self, name: &str) -> Option<Vec<f32>> {
        let Entry { shape, stored, .. } = self.entry(name)?.ok()?;
        let width = shape.iter().skip(1).product::<usize>().max(1);
        if stored.is_few_bits() {
            return Some(widen(stored, &self.together(stored, name, &shape).ok()?, width));
        }
        let (_, _, bytes) = self.raw(name)?;
        let numbers = widen(stored, bytes, width);
        self.let_go(name);
        Some(numbers)
    }

    /// Gives back the memory of a tensor that has been packed.
    pub fn let_go(&self, name: &str) {
        if let Some((shard, name)) = self.place(name)
            && let Some(info) = shard.metadata.info(name)
        {
            let (from, to) = info.data_offsets;
            shard.map.let_go(shard.start + from..shard.start + to);
        }
    }

    /// A tensor's shard, and its name there.
    fn place(&self, name: &str) -> Option<(&Shard, &str)> {
        let place = self.tensors.get(name)?;
        Some((self.shards.get(place.shard)?, &place.name))
    }
}

/// How numbers of a type are stored, of those types that are read.
pub fn stored(dtype: Dtype) -> Option<Stored> {
    match dtype {
        Dtype::F32 => Some(Stored::F32),
        Dtype::F16 => Some(Stored::F16),
        Dtype::BF16 => Some(Stored::Bf16),
        _ => None,
    }
}

/// Tensors by the network's names. A decoder that stands alone (`LlamaForCausalLM`) has its layers at the top.
fn named(tensors: BTreeMap<String, Place>) -> BTreeMap<String, Place> {
    let alone = tensors.contains_key("model.embed_tokens.weight");
    let ours = |name: &str| match name.strip_prefix("model.").filter(|_| alone) {
        Some(rest) => format!("{TEXT}{rest}"),
        None => name.to_owned(),
    };
    tensors.into_iter().map(|(name, place)| (ours(&name), place)).collect()
}

/// The type in which safetensors keep numbers that are stored so: [`stored`] the other way round.
pub fn dtype(stored: Stored) -> Dtype {
    match stored {
        // What few bits stand for.
        Stored::F16 => Dtype::F16,
        Stored::Bf16 => Dtype::BF16,
        _ => Dtype::F32,
    }
}

/// What a checkpoint's settings call numbers that are stored so (`dtype`, earlier `torch_dtype`).
pub fn dtype_name(stored: Stored) -> &'static str {
    match stored {
        Stored::F16 => "float16",
        Stored::Bf16 => "bfloat16",
        _ => "float32",
    }
}

fn read_index(from: &Files) -> Result<BTreeMap<String, String>, Error> {
    let named = || from.path(INDEX).display().to_string();
    let text = files::text(from, INDEX)?;
    let index: Index =
        serde_json::from_str(&text).map_err(|e| Error::Settings { path: named(), what: e.to_string() })?;
    for file in index.weight_map.values() {
        // A shard is a file beside the index: nothing that climbs out of the folder.
        if Path::new(file).file_name().is_none_or(|name| name != file.as_str()) || file.contains(['/', '\\']) {
            let what = format!("names the shard '{file}'; a shard must be a file of this folder");
            return Err(Error::Settings { path: named(), what });
        }
        if !file.ends_with(".safetensors") {
            let what = format!("names the shard '{file}'; only .safetensors files are read");
            return Err(Error::Settings { path: named(), what });
        }
    }
    Ok(index.weight_map)
}

/// Why a folder has no weights that are read.
fn what_is_there(from: &Files) -> String {
    if GgufWeights::are_of(from) {
        return format!("has its weights as GGUF; smolvlm convert -m {from} -o FOLDER makes them {SINGLE}");
    }
    let pickled = |name: &String| Path::new(name).extension().is_some_and(|e| e == "bin" || e == "pt");
    let pickled = from.names().is_ok_and(|names| names.iter().any(pickled));
    if pickled {
        format!("holds pickled weights only, which can run code when read; convert them to {SINGLE}")
    } else {
        format!("holds neither {SINGLE} nor {INDEX}")
    }
}

impl Shard {
    fn open(from: &Files, file: &str) -> Result<Shard, Error> {
        Shard::new(from.path(file).display().to_string(), from.map(file))
    }

    fn new(named: String, map: std::io::Result<FileMap>) -> Result<Shard, Error> {
        let map = map.map_err(|source| Error::Read { path: named.clone(), source })?;
        header::check(&map).map_err(|what| Error::Header { path: named.clone(), what })?;
        let (header, metadata) = safetensors::SafeTensors::read_metadata(&map)
            .map_err(|e| Error::Header { path: named.clone(), what: e.to_string() })?;
        Ok(Shard { path: named, map, metadata, start: 8 + header })
    }

    fn error(&self, what: String) -> Error {
        Error::Header { path: self.path.clone(), what }
    }

    /// How a tensor's numbers are stored, if they are read.
    fn stored(&self, name: &str, dtype: Dtype) -> Result<Stored, Error> {
        stored(dtype).ok_or_else(|| Error::DType {
            path: self.path.clone(),
            name: name.to_owned(),
            dtype: format!("{dtype:?}"),
        })
    }

    /// A tensor's shape, type and bytes.
    fn tensor(&self, name: &str) -> Option<(&[usize], Dtype, &[u8])> {
        let info = self.metadata.info(name)?;
        let (from, to) = info.data_offsets;
        Some((&info.shape, info.dtype, self.map.get(self.start + from..self.start + to)?))
    }
}

impl TensorSource for Checkpoint {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<RawTensor<'_>, Error> {
        if let Some(last) = self.last.replace(name.to_string()) {
            self.let_go(&last);
        }
        self.taken.insert(name.to_string());
        let missing = || Error::Missing { path: self.path.clone(), name: name.to_string(), shape: shape.to_vec() };
        if let Some(stored) = self.few_bits(name) {
            return Ok(RawTensor { bytes: Cow::Owned(self.together(stored, name, shape)?), stored });
        }
        let (shard, name) = self.place(name).ok_or_else(missing)?;
        let (found, dtype, bytes) = shard.tensor(name).ok_or_else(missing)?;
        if found != shape {
            let (path, name) = (shard.path.clone(), name.to_string());
            return Err(Error::Shape { path, name, found: found.to_vec(), shape: shape.to_vec() });
        }
        let stored = shard.stored(name, dtype)?;
        Ok(RawTensor { bytes: Cow::Borrowed(bytes), stored })
    }

    fn ignore(&mut self, name: &str) {
        self.taken.insert(name.to_string());
    }

    fn finish(&self) -> Result<(), Error> {
        let mut extra = self.tensors.keys().filter(|name| !self.taken.contains(*name) && !load::is_buffer(name));
        let Some(name) = extra.next() else { return Ok(()) };
        let place = self.place(name);
        Err(Error::Extra {
            path: place.map_or(String::new(), |(shard, _)| shard.path.clone()),
            name: place.map_or(name.clone(), |(_, name)| name.to_owned()),
            found: place.and_then(|(shard, name)| shard.tensor(name)).map_or(Vec::new(), |t| t.0.to_vec()),
            others: extra.count(),
        })
    }
}
