//! ICO, as Pillow reads it: the largest of the icons, and of several as large the one with the fewest colours.
//!
//! An icon is a PNG file, whose chunk `tRNS` Pillow forgets, or a bitmap of twice the height with a mask behind it.

use super::bmp::Bitmap;
use super::bytes::{le16, le32, unpack};
use super::samples::Samples;
use super::{Header, Name, png};
use crate::Error;

const NAME: Name = Name("ICO");

/// The size of the icon that is taken.
pub(super) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let entry = Entry::best(bytes)?;
    match entry.picture(bytes)? {
        Icon::Png(file) => png::header(file, 0).map(|header| Header::upright(header.width, header.height)),
        Icon::Bitmap(bitmap) => Ok(Header::upright(bitmap.width, bitmap.height / 2)),
    }
}

/// The pixels of the icon that is taken.
pub(super) fn decode(bytes: &[u8], size: (u32, u32)) -> Result<Samples, Error> {
    let entry = Entry::best(bytes)?;
    let bitmap = match entry.picture(bytes)? {
        Icon::Png(file) => return png::decode_without_transparency(file, size),
        Icon::Bitmap(bitmap) => bitmap,
    };
    let mut rgba = bitmap.decode(bytes, size)?.into_rgba();
    let alphas = entry.alphas(bytes, &bitmap, size)?;
    for (pixel, alpha) in rgba.chunks_exact_mut(4).zip(alphas) {
        if let [.., last] = pixel {
            *last = alpha;
        }
    }
    Ok(Samples::Rgba(rgba))
}

/// An entry of the file's list.
struct Entry {
    width: u32,
    height: u32,
    colours: u8,
    bits: u16,
    size: usize,
    offset: usize,
}

/// What an entry points at.
enum Icon<'a> {
    Png(&'a [u8]),
    Bitmap(Bitmap),
}

impl Entry {
    /// The entry that is taken.
    fn best(bytes: &[u8]) -> Result<Entry, Error> {
        let count = le16(bytes, 4).ok_or_else(|| NAME.truncated())?;
        let mut best: Option<Entry> = None;
        for at in 0..usize::from(count) {
            let entry = Entry::at(bytes, 6 + 16 * at).ok_or_else(|| NAME.truncated())?;
            if best.as_ref().is_none_or(|best| entry.rank() < best.rank()) {
                best = Some(entry);
            }
        }
        best.ok_or_else(|| NAME.corrupt("it holds no icon"))
    }

    fn at(bytes: &[u8], at: usize) -> Option<Entry> {
        let &[width, height, colours, ..] = bytes.get(at..at + 16)? else { return None };
        let side = |side: u8| if side == 0 { 256 } else { u32::from(side) };
        Some(Entry {
            width: side(width),
            height: side(height),
            colours,
            bits: le16(bytes, at + 6)?,
            size: le32(bytes, at + 8)? as usize,
            offset: le32(bytes, at + 12)? as usize,
        })
    }

    /// What entries are ordered by: the largest first, then the one with the fewest bits.
    fn rank(&self) -> (std::cmp::Reverse<u32>, u32) {
        let bits = match (self.bits, self.colours) {
            (0, 0 | 1) => 256,
            (0, colours) => u32::from(colours).next_power_of_two().ilog2(),
            (bits, _) => bits.into(),
        };
        (std::cmp::Reverse(self.width * self.height), bits)
    }

    fn picture<'a>(&self, bytes: &'a [u8]) -> Result<Icon<'a>, Error> {
        let file = bytes.get(self.offset..).ok_or_else(|| NAME.truncated())?;
        if file.starts_with(b"\x89PNG\r\n\x1a\n") {
            return Ok(Icon::Png(file));
        }
        Bitmap::of(bytes, self.offset, 0).map(Icon::Bitmap)
    }

    /// The alphas of a bitmap's pixels, rows from the top: the fourth bytes of pixels of 32 bits, else the mask at the
    /// end of the entry, whose bits are 1 where nothing shows.
    fn alphas(&self, bytes: &[u8], bitmap: &Bitmap, size: (u32, u32)) -> Result<Vec<u8>, Error> {
        let (width, height) = (size.0 as usize, size.1 as usize);
        if self.bits == 32 {
            let pixels = bytes.get(bitmap.offset..).and_then(|rest| rest.get(..4 * width * height));
            let rows = pixels.ok_or_else(|| NAME.truncated())?.chunks_exact(4 * width).rev();
            return Ok(rows.flat_map(|row| row.iter().skip(3).step_by(4)).copied().collect());
        }
        let stride = width.next_multiple_of(32) / 8;
        let length = stride * height;
        let start = self.offset.saturating_add(self.size).checked_sub(length);
        let mask = start.and_then(|start| bytes.get(start..)?.get(..length)).ok_or_else(|| NAME.truncated())?;
        let row = |row| unpack(row, 1, width).map(|bit| 255 * (1 - bit));
        Ok(mask.chunks_exact(stride).rev().flat_map(row).collect())
    }
}
