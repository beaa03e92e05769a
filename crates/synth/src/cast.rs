//! Which shapes a scene has.

use crate::{
    Colour, Ground, Named, Random, Rgb, Split, held,
    lay::{self, Lay, Sizes},
    scene::{Object, Scene, Style, What},
    shapes::{Kind, Shape},
};

/// A colour and a kind that a split may draw together, of those that are given or any.
pub(crate) fn pair(
    kinds: &[Kind],
    colours: &[&'static Named],
    split: Split,
    random: &mut Random,
) -> (Kind, &'static Named) {
    loop {
        let kind = if kinds.is_empty() { Kind::pick(random) } else { *random.pick(kinds) };
        let colour = if colours.is_empty() { Named::pick(random) } else { random.pick::<&'static Named>(colours) };
        if held::allows(split, colour, kind) || (kinds.len() == 1 && colours.len() == 1) {
            return (kind, colour);
        }
    }
}

/// A shape of a kind and a colour.
pub(crate) fn object(kind: Kind, colour: &'static Named, random: &mut Random) -> Object {
    let shape = Shape::draw(kind, random);
    Object::new(What::Shape(shape, colour), random)
}

/// Colours of which no two may be taken for each other.
pub(crate) fn colours(count: usize, random: &mut Random) -> Vec<&'static Named> {
    let mut colours: Vec<&'static Named> = Vec::new();
    for _ in 0..200 {
        if colours.len() == count {
            break;
        }
        let colour = Named::pick(random);
        if colours.iter().all(|other| *other != colour && !other.is_near(colour)) {
            colours.push(colour);
        }
    }
    colours
}

/// Kinds of which no two may be taken for each other.
pub(crate) fn kinds(count: usize, random: &mut Random) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for _ in 0..200 {
        if kinds.len() == count {
            break;
        }
        let kind = Kind::pick(random);
        if kinds.iter().all(|other| *other != kind && !other.is_near(kind)) {
            kinds.push(kind);
        }
    }
    kinds
}

/// One shape, of any size and anywhere.
pub(crate) fn single(split: Split, random: &mut Random) -> Scene {
    // Of the tests' pictures a quarter shows what is held out: a pair, or a position.
    let held = if split == Split::Test { random.unit() } else { 1.0 };
    let (kind, colour) = match held {
        held if held < 0.125 => {
            let (colour, kind) = *random.pick(held::pairs());
            Kind::of(kind).zip(Named::of(colour)).unwrap_or_else(|| pair(&[], &[], split, random))
        }
        _ if split == Split::Test => {
            (*random.pick(&Kind::all().collect::<Vec<_>>()), random.pick(crate::colours::COLOURS))
        }
        _ => pair(&[], &[], split, random),
    };
    let object = object(kind, colour, random);
    let size = lay::size(1, random);
    lay::single(object, size, split, (0.125..0.25).contains(&held), random)
}

/// Two to four shapes that names tell apart: of different kinds, colours, or both.
pub(crate) fn few(split: Split, random: &mut Random) -> Scene {
    let n = *random.pick(&[2, 2, 2, 3, 3, 4]);
    let (kinds, colours) = (kinds(n, random), colours(n, random));
    let way = random.unit();
    let objects = (0..n.min(kinds.len()).min(colours.len()))
        .map(|at| {
            let (own_kinds, own_colours) = match way {
                // All of one kind, or all of one colour, or both of their own.
                way if way < 0.15 => (&kinds[..1], &colours[at..=at]),
                way if way < 0.3 => (&kinds[at..=at], &colours[..1]),
                _ => (&kinds[at..=at], &colours[at..=at]),
            };
            of(own_kinds, own_colours, split, random)
        })
        .collect();
    let sizes = if random.chance(0.7) { Sizes::Own } else { Sizes::Same };
    lay::lay(objects, lay::size(n, random), Lay::Free, sizes, random)
}

