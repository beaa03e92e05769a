//! Samples of several pictures: which one has something, and what is different.

use crate::{
    Ground, Kit, Random, Rgb, Sample, Split, Turn,
    ask::{colour, count, owned, turn, yes_no},
    cast, held,
    scene::{Object, Scene, What, number},
    shapes::{Kind, Shape},
    wear::{Keep, wear},
    wordings::{say, with_article},
};

const PLACES: [&str; 3] = ["first", "second", "third"];

type Ask = fn(&[Scene], &mut Random, Split) -> Option<Turn>;

/// Two or three scenes, and which of them it is.
pub(crate) fn which(_: &Kit, random: &mut Random, split: Split) -> Sample {
    const ASKS: [Ask; 8] = [has, has, has, more, counted, counted, coloured, shaped];
    let n = if random.chance(0.7) { 2 } else { 3 };
    let way = random.unit();
    let scene = |random: &mut Random| match way {
        way if way < 0.5 => cast::single(split, random),
        way if way < 0.7 => cast::few(split, random),
        _ => cast::many(None, 6, split, random),
    };
    let mut scenes: Vec<Scene> = (0..n).map(|_| scene(random)).collect();
    let pictures = scenes.iter_mut().map(|scene| drawn(scene, random)).collect();
    let most = if split == Split::Test { 1 } else { random.between(2, 5) };
    Sample { pictures, turns: turns(&scenes, &ASKS, most, random, split), fps: None }
}

/// Draws a scene and wears it.
fn drawn(scene: &mut Scene, random: &mut Random) -> Rgb {
    let picture = cast::paint(scene, random);
    wear(picture, Keep::Colours, random)
}

/// Turns about several scenes, no question twice.
fn turns(scenes: &[Scene], asks: &[Ask], most: usize, random: &mut Random, split: Split) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for _ in 0..200 {
        if turns.len() == most {
            break;
        }
        let ask = random.pick(asks);
        if let Some(turn) = ask(scenes, random, split)
            && turns.iter().all(|other| other.question != turn.question)
        {
            turns.push(turn);
        }
    }
    turns
}

/// A turn that is answered by one of the pictures.
fn place(
    section: &str,
    at: usize,
    fills: &[(&str, &str)],
    n: usize,
    random: &mut Random,
    split: Split,
) -> Option<Turn> {
    let choice = if n == 2 { "the first or the second" } else { "the first, the second or the third" };
    let count = number(n);
    let mut fills = fills.to_vec();
    fills.extend([("choice", choice), ("number", &count)]);
    let answer = *PLACES.get(at)?;
    let digit = (at + 1).to_string();
    let also = vec![format!("the {answer}"), format!("the {answer} picture"), format!("the {answer} image"), digit];
    turn("pictures", section, split, random, &fills, answer, also)
}

/// Whether an object is, or may be taken for, a colour (if one is meant) and a kind (if one is meant).
fn is(object: &Object, like: &Object, by_colour: bool, by_kind: bool) -> bool {
    let colour = object.colour().zip(like.colour()).is_some_and(|(a, b)| a == b || a.is_near(b));
    let kind = object.shape().zip(like.shape()).is_some_and(|(a, b)| a.kind == b.kind || a.kind.is_near(b.kind));
    (colour || !by_colour) && (kind || !by_kind)
}

/// Which picture has something that no other has.
fn has(scenes: &[Scene], random: &mut Random, split: Split) -> Option<Turn> {
    let at = random.below(scenes.len());
    let scene = scenes.get(at)?;
    let object = scene.objects.get(random.below(scene.objects.len()))?;
    let (by_colour, by_kind) = *random.pick(&[(true, false), (false, true), (true, true)]);
    let others = scenes.iter().enumerate().filter(|(other, _)| *other != at);
    if others.into_iter().any(|(_, scene)| scene.objects.iter().any(|o| is(o, object, by_colour, by_kind))) {
        return None;
    }
    let thing = match (by_colour, by_kind) {
        (true, true) => object.full(),
        (true, _) => format!("{} shape", object.colour()?.name),
        _ => object.noun().to_owned(),
    };
    place("pictures.which", at, &[("thing", &thing)], scenes.len(), random, split)
}

/// Which of two pictures has more.
fn more(scenes: &[Scene], random: &mut Random, split: Split) -> Option<Turn> {
    let [a, b] = scenes else { return None };
    let (_, nouns) = a.nouns(random);
    let at = match (a.objects.len(), b.objects.len()) {
        (a, b) if a > b => 0,
        (a, b) if a < b => 1,
        _ => return None,
    };
    place("pictures.more", at, &[("things", nouns)], 2, random, split)
}

/// One of the scenes, and how it is called.
fn one<'a>(scenes: &'a [Scene], random: &mut Random) -> Option<(&'a Scene, String)> {
    let at = random.below(scenes.len());
    Some((scenes.get(at)?, format!("the {}", PLACES.get(at)?)))
}

