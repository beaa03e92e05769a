//! Reading: words, invented ones, numbers and short lines, written anywhere in any look.

mod lettering;
mod lines;
mod signs;
mod strips;
pub(crate) mod texts;

pub(crate) use lettering::{Ink, Look, ground, rounded};
pub(crate) use lines::{line, several};
pub(crate) use signs::sign;
pub(crate) use strips::strips;

use crate::{
    Canvas, Colour, Kit, Place, Random, Rgb, Sample, Split, Text, Turn,
    colours::hsv,
    wear::{Keep, wear},
    wordings,
};
use texts::{cased, near, other_cases};

/// Shares of the longer side that capitals are high.
const HEIGHTS: (f64, f64) = (0.09, 0.34);
/// The share of a picture's sides in which text lies.
const INSIDE: f64 = 0.94;

/// One short word or number, large, black on white, in the middle.
pub(crate) fn easy(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let font = kit.fonts.pick(random, split);
    let ink = Ink { named: Ink::called(random, "black").named, colour: Colour(0, 0, 0) };
    let look = Look::plain(font, ink);
    let written = match random.chance(0.5) {
        true => Written::word(random, split, 3, 5),
        false => Written::whole(random, 3),
    };
    let side = 224;
    let mut canvas = Canvas::new(side, side, Colour(255, 255, 255));
    if let Some(text) = look.write(&written.text) {
        let side = f64::from(side);
        let scale = look.scale(&text, side * random.range(0.26, 0.4), 0.9 * side, 0.9 * side);
        look.draw(&mut canvas, &text, &look.place(side / 2.0, side / 2.0, scale));
    }
    Sample { pictures: vec![canvas.into_rgb()], turns: vec![written.read(random, split)], fps: None }
}

/// Any word, letters or number, as large as they fit, black or white on a plain ground.
pub(crate) fn plain(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let written = match random.unit() {
        u if u < 0.5 => Written::word(random, split, 3, 10),
        u if u < 0.65 => Written::invented(random),
        u if u < 0.8 => Written::whole(random, 6),
        _ => Written::number(random),
    };
    let (name, ground) = match random.chance(0.8) {
        true => ("black", hsv(random.range(0.0, 360.0), random.range(0.0, 0.2), random.range(0.88, 1.0))),
        false => ("white", hsv(random.range(0.0, 360.0), random.range(0.0, 0.8), random.range(0.0, 0.4))),
    };
    let look = Look::plain(kit.fonts.pick(random, split), Ink::called(random, name));
    let (width, height) = size(random, written.text.len());
    let mut canvas = Canvas::new(width, height, ground);
    if let Some(text) = look.write(&written.text) {
        let (width, height) = (f64::from(width), f64::from(height));
        let high = random.range(0.2, HEIGHTS.1) * width.max(height);
        let scale = look.scale(&text, high, INSIDE * width, INSIDE * height);
        let place = anywhere(random, &look, &text, scale, width, height);
        look.draw(&mut canvas, &text, &place);
    }
    Sample { pictures: vec![canvas.into_rgb()], turns: vec![written.read(random, split)], fps: None }
}

/// A word.
pub(crate) fn word(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let written = Written::word(random, split, 3, 10);
    one(kit, random, split, &written)
}

/// Letters that make no word.
pub(crate) fn invented(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let written = Written::invented(random);
    one(kit, random, split, &written)
}

/// A number.
pub(crate) fn number(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let written = match random.chance(0.3) {
        true => Written::whole(random, 6),
        false => Written::number(random),
    };
    one(kit, random, split, &written)
}

/// A test's word: what it says, alone.
pub(crate) fn test_words(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    word(kit, random, split).first_turn()
}

/// A test's number: what it is, alone.
pub(crate) fn test_numbers(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    number(kit, random, split).first_turn()
}

/// What is written, and what may be asked of it.
struct Written {
    kind: Kind,
    text: String,
    also: Vec<String>,
    whole: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Invented,
    Number,
}

impl Written {
    fn word(random: &mut Random, split: Split, least: usize, most: usize) -> Written {
        let word = texts::word(random, split, least, most);
        Written::letters(Kind::Word, cased(random, word))
    }

    fn invented(random: &mut Random) -> Written {
        let text = match random.chance(0.25) {
            true => texts::code(random),
            false => {
                let text = texts::invented(random);
                cased(random, &text)
            }
        };
        Written::letters(Kind::Invented, text)
    }

    fn letters(kind: Kind, text: String) -> Written {
        Written { kind, also: other_cases(&text), text, whole: None }
    }

    fn whole(random: &mut Random, digits: usize) -> Written {
        let value = texts::whole(random, digits);
        Written { kind: Kind::Number, text: value.to_string(), also: Vec::new(), whole: Some(value) }
    }

    fn number(random: &mut Random) -> Written {
        let texts::Number { text, also, whole } = texts::number(random);
        Written { kind: Kind::Number, text, also, whole }
    }

