//! Samples of drawn shapes: a scene, a picture of it, and turns about it.

use crate::{
    Ground, Kit, Random, Rgb, Sample, Split, Turn,
    ask::{self, Asks, among, caption, colour, count, relation, shape, yesno},
    cast, held,
    scene::Scene,
    wear::{Keep, wear},
};

const SINGLE: &Asks = &[
    (3.0, colour::one),
    (3.0, shape::one),
    (1.0, colour::of),
    (1.0, shape::of),
    (0.6, colour::choice),
    (0.6, shape::choice),
    (0.5, colour::ground),
    (0.6, among::part),
    (0.4, count::all),
    (0.4, shape::arrow),
    (1.0, yesno::is_shape),
    (1.0, yesno::is_colour),
    (1.0, yesno::exists),
    (1.0, yesno::exists_colour),
    (0.5, yesno::exists_not),
    (0.2, caption::short),
    (0.1, caption::medium),
    (0.1, caption::long),
    (0.15, colour::none),
];

const COUNT: &Asks = &[
    (3.0, count::all),
    (2.0, count::of),
    (2.0, count::colour),
    (1.5, count::both),
    (0.4, count::different),
    (0.4, count::colours),
    (0.3, yesno::more),
    (0.3, yesno::exactly),
];

const RELATION: &Asks = &[
    (3.0, relation::side),
    (2.0, relation::is_side),
    (1.5, relation::what_side),
    (1.0, relation::colour_side),
    (1.5, relation::bigger),
    (1.0, relation::is_bigger),
    (1.0, among::extreme),
    (0.6, among::colour_extreme),
    (1.0, among::size),
    (0.6, among::colour_size),
    (1.0, among::nearest),
    (0.6, among::part),
    (0.3, shape::arrow),
];

const ROW: &Asks = &[
    (2.0, among::between),
    (2.0, among::ordinal),
    (1.0, relation::side),
    (0.5, caption::listed),
    (0.5, among::extreme),
];

const ODD: &Asks = &[(4.0, among::odd), (0.5, count::all), (0.5, count::both), (0.5, yesno::all_colour)];

const INSIDE: &Asks = &[
    (2.0, relation::inside),
    (2.0, relation::is_inside),
    (0.5, relation::bigger),
    (0.5, colour::of),
    (0.5, count::all),
];

const PLACES: &Asks = &[
    (3.0, among::part),
    (3.0, among::at_place),
    (2.0, relation::side),
    (1.0, relation::what_side),
    (1.0, among::extreme),
    (0.5, among::colour_extreme),
    (0.7, caption::long),
    (0.3, caption::listed),
    (0.5, shape::of),
    (0.5, colour::of),
];

const YESNO: &Asks = &[
    (2.0, yesno::exists),
    (2.0, yesno::exists_colour),
    (1.5, yesno::exists_not),
    (1.5, yesno::is_colour),
    (1.5, yesno::is_shape),
    (1.0, yesno::all_colour),
    (0.8, yesno::more),
    (0.8, yesno::exactly),
];

const CAPTION: &Asks = &[(2.0, caption::short), (2.0, caption::medium), (1.5, caption::long), (1.0, caption::listed)];

/// What is asked of any scene besides what it was drawn for.
const ANY: &Asks = &[
    (1.0, colour::of),
    (1.0, shape::of),
    (0.5, colour::ground),
    (0.5, count::all),
    (0.5, count::of),
    (0.5, count::colour),
    (0.3, count::both),
    (0.5, yesno::exists),
    (0.5, yesno::exists_colour),
    (0.3, yesno::exists_not),
    (0.3, yesno::is_colour),
    (0.2, yesno::all_colour),
    (0.2, yesno::more),
    (0.2, yesno::exactly),
    (0.4, relation::side),
    (0.3, relation::is_side),
    (0.3, relation::bigger),
    (0.2, among::extreme),
    (0.2, among::size),
    (0.15, caption::short),
    (0.15, caption::medium),
    (0.1, caption::long),
    (0.1, colour::none),
];

/// Draws scenes until one can be asked about: for learning, several turns of what it is for and two of anything; for
/// tests one.
pub(crate) fn sample(
    random: &mut Random,
    split: Split,
    asks: &Asks,
    scene: impl Fn(&mut Random) -> Scene,
    picture: fn(&mut Scene, &mut Random) -> Rgb,
) -> Sample {
    let mut sample = Sample::default();
    for _ in 0..50 {
        let mut scene = scene(random);
        let drawn = picture(&mut scene, random);
        let most = if split == Split::Test { 1 } else { random.between(2, 5) };
        sample.turns = ask::turns(&scene, asks, most, random, split);
        if sample.turns.is_empty() {
            continue;
        }
        if split == Split::Train {
            let more = random.between(1, 3);
            let others = ask::turns(&scene, ANY, more, random, split);
            sample.turns.extend(others);
            random.shuffle(&mut sample.turns);
            let mut seen: Vec<String> = Vec::new();
            sample.turns.retain(|turn| {
                !seen.contains(&turn.question) && {
                    seen.push(turn.question.clone());
                    true
                }
            });
        }
        sample.pictures = vec![wear(drawn, Keep::Colours, random)];
        break;
    }
    sample
}

/// One shape.
pub(crate) fn single(_: &Kit, random: &mut Random, split: Split) -> Sample {
    sample(random, split, SINGLE, |random| cast::single(split, random), cast::paint)
}

