//! Outlines and flat fills: a drawing as if by another hand, with a pen and few colours.

use super::Sprite;
use crate::{Colour, Random, colours::hsv};

/// How it is drawn again.
#[derive(Debug, Clone)]
pub struct Pen {
    /// The pen's width, of the sprite's side.
    pub width: f64,
    /// The lines' colour.
    pub colour: Colour,
    /// The most colours that the fills have.
    pub fills: usize,
    /// Fills that differ by less (0 to 1: black and white differ by 1) have no line between them.
    pub apart: f64,
    /// What becomes of the fills.
    pub fill: Fill,
    /// How far the fills have slipped from the lines, of the side: to the right, down.
    pub slip: (f64, f64),
    /// Whether there are lines at all.
    pub lines: bool,
}

/// What becomes of the fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Means of the drawing's colours.
    Kept,
    /// Those, brought to few plain colours.
    Plain,
    /// White where they are light or pale, plain elsewhere.
    Sparse,
    /// White everywhere.
    White,
    /// Nothing: the ground shows.
    Empty,
}

/// Outside of the figure.
const NONE: u8 = u8::MAX;
/// Colours are counted in bins of this many a channel.
const BINS: usize = 8;

impl Pen {
    /// A pen and paints by chance.
    pub fn pick(random: &mut Random) -> Pen {
        let fill = match random.unit() {
            kind if kind < 0.25 => Fill::Kept,
            kind if kind < 0.72 => Fill::Plain,
            kind if kind < 0.93 => Fill::Sparse,
            kind if kind < 0.98 => Fill::White,
            _ => Fill::Empty,
        };
        let dark = random.range(0.0, 0.25);
        let colour = if random.chance(0.85) { Colour(0, 0, 0) } else { hsv(random.range(0.0, 360.0), 0.5, dark) };
        let slip = if random.chance(0.25) { 0.025 } else { 0.0 };
        Pen {
            width: random.range(0.022, 0.046),
            colour,
            fills: random.between(2, 7),
            apart: random.range(0.06, 0.4),
            fill,
            slip: (random.range(-slip, slip), random.range(-slip, slip)),
            lines: true,
        }
    }
}

/// Draws a sprite again. Its figure should leave a margin as wide as the pen.
pub fn ink(sprite: &Sprite, pen: &Pen, random: &mut Random) -> Sprite {
    let side = sprite.side();
    let fills = fills(sprite.data(), pen.fills);
    let labels = smooth(side, &labels(sprite.data(), &fills), fills.len(), side / 48);
    let lines = if pen.lines { lines(side, &labels, &fills, pen) } else { vec![0; side * side] };
    let paints: Vec<Option<Colour>> = fills.iter().map(|colour| paint(*colour, pen.fill, random)).collect();
    let (over, down) = ((pen.slip.0 * side as f64).round() as isize, (pen.slip.1 * side as f64).round() as isize);
    let mut data = Vec::with_capacity(side * side * 4);
    for (at, line) in lines.iter().enumerate() {
        let from = (at % side).checked_add_signed(-over).zip((at / side).checked_add_signed(-down));
        let from = from.filter(|(x, y)| *x < side && *y < side).map(|(x, y)| y * side + x);
        let label = from.and_then(|from| labels.get(from)).copied().unwrap_or(NONE);
        let fill = paints.get(usize::from(label)).copied().flatten();
        data.extend(over_ink(fill, pen.colour, u32::from(*line)));
    }
    Sprite::new(side, data)
}

/// A line's colour over a fill's, multiplied by what both cover.
fn over_ink(fill: Option<Colour>, ink: Colour, line: u32) -> [u8; 4] {
    let (Colour(r, g, b), covered) = fill.map_or((Colour(0, 0, 0), 0), |fill| (fill, 255 - line));
    let mix = |fill: u8, ink: u8| ((u32::from(fill) * covered + u32::from(ink) * line + 127) / 255) as u8;
    [mix(r, ink.0), mix(g, ink.1), mix(b, ink.2), (covered + line) as u8]
}

/// How much two colours differ: 1 between black and white.
fn differ(a: Colour, b: Colour) -> f64 {
    let square = |a: u8, b: u8| (f64::from(a) - f64::from(b)) * (f64::from(a) - f64::from(b));
    // Weights as in luma, softened: green counts most.
    ((0.3 * square(a.0, b.0) + 0.45 * square(a.1, b.1) + 0.25 * square(a.2, b.2)) / 65025.0).sqrt()
}

