//! Weights as they are kept: safetensors in one file or in shards with an index, mapped and read tensor by tensor.

use crate::gguf::GgufWeights;
use crate::load::{RawTensor, TensorSource};
use crate::vlm::TEXT;
use crate::{Entry, Error, files, header, load};
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;
use smolvlm_backend::Stored;
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
        Ok(Checkpoint { path, shards, tensors: places(tensors), taken: BTreeSet::new(), last: None })
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
        Ok(Checkpoint { path, shards: vec![shard], tensors: places(tensors), taken: BTreeSet::new(), last: None })
    }

    /// Every tensor's name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor as the file has it: shape, type, bytes.
    pub fn raw(&self, name: &str) -> Option<(&[usize], Dtype, &[u8])> {
        let (shard, name) = self.place(name)?;
        shard.tensor(name)
    }

    /// A tensor as [`Weights`](crate::Weights) lists it; `None` where there is none of that name.
    pub(crate) fn entry(&self, name: &str) -> Option<Result<Entry, Error>> {
        let (shard, theirs) = self.place(name)?;
        let (shape, dtype, _) = shard.tensor(theirs)?;
        let entry = |stored| Entry { name: name.to_owned(), shape: shape.to_vec(), stored };
        Some(shard.stored(theirs, dtype).map(entry))
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
fn places(tensors: BTreeMap<String, usize>) -> BTreeMap<String, Place> {
    let alone = tensors.contains_key("model.embed_tokens.weight");
    let ours = |name: &str| match name.strip_prefix("model.").filter(|_| alone) {
        Some(rest) => format!("{TEXT}{rest}"),
        None => name.to_owned(),
    };
    tensors.into_iter().map(|(name, shard)| (ours(&name), Place { shard, name })).collect()
}

/// The type in which safetensors keep numbers that are stored so: [`stored`] the other way round.
pub fn dtype(stored: Stored) -> Dtype {
    match stored {
        Stored::F32 => Dtype::F32,
        Stored::F16 => Dtype::F16,
        Stored::Bf16 => Dtype::BF16,
    }
}

/// What a checkpoint's settings call numbers that are stored so (`dtype`, earlier `torch_dtype`).
pub fn dtype_name(stored: Stored) -> &'static str {
    match stored {
        Stored::F32 => "float32",
        Stored::F16 => "float16",
        Stored::Bf16 => "bfloat16",
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
