//! Drawn pictures with questions about them: an endless stream, a pure function of (seed, index, the pinned packages).
//!
//! [`Stream::sample`] makes the sample of an index. What it asks is a [`Skill`]; what it draws with is a [`Kit`]: fonts,
//! and the hands that drew the things. What tests keep for themselves (wordings, fonts, words, pairs of colour and shape,
//! positions) is held out in the files of `words/` and by [`Split`].

#![forbid(unsafe_code)]

mod ask;
mod canvas;
mod cast;
mod cells;
mod chart;
pub mod colours;
mod dct;
mod error;
mod films;
mod ground;
pub mod held;
mod kit;
pub mod lay;
mod letters;
pub mod noise;
mod random;
mod reading;
mod sample;
pub mod scene;
mod sets;
mod several;
mod shape_skills;
pub mod shapes;
mod sheet;
mod skills;
mod stream;
mod table;
mod talk;
pub mod things;
pub mod wear;
pub mod wordings;

pub use canvas::{Canvas, Place};
pub use colours::{Colour, Named};
pub use error::Error;
pub use ground::Ground;
pub use kit::{Kit, Need};
pub use letters::{Font, Fonts, Text};
pub use random::Random;
pub use sample::{Rgb, Sample, Split, Turn};
pub use sets::{SETS, Set};
pub use sheet::sheet;
pub use skills::{Mix, SKILLS, Skill};
pub use stream::Stream;
