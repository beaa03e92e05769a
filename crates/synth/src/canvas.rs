//! A picture that is drawn on.

use crate::{Colour, Rgb};
use resvg::tiny_skia::{FillRule, LineCap, LineJoin, Paint, Path, Pixmap, PixmapMut, Stroke, Transform};

/// The largest side of a canvas, in pixels.
const MOST: u32 = 4096;

/// Where something is drawn: its centre, its scale and its turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Centre, in pixels from the left.
    pub x: f64,
    /// Centre, in pixels from the top.
    pub y: f64,
    /// Pixels of one unit of what is drawn.
    pub scale: f64,
    /// Clockwise, in degrees.
    pub turn: f64,
    /// Mirrored left to right, before the turn.
    pub mirrored: bool,
}

impl Place {
    /// A place without a turn.
    pub fn at(x: f64, y: f64, scale: f64) -> Place {
        Place { x, y, scale, turn: 0.0, mirrored: false }
    }

    /// The map from units around (0, 0) to pixels.
    pub fn transform(&self) -> Transform {
        let (sin, cos) = libm::sincos(self.turn.to_radians());
        let flip = if self.mirrored { -1.0 } else { 1.0 };
        let [a, b, c, d] = [cos * flip, sin * flip, -sin, cos].map(|v| (v * self.scale) as f32);
        Transform::from_row(a, b, c, d, self.x as f32, self.y as f32)
    }

    /// Where a point (in units) comes to lie, in pixels.
    pub fn map(&self, x: f64, y: f64) -> (f64, f64) {
        let (sin, cos) = libm::sincos(self.turn.to_radians());
        let x = if self.mirrored { -x } else { x };
        (self.x + self.scale * (cos * x - sin * y), self.y + self.scale * (sin * x + cos * y))
    }
}

/// A picture that is drawn on. It is opaque: it begins as a ground, and everything is drawn over that.
#[derive(Debug, Clone)]
pub struct Canvas {
    pixmap: Pixmap,
    /// Whether edges are smooth; some programs draw them in steps.
    pub smooth: bool,
}

impl Canvas {
    /// A canvas of one colour; sides are cut to 1..=4096.
    ///
    /// # Panics
    /// Never: the sides are cut.
    #[allow(clippy::expect_used)]
    pub fn new(width: u32, height: u32, colour: Colour) -> Canvas {
        let mut pixmap = Pixmap::new(width.clamp(1, MOST), height.clamp(1, MOST)).expect("sides of 1 to 4096 pixels");
        pixmap.fill(resvg::tiny_skia::Color::from_rgba8(colour.0, colour.1, colour.2, 255));
        Canvas { pixmap, smooth: true }
    }

    /// A canvas that begins as a picture.
    pub fn of(rgb: &Rgb) -> Canvas {
        let mut canvas = Canvas::new(rgb.width, rgb.height, Colour(0, 0, 0));
        canvas.paste(rgb, 0, 0);
        canvas
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.pixmap.width()
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.pixmap.height()
    }

