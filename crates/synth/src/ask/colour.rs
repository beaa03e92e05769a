//! What colour something is.

use super::{owned, turn};
use crate::{
    Named, Random, Split, Turn,
    colours::COLOURS,
    held,
    scene::{Object, Scene},
    shapes::Kind,
};

/// A colour that something is not, and that nobody would take for one of those that are shown.
pub(crate) fn other(scene: &Scene, random: &mut Random) -> &'static Named {
    for _ in 0..60 {
        let colour = Named::pick(random);
        let clear = |shown: &Object| shown.colour().is_none_or(|shown| shown != colour && !shown.is_near(colour));
        if scene.objects.iter().all(clear) {
            return colour;
        }
    }
    COLOURS.last().unwrap_or(&COLOURS[0])
}

/// Of the only object.
pub(crate) fn one(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let [object] = &scene.objects[..] else { return None };
    let colour = object.colour()?;
    let (noun, _) = scene.nouns(random);
    turn("colour", "colour.one", split, random, &[("object", noun)], colour.name, owned(colour.also))
}

/// Of the only one of its kind.
pub(crate) fn of(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let at = random.below(scene.objects.len());
    let object = scene.objects.get(at)?;
    let colour = object.colour()?;
    let noun = object.noun();
    if !scene.names(at, "").iter().any(|name| name == noun) {
        return None;
    }
    turn("colour", "colour.of", split, random, &[("shape", noun)], colour.name, owned(colour.also))
}

/// Of the ground.
pub(crate) fn ground(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let colour = scene.ground?;
    if colour.name == "white" && random.chance(0.6) {
        return None;
    }
    let (_, nouns) = scene.nouns(random);
    turn("colour", "colour.ground", split, random, &[("objects", nouns)], colour.name, owned(colour.also))
}

/// Which of two it is, of the only object.
pub(crate) fn choice(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let [object] = &scene.objects[..] else { return None };
    let (colour, wrong) = (object.colour()?, other(scene, random));
    let mut pair = [colour.name, wrong.name];
    random.shuffle(&mut pair);
    let (noun, _) = scene.nouns(random);
    let fills = [("object", noun), ("x", pair[0]), ("y", pair[1])];
    turn("colour", "colour.choice", split, random, &fills, colour.name, Vec::new())
}

/// Of what is not there.
pub(crate) fn none(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let noun = absent(scene, random, split)?;
    let also = vec!["none".to_owned(), "there is no one".to_owned(), format!("There is no {noun}.")];
    let mut turn = turn("none", "none", split, random, &[("shape", &noun)], "There is none.", also)?;
    turn.answer = "There is none.".to_owned();
    Some(turn)
}

/// The name of something that is not there: a thing, a kind, or a kind in a colour.
pub(crate) fn absent(scene: &Scene, random: &mut Random, split: Split) -> Option<String> {
    if !scene.all_shapes() {
        let thing = scene.absent.get(random.below(scene.absent.len()))?;
        return Some(thing.noun().to_owned());
    }
    let kind = Kind::pick(random);
    let clear = |object: &Object| object.shape().is_none_or(|s| s.kind != kind && !s.kind.is_near(kind));
    let colour = Named::pick(random);
    match scene.objects.iter().all(clear) {
        false => None,
        true if random.chance(0.3) && held::allows(split, colour, kind) => {
            Some(format!("{} {}", colour.name, kind.name()))
        }
        true => Some(kind.name().to_owned()),
    }
}
