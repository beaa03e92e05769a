//! Sixel: pictures as characters of six pixels, one above the other, a colour at a time.
//!
//! The form is that of DEC's VT300 series ("VT330/VT340 Programmer Reference Manual", volume 2, chapter 14). Colours are those
//! of an even cube, which every such terminal has registers for; what a pixel is off by is passed on to its neighbours.

use std::fmt::Write;

/// Steps of a channel; they are whole hundredths, in which registers are set.
const STEPS: u8 = 6;
/// Between two steps.
const STEP: i32 = 51;
/// Rows that share a line of characters.
const BAND: usize = 6;

/// A picture of interleaved samples, `width` pixels a row.
pub(super) fn encode(rgb: &[u8], width: usize) -> String {
    let colours = dithered(rgb, width);
    let height = colours.len().checked_div(width).unwrap_or(0);
    // Pixels are square, and those without a colour stay as they are.
    let mut out = format!("\u{1b}P0;1q\"1;1;{width};{height}");
    let mut used: Vec<u8> = colours.clone();
    used.sort_unstable();
    used.dedup();
    for &colour in &used {
        let [r, g, b] = steps(colour).map(|step| u32::from(step) * 100 / u32::from(STEPS - 1));
        let _ = write!(out, "#{colour};2;{r};{g};{b}");
    }
    for (number, band) in colours.chunks(BAND * width.max(1)).enumerate() {
        if number > 0 {
            out.push('-');
        }
        lines(band, width, &mut out);
    }
    out + "\u{1b}\\"
}

/// Six rows: a line for each colour in them, all at the same place.
fn lines(band: &[u8], width: usize, out: &mut String) {
    let mut here: Vec<u8> = band.to_vec();
    here.sort_unstable();
    here.dedup();
    for (number, &colour) in here.iter().enumerate() {
        if number > 0 {
            out.push('$');
        }
        let _ = write!(out, "#{colour}");
        let mut bits = vec![0u8; width];
        for (row, pixels) in band.chunks(width).enumerate() {
            for (bit, _) in bits.iter_mut().zip(pixels).filter(|(_, pixel)| **pixel == colour) {
                *bit |= 1 << row;
            }
        }
        // What is empty up to the line's end need not be said.
        while bits.pop_if(|bit| *bit == 0).is_some() {}
        for run in bits.chunk_by(|a, b| a == b) {
            let character = char::from(b'?' + run.first().copied().unwrap_or(0));
            match run.len() {
                length @ 0..=3 => out.extend(std::iter::repeat_n(character, length)),
                length => _ = write!(out, "!{length}{character}"),
            }
        }
    }
}

/// A colour's steps in red, green and blue.
fn steps(colour: u8) -> [u8; 3] {
    [colour / (STEPS * STEPS), colour / STEPS % STEPS, colour % STEPS]
}

/// The colours of pixels, by Floyd's and Steinberg's way of passing on what is left.
fn dithered(rgb: &[u8], width: usize) -> Vec<u8> {
    let mut colours = Vec::with_capacity(rgb.len() / 3);
    // What this row and the next are to be off by, in sixteenths, with a place beyond either end.
    let (mut this, mut next) = (vec![[0i32; 3]; width + 2], vec![[0i32; 3]; width + 2]);
    for row in rgb.as_chunks::<3>().0.chunks(width.max(1)) {
        for (x, pixel) in row.iter().enumerate() {
            let mut colour = 0;
            for (channel, &level) in pixel.iter().enumerate() {
                let wanted = i32::from(level) + at(&this, x + 1, channel) / 16;
                let step = ((wanted + STEP / 2) / STEP).clamp(0, i32::from(STEPS) - 1);
                colour = colour * STEPS + step as u8;
                let left = wanted - step * STEP;
                add(&mut this, x + 2, channel, 7 * left);
                for (place, part) in [3, 5, 1].into_iter().enumerate() {
                    add(&mut next, x + place, channel, part * left);
                }
            }
            colours.push(colour);
        }
        std::mem::swap(&mut this, &mut next);
        next.fill([0; 3]);
    }
    colours
}

