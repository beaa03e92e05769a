//! What shape something is, and which way an arrow points.

use super::{owned, turn};
use crate::{
    Random, Split, Turn, held,
    scene::Scene,
    shapes::{Kind, Shape},
};

/// The only object.
pub(crate) fn one(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let [object] = &scene.objects[..] else { return None };
    let kind = object.shape()?.kind;
    turn("shape", "shape.one", split, random, &[], kind.name(), also(object.shape()?))
}

/// Other names of a shape: an upright square on its corner is one, too.
fn also(shape: &Shape) -> Vec<String> {
    let mut also = owned(shape.kind.also());
    if shape.kind == Kind::Diamond && shape.ratio == 1.0 {
        also.push("square".to_owned());
    }
    also
}

/// The only one of a colour.
pub(crate) fn of(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let object = scene.objects.get(random.below(scene.objects.len()))?;
    let (shape, colour) = (object.shape()?, object.colour()?);
    if scene.count(|other| other.colour() == Some(colour)) != 1 {
        return None;
    }
    let (noun, _) = scene.nouns(random);
    let fills = [("colour", colour.name), ("object", noun)];
    turn("shape", "shape.of", split, random, &fills, shape.kind.name(), also(shape))
}

/// Which of two the only object is.
pub(crate) fn choice(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let [object] = &scene.objects[..] else { return None };
    let (kind, wrong) = (object.shape()?.kind, Kind::pick(random));
    let near = kind == wrong || matches!((kind.min(wrong), kind.max(wrong)), (Kind::Square, Kind::Diamond));
    if near || !held::allows(split, object.colour()?, wrong) {
        return None;
    }
    let mut pair = [kind.name(), wrong.name()];
    random.shuffle(&mut pair);
    let (noun, _) = scene.nouns(random);
    let fills = [("object", noun), ("x", pair[0]), ("y", pair[1])];
    turn("shape", "shape.choice", split, random, &fills, kind.name(), Vec::new())
}

/// Where the only arrow points, if that is clear.
pub(crate) fn arrow(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let mut arrows = scene.objects.iter().filter(|o| o.shape().is_some_and(|shape| shape.kind == Kind::Arrow));
    let arrow = arrows.next()?;
    let quarters = arrow.place.turn.rem_euclid(360.0) / 90.0;
    if arrows.next().is_some() || (quarters - quarters.round()).abs() > 0.16 {
        return None;
    }
    let way = ["right", "down", "left", "up"][quarters.round() as usize % 4];
    let also = match way {
        "down" => owned(&["downwards", "downward", "bottom"]),
        "up" => owned(&["upwards", "upward", "top"]),
        way => vec![format!("to the {way}")],
    };
    turn("relation", "arrow", split, random, &[], way, also)
}
