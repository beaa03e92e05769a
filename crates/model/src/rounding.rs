//! The seam for bringing a checkpoint to few bits for good.

use crate::RawTensor;
use smolvlm_backend::{Quant, Source};

/// Who decides how the matrices of a network that is being loaded are rounded, and takes what becomes of it: every tensor as
/// the network then has it, channels brought level.
pub trait Rounding {
    /// Mean squares of what the matrix of this name reads, input by input; none where they are not known.
    fn loudness(&self, matrix: &str) -> Option<Vec<f32>>;

    /// A matrix that is to be kept in `quant`, its columns multiplied by `levels` already: its rows in few bits; none where it
    /// stays as it is.
    fn matrix(
        &mut self,
        name: &str,
        shape: &[usize],
        source: &Source<'_>,
        levels: &[f32],
        quant: Quant,
    ) -> Option<RawTensor<'static>>;

    /// A vector, or a table that is read as a plain tensor.
    fn tensor(&mut self, name: &str, shape: &[usize], numbers: &[f32]);
}
