//! Frames through a pipe: as many as are wanted, with as few decoded on the way as the file allows.

use super::{Film, Process, Programs, failure};
use crate::Error;
use smolvlm_processor::Picture;
use std::io::{BufReader, ErrorKind, Read};
use std::ops::ControlFlow;

/// Frames that are rather decoded on the way than FFmpeg started again behind them.
const GAP: usize = 60;
/// The most frames that are asked for at once: they stand in one argument, whose length the system bounds.
const AT_ONCE: usize = 1000;
/// Terms of a sum that stand in brackets, as FFmpeg's parser nests sums as deep as they are long.
const TERMS: usize = 16;

/// Frames that one run of FFmpeg decodes.
struct Run<'a> {
    wanted: &'a [usize],
    /// Where it begins, by the file's clock in seconds; at the file's beginning otherwise.
    from: Option<f64>,
    /// Whether frames are told by their times, else by their numbers.
    by_time: bool,
}

/// Takes frames, ascending.
pub(super) fn frames(
    film: &Film,
    wanted: &[usize],
    take: &mut dyn FnMut(usize, Picture) -> ControlFlow<()>,
) -> Result<(), Error> {
    for run in runs(film, wanted) {
        let done = film.run(&run, take)?;
        let rest = run.wanted.get(done..).unwrap_or_default();
        if rest.is_empty() {
            continue;
        }
        // The container led elsewhere, or its times are not the frames': from the beginning, counting.
        let again = Run { wanted: rest, from: None, by_time: false };
        let found = film.run(&again, take)?;
        if found < rest.len() {
            let path = film.path.display().to_string();
            return Err(Error::Short { path, wanted: run.wanted.len(), found: done + found });
        }
    }
    Ok(())
}

/// The runs that decode these frames: a new one where the next frame's key lies far enough behind the last.
fn runs<'a>(film: &Film, wanted: &'a [usize]) -> Vec<Run<'a>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for at in 1..=wanted.len() {
        let next = wanted.get(at).map(|&next| film.key(next));
        let last = wanted.get(at - 1).copied().unwrap_or(0);
        if next.is_some_and(|key| key < last + GAP) && at - start < AT_ONCE {
            continue;
        }
        let Some(own) = wanted.get(start..at) else { continue };
        let key = own.first().map_or(0, |&first| film.key(first));
        let from = film.clock.as_ref().filter(|_| key > 0).and_then(|clock| clock.get(key).copied());
        runs.push(Run { wanted: own, from, by_time: film.clock.is_some() });
        start = at;
    }
    runs
}

impl Film {
    /// The last frame up to this one that can be decoded alone.
    fn key(&self, frame: usize) -> usize {
        let behind = self.keys.partition_point(|&key| key <= frame);
        behind.checked_sub(1).and_then(|at| self.keys.get(at).copied()).unwrap_or(0)
    }

    /// Runs FFmpeg; how many of the frames came.
    fn run(&self, run: &Run<'_>, take: &mut dyn FnMut(usize, Picture) -> ControlFlow<()>) -> Result<usize, Error> {
        let mut before: Vec<String> = ["-nostdin", "-hide_banner", "-copyts"].map(String::from).into();
        if let Some(from) = run.from {
            // Half a thousandth of a second behind the key, which may be rounded, and far before the next.
            let from = format!("{:.6}", from + 0.0005);
            before.extend(["-seek_timestamp", "1", "-noaccurate_seek", "-ss", &from].map(String::from));
        }
        let mut command = Programs::reading(&self.programs.ffmpeg, &self.path, &before);
        command.args(["-map", "0:V:0", "-vf", &self.select(run), "-r", "25"]);
        command.args(["-frames:v", &run.wanted.len().to_string(), "-c:v", "ppm", "-pix_fmt", "rgb24"]);
        command.args(["-f", "image2pipe", "pipe:1"]);
        let process = Process::start(&self.programs.ffmpeg, command, self.programs.patience)?;
        let mut reader = BufReader::with_capacity(1 << 18, process);
        let mut found = 0;
        for &index in run.wanted {
            match self.read(&mut reader)? {
                Some(picture) => {
                    found += 1;
                    if take(index, picture).is_break() {
                        return Err(Error::Stopped);
                    }
                }
                None => break,
            }
        }
        match failure(&self.path, &self.programs, &reader.into_inner().finish()) {
            Some(error @ Error::Hanging { .. }) if found < run.wanted.len() => Err(error),
            Some(error) if found == 0 => Err(error),
            _ => Ok(found),
        }
    }

