//! QOI, as Pillow reads it.

use super::samples::Samples;
use super::{Header, Name};
use crate::Error;

const NAME: Name = Name("QOI");

/// The size.
pub(super) fn header(bytes: &[u8]) -> Result<Header, Error> {
    match bytes {
        &[_, _, _, _, w3, w2, w1, w0, h3, h2, h1, h0, _, _, ..] => {
            Ok(Header::upright(u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0])))
        }
        _ => Err(NAME.truncated()),
    }
}

/// The pixels.
pub(super) fn decode(bytes: &[u8], size: (u32, u32)) -> Result<Samples, Error> {
    let channels = bytes.get(12).map_or(3, |&channels| if channels == 3 { 3 } else { 4 });
    let length = size.0 as usize * size.1 as usize * channels;
    let mut rest = bytes.get(14..).unwrap_or_default();
    let (mut pixel, mut seen) = ([0, 0, 0, 255], [[0; 4]; 64]);
    let mut samples = Vec::new(); // a run is one byte, and so is the least that 62 pixels take
    while samples.len() < length {
        let (step, after) = Step::of(rest, pixel, &seen).ok_or_else(|| NAME.truncated())?;
        rest = after;
        let count = match step {
            Step::Run(count) => count,
            Step::Pixel(next) => {
                pixel = next;
                let [r, g, b, a] = pixel.map(usize::from);
                if let Some(place) = seen.get_mut((3 * r + 5 * g + 7 * b + 11 * a) % 64) {
                    *place = pixel;
                }
                1
            }
        };
        for _ in 0..count {
            samples.extend_from_slice(pixel.get(..channels).unwrap_or(&pixel));
        }
    }
    samples.truncate(length);
    Ok(if channels == 3 { Samples::Rgb(samples) } else { Samples::Rgba(samples) })
}

/// What a code says.
enum Step {
    /// The last pixel again, so many times.
    Run(usize),
    Pixel([u8; 4]),
}

impl Step {
    /// The first code and what follows it; none where it is cut.
    fn of<'a>(bytes: &'a [u8], [r, g, b, a]: [u8; 4], seen: &[[u8; 4]; 64]) -> Option<(Step, &'a [u8])> {
        let (&code, rest) = bytes.split_first()?;
        let low = code & 0x3F;
        let (step, used) = match code {
            0xFE => {
                let &[r, g, b] = rest.first_chunk()?;
                (Step::Pixel([r, g, b, a]), 3)
            }
            0xFF => (Step::Pixel(*rest.first_chunk()?), 4),
            0x00..0x40 => (Step::Pixel(*seen.get(usize::from(low))?), 0),
            0x40..0x80 => {
                let near = |sample: u8, by: u8| sample.wrapping_add(by & 3).wrapping_sub(2);
                (Step::Pixel([near(r, low >> 4), near(g, low >> 2), near(b, low), a]), 0)
            }
            0x80..0xC0 => {
                let &second = rest.first()?;
                let green = low.wrapping_sub(32);
                let near = |sample: u8, by: u8| sample.wrapping_add(green).wrapping_add(by).wrapping_sub(8);
                (Step::Pixel([near(r, second >> 4), g.wrapping_add(green), near(b, second & 15), a]), 1)
            }
            _ => (Step::Run(usize::from(low) + 1), 0),
        };
        Some((step, rest.get(used..)?))
    }
}
