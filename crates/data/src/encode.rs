//! A sample becomes tokens, labels and planned pictures.

use crate::labels::{self, Labels};
use crate::random::uniform;
use crate::{Content, PictureData, Sample};
use serde::{Deserialize, Serialize};
use smolvlm_processor::{ClipMode, DecodeOptions, Error as ProcessorError, PicturePlan, Plan, PlanOptions, Processor};

/// What becomes of samples that are too long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Long {
    /// They are left out, and counted.
    #[default]
    Skip,
    /// Their pictures are planned smaller, tile by tile, until they fit; what does not is left out.
    Shrink,
    /// A document without pictures gives a stretch of it, another each time; what has pictures is left out.
    Cut,
}

/// How samples become examples.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// Which tokens are learnt.
    pub labels: Labels,
    /// The most tokens of a sample.
    pub length: usize,
    /// What becomes of longer ones.
    pub long: Long,
    /// The longest edge of resized pictures in pixels, instead of the model's.
    pub longest_edge: Option<u32>,
    /// Whether pictures are cut into tiles, instead of as the model says.
    pub split: Option<bool>,
    /// How often a sample's pictures are brought to a random number of tiles, as m4 does in training
    /// (`pre_split_scale_up_frequency`).
    pub scale_frequency: f64,
    /// Whose way clips are shown in, whose frames stand in samples.
    pub clips: ClipMode,
    /// How picture files are read.
    pub decode: DecodeOptions,
    /// Where random choices begin.
    pub seed: u64,
}

/// What a step learns of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Which sample of which source.
    pub name: String,
    /// The source.
    pub source: usize,
    /// Its tokens.
    pub ids: Vec<u32>,
    /// Whether each token is learnt, from those before it.
    pub trained: Vec<bool>,
    /// Its pictures.
    pub pictures: Vec<ExamplePicture>,
    /// What its loss counts.
    pub weight: f32,
    /// Whether its pictures were planned smaller to fit.
    pub shrunk: bool,
}

/// A picture of an example.
#[derive(Debug, Clone, PartialEq)]
pub struct ExamplePicture {
    /// What it holds.
    pub data: PictureData,
    /// Its sizes on the way to the model.
    pub plan: PicturePlan,
}

impl Example {
    /// Tokens that its loss is over: the first token follows nothing.
    pub fn learnt(&self) -> usize {
        self.trained.iter().skip(1).filter(|trained| **trained).count()
    }

    /// Its tiles.
    pub fn tiles(&self) -> usize {
        self.pictures.iter().map(|picture| picture.plan.tiles as usize).sum()
    }
}

impl Encoding {
    /// A sample as an example. `draw` is its place in the stream, which random choices follow.
    ///
    /// # Errors
    /// What is wrong with the sample, in words.
    pub fn example(&self, processor: &Processor, sample: Sample, draw: u64) -> Result<Example, String> {
        let mut files = Vec::new();
        for (at, file) in sample.pictures.into_iter().enumerate() {
            let named = |e: ProcessorError| format!("picture {at}: {e}");
            let data = file.read(&self.decode).map_err(named)?;
            let size = data.size(&self.decode).map_err(named)?;
            files.push((data, size));
        }
        let sizes: Vec<(u32, u32)> = files.iter().map(|(_, size)| *size).collect();
        let (plan, options, shrunk) = self.plan(processor, &sample.content, &sizes, draw)?;
        let mut trained = match &sample.content {
            Content::Chat(messages) => labels::of_chat(self.labels, processor, messages, &sizes, &options, &plan.ids)?,
            Content::Document(_) => labels::of_document(processor, &plan.ids),
        };
        let mut ids = plan.ids;
        if ids.len() > self.length {
            // Only documents without pictures come so far.
            let spare = (ids.len() - self.length + 1) as f64;
            let start = (uniform(self.seed, &[draw, 31]) * spare) as usize;
            ids = ids.into_iter().skip(start).take(self.length).collect();
            trained = trained.into_iter().skip(start).take(self.length).collect();
        }
        let pictures = files.into_iter().zip(plan.pictures);
        let pictures = pictures.map(|((data, _), plan)| ExamplePicture { data, plan }).collect();
        let example = Example { name: String::new(), source: 0, ids, trained, pictures, weight: 1.0, shrunk };
        if example.learnt() == 0 {
            return Err("nothing of it would be learnt: it has no answer, or all of it is masked".into());
        }
        Ok(example)
    }

    /// The plan, its options, and whether its pictures had to be smaller.
    fn plan(
        &self,
        processor: &Processor,
        content: &Content,
        sizes: &[(u32, u32)],
        draw: u64,
    ) -> Result<(Plan, PlanOptions, bool), String> {
        let cut = self.long == Long::Cut && sizes.is_empty() && matches!(content, Content::Document(_));
        let mut options = PlanOptions {
            longest_edge: self.longest_edge,
            split: self.split,
            generation_prompt: false,
            context: if cut { None } else { Some(self.length) },
            clips: self.clips,
            ..PlanOptions::default()
        };
        let settings = processor.picture_settings(&options).map_err(|e| e.to_string())?;
        if let Some(edge) = self.drawn_edge(settings.tile, settings.longest_edge, sizes, draw) {
            options.longest_edge = Some(edge);
        }
        let plan = |options: &PlanOptions| match content {
            Content::Chat(messages) => processor.plan(messages, sizes, options),
            Content::Document(parts) => processor.plan_document(parts, sizes, options),
        };
        let mut shrunk = false;
        loop {
            match plan(&options) {
                Ok(plan) => return Ok((plan, options, shrunk)),
                Err(ProcessorError::ContextTooLong { .. }) if self.long == Long::Shrink && !sizes.is_empty() => {
                    let edge = options.longest_edge.unwrap_or(settings.longest_edge);
                    if edge <= settings.tile {
                        return Err(format!("it has more than {} tokens even with one tile a picture", self.length));
                    }
                    let tiles = edge.div_ceil(settings.tile) - 1;
                    (options.longest_edge, shrunk) = (Some(tiles * settings.tile), true);
                }
                Err(e) => return Err(e.to_string()),
            }
        }
    }

    /// m4's random scale (`m4/training/.../image_utils`): the longer side becomes a drawn number of tiles, few more often
    /// than many; otherwise as many as hold it. `None` where nothing is drawn.
    fn drawn_edge(&self, tile: u32, most: u32, sizes: &[(u32, u32)], draw: u64) -> Option<u32> {
        if self.scale_frequency == 0.0 || sizes.is_empty() || self.split == Some(false) {
            return None;
        }
        let chances: &[(u32, f64)] =
            if most <= 1092 { &[(1, 0.5), (2, 0.3), (3, 0.2)] } else { &[(2, 0.4), (3, 0.3), (4, 0.2), (5, 0.1)] };
        if uniform(self.seed, &[draw, 11]) >= self.scale_frequency {
            let long = sizes.iter().map(|&(width, height)| width.max(height)).max()?;
            return Some(long.div_ceil(tile).saturating_mul(tile).min(most));
        }
        let mut u = uniform(self.seed, &[draw, 12]);
        let drawn = chances.iter().find(|(_, chance)| {
            u -= chance;
            u < 0.0
        });
        Some((drawn.or(chances.last())?.0 * tile).min(most))
    }
}
