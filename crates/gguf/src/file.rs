//! A file: its metadata, and where its tensors lie.

use crate::{Array, Error, Kind, Value, cursor::Cursor};
use std::collections::BTreeMap;

/// Sides of a tensor.
const MOST_SIDES: u32 = 4;
/// Bytes to whose multiples tensors are moved where a file does not say otherwise.
const ALIGNMENT: usize = 32;

/// A file's metadata and tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Gguf<'a> {
    metadata: BTreeMap<&'a str, Value<'a>>,
    tensors: BTreeMap<&'a str, Tensor<'a>>,
}

/// A tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor<'a> {
    /// How its weights are kept.
    pub kind: Kind,
    /// Its sides, the slowest first (files have them the other way round).
    pub shape: Vec<usize>,
    /// Its blocks.
    pub bytes: &'a [u8],
    /// Where these begin in the file.
    pub start: usize,
}

impl<'a> Gguf<'a> {
    /// Reads a file.
    ///
    /// # Errors
    /// It is none, of another version, cut short, says something twice, or has tensors that lie outside it, over each other
    /// or are of a type that is not read.
    pub fn parse(file: &'a [u8]) -> Result<Gguf<'a>, Error> {
        let mut cursor = Cursor::new(file);
        if cursor.bytes(4, "its first four bytes") != Ok(b"GGUF") {
            return Err(Error::NoGguf);
        }
        let version = cursor.u32("its version")?;
        if !(2..=3).contains(&version) {
            let big = (2..=3).contains(&version.swap_bytes());
            return Err(Error::Version { version: if big { version.swap_bytes() } else { version }, big });
        }
        // A tensor takes a length, sides, a type and an offset at least; a key a length, a kind and a byte.
        let tensors = cursor.count(24, "its number of tensors")?;
        let keys = cursor.count(13, "its number of keys")?;
        let mut metadata = BTreeMap::new();
        for _ in 0..keys {
            let key = cursor.text("a key's name")?;
            let value = Value::read(&mut cursor, key)?;
            if metadata.insert(key, value).is_some() {
                return Err(Error::Wrong { what: format!("it has the key {key} twice") });
            }
        }
        let places = (0..tensors).map(|_| Place::read(&mut cursor)).collect::<Result<Vec<_>, _>>()?;
        let alignment = match metadata.get("general.alignment") {
            None => ALIGNMENT,
            Some(Value::Whole(size)) if (1..=1 << 20).contains(size) && (*size as u64).is_power_of_two() => {
                *size as usize
            }
            Some(_) => return Err(Error::Wrong { what: "general.alignment is no power of two up to 2^20".into() }),
        };
        let start = cursor.position().next_multiple_of(alignment);
        let data = Data { bytes: file.get(start..).unwrap_or_default(), start, alignment };
        Ok(Gguf { metadata, tensors: data.tensors(places)? })
    }

    /// The names of all tensors with them, in order.
    pub fn tensors(&self) -> impl Iterator<Item = (&'a str, &Tensor<'a>)> {
        self.tensors.iter().map(|(name, tensor)| (*name, tensor))
    }

    /// A tensor.
    pub fn tensor(&self, name: &str) -> Option<&Tensor<'a>> {
        self.tensors.get(name)
    }

    /// A value of the metadata.
    pub fn value(&self, key: &str) -> Option<&Value<'a>> {
        self.metadata.get(key)
    }

    /// The names of all keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.metadata.keys().copied()
    }

    /// A text of the metadata.
    ///
    /// # Errors
    /// There is no such key, or it holds no text.
    pub fn text(&self, key: &str) -> Result<&'a str, Error> {
        match self.value(key) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(Error::Key { key: key.to_owned(), what: " that is a text" }),
        }
    }

    /// A whole number of the metadata that counts something.
    ///
    /// # Errors
    /// There is no such key, or it holds nothing that is one.
    pub fn count(&self, key: &str) -> Result<usize, Error> {
        let wrong = || Error::Key { key: key.to_owned(), what: " that is a whole number of 0 or more" };
        match self.value(key) {
            Some(Value::Whole(value)) => usize::try_from(*value).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }

    /// A number of the metadata.
    ///
    /// # Errors
    /// There is no such key, or it holds no number.
    pub fn number(&self, key: &str) -> Result<f64, Error> {
        match self.value(key) {
            Some(Value::Real(value)) => Ok(*value),
            Some(Value::Whole(value)) => Ok(*value as f64),
            _ => Err(Error::Key { key: key.to_owned(), what: " that is a number" }),
        }
    }

    /// Texts of the metadata.
    ///
    /// # Errors
    /// There is no such key, or it holds no texts.
    pub fn texts(&self, key: &str) -> Result<&[&'a str], Error> {
        match self.value(key) {
            Some(Value::Array(Array::Text(texts))) => Ok(texts),
            _ => Err(Error::Key { key: key.to_owned(), what: " that is a list of texts" }),
        }
    }
}

