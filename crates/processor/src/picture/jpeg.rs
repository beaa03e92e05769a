//! JPEG: its markers, and its samples by libjpeg (feature `libjpeg`) or zune-jpeg (feature `zune-jpeg`, in pure Rust).
//!
//! Pillow decodes with libjpeg-turbo; libjpeg as it is built here gives the same bytes. CMYK is taken as Adobe writes
//! it, inverted, and turned into RGB by Pillow's own rule. Colour profiles are ignored.

#[cfg(feature = "libjpeg")]
#[path = "libjpeg.rs"]
mod decoder;
#[cfg(all(feature = "zune-jpeg", not(feature = "libjpeg")))]
#[path = "zune.rs"]
mod decoder;

use super::samples::cmyk;
use super::{Header, Name, Orientation};
use crate::Error;

const NAME: Name = Name("JPEG");
/// Whether the decoder knows arithmetic coding.
const ARITHMETIC: bool = cfg!(feature = "libjpeg");
/// More scans than any encoder writes; every scan of a progressive file may go over all pixels.
const MOST_SCANS: usize = 500;

/// The size and the orientation, from the markers before the first scan.
pub(super) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let mut size = None;
    let (mut exif, mut xmp) = (Vec::new(), None);
    for (marker, data) in Markers::of(bytes) {
        match (marker, data) {
            (SCAN, _) => {
                let (width, height) = size.ok_or_else(|| NAME.corrupt("a scan comes before the frame header"))?;
                let exif = Some(exif.as_slice()).filter(|exif| !exif.is_empty());
                return Ok(Header { width, height, orientation: Orientation::from_metadata(exif, xmp) });
            }
            (0xC0..=0xCF, _) if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => size = Some(frame(marker, data)?),
            (0xE1, [b'E', b'x', b'i', b'f', 0, 0, rest @ ..]) => {
                exif.extend_from_slice(if exif.is_empty() { data } else { rest }); // long data are cut into pieces
            }
            (0xE1, _) if data.starts_with(b"http://ns.adobe.com/xap/1.0/\0") => xmp = Some(data),
            _ => {}
        }
    }
    Err(NAME.truncated())
}

/// Whether further pictures follow behind this one: cameras write these for depth, both eyes or a preview.
pub(super) fn is_mpo(bytes: &[u8]) -> bool {
    let mut before = Markers::of(bytes).take_while(|(marker, _)| *marker != SCAN);
    before.any(|(marker, data)| marker == 0xE2 && data.starts_with(b"MPF\0"))
}

/// The (width, height) of a frame header, if its kind can be decoded.
fn frame(marker: u8, data: &[u8]) -> Result<(u32, u32), Error> {
    let &[bits, h1, h0, w1, w0, components, ..] = data else {
        return Err(NAME.corrupt("its frame header is too short"));
    };
    match (marker, bits, components) {
        (0xC9..=0xCA, ..) if !ARITHMETIC => Err(NAME.unsupported("arithmetic coding")),
        (0xC0..=0xC2 | 0xC9..=0xCA, 8, 1 | 3 | 4) => {
            Ok((u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0]))))
        }
        (0xC0..=0xC2 | 0xC9..=0xCA, 8, _) => Err(NAME.unsupported(format!("{components} colour components"))),
        (0xC0..=0xC2 | 0xC9..=0xCA, ..) => Err(NAME.unsupported(format!("{bits} bits a sample"))),
        _ => Err(NAME.unsupported("lossless or hierarchical coding")),
    }
}

/// The samples: u8 [height, width, 3].
pub(super) fn decode(bytes: &[u8], size: (u32, u32)) -> Result<Vec<u8>, Error> {
    if Markers::of(bytes).filter(|(marker, _)| *marker == SCAN).nth(MOST_SCANS).is_some() {
        return Err(NAME.corrupt(format!("it has more than {MOST_SCANS} scans")));
    }
    let samples = decoder::decode(bytes, (size.0 as usize, size.1 as usize))?;
    Ok(match samples {
        Samples::Grey(grey) => grey.into_iter().flat_map(|grey| [grey; 3]).collect(),
        Samples::Rgb(rgb) => rgb,
        Samples::Cmyk(cmyk) => cmyk.as_chunks::<4>().0.iter().flat_map(inverted_cmyk).collect(),
    })
}