    /// The filter that lets the wanted frames through.
    fn select(&self, run: &Run<'_>) -> String {
        let term = |&index: &usize| match self.clock.as_ref().filter(|_| run.by_time) {
            None => format!("eq(n,{index})"),
            Some(clock) => {
                let time = |at: usize| clock.get(at).copied();
                let (before, own, after) = (index.checked_sub(1).and_then(time), time(index), time(index + 1));
                let own = own.unwrap_or(0.0);
                // Half way to its neighbours: times are rounded on their way.
                let from = before.map_or(own - 1.0, |before| (before + own) / 2.0);
                let to = after.map_or(own + 1.0, |after| (own + after) / 2.0);
                format!("gte(t,{from:.7})*lt(t,{to:.7})")
            }
        };
        let terms: Vec<String> = run.wanted.iter().map(term).collect();
        let groups: Vec<String> = terms.chunks(TERMS).map(|terms| format!("({})", terms.join("+"))).collect();
        // At an even rate, or FFmpeg would repeat and leave out frames to make it even.
        format!("select='{}',settb=1/25,setpts=N", groups.join("+"))
    }

    /// The next frame, a PPM file; none at the end.
    fn read(&self, reader: &mut BufReader<Process>) -> Result<Option<Picture>, Error> {
        let broken = |source| Error::Start { program: self.programs.ffmpeg.display().to_string(), source };
        let path = || self.path.display().to_string();
        next(reader, self.limit).map_err(broken)?.map_err(|(width, height)| Error::TooLarge {
            path: path(),
            width,
            height,
            limit: self.limit,
        })
    }
}

/// The next picture of a pipe of PPM files, none at its end; or the size of one with more pixels than allowed.
pub(super) fn next(reader: &mut impl Read, limit: u64) -> std::io::Result<Result<Option<Picture>, (u32, u32)>> {
    let Some((width, height)) = header(reader)? else { return Ok(Ok(None)) };
    if u64::from(width) * u64::from(height) > limit {
        return Ok(Err((width, height)));
    }
    let mut rgb = vec![0; 3 * width as usize * height as usize];
    match reader.read_exact(&mut rgb) {
        Ok(()) => Ok(Ok(Some(Picture { width, height, rgb }))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Ok(None)),
        Err(error) => Err(error),
    }
}

/// The width and height that a PPM file begins with; none at the end.
fn header(reader: &mut impl Read) -> std::io::Result<Option<(u32, u32)>> {
    let (mut text, mut lines) = (String::new(), 0);
    while lines < 3 && text.len() < 64 {
        let mut byte = [0];
        if reader.read(&mut byte)? == 0 {
            return Ok(None);
        }
        lines += usize::from(byte == [b'\n']);
        text.push(char::from(byte[0]));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let size = match *words.as_slice() {
        ["P6", width, height, "255"] => width.parse().ok().zip(height.parse().ok()),
        _ => None,
    };
    size.map(Some).ok_or_else(|| std::io::Error::new(ErrorKind::InvalidData, "its output is no picture"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times::Times;

    fn film(frames: usize, keys: Vec<usize>, clock: bool) -> Film {
        let seconds: Vec<f64> = (0..frames).map(|at| 10.0 + at as f64 / 25.0).collect();
        Film {
            path: "a.mp4".into(),
            programs: Programs::default(),
            times: Times::even(frames, 25.0),
            clock: clock.then_some(seconds),
            keys,
            limit: 1 << 20,
        }
    }

    #[test]
    fn a_new_run_begins_where_much_can_be_left_out() {
        let film = film(1000, vec![0, 100, 200, 300, 800], true);
        let wanted = [5, 90, 130, 310, 790, 999];
        let runs: Vec<(usize, Option<f64>)> =
            runs(&film, &wanted).iter().map(|run| (run.wanted.len(), run.from)).collect();
        // 130's key is 100, near 90; 310's is far behind 130; 790 has the same key; 999's is 800, near 790.
        assert_eq!(runs, [(3, None), (3, Some(22.0))]);
    }

    #[test]
    fn frames_are_told_by_their_times_or_their_numbers() {
        let timed = film(3, vec![0], true);
        let run = |by_time| Run { wanted: &[0, 1, 2], from: None, by_time };
        let filter = timed.select(&run(true));
        assert!(filter.starts_with("select='(gte(t,9.0000000)*lt(t,10.0200000)+gte(t,10.0200000)*"), "{filter}");
        assert_eq!(timed.select(&run(false)), "select='(eq(n,0)+eq(n,1)+eq(n,2))',settb=1/25,setpts=N");
        assert_eq!(
            film(3, vec![0], false).select(&run(true)),
            "select='(eq(n,0)+eq(n,1)+eq(n,2))',settb=1/25,setpts=N"
        );
    }

    #[test]
    fn headers_of_frames() {
        let read = |text: &str| header(&mut text.as_bytes());
        assert_eq!(read("P6\n12 7\n255\nrest").unwrap(), Some((12, 7)));
        assert_eq!(read("").unwrap(), None);
        assert!(read("P5\n12 7\n255\n").is_err());
        assert!(read(&"x".repeat(100)).is_err());
    }
}