/// How many shapes a picture has.
fn counted(scenes: &[Scene], random: &mut Random, split: Split) -> Option<Turn> {
    let (scene, which) = one(scenes, random)?;
    let (_, nouns) = scene.nouns(random);
    let count = scene.objects.len();
    if count == 1 && random.chance(0.8) {
        return None;
    }
    let fills = [("which", which.as_str()), ("things", nouns)];
    turn("pictures", "pictures.count", split, random, &fills, &count.to_string(), count::also(count))
}

/// Of what colour the only shape of its kind in a picture is.
fn coloured(scenes: &[Scene], random: &mut Random, split: Split) -> Option<Turn> {
    let (scene, which) = one(scenes, random)?;
    let at = random.below(scene.objects.len());
    let object = scene.objects.get(at)?;
    let colour = object.colour()?;
    let unique = scene.names(at, "").iter().any(|name| name == object.noun());
    let noun = if scene.objects.len() == 1 && random.chance(0.5) { "shape" } else { object.noun() };
    if !unique {
        return None;
    }
    let fills = [("which", which.as_str()), ("shape", noun)];
    turn("pictures", "pictures.colour", split, random, &fills, colour.name, owned(colour.also))
}

/// What the only shape of a picture is.
fn shaped(scenes: &[Scene], random: &mut Random, split: Split) -> Option<Turn> {
    let (scene, which) = one(scenes, random)?;
    let [object] = &scene.objects[..] else { return None };
    turn("pictures", "pictures.shape", split, random, &[("which", &which)], object.noun(), object.also())
}

/// Two pictures that are the same but for one change, or the same; what is different, and whether anything is.
pub(crate) fn differences(_: &Kit, random: &mut Random, split: Split) -> Sample {
    let mut first = cast::few(split, random);
    let mut change = None;
    if random.chance(0.6) {
        while change.is_none() {
            change = changed(&first, random, split);
        }
    }
    let (second, what) = match change {
        Some((second, what)) => (second, Some(what)),
        None => (first.clone(), None),
    };
    let mut second = second;
    let mut paints = first.paints();
    paints.extend(second.paints());
    let ground = Ground::draw(first.width, first.height, &paints, random);
    let pictures = vec![first.draw(ground.clone()), second.draw(ground)];
    let pictures = pictures.into_iter().map(|picture| wear(picture, Keep::Colours, random)).collect();
    let mut turns = Vec::new();
    let same = random.chance(0.5);
    let so = if what.is_none() { "the same" } else { "different" };
    let section = if same { "pictures.same" } else { "pictures.different" };
    let (_, nouns) = first.nouns(random);
    let fills = [("objects", nouns), ("so", so)];
    turns.extend(yes_no("pictures", section, split, random, &fills, same == what.is_none()));
    if let Some(answer) = what {
        let question = say("pictures.change", split, random, &[]);
        turns.push(Turn { skill: "pictures", question, answer, also: Vec::new() });
    }
    if split == Split::Test {
        turns.truncate(1);
    } else {
        turns.extend(self::turns(&[first, second], &[counted, coloured, has], random.between(1, 3), random, split));
        random.shuffle(&mut turns);
    }
    Sample { pictures, turns, fps: None }
}

/// The scene with one change, and what that is.
fn changed(scene: &Scene, random: &mut Random, split: Split) -> Option<(Scene, String)> {
    let mut other = scene.clone();
    let at = random.below(scene.objects.len());
    let object = scene.objects.get(at)?;
    let (kind, own) = (object.shape()?.kind, object.colour()?);
    let unique = scene.names(at, "").iter().any(|name| name == object.noun());
    let name = if unique { object.noun().to_owned() } else { object.full() };
    let place = object.place;
    let (x, y) = object.centre();
    let what = match random.below(3) {
        0 => {
            let colour = colour::other(scene, random);
            if !held::allows(split, colour, kind) {
                return None;
            }
            let paint = colour.draw(random);
            let there = other.objects.get_mut(at)?;
            there.paint = paint;
            there.what = What::Shape(object.shape()?.clone(), colour);
            format!("The {name} is {} in the first picture and {} in the second.", own.name, colour.name)
        }
        1 => {
            let new = Kind::pick(random);
            let taken = |o: &Object| o.shape().is_none_or(|s| s.kind == new || s.kind.is_near(new));
            if scene.objects.iter().any(taken) || !held::allows(split, own, new) {
                return None;
            }
            let shape = Shape::draw(new, random);
            let there = other.objects.get_mut(at)?;
            there.place.turn = shape.turn;
            there.what = What::Shape(shape, own);
            there.put(x, y, place.scale);
            format!("The {} is {} in the second picture.", object.full(), with_article(new.name()))
        }
        _ if scene.objects.len() > 2 => {
            other.objects.remove(at);
            format!("The {} is missing in the second picture.", object.full())
        }
        _ => return None,
    };
    Some((other, what))
}
