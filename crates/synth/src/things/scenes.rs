//! Samples of several things, and of things among shapes.

use super::{
    CATEGORIES, Hand, Hands, Noun, Sprite, category_of, figure::Figure, naming, naming::another, noun, nouns,
    questions, thing::Thing,
};
use crate::{
    Colour, Ground, Kit, Random, Rgb, Sample, Split,
    ask::{Asks, among, caption, colour, count, relation, yesno},
    cast,
    lay::{self, Lay, Sizes},
    scene::{Object, Scene, What},
    shape_skills::sample,
    shapes::Kind,
};
use std::sync::Arc;

const FEW: &Asks = &[
    (2.0, relation::side),
    (1.0, relation::is_side),
    (2.0, relation::what_side),
    (1.0, relation::bigger),
    (0.5, relation::is_bigger),
    (1.0, among::extreme),
    (1.0, among::size),
    (0.7, among::nearest),
    (0.5, among::part),
    (0.7, yesno::exists),
    (0.5, yesno::exists_not),
    (1.0, questions::exists),
    (1.0, questions::which),
    (1.0, questions::either),
    (0.5, caption::short),
    (0.5, caption::medium),
    (0.4, caption::long),
    (0.4, caption::listed),
    (0.3, colour::none),
];

const MANY: &Asks = &[
    (2.0, count::all),
    (2.5, count::of),
    (2.0, questions::counted),
    (0.7, yesno::exists),
    (0.5, yesno::exists_not),
    (0.7, yesno::exactly),
    (0.5, questions::exists),
    (0.7, questions::most),
    (0.5, questions::either),
    (0.5, caption::short),
    (0.5, caption::medium),
    (0.2, caption::long),
    (0.2, colour::none),
];

const ROW: &Asks = &[
    (2.0, among::between),
    (2.0, among::ordinal),
    (1.0, among::extreme),
    (1.0, relation::what_side),
    (1.0, caption::listed),
    (0.5, questions::which),
];

const ODD: &Asks = &[
    (3.0, questions::odd),
    (2.0, questions::not),
    (0.7, questions::most),
    (0.7, questions::counted),
    (0.3, count::all),
];

const MIXED: &Asks = &[
    (1.0, colour::of),
    (1.5, relation::side),
    (1.0, relation::is_side),
    (1.5, relation::what_side),
    (0.7, relation::bigger),
    (1.0, among::extreme),
    (0.7, among::size),
    (0.5, among::nearest),
    (0.7, yesno::exists),
    (1.0, count::all),
    (1.0, count::of),
    (0.4, caption::short),
    (0.4, caption::medium),
    (0.3, caption::long),
    (0.3, caption::listed),
];

/// Scenes of one to nine things, now and then with shapes among them.
pub(crate) fn scenes(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let trained = |hands: &&Hands| Hand::TRAINED.iter().any(|hand| hands.has(*hand));
    let Some(hands) = kit.hands.as_ref().filter(trained) else { return Sample::default() };
    let cast = Cast { hands, split, by: by(random), plain: random.chance(0.4) };
    match random.unit() {
        u if u < 0.4 => sample(random, split, FEW, |random| cast.few(random), paint),
        u if u < 0.65 => sample(random, split, MANY, |random| cast.many(random), paint),
        u if u < 0.75 => sample(random, split, ROW, |random| cast.row(random), paint),
        u if u < 0.85 => sample(random, split, ODD, |random| cast.odd(random), paint),
        _ => sample(random, split, MIXED, |random| cast.mixed(random), paint),
    }
}

/// Which things a scene has.
struct Cast<'a> {
    hands: &'a Hands,
    split: Split,
    /// The hands that may have drawn the things.
    by: Vec<Hand>,
    /// Whether all of them are as they were drawn.
    plain: bool,
}

