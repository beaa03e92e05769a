//! Things: nouns drawn by several hands.
//!
//! A [`Noun`] is a word with its category and the icons that show it; [`Hands`] hold the drawings; a [`Sprite`] is one
//! as pixels, dressed in a style and stamped onto a canvas. One hand is kept for tests: [`Hand::TRAINED`] is what
//! learning sees.

mod categories;
mod figure;
mod hands;
mod ink;
pub(crate) mod naming;
mod nouns;
mod questions;
pub(crate) mod rows;
pub(crate) mod scenes;
mod sprite;
mod styles;
#[cfg(test)]
mod tests;
mod thing;
pub(crate) use thing::Thing;

pub use categories::{CATEGORIES, Category, category_of};
pub use hands::{Hand, Hands};
pub use ink::{Fill, Pen, ink};
pub use nouns::{Noun, naming, noun, nouns};
pub use sprite::Sprite;
pub use styles::dress;
