//! Styles: what is done to a drawing before it is stamped, so that more hands seem to have drawn than did.

use super::{
    Sprite,
    ink::{Fill, Pen, ink},
};
use crate::{Colour, Random};
use std::sync::Arc;

/// A drawing in some style, bent a little in half of the cases. Four of ten stay as they were drawn, or nearly so; four
/// of ten are drawn again with a pen.
pub fn dress(sprite: Arc<Sprite>, random: &mut Random) -> Arc<Sprite> {
    let style = random.unit();
    let pen = (style < 0.47).then(|| Pen::pick(random));
    let pen = pen.map(|pen| if style < 0.40 { pen } else { Pen { lines: false, ..with_fill(pen) } });
    let bent = match (&pen, random.chance(0.5)) {
        (None, false) => sprite,
        (pen, bend) => {
            let margin = pen.as_ref().filter(|pen| pen.lines).map_or(0.0, |pen| pen.width);
            let bend = if bend { Bend::pick(random) } else { Bend::default() };
            Arc::new(bend.apply(&sprite, 1.0 - 1.2 * margin))
        }
    };
    match pen {
        Some(pen) => Arc::new(ink(&bent, &pen, random)),
        None => tinted(bent, style, random),
    }
}

/// Without lines the fills must be there.
fn with_fill(pen: Pen) -> Pen {
    let fill = if pen.fill == Fill::Plain { Fill::Plain } else { Fill::Kept };
    Pen { fill, fills: pen.fills.max(3), ..pen }
}

/// Other colours: grey, turned hues, rarely a silhouette; `style` is from 0.47 to 1.
fn tinted(sprite: Arc<Sprite>, style: f64, random: &mut Random) -> Arc<Sprite> {
    let map = match style {
        style if style < 0.54 => grey(random),
        style if style < 0.60 => turned(random.range(-180.0, 180.0), random.range(0.6, 1.4)),
        style if style < 0.78 => turned(random.range(-18.0, 18.0), random.range(0.7, 1.3)),
        style if style < 0.79 => {
            let Colour(r, g, b) = crate::colours::hsv(random.range(0.0, 360.0), random.unit(), random.range(0.0, 0.5));
            [r, g, b].map(|v| [0.0, 0.0, 0.0, f32::from(v) / 255.0])
        }
        _ => return sprite,
    };
    Arc::new(sprite.mapped(&map))
}

/// How colours are mapped: each channel's weights of red, green, blue and alpha (all multiplied by alpha).
type Map = [[f32; 4]; 3];

/// The weights of red, green and blue in a grey (ITU-R BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

fn grey(random: &mut Random) -> Map {
    let (gain, light) = (random.range(0.6, 1.1) as f32, random.range(-0.1, 0.3) as f32);
    [[LUMA[0] * gain, LUMA[1] * gain, LUMA[2] * gain, light]; 3]
}

/// Turns hues about the grey axis (degrees) and changes the saturation.
fn turned(degrees: f64, saturation: f64) -> Map {
    let (sin, cos) = libm::sincos(degrees.to_radians());
    let (cos, sin, strength) = (cos as f32, sin as f32, saturation as f32);
    // Rodrigues' rotation about (1, 1, 1), then away from or towards the grey of the same luma.
    let third = (1.0 - cos) / 3.0;
    let (next, last) = (third - sin * 0.577_350_3, third + sin * 0.577_350_3);
    let turn = [[cos + third, next, last], [last, cos + third, next], [next, last, cos + third]];
    let luma = |column: usize| (0..3).map(|row| LUMA[row] * turn[row][column]).sum::<f32>();
    let grey = [luma(0), luma(1), luma(2)];
    turn.map(|row| {
        let [r, g, b] = [0, 1, 2].map(|column| grey[column] + (row[column] - grey[column]) * strength);
        [r, g, b, 0.0]
    })
}

/// A figure stretched, slanted and waved.
#[derive(Debug, Clone, Default)]
struct Bend {
    /// Wider (above 0) or higher, of the side.
    stretch: f64,
    /// How far the top slants over the bottom, of the side.
    slant: f64,
    /// Waves across and down: their height (of the side), number and phase.
    waves: [(f64, f64, f64); 2],
}