/// The samples of a file that is a part of another, u8 [height, width, channels], as they are stored but for YCbCr.
pub(super) fn decode_part(bytes: &[u8], size: (u32, u32), channels: usize) -> Result<Vec<u8>, Error> {
    let header = header(bytes)?;
    if (header.width, header.height) != size {
        return Err(NAME.corrupt("it has two sizes"));
    }
    match (decoder::decode(bytes, (size.0 as usize, size.1 as usize))?, channels) {
        (Samples::Grey(samples), 1) | (Samples::Rgb(samples), 3) | (Samples::Cmyk(samples), 4) => Ok(samples),
        _ => Err(NAME.corrupt("it has another number of components")),
    }
}

/// What a decoder gives: u8 [height, width, 1, 3 or 4].
#[cfg_attr(not(any(feature = "libjpeg", feature = "zune-jpeg")), expect(dead_code))]
enum Samples {
    Grey(Vec<u8>),
    Rgb(Vec<u8>),
    /// As it is in the file, inverted: 255 is no ink.
    Cmyk(Vec<u8>),
}

/// Stands for a decoder in a build without any.
#[cfg(not(any(feature = "libjpeg", feature = "zune-jpeg")))]
mod decoder {
    use super::{Error, NAME, Samples};

    pub(super) fn decode(_: &[u8], _: (usize, usize)) -> Result<Samples, Error> {
        Err(Error::NoDecoder { format: NAME.0 })
    }
}

/// Inverted CMYK as RGB.
fn inverted_cmyk(inks: &[u8; 4]) -> [u8; 3] {
    cmyk(&inks.map(|ink| 255 - ink))
}

/// Begins a scan.
const SCAN: u8 = 0xDA;

/// Ends the image.
const END: u8 = 0xD9;

/// The markers of a file with their data, to the end of the image or to where it is cut.
struct Markers<'a>(&'a [u8]);

impl<'a> Markers<'a> {
    fn of(bytes: &'a [u8]) -> Markers<'a> {
        Markers(bytes.get(2..).unwrap_or_default()) // after the start of the image
    }
}

impl<'a> Iterator for Markers<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // Coded samples, or bytes that should not be there, up to 0xFF, of which there may be several.
            let start = self.0.iter().position(|&byte| byte == 0xFF)?;
            self.0 = self.0.get(start..)?;
            let (marker, rest) = self
                .0
                .iter()
                .position(|&byte| byte != 0xFF)
                .and_then(|at| Some((*self.0.get(at)?, self.0.get(at + 1..)?)))?;
            self.0 = rest;
            match marker {
                0 | 1 | 0xD0..=0xD8 => {} // a stuffed byte or a marker without data
                END => {
                    self.0 = &[];
                    return Some((END, &[]));
                }
                _ => {
                    let (length, rest) = self.0.split_first_chunk::<2>()?;
                    let length = usize::from(u16::from_be_bytes(*length)).saturating_sub(2);
                    let (data, rest) = rest.split_at_checked(length)?;
                    self.0 = rest;
                    return Some((marker, data));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &[u8] = b"\xff\xc0\0\x0b\x08\0\x02\0\x03\x01\x01\x11\0";

    fn file(parts: &[&[u8]]) -> Vec<u8> {
        [b"\xff\xd8".as_slice(), &parts.concat()].concat()
    }

    #[test]
    fn headers() {
        let scan = b"\xff\xda\0\x02";
        let size = |parts: &[&[u8]]| header(&file(parts)).map(|header| (header.width, header.height));
        assert_eq!(size(&[FRAME, scan]).unwrap(), (3, 2));
        assert_eq!(size(&[b"junk\xff\xff", FRAME, scan]).unwrap(), (3, 2));
        assert!(matches!(size(&[FRAME]), Err(Error::PictureTruncated { .. })));
        assert!(matches!(size(&[scan]), Err(Error::PictureCorrupt { .. })));
        for (change, value) in [(1, 0xC3), (1, 0xCB), (4, 12), (9, 2)] {
            let mut frame = FRAME.to_vec();
            frame[change] = value;
            assert!(matches!(size(&[&frame, scan]), Err(Error::PictureUnsupported { .. })), "{change} {value}");
        }
    }

    #[test]
    fn too_many_scans() {
        let bytes = file(&[FRAME, &b"\xff\xda\0\x02".repeat(MOST_SCANS + 1)]);
        let refusal = decode(&bytes, (3, 2));
        assert!(matches!(refusal, Err(Error::PictureCorrupt { reason, .. }) if reason.contains("scans")));
    }
}
