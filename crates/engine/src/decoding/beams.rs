//! Beam search and beam sampling, step for step as `_beam_search` of transformers 5.24.
//!
//! A step extends every beam by every token and keeps the best few of all: some more than there are beams, so that enough
//! are left to go on with when others end. The answers that ended are kept by their score, the sum of log-probabilities over
//! the length to the power of `length_penalty`. All here is numbers; who runs the network follows [`Next`].

use super::chain::Chain;
use super::logprobs::{TokenLogprobs, largest};
use super::sampler::draw;
use super::settings::EarlyStopping;
use super::warpers::log_softmax;
use crate::Error;
use smolvlm_backend::Splitmix;

/// What keeps a beam from being chosen: less than any sum of log-probabilities, and a number still.
const NEVER: f32 = -1e9;

/// An answer in the making, or one that ended.
#[derive(Debug, Clone)]
pub(crate) struct Beam {
    /// Prompt and answer.
    pub(crate) history: Vec<u32>,
    /// The sum of its tokens' scores; of one that ended, over its length.
    pub(crate) score: f32,
    /// Of its tokens, where they are asked for.
    pub(crate) logprobs: Vec<TokenLogprobs>,
}

/// A beam with one more token.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    parent: usize,
    id: u32,
    score: f32,
    ends: bool,
}

/// What comes after a step.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// The beams, each with the place of the one before that it goes on with.
    Beams(Vec<usize>),
    /// Nothing: the search is over.
    Done,
}

/// A search.
pub(crate) struct Search {
    chain: Chain,
    running: Vec<Beam>,
    /// At most as many as there are beams, the best first.
    ended: Vec<Beam>,
    random: Splitmix,
    /// Scores of all candidates, [beams * vocabulary], kept between steps.
    scores: Vec<f32>,
}

impl Search {
    pub(crate) fn new(chain: Chain, prompt: &[u32]) -> Search {
        // All but the first are out at first: else every beam would be the same.
        let beam = |place| Beam {
            history: prompt.to_vec(),
            score: if place == 0 { 0.0 } else { NEVER },
            logprobs: Vec::new(),
        };
        let running = (0..chain.sampling.beams).map(beam).collect();
        let random = Splitmix::new(chain.sampling.seed);
        Search { chain, running, ended: Vec::new(), random, scores: Vec::new() }
    }

