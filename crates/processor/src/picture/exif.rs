//! The orientation that a camera writes, and turning a picture by it.
//!
//! Only this one field of EXIF matters here. It is read as Pillow's `Image.getexif` reads it, which forgives much:
//! anything broken counts as absent.

use super::Picture;

/// The EXIF tag of the orientation.
const ORIENTATION: u32 = 0x0112;

/// How a picture is to be turned: EXIF's 1 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orientation(u8);

impl Orientation {
    /// Nothing is to be turned.
    pub(super) const UPRIGHT: Orientation = Orientation(1);

    /// The orientation from the file's EXIF data (a TIFF structure, perhaps behind `Exif\0\0`) and its XMP packet,
    /// which is asked if EXIF does not say.
    pub(super) fn from_metadata(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Orientation {
        let found = match exif.map(without_prefix).filter(|exif| !exif.is_empty()) {
            None => xmp.and_then(from_xmp),
            Some(exif) => match Tiff::open(exif) {
                None => None, // Pillow gives up altogether
                Some(tiff) => match tiff.orientation() {
                    Field::Absent => xmp.and_then(from_xmp),
                    Field::NoNumber => None,
                    Field::Number(number) => Some(number),
                },
            },
        };
        found.map_or(Orientation::UPRIGHT, Orientation::of)
    }

    /// The orientation with this number; upright if there is none.
    pub(super) fn of(number: u32) -> Orientation {
        match number {
            1..=8 => Orientation(number as u8),
            _ => Orientation::UPRIGHT,
        }
    }

    /// Whether width and height change places.
    pub(super) fn swaps_sides(self) -> bool {
        self.0 >= 5
    }

    /// The picture turned upright (`PIL.ImageOps.exif_transpose`).
    pub(super) fn apply(self, picture: Picture) -> Picture {
        let (width, height) = (picture.width as usize, picture.height as usize);
        if self.0 == 1 || picture.rgb.len() != 3 * width * height || picture.rgb.is_empty() {
            return picture;
        }
        // Which pixel of the picture comes first, and how far off lie the ones that come to its right and below it.
        let (w, right, down) = (width, 1isize, width as isize);
        let (top_left, top_right, bottom_left, bottom_right) = (0, w - 1, w * (height - 1), w * height - 1);
        let (first, column, row) = match self.0 {
            2 => (top_right, -right, down),     // mirrored
            3 => (bottom_right, -right, -down), // half a turn
            4 => (bottom_left, right, -down),   // upside down, mirrored
            5 => (top_left, down, right),       // transposed
            6 => (bottom_left, -down, right),   // to be turned a quarter clockwise
            7 => (bottom_right, -down, -right), // transposed along the other diagonal
            _ => (top_right, down, -right),     // to be turned a quarter anticlockwise
        };
        let (new_width, new_height) = if self.swaps_sides() { (height, width) } else { (width, height) };
        let pixels = picture.rgb.as_chunks::<3>().0;
        let mut rgb = Vec::with_capacity(picture.rgb.len());
        for y in 0..new_height {
            let start = first.wrapping_add_signed(row * y as isize);
            for x in 0..new_width {
                let at = start.wrapping_add_signed(column * x as isize);
                rgb.extend_from_slice(pixels.get(at).unwrap_or(&[0; 3])); // always there
            }
        }
        Picture { width: new_width as u32, height: new_height as u32, rgb }
    }
}

/// EXIF data without the words before it; one or two of them, as Pillow takes them off.
fn without_prefix(exif: &[u8]) -> &[u8] {
    let once = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    once.strip_prefix(b"Exif\0\0").unwrap_or(once)
}

/// What an entry holds.
enum Field {
    Absent,
    /// Bytes or text, which no orientation equals.
    NoNumber,
    Number(u32),
}

/// The TIFF structure in which EXIF data lie.
struct Tiff<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl<'a> Tiff<'a> {
    fn open(bytes: &'a [u8]) -> Option<Tiff<'a>> {
        // The second pair of each is wrong and yet written by some cameras.
        let little = match bytes.get(..4)? {
            [b'I', b'I', b'*', 0] | [b'I', b'I', 0, b'*'] => true,
            [b'M', b'M', 0, b'*'] | [b'M', b'M', b'*', 0] => false,
            _ => return None,
        };
        bytes.get(4..8)?;
        Some(Tiff { bytes, little })
    }

    /// A number of `size` bytes, at most four.
    fn number(&self, at: usize, size: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let join = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        Some(if self.little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) })
    }

    /// The first orientation of the first directory.
    fn orientation(&self) -> Field {
        let Some(directory) = self.number(4, 4).map(|offset| offset as usize) else { return Field::Absent };
        let Some(entries) = self.number(directory, 2) else { return Field::Absent };
        for entry in 0..entries as usize {
            let at = directory + 2 + 12 * entry;
            if self.bytes.len() < at + 12 {
                break;
            }
            if self.number(at, 2) != Some(ORIENTATION) {
                continue;
            }
            match self.value(at) {
                Some(field) => return field,
                None => continue, // no value, or one outside the data
            }
        }
        Field::Absent
    }

