//! Films, decoded by FFmpeg as a process of its own.
//!
//! It is given files alone (no protocol but `file:`, so no name can be an option or an address), of containers that hold one
//! film each (no playlists, which could name other files), and is stopped where it hangs.

mod decode;
mod probe;
mod process;
mod stream;

use crate::Error;
use crate::times::Times;
use process::{Ended, Process};
use smolvlm_processor::Picture;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
pub use stream::Stream;

/// Containers that are read.
const CONTAINERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,ivf,obu,ogg,flv,asf,\
                          mxf,nut,yuv4mpegpipe";
/// What names FFmpeg where it is not on the path.
const VARIABLE: &str = "SMOLVLM_FFMPEG";

/// Where FFmpeg is, and how long it is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// `ffmpeg`
    pub ffmpeg: PathBuf,
    /// `ffprobe`
    pub ffprobe: PathBuf,
    /// How long it may be silent.
    pub patience: Duration,
}

impl Default for Programs {
    /// Those on the path, or where the environment's `SMOLVLM_FFMPEG` names `ffmpeg`, with `ffprobe` beside it; half a
    /// minute's patience.
    fn default() -> Programs {
        let ffmpeg = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
        let ffprobe =
            ffmpeg.as_ref().map(|ffmpeg| ffmpeg.with_file_name(format!("ffprobe{}", std::env::consts::EXE_SUFFIX)));
        Programs {
            ffmpeg: ffmpeg.unwrap_or_else(|| "ffmpeg".into()),
            ffprobe: ffprobe.unwrap_or_else(|| "ffprobe".into()),
            patience: Duration::from_secs(30),
        }
    }
}

impl Programs {
    /// A call of a program that will read a file; what stands behind the file is to be added.
    fn reading(program: &Path, path: &Path, before: &[String]) -> Command {
        let mut command = Command::new(program);
        command.args(["-v", "error", "-protocol_whitelist", "file", "-format_whitelist", CONTAINERS]).args(before);
        let mut name = OsString::from("file:");
        name.push(path);
        command.arg("-i").arg(name);
        command
    }
}

/// A film.
pub(crate) struct Film {
    path: PathBuf,
    programs: Programs,
    times: Times,
    /// When frames are shown by the file's own clock, in seconds; none where it does not say.
    clock: Option<Vec<f64>>,
    /// The frames that can be decoded without those before them, ascending.
    keys: Vec<usize>,
    /// The most pixels of a frame.
    limit: u64,
}

impl Film {
    /// Finds out what a file has.
    pub(crate) fn open(path: &Path, programs: &Programs, limit: u64) -> Result<Film, Error> {
        let probe::Found { fps, clock, keys, frames } = probe::probe(path, programs, limit)?;
        let times = match &clock {
            Some(clock) => {
                let first = clock.first().copied().unwrap_or(0.0);
                Times { seconds: clock.iter().map(|seconds| seconds - first).collect(), fps }
            }
            None => Times::even(frames, fps),
        };
        Ok(Film { path: path.to_owned(), programs: programs.clone(), times, clock, keys, limit })
    }

    pub(crate) fn times(&self) -> &Times {
        &self.times
    }

    /// See [`crate::Clip::frames`].
    pub(crate) fn frames(
        &self,
        wanted: &[usize],
        take: &mut dyn FnMut(usize, Picture) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        decode::frames(self, wanted, take)
    }
}

/// What went wrong, if anything did.
fn failure(path: &Path, programs: &Programs, ended: &Ended) -> Option<Error> {
    let name = || path.display().to_string();
    if ended.hanging {
        return Some(Error::Hanging { path: name(), patience: programs.patience });
    }
    if ended.status.is_some_and(|status| status.success()) {
        return None;
    }
    Some(Error::Refused { path: name(), says: complaint(&ended.said, path) })
}

/// What FFmpeg complains of in a line, without addresses of its memory and the file's name.
fn complaint(said: &str, path: &Path) -> String {
    let name = format!("{}: ", path.display());
    let mut lines: Vec<&str> = Vec::new();
    for line in said.lines() {
        let line = line.trim();
        let line = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(line, |(_, rest)| rest);
        // Films are given as file:NAME, streams by their addresses.
        let bare = line.strip_prefix("file:").unwrap_or(line);
        let line = bare.strip_prefix(&name).unwrap_or(line).trim_end_matches('.');
        if !line.is_empty() && !lines.contains(&line) && lines.len() < 2 {
            lines.push(line);
        }
    }
    if lines.is_empty() {
        "FFmpeg ended without saying why".to_owned()
    } else {
        format!("FFmpeg says: {}", lines.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_without_addresses_and_names() {
        let said = "[mov,mp4 @ 0x55d0c2f1a700] moov atom not found\nfile:/a/b.mp4: Invalid data found\n\nmore\n";
        let told = complaint(said, Path::new("/a/b.mp4"));
        assert_eq!(told, "FFmpeg says: moov atom not found; Invalid data found");
        assert!(complaint("", Path::new("x")).contains("without saying why"));
    }
}
