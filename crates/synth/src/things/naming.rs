//! Samples of one thing: what is it?

use super::{Hand, Hands, Noun, Sprite, categories::category_of, naming, nouns};
use crate::{Canvas, Colour, Kit, Place, Random, Sample, Split, Turn, colours::hsv, wordings::ask};
use std::sync::Arc;

/// A thing that was chosen: its noun, and a drawing of it.
pub(crate) struct Thing {
    pub(crate) noun: &'static Noun,
    pub(crate) hand: Hand,
    pub(crate) number: usize,
}

impl Thing {
    /// A drawing of a noun by one of several hands; none where none of them drew it.
    pub(crate) fn of(noun: &'static Noun, among: &[Hand], hands: &Hands, random: &mut Random) -> Option<Thing> {
        let able: Vec<Hand> = among.iter().copied().filter(|hand| hands.count(*hand, noun) > 0).collect();
        if able.is_empty() {
            return None;
        }
        let hand = *random.pick(&able);
        Some(Thing { noun, hand, number: random.below(hands.count(hand, noun)) })
    }

    /// Any noun that one of the hands drew: for tests one of [`naming`]'s.
    pub(crate) fn any(split: Split, among: &[Hand], hands: &Hands, random: &mut Random) -> Option<Thing> {
        (0..100).find_map(|_| {
            let noun = match split {
                Split::Train => random.pick(nouns()),
                Split::Test => *random.pick(naming()),
            };
            Thing::of(noun, among, hands, random)
        })
    }

    fn sprite(&self, hands: &Hands, scale: f64) -> Option<Arc<Sprite>> {
        match scale <= 0.6 * Sprite::SIDE as f64 {
            true => hands.sprite(self.hand, self.noun, self.number),
            false => hands.large(self.hand, self.noun, self.number, (2.0 * scale) as usize).map(Arc::new),
        }
    }
}

/// One thing, large and upright in the middle of a plain ground; a short question with a short answer.
pub(crate) fn easy(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    large(kit, random, split).unwrap_or_default()
}

fn large(kit: &Kit, random: &mut Random, split: Split) -> Option<Sample> {
    let hands = kit.hands.as_ref()?;
    let thing = Thing::any(split, &Hand::TRAINED, hands, random)?;
    let side = random.between(96, 128) as f64;
    let scale = side * random.range(0.38, 0.48);
    let place = Place { mirrored: random.chance(0.5), ..Place::at(side / 2.0, side / 2.0, scale) };
    let sprite = thing.sprite(hands, scale)?;
    let mut canvas = Canvas::new(side as u32, side as u32, plain(&sprite, random));
    sprite.stamp(&mut canvas, &place);
    Some(Sample { pictures: vec![canvas.into_rgb()], turns: vec![what(&thing, split, random)] })
}

/// One thing at any size, turn and place.
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
    let width = random.range(96.0, 224.0).floor();
    let height = (width * random.range(0.75, 1.333)).floor();
    let scale = width.min(height) * random.range(0.2, 0.48);
    let turn = if random.chance(0.85) { random.range(-30.0, 30.0) } else { random.range(-180.0, 180.0) };
    // Corners are mostly empty; a few things hang over the edge.
    let (sin, cos) = libm::sincos(turn.to_radians());
    let reach = scale * (sin.abs() + cos.abs()) * if split == Split::Train { random.range(0.7, 1.0) } else { 0.93 };
    let within = |side: f64, random: &mut Random| {
        let margin = reach.min(side / 2.0);
        random.range(margin, side - margin)
    };
    let (x, y) = (within(width, random), within(height, random));
    let place = Place { turn, mirrored: random.chance(0.5), ..Place::at(x, y, scale) };
    let sprite = thing.sprite(hands, scale)?;
    let mut canvas = Canvas::new(width as u32, height as u32, plain(&sprite, random));
    sprite.stamp(&mut canvas, &place);
    Some(Sample { pictures: vec![canvas.into_rgb()], turns: turns(&thing, hands, split, random) })
}

