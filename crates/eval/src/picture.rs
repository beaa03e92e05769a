//! The pictures that are shown: read, seen once, and remembered as long as there is room.

use sha2::{Digest, Sha256};
use smolvlm_data::{ClipFile, PictureFile};
use smolvlm_engine::{Engine, Features};
use smolvlm_processor::{DecodeOptions, Picture, PlanOptions};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The most bytes of features that are remembered.
const ROOM: usize = 256 << 20;
/// What a blank picture is of.
const GREY: u8 = 128;

/// What is shown in a picture's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A picture of the data.
    File(PictureFile),
    /// Grey of this width and height.
    Grey(u32, u32),
    /// A frame of a clip, of a tile's size.
    Frame(Picture),
}

/// What tells one picture from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Path(PathBuf),
    Digest([u8; 32]),
    Grey(u32, u32),
    Frame([u8; 32]),
    Clip(Box<Key>),
}

/// What tells a clip from others.
pub(crate) fn clip_key(clip: &ClipFile) -> Key {
    Key::Clip(Box::new(match clip {
        ClipFile::Path(path) => Key::Path(path.clone()),
        ClipFile::Bytes(bytes) => Key::Digest(Sha256::digest(bytes).into()),
        ClipFile::Frames { frames, fps } => {
            let start = Sha256::new().chain_update(fps.to_le_bytes());
            let all = frames.iter().fold(start, |hash, frame| hash.chain_update(&frame.rgb));
            Key::Digest(all.finalize().into())
        }
    }))
}

impl Shown {
    /// Its key: of bytes their digest.
    pub(crate) fn key(&self) -> Key {
        match self {
            Shown::File(PictureFile::Path(path)) => Key::Path(path.clone()),
            Shown::File(PictureFile::Bytes(bytes)) => Key::Digest(Sha256::digest(bytes).into()),
            Shown::File(PictureFile::Pixels(picture)) => {
                let size = [picture.width.to_le_bytes(), picture.height.to_le_bytes()].concat();
                Key::Digest(Sha256::new().chain_update(size).chain_update(&picture.rgb).finalize().into())
            }
            Shown::Grey(width, height) => Key::Grey(*width, *height),
            Shown::Frame(tile) => Key::Frame(Sha256::digest(&tile.rgb).into()),
        }
    }

    /// The picture.
    pub(crate) fn open(&self, decode: &DecodeOptions) -> Result<Picture, String> {
        let wrong = |e: smolvlm_processor::Error| e.to_string();
        match self {
            Shown::File(PictureFile::Path(path)) => Picture::open(path, decode).map_err(wrong),
            Shown::File(PictureFile::Bytes(bytes)) => Picture::decode(bytes, decode).map_err(wrong),
            Shown::File(PictureFile::Pixels(picture)) => Ok(picture.clone()),
            &Shown::Grey(width, height) => {
                let bytes = (width as usize).checked_mul(height as usize).and_then(|pixels| pixels.checked_mul(3));
                let rgb = vec![GREY; bytes.ok_or("too large")?];
                Ok(Picture { width, height, rgb })
            }
            Shown::Frame(tile) => Ok(tile.clone()),
        }
    }

    /// A file of it, for whoever takes files.
    pub(crate) fn file(&self, decode: &DecodeOptions) -> Result<Vec<u8>, String> {
        let wrong = |e: smolvlm_processor::Error| e.to_string();
        match self {
            Shown::File(file) => {
                let data = file.clone().read(decode).map_err(wrong)?;
                data.encoded().map(std::borrow::Cow::into_owned).map_err(wrong)
            }
            other => other.open(decode)?.to_png().map_err(wrong),
        }
    }

    /// A frame, or grey in its place.
    pub(crate) fn frame(mut tile: Picture, blank: bool) -> Shown {
        if blank {
            tile.rgb.fill(GREY);
        }
        Shown::Frame(tile)
    }

    /// Grey of the picture's size.
    pub(crate) fn blank(&self, decode: &DecodeOptions) -> Result<Shown, String> {
        let size = match self {
            Shown::File(file) => file.size(decode),
            Shown::Grey(width, height) => Ok((*width, *height)),
            Shown::Frame(tile) => Ok((tile.width, tile.height)),
        };
        size.map(|(width, height)| Shown::Grey(width, height)).map_err(|e| e.to_string())
    }
}

/// Features of the pictures that were shown last: several questions about one cost it once.
#[derive(Default)]
pub(crate) struct Gallery {
    /// The last one last.
    seen: Vec<(Key, Features)>,
    bytes: usize,
}

impl Gallery {
    /// The features of pictures, each with what tells it from others; of what cannot be shown why. Those that are not
    /// remembered pass the tower together.
    pub(crate) fn see(
        &mut self,
        engine: &Engine,
        shown: &[Arc<Shown>],
        (decode, plan): (&DecodeOptions, &PlanOptions),
    ) -> BTreeMap<Key, Result<Features, String>> {
        let mut all: BTreeMap<Key, Result<Features, String>> = BTreeMap::new();
        let mut new: Vec<(Key, &Shown)> = Vec::new();
        for shown in shown {
            let key = shown.key();
            if all.contains_key(&key) || new.iter().any(|(other, _)| *other == key) {
                continue;
            }
            match self.remembered(&key) {
                Some(features) => _ = all.insert(key, Ok(features)),
                None => new.push((key, shown)),
            }
        }
        let open = |(_, shown): &(Key, &Shown)| Ok((shown.open(decode)?, matches!(shown, Shown::Frame(_))));
        let seen = engine.see_each(&new, plan, open);
        for ((key, _), features) in new.into_iter().zip(seen) {
            if let Ok(features) = &features {
                self.remember(key.clone(), features.clone());
            }
            all.insert(key, features);
        }
        all
    }

    /// A picture's features, which then are those that were shown last.
    fn remembered(&mut self, key: &Key) -> Option<Features> {
        let at = self.seen.iter().rposition(|(seen, _)| seen == key)?;
        let entry = self.seen.remove(at);
        let features = entry.1.clone();
        self.seen.push(entry);
        Some(features)
    }

    fn remember(&mut self, key: Key, features: Features) {
        self.bytes += features.bytes();
        self.seen.push((key, features));
        while self.bytes > ROOM && self.seen.len() > 1 {
            let (_, gone) = self.seen.remove(0);
            self.bytes -= gone.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_in_another_shape_are_another_picture() {
        let key = |width, height| {
            let rgb = vec![7; 36];
            Shown::File(PictureFile::Pixels(Picture { width, height, rgb })).key()
        };
        assert_eq!(key(3, 4), key(3, 4));
        assert!(key(3, 4) != key(4, 3) && key(2, 6) != key(3, 4) && key(12, 1) != key(1, 12));
        assert_ne!(Shown::Grey(3, 4).key(), Shown::Grey(4, 3).key());
    }
}
