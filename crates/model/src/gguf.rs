//! Weights out of GGUF files, the decoder's and its tower's, unpacked as they are asked for.

use crate::load::{RawTensor, TensorSource};
use crate::{Error, weights::Entry};
use smolvlm_backend::Stored;
use smolvlm_gguf::{Gguf, Kind, MMPROJ, Place, TEXT, places};
use smolvlm_sys::{FileMap, Files};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The weights of a decoder's GGUF file and of its tower's.
pub struct GgufWeights {
    path: String,
    text: FileMap,
    mmproj: Option<FileMap>,
    places: BTreeMap<String, Place>,
    taken: BTreeSet<String>,
    /// Whether matrices of whole numbers with a scale for every 32 come as such blocks, not as numbers.
    blocks: bool,
}

impl GgufWeights {
    /// Whether a checkpoint's weights are GGUF files.
    pub fn are_of(files: &Files) -> bool {
        files.has(TEXT)
    }

    /// Opens the weights of a checkpoint that [`smolvlm_gguf::checkpoint`] made.
    ///
    /// # Errors
    /// A file cannot be read, is no GGUF, or has tensors that are no part of this network.
    pub fn open(files: &Files) -> Result<GgufWeights, Error> {
        let map = |name: &str| {
            let read = |source| Error::Read { path: files.path(name).display().to_string(), source };
            files.map(name).map_err(read)
        };
        let text = map(TEXT)?;
        let mmproj = if files.has(MMPROJ) { Some(map(MMPROJ)?) } else { None };
        let wrong = |name: &str| {
            let path = files.path(name).display().to_string();
            move |e: smolvlm_gguf::Error| Error::Header { path, what: e.to_string() }
        };
        let of_text = Gguf::parse(&text).map_err(wrong(TEXT))?;
        let of_mmproj = mmproj.as_deref().map(Gguf::parse).transpose().map_err(wrong(MMPROJ))?;
        let places = places(&of_text, of_mmproj.as_ref()).map_err(wrong(TEXT))?;
        Ok(GgufWeights { path: files.to_string(), text, mmproj, places, taken: BTreeSet::new(), blocks: false })
    }

    /// Lets matrices of whole numbers come in their blocks: those with a scale for every 32 (Q8_0, Q5_0, Q4_0, IQ4_NL), and Q4_K
    /// and Q6_K.
    pub(crate) fn keep_blocks(&mut self) {
        self.blocks = true;
    }

    /// All tensors.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.places.iter().map(|(name, place)| Entry {
            name: name.clone(),
            shape: place.shape.clone(),
            stored: match place.kind {
                Kind::F16 => Stored::F16,
                Kind::BF16 => Stored::Bf16,
                Kind::Q8_0 | Kind::Q5_0 | Kind::Q4_0 | Kind::IQ4_NL if self.blocks => Stored::Q8Blocks,
                Kind::Q4_K if self.blocks => Stored::Q4K,
                Kind::Q6_K if self.blocks => Stored::Q6K,
                _ => Stored::F32,
            },
        })
    }

    /// A tensor's numbers, one by one.
    pub(crate) fn raw(&self, name: &str) -> Option<RawTensor<'_>> {
        self.places.get(name).map(|place| self.read(place, false))
    }

    fn read(&self, place: &Place, blocks: bool) -> RawTensor<'_> {
        let map = if place.file == TEXT { Some(&self.text) } else { self.mmproj.as_ref() };
        let bytes = map.and_then(|map| map.get(place.bytes.clone())).unwrap_or_default();
        let (stored, bytes) = match place.kind {
            Kind::F32 => (Stored::F32, Cow::Borrowed(bytes)),
            Kind::F16 => (Stored::F16, Cow::Borrowed(bytes)),
            Kind::BF16 => (Stored::Bf16, Cow::Borrowed(bytes)),
            Kind::Q4_K if blocks => (Stored::Q4K, Cow::Borrowed(bytes)),
            Kind::Q6_K if blocks => (Stored::Q6K, Cow::Borrowed(bytes)),
            kind => match kind.to_q8_0(bytes).filter(|_| blocks) {
                Some(blocks) => (Stored::Q8Blocks, blocks),
                None => {
                    let numbers = kind.to_f32(bytes);
                    (Stored::F32, Cow::Owned(numbers.iter().flat_map(|number| number.to_le_bytes()).collect()))
                }
            },
        };
        let rows = place.shape.first().copied().unwrap_or(1);
        RawTensor { stored, bytes: if place.heads > 0 { apart(&bytes, rows, place.heads) } else { bytes } }
    }
}

impl TensorSource for GgufWeights {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<RawTensor<'_>, Error> {
        self.taken.insert(name.to_string());
        let missing = || Error::Missing { path: self.path.clone(), name: name.to_string(), shape: shape.to_vec() };
        let place = self.places.get(name).ok_or_else(missing)?;
        if place.shape != shape {
            let (path, name) = (self.path.clone(), name.to_string());
            return Err(Error::Shape { path, name, found: place.shape.clone(), shape: shape.to_vec() });
        }
        Ok(self.read(place, self.blocks))
    }

    fn ignore(&mut self, name: &str) {
        self.taken.insert(name.to_string());
    }

    fn finish(&self) -> Result<(), Error> {
        let mut extra = self.places.iter().filter(|(name, _)| !self.taken.contains(*name));
        let Some((name, place)) = extra.next() else { return Ok(()) };
        let (path, name, found) = (self.path.clone(), name.clone(), place.shape.clone());
        Err(Error::Extra { path, name, found, others: extra.count() })
    }
}

/// Rows of heads whose halves are interleaved, as the network has them: first the halves' first rows, then the second's.
fn apart(bytes: &[u8], rows: usize, heads: usize) -> Cow<'static, [u8]> {
    let (row, head) = (bytes.len() / rows.max(1), rows / heads.max(1));
    let mut out = Vec::with_capacity(bytes.len());
    for head in bytes.chunks_exact((head * row).max(1)) {
        for half in 0..2 {
            head.chunks_exact(row.max(1)).skip(half).step_by(2).for_each(|row| out.extend_from_slice(row));
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_rows_come_apart() {
        // Two heads of four rows of two bytes.
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(*apart(&bytes, 8, 2), [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
    }
}
