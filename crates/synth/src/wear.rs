//! Wear: what pictures go through before somebody sees them.

use crate::{Random, Rgb, dct};

/// What must not be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Colours keep their names.
    Colours,
    /// Shapes alone: the picture may turn grey.
    Shapes,
}

/// Wears a picture, mildly; three of five stay as they were drawn.
pub fn wear(picture: Rgb, keep: Keep, random: &mut Random) -> Rgb {
    let mut picture = picture;
    if random.chance(0.6) {
        return picture;
    }
    let mild = keep == Keep::Colours;
    if random.chance(0.3) {
        tone(&mut picture, mild, random);
    }
    if !mild && random.chance(0.2) {
        grey(&mut picture);
    }
    if random.chance(0.2) {
        blur(&mut picture);
    }
    if random.chance(0.35) {
        let height = random.range(1.0, if mild { 10.0 } else { 18.0 });
        speckle(&mut picture, height, random);
    }
    if random.chance(0.4) {
        let quality = random.between(35, 92) as u32;
        dct::jpeg(&mut picture, quality);
    }
    picture
}

/// Changes light, contrast and the balance of colours by a few per cent.
fn tone(picture: &mut Rgb, mild: bool, random: &mut Random) {
    let far = if mild { 0.04 } else { 0.2 };
    let contrast = random.range(1.0 - 2.0 * far, 1.0 + far);
    let light = random.range(-far, far) * 128.0;
    let gains = [0; 3].map(|_| contrast * random.range(1.0 - far, 1.0 + far));
    let tables = gains.map(|gain| {
        let mut table = [0u8; 256];
        for (from, to) in table.iter_mut().enumerate() {
            *to = ((from as f64 - 128.0) * gain + 128.0 + light).round().clamp(0.0, 255.0) as u8;
        }
        table
    });
    for pixel in picture.data.chunks_exact_mut(3) {
        pixel.iter_mut().zip(&tables).for_each(|(value, table)| *value = table[usize::from(*value)]);
    }
}

/// Takes the colours away (the weights of ITU-R BT.601).
pub fn grey(picture: &mut Rgb) {
    for pixel in picture.data.chunks_exact_mut(3) {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
        pixel.fill(((299 * r + 587 * g + 114 * b + 500) / 1000) as u8);
    }
}

/// The mean of each pixel, weighted 2, and its neighbours, both ways.
fn blur(picture: &mut Rgb) {
    let (w, h) = (picture.width as usize, picture.height as usize);
    let from = picture.data.clone();
    let mean = |a: u8, b: u8, c: u8| ((u16::from(a) + 2 * u16::from(b) + u16::from(c) + 2) / 4) as u8;
    for y in 0..h {
        let row = y * w * 3;
        for at in 3..(w * 3).saturating_sub(3) {
            picture.data[row + at] = mean(from[row + at - 3], from[row + at], from[row + at + 3]);
        }
    }
    let from = picture.data.clone();
    for at in w * 3..(h * w * 3).saturating_sub(w * 3) {
        picture.data[at] = mean(from[at - w * 3], from[at], from[at + w * 3]);
    }
}

/// Adds noise to every value: the sum of two even ones, at most `height` each way.
fn speckle(picture: &mut Rgb, height: f64, random: &mut Random) {
    for value in &mut picture.data {
        // One draw for both: 16 bits each.
        let bits = (random.unit() * 4_294_967_296.0) as u32;
        let even = f64::from((bits & 0xFFFF) + (bits >> 16)) / 65535.0 - 1.0;
        *value = (f64::from(*value) + even * height).round().clamp(0.0, 255.0) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Named, colours::COLOURS};

    fn far(a: &Rgb, b: &Rgb) -> f64 {
        let sum: f64 = a.data.iter().zip(&b.data).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        sum / a.data.len() as f64
    }

    #[test]
    fn most_stay_as_they_are_and_no_colour_loses_its_name() {
        let mut same = 0;
        for index in 0..400 {
            let mut random = Random::new(9, index);
            let colour = COLOURS[index as usize % COLOURS.len()].draw(&mut random);
            let picture = Rgb { width: 16, height: 16, data: [colour.0, colour.1, colour.2].repeat(256) };
            let worn = wear(picture.clone(), Keep::Colours, &mut random);
            same += usize::from(worn == picture);
            assert!(worn.data.len() == 768 && far(&worn, &picture) < 16.0, "{colour:?} {}", far(&worn, &picture));
        }
        assert!((200..330).contains(&same), "{same}");
        assert!(Named::of("red").is_some());
    }

    #[test]
    fn grey_has_no_colour_and_blur_no_step() {
        let mut picture =
            Rgb { width: 8, height: 8, data: (0..192).map(|i| if i % 24 < 12 { 0 } else { 240 }).collect() };
        blur(&mut picture);
        assert_eq!(
            picture.data[24..48],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 60, 60, 180, 180, 180, 240, 240, 240, 240, 240, 240, 240, 240, 240]
        );
        picture.data[0] = 255;
        grey(&mut picture);
        assert!(picture.data.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]));
        assert_eq!(picture.data[0], 76);
    }
}
