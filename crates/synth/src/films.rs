//! Clips: a few frames in which a shape moves, comes, goes or changes its colour.

use crate::{
    Colour, Ground, Kit, Named, Random, Rgb, Sample, Split, Turn,
    ask::{owned, turn, yes_no},
    cast, held,
    scene::Object,
    shapes::Kind,
};

/// Frames a second.
const FPS: f64 = 1.0;

/// A way to move: its name, and how far to the right and down.
const WAYS: [(&str, f64, f64); 4] = [("left", -1.0, 0.0), ("right", 1.0, 0.0), ("up", 0.0, -1.0), ("down", 0.0, 1.0)];

/// Where a film plays.
struct Stage {
    width: f64,
    height: f64,
    frames: usize,
}

impl Stage {
    fn new(least: usize, random: &mut Random) -> Stage {
        let side = random.between(72, 144) as f64;
        let (width, height) = match random.unit() {
            unit if unit < 0.5 => (side, side),
            unit if unit < 0.8 => ((side * 4.0 / 3.0).round(), side),
            _ => (side, (side * 4.0 / 3.0).round()),
        };
        Stage { width, height, frames: random.between(least, 6) }
    }

    fn side(&self) -> f64 {
        self.width.min(self.height)
    }

    /// The film of what each frame shows, on a ground on which all of these colours are seen.
    fn shoot(&self, paints: &[Colour], random: &mut Random, draw: impl Fn(usize) -> Vec<Object>) -> Vec<Rgb> {
        let (width, height) = (self.width as u32, self.height as u32);
        let ground = match random.chance(0.6) {
            true => Ground::simple(width, height, paints, random),
            false => Ground::draw(width, height, paints, random),
        };
        let frame = |at| {
            let mut canvas = ground.canvas.clone();
            draw(at).iter().for_each(|object| object.draw(&mut canvas));
            canvas.into_rgb()
        };
        (0..self.frames).map(frame).collect()
    }

    /// A place for a shape of this half size, of the stage's width and height.
    fn place(&self, half: f64, random: &mut Random) -> (f64, f64) {
        (random.range(half, self.width - half), random.range(half, self.height - half))
    }

    /// Two shapes that names tell apart, and lie beside each other.
    fn two(&self, split: Split, random: &mut Random) -> [Object; 2] {
        let [mut a, mut b] = distinct(split, random);
        let half = self.side() * random.range(0.13, 0.2);
        let (mut first, mut second) = (self.place(half * 1.1, random), self.place(half * 1.1, random));
        for _ in 0..200 {
            if (first.0 - second.0).abs().max((first.1 - second.1).abs()) > 2.2 * half {
                break;
            }
            (first, second) = (self.place(half * 1.1, random), self.place(half * 1.1, random));
        }
        a.put(first.0, first.1, half);
        b.put(second.0, second.1, half);
        [a, b]
    }
}

