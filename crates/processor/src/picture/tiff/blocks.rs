//! The strips or tiles of a page, unpacked and put together.

use std::io::Read;

use weezl::{BitOrder, decode::Decoder};

use super::directory::{Directory, tag};
use super::{Layout, NAME};
use crate::Error;
use crate::picture::jpeg;

/// Where the blocks of a page are, and how large they are.
pub(super) struct Blocks<'a> {
    layout: &'a Layout,
    offsets: Vec<u32>,
    /// The bytes of each; not looked at where nothing is compressed.
    lengths: Vec<u32>,
    width: usize,
    height: usize,
    /// Whether the last ones are as high as all others.
    tiles: bool,
    /// What all JPEG blocks have in common.
    jpeg_tables: &'a [u8],
    /// Group 3 in two dimensions.
    two_dimensions: bool,
}

impl<'a> Blocks<'a> {
    pub(super) fn of(directory: &Directory<'a>, layout: &'a Layout) -> Result<Blocks<'a>, Error> {
        let strips = directory.numbers(tag::STRIP_OFFSETS);
        let (tiles, lengths) = (strips.is_none(), if strips.is_none() { tag::TILE_BYTES } else { tag::STRIP_BYTES });
        let offsets = strips.or_else(|| directory.numbers(tag::TILE_OFFSETS));
        let offsets = offsets.ok_or_else(|| NAME.corrupt("it does not say where its samples are"))?;
        let number = |tag, otherwise| directory.number(tag).map_or(otherwise, |number| number as usize);
        let (width, height) = match tiles {
            false => (layout.width, number(tag::ROWS_PER_STRIP, layout.height).min(layout.height)),
            true => (number(tag::TILE_WIDTH, 0), number(tag::TILE_HEIGHT, 0)),
        };
        if width == 0 || height == 0 {
            return Err(NAME.corrupt("its strips or tiles are empty"));
        }
        Ok(Blocks {
            layout,
            offsets,
            lengths: directory.numbers(lengths).unwrap_or_default(),
            width,
            height,
            tiles,
            jpeg_tables: directory.data(tag::JPEG_TABLES).unwrap_or_default(),
            two_dimensions: number(tag::GROUP_3_OPTIONS, 0) & 1 != 0,
        })
    }

    /// The rows of the page, samples side by side: u8 [height, bytes of a row].
    pub(super) fn rows(&self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let layout = self.layout;
        let row = row_bytes(layout.width, layout.together(), layout.bits);
        let planes = if layout.planar { layout.samples } else { 1 };
        let (across, down) = (layout.width.div_ceil(self.width), layout.height.div_ceil(self.height));
        let most = planes * row * layout.height + (1 << 26);
        let block_row = self.width.checked_mul(layout.together()).map(|n| row_bytes(n, 1, layout.bits));
        let block_row = block_row.filter(|row| row.checked_mul(self.height).is_some_and(|length| length <= most));
        let block_row = block_row.ok_or_else(|| NAME.corrupt("its tiles are far larger than the picture"))?;
        // Blocks that share their bytes could be unpacked for ever.
        let total: u64 = self.lengths.iter().map(|&length| u64::from(length)).sum();
        if layout.compression != 1 && total > 2 * bytes.len() as u64 {
            return Err(NAME.corrupt("its strips or tiles overlap"));
        }
        if self.offsets.len() < planes * across * down {
            return Err(NAME.truncated());
        }
        let mut out = vec![0; planes * row * layout.height];
        for at in 0..planes * across * down {
            let (plane, place) = (at / (across * down), at % (across * down));
            let (top, left) = (place / across * self.height, place % across * self.width);
            let height = if self.tiles { self.height } else { self.height.min(layout.height - top) };
            let block = self.block(bytes, at, block_row, height)?;
            let left = row_bytes(left, layout.together(), layout.bits);
            for (y, source) in (top..layout.height).zip(block.chunks_exact(block_row)) {
                let start = (plane * layout.height + y) * row;
                if let Some(target) = out.get_mut(start + left..start + row) {
                    target.iter_mut().zip(source).for_each(|(target, &source)| *target = source);
                }
            }
        }
        Ok(if planes > 1 { self.side_by_side(&out, planes) } else { out })
    }

    /// Planes of whole bytes as pixels.
    fn side_by_side(&self, planes: &[u8], count: usize) -> Vec<u8> {
        let size = self.layout.bits as usize / 8;
        let length = planes.len() / count;
        let mut out = Vec::with_capacity(planes.len());
        for at in (0..length).step_by(size.max(1)) {
            for plane in 0..count {
                out.extend_from_slice(planes.get(plane * length + at..plane * length + at + size).unwrap_or_default());
            }
        }
        out
    }

    /// A block's rows of `row` bytes.
    fn block(&self, bytes: &[u8], at: usize, row: usize, height: usize) -> Result<Vec<u8>, Error> {
        let layout = self.layout;
        let offset = self.offsets.get(at).ok_or_else(|| NAME.truncated())?;
        let rest = bytes.get(*offset as usize..).ok_or_else(|| NAME.truncated())?;
        let length = row * height;
        let data = if layout.compression == 1 {
            rest.get(..length)
        } else {
            self.lengths.get(at).and_then(|&length| rest.get(..length as usize))
        };
        let data = data.ok_or_else(|| NAME.truncated())?;
        let turned: Vec<u8>;
        let data = if layout.reversed && layout.compression != 7 {
            turned = data.iter().map(|byte| byte.reverse_bits()).collect();
            turned.as_slice()
        } else {
            data
        };
        let mut out = match layout.compression {
            1 => data.to_vec(),
            3 | 4 => self.fax(data, height)?,
            5 => lzw(data, length)?,
            7 => self.jpeg(data, height)?,
            32_773 => pack_bits(data, length),
            _ => inflate(data, length)?,
        };
        if out.len() < length {
            return Err(NAME.truncated());
        }
        out.truncate(length);
        if matches!(layout.compression, 5 | 8 | 32_946) {
            self.add_up(&mut out, row)?;
        }
        Ok(out)
    }

    /// A block of CCITT's codes: a bit a pixel, 1 where it is black.
    fn fax(&self, data: &[u8], height: usize) -> Result<Vec<u8>, Error> {
        let width = u16::try_from(self.width).ok().filter(|_| (self.layout.bits, self.layout.together()) == (1, 1));
        let width = width.ok_or_else(|| NAME.unsupported("facsimile codes of other than narrow black and white"))?;
        let row = usize::from(width).div_ceil(8);
        let mut out = Vec::with_capacity(row * height);
        let mut add = |line: &[u16]| {
            if out.len() < row * height {
                let mut bits = vec![0u8; row];
                for (at, colour) in fax::decoder::pels(line, width).enumerate() {
                    if let Some(byte) = bits.get_mut(at / 8).filter(|_| colour == fax::Color::Black) {
                        *byte |= 0x80 >> (at % 8);
                    }
                }
                out.extend_from_slice(&bits);
            }
        };
        let bytes = data.iter().copied();
        // The ends of lines that close a facsimile, which files leave out.
        let close = [0x00, 0x10, 0x01].repeat(3);
        let _ = match (self.layout.compression, self.two_dimensions) {
            (4, _) => fax::decoder::decode_g4(bytes, width, u16::try_from(height).ok(), &mut add),
            (_, false) => fax::decoder::decode_g3(bytes.chain(close), &mut add),
            (_, true) => return Err(NAME.unsupported("facsimile codes of group 3 in two dimensions")),
        };
        if out.len() < row * height { Err(NAME.corrupt("a facsimile code is wrong")) } else { Ok(out) }
    }

    /// A block that is a JPEG file without some of its tables. What its components are, the page says: a marker tells
    /// the decoder.
    fn jpeg(&self, data: &[u8], height: usize) -> Result<Vec<u8>, Error> {
        let tables = self.jpeg_tables.strip_prefix(b"\xff\xd8").unwrap_or_default();
        let tables = tables.strip_suffix(b"\xff\xd9").unwrap_or(tables);
        let data = data.strip_prefix(b"\xff\xd8").ok_or_else(|| NAME.corrupt("a strip or tile is no JPEG"))?;
        let transform = u8::from(self.layout.photometric == 6 && !self.layout.planar);
        let marker = b"\xff\xd8\xff\xee\0\x0eAdobe\0\x64\0\0\0\0";
        let file = [marker.as_slice(), &[transform], tables, data].concat();
        let channels = self.layout.together();
        jpeg::decode_part(&file, (self.width as u32, height as u32), channels).map_err(|error| match error {
            Error::PictureTruncated { .. } => NAME.truncated(),
            Error::PictureCorrupt { reason, .. } => NAME.corrupt(reason),
            Error::PictureUnsupported { what, .. } => NAME.unsupported(format!("JPEG of {what}")),
            error => error,
        })
    }

    /// Makes samples of the differences of neighbours.
    fn add_up(&self, rows: &mut [u8], row: usize) -> Result<(), Error> {
        let (layout, step) = (self.layout, self.layout.together());
        for row in rows.chunks_exact_mut(row) {
            match (layout.predictor, layout.bits) {
                (1, _) => return Ok(()),
                (2, 8) => sums(row, step),
                (2, 16) => wide_sums::<2>(row, step, layout.little),
                (2, 32) => wide_sums::<4>(row, step, layout.little),
                (3, 32) if layout.format == 3 => floats(row, step, layout.little),
                (predictor, bits) => {
                    return Err(NAME.unsupported(format!("predictor {predictor} for samples of {bits} bits")));
                }
            }
        }
        Ok(())
    }
}

