//! Grounds: what things are drawn on.

use crate::{Canvas, Colour, Named, Random, colours::hsv, noise};

/// The least contrast of what is drawn with a ground of one colour, and with one of several.
const PLAIN: f64 = 0.13;
const VARIED: f64 = 0.2;

/// A canvas that is not empty, to draw on.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The canvas.
    pub canvas: Canvas,
    /// Its colours: of a gradient the ends, of a texture all.
    pub colours: Vec<Colour>,
    /// Its colour's name, where it is of one colour that has one.
    pub name: Option<&'static Named>,
}

/// What a ground is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    White,
    Tint,
    Plain,
    Dark,
    Graded,
    Stripes,
    Checks,
    Dots,
    Noise,
    Photo,
}

use Style::*;

impl Ground {
    /// A ground on which colours can be seen: of one colour in three of four pictures, graded, textured or like a photo
    /// in the others.
    pub fn draw(width: u32, height: u32, shown: &[Colour], random: &mut Random) -> Ground {
        let style = style(random);
        for _ in 0..12 {
            let (colours, name) = colours(style, random);
            let least = if colours.len() == 1 { PLAIN } else { VARIED };
            if contrast(&colours, shown) >= least {
                return paint(style, width, height, colours, name, random);
            }
        }
        Ground::plain(width, height, best(shown, random), None)
    }

    /// A ground of one colour, white in many cases.
    pub fn simple(width: u32, height: u32, shown: &[Colour], random: &mut Random) -> Ground {
        for _ in 0..12 {
            let style = *random.pick(&[White, White, White, Tint, Tint, Plain, Dark]);
            let (colours, name) = colours(style, random);
            if contrast(&colours, shown) >= PLAIN {
                return paint(style, width, height, colours, name, random);
            }
        }
        Ground::plain(width, height, best(shown, random), None)
    }

    fn plain(width: u32, height: u32, colour: Colour, name: Option<&'static Named>) -> Ground {
        Ground { canvas: Canvas::new(width, height, colour), colours: vec![colour], name }
    }

    /// How well a colour is seen on it.
    pub fn contrast(&self, colour: Colour) -> f64 {
        contrast(&self.colours, &[colour])
    }
}

fn style(random: &mut Random) -> Style {
    match random.unit() {
        u if u < 0.28 => White,
        u if u < 0.42 => Tint,
        u if u < 0.62 => Plain,
        u if u < 0.70 => Dark,
        u if u < 0.80 => Graded,
        u if u < 0.83 => Stripes,
        u if u < 0.86 => Checks,
        u if u < 0.88 => Dots,
        u if u < 0.93 => Noise,
        _ => Photo,
    }
}

/// The least contrast between any two of both. Between dark colours half of it counts: they are hard to tell apart.
fn contrast(ground: &[Colour], shown: &[Colour]) -> f64 {
    let dark = |colour: Colour| colour.oklab()[0] < 0.5;
    let between = |a: Colour, b: Colour| a.contrast(b) * if dark(a) && dark(b) { 0.45 } else { 1.0 };
    let pairs = ground.iter().flat_map(|a| shown.iter().map(move |b| between(*a, *b)));
    pairs.fold(1.0, f64::min)
}

/// Of some colours the one on which the others are seen best.
fn best(shown: &[Colour], random: &mut Random) -> Colour {
    let mut best = (0.0, Colour(255, 255, 255));
    for _ in 0..40 {
        let colour = hsv(random.range(0.0, 360.0), random.unit() * random.unit(), random.unit());
        let least = contrast(&[colour], shown);
        if least > best.0 {
            best = (least, colour);
        }
    }
    best.1
}

fn tint(random: &mut Random) -> Colour {
    hsv(random.range(0.0, 360.0), random.range(0.02, 0.22), random.range(0.86, 1.0))
}

fn any(random: &mut Random) -> Colour {
    hsv(random.range(0.0, 360.0), random.unit(), random.range(0.1, 1.0))
}

/// A colour like another.
fn like(colour: Colour, by: f64, random: &mut Random) -> Colour {
    let mut near = |v: u8| (f64::from(v) + random.range(-by, by)).round().clamp(0.0, 255.0) as u8;
    Colour(near(colour.0), near(colour.1), near(colour.2))
}

fn colours(style: Style, random: &mut Random) -> (Vec<Colour>, Option<&'static Named>) {
    match style {
        White => (vec![Colour(255, 255, 255)], Named::of("white")),
        Tint => (vec![tint(random)], None),
        Plain if random.chance(0.6) => {
            let name = Named::pick(random);
            (vec![name.draw(random)], Some(name))
        }
        Plain => (vec![any(random)], None),
        Dark if random.chance(0.4) => (vec![Colour(0, 0, 0)], Named::of("black")),
        Dark => (vec![hsv(random.range(0.0, 360.0), random.range(0.0, 0.6), random.range(0.05, 0.3))], None),
        Graded => {
            let first = if random.chance(0.5) { tint(random) } else { any(random) };
            let second = if random.chance(0.5) { like(first, 60.0, random) } else { tint(random) };
            (vec![first, second, first.mix(second, 0.5)], None)
        }
        Stripes | Checks | Dots | Noise => {
            // Two colours that are hardly apart: nobody takes the texture for things.
            let first = if random.chance(0.6) { tint(random) } else { any(random) };
            (vec![first, like(first, 26.0, random)], None)
        }
        Photo => {
            let first = any(random);
            let by = random.range(20.0, 80.0);
            (vec![first, like(first, by, random), like(first, by, random)], None)
        }
    }
}

