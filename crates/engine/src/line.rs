//! A request among others: its prompt on the way through the decoder, and then its answers.

use crate::course::Course;
use crate::pictures::PictureKey;
use crate::prefix::{Key, Prefixes};
use crate::track::Piece;
use crate::{Answer, Error, Features};
use smolvlm_backend::{Backend, KvSequence, Tensor};
use smolvlm_model::Config;
use smolvlm_processor::Plan;

/// A request that is being answered.
pub(crate) struct Line<'a> {
    course: Course<'a>,
    /// Its prompt.
    prompt: Key,
    /// Whether it is told from other prompts by that: all its pictures have keys.
    known: bool,
    /// How many tokens of the prompt had passed the decoder before.
    cached: usize,
    /// Features of its pictures' tiles, in order.
    tiles: Vec<Tensor>,
    /// How many rows of these have taken their places.
    shown: usize,
    /// Its prompt, as far as it has passed the decoder; empty again when its answers have begun.
    sequence: KvSequence,
    begun: bool,
    failed: Option<Error>,
    /// The most bytes of the cache that it comes to hold.
    bytes: usize,
}

impl<'a> Line<'a> {
    /// Of a request with this plan, whose pictures are not there yet. Answers come to hold so many `bytes`.
    pub(crate) fn new(course: Course<'a>, plan: Plan, sequence: KvSequence, bytes: usize) -> Line<'a> {
        Line {
            course,
            known: plan.pictures.is_empty(),
            prompt: Key { ids: plan.ids, pictures: Vec::new() },
            cached: 0,
            tiles: Vec::new(),
            shown: 0,
            sequence,
            begun: false,
            failed: None,
            bytes,
        }
    }

    /// Takes the features of its pictures, and what each is known by where that is so.
    pub(crate) fn show(&mut self, config: &Config, pictures: &[Features], keys: &[PictureKey]) {
        self.tiles = pictures.iter().flat_map(|features| features.tiles.iter().cloned()).collect();
        self.known = keys.len() == pictures.len();
        let places = config.image_places(&self.prompt.ids);
        let mut first = 0;
        for (features, key) in pictures.iter().zip(keys) {
            self.prompt.pictures.extend(places.get(first).map(|&place| (place as usize, *key)));
            first += features.rows();
        }
    }

    /// Whether it waits for its prompt's first turn.
    pub(crate) fn is_fresh(&self) -> bool {
        !self.begun && self.sequence.is_empty() && !self.has_ended()
    }

    /// Whether some of its prompt has not passed the decoder, and how much.
    pub(crate) fn left(&self) -> usize {
        if self.begun || self.has_ended() { 0 } else { self.prompt.ids.len() - self.sequence.len() }
    }

    /// Whether its answers are being made.
    pub(crate) fn answers(&self) -> bool {
        self.begun && !self.has_ended()
    }

    /// Skips the beginning of its prompt that an earlier one has brought through the decoder.
    pub(crate) fn skip(&mut self, config: &Config, prefixes: &mut Prefixes) {
        if !self.known {
            return;
        }
        if let Some(sequence) = prefixes.find(&self.prompt) {
            let skipped = self.prompt.ids.get(..sequence.len()).unwrap_or_default();
            self.shown = config.image_places(skipped).len();
            self.cached = sequence.len();
            self.sequence = sequence;
        }
    }

    /// The end: its answers. What has passed the decoder is kept for later requests.
    pub(crate) fn end(self, prefixes: &mut Prefixes) -> Result<Vec<Answer>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.known {
            prefixes.keep(&self.prompt, self.sequence);
            for (answer, sequence) in self.course.passed() {
                let mut key = self.prompt.clone();
                key.ids.extend_from_slice(answer);
                prefixes.keep(&key, sequence.clone());
            }
        }
        let mut answers = self.course.finish();
        answers.iter_mut().for_each(|answer| answer.cached_tokens = self.cached);
        Ok(answers)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.failed.is_some() || self.course.is_done()
    }

