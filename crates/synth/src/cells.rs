//! Samples of small pictures side by side, each of one shape, thing or text: a name for every part of a picture, so that
//! the work of one teaches several.

use crate::{
    Canvas, Colour, Ground, Kit, Place, Random, Rgb, Sample, Split, Turn, cast,
    reading::{Ink, Look},
    scene::Scene,
    things::{Hand, Thing},
    wordings::say,
};

/// Columns and rows, mostly two of each.
const GRIDS: &[(u32, u32)] = &[(2, 2), (2, 2), (2, 2), (2, 2), (2, 1), (1, 2), (3, 2), (2, 3), (3, 3)];
const WHITE: Colour = Colour(255, 255, 255);
/// What a text's cell has.
const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What lies in a cell.
#[derive(Clone, Copy)]
enum Part {
    /// A dark shape on white: where looking begins.
    Shadow,
    /// A shape, and its colour.
    Shape,
    Thing,
    Text,
}

/// Each of some parts alone, or all of them together.
const PARTS: &[&[Part]] = &[
    &[Part::Shadow],
    &[Part::Shadow],
    &[Part::Shape],
    &[Part::Shape],
    &[Part::Thing],
    &[Part::Thing],
    &[Part::Thing],
    &[Part::Text],
    &[Part::Text],
    &[Part::Shape, Part::Thing, Part::Text],
];

/// Two to nine cells, and what each shows, row by row.
pub(crate) fn cells(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let &grid = random.pick(GRIDS);
    draw(grid, kit, random, split)
}

/// Two rows of two cells: a quarter of the picture each, as a tile of four tokens sees it.
pub(crate) fn quarters(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    draw((2, 2), kit, random, split)
}

fn draw((columns, rows): (u32, u32), kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let parts = random.pick(PARTS);
    let side = random.between(48, 80) as u32;
    let mut canvas = Canvas::new(columns * side, rows * side, WHITE);
    let mut names = Vec::new();
    for at in 0..columns * rows {
        let part = *random.pick(parts);
        if let Some((picture, name)) = cell(part, kit, side, random, split) {
            canvas.paste(&picture, at % columns * side, at / columns * side);
            names.push(name);
        }
    }
    let question = say("cells", split, random, &[]);
    let turn = Turn { skill: "cells", question, answer: names.join(", "), also: Vec::new() };
    Sample { pictures: vec![canvas.into_rgb()], turns: vec![turn], fps: None }
}

fn cell(part: Part, kit: &Kit, side: u32, random: &mut Random, split: Split) -> Option<(Rgb, String)> {
    match part {
        Part::Shadow | Part::Shape => Some(shape(matches!(part, Part::Shadow), side, random, split)),
        Part::Thing => thing(kit, side, random, split),
        Part::Text => text(kit, side, random, split),
    }
}

/// A middle and a scale (half a side) at which a part as wide as it is high lies within its cell.
fn within(side: u32, random: &mut Random) -> (f64, f64, f64) {
    let half = f64::from(side) / 2.0;
    let scale = half * random.range(0.6, 0.94);
    let mut middle = || half + random.range(-1.0, 1.0) * (half - scale);
    (middle(), middle(), scale)
}

fn shape(dark: bool, side: u32, random: &mut Random, split: Split) -> (Rgb, String) {
    let mut scene = Scene { width: side, height: side, ..cast::single(split, random) };
    let (x, y, scale) = within(side, random);
    if let Some(object) = scene.objects.first_mut() {
        object.put(x, y, scale);
    }
    let name = scene.objects.first().map_or(String::new(), |object| match dark {
        true => object.noun().to_owned(),
        false => object.full(),
    });
    let ground = match dark {
        true => {
            let ink = random.between(0, 60) as u8;
            scene.objects.iter_mut().for_each(|object| object.paint = Colour(ink, ink, ink));
            Ground { canvas: Canvas::new(side, side, WHITE), colours: vec![WHITE], name: None }
        }
        false => Ground::simple(side, side, &scene.paints(), random),
    };
    (scene.draw(ground), name)
}

fn thing(kit: &Kit, side: u32, random: &mut Random, split: Split) -> Option<(Rgb, String)> {
    let hands = kit.hands.as_ref()?;
    let thing = Thing::any(split, &Hand::TRAINED, hands, random)?;
    let (x, y, scale) = within(side, random);
    let styled = random.chance(0.3);
    let sprite = if styled { thing.dressed(hands, scale, split, random) } else { thing.sprite(hands, scale) }?;
    let mut canvas = Ground::simple(side, side, &[sprite.mean()], random).canvas;
    let place = Place { turn: random.range(-15.0, 15.0), mirrored: random.chance(0.5), ..Place::at(x, y, scale) };
    sprite.stamp(&mut canvas, &place);
    Some((canvas.into_rgb(), thing.noun.word.to_owned()))
}

/// One to three letters and digits.
fn text(kit: &Kit, side: u32, random: &mut Random, split: Split) -> Option<(Rgb, String)> {
    let name: String = (0..random.between(1, 3)).map(|_| char::from(*random.pick(SIGNS))).collect();
    let ink = if random.chance(0.5) { Ink::called(random, "black") } else { Ink::against(random, &[WHITE]) };
    let look = Look::plain(kit.fonts.pick(random, split), ink);
    let written = look.write(&name)?;
    let length = f64::from(side);
    let scale = look.scale(&written, length * random.range(0.35, 0.75), 0.94 * length, 0.9 * length);
    let mut canvas = Ground::simple(side, side, &[ink.colour], random).canvas;
    let mut middle = || length * random.range(0.47, 0.53);
    let place = look.place(middle(), middle(), scale);
    look.draw(&mut canvas, &written, &place);
    Some((canvas.into_rgb(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_a_name() {
        for seed in 0..40 {
            let sample = cells(&Kit::default(), &mut Random::new(5, seed), Split::Train);
            let picture = &sample.pictures[0];
            let names = sample.turns[0].answer.split(", ").filter(|name| !name.is_empty()).count() as u32;
            let cells = (picture.width / 48).max(1) * (picture.height / 48).max(1);
            // Without drawings things are left out.
            assert!(names <= cells, "{names} names of {}x{}", picture.width, picture.height);
        }
    }
}