    /// Asks what is written.
    fn read(&self, random: &mut Random, split: Split) -> Turn {
        let (skill, section) = match self.kind {
            Kind::Word => ("word", "read.word"),
            Kind::Invented => ("letters", "read.letters"),
            Kind::Number => ("number", "read.number"),
        };
        turn(skill, section, split, random, &[], &self.text, self.also.clone())
    }

    /// Asks whether another text is written, or this one.
    fn is(&self, random: &mut Random, split: Split) -> Turn {
        let yes = random.chance(0.5);
        let other = match (yes, self.kind) {
            (true, _) => self.text.clone(),
            (_, Kind::Number) => off_by_a_digit(random, &self.text),
            (_, Kind::Word) if random.chance(0.35) => texts::like(&self.text, texts::word(random, split, 3, 10)),
            _ => near(random, split, &self.text),
        };
        let section = if self.kind == Kind::Number { "read.is-number" } else { "read.is-word" };
        let answer = if other == self.text { "yes" } else { "no" };
        turn("is-text", section, split, random, &[("text", &other)], answer, Vec::new())
    }

    /// Asks about its letters or digits.
    fn parts(&self, random: &mut Random, split: Split) -> Turn {
        let length = self.text.len().to_string();
        let [first, last] =
            [self.text.chars().next(), self.text.chars().last()].map(|c| c.map_or(String::new(), String::from));
        let digits = self.kind == Kind::Number;
        let (section, answer) = match (digits, random.below(3)) {
            (false, 0) => ("read.first-letter", first),
            (false, 1) => ("read.last-letter", last),
            (false, _) => ("read.how-many-letters", length),
            (true, 0) => ("read.first-digit", first),
            (true, 1) => ("read.last-digit", last),
            (true, _) => ("read.how-many-digits", length),
        };
        let also = other_cases(&answer);
        turn("letters-of", section, split, random, &[], &answer, also)
    }

    /// Asks about its value.
    fn value(&self, random: &mut Random, split: Split, value: u32) -> Turn {
        if random.chance(0.4) {
            let answer = if value.is_multiple_of(2) { "even" } else { "odd" };
            return turn("value-of", "read.even-or-odd", split, random, &[], answer, Vec::new());
        }
        let digits = value.to_string().len();
        let mut other = match random.chance(0.7) {
            true => (f64::from(value) * random.range(0.5, 1.6)) as u32,
            false => texts::whole(random, (digits + 1).min(6)),
        };
        if other == value {
            other += 1;
        }
        let greater = random.chance(0.5);
        let section = if greater { "read.is-greater" } else { "read.is-smaller" };
        let answer = if (value > other) == greater { "yes" } else { "no" };
        turn("value-of", section, split, random, &[("number", &other.to_string())], answer, Vec::new())
    }
}

