//! One among all: the leftmost, the largest, the nearest, the odd one out; where one is in the picture.

use super::{
    caption, owned,
    relation::{LARGER, answer, larger},
    turn,
};
use crate::{
    Random, Split, Turn,
    scene::{Object, Scene},
};

/// The object that is far from all others in some way: `of` tells how far it is, `least` by how much at least.
fn first(scene: &Scene, least: f64, of: impl Fn(&Object) -> f64) -> Option<usize> {
    let mut order: Vec<(f64, usize)> = scene.objects.iter().enumerate().map(|(at, o)| (of(o), at)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    match order[..] {
        [first, second, ..] if first.0 - second.0 > least => Some(first.1),
        _ => None,
    }
}

/// The object furthest to a side, and how that is said.
fn furthest(scene: &Scene, random: &mut Random) -> Option<(usize, &'static str)> {
    let (w, h) = (0.07 * f64::from(scene.width), 0.07 * f64::from(scene.height));
    if scene.objects.len() < 2 || scene.inside.is_some() {
        return None;
    }
    let (found, ways): (_, &[&str]) = match random.below(4) {
        0 => (
            first(scene, w, |o| -o.centre().0),
            &["furthest to the left", "on the far left", "leftmost", "furthest left"],
        ),
        1 => (
            first(scene, w, |o| o.centre().0),
            &["furthest to the right", "on the far right", "rightmost", "furthest right"],
        ),
        2 => (first(scene, h, |o| -o.centre().1), &["highest", "at the very top", "highest up", "nearest to the top"]),
        _ => (
            first(scene, h, |o| o.centre().1),
            &["lowest", "at the very bottom", "lowest down", "nearest to the bottom"],
        ),
    };
    Some((found?, random.pick::<&str>(ways)))
}

/// Which object is furthest to a side.
pub(crate) fn extreme(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (at, way) = furthest(scene, random)?;
    let (noun, nouns) = scene.nouns(random);
    let (best, also) = answer(scene, at)?;
    turn("relation", "extreme", split, random, &[("object", noun), ("objects", nouns), ("extreme", way)], &best, also)
}

/// Of what colour it is.
pub(crate) fn colour_extreme(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (at, way) = furthest(scene, random)?;
    let (noun, _) = scene.nouns(random);
    let colour = scene.objects.get(at)?.colour()?;
    let fills = [("object", noun), ("extreme", way)];
    turn("relation", "colour.extreme", split, random, &fills, colour.name, owned(colour.also))
}

/// The largest or the smallest object, and how that is said.
fn largest(scene: &Scene, random: &mut Random) -> Option<(usize, &'static str)> {
    let large = random.chance(0.5);
    if scene.objects.len() < 2 {
        return None;
    }
    let beats = |a: &Object, b: &Object| if large { larger(a, b) } else { larger(b, a) } > LARGER;
    let all = scene.objects.iter().enumerate();
    let found = all.clone().find(|(at, o)| all.clone().all(|(other, b)| other == *at || beats(o, b)))?;
    let ways: &[&str] = if large { &["largest", "biggest"] } else { &["smallest", "smallest", "littlest"] };
    Some((found.0, random.pick::<&str>(ways)))
}

/// Which object is the largest or the smallest.
pub(crate) fn size(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (at, way) = largest(scene, random)?;
    let (noun, nouns) = scene.nouns(random);
    let (best, also) = answer(scene, at)?;
    turn("relation", "largest", split, random, &[("object", noun), ("objects", nouns), ("largest", way)], &best, also)
}

/// Of what colour it is.
pub(crate) fn colour_size(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (at, way) = largest(scene, random)?;
    let (noun, nouns) = scene.nouns(random);
    let colour = scene.objects.get(at)?.colour()?;
    let fills = [("object", noun), ("objects", nouns), ("largest", way)];
    turn("relation", "colour.largest", split, random, &fills, colour.name, owned(colour.also))
}

/// Which object is nearest to another.
pub(crate) fn nearest(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    if scene.objects.len() < 3 || scene.inside.is_some() {
        return None;
    }
    let from = random.below(scene.objects.len());
    let (x, y) = scene.objects.get(from)?.centre();
    let [left, top, right, bottom] = scene.objects.get(from)?.bounds;
    // From middle to middle, and from edge to edge.
    let far = |o: &Object| (((o.centre().0 - x) * (o.centre().0 - x)) + (o.centre().1 - y) * (o.centre().1 - y)).sqrt();
    let gap = |o: &Object| {
        let across = (o.bounds[0] - right).max(left - o.bounds[2]).max(0.0);
        let down = (o.bounds[1] - bottom).max(top - o.bounds[3]).max(0.0);
        (across * across + down * down).sqrt()
    };
    let others = || scene.objects.iter().enumerate().filter(|(at, _)| *at != from);
    let (at, nearest) = others().min_by(|a, b| far(a.1).total_cmp(&far(b.1)))?;
    let clear = |o: &Object| far(o) > 1.4 * far(nearest) && gap(o) > 1.3 * gap(nearest);
    if !others().all(|(other, o)| other == at || clear(o)) {
        return None;
    }
    let (noun, nouns) = scene.nouns(random);
    let name = scene.name(from, noun, random)?;
    let (best, also) = answer(scene, at)?;
    turn("relation", "nearest", split, random, &[("object", noun), ("objects", nouns), ("y", &name)], &best, also)
}

/// Which one is not like the others, where these are alike.
pub(crate) fn odd(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    if scene.objects.len() < 3 || !scene.all_shapes() {
        return None;
    }
    let single = |same: &dyn Fn(&Object, &Object) -> bool| {
        let alike = |o: &Object| scene.count(|other| same(o, other));
        let others = scene.count(|o| alike(o) == scene.objects.len() - 1);
        let found = scene.objects.iter().find(|o| alike(o) == 1);
        found.filter(|_| others == scene.objects.len() - 1)
    };
    let (noun, nouns) = scene.nouns(random);
    let by_shape = single(&|a, b| a.noun() == b.noun());
    let by_colour = single(&|a, b| a.colour() == b.colour());
    match (by_shape, by_colour) {
        // Two that differ, each in its own way: neither is the odd one.
        (Some(a), Some(b)) if a.bounds != b.bounds => None,
        (Some(odd), None) => turn("relation", "odd.shape", split, random, &[], odd.noun(), odd.also()),
        (None, Some(odd)) => {
            let colour = odd.colour()?;
            let fills = [("object", noun), ("objects", nouns)];
            turn("relation", "odd.colour", split, random, &fills, colour.name, owned(colour.also))
        }
        _ => None,
    }
}

/// On which half of the picture an object is, or in which corner.
pub(crate) fn part(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let at = random.below(scene.objects.len());
    let object = scene.objects.get(at)?;
    let (noun, _) = scene.nouns(random);
    let name = match scene.objects.len() {
        1 if random.chance(0.5) => noun.to_owned(),
        _ => scene.name(at, noun, random)?,
    };
    let place = (object.centre().0 / f64::from(scene.width), object.centre().1 / f64::from(scene.height));
    let size = (object.size().0 / f64::from(scene.width), object.size().1 / f64::from(scene.height));
    if size.0 > 0.55 || size.1 > 0.55 {
        return None;
    }
    let fills = [("x", name.as_str())];
    let side = |v: f64, low: &'static str, high: &'static str| match v {
        v if v < 0.37 => Some(low),
        v if v > 0.63 => Some(high),
        _ => None,
    };
    let (x, y) = (side(place.0, "left", "right"), side(place.1, "top", "bottom"));
    match random.below(4) {
        0 => turn(
            "relation",
            "half.x",
            split,
            random,
            &fills,
            x?,
            owned(&["on the left", "on the right"][usize::from(x? == "right")..][..1]),
        ),
        1 => turn(
            "relation",
            "half.y",
            split,
            random,
            &fills,
            y?,
            owned(&["at the top", "at the bottom"][usize::from(y? == "bottom")..][..1]),
        ),
        _ => {
            let middle = |v: f64| (0.43..0.57).contains(&v);
            if middle(place.0) && middle(place.1) {
                let also = owned(&["center", "centre", "in the middle", "in the center"]);
                return turn("relation", "corner", split, random, &fills, "middle", also);
            }
            let (x, y) = (x?, y?);
            let upper = if y == "top" { "upper" } else { "lower" };
            let also = vec![
                format!("{y}-{x}"),
                format!("{upper} {x}"),
                format!("{y} {x} corner"),
                format!("in the {y} {x}"),
                format!("in the {y} {x} corner"),
                format!("at the {y} {x}"),
            ];
            turn("relation", "corner", split, random, &fills, &format!("{y} {x}"), also)
        }
    }
}

/// What is in a ninth of the picture, clear of the lines between the ninths, where nothing else may be said to be.
pub(crate) fn at_place(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let third = |v: f64, whole: u32| 3.0 * v / f64::from(whole);
    let ninth = |o: &Object| (third(o.centre().0, scene.width) as usize, third(o.centre().1, scene.height) as usize);
    let clear = |v: f64| (v - v.round()).abs() > 0.12 || v.round() < 1.0 || v.round() > 2.0;
    let at = random.below(scene.objects.len());
    let object = scene.objects.get(at)?;
    let (x, y) = object.centre();
    let (across, down) = ninth(object);
    // What is at the left top is at the top too.
    let so = |other: &Object| match (across, down, ninth(other)) {
        (1, 1, other) => other == (1, 1),
        (1, _, (_, y)) => y == down,
        (_, 1, (x, _)) => x == across,
        (_, _, other) => other == (across, down),
    };
    let alone = scene.count(so) == 1;
    if !alone || !clear(third(x, scene.width)) || !clear(third(y, scene.height)) {
        return None;
    }
    let (noun, _) = scene.nouns(random);
    let (best, also) = answer(scene, at)?;
    let place = caption::place(object, scene);
    turn("relation", "at.place", split, random, &[("object", noun), ("place", &place)], &best, also)
}

/// What is between two others in a row.
pub(crate) fn between(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let n = scene.objects.len();
    if !scene.row || n < 3 {
        return None;
    }
    let at = 1 + random.below(n - 2);
    let mut ends = [at - 1, at + 1];
    random.shuffle(&mut ends);
    let (noun, _) = scene.nouns(random);
    let (x, y) = (scene.name(ends[0], noun, random)?, scene.name(ends[1], noun, random)?);
    let (best, also) = answer(scene, at)?;
    turn("relation", "between", split, random, &[("object", noun), ("x", &x), ("y", &y)], &best, also)
}

/// Which one is the second from the left.
pub(crate) fn ordinal(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let n = scene.objects.len();
    if !scene.row || n < 3 {
        return None;
    }
    let at = random.below(n);
    let left = random.chance(0.6);
    let place = if left { at } else { n - 1 - at };
    let place = ["first", "second", "third", "fourth", "fifth"].get(place)?;
    let place = format!("{place} from the {}", if left { "left" } else { "right" });
    let (noun, nouns) = scene.nouns(random);
    let (best, also) = answer(scene, at)?;
    turn("relation", "ordinal", split, random, &[("object", noun), ("objects", nouns), ("place", &place)], &best, also)
}
