//! Where the objects of a scene lie.

use crate::{
    Random, Split, held,
    scene::{Object, Scene},
};

/// How objects are laid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lay {
    /// Anywhere.
    Free,
    /// In a row, from left to right.
    Row,
    /// In a grid's cells.
    Grid,
}

/// How their sizes vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// All of one size.
    Same,
    /// Each of its own.
    Own,
}

/// The least distance between objects, of the shorter side.
const GAP: f64 = 0.02;

/// A picture's size for some objects: small squares where they are few, and up to 640 x 480.
pub fn size(objects: usize, random: &mut Random) -> (u32, u32) {
    let least = match objects {
        0..=2 => 64,
        3..=4 => 96,
        _ => 128,
    };
    let (width, height) = match random.unit() {
        u if u < 0.12 => (least, least),
        u if u < 0.50 => {
            let side = random.between(least.max(80), 224);
            (side, side)
        }
        u if u < 0.62 => *random.pick(&[(160, 120), (200, 150), (240, 180), (320, 240), (256, 192)]),
        u if u < 0.95 => (random.between(least.max(96), 300), random.between(least.max(96), 260)),
        u if u < 0.98 => *random.pick(&[(400, 300), (384, 384), (512, 384)]),
        _ => (640, 480),
    };
    (width as u32, height as u32)
}

/// A scene in which objects lie without overlap.
pub fn lay(objects: Vec<Object>, (width, height): (u32, u32), lay: Lay, sizes: Sizes, random: &mut Random) -> Scene {
    let mut scene =
        Scene { width, height, objects, ground: None, inside: None, row: lay == Lay::Row, absent: Vec::new() };
    match lay {
        Lay::Free => free(&mut scene, sizes, random),
        Lay::Row => row(&mut scene, sizes, random),
        Lay::Grid => grid(&mut scene, sizes, random),
    }
    scene
}

/// A single object: of any size, anywhere; for learning not where it is held out. `held` wants it to be there.
pub fn single(mut object: Object, (width, height): (u32, u32), split: Split, held: bool, random: &mut Random) -> Scene {
    let (w, h) = (f64::from(width), f64::from(height));
    let short = w.min(h);
    let small = (10.0 / short).max(0.1);
    let mut scale = short * random.range(small, if held { 0.2 } else { 0.47 });
    for _ in 0..40 {
        object.put(w / 2.0, h / 2.0, scale);
        let (x, y) = if held { in_cell(w, h, random) } else { anywhere(&object, w, h, random) };
        object.put(x, y, scale);
        let [left, top, right, bottom] = object.bounds;
        let within = left >= 0.0 && top >= 0.0 && right <= w && bottom <= h;
        if within && (held || split == Split::Test || !held::position(x / w, y / h)) {
            break;
        }
        scale = (scale * 0.95).max(9.0);
    }
    Scene { width, height, objects: vec![object], ground: None, inside: None, row: false, absent: Vec::new() }
}

/// A point of one of the cells that are held out.
fn in_cell(w: f64, h: f64, random: &mut Random) -> (f64, f64) {
    let [left, top, right, bottom] = *random.pick(held::cells());
    (random.range(left, right) * w, random.range(top, bottom) * h)
}

/// A point around which an object lies within the picture.
fn anywhere(object: &Object, w: f64, h: f64, random: &mut Random) -> (f64, f64) {
    let (ow, oh) = object.size();
    let mut within = |whole: f64, own: f64| {
        let room = (whole - own).max(0.0);
        // A pixel of air, where there is room for it.
        own / 2.0 + random.range(room.min(1.0), (room - 1.0).max(room.min(1.0)))
    };
    (within(w, ow), within(h, oh))
}

fn apart(a: &[f64; 4], b: &[f64; 4], gap: f64) -> bool {
    a[2] + gap <= b[0] || b[2] + gap <= a[0] || a[3] + gap <= b[1] || b[3] + gap <= a[1]
}

fn free(scene: &mut Scene, sizes: Sizes, random: &mut Random) {
    let (w, h) = (f64::from(scene.width), f64::from(scene.height));
    let n = scene.objects.len().max(1) as f64;
    let most = (0.42 * (w * h / n).sqrt()).min(0.42 * w.min(h));
    let same = random.range(0.4, 1.0);
    let shares: Vec<f64> =
        (0..scene.objects.len()).map(|_| if sizes == Sizes::Same { same } else { random.range(0.4, 1.0) }).collect();
    let mut shrink = 1.0;
    for _ in 0..14 {
        if try_free(scene, &shares, most * shrink, random) {
            return;
        }
        shrink *= 0.88;
    }
    grid(scene, sizes, random);
}

/// Puts objects anywhere, the largest first; whether all found a place.
fn try_free(scene: &mut Scene, shares: &[f64], most: f64, random: &mut Random) -> bool {
    let (w, h) = (f64::from(scene.width), f64::from(scene.height));
    let gap = GAP * w.min(h) + 2.0;
    let mut order: Vec<usize> = (0..scene.objects.len()).collect();
    order.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]));
    let mut taken: Vec<[f64; 4]> = Vec::new();
    for at in order {
        let object = &mut scene.objects[at];
        let scale = (most * shares[at]).max(7.0);
        object.put(0.0, 0.0, scale);
        let mut found = false;
        for _ in 0..40 {
            let (x, y) = anywhere(object, w, h, random);
            let (ow, oh) = object.size();
            let bounds = [x - ow / 2.0, y - oh / 2.0, x + ow / 2.0, y + oh / 2.0];
            if taken.iter().all(|other| apart(&bounds, other, gap)) {
                object.put(x, y, scale);
                taken.push(bounds);
                found = true;
                break;
            }
        }
        if !found {
            return false;
        }
    }
    true
}

