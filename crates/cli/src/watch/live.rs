//! The frames of a stream: a thread takes them as they come, so that the newest are at hand whenever the model is free, in
//! memory that does not grow.

use super::say;
use crate::error::Error;
use smolvlm_kernels::Pool;
use smolvlm_processor::{Chosen, ClipInfo, ClipSettings, Picture};
use smolvlm_video::{Programs, Shown, Stream};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often it is looked whether somebody wants to stop.
const TICK: Duration = Duration::from_millis(100);
/// The most pixels of a frame.
const MOST_PIXELS: u64 = 64_000_000;

/// A stream that is being watched.
pub(super) struct Live {
    shared: Arc<Shared>,
    /// Seconds of a part.
    every: f64,
    fps: f64,
    settings: ClipSettings,
}

/// What came since the last part was asked about.
pub(super) struct Part {
    pub(super) span: (f64, f64),
    pub(super) shown: Shown,
    pub(super) tiles: Vec<Picture>,
    /// Frames before these that found no room.
    pub(super) dropped: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The newest frames, each as a tile with its number.
    frames: VecDeque<(usize, Picture)>,
    dropped: usize,
    /// How many have come.
    come: usize,
    /// Why no more will, if they will not.
    over: Option<Option<Error>>,
    /// Nobody wants more.
    done: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Begins to listen.
    pub(super) fn open(word: &str, every: f64, settings: &ClipSettings, tile: u32) -> Result<Live, Error> {
        // As many as a part may show, and no more than are aimed at.
        let fps = settings.fps.min(settings.max_frames as f64 / every);
        let programs = Programs::default();
        let mut stream = Stream::open(word, fps, &programs, MOST_PIXELS)?;
        let shared = Arc::new(Shared::default());
        let (filled, own) = (Arc::clone(&shared), *settings);
        std::thread::spawn(move || {
            let pool = Pool::new(1);
            let error = loop {
                match stream.next_frame() {
                    Ok(Some(picture)) => match own.fit(&picture, tile, &pool) {
                        Ok(tile) => {
                            if !filled.take(tile, own.max_frames) {
                                return;
                            }
                        }
                        Err(error) => break Some(error.into()),
                    },
                    Ok(None) => break stream.finish(&programs).map(Error::from),
                    Err(error) => break Some(error.into()),
                }
            };
            filled.state().over = Some(error);
            filled.changed.notify_all();
        });
        Ok(Live { shared, every, fps, settings: *settings })
    }

    /// Waits for the next part: as many seconds of frames as it has, or what there is where the stream has ended; none where it
    /// has ended without more, or is to stop.
    pub(super) fn part(&self, stop: &AtomicBool) -> Result<Option<Part>, Error> {
        let whole = ((self.every * self.fps).round() as usize).clamp(1, self.settings.max_frames);
        let mut state = self.shared.state();
        while state.frames.len() < whole && state.over.is_none() && !stop.load(Ordering::Relaxed) {
            state = self.shared.changed.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
        if stop.load(Ordering::Relaxed) || state.frames.is_empty() {
            return Ok(None);
        }
        let frames: Vec<(usize, Picture)> = state.frames.drain(..).collect();
        let (dropped, come) = (std::mem::take(&mut state.dropped), state.come);
        drop(state);
        let first = frames.first().map_or(0, |(number, _)| *number);
        let span = (first as f64 / self.fps, come as f64 / self.fps);
        let chosen = |(number, _): &(usize, Picture)| Chosen { index: *number, seconds: *number as f64 / self.fps };
        let clip = ClipInfo { frames: come, fps: self.fps, duration: come as f64 / self.fps };
        let shown = Shown::part(&self.settings, frames.iter().map(chosen).collect(), clip, span);
        Ok(Some(Part { span, shown, tiles: frames.into_iter().map(|(_, tile)| tile).collect(), dropped }))
    }

    /// Stops listening.
    pub(super) fn finish(self) -> Result<(), Error> {
        let mut state = self.shared.state();
        state.done = true;
        match state.over.take() {
            Some(Some(error)) => Err(error),
            Some(None) => {
                say("the stream has ended");
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Shared {
    /// Takes a frame; the oldest gives way where there are too many. Whether more are wanted.
    fn take(&self, tile: Picture, most: usize) -> bool {
        let mut state = self.state();
        let number = state.come;
        state.come += 1;
        state.frames.push_back((number, tile));
        while state.frames.len() > most {
            state.frames.pop_front();
            state.dropped += 1;
        }
        let wanted = !state.done;
        drop(state);
        self.changed.notify_all();
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_frames_are_kept_and_the_others_counted() {
        let shared = Shared::default();
        for level in 0..5 {
            assert!(shared.take(Picture { width: 1, height: 1, rgb: vec![level; 3] }, 3));
        }
        let state = shared.state();
        let kept: Vec<usize> = state.frames.iter().map(|(number, _)| *number).collect();
        assert_eq!((kept, state.dropped, state.come), (vec![2, 3, 4], 2, 5));
    }
}
