//! What the network computed on the way, for comparing it with another.

use smolvlm_backend::{Backend, Tensor, numbers};

/// Filled by [`crate::Engine::answer`] when it is asked to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Capture {
    /// u8 [tiles, 3, side, side]
    pub pixels: Vec<u8>,
    /// Side of a tile.
    pub side: usize,
    /// The prompt's tokens.
    pub input_ids: Vec<u32>,
    /// f32 [tiles, tokens per tile, hidden]
    pub image_features: Vec<f32>,
    /// Tokens of a tile.
    pub tokens_per_tile: usize,
    /// The decoder's width.
    pub hidden: usize,
    /// After every position of the prompt, the likeliest token.
    pub argmax: Vec<usize>,
    /// Its logit less the second's.
    pub margin: Vec<f32>,
    /// f32 [min(4, prompt), vocabulary]: logits at the prompt's last positions.
    pub last_logits: Vec<f32>,
    /// Rows of the head.
    pub vocab: usize,
}

/// How many of the prompt's last rows of logits are kept.
const LAST: usize = 4;

impl Capture {
    /// Takes in a tile's features.
    pub(crate) fn features(&mut self, backend: &dyn Backend, features: &Tensor) {
        self.image_features.extend(numbers(backend, features));
    }

    /// Takes in the logits of the next rows of the prompt.
    pub(crate) fn logits(&mut self, backend: &dyn Backend, logits: &Tensor) {
        for top in (0..logits.rows()).map(|row| backend.top(logits, row)) {
            self.argmax.push(top.index);
            self.margin.push(top.margin);
        }
        self.last_logits.extend(numbers(backend, logits));
        let surplus = self.last_logits.len().saturating_sub(LAST * self.vocab);
        self.last_logits.drain(..surplus);
    }
}
