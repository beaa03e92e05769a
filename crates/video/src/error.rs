//! What can be wrong with a clip.

use std::time::Duration;

/// Every way in which a clip can be refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// FFmpeg is not there.
    #[error(
        "{program} is not to be found: clips are decoded by FFmpeg (apt install ffmpeg, brew install ffmpeg, winget install \
         ffmpeg); SMOLVLM_FFMPEG may name it. Animated GIF, WebP and PNG files and folders of frames need none"
    )]
    Missing {
        /// Its name.
        program: String,
    },
    /// A program could not be started.
    #[error("{program}: {source}")]
    Start {
        /// Its name.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// FFmpeg found fault with the clip.
    #[error("{path}: {says}")]
    Refused {
        /// The clip.
        path: String,
        /// What it says.
        says: String,
    },
    /// FFmpeg was silent for too long.
    #[error("{path}: FFmpeg has said nothing for {} seconds and was stopped; is the file damaged?", patience.as_secs())]
    Hanging {
        /// The clip.
        path: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The file has no pictures that move.
    #[error("{path}: {what}")]
    NoFrames {
        /// The clip.
        path: String,
        /// What it has instead.
        what: String,
    },
    /// A frame that should be there did not come.
    #[error("{path}: of {wanted} frames {found} could be decoded; the file is damaged or cut off")]
    Short {
        /// The clip.
        path: String,
        /// How many were asked for.
        wanted: usize,
        /// How many came.
        found: usize,
    },
    /// A frame has more pixels than are allowed.
    #[error("{path}: frames of {width} x {height} pixels are too large: at most {limit} pixels are allowed")]
    TooLarge {
        /// The clip.
        path: String,
        /// Their width in pixels.
        width: u32,
        /// Their height in pixels.
        height: u32,
        /// The most that are allowed.
        limit: u64,
    },
    /// A picture of the clip, or how it is to be shown, is wrong.
    #[error(transparent)]
    Processor(#[from] smolvlm_processor::Error),
    /// Whoever asked wanted no more.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// What is wrong, without the names of files.
    pub fn what(&self) -> String {
        let path = match self {
            Error::Read { path, .. }
            | Error::Refused { path, .. }
            | Error::Hanging { path, .. }
            | Error::NoFrames { path, .. }
            | Error::Short { path, .. }
            | Error::TooLarge { path, .. }
            | Error::Processor(smolvlm_processor::Error::PictureFile { path, .. }) => path.as_str(),
            Error::Missing { .. } | Error::Start { .. } | Error::Processor(_) | Error::Stopped => "",
        };
        let whole = self.to_string();
        whole.strip_prefix(path).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&whole).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_can_be_told_without_the_files_name() {
        let error = Error::NoFrames { path: "/tmp/x".into(), what: "nothing".into() };
        assert_eq!((error.to_string().as_str(), error.what().as_str()), ("/tmp/x: nothing", "nothing"));
        assert_eq!(Error::Stopped.what(), "stopped");
    }
}
