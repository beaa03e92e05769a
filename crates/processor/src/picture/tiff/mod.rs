//! TIFF, as Pillow reads it: its directories, its blocks of rows, and what their samples mean.
//!
//! Pillow reads what is not compressed itself and leaves the rest to libtiff; both ways are followed. A page's own tag of
//! the orientation counts, as EXIF's does in other files.

mod blocks;
mod directory;
mod pixels;

use super::samples::Samples;
use super::{DecodeOptions, Header, Name, Orientation};
use crate::Error;
use blocks::Blocks;
use directory::{Directory, tag};
use pixels::Kind;

const NAME: Name = Name("TIFF");

/// The size and the orientation of a page.
pub(super) fn header(bytes: &[u8], page: u32) -> Result<Header, Error> {
    let directory = Directory::of(bytes, page)?;
    let side = |tag| directory.number(tag).ok_or_else(|| NAME.corrupt("it does not say its size"));
    let (width, height) = (side(tag::WIDTH)?, side(tag::HEIGHT)?);
    let orientation = match directory.number(tag::ORIENTATION) {
        Some(number) => Orientation::of(number),
        None => Orientation::from_metadata(None, directory.data(tag::XMP)),
    };
    Ok(Header { width, height, orientation })
}

/// The pixels of a page, as they are stored.
pub(super) fn decode(bytes: &[u8], size: (u32, u32), options: &DecodeOptions) -> Result<Samples, Error> {
    let directory = Directory::of(bytes, options.frame)?;
    let layout = Layout::of(&directory, size)?;
    let kind = Kind::of(&layout)?;
    let rows = Blocks::of(&directory, &layout)?.rows(bytes)?;
    kind.samples(&rows, &layout, directory.numbers(tag::COLOUR_MAP).as_deref())
}

/// How a page's samples are stored.
struct Layout {
    width: usize,
    height: usize,
    /// The lower byte of a number first.
    little: bool,
    compression: u32,
    /// What the samples stand for, and of what type they are: the numbers of the tags.
    photometric: u32,
    format: u32,
    /// The lowest bit of a byte first.
    reversed: bool,
    bits: u32,
    /// Samples of a pixel, those that mean nothing among them.
    samples: usize,
    /// What the samples beyond the colours are: 0 nothing, 1 alpha by which colours are multiplied, 2 alpha.
    extra: Vec<u32>,
    /// Each sample in blocks of its own.
    planar: bool,
    predictor: u32,
}

/// The names of compressions that are not read.
fn compression_name(number: u32) -> String {
    let name = match number {
        2 => "run lengths of CCITT",
        6 => "JPEG of the old kind",
        32_809 => "ThunderScan",
        34_676 | 34_677 => "LogLuv",
        34_925 => "LZMA",
        50_000 => "Zstandard",
        50_001 => "WebP",
        other => return format!("compression {other}"),
    };
    format!("the compression {name}")
}

impl Layout {
    fn of(directory: &Directory, size: (u32, u32)) -> Result<Layout, Error> {
        let number = |tag, otherwise| directory.number(tag).unwrap_or(otherwise);
        let compression = number(tag::COMPRESSION, 1);
        if !matches!(compression, 1 | 3 | 4 | 5 | 7 | 8 | 32_773 | 32_946) {
            return Err(NAME.unsupported(compression_name(compression)));
        }
        let planar = number(tag::PLANAR, 1) == 2;
        let mut extra = directory.numbers(tag::EXTRA_SAMPLES).unwrap_or_default();
        let mut bits = directory.numbers(tag::BITS).unwrap_or_else(|| vec![1]);
        let mut samples = number(tag::SAMPLES, 1) as usize;
        if planar && !extra.is_empty() && extra.iter().all(|&kind| kind == 0) {
            bits.truncate(bits.len().saturating_sub(extra.len()).max(1));
            samples = samples.saturating_sub(extra.len());
            extra.clear();
        }
        bits.truncate(samples);
        let &[first, ..] = bits.as_slice() else { return Err(NAME.corrupt("its pixels have no samples")) };
        if samples > 6 || (bits.len() > 1 && bits.len() != samples) || bits.iter().any(|&bits| bits != first) {
            return Err(NAME.unsupported("samples of several sizes"));
        }
        let formats = directory.numbers(tag::SAMPLE_FORMAT).unwrap_or_default();
        let format = formats.first().copied().unwrap_or(1);
        if formats.iter().any(|&other| other != format) {
            return Err(NAME.unsupported("samples of several types"));
        }
        Ok(Layout {
            width: size.0 as usize,
            height: size.1 as usize,
            little: directory.is_little(),
            compression,
            photometric: number(tag::PHOTOMETRIC, 0),
            format,
            reversed: number(tag::FILL_ORDER, 1) == 2,
            bits: first,
            samples,
            extra,
            planar: planar && samples > 1,
            predictor: number(tag::PREDICTOR, 1),
        })
    }

    /// Samples that stand side by side in a block.
    fn together(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }
}