impl Cast<'_> {
    /// Two to four things of different nouns.
    fn few(&self, random: &mut Random) -> Scene {
        let n = *random.pick(&[1, 2, 2, 2, 3, 3, 4]);
        let objects = self.different(n, |_| true, random);
        self.arrange(objects, random)
    }

    /// Three to five things in a row.
    fn row(&self, random: &mut Random) -> Scene {
        let n = random.between(3, 5);
        let objects = self.different(n, |_| true, random);
        let (width, height) = lay::size(n, random);
        let size = (width.max(height).max(44 * n as u32), width.min(height));
        let sizes = if random.chance(0.5) { Sizes::Same } else { Sizes::Own };
        let scene = lay::lay(objects, size, Lay::Row, sizes, random);
        self.with_absent(scene, random)
    }

    /// One to nine things of one to three nouns, or of different nouns of a few categories.
    fn many(&self, random: &mut Random) -> Scene {
        let n = random.between(1, 9);
        let objects = if random.chance(0.35) {
            self.different(n, |noun| category_of(noun.category).is_some(), random)
        } else {
            let firsts = self.different(random.between(1, 3.min(n)), |_| true, random);
            // Others of a noun are mostly the same drawing.
            let same = random.chance(0.7);
            let mut objects = firsts.clone();
            while objects.len() < n {
                let Some(first) = firsts.get(random.below(firsts.len())) else { break };
                let again = questions::of(first).filter(|_| !same).and_then(|noun| self.object(noun, random));
                objects.push(again.unwrap_or_else(|| turned(first.clone(), random)));
            }
            objects
        };
        self.arrange(objects, random)
    }

    /// Three to six things of a category, and one of another.
    fn odd(&self, random: &mut Random) -> Scene {
        let n = random.between(3, 6);
        let (usual, other) = (random.pick(CATEGORIES).name, random.pick(CATEGORIES).name);
        let mut objects = self.different(n, |noun| noun.category == usual, random);
        objects.extend(self.different(1, |noun| noun.category == other && other != usual, random));
        random.shuffle(&mut objects);
        self.arrange(objects, random)
    }

    /// One to three things and as many shapes. What is called like a shape stays out.
    fn mixed(&self, random: &mut Random) -> Scene {
        let shape =
            |noun: &Noun| Kind::all().any(|kind| noun.is_called(kind.name()) || kind.also().contains(&noun.word));
        let (things, shapes) = (random.between(1, 3), random.between(1, 3));
        let mut objects = self.different(things, |noun| !shape(noun), random);
        let colours = cast::colours(shapes, random);
        let kinds = cast::kinds(shapes, random);
        for (kind, colour) in kinds.iter().zip(&colours) {
            if crate::held::allows(self.split, colour, *kind) {
                objects.push(cast::object(*kind, colour, random));
            }
        }
        random.shuffle(&mut objects);
        self.arrange(objects, random)
    }

    /// Things of nouns that can be counted and not be taken for each other.
    fn different(&self, n: usize, so: impl Fn(&Noun) -> bool, random: &mut Random) -> Vec<Object> {
        let mut chosen: Vec<&'static Noun> = Vec::new();
        let mut objects = Vec::new();
        for _ in 0..100 * n {
            if objects.len() == n {
                break;
            }
            let noun = if random.chance(0.4) { *random.pick(naming()) } else { random.pick(nouns()) };
            if noun.plural.is_none() || !so(noun) || chosen.iter().any(|other| alike(other, noun)) {
                continue;
            }
            if let Some(object) = self.object(noun, random) {
                chosen.push(noun);
                objects.push(object);
            }
        }
        objects
    }

    fn object(&self, noun: &'static Noun, random: &mut Random) -> Option<Object> {
        let thing = Thing::of(noun, &self.by, self.hands, random)?;
        let side = Sprite::SIDE as f64 / 2.0;
        let sprite = match self.plain {
            true => thing.sprite(self.hands, side)?,
            false => thing.dressed(self.hands, side, self.split, random)?,
        };
        let paint = sprite.mean();
        let what = What::Thing(Arc::new(Figure::new(noun, sprite)));
        let object = Object { paint, ..Object::new(what, random) };
        Some(turned(object, random))
    }

    fn arrange(&self, objects: Vec<Object>, random: &mut Random) -> Scene {
        let scene = cast::arrange(objects, random);
        self.with_absent(scene, random)
    }

    /// Adds things that are not there: mostly of the categories of those that are.
    fn with_absent(&self, mut scene: Scene, random: &mut Random) -> Scene {
        let there: Vec<&'static Noun> = scene.objects.iter().filter_map(questions::of).collect();
        for _ in 0..20 {
            if scene.absent.len() == 3 || there.is_empty() {
                break;
            }
            let like = there.get(random.below(there.len()));
            if let Some(noun) = like.and_then(|noun| another(noun, self.hands, random))
                && noun.plural.is_some()
                && !there.iter().any(|other| alike(other, noun))
            {
                scene.absent.push(Arc::new(Figure::absent(noun)));
            }
        }
        scene
    }
}

/// One hand in half of the scenes, any in the others.
fn by(random: &mut Random) -> Vec<Hand> {
    match random.chance(0.5) {
        true => vec![*random.pick(&Hand::TRAINED)],
        false => Hand::TRAINED.to_vec(),
    }
}

/// Whether one may be taken for the other, or a word is true of both that is a noun's.
fn alike(a: &Noun, b: &Noun) -> bool {
    a.like(b) || a.broader.iter().any(|word| noun(word).is_some() && b.is_called(word))
}

/// Turned a little, and mirrored in half of the cases.
fn turned(mut object: Object, random: &mut Random) -> Object {
    object.place.turn = if random.chance(0.9) { random.range(-25.0, 25.0) } else { random.range(-180.0, 180.0) };
    object.place.mirrored = random.chance(0.5);
    object
}

/// Draws a scene on a ground from which everything stands out, where there is one.
fn paint(scene: &mut Scene, random: &mut Random) -> Rgb {
    let paints: Vec<Colour> = scene.objects.iter().map(|object| object.paint).collect();
    cast::style(scene, random);
    let ground = Ground::draw(scene.width, scene.height, &paints, random);
    scene.draw(ground)
}
