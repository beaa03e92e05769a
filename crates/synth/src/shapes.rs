//! The shapes: paths of one unit of radius around (0, 0), with everything by which a kind varies.

use crate::Random;
use resvg::tiny_skia::{Path, PathBuilder};
use std::f64::consts::{PI, TAU};

/// What a shape is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    Circle,
    Square,
    Rectangle,
    Triangle,
    Oval,
    Star,
    Pentagon,
    Hexagon,
    Diamond,
    Heart,
    Cross,
    Ring,
    Arrow,
    Crescent,
    Semicircle,
    Trapezoid,
}

use Kind::*;

/// A kind's name, how often it is drawn for learning beside the others, and other names that are as right.
const KINDS: &[(Kind, &str, f64, &[&str])] = &[
    (Circle, "circle", 1.5, &["round"]),
    (Square, "square", 1.5, &[]),
    (Rectangle, "rectangle", 1.5, &[]),
    (Triangle, "triangle", 1.5, &[]),
    (Oval, "oval", 1.2, &["ellipse"]),
    (Star, "star", 1.2, &[]),
    (Pentagon, "pentagon", 1.0, &[]),
    (Hexagon, "hexagon", 1.0, &[]),
    (Diamond, "diamond", 1.0, &["rhombus"]),
    (Heart, "heart", 1.0, &[]),
    (Cross, "cross", 1.0, &["plus", "plus sign"]),
    (Ring, "ring", 0.8, &["donut", "annulus"]),
    (Arrow, "arrow", 1.0, &[]),
    (Crescent, "crescent", 0.8, &["moon", "crescent moon"]),
    (Semicircle, "semicircle", 0.8, &["half circle", "half-circle"]),
    (Trapezoid, "trapezoid", 0.8, &["trapezium"]),
];

/// A shape as it is drawn.
#[derive(Debug, Clone)]
pub struct Shape {
    /// What it is.
    pub kind: Kind,
    /// Its outline, in units: no point is further than 1 from (0, 0).
    pub path: Path,
    /// Its sides' ratio, for squares, rectangles, ovals and diamonds; 1 for others.
    pub ratio: f64,
    /// Its turn, clockwise, in degrees.
    pub turn: f64,
}

impl Kind {
    /// All kinds.
    pub fn all() -> impl Iterator<Item = Kind> {
        KINDS.iter().map(|row| row.0)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        KINDS[self as usize].1
    }

    /// Other names that are as right.
    pub fn also(self) -> &'static [&'static str] {
        KINDS[self as usize].3
    }

    /// The kind of a name.
    pub fn of(name: &str) -> Option<Kind> {
        KINDS.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// One of them, by their weights.
    pub fn pick(random: &mut Random) -> Kind {
        let sum: f64 = KINDS.iter().map(|row| row.2).sum();
        let mut left = random.unit() * sum;
        let row = KINDS.iter().find(|row| {
            left -= row.2;
            left < 0.0
        });
        row.map_or(Circle, |row| row.0)
    }

    /// Whether one of them may be taken for the other (a square is a rectangle, some say): they do not stand together
    /// where that would matter, nor is one asked for where only the other is.
    pub fn is_near(self, other: Kind) -> bool {
        let pair = if self < other { (self, other) } else { (other, self) };
        matches!(
            pair,
            (Square, Rectangle)
                | (Square, Diamond)
                | (Circle, Oval)
                | (Circle, Ring)
                | (Rectangle, Trapezoid)
                | (Pentagon, Hexagon)
                | (Circle, Semicircle)
        )
    }
}

impl Shape {
    /// A shape of a kind, with a turn: most stand as people draw them, others lie anyhow.
    pub fn draw(kind: Kind, random: &mut Random) -> Shape {
        let upright = random.chance(0.5);
        let any = random.range(0.0, 360.0);
        let tilt = random.range(-15.0, 15.0);
        let free = if upright { 0.0 } else { any };
        let mut ratio = 1.0;
        let (path, turn) = match kind {
            Circle => (circle(), 0.0),
            Square => (rectangle(1.0), square_turn(upright, random)),
            Rectangle => {
                ratio = random.range(1.35, 3.0);
                let lying = if random.chance(0.6) { 0.0 } else { 90.0 };
                (rectangle(ratio), if upright { lying } else { any })
            }
            Oval => {
                ratio = random.range(1.4, 2.5);
                let lying = if random.chance(0.6) { 0.0 } else { 90.0 };
                (ellipse(ratio), if upright { lying } else { any })
            }
            Triangle => (triangle(random), free),
            Star => (star(random), free),
            Pentagon => (polygon(5), free),
            Hexagon => (polygon(6), if upright && random.chance(0.5) { 30.0 } else { free }),
            Diamond => {
                ratio = if upright && random.chance(0.3) { 1.0 } else { random.range(1.35, 2.0) };
                let lying = if random.chance(0.7) { 90.0 } else { 0.0 };
                // One of equal sides would be a square if it lay otherwise.
                (diamond(ratio), if ratio == 1.0 { 0.0 } else { lying + tilt })
            }
            Heart => (heart(), if upright { 0.0 } else { 3.0 * tilt }),
            Cross => (cross(random), if random.chance(0.7) { 0.0 } else { any }),
            Ring => (ring(random), 0.0),
            Arrow => (arrow(random), if upright { 90.0 * random.below(4) as f64 } else { any }),
            Crescent => (crescent(random), if upright { 180.0 * random.below(2) as f64 } else { any }),
            Semicircle => (semicircle(), if upright { 90.0 * random.below(4) as f64 } else { any }),
            Trapezoid => (trapezoid(random), if random.chance(0.7) { 0.0 } else { any }),
        };
        Shape { kind, path, ratio, turn }
    }
}

