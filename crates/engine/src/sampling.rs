//! The next token from logits: greedy, or drawn as transformers draws it.
//!
//! In transformers' order: repetition penalty, temperature, top-k, top-p, min-p; then one draw.

use crate::Error;
use smolvlm_backend::Splitmix;

/// How tokens are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 is greedy; else logits are divided by it.
    pub temperature: f32,
    /// Keep the k likeliest; 0 keeps all.
    pub top_k: usize,
    /// Keep the likeliest whose probabilities first reach this sum; 1 keeps all.
    pub top_p: f32,
    /// Keep those at least this part as likely as the likeliest; 0 keeps all.
    pub min_p: f32,
    /// Logits of tokens seen already are divided by it where positive, else multiplied; 1 leaves them.
    pub repetition_penalty: f32,
    /// Of the draws.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 }
    }
}

impl Sampling {
    /// # Errors
    /// Where a setting is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        let within = |name, value: f32, ok: bool, range| {
            if value.is_finite() && ok { Ok(()) } else { Err(Error::Sampling { name, value, range }) }
        };
        within("temperature", self.temperature, self.temperature >= 0.0, "0 (greedy) or more")?;
        within("top-p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "above 0 and at most 1")?;
        within("min-p", self.min_p, (0.0..=1.0).contains(&self.min_p), "0 to 1")?;
        within("repeat-penalty", self.repetition_penalty, self.repetition_penalty > 0.0, "above 0")
    }

    /// Whether the likeliest token of the bare logits is always taken, so that the logits need not be looked at.
    pub(crate) fn is_plain_greedy(&self) -> bool {
        self.temperature == 0.0 && self.repetition_penalty == 1.0
    }
}

/// Draws tokens; remembers those that were seen.
pub struct Sampler {
    sampling: Sampling,
    random: Splitmix,
    /// By token id, where repetition is penalised.
    seen: Vec<bool>,
    /// Candidates (id, logit), kept between draws.
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    /// A sampler over a vocabulary.
    ///
    /// # Errors
    /// Where a setting is out of its range.
    pub fn new(sampling: Sampling, vocab: usize) -> Result<Sampler, Error> {
        sampling.check()?;
        let random = Splitmix::new(sampling.seed);
        let seen = if sampling.repetition_penalty == 1.0 { Vec::new() } else { vec![false; vocab] };
        Ok(Sampler { sampling, random, seen, candidates: Vec::new() })
    }

    /// Says that tokens stand in the text already: the prompt's, and each one drawn.
    pub fn see(&mut self, ids: &[u32]) {
        for &id in ids {
            if let Some(seen) = self.seen.get_mut(id as usize) {
                *seen = true;
            }
        }
    }

    /// The next token. `logits` [vocabulary] is changed.
    pub fn next(&mut self, logits: &mut [f32]) -> u32 {
        let penalty = self.sampling.repetition_penalty;
        for (logit, _) in logits.iter_mut().zip(&self.seen).filter(|(_, seen)| **seen) {
            let changed = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
            *logit = changed.clamp(f32::MIN, f32::MAX);
        }
        if self.sampling.temperature == 0.0 {
            return likeliest(logits);
        }
        let total = self.keep(logits);
        let mut left = self.random.uniform() * total;
        for &(id, weight) in &self.candidates {
            left -= f64::from(weight);
            if left < 0.0 {
                return id;
            }
        }
        // Rounding may leave a rest: then it was the last.
        self.candidates.last().map_or(0, |&(id, _)| id)
    }

    /// Leaves the candidates with weights in `candidates`, likeliest first, and returns the weights' sum.
    fn keep(&mut self, logits: &[f32]) -> f64 {
        let Sampling { temperature, top_k, top_p, min_p, .. } = self.sampling;
        let kept = &mut self.candidates;
        kept.clear();
        // The likeliest stands at 0: a tiny temperature takes the others to minus infinity and not all to infinity.
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        kept.extend((0..).zip(logits.iter().map(|x| (x - max) / temperature)));
        let falling = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if top_k > 0 && top_k < kept.len() {
            let (_, &mut (_, least), _) = kept.select_nth_unstable_by(top_k - 1, falling);
            kept.retain(|&(_, logit)| logit >= least); // as transformers does, equals of the last stay
        }
        kept.sort_unstable_by(falling);
        for (_, logit) in kept.iter_mut() {
            *logit = logit.exp();
        }
        let sum = |kept: &[(u32, f32)]| kept.iter().map(|&(_, w)| f64::from(w)).sum::<f64>();
        if top_p < 1.0 {
            // The first whose sum reaches top-p is kept, those behind it are not.
            let enough = f64::from(top_p) * sum(kept);
            let mut reached = 0.0;
            let behind = kept.iter().position(|&(_, w)| {
                let before = reached;
                reached += f64::from(w);
                before >= enough
            });
            kept.truncate(behind.unwrap_or(kept.len()).max(1));
        }
        if min_p > 0.0 {
            kept.retain(|&(_, weight)| weight >= min_p); // the likeliest has weight 1
        }
        sum(kept)
    }
}

