//! Signs: boards of the shapes and colours that signs have, with what signs say.

use super::{Ink, Look, rounded, texts, turn};
use crate::{
    Canvas, Colour, Ground, Kit, Place, Random, Sample, Split, Text, Turn,
    wear::{Keep, wear},
};
use resvg::tiny_skia::{Path, PathBuilder};
use std::{f64::consts::PI, sync::LazyLock};

/// A line of `words/signs.txt`.
struct Kind {
    shape: &'static str,
    boards: Vec<&'static str>,
    letters: Vec<&'static str>,
    texts: Vec<&'static str>,
}

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let mut kinds = Vec::new();
    for line in include_str!("../../words/signs.txt").lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let list = |text: &'static str, by| text.split(by).map(str::trim).collect();
        if let [shape, boards, letters, texts] = parts[..] {
            kinds.push(Kind { shape, boards: list(boards, ','), letters: list(letters, ','), texts: list(texts, ';') });
        }
    }
    kinds
});

/// A sign: what it says, its colour, its shape.
pub(crate) fn sign(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let kind = random.pick(&KINDS);
    let template = random.pick::<&str>(&kind.texts);
    let written = filled(random, template);
    let board = one_of(random, &kind.boards);
    let ink = one_of(random, &kind.letters);
    let (width, height) = super::size(random, 9);
    let mut canvas = Ground::draw(width, height, &[board.colour], random).canvas;
    let look = Look::plain(kit.fonts.pick(random, split), ink);
    if let Some(text) = look.write(&written) {
        hang(&mut canvas, random, kind, board.colour, &look, &text);
    }
    let answer = written.replace('\n', " ");
    let turns = ask(random, split, kind, &answer, board);
    Sample { pictures: vec![wear(canvas.into_rgb(), Keep::Colours, random)], turns, fps: None }
}

