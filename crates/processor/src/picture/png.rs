//! PNG, as Pillow opens it and the reference converts it to RGB.
//!
//! Pillow's reading, found by experiment with Pillow 13: 2 and 4 bits of grey are spread to 8; 16 bits keep the higher
//! byte, but grey without alpha is clipped at 255; colours outside the palette are black. The single transparent
//! colour of grey and RGB pictures is compared with the reduced samples by its lower byte (1-bit grey: by whether it is
//! 0), which misses some that were meant. Gamma and colour profiles are ignored.

use std::io::{Cursor, ErrorKind, Read};

use png::{BitDepth, ColorType, DecodingError, Limits, Transformations};

use super::samples::{Palette, Samples, colour, palette};
use super::{DecodeOptions, Header, Name, Orientation, Take, apng, bytes, one};
use crate::Error;

const NAME: Name = Name("PNG");

/// The size and the orientation, from the chunks; no pixels are decoded.
pub(super) fn header(bytes: &[u8], frame: u32) -> Result<Header, Error> {
    let parts = Parts::find(bytes)?;
    if frame >= parts.frames {
        return Err(Error::NoFrame { frame, frames: parts.frames });
    }
    let profile = parts.exif.is_none().then(|| parts.raw_profile()).flatten();
    let orientation = Orientation::from_metadata(parts.exif.or(profile.as_deref()), parts.xmp);
    Ok(Header { width: parts.size.0, height: parts.size.1, orientation })
}

/// The pixels of a frame.
pub(super) fn decode(bytes: &[u8], size: (u32, u32), options: &DecodeOptions) -> Result<Samples, Error> {
    let parts = Parts::find(bytes)?;
    if options.frame > 0 {
        return one(|take| apng::walk(bytes, (&parts, size), &[options.frame], options, take), NAME.truncated());
    }
    first_frame(bytes, &parts, size)
}

/// The pixels of several frames, ascending.
pub(super) fn walk(bytes: &[u8], wanted: &[u32], options: &DecodeOptions, take: Take<'_>) -> Result<(), Error> {
    let parts = Parts::find(bytes)?;
    let rest = match wanted {
        [0, rest @ ..] => {
            if take(parts.size, first_frame(bytes, &parts, parts.size)?).is_break() {
                return Ok(());
            }
            rest
        }
        rest => rest,
    };
    if rest.is_empty() { Ok(()) } else { apng::walk(bytes, (&parts, parts.size), rest, options, take) }
}

/// The pixels of the first frame, whatever the chunk `tRNS` says: what Pillow gives of a file inside an icon.
pub(super) fn decode_without_transparency(bytes: &[u8], size: (u32, u32)) -> Result<Samples, Error> {
    first_frame(bytes, &Parts { transparency: None, ..Parts::find(bytes)? }, size)
}

fn first_frame(bytes: &[u8], parts: &Parts, size: (u32, u32)) -> Result<Samples, Error> {
    let mut reader = reader(bytes, size)?;
    let (color, depth) = reader.output_color_type();
    let (frame, data) = next_frame(&mut reader)?;
    if (frame.width, frame.height) != size {
        return Err(NAME.corrupt("its first frame is smaller than the picture"));
    }
    let convert = Convert::new(color, depth, parts)?;
    if color == ColorType::Rgb && depth == BitDepth::Eight && convert.transparent.is_none() {
        return Ok(Samples::Rgb(data));
    }
    let mut samples = Vec::new();
    for row in data.chunks_exact(frame.line_size) {
        convert.samples(row, size.0 as usize, &mut samples);
    }
    Ok(convert.colours(&samples))
}

/// A decoder of the file's frames, behind its header.
pub(super) fn reader(bytes: &[u8], size: (u32, u32)) -> Result<png::Reader<Cursor<&[u8]>>, Error> {
    let pixels = size.0 as usize * size.1 as usize;
    // Eight bytes a pixel at most, twice for the decoder's own rows, and what a decoder needs besides.
    let limits = Limits { bytes: pixels.saturating_mul(16).saturating_add(1 << 26) };
    let mut options = png::DecodeOptions::default();
    options.set_ignore_adler32(false);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = png::Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(limits);
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.read_info().map_err(refusal)
}