/// A number with one digit changed.
fn off_by_a_digit(random: &mut Random, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let digits: Vec<usize> = (0..bytes.len()).filter(|&at| bytes.get(at).is_some_and(u8::is_ascii_digit)).collect();
    if let Some(byte) = digits.get(random.below(digits.len())).and_then(|&at| bytes.get_mut(at)) {
        *byte = b'0' + (*byte - b'0' + random.between(1, 9) as u8) % 10;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A picture of one text, with one to three turns.
fn one(kit: &Kit, random: &mut Random, split: Split, written: &Written) -> Sample {
    let (picture, ink) = picture(kit, random, split, &written.text);
    let mut turns = vec![written.read(random, split)];
    if let Some(ink) = ink.filter(|_| random.chance(0.3)) {
        turns.push(colour(random, split, &ink));
    }
    if random.chance(0.3) {
        turns.push(written.is(random, split));
    }
    if random.chance(0.12) && written.text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        turns.push(written.parts(random, split));
    }
    if let Some(value) = written.whole.filter(|_| random.chance(0.3)) {
        turns.push(written.value(random, split, value));
    }
    if split == Split::Train && random.chance(0.3) {
        random.shuffle(&mut turns);
    }
    turns.truncate(3);
    Sample { pictures: vec![picture], turns, fps: None }
}

/// A picture with one text somewhere in it, and the text's colour where it has one.
fn picture(kit: &Kit, random: &mut Random, split: Split, written: &str) -> (Rgb, Option<Ink>) {
    let longest = written.lines().map(str::len).max().unwrap_or(0);
    let size = size(random, longest);
    let (mut canvas, under, ink) = ground(random, size);
    let look = Look::pick(random, kit, split, under, ink);
    if let Some(text) = look.write(written) {
        let (width, height) = (f64::from(canvas.width()), f64::from(canvas.height()));
        let share = HEIGHTS.0 * libm::pow(HEIGHTS.1 / HEIGHTS.0, random.unit());
        let scale = look.scale(&text, share * width.max(height), INSIDE * width, INSIDE * height);
        let place = anywhere(random, &look, &text, scale, width, height);
        look.draw(&mut canvas, &text, &place);
    }
    (wear(canvas.into_rgb(), Keep::Colours, random), look.is_of_one_colour().then_some(ink))
}

/// Asks for the text's colour.
fn colour(random: &mut Random, split: Split, ink: &Ink) -> Turn {
    let also = ink.named.also.iter().map(|&name| name.to_owned()).collect();
    turn("text-colour", "read.colour", split, random, &[], ink.named.name, also)
}

/// A place where the whole text is inside.
fn anywhere(random: &mut Random, look: &Look, text: &Text, scale: f64, width: f64, height: f64) -> Place {
    let place = look.place(width / 2.0, height / 2.0, scale);
    let (across, down) = text.half_box(scale, place.turn);
    let (right, below) = ((INSIDE * width / 2.0 - across).max(0.0), (INSIDE * height / 2.0 - down).max(0.0));
    let (x, y) = (random.range(-right, right), random.range(-below, below));
    Place { x: place.x + x, y: place.y + y, ..place }
}

/// A picture's width and height for a text of so many characters: long ones lie in wide pictures.
pub(crate) fn size(random: &mut Random, characters: usize) -> (u32, u32) {
    let long = random.between(192, 256) as u32;
    let short = |random: &mut Random| (f64::from(long) * random.range(0.5, 0.95)) as u32;
    match random.unit() {
        u if u < 0.35 => (long, long),
        u if u < 0.5 && characters <= 5 => (short(random), long),
        _ => (long, short(random)),
    }
}

impl Sample {
    /// With its first turn alone.
    pub(crate) fn first_turn(mut self) -> Sample {
        self.turns.truncate(1);
        self
    }
}

/// A turn of a section's wording.
pub(crate) fn turn(
    skill: &'static str,
    section: &str,
    split: Split,
    random: &mut Random,
    fills: &wordings::Fills,
    answer: &str,
    also: Vec<String>,
) -> Turn {
    let asked = wordings::ask(section, split, random, fills, answer);
    Turn { skill, question: asked.question, answer: asked.answer, also }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: Kind, text: &str) -> Written {
        Written { kind, text: text.to_owned(), also: Vec::new(), whole: text.parse().ok() }
    }

    #[test]
    fn answers_are_true_of_what_is_written() {
        let mut random = Random::new(31, 32);
        let (word, number) = (written(Kind::Word, "Plate"), written(Kind::Number, "407"));
        let mut yes = 0;
        for _ in 0..400 {
            let turn = word.is(&mut random, Split::Test);
            let mut words = turn.question.split(|c: char| !c.is_alphabetic());
            assert_eq!(turn.answer == "yes", words.any(|word| word == "Plate"), "{}", turn.question);
            yes += usize::from(turn.answer == "yes");
            let turn = number.is(&mut random, Split::Test);
            assert_eq!(turn.answer == "yes", turn.question.contains("407"), "{}", turn.question);
            let part = number.parts(&mut random, Split::Test).answer;
            assert!(["4", "7", "3"].contains(&part.as_str()));
            let part = word.parts(&mut random, Split::Test).answer;
            assert!(["P", "e", "5"].contains(&part.as_str()));
            let turn = number.value(&mut random, Split::Test, 407);
            let other =
                turn.question.split(|c: char| !c.is_ascii_digit()).find_map(|digits| digits.parse::<u32>().ok());
            match other {
                None => assert_eq!(turn.answer, "odd"),
                Some(other) => {
                    let greater = ["larger", "more"].iter().any(|word| turn.question.contains(word));
                    assert_eq!(turn.answer == "yes", (407 > other) == greater, "{}", turn.question);
                }
            }
        }
        assert!((140..260).contains(&yes), "{yes}");
    }

    #[test]
    fn a_test_asks_once_for_a_word_that_is_held_out() {
        let (kit, mut random) = (Kit::default(), Random::new(33, 34));
        for _ in 0..100 {
            let sample = test_words(&kit, &mut random, Split::Test);
            let [turn] = &sample.turns[..] else { panic!("{:?}", sample.turns) };
            assert!(texts::is_word(Split::Test, &turn.answer.to_lowercase()), "{}", turn.answer);
            assert!(wordings::section("read.word").test.contains(&turn.question.as_str()));
            let sample = test_numbers(&kit, &mut random, Split::Test);
            assert!(sample.turns.len() == 1 && sample.turns[0].answer.contains(|c: char| c.is_ascii_digit()));
        }
    }

    #[test]
    fn text_is_large_enough_to_read() {
        let (kit, mut random) = (Kit::default(), Random::new(35, 36));
        for _ in 0..60 {
            let look = Look::plain(kit.fonts.built_in(), Ink::called(&mut random, "white"));
            let text = look.write("information").unwrap();
            let (width, height) = size(&mut random, 11);
            let scale = look.scale(&text, 0.09 * f64::from(width), INSIDE * f64::from(width), f64::from(height));
            assert!(scale * look.font.capitals >= 0.088 * f64::from(width), "{width} {height}");
        }
    }

    #[test]
    fn one_digit_is_changed() {
        let mut random = Random::new(37, 38);
        for text in ["7", "$4.99", "12:30", "2024-05-06"] {
            for _ in 0..20 {
                let off = off_by_a_digit(&mut random, text);
                let differ = text.bytes().zip(off.bytes()).filter(|(a, b)| a != b);
                assert_eq!((off.len(), differ.count()), (text.len(), 1), "{text} {off}");
            }
        }
    }
}
