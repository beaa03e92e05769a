//! Clips of samples become the frames that a model is shown.

use crate::{ClipFile, Content, PictureFile, Sample};
use serde_json::Value;
use sha2::{Digest, Sha256};
use smolvlm_kernels::Pool;
use smolvlm_processor::{ClipChoice, ClipSettings, DecodeOptions, Message, Part, Picture, Processor};
use smolvlm_video::{Clip, ClipOptions, fill};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

/// What a clip becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipShown {
    /// Words and places for frames.
    pub parts: Vec<Part>,
    /// The frames, each of a tile's size.
    pub frames: Vec<Picture>,
}

/// Brings clips to their frames. The last clip is remembered; a folder, where there is one, keeps all, so that each is
/// decoded once.
pub struct ClipFrames {
    settings: ClipSettings,
    /// The side of a tile.
    tile: u32,
    options: ClipOptions,
    last: Mutex<Option<(Key, Arc<ClipShown>)>>,
    kept: Option<Kept>,
}

/// A folder of clips' frames: a film of PNGs for each, and its words beside it.
struct Kept {
    folder: PathBuf,
    /// The most bytes; what would go beyond is decoded again each time.
    limit: u64,
    bytes: Arc<AtomicU64>,
}

/// Which clip, shown how.
type Key = [u8; 32];

impl ClipFrames {
    /// Of clips as this processor shows them; none where the model sees nothing.
    pub fn of(processor: &Processor, choice: ClipChoice, decode: DecodeOptions) -> Option<ClipFrames> {
        let sight = processor.settings().sight.as_ref()?;
        let tile = sight.pictures.tile;
        Some(ClipFrames::new(choice.settings(sight.clips, tile), tile, decode))
    }

    /// Of clips that are shown so, as tiles of this side.
    pub fn new(settings: ClipSettings, tile: u32, decode: DecodeOptions) -> ClipFrames {
        let options = ClipOptions { decode, ..ClipOptions::default() };
        ClipFrames { settings, tile, options, last: Mutex::default(), kept: None }
    }

    /// The same, which keeps frames in a folder, as many bytes as `limit`. A run that comes later finds them there.
    ///
    /// # Errors
    /// The folder is there and cannot be looked into.
    pub fn keeping(self, folder: &Path, limit: u64) -> std::io::Result<ClipFrames> {
        let mut bytes: u64 = 0;
        if folder.is_dir() {
            // What another run writes now may be gone by the time that it is looked at.
            let films = std::fs::read_dir(folder)?.flatten().filter(|entry| is_kept(&entry.path()));
            bytes = films.filter_map(|entry| entry.metadata().ok()).map(|data| data.len()).sum();
        }
        let kept = Kept { folder: folder.to_owned(), limit, bytes: Arc::new(AtomicU64::new(bytes)) };
        Ok(ClipFrames { kept: Some(kept), ..self })
    }

    /// Another of the same clips, which keeps frames in the same folder within the same limit.
    pub fn beside(&self) -> ClipFrames {
        let kept = self.kept.as_ref();
        ClipFrames {
            settings: self.settings,
            tile: self.tile,
            options: self.options.clone(),
            last: Mutex::default(),
            kept: kept.map(|kept| Kept { folder: kept.folder.clone(), bytes: Arc::clone(&kept.bytes), ..*kept }),
        }
    }

    /// How they are shown.
    pub fn settings(&self) -> &ClipSettings {
        &self.settings
    }

    /// A sample with frames in the places of its clips.
    ///
    /// # Errors
    /// A clip cannot be shown, in words.
    pub fn expanded(&self, sample: Sample) -> Result<Sample, String> {
        if sample.clips.is_empty() {
            return Ok(sample);
        }
        let mut messages = match sample.content {
            Content::Chat(messages) => messages,
            Content::Document(parts) => vec![Message { role: String::new(), content: parts }],
        };
        let is_chat = messages.first().is_none_or(|message| !message.role.is_empty());
        let pictures = self.fill(&mut messages, sample.pictures, &sample.clips, PictureFile::Pixels)?;
        let content = match is_chat {
            true => Content::Chat(messages),
            false => Content::Document(messages.into_iter().flat_map(|message| message.content).collect()),
        };
        Ok(Sample { content, pictures, clips: Vec::new() })
    }