    /// The newest token of each beam.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.running.iter().filter_map(|beam| beam.history.last().copied())
    }

    /// Takes a step by the logits behind the beams, [beams, vocabulary], or [vocabulary] where all stand at the same place.
    /// `stops` says whether an answer ends by its text.
    ///
    /// # Errors
    /// Where logits are not finite, or every token is forbidden.
    pub(crate) fn step(&mut self, logits: &[f32], stops: &dyn Fn(&[u32]) -> bool) -> Result<Next, Error> {
        let vocab = self.chain.scope.vocab;
        let rows: Vec<&[f32]> = logits.chunks_exact(vocab).collect();
        let row = |place: usize| rows.get(place % rows.len().max(1)).copied().unwrap_or_default();
        self.scores.clear();
        for (place, beam) in self.running.iter().enumerate() {
            let start = self.scores.len();
            self.scores.extend_from_slice(row(place));
            let Some(scores) = self.scores.get_mut(start..) else { continue };
            if !self.chain.sampling.remove_invalid && !scores.iter().all(|score| score.is_finite()) {
                return Err(Error::NotFinite);
            }
            log_softmax(scores);
            self.chain.apply(&beam.history, scores, &mut self.random);
            scores.iter_mut().for_each(|score| *score += beam.score);
        }
        let best = self.best(stops)?;
        let going_on = best_of(&best, self.running.len(), |c| if c.ends { c.score + NEVER } else { c.score });
        let length = self.running.first().map_or(0, |beam| beam.history.len()) + 1 - self.chain.scope.prompt;
        let extended = |(candidate, score): (Candidate, f32)| self.extended(candidate, score, row(candidate.parent));
        let parents = going_on.iter().map(|(candidate, _)| candidate.parent).collect();
        let running: Vec<Beam> = going_on.into_iter().map(extended).collect();
        // Candidates behind the first few are there to go on with: they may not end.
        let penalty = self.length_penalty(length);
        let takes = !(self.is_full() && self.chain.sampling.early_stopping == EarlyStopping::Yes);
        let ended = best.iter().take(self.running.len()).filter(|candidate| candidate.ends && takes);
        let ended: Vec<Beam> = ended.map(|candidate| extended((*candidate, candidate.score / penalty))).collect();
        self.running = running;
        self.keep(ended);
        let goes_on = self.can_improve(length) && !best.iter().all(|candidate| candidate.ends);
        let enough = self.is_full() && self.chain.sampling.early_stopping == EarlyStopping::Yes;
        Ok(if goes_on && !enough { Next::Beams(parents) } else { Next::Done })
    }

    /// The best answers, at most so many as are asked for, the best first.
    pub(crate) fn finish(mut self) -> Vec<Beam> {
        if self.ended.is_empty() {
            self.ended.extend(self.running.into_iter().next());
        }
        self.ended.truncate(self.chain.sampling.samples);
        self.ended
    }

    /// The candidates of a step, best first: the best of all, or drawn among all.
    fn best(&mut self, stops: &dyn Fn(&[u32]) -> bool) -> Result<Vec<Candidate>, Error> {
        let scope = &self.chain.scope;
        let count = (1 + scope.ends.len()).max(2) * self.running.len();
        let places = match self.chain.sampling.temperature > 0.0 {
            true => draw_several(&self.scores, count, &mut self.random),
            false => largest(&self.scores, count),
        };
        if places.first().is_none_or(|(_, score)| *score == f32::NEG_INFINITY) {
            return Err(Error::NothingLeft);
        }
        let mut answer = Vec::new();
        let candidate = |(place, score): (usize, f32)| {
            let (parent, id) = (place / scope.vocab, (place % scope.vocab) as u32);
            let before = self.running.get(parent).and_then(|beam| beam.history.get(scope.prompt..)).unwrap_or_default();
            answer.clear();
            answer.extend_from_slice(before);
            answer.push(id);
            let ends = scope.ends.contains(&id) || answer.len() >= scope.limit || stops(&answer);
            Candidate { parent, id, score, ends }
        };
        Ok(places.into_iter().map(candidate).collect())
    }

    fn extended(&self, candidate: Candidate, score: f32, row: &[f32]) -> Beam {
        let Candidate { parent, id, .. } = candidate;
        let parent = self.running.get(parent);
        let mut history = parent.map_or(Vec::new(), |beam| beam.history.clone());
        history.push(id);
        let mut logprobs = parent.map_or(Vec::new(), |beam| beam.logprobs.clone());
        logprobs.extend(self.chain.sampling.logprobs.map(|count| TokenLogprobs::of(row, id, count)));
        Beam { history, score, logprobs }
    }

    /// Puts answers that ended among the others, of which the best stay.
    fn keep(&mut self, ended: Vec<Beam>) {
        self.ended.extend(ended);
        self.ended.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.ended.truncate(self.chain.sampling.beams);
    }

    fn is_full(&self) -> bool {
        self.ended.len() == self.chain.sampling.beams
    }

    fn length_penalty(&self, length: usize) -> f32 {
        libm::pow(length as f64, f64::from(self.chain.sampling.length_penalty)) as f32
    }

    /// Whether the best beam may yet become better than the worst answer that ended.
    fn can_improve(&self, length: usize) -> bool {
        let sampling = &self.chain.sampling;
        let hopes = sampling.early_stopping == EarlyStopping::Never && sampling.length_penalty > 0.0;
        let penalty = self.length_penalty(if hopes { self.chain.scope.limit } else { length });
        let possible = self.running.first().map_or(NEVER, |beam| beam.score / penalty);
        let worst = if self.is_full() { self.ended.last().map_or(NEVER, |beam| beam.score) } else { NEVER };
        possible > worst
    }
}

/// The best `count` candidates by a score, with it.
fn best_of(candidates: &[Candidate], count: usize, score: impl Fn(&Candidate) -> f32) -> Vec<(Candidate, f32)> {
    let scores: Vec<f32> = candidates.iter().map(score).collect();
    let places = largest(&scores, count).into_iter();
    places.filter_map(|(place, score)| candidates.get(place).map(|candidate| (*candidate, score))).collect()
}

