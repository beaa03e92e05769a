//! What a film has: its rate, when its frames are shown, and which of them can be decoded alone.

use super::{Process, Programs, failure};
use crate::Error;
use serde::Deserialize;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The most bytes of a description of streams.
const DESCRIPTION: u64 = 1 << 20;
/// The most frames of a film: a day and more at 200 a second.
const MOST_FRAMES: usize = 20_000_000;

/// What a film has.
pub(super) struct Found {
    pub(super) fps: f64,
    /// When each frame is shown, in seconds; none where the file does not say of all.
    pub(super) clock: Option<Vec<f64>>,
    /// Which can be decoded alone, ascending; none where there is no clock.
    pub(super) keys: Vec<usize>,
    pub(super) frames: usize,
}

#[derive(Deserialize)]
struct Description {
    #[serde(default)]
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    #[serde(default)]
    codec_name: String,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    #[serde(default)]
    avg_frame_rate: String,
    #[serde(default)]
    time_base: String,
}

/// One packet: when its frame is shown, in units of the stream, and whether it can be decoded alone.
struct Packet {
    shown: Option<i64>,
    key: bool,
}

/// Asks ffprobe.
pub(super) fn probe(path: &Path, programs: &Programs, limit: u64) -> Result<Found, Error> {
    let stream = describe(path, programs)?;
    let (width, height) = (stream.width, stream.height);
    if u64::from(width) * u64::from(height) > limit {
        return Err(Error::TooLarge { path: path.display().to_string(), width, height, limit });
    }
    let packets = packets(path, programs, stream.codec_name == "vp8")?;
    if packets.is_empty() {
        let what = "no frames: the file is cut off or empty".into();
        return Err(Error::NoFrames { path: path.display().to_string(), what });
    }
    let frames = packets.len();
    let unit = ratio(&stream.time_base);
    let clock: Option<Vec<(f64, bool)>> = unit.and_then(|unit| {
        packets.iter().map(|packet| packet.shown.map(|shown| (shown as f64 * unit, packet.key))).collect()
    });
    let told = ratio(&stream.avg_frame_rate);
    let Some(mut clock) = clock else {
        return Ok(Found { fps: told.unwrap_or(25.0), clock: None, keys: Vec::new(), frames });
    };
    clock.sort_by(|a, b| a.0.total_cmp(&b.0));
    let span = clock.last().map_or(0.0, |last| last.0) - clock.first().map_or(0.0, |first| first.0);
    let measured = if frames > 1 && span > 0.0 { (frames - 1) as f64 / span } else { 25.0 };
    Ok(Found {
        fps: told.unwrap_or(measured),
        keys: clock.iter().enumerate().filter(|(_, (_, key))| *key).map(|(at, _)| at).collect(),
        clock: Some(clock.into_iter().map(|(seconds, _)| seconds).collect()),
        frames,
    })
}

/// The first stream of moving pictures.
fn describe(path: &Path, programs: &Programs) -> Result<Stream, Error> {
    let mut command = Programs::reading(&programs.ffprobe, path, &[]);
    let entries = "stream=codec_name,width,height,avg_frame_rate,time_base";
    command.args(["-select_streams", "V:0", "-show_entries", entries, "-of", "json"]);
    let mut process = Process::start(&programs.ffprobe, command, programs.patience)?;
    let mut text = Vec::new();
    let read = process.by_ref().take(DESCRIPTION).read_to_end(&mut text);
    let ended = process.finish();
    if let Some(error) = failure(path, programs, &ended) {
        return Err(error);
    }
    read.map_err(|source| Error::Start { program: programs.ffprobe.display().to_string(), source })?;
    let description: Option<Description> = serde_json::from_slice(&text).ok();
    let stream = description.and_then(|description| description.streams.into_iter().next());
    stream.filter(|stream| stream.width > 0 && stream.height > 0).ok_or_else(|| Error::NoFrames {
        path: path.display().to_string(),
        what: "no moving picture in it; is it sound alone?".into(),
    })
}

/// The packets of the first stream of moving pictures, one a frame; `decoded` counts frames themselves, where some packets
/// show none.
fn packets(path: &Path, programs: &Programs, decoded: bool) -> Result<Vec<Packet>, Error> {
    let mut command = Programs::reading(&programs.ffprobe, path, &[]);
    let entries = if decoded { "frame=pts,key_frame" } else { "packet=pts,flags" };
    command.args(["-select_streams", "V:0", "-show_entries", entries, "-of", "csv=p=0"]);
    let mut process = Process::start(&programs.ffprobe, command, programs.patience)?;
    let mut packets = Vec::new();
    for line in BufReader::with_capacity(1 << 16, process.by_ref()).lines() {
        let Ok(line) = line else { break };
        packets.extend(if decoded { frame(&line) } else { packet(&line) });
        if packets.len() > MOST_FRAMES {
            let what = format!("more than {MOST_FRAMES} frames");
            return Err(Error::NoFrames { path: path.display().to_string(), what });
        }
    }
    match failure(path, programs, &process.finish()) {
        // What came before the damage can be shown.
        Some(Error::Refused { .. }) if !packets.is_empty() => Ok(packets),
        Some(error) => Err(error),
        None => Ok(packets),
    }
}

/// A packet's line: when it is shown, and its flags. None of those that are decoded and not shown.
fn packet(line: &str) -> Option<Packet> {
    let (time, flags) = line.split_once(',')?;
    (!flags.contains('D')).then(|| Packet { shown: time.parse().ok(), key: flags.contains('K') })
}

/// A frame's line: whether it is a key, and when it is shown.
fn frame(line: &str) -> Option<Packet> {
    let (key, time) = line.split_once(',')?;
    Some(Packet { shown: time.trim_end_matches(',').parse().ok(), key: key == "1" })
}

/// A ratio as FFmpeg writes it, above 0.
fn ratio(text: &str) -> Option<f64> {
    let (over, under) = text.split_once('/')?;
    let ratio = over.parse::<f64>().ok()? / under.parse::<f64>().ok()?;
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_packets_and_frames() {
        let read = |line: &str| packet(line).map(|packet| (packet.shown, packet.key));
        assert_eq!(read("0,K__"), Some((Some(0), true)));
        assert_eq!(read("-512,__"), Some((Some(-512), false)));
        assert_eq!(read("N/A,K_"), Some((None, true)));
        assert_eq!(read("7,KD_"), None, "decoded and not shown");
        assert_eq!(read(""), None);
        let read = |line: &str| frame(line).map(|frame| (frame.shown, frame.key));
        assert_eq!((read("1,400"), read("0,N/A,")), (Some((Some(400), true)), Some((None, false))));
        assert_eq!(
            (ratio("30000/1001"), ratio("0/0"), ratio("x"), ratio("1/0")),
            (Some(30000.0 / 1001.0), None, None, None)
        );
    }
}
