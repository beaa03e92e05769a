//! Samples of one thing: what is it?

use super::{Hand, Hands, Noun, category_of, nouns, questions, thing::Thing};
use crate::{
    Ground, Kit, Place, Random, Sample, Split, Turn,
    ask::{owned, turn, yes_no},
    wear::{Keep, wear},
};

/// One thing, large and upright in the middle of a plain ground; a short question with a short answer.
pub(crate) fn easy(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    large(kit, random, split).unwrap_or_default()
}

fn large(kit: &Kit, random: &mut Random, split: Split) -> Option<Sample> {
    let hands = kit.hands.as_ref()?;
    let thing = Thing::any(split, &Hand::TRAINED, hands, random)?;
    let side = random.between(96, 128);
    let (middle, scale) = (side as f64 / 2.0, side as f64 * random.range(0.38, 0.48));
    let place = Place { mirrored: random.chance(0.5), ..Place::at(middle, middle, scale) };
    let sprite = thing.sprite(hands, scale)?;
    let mut canvas = Ground::simple(side as u32, side as u32, &[sprite.mean()], random).canvas;
    sprite.stamp(&mut canvas, &place);
    Some(Sample {
        pictures: vec![canvas.into_rgb()],
        turns: what(&thing, split, random).into_iter().collect(),
        fps: None,
    })
}

/// One thing at any size, turn and place, on any ground; for learning in any style.
pub(crate) fn name(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    one(kit, &Hand::TRAINED, random, split).unwrap_or_default()
}

/// The same by the hand that learning never sees: for tests. For learning it is [`name`].
pub(crate) fn name_openmoji(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    match split {
        Split::Train => name(kit, random, split),
        Split::Test => one(kit, &[Hand::OpenMoji], random, split).unwrap_or_default(),
    }
}

fn one(kit: &Kit, among: &[Hand], random: &mut Random, split: Split) -> Option<Sample> {
    let hands = kit.hands.as_ref()?;
    let thing = Thing::any(split, among, hands, random)?;
    let widest = if random.chance(0.92) { 208.0 } else { 448.0 };
    let width = random.range(96.0, widest).floor();
    let height = (width * random.range(0.75, 1.333)).floor();
    let place = place(width, height, split, random);
    let sprite = thing.dressed(hands, place.scale, split, random)?;
    let mut canvas = Ground::draw(width as u32, height as u32, &[sprite.mean()], random).canvas;
    sprite.stamp(&mut canvas, &place);
    let picture = wear(canvas.into_rgb(), Keep::Shapes, random);
    Some(Sample { pictures: vec![picture], turns: turns(&thing, hands, split, random), fps: None })
}

/// Mostly upright, somewhere within the picture; a few things hang over the edge.
fn place(width: f64, height: f64, split: Split, random: &mut Random) -> Place {
    let scale = width.min(height) * random.range(0.24, 0.48);
    let turn = if random.chance(0.85) { random.range(-30.0, 30.0) } else { random.range(-180.0, 180.0) };
    let (sin, cos) = libm::sincos(turn.to_radians());
    // The corners of the square are mostly empty.
    let part = if split == Split::Train { random.range(0.7, 1.0) } else { 0.93 };
    let reach = scale * (sin.abs() + cos.abs()) * part;
    let within = |side: f64, random: &mut Random| {
        let margin = reach.min(side / 2.0);
        random.range(margin, side - margin)
    };
    let (x, y) = (within(width, random), within(height, random));
    Place { turn, mirrored: random.chance(0.5), ..Place::at(x, y, scale) }
}

/// One to three turns about a thing; a test asks what it is, once.
fn turns(thing: &Thing, hands: &Hands, split: Split, random: &mut Random) -> Vec<Turn> {
    if split == Split::Test {
        return what(thing, split, random).into_iter().collect();
    }
    let mut turns: Vec<Turn> = Vec::new();
    for _ in 0..random.between(1, 3) {
        let turn = match random.unit() {
            kind if kind < 0.62 => None,
            kind if kind < 0.70 => hint(thing, split, random),
            kind if kind < 0.80 => kind_of(thing, split, random),
            kind if kind < 0.85 => is_kind(thing, split, random),
            _ => is_it(thing, hands, split, random),
        };
        let turn = turn.or_else(|| what(thing, split, random));
        turns.extend(turn.filter(|turn| turns.iter().all(|before| before.skill != turn.skill)));
    }
    turns
}

/// What is it?
fn what(thing: &Thing, split: Split, random: &mut Random) -> Option<Turn> {
    let noun = thing.noun;
    turn("name", "name.what", split, random, &[("phrase", &noun.phrase())], noun.word, owned(&noun.also))
}

/// Which animal is it?
fn hint(thing: &Thing, split: Split, random: &mut Random) -> Option<Turn> {
    let fills = [("category", category_of(thing.noun.category)?.which)];
    turn("name", "name.hint", split, random, &fills, thing.noun.word, owned(&thing.noun.also))
}

/// What kind of thing is it?
fn kind_of(thing: &Thing, split: Split, random: &mut Random) -> Option<Turn> {
    let category = category_of(thing.noun.category)?;
    turn("kind", "name.kind", split, random, &[], category.name, owned(category.also))
}

/// Is it an animal?
fn is_kind(thing: &Thing, split: Split, random: &mut Random) -> Option<Turn> {
    let category = category_of(thing.noun.category)?;
    let other = if random.chance(0.5) { None } else { questions::other(&[category], random) };
    let asked = other.unwrap_or(category);
    yes_no("is-kind", "name.yes.kind", split, random, &[("kind", asked.one)], other.is_none())
}

/// Is it a dog? Where it is not, what is asked for is mostly of the same category.
fn is_it(thing: &Thing, hands: &Hands, split: Split, random: &mut Random) -> Option<Turn> {
    let other = if random.chance(0.5) { None } else { another(thing.noun, hands, random) };
    let phrase = other.unwrap_or(thing.noun).phrase();
    yes_no("is-it", "name.yes", split, random, &[("thing", &phrase)], other.is_none())
}

/// A noun that is plainly another, mostly of the same category.
pub(crate) fn another(noun: &Noun, hands: &Hands, random: &mut Random) -> Option<&'static Noun> {
    let drawn = |other: &Noun| Hand::TRAINED.iter().any(|hand| hands.count(*hand, other) > 0);
    let called = |other: &Noun| other.also.iter().chain(&other.broader).any(|word| noun.is_called(word));
    let clear = |other: &&Noun| !noun.like(other) && !called(other) && drawn(other);
    let of_category = |other: &&Noun| other.category == noun.category;
    let same = random.chance(0.8);
    let mut others: Vec<&'static Noun> = nouns().iter().filter(|other| of_category(other) && clear(other)).collect();
    if !same || others.is_empty() {
        others = nouns().iter().filter(clear).collect();
    }
    others.get(random.below(others.len())).copied()
}