fn paint(
    style: Style,
    width: u32,
    height: u32,
    colours: Vec<Colour>,
    name: Option<&'static Named>,
    random: &mut Random,
) -> Ground {
    let mut canvas = Canvas::new(width, height, colours[0]);
    let (w, h) = (f64::from(width), f64::from(height));
    let side = w.max(h);
    let two = |canvas: &mut Canvas, share: &mut dyn FnMut(f64, f64) -> f64| {
        canvas.each(|x, y| colours[0].mix(colours[1], share(x, y)));
    };
    let (sin, cos) = libm::sincos(random.range(0.0, std::f64::consts::TAU));
    match style {
        White | Tint | Plain | Dark => {}
        Graded if random.chance(0.7) => {
            let span = (w * cos.abs() + h * sin.abs()) / 2.0;
            two(&mut canvas, &mut |x, y| 0.5 + 0.5 * ((x - w / 2.0) * cos + (y - h / 2.0) * sin) / span);
        }
        Graded => {
            let (cx, cy) = (random.range(0.2, 0.8) * w, random.range(0.2, 0.8) * h);
            two(&mut canvas, &mut |x, y| ((x - cx) * (x - cx) + (y - cy) * (y - cy)).sqrt() / side);
        }
        Stripes => {
            let period = random.range(6.0, 0.25 * side);
            two(&mut canvas, &mut |x, y| f64::from((x * cos + y * sin).rem_euclid(period) < period / 2.0));
        }
        Checks => {
            let period = random.range(8.0, 0.3 * side);
            let on = |v: f64| v.rem_euclid(period) < period / 2.0;
            two(&mut canvas, &mut |x, y| f64::from(on(x) != on(y)));
        }
        Dots => {
            let (period, radius) = (random.range(7.0, 16.0), random.range(0.15, 0.3));
            let off = |v: f64| v.rem_euclid(period) / period - 0.5;
            two(&mut canvas, &mut |x, y| f64::from(off(x) * off(x) + off(y) * off(y) < radius * radius));
        }
        Noise => {
            let field = noise::field(width, height, random.range(4.0, 0.2 * side), 2, random);
            let mut values = field.into_iter();
            two(&mut canvas, &mut |_, _| values.next().unwrap_or(0.0));
        }
        Photo => {
            let mut a = noise::field(width, height, random.range(0.2, 0.7) * side, 4, random).into_iter();
            let mut b = noise::field(width, height, random.range(0.2, 0.7) * side, 1, random).into_iter();
            canvas.each(|_, _| {
                let (a, b) = (a.next().unwrap_or(0.0), b.next().unwrap_or(0.0));
                colours[0].mix(colours[1], a).mix(colours[2], b)
            });
        }
    }
    Ground { canvas, colours, name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_can_be_seen_and_plain_grounds_are_common() {
        let (mut plain, mut seen) = (0, 0.0f64);
        for index in 0..400 {
            let mut random = Random::new(5, index);
            let shown = [Named::pick(&mut random).draw(&mut random), Named::pick(&mut random).draw(&mut random)];
            let ground = Ground::draw(20, 16, &shown, &mut random);
            plain += usize::from(ground.colours.len() == 1);
            let least = contrast(&ground.colours, &shown);
            assert!(least >= 0.1, "{least} of {shown:?} on {:?}", ground.colours);
            seen += least;
            let rgb = ground.canvas.into_rgb();
            // What is on the canvas is what the list says: no pixel is further from it than its colours are apart.
            let own = |c: Colour| ground.colours.iter().map(|g| g.contrast(c)).fold(9.0, f64::min);
            let worst = rgb.data.chunks_exact(3).map(|p| own(Colour(p[0], p[1], p[2]))).fold(0.0, f64::max);
            assert!(worst < 0.25, "{worst}");
        }
        assert!((240..360).contains(&plain) && seen / 400.0 > 0.2, "{plain} {seen}");
    }

    #[test]
    fn colours_with_names_are_what_they_are_called() {
        let named = (0..200).filter_map(|i| {
            let ground = Ground::draw(2, 2, &[], &mut Random::new(6, i));
            ground.name.map(|name| (name, ground.colours[0]))
        });
        for (name, colour) in named {
            assert!(Named::called(colour) == Some(name), "{colour:?} {}", name.name);
        }
    }
}
