//! How many.

use super::{is_are, owned, turn};
use crate::{
    Random, Split, Turn,
    colours::COLOURS,
    held,
    scene::{Object, Scene, number, plural},
    shapes::Kind,
};
use std::collections::BTreeSet;

/// Other ways to write a number.
pub(crate) fn also(count: usize) -> Vec<String> {
    match count {
        0 => owned(&["zero", "none", "no"]),
        _ => vec![number(count)],
    }
}

/// A turn of a number of things. That there is one or none is seldom asked for learning.
fn ask(section: &str, count: usize, fills: &[(&str, &str)], random: &mut Random, split: Split) -> Option<Turn> {
    if split == Split::Train && count < 2 && random.chance(0.5) {
        return None;
    }
    let mut fills = fills.to_vec();
    fills.push(("are", is_are(count)));
    turn("count", section, split, random, &fills, &count.to_string(), also(count))
}

/// All objects.
pub(crate) fn all(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (one, many) = scene.nouns(random);
    let count = scene.objects.len();
    let things = if count == 1 { one } else { many };
    let fills = [("object", one), ("objects", many), ("said", things)];
    ask("count.all", count, &fills, random, split)
}

/// Of some kinds with their numbers one: each number that there is as often as the others, but none and one less often.
fn choose<T>(mut of: Vec<(usize, T)>, random: &mut Random) -> Option<(usize, T)> {
    let (few, less) = (random.unit(), random.unit());
    let numbers: BTreeSet<usize> = of.iter().map(|(count, _)| *count).collect();
    let rare = |number: usize| (number == 0 && few < 0.75) || (number == 1 && less < 0.5);
    let mut common: Vec<usize> = numbers.iter().copied().filter(|number| !rare(*number)).collect();
    if common.is_empty() {
        common.extend(&numbers);
    }
    let number = *common.get(random.below(common.len()))?;
    of.retain(|(count, _)| *count == number);
    let at = random.below(of.len());
    (at < of.len()).then(|| of.swap_remove(at))
}

/// Those of a kind.
pub(crate) fn of(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let kinds = if scene.all_shapes() { kinds(scene) } else { nouns(scene) };
    let (count, (one, many)) = choose(kinds, random)?;
    let (_, objects) = scene.nouns(random);
    let said = if count == 1 { &one } else { &many };
    let fills = [("thing", one.as_str()), ("things", &many), ("said", said), ("objects", objects)];
    ask("count.of", count, &fills, random, split)
}

/// The kinds of shapes with their numbers, and those that nobody would see in one that is there.
fn kinds(scene: &Scene) -> Vec<(usize, (String, String))> {
    let near = |kind: Kind| scene.count(|o| o.shape().is_some_and(|s| s.kind.is_near(kind)));
    let count = |kind: Kind| scene.count(|o| o.shape().is_some_and(|s| s.kind == kind));
    let clear = Kind::all().filter(|kind| near(*kind) == 0);
    clear.map(|kind| (count(kind), (kind.name().to_owned(), plural(kind.name())))).collect()
}

fn nouns(scene: &Scene) -> Vec<(usize, (String, String))> {
    let count = |noun: &str| scene.count(|o| o.noun() == noun);
    let there = scene.objects.iter().map(|o| (count(o.noun()), (o.noun().to_owned(), o.plural())));
    let absent = scene.absent.iter().map(|thing| (0, (thing.noun().to_owned(), thing.plural())));
    there.chain(absent).collect()
}

/// Those of a colour.
pub(crate) fn colour(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    if !scene.all_shapes() {
        return None;
    }
    let near = |o: &Object, c| o.colour().is_some_and(|own| own.is_near(c));
    let clear = COLOURS.iter().filter(|c| scene.count(|o| near(o, c)) == 0);
    let counts = clear.map(|c| (scene.count(|o| o.colour() == Some(c)), c.name)).collect();
    let (count, colour) = choose(counts, random)?;
    let (one, many) = scene.nouns(random);
    let things = if count == 1 { one } else { many };
    ask("count.colour", count, &[("colour", colour), ("objects", many), ("said", things)], random, split)
}

/// Those of a kind and a colour.
pub(crate) fn both(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let mut pairs = Vec::new();
    for (kind, colour) in scene
        .objects
        .iter()
        .filter_map(|o| Some((o.shape()?.kind, o)))
        .flat_map(|(kind, _)| scene.objects.iter().filter_map(move |other| Some((kind, other.colour()?))))
    {
        let so = |o: &Object| o.shape().is_some_and(|s| s.kind == kind) && o.colour() == Some(colour);
        let near = |o: &Object| {
            o.shape().is_some_and(|s| s.kind == kind || s.kind.is_near(kind))
                && o.colour().is_some_and(|c| c == colour || c.is_near(colour))
        };
        if held::allows(split, colour, kind) && scene.count(so) == scene.count(near) {
            pairs.push((scene.count(so), (kind, colour)));
        }
    }
    let (count, (kind, colour)) = choose(pairs, random)?;
    let one = format!("{} {}", colour.name, kind.name());
    let many = format!("{} {}", colour.name, plural(kind.name()));
    let (_, objects) = scene.nouns(random);
    let said = if count == 1 { &one } else { &many };
    let fills = [("thing", one.as_str()), ("things", &many), ("said", said), ("objects", objects)];
    ask("count.of", count, &fills, random, split)
}

/// Kinds of shapes.
pub(crate) fn different(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let kinds: BTreeSet<Kind> = scene.objects.iter().filter_map(|o| o.shape().map(|s| s.kind)).collect();
    let unclear = kinds.iter().any(|a| kinds.iter().any(|b| a.is_near(*b)));
    if unclear || !scene.all_shapes() || scene.objects.len() < 2 {
        return None;
    }
    let things = if kinds.len() == 1 { "shape" } else { "shapes" };
    ask("count.kinds", kinds.len(), &[("said", things)], random, split)
}

/// Colours of the objects.
pub(crate) fn colours(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let colours: BTreeSet<&str> = scene.objects.iter().filter_map(|o| o.colour().map(|c| c.name)).collect();
    let near = |a: &Object, b: &Object| a.colour().zip(b.colour()).is_some_and(|(a, b)| a.is_near(b));
    let unclear = scene.objects.iter().any(|a| scene.objects.iter().any(|b| near(a, b)));
    if unclear || !scene.all_shapes() || scene.objects.len() < 2 {
        return None;
    }
    let (_, objects) = scene.nouns(random);
    let things = if colours.len() == 1 { "color" } else { "colors" };
    ask("count.colours", colours.len(), &[("objects", objects), ("said", things)], random, split)
}
