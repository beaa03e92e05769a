//! Samples of several things in rows: a name for every part of a picture.

use super::{Hand, thing::Thing};
use crate::{
    Colour, Ground, Kit, Place, Random, Sample, Split, Turn,
    wear::{Keep, wear},
    wordings::say,
};

/// Columns and rows, mostly two of each.
const GRIDS: &[(usize, usize)] = &[(2, 2), (2, 2), (2, 2), (2, 1), (1, 2), (3, 2), (2, 3), (3, 1)];

/// Two to six things in rows, and their names row by row: several names for the work of one picture.
pub(crate) fn rows(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    grid(kit, random, split).unwrap_or_default()
}

fn grid(kit: &Kit, random: &mut Random, split: Split) -> Option<Sample> {
    let hands = kit.hands.as_ref()?;
    let &(columns, rows) = random.pick(GRIDS);
    let cell = random.range(44.0, 72.0).floor();
    let plain = random.chance(0.5);
    let (mut placed, mut names) = (Vec::new(), Vec::new());
    for at in 0..columns * rows {
        let thing = Thing::any(split, &Hand::TRAINED, hands, random)?;
        let scale = cell * random.range(0.36, 0.48);
        let sprite = if plain { thing.sprite(hands, scale) } else { thing.dressed(hands, scale, split, random) }?;
        let mut middle = |place: usize| (place as f64 + 0.5) * cell + random.range(-1.0, 1.0) * (cell / 2.0 - scale);
        let (x, y) = (middle(at % columns), middle(at / columns));
        let place = Place { turn: random.range(-20.0, 20.0), mirrored: random.chance(0.5), ..Place::at(x, y, scale) };
        names.push(thing.noun.word);
        placed.push((thing, sprite, place));
    }
    let paints: Vec<Colour> = placed.iter().map(|(_, sprite, _)| sprite.mean()).collect();
    let size = (columns as f64 * cell, rows as f64 * cell);
    let draw = if plain { Ground::simple } else { Ground::draw };
    let mut canvas = draw(size.0 as u32, size.1 as u32, &paints, random).canvas;
    placed.iter().for_each(|(_, sprite, place)| sprite.stamp(&mut canvas, place));
    let picture = canvas.into_rgb();
    let picture = if plain { picture } else { wear(picture, Keep::Shapes, random) };
    let question = say("name.rows", split, random, &[]);
    let turn = Turn { skill: "names", question, answer: names.join(", "), also: Vec::new() };
    Some(Sample { pictures: vec![picture], turns: vec![turn], fps: None })
}
