//! The paper of a chart: its ground, its font and its lines; labels at their places.

use crate::{Canvas, Colour, Font, Kit, Place, Random, Split, Text, colours::hsv};

/// A chart's paper.
pub(crate) struct Page<'a> {
    pub(crate) canvas: Canvas,
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// Of the ground.
    pub(crate) ground: Colour,
    /// Of letters and axes.
    pub(crate) ink: Colour,
    /// Of lines across.
    pub(crate) pale: Colour,
    font: &'a Font,
    /// Height of capitals, in pixels.
    pub(crate) letters: f64,
}

/// What of a label lies at a point.
#[derive(Clone, Copy)]
pub(crate) enum At {
    /// The middle of its baseline.
    Middle,
    /// The left end, at half of its height.
    Left,
    /// The right end, at half of its height.
    Right,
    /// Its centre.
    Centre,
}

/// Least and most height of capitals, of the longer side.
const LETTERS: (f64, f64) = (0.05, 0.066);

impl<'a> Page<'a> {
    /// A page of a size: light mostly.
    pub(crate) fn new(kit: &'a Kit, random: &mut Random, split: Split, width: u32, height: u32) -> Page<'a> {
        let hue = random.range(0.0, 360.0);
        let (ground, ink) = match random.unit() {
            u if u < 0.55 => (Colour(255, 255, 255), Colour(0, 0, 0)),
            u if u < 0.85 => (hsv(hue, random.range(0.02, 0.14), random.range(0.9, 1.0)), Colour(20, 20, 30)),
            _ => (hsv(hue, random.range(0.1, 0.6), random.range(0.08, 0.22)), Colour(245, 245, 245)),
        };
        let (wide, high) = (f64::from(width), f64::from(height));
        Page {
            canvas: Canvas::new(width, height, ground),
            width: wide,
            height: high,
            ground,
            ink,
            pale: ground.mix(ink, 0.2),
            font: kit.fonts.pick(random, split),
            letters: wide.max(high) * random.range(LETTERS.0, LETTERS.1),
        }
    }

    /// How wide a label is, in pixels.
    pub(crate) fn width_of(&self, label: &str) -> f64 {
        self.write(label).map_or(0.0, |text| 2.0 * text.across * self.scale())
    }

    fn write(&self, label: &str) -> Option<Text> {
        self.font.write(label, 0.0)
    }

    fn scale(&self) -> f64 {
        self.letters / self.font.capitals
    }

    /// Writes a label, moved so that it lies inside the page.
    pub(crate) fn label(&mut self, label: &str, x: f64, y: f64, at: At, colour: Colour) {
        let Some(text) = self.write(label) else { return };
        let scale = self.scale();
        let (across, down) = text.half_box(scale, 0.0);
        let (x, y) = match at {
            At::Middle => (x, y - text.baseline * scale),
            At::Left => (x + across, y),
            At::Right => (x - across, y),
            At::Centre => (x, y),
        };
        let x = x.clamp(across + 1.0, (self.width - across - 1.0).max(across + 1.0));
        let y = y.clamp(down + 1.0, (self.height - down - 1.0).max(down + 1.0));
        text.draw(&mut self.canvas, &Place::at(x, y, scale), colour);
    }

    /// Writes a title at the top, a little larger; the height that it takes.
    pub(crate) fn title(&mut self, title: &str) -> f64 {
        let Some(text) = self.write(title) else { return 0.0 };
        let scale = (1.25 * self.scale()).min(0.45 * self.width / text.across);
        let (_, down) = text.half_box(scale, 0.0);
        let y = 0.6 * self.letters + down;
        text.draw(&mut self.canvas, &Place::at(self.width / 2.0, y, scale), self.ink);
        y + down + 0.5 * self.letters
    }
}
