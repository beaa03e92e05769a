//! The next token of one answer.

use super::chain::Chain;
use super::mirostat::Cut;
use super::warpers;
use crate::Error;
use smolvlm_backend::Splitmix;

/// Chooses the tokens of one answer.
pub(crate) struct Sampler {
    chain: Chain,
    random: Splitmix,
    cut: Option<Cut>,
    /// Of the tokens, kept between draws.
    weights: Vec<f64>,
}

impl Sampler {
    /// Of the sample with this number: its draws depend on the seed and the number, and not on how many samples there are.
    pub(crate) fn new(chain: Chain, sample: usize) -> Sampler {
        let cut = (chain.sampling.mirostat.version > 0).then(|| Cut::new(chain.sampling.mirostat));
        let random = Splitmix::new(sample_seed(chain.sampling.seed, sample));
        Sampler { chain, random, cut, weights: Vec::new() }
    }

    /// Whether the likeliest token of the bare logits is always taken.
    pub(crate) fn is_plain_greedy(&self) -> bool {
        self.chain.sampling.is_plain_greedy()
    }

    /// The alternatives that are reported of each step.
    pub(crate) fn logprobs(&self) -> Option<usize> {
        self.chain.sampling.logprobs
    }

    /// Whether logits that are no numbers are mended.
    pub(crate) fn mends(&self) -> bool {
        self.chain.sampling.remove_invalid
    }

    /// The next token behind `history`, prompt and answer so far. `logits` [vocabulary] is changed.
    ///
    /// # Errors
    /// Where every token is forbidden.
    pub(crate) fn next(&mut self, history: &[u32], logits: &mut [f32]) -> Result<u32, Error> {
        self.chain.apply(history, logits, &mut self.random);
        let (likeliest, max) = likeliest(logits).ok_or(Error::NothingLeft)?;
        if self.chain.sampling.temperature == 0.0 {
            return Ok(likeliest);
        }
        if let Some(cut) = &mut self.cut {
            return Ok(by_mirostat(cut, logits, &mut self.random).unwrap_or(likeliest));
        }
        self.weights.clear();
        self.weights.extend(logits.iter().map(|&logit| weight(logit, max)));
        Ok(draw(&self.weights, &mut self.random).map_or(likeliest, |place| place as u32))
    }
}

/// Where the draws of a sample begin: the first sample's at the seed itself.
pub(crate) fn sample_seed(seed: u64, sample: usize) -> u64 {
    // The numbers of another stream, so that no sample's draws are a piece of another's.
    let mut seeds = Splitmix::new(!seed);
    (0..sample).map(|_| seeds.bits()).last().unwrap_or(seed)
}

fn weight(score: f32, max: f32) -> f64 {
    if score == f32::NEG_INFINITY { 0.0 } else { libm::exp(f64::from(score) - f64::from(max)) }
}

/// A place, by the weights.
pub(crate) fn draw(weights: &[f64], random: &mut Splitmix) -> Option<usize> {
    let mut left = random.uniform() * weights.iter().sum::<f64>();
    let mut last = None;
    for (place, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        left -= weight;
        last = Some(place);
        if left < 0.0 {
            break;
        }
    }
    // Rounding may leave a rest: then it was the last.
    last
}

fn by_mirostat(cut: &mut Cut, logits: &[f32], random: &mut Splitmix) -> Option<u32> {
    let sorted = warpers::sorted(logits);
    let probabilities = warpers::softmax(sorted.iter().map(|&(_, score)| score));
    let kept = probabilities.get(..cut.kept(&probabilities, logits.len()))?;
    let place = draw(kept, random)?;
    cut.drawn(*kept.get(place)?);
    sorted.get(place).map(|&(id, _)| id)
}