/// A shape of these kinds and colours, or of another colour where the split keeps the pair.
fn of(kinds: &[Kind], colours: &[&'static Named], split: Split, random: &mut Random) -> Object {
    let (kind, colour) = pair(kinds, colours, split, random);
    let allowed = held::allows(split, colour, kind);
    let (kind, colour) = if allowed { (kind, colour) } else { pair(kinds, &[], split, random) };
    object(kind, colour, random)
}

/// Three to five shapes in a row.
pub(crate) fn row(split: Split, random: &mut Random) -> Scene {
    let n = random.between(3, 5);
    let (kinds, colours) = (kinds(n, random), colours(n, random));
    let objects = kinds.iter().zip(&colours).map(|(kind, colour)| of(&[*kind], &[*colour], split, random)).collect();
    let (width, height) = lay::size(n, random);
    let size = (width.max(height).max(40 * n as u32), width.min(height));
    lay::lay(objects, size, Lay::Row, if random.chance(0.5) { Sizes::Same } else { Sizes::Own }, random)
}

/// One to `most` shapes of a few kinds and colours, `n` of them where that is given.
pub(crate) fn many(n: Option<usize>, most: usize, split: Split, random: &mut Random) -> Scene {
    let n = n.unwrap_or_else(|| random.between(1, most));
    let (few_kinds, few_colours) = (random.between(1, 3.min(n)), random.between(1, 4.min(n)));
    let (kinds, colours) = (kinds(few_kinds, random), colours(few_colours, random));
    let alike = random.chance(0.3);
    let first = of(&kinds, &colours, split, random);
    let mut objects = vec![first];
    while objects.len() < n {
        // Those that are alike have the turn and the form of the first.
        let next = match objects.first() {
            Some(first) if alike && kinds.len() == 1 && colours.len() == 1 => first.clone(),
            _ => of(&kinds, &colours, split, random),
        };
        objects.push(next);
    }
    arrange(objects, random)
}

/// Lays objects out, anyhow or in a grid.
pub(crate) fn arrange(objects: Vec<Object>, random: &mut Random) -> Scene {
    let n = objects.len();
    let way = match random.unit() {
        u if u < 0.8 => Lay::Free,
        u if u < 0.88 && n <= 5 => Lay::Row,
        _ => Lay::Grid,
    };
    let sizes = if random.chance(0.5) { Sizes::Same } else { Sizes::Own };
    lay::lay(objects, lay::size(n, random), way, sizes, random)
}

/// Three to seven shapes that are alike but for one.
pub(crate) fn odd(split: Split, random: &mut Random) -> Scene {
    let n = random.between(3, 7);
    let (kinds, colours) = (kinds(2, random), colours(2, random));
    let by_shape = random.chance(0.5);
    loop {
        let (a, b) = match (by_shape, &kinds[..], &colours[..]) {
            (true, [a, b], _) => {
                let (_, colour) = pair(&[*a], &[], split, random);
                ((*a, colour), (*b, colour))
            }
            (false, _, [a, b]) => {
                let (kind, _) = pair(&[], &[*a], split, random);
                ((kind, *a), (kind, *b))
            }
            _ => return few(split, random),
        };
        if held::allows(split, a.1, a.0) && held::allows(split, b.1, b.0) {
            let mut objects: Vec<Object> = (1..n).map(|_| object(a.0, a.1, random)).collect();
            objects.push(object(b.0, b.1, random));
            random.shuffle(&mut objects);
            return arrange(objects, random);
        }
    }
}

/// One shape inside another, and perhaps a third beside.
pub(crate) fn inside(split: Split, random: &mut Random) -> Scene {
    const OUTER: [Kind; 5] = [Kind::Circle, Kind::Square, Kind::Rectangle, Kind::Hexagon, Kind::Oval];
    let n = random.between(2, 3);
    let colours = colours(n, random);
    let outer_kind = *random.pick(&OUTER);
    let mut kinds = vec![outer_kind];
    while kinds.len() < n {
        let kind = Kind::pick(random);
        if kinds.iter().all(|other| *other != kind && !other.is_near(kind)) {
            kinds.push(kind);
        }
    }
    let mut objects: Vec<Object> =
        kinds.iter().zip(&colours).map(|(kind, colour)| of(&[*kind], &[*colour], split, random)).collect();
    let inner = objects.remove(1);
    let (width, height) = lay::size(2, random);
    let mut scene = lay::lay(objects, (width.max(96), height.max(96)), Lay::Free, Sizes::Same, random);
    scene.objects.insert(1, inner);
    lay::inside(&mut scene, 0, 1, random);
    let seen = scene.objects[0].paint.contrast(scene.objects[1].paint) > 0.2;
    if !seen || random.chance(0.3) {
        let width = (scene.objects[0].place.scale * random.range(0.06, 0.12)).max(1.5);
        scene.objects[0].style = Style::Outlined(width);
    }
    scene
}

/// Gives some scenes outlines: to all shapes, or to each by chance.
pub(crate) fn style(scene: &mut Scene, random: &mut Random) {
    let (all, way) = (random.chance(0.7), random.unit());
    for object in &mut scene.objects {
        let way = if all { way } else { random.unit() };
        let scale = object.place.scale;
        let ring = object.shape().is_none_or(|shape| shape.kind == Kind::Ring);
        if object.style != Style::Filled || ring {
            continue;
        }
        if way < 0.1 && scale >= 14.0 {
            object.style = Style::Outlined((scale * random.range(0.07, 0.13)).max(2.0));
        } else if way < 0.2 {
            let border = if random.chance(0.7) { Colour(0, 0, 0) } else { object.paint.mix(Colour(0, 0, 0), 0.5) };
            object.style = Style::Bordered(border, (scale * random.range(0.04, 0.1)).max(1.0));
        }
    }
}

/// Draws a scene as programs do: on some ground, perhaps with rough edges.
pub(crate) fn paint(scene: &mut Scene, random: &mut Random) -> Rgb {
    style(scene, random);
    let mut ground = Ground::draw(scene.width, scene.height, &scene.paints(), random);
    ground.canvas.smooth = !random.chance(0.15);
    scene.draw(ground)
}
