//! Clips: how they are shown, and their frames on the way to the model.

use crate::error::Error;
use crate::pictures::{Source, SourceArgs};
use crate::progress::Progress;
use clap::ValueEnum;
use serde_json::{Value, json};
use smolvlm_engine::{Engine, Features};
use smolvlm_kernels::Pool;
use smolvlm_processor::{
    ClipChoice, ClipDefaults, ClipMode, ClipSettings, DecodeOptions, MAX_LONGEST_EDGE, Picture, Processor,
};
use smolvlm_video::{Alike, Clip, ClipOptions, Frame, Shown};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

/// Frames that are decoded ahead of those that the model sees.
const AHEAD: usize = 4;
/// Frames further than this from where an even rate would have them, in seconds, are told of.
const DRIFT: f64 = 1.0;

/// Which frames of clips are shown, and how.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Clips (docs/video.md)")]
pub(crate) struct FrameArgs {
    /// Which of a clip's frames are shown, and the words around them: smolvlm2 (one a second, at most 64, each behind its
    /// time), v1 (as the first SmolVLM's script) or vlmevalkit (the prompt behind the published scores) [default: smolvlm2, of
    /// a first SmolVLM v1]
    #[arg(long, value_name = "MODE")]
    video_mode: Option<ClipMode>,
    /// The most frames of a clip [default: the model's own, 64; v1 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_frames: Option<u32>,
    /// Frames a second to aim at [default: the model's own, 1]
    #[arg(long, value_name = "N", value_parser = positive)]
    video_fps: Option<f64>,
    /// Seconds to leave out at both ends of a clip that is longer than --max-frames seconds; smolvlm2 alone [default: 1]
    #[arg(long, value_name = "N", value_parser = not_negative)]
    skip_seconds: Option<f64>,
    /// Bring a frame's longer side to N pixels before it becomes a tile [default: the model's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LONGEST_EDGE)))]
    video_edge: Option<u32>,
    /// What frames are resized with [default: lanczos]
    #[arg(long, value_name = "FILTER", value_enum)]
    video_resize: Option<Resize>,
}

/// How clips are shown.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Clips (docs/video.md)")]
pub(crate) struct ClipArgs {
    #[command(flatten)]
    frames: FrameArgs,
    /// Choose frames, and tell their times, by the clock where a clip's rate is uneven; the reference takes it as even
    #[arg(long)]
    true_times: bool,
    /// Frames a second of a folder of frames [default: 1]
    #[arg(long, value_name = "N", value_parser = positive)]
    fps: Option<f64>,
    /// Do not look again at a frame that differs from the last seen one by at most so many levels of 256 on the average
    #[arg(long, value_name = "LEVELS", value_parser = not_negative, num_args = 0..=1, default_missing_value = "1",
          require_equals = true)]
    dedup: Option<f64>,
}

/// `--video-resize`
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Resize {
    /// as pictures are
    Lanczos,
    /// as transformers' video processor does on a GPU and before torchvision 0.27
    Bicubic,
}

fn positive(text: &str) -> Result<f64, String> {
    number(text).filter(|number| *number > 0.0).ok_or_else(|| "a number above 0 would be right".into())
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text).filter(|number| *number >= 0.0).ok_or_else(|| "a number from 0 on would be right".into())
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A clip that was opened; its copy, where it was no file, goes with it.
pub(crate) struct Opened {
    pub(crate) clip: Clip,
    name: String,
    _copy: Option<tempfile::NamedTempFile>,
}

/// What became of a clip.
pub(crate) struct Watched {
    pub(crate) features: Vec<Features>,
    /// Frames that passed the tower: fewer than are shown where some are alike.
    encoded: usize,
    /// Seconds that the tower took.
    pub(crate) vision: f64,
}

impl FrameArgs {
    /// What is asked of clips.
    pub(crate) fn choice(&self) -> ClipChoice {
        ClipChoice {
            mode: self.video_mode,
            max_frames: self.max_frames,
            fps: self.video_fps,
            skip_seconds: self.skip_seconds,
            edge: self.video_edge,
            bicubic: self.video_resize.map(|filter| matches!(filter, Resize::Bicubic)),
        }
    }
}