/// The bin of a pixel's colour; none where it is not covered.
fn bin(pixel: &[u8]) -> Option<usize> {
    let [r, g, b, alpha] = *pixel.first_chunk::<4>()?;
    let part = |v: u8| (usize::from(v) * BINS / (usize::from(alpha) + 1)).min(BINS - 1);
    (alpha >= 128).then(|| (part(r) * BINS + part(g)) * BINS + part(b))
}

/// The colours that a drawing has most, at most `most` of them: bins of its colours, gathered by k-means.
fn fills(data: &[u8], most: usize) -> Vec<Colour> {
    let mut counts = vec![0u32; BINS * BINS * BINS];
    for bin in data.chunks_exact(4).filter_map(bin) {
        counts[bin] += 1;
    }
    let bins: Vec<(Colour, f64)> =
        (0..counts.len()).filter(|at| counts[*at] > 0).map(|at| (of_bin(at), f64::from(counts[at]))).collect();
    let mut fills: Vec<Colour> = Vec::new();
    while fills.len() < most {
        let nearest = |colour: Colour| fills.iter().map(|fill| differ(*fill, colour)).fold(1.0, f64::min);
        let worth = |(colour, count): &(Colour, f64)| nearest(*colour) * nearest(*colour) * count.sqrt();
        let best = bins.iter().max_by(|a, b| worth(a).total_cmp(&worth(b)));
        match best.filter(|(colour, _)| fills.is_empty() || nearest(*colour) > 0.06) {
            Some((colour, _)) => fills.push(*colour),
            None => break,
        }
    }
    for _ in 0..3 {
        let mut sums = vec![[0.0f64; 4]; fills.len()];
        for (colour, count) in &bins {
            let sum = &mut sums[usize::from(closest(&fills, *colour))];
            for (sum, part) in sum.iter_mut().zip([colour.0, colour.1, colour.2, 1].map(f64::from)) {
                *sum += part * count;
            }
        }
        for (fill, [r, g, b, n]) in fills.iter_mut().zip(sums).filter(|(_, sum)| sum[3] > 0.0) {
            let [r, g, b] = [r, g, b].map(|part| (part / n).round() as u8);
            *fill = Colour(r, g, b);
        }
    }
    fills
}

/// The colour in the middle of a bin.
fn of_bin(at: usize) -> Colour {
    let part = |v: usize| ((v * 2 + 1) * 255 / (BINS * 2)) as u8;
    Colour(part(at / BINS / BINS), part(at / BINS % BINS), part(at % BINS))
}

fn closest(fills: &[Colour], colour: Colour) -> u8 {
    let near = |at: &usize| fills.get(*at).map_or(1.0, |fill| differ(*fill, colour));
    (0..fills.len()).min_by(|a, b| near(a).total_cmp(&near(b))).unwrap_or(0) as u8
}

/// Which fill each pixel has; [`NONE`] outside.
fn labels(data: &[u8], fills: &[Colour]) -> Vec<u8> {
    let mut of_bins = vec![NONE; BINS * BINS * BINS];
    let label = |pixel: &[u8]| {
        let Some(bin) = bin(pixel) else { return NONE };
        if of_bins[bin] == NONE {
            of_bins[bin] = closest(fills, of_bin(bin));
        }
        of_bins[bin]
    };
    data.chunks_exact(4).map(label).collect()
}

/// Each label becomes the one that most of its neighbours have, unless it is that of all corners around: specks and
/// rims vanish.
fn smooth(side: usize, labels: &[u8], fills: usize, reach: usize) -> Vec<u8> {
    let mut out = labels.to_vec();
    let mut counts = vec![0u32; fills];
    let corners = [(side + 1) * reach, (side - 1) * reach].map(|far| far.cast_signed()).map(|far| [far, -far]);
    for (at, label) in out.iter_mut().enumerate().filter(|(_, label)| **label != NONE) {
        let same = |far: &isize| at.checked_add_signed(*far).and_then(|at| labels.get(at)) == Some(label);
        if corners.iter().flatten().all(same) {
            continue;
        }
        let (x, y) = (at % side, at / side);
        counts.fill(0);
        for row in labels.chunks_exact(side).take(y + reach + 1).skip(y.saturating_sub(reach)) {
            for near in row.iter().take(x + reach + 1).skip(x.saturating_sub(reach)) {
                if let Some(count) = counts.get_mut(usize::from(*near)) {
                    *count += 1;
                }
            }
        }
        let own = counts.get(usize::from(*label)).copied().unwrap_or(0);
        if let Some((most, count)) = counts.iter().enumerate().max_by_key(|(_, count)| **count)
            && *count > own
        {
            *label = most as u8;
        }
    }
    out
}

