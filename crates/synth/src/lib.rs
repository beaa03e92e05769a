//! Drawn pictures with questions about them: an endless stream, a pure function of (seed, index, the pinned packages).
//!
//! [`Stream::sample`] makes the sample of an index. What it asks is a [`Skill`]; what it draws with is a [`Kit`]: fonts,
//! and the hands that drew the things. What tests keep for themselves (wordings, fonts, words, pairs of colour and shape,
//! positions) is held out in the files of `words/` and by [`Split`].

mod random;
mod sample;

pub use random::Random;
pub use sample::{Rgb, Sample, Split, Turn};