fn at(row: &[[i32; 3]], x: usize, channel: usize) -> i32 {
    row.get(x).and_then(|place| place.get(channel)).copied().unwrap_or(0)
}

fn add(row: &mut [[i32; 3]], x: usize, channel: usize, more: i32) {
    if let Some(place) = row.get_mut(x).and_then(|place| place.get_mut(channel)) {
        *place += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture that a terminal would draw: (width, pixels in hundredths).
    fn drawn(sixel: &str) -> (usize, Vec<Option<[u32; 3]>>) {
        let body = sixel.strip_prefix("\u{1b}P0;1q\"1;1;").unwrap().strip_suffix("\u{1b}\\").unwrap();
        let mut numbers = body.splitn(2, ';');
        let width: usize = numbers.next().unwrap().parse().unwrap();
        let rest = numbers.next().unwrap();
        let end = rest.find('#').unwrap();
        let height: usize = rest[..end].parse().unwrap();
        let mut pixels = vec![None; width * height];
        let mut registers = std::collections::BTreeMap::new();
        let (mut x, mut y, mut colour, mut times) = (0, 0, 0u32, 1);
        let mut chars = rest[end..].chars().peekable();
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut digits = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits.parse::<u32>().unwrap()
        };
        while let Some(c) = chars.next() {
            match c {
                '#' => {
                    colour = number(&mut chars);
                    if chars.next_if_eq(&';').is_some() {
                        assert_eq!(number(&mut chars), 2);
                        let mut level = || {
                            assert_eq!(chars.next(), Some(';'));
                            number(&mut chars)
                        };
                        registers.insert(colour, [level(), level(), level()]);
                    }
                }
                '!' => times = number(&mut chars) as usize,
                '$' => x = 0,
                '-' => (x, y) = (0, y + 6),
                '?'..='~' => {
                    for _ in 0..times {
                        for row in (0..6).filter(|row| (c as u8 - b'?') >> row & 1 == 1) {
                            let place = &mut pixels[(y + row) * width + x];
                            assert!(place.is_none(), "drawn twice");
                            *place = Some(registers[&colour]);
                        }
                        x += 1;
                    }
                    times = 1;
                }
                other => panic!("{other:?}"),
            }
        }
        (width, pixels)
    }

    #[test]
    fn a_terminal_draws_what_was_encoded() {
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [51, 102, 204]];
        for (width, height) in [(1, 1), (1, 7), (5, 6), (40, 13), (3, 20)] {
            let pixels: Vec<[u8; 3]> = (0..width * height).map(|i| colours[i / 7 % colours.len()]).collect();
            let (drawn_width, drawn) = drawn(&encode(pixels.as_flattened(), width));
            assert_eq!(drawn_width, width);
            let want: Vec<_> = pixels.iter().map(|p| Some(p.map(|level| u32::from(level) * 100 / 255))).collect();
            assert_eq!(drawn, want, "{width}x{height}");
        }
    }

    #[test]
    fn colours_between_two_steps_are_mixed_of_them() {
        for level in [25u8, 64, 128, 200] {
            let (_, drawn) = drawn(&encode(&vec![level; 3 * 60 * 60], 60));
            let sum: u32 = drawn.iter().map(|pixel| pixel.unwrap()[1]).sum();
            let mean = f64::from(sum) / 3600.0 * 2.55;
            assert!((mean - f64::from(level)).abs() < 2.0, "{level}: {mean}");
        }
    }

    #[test]
    fn the_form_is_short() {
        assert_eq!(encode(&[255; 3 * 10], 10), "\u{1b}P0;1q\"1;1;10;1#215;2;100;100;100#215!10@\u{1b}\\");
        assert_eq!(encode(&[0; 3 * 2 * 7], 2), "\u{1b}P0;1q\"1;1;2;7#0;2;0;0;0#0~~-#0@@\u{1b}\\");
        assert_eq!(encode(&[], 0), "\u{1b}P0;1q\"1;1;0;0\u{1b}\\");
    }
}
