//! Short lines, and several texts in one picture.

use super::{INSIDE, Look, ground, size, texts, turn};
use crate::{
    Kit, Place, Random, Sample, Split, Turn,
    wear::{Keep, wear},
    wordings,
};

/// The most characters that stand in one line.
const LINE: usize = 13;

/// Two to four words, in one line or below each other.
pub(crate) fn line(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let words = texts::line(random, split, 20);
    let answer = words.join(" ");
    let written = match answer.len() <= LINE && random.chance(0.6) {
        true => answer.clone(),
        false => rows(&words),
    };
    let (picture, ink) = super::picture(kit, random, split, &written);
    let mut turns = vec![say(random, split, "line", "read.line", &[], &answer, texts::other_cases(&answer))];
    if random.chance(0.25) {
        turns.push(say(random, split, "count-words", "read.how-many-words", &[], &words.len().to_string(), Vec::new()));
    }
    if random.chance(0.3) {
        turns.push(nth(random, split, &words));
    }
    if let Some(ink) = ink.filter(|_| random.chance(0.2)) {
        turns.push(super::colour(random, split, &ink));
    }
    turns.truncate(3);
    Sample { pictures: vec![picture], turns, fps: None }
}

/// Words below each other, as few lines as hold them.
fn rows(words: &[String]) -> String {
    let mut text = String::new();
    let mut row = 0;
    for word in words {
        if row > 0 && row + 1 + word.len() > 9 {
            text.push('\n');
            row = 0;
        } else if row > 0 {
            text.push(' ');
            row += 1;
        }
        text.push_str(word);
        row += word.len();
    }
    text
}

/// Asks for one of the words by where it stands.
fn nth(random: &mut Random, split: Split, words: &[String]) -> Turn {
    let at = random.below(words.len());
    let place = match at {
        _ if at + 1 == words.len() && random.chance(0.6) => "last",
        0 => "first",
        1 => "second",
        2 => "third",
        _ => "fourth",
    };
    let word = words.get(at).map_or("", String::as_str);
    turn("nth-word", "read.nth-word", split, random, &[("nth", place)], word, texts::other_cases(word))
}

/// A turn that never asks for one word as an answer.
pub(super) fn say(
    random: &mut Random,
    split: Split,
    skill: &'static str,
    section: &str,
    fills: &wordings::Fills,
    answer: &str,
    also: Vec<String>,
) -> Turn {
    Turn { skill, question: wordings::say(section, split, random, fills), answer: answer.to_owned(), also }
}

/// A text of several in a picture.
struct Part {
    text: String,
    colour: &'static str,
    place: &'static str,
}

/// Two or three texts in colours of different names, below or beside each other.
pub(crate) fn several(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let beside = random.chance(0.3);
    let places: &[&str] = match (beside, random.chance(0.5)) {
        (true, _) => &["left", "right"],
        (_, true) => &["top", "bottom"],
        _ => &["top", "middle", "bottom"],
    };
    let size = size(random, 8);
    let (mut canvas, under, first) = ground(random, size);
    let (width, height) = (f64::from(canvas.width()), f64::from(canvas.height()));
    let n = places.len() as f64;
    let (across, down) = if beside { (width / n, height) } else { (width, height / n) };
    let mut parts: Vec<Part> = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let ink = super::lettering::another(random, first, under, parts.iter().map(|part| part.colour).collect());
        let text = some(random, split, if beside { 5 } else { 8 }, &parts);
        let look = Look::pick(random, kit, split, under, ink).upright();
        if let Some(outline) = look.write(&text) {
            let high = random.range(0.1, 0.2) * width.max(height);
            let scale = look.scale(&outline, high, 0.9 * INSIDE * across, 0.75 * down);
            let (half, tall) = outline.half_box(scale, 0.0);
            let middle = (at as f64 + 0.5) * if beside { across } else { down };
            let (x, y) = if beside { (middle, height / 2.0) } else { (width / 2.0, middle) };
            let mut off = |room: f64, own: f64| random.range(-1.0, 1.0) * (0.47 * room - own).max(0.0);
            let (right, below) = (off(across, half), off(down, tall));
            look.draw(&mut canvas, &outline, &Place::at(x + right, y + below, scale));
        }
        parts.push(Part { text, colour: ink.named.name, place });
    }
    let turns = ask(random, split, &parts);
    Sample { pictures: vec![wear(canvas.into_rgb(), Keep::Colours, random)], turns, fps: None }
}

/// A word or a number that is not among the parts.
fn some(random: &mut Random, split: Split, most: usize, parts: &[Part]) -> String {
    loop {
        let text = match random.chance(0.75) {
            true => {
                let word = texts::word(random, split, 3, most);
                texts::cased(random, word)
            }
            false => texts::whole(random, 4).to_string(),
        };
        if parts.iter().all(|part| part.text.to_lowercase() != text.to_lowercase()) {
            return text;
        }
    }
}

fn ask(random: &mut Random, split: Split, parts: &[Part]) -> Vec<Turn> {
    let mut turns = Vec::new();
    for _ in 0..random.between(1, 3) {
        let Some(part) = parts.get(random.below(parts.len())) else { break };
        let also = texts::other_cases(&part.text);
        let (skill, section, fills, answer, also) = match random.below(5) {
            0 | 1 => ("text-at", "read.at", ("place", part.place), part.text.as_str(), also),
            2 | 3 => ("text-of-colour", "read.of-colour", ("colour", part.colour), part.text.as_str(), also),
            _ => ("colour-of-text", "read.colour-of", ("text", part.text.as_str()), part.colour, Vec::new()),
        };
        let section = match (section, part.place) {
            ("read.at", "left" | "right") => "read.beside",
            ("read.at", "middle") => "read.in-the-middle",
            (section, _) => section,
        };
        let turn = turn(skill, section, split, random, &[fills], answer, also);
        if turns.iter().all(|other: &Turn| other.skill != turn.skill) {
            turns.push(turn);
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_all_words_in_order() {
        let words = ["green", "tea", "and", "milk"].map(String::from);
        assert_eq!(rows(&words), "green tea\nand milk");
        assert_eq!(rows(&words[..1]), "green");
    }

    #[test]
    fn several_texts_are_asked_for_by_what_tells_them_apart() {
        let kit = Kit::default();
        let mut random = Random::new(17, 18);
        for _ in 0..200 {
            let sample = several(&kit, &mut random, Split::Train);
            assert!(!sample.turns.is_empty());
            assert!(sample.turns.iter().all(|turn| !turn.question.contains('{') && !turn.answer.is_empty()));
        }
    }
}