impl ClipArgs {
    /// An option that is given, and means nothing where no clip is.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let ClipArgs { frames, true_times, fps, dedup } = self;
        let given = [
            ("--video-mode", frames.video_mode.is_some()),
            ("--max-frames", frames.max_frames.is_some()),
            ("--video-fps", frames.video_fps.is_some()),
            ("--skip-seconds", frames.skip_seconds.is_some()),
            ("--video-edge", frames.video_edge.is_some()),
            ("--video-resize", frames.video_resize.is_some()),
            ("--true-times", *true_times),
            ("--fps", fps.is_some()),
            ("--dedup", dedup.is_some()),
        ];
        given.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }

    /// How a model is shown clips.
    pub(crate) fn settings(&self, processor: &Processor) -> Result<(ClipSettings, u32), Error> {
        let sight = processor.settings().sight.as_ref().ok_or(smolvlm_processor::Error::SeesNothing)?;
        let tile = sight.pictures.tile;
        Ok((self.over(sight.clips, tile), tile))
    }

    /// Whose way a model is shown clips in; of one that sees nothing it does not matter.
    pub(crate) fn mode(&self, processor: &Processor) -> ClipMode {
        self.settings(processor).map_or(ClipMode::default(), |(settings, _)| settings.mode)
    }

    /// What the call asks for over what a model does.
    pub(crate) fn over(&self, defaults: ClipDefaults, tile: u32) -> ClipSettings {
        self.frames.choice().settings(defaults, tile)
    }

    /// Opens a clip, wherever it comes from.
    pub(crate) fn open(&self, source: &Source, sources: &SourceArgs, decode: DecodeOptions) -> Result<Opened, Error> {
        let options = ClipOptions { decode, fps: self.fps, true_times: self.true_times, ..ClipOptions::default() };
        let name = source.name();
        let (clip, copy) = match source {
            Source::File(path) => (Clip::open(path, &options)?, None),
            other => {
                let copy = temporary(&sources.bytes(other)?)?;
                let clip = Clip::open(copy.path(), &options).map_err(|error| named(error, copy.path(), &name))?;
                (clip, Some(copy))
            }
        };
        if clip.drift() > DRIFT && !self.true_times {
            let _ = writeln!(
                std::io::stderr(),
                "{name}: its frames come at an uneven rate, up to {:.0} s from where an even one would have them, as which \
                 the reference takes it; --true-times goes by the clock",
                clip.drift()
            );
        }
        Ok(Opened { clip, name, _copy: copy })
    }

    /// Brings a clip's frames through the tower as they are decoded.
    pub(crate) fn see(
        &self,
        engine: &Engine,
        opened: &Opened,
        shown: &Shown,
        progress: &Progress,
    ) -> Result<Watched, Error> {
        let (settings, tile) = self.settings(engine.processor())?;
        let mut alike = self.dedup.map(Alike::new);
        let mut watched = Watched { features: Vec::new(), encoded: 0, vision: 0.0 };
        let total = shown.chosen.len();
        std::thread::scope(|scope| {
            let (send, receive) = sync_channel(AHEAD);
            let decoding = scope.spawn(move || {
                opened.clip.show(shown, &settings, tile, &Pool::new(1), &mut |frame| match send.send(frame) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                })
            });
            for Frame { number, tile } in receive {
                let start = Instant::now();
                let is_alike = alike.as_mut().is_some_and(|alike| alike.is_like_last(&tile));
                let features = match watched.features.last().filter(|_| is_alike) {
                    Some(last) => last.clone(),
                    None => {
                        watched.encoded += 1;
                        engine.see_frame(&tile)?
                    }
                };
                watched.features.push(features);
                watched.vision += start.elapsed().as_secs_f64();
                progress.show("frames", number + 1, total);
            }
            match decoding.join() {
                Ok(done) => done.map_err(|error| opened.named(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?;
        Ok(watched)
    }

    /// Opens a clip and decodes what is shown of it, all at once.
    pub(crate) fn frames(
        &self,
        source: &Source,
        sources: &SourceArgs,
        decode: DecodeOptions,
        processor: &Processor,
    ) -> Result<(Shown, Vec<Arc<Picture>>), Error> {
        let opened = self.open(source, sources, decode)?;
        let shown = opened.clip.plan(&self.settings(processor)?.0)?;
        let tiles = self.tiles(processor, &opened, &shown)?;
        Ok((shown, tiles.into_iter().map(Arc::new).collect()))
    }

    /// A clip's frames as tiles, decoded.
    pub(crate) fn tiles(&self, processor: &Processor, opened: &Opened, shown: &Shown) -> Result<Vec<Picture>, Error> {
        let (settings, tile) = self.settings(processor)?;
        let mut tiles = Vec::new();
        let done = opened.clip.show(shown, &settings, tile, &Pool::new(smolvlm_sys::threads()), &mut |frame| {
            tiles.push(frame.tile);
            ControlFlow::Continue(())
        });
        done.map_err(|error| opened.named(error))?;
        Ok(tiles)
    }
}

impl Opened {
    /// What is wrong, by the clip's own name.
    fn named(&self, error: smolvlm_video::Error) -> Error {
        match &self._copy {
            Some(copy) => named(error, copy.path(), &self.name),
            None => error.into(),
        }
    }

    /// Its name for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What is shown of it, as JSON.
    pub(crate) fn report(&self, shown: &Shown, encoded: Option<usize>) -> Value {
        let frames: Vec<Value> = shown
            .chosen
            .iter()
            .map(|chosen| json!({ "index": chosen.index, "seconds": (chosen.seconds * 1000.0).round() / 1000.0 }))
            .collect();
        let mut report = json!({
            "clip": self.name, "frames_in_all": shown.clip.frames, "fps": shown.clip.fps, "seconds": shown.clip.duration,
            "frames": frames,
        });
        if let (Some(encoded), Some(report)) = (encoded, report.as_object_mut()) {
            report.insert("frames_encoded".into(), encoded.into());
        }
        report
    }
}

impl Watched {
    /// As JSON, what was shown of its clip.
    pub(crate) fn report(&self, opened: &Opened, shown: &Shown) -> Value {
        opened.report(shown, Some(self.encoded))
    }

    /// What was not looked at again, and the time that this saved, as far as can be told.
    pub(crate) fn saved(&self) -> Option<(usize, f64)> {
        let alike = self.features.len() - self.encoded;
        (alike > 0).then(|| (alike, self.vision / self.encoded.max(1) as f64 * alike as f64))
    }
}

/// A file that holds bytes for as long as it is held.
fn temporary(bytes: &[u8]) -> Result<tempfile::NamedTempFile, Error> {
    let failed = |source| Error::File { path: "a temporary file".into(), source };
    let mut file = tempfile::NamedTempFile::with_prefix("smolvlm-clip-").map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    Ok(file)
}

/// An error that names the clip where it would name its copy.
fn named(error: smolvlm_video::Error, copy: &Path, name: &str) -> Error {
    Error::Usage(error.to_string().replace(&copy.display().to_string(), name))
}
