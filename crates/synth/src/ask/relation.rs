//! Where two objects are, seen from each other: left, right, above, below, inside, bigger.

use super::{owned, turn, yes_no};
use crate::{
    Random, Split, Turn,
    scene::{Object, Scene},
};

/// A side: of what it is spoken, and the way (across, down) to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
    Above,
    Below,
}

use Side::*;

const SIDES: [Side; 4] = [Left, Right, Above, Below];

impl Side {
    fn opposite(self) -> Side {
        match self {
            Left => Right,
            Right => Left,
            Above => Below,
            Below => Above,
        }
    }

    /// How it is said before "the circle".
    fn phrase(self, random: &mut Random) -> &'static str {
        let ways: &[&str] = match self {
            Left => &["to the left of", "to the left of", "left of", "on the left of"],
            Right => &["to the right of", "to the right of", "right of", "on the right of"],
            Above => &["above", "above", "above", "higher than"],
            Below => &["below", "below", "under", "beneath", "lower than"],
        };
        random.pick::<&str>(ways)
    }

    fn word(self) -> &'static str {
        match self {
            Left => "left",
            Right => "right",
            Above => "above",
            Below => "below",
        }
    }

    /// How far `a` is on this side of `b`, and how far their extents along it reach: the middles' distance, half the
    /// larger extent.
    fn distance(self, a: &Object, b: &Object) -> (f64, f64) {
        let ((ax, ay), (bx, by), (aw, ah), (bw, bh)) = (a.centre(), b.centre(), a.size(), b.size());
        match self {
            Left => (bx - ax, aw.max(bw) / 2.0),
            Right => (ax - bx, aw.max(bw) / 2.0),
            Above => (by - ay, ah.max(bh) / 2.0),
            Below => (ay - by, ah.max(bh) / 2.0),
        }
    }

    /// Whether everybody would say that `a` is on this side of `b`.
    fn is_clear(self, a: &Object, b: &Object, scene: &Scene) -> bool {
        let (far, reach) = self.distance(a, b);
        let across = matches!(self, Left | Right);
        let whole = f64::from(if across { scene.width } else { scene.height });
        far > 0.8 * reach && far > 0.08 * whole
    }
}

/// Two objects, by their names; not one inside the other.
fn two(scene: &Scene, noun: &str, random: &mut Random) -> Option<(usize, usize, String, String)> {
    let n = scene.objects.len();
    if n < 2 {
        return None;
    }
    let a = random.below(n);
    let b = (a + 1 + random.below(n - 1)) % n;
    if scene.inside.is_some_and(|(outer, inner)| (a, b) == (outer, inner) || (b, a) == (outer, inner)) {
        return None;
    }
    Some((a, b, scene.name(a, noun, random)?, scene.name(b, noun, random)?))
}

/// What answers call an object: its noun, or with its colour where others have the noun. With all that is as right.
pub(crate) fn answer(scene: &Scene, at: usize) -> Option<(String, Vec<String>)> {
    let object = scene.objects.get(at)?;
    let names = scene.names(at, "shape");
    let best = names.iter().find(|name| *name == object.noun()).cloned().unwrap_or_else(|| object.full());
    let mut also = vec![object.full(), format!("the {best}"), format!("the {}", object.full())];
    also.extend(names);
    also.extend(object.also());
    let mut once: Vec<String> = Vec::new();
    for name in also {
        if name != best && !once.contains(&name) {
            once.push(name);
        }
    }
    Some((best, once))
}

/// Left or right, above or below.
pub(crate) fn side(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (noun, _) = scene.nouns(random);
    let (a, b, x, y) = two(scene, noun, random)?;
    let (a, b) = (scene.objects.get(a)?, scene.objects.get(b)?);
    let across = random.chance(0.5);
    let sides = if across { [Left, Right] } else { [Above, Below] };
    let side = sides.into_iter().find(|side| side.is_clear(a, b, scene))?;
    let also = match side {
        Left => owned(&["to the left", "on the left"]),
        Right => owned(&["to the right", "on the right"]),
        Above => owned(&["higher", "over"]),
        Below => owned(&["lower", "under", "beneath"]),
    };
    let section = if across { "side.x" } else { "side.y" };
    turn("relation", section, split, random, &[("x", &x), ("y", &y)], side.word(), also)
}

/// Whether one is on a side of the other.
pub(crate) fn is_side(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (noun, _) = scene.nouns(random);
    let (a, b, x, y) = two(scene, noun, random)?;
    let (a, b) = (scene.objects.get(a)?, scene.objects.get(b)?);
    let side = *random.pick(&SIDES);
    let yes = side.is_clear(a, b, scene);
    if !yes && !side.opposite().is_clear(a, b, scene) {
        return None;
    }
    let phrase = side.phrase(random);
    let so = if yes { phrase.to_owned() } else { format!("not {phrase}") };
    yes_no("relation", "is.side", split, random, &[("x", &x), ("y", &y), ("side", phrase), ("so", &so)], yes)
}