/// The rows of the next frame, as they are stored.
pub(super) fn next_frame(reader: &mut png::Reader<Cursor<&[u8]>>) -> Result<(png::OutputInfo, Vec<u8>), Error> {
    let mut data = vec![0; reader.output_buffer_size().ok_or_else(|| NAME.corrupt("its rows are too long"))?];
    let frame = reader.next_frame(&mut data).map_err(refusal)?;
    data.truncate(frame.buffer_size());
    Ok((frame, data))
}

/// The decoder's error as one of ours.
pub(super) fn refusal(error: DecodingError) -> Error {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => NAME.truncated(),
        DecodingError::Format(_) if error.to_string().starts_with("CRC error") => NAME.corrupt("a checksum is wrong"),
        DecodingError::LimitsExceeded => NAME.corrupt("it needs far more memory than its pixels"),
        error => NAME.corrupt(error.to_string()),
    }
}

/// What is needed of the chunks beside the image data.
pub(super) struct Parts<'a> {
    size: (u32, u32),
    /// How many frames it says it has; a picture in front of an animation counts.
    frames: u32,
    /// Colours of three bytes.
    palette: &'a [u8],
    transparency: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
    /// EXIF data as a text, and whether it is deflated.
    profile: Option<(&'a [u8], bool)>,
    xmp: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// Walks over the chunks. Those before the image data must be whole, with right checksums. Of what comes after,
    /// only what is whole is looked at, as Pillow does: that the image data are whole, their decoder will find.
    fn find(bytes: &'a [u8]) -> Result<Parts<'a>, Error> {
        let truncated = || NAME.truncated();
        let mut rest = bytes.get(8..).ok_or_else(truncated)?; // the signature
        let (first, after) = Chunk::split(rest).ok_or_else(truncated)?;
        rest = after;
        let size = match (first.kind, first.data) {
            (b"IHDR", &[w0, w1, w2, w3, h0, h1, h2, h3, ..]) if first.is_sound() => {
                (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]))
            }
            _ => return Err(NAME.corrupt("its header (IHDR) is missing or damaged")),
        };
        let mut parts =
            Parts { size, frames: 1, palette: &[], transparency: None, exif: None, profile: None, xmp: None };
        let mut image_data = false;
        loop {
            let Some((chunk, after)) = Chunk::split(rest) else {
                return if image_data || rest.get(4..8) == Some(b"IDAT") { Ok(parts) } else { Err(truncated()) };
            };
            rest = after;
            if !image_data && chunk.kind != b"IDAT" && !chunk.is_sound() {
                let kind = chunk.kind.escape_ascii();
                return Err(NAME.corrupt(format!("the checksum of its chunk {kind} is wrong")));
            }
            match chunk.kind {
                b"IDAT" => image_data = true,
                b"acTL" if !image_data => {
                    let count = chunk.data.first_chunk().map_or(0, |&count| u32::from_be_bytes(count));
                    parts.frames = count.saturating_add(1); // unless the picture is the first frame itself
                }
                b"fcTL" if !image_data => parts.frames = parts.frames.saturating_sub(1).max(1),
                b"PLTE" if !image_data => parts.palette = chunk.data,
                b"tRNS" => parts.transparency = Some(chunk.data),
                b"eXIf" => parts.exif = Some(chunk.data),
                b"tEXt" => {
                    parts.profile = chunk.data.strip_prefix(RAW_PROFILE).map(|text| (text, false)).or(parts.profile)
                }
                // Behind the keyword: how it is packed, for which 0 is the only number.
                b"zTXt" => {
                    let text = chunk.data.strip_prefix(RAW_PROFILE).and_then(|text| text.strip_prefix(b"\0"));
                    parts.profile = text.map(|text| (text, true)).or(parts.profile);
                }
                // The keyword, then: not compressed, no language, no translation.
                b"iTXt" => parts.xmp = chunk.data.strip_prefix(b"XML:com.adobe.xmp\0\0\0\0\0").or(parts.xmp),
                b"IEND" => return Ok(parts),
                _ => {}
            }
        }
    }
}