/// The bytes of a row.
fn row_bytes(width: usize, samples: usize, bits: u32) -> usize {
    (width * samples * bits as usize).div_ceil(8)
}

/// Adds to each byte the one `step` before it.
fn sums(row: &mut [u8], step: usize) {
    for at in step..row.len() {
        let before = row.get(at - step).copied().unwrap_or(0);
        if let Some(value) = row.get_mut(at) {
            *value = value.wrapping_add(before);
        }
    }
}

/// Adds to each number of `N` bytes the one `step` before it.
fn wide_sums<const N: usize>(row: &mut [u8], step: usize, little: bool) {
    let numbers = row.as_chunks_mut::<N>().0;
    let read = |bytes: &[u8; N]| {
        let join = |number: u32, &byte: &u8| number << 8 | u32::from(byte);
        if little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
    };
    for at in step..numbers.len() {
        let before = numbers.get(at - step).map_or(0, read);
        if let Some(place) = numbers.get_mut(at) {
            let sum = read(place).wrapping_add(before);
            for (which, byte) in place.iter_mut().enumerate() {
                *byte = (sum >> (8 * if little { which } else { N - 1 - which })) as u8;
            }
        }
    }
}

/// Makes numbers of 32 bits of the differences of their bytes, which lie apart: all highest ones first.
fn floats(row: &mut [u8], step: usize, little: bool) {
    sums(row, step);
    let apart = row.to_vec();
    let count = row.len() / 4;
    for (at, number) in row.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        for (which, byte) in number.iter_mut().enumerate() {
            let plane = if little { 3 - which } else { which };
            *byte = apart.get(plane * count + at).copied().unwrap_or(0);
        }
    }
}