/// The only object that is on a side of another: (it, the other, the side).
fn only(scene: &Scene, random: &mut Random) -> Option<(usize, usize, Side)> {
    if scene.inside.is_some() {
        return None;
    }
    let b = random.below(scene.objects.len());
    let from = scene.objects.get(b)?;
    let side = *random.pick(&SIDES);
    let mut found = None;
    for (at, object) in scene.objects.iter().enumerate().filter(|(at, _)| *at != b) {
        let (far, _) = side.distance(object, from);
        let (ox, oy) = object.centre();
        let (fx, fy) = from.centre();
        let off = if matches!(side, Left | Right) { (oy - fy).abs() } else { (ox - fx).abs() };
        match side.is_clear(object, from, scene) && off < 1.2 * far {
            true if found.is_none() => found = Some(at),
            true => return None,
            // Nothing else may be on that side at all.
            false if far > 0.02 * f64::from(scene.width) => return None,
            false => {}
        }
    }
    Some((found?, b, side))
}

/// What is on a side of something.
pub(crate) fn what_side(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (at, from, side) = only(scene, random)?;
    let (noun, _) = scene.nouns(random);
    let y = scene.name(from, noun, random)?;
    let (best, also) = answer(scene, at)?;
    let fills = [("object", noun), ("y", y.as_str()), ("side", side.phrase(random))];
    turn("relation", "what.side", split, random, &fills, &best, also)
}

/// Of what colour it is.
pub(crate) fn colour_side(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (at, from, side) = only(scene, random)?;
    let (noun, _) = scene.nouns(random);
    let y = scene.name(from, noun, random)?;
    let colour = scene.objects.get(at)?.colour()?;
    let fills = [("object", noun), ("y", y.as_str()), ("side", side.phrase(random))];
    turn("relation", "colour.side", split, random, &fills, colour.name, owned(colour.also))
}

/// How much larger one is than the other: by its longer side and its area, the lesser of both.
pub(crate) fn larger(a: &Object, b: &Object) -> f64 {
    let ((aw, ah), (bw, bh)) = (a.size(), b.size());
    (aw.max(ah) / bw.max(bh)).min((aw * ah / (bw * bh)).sqrt())
}

/// From where on nobody doubts it.
pub(crate) const LARGER: f64 = 1.3;

/// Which of two is bigger, or smaller.
pub(crate) fn bigger(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (noun, _) = scene.nouns(random);
    let (a, b, x, y) = two(scene, noun, random)?;
    let (first, second) = (scene.objects.get(a)?, scene.objects.get(b)?);
    let bigger = random.chance(0.6);
    let first_bigger = match (larger(first, second), larger(second, first)) {
        (ratio, _) if ratio > LARGER => true,
        (_, ratio) if ratio > LARGER => false,
        _ => return None,
    };
    let (at, name) = if first_bigger == bigger { (a, &x) } else { (b, &y) };
    let (best, mut also) = answer(scene, at)?;
    also.push(best);
    also.retain(|other| other != name);
    let section = if bigger { "bigger" } else { "smaller" };
    turn("relation", section, split, random, &[("x", &x), ("y", &y)], name, also)
}

/// Whether one is bigger, or smaller, than the other.
pub(crate) fn is_bigger(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (noun, _) = scene.nouns(random);
    let (a, b, x, y) = two(scene, noun, random)?;
    let (a, b) = (scene.objects.get(a)?, scene.objects.get(b)?);
    let bigger = random.chance(0.6);
    let first_bigger = larger(a, b) > LARGER;
    if !first_bigger && larger(b, a) <= LARGER {
        return None;
    }
    let word = *random.pick(if bigger { &["bigger", "larger"] } else { &["smaller", "smaller"] });
    let yes = first_bigger == bigger;
    let so = if yes { word.to_owned() } else { format!("not {word}") };
    yes_no("relation", "is.bigger", split, random, &[("x", &x), ("y", &y), ("bigger", word), ("so", &so)], yes)
}

/// What is inside what.
pub(crate) fn inside(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (outer, inner) = scene.inside?;
    let (noun, _) = scene.nouns(random);
    let (x, y) = (scene.name(inner, noun, random)?, scene.name(outer, noun, random)?);
    let fills = [("x", x.as_str()), ("y", y.as_str()), ("object", noun)];
    let within = random.chance(0.5);
    let (best, also) = answer(scene, if within { inner } else { outer })?;
    let section = if within { "inside.what" } else { "outside.what" };
    turn("relation", section, split, random, &fills, &best, also)
}

/// Whether something is inside another, or which of the two; what is not is beside it, or the other way around.
pub(crate) fn is_inside(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (outer, inner) = scene.inside?;
    let (noun, _) = scene.nouns(random);
    let yes = random.chance(0.5);
    let others: Vec<usize> = (0..scene.objects.len()).filter(|at| *at != outer && *at != inner).collect();
    let (a, b, swapped) = match others.as_slice() {
        _ if yes => (inner, outer, false),
        [] => (outer, inner, true),
        others => (*random.pick(others), outer, false),
    };
    let (x, y) = (scene.name(a, noun, random)?, scene.name(b, noun, random)?);
    if random.chance(0.4) && !swapped {
        let fills = [("x", x.as_str()), ("y", y.as_str())];
        return turn(
            "relation",
            "inside.or",
            split,
            random,
            &fills,
            if yes { "inside" } else { "outside" },
            Vec::new(),
        );
    }
    let so = if yes { "inside" } else { "not inside" };
    yes_no("relation", "inside.is", split, random, &[("x", &x), ("y", &y), ("so", so)], yes)
}
