//! BMP, as Pillow reads it: 1, 4, 8, 16, 24 and 32 bits, run lengths, and the bit masks that Pillow knows.
//!
//! A table of greys makes a picture grey, whatever its order of bytes; 32 bits have alpha only where masks say so.

use std::ops::Range;

use super::bytes::{le16, le32, unpack};
use super::samples::{Palette, Samples, palette};
use super::{Header, Name};
use crate::Error;

const NAME: Name = Name("BMP");

/// The size.
pub(super) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let bitmap = file(bytes)?;
    Ok(Header::upright(bitmap.width, bitmap.height))
}

/// The pixels.
pub(super) fn decode(bytes: &[u8], size: (u32, u32)) -> Result<Samples, Error> {
    file(bytes)?.decode(bytes, size)
}

fn file(bytes: &[u8]) -> Result<Bitmap, Error> {
    let offset = le32(bytes, 10).ok_or_else(|| NAME.truncated())? as usize;
    Bitmap::of(bytes, 14, offset)
}

/// What stands in front of the pixels.
pub(super) struct Bitmap {
    pub(super) width: u32,
    pub(super) height: u32,
    bits: u16,
    /// Rows from the top.
    downwards: bool,
    pixel: Pixel,
    /// Run lengths, and whether each byte of theirs is two pixels.
    runs: bool,
    four: bool,
    /// Where the colour table is, and the bytes of an entry.
    table: Range<usize>,
    entry: usize,
    /// Where the pixels begin.
    pub(super) offset: usize,
}

/// How a pixel is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pixel {
    /// Indices of so many bits.
    Index(u8),
    /// Black and white, a bit each.
    Bit,
    Grey,
    /// Blue, green and red of 5, 5 or 6, and 5 bits.
    Bgr15,
    Bgr16,
    /// Bytes: how many, and where red, green, blue and perhaps alpha stand among them.
    Bytes(usize, [usize; 3], Option<usize>),
}

const BGR: Pixel = Pixel::Bytes(3, [2, 1, 0], None);
const BGRX: Pixel = Pixel::Bytes(4, [2, 1, 0], None);

/// The masks of red, green, blue and alpha that Pillow knows, and how pixels of theirs are stored.
const MASKS: [(u16, [u32; 4], Pixel); 11] = [
    (32, [0xFF_0000, 0xFF00, 0xFF, 0], BGRX),
    (32, [0xFF00_0000, 0xFF_0000, 0xFF00, 0], Pixel::Bytes(4, [3, 2, 1], None)),
    (32, [0xFF00_0000, 0xFF00, 0xFF, 0], Pixel::Bytes(4, [3, 1, 0], None)),
    (32, [0xFF00_0000, 0xFF_0000, 0xFF00, 0xFF], Pixel::Bytes(4, [3, 2, 1], Some(0))),
    (32, [0xFF, 0xFF00, 0xFF_0000, 0xFF00_0000], Pixel::Bytes(4, [0, 1, 2], Some(3))),
    (32, [0xFF_0000, 0xFF00, 0xFF, 0xFF00_0000], Pixel::Bytes(4, [2, 1, 0], Some(3))),
    (32, [0xFF00_0000, 0xFF00, 0xFF, 0xFF_0000], Pixel::Bytes(4, [3, 1, 0], Some(2))),
    (32, [0; 4], Pixel::Bytes(4, [2, 1, 0], Some(3))),
    (24, [0xFF_0000, 0xFF00, 0xFF, 0], BGR),
    (16, [0xF800, 0x7E0, 0x1F, 0], Pixel::Bgr16),
    (16, [0x7C00, 0x3E0, 0x1F, 0], Pixel::Bgr15),
];