/// The first place of the largest logit.
fn likeliest(logits: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, &logit) in (0..).zip(logits) {
        if logit > best.1 {
            best = (id, logit);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(sampling: Sampling, logits: &[f32]) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling, logits.len()).unwrap();
        sampler.keep(logits);
        sampler.candidates.iter().map(|&(id, _)| id).collect()
    }

    /// Probabilities 0.4, 0.1, 0.3, 0.2.
    fn logits() -> Vec<f32> {
        [0.4f32, 0.1, 0.3, 0.2].iter().map(|p| p.ln()).collect()
    }

    #[test]
    fn each_filter_keeps_what_it_says() {
        let base = Sampling { temperature: 1.0, ..Sampling::default() };
        assert_eq!(kept(base.clone(), &logits()), [0, 2, 3, 1]);
        assert_eq!(kept(Sampling { top_k: 2, ..base.clone() }, &logits()), [0, 2]);
        assert_eq!(kept(Sampling { top_k: 2, ..base.clone() }, &[1.0, 0.5, 0.5, 0.0]), [0, 1, 2]);
        assert_eq!(kept(Sampling { top_p: 0.65, ..base.clone() }, &logits()), [0, 2]);
        assert_eq!(kept(Sampling { top_p: 0.75, ..base.clone() }, &logits()), [0, 2, 3]);
        assert_eq!(kept(Sampling { top_p: 0.01, ..base.clone() }, &logits()), [0]);
        assert_eq!(kept(Sampling { min_p: 0.6, ..base.clone() }, &logits()), [0, 2]);
        assert_eq!(kept(Sampling { min_p: 1.0, ..base }, &logits()), [0]);
    }

    #[test]
    fn draws_follow_the_probabilities_and_the_seed() {
        let sampling = Sampling { temperature: 1.0, seed: 7, ..Sampling::default() };
        let draw = || {
            let mut sampler = Sampler::new(sampling.clone(), 4).unwrap();
            (0..20_000).map(|_| sampler.next(&mut logits())).collect::<Vec<_>>()
        };
        let drawn = draw();
        for (id, p) in (0..).zip([0.4, 0.1, 0.3, 0.2]) {
            let share = drawn.iter().filter(|&&x| x == id).count() as f64 / 20_000.0;
            assert!((share - p).abs() < 0.015, "{id}: {share}");
        }
        assert_eq!(drawn, draw());
    }

    #[test]
    fn repetition_is_penalised_on_either_side_of_zero() {
        let sampling = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        let mut sampler = Sampler::new(sampling, 3).unwrap();
        sampler.see(&[0, 2]);
        let mut logits = [3.0, 1.6, -1.0];
        assert_eq!(sampler.next(&mut logits), 1);
        assert_eq!(logits, [1.5, 1.6, -2.0]);
    }

    #[test]
    fn extreme_settings_draw_the_likeliest_and_never_nonsense() {
        for temperature in [1e-30, f32::MIN_POSITIVE, 1e-45] {
            let sampling = Sampling { temperature, ..Sampling::default() };
            let mut sampler = Sampler::new(sampling, 3).unwrap();
            assert!((0..100).all(|_| sampler.next(&mut [-3.0, 900.0, 800.0]) == 1), "{temperature:e}");
        }
        for (repetition_penalty, likeliest) in [(1e-45, 1), (f32::MAX, 2)] {
            let sampling = Sampling { temperature: 0.1, repetition_penalty, ..Sampling::default() };
            let mut sampler = Sampler::new(sampling, 3).unwrap();
            sampler.see(&[0, 1]);
            assert!((0..100).all(|_| sampler.next(&mut [-3.0, 5.0, 4.0]) == likeliest), "{repetition_penalty:e}");
        }
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let base = Sampling::default();
        for (sampling, name) in [
            (Sampling { temperature: -1.0, ..base.clone() }, "temperature"),
            (Sampling { temperature: f32::NAN, ..base.clone() }, "temperature"),
            (Sampling { top_p: 0.0, ..base.clone() }, "top-p"),
            (Sampling { min_p: 1.5, ..base.clone() }, "min-p"),
            (Sampling { repetition_penalty: 0.0, ..base }, "repeat-penalty"),
        ] {
            assert!(matches!(sampling.check(), Err(Error::Sampling { name: n, .. }) if n == name));
        }
    }
}
