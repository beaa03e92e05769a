//! Yes or no: half of each, and the no's are hard: what is asked for is nearly there.

use super::{colour, yes_no};
use crate::{
    Named, Random, Split, Turn, held,
    scene::{Object, Scene, number, plural},
    shapes::Kind,
    wordings::with_article,
};

/// What may be asked for: one and several of it.
type Wanted = (String, String);

/// Whether something is there: a kind, or a kind in a colour, or a thing.
pub(crate) fn exists(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let yes = random.chance(0.5);
    let (one, many) = if yes { present(scene, random) } else { missing(scene, random, split) }?;
    let (noun, nouns) = scene.nouns(random);
    let so = if yes { with_article(&one) } else { format!("no {one}") };
    let fills = [("thing", one.as_str()), ("things", &many), ("object", noun), ("objects", nouns), ("one", &so)];
    yes_no("yesno", "exists.yes", split, random, &fills, yes)
}

/// Whether something is not there.
pub(crate) fn exists_not(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let there = random.chance(0.5);
    let (one, many) = if there { present(scene, random) } else { missing(scene, random, split) }
        .or_else(|| Some((String::new(), String::new())))?;
    let (one, many) = match (one.is_empty(), there) {
        (true, _) => {
            let colour = if there { shown(scene, random)? } else { colour::other(scene, random).name };
            let (noun, nouns) = scene.nouns(random);
            (format!("{colour} {noun}"), format!("{colour} {nouns}"))
        }
        _ => (one, many),
    };
    let so = if there { with_article(&one) } else { format!("no {one}") };
    let fills = [("thing", one.as_str()), ("things", &many), ("one", &so)];
    yes_no("yesno", "exists.not", split, random, &fills, !there)
}

/// The name of a colour that is shown.
fn shown(scene: &Scene, random: &mut Random) -> Option<&'static str> {
    let object = scene.objects.get(random.below(scene.objects.len()))?;
    Some(object.colour()?.name)
}

fn present(scene: &Scene, random: &mut Random) -> Option<Wanted> {
    let object = scene.objects.get(random.below(scene.objects.len()))?;
    match object.colour() {
        Some(colour) if random.chance(0.5) => Some((object.full(), format!("{} {}", colour.name, object.plural()))),
        _ => Some((object.noun().to_owned(), object.plural())),
    }
}

/// Something that is not there. Of shapes, the colour of one with the kind of another, where that is nowhere; or a kind
/// that is nowhere, perhaps in a colour that is there.
fn missing(scene: &Scene, random: &mut Random, split: Split) -> Option<Wanted> {
    if !scene.all_shapes() {
        let thing = scene.absent.get(random.below(scene.absent.len()))?;
        return Some((thing.noun().to_owned(), thing.plural()));
    }
    let n = scene.objects.len();
    let (a, b) = (scene.objects.get(random.below(n))?, scene.objects.get(random.below(n))?);
    let (colour, kind) = match random.unit() {
        u if u < 0.4 => (Some(a.colour()?), b.shape()?.kind),
        u if u < 0.55 => (Some(a.colour()?), Kind::pick(random)),
        u if u < 0.7 => (Some(colour::other(scene, random)), b.shape()?.kind),
        _ => (None, Kind::pick(random)),
    };
    let taken = |o: &Object| {
        let kinds = o.shape().is_some_and(|s| s.kind == kind || s.kind.is_near(kind));
        let colours = colour.is_none_or(|c| o.colour().is_some_and(|own| own == c || own.is_near(c)));
        kinds && colours
    };
    match colour {
        _ if scene.objects.iter().any(taken) => None,
        Some(colour) if !held::allows(split, colour, kind) => None,
        Some(colour) => {
            Some((format!("{} {}", colour.name, kind.name()), format!("{} {}", colour.name, plural(kind.name()))))
        }
        None => Some((kind.name().to_owned(), plural(kind.name()))),
    }
}

/// Whether a colour is there.
pub(crate) fn exists_colour(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    if !scene.all_shapes() {
        return None;
    }
    let yes = random.chance(0.5);
    let wanted = if yes { shown(scene, random)? } else { colour::other(scene, random).name };
    // "Is there something white?" may mean the ground.
    let near = |ground: &'static Named| ground.name == wanted || Named::of(wanted).is_some_and(|w| w.is_near(ground));
    if !yes && scene.ground.is_some_and(near) {
        return None;
    }
    let (noun, nouns) = scene.nouns(random);
    let so = if yes { with_article(&format!("{wanted} {noun}")) } else { format!("no {wanted} {noun}") };
    let fills = [("colour", wanted), ("object", noun), ("objects", nouns), ("one", &so)];
    yes_no("yesno", "exists.colour", split, random, &fills, yes)
}