/// How much of each pixel the pen covers, 0 to 255: it goes along the figure's rim and between fills that differ.
fn lines(side: usize, labels: &[u8], fills: &[Colour], pen: &Pen) -> Vec<u8> {
    let parted: Vec<Vec<bool>> =
        fills.iter().map(|a| fills.iter().map(|b| differ(*a, *b) > pen.apart).collect()).collect();
    let edge = |a: u8, b: u8| match (a == NONE, b == NONE) {
        (false, false) => {
            parted.get(usize::from(a)).and_then(|row| row.get(usize::from(b))).is_some_and(|parted| *parted)
        }
        (outside_a, outside_b) => outside_a != outside_b,
    };
    let brush = Brush::new(pen.width * side as f64 / 2.0);
    let mut out = vec![0u8; side * side];
    for (at, label) in labels.iter().enumerate() {
        let (x, y) = (at % side, at / side);
        if x + 1 < side && labels.get(at + 1).is_some_and(|right| edge(*label, *right)) {
            brush.dab(side, &mut out, 2 * x + 2, 2 * y + 1);
        }
        if labels.get(at + side).is_some_and(|below| edge(*label, *below)) {
            brush.dab(side, &mut out, 2 * x + 1, 2 * y + 2);
        }
    }
    out
}

/// A round brush, kept for the two places at which it is set down: between pixels across, and between pixels down.
struct Brush {
    reach: usize,
    /// For a dab in the middle of a left edge, then in the middle of an upper edge: `2 * reach + 1` rows and columns.
    dabs: [Vec<u8>; 2],
}

impl Brush {
    fn new(radius: f64) -> Brush {
        let reach = (radius + 1.0).ceil() as usize;
        let dab = |(right, below): (f64, f64)| {
            let sides = 2 * reach + 1;
            let at = |i: usize| {
                let x = (i % sides) as f64 - reach as f64 + right;
                let y = (i / sides) as f64 - reach as f64 + below;
                ((radius + 0.5 - (x * x + y * y).sqrt()).clamp(0.0, 1.0) * 255.0) as u8
            };
            (0..sides * sides).map(at).collect()
        };
        Brush { reach, dabs: [dab((0.5, 0.0)), dab((0.0, 0.5))] }
    }

    /// Sets it down at a place in half pixels: an even number of them across, or down.
    fn dab(&self, side: usize, out: &mut [u8], x: usize, y: usize) {
        let [across, down] = &self.dabs;
        let dab = if x.is_multiple_of(2) { across } else { down };
        let sides = 2 * self.reach + 1;
        let (left, top) = (x / 2, y / 2);
        for (row, from) in dab.chunks_exact(sides).enumerate() {
            let Some(y) = (top + row).checked_sub(self.reach).filter(|y| *y < side) else { continue };
            for (column, from) in from.iter().enumerate().filter(|(_, from)| **from > 0) {
                let Some(x) = (left + column).checked_sub(self.reach).filter(|x| *x < side) else { continue };
                if let Some(to) = out.get_mut(y * side + x) {
                    *to = (*to).max(*from);
                }
            }
        }
    }
}

/// What a fill is painted with.
fn paint(colour: Colour, fill: Fill, random: &mut Random) -> Option<Colour> {
    const WHITE: Colour = Colour(255, 255, 255);
    let (light, vivid) = (differ(colour, Colour(0, 0, 0)), spread(colour));
    match fill {
        Fill::Kept => Some(colour),
        Fill::Plain => Some(plain(colour, random)),
        Fill::Sparse if light > 0.62 && vivid < 0.5 => Some(WHITE),
        Fill::Sparse if random.chance(0.08) => Some(WHITE),
        Fill::Sparse => Some(plain(colour, random)),
        Fill::White => Some(WHITE),
        Fill::Empty => None,
    }
}