fn lzw(data: &[u8], length: usize) -> Result<Vec<u8>, Error> {
    let mut out = vec![0; length];
    let mut decoder = Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
    let (mut done, mut data) = (0, data);
    while done < length {
        let result = decoder.decode_bytes(data, out.get_mut(done..).unwrap_or_default());
        done += result.consumed_out;
        data = data.get(result.consumed_in..).unwrap_or_default();
        match result.status {
            Ok(weezl::LzwStatus::Ok) => {}
            Ok(_) => break,
            Err(_) => return Err(NAME.corrupt("an LZW code is wrong")),
        }
    }
    out.truncate(done);
    Ok(out)
}

fn inflate(data: &[u8], length: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let read = flate2::read::ZlibDecoder::new(data).take(length as u64).read_to_end(&mut out);
    read.map_err(|_| NAME.corrupt("its deflated samples are damaged"))?;
    Ok(out)
}

/// Runs and single bytes.
fn pack_bits(mut data: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((&head, rest)) = data.split_first()
        && out.len() < length
    {
        data = rest;
        match head as i8 {
            -128 => {}
            count @ 0.. => {
                let (bytes, rest) = data.split_at_checked(count as usize + 1).unwrap_or((data, &[]));
                out.extend_from_slice(bytes);
                data = rest;
            }
            count => {
                let Some((&byte, rest)) = data.split_first() else { break };
                out.resize(out.len() + (1 - isize::from(count)) as usize, byte);
                data = rest;
            }
        }
    }
    out
}
