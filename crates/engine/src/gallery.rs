//! The pictures that requests show: decoded ahead on the pool, seen once, and remembered as long as there is room.

use crate::lru::Lru;
use crate::{Engine, Error, Features};
use smolvlm_processor::{DecodeOptions, Picture, PictureSettings, PlanOptions};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The most bytes of features that are remembered.
const FEATURES: usize = 256 << 20;
/// Pictures that are decoded together.
const TOGETHER: usize = 8;
/// From so many pictures on, or so many bytes of them, none is decoded ahead.
const AHEAD: usize = 32;
const AHEAD_BYTES: usize = 64 << 20;

/// Where a picture comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PictureSource {
    /// A file.
    File(PathBuf),
    /// The bytes of a file.
    Bytes(Arc<[u8]>),
    /// A frame of a clip, of a tile's size, which takes the place of a `Part::Frame`.
    Frame(Arc<Picture>),
}

impl PictureSource {
    /// What is wrong with it, with its name where it has one.
    pub(crate) fn named(&self, error: smolvlm_processor::Error) -> Error {
        Error::Processor(match self {
            PictureSource::File(path) => {
                smolvlm_processor::Error::PictureFile { path: path.display().to_string(), source: Box::new(error) }
            }
            PictureSource::Bytes(_) | PictureSource::Frame(_) => error,
        })
    }

    fn open(&self, options: &DecodeOptions) -> Result<Picture, Error> {
        Ok(match self {
            PictureSource::File(path) => Picture::open(path, options)?,
            PictureSource::Bytes(bytes) => Picture::decode(bytes, options)?,
            PictureSource::Frame(tile) => (**tile).clone(),
        })
    }

    /// Whether it is taken as it is.
    pub(crate) fn is_frame(&self) -> bool {
        matches!(self, PictureSource::Frame(_))
    }
}

/// What tells features from others: the picture, and those options of the plan that change them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    picture: PictureSource,
    longest_edge: Option<u32>,
    split: Option<bool>,
}

impl Key {
    pub(crate) fn new(picture: &PictureSource, options: &PlanOptions) -> Key {
        Key { picture: picture.clone(), longest_edge: options.longest_edge, split: options.split }
    }

    fn settings(&self, engine: &Engine) -> Result<PictureSettings, Error> {
        let options = PlanOptions { longest_edge: self.longest_edge, split: self.split, ..PlanOptions::default() };
        engine.picture_settings(&options, self.picture.is_frame())
    }
}

/// Pictures, decoded and seen.
pub(crate) struct Gallery {
    options: DecodeOptions,
    /// Those that have not passed the tower. What cannot be used stays until it is asked for.
    decoded: BTreeMap<Key, Result<Picture, Error>>,
    seen: Lru<Key, Features>,
}

impl Gallery {
    pub(crate) fn new(options: DecodeOptions) -> Gallery {
        Gallery { options, decoded: BTreeMap::new(), seen: Lru::new(FEATURES) }
    }

    /// The (width, height) of pictures; where one of them is not decoded yet it is, and some of the `next` with it.
    ///
    /// # Errors
    /// The first that cannot be read or is no picture.
    pub(crate) fn sizes(
        &mut self,
        engine: &Engine,
        keys: &[Key],
        next: impl Iterator<Item = Key>,
    ) -> Result<Vec<(u32, u32)>, Error> {
        if !keys.iter().all(|key| self.knows(key)) {
            self.decode(engine, keys, next);
        }
        keys.iter().map(|key| self.size(key)).collect()
    }

    /// Features of pictures whose sizes were asked for.
    ///
    /// # Errors
    /// The first that cannot be cut into tiles.
    pub(crate) fn features(&mut self, engine: &Engine, keys: &[Key]) -> Result<Vec<Features>, Error> {
        if !self.has_seen(keys) {
            self.see(engine, keys);
        }
        let features = keys.iter().map(|key| self.of_one(engine, key)).collect();
        self.seen.trim();
        features
    }

    /// Whether none of these has to pass the tower first.
    pub(crate) fn has_seen(&self, keys: &[Key]) -> bool {
        keys.iter().all(|key| self.seen.contains(key))
    }

