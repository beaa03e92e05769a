//! When the frames of a clip are shown.

use smolvlm_processor::ClipInfo;

/// The moments of a clip's frames, and what follows from them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Times {
    /// Seconds of each frame from the first one's, ascending.
    pub(crate) seconds: Vec<f64>,
    /// Frames a second on the average, as the file says or as they are.
    pub(crate) fps: f64,
}

impl Times {
    /// Of frames that are shown for so long each, in seconds.
    pub(crate) fn lasting(durations: &[f64]) -> Times {
        let mut now = 0.0;
        let mut seconds = Vec::with_capacity(durations.len());
        for duration in durations {
            seconds.push(now);
            now += duration;
        }
        // Sums of hundredths are not whole: a millionth of a second is enough.
        let whole = (now * 1e6).round() / 1e6;
        Times { seconds, fps: durations.len() as f64 / whole.max(1e-6) }
    }

    /// Of frames at an even rate.
    pub(crate) fn even(frames: usize, fps: f64) -> Times {
        Times { seconds: (0..frames).map(|at| at as f64 / fps).collect(), fps }
    }

    /// As the reference takes clips: all frames at their average rate.
    pub(crate) fn info(&self) -> ClipInfo {
        let frames = self.seconds.len();
        ClipInfo { frames, fps: self.fps, duration: frames as f64 / self.fps }
    }

    /// The frame that is shown at a moment.
    pub(crate) fn at(&self, moment: f64) -> usize {
        // Half a thousandth of a second is lost where containers round.
        self.seconds.partition_point(|&seconds| seconds <= moment + 0.0005).saturating_sub(1)
    }

    /// How far the time of a frame is from where an even rate would have it, at most, in seconds.
    pub(crate) fn drift(&self) -> f64 {
        let off = |(at, seconds): (usize, &f64)| (seconds - at as f64 / self.fps).abs();
        self.seconds.iter().enumerate().map(off).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_find_their_frames() {
        let times = Times::lasting(&[0.5, 0.1, 0.1, 1.3]);
        assert_eq!((times.info().frames, times.info().fps, times.info().duration), (4, 2.0, 2.0));
        let frames: Vec<usize> = [0.0, 0.4, 0.5, 0.65, 0.7, 9.0].into_iter().map(|moment| times.at(moment)).collect();
        assert_eq!(frames, [0, 0, 1, 2, 3, 3]);
        assert!((times.drift() - 0.8).abs() < 1e-9);
        let even = Times::even(5, 25.0);
        assert_eq!((even.at(0.04), even.at(0.0799), even.drift()), (1, 2, 0.0));
    }
}