    /// What other renderers draw on.
    pub fn pixmap(&mut self) -> PixmapMut<'_> {
        self.pixmap.as_mut()
    }

    /// Gives each pixel a colour, by its place from the left and the top, row by row.
    pub fn each(&mut self, mut colour: impl FnMut(f64, f64) -> Colour) {
        let width = self.width() as usize;
        for (at, pixel) in self.pixmap.data_mut().chunks_exact_mut(4).enumerate() {
            let Colour(r, g, b) = colour((at % width) as f64, (at / width) as f64);
            pixel.copy_from_slice(&[r, g, b, 255]);
        }
    }

    /// Fills a path (units) at a place; `alpha` 1 covers.
    pub fn fill(&mut self, path: &Path, place: &Place, colour: Colour, alpha: f64) {
        let paint = self.paint(colour, alpha);
        self.pixmap.fill_path(path, &paint, FillRule::EvenOdd, place.transform(), None);
    }

    /// Draws along a path (units) at a place with a pen of `width` pixels.
    pub fn stroke(&mut self, path: &Path, place: &Place, colour: Colour, width: f64, round: bool) {
        let (cap, join) = if round { (LineCap::Round, LineJoin::Round) } else { (LineCap::Butt, LineJoin::Miter) };
        let width = (width / place.scale) as f32;
        let stroke = Stroke { width, line_cap: cap, line_join: join, miter_limit: 6.0, ..Stroke::default() };
        let paint = self.paint(colour, 1.0);
        self.pixmap.stroke_path(path, &paint, &stroke, place.transform(), None);
    }

    /// Draws a straight line, in pixels.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour, width: f64) {
        let mut path = resvg::tiny_skia::PathBuilder::new();
        path.move_to(from.0 as f32, from.1 as f32);
        path.line_to(to.0 as f32, to.1 as f32);
        if let Some(path) = path.finish() {
            self.stroke(&path, &Place::at(0.0, 0.0, 1.0), colour, width, false);
        }
    }

    /// Fills an upright box, in pixels: from the left and the top, across and down.
    pub fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, colour: Colour) {
        let rect = resvg::tiny_skia::Rect::from_xywh(x as f32, y as f32, width as f32, height as f32);
        if let Some(rect) = rect {
            let paint = self.paint(colour, 1.0);
            self.pixmap.fill_rect(rect, &paint, Transform::identity(), None);
        }
    }

    fn paint(&self, colour: Colour, alpha: f64) -> Paint<'static> {
        let mut paint = Paint::default();
        paint.set_color_rgba8(colour.0, colour.1, colour.2, (alpha.clamp(0.0, 1.0) * 255.0).round() as u8);
        paint.anti_alias = self.smooth;
        paint
    }

    /// Copies a picture to a place, from the left and the top; what hangs over is cut.
    pub fn paste(&mut self, picture: &Rgb, left: u32, top: u32) {
        let width = self.width() as usize;
        let across = picture.width.min(self.width().saturating_sub(left)) as usize;
        let rows = picture.data.chunks_exact((picture.width as usize * 3).max(1));
        for (y, row) in (top as usize..self.height() as usize).zip(rows) {
            let start = (y * width + left as usize) * 4;
            let line = &mut self.pixmap.data_mut()[start..start + across * 4];
            for (to, from) in line.chunks_exact_mut(4).zip(row.chunks_exact(3)) {
                to[..3].copy_from_slice(from);
            }
        }
    }

    /// The finished picture.
    pub fn into_rgb(self) -> Rgb {
        let (width, height) = (self.width(), self.height());
        let mut data = Vec::with_capacity(width as usize * height as usize * 3);
        for pixel in self.pixmap.data().chunks_exact(4) {
            data.extend_from_slice(&pixel[..3]);
        }
        Rgb { width, height, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resvg::tiny_skia::{PathBuilder, Rect};

    #[test]
    fn what_is_filled_lies_where_its_place_says() {
        let mut canvas = Canvas::new(40, 20, Colour(255, 255, 255));
        let path = PathBuilder::from_rect(Rect::from_ltrb(-1.0, -0.25, 1.0, 0.25).unwrap());
        let place = Place { turn: 90.0, ..Place::at(30.0, 10.0, 8.0) };
        canvas.fill(&path, &place, Colour(200, 10, 20), 1.0);
        let rgb = canvas.into_rgb();
        let at = |x: usize, y: usize| rgb.data[(y * 40 + x) * 3];
        assert_eq!((at(30, 4), at(30, 15), at(24, 10), at(10, 10)), (200, 200, 255, 255));
        assert_eq!(Canvas::of(&rgb).into_rgb(), rgb);
        let (x, y) = place.map(1.0, 0.0);
        assert!((x - 30.0).abs() < 1e-9 && (y - 18.0).abs() < 1e-9);
    }
}
