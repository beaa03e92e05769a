//! A request on its way: the answers that are made for it side by side, a token a step each.

use crate::decoding::{Chain, Next, Scope, Search};
use crate::track::{Piece, Track};
use crate::writer::Writer;
use crate::{Answer, Engine, Error, Guessed, Request, StopReason, Times};
use smolvlm_backend::{KvSequence, Tensor, numbers};
use smolvlm_processor::Plan;
use std::sync::Arc;

/// The answers of a request.
pub(crate) struct Course<'a> {
    engine: &'a Engine,
    request: Arc<Request>,
    /// The most tokens of an answer.
    limit: usize,
    /// The most that the context has places for.
    room: usize,
    /// An answer without any tokens.
    empty: Answer,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// One answer, or several draws.
    Tracks(Vec<Track<'a>>),
    /// A search.
    Beams(Box<Beams>),
}

/// A search that is going on.
struct Beams {
    search: Search,
    /// One a beam.
    sequences: Vec<KvSequence>,
    ended: bool,
}

impl<'a> Course<'a> {
    /// Of a request with this plan.
    ///
    /// # Errors
    /// Where its settings are out of their ranges or do not fit the model.
    pub(crate) fn new(engine: &'a Engine, request: Arc<Request>, plan: &Plan) -> Result<Course<'a>, Error> {
        let (sampling, prompt) = (&request.sampling, plan.ids.len());
        let limit = match sampling.max_length {
            0 => request.max_tokens,
            limit if limit <= prompt => return Err(Error::NoRoom { prompt, limit }),
            limit => request.max_tokens.min(limit - prompt),
        };
        // The last token of an answer does not pass the decoder: it needs no place.
        let room = (engine.processor.context() + 1).saturating_sub(prompt);
        let (vocab, ends) = (engine.core.model.config.text.vocab, engine.stops.iter().copied().collect());
        let sampling = if request.grammar.is_some() { sampling.bound()? } else { sampling.clone() };
        let chain = Chain::new(sampling, Scope { vocab, ends, prompt, limit: limit.min(room) })?;
        let empty = Answer {
            text: String::new(),
            output_ids: Vec::new(),
            stop_reason: if limit == 0 { StopReason::MaxTokens } else { StopReason::Cancelled },
            prompt_tokens: prompt,
            image_tokens: plan.image_tokens,
            cached_tokens: 0,
            guessed: Guessed::default(),
            logprobs: Vec::new(),
            score: None,
            times: Times::default(),
        };
        let ended = limit == 0;
        let kind = if request.sampling.beams > 1 {
            let search = Search::new(chain, &plan.ids);
            Kind::Beams(Box::new(Beams { search, sequences: Vec::new(), ended }))
        } else {
            let track = |sample| {
                let writer = Writer::new(engine, &request, limit);
                Track::new(engine, &request, &plan.ids, (chain.clone(), sample), (empty.clone(), writer))
            };
            Kind::Tracks((0..request.sampling.samples).map(track).collect())
        };
        Ok(Course { engine, request, limit, room, empty, kind })
    }

    /// The tokens of its prompt, and how many of them stand for pictures.
    pub(crate) fn prompt_tokens(&self) -> (usize, usize) {
        (self.empty.prompt_tokens, self.empty.image_tokens)
    }

    /// Whether all its answers have ended.
    pub(crate) fn is_done(&self) -> bool {
        match &self.kind {
            Kind::Tracks(tracks) => tracks.iter().all(Track::has_ended),
            Kind::Beams(beams) => beams.ended,
        }
    }

    /// Whether its text can be shown as it comes: it has one answer, whose tokens stay.
    pub(crate) fn streams(&self) -> bool {
        matches!(&self.kind, Kind::Tracks(tracks) if tracks.len() == 1)
    }

    /// The most tokens of an answer.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The most tokens that an answer will have.
    pub(crate) fn room(&self) -> usize {
        self.limit.min(self.room)
    }

    /// How many answers are made side by side.
    pub(crate) fn width(&self) -> usize {
        self.request.sampling.samples.max(self.request.sampling.beams)
    }

    /// Begins behind a prompt, by its row of logits.
    ///
    /// # Errors
    /// Where logits are not finite, or the settings let no token through.
    pub(crate) fn begin(&mut self, prompt: KvSequence, logits: &Tensor, row: usize) -> Result<(), Error> {
        let engine = self.engine;
        match &mut self.kind {
            Kind::Tracks(tracks) => {
                let mut tracks = tracks.iter_mut().filter(|track| !track.has_ended());
                tracks.try_for_each(|track| track.begin(engine, prompt.clone(), logits, row))
            }
            Kind::Beams(beams) => {
                beams.sequences = vec![prompt; self.request.sampling.beams];
                beams.step(engine, &self.request, logits, &[row as u32])
            }
        }
    }

    /// Guesses tokens of its answers for their next pass, at most as many as there is `room` for, which it takes. A search
    /// guesses none.
    pub(crate) fn guess(&mut self, room: &mut usize) {
        if let Kind::Tracks(tracks) = &mut self.kind {
            tracks.iter_mut().filter(|track| !track.has_ended()).for_each(|track| *room -= track.guess(*room));
        }
    }

    /// The tokens that pass the decoder next, those of each answer together.
    pub(crate) fn ids(&self) -> Vec<u32> {
        match &self.kind {
            Kind::Tracks(tracks) => tracks.iter().filter(|track| !track.has_ended()).flat_map(Track::ids).collect(),
            Kind::Beams(beams) if beams.ended => Vec::new(),
            Kind::Beams(beams) => beams.search.ids().collect(),
        }
    }

    /// How many answers go on.
    pub(crate) fn answers(&self) -> usize {
        match &self.kind {
            Kind::Tracks(tracks) => tracks.iter().filter(|track| !track.has_ended()).count(),
            Kind::Beams(beams) if beams.ended => 0,
            Kind::Beams(beams) => beams.sequences.len(),
        }
    }

    /// How many they are of each answer.
    pub(crate) fn rows(&self) -> Vec<usize> {
        match &self.kind {
            Kind::Tracks(tracks) => tracks.iter().filter(|track| !track.has_ended()).map(Track::rows).collect(),
            Kind::Beams(beams) if beams.ended => Vec::new(),
            Kind::Beams(beams) => vec![1; beams.sequences.len()],
        }
    }

    /// The sequences behind which they pass it.
    pub(crate) fn sequences(&mut self) -> Vec<&mut KvSequence> {
        match &mut self.kind {
            Kind::Tracks(tracks) => tracks.iter_mut().filter(|track| !track.has_ended()).map(Track::sequence).collect(),
            Kind::Beams(beams) if beams.ended => Vec::new(),
            Kind::Beams(beams) => beams.sequences.iter_mut().collect(),
        }
    }

    /// The one token that passes the decoder next and its sequence, where there is no more than one.
    pub(crate) fn only(&mut self) -> Option<(u32, &mut KvSequence)> {
        match &mut self.kind {
            Kind::Tracks(tracks) => match tracks.as_mut_slice() {
                [track] => track.only(),
                _ => None,
            },
            Kind::Beams(_) => None,
        }
    }

    /// Takes a step by the logits behind these tokens: as many rows from `first` on as there were.
    ///
    /// # Errors
    /// As [`Course::begin`].
    pub(crate) fn step(&mut self, logits: &Tensor, first: usize) -> Result<(), Error> {
        let engine = self.engine;
        match &mut self.kind {
            Kind::Tracks(tracks) => {
                let mut row = first;
                for track in tracks.iter_mut().filter(|track| !track.has_ended()) {
                    let rows = track.rows();
                    track.step(engine, logits, row)?;
                    row += rows;
                }
                Ok(())
            }
            Kind::Beams(beams) => {
                let rows: Vec<u32> = (first as u32..(first + beams.sequences.len()) as u32).collect();
                beams.step(engine, &self.request, logits, &rows)
            }
        }
    }

    /// What of the first answer's text was not taken yet.
    pub(crate) fn take_text(&mut self) -> String {
        self.take_pieces().into_iter().filter(|piece| piece.answer == 0).map(|piece| piece.text).collect()
    }

    /// The tokens of all answers that were not taken yet; none of a search, whose tokens may change to its end.
    pub(crate) fn take_pieces(&mut self) -> Vec<Piece> {
        match &mut self.kind {
            Kind::Tracks(tracks) => {
                tracks.iter_mut().enumerate().flat_map(|(number, track)| track.take_pieces(number)).collect()
            }
            Kind::Beams(_) => Vec::new(),
        }
    }

    /// Sequences that have passed the decoder, and the answers whose first tokens they hold behind the prompt's; none of a
    /// search, which keeps none when it has ended.
    pub(crate) fn passed(&self) -> impl Iterator<Item = (&[u32], &KvSequence)> {
        let tracks = match &self.kind {
            Kind::Tracks(tracks) => tracks.as_slice(),
            Kind::Beams(_) => &[],
        };
        tracks.iter().map(Track::passed)
    }

    /// The answers; those that were broken off say so.
    pub(crate) fn finish(self) -> Vec<Answer> {
        let Course { engine, request, limit, empty, kind, .. } = self;
        match kind {
            Kind::Tracks(tracks) => tracks.into_iter().map(Track::finish).collect(),
            // Nothing was searched: a prompt that was broken off, or no token allowed.
            Kind::Beams(beams) if beams.sequences.is_empty() => vec![empty; request.sampling.samples],
            Kind::Beams(beams) => {
                let written = |beam: crate::decoding::Beam| {
                    let mut writer = Writer::new(engine, &request, limit);
                    let ids = beam.history.get(empty.prompt_tokens..).unwrap_or_default().to_vec();
                    let mut answer = Answer { logprobs: beam.logprobs, score: Some(beam.score), ..empty.clone() };
                    for (&id, positions) in ids.iter().zip(empty.prompt_tokens..) {
                        let (text, reason) = writer.push(id, positions, false);
                        answer.text.push_str(&text);
                        answer.stop_reason = reason.unwrap_or(answer.stop_reason);
                    }
                    Answer { output_ids: ids, ..answer }
                };
                beams.search.finish().into_iter().map(written).collect()
            }
        }
    }
}

impl Beams {
    /// Goes on by these rows of logits.
    fn step(&mut self, engine: &Engine, request: &Request, logits: &Tensor, rows: &[u32]) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        let backend = &*engine.core.backend;
        let logits = numbers(backend, &backend.gather_rows(logits, rows));
        let tokenizer = engine.processor.tokenizer();
        let stops = |answer: &[u32]| {
            let mut stops = request.stop.iter().filter(|stop| !stop.is_empty()).peekable();
            if stops.peek().is_none() {
                return false;
            }
            let text = tokenizer.decode(answer, request.show_special);
            stops.any(|stop| text.contains(stop.as_str()))
        };
        match self.search.step(&logits, &stops)? {
            // Blocks are shared: what a beam writes it copies first, if another still reads it.
            Next::Beams(parents) => {
                self.sequences = parents.iter().filter_map(|&parent| self.sequences.get(parent).cloned()).collect();
            }
            Next::Done => self.ended = true,
        }
        Ok(())
    }
}