fn one_of(random: &mut Random, names: &[&'static str]) -> Ink {
    let name = names.get(random.below(names.len())).copied();
    Ink::called(random, name.unwrap_or("black"))
}

/// A template with its digits (`#`) and letters (`@`).
fn filled(random: &mut Random, template: &str) -> String {
    let mut first = true;
    let one = |code: char| match code {
        '#' if first => {
            first = false;
            char::from(b'1' + random.below(9) as u8)
        }
        '#' => char::from(b'0' + random.below(10) as u8),
        '@' => char::from(b'A' + random.below(26) as u8),
        '/' => '\n',
        other => other,
    };
    template.chars().map(one).collect()
}

/// Draws the board and the text on it, anywhere.
fn hang(canvas: &mut Canvas, random: &mut Random, kind: &Kind, colour: Colour, look: &Look, text: &Text) {
    let (width, height) = (f64::from(canvas.width()), f64::from(canvas.height()));
    let Some(board) = board(kind.shape, text) else { return };
    let turn = if random.chance(0.3) { random.range(-12.0, 12.0) } else { 0.0 };
    let (sin, cos) = libm::sincos(turn.abs().to_radians());
    let (across, down) = (board.across * cos + board.down * sin, board.across * sin + board.down * cos);
    let most = (0.46 * width / across).min(0.46 * height / down);
    // Small signs are still legible: capitals are 7 % of the longer side, where that fits.
    let least = (0.07 * width.max(height) / look.font.capitals).min(most);
    let scale = random.range(least, most);
    let right = (0.48 * width - scale * across).max(0.0) * random.range(-1.0, 1.0);
    let below = (0.48 * height - scale * down).max(0.0) * random.range(-1.0, 1.0);
    let place = Place { turn, ..Place::at(width / 2.0 + right, height / 2.0 + below, scale) };
    canvas.fill(&board.path, &place, colour, 1.0);
    let line = (0.05 * scale).max(1.5);
    let (ink, edge) = (look.ink.colour, colour.mix(Colour(0, 0, 0), 0.5));
    match kind.shape {
        "ring" => canvas.stroke(&board.path, &place, Colour(205, 20, 30), 0.22 * scale, false),
        "octagon" | "diamond" | "rectangle" | "plate" => {
            let (line, inner) = if random.chance(0.5) { (line * 1.3, ink) } else { (line, edge) };
            canvas.stroke(&board.path, &place, inner, line, false);
        }
        _ if random.chance(0.4) => canvas.stroke(&board.path, &place, edge, line, false),
        _ => {}
    }
    let (x, y) = place.map(board.x, board.y);
    look.draw(canvas, text, &Place { x, y, ..place });
}

/// A board around a text, in the text's ems.
struct Board {
    path: Path,
    across: f64,
    down: f64,
    /// The text's centre.
    x: f64,
    y: f64,
}

fn board(shape: &str, text: &Text) -> Option<Board> {
    let (a, d) = (text.across + 0.25, text.down + 0.22);
    let corner = libm::sqrt(a * a + d * d);
    let even = |path: Option<Path>, across: f64, down: f64| Some(Board { path: path?, across, down, x: 0.0, y: 0.0 });
    match shape {
        "octagon" => even(polygon(8, corner * 1.06, corner * 1.06, PI / 8.0), corner * 1.06, corner * 1.06),
        "circle" => even(PathBuilder::from_circle(0.0, 0.0, corner as f32), corner, corner),
        "ring" => even(PathBuilder::from_circle(0.0, 0.0, corner as f32 * 1.08), corner * 1.16, corner * 1.16),
        "diamond" => even(polygon(4, a + d, a + d, 0.0), a + d, a + d),
        "burst" => even(burst(corner * 1.04, corner * 1.3), corner * 1.3, corner * 1.3),
        "button" => even(rounded(a + 0.3, d + 0.1, d), a + 0.3, d + 0.1),
        "arrow" => {
            let tip = 1.1 * d;
            let points = [(-a, -d), (a, -d), (a + tip, 0.0), (a, d), (-a, d)].map(|(x, y)| (x - tip / 2.0, y));
            Some(Board { path: closed(&points)?, across: a + tip / 2.0, down: d, x: -tip / 2.0, y: 0.0 })
        }
        "tag" => {
            let tip = 0.9 * d;
            let points = [(-a - tip, 0.0), (-a, -d), (a, -d), (a, d), (-a, d)].map(|(x, y)| (x + tip / 2.0, y));
            Some(Board { path: closed(&points)?, across: a + tip / 2.0, down: d, x: tip / 2.0, y: 0.0 })
        }
        "plate" => even(rounded(a + 0.1, d + 0.05, 0.12), a + 0.1, d + 0.05),
        _ => even(rounded(a + 0.1, d + 0.1, 0.15 * d), a + 0.1, d + 0.1),
    }
}

/// A polygon whose corners lie on an ellipse.
fn polygon(corners: usize, across: f64, down: f64, from: f64) -> Option<Path> {
    let points: Vec<(f64, f64)> = (0..corners)
        .map(|at| {
            let (sin, cos) = libm::sincos(from + 2.0 * PI * at as f64 / corners as f64);
            (across * cos, down * sin)
        })
        .collect();
    closed(&points)
}

/// A star of many points around a circle.
fn burst(inner: f64, outer: f64) -> Option<Path> {
    let points: Vec<(f64, f64)> = (0..32)
        .map(|at| {
            let (sin, cos) = libm::sincos(PI * f64::from(at) / 16.0);
            let radius = if at % 2 == 0 { outer } else { inner };
            (radius * cos, radius * sin)
        })
        .collect();
    closed(&points)
}

fn closed(points: &[(f64, f64)]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let (x, y) = (*x as f32, *y as f32);
        if at == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
    path.close();
    path.finish()
}

fn ask(random: &mut Random, split: Split, kind: &Kind, written: &str, board: Ink) -> Vec<Turn> {
    let mut turns = vec![turn("sign", "read.sign", split, random, &[], written, texts::other_cases(written))];
    if random.chance(0.35) {
        let also = board.named.also.iter().map(|&name| name.to_owned()).collect();
        turns.push(turn("sign-colour", "read.sign-colour", split, random, &[], board.named.name, also));
    }
    if random.chance(0.3) {
        let mut other = written.to_owned();
        if random.chance(0.5) {
            let kind = random.pick(&KINDS);
            let template = random.pick::<&str>(&kind.texts);
            other = filled(random, template).replace('\n', " ");
        }
        let answer = if other.eq_ignore_ascii_case(written) { "yes" } else { "no" };
        turns.push(turn("is-text", "read.is-sign", split, random, &[("text", &other)], answer, Vec::new()));
    }
    let shape = ["octagon", "circle", "diamond"].iter().find(|shape| **shape == kind.shape);
    if let Some(shape) = shape.filter(|_| random.chance(0.3)) {
        turns.push(turn("sign-shape", "read.sign-shape", split, random, &[], shape, Vec::new()));
    }
    if split == Split::Train && random.chance(0.3) {
        random.shuffle(&mut turns);
    }
    turns.truncate(3);
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colours::Named;

    #[test]
    fn signs_are_of_known_shapes_and_colours() {
        assert!(KINDS.len() > 15);
        let font = Kit::default();
        let text = font.fonts.built_in().write("STOP", 0.0).unwrap();
        for kind in KINDS.iter() {
            assert!(board(kind.shape, &text).is_some(), "{}", kind.shape);
            let mut colours = kind.boards.iter().chain(&kind.letters);
            assert!(colours.all(|name| Named::of(name).is_some()), "{}", kind.shape);
            assert!(kind.texts.iter().all(|text| !text.is_empty() && text.len() <= 14), "{:?}", kind.texts);
        }
    }

    #[test]
    fn signs_show_no_held_out_word() {
        for word in KINDS.iter().flat_map(|kind| &kind.texts).flat_map(|text| text.split([' ', '/'])) {
            assert!(!texts::is_word(Split::Test, &word.to_lowercase()), "{word}");
        }
    }

    #[test]
    fn templates_are_filled() {
        let mut random = Random::new(19, 20);
        for _ in 0..50 {
            let text = filled(&mut random, "@@ #0%/OFF");
            assert!(text.len() == 10 && text.ends_with("0%\nOFF") && !text.contains(['#', '@']), "{text}");
            assert_ne!(&text[3..4], "0");
        }
    }
}
