//! Guesses of what an answer says next: what followed the last time that the text had its last tokens (prompt lookup).
//!
//! A pass of a few rows takes little longer than one of a single row, since both read all weights. So guessed tokens pass
//! the decoder behind the newest one, and as many are kept as are what the answer would have had without them: the same
//! logits, bit for bit, and the same choice from them.

/// How many tokens must have stood together before.
const ALIKE: usize = 3;

/// The longest pause after wrong guesses, as a power of two.
const LONGEST_PAUSE: u32 = 5;

/// A text, and how well it was guessed so far.
pub(crate) struct Lookup {
    text: Vec<u32>,
    /// The most tokens guessed at a time; 0 guesses none.
    most: usize,
    /// How many are guessed next.
    reach: usize,
    /// For how many passes nothing is guessed.
    pause: usize,
    /// How many times in a row the first guess was wrong.
    misses: u32,
}

impl Lookup {
    /// Behind this prompt.
    pub(crate) fn new(prompt: &[u32], most: usize) -> Lookup {
        let text = if most > 0 { prompt.to_vec() } else { Vec::new() };
        Lookup { text, most, reach: most.min(ALIKE), pause: 0, misses: 0 }
    }

    /// Takes the text's next token.
    pub(crate) fn see(&mut self, id: u32) {
        if self.most > 0 {
            self.text.push(id);
        }
    }

    /// What may come next, at most so many tokens.
    pub(crate) fn guess(&self, most: usize) -> Vec<u32> {
        let count = self.reach.min(most);
        let Some(tail) = self.text.len().checked_sub(ALIKE).filter(|_| count > 0 && self.pause == 0) else {
            return Vec::new();
        };
        let (before, end) = (self.text.get(..self.text.len() - 1).unwrap_or_default(), self.text.get(tail..));
        match before.windows(ALIKE).rposition(|alike| Some(alike) == end) {
            // Where the last time is this time's neighbour, what lies between goes round.
            Some(at) => self.text.iter().skip(at + ALIKE).cycle().take(count).copied().collect(),
            None => Vec::new(),
        }
    }

    /// Learns that of so many guessed tokens the first ones were right. Where guesses help they become longer; where they do
    /// not, rarer.
    pub(crate) fn learn(&mut self, guessed: usize, right: usize) {
        if guessed == 0 {
            self.pause = self.pause.saturating_sub(1);
        } else if right == 0 {
            self.reach = (self.reach / 2).max(1);
            self.misses += 1;
            self.pause = 1 << self.misses.min(LONGEST_PAUSE);
        } else {
            self.reach = if right == guessed { (2 * self.reach).min(self.most) } else { right };
            self.misses = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_the_last_time_is_guessed() {
        let mut lookup = Lookup::new(&[1, 2, 3, 9, 9, 1, 2, 3, 4, 5, 6, 1, 2], 7);
        assert!(lookup.guess(7).is_empty());
        lookup.see(3);
        assert_eq!(lookup.guess(7), [4, 5, 6]);
        assert_eq!(lookup.guess(1), [4]);
        assert!(lookup.guess(0).is_empty());
        lookup.see(4);
        assert_eq!(lookup.guess(7), [5, 6, 1]);
    }

    #[test]
    fn what_goes_round_is_guessed_going_round() {
        assert_eq!(Lookup::new(&[5, 5, 5, 5], 7).guess(7), [5, 5, 5]);
        assert_eq!(Lookup::new(&[1, 2, 1, 2, 1], 7).guess(3), [2, 1, 2]);
        assert!(Lookup::new(&[5, 5, 5], 7).guess(7).is_empty());
        assert!(Lookup::new(&[], 7).guess(7).is_empty());
    }

    #[test]
    fn right_guesses_make_longer_ones_and_wrong_ones_rarer() {
        let mut lookup = Lookup::new(&[5; 9], 7);
        for (right, next) in [(3, 6), (6, 7), (7, 7), (2, 2), (1, 1), (1, 2)] {
            lookup.learn(lookup.guess(7).len(), right);
            assert_eq!(lookup.guess(7).len(), next);
        }
        let mut rest = |right: usize| {
            lookup.learn(lookup.guess(7).len(), right);
            let rest = (0..).take_while(|_| {
                let nothing = lookup.guess(7).is_empty();
                if nothing {
                    lookup.learn(0, 0);
                }
                nothing
            });
            rest.count()
        };
        assert_eq!([0, 0, 0, 0, 0, 0, 1, 0].map(&mut rest), [2, 4, 8, 16, 32, 32, 0, 2]);
    }

    #[test]
    fn who_guesses_nothing_keeps_nothing() {
        let mut lookup = Lookup::new(&[5; 9], 0);
        lookup.see(5);
        assert!(lookup.guess(7).is_empty() && lookup.text.is_empty());
    }
}
