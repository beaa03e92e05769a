//! Which frames of a clip are shown.

use super::{ClipMode, ClipSettings};
use crate::Error;

/// What is known of a clip before any frame is decoded (transformers' `VideoMetadata`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipInfo {
    /// Its frames.
    pub frames: usize,
    /// Frames a second, on the average.
    pub fps: f64,
    /// Seconds.
    pub duration: f64,
}

/// A frame that is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    /// Which one, counted from 0 in the order in which they are shown.
    pub index: usize,
    /// The time that the prompt gives it, in seconds.
    pub seconds: f64,
}

impl ClipSettings {
    /// The frames of a clip that are shown, each once and in order; one at least.
    ///
    /// # Errors
    /// The clip has no frames, or its frames a second are no number above 0; so are the settings'.
    pub fn choose(&self, clip: &ClipInfo) -> Result<Vec<Chosen>, Error> {
        let sound = |number: f64| number.is_finite() && number > 0.0;
        let wrong = |reason: String| Err(Error::Clip { reason });
        if clip.frames == 0 {
            return wrong("it has no frames".into());
        }
        if !sound(clip.fps) || !sound(clip.duration) {
            return wrong(format!("{} frames a second in {} seconds are none", clip.fps, clip.duration));
        }
        if !sound(self.fps) || self.max_frames == 0 || !(self.skip_seconds >= 0.0 && self.skip_seconds.is_finite()) {
            let (fps, most, skip) = (self.fps, self.max_frames, self.skip_seconds);
            return wrong(format!("{fps} frames a second, at most {most}, without {skip} seconds: that shows nothing"));
        }
        let at = |index: usize| Chosen { index, seconds: index as f64 / clip.fps };
        Ok(match self.mode {
            ClipMode::SmolVlm2 => self.evenly(clip).into_iter().map(at).collect(),
            ClipMode::V1 => self.every_second(clip).into_iter().map(at).collect(),
            ClipMode::VlmEvalKit => self.of_seconds(clip),
        })
    }

    /// The frames that are shown of a part of a clip, between two moments in seconds, as of a clip of its own but with its
    /// numbers and times in the whole; none where the part has none.
    ///
    /// # Errors
    /// As [`ClipSettings::choose`].
    pub fn choose_between(&self, clip: &ClipInfo, from: f64, to: f64) -> Result<Vec<Chosen>, Error> {
        let frame = |seconds: f64| ((seconds * clip.fps - 1e-6).ceil().max(0.0) as usize).min(clip.frames);
        let (first, end) = (frame(from), frame(to));
        let frames = end.saturating_sub(first);
        if frames == 0 {
            return Ok(Vec::new());
        }
        let part = ClipInfo { frames, fps: clip.fps, duration: frames as f64 / clip.fps };
        let settings = ClipSettings { skip_seconds: 0.0, ..*self };
        let start = first as f64 / clip.fps;
        let in_whole = |chosen: Chosen| Chosen { index: chosen.index + first, seconds: chosen.seconds + start };
        Ok(settings.choose(&part)?.into_iter().map(in_whole).collect())
    }

    /// `SmolVLMVideoProcessor.sample_frames` of transformers' `video_processing_smolvlm.py`.
    fn evenly(&self, clip: &ClipInfo) -> Vec<usize> {
        let estimated = (self.fps * clip.duration).round_ties_even();
        let count = estimated.min(self.max_frames as f64).max(1.0) as usize;
        let last = clip.frames - 1;
        let (mut start, mut end) = (0, last);
        let long = clip.duration - 2.0 * self.skip_seconds > self.max_frames as f64 * self.fps;
        if self.skip_seconds > 0.0 && long {
            start = (self.skip_seconds * clip.fps) as usize;
            end = ((clip.frames as f64 - self.skip_seconds * clip.fps).max(0.0) as usize).min(last);
        }
        if start >= end {
            (start, end) = (0, last);
        }
        let mut frames = linspace(start, end, count);
        frames.dedup();
        frames
    }

    /// `VideoFrameExtractor.extract_frames` of the first SmolVLM's script. It fails with less than one frame a second; here
    /// all frames are taken then.
    fn every_second(&self, clip: &ClipInfo) -> Vec<usize> {
        let step = ((clip.fps as usize) as f64 / self.fps) as usize;
        let frames: Vec<usize> = (0..clip.frames).step_by(step.max(1)).collect();
        self.at_most(frames)
    }

    /// Frames of whole seconds (`VideoBaseDataset.save_video_frames` of VLMEvalKit), which are told by their number. Of a
    /// clip that has not lasted for one it takes none; here it is the first.
    fn of_seconds(&self, clip: &ClipInfo) -> Vec<Chosen> {
        let count = ((clip.frames as f64 / clip.fps * self.fps) as usize).max(1);
        let step = clip.fps / self.fps;
        let frame = |second: usize| Chosen {
            index: ((second as f64 * step) as usize).min(clip.frames - 1),
            seconds: second as f64,
        };
        self.at_most((0..count).collect()).into_iter().map(frame).collect()
    }