    /// The most bytes of the cache that it comes to hold.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The tokens that were made since this was last asked.
    pub(crate) fn take_pieces(&mut self) -> Vec<Piece> {
        self.course.take_pieces()
    }

    /// Its answers' sequences.
    pub(crate) fn sequences(&mut self) -> Vec<&mut KvSequence> {
        self.course.sequences()
    }

    /// The prompt's sequence.
    pub(crate) fn sequence(&mut self) -> &mut KvSequence {
        &mut self.sequence
    }

    /// The tokens of its prompt, and how many of them stand for pictures.
    pub(crate) fn prompt_tokens(&self) -> (usize, usize) {
        self.course.prompt_tokens()
    }

    /// How many answers it goes on with in the next pass.
    pub(crate) fn answering(&self) -> usize {
        if self.answers() { self.course.answers() } else { 0 }
    }

    /// Guesses tokens of its answers for the next pass, at most as many as there is `room` for, which it takes.
    pub(crate) fn guess(&mut self, room: &mut usize) {
        if self.answers() {
            self.course.guess(room);
        }
    }

    /// How many rows of the next pass are of each of its answers.
    pub(crate) fn rows(&self) -> Vec<usize> {
        self.course.rows()
    }

    /// What it puts into a pass in which there is room for so many rows of its prompt.
    pub(crate) fn part(&self, room: usize) -> Part {
        if self.has_ended() {
            return Part { ids: Vec::new(), kind: Kind::Prompt { whole: false } };
        }
        if self.begun {
            return Part { ids: self.course.ids(), kind: Kind::Answers };
        }
        let left = self.prompt.ids.get(self.sequence.len()..).unwrap_or_default();
        let ids = left.get(..room).unwrap_or(left).to_vec();
        let whole = !ids.is_empty() && ids.len() == left.len();
        Part { ids, kind: Kind::Prompt { whole } }
    }

    /// Puts features in the places that a piece of the prompt, rows from `first` on of `x`, has for them.
    pub(crate) fn place(
        &mut self,
        backend: &dyn Backend,
        config: &Config,
        x: Tensor,
        first: usize,
        ids: &[u32],
    ) -> Tensor {
        let places: Vec<u32> = config.image_places(ids).into_iter().map(|place| place + first as u32).collect();
        let (mut places, mut skip, mut x) = (places.as_slice(), self.shown, x);
        self.shown += places.len();
        for features in &self.tiles {
            let rows = features.rows();
            if skip >= rows {
                skip -= rows;
                continue;
            }
            let (now, later) = places.split_at((rows - skip).min(places.len()));
            x = match now.len() {
                0 => break,
                all if all == rows => backend.scatter_rows(x, now, features),
                some => {
                    let some: Vec<u32> = (skip as u32..(skip + some) as u32).collect();
                    backend.scatter_rows(x, now, &backend.gather_rows(features, &some))
                }
            };
            (places, skip) = (later, 0);
        }
        x
    }

    /// Goes on by the logits behind its part: rows from `first` on.
    pub(crate) fn step(
        &mut self,
        kind: Kind,
        logits: &Tensor,
        first: usize,
        empty: KvSequence,
        prefixes: &mut Prefixes,
    ) {
        let step = match kind {
            Kind::Answers => self.course.step(logits, first),
            Kind::Prompt { whole: false } => Ok(()),
            Kind::Prompt { whole: true } => {
                self.begun = true;
                self.tiles = Vec::new();
                if self.known {
                    prefixes.keep(&self.prompt, self.sequence.clone());
                }
                self.course.begin(std::mem::replace(&mut self.sequence, empty), logits, first)
            }
        };
        self.failed = step.err();
    }
}

/// What a line puts into a pass: tokens, none of a line that waits.
pub(crate) struct Part {
    pub(crate) ids: Vec<u32>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// The newest token of each of its answers, and what is guessed behind it.
    Answers,
    /// A piece of the prompt; whether it ends with it.
    Prompt { whole: bool },
}
