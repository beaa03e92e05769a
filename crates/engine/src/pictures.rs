//! Pictures that were seen, known by their pixels: whoever shows one again, in whatever file, finds its features.

use crate::lru::Lru;
use crate::{Error, Features, PictureSource};
use sha2::{Digest, Sha256};
use smolvlm_processor::{DecodeOptions, Picture, PictureSettings};
use std::sync::Arc;

/// SHA-256.
type Sum = [u8; 32];

/// Files whose pixels are known without decoding them.
const FILES: usize = 4096;

/// What tells a picture's features from others': its size and pixels, and the settings that change what becomes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PictureKey {
    pixels: Sum,
    longest_edge: u32,
    split: bool,
    resize: bool,
}

#[cfg(test)]
impl PictureKey {
    /// Of some picture that a test calls so.
    pub(crate) fn named(name: u8) -> PictureKey {
        PictureKey { pixels: [name; 32], longest_edge: 1, split: true, resize: true }
    }
}

/// A picture that was looked at: what it shows is known, and perhaps decoded.
pub(crate) struct Look {
    source: Source,
    pixels: Sum,
    size: (u32, u32),
    picture: Option<Picture>,
}

/// What a picture can be had from again.
enum Source {
    /// A file's bytes.
    File(Arc<[u8]>),
    /// A frame.
    Frame(Arc<Picture>),
}

impl Look {
    /// Its width and height.
    pub(crate) fn size(&self) -> (u32, u32) {
        self.size
    }

    /// What its features are known by.
    pub(crate) fn key(&self, settings: &PictureSettings) -> PictureKey {
        let PictureSettings { longest_edge, split, resize, .. } = *settings;
        PictureKey { pixels: self.pixels, longest_edge, split, resize }
    }

    /// The picture, decoded once more if it had to be.
    ///
    /// # Errors
    /// It is no picture, though it was one.
    pub(crate) fn take(&mut self, options: &DecodeOptions) -> Result<Picture, Error> {
        match (self.picture.take(), &self.source) {
            (Some(picture), _) => Ok(picture),
            (None, Source::File(bytes)) => Ok(Picture::decode(bytes, options)?),
            (None, Source::Frame(tile)) => Ok((**tile).clone()),
        }
    }

    /// Whether it is taken as it is.
    pub(crate) fn is_frame(&self) -> bool {
        matches!(self.source, Source::Frame(_))
    }
}

/// What was seen.
pub(crate) struct Pictures {
    pub(crate) decode: DecodeOptions,
    /// By the sum of a file's bytes, what its pixels' is and their width and height.
    files: Lru<Sum, (Sum, (u32, u32))>,
    seen: Lru<PictureKey, Features>,
}

impl Pictures {
    /// None yet; features take at most so many bytes.
    pub(crate) fn new(decode: DecodeOptions, most: usize) -> Pictures {
        Pictures { decode, files: Lru::new(FILES), seen: Lru::new(most) }
    }

    /// Reads a picture's file, and decodes it where its pixels are not known.
    ///
    /// # Errors
    /// It cannot be read or is no picture.
    pub(crate) fn look(&mut self, source: &PictureSource) -> Result<Look, Error> {
        let bytes: Arc<[u8]> = match source {
            PictureSource::File(path) => Picture::read(path, &self.decode)?.into(),
            PictureSource::Bytes(bytes) => Arc::clone(bytes),
            PictureSource::Frame(tile) => {
                let (source, pixels, size) = (Source::Frame(Arc::clone(tile)), sum(tile), (tile.width, tile.height));
                return Ok(Look { source, pixels, size, picture: None });
            }
        };
        let of_file: Sum = Sha256::digest(&bytes).into();
        if let Some(&(pixels, size)) = self.files.get(&of_file) {
            return Ok(Look { source: Source::File(bytes), pixels, size, picture: None });
        }
        let picture = Picture::decode(&bytes, &self.decode).map_err(|error| source.named(error))?;
        let (pixels, size) = (sum(&picture), (picture.width, picture.height));
        self.files.put(of_file, (pixels, size), 1);
        self.files.trim();
        Ok(Look { source: Source::File(bytes), pixels, size, picture: Some(picture) })
    }

    /// Features, if they are there.
    pub(crate) fn features(&mut self, key: &PictureKey) -> Option<Features> {
        self.seen.get(key).cloned()
    }

    /// Keeps features as long as there is room for them.
    pub(crate) fn keep(&mut self, key: PictureKey, features: Features) {
        let bytes = features.bytes();
        self.seen.put(key, features, bytes);
        self.seen.trim();
    }

    /// Lets the features go that were not used for longest; whether there were any.
    pub(crate) fn let_go(&mut self) -> bool {
        self.seen.let_go()
    }

    /// What all features take.
    pub(crate) fn bytes(&self) -> usize {
        self.seen.bytes()
    }
}

/// Of a picture's size and pixels.
fn sum(picture: &Picture) -> Sum {
    let size = [picture.width.to_le_bytes(), picture.height.to_le_bytes()].concat();
    Sha256::new().chain_update(size).chain_update(&picture.rgb).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bmp(width: u32, height: u32) -> PictureSource {
        // As many pixels, all black, in another shape: rows are padded to four bytes.
        let row = (3 * width).next_multiple_of(4);
        let mut file = b"BM".to_vec();
        for number in [54 + row * height, 0, 54, 40, width, height, 24 << 16 | 1, 0, row * height, 0, 0, 0, 0] {
            file.extend(number.to_le_bytes());
        }
        file.resize(file.len() + (row * height) as usize, 0);
        PictureSource::Bytes(file.into())
    }

    #[test]
    fn the_same_bytes_in_another_shape_or_with_other_settings_are_another_picture() {
        let mut pictures = Pictures::new(DecodeOptions::default(), 1 << 20);
        let mut look = |source: &PictureSource| pictures.look(source).unwrap();
        let settings = PictureSettings { longest_edge: 2048, tile: 512, split: true, resize: true };
        let wide = look(&bmp(8, 4));
        let again = look(&bmp(8, 4));
        assert!(wide.picture.is_some() && again.picture.is_none(), "what is known is not decoded again");
        assert_eq!((again.key(&settings), again.size()), (wide.key(&settings), (8, 4)));
        let high = look(&bmp(4, 8));
        assert_eq!(wide.picture.as_ref().unwrap().rgb, high.picture.as_ref().unwrap().rgb);
        let keys = [
            wide.key(&settings),
            high.key(&settings),
            wide.key(&PictureSettings { longest_edge: 1024, ..settings }),
            wide.key(&PictureSettings { split: false, ..settings }),
        ];
        for (place, key) in keys.iter().enumerate() {
            assert!(!keys[..place].contains(key), "{key:?}");
        }
        // The same pixels in a file of other bytes.
        let PictureSource::Bytes(mut file) = bmp(8, 4) else { unreachable!() };
        Arc::make_mut(&mut file)[6] = 1;
        let other = look(&PictureSource::Bytes(file));
        assert!(other.picture.is_some() && other.key(&settings) == wide.key(&settings));
        let mut again = again;
        assert_eq!(again.take(&DecodeOptions::default()).unwrap().rgb, vec![0; 96]);
    }
}
