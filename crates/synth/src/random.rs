//! Random choices of one sample.

use smolvlm_kernels::random::{Splitmix, mix64};

/// The numbers of a sample: a stream of its own for each (seed, index).
#[derive(Debug, Clone)]
pub struct Random(Splitmix);

impl Random {
    /// The numbers of a seed's sample.
    pub fn new(seed: u64, index: u64) -> Random {
        Random(Splitmix::new(mix64(seed ^ 0xD2A3_77EA).wrapping_add(mix64(index))))
    }

    /// In [0, 1).
    pub fn unit(&mut self) -> f64 {
        self.0.uniform()
    }

    /// In [low, high).
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// One of `0..n`; 0 of none.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// One of `low..=high`.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `share` of the cases.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// One of several.
    ///
    /// # Panics
    /// Of none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Any order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for i in (1..of.len()).rev() {
            of.swap(i, self.below(i + 1));
        }
    }
}
