//! How well the model foretells a text.

use crate::{Engine, Error, memory};
use smolvlm_backend::{Top, numbers};

/// The outcome of scoring a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Perplexity {
    /// Mean negative log-likelihood of a scored token, in nats.
    pub mean_nll: f64,
    /// Tokens scored: all but the first of every window.
    pub scored: usize,
}

impl Perplexity {
    /// e to the mean.
    pub fn perplexity(&self) -> f64 {
        self.mean_nll.exp()
    }
}

impl Engine {
    /// Scores tokens in windows side by side, each seen alone; a rest shorter than a window is left out, unless it is all
    /// there is. `progress` is told (tokens done, tokens in all).
    ///
    /// # Errors
    /// Where there are fewer than two tokens or the window is shorter than that, the network's numbers are not finite,
    /// or there is not memory enough.
    pub fn perplexity(
        &self,
        ids: &[u32],
        window: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Perplexity, Error> {
        let window = window.min(ids.len()).min(self.processor.context());
        if window < 2 {
            return Err(Error::TooShort { tokens: ids.len() });
        }
        memory::check_rows(&self.core, window, window)?;
        let (mut total, mut scored) = (0.0, 0);
        let windows = ids.chunks_exact(window);
        let count = windows.len();
        for (index, ids) in windows.enumerate() {
            let core = &self.core;
            let x = core.model.text.embed(&*core.backend, ids);
            let hidden = core.forward(&mut core.sequence(), &x, 0, window);
            let mut next = ids.iter().skip(1);
            core.each_logits(&hidden, window - 1, |logits| {
                let rows = numbers(&*core.backend, logits);
                for (row, &id) in rows.chunks_exact(logits.width()).zip(next.by_ref()) {
                    total += nll(row, id);
                    scored += 1;
                }
            });
            if !total.is_finite() {
                return Err(Error::NotFinite);
            }
            progress((index + 1) * window, count * window);
        }
        Ok(Perplexity { mean_nll: total / scored as f64, scored })
    }
}

impl Engine {
    /// The likeliest next token after each of these, and how sure of it the model is.
    ///
    /// # Errors
    /// Where there are more tokens than the context or the memory holds.
    pub fn tops(&self, ids: &[u32]) -> Result<Vec<Top>, Error> {
        let (core, context) = (&self.core, self.processor.context());
        if ids.len() > context {
            return Err(Error::Context { asked: ids.len(), context });
        }
        memory::check_rows(core, ids.len(), ids.len())?;
        let x = core.model.text.embed(&*core.backend, ids);
        let hidden = core.forward(&mut core.sequence(), &x, 0, ids.len());
        let mut tops = Vec::with_capacity(ids.len());
        core.each_logits(&hidden, ids.len(), |logits| {
            tops.extend((0..logits.rows()).map(|row| core.backend.top(logits, row)));
        });
        Ok(tops)
    }
}

/// The negative log of a token's probability under a row of logits.
pub(crate) fn nll(row: &[f32], id: u32) -> f64 {
    log_sum(row) - row.get(id as usize).copied().map_or(f64::NAN, f64::from)
}

/// The log of the sum of e to each: what a logit less it is the log of a probability.
pub(crate) fn log_sum(row: &[f32]) -> f64 {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|&x| f64::from(x - max).exp()).sum();
    sum.ln() + f64::from(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nll_is_the_log_of_the_softmax() {
        let row = [1.0, 2.0, 0.5];
        let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
        assert!((nll(&row, 1) - (sum.ln() - 2.0)).abs() < 1e-12);
        assert!(nll(&row, 3).is_nan());
    }
}