/// The keyword of the text in which ImageMagick keeps EXIF data.
const RAW_PROFILE: &[u8] = b"Raw profile type exif\0";

impl Parts<'_> {
    /// The EXIF data of the text: behind three line ends digits of base 16.
    fn raw_profile(&self) -> Option<Vec<u8>> {
        let (text, deflated) = self.profile?;
        let mut inflated = Vec::new();
        if deflated {
            let most = 1 << 20; // as in Pillow
            flate2::read::ZlibDecoder::new(text).take(most).read_to_end(&mut inflated).ok()?;
        }
        let text = std::str::from_utf8(if deflated { &inflated } else { text }).ok()?;
        let digits: Vec<u32> =
            text.split('\n').skip(3).flat_map(str::chars).map(|c| c.to_digit(16)).collect::<Option<_>>()?;
        Some(digits.as_chunks::<2>().0.iter().map(|[high, low]| (high << 4 | low) as u8).collect())
    }
}

/// A piece of a PNG file.
struct Chunk<'a> {
    kind: &'a [u8; 4],
    data: &'a [u8],
    checksum: [u8; 4],
}

impl<'a> Chunk<'a> {
    /// The first chunk and what follows; none if it is not whole.
    fn split(bytes: &'a [u8]) -> Option<(Chunk<'a>, &'a [u8])> {
        let (length, bytes) = bytes.split_first_chunk::<4>()?;
        let (kind, bytes) = bytes.split_first_chunk::<4>()?;
        let (data, bytes) = bytes.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let (&checksum, bytes) = bytes.split_first_chunk::<4>()?;
        Some((Chunk { kind, data, checksum }, bytes))
    }

    fn is_sound(&self) -> bool {
        let sum = self.kind.iter().chain(self.data).fold(u32::MAX, |sum, byte| {
            let [low, ..] = sum.to_le_bytes();
            sum >> 8 ^ CRC.get(usize::from(low ^ byte)).unwrap_or(&0)
        });
        self.checksum == (!sum).to_be_bytes()
    }
}

/// CRC-32 of every byte (polynomial 0xEDB88320, reflected).
const CRC: [u32; 256] = crc_table();

#[allow(clippy::indexing_slicing)] // computed when compiled, where a wrong index is an error
const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut sum = at as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { 0xEDB8_8320 } else { 0 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
}

/// How the samples of a file become colours.
pub(super) struct Convert {
    color: ColorType,
    depth: BitDepth,
    palette: Box<Palette>,
    /// Whether the palette has alphas.
    alphas: bool,
    /// The one transparent colour of a grey (all three are the same) or RGB picture.
    transparent: Option<[u8; 3]>,
}

impl Convert {
    pub(super) fn new(color: ColorType, depth: BitDepth, parts: &Parts) -> Result<Convert, Error> {
        let mut palette = palette(parts.palette, |&rgb: &[u8; 3]| rgb);
        let (mut alphas, mut transparent) = (false, None);
        match (color, parts.transparency) {
            (ColorType::Indexed, Some(values)) => {
                alphas = true;
                for ([_, _, _, alpha], &value) in palette.iter_mut().zip(without_newline(values)) {
                    *alpha = value;
                }
            }
            (ColorType::Grayscale, Some(&[high, low, ..])) => {
                let value = match depth {
                    BitDepth::One if (high, low) != (0, 0) => 255,
                    BitDepth::One => 0,
                    _ => low,
                };
                transparent = Some([value; 3]);
            }
            (ColorType::Rgb, Some(&[_, r, _, g, _, b, ..])) => transparent = Some([r, g, b]),
            (ColorType::Grayscale | ColorType::Rgb, Some(_)) => {
                return Err(NAME.corrupt("its chunk tRNS is too short"));
            }
            _ => {}
        }
        Ok(Convert { color, depth, palette, alphas, transparent })
    }