/// Shapes of different kinds and colours.
fn distinct<const N: usize>(split: Split, random: &mut Random) -> [Object; N] {
    loop {
        let (kinds, colours) = (cast::kinds(N, random), cast::colours(N, random));
        let pairs: Vec<(Kind, &'static Named)> = kinds.into_iter().zip(colours).collect();
        if pairs.len() == N && pairs.iter().all(|(kind, colour)| held::allows(split, colour, *kind)) {
            return std::array::from_fn(|at| cast::object(pairs[at].0, pairs[at].1, random));
        }
    }
}

fn film(pictures: Vec<Rgb>, turns: Vec<Option<Turn>>, split: Split, random: &mut Random) -> Sample {
    let mut turns: Vec<Turn> = turns.into_iter().flatten().collect();
    if split == Split::Train {
        random.shuffle(&mut turns);
    }
    Sample { pictures, turns, fps: Some(FPS) }
}

fn paints(objects: &[Object]) -> Vec<Colour> {
    objects.iter().map(|object| object.paint).collect()
}

/// One shape goes one way; now and then another stands by.
pub(crate) fn moves(_: &Kit, random: &mut Random, split: Split) -> Sample {
    let stage = Stage::new(3, random);
    let [object, mut bystander] = distinct(split, random);
    let &(way, x, y) = random.pick(&WAYS);
    let half = stage.side() * random.range(0.12, 0.22);
    let (long, across) = if x == 0.0 { (stage.height, stage.width) } else { (stage.width, stage.height) };
    // From one place to another along the way: not less than two fifths of what there is, and nearly straight.
    let room = long - 2.2 * half;
    let far = room * random.range(0.45, 1.0);
    let start = 1.1 * half + random.range(0.0, room - far);
    let (side, drift) = (random.range(1.1 * half, across - 1.1 * half), half * random.range(-0.2, 0.2));
    let last = (stage.frames - 1) as f64;
    let at = |frame: usize| {
        let part = frame as f64 / last;
        let along = if x + y > 0.0 { start + far * part } else { start + far * (1.0 - part) };
        let across = (side + drift * part).clamp(half, across - half);
        if x == 0.0 { (across, along) } else { (along, across) }
    };
    let stands = random.chance(0.3);
    let (bx, by) = stage.place(1.1 * half, random);
    bystander.put(bx, by, half * random.range(0.7, 1.0));
    let pictures = stage.shoot(&paints(&[object.clone(), bystander.clone()]), random, |frame| {
        let mut moving = object.clone();
        let (x, y) = at(frame);
        moving.put(x, y, half);
        stands.then(|| bystander.clone()).into_iter().chain([moving]).collect()
    });
    let name = named(&object, random);
    let direction = turn("direction", "film.direction", split, random, &[("x", &name)], way, Vec::new());
    let mut turns = vec![direction];
    if split == Split::Train {
        let other = *random.pick(&WAYS);
        let asked = if random.chance(0.5) { way } else { other.0 };
        let fills = [("x", name.as_str()), ("way", asked)];
        turns.push(yes_no("direction", "film.is-direction", split, random, &fills, asked == way));
        for (ends, (x, y)) in [("begins", at(0)), ("ends", at(stage.frames - 1))] {
            turns.push(half_of(&format!("film.{ends}-x"), ["left", "right"], x / stage.width, &name, split, random));
            turns.push(half_of(&format!("film.{ends}-y"), ["top", "bottom"], y / stage.height, &name, split, random));
        }
        if stands {
            let stood = [("x", object.full()), ("y", bystander.full())];
            let fills = [("x", stood[0].1.as_str()), ("y", stood[1].1.as_str())];
            turns.push(turn("motion", "film.which-moves", split, random, &fills, &stood[0].1, Vec::new()));
        }
    }
    film(pictures, turns, split, random)
}

/// In which half of a frame a shape is; asked now and then, where that is clear.
fn half_of(
    section: &str,
    halves: [&str; 2],
    place: f64,
    name: &str,
    split: Split,
    random: &mut Random,
) -> Option<Turn> {
    if (0.42..0.58).contains(&place) || random.chance(0.4) {
        return None;
    }
    let half = halves[usize::from(place > 0.5)];
    turn("motion", section, split, random, &[("x", name)], half, Vec::new())
}

/// What a shape may be called that no other is like.
fn named(object: &Object, random: &mut Random) -> String {
    if random.chance(0.6) { object.noun().to_owned() } else { object.full() }
}

/// One shape comes or goes, beside another that stays.
pub(crate) fn comes_or_goes(_: &Kit, random: &mut Random, split: Split) -> Sample {
    let stage = Stage::new(3, random);
    let [stays, changes] = stage.two(split, random);
    let (comes, when) = (random.chance(0.5), random.between(1, stage.frames - 1));
    let pictures = stage.shoot(&paints(&[stays.clone(), changes.clone()]), random, |frame| {
        let there = (frame >= when) == comes;
        [&stays].into_iter().chain(there.then_some(&changes)).cloned().collect()
    });
    let (section, did) = if comes { ("film.comes", "appears") } else { ("film.goes", "disappears") };
    let what = changes.full();
    let also = vec![changes.noun().to_owned()];
    let mut turns = vec![turn("appearance", section, split, random, &[], &what, also)];
    if split == Split::Train {
        let name = named(&changes, random);
        turns.push(turn("appearance", "film.come-or-go", split, random, &[("x", &name)], did, Vec::new()));
        let (asked, does) = if random.chance(0.5) { (&stays, true) } else { (&changes, false) };
        let name = named(asked, random);
        turns.push(yes_no("appearance", "film.stays", split, random, &[("x", &name)], does));
    }
    film(pictures, turns, split, random)
}

/// One shape takes another colour; in one film of five it keeps its own.
pub(crate) fn changes_colour(_: &Kit, random: &mut Random, split: Split) -> Sample {
    let stage = Stage::new(2, random);
    let (kind, before, after) = loop {
        let kind = Kind::pick(random);
        let [before, after] = match &cast::colours(2, random)[..] {
            [before, after] => [*before, *after],
            _ => continue,
        };
        if held::allows(split, before, kind) && held::allows(split, after, kind) {
            break (kind, before, after);
        }
    };
    let keeps = split == Split::Train && random.chance(0.2);
    let mut object = cast::object(kind, before, random);
    let half = stage.side() * random.range(0.18, 0.4);
    let (x, y) = stage.place(half * 1.05, random);
    object.put(x, y, half);
    let mut other = object.clone();
    other.paint = after.draw(random);
    let when = random.between(1, stage.frames - 1);
    let pictures = stage.shoot(&paints(&[object.clone(), other.clone()]), random, |frame| {
        vec![if frame >= when && !keeps { other.clone() } else { object.clone() }]
    });
    let shape = [("x", kind.name())];
    let mut turns = Vec::new();
    if !keeps {
        turns.push(turn("change", "film.becomes", split, random, &shape, after.name, owned(after.also)));
    }
    if split == Split::Train {
        turns.push(turn("change", "film.was", split, random, &shape, before.name, owned(before.also)));
        turns.push(yes_no("change", "film.changes", split, random, &shape, !keeps));
    }
    film(pictures, turns, split, random)
}

/// Two shapes come, or go, one after the other.
pub(crate) fn order(_: &Kit, random: &mut Random, split: Split) -> Sample {
    let stage = Stage::new(3, random);
    let [first, second] = stage.two(split, random);
    let when = random.between(1, stage.frames - 2);
    let then = random.between(when + 1, stage.frames - 1);
    let comes = random.chance(0.5);
    let pictures = stage.shoot(&paints(&[first.clone(), second.clone()]), random, |frame| {
        let there = |object: &Object, when| ((frame >= when) == comes).then(|| object.clone());
        [there(&first, when), there(&second, then)].into_iter().flatten().collect()
    });
    let full = random.chance(0.5);
    let name = |object: &Object| if full { object.full() } else { object.noun().to_owned() };
    let (one, two) = (name(&first), name(&second));
    let ask = |is_first: bool, random: &mut Random| {
        let mut pair = [one.as_str(), two.as_str()];
        random.shuffle(&mut pair);
        let section = match (is_first, comes) {
            (true, true) => "film.first-comes",
            (true, false) => "film.first-goes",
            (false, true) => "film.last-comes",
            (false, false) => "film.last-goes",
        };
        let answer = if is_first { &one } else { &two };
        let also = if full { vec![if is_first { first.noun() } else { second.noun() }.to_owned()] } else { Vec::new() };
        turn("order", section, split, random, &[("x", pair[0]), ("y", pair[1])], answer, also)
    };
    let is_first = random.chance(0.5);
    let mut turns = vec![ask(is_first, random)];
    if split == Split::Train {
        turns.push(ask(!is_first, random));
    }
    film(pictures, turns, split, random)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn films(draw: fn(&Kit, &mut Random, Split) -> Sample, split: Split) -> impl Iterator<Item = Sample> {
        let kit = Kit::default();
        (0..60).map(move |at| draw(&kit, &mut Random::new(7, at), split))
    }

    /// The middle of what differs from the first frame's corner, in a frame.
    fn middle(frame: &Rgb) -> (f64, f64) {
        let corner = &frame.data[..3];
        let (mut x, mut y, mut count) = (0.0, 0.0, 0.0);
        for (at, pixel) in frame.data.chunks_exact(3).enumerate().filter(|(_, pixel)| *pixel != corner) {
            let _ = pixel;
            (x, y) = (x + (at as u32 % frame.width) as f64, y + (at as u32 / frame.width) as f64);
            count += 1.0;
        }
        (x / count, y / count)
    }

    #[test]
    fn what_moves_goes_where_it_is_said_to() {
        let mut looked = 0;
        for sample in films(moves, Split::Test) {
            assert!(sample.fps == Some(1.0) && (3..=6).contains(&sample.pictures.len()));
            let [turn] = &sample.turns[..] else { panic!("{:?}", sample.turns) };
            let ((x, y), (u, v)) = (middle(&sample.pictures[0]), middle(sample.pictures.last().unwrap()));
            // Grounds of one colour alone tell where the shape is; a bystander pulls the middle towards it, no more.
            let first = &sample.pictures[0];
            let corner = &first.data[..3];
            let plain = first.data.chunks_exact(3).filter(|pixel| *pixel == corner).count();
            if plain * 2 < first.data.len() / 3 {
                continue;
            }
            looked += 1;
            let found = match ((u - x).abs() > (v - y).abs(), u > x, v > y) {
                (true, right, _) => {
                    if right {
                        "right"
                    } else {
                        "left"
                    }
                }
                (false, _, down) => {
                    if down {
                        "down"
                    } else {
                        "up"
                    }
                }
            };
            assert_eq!(turn.answer, found);
        }
        assert!(looked > 20);
    }

    #[test]
    fn films_change_and_their_questions_have_answers() {
        for (draw, skill) in [
            (moves as fn(&Kit, &mut Random, Split) -> Sample, "direction"),
            (comes_or_goes, "appearance"),
            (changes_colour, "change"),
            (order, "order"),
        ] {
            for split in [Split::Train, Split::Test] {
                for sample in films(draw, split) {
                    assert!(sample.turns.iter().any(|turn| turn.skill == skill));
                    assert!(sample.turns.iter().all(|turn| !turn.question.is_empty() && !turn.answer.is_empty()));
                    assert!(split == Split::Train || sample.turns.len() == 1);
                    let (first, last) = (&sample.pictures[0], sample.pictures.last().unwrap());
                    let same = sample.pictures.iter().all(|frame| frame.data == first.data);
                    let still = sample.turns.iter().any(|turn| turn.skill == "change" && turn.answer == "no");
                    assert!(first != last || still || skill == "change", "{:?}", sample.turns);
                    assert!(!same || still || skill == "change");
                }
            }
        }
    }
}