    /// Lets pictures go that need not be seen, as their request is refused.
    pub(crate) fn let_go(&mut self, keys: &[Key]) {
        keys.iter().for_each(|key| _ = self.decoded.remove(key));
    }

    fn knows(&self, key: &Key) -> bool {
        self.seen.contains(key) || self.decoded.contains_key(key)
    }

    /// Decodes all of these, and of the next ones as many as there is room for.
    fn decode(&mut self, engine: &Engine, keys: &[Key], next: impl Iterator<Item = Key>) {
        let room = AHEAD.saturating_sub(self.decoded.len());
        let mut wanted: Vec<Key> = Vec::new();
        let want = |wanted: &mut Vec<Key>, key: Key| {
            if !self.knows(&key) && !wanted.contains(&key) {
                wanted.push(key);
            }
        };
        keys.iter().for_each(|key| want(&mut wanted, key.clone()));
        let own = wanted.len();
        for key in next {
            if wanted.len() >= own + room {
                break;
            }
            want(&mut wanted, key);
        }
        let mut done = 0;
        for group in wanted.chunks(TOGETHER) {
            if done >= own && self.decoded_bytes() >= AHEAD_BYTES {
                break;
            }
            let mut slots: Vec<(&Key, Option<Result<Picture, Error>>)> = group.iter().map(|key| (key, None)).collect();
            let options = &self.options;
            engine.core.backend.pool().chunks(&mut slots, 1, |_, slot| {
                slot.iter_mut().for_each(|(key, picture)| *picture = Some(key.picture.open(options)));
            });
            let decoded = slots.into_iter().filter_map(|(key, picture)| Some((key.clone(), picture?)));
            self.decoded.extend(decoded);
            done += group.len();
        }
    }

    fn decoded_bytes(&self) -> usize {
        self.decoded.values().flatten().map(|picture| picture.rgb.len()).sum()
    }

    /// A picture that has not passed the tower, which is decoded if nobody has done so.
    fn take(&mut self, key: &Key) -> Result<Picture, Error> {
        self.decoded.remove(key).unwrap_or_else(|| key.picture.open(&self.options))
    }

    fn size(&mut self, key: &Key) -> Result<(u32, u32), Error> {
        if let Some(features) = self.seen.get(key) {
            return Ok(features.size());
        }
        let picture = self.take(key)?;
        let size = (picture.width, picture.height);
        self.decoded.insert(key.clone(), Ok(picture));
        Ok(size)
    }

    fn of_one(&mut self, engine: &Engine, key: &Key) -> Result<Features, Error> {
        match self.seen.get(key) {
            Some(features) => Ok(features.clone()),
            None => engine.see_as(&self.take(key)?, &key.settings(engine)?),
        }
    }

    /// Brings these through the tower, and others as long as they share its pass.
    fn see(&mut self, engine: &Engine, keys: &[Key]) {
        let mut room = engine.tiles_together();
        let mut now = Vec::new();
        let own = keys.iter().filter(|key| !self.seen.contains(key)).cloned().collect::<Vec<Key>>();
        let others = self.decoded.keys().filter(|key| !own.contains(key)).cloned().collect::<Vec<Key>>();
        for (place, key) in own.iter().chain(&others).enumerate() {
            // What cannot be asked so fails when it is asked for.
            let (Some(Ok(picture)), Ok(settings)) = (self.decoded.get(key), key.settings(engine)) else { continue };
            let tiles = engine.tiles(picture, &settings);
            if place < own.len() || tiles <= room {
                room = room.saturating_sub(tiles);
                now.extend(self.decoded.remove_entry(key).map(|(key, picture)| (key, picture, settings)));
            }
        }
        let pictures = now.iter().filter_map(|(_, picture, settings)| Some((picture.as_ref().ok()?, *settings)));
        let features = engine.see_all(&pictures.collect::<Vec<_>>());
        for ((key, ..), features) in now.into_iter().zip(features) {
            match features {
                Ok(features) => {
                    let bytes = features.bytes();
                    self.seen.put(key, features, bytes);
                }
                Err(error) => _ = self.decoded.insert(key, Err(error)),
            }
        }
    }
}