    /// Appends the samples of a row of `width` pixels, as bytes; indices of the palette and shades of 8 bits.
    pub(super) fn samples(&self, row: &[u8], width: usize, samples: &mut Vec<u8>) {
        let count = width * self.color.samples();
        let bits = match self.depth {
            BitDepth::Eight => return samples.extend_from_slice(row.get(..count).unwrap_or(row)),
            BitDepth::Sixteen => {
                let reduce = match self.color {
                    ColorType::Grayscale => |&[high, low]: &[u8; 2]| if high > 0 { 255 } else { low },
                    _ => |&[high, _]: &[u8; 2]| high,
                };
                return samples.extend(row.as_chunks::<2>().0.iter().take(count).map(reduce));
            }
            BitDepth::One => 1,
            BitDepth::Two => 2,
            BitDepth::Four => 4,
        };
        let spread = if self.color == ColorType::Indexed { 1 } else { 255 / ((1u8 << bits) - 1) };
        samples.extend(bytes::unpack(row, bits, count).map(|sample| sample * spread));
    }

    /// The colours of samples.
    pub(super) fn colours(&self, samples: &[u8]) -> Samples {
        match self.color {
            ColorType::Indexed if self.alphas => {
                Samples::Rgba(samples.iter().flat_map(|&index| colour(&self.palette, index)).collect())
            }
            ColorType::Indexed => super::samples::look_up(&self.palette, samples),
            ColorType::Grayscale if self.transparent.is_some() => {
                Samples::Rgba(samples.iter().flat_map(|&grey| self.opaque([grey; 3])).collect())
            }
            ColorType::Grayscale => Samples::grey(samples),
            ColorType::Rgb if self.transparent.is_some() => {
                Samples::Rgba(samples.as_chunks::<3>().0.iter().flat_map(|&rgb| self.opaque(rgb)).collect())
            }
            ColorType::Rgb => Samples::Rgb(samples.to_vec()),
            ColorType::GrayscaleAlpha => {
                let pixels = samples.as_chunks::<2>().0.iter();
                Samples::Rgba(pixels.flat_map(|&[grey, alpha]| [grey, grey, grey, alpha]).collect())
            }
            ColorType::Rgba => Samples::Rgba(samples.to_vec()),
        }
    }

    /// A colour with its alpha: 0 if it is the transparent one.
    fn opaque(&self, rgb: [u8; 3]) -> [u8; 4] {
        let [r, g, b] = rgb;
        [r, g, b, if self.transparent == Some(rgb) { 0 } else { 255 }]
    }
}

/// Pillow takes alphas that are 255 but for a single 0 as one transparent colour, by a pattern that does not see a
/// last byte of 10 (a newline); that colour then stays opaque.
fn without_newline(alphas: &[u8]) -> &[u8] {
    match alphas.strip_suffix(b"\n") {
        Some(others)
            if others.iter().filter(|&&alpha| alpha == 0).count() == 1
                && others.iter().all(|&alpha| alpha == 0 || alpha == 255) =>
        {
            others
        }
        _ => alphas,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums() {
        let (chunk, rest) = Chunk::split(b"\0\0\0\0IEND\xae\x42\x60\x82more").unwrap();
        assert!(chunk.is_sound() && rest == b"more" && chunk.data.is_empty());
        assert!(!Chunk { checksum: [0; 4], ..chunk }.is_sound());
        assert!(Chunk::split(b"\0\0\0\x01IEND\xae\x42\x60\x82").is_none());
        assert!(Chunk::split(b"\xff\xff\xff\xffIEND\xae\x42\x60\x82").is_none());
    }

    #[test]
    fn a_last_alpha_of_ten() {
        assert_eq!(without_newline(&[255, 0, 10]), [255, 0]);
        for alphas in [[255, 0, 0, 10].as_slice(), &[255, 10], &[255, 0, 10, 255], &[1, 0, 10]] {
            assert_eq!(without_newline(alphas), alphas);
        }
    }
}
