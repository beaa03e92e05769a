//! A step's examples, of the seed and the step alone.

use crate::random::hash;
use crate::turns::shuffled;
use crate::{ClipFrames, Encoding, Example, Mixture, Sample};
use smolvlm_processor::Processor;
use std::sync::Arc;

/// Makes steps of examples.
pub struct Loader {
    /// What is drawn from.
    pub mixture: Mixture,
    /// How samples become examples.
    pub encoding: Encoding,
    /// Of the model.
    pub processor: Arc<Processor>,
    /// How clips become frames; none where the model sees nothing.
    pub clips: Option<ClipFrames>,
}

/// A step's examples, and the samples that gave none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepData {
    /// What is learnt.
    pub examples: Vec<Example>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
}

/// A sample that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Which sample of which source.
    pub name: String,
    /// Why.
    pub why: String,
}

impl Loader {
    /// A sample with frames in the places of its clips.
    ///
    /// # Errors
    /// A clip cannot be shown, in words.
    pub fn shown(&self, sample: Sample) -> Result<Sample, String> {
        match &self.clips {
            Some(clips) => clips.expanded(sample),
            None if sample.clips.is_empty() => Ok(sample),
            None => Err("it has a clip, and the model sees nothing".to_owned()),
        }
    }

    /// The examples of the draws `start..start + count`.
    pub fn load(&self, start: u64, count: usize) -> StepData {
        let names = self.mixture.names();
        let mut step = StepData::default();
        for (at, draw) in (start..).zip(self.mixture.draws(start, count)) {
            let Some(source) = self.mixture.source(draw.source) else { continue };
            let name = format!("{}:{}", names.get(draw.source).map_or("", String::as_str), draw.row + 1);
            let seed = self.encoding.seed;
            let sample = source.read(draw.row as usize).map(|sample| match self.mixture.shuffles_turns(draw.source) {
                true => shuffled(sample, seed, at),
                false => sample,
            });
            let sample = sample.and_then(|sample| self.shown(sample));
            let longest_edge = self.mixture.max_edge(draw.source).or(self.encoding.longest_edge);
            let encoding = Encoding { longest_edge, ..self.encoding.clone() };
            let example = sample.and_then(|sample| encoding.example(&self.processor, sample, hash(seed, &[at])));
            match example {
                Ok(example) => {
                    let weight = self.mixture.loss_weight(draw.source);
                    step.examples.push(Example { name, source: draw.source, weight, ..example });
                }
                Err(why) => step.skipped.push(Skipped { name, why }),
            }
        }
        step
    }
}
