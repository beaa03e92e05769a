//! What the samples of a page mean: the kinds that Pillow knows.

use super::{Layout, NAME};
use crate::Error;
use crate::picture::bytes::unpack;
use crate::picture::samples::{Palette, Samples, cmyk, colour, look_up};

/// What a pixel is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Shades of 1 to 8 bits; those turned round have 0 as white.
    Grey {
        turned: bool,
    },
    /// Numbers of more bits, clipped to 0 to 255.
    Wide(Wide),
    GreyAlpha,
    Rgb(Opacity),
    Indices {
        alpha: bool,
    },
    Cmyk,
}

/// Numbers of more than 8 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wide {
    U12,
    U16,
    I16,
    I32,
    F32,
}

/// The alpha beside colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opacity {
    None,
    Alpha,
    /// The colours are multiplied by it.
    Multiplied,
}

impl Kind {
    pub(super) fn of(layout: &Layout) -> Result<Kind, Error> {
        let Layout { little, photometric, format, reversed, bits, samples, planar, compression, .. } = *layout;
        let raw = compression == 1;
        let kind = match (photometric, bits, samples, format, layout.extra.as_slice()) {
            (0 | 1, 1 | 2 | 4 | 8, 1, 1, []) => Kind::Grey { turned: photometric == 0 },
            (1, 8, 1, 2, []) | (1, 8, 2, 1, [0]) => Kind::Grey { turned: false },
            (6, 8, 1, 1, []) if raw => Kind::Grey { turned: false },
            (1, 12, 1, 1, []) if little => Kind::Wide(Wide::U12),
            (1, 16, 1, 1, []) => Kind::Wide(Wide::U16),
            (0, 16, 1, 1, []) if little => Kind::Wide(Wide::U16),
            // Pillow reads these with their bytes in the wrong order where libtiff has unpacked big-endian ones.
            (1, 16, 1, 2, []) if little || raw => Kind::Wide(Wide::I16),
            (1, 32, 1, 2, []) if little || raw => Kind::Wide(Wide::I32),
            (1, 32, 1, 1, []) if little => Kind::Wide(Wide::I32),
            (0 | 1, 32, 1, 3, []) if little || raw => Kind::Wide(Wide::F32),
            (1, 8, 2, 1, [2]) => Kind::GreyAlpha,
            (2, 8 | 16, 3, 1, []) | (2, 16, 4, 1, [0]) => Kind::Rgb(Opacity::None),
            (2, 8, 4..=6, 1, extra) if extra.len() + 3 == samples && extra.iter().all(|&kind| kind == 0) => {
                Kind::Rgb(Opacity::None)
            }
            (2, 8 | 16, 4, 1, [] | [2]) | (2, 8, 4, 1, [999]) => Kind::Rgb(Opacity::Alpha),
            (2, 8 | 16, 4, 1, [1]) => Kind::Rgb(Opacity::Multiplied),
            (2, 8, 5, 1, [1, 0]) | (2, 8, 6, 1, [1, 0, 0]) => Kind::Rgb(Opacity::Multiplied),
            (2, 8, 5, 1, [2, 0]) | (2, 8, 6, 1, [2, 0, 0]) => Kind::Rgb(Opacity::Alpha),
            (3, 1 | 2 | 4 | 8, 1, 1, []) | (3, 8, 2, 1, [0]) => Kind::Indices { alpha: false },
            (3, 8, 2, 1, [2]) => Kind::Indices { alpha: true },
            (5, 8 | 16, 4, 1, []) | (5, 8, 5, 1, [0]) | (5, 8, 6, 1, [0, 0]) => Kind::Cmyk,
            (6, 8, 3, 1, []) if compression == 7 && !planar => Kind::Rgb(Opacity::None), // the decoder makes RGB
            (6, ..) => return Err(NAME.unsupported("YCbCr colours that are not JPEG's")),
            (8, ..) => return Err(NAME.unsupported("CIELAB colours")),
            _ => {
                let what = format!("{samples} samples of {bits} bits in photometric interpretation {photometric}");
                return Err(NAME.unsupported(what));
            }
        };
        let one = samples == 1 && bits <= 8 && matches!(kind, Kind::Grey { .. } | Kind::Indices { .. }) && format == 1;
        let can_reverse =
            one || (samples, bits) == (3, 8) || (bits == 16 && samples == 1 && little && photometric == 1);
        if reversed && !can_reverse {
            return Err(NAME.unsupported("the lowest bits first"));
        }
        if planar && (bits < 8 || (bits > 8 && raw)) {
            return Err(NAME.unsupported(format!("separate planes of {bits} bits")));
        }
        Ok(kind)
    }

