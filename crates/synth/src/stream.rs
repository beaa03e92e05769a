//! The endless stream of samples.

use crate::{Error, Kit, Mix, Random, Sample, Split};
use std::sync::Arc;

/// Samples of a mix of skills: each is a function of (seed, index, mix, the pinned packages).
#[derive(Debug, Clone)]
pub struct Stream {
    kit: Arc<Kit>,
    mix: Mix,
    split: Split,
    seed: u64,
}

impl Stream {
    /// Its length: there is an end to what indices can name, no other.
    pub const LEN: u64 = 1 << 32;

    /// The stream of a mix.
    ///
    /// # Errors
    /// The kit lacks what one of the skills draws with.
    pub fn new(kit: Arc<Kit>, mix: Mix, split: Split, seed: u64) -> Result<Stream, Error> {
        for skill in mix.skills() {
            for &need in skill.needs {
                kit.require(skill.name, need)?;
            }
        }
        Ok(Stream { kit, mix, split, seed })
    }

    /// The sample of an index.
    pub fn sample(&self, index: u64) -> Sample {
        let mut random = Random::new(self.seed, index);
        match self.mix.pick(&mut random) {
            Some(skill) => (skill.draw)(&self.kit, &mut random, self.split),
            None => Sample::default(),
        }
    }
}