/// Whether something is of a colour.
pub(crate) fn is_colour(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let at = random.below(scene.objects.len());
    let object = scene.objects.get(at)?;
    let (own, shape) = (object.colour()?, object.shape()?);
    let (noun, _) = scene.nouns(random);
    let unique = scene.names(at, "").iter().any(|name| name == object.noun());
    let name = match scene.objects.len() {
        1 if random.chance(0.6) => noun,
        _ if unique => object.noun(),
        _ => return None,
    };
    let yes = random.chance(0.5);
    let elsewhere = scene.objects.get(random.below(scene.objects.len()))?.colour()?;
    let asked = match yes {
        true => own,
        // What another object has is the harder no.
        false if elsewhere != own && !elsewhere.is_near(own) && random.chance(0.6) => elsewhere,
        false => colour::other(scene, random),
    };
    if !held::allows(split, asked, shape.kind) {
        return None;
    }
    let so = if yes { asked.name.to_owned() } else { format!("not {}", asked.name) };
    yes_no("yesno", "is.colour", split, random, &[("shape", name), ("colour", asked.name), ("so", &so)], yes)
}

/// Whether the only object is of a kind.
pub(crate) fn is_shape(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let [object] = &scene.objects[..] else { return None };
    let (kind, colour) = (object.shape()?.kind, object.colour()?);
    let yes = random.chance(0.5);
    let asked = if yes { kind } else { Kind::pick(random) };
    let unclear = !yes && (asked == kind || asked.is_near(kind));
    if unclear || !held::allows(split, colour, asked) {
        return None;
    }
    let (noun, _) = scene.nouns(random);
    let so = if yes { with_article(asked.name()) } else { format!("not {}", with_article(asked.name())) };
    yes_no("yesno", "is.shape", split, random, &[("shape", asked.name()), ("object", noun), ("so", &so)], yes)
}

/// Whether all objects have a colour.
pub(crate) fn all_colour(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let (first, rest) = scene.objects.split_first()?;
    let colour = first.colour()?;
    let same = rest.iter().all(|o| o.colour() == Some(colour));
    let near = rest.iter().any(|o| o.colour().is_none_or(|c| c.is_near(colour)));
    if rest.is_empty() || near || (!same && random.chance(0.6)) {
        return None;
    }
    let asked = if same && random.chance(0.3) { colour::other(scene, random) } else { colour };
    let (noun, nouns) = scene.nouns(random);
    let fills = [("colour", asked.name), ("object", noun), ("objects", nouns)];
    yes_no("yesno", "all.colour", split, random, &fills, same && asked == colour)
}

/// Two groups of objects, by kind or colour, that do not share an object, with their numbers.
pub(crate) fn groups(scene: &Scene, random: &mut Random) -> Option<[(String, usize); 2]> {
    let n = scene.objects.len();
    let (a, b) = (scene.objects.get(random.below(n))?, scene.objects.get(random.below(n))?);
    let (_, nouns) = scene.nouns(random);
    match (a.colour(), b.colour()) {
        (Some(x), Some(y)) if random.chance(0.5) => {
            let group =
                |c: &Named| (format!("{} {nouns}", c.name), scene.count(|o| o.colour().is_some_and(|own| own == c)));
            (x != y && !x.is_near(y)).then(|| [group(x), group(y)])
        }
        _ => {
            let near = |o: &Object| o.shape().zip(a.shape()).is_some_and(|(o, a)| o.kind.is_near(a.kind));
            let group = |of: &Object| (of.plural(), scene.count(|o| o.noun() == of.noun()));
            (a.noun() != b.noun() && scene.count(near) == 0).then(|| [group(a), group(b)])
        }
    }
}

/// Whether there are more, or fewer, of these than of those.
pub(crate) fn more(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let [x, y] = groups(scene, random)?;
    let section = if random.chance(0.65) { "more" } else { "fewer" };
    let yes = if section == "more" { x.1 > y.1 } else { x.1 < y.1 };
    if x.1 == y.1 && random.chance(0.7) {
        return None;
    }
    yes_no("yesno", section, split, random, &[("xs", &x.0), ("ys", &y.0)], yes)
}

/// Whether there are so many.
pub(crate) fn exactly(scene: &Scene, random: &mut Random, split: Split) -> Option<Turn> {
    let at = random.below(scene.objects.len());
    let object = scene.objects.get(at)?;
    let near = |o: &Object| o.shape().zip(object.shape()).is_some_and(|(o, own)| o.kind.is_near(own.kind));
    let all = random.chance(0.5);
    if !all && scene.count(near) > 0 {
        return None;
    }
    let (_, nouns) = scene.nouns(random);
    let (things, count) = match all {
        true => (nouns.to_owned(), scene.objects.len()),
        false => (object.plural(), scene.count(|o| o.noun() == object.noun())),
    };
    let yes = random.chance(0.5);
    let asked = match yes {
        true => count,
        false if count > 2 && random.chance(0.5) => count - random.between(1, 2.min(count - 2)),
        false => count + random.between(1, 2),
    };
    if asked < 2 {
        return None;
    }
    let asked = if random.chance(0.6) { number(asked) } else { asked.to_string() };
    yes_no("yesno", "exactly", split, random, &[("number", &asked), ("things", &things)], yes)
}
