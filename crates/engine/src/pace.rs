//! How much of prompts passes the decoder at once, so that those who read answers hardly notice it.

use crate::prompt::PREFILL_ROWS;

/// How many seconds a pass may last with pieces of prompts in it, beside answers.
const SECONDS: f64 = 0.1;
/// Rows of prompts in such a pass: fewer would cost nearly as much, and more are not needed to keep the processor busy.
const FEWEST: usize = 32;
const MOST: usize = 128;

/// How long rows take on this machine.
pub(crate) struct Pace {
    /// Whether others read along.
    serving: bool,
    /// Seconds a row, as the last pass took them.
    row: f64,
}

impl Pace {
    /// All at once, or so that others do not wait long.
    pub(crate) fn new(serving: bool) -> Pace {
        Pace { serving, row: 0.0 }
    }

    /// How many rows of prompts go into the next pass.
    pub(crate) fn rows(&self, beside_answers: bool) -> usize {
        if !self.serving || !beside_answers {
            return PREFILL_ROWS;
        }
        ((SECONDS / self.row.max(1e-9)) as usize).clamp(FEWEST, MOST)
    }

    /// Learns from a pass with so many rows of prompts.
    pub(crate) fn learn(&mut self, rows: usize, seconds: f64) {
        // A few rows cost as much as the weights that are read for them.
        if rows >= FEWEST {
            self.row = seconds / rows as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_machines_take_small_pieces_beside_answers_alone() {
        let mut pace = Pace::new(true);
        assert_eq!((pace.rows(false), pace.rows(true)), (PREFILL_ROWS, MOST));
        pace.learn(100, 0.2);
        assert_eq!((pace.rows(false), pace.rows(true)), (PREFILL_ROWS, 50));
        pace.learn(8, 8.0);
        assert_eq!(pace.rows(true), 50);
        pace.learn(100, 100.0);
        assert_eq!(pace.rows(true), FEWEST);
        pace.learn(100, 0.0);
        assert_eq!(pace.rows(true), MOST);
        let mut alone = Pace::new(false);
        alone.learn(100, 100.0);
        assert_eq!(alone.rows(true), PREFILL_ROWS);
    }
}
