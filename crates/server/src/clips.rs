//! The clips of a request: their frames, and the words around them, take their places.

use crate::app::App;
use crate::error::Failure;
use axum::http::StatusCode;
use smolvlm_engine::PictureSource;
use smolvlm_kernels::Pool;
use smolvlm_processor::{ClipChoice, ClipSettings, DecodeOptions, Message, Picture};
use smolvlm_video::{Clip, ClipOptions, Error, fill};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much of a clip is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// How many frames of which size.
    Sizes,
    /// The frames.
    Pixels,
}

/// How long the frames of a clip may take.
const LONGEST: Duration = Duration::from_secs(120);

impl App {
    /// How clips are shown; none where the model sees nothing.
    pub(crate) fn clip_settings(&self) -> Option<(ClipSettings, u32)> {
        let sight = self.engine().processor().settings().sight.as_ref()?;
        let tile = sight.pictures.tile;
        let choice =
            ClipChoice { mode: self.options.video_mode, max_frames: self.options.max_frames, ..ClipChoice::default() };
        let settings = choice.settings(sight.clips, tile);
        Some((settings, tile))
    }

    /// Puts frames in the places of clips: the messages then have places for what is returned, in their order. What is only
    /// planned gets blank ones; decoding takes long.
    pub(crate) fn with_clips(
        &self,
        messages: &mut [Message],
        pictures: Vec<PictureSource>,
        clips: &[Vec<u8>],
        depth: Depth,
    ) -> Result<Vec<PictureSource>, Failure> {
        if clips.is_empty() {
            return Ok(pictures);
        }
        let Some((settings, tile)) = self.clip_settings() else { return Ok(pictures) };
        let decoded = clips.iter().map(|bytes| frames(bytes, &settings, tile, self.options.decode(), depth));
        let (shown, frames): (Vec<_>, Vec<_>) = decoded.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        Ok(fill(messages, pictures, shown.iter().map(|shown| &*shown.parts).zip(frames)))
    }
}

/// What is shown of a clip, and the frames.
fn frames(
    bytes: &[u8],
    settings: &ClipSettings,
    tile: u32,
    decode: DecodeOptions,
    depth: Depth,
) -> Result<(smolvlm_video::Shown, Vec<PictureSource>), Failure> {
    let start = Instant::now();
    let options = ClipOptions { decode, ..ClipOptions::default() };
    let clip = Clip::of_bytes(bytes, &options).map_err(|error| failure(&error))?;
    let shown = clip.plan(settings).map_err(|error| failure(&error))?;
    if depth == Depth::Sizes {
        let blank = Arc::new(Picture { width: tile, height: tile, rgb: vec![0; 3 * (tile as usize).pow(2)] });
        return Ok((shown.clone(), vec![PictureSource::Frame(blank); shown.chosen.len()]));
    }
    let mut frames = Vec::with_capacity(shown.chosen.len());
    let done = clip.show(&shown, settings, tile, &Pool::new(1), &mut |frame| {
        frames.push(PictureSource::Frame(Arc::new(frame.tile)));
        if start.elapsed() > LONGEST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    done.map_err(|error| failure(&error))?;
    Ok((shown, frames))
}

/// What a client is told, without the name of the file here.
fn failure(error: &Error) -> Failure {
    let refused = |what: String| Failure::field("messages", what).code("invalid_video");
    match error {
        Error::Missing { .. } => {
            let what =
                "this server decodes no films, as it has no FFmpeg; animated GIF, WebP and PNG files would be right";
            Failure::new(StatusCode::NOT_IMPLEMENTED, what).code("video_not_available").of("messages")
        }
        Error::Stopped => refused(format!("the clip's frames take more than {} seconds", LONGEST.as_secs())),
        Error::Read { .. } | Error::Start { .. } => {
            tracing::error!(%error, "a clip was not read");
            Failure::internal()
        }
        other => refused(format!("the clip: {}", other.what())),
    }
}
