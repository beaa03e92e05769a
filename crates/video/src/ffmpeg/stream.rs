//! What comes as long as it comes: a camera, or an address that FFmpeg listens to.

use super::decode::next;
use super::{Process, Programs, failure};
use crate::Error;
use smolvlm_processor::Picture;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;

/// What addresses begin with.
const SCHEMES: [&str; 10] = ["rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "tcp", "srt", "rtp"];
/// What FFmpeg may speak on the way; no files.
const PROTOCOLS: &str = "rtsp,rtsps,rtp,rtcp,srtp,rtmp,rtmps,http,https,httpproxy,crypto,tls,tcp,udp,srt";
/// Cameras by the system's own names.
const CAMERAS: [(&str, &str); 2] = [("avfoundation:", "avfoundation"), ("dshow:", "dshow")];

/// Frames at an even rate, without end.
pub struct Stream {
    name: String,
    reader: BufReader<Process>,
    limit: u64,
}

impl Stream {
    /// Whether a word names a stream: an address, or a camera (`/dev/video0`; `avfoundation:0` on macOS, `dshow:video=NAME` on
    /// Windows).
    pub fn is_one(word: &str) -> bool {
        let scheme = word.split_once("://").map_or("", |(scheme, _)| scheme);
        SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) || camera(word).is_some()
    }

    /// Listens to a stream: so many frames a second of it, repeated or left out where it has others.
    ///
    /// # Errors
    /// FFmpeg is missing or cannot be started; what it cannot open, the first frame tells.
    pub fn open(word: &str, fps: f64, programs: &Programs, limit: u64) -> Result<Stream, Error> {
        let mut command = Command::new(&programs.ffmpeg);
        command.args(["-v", "error", "-nostdin", "-hide_banner"]);
        match camera(word) {
            Some((format, device)) => command.args(["-f", format, "-i", device]),
            // What is live should not wait for five seconds until its kind is known.
            None => command.args([
                "-fflags",
                "nobuffer",
                "-analyzeduration",
                "1M",
                "-protocol_whitelist",
                PROTOCOLS,
                "-i",
                word,
            ]),
        };
        command.args(["-map", "0:V:0", "-vf", &format!("fps={fps:.6}"), "-c:v", "ppm", "-pix_fmt", "rgb24"]);
        command.args(["-f", "image2pipe", "pipe:1"]);
        let process = Process::start(&programs.ffmpeg, command, programs.patience)?;
        Ok(Stream { name: word.to_owned(), reader: BufReader::with_capacity(1 << 18, process), limit })
    }

    /// The next frame; none when the stream has ended.
    ///
    /// # Errors
    /// A frame of more pixels than are allowed, or output that is none.
    pub fn next_frame(&mut self) -> Result<Option<Picture>, Error> {
        let (path, limit) = (self.name.clone(), self.limit);
        let picture = next(&mut self.reader, limit).map_err(|source| Error::Read { path: path.clone(), source })?;
        picture.map_err(|(width, height)| Error::TooLarge { path, width, height, limit })
    }

    /// Why it ended, if something was wrong.
    pub fn finish(self, programs: &Programs) -> Option<Error> {
        let ended = self.reader.into_inner().finish();
        failure(Path::new(&self.name), programs, &ended)
    }
}

/// FFmpeg's format and device of a camera.
fn camera(word: &str) -> Option<(&str, &str)> {
    if word.starts_with("/dev/video") {
        return Some(("v4l2", word));
    }
    CAMERAS.iter().find_map(|(prefix, format)| Some((*format, word.strip_prefix(prefix)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_stream() {
        for word in ["rtsp://a/b", "RTSP://a", "http://a/b.m3u8", "udp://127.0.0.1:5", "/dev/video0", "avfoundation:0"]
        {
            assert!(Stream::is_one(word), "{word}");
        }
        for word in ["a.mp4", "/dev/sda", "file:///etc/passwd", "concat:a|b", "-i", ""] {
            assert!(!Stream::is_one(word), "{word}");
        }
        assert_eq!(camera("dshow:video=Cam"), Some(("dshow", "video=Cam")));
    }
}
