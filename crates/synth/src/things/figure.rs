//! Things in scenes.

use super::{Noun, Sprite};
use crate::{Canvas, Place, scene::Drawn};
use std::sync::Arc;

/// A thing as a scene draws it; without a drawing where it is one that is not there, to ask for.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    noun: &'static Noun,
    sprite: Option<Arc<Sprite>>,
    /// Half its width and half its height, in halves of the sprite's side.
    half: (f64, f64),
}

impl Figure {
    /// A thing by a drawing of it.
    pub(crate) fn new(noun: &'static Noun, sprite: Arc<Sprite>) -> Figure {
        let half = half(&sprite);
        Figure { noun, sprite: Some(sprite), half }
    }

    /// A thing that is not there.
    pub(crate) fn absent(noun: &'static Noun) -> Figure {
        Figure { noun, sprite: None, half: (1.0, 1.0) }
    }
}

impl Drawn for Figure {
    fn noun(&self) -> &str {
        self.noun.word
    }

    fn plural(&self) -> String {
        self.noun.plural.clone().unwrap_or_else(|| self.noun.word.to_owned())
    }

    fn also(&self) -> Vec<String> {
        self.noun.also.iter().map(|word| (*word).to_owned()).collect()
    }

    fn reach(&self, turn: f64) -> (f64, f64) {
        let (sin, cos) = libm::sincos(turn.to_radians());
        let (sin, cos, (w, h)) = (sin.abs(), cos.abs(), self.half);
        (w * cos + h * sin, w * sin + h * cos)
    }

    fn draw(&self, canvas: &mut Canvas, place: &Place) {
        if let Some(sprite) = &self.sprite {
            sprite.stamp(canvas, place);
        }
    }
}

/// How far a figure reaches from the middle, across and down.
fn half(sprite: &Sprite) -> (f64, f64) {
    let middle = sprite.side() as f64 / 2.0;
    let mut half = (0.0f64, 0.0f64);
    for (at, _) in sprite.data().chunks_exact(4).enumerate().filter(|(_, pixel)| pixel[3] > 127) {
        let far = |at: usize| (at as f64 + 0.5 - middle).abs() + 0.5;
        half = (half.0.max(far(at % sprite.side())), half.1.max(far(at / sprite.side())));
    }
    (half.0 / middle, half.1 / middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::things::noun;

    #[test]
    fn it_reaches_as_far_as_it_is_seen() {
        let pixel = |at: usize| if (12..20).contains(&(at / 32)) { [9, 9, 9, 255] } else { [0; 4] };
        let sprite = Sprite::new(32, (0..1024).flat_map(pixel).collect());
        let figure = Figure::new(noun("snake").unwrap(), Arc::new(sprite));
        assert_eq!(figure.reach(0.0), (1.0, 0.25));
        let (w, h) = figure.reach(90.0);
        assert!((w - 0.25).abs() < 1e-9 && (h - 1.0).abs() < 1e-9);
        assert_eq!((figure.noun(), figure.plural()), ("snake", "snakes".to_owned()));
    }
}
