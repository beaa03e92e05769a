//! A thing that was chosen: its noun, and a drawing of it.

use super::{Hand, Hands, Noun, Sprite, dress, naming, nouns};
use crate::{Random, Split};
use std::sync::Arc;

/// How often a noun for learning is one of the two hundred common ones.
const COMMON: f64 = 0.4;
/// The largest side at which a drawing is drawn, in pixels; beyond, it is enlarged.
const LARGEST: usize = 256;

/// A noun, drawn by a hand.
#[derive(Debug, Clone)]
pub(crate) struct Thing {
    pub(crate) noun: &'static Noun,
    pub(crate) hand: Hand,
    pub(crate) number: usize,
}

impl Thing {
    /// A drawing of a noun by one of several hands; none where none of them drew it.
    pub(crate) fn of(noun: &'static Noun, among: &[Hand], hands: &Hands, random: &mut Random) -> Option<Thing> {
        let able: Vec<Hand> = among.iter().copied().filter(|hand| hands.count(*hand, noun) > 0).collect();
        let hand = *able.get(random.below(able.len()))?;
        Some(Thing { noun, hand, number: random.below(hands.count(hand, noun)) })
    }

    /// Any noun that one of the hands drew: for tests one of the common ones, [`naming`].
    pub(crate) fn any(split: Split, among: &[Hand], hands: &Hands, random: &mut Random) -> Option<Thing> {
        (0..100).find_map(|_| {
            let common = split == Split::Test || random.chance(COMMON);
            let noun = if common { *random.pick(naming()) } else { random.pick(nouns()) };
            Thing::of(noun, among, hands, random)
        })
    }

    /// Its drawing, large enough for a scale (half its side, in pixels).
    pub(crate) fn sprite(&self, hands: &Hands, scale: f64) -> Option<Arc<Sprite>> {
        match scale <= 0.6 * Sprite::SIDE as f64 {
            true => hands.sprite(self.hand, self.noun, self.number),
            false => {
                let side = ((2.0 * scale) as usize).min(LARGEST);
                hands.large(self.hand, self.noun, self.number, side).map(Arc::new)
            }
        }
    }

    /// The same, for learning in some style.
    pub(crate) fn dressed(&self, hands: &Hands, scale: f64, split: Split, random: &mut Random) -> Option<Arc<Sprite>> {
        let sprite = self.sprite(hands, scale)?;
        Some(if split == Split::Train { dress(sprite, random) } else { sprite })
    }
}
