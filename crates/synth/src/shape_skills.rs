//! Samples of drawn shapes.

use crate::{Canvas, Colour, Kit, Random, Sample, Split, Turn, wordings::ask};

/// One shape.
pub(crate) fn single(_: &Kit, random: &mut Random, split: Split) -> Sample {
    let asked = ask("colour.one", split, random, &[("shape", "circle")], "red");
    let turn = Turn { skill: "colour", question: asked.question, answer: asked.answer, also: Vec::new() };
    Sample { pictures: vec![Canvas::new(64, 64, Colour(255, 255, 255)).into_rgb()], turns: vec![turn] }
}