impl Bitmap {
    /// Reads the header at `start`; the pixels begin at `offset`, or behind it where that is 0.
    pub(super) fn of(bytes: &[u8], start: usize, mut offset: usize) -> Result<Bitmap, Error> {
        let length = le32(bytes, start).ok_or_else(|| NAME.truncated())? as usize;
        if !matches!(length, 12 | 40 | 52 | 56 | 64 | 108 | 124) {
            return Err(NAME.unsupported(format!("a header of {length} bytes")));
        }
        let head = bytes.get(start..start + length).ok_or_else(|| NAME.truncated())?;
        let long = |at| le32(head, at).unwrap_or(0);
        let short = |at| le16(head, at).unwrap_or(0);
        let mut at = start + length;
        let old = length == 12;
        let (width, mut height, bits) =
            if old { (short(4).into(), short(6).into(), short(10)) } else { (long(4), long(8), short(14)) };
        let downwards = !old && head.get(11) == Some(&0xFF);
        if downwards {
            height = height.wrapping_neg();
        }
        let (compression, mut colours) = if old { (0, 0) } else { (long(16), long(32) as usize) };
        if colours == 0 {
            colours = 1usize.checked_shl(bits.into()).unwrap_or(0);
        }
        let entry = if old { 3 } else { 4 };
        if offset == 14 + length && bits <= 8 {
            offset = offset.saturating_add(entry * colours);
        }
        let mut pixel = match bits {
            1 | 4 | 8 => Pixel::Index(bits as u8),
            16 => Pixel::Bgr15,
            24 => BGR,
            32 => BGRX,
            _ => return Err(NAME.unsupported(format!("{bits} bits a pixel"))),
        };
        match compression {
            0..=2 => {}
            3 => {
                let masks = if length == 40 { bytes.get(at..at + 12).ok_or_else(|| NAME.truncated())? } else { head };
                let first = if length == 40 { 0 } else { 40 };
                let mask = |which: usize| le32(masks, first + 4 * which).unwrap_or(0);
                let alpha = if bits == 32 && length >= 56 { mask(3) } else { 0 };
                let masks = [mask(0), mask(1), mask(2), alpha];
                let known = MASKS.iter().find(|(of, known, _)| *of == bits && *known == masks);
                pixel = known.ok_or_else(|| NAME.unsupported("unusual bit masks"))?.2;
                at += if length == 40 { 12 } else { 0 };
            }
            other => return Err(NAME.unsupported(format!("compression {other}"))),
        }
        let start = at;
        if let Pixel::Index(_) = pixel {
            let table = table(bytes, at, colours, entry)?;
            at += table.len();
            pixel = if !is_grey(table, colours, entry) {
                pixel
            } else if colours <= 2 {
                Pixel::Bit
            } else {
                Pixel::Grey
            };
        }
        let (runs, four) = (matches!(compression, 1 | 2), compression == 2);
        let (table, offset) = (start..at, if offset == 0 { at } else { offset });
        Ok(Bitmap { width, height, bits, downwards, pixel, runs, four, table, entry, offset })
    }
}

/// The colour table at `at`, as far as the file has it.
fn table(bytes: &[u8], at: usize, colours: usize, entry: usize) -> Result<&[u8], Error> {
    if colours > 65_536 {
        return Err(NAME.corrupt(format!("it has {colours} colours; 65536 are possible")));
    }
    let rest = bytes.get(at..).unwrap_or_default();
    Ok(rest.get(..entry * colours).unwrap_or(rest))
}

/// Whether a table is one of greys in order: then the indices are the levels.
fn is_grey(table: &[u8], colours: usize, entry: usize) -> bool {
    let level = |index: usize| if colours == 2 { 255 * index as u8 } else { index as u8 };
    table.len() == entry * colours
        && table.chunks_exact(entry).enumerate().all(|(at, colour)| colour.iter().take(3).all(|&c| c == level(at)))
}

