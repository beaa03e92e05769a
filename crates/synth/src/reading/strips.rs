//! Strips below each other, a text in each: several readings for the work of one picture.

use super::{
    Written,
    lettering::{Ink, Look, colours},
    lines::say,
    turn,
};
use crate::{
    Canvas, Kit, Random, Rgb, Sample, Split, Turn,
    wear::{Keep, wear},
};

/// The strips' names in questions.
const NTH: &[&str] = &["first", "second", "third", "fourth", "fifth"];

/// One to five strips, each with a word, letters or a number as large as it fits; asked for all of them, and for some alone.
pub(crate) fn strips(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let rows = random.between(1, NTH.len());
    let (width, high) = (random.between(160, 256) as u32, random.between(40, 64) as u32);
    let mut canvas = Canvas::new(width, high * rows as u32, colours(random).0);
    let mut texts: Vec<String> = Vec::new();
    for row in 0..rows {
        let text = something(random, split);
        if let Some(strip) = draw(kit, (width, high), &text, random, split) {
            canvas.paste(&strip, 0, high * row as u32);
            texts.push(text);
        }
    }
    let mut turns = vec![say(random, split, "lines", "read.lines", &[], &texts.join(", "), Vec::new())];
    for (nth, text) in NTH.iter().zip(&texts).filter(|_| texts.len() > 1) {
        if random.chance(0.5) {
            turns.push(alone(nth, text, split, random));
        }
    }
    random.shuffle(&mut turns);
    Sample { pictures: vec![wear(canvas.into_rgb(), Keep::Colours, random)], turns, fps: None }
}

/// What a strip says.
fn something(random: &mut Random, split: Split) -> String {
    let written = match random.unit() {
        u if u < 0.4 => Written::word(random, split, 3, 9),
        u if u < 0.55 => Written::invented(random),
        u if u < 0.85 => Written::whole(random, 6),
        _ => Written::number(random),
    };
    written.text
}

/// A strip with its text, nearly as high or as wide as it.
fn draw(kit: &Kit, (width, high): (u32, u32), text: &str, random: &mut Random, split: Split) -> Option<Rgb> {
    let (ground, ink) = colours(random);
    let ink = if random.chance(0.3) { Ink::against(random, &[ground]) } else { ink };
    let look = Look::pick(random, kit, split, ground, ink).upright();
    let outline = look.write(text)?;
    let mut canvas = Canvas::new(width, high, ground);
    let (width, high) = (f64::from(width), f64::from(high));
    let scale = look.scale(&outline, high * random.range(0.4, 0.7), 0.94 * width, 0.9 * high);
    let (across, down) = outline.half_box(scale, 0.0);
    let mut off = |room: f64, own: f64| room / 2.0 + random.range(-1.0, 1.0) * (0.47 * room - own).max(0.0);
    let place = look.place(off(width, across), off(high, down), scale);
    look.draw(&mut canvas, &outline, &place);
    Some(canvas.into_rgb())
}

/// Asks for one of them, or for what it begins with.
fn alone(nth: &str, text: &str, split: Split, random: &mut Random) -> Turn {
    let fills = [("nth", nth)];
    match text.chars().next() {
        Some(first) if random.chance(0.2) => {
            turn("letters-of", "read.begins", split, random, &fills, &first.to_string(), Vec::new())
        }
        _ => turn("line", "read.nth-line", split, random, &fills, text, super::texts::other_cases(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strip_is_read() {
        let kit = Kit::default();
        for seed in 0..60 {
            let sample = strips(&kit, &mut Random::new(9, seed), Split::Train);
            let all = sample.turns.iter().find(|turn| turn.answer.contains(", ") || sample.turns.len() == 1).unwrap();
            let texts: Vec<&str> = all.answer.trim_end_matches('.').split(", ").collect();
            for turn in sample.turns.iter().filter(|turn| turn.skill == "line") {
                let told = texts.iter().any(|text| turn.answer.contains(text) || all.answer.contains(&turn.answer));
                assert!(told, "{} of {}", turn.answer, all.answer);
            }
        }
    }
}
