//! PBM, PGM, PPM (plain and raw, `P1` to `P6`) and grey PFM (`Pf`), as Pillow reads them.
//!
//! Grey of more than 255 levels is spread to 65,535 and then clipped at 255 when RGB is made of it, as 16-bit PNG is.

use super::samples::Samples;
use super::{Header, Name, bytes};
use crate::Error;

const NAME: Name = Name("PNM");

/// The words in front of the samples.
struct Head<'a> {
    /// The second byte of the file.
    kind: u8,
    width: u32,
    height: u32,
    /// The largest level, from 1 to 65,535.
    most: u32,
    /// Of `Pf` alone: whether its numbers have their lower bytes first.
    little: bool,
    samples: &'a [u8],
}

impl<'a> Head<'a> {
    fn of(bytes: &'a [u8]) -> Result<Head<'a>, Error> {
        let kind = *bytes.get(1).ok_or_else(|| NAME.truncated())?;
        let mut rest = bytes.get(3..).unwrap_or_default();
        let (width, height) = (number(&mut rest)?, number(&mut rest)?);
        let mut head = Head { kind, width, height, most: 1, little: false, samples: rest };
        match kind {
            b'1' | b'4' => {}
            b'f' => {
                let scale = word(&mut head.samples)?;
                let scale: Option<f64> = std::str::from_utf8(&scale).ok().and_then(|scale| scale.parse().ok());
                match scale.filter(|scale| scale.is_finite() && *scale != 0.0) {
                    Some(scale) => head.little = scale < 0.0,
                    None => return Err(NAME.corrupt("its scale is no number but 0")),
                }
            }
            _ => {
                head.most = number(&mut head.samples)?;
                if !(1..=65_535).contains(&head.most) {
                    return Err(NAME.corrupt(format!("its largest level is {}; 1 to 65535 are possible", head.most)));
                }
            }
        }
        Ok(head)
    }

    fn channels(&self) -> usize {
        if matches!(self.kind, b'3' | b'6') { 3 } else { 1 }
    }

    /// The byte for a level: grey of many levels has 65,535 of them, of which those above 255 are white.
    fn level(&self, value: u32) -> u8 {
        let out = if self.most > 255 && self.channels() == 1 { 65_535.0 } else { 255.0 };
        (f64::from(value) / f64::from(self.most) * out).round_ties_even().min(255.0) as u8
    }
}

/// The next word of the header; comments are left out, even inside of it.
fn word(rest: &mut &[u8]) -> Result<Vec<u8>, Error> {
    let mut word = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        *rest = after;
        match byte {
            b'#' => {
                let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                *rest = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default();
            }
            b' ' | b'\t'..=b'\r' if word.is_empty() => {}
            b' ' | b'\t'..=b'\r' => return Ok(word),
            _ if word.len() == 10 => return Err(NAME.corrupt("a word of its header is too long")),
            _ => word.push(byte),
        }
    }
    if word.is_empty() { Err(NAME.truncated()) } else { Ok(word) }
}

fn number(rest: &mut &[u8]) -> Result<u32, Error> {
    let word = word(rest)?;
    digits(&word).ok_or_else(|| NAME.corrupt(format!("'{}' is no number", word.escape_ascii())))
}

/// A number of digits alone.
fn digits(word: &[u8]) -> Option<u32> {
    std::str::from_utf8(word).ok().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

/// The size.
pub(super) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let head = Head::of(bytes)?;
    Ok(Header::upright(head.width, head.height))
}

/// The pixels.
pub(super) fn decode(bytes: &[u8], size: (u32, u32)) -> Result<Samples, Error> {
    let head = Head::of(bytes)?;
    let (width, height) = (size.0 as usize, size.1 as usize);
    let count = width * height * head.channels();
    let bytes = match head.kind {
        b'1' => plain_bits(&head, count)?,
        b'2' | b'3' => plain(&head, count)?,
        b'4' => bits(&head, width, height)?,
        b'f' => floats(&head, width, height)?,
        _ => raw(&head, count)?,
    };
    Ok(if head.channels() == 3 { Samples::Rgb(bytes) } else { Samples::grey(&bytes) })
}

/// `P5` and `P6`: one byte or two a sample.
fn raw(head: &Head, count: usize) -> Result<Vec<u8>, Error> {
    let size = if head.most < 256 { 1 } else { 2 };
    let samples = head.samples.get(..count * size).ok_or_else(|| NAME.truncated())?;
    Ok(match head.most {
        255 => samples.to_vec(),
        0..256 => samples.iter().map(|&byte| head.level(byte.into())).collect(),
        _ => samples.as_chunks::<2>().0.iter().map(|&pair| head.level(u16::from_be_bytes(pair).into())).collect(),
    })
}

/// `P4`: a bit a sample, 1 being black, rows of whole bytes.
fn bits(head: &Head, width: usize, height: usize) -> Result<Vec<u8>, Error> {
    let stride = width.div_ceil(8);
    let samples = head.samples.get(..stride * height).ok_or_else(|| NAME.truncated())?;
    let row = |row| bytes::unpack(row, 1, width).map(|bit| 255 * (1 - bit));
    Ok(samples.chunks_exact(stride).flat_map(row).collect())
}

/// `Pf`: numbers of 32 bits, rows from the bottom; what is not from 0 to 255 is clipped.
fn floats(head: &Head, width: usize, height: usize) -> Result<Vec<u8>, Error> {
    let samples = head.samples.get(..4 * width * height).ok_or_else(|| NAME.truncated())?;
    let number = if head.little { f32::from_le_bytes } else { f32::from_be_bytes };
    let row = |row: &'_ [u8]| row.as_chunks::<4>().0.iter().map(|&bytes| number(bytes) as u8).collect::<Vec<u8>>();
    Ok(samples.chunks_exact(4 * width).rev().flat_map(row).collect())
}

/// The samples of a plain file without its comments and what ends them, as Pillow leaves them out.
fn without_comments(samples: &[u8]) -> impl Iterator<Item = u8> {
    let mut comment = false;
    samples.iter().copied().filter(move |&byte| {
        let was = comment;
        comment = if was { !matches!(byte, b'\r' | b'\n') } else { byte == b'#' };
        !was && byte != b'#'
    })
}

/// `P1`: a digit a sample, with or without space between.
fn plain_bits(head: &Head, count: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new(); // a sample is a byte of the file at least
    for byte in without_comments(head.samples).filter(|byte| !matches!(byte, b' ' | b'\t'..=b'\r')) {
        if out.len() == count {
            break;
        }
        match byte {
            b'0' => out.push(255),
            b'1' => out.push(0),
            _ => return Err(NAME.corrupt("a sample is neither 0 nor 1")),
        }
    }
    if out.len() < count { Err(NAME.truncated()) } else { Ok(out) }
}

/// `P2` and `P3`: numbers in decimal.
fn plain(head: &Head, count: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let mut word = Vec::new();
    for byte in without_comments(head.samples).chain([b' ']) {
        if !matches!(byte, b' ' | b'\t'..=b'\r') {
            if word.len() == 10 {
                return Err(NAME.corrupt("a sample has more than ten digits"));
            }
            word.push(byte);
            continue;
        }
        if word.is_empty() {
            continue;
        }
        match digits(&word).filter(|&value| value <= head.most) {
            Some(value) => out.push(head.level(value)),
            None => return Err(NAME.corrupt(format!("a sample is no number from 0 to {}", head.most))),
        }
        if out.len() == count {
            return Ok(out);
        }
        word.clear();
    }
    Err(NAME.truncated())
}