impl Bitmap {
    /// The pixels; `size` is the picture's own, which an icon says otherwise than its bitmap.
    pub(super) fn decode(&self, bytes: &[u8], size: (u32, u32)) -> Result<Samples, Error> {
        let (width, height) = (size.0 as usize, size.1 as usize);
        let data = bytes.get(self.offset..).ok_or_else(|| NAME.truncated())?;
        let (unrolled, pixel, stride);
        let rows = if self.runs {
            pixel = match self.pixel {
                Pixel::Index(_) => Pixel::Index(8),
                Pixel::Grey => Pixel::Grey,
                _ => return Err(NAME.unsupported("run lengths that are not of a colour table")),
            };
            stride = width;
            unrolled = self.unroll(data, self.offset, width, width * height);
            unrolled.as_slice()
        } else {
            pixel = self.pixel;
            stride = (width * usize::from(self.bits)).saturating_add(31) >> 3 & !3;
            data
        };
        let row_length = match pixel {
            Pixel::Index(bits) => (width * usize::from(bits)).div_ceil(8),
            Pixel::Bit => width.div_ceil(8),
            Pixel::Grey => width,
            Pixel::Bgr15 | Pixel::Bgr16 => 2 * width,
            Pixel::Bytes(count, ..) => count * width,
        };
        if row_length > stride {
            return Err(NAME.corrupt("its rows are too short for its colours"));
        }
        let needed = stride.checked_mul(height - 1).and_then(|rows| rows.checked_add(row_length));
        if needed.is_none_or(|needed| rows.len() < needed) {
            return Err(NAME.truncated());
        }
        let row = |y: usize| {
            let stored = if self.downwards { y } else { height - 1 - y };
            rows.get(stored * stride..).and_then(|rest| rest.get(..row_length)).unwrap_or_default()
        };
        let rows = (0..height).map(row);
        Ok(match pixel {
            Pixel::Index(bits) => {
                let colours = self.palette(bytes);
                let indices: Vec<u8> = rows.flat_map(|row| unpack(row, bits, width)).collect();
                super::samples::look_up(&colours, &indices)
            }
            Pixel::Bit => {
                Samples::grey(&rows.flat_map(|row| unpack(row, 1, width)).map(|bit| 255 * bit).collect::<Vec<u8>>())
            }
            Pixel::Grey => Samples::grey(&rows.flatten().copied().collect::<Vec<u8>>()),
            Pixel::Bgr15 => {
                Samples::Rgb(rows.flat_map(|row| row.as_chunks().0).flat_map(|&pair| bgr(pair, 5)).collect())
            }
            Pixel::Bgr16 => {
                Samples::Rgb(rows.flat_map(|row| row.as_chunks().0).flat_map(|&pair| bgr(pair, 6)).collect())
            }
            Pixel::Bytes(count, rgb, alpha) => {
                let pixels = rows.flat_map(|row| row.chunks_exact(count));
                let byte = |pixel: &[u8], at: usize| pixel.get(at).copied().unwrap_or(0); // always there
                match alpha {
                    None => Samples::Rgb(pixels.flat_map(|pixel| rgb.map(|at| byte(pixel, at))).collect()),
                    Some(alpha) => {
                        let [r, g, b] = rgb;
                        Samples::Rgba(pixels.flat_map(|pixel| [r, g, b, alpha].map(|at| byte(pixel, at))).collect())
                    }
                }
            }
        })
    }

    /// The colours of indices.
    fn palette(&self, bytes: &[u8]) -> Box<Palette> {
        let table = bytes.get(self.table.clone()).unwrap_or_default();
        match self.entry {
            3 => palette(table, |&[b, g, r]| [r, g, b]),
            _ => palette(table, |&[b, g, r, _]| [r, g, b]),
        }
    }

    /// Run lengths as one byte a pixel; what is missing stays missing. `start` says where in the file they begin: runs of
    /// single pixels end at even places of it.
    fn unroll(&self, data: &[u8], start: usize, width: usize, length: usize) -> Vec<u8> {
        let four = self.four;
        let mut out: Vec<u8> = Vec::new();
        let (mut at, mut x) = (0, 0);
        let halves = |byte: u8| [byte >> 4, byte & 15];
        while out.len() < length {
            let Some(&[count, value]) = data.get(at..).and_then(|rest| rest.first_chunk()) else { break };
            at += 2;
            match (count, value) {
                (0, 0) => {
                    out.resize(out.len().next_multiple_of(width), 0);
                    x = 0;
                }
                (0, 1) => break,
                (0, 2) => {
                    let Some(&[right, up]) = data.get(at..).and_then(|rest| rest.first_chunk()) else { break };
                    at += 2;
                    let skipped = usize::from(right) + usize::from(up) * width;
                    out.resize(length.min(out.len() + skipped), 0);
                    x = out.len() % width;
                }
                (0, count) => {
                    let pixels = usize::from(count).min(length - out.len());
                    let wanted = if four { pixels.div_ceil(2) } else { pixels };
                    let rest = data.get(at..).unwrap_or_default();
                    let read = rest.get(..wanted).unwrap_or(rest);
                    at += read.len();
                    if four {
                        out.extend(read.iter().copied().flat_map(halves).take(pixels));
                    } else {
                        out.extend_from_slice(read);
                    }
                    if read.len() < wanted || out.len() == length {
                        break;
                    }
                    x += usize::from(count);
                    at += (start + at) % 2;
                }
                (count, value) => {
                    let count = usize::from(count).min(width.saturating_sub(x));
                    let pair = if four { halves(value) } else { [value; 2] };
                    out.extend(pair.iter().cycle().take(count));
                    x += count;
                }
            }
        }
        out
    }
}

/// A pixel of 16 bits, of which green has so many.
fn bgr(pair: [u8; 2], green_bits: u32) -> [u8; 3] {
    let pixel = u32::from(u16::from_le_bytes(pair));
    let spread = |value: u32, most: u32| ((value & most) * 255 / most) as u8;
    [spread(pixel >> (5 + green_bits), 31), spread(pixel >> 5, (1 << green_bits) - 1), spread(pixel, 31)]
}