/// Between its largest and its smallest channel, 0 to 1.
fn spread(Colour(r, g, b): Colour) -> f64 {
    f64::from(r.max(g).max(b) - r.min(g).min(b)) / 255.0
}

/// A plain colour like this one: its hue to the next eighteenth of the circle, stronger, and one of few values; grey
/// where it is pale.
fn plain(colour: Colour, random: &mut Random) -> Colour {
    let light = differ(colour, Colour(0, 0, 0));
    if spread(colour) < 0.16 {
        let step = random.range(3.5, 5.0);
        let grey = ((light * step).round() / step * 255.0).min(255.0) as u8;
        return Colour(grey, grey, grey);
    }
    let most = f64::from(colour.0.max(colour.1).max(colour.2)) / 255.0;
    let hue = (hue(colour) / 20.0 + random.range(-0.3, 0.3)).round() * 20.0 + random.range(-5.0, 5.0);
    let strength = (spread(colour) / most * random.range(0.9, 1.35)).min(0.97);
    let value = ((most * 3.0).round() / 3.0 * random.range(0.85, 1.1)).clamp(0.2, 1.0);
    hsv(hue, strength, value)
}

/// In degrees.
fn hue(Colour(r, g, b): Colour) -> f64 {
    let [r, g, b] = [r, g, b].map(f64::from);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let spread = (most - least).max(1.0);
    60.0 * if most == r {
        (g - b) / spread
    } else if most == g {
        2.0 + (b - r) / spread
    } else {
        4.0 + (r - g) / spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pen(fill: Fill) -> Pen {
        Pen { width: 0.1, colour: Colour(0, 0, 0), fills: 4, apart: 0.1, fill, slip: (0.0, 0.0), lines: true }
    }

    /// A red square with a blue lower half, in a margin of 10 of 40 pixels.
    fn square() -> Sprite {
        let pixel = |at: usize| {
            let (x, y) = (at % 40, at / 40);
            match (10..30).contains(&x) && (10..30).contains(&y) {
                true if y < 20 => [220, 30, 30, 255],
                true => [20, 40, 230, 255],
                false => [0; 4],
            }
        };
        Sprite::new(40, (0..1600).flat_map(pixel).collect())
    }

    #[test]
    fn lines_go_along_the_rim_and_between_fills() {
        let inked = ink(&square(), &pen(Fill::White), &mut Random::new(1, 1));
        for (x, y) in [(9, 15), (10, 15), (20, 20), (20, 19), (29, 25), (20, 29)] {
            assert_eq!(inked.pixel(x, y), [0, 0, 0, 255], "{x} {y}");
        }
        for (x, y) in [(20, 15), (15, 25)] {
            assert_eq!(inked.pixel(x, y), [255; 4], "{x} {y}");
        }
        assert_eq!((inked.pixel(5, 5), inked.pixel(34, 20)), ([0; 4], [0; 4]));
        let alike = ink(&square(), &Pen { apart: 1.0, ..pen(Fill::White) }, &mut Random::new(1, 1));
        assert_eq!(alike.pixel(20, 20), [255; 4]);
    }

    #[test]
    fn fills_are_flat_and_can_be_left_out() {
        let kept = ink(&square(), &pen(Fill::Kept), &mut Random::new(1, 1));
        let [r, g, b, _] = kept.pixel(20, 15);
        assert!(r > 190 && g < 60 && b < 60, "{r} {g} {b}");
        assert_eq!(kept.pixel(20, 15), kept.pixel(25, 13));
        assert_eq!(ink(&square(), &pen(Fill::Empty), &mut Random::new(1, 1)).pixel(20, 15), [0; 4]);
        let slipped = Pen { slip: (0.25, 0.0), lines: false, ..pen(Fill::Kept) };
        let slipped = ink(&square(), &slipped, &mut Random::new(1, 1));
        assert_eq!((slipped.pixel(12, 15), slipped.pixel(38, 15)[3]), ([0; 4], 255));
    }

    #[test]
    fn specks_vanish() {
        let mut labels = vec![0u8; 49];
        labels[24] = 1;
        assert_eq!(smooth(7, &labels, 2, 1), vec![0u8; 49]);
        assert_eq!(hue(Colour(0, 255, 0)), 120.0);
    }
}