/// One large shape on a plain ground, with what it is and its colour asked: to begin with.
pub(crate) fn easy(_: &Kit, random: &mut Random, split: Split) -> Sample {
    const EASY: &Asks = &[(1.0, colour::one), (1.0, shape::one)];
    let scene = |random: &mut Random| {
        let mut scene = cast::single(split, random);
        let (w, h) = (f64::from(scene.width), f64::from(scene.height));
        if let Some(object) = scene.objects.first_mut() {
            let scale = w.min(h) * random.range(0.3, 0.44);
            let slack = w.min(h) / 2.0 - scale - 1.0;
            for _ in 0..20 {
                let (x, y) = (w / 2.0 + random.range(-slack, slack), h / 2.0 + random.range(-slack, slack));
                object.put(x, y, scale);
                if split == Split::Test || !held::position(x / w, y / h) {
                    break;
                }
            }
        }
        scene
    };
    let mut sample = Sample::default();
    let mut scene = scene(random);
    let ground = Ground::simple(scene.width, scene.height, &scene.paints(), random);
    sample.turns = ask::turns(&scene, EASY, if split == Split::Test { 1 } else { 2 }, random, split);
    sample.pictures = vec![scene.draw(ground)];
    sample
}

/// A sample of a test: as `draw` makes them, the first of which the turn is accepted.
fn first(random: &mut Random, draw: impl Fn(&mut Random) -> Sample, accept: impl Fn(&Turn) -> bool) -> Sample {
    let mut sample = draw(random);
    for _ in 0..500 {
        if sample.turns.first().is_some_and(&accept) {
            break;
        }
        sample = draw(random);
    }
    sample
}

/// For tests: the colour of one shape.
pub(crate) fn test_colour(_: &Kit, random: &mut Random, split: Split) -> Sample {
    const ASKS: &Asks = &[(0.7, colour::one), (0.3, colour::of)];
    sample(random, split, ASKS, |random| cast::single(split, random), cast::paint)
}

/// For tests: what one shape is.
pub(crate) fn test_shape(_: &Kit, random: &mut Random, split: Split) -> Sample {
    const ASKS: &Asks = &[(0.7, shape::one), (0.3, shape::of)];
    sample(random, split, ASKS, |random| cast::single(split, random), cast::paint)
}

/// For tests: each number from one to nine as often as the others, and now and then none.
pub(crate) fn test_count(_: &Kit, random: &mut Random, split: Split) -> Sample {
    const ALL: &Asks = &[(1.0, count::all)];
    const SOME: &Asks = &[(1.0, count::of), (1.0, count::colour), (1.0, count::both)];
    let wanted = if random.chance(0.04) { 0 } else { random.between(1, 9) };
    let all = wanted > 0 && random.chance(0.35);
    let draw = |random: &mut Random| {
        let n = if all { wanted } else { random.between(wanted.max(1), 9) };
        let asks = if all { ALL } else { SOME };
        sample(random, split, asks, |random| cast::many(Some(n), 9, split, random), cast::paint)
    };
    first(random, draw, |turn| turn.answer == wanted.to_string())
}

/// For tests: relations alone.
pub(crate) fn test_relation(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    first(random, |random| relations(kit, random, split), |turn| turn.skill == "relation")
}

/// For tests: of each kind of question as many yes as no.
pub(crate) fn test_yes_or_no(_: &Kit, random: &mut Random, split: Split) -> Sample {
    let wanted = if random.chance(0.5) { "yes" } else { "no" };
    let ask = ask::pick(YESNO, random);
    let asks = &YESNO[ask..=ask];
    let draw = |random: &mut Random| sample(random, split, asks, |random| any(split, random), cast::paint);
    first(random, draw, |turn| turn.answer == wanted)
}

/// Counting to nine, of up to twelve.
pub(crate) fn counting(_: &Kit, random: &mut Random, split: Split) -> Sample {
    sample(random, split, COUNT, |random| cast::many(None, 9, split, random), cast::paint)
}

/// Where things are.
pub(crate) fn relations(_: &Kit, random: &mut Random, split: Split) -> Sample {
    match random.unit() {
        u if u < 0.6 => sample(random, split, RELATION, |random| cast::few(split, random), cast::paint),
        u if u < 0.74 => sample(random, split, ROW, |random| cast::row(split, random), cast::paint),
        u if u < 0.88 => sample(random, split, ODD, |random| cast::odd(split, random), cast::paint),
        _ => sample(random, split, INSIDE, |random| cast::inside(split, random), cast::paint),
    }
}

/// Where things are in the picture.
pub(crate) fn places(_: &Kit, random: &mut Random, split: Split) -> Sample {
    let scene = |random: &mut Random| match random.unit() {
        u if u < 0.15 => cast::single(split, random),
        u if u < 0.75 => cast::few(split, random),
        _ => cast::many(None, 5, split, random),
    };
    sample(random, split, PLACES, scene, cast::paint)
}

/// Any scene.
fn any(split: Split, random: &mut Random) -> Scene {
    match random.unit() {
        u if u < 0.4 => cast::single(split, random),
        u if u < 0.7 => cast::few(split, random),
        u if u < 0.95 => cast::many(None, 9, split, random),
        _ => cast::row(split, random),
    }
}

/// Yes or no.
pub(crate) fn yes_or_no(_: &Kit, random: &mut Random, split: Split) -> Sample {
    sample(random, split, YESNO, |random| any(split, random), cast::paint)
}

/// Whole scenes in words.
pub(crate) fn captions(_: &Kit, random: &mut Random, split: Split) -> Sample {
    sample(random, split, CAPTION, |random| any(split, random), cast::paint)
}
