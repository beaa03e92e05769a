//! A drawing as pixels, and how it comes onto a canvas at any size and turn.

use crate::{Canvas, Colour, Place};

/// A square of pixels with its smaller copies: each has half the side of the one before.
#[derive(Debug, Clone)]
pub struct Sprite {
    /// Red, green, blue and alpha, the colours multiplied by it.
    levels: Vec<(usize, Vec<u8>)>,
}

impl Sprite {
    /// The side at which drawings are kept, in pixels.
    pub const SIDE: usize = 96;

    /// A sprite of `side * side` pixels, four bytes each, colours multiplied by alpha.
    pub fn new(side: usize, data: Vec<u8>) -> Sprite {
        let mut levels = vec![(side, data)];
        while let Some((side, data)) = levels.last().filter(|(side, _)| *side >= 16 && side % 2 == 0) {
            let half = halved(*side, data);
            levels.push((side / 2, half));
        }
        Sprite { levels }
    }

    /// Its side, in pixels.
    pub fn side(&self) -> usize {
        self.levels.first().map_or(0, |(side, _)| *side)
    }

    /// Its pixels: `side * side * 4` bytes.
    pub fn data(&self) -> &[u8] {
        self.levels.first().map_or(&[], |(_, data)| data)
    }

    /// One pixel; nothing outside.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 4] {
        let side = self.side();
        match x < side && y < side {
            true => self.data().get((y * side + x) * 4..).and_then(|at| at.first_chunk()).copied().unwrap_or_default(),
            false => [0; 4],
        }
    }

    /// The mean of its colours, where it covers.
    pub fn mean(&self) -> Colour {
        let mut sums = [1u64; 4];
        for pixel in self.levels.last().map_or(&[][..], |(_, data)| data).chunks_exact(4) {
            sums.iter_mut().zip(pixel).for_each(|(sum, part)| *sum += u64::from(*part));
        }
        let [r, g, b] = [0, 1, 2].map(|at| (sums[at] * 255 / sums[3]).min(255) as u8);
        Colour(r, g, b)
    }

    /// Its colours, each channel a sum of red, green, blue and alpha by weights.
    pub fn mapped(&self, weights: &[[f32; 4]; 3]) -> Sprite {
        let map = |pixel: &[u8]| {
            let parts = pixel.first_chunk::<4>().map(|pixel| pixel.map(f32::from)).unwrap_or_default();
            let channel = |weights: &[f32; 4]| {
                let sum: f32 = weights.iter().zip(parts).map(|(weight, part)| weight * part).sum();
                (sum + 0.5).clamp(0.0, parts[3]) as u8
            };
            let [r, g, b] = [0, 1, 2].map(|at| channel(&weights[at]));
            [r, g, b, parts[3] as u8]
        };
        let data = self.data().chunks_exact(4).flat_map(map).collect();
        Sprite::new(self.side(), data)
    }

    /// Another in which each pixel is that of another place, between pixels too.
    pub fn warped(&self, from: impl Fn(usize, usize) -> (f32, f32)) -> Sprite {
        let side = self.side();
        let mut data = Vec::with_capacity(side * side * 4);
        for at in 0..side * side {
            let (u, v) = from(at % side, at / side);
            let colour = bilinear(side, self.data(), u, v).unwrap_or_default();
            data.extend(colour.map(|part| (part + 0.5) as u8));
        }
        Sprite::new(side, data)
    }

    /// Draws it: it reaches from -1 to 1 in the units of the place, so that its side is twice the scale.
    pub fn stamp(&self, canvas: &mut Canvas, place: &Place) {
        let mut pixmap = canvas.pixmap();
        let (width, height) = (pixmap.width() as usize, pixmap.height() as usize);
        let size = 2.0 * place.scale;
        let Some((side, data)) =
            self.levels.iter().rev().find(|(side, _)| *side as f64 >= size).or(self.levels.first())
        else {
            return;
        };
        let (sin, cos) = libm::sincos(place.turn.to_radians());
        let reach = place.scale * (sin.abs() + cos.abs()) + 1.0;
        let bound = |at: f64, most: usize| at.clamp(0.0, most as f64) as usize;
        let (left, right) = (bound(place.x - reach, width), bound(place.x + reach + 1.0, width));
        let (top, bottom) = (bound(place.y - reach, height), bound(place.y + reach + 1.0, height));
        let per_pixel = *side as f64 / size;
        let flip = if place.mirrored { -1.0 } else { 1.0 };
        let half = *side as f64 / 2.0 - 0.5;
        let (step_x, step_y) = ((cos * per_pixel * flip) as f32, (-sin * per_pixel) as f32);
        let rows = pixmap.data_mut().chunks_exact_mut(width * 4);
        for (y, row) in rows.enumerate().take(bottom).skip(top) {
            let (dx, dy) = (left as f64 + 0.5 - place.x, y as f64 + 0.5 - place.y);
            let mut u = (half + per_pixel * flip * (cos * dx + sin * dy)) as f32;
            let mut v = (half + per_pixel * (cos * dy - sin * dx)) as f32;
            for pixel in row.chunks_exact_mut(4).take(right).skip(left) {
                if let Some([r, g, b, a]) = bilinear(*side, data, u, v) {
                    let under = 1.0 - a / 255.0;
                    for (to, over) in pixel.iter_mut().zip([r, g, b]) {
                        *to = (over + *to as f32 * under + 0.5) as u8;
                    }
                }
                (u, v) = (u + step_x, v + step_y);
            }
        }
    }
}

