//! Guesses of what an answer says next: what followed the last time that the text had its last tokens (prompt lookup).
//!
//! A pass of a few rows takes little longer than one of a single row, since both read all weights. So guessed tokens pass
//! the decoder behind the newest one, and as many are kept as are what the answer would have had without them: the same
//! logits, bit for bit, and the same choice from them.

/// How many tokens must have stood together before.
const ALIKE: usize = 3;

/// The longest pause after wrong guesses, as a power of two.
const LONGEST_PAUSE: u32 = 5;

/// How well a text was guessed so far.
pub(crate) struct Lookup {
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
    /// That guesses at most so many tokens at a time.
    pub(crate) fn new(most: usize) -> Lookup {
        Lookup { most, reach: most.min(ALIKE), pause: 0, misses: 0 }
    }

    /// What may come next behind a text, at most so many tokens.
    pub(crate) fn guess(&self, text: &[u32], most: usize) -> Vec<u32> {
        let count = self.reach.min(most);
        let Some(tail) = text.len().checked_sub(ALIKE).filter(|_| count > 0 && self.pause == 0) else {
            return Vec::new();
        };
        let (before, end) = (text.get(..text.len() - 1).unwrap_or_default(), text.get(tail..));
        match before.windows(ALIKE).rposition(|alike| Some(alike) == end) {
            // Where the last time is this time's neighbour, what lies between goes round.
            Some(at) => text.iter().skip(at + ALIKE).cycle().take(count).copied().collect(),
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
        let lookup = Lookup::new(7);
        let mut text = vec![1, 2, 3, 9, 9, 1, 2, 3, 4, 5, 6, 1, 2];
        assert!(lookup.guess(&text, 7).is_empty());
        text.push(3);
        assert_eq!(lookup.guess(&text, 7), [4, 5, 6]);
        assert_eq!(lookup.guess(&text, 1), [4]);
        assert!(lookup.guess(&text, 0).is_empty());
        text.push(4);
        assert_eq!(lookup.guess(&text, 7), [5, 6, 1]);
    }

    #[test]
    fn what_goes_round_is_guessed_going_round() {
        let lookup = Lookup::new(7);
        assert_eq!(lookup.guess(&[5, 5, 5, 5], 7), [5, 5, 5]);
        assert_eq!(lookup.guess(&[1, 2, 1, 2, 1], 3), [2, 1, 2]);
        assert!(lookup.guess(&[5, 5, 5], 7).is_empty());
        assert!(lookup.guess(&[], 7).is_empty());
    }

    #[test]
    fn right_guesses_make_longer_ones_and_wrong_ones_rarer() {
        let mut lookup = Lookup::new(7);
        let guessed = |lookup: &Lookup| lookup.guess(&[5; 9], 7).len();
        for (right, next) in [(3, 6), (6, 7), (7, 7), (2, 2), (1, 1), (1, 2)] {
            lookup.learn(guessed(&lookup), right);
            assert_eq!(guessed(&lookup), next);
        }
        let mut rest = |right: usize| {
            lookup.learn(guessed(&lookup), right);
            let rest = (0..).take_while(|_| {
                let nothing = guessed(&lookup) == 0;
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
    fn where_none_are_wanted_none_are_guessed() {
        assert!(Lookup::new(0).guess(&[5; 9], 7).is_empty());
    }
}
