//! `smolvlm watch`: what happens in a long clip or before a camera, part by part, and then in the whole.

mod live;
mod summary;

use crate::clips::{ClipArgs, Opened};
use crate::error::{Error, one_line};
use crate::options::ModelArgs;
use crate::output::print_line;
use crate::pictures::{Source, SourceArgs};
use crate::progress::Progress;
use crate::signals::stop_on_signals;
use live::Live;
use serde_json::{Value, json};
use smolvlm_engine::{Engine, Features, Request, Sampling};
use smolvlm_processor::{DecodeOptions, MediaSource, Message, Part, PlanOptions};
use smolvlm_video::{Shown, Stream, expand};
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use summary::summarise;

const EXAMPLES: &str = "\
Examples:
  smolvlm watch lecture.mp4 --every 30s
  smolvlm watch lecture.mp4 --every 2m --question \"What is on the board?\" --json > notes.jsonl
  smolvlm watch rtsp://camera.example/stream --every 10s      until Ctrl-C; then what it was about
  smolvlm watch /dev/video0 --every 5s --no-summary           this machine's camera, on Linux

A part of a stream is what came since the last was answered, its newest frames; those that came while the model was busy and
found no room are counted as dropped.";

/// Say what happens in a clip part by part, and then in the whole; of a camera or a stream until it is stopped
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// A film, an animated picture or a folder of frames; an address (rtsp:, rtmp:, http: and more, by FFmpeg); a camera
    clip: String,
    /// How long a part is: 30s, 2m, 1h
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = seconds)]
    every: f64,
    /// What is asked about each part
    #[arg(long, value_name = "TEXT", default_value = "Describe what happens in the video.")]
    question: String,
    /// What is asked about the whole, behind what was said of its parts
    #[arg(long, value_name = "TEXT", default_value = "Sum up in a few sentences what happens in the whole video.")]
    summary: String,
    /// Do not ask about the whole
    #[arg(long, conflicts_with = "summary")]
    no_summary: bool,
    /// The most tokens of an answer
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    max_tokens: u16,
    #[command(flatten)]
    clips: ClipArgs,
    #[command(flatten)]
    sources: SourceArgs,
    /// Print one JSON object a line: of each part as it is answered, and of the whole
    #[arg(long)]
    json: bool,
}

/// `30s`, `2m`, `1h`, or a number of seconds; more than none.
fn seconds(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) if text.ends_with('m') => (number, 60.0),
        Some(number) if text.ends_with('h') => (number, 3600.0),
        Some(number) => (number, 1.0),
        None => (text, 1.0),
    };
    let seconds = number.parse::<f64>().ok().map(|number| number * unit);
    seconds.filter(|s| s.is_finite() && *s > 0.0).ok_or_else(|| "30s, 2m or 1h would be right".into())
}

/// A part that was answered.
struct Noted {
    from: f64,
    to: f64,
    text: String,
}

/// Whoever watches.
struct Watcher<'a> {
    args: &'a Args,
    engine: Engine,
    /// Set when it is to stop.
    stop: Arc<AtomicBool>,
    progress: Progress,
    noted: Vec<Noted>,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stop, "stopping")?;
    let opened = match Stream::is_one(&args.clip) {
        true => None,
        false => Some(args.clips.open(&Source::of(&args.clip), &args.sources, DecodeOptions::default())?),
    };
    let engine = args.model.open()?;
    let mut watcher = Watcher { args, engine, stop, progress: Progress::new(), noted: Vec::new() };
    match opened {
        Some(opened) => watcher.clip(&opened)?,
        None => watcher.stream()?,
    }
    if args.no_summary || watcher.noted.len() < 2 {
        return Ok(());
    }
    // Whoever stopped it once wants to know what it was about; twice ends at once.
    watcher.stop.store(false, Ordering::Relaxed);
    let text = summarise(&watcher, &args.summary)?;
    let last = watcher.noted.last().map_or(0.0, |noted| noted.to);
    match args.json {
        true => print_line(&json!({ "whole": true, "from": 0.0, "to": rounded(last), "text": text }).to_string()),
        false => print_line(&format!("whole        {}", one_line(&text))),
    }
}

