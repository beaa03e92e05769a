//! What a clip will cost: which of its frames are shown, when, and how many tokens they take.

use super::{Args, Pricing};
use crate::clips::Opened;
use crate::error::Error;
use crate::output::{NewFile, print_line};
use crate::pictures::Source;
use serde_json::json;
use smolvlm_kernels::Pool;
use smolvlm_processor::{ClipDefaults, ClipMode, ClipSettings, MediaSource, Message, Part, Picture, PlanOptions};
use smolvlm_synth::{Kit, Rgb, Sample, Turn, sheet};
use smolvlm_video::{Shown, expand};
use std::ops::ControlFlow;
use std::path::Path;

/// Columns of a contact sheet.
const COLUMNS: u32 = 4;

/// A clip and what is shown of it.
pub(super) struct Priced {
    opened: Opened,
    shown: Shown,
    settings: ClipSettings,
    tile: u32,
}

impl Priced {
    pub(super) fn open(args: &Args, pricing: &Pricing, source: &Source) -> Result<Priced, Error> {
        let (settings, tile) = match pricing {
            Pricing::Model(processor) => args.clips.settings(processor)?,
            Pricing::Preset(preset) => {
                let tile = preset.pictures.tile;
                let mode = if preset.name.starts_with("smolvlm2") { ClipMode::SmolVlm2 } else { ClipMode::V1 };
                (args.clips.over(ClipDefaults { mode, fps: 1.0, max_frames: 64, edge: tile }, tile), tile)
            }
        };
        let opened = args.clips.open(source, &args.sources, args.pictures.decode())?;
        let shown = opened.clip.plan(&settings)?;
        Ok(Priced { opened, shown, settings, tile })
    }

    /// Prints it.
    pub(super) fn show(&self, args: &Args, pricing: &Pricing) -> Result<(), Error> {
        let frames = self.shown.chosen.len();
        let (image_tokens, prompt_tokens) = self.tokens(pricing)?;
        if args.json {
            let mut report = self.opened.report(&self.shown, None);
            if let Some(report) = report.as_object_mut() {
                report.insert("image_tokens".into(), image_tokens.into());
                report.insert("prompt_tokens".into(), json!(prompt_tokens));
            }
            return print_line(&report.to_string());
        }
        let clip = &self.shown.clip;
        let times = self.shown.chosen.iter().map(|chosen| format!("{}", Time(chosen.seconds)));
        let tokens = prompt_tokens.map_or(String::new(), |tokens| format!(", {tokens} with the words around them"));
        print_line(&format!(
            "{}: {} frames, {:.3} a second, {}\n  {frames} shown, {image_tokens} image tokens{tokens}\n  at {}",
            self.opened.name(),
            clip.frames,
            clip.fps,
            Time(clip.duration),
            times.collect::<Vec<_>>().join(" "),
        ))
    }

    /// Image tokens, and where a tokenizer is at hand all tokens that the clip takes in a prompt.
    fn tokens(&self, pricing: &Pricing) -> Result<(usize, Option<usize>), Error> {
        let frames = self.shown.chosen.len();
        Ok(match pricing {
            Pricing::Preset(preset) => (frames * preset.tokens_per_tile, None),
            Pricing::Model(processor) => {
                let asked = |parts| [Message { role: "user".into(), content: parts }];
                let options = PlanOptions { clips: self.settings.mode, ..PlanOptions::default() };
                let mut clip = asked(vec![Part::Clip(MediaSource::Given), Part::Text("?".into())]);
                expand(&mut clip, [&self.shown].into_iter());
                let sizes = vec![(self.tile, self.tile); frames];
                let with = processor.plan(&clip, &sizes, &options)?.ids.len();
                let bare =
                    processor.plan(&asked(vec![Part::Text("?".into())]), &[], &PlanOptions::default())?.ids.len();
                (frames * processor.tokens_per_tile(), Some(with.saturating_sub(bare)))
            }
        })
    }

    /// Draws its frames that are shown on one sheet, with their numbers and times.
    pub(super) fn contact_sheet(&self, path: &Path) -> Result<(), Error> {
        let out = NewFile::begin(path)?;
        let mut samples = Vec::new();
        let pool = Pool::new(smolvlm_sys::threads());
        self.opened.clip.show(&self.shown, &self.settings, self.tile, &pool, &mut |frame| {
            let Some(chosen) = self.shown.chosen.get(frame.number) else { return ControlFlow::Continue(()) };
            let Picture { width, height, rgb } = frame.tile;
            let turn = Turn {
                skill: "frame",
                question: format!("frame {}", chosen.index),
                answer: Time(chosen.seconds).to_string(),
                also: Vec::new(),
            };
            samples.push(Sample { pictures: vec![Rgb { width, height, data: rgb }], turns: vec![turn], fps: None });
            ControlFlow::Continue(())
        })?;
        let Rgb { width, height, data } = sheet(&samples, COLUMNS, Kit::default().fonts.built_in());
        out.finish(&Picture { width, height, rgb: data }.to_png()?)
    }
}

/// A time as MM:SS, of which minutes may be more than 59.
struct Time(f64);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", (self.0 / 60.0).floor(), (self.0 % 60.0).floor())
    }
}