    /// Puts words and frames in the places of clips. What is returned takes the messages' places in order: the pictures, and
    /// what `frame` makes of frames.
    ///
    /// # Errors
    /// A clip cannot be shown, in words.
    pub fn fill<P>(
        &self,
        messages: &mut [Message],
        pictures: Vec<P>,
        clips: &[ClipFile],
        frame: impl Fn(Picture) -> P,
    ) -> Result<Vec<P>, String> {
        let places = messages.iter().flat_map(|message| &message.content).filter(|part| matches!(part, Part::Clip(_)));
        if places.count() > clips.len() {
            return Err("a place for a clip, and none for it".into());
        }
        let shown = |(at, clip)| self.shown(clip).map_err(|why| format!("clip {at}: {why}"));
        let shown = clips.iter().enumerate().map(shown).collect::<Result<Vec<_>, String>>()?;
        let clips = shown.iter().map(|shown| (&*shown.parts, shown.frames.iter().cloned().map(&frame).collect()));
        Ok(fill(messages, pictures, clips))
    }

    /// What a clip becomes.
    ///
    /// # Errors
    /// It cannot be shown, in words.
    pub fn shown(&self, clip: &ClipFile) -> Result<Arc<ClipShown>, String> {
        let key = self.key(clip)?;
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, shown)) = last().as_ref().filter(|(of, _)| *of == key) {
            return Ok(Arc::clone(shown));
        }
        let kept = self.kept.as_ref().filter(|_| !matches!(clip, ClipFile::Frames { .. }));
        let shown = match kept.and_then(|kept| kept.get(key)) {
            Some(shown) => Arc::new(shown),
            None => {
                let shown = Arc::new(self.decode(clip).map_err(|error| error.what())?);
                if let Some(kept) = kept {
                    kept.put(key, &shown);
                }
                shown
            }
        };
        *last() = Some((key, Arc::clone(&shown)));
        Ok(shown)
    }

    fn decode(&self, clip: &ClipFile) -> Result<ClipShown, smolvlm_video::Error> {
        let clip = match clip {
            ClipFile::Path(path) => Clip::open(path, &self.options)?,
            ClipFile::Bytes(bytes) => Clip::of_bytes(bytes, &self.options)?,
            ClipFile::Frames { frames, fps } => Clip::of_frames(frames.clone(), *fps, &self.options)?,
        };
        let planned = clip.plan(&self.settings)?;
        let mut frames = Vec::with_capacity(planned.chosen.len());
        clip.show(&planned, &self.settings, self.tile, &Pool::new(1), &mut |frame| {
            frames.push(frame.tile);
            ControlFlow::Continue(())
        })?;
        Ok(ClipShown { parts: planned.parts, frames })
    }

    /// Of a file its name, size and time are enough; of a folder of frames those of its files.
    fn key(&self, clip: &ClipFile) -> Result<Key, String> {
        let mut hash = Sha256::new();
        hash.update(format!("{:?} {}", self.settings, self.tile));
        match clip {
            ClipFile::Bytes(bytes) => hash.update(bytes),
            ClipFile::Frames { frames, fps } => {
                hash.update(fps.to_le_bytes());
                frames.iter().for_each(|frame| hash.update(&frame.rgb));
            }
            ClipFile::Path(path) => {
                let failed = |error: std::io::Error| format!("{}: {error}", path.display());
                let whole = path.canonicalize().map_err(failed)?;
                let mut files = vec![whole.clone()];
                if whole.is_dir() {
                    let entries = std::fs::read_dir(&whole).map_err(failed)?;
                    files.extend(entries.flatten().map(|entry| entry.path()));
                    files.sort();
                }
                for file in files {
                    let data = std::fs::metadata(&file).map_err(failed)?;
                    let time = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                    hash.update(format!("{} {} {time:?}\n", file.display(), data.len()));
                }
            }
        }
        Ok(hash.finalize().into())
    }
}

/// Whether a file is a film or its words.
fn is_kept(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "png" || ending == "json")
}

impl Kept {
    fn path(&self, key: Key, ending: &str) -> PathBuf {
        let name: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(name).with_extension(ending)
    }

    /// What cannot be read counts as not kept.
    fn get(&self, key: Key) -> Option<ClipShown> {
        let film = std::fs::read(self.path(key, "png")).ok()?;
        let words: Vec<Value> = serde_json::from_slice(&std::fs::read(self.path(key, "json")).ok()?).ok()?;
        let part = |word: Value| match word {
            Value::String(text) => Part::Text(text),
            _ => Part::Frame,
        };
        let parts: Vec<Part> = words.into_iter().map(part).collect();
        let count = parts.iter().filter(|part| part.is_place()).count();
        let wanted: Vec<u32> = (0..u32::try_from(count).ok()?).collect();
        let mut frames = Vec::with_capacity(count);
        let read = Picture::frames(&film, &wanted, &DecodeOptions::default(), &mut |_, frame| {
            frames.push(frame);
            ControlFlow::Continue(())
        });
        (read.is_ok() && frames.len() == count).then_some(ClipShown { parts, frames })
    }