/// `count` different places, drawn one after the other by the scores' softmax, with their scores, the largest first. Where
/// fewer have any probability the largest of the others follow.
fn draw_several(scores: &[f32], count: usize, random: &mut Splitmix) -> Vec<(usize, f32)> {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weigh = |score: f32| libm::exp(f64::from(score) - f64::from(max));
    // (place, score) of all that can be drawn, and their weights.
    let able: Vec<(usize, f32)> =
        scores.iter().copied().enumerate().filter(|(_, score)| *score > f32::NEG_INFINITY).collect();
    let mut weights: Vec<f64> = able.iter().map(|&(_, score)| weigh(score)).collect();
    let mut drawn = Vec::with_capacity(count);
    while drawn.len() < count
        && let Some(at) = draw(&weights, random)
    {
        drawn.extend(able.get(at).copied());
        weights.iter_mut().skip(at).take(1).for_each(|weight| *weight = 0.0);
    }
    if drawn.len() < count {
        let others = largest(scores, count + drawn.len());
        let others = others.into_iter().filter(|(place, _)| !drawn.iter().any(|(known, _)| known == place));
        let others: Vec<_> = others.take(count - drawn.len()).collect();
        drawn.extend(others);
    }
    drawn.sort_by(|a, b| b.1.total_cmp(&a.1));
    drawn
}

#[cfg(test)]
mod tests {
    use super::super::chain::Scope;
    use super::super::settings::Sampling;
    use super::*;

    /// A model of three tokens, the last of which ends: log-probabilities by the newest token.
    fn logits(newest: u32) -> [f32; 3] {
        [[0.5f32, 0.4, 0.1], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]][newest as usize].map(f32::ln)
    }

    fn search(sampling: Sampling, limit: usize) -> Vec<(Vec<u32>, f32)> {
        let scope = Scope { vocab: 3, ends: vec![2], prompt: 1, limit };
        let mut search = Search::new(Chain::new(sampling, scope).unwrap(), &[0]);
        let mut rows = logits(0).to_vec();
        while let Next::Beams(_) = search.step(&rows, &|_| false).unwrap() {
            rows = search.ids().flat_map(logits).collect();
        }
        search.finish().into_iter().map(|beam| (beam.history[1..].to_vec(), beam.score)).collect()
    }

    #[test]
    fn a_search_finds_what_taking_the_likeliest_does_not() {
        let base = Sampling { beams: 2, samples: 2, length_penalty: 0.0, ..Sampling::default() };
        // Each step of the likeliest is 0.5; token 1 and the end together have 0.4 * 0.7.
        let found = search(base.clone(), 3);
        assert_eq!(found[0].0, [1, 2]);
        assert!((found[0].1 - 0.28f32.ln()).abs() < 1e-6);
        assert_eq!(found[1].0, [0, 1, 2]);
        let one = search(Sampling { samples: 1, ..base.clone() }, 3);
        assert_eq!(one, found[..1]);
        // Length is worth much: the longest wins.
        assert_eq!(search(Sampling { length_penalty: 4.0, ..base }, 6)[0].0.len(), 6);
    }

    #[test]
    fn drawn_places_are_different_and_as_frequent_as_they_should_be() {
        let scores: Vec<f32> = [0.5f32, 0.3, 0.2].iter().map(|p| p.ln()).collect();
        let mut random = Splitmix::new(2);
        let (mut first, rounds) = ([0; 3], 20_000);
        for _ in 0..rounds {
            let drawn = draw_several(&scores, 2, &mut random);
            assert!(drawn[0].0 != drawn[1].0 && drawn[0].1 >= drawn[1].1);
            let missing = 3 - drawn[0].0 - drawn[1].0;
            first[missing] += 1;
        }
        // The one left out: of 0.5, 0.3 * 0.2 / 0.7 + 0.2 * 0.3 / 0.8, and so on.
        for (count, want) in first.into_iter().zip([0.1607, 0.3250, 0.5143]) {
            assert!((f64::from(count) / f64::from(rounds) - want).abs() < 0.015, "{first:?}");
        }
        let few = [0.0, f32::NEG_INFINITY, -1e9, f32::NEG_INFINITY];
        assert_eq!(draw_several(&few, 3, &mut random).iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 2, 1]);
    }
}