impl Tensor<'_> {
    /// How many weights it has.
    pub fn elements(&self) -> usize {
        self.bytes.len() / self.kind.bytes() * self.kind.block()
    }

    /// Its weights as f32, the slowest side first.
    pub fn to_f32(&self) -> Vec<f32> {
        self.kind.to_f32(self.bytes)
    }
}

/// What stands of a tensor before the data.
struct Place<'a> {
    name: &'a str,
    kind: Kind,
    shape: Vec<usize>,
    offset: u64,
    bytes: usize,
}

impl<'a> Place<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Place<'a>, Error> {
        let name = cursor.text("a tensor's name")?;
        let wrong = |what: String| Error::Wrong { what: format!("tensor '{name}' {what}") };
        let sides = cursor.u32(name)?;
        if !(1..=MOST_SIDES).contains(&sides) {
            return Err(wrong(format!("has {sides} sides; 1 to {MOST_SIDES} would be right")));
        }
        let sides = (0..sides).map(|_| cursor.u64(name)).collect::<Result<Vec<_>, _>>()?;
        let number = cursor.u32(name)?;
        let offset = cursor.u64(name)?;
        let kind = Kind::of(number);
        let kind = kind.map_err(|kind| Error::Kind { tensor: name.to_owned(), kind, known: Kind::known() })?;
        let shape: Option<Vec<usize>> = sides.iter().rev().map(|&side| usize::try_from(side).ok()).collect();
        let elements =
            shape.as_ref().and_then(|shape| shape.iter().try_fold(1usize, |all, &side| all.checked_mul(side)));
        let (Some(shape), Some(elements)) = (shape, elements) else {
            return Err(wrong(format!("has the sides {sides:?}: more than any file can hold")));
        };
        if shape.last().is_some_and(|row| row % kind.block() != 0) {
            return Err(wrong(format!(
                "has rows of {:?}, and {} has blocks of {}",
                shape.last(),
                kind.name(),
                kind.block()
            )));
        }
        let bytes = (elements / kind.block()).checked_mul(kind.bytes());
        let bytes = bytes.ok_or_else(|| wrong(format!("has the sides {sides:?}: more than any file can hold")))?;
        Ok(Place { name, kind, shape, offset, bytes })
    }
}

/// What follows the metadata.
struct Data<'a> {
    bytes: &'a [u8],
    start: usize,
    alignment: usize,
}

