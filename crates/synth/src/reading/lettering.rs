//! How text looks in a picture: its font, colour, size, turn and trim, and what it stands on.

use crate::{
    Canvas, Colour, Font, Ground, Kit, Place, Random, Split, Text,
    colours::{Named, hsv},
};
use resvg::tiny_skia::{Path, PathBuilder};

/// The least contrast of text and what it stands on (in Oklab, black and white are 1 apart).
const CONTRAST: f64 = 0.36;

/// The least difference of their lightness: colours that are as light as each other are hard to read on each other.
const LIGHTNESS: f64 = 0.16;

/// Whether letters of a colour can be read on another.
fn legible(ground: Colour, ink: Colour) -> bool {
    let ([light, ..], [other, ..]) = (ground.oklab(), ink.oklab());
    ground.contrast(ink) >= CONTRAST && libm::fabs(light - other) >= LIGHTNESS
}

/// How a text is written.
pub(crate) struct Look<'a> {
    pub(crate) font: &'a Font,
    apart: f64,
    stretch: f64,
    slant: f64,
    turn: f64,
    trim: Trim,
    pub(crate) ink: Ink,
}

/// A colour with its name.
#[derive(Clone, Copy)]
pub(crate) struct Ink {
    pub(crate) named: &'static Named,
    pub(crate) colour: Colour,
}

/// What goes with the letters.
#[derive(Clone, Copy)]
enum Trim {
    None,
    /// A line around them.
    Outline(Colour),
    /// The same letters behind, a little to the right and below.
    Shadow(Colour),
}

impl Ink {
    /// Any colour that stands out from each of these.
    pub(crate) fn against(random: &mut Random, others: &[Colour]) -> Ink {
        for _ in 0..60 {
            let ink = Ink::of(random, Named::pick);
            if others.iter().all(|other| legible(*other, ink.colour)) {
                return ink;
            }
        }
        let light = others.iter().filter(|other| other.oklab()[0] > 0.6).count();
        Ink::called(random, if 2 * light >= others.len() { "black" } else { "white" })
    }

    /// Any colour that is seen on a ground, if not as well as letters must be.
    pub(crate) fn seen(random: &mut Random, ground: Colour) -> Ink {
        let mut ink = Ink::of(random, Named::pick);
        // Dark colours are hard to tell from each other.
        let dark = |colour: Colour| colour.oklab()[0] < 0.5;
        for _ in 0..60 {
            if ground.contrast(ink.colour) >= if dark(ground) && dark(ink.colour) { 0.4 } else { 0.2 } {
                break;
            }
            ink = Ink::of(random, Named::pick);
        }
        ink
    }

    /// A colour of this name.
    pub(crate) fn called(random: &mut Random, name: &'static str) -> Ink {
        Ink::of(random, |random| Named::of(name).unwrap_or_else(|| Named::pick(random)))
    }

    fn of(random: &mut Random, named: impl Fn(&mut Random) -> &'static Named) -> Ink {
        let named = named(random);
        Ink { named, colour: named.draw(random) }
    }
}

/// Another ink for the same ground: of a name that is not used, nor near one that is; the first of all as it is.
pub(crate) fn another(random: &mut Random, first: Ink, ground: Colour, used: Vec<&str>) -> Ink {
    if used.is_empty() {
        return first;
    }
    let apart = |ink: &Ink| {
        used.iter().filter_map(|name| Named::of(name)).all(|other| other != ink.named && !other.is_near(ink.named))
    };
    for _ in 0..60 {
        let ink = Ink::against(random, &[ground]);
        if apart(&ink) {
            return ink;
        }
    }
    // Nothing else can be seen there: a name that is free is better than one that is not.
    let free = ["black", "white", "red", "blue"].into_iter().find(|name| !used.contains(name));
    Ink::called(random, free.unwrap_or("black"))
}

/// A ground with an ink that stands out from it: of one colour mostly.
pub(crate) fn ground(random: &mut Random, (width, height): (u32, u32)) -> (Canvas, Colour, Ink) {
    if random.chance(0.3) {
        let ink = Ink::of(random, Named::pick);
        for _ in 0..4 {
            let ground = Ground::draw(width, height, &[ink.colour], random);
            if ground.colours.iter().all(|colour| legible(*colour, ink.colour)) {
                let colour = ground.colours.first().copied().unwrap_or(Colour(128, 128, 128));
                return (ground.canvas, colour, ink);
            }
        }
    }
    let (colour, ink) = colours(random);
    (Canvas::new(width, height, colour), colour, ink)
}

/// A ground's colour and an ink: dark on light, light on dark, colours on colours.
pub(crate) fn colours(random: &mut Random) -> (Colour, Ink) {
    let hue = random.range(0.0, 360.0);
    let kind = random.unit();
    if kind < 0.3 {
        let ground = hsv(hue, random.range(0.0, 0.15), random.range(0.9, 1.0));
        return (ground, Ink::called(random, "black"));
    }
    let ground = match kind {
        u if u < 0.5 => hsv(hue, random.range(0.0, 0.2), random.range(0.88, 1.0)),
        u if u < 0.65 => hsv(hue, random.range(0.0, 1.0), random.range(0.0, 0.4)),
        _ => hsv(hue, random.range(0.1, 0.9), random.range(0.3, 1.0)),
    };
    (ground, Ink::against(random, &[ground]))
}

