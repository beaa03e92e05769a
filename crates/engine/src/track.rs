//! One answer on its way, token by token.

use crate::decoding::{Chain, Sampler, TokenLogprobs};
use crate::grammar::Follower;
use crate::lookup::Lookup;
use crate::writer::Writer;
use crate::{Answer, Engine, Error, Request};
use smolvlm_backend::{KvSequence, Tensor, numbers};

/// One answer that is being made.
pub(crate) struct Track<'a> {
    /// The prompt, and the answer so far.
    history: Vec<u32>,
    sampler: Sampler,
    /// Its way through the grammar that it is bound to.
    follower: Option<Follower>,
    writer: Writer<'a>,
    sequence: KvSequence,
    answer: Answer,
    /// The most tokens that it may have.
    room: usize,
    /// Its newest token, which has not passed the decoder.
    next: u32,
    lookup: Lookup,
    /// What may follow, and passes the decoder with that one.
    guesses: Vec<u32>,
    /// Where its text ended behind each of its tokens.
    ends: Vec<usize>,
    /// How many of its tokens somebody has taken.
    told: usize,
    ended: bool,
}

/// A token of an answer, as whoever reads along is told of it.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The answer's number.
    pub(crate) answer: usize,
    /// What the token adds to the text: whole characters, perhaps none.
    pub(crate) text: String,
    pub(crate) id: u32,
    /// Where they were asked for.
    pub(crate) logprobs: Option<TokenLogprobs>,
}

impl<'a> Track<'a> {
    /// The sample with this number of a request, whose answer is `empty` yet and written by `writer`.
    pub(crate) fn new(
        engine: &Engine,
        request: &Request,
        prompt: &[u32],
        (chain, sample): (Chain, usize),
        (empty, writer): (Answer, Writer<'a>),
    ) -> Track<'a> {
        let room = chain.scope.limit;
        Track {
            history: prompt.to_vec(),
            lookup: Lookup::new(chain.sampling.lookup),
            sampler: Sampler::new(chain, sample),
            follower: request.grammar.as_ref().map(|grammar| grammar.begin()),
            writer,
            sequence: engine.core.sequence(),
            answer: empty,
            room,
            next: 0,
            guesses: Vec::new(),
            ends: Vec::new(),
            told: 0,
            ended: room == 0,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Begins behind a prompt, by its row of logits.
    ///
    /// # Errors
    /// As [`Track::step`].
    pub(crate) fn begin(
        &mut self,
        engine: &Engine,
        prompt: KvSequence,
        logits: &Tensor,
        row: usize,
    ) -> Result<(), Error> {
        self.sequence = prompt;
        self.choose(engine, logits, row, self.sequence.len())
    }

    /// Guesses at most so many tokens for its next pass: how many.
    pub(crate) fn guess(&mut self, most: usize) -> usize {
        // A pass makes a token more than are guessed.
        let most = most.min(self.room.saturating_sub(self.answer.output_ids.len() + 1));
        self.guesses = self.lookup.guess(&self.history, most);
        self.guesses.len()
    }

    /// The tokens that pass the decoder next: its newest, and those guessed behind it.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.next).chain(self.guesses.iter().copied())
    }

    /// How many these are.
    pub(crate) fn rows(&self) -> usize {
        1 + self.guesses.len()
    }

    /// Its newest token and its sequence, where nothing is guessed.
    pub(crate) fn only(&mut self) -> Option<(u32, &mut KvSequence)> {
        (!self.ended && self.guesses.is_empty()).then_some((self.next, &mut self.sequence))
    }

    pub(crate) fn sequence(&mut self) -> &mut KvSequence {
        &mut self.sequence
    }

    /// Its tokens, of which all that have passed the decoder are the first in its sequence, behind the prompt's.
    pub(crate) fn passed(&self) -> (&[u32], &KvSequence) {
        (&self.answer.output_ids, &self.sequence)
    }

    /// Goes on by the logits of what has passed the decoder, rows from `first` on: a token is chosen, and another behind
    /// each guess that proves right. Wrong ones leave nothing behind.
    ///
    /// # Errors
    /// Where logits are not finite, or the settings let no token through.
    pub(crate) fn step(&mut self, engine: &Engine, logits: &Tensor, first: usize) -> Result<(), Error> {
        let guesses = std::mem::take(&mut self.guesses);
        let before = self.sequence.len() - guesses.len();
        let mut right = 0;
        loop {
            self.choose(engine, logits, first + right, before + right)?;
            if self.ended || guesses.get(right) != Some(&self.next) {
                break;
            }
            right += 1;
        }
        self.sequence.truncate(before + right);
        self.lookup.learn(guesses.len(), right);
        self.answer.guessed.made += guesses.len();
        self.answer.guessed.right += right;
        Ok(())
    }

    pub(crate) fn finish(self) -> Answer {
        self.answer
    }

    /// Its tokens that were not taken yet.
    pub(crate) fn take_pieces(&mut self, number: usize) -> Vec<Piece> {
        let Track { answer, ends, told, .. } = self;
        let first = std::mem::replace(told, ends.len());
        let mut from = first.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
        let pieces = answer.output_ids.iter().zip(ends.iter()).enumerate().skip(first).map(|(place, (&id, &end))| {
            let text = answer.text.get(from..end).unwrap_or_default().to_owned();
            from = end;
            Piece { answer: number, text, id, logprobs: answer.logprobs.get(place).cloned() }
        });
        pieces.collect()
    }

    /// Adds the token that a row of logits chooses, behind so many positions.
    fn choose(&mut self, engine: &Engine, logits: &Tensor, row: usize, positions: usize) -> Result<(), Error> {
        let (id, logprobs) = self.next_token(engine, logits, row)?;
        self.history.push(id);
        let whole = self.follower.as_mut().map_or(Ok(false), |follower| follower.add(id))?;
        let (text, reason) = self.writer.push(id, positions, whole);
        self.answer.output_ids.push(id);
        self.answer.logprobs.extend(logprobs);
        self.answer.text.push_str(&text);
        self.ends.push(self.answer.text.len());
        self.next = id;
        if let Some(reason) = reason {
            self.answer.stop_reason = reason;
            self.ended = true;
        }
        Ok(())
    }

    fn next_token(
        &mut self,
        engine: &Engine,
        logits: &Tensor,
        row: usize,
    ) -> Result<(u32, Option<TokenLogprobs>), Error> {
        let backend = &*engine.core.backend;
        if self.sampler.is_plain_greedy() {
            let top = backend.top(logits, row);
            if !top.value.is_finite() {
                return Err(Error::NotFinite);
            }
            let id = top.index as u32;
            if self.follower.as_mut().map_or(Ok(true), |follower| follower.allows(id))? {
                return Ok((id, None));
            }
        }
        let mut bare = numbers(backend, &backend.gather_rows(logits, &[row as u32]));
        if !self.sampler.mends() && !bare.iter().all(|x| x.is_finite()) {
            return Err(Error::NotFinite);
        }
        let Some(count) = self.sampler.logprobs() else { return Ok((self.draw(&mut bare)?, None)) };
        let id = self.draw(&mut bare.clone())?;
        Ok((id, Some(TokenLogprobs::of(&bare, id, count))))
    }

    /// The next token by these logits, of those that the grammar lets through.
    fn draw(&mut self, logits: &mut [f32]) -> Result<u32, Error> {
        if let Some(follower) = &mut self.follower {
            follower.mask(logits)?;
        }
        self.sampler.next(&self.history, logits)
    }
}