/// A square on its corner is called a diamond: squares keep away from that.
fn square_turn(upright: bool, random: &mut Random) -> f64 {
    if upright { 0.0 } else { random.range(-28.0, 28.0) }
}

/// A path through points.
fn through(points: &[(f64, f64)]) -> Path {
    let mut path = PathBuilder::new();
    for (at, (x, y)) in points.iter().enumerate() {
        match at {
            0 => path.move_to(*x as f32, *y as f32),
            _ => path.line_to(*x as f32, *y as f32),
        }
    }
    path.close();
    finish(path)
}

/// A path is finished; one without a length (there is none) would be a circle.
fn finish(path: PathBuilder) -> Path {
    path.finish().unwrap_or_else(circle)
}

#[allow(clippy::expect_used)]
fn circle() -> Path {
    PathBuilder::from_circle(0.0, 0.0, 1.0).expect("a circle of radius 1")
}

/// The point at an angle from straight up, clockwise.
fn at(radius: f64, angle: f64) -> (f64, f64) {
    let (sin, cos) = libm::sincos(angle);
    (radius * sin, -radius * cos)
}

fn polygon(sides: usize) -> Path {
    through(&(0..sides).map(|i| at(1.0, TAU * i as f64 / sides as f64)).collect::<Vec<_>>())
}

/// Of a ratio of sides, lying, with its corners on the unit circle.
fn rectangle(ratio: f64) -> Path {
    let y = 1.0 / (1.0 + ratio * ratio).sqrt();
    let x = ratio * y;
    through(&[(-x, -y), (x, -y), (x, y), (-x, y)])
}

fn diamond(ratio: f64) -> Path {
    let y = 1.0 / ratio;
    through(&[(-1.0, 0.0), (0.0, -y), (1.0, 0.0), (0.0, y)])
}

fn ellipse(ratio: f64) -> Path {
    let mut path = PathBuilder::new();
    let y = 1.0 / ratio as f32;
    if let Some(rect) = resvg::tiny_skia::Rect::from_ltrb(-1.0, -y, 1.0, y) {
        path.push_oval(rect);
    }
    finish(path)
}

/// Equal sides, two equal sides, a right angle, or none; no angle is small.
fn triangle(random: &mut Random) -> Path {
    let third = TAU / 3.0;
    // The angles at the centre, of which the triangle's angles are halves.
    let (a, b) = match random.below(4) {
        0 | 1 => (third, third),
        2 => {
            let equal = random.range(1.7, 2.6);
            (equal, TAU - 2.0 * equal)
        }
        _ => {
            let a = random.range(1.3, 1.9);
            (a, PI)
        }
    };
    let start = if random.chance(0.2) { PI - a / 2.0 } else { 0.0 };
    let points = [0.0, a, a + b].map(|angle| at(1.0, start + angle));
    // Its middle, not that of the circle around it.
    let middle = points.iter().fold((0.0, 0.0), |m, p| (m.0 + p.0 / 3.0, m.1 + p.1 / 3.0));
    let moved = points.map(|p| (p.0 - middle.0, p.1 - middle.1));
    let most = moved.iter().map(|p| (p.0 * p.0 + p.1 * p.1).sqrt()).fold(0.0, f64::max);
    through(&moved.map(|p| (p.0 / most, p.1 / most)))
}

fn star(random: &mut Random) -> Path {
    let points = *random.pick(&[5, 5, 5, 5, 5, 6, 4, 8]);
    let inner = match points {
        4 => random.range(0.3, 0.42),
        5 => random.range(0.36, 0.5),
        _ => random.range(0.45, 0.58),
    };
    let corner = |i: usize| at(if i.is_multiple_of(2) { 1.0 } else { inner }, PI * i as f64 / points as f64);
    through(&(0..2 * points).map(corner).collect::<Vec<_>>())
}

fn heart() -> Path {
    let mut path = PathBuilder::new();
    path.move_to(0.0, 0.92);
    path.cubic_to(-0.3, 0.62, -0.96, 0.2, -0.96, -0.28);
    path.cubic_to(-0.96, -0.62, -0.7, -0.8, -0.46, -0.8);
    path.cubic_to(-0.24, -0.8, -0.07, -0.66, 0.0, -0.46);
    path.cubic_to(0.07, -0.66, 0.24, -0.8, 0.46, -0.8);
    path.cubic_to(0.7, -0.8, 0.96, -0.62, 0.96, -0.28);
    path.cubic_to(0.96, 0.2, 0.3, 0.62, 0.0, 0.92);
    path.close();
    finish(path)
}

