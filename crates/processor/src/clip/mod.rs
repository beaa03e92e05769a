//! Clips: which of their frames the model is shown, what becomes of each, and what the prompt says around them.

mod choose;
mod fit;
mod prompt;
mod words;

pub(crate) use prompt::VLMEVALKIT;

use crate::MAX_LONGEST_EDGE;
pub use choose::{Chosen, ClipInfo};
use serde::{Deserialize, Serialize};
use smolvlm_kernels::resample::Kernel;
use std::str::FromStr;

/// Whose way of showing clips is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClipMode {
    /// SmolVLM2's, as transformers' `SmolVLMProcessor` and `SmolVLMVideoProcessor` have it: one frame a second, at most 64,
    /// each behind its time.
    #[default]
    SmolVlm2,
    /// That of the first SmolVLM's script (`SmolVLM_video_inference.py`): at most 50 frames, cut to their middle square, no
    /// times, and the model is asked to be brief.
    V1,
    /// VLMEvalKit's (`SmolVLM2.build_prompt_video`), behind the published scores of clips.
    VlmEvalKit,
}

impl ClipMode {
    /// All of them, by the names that options and files have for them.
    const NAMES: [(&'static str, ClipMode); 3] =
        [("smolvlm2", ClipMode::SmolVlm2), ("v1", ClipMode::V1), ("vlmevalkit", ClipMode::VlmEvalKit)];
}

impl FromStr for ClipMode {
    type Err = String;

    fn from_str(name: &str) -> Result<ClipMode, String> {
        let known = ClipMode::NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, mode)| *mode).ok_or_else(|| "smolvlm2, v1 or vlmevalkit would be right".to_owned())
    }
}

/// How a clip is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipSettings {
    /// Whose way.
    pub mode: ClipMode,
    /// The most frames.
    pub max_frames: usize,
    /// How many frames a second are aimed at.
    pub fps: f64,
    /// Seconds that are left out at both ends of a long clip; [`ClipMode::SmolVlm2`] alone knows of it.
    pub skip_seconds: f64,
    /// The longer side to which a frame is brought before it becomes a tile, in pixels.
    pub edge: u32,
    /// What frames are resized with: Lanczos as pictures are, or bicubic, which transformers' video processor takes on a GPU
    /// and before torchvision 0.27.
    pub filter: Kernel,
}

/// What is asked of clips, in the place of what a checkpoint and its way have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClipChoice {
    /// Whose way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ClipMode>,
    /// The most frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_frames: Option<u32>,
    /// How many frames a second are aimed at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Seconds that are left out at both ends of a long clip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_seconds: Option<f64>,
    /// The longer side to which a frame is brought first, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge: Option<u32>,
    /// Whether frames are resized by a bicubic filter in the place of Lanczos'.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bicubic: Option<bool>,
}

impl ClipChoice {
    /// How clips are shown: as a checkpoint's `defaults` have it, for tiles of this side, but for what is asked.
    pub fn settings(&self, defaults: ClipDefaults, tile: u32) -> ClipSettings {
        let own = ClipSettings::new(self.mode.unwrap_or(defaults.mode), defaults, tile);
        ClipSettings {
            max_frames: self.max_frames.map_or(own.max_frames, |most| most as usize),
            fps: self.fps.unwrap_or(own.fps),
            skip_seconds: self.skip_seconds.unwrap_or(own.skip_seconds),
            edge: self.edge.unwrap_or(own.edge),
            filter: if self.bicubic == Some(true) { Kernel::Bicubic } else { own.filter },
            ..own
        }
    }

    /// These where they are something, else those of `other`.
    pub fn over(self, other: ClipChoice) -> ClipChoice {
        ClipChoice {
            mode: self.mode.or(other.mode),
            max_frames: self.max_frames.or(other.max_frames),
            fps: self.fps.or(other.fps),
            skip_seconds: self.skip_seconds.or(other.skip_seconds),
            edge: self.edge.or(other.edge),
            bicubic: self.bicubic.or(other.bicubic),
        }
    }

    /// That each number can be meant.
    ///
    /// # Errors
    /// The first that cannot, in words.
    pub fn check(&self) -> Result<(), String> {
        if self.max_frames == Some(0) {
            return Err("max_frames 0: a clip without frames shows nothing".into());
        }
        if self.fps.is_some_and(|fps| !(fps.is_finite() && fps > 0.0)) {
            return Err("the frames a second of clips must be more than 0".into());
        }
        if self.skip_seconds.is_some_and(|skip| !(skip.is_finite() && skip >= 0.0)) {
            return Err("skip_seconds must be 0 or more".into());
        }
        match self.edge {
            Some(edge) if !(1..=MAX_LONGEST_EDGE).contains(&edge) => {
                Err(format!("an edge of {edge} pixels; 1 to {MAX_LONGEST_EDGE} would be right"))
            }
            _ => Ok(()),
        }
    }
}

/// What a checkpoint says of clips (`video_sampling` of its video processor).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipDefaults {
    /// SmolVLM2's way where the checkpoint is of its kind (`model_type` smolvlm), else the first SmolVLM's.
    pub mode: ClipMode,
    /// Frames a second.
    pub fps: f64,
    /// The most frames.
    pub max_frames: usize,
    /// The longer side of a frame, in pixels.
    pub edge: u32,
}

/// The most frames that the first SmolVLM's script takes.
const V1_FRAMES: usize = 50;
/// The most frames of VLMEvalKit.
const VLMEVALKIT_FRAMES: usize = 64;

impl ClipSettings {
    /// A way of showing clips, as its inventors have it; `defaults` are the checkpoint's, `tile` the side of a tile.
    pub fn new(mode: ClipMode, defaults: ClipDefaults, tile: u32) -> ClipSettings {
        let (max_frames, fps, edge) = match mode {
            ClipMode::SmolVlm2 => (defaults.max_frames, defaults.fps, defaults.edge),
            ClipMode::V1 => (V1_FRAMES, 1.0, tile),
            ClipMode::VlmEvalKit => (VLMEVALKIT_FRAMES, 1.0, tile),
        };
        ClipSettings { mode, max_frames, fps, skip_seconds: 1.0, edge, filter: Kernel::Lanczos }
    }
}