    /// The first value of the entry at `at`: tag, type, count, and the values or where they lie.
    fn value(&self, at: usize) -> Option<Field> {
        let kind = self.number(at + 2, 2)?;
        let count = self.number(at + 4, 4)? as usize;
        let size = match kind {
            1 | 2 | 6 | 7 => 1, // byte, text, signed byte, undefined
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4, // long, signed long, float, directory
            5 | 10 | 12 => 8,     // rational, signed rational, double
            _ => return None,
        };
        let length = count.checked_mul(size).filter(|&length| length > 0)?;
        let place = if length > 4 { self.number(at + 8, 4)? as usize } else { at + 8 };
        self.bytes.get(place..place.checked_add(length)?)?;
        Some(match kind {
            3 | 4 | 6 | 8 | 9 | 13 => Field::Number(self.number(place, size)?),
            5 | 10 => match (self.number(place, 4)?, self.number(place + 4, 4)?) {
                (number, over) if over != 0 && number % over == 0 => Field::Number(number / over),
                _ => Field::NoNumber,
            },
            _ => Field::NoNumber,
        })
    }
}

/// The digit after the first `tiff:Orientation="` or `tiff:Orientation>` that has one.
fn from_xmp(packet: &[u8]) -> Option<u32> {
    const NAME: &[u8] = b"tiff:Orientation";
    packet.windows(NAME.len()).enumerate().filter(|(_, name)| *name == NAME).find_map(|(at, _)| {
        let rest = packet.get(at + NAME.len()..)?;
        let value = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))?;
        value.first().filter(|digit| digit.is_ascii_digit()).map(|digit| u32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EXIF data with these entries, each of type, count and value, under the orientation's tag.
    fn exif(entries: &[(u16, u32, [u8; 4])]) -> Vec<u8> {
        let mut bytes = b"Exif\0\0II*\0\x08\0\0\0".to_vec();
        bytes.extend((entries.len() as u16).to_le_bytes());
        for (kind, count, value) in entries {
            bytes.extend([0x12, 0x01]);
            bytes.extend(kind.to_le_bytes());
            bytes.extend(count.to_le_bytes());
            bytes.extend(value);
        }
        bytes
    }

    fn read(exif: &[u8]) -> u8 {
        Orientation::from_metadata(Some(exif), None).0
    }

    #[test]
    fn numbers_of_every_type() {
        for kind in [3, 4, 6, 8, 9, 13] {
            assert_eq!(read(&exif(&[(kind, 1, [6, 0, 0, 0])])), 6);
        }
        for kind in [1, 2, 7, 99] {
            assert_eq!(read(&exif(&[(kind, 1, [6, 0, 0, 0])])), 1);
        }
        assert_eq!(read(&exif(&[(3, 2, [6, 0, 1, 0])])), 6, "the first of several");
        assert_eq!(read(&exif(&[(3, 0, [6, 0, 0, 0])])), 1, "no value");
        assert_eq!(read(&exif(&[(3, 1, [9, 0, 0, 0])])), 1, "no orientation");
        assert_eq!(read(&exif(&[(3, 1, [0, 0, 0, 0])])), 1, "no orientation");
        assert_eq!(read(&exif(&[(3, 3, [200, 0, 0, 0])])), 1, "outside the data");
        assert_eq!(read(&exif(&[(3, 1, [6, 0, 0, 0]), (3, 1, [1, 0, 0, 0])])), 6, "the first of two entries");
    }

    #[test]
    fn broken_data_are_ignored() {
        let whole = exif(&[(3, 1, [6, 0, 0, 0])]);
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), 1, "{end} bytes");
        }
        assert_eq!(read(b"Exif\0\0garbage garbage"), 1);
        assert_eq!(read(b"Exif\0\0II*\0\xff\xff\xff\xff"), 1);
        assert_eq!(read(b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"), 6, "entries are missing");
    }

    #[test]
    fn xmp_is_asked_last() {
        let xmp = Some(b"<rdf tiff:Orientation=\"8\"/>".as_slice());
        assert_eq!(Orientation::from_metadata(None, xmp).0, 8);
        assert_eq!(Orientation::from_metadata(None, Some(b"<tiff:Orientation>3</tiff:Orientation>")).0, 3);
        assert_eq!(Orientation::from_metadata(None, Some(b"tiff:Orientation tiff:Orientation=\"")).0, 1);
        assert_eq!(Orientation::from_metadata(Some(&exif(&[])), xmp).0, 8);
        assert_eq!(Orientation::from_metadata(Some(&exif(&[(3, 1, [1, 0, 0, 0])])), xmp).0, 1);
        assert_eq!(Orientation::from_metadata(Some(b"garbage"), xmp).0, 1);
    }

    #[test]
    fn turns() {
        // 0 1 2
        // 3 4 5
        let picture = Picture { width: 3, height: 2, rgb: (0..6).flat_map(|i| [i, i, i]).collect() };
        let turned: [&[u8]; 8] = [
            &[0, 1, 2, 3, 4, 5],
            &[2, 1, 0, 5, 4, 3],
            &[5, 4, 3, 2, 1, 0],
            &[3, 4, 5, 0, 1, 2],
            &[0, 3, 1, 4, 2, 5],
            &[3, 0, 4, 1, 5, 2],
            &[5, 2, 4, 1, 3, 0],
            &[2, 5, 1, 4, 0, 3],
        ];
        for (number, expected) in (1..).zip(turned) {
            let result = Orientation(number).apply(picture.clone());
            let samples: Vec<u8> = result.rgb.iter().step_by(3).copied().collect();
            assert_eq!(samples, expected, "{number}");
            assert_eq!((result.width, result.height), if number < 5 { (3, 2) } else { (2, 3) });
        }
    }
}
