//! Questions of a scene: each kind makes a turn, where the scene allows it.

pub(crate) mod among;
pub(crate) mod caption;
pub(crate) mod colour;
pub(crate) mod count;
pub(crate) mod relation;
pub(crate) mod shape;
pub(crate) mod yesno;

use crate::{
    Random, Split, Turn,
    scene::Scene,
    wordings::{self, Fills},
};

/// A kind of question; `None` where the scene does not allow it, or its answer would not be clear.
pub(crate) type Ask = fn(&Scene, &mut Random, Split) -> Option<Turn>;

/// Kinds of questions with their weights.
pub(crate) type Asks = [(f64, Ask)];

/// A turn of a section's wording.
pub(crate) fn turn(
    skill: &'static str,
    section: &str,
    split: Split,
    random: &mut Random,
    fills: &Fills,
    answer: &str,
    also: Vec<String>,
) -> Option<Turn> {
    let asked = wordings::ask(section, split, random, fills, answer);
    let also = if asked.sentence { Vec::new() } else { also };
    Some(Turn { skill, question: asked.question, answer: asked.answer, also })
}

/// A turn of yes or no.
pub(crate) fn yes_no(
    skill: &'static str,
    section: &str,
    split: Split,
    random: &mut Random,
    fills: &Fills,
    yes: bool,
) -> Option<Turn> {
    turn(skill, section, split, random, fills, if yes { "yes" } else { "no" }, Vec::new())
}

/// One of several kinds, by their weights: its place.
pub(crate) fn pick(asks: &Asks, random: &mut Random) -> usize {
    let mut left = random.unit() * asks.iter().map(|(weight, _)| weight).sum::<f64>();
    let found = asks.iter().position(|(weight, _)| {
        left -= weight;
        left < 0.0
    });
    found.unwrap_or(asks.len().saturating_sub(1))
}

/// Up to `most` turns about a scene: no question twice, nor a kind with the same answer, but for yes and no.
pub(crate) fn turns(scene: &Scene, asks: &Asks, most: usize, random: &mut Random, split: Split) -> Vec<Turn> {
    let mut turns: Vec<(usize, Turn)> = Vec::new();
    for _ in 0..4 * most {
        if turns.len() == most {
            break;
        }
        let kind = pick(asks, random);
        let Some(turn) = asks.get(kind).and_then(|(_, ask)| ask(scene, random, split)) else { continue };
        let same = |(other, there): &(usize, Turn)| {
            let again = *other == kind && there.answer == turn.answer && turn.answer.len() > 3;
            again || there.question == turn.question
        };
        if !turns.iter().any(same) {
            turns.push((kind, turn));
        }
    }
    turns.into_iter().map(|(_, turn)| turn).collect()
}

/// Whether what is said of several fits their number.
pub(crate) fn is_are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// Texts that are owned.
pub(crate) fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