fn cross(random: &mut Random) -> Path {
    let w = random.range(0.2, 0.36);
    let l = (1.0 - w * w).sqrt();
    through(&[
        (-w, -l),
        (w, -l),
        (w, -w),
        (l, -w),
        (l, w),
        (w, w),
        (w, l),
        (-w, l),
        (-w, w),
        (-l, w),
        (-l, -w),
        (-w, -w),
    ])
}

/// Two circles, of which the inner is left out.
fn ring(random: &mut Random) -> Path {
    let mut path = PathBuilder::new();
    path.push_circle(0.0, 0.0, 1.0);
    path.push_circle(0.0, 0.0, random.range(0.5, 0.72) as f32);
    finish(path)
}

/// It points to the right.
fn arrow(random: &mut Random) -> Path {
    let (shaft, head) = (random.range(0.16, 0.26), random.range(0.5, 0.66));
    let neck = random.range(0.0, 0.3);
    let tail = -(1.0 - shaft * shaft).sqrt();
    through(&[(tail, -shaft), (neck, -shaft), (neck, -head), (1.0, 0.0), (neck, head), (neck, shaft), (tail, shaft)])
}

/// What a circle leaves of another; open to the right.
fn crescent(random: &mut Random) -> Path {
    // The inner circle's centre and radius; both go through the horns, at an angle from straight right.
    let horn = random.range(0.75, 1.05);
    let (sin, cos) = libm::sincos(horn);
    let centre = random.range(0.3, 0.45);
    let radius = ((cos - centre) * (cos - centre) + sin * sin).sqrt();
    let inner = libm::atan2(sin, cos - centre);
    let steps = 24;
    let outer = (0..=steps).map(|i| {
        let (s, c) = libm::sincos(horn + (TAU - 2.0 * horn) * f64::from(i) / f64::from(steps));
        (c, s)
    });
    let back = (0..=steps).map(|i| {
        let (s, c) = libm::sincos(-inner - (TAU - 2.0 * inner) * f64::from(i) / f64::from(steps));
        (centre + radius * c, radius * s)
    });
    through(&outer.chain(back).collect::<Vec<_>>())
}

/// Its flat side is below.
fn semicircle() -> Path {
    let steps = 32;
    let arc = (0..=steps).map(|i| {
        let (x, y) = at(1.0, PI * (f64::from(i) / f64::from(steps) - 0.5));
        (x, y + 0.45)
    });
    let points: Vec<_> = arc.map(|(x, y)| (x * 0.9, y * 0.9)).collect();
    through(&points)
}

/// The upper of the parallel sides is clearly shorter.
fn trapezoid(random: &mut Random) -> Path {
    let (top, tall) = (random.range(0.4, 0.6), random.range(0.42, 0.6));
    let bottom = (1.0 - tall * tall).sqrt();
    let lean = if random.chance(0.15) { random.range(-0.1, 0.1) } else { 0.0 };
    through(&[(lean - top * bottom, -tall), (lean + top * bottom, -tall), (bottom, tall), (-bottom, tall)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(random: &mut Random) -> Vec<Shape> {
        Kind::all().flat_map(|kind| (0..100).map(move |_| kind)).map(|kind| Shape::draw(kind, random)).collect()
    }

    #[test]
    fn every_kind_is_listed_in_order_and_found_by_its_name() {
        for (at, kind) in Kind::all().enumerate() {
            assert!(kind as usize == at && Kind::of(kind.name()) == Some(kind), "{kind:?}");
        }
    }

    #[test]
    fn no_point_is_further_than_one_unit_and_none_is_tiny() {
        for shape in all(&mut Random::new(3, 0)) {
            let most = shape.path.points().iter().map(|p| f64::from(p.x).hypot(f64::from(p.y))).fold(0.0, f64::max);
            // Curves' control points may lie outside.
            assert!((0.85..1.45).contains(&most), "{:?} {most}", shape.kind);
            let bounds = shape.path.compute_tight_bounds().unwrap();
            assert!(bounds.width() > 0.6 && bounds.height() > 0.35, "{:?} {bounds:?}", shape.kind);
        }
    }

    #[test]
    fn squares_have_equal_sides_and_other_rectangles_and_ovals_do_not() {
        for shape in all(&mut Random::new(4, 0)) {
            let bounds = shape.path.bounds();
            let ratio = bounds.width() / bounds.height();
            match shape.kind {
                Square | Circle => assert!((ratio - 1.0).abs() < 1e-3),
                Rectangle | Oval => assert!(ratio >= 1.3, "{ratio}"),
                _ => {}
            }
            if shape.kind == Square {
                assert!((shape.turn.rem_euclid(90.0) - 45.0).abs() > 15.0);
            }
        }
    }
}