fn row(scene: &mut Scene, sizes: Sizes, random: &mut Random) {
    let cells = scene.objects.len().max(1);
    let (w, h) = (f64::from(scene.width), f64::from(scene.height));
    let cell = (w / cells as f64, h);
    let middle = random.range(0.3, 0.7) * h;
    let places: Vec<(f64, f64)> = (0..cells).map(|i| ((i as f64 + 0.5) * cell.0, middle)).collect();
    fill(scene, &places, (cell.0, h * 0.6), sizes, 0.12, random);
}

fn grid(scene: &mut Scene, sizes: Sizes, random: &mut Random) {
    let n = scene.objects.len().max(1);
    let wide = f64::from(scene.width) / f64::from(scene.height);
    let columns = ((n as f64 * wide).sqrt().ceil() as usize).clamp(1, n);
    let rows = n.div_ceil(columns);
    let cell = (f64::from(scene.width) / columns as f64, f64::from(scene.height) / rows as f64);
    let place = |i: usize| (((i % columns) as f64 + 0.5) * cell.0, ((i / columns) as f64 + 0.5) * cell.1);
    let mut places: Vec<(f64, f64)> = (0..rows * columns).map(place).collect();
    if random.chance(0.5) {
        random.shuffle(&mut places);
    }
    let still = if random.chance(0.5) { 0.0 } else { 0.12 };
    fill(scene, &places, cell, sizes, still, random);
}

/// Puts each object at its place, moved by a share of the cell.
fn fill(scene: &mut Scene, places: &[(f64, f64)], cell: (f64, f64), sizes: Sizes, moved: f64, random: &mut Random) {
    let most = 0.5 * cell.0.min(cell.1) * (0.96 - 2.0 * moved);
    let same = random.range(0.6, 1.0);
    for (object, (x, y)) in scene.objects.iter_mut().zip(places) {
        let share = if sizes == Sizes::Same { same } else { random.range(0.45, 1.0) };
        let side = cell.0.min(cell.1);
        let (dx, dy) = (random.range(-moved, moved) * side, random.range(-moved, moved) * side);
        object.put(x + dx, y + dy, (most * share).max(9.0));
    }
}

/// Puts the second of two objects inside the first, which is filled by one that lets it be seen.
pub fn inside(scene: &mut Scene, outer: usize, inner: usize, random: &mut Random) {
    let Some((centre, scale)) = scene.objects.get(outer).map(|object| (object.centre(), object.place.scale)) else {
        return;
    };
    if let Some(object) = scene.objects.get_mut(inner) {
        let by = scale * 0.08;
        let (x, y) = (centre.0 + random.range(-by, by), centre.1 + random.range(-by, by));
        object.put(x, y, scale * random.range(0.26, 0.4));
        scene.inside = Some((outer, inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Named,
        scene::What,
        shapes::{Kind, Shape},
    };

    fn objects(n: usize, random: &mut Random) -> Vec<Object> {
        let shape = |random: &mut Random| What::Shape(Shape::draw(Kind::pick(random), random), Named::pick(random));
        (0..n)
            .map(|_| {
                let what = shape(random);
                Object::new(what, random)
            })
            .collect()
    }

    #[test]
    fn objects_lie_within_the_picture_and_apart() {
        for index in 0..600 {
            let mut random = Random::new(2, index);
            let n = 1 + index as usize % 12;
            let (way, sizes) =
                (*random.pick(&[Lay::Free, Lay::Row, Lay::Grid]), *random.pick(&[Sizes::Same, Sizes::Own]));
            let (way, n) = if way == Lay::Row { (way, n.min(5)) } else { (way, n) };
            let (width, height) = size(n, &mut random);
            let size = (if way == Lay::Row { width.max(40 * n as u32) } else { width }, height);
            let objects = objects(n, &mut random);
            let scene = lay(objects, size, way, sizes, &mut random);
            for (at, object) in scene.objects.iter().enumerate() {
                let [l, t, r, b] = object.bounds;
                assert!(
                    l >= -0.5 && t >= -0.5 && r <= f64::from(size.0) + 0.5 && b <= f64::from(size.1) + 0.5,
                    "{way:?} {object:?}"
                );
                assert!((r - l).max(b - t) >= 10.0, "{way:?} {size:?} {n} {object:?}");
                let others = &scene.objects[at + 1..];
                assert!(others.iter().all(|other| apart(&object.bounds, &other.bounds, 0.0)), "{way:?} {scene:?}");
            }
        }
    }

    #[test]
    fn single_objects_keep_out_of_what_is_held_out() {
        for index in 0..600 {
            let mut random = Random::new(3, index);
            let held = index % 2 == 0;
            let split = if held { Split::Test } else { Split::Train };
            let size = size(1, &mut random);
            let object = objects(1, &mut random).remove(0);
            let scene = single(object, size, split, held, &mut random);
            let (x, y) = scene.objects[0].centre();
            assert_eq!(held::position(x / f64::from(size.0), y / f64::from(size.1)), held, "{scene:?}");
        }
    }
}