    /// The pixels of rows.
    pub(super) fn samples(self, rows: &[u8], layout: &Layout, colours: Option<&[u32]>) -> Result<Samples, Error> {
        let (width, samples, bits) = (layout.width, layout.samples, layout.bits);
        let row_length = (width * samples * bits as usize).div_ceil(8);
        let rows = rows.chunks_exact(row_length);
        Ok(match self {
            Kind::Wide(wide) => {
                let levels = |row| wide.levels(row, layout.little).take(width);
                Samples::grey(&rows.flat_map(levels).collect::<Vec<u8>>())
            }
            Kind::Grey { turned } => {
                let spread = 255 / (255 >> (8 - bits));
                let level = |shade: u8| if turned { 255 - shade * spread } else { shade * spread };
                let shades = rows.flat_map(|row| unpack(row, bits as u8, width * samples).step_by(samples));
                Samples::grey(&shades.map(level).collect::<Vec<u8>>())
            }
            Kind::Indices { alpha } => {
                let palette = palette(colours)?;
                let indices: Vec<u8> = rows.flat_map(|row| unpack(row, bits as u8, width * samples)).collect();
                if alpha {
                    let pixels = indices.as_chunks::<2>().0.iter();
                    Samples::Rgba(
                        pixels.flat_map(|&[index, alpha]| with_alpha(colour(&palette, index), alpha)).collect(),
                    )
                } else {
                    look_up(&palette, &indices.iter().copied().step_by(samples).collect::<Vec<u8>>())
                }
            }
            Kind::GreyAlpha => {
                let pixels = rows.flat_map(|row| row.as_chunks::<2>().0);
                Samples::Rgba(pixels.flat_map(|&[grey, alpha]| [grey, grey, grey, alpha]).collect())
            }
            Kind::Rgb(opacity) => {
                let mut out = Vec::with_capacity(width * layout.height * if opacity == Opacity::None { 3 } else { 4 });
                for pixel in rows.flat_map(|row| row.chunks_exact(samples * bits as usize / 8)) {
                    let sample = |at| high_byte(pixel, at, layout);
                    let rgb = [sample(0), sample(1), sample(2)];
                    match opacity {
                        Opacity::None => out.extend_from_slice(&rgb),
                        Opacity::Alpha => out.extend_from_slice(&with_alpha(rgb_of(rgb), sample(3))),
                        Opacity::Multiplied => out.extend_from_slice(&divided(rgb, sample(3))),
                    }
                }
                if opacity == Opacity::None { Samples::Rgb(out) } else { Samples::Rgba(out) }
            }
            Kind::Cmyk => {
                let pixels = rows.flat_map(|row| row.chunks_exact(samples * bits as usize / 8));
                let inks = |pixel| [0, 1, 2, 3].map(|at| high_byte(pixel, at, layout));
                Samples::Rgb(pixels.flat_map(|pixel| cmyk(&inks(pixel))).collect())
            }
        })
    }
}

/// A sample, or the higher byte of one of 16 bits.
fn high_byte(pixel: &[u8], at: usize, layout: &Layout) -> u8 {
    let place = match layout.bits {
        8 => at,
        _ => 2 * at + usize::from(layout.little),
    };
    pixel.get(place).copied().unwrap_or(0) // always there
}

fn rgb_of([r, g, b]: [u8; 3]) -> [u8; 4] {
    [r, g, b, 255]
}

fn with_alpha([r, g, b, _]: [u8; 4], alpha: u8) -> [u8; 4] {
    [r, g, b, alpha]
}

/// Colours that were multiplied by their alpha, divided by it.
fn divided(rgb: [u8; 3], alpha: u8) -> [u8; 4] {
    let [r, g, b] = match alpha {
        0 => [0; 3],
        _ => rgb.map(|sample| (255 * u32::from(sample) / u32::from(alpha)).min(255) as u8),
    };
    [r, g, b, alpha]
}

/// The colours of a map: all reds, all greens, all blues, of 16 bits each.
fn palette(colours: Option<&[u32]>) -> Result<Box<Palette>, Error> {
    let colours = colours.ok_or_else(|| NAME.corrupt("it has no map of colours"))?;
    let count = colours.len() / 3;
    let mut palette = Box::new([[0, 0, 0, 255]; 256]);
    for (at, entry) in palette.iter_mut().enumerate().take(count) {
        let sample = |plane: usize| colours.get(plane * count + at).map_or(0, |&sample| (sample >> 8) as u8);
        *entry = [sample(0), sample(1), sample(2), 255];
    }
    Ok(palette)
}

impl Wide {
    /// The levels of a row, clipped.
    fn levels(self, row: &[u8], little: bool) -> Box<dyn Iterator<Item = u8> + '_> {
        let clip = |number: i64| number.clamp(0, 255) as u8;
        let order16 = if little { u16::from_le_bytes } else { u16::from_be_bytes };
        let order32 = if little { u32::from_le_bytes } else { u32::from_be_bytes };
        let halves = row.as_chunks::<2>().0.iter().map(move |&bytes| order16(bytes));
        let words = row.as_chunks::<4>().0.iter().map(move |&bytes| order32(bytes));
        match self {
            Wide::U12 => {
                let wide = |&[a, b, c]: &[u8; 3]| {
                    [i64::from(a) << 4 | i64::from(b >> 4), i64::from(b & 15) << 8 | i64::from(c)]
                };
                let (pairs, rest) = row.as_chunks::<3>();
                let last = match rest {
                    &[a, b] => Some(i64::from(a) << 4 | i64::from(b >> 4)),
                    _ => None,
                };
                Box::new(pairs.iter().flat_map(wide).chain(last).map(clip))
            }
            Wide::U16 => Box::new(halves.map(move |half| clip(half.into()))),
            Wide::I16 => Box::new(halves.map(move |half| clip((half as i16).into()))),
            Wide::I32 => Box::new(words.map(move |word| clip((word as i32).into()))),
            Wide::F32 => Box::new(words.map(|word| f32::from_bits(word) as u8)),
        }
    }
}