/// A colour that the thing stands out from.
fn plain(sprite: &Sprite, random: &mut Random) -> Colour {
    let mean = sprite.mean();
    let mut ground = Colour(255, 255, 255);
    for _ in 0..8 {
        ground = match random.unit() {
            kind if kind < 0.35 => Colour(255, 255, 255),
            kind if kind < 0.45 => {
                let grey = (random.unit() * 255.0) as u8;
                Colour(grey, grey, grey)
            }
            kind if kind < 0.75 => hsv(random.range(0.0, 360.0), random.range(0.05, 0.35), random.range(0.8, 1.0)),
            _ => hsv(random.range(0.0, 360.0), random.unit(), random.unit()),
        };
        if ground.contrast(mean) > 0.12 {
            break;
        }
    }
    ground
}

/// One or two turns about a thing; a test asks what it is, once.
fn turns(thing: &Thing, hands: &Hands, split: Split, random: &mut Random) -> Vec<Turn> {
    if split == Split::Test {
        return vec![what(thing, split, random)];
    }
    let count = if random.chance(0.15) { 2 } else { 1 };
    let mut turns: Vec<Turn> = Vec::new();
    for _ in 0..count {
        let turn = match random.unit() {
            kind if kind < 0.62 => what(thing, split, random),
            kind if kind < 0.70 => hint(thing, split, random),
            kind if kind < 0.80 => kind_of(thing, split, random),
            kind if kind < 0.85 => is_kind(thing, split, random),
            _ => is_it(thing, hands, split, random),
        };
        if turns.iter().all(|before| before.skill != turn.skill) {
            turns.push(turn);
        }
    }
    turns
}

/// What is it?
pub(crate) fn what(thing: &Thing, split: Split, random: &mut Random) -> Turn {
    let phrase = thing.noun.phrase();
    let asked = ask("name.what", split, random, &[("phrase", &phrase)], thing.noun.word);
    named(thing.noun, asked.question, asked.answer)
}

/// Which animal is it?
fn hint(thing: &Thing, split: Split, random: &mut Random) -> Turn {
    let Some(category) = category_of(thing.noun.category) else { return what(thing, split, random) };
    let asked = ask("name.hint", split, random, &[("category", category.which)], thing.noun.word);
    named(thing.noun, asked.question, asked.answer)
}

fn named(noun: &Noun, question: String, answer: String) -> Turn {
    let also = noun.also.iter().map(|word| (*word).to_owned()).collect();
    Turn { skill: "name", question, answer, also }
}

/// What kind of thing is it?
fn kind_of(thing: &Thing, split: Split, random: &mut Random) -> Turn {
    let Some(category) = category_of(thing.noun.category) else { return what(thing, split, random) };
    let asked = ask("name.kind", split, random, &[], category.name);
    let also = category.also.iter().map(|word| (*word).to_owned()).collect();
    Turn { skill: "kind", question: asked.question, answer: asked.answer, also }
}

/// Is it an animal?
fn is_kind(thing: &Thing, split: Split, random: &mut Random) -> Turn {
    let Some(category) = category_of(thing.noun.category) else { return what(thing, split, random) };
    let yes = random.chance(0.5);
    let other = random.pick(super::categories::CATEGORIES);
    let asked_for = if yes { category } else { other };
    let answer = if asked_for == category { "yes" } else { "no" };
    let asked = ask("name.yes.kind", split, random, &[("kind", asked_for.one)], answer);
    Turn { skill: "is-kind", question: asked.question, answer: asked.answer, also: Vec::new() }
}

/// Is it a dog? Where it is not, what is asked for is mostly of the same category.
fn is_it(thing: &Thing, hands: &Hands, split: Split, random: &mut Random) -> Turn {
    let yes = random.chance(0.5);
    let other = if yes { None } else { another(thing.noun, hands, random) };
    let (noun, answer) = other.map_or((thing.noun, "yes"), |other| (other, "no"));
    let phrase = noun.phrase();
    let asked = ask("name.yes", split, random, &[("thing", &phrase)], answer);
    Turn { skill: "is-it", question: asked.question, answer: asked.answer, also: Vec::new() }
}

/// A noun that is plainly another.
pub(crate) fn another(noun: &Noun, hands: &Hands, random: &mut Random) -> Option<&'static Noun> {
    let same_category = random.chance(0.8);
    let drawn = |other: &Noun| Hand::TRAINED.iter().any(|hand| hands.count(*hand, other) > 0);
    (0..200).map(|_| random.pick(nouns())).find(|other| {
        (other.category == noun.category || !same_category)
            && !noun.like(other)
            && other.also.iter().all(|word| !noun.is_called(word))
            && drawn(other)
    })
}
