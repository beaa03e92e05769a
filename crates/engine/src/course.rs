//! A request on its way: the answers that are made for it side by side, a token a step each.

use crate::decoding::{Chain, Next, Sampler, Scope, Search, TokenLogprobs};
use crate::writer::Writer;
use crate::{Answer, Engine, Error, Request, StopReason, Times};
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

/// One answer that is being made.
struct Track<'a> {
    sampler: Sampler,
    writer: Writer<'a>,
    sequence: KvSequence,
    answer: Answer,
    /// Its newest token, which has not passed the decoder.
    next: u32,
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
        let chain = Chain::new(sampling.clone(), Scope { vocab, ends, prompt, limit: limit.min(room) })?;
        let empty = Answer {
            text: String::new(),
            output_ids: Vec::new(),
            stop_reason: if limit == 0 { StopReason::MaxTokens } else { StopReason::Cancelled },
            prompt_tokens: prompt,
            image_tokens: plan.image_tokens,
            cached_tokens: 0,
            logprobs: Vec::new(),
            score: None,
            times: Times::default(),
        };
        let ended = limit == 0;
        let kind = if sampling.beams > 1 {
            let search = Search::new(chain, &plan.ids);
            Kind::Beams(Box::new(Beams { search, sequences: Vec::new(), ended }))
        } else {
            let track = |sample| Track {
                sampler: Sampler::new(chain.clone(), &plan.ids, sample),
                writer: Writer::new(engine, &request, limit),
                sequence: engine.core.sequence(),
                answer: empty.clone(),
                next: 0,
                ends: Vec::new(),
                told: 0,
                ended,
            };
            Kind::Tracks((0..sampling.samples).map(track).collect())
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
            Kind::Tracks(tracks) => tracks.iter().all(|track| track.ended),
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
                for track in tracks.iter_mut().filter(|track| !track.ended) {
                    track.sequence = prompt.clone();
                    track.choose(engine, logits, row)?;
                }
                Ok(())
            }
            Kind::Beams(beams) => {
                beams.sequences = vec![prompt; self.request.sampling.beams];
                beams.step(engine, &self.request, logits, &[row as u32])
            }
        }
    }

    /// The tokens that pass the decoder next.
    pub(crate) fn ids(&self) -> Vec<u32> {
        match &self.kind {
            Kind::Tracks(tracks) => tracks.iter().filter(|track| !track.ended).map(|track| track.next).collect(),
            Kind::Beams(beams) if beams.ended => Vec::new(),
            Kind::Beams(beams) => beams.search.ids().collect(),
        }
    }

    /// The sequences behind which they pass it.
    pub(crate) fn sequences(&mut self) -> Vec<&mut KvSequence> {
        match &mut self.kind {
            Kind::Tracks(tracks) => {
                tracks.iter_mut().filter(|track| !track.ended).map(|track| &mut track.sequence).collect()
            }
            Kind::Beams(beams) if beams.ended => Vec::new(),
            Kind::Beams(beams) => beams.sequences.iter_mut().collect(),
        }
    }

    /// The one token that passes the decoder next and its sequence, where there is no more than one.
    pub(crate) fn only(&mut self) -> Option<(u32, &mut KvSequence)> {
        match &mut self.kind {
            Kind::Tracks(tracks) => match tracks.as_mut_slice() {
                [track] if !track.ended => Some((track.next, &mut track.sequence)),
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
                let going_on = tracks.iter_mut().filter(|track| !track.ended);
                going_on.zip(first..).try_for_each(|(track, row)| track.choose(engine, logits, row))
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
        tracks.iter().map(|track| (track.answer.output_ids.as_slice(), &track.sequence))
    }

    /// The answers; those that were broken off say so.
    pub(crate) fn finish(self) -> Vec<Answer> {
        let Course { engine, request, limit, empty, kind, .. } = self;
        match kind {
            Kind::Tracks(tracks) => tracks.into_iter().map(|track| track.answer).collect(),
            // Nothing was searched: a prompt that was broken off, or no token allowed.
            Kind::Beams(beams) if beams.sequences.is_empty() => vec![empty; request.sampling.samples],
            Kind::Beams(beams) => {
                let written = |beam: crate::decoding::Beam| {
                    let mut writer = Writer::new(engine, &request, limit);
                    let ids = beam.history.get(empty.prompt_tokens..).unwrap_or_default().to_vec();
                    let mut answer = Answer { logprobs: beam.logprobs, score: Some(beam.score), ..empty.clone() };
                    for (&id, positions) in ids.iter().zip(empty.prompt_tokens..) {
                        let (text, reason) = writer.push(id, positions);
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

impl Track<'_> {
    /// Its tokens that were not taken yet.
    fn take_pieces(&mut self, number: usize) -> Vec<Piece> {
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

    /// Adds the token that a row of logits chooses.
    fn choose(&mut self, engine: &Engine, logits: &Tensor, row: usize) -> Result<(), Error> {
        let (id, logprobs) = self.next_token(engine, logits, row)?;
        self.sampler.see(id);
        let (text, reason) = self.writer.push(id, self.sequence.len());
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
            return if top.value.is_finite() { Ok((top.index as u32, None)) } else { Err(Error::NotFinite) };
        }
        let mut bare = numbers(backend, &backend.gather_rows(logits, &[row as u32]));
        if !self.sampler.mends() && !bare.iter().all(|x| x.is_finite()) {
            return Err(Error::NotFinite);
        }
        let Some(count) = self.sampler.logprobs() else { return Ok((self.sampler.next(&mut bare)?, None)) };
        let id = self.sampler.next(&mut bare.clone())?;
        Ok((id, Some(TokenLogprobs::of(&bare, id, count))))
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
