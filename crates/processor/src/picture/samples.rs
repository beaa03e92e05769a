//! What files hold, as bytes, and how it becomes RGB: Pillow's conversions.

use super::Alpha;

/// The pixels of a picture, rows from the top: u8 [height, width, 3 or 4].
pub(super) enum Samples {
    Rgb(Vec<u8>),
    /// With alpha, even where all of it is 255.
    Rgba(Vec<u8>),
}

impl Samples {
    /// Shades of grey as RGB.
    pub(super) fn grey(grey: &[u8]) -> Samples {
        Samples::Rgb(grey.iter().flat_map(|&grey| [grey; 3]).collect())
    }

    /// The samples without alpha: u8 [height, width, 3].
    pub(super) fn flatten(self, alpha: Alpha) -> Vec<u8> {
        let rgba = match self {
            Samples::Rgb(rgb) => return rgb,
            Samples::Rgba(rgba) => rgba,
        };
        let flat = |&[r, g, b, a]: &[u8; 4]| match (alpha, a) {
            (Alpha::Drop, _) | (_, 255) => [r, g, b],
            (Alpha::White, _) => [r, g, b].map(|sample| over_white(sample, a)),
        };
        let pixels = rgba.as_chunks::<4>().0;
        let mut rgb = Vec::with_capacity(3 * pixels.len());
        pixels.iter().for_each(|pixel| rgb.extend_from_slice(&flat(pixel)));
        rgb
    }

    /// With alpha, 255 where there was none.
    pub(super) fn into_rgba(self) -> Vec<u8> {
        match self {
            Samples::Rgb(rgb) => rgb.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect(),
            Samples::Rgba(rgba) => rgba,
        }
    }
}

/// A sample composed over white in fixed point with 7 fractional bits, like Pillow's `alpha_composite`.
fn over_white(sample: u8, alpha: u8) -> u8 {
    let (sample, alpha) = (u32::from(sample), u32::from(alpha));
    let sum = ((sample * alpha + 255 * (255 - alpha)) << 7) + (0x80 << 7);
    ((((sum >> 8) + sum) >> 8) >> 7) as u8
}

/// A number from 0 to 255 * 255 over 255, rounded.
pub(super) fn over_255(number: u32) -> u8 {
    let number = number + 128;
    (((number >> 8) + number) >> 8) as u8
}

/// `over` on `under`, as much as `mask` says: Pillow's `paste` with a mask.
pub(super) fn blend(under: u8, over: u8, mask: u8) -> u8 {
    over_255(u32::from(under) * u32::from(255 - mask) + u32::from(over) * u32::from(mask))
}

/// CMYK as RGB, 255 being full ink (`cmyk2rgb` of Pillow's src/libImaging/Convert.c).
pub(super) fn cmyk(&[c, m, y, k]: &[u8; 4]) -> [u8; 3] {
    let light = 255 - k;
    [c, m, y].map(|ink| light.saturating_sub(over_255(u32::from(ink) * u32::from(light))))
}

/// A colour table of 256 entries with alpha; Pillow takes what a file does not give as opaque black.
pub(super) type Palette = [[u8; 4]; 256];

/// The colours of a table in a file, each with its three samples first.
pub(super) fn palette<const N: usize>(entries: &[u8], rgb: impl Fn(&[u8; N]) -> [u8; 3]) -> Box<Palette> {
    let mut palette = Box::new([[0, 0, 0, 255]; 256]);
    for (entry, bytes) in palette.iter_mut().zip(entries.as_chunks::<N>().0) {
        let [r, g, b] = rgb(bytes);
        *entry = [r, g, b, 255];
    }
    palette
}

/// A colour of a table.
pub(super) fn colour(palette: &Palette, index: u8) -> [u8; 4] {
    *palette.get(usize::from(index)).unwrap_or(&[0, 0, 0, 255]) // always there
}

/// Indices as the colours of a table without alpha.
pub(super) fn look_up(palette: &Palette, indices: &[u8]) -> Samples {
    let rgb = |&index: &u8| {
        let [r, g, b, _] = colour(palette, index);
        [r, g, b]
    };
    Samples::Rgb(indices.iter().flat_map(rgb).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composition() {
        assert_eq!((over_white(0, 0), over_white(255, 0), over_white(0, 255), over_white(9, 255)), (255, 255, 0, 9));
        assert_eq!((over_white(1, 2), over_white(100, 128), over_white(40, 128)), (253, 177, 147));
        assert_eq!((blend(10, 200, 0), blend(10, 200, 255), blend(0, 255, 127)), (10, 200, 127));
    }

    #[test]
    fn inks() {
        assert_eq!(cmyk(&[0; 4]), [255; 3]);
        assert_eq!(cmyk(&[255, 0, 127, 0]), [0, 255, 128]);
        assert_eq!(cmyk(&[248, 247, 246, 255]), [0; 3]);
    }

    #[test]
    fn tables() {
        let palette = palette(&[1, 2, 3, 0, 4, 5, 6, 0, 7], |&[b, g, r, _]| [r, g, b]);
        assert_eq!(look_up(&palette, &[1, 0, 9]).into_rgba(), [6, 5, 4, 255, 3, 2, 1, 255, 0, 0, 0, 255]);
    }
}
