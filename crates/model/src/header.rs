//! The header of a safetensors file, checked so that an error says which tensor is wrong and how. The crate's own checks
//! run behind these: no overlaps, no holes.

use safetensors::tensor::TensorInfo;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

/// No checkpoint of this family has a header of more bytes: theirs have some 60,000.
const MOST: u64 = 16 << 20;
/// Before the header stands its length.
const LENGTH: usize = 8;

/// What a header says of the tensors; two of the same name are an error.
struct Tensors(BTreeMap<String, TensorInfo>);

impl<'de> Deserialize<'de> for Tensors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tensors, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Tensors;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tensors, A::Error> {
                let mut tensors = BTreeMap::new();
                while let Some(name) = entries.next_key::<String>()? {
                    if name == "__metadata__" {
                        entries.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    match tensors.entry(name) {
                        Entry::Vacant(place) => _ = place.insert(entries.next_value()?),
                        Entry::Occupied(place) => {
                            return Err(A::Error::custom(format!("tensor '{}' stands there twice", place.key())));
                        }
                    }
                }
                Ok(Tensors(tensors))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Checks a file's header against the file's length; the error says what is wrong.
pub(crate) fn check(file: &[u8]) -> Result<(), String> {
    let Some((length, rest)) = file.split_first_chunk::<LENGTH>() else {
        return Err(format!("it has {} bytes, and the header's length alone takes {LENGTH}", file.len()));
    };
    let length = u64::from_le_bytes(*length);
    if length > MOST {
        return Err(format!("its header claims {length} bytes; no checkpoint of this family has more than {MOST}"));
    }
    let Some((header, data)) = rest.split_at_checked(length as usize) else {
        return Err(format!("its header claims {length} bytes, but {} follow: was it copied whole?", rest.len()));
    };
    let header = std::str::from_utf8(header).map_err(|e| format!("its header is not UTF-8: {e}"))?;
    let Tensors(tensors) = serde_json::from_str(header).map_err(|e| format!("its header: {e}"))?;
    let mut end = 0;
    for (name, info) in &tensors {
        end = end.max(fits(info, data.len()).map_err(|what| format!("tensor '{name}' {what}"))?);
    }
    if end < data.len() {
        return Err(format!("{} bytes follow that belong to no tensor", data.len() - end));
    }
    Ok(())
}

/// Where a tensor ends, if its shape fits its bytes and these lie in the file.
fn fits(TensorInfo { dtype, shape, data_offsets: (from, to) }: &TensorInfo, data: usize) -> Result<usize, String> {
    let elements = shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
    let Some(bits) = elements.and_then(|n| n.checked_mul(dtype.bitsize())) else {
        return Err(format!("has the shape {shape:?}: more than any file can hold"));
    };
    if to < from {
        return Err(format!("ends before it begins, at {to} after {from}"));
    }
    if *to > data {
        return Err(format!("ends at byte {to} of the data, which has {data}: was the file copied whole?"));
    }
    if Some(bits) != (to - from).checked_mul(8) {
        return Err(format!("has {} bytes, which is not what shape {shape:?} in {dtype:?} takes", to - from));
    }
    Ok(*to)
}