impl<'a> Data<'a> {
    /// The tensors, if they lie within the data and not over each other.
    fn tensors(&self, mut places: Vec<Place<'a>>) -> Result<BTreeMap<&'a str, Tensor<'a>>, Error> {
        places.sort_by_key(|place| place.offset);
        let (mut tensors, mut end) = (BTreeMap::new(), 0);
        for Place { name, kind, shape, offset, bytes } in places {
            let wrong = |what: String| Error::Wrong { what: format!("tensor '{name}' {what}") };
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            if from % self.alignment != 0 {
                return Err(wrong(format!("begins at {offset}, which is no multiple of {}", self.alignment)));
            }
            if from < end {
                return Err(wrong("lies over another".into()));
            }
            let Some(range) = from.checked_add(bytes).and_then(|end| self.bytes.get(from..end)) else {
                let length = self.bytes.len();
                return Err(wrong(format!("ends beyond the file's {length} bytes of data: was it copied whole?")));
            };
            end = from + bytes;
            let tensor = Tensor { kind, shape, bytes: range, start: self.start + from };
            if tensors.insert(name, tensor).is_some() {
                return Err(wrong("stands there twice".into()));
            }
        }
        Ok(tensors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    fn key(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
        [&text(name)[..], &kind.to_le_bytes(), value].concat()
    }

    fn tensor(name: &str, sides: &[u64], kind: u32, offset: u64) -> Vec<u8> {
        let sides: Vec<u8> = [sides.len() as u32]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .chain(sides.iter().flat_map(|n| n.to_le_bytes()))
            .collect();
        [&text(name)[..], &sides, &kind.to_le_bytes(), &offset.to_le_bytes()].concat()
    }

    /// A file of these keys and tensors, with so many bytes of data.
    fn file(keys: &[Vec<u8>], tensors: &[Vec<u8>], data: usize) -> Vec<u8> {
        let counts = [tensors.len() as u64, keys.len() as u64].map(u64::to_le_bytes).concat();
        let mut file = [&b"GGUF"[..], &3u32.to_le_bytes(), &counts, &keys.concat(), &tensors.concat()].concat();
        file.resize(file.len().next_multiple_of(32) + data, 1);
        file
    }

    fn sound() -> Vec<u8> {
        let list = [&8u32.to_le_bytes()[..], &2u64.to_le_bytes(), &text("a"), &text("bc")].concat();
        let keys = [
            key("general.name", 8, &text("tiny")),
            key("heads", 4, &3u32.to_le_bytes()),
            key("eps", 6, &0.5f32.to_le_bytes()),
            key("tokens", 9, &list),
            key("below", 5, &(-2i32).to_le_bytes()),
        ];
        file(&keys, &[tensor("w", &[32, 2], 8, 0), tensor("b", &[4], 0, 96)], 112)
    }

    fn message(file: &[u8]) -> String {
        Gguf::parse(file).unwrap_err().to_string()
    }

    #[test]
    fn metadata_and_tensors_are_found() {
        let file = sound();
        let found = Gguf::parse(&file).unwrap();
        assert_eq!(
            (found.text("general.name"), found.count("heads"), found.number("eps")),
            (Ok("tiny"), Ok(3), Ok(0.5))
        );
        assert_eq!(found.texts("tokens").unwrap(), ["a", "bc"]);
        assert_eq!(found.value("below"), Some(&Value::Whole(-2)));
        assert_eq!(found.keys().count(), 5);
        let weights = found.tensor("w").unwrap();
        assert_eq!((weights.kind, &weights.shape[..], weights.elements()), (Kind::Q8_0, &[2, 32][..], 64));
        assert_eq!(found.tensor("b").unwrap().to_f32(), [f32::from_le_bytes([1; 4]); 4]);
        assert!(found.count("below").is_err() && found.count("none").is_err() && found.text("heads").is_err());
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_refused() {
        let file = sound();
        for length in 0..file.len() {
            assert!(Gguf::parse(&file[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn lengths_and_places_that_cannot_be_are_refused() {
        assert_eq!(message(b"PK\x03\x04...."), Error::NoGguf.to_string());
        let mut old = sound();
        old[4] = 1;
        assert!(message(&old).contains("version 1; versions 2 and 3 are read"));
        old[4..8].copy_from_slice(&3u32.to_be_bytes());
        assert!(message(&old).contains("version 3, of the other byte order"));
        // Counts that nothing can hold.
        for at in [8, 16] {
            let mut many = sound();
            many[at..at + 8].fill(0xff);
            assert!(message(&many).contains("of them, and"), "{}", message(&many));
        }
        let with = |tensors: &[Vec<u8>]| message(&file(&[], tensors, 256));
        assert!(with(&[tensor("w", &[u64::MAX, 2], 0, 0)]).contains("more than any file can hold"));
        assert!(with(&[tensor("w", &[1 << 40, 1 << 40], 0, 0)]).contains("more than any file can hold"));
        assert!(with(&[tensor("w", &[33], 8, 0)]).contains("Q8_0 has blocks of 32"));
        assert!(with(&[tensor("w", &[64], 0, 32)]).contains("ends beyond"));
        assert!(with(&[tensor("w", &[64], 0, u64::MAX - 31)]).contains("ends beyond"));
        assert!(with(&[tensor("w", &[8], 0, 8)]).contains("no multiple of 32"));
        assert!(with(&[tensor("v", &[16], 0, 0), tensor("w", &[8], 0, 32)]).contains("lies over another"));
        assert!(with(&[tensor("w", &[8], 0, 0), tensor("w", &[8], 0, 32)]).contains("stands there twice"));
        assert!(with(&[tensor("w", &[8; 5], 0, 0)]).contains("has 5 sides"));
        assert!(with(&[tensor("w", &[], 0, 0)]).contains("has 0 sides"));
        assert!(with(&[tensor("w", &[32], 39, 0)]).contains("type MXFP4, which this program does not read"));
        assert!(with(&[tensor("w", &[32], 77, 0)]).contains("type number 77"));
        let twice = key("k", 7, &[1]);
        assert!(message(&file(&[twice.clone(), twice], &[], 0)).contains("the key k twice"));
        let nested = key("k", 9, &[&9u32.to_le_bytes()[..], &1u64.to_le_bytes()].concat());
        assert!(message(&file(&[nested], &[], 64)).contains("array of arrays"));
        let odd = key("general.alignment", 4, &48u32.to_le_bytes());
        assert!(message(&file(&[odd], &[], 0)).contains("no power of two"));
    }
}