impl Watcher<'_> {
    /// A clip, part by part.
    fn clip(&mut self, opened: &Opened) -> Result<(), Error> {
        let (settings, _) = self.args.clips.settings(self.engine.processor())?;
        let every = self.args.every;
        let parts = (opened.clip.info().duration / every).ceil() as usize;
        for part in 0..parts {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let (from, to) = (part as f64 * every, (part + 1) as f64 * every);
            let Some(shown) = opened.clip.plan_between(&settings, from, to)? else { continue };
            let watched = self.args.clips.see(&self.engine, opened, &shown, &self.progress)?;
            self.progress.clear();
            let to = to.min(opened.clip.info().duration);
            self.note((from, to), &shown, &watched.features, json!({}))?;
        }
        Ok(())
    }

    /// A stream, until it ends or somebody stops it.
    fn stream(&mut self) -> Result<(), Error> {
        let (settings, tile) = self.args.clips.settings(self.engine.processor())?;
        let live = Live::open(&self.args.clip, self.args.every, &settings, tile)?;
        while let Some(part) = live.part(&self.stop)? {
            let features = part.tiles.iter().map(|tile| self.engine.see_frame(tile)).collect::<Result<Vec<_>, _>>()?;
            self.note(part.span, &part.shown, &features, json!({ "dropped": part.dropped }))?;
        }
        live.finish()
    }

    /// Asks about a part, and prints what is answered.
    fn note(&mut self, (from, to): (f64, f64), shown: &Shown, seen: &[Features], more: Value) -> Result<(), Error> {
        let question = Part::Text(self.args.question.clone());
        let content = vec![Part::Clip(MediaSource::Given), question];
        let mut messages = vec![Message { role: "user".into(), content }];
        expand(&mut messages, [shown].into_iter());
        let text = self.answer(messages, seen)?;
        if self.args.json {
            let mut line = json!({ "from": rounded(from), "to": rounded(to), "frames": seen.len(), "text": text });
            if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
                line.extend(more);
            }
            print_line(&line.to_string())?;
        } else {
            print_line(&format!("{}-{}  {}", time(from), time(to), one_line(&text)))?;
        }
        self.noted.push(Noted { from, to, text });
        Ok(())
    }

    /// Greedy; nothing where it was stopped.
    fn answer(&self, messages: Vec<Message>, seen: &[Features]) -> Result<String, Error> {
        let clips = self.args.clips.mode(self.engine.processor());
        let request = Request {
            messages,
            plan: PlanOptions { clips, ..PlanOptions::default() },
            sampling: Sampling::default(),
            max_tokens: self.args.max_tokens.into(),
            stop: Vec::new(),
            show_special: false,
            grammar: None,
        };
        let answers = self.engine.answers_seen(&request, seen, &mut |_| {
            if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let text = answers.into_iter().next().map_or(String::new(), |answer| answer.text);
        Ok(text.trim().to_owned())
    }
}

/// MM:SS, or H:MM:SS from an hour on.
fn time(seconds: f64) -> String {
    let all = seconds.max(0.0) as u64;
    match all / 3600 {
        0 => format!("{:02}:{:02}", all / 60, all % 60),
        hours => format!("{hours}:{:02}:{:02}", all / 60 % 60, all % 60),
    }
}

/// Seconds to a thousandth.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// A line on stderr.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", one_line(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        let read: Vec<f64> = ["30s", "2m", "1h", "1.5"].map(|text| seconds(text).unwrap()).into();
        assert_eq!(read, [30.0, 120.0, 3600.0, 1.5]);
        for wrong in ["", "0s", "-1s", "x", "nan", "infs", "s"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert_eq!((time(59.9), time(3600.0)), ("00:59".into(), "1:00:00".into()));
    }
}
