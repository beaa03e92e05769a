//! What is held out for tests: pairs of colour and shape, and positions, as `words/held.txt` lists them.

use crate::{Named, Split, shapes::Kind};
use std::sync::LazyLock;

struct Held {
    pairs: Vec<(&'static str, &'static str)>,
    cells: Vec<[f64; 4]>,
}

static HELD: LazyLock<Held> = LazyLock::new(|| {
    let mut held = Held { pairs: Vec::new(), cells: Vec::new() };
    for line in include_str!("../words/held.txt").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["pair", colour, shape] => held.pairs.push((colour, shape)),
            ["cell", left, top, right, bottom] => {
                let number = |text: &str| text.parse().unwrap_or(f64::NAN);
                held.cells.push([left, top, right, bottom].map(number));
            }
            _ => {}
        }
    }
    held
});

/// Whether a colour and a shape are never drawn together for learning.
pub fn pair(colour: &Named, kind: Kind) -> bool {
    HELD.pairs.iter().any(|(c, shape)| *c == colour.name && *shape == kind.name())
}

/// The pairs that are held out.
pub fn pairs() -> &'static [(&'static str, &'static str)] {
    &HELD.pairs
}

/// Whether a centre (of the picture's sides) lies where no single object does for learning.
pub fn position(x: f64, y: f64) -> bool {
    HELD.cells.iter().any(|[left, top, right, bottom]| (*left..*right).contains(&x) && (*top..*bottom).contains(&y))
}

/// The cells that are held out: left, top, right, bottom, of the picture's sides.
pub fn cells() -> &'static [[f64; 4]] {
    &HELD.cells
}

/// Whether a split may draw, or ask of, a colour and a shape together.
pub fn allows(split: Split, colour: &Named, kind: Kind) -> bool {
    split == Split::Test || !pair(colour, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lines_are_read_and_mean_something() {
        assert_eq!((pairs().len(), cells().len()), (12, 2));
        for (colour, shape) in pairs() {
            assert!(Named::of(colour).is_some() && Kind::of(shape).is_some(), "{colour} {shape}");
        }
        assert!(cells().iter().all(|[l, t, r, b]| l < r && t < b && *r < 1.0 && *b < 1.0));
        assert!(position(0.7, 0.3) && !position(0.5, 0.5));
    }
}
