//! Features of pictures that a frozen tower made, kept on disk: a picture is encoded once, however often it is seen.

use crate::load::Trained;
use crate::pass::Reach;
use crate::{Config, Error};
use sha2::{Digest, Sha256};
use smolvlm_processor::{DecodeOptions, PicturePlan};
use smolvlm_sys::Files;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Which features: a hash of all that they follow from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key([u8; 32]);

/// The folder of features.
pub(crate) struct FeatureCache {
    folder: PathBuf,
    /// The most bytes.
    limit: u64,
    /// Of what makes them: the model's files.
    maker: [u8; 32],
    state: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    files: BTreeMap<Key, (u64, u64)>,
    bytes: u64,
    /// Counts uses: the file that was used longest ago goes first.
    clock: u64,
}

const ENDING: &str = "f32";

impl FeatureCache {
    /// Of a run, where the tower is frozen in every stage and features are kept.
    ///
    /// # Errors
    /// As [`FeatureCache::open`], or the model's weights cannot be read.
    pub(crate) fn of_run(config: &Config, trained: &Trained) -> Result<Option<FeatureCache>, Error> {
        let reach = Reach::of(&trained.parameters.masters);
        if config.cache.limit_mib == 0 || reach.vision {
            return Ok(None);
        }
        let folder = config.cache.folder.clone().unwrap_or_else(|| config.output.join("features"));
        let maker = maker(&config.base()?, &format!("{:?} {reach:?}", config.dtype))?;
        FeatureCache::open(&folder, config.cache.limit_mib << 20, maker).map(Some)
    }

    /// Opens the folder; features of former runs count.
    ///
    /// # Errors
    /// Where it cannot be made or looked into.
    pub(crate) fn open(folder: &Path, limit: u64, maker: [u8; 32]) -> Result<FeatureCache, Error> {
        let failed = |source| Error::file(folder, source);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)?.flatten() {
            let path = entry.path();
            let key = path.file_stem().and_then(|stem| Key::parse(&stem.to_string_lossy()));
            let (Some(key), Ok(data)) = (key, entry.metadata()) else { continue };
            if path.extension().is_some_and(|e| e == ENDING) {
                found.push((data.modified().unwrap_or(SystemTime::UNIX_EPOCH), key, data.len()));
            }
        }
        found.sort();
        let mut known = Known::default();
        for (_, key, bytes) in found {
            known.clock += 1;
            known.bytes += bytes;
            known.files.insert(key, (bytes, known.clock));
        }
        let cache = FeatureCache { folder: folder.to_path_buf(), limit, maker, state: Mutex::new(known) };
        cache.shrink();
        Ok(cache)
    }

    /// The key of a picture's features.
    pub(crate) fn key(&self, bytes: &[u8], plan: &PicturePlan, decode: &DecodeOptions) -> Key {
        let mut hash = Sha256::new();
        hash.update(self.maker);
        hash.update(format!("{plan:?} {decode:?}"));
        hash.update(bytes);
        Key(hash.finalize().into())
    }

    /// Features of `len` numbers, where they are kept. What cannot be read counts as not kept.
    pub(crate) fn get(&self, key: Key, len: usize) -> Option<Vec<f32>> {
        let mut known = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        known.clock += 1;
        let clock = known.clock;
        let (bytes, used) = known.files.get_mut(&key)?;
        if *bytes != 4 * len as u64 {
            return None;
        }
        *used = clock;
        drop(known);
        let bytes = std::fs::read(self.path(key)).ok()?;
        let numbers = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<f32>>();
        (numbers.len() == len).then_some(numbers)
    }

    /// Whether features are kept.
    pub(crate) fn has(&self, key: Key) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).files.contains_key(&key)
    }

    /// Keeps features. A disk that is full keeps none, and nothing is lost.
    pub(crate) fn put(&self, key: Key, numbers: &[f32]) {
        let size = 4 * numbers.len() as u64;
        if size > self.limit {
            return;
        }
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        let written = tempfile::NamedTempFile::new_in(&self.folder)
            .and_then(|mut file| file.write_all(&bytes).map(|()| file))
            .is_ok_and(|file| file.persist(self.path(key)).is_ok());
        if written {
            let mut known = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            known.clock += 1;
            let entry = (size, known.clock);
            known.bytes += size;
            if let Some((old, _)) = known.files.insert(key, entry) {
                known.bytes -= old;
            }
            drop(known);
            self.shrink();
        }
    }

    /// Lets the features go that were used longest ago, until the rest fits.
    fn shrink(&self) {
        let mut known = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while known.bytes > self.limit {
            let Some((&key, &(bytes, _))) = known.files.iter().min_by_key(|(_, (_, used))| *used) else { return };
            known.files.remove(&key);
            known.bytes -= bytes;
            let _ = std::fs::remove_file(self.path(key));
        }
    }

    fn path(&self, key: Key) -> PathBuf {
        let name: String = key.0.iter().map(|b| format!("{b:02x}")).collect();
        self.folder.join(name).with_extension(ENDING)
    }
}

/// A hash of what makes features: the weights of the tower and the connector, and how they are used.
fn maker(model: &Files, how: &str) -> Result<[u8; 32], Error> {
    let checkpoint = smolvlm_model::Checkpoint::open(model)?;
    let mut hash = Sha256::new();
    hash.update(how);
    for name in checkpoint.names().filter(|name| !name.starts_with(smolvlm_model::vlm::TEXT)) {
        if let Some((shape, dtype, bytes)) = checkpoint.raw(name) {
            hash.update(format!("{name} {shape:?} {dtype:?}"));
            hash.update(bytes);
        }
    }
    Ok(hash.finalize().into())
}

impl Key {
    fn parse(text: &str) -> Option<Key> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut key = [0; 32];
        for (byte, at) in key.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Key(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_processor::PictureSettings;

    #[test]
    fn features_come_back_until_others_need_their_room() {
        let dir = tempfile::tempdir().unwrap();
        let open = |maker: u8| FeatureCache::open(dir.path(), 3000, [maker; 32]).unwrap();
        let cache = open(1);
        let plan = PictureSettings { longest_edge: 64, tile: 16, split: true, resize: true }.plan(20, 10).unwrap();
        let decode = DecodeOptions::default();
        let key = |cache: &FeatureCache, name: &str| cache.key(name.as_bytes(), &plan, &decode);
        let numbers = |x: f32| vec![x; 250];
        for (name, x) in [("a", 1.0), ("b", 2.0), ("c", 3.0)] {
            cache.put(key(&cache, name), &numbers(x));
        }
        assert_eq!(cache.get(key(&cache, "a"), 250), Some(numbers(1.0)));
        cache.put(key(&cache, "d"), &numbers(4.0));
        // The one that was used longest ago is gone; the rest is there in a later run, too.
        let cache = open(1);
        assert!(cache.get(key(&cache, "b"), 250).is_none() && cache.get(key(&cache, "a"), 250).is_some());
        let other = PictureSettings { longest_edge: 64, tile: 16, split: true, resize: true }.plan(10, 20).unwrap();
        assert!(cache.get(cache.key(b"a", &other, &decode), 250).is_none(), "the same bytes as another shape");
        assert!(cache.get(key(&cache, "a"), 251).is_none(), "of another size");
        assert!(open(2).get(key(&open(2), "a"), 250).is_none(), "of another model");
    }
}
