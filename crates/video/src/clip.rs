//! A clip, wherever it lies.

use crate::ffmpeg::{Film, Programs};
use crate::times::Times;
use crate::{Error, animation, folder};
use smolvlm_processor::{ClipInfo, DecodeOptions, Picture};
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Frames a second of folders that say nothing of theirs.
const FOLDER_FPS: f64 = 1.0;

/// How clips are opened.
#[derive(Debug, Clone, Default)]
pub struct ClipOptions {
    /// FFmpeg.
    pub programs: Programs,
    /// How pictures of animations and folders are read; no frame may have more pixels.
    pub decode: DecodeOptions,
    /// Frames a second of folders.
    pub fps: Option<f64>,
    /// Frames are chosen, and their times told, by the clock, where a clip's frames come at an uneven rate. The reference
    /// takes all clips as even.
    pub true_times: bool,
}

/// A clip whose frames can be asked for.
pub struct Clip {
    pub(crate) path: PathBuf,
    pub(crate) options: ClipOptions,
    times: Times,
    kind: Kind,
    /// A film's file, which goes with it, where it had none.
    _file: Option<NamedTempFile>,
}

enum Kind {
    /// Decoded by FFmpeg.
    Film(Box<Film>),
    /// The bytes of an animated picture.
    Animation(Vec<u8>),
    /// Files of frames.
    Folder(Vec<PathBuf>),
    /// The frames themselves.
    Frames(Vec<Picture>),
}

impl Clip {
    /// Opens a film, an animated picture or a folder of frames, and finds out how many frames it has and when they are shown;
    /// none is decoded.
    ///
    /// # Errors
    /// It cannot be read, has no frames, or FFmpeg is needed and missing, refuses it or hangs.
    pub fn open(path: &Path, options: &ClipOptions) -> Result<Clip, Error> {
        let (times, kind) = if path.is_dir() {
            let files = folder::frames(path)?;
            (Times::even(files.len(), options.fps.unwrap_or(FOLDER_FPS)), Kind::Folder(files))
        } else if animation::is_still(&start(path)?) {
            let what = "a still picture, no clip; showing it as a picture would be right".into();
            return Err(Error::NoFrames { path: path.display().to_string(), what });
        } else if animation::is_one(&start(path)?) {
            let (bytes, times) = animation::open(path, &options.decode)?;
            (times, Kind::Animation(bytes))
        } else {
            let film = Film::open(path, &options.programs, options.decode.max_pixels)?;
            (film.times().clone(), Kind::Film(Box::new(film)))
        };
        if times.seconds.is_empty() {
            let what =
                "no frames: a folder of pictures whose names end in .png, .jpg or the like would be right".into();
            return Err(Error::NoFrames { path: path.display().to_string(), what });
        }
        Ok(Clip { path: path.to_owned(), options: options.clone(), times, kind, _file: None })
    }

    /// The same of a file's bytes, which are put into a temporary file as long as the clip is open.
    ///
    /// # Errors
    /// As [`Clip::open`]; or the file cannot be written.
    pub fn of_bytes(bytes: &[u8], options: &ClipOptions) -> Result<Clip, Error> {
        let failed = |source| Error::Read { path: "a temporary file of a clip".into(), source };
        let mut file = NamedTempFile::with_prefix("smolvlm-clip-").map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        let clip = Clip::open(file.path(), options)?;
        Ok(Clip { _file: Some(file), ..clip })
    }

    /// Frames at hand, of which so many are shown a second.
    ///
    /// # Errors
    /// There are none.
    pub fn of_frames(frames: Vec<Picture>, fps: f64, options: &ClipOptions) -> Result<Clip, Error> {
        if frames.is_empty() {
            return Err(Error::NoFrames { path: "a drawn clip".into(), what: "no frames".into() });
        }
        let (times, kind) = (Times::even(frames.len(), fps), Kind::Frames(frames));
        Ok(Clip { path: PathBuf::new(), options: options.clone(), times, kind, _file: None })
    }

    /// What is known of it.
    pub fn info(&self) -> ClipInfo {
        self.times.info()
    }

    /// How far the times of its frames are from an even rate at most, in seconds: 0 of most clips.
    pub fn drift(&self) -> f64 {
        self.times.drift()
    }

    /// The frame at an index, or, by the clock, that which is shown when it would be at an even rate.
    pub(crate) fn real(&self, index: usize) -> usize {
        if self.options.true_times { self.times.at(index as f64 / self.times.fps) } else { index }
    }

    /// Decodes frames, which are counted from 0 in the order in which they are shown. `wanted` is ascending, each once;
    /// `take` is given each in that order, and may break off.
    ///
    /// # Errors
    /// A frame is damaged or missing, FFmpeg fails or hangs; [`Error::Stopped`] where `take` broke off.
    pub fn frames(
        &self,
        wanted: &[usize],
        take: &mut dyn FnMut(usize, Picture) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let decode = &self.options.decode;
        match &self.kind {
            Kind::Animation(bytes) => {
                let frames: Vec<u32> = wanted.iter().map(|&index| u32::try_from(index).unwrap_or(u32::MAX)).collect();
                let mut stopped = false;
                Picture::frames(bytes, &frames, decode, &mut |place, picture| {
                    let done = take(wanted.get(place).copied().unwrap_or(0), picture);
                    stopped = done.is_break();
                    done
                })?;
                if stopped { Err(Error::Stopped) } else { Ok(()) }
            }
            Kind::Folder(files) => {
                let path = || self.path.display().to_string();
                for &index in wanted {
                    let short = || Error::Short { path: path(), wanted: index + 1, found: files.len() };
                    let frame = folder::frame(files.get(index).ok_or_else(short)?, decode)?;
                    if take(index, frame).is_break() {
                        return Err(Error::Stopped);
                    }
                }
                Ok(())
            }
            Kind::Frames(frames) => {
                for &index in wanted {
                    let short = || Error::Short { path: String::new(), wanted: index + 1, found: frames.len() };
                    if take(index, frames.get(index).ok_or_else(short)?.clone()).is_break() {
                        return Err(Error::Stopped);
                    }
                }
                Ok(())
            }
            Kind::Film(film) => film.frames(wanted, take),
        }
    }
}

/// A file's first bytes.
fn start(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { path: path.display().to_string(), source };
    let mut start = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(16).read_to_end(&mut start).map_err(failed)?;
    Ok(start)
}