    /// A disk that is full keeps nothing, and nothing is lost.
    fn put(&self, key: Key, shown: &ClipShown) {
        let Ok(film) = Picture::to_apng(&shown.frames, 1.0) else { return };
        let word = |part: &Part| if let Part::Text(text) = part { Value::from(text.as_str()) } else { Value::Null };
        let words = Value::from(shown.parts.iter().map(word).collect::<Vec<_>>()).to_string();
        let size = (film.len() + words.len()) as u64;
        let fits = self.bytes.load(Ordering::Relaxed) + size <= self.limit;
        if !fits || std::fs::create_dir_all(&self.folder).is_err() {
            return;
        }
        // The film comes last: where it is, the words are.
        if self.write(key, "json", words.as_bytes()) && self.write(key, "png", &film) {
            self.bytes.fetch_add(size, Ordering::Relaxed);
        }
    }

    fn write(&self, key: Key, ending: &str, bytes: &[u8]) -> bool {
        tempfile::NamedTempFile::new_in(&self.folder)
            .and_then(|mut file| file.write_all(bytes).map(|()| file))
            .is_ok_and(|file| file.persist(self.path(key, ending)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_processor::{ClipDefaults, ClipMode, MediaSource};

    fn frames() -> ClipFrames {
        let defaults = ClipDefaults { mode: ClipMode::SmolVlm2, fps: 1.0, max_frames: 64, edge: 16 };
        ClipFrames::new(ClipSettings::new(ClipMode::SmolVlm2, defaults, 16), 16, DecodeOptions::default())
    }

    fn drawn(count: u8) -> ClipFile {
        let frame = |at: u8| Picture { width: 16, height: 16, rgb: vec![40 * at; 768] };
        ClipFile::Frames { frames: (0..count).map(frame).collect(), fps: 1.0 }
    }

    fn film() -> ClipFile {
        ClipFile::Path(smolvlm_golden::folder().join("pictures/gif-frames-1.gif"))
    }

    #[test]
    fn a_clip_takes_its_place() {
        let question = vec![
            Part::Image(MediaSource::Given),
            Part::Clip(MediaSource::Given),
            Part::Image(MediaSource::Given),
            Part::Text("Q".into()),
        ];
        let picture = |at: u8| PictureFile::Bytes(vec![at]);
        let sample = Sample {
            content: Content::Chat(vec![Message { role: "user".into(), content: question.clone() }]),
            pictures: vec![picture(1), picture(2)],
            clips: vec![drawn(3)],
        };
        let expanded = frames().expanded(sample.clone()).unwrap();
        assert!(expanded.clips.is_empty() && expanded.pictures.len() == 5);
        assert!(expanded.pictures[0] == picture(1) && expanded.pictures[4] == picture(2));
        let Content::Chat(messages) = &expanded.content else { panic!("{expanded:?}") };
        let parts = &messages[0].content;
        assert_eq!(parts.iter().filter(|part| **part == Part::Frame).count(), 3);
        assert!(matches!(&parts[1], Part::Text(text) if text.contains("three frames")), "{parts:?}");
        assert_eq!(parts.last(), question.last());
        let document = Sample { content: Content::Document(question), ..sample };
        let Content::Document(of_document) = frames().expanded(document).unwrap().content else { panic!() };
        assert_eq!(&of_document, parts);
    }

    #[test]
    fn frames_are_decoded_once() {
        let folder = tempfile::tempdir().unwrap();
        let keeping = |limit| frames().keeping(folder.path(), limit).unwrap();
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        let fresh = keeping(1).shown(&film()).unwrap();
        assert!(files() == 0 && !fresh.frames.is_empty(), "no room");
        assert_eq!(keeping(1 << 20).shown(&film()).unwrap(), fresh);
        assert_eq!(files(), 2);
        assert_eq!(keeping(1 << 20).shown(&film()).unwrap(), fresh, "what was kept");
        // Other frames in its place tell that they are what is read.
        let mut kept = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let film_of_pngs = kept.find(|path| path.extension().is_some_and(|e| e == "png")).unwrap();
        let black = vec![Picture { width: 16, height: 16, rgb: vec![0; 768] }; fresh.frames.len()];
        std::fs::write(&film_of_pngs, Picture::to_apng(&black, 1.0).unwrap()).unwrap();
        assert_eq!(keeping(1 << 20).shown(&film()).unwrap().frames, black);
        // Spoiled: it is decoded again.
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::write(entry.unwrap().path(), "x").unwrap();
        }
        assert_eq!(keeping(1 << 20).shown(&film()).unwrap(), fresh);
        let bytes = std::fs::read(smolvlm_golden::folder().join("pictures/gif-frames-1.gif")).unwrap();
        assert_eq!(frames().shown(&ClipFile::Bytes(bytes)).unwrap(), fresh);
        let none = frames().shown(&ClipFile::Path("none.mp4".into())).unwrap_err();
        assert!(none.contains("none.mp4"), "{none}");
    }
}