/// The colour at a place between pixels; nothing where all of it is empty.
fn bilinear(side: usize, data: &[u8], u: f32, v: f32) -> Option<[f32; 4]> {
    let most = side as f32;
    if !(u > -1.0 && v > -1.0 && u < most && v < most) {
        return None;
    }
    // Above -1: adding one makes the cast a floor.
    let (x, y) = ((u + 1.0) as usize, (v + 1.0) as usize);
    let (right, below) = (u + 1.0 - x as f32, v + 1.0 - y as f32);
    let [a, b, c, d] = corners(side, data, x, y)?;
    let mut out = [0.0; 4];
    for (out, ((a, b), (c, d))) in out.iter_mut().zip(a.into_iter().zip(b).zip(c.into_iter().zip(d))) {
        let (a, b, c, d) = (f32::from(a), f32::from(b), f32::from(c), f32::from(d));
        let (above, under) = (a + (b - a) * right, c + (d - c) * right);
        *out = above + (under - above) * below;
    }
    Some(out)
}

/// The four pixels before a corner of pixels and behind it: left and right above, left and right below; nothing where
/// all are empty.
fn corners(side: usize, data: &[u8], x: usize, y: usize) -> Option<[[u8; 4]; 4]> {
    let four = if (1..side).contains(&x) && (1..side).contains(&y) {
        let at = ((y - 1) * side + x - 1) * 4;
        let above: [u8; 8] = *data.get(at..)?.first_chunk()?;
        let below: [u8; 8] = *data.get(at + side * 4..)?.first_chunk()?;
        let [[a, b], [c, d]] = [above, below].map(|[a, b, c, d, e, f, g, h]| [[a, b, c, d], [e, f, g, h]]);
        [a, b, c, d]
    } else {
        let pixel = |(x, y): (usize, usize)| {
            let inside = x > 0 && y > 0 && x <= side && y <= side;
            let at = if inside { data.get(((y - 1) * side + x - 1) * 4..) } else { None };
            at.and_then(|at| at.first_chunk().copied()).unwrap_or_default()
        };
        [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)].map(pixel)
    };
    four.iter().any(|pixel| pixel[3] > 0).then_some(four)
}

/// The mean of every two by two pixels.
fn halved(side: usize, data: &[u8]) -> Vec<u8> {
    let half = side / 2;
    let mut out = Vec::with_capacity(half * half * 4);
    for (above, below) in data.chunks_exact(side * 4).step_by(2).zip(data.chunks_exact(side * 4).skip(1).step_by(2)) {
        for (above, below) in above.chunks_exact(8).zip(below.chunks_exact(8)) {
            let (a, b) = above.split_at(4);
            let (c, d) = below.split_at(4);
            let sums = a.iter().zip(b).zip(c.iter().zip(d));
            out.extend(sums.map(|((a, b), (c, d))| ((*a as u16 + *b as u16 + *c as u16 + *d as u16 + 2) / 4) as u8));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red, its upper left quarter blue.
    fn flag(side: usize) -> Sprite {
        let pixel = |at: usize| {
            let blue = at % side < side / 2 && at / side < side / 2;
            if blue { [0, 0, 255, 255] } else { [255, 0, 0, 255] }
        };
        Sprite::new(side, (0..side * side).flat_map(pixel).collect())
    }

    #[test]
    fn smaller_copies_are_means() {
        let sprite = flag(32);
        let sides: Vec<usize> = sprite.levels.iter().map(|(side, _)| *side).collect();
        assert_eq!(sides, [32, 16, 8]);
        assert_eq!(halved(2, &[0, 0, 0, 0, 4, 8, 12, 16, 0, 0, 0, 0, 4, 8, 12, 18]), [2, 4, 6, 9]);
    }

    #[test]
    fn a_turn_goes_clockwise_and_a_mirror_swaps_the_sides() {
        let corner_of = |place: Place| {
            let mut canvas = Canvas::new(40, 40, Colour(255, 255, 255));
            flag(32).stamp(&mut canvas, &place);
            let rgb = canvas.into_rgb();
            let blue = |(x, y): &(usize, usize)| rgb.data[(y * 40 + x) * 3] == 0;
            assert_eq!(rgb.data[(2 * 40 + 2) * 3..][..3], [255, 255, 255]);
            [(12, 12), (27, 12), (12, 27), (27, 27)].iter().position(blue).unwrap()
        };
        let place = Place::at(20.0, 20.0, 10.0);
        assert_eq!(corner_of(place), 0);
        assert_eq!(corner_of(Place { turn: 90.0, ..place }), 1);
        assert_eq!(corner_of(Place { turn: 180.0, ..place }), 3);
        assert_eq!(corner_of(Place { mirrored: true, ..place }), 1);
        assert_eq!(corner_of(Place { mirrored: true, turn: 90.0, ..place }), 3);
    }

    #[test]
    fn what_hangs_over_the_edge_is_cut() {
        let mut canvas = Canvas::new(10, 10, Colour(255, 255, 255));
        flag(32).stamp(&mut canvas, &Place::at(0.0, 0.0, 5.0));
        flag(32).stamp(&mut canvas, &Place::at(-50.0, 400.0, 5.0));
        let rgb = canvas.into_rgb();
        assert_eq!((&rgb.data[..3], &rgb.data[27..30]), (&[255, 0, 0][..], &[255, 255, 255][..]));
    }
}