    /// All of them, or as many as are allowed evenly.
    fn at_most(&self, frames: Vec<usize>) -> Vec<usize> {
        if frames.len() <= self.max_frames {
            return frames;
        }
        let places = linspace(0, frames.len() - 1, self.max_frames);
        places.into_iter().filter_map(|place| frames.get(place).copied()).collect()
    }
}

/// NumPy's `linspace(start, end, count, dtype=int)`.
fn linspace(start: usize, end: usize, count: usize) -> Vec<usize> {
    let gaps = count.saturating_sub(1);
    let step = (end as f64 - start as f64) / gaps.max(1) as f64;
    let place = |at: usize| match at {
        at if at == gaps && gaps > 0 => end,
        at => (at as f64 * step + start as f64) as usize,
    };
    (0..count).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::super::ClipDefaults;
    use super::*;

    fn settings(mode: ClipMode) -> ClipSettings {
        ClipSettings::new(mode, ClipDefaults { mode: ClipMode::SmolVlm2, fps: 1.0, max_frames: 64, edge: 64 }, 64)
    }

    fn clip(frames: usize, fps: f64) -> ClipInfo {
        ClipInfo { frames, fps, duration: frames as f64 / fps }
    }

    fn indices(settings: &ClipSettings, clip: &ClipInfo) -> Vec<usize> {
        settings.choose(clip).unwrap().iter().map(|chosen| chosen.index).collect()
    }

    #[test]
    fn the_first_script_takes_the_first_frame_of_every_second() {
        let v1 = settings(ClipMode::V1);
        assert_eq!(indices(&v1, &clip(100, 29.97)), [0, 29, 58, 87], "29 frames are its second");
        let long = indices(&v1, &clip(3000, 30.0));
        assert_eq!((long.len(), long[1], long[49]), (50, 60, 2970));
        assert_eq!(indices(&v1, &clip(3, 0.5)), [0, 1, 2]);
        assert_eq!(indices(&ClipSettings { fps: 2.0, ..v1 }, &clip(60, 30.0)), [0, 15, 30, 45]);
    }

    #[test]
    fn vlmevalkit_numbers_frames_by_their_seconds() {
        let kit = settings(ClipMode::VlmEvalKit);
        let chosen = kit.choose(&clip(250, 23.976)).unwrap();
        let frames: Vec<usize> = chosen.iter().map(|chosen| chosen.index).collect();
        assert_eq!(frames, [0, 23, 47, 71, 95, 119, 143, 167, 191, 215]);
        assert_eq!(chosen[9].seconds, 9.0);
        let long = kit.choose(&clip(10_000, 25.0)).unwrap();
        assert_eq!((long.len(), long[63].index, long[63].seconds), (64, 399 * 25, 399.0));
        assert_eq!(kit.choose(&clip(5, 25.0)).unwrap().len(), 1);
    }

    #[test]
    fn parts_of_a_clip_are_shown_as_clips_of_their_own() {
        let v2 = settings(ClipMode::SmolVlm2);
        let clip = clip(250, 25.0);
        let part = v2.choose_between(&clip, 4.0, 8.0).unwrap();
        let seen: Vec<(usize, u32)> = part.iter().map(|c| (c.index, (c.seconds * 100.0).round() as u32)).collect();
        assert_eq!(seen, [(100, 400), (133, 532), (166, 664), (199, 796)]);
        assert_eq!(v2.choose_between(&clip, 8.0, 99.0).unwrap().len(), 2);
        assert!(v2.choose_between(&clip, 10.0, 14.0).unwrap().is_empty());
        // The parts have every frame once.
        let every = ClipSettings { fps: 1000.0, max_frames: 1000, ..v2 };
        let parts = (0..4).flat_map(|at| every.choose_between(&clip, 3.0 * at as f64, 3.0 * (at + 1) as f64).unwrap());
        assert!(parts.map(|chosen| chosen.index).eq(0..250));
    }

    #[test]
    fn clips_without_frames_or_time_are_refused() {
        for mode in [ClipMode::SmolVlm2, ClipMode::V1, ClipMode::VlmEvalKit] {
            let settings = settings(mode);
            for wrong in [clip(0, 25.0), clip(5, 0.0), clip(5, f64::NAN), clip(5, f64::INFINITY), clip(5, -1.0)] {
                assert!(settings.choose(&wrong).is_err(), "{mode:?} {wrong:?}");
            }
            assert_eq!(indices(&settings, &clip(1, 25.0)), [0]);
            for wrong in [
                ClipSettings { fps: 0.0, ..settings },
                ClipSettings { fps: f64::NAN, ..settings },
                ClipSettings { max_frames: 0, ..settings },
                ClipSettings { skip_seconds: f64::NAN, ..settings },
                ClipSettings { skip_seconds: -1.0, ..settings },
            ] {
                assert!(wrong.choose(&clip(50, 25.0)).is_err(), "{wrong:?}");
            }
        }
    }
}