impl Bend {
    fn pick(random: &mut Random) -> Bend {
        let mut wave = || (random.range(0.0, 0.028), random.range(0.5, 1.6), random.range(0.0, 1.0));
        let waves = [wave(), wave()];
        Bend { stretch: random.range(-0.18, 0.18), slant: random.range(-0.14, 0.14), waves }
    }

    /// The bent figure, shrunk to `scale` of its size and so far that it stays within the square.
    fn apply(&self, sprite: &Sprite, scale: f64) -> Sprite {
        let side = sprite.side() as f64;
        let (wide, high) = ((1.0 + self.stretch.min(0.0)), (1.0 - self.stretch.max(0.0)));
        let fit = scale / (1.0 + self.slant.abs() + 2.0 * self.waves.iter().map(|wave| wave.0).fold(0.0, f64::max));
        let table = |(height, number, phase): (f64, f64, f64)| -> Vec<f64> {
            let wave =
                |at: usize| height * side * libm::sin((at as f64 / side * number + phase) * std::f64::consts::TAU);
            (0..sprite.side()).map(wave).collect()
        };
        let (by_row, by_column) = (table(self.waves[0]), table(self.waves[1]));
        let middle = side / 2.0;
        sprite.warped(|x, y| {
            let (dx, dy) = (x as f64 + 0.5 - middle, y as f64 + 0.5 - middle);
            let across = by_row.get(y).copied().unwrap_or(0.0) + self.slant * dy;
            let down = by_column.get(x).copied().unwrap_or(0.0);
            ((middle + (dx + across) / (fit * wide) - 0.5) as f32, (middle + (dy + down) / (fit * high) - 0.5) as f32)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot() -> Sprite {
        let pixel = |at: usize| {
            let (x, y) = (at % 32, at / 32);
            if (2..30).contains(&x) && (2..30).contains(&y) { [200, 100, 50, 255] } else { [0; 4] }
        };
        Sprite::new(32, (0..1024).flat_map(pixel).collect())
    }

    #[test]
    fn hues_are_turned_and_greys_stay() {
        let at = |map: &Map, colour: [f32; 3]| {
            map.map(|[r, g, b, one]| (r * colour[0] + g * colour[1] + b * colour[2] + one).clamp(0.0, 1.0))
        };
        let near = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near(at(&turned(120.0, 1.0), [1.0, 0.0, 0.0]), [0.0, 1.0, 0.0]));
        assert!(near(at(&turned(77.0, 1.3), [0.5, 0.5, 0.5]), [0.5, 0.5, 0.5]));
        assert!(near(at(&turned(0.0, 0.0), [1.0, 0.0, 0.0]), [0.299; 3]));
    }

    #[test]
    fn what_is_bent_stays_whole() {
        let area = |sprite: &Sprite| sprite.data().chunks_exact(4).filter(|pixel| pixel[3] > 127).count();
        for seed in 0..50 {
            let bend = Bend::pick(&mut Random::new(seed, 0));
            let bent = bend.apply(&dot(), 1.0);
            let edge = |at: usize| [bent.pixel(at, 0), bent.pixel(at, 31), bent.pixel(0, at), bent.pixel(31, at)];
            assert!((0..32).flat_map(edge).all(|pixel| pixel[3] < 128), "{bend:?}");
            assert!((300..=784).contains(&area(&bent)), "{bend:?}: {}", area(&bent));
        }
        assert_eq!(Bend::default().apply(&dot(), 1.0).data(), dot().data());
    }

    #[test]
    fn a_style_is_a_function_of_the_numbers() {
        let dressed = |seed| dress(Arc::new(dot()), &mut Random::new(seed, 3)).data().to_vec();
        assert!((0..40).all(|seed| dressed(seed) == dressed(seed)));
        let same = (0..40).filter(|seed| dressed(*seed) == dot().data()).count();
        assert!((2..20).contains(&same), "{same} of 40 as they were drawn");
    }
}