/// The first place of the largest score; `None` where all are forbidden.
pub(crate) fn likeliest(scores: &[f32]) -> Option<(u32, f32)> {
    let mut best: Option<(u32, f32)> = None;
    for (id, &score) in (0..).zip(scores) {
        if score > best.map_or(f32::NEG_INFINITY, |(_, best)| best) {
            best = Some((id, score));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::chain::Scope;
    use super::super::settings::{Mirostat, Sampling, Xtc};
    use super::*;

    fn sampler(sampling: Sampling, vocab: usize, prompt: usize, sample: usize) -> Sampler {
        let scope = Scope { vocab, ends: vec![0], prompt, limit: 100 };
        Sampler::new(Chain::new(sampling, scope).unwrap(), sample)
    }

    /// Probabilities 0.4, 0.1, 0.3, 0.2.
    fn logits() -> Vec<f32> {
        [0.4f32, 0.1, 0.3, 0.2].iter().map(|p| p.ln()).collect()
    }

    fn shares(sampling: Sampling) -> [f64; 4] {
        let mut sampler = sampler(sampling, 4, 0, 0);
        let mut counts = [0; 4];
        for _ in 0..20_000 {
            counts[sampler.next(&[], &mut logits()).unwrap() as usize] += 1;
        }
        counts.map(|count| f64::from(count) / 20_000.0)
    }

    fn near(got: [f64; 4], want: [f64; 4]) {
        assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 0.015), "{got:?} for {want:?}");
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let base = Sampling { temperature: 1.0, seed: 7, ..Sampling::default() };
        near(shares(base.clone()), [0.4, 0.1, 0.3, 0.2]);
        near(shares(Sampling { top_k: 2, ..base.clone() }), [4.0 / 7.0, 0.0, 3.0 / 7.0, 0.0]);
        // Of those above 0.15 only the least is kept, half of the time.
        let xtc = Xtc { probability: 0.5, threshold: 0.15 };
        near(shares(Sampling { xtc, ..base.clone() }), [0.2, 0.05 + 0.5 / 3.0, 0.15, 0.1 + 1.0 / 3.0]);
        // A target far above what four tokens can surprise with cuts nothing.
        let mirostat = Mirostat { version: 2, tau: 5.0, eta: 0.1 };
        near(shares(Sampling { mirostat, ..base }), [0.4, 0.1, 0.3, 0.2]);
    }

    #[test]
    fn a_sample_depends_on_its_seed_and_its_number_alone() {
        let of = |seed, sample| {
            let mut sampler = sampler(Sampling { temperature: 1.0, seed, ..Sampling::default() }, 4, 0, sample);
            (0..50).map(|_| sampler.next(&[], &mut logits()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(of(1, 2), of(1, 2));
        let all = [of(1, 0), of(1, 1), of(1, 2), of(2, 0), of(2, 1)];
        assert!((0..5).all(|i| (0..i).all(|j| all[i] != all[j])));
        assert_eq!(sample_seed(5, 0), 5);
    }

    #[test]
    fn extreme_settings_draw_the_likeliest_and_never_nonsense() {
        let tiny = |temperature| Sampling { temperature, ..Sampling::default() };
        for temperature in [1e-30, f32::MIN_POSITIVE, 1e-45] {
            let mut sampler = sampler(tiny(temperature), 3, 0, 0);
            assert!((0..100).all(|_| sampler.next(&[], &mut [-3.0, 900.0, 800.0]).unwrap() == 1), "{temperature:e}");
        }
        for (repetition_penalty, likeliest) in [(1e-45, 1), (f32::MAX, 2)] {
            let sampling = Sampling { temperature: 0.1, repetition_penalty, ..Sampling::default() };
            let mut sampler = sampler(sampling, 3, 2, 0);
            let all = (0..100).all(|_| sampler.next(&[0, 1], &mut [-3.0, 5.0, 4.0]).unwrap() == likeliest);
            assert!(all, "{repetition_penalty:e}");
        }
    }

    #[test]
    fn where_all_is_forbidden_it_says_so() {
        for temperature in [0.0, 1.0] {
            let sampling = Sampling { suppress: vec![0, 1], temperature, ..Sampling::default() };
            assert!(matches!(sampler(sampling, 2, 0, 0).next(&[], &mut [1.0, 2.0]), Err(Error::NothingLeft)));
        }
    }
}
