//! The directories of a TIFF file: tags and their values.

use std::collections::{BTreeMap, BTreeSet};

use super::NAME;
use crate::Error;

/// The tags that are looked at.
pub(super) mod tag {
    pub(in super::super) const WIDTH: u16 = 256;
    pub(in super::super) const HEIGHT: u16 = 257;
    pub(in super::super) const BITS: u16 = 258;
    pub(in super::super) const COMPRESSION: u16 = 259;
    pub(in super::super) const PHOTOMETRIC: u16 = 262;
    pub(in super::super) const FILL_ORDER: u16 = 266;
    pub(in super::super) const STRIP_OFFSETS: u16 = 273;
    pub(in super::super) const ORIENTATION: u16 = 274;
    pub(in super::super) const SAMPLES: u16 = 277;
    pub(in super::super) const ROWS_PER_STRIP: u16 = 278;
    pub(in super::super) const STRIP_BYTES: u16 = 279;
    pub(in super::super) const PLANAR: u16 = 284;
    pub(in super::super) const GROUP_3_OPTIONS: u16 = 292;
    pub(in super::super) const PREDICTOR: u16 = 317;
    pub(in super::super) const COLOUR_MAP: u16 = 320;
    pub(in super::super) const TILE_WIDTH: u16 = 322;
    pub(in super::super) const TILE_HEIGHT: u16 = 323;
    pub(in super::super) const TILE_OFFSETS: u16 = 324;
    pub(in super::super) const TILE_BYTES: u16 = 325;
    pub(in super::super) const EXTRA_SAMPLES: u16 = 338;
    pub(in super::super) const SAMPLE_FORMAT: u16 = 339;
    pub(in super::super) const JPEG_TABLES: u16 = 347;
    pub(in super::super) const XMP: u16 = 700;
}

/// More pages than are walked over.
const MOST_PAGES: u32 = 1 << 20;

/// One page's directory.
pub(super) struct Directory<'a> {
    numbers: Numbers<'a>,
    entries: BTreeMap<u16, Entry>,
}

/// Where an entry's values are.
struct Entry {
    kind: u16,
    count: usize,
    place: usize,
}

/// The numbers of a file.
#[derive(Clone, Copy)]
struct Numbers<'a> {
    bytes: &'a [u8],
    little: bool,
    /// BigTIFF: offsets and counts of eight bytes.
    big: bool,
}

impl Numbers<'_> {
    /// The number of `size` bytes at `at`.
    fn get(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let join = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        Some(if self.little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) })
    }

    /// The bytes of: an offset; the number of a directory's entries; an entry.
    fn sizes(&self) -> (usize, usize, usize) {
        if self.big { (8, 8, 20) } else { (4, 2, 12) }
    }

    /// Where the directory behind the one at `at` is, or 0, and how many entries that one has.
    fn next(&self, at: usize) -> Option<(usize, usize)> {
        let (offset, count, entry) = self.sizes();
        let entries = usize::try_from(self.get(at, count)?).ok()?;
        let end = at.checked_add(count)?.checked_add(entries.checked_mul(entry)?)?;
        self.bytes.get(..end)?;
        // The last offset may be missing, and then there is nothing more.
        let next = self.get(end, offset).unwrap_or(0);
        Some((usize::try_from(next).ok()?, entries))
    }
}

impl<'a> Directory<'a> {
    /// The directory of a page, counted from 0. A chain that comes back to where it was is at its end.
    pub(super) fn of(bytes: &'a [u8], page: u32) -> Result<Directory<'a>, Error> {
        let little = bytes.first() == Some(&b'I');
        let big = bytes.get(2..4).is_some_and(|version| version.contains(&b'+'));
        let numbers = Numbers { bytes, little, big };
        let first = if big { numbers.get(8, 8) } else { numbers.get(4, 4) };
        let mut at = first.and_then(|at| usize::try_from(at).ok()).ok_or_else(|| NAME.truncated())?;
        let mut seen = BTreeSet::new();
        for number in 0..=page {
            if at == 0 || !seen.insert(at) {
                let missing = Error::NoFrame { frame: page, frames: number };
                return Err(if number == 0 { NAME.corrupt("it has no pages") } else { missing });
            }
            if number == MOST_PAGES {
                return Err(Error::FrameTooFar);
            }
            let (next, entries) = numbers.next(at).ok_or_else(|| NAME.truncated())?;
            if number == page {
                return Ok(Directory { numbers, entries: Directory::entries(&numbers, at, entries) });
            }
            at = next;
        }
        Err(NAME.truncated())
    }

    /// The entries of the directory at `at` whose values lie in the file; of two of the same tag the first counts.
    fn entries(numbers: &Numbers, at: usize, count: usize) -> BTreeMap<u16, Entry> {
        let (offset, head, size) = numbers.sizes();
        let entry = |which: usize| {
            let at = at + head + which * size;
            let (tag, kind) = (numbers.get(at, 2)? as u16, numbers.get(at + 2, 2)? as u16);
            let count = usize::try_from(numbers.get(at + 4, offset)?).ok()?;
            let length = count.checked_mul(type_size(kind)?)?;
            let value = at + 4 + offset;
            let place = if length <= offset { value } else { usize::try_from(numbers.get(value, offset)?).ok()? };
            numbers.bytes.get(place..place.checked_add(length)?).filter(|bytes| !bytes.is_empty())?;
            Some((tag, Entry { kind, count, place }))
        };
        let mut entries = BTreeMap::new();
        for (tag, entry) in (0..count).filter_map(entry) {
            entries.entry(tag).or_insert(entry);
        }
        entries
    }

    pub(super) fn is_little(&self) -> bool {
        self.numbers.little
    }

    /// The values of a tag; none if it is not there or holds no whole numbers.
    pub(super) fn numbers(&self, tag: u16) -> Option<Vec<u32>> {
        let entry = self.entries.get(&tag).filter(|entry| entry.count > 0)?;
        let size = type_size(entry.kind).filter(|_| matches!(entry.kind, 1 | 3 | 4 | 13 | 16))?;
        let value = |at: usize| u32::try_from(self.numbers.get(entry.place + at * size, size)?).ok();
        (0..entry.count).map(value).collect()
    }

    /// The only or first value of a tag.
    pub(super) fn number(&self, tag: u16) -> Option<u32> {
        let entry = self.entries.get(&tag).filter(|entry| entry.count > 0)?;
        let size = type_size(entry.kind).filter(|_| matches!(entry.kind, 1 | 3 | 4 | 13 | 16))?;
        u32::try_from(self.numbers.get(entry.place, size)?).ok()
    }

    /// The bytes of a tag.
    pub(super) fn data(&self, tag: u16) -> Option<&'a [u8]> {
        let entry = self.entries.get(&tag).filter(|entry| matches!(entry.kind, 1 | 2 | 7))?;
        self.numbers.bytes.get(entry.place..entry.place + entry.count)
    }
}

/// The bytes of a value.
fn type_size(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 | 17 | 18 => Some(8),
        _ => None,
    }
}