impl<'a> Look<'a> {
    /// The plainest look: black, upright.
    pub(crate) fn plain(font: &'a Font, ink: Ink) -> Look<'a> {
        Look { font, apart: 0.0, stretch: 1.0, slant: 0.0, turn: 0.0, trim: Trim::None, ink }
    }

    /// Any look in a colour, to stand on another.
    pub(crate) fn pick(random: &mut Random, kit: &'a Kit, split: Split, ground: Colour, ink: Ink) -> Look<'a> {
        let mut look = Look::plain(kit.fonts.pick(random, split), ink);
        if random.chance(0.15) {
            look.apart = random.range(0.03, 0.15);
        }
        if random.chance(0.25) {
            look.stretch = random.range(0.85, 1.2);
        }
        if random.chance(0.12) {
            look.slant = random.range(0.1, 0.28);
        }
        if random.chance(0.35) {
            look.turn = random.range(-15.0, 15.0);
        }
        look.trim = match random.unit() {
            u if u < 0.07 => Trim::Outline(Ink::against(random, &[look.ink.colour]).colour),
            u if u < 0.14 => Trim::Shadow(ground.mix(Colour(0, 0, 0), random.range(0.3, 0.6))),
            _ => Trim::None,
        };
        look
    }

    /// Whether the letters alone have a colour.
    pub(crate) fn is_of_one_colour(&self) -> bool {
        !matches!(self.trim, Trim::Outline(_))
    }

    /// Without a turn.
    pub(crate) fn upright(mut self) -> Look<'a> {
        self.turn = 0.0;
        self
    }

    /// The outline of a text in this look.
    pub(crate) fn write(&self, text: &str) -> Option<Text> {
        self.font.write(text, self.apart)?.shaped(self.stretch, self.slant)
    }

    /// Pixels of an em at which capitals are `height` pixels high, or less where the text (turned) would not fit into
    /// `width` and `tall` pixels.
    pub(crate) fn scale(&self, text: &Text, height: f64, width: f64, tall: f64) -> f64 {
        let scale = height / self.font.capitals;
        let (across, down) = text.half_box(scale, self.turn);
        scale * (width / (2.0 * across)).min(tall / (2.0 * down)).min(1.0)
    }

    /// Where a text comes to lie: its centre, its scale and the look's turn.
    pub(crate) fn place(&self, x: f64, y: f64, scale: f64) -> Place {
        Place { turn: self.turn, ..Place::at(x, y, scale) }
    }

    /// Writes a text.
    pub(crate) fn draw(&self, canvas: &mut Canvas, text: &Text, place: &Place) {
        match self.trim {
            Trim::Outline(colour) => canvas.stroke(&text.path, place, colour, 0.11 * place.scale, true),
            Trim::Shadow(colour) => {
                let by = 0.05 * place.scale;
                text.draw(canvas, &Place { x: place.x + by, y: place.y + by, ..*place }, colour);
            }
            Trim::None => {}
        }
        text.draw(canvas, place, self.ink.colour);
    }
}

/// A box around (0, 0) with round corners, by half of its width and height.
pub(crate) fn rounded(across: f64, down: f64, corner: f64) -> Option<Path> {
    let [a, d, c] = [across, down, corner.min(across).min(down)].map(|v| v as f32);
    let mut path = PathBuilder::new();
    path.move_to(-a + c, -d);
    path.line_to(a - c, -d);
    path.quad_to(a, -d, a, -d + c);
    path.line_to(a, d - c);
    path.quad_to(a, d, a - c, d);
    path.line_to(-a + c, d);
    path.quad_to(-a, d, -a, d - c);
    path.line_to(-a, -d + c);
    path.quad_to(-a, -d, -a + c, -d);
    path.close();
    path.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_stands_out_from_its_ground() {
        let mut random = Random::new(7, 8);
        for _ in 0..1000 {
            let (ground, ink) = colours(&mut random);
            assert!(ground.contrast(ink.colour) > 0.3, "{ground:?} {}", ink.named.name);
        }
    }

    #[test]
    fn scales_keep_text_inside() {
        let kit = Kit::default();
        let mut random = Random::new(9, 10);
        for _ in 0..200 {
            let (ground, ink) = colours(&mut random);
            let look = Look::pick(&mut random, &kit, Split::Train, ground, ink);
            let text = look.write("reading").unwrap();
            let scale = look.scale(&text, 60.0, 150.0, 80.0);
            let (across, down) = text.half_box(scale, look.turn);
            assert!(across <= 75.0 + 1e-9 && down <= 40.0 + 1e-9 && scale * look.font.capitals <= 60.0 + 1e-9);
        }
    }
}
