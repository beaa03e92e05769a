//! Samples on one sheet, pictures with what is asked below, to be looked at.

use crate::{Canvas, Colour, Font, Place, Rgb, Sample};

/// Pixels of a sample's column, and of the lines below its pictures.
const WIDTH: u32 = 300;
const LINE: f64 = 15.0;
/// Pixels of an em of its texts.
const EM: f64 = 12.0;
/// The most pixels down that a picture takes.
const TALL: u32 = 240;
const AIR: u32 = 8;
const GROUND: Colour = Colour(226, 226, 226);
const QUESTION: Colour = Colour(40, 40, 40);
const ANSWER: Colour = Colour(0, 90, 160);

/// The sheet of samples, so many beside each other.
pub fn sheet(samples: &[Sample], columns: u32, font: &Font) -> Rgb {
    let columns = columns.clamp(1, 12);
    let rows: Vec<&[Sample]> = samples.chunks(columns as usize).collect();
    let heights: Vec<u32> = rows.iter().map(|row| row.iter().map(height).max().unwrap_or(0)).collect();
    let mut canvas = Canvas::new(columns * WIDTH, heights.iter().sum::<u32>().max(1), GROUND);
    let mut top = 0;
    for (row, height) in rows.iter().zip(heights) {
        for (column, sample) in (0..).zip(*row) {
            draw(&mut canvas, sample, column * WIDTH + AIR, top + AIR, font);
        }
        top += height;
    }
    canvas.into_rgb()
}

/// By what a picture is divided so that `beside` of them fit.
fn divisor(picture: &Rgb, beside: u32) -> u32 {
    let room = (WIDTH - AIR) / beside.max(1) - AIR;
    picture.width.div_ceil(room).max(picture.height.div_ceil(TALL)).max(1)
}

/// The lines of a sample, and whether each is an answer's.
fn lines(sample: &Sample) -> Vec<(String, bool)> {
    const MOST: usize = 46;
    let mut lines = Vec::new();
    for turn in &sample.turns {
        lines.extend(wrapped(&turn.question, MOST).into_iter().map(|line| (line, false)));
        lines.extend(wrapped(&format!("> {}", turn.answer), MOST).into_iter().map(|line| (line, true)));
    }
    lines
}

/// A text in lines of at most so many characters, if no word is longer.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < most => line.extend([" ", word]),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn height(sample: &Sample) -> u32 {
    let beside = sample.pictures.len() as u32;
    let pictures = sample.pictures.iter().map(|picture| picture.height / divisor(picture, beside)).max().unwrap_or(0);
    pictures + (lines(sample).len() as f64 * LINE) as u32 + 3 * AIR
}

fn draw(canvas: &mut Canvas, sample: &Sample, left: u32, top: u32, font: &Font) {
    let (mut x, mut below) = (left, 0);
    for picture in &sample.pictures {
        let by = divisor(picture, sample.pictures.len() as u32);
        canvas.paste(&divided(picture, by), x, top);
        x += picture.width / by + AIR;
        below = below.max(picture.height / by);
    }
    for (row, (line, answer)) in lines(sample).iter().enumerate() {
        let Some(text) = font.write(line, 0.0) else { continue };
        let y = f64::from(top + below) + LINE * (row as f64 + 1.0) + EM * 0.3;
        let place = Place::at(f64::from(left) + text.across * EM, y - text.baseline * EM, EM);
        text.draw(canvas, &place, if *answer { ANSWER } else { QUESTION });
    }
}

/// A picture with each square of so many pixels as their mean.
fn divided(picture: &Rgb, by: u32) -> Rgb {
    if by == 1 {
        return picture.clone();
    }
    let (width, height) = (picture.width / by, picture.height / by);
    let mut data = Vec::with_capacity((width * height * 3) as usize);
    for at in 0..width * height {
        let (left, top) = (at % width * by, at / width * by);
        for channel in 0..3 {
            let value = |i: u32| {
                let (x, y) = (left + i % by, top + i / by);
                u32::from(picture.data[((y * picture.width + x) * 3 + channel) as usize])
            };
            data.push(((0..by * by).map(value).sum::<u32>() / (by * by)) as u8);
        }
    }
    Rgb { width, height, data }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kit, Turn};

    #[test]
    fn pictures_stand_in_their_columns_with_texts_below() {
        let sample = |value: u8| Sample {
            pictures: vec![Rgb { width: 600, height: 40, data: vec![value; 72_000] }],
            turns: vec![Turn { skill: "x", question: "What?".into(), answer: "This.".into(), also: Vec::new() }],
            fps: None,
        };
        let kit = Kit::default();
        let sheet = sheet(&[sample(10), sample(90), sample(200)], 2, kit.fonts.built_in());
        let at = |x: u32, y: u32| sheet.data[((y * sheet.width + x) * 3) as usize];
        // 600 pixels are divided by 3.
        assert_eq!((sheet.width, sheet.height), (600, 2 * (13 + 30 + 24)));
        assert_eq!((at(10, 10), at(310, 10), at(10, 77), at(310, 77)), (10, 90, 200, 226));
        let dark =
            |rows: std::ops::Range<u32>| rows.flat_map(|y| (0..60).map(move |x| (x, y))).any(|(x, y)| at(x, y) < 120);
        assert!(dark(22..40) && !dark(60..67));
    }

    #[test]
    fn long_texts_are_wrapped() {
        assert_eq!(wrapped("one two three four", 9), ["one two", "three", "four"]);
    }
}
