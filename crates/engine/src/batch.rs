//! Several requests answered side by side: their prompts pass the decoder together, each pass makes a token of every
//! answer, and a request may join while others are under way. An answer has the bits that it has alone.

use crate::course::{Course, Piece};
use crate::prompt::PREFILL_ROWS;
use crate::{Answer, Engine, Error, Features, Request, Times};
use smolvlm_backend::{Backend, KvSequence, Tensor};
use smolvlm_model::Config;
use smolvlm_processor::Plan;
use smolvlm_sys::Stopwatch;
use std::ops::ControlFlow;
use std::sync::Arc;

/// One of several requests.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What is asked.
    pub request: &'a Request,
    /// Of the pictures, one for each place in order; made with the request's own options.
    pub pictures: &'a [Features],
}

/// A request that is being answered.
pub(crate) struct Line<'a> {
    course: Course<'a>,
    /// The tokens of its prompt.
    prompt: Vec<u32>,
    /// Features of its pictures' tiles, in order.
    tiles: Vec<Tensor>,
    /// How many rows of these have taken their places.
    shown: usize,
    /// Its prompt, as far as it is taken in; empty again when its answers have begun.
    sequence: KvSequence,
    begun: bool,
    failed: Option<Error>,
    /// The most bytes of the cache that it comes to hold.
    bytes: usize,
}

impl Line<'_> {
    fn has_ended(&self) -> bool {
        self.failed.is_some() || self.course.is_done()
    }

    /// The most bytes of the cache that it comes to hold.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The tokens of its prompt, and how many of them stand for pictures.
    pub(crate) fn prompt_tokens(&self) -> (usize, usize) {
        self.course.prompt_tokens()
    }

    /// What it puts into a pass in which there is room for so many rows of prompts.
    fn part(&self, room: usize) -> Part {
        if self.has_ended() {
            return Part { ids: Vec::new(), kind: Kind::Prompt { whole: false } };
        }
        if self.begun {
            return Part { ids: self.course.ids(), kind: Kind::Answers };
        }
        let left = self.prompt.get(self.sequence.len()..).unwrap_or_default();
        let ids = left.get(..room).unwrap_or(left).to_vec();
        let whole = !ids.is_empty() && ids.len() == left.len();
        Part { ids, kind: Kind::Prompt { whole } }
    }

    /// Puts features in the places that a piece of the prompt, rows from `first` on of `x`, has for them.
    fn show(&mut self, backend: &dyn Backend, config: &Config, x: Tensor, first: usize, ids: &[u32]) -> Tensor {
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
    fn step(&mut self, kind: Kind, logits: &Tensor, first: usize, empty: KvSequence) {
        let step = match kind {
            Kind::Answers => self.course.step(logits, first),
            Kind::Prompt { whole: false } => Ok(()),
            Kind::Prompt { whole: true } => {
                self.begun = true;
                (self.prompt, self.tiles) = (Vec::new(), Vec::new());
                self.course.begin(std::mem::replace(&mut self.sequence, empty), logits, first)
            }
        };
        self.failed = step.err();
    }
}

/// What a line puts into a pass: tokens, none of a line that waits.
struct Part {
    ids: Vec<u32>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// The newest token of each of its answers: a row of a sequence each.
    Answers,
    /// A piece of the prompt; whether it ends with it.
    Prompt { whole: bool },
}

/// Requests under way.
pub(crate) struct Batch<'a> {
    engine: &'a Engine,
    /// Each with what its caller calls it.
    lines: Vec<(usize, Line<'a>)>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Batch<'a> {
        Batch { engine, lines: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The most bytes of the cache that its requests come to hold.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.iter().map(|(_, line)| line.bytes).sum()
    }

    /// Takes a request in, under a name.
    pub(crate) fn join(&mut self, name: usize, line: Line<'a>) {
        self.lines.push((name, line));
    }

    /// Lets a request go, whatever has come of it.
    pub(crate) fn leave(&mut self, name: usize) {
        self.lines.retain(|(of, _)| *of != name);
    }

    /// Its requests, each with what its caller calls it and the tokens that were made since this was last asked.
    pub(crate) fn pieces(&mut self) -> impl Iterator<Item = (usize, Piece)> {
        let pieces = |(name, line): &mut (usize, Line<'a>)| {
            let name = *name;
            line.course.take_pieces().into_iter().map(move |piece| (name, piece))
        };
        self.lines.iter_mut().flat_map(pieces)
    }

    /// Whether the next pass takes in a piece of a prompt.
    pub(crate) fn takes_in(&self) -> bool {
        self.lines.iter().any(|(_, line)| !line.begun)
    }

    /// A pass of the decoder: the next rows of prompts, and a token of every answer that has begun.
    pub(crate) fn pass(&mut self) {
        let mut room = PREFILL_ROWS;
        let mut parts = Vec::new();
        for (_, line) in &self.lines {
            let part = line.part(room);
            if part.kind != Kind::Answers {
                room -= part.ids.len();
            }
            parts.push(part);
        }
        if parts.iter().any(|part| !part.ids.is_empty()) {
            self.compute(&parts);
        }
    }

    /// What has ended, with its name; it is gone then.
    pub(crate) fn ended(&mut self) -> Vec<(usize, Result<Vec<Answer>, Error>)> {
        let (ended, going_on) = std::mem::take(&mut self.lines).into_iter().partition(|(_, line)| line.has_ended());
        self.lines = going_on;
        let result = |line: Line<'_>| line.failed.map_or_else(|| Ok(line.course.finish()), Err);
        ended.into_iter().map(|(name, line)| (name, result(line))).collect()
    }

    /// Brings the lines' parts through the network, and the lines on by what comes of them.
    fn compute(&mut self, parts: &[Part]) {
        let core = &self.engine.core;
        let backend = &*core.backend;
        let ids: Vec<u32> = parts.iter().flat_map(|part| &part.ids).copied().collect();
        let mut x = core.model.text.embed(backend, &ids);
        // A pass's rows of each sequence, and those of its rows whose logits are wanted.
        let (mut sequences, mut rows, mut wanted, mut first) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for ((_, line), Part { ids, kind }) in self.lines.iter_mut().zip(parts).filter(|(_, part)| !part.ids.is_empty())
        {
            let next = first + ids.len();
            match kind {
                Kind::Answers => {
                    sequences.extend(line.course.sequences());
                    rows.extend(ids.iter().map(|_| 1));
                    wanted.extend(first as u32..next as u32);
                }
                Kind::Prompt { whole } => {
                    x = line.show(backend, &core.model.config, x, first, ids);
                    sequences.push(&mut line.sequence);
                    rows.push(ids.len());
                    wanted.extend(whole.then_some(next as u32 - 1));
                }
            }
            first = next;
        }
        let mut hidden = core.side_by_side(&mut sequences, x, &rows);
        if wanted.is_empty() {
            return;
        }
        if wanted.len() < ids.len() {
            hidden = backend.gather_rows(&hidden, &wanted);
        }
        let logits = core.logits(&hidden);
        let mut row = 0;
        for ((_, line), Part { ids, kind }) in self.lines.iter_mut().zip(parts).filter(|(_, part)| !part.ids.is_empty())
        {
            line.step(*kind, &logits, row, core.sequence());
            row += match kind {
                Kind::Answers => ids.len(),
                Kind::Prompt { whole } => usize::from(*whole),
            };
        }
    }
}

impl Engine {
    /// Answers requests side by side: the first or best answer of each. `go_on` is asked before each pass. `None` where it
    /// broke off. Times are the batch's, shared out evenly.
    ///
    /// # Panics
    /// If pictures were made with other options than a request's.
    pub fn answer_all(
        &self,
        asked: &[Asked<'_>],
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Vec<Result<Answer, Error>>> {
        let first = |answers: Vec<Answer>| answers.into_iter().next().ok_or(Error::NothingLeft);
        Some(self.answers_all(asked, go_on)?.into_iter().map(|answers| answers.and_then(first)).collect())
    }

    /// As [`Engine::answer_all`], with all answers that each request asks for.
    ///
    /// # Panics
    /// As [`Engine::answer_all`].
    pub fn answers_all(
        &self,
        asked: &[Asked<'_>],
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Vec<Result<Vec<Answer>, Error>>> {
        let mut results: Vec<Option<Result<Vec<Answer>, Error>>> = asked.iter().map(|_| None).collect();
        let mut put = |place: usize, result| results.get_mut(place).map(|empty| *empty = Some(result));
        let (mut batch, mut times) = (Batch::new(self), Times::default());
        for (place, Asked { request, pictures }) in asked.iter().enumerate() {
            let sizes: Vec<(u32, u32)> = pictures.iter().map(Features::size).collect();
            let line = self.plan(request, &sizes);
            match line.and_then(|plan| self.line(Arc::new((*request).clone()), plan, pictures, batch.bytes())) {
                Ok(line) => batch.join(place, line),
                Err(error) => _ = put(place, Err(error)),
            }
        }
        while !batch.is_empty() {
            if go_on().is_break() {
                return None;
            }
            let (start, takes_in) = (Stopwatch::start(), batch.takes_in());
            batch.pass();
            batch.ended().into_iter().for_each(|(place, result)| _ = put(place, result));
            let stage = if takes_in { &mut times.prefill } else { &mut times.decode };
            *stage += start.seconds() / asked.len() as f64;
        }
        let mut results: Vec<Result<Vec<Answer>, Error>> = results.into_iter().flatten().collect();
        results.iter_mut().flatten().flatten().for_each(|answer| answer.times = times);
        Some(results)
    }

    /// A request that can join a batch, whose `others` come to hold so many bytes.
    ///
    /// # Errors
    /// Where its settings are out of their ranges or do not fit the model, or there is not memory enough.
    ///
    /// # Panics
    /// If pictures were made with other options than the request's.
    pub(crate) fn line(
        &self,
        request: Arc<Request>,
        plan: Plan,
        pictures: &[Features],
        others: usize,
    ) -> Result<Line<'_>, Error> {
        request.sampling.check()?;
        let same = plan.pictures.iter().zip(pictures).all(|(plan, features)| *plan == features.plan);
        assert!(same, "pictures were seen with other options than the request's");
        let course = Course::new(self, request, &plan)?;
        self.foresee(&course, &plan, others as u64)?;
        let layout = self.core.model.text.kv_layout(self.core.quant.dtype());
        // Answers share the prompt's blocks, but for the last one, which each goes on in a copy of.
        let each = layout.bytes(course.room()) + layout.block_bytes();
        let bytes = layout.bytes(plan.ids.len()) + each * course.width();
        Ok(Line {
            course,
            prompt: plan.ids,
            tiles: pictures.iter().flat_map(|features| features.tiles.iter().cloned()).collect(),
            shown: 0,
            sequence: self.core.sequence(),
            begun: false,
            failed: None,
            bytes,
        })
    }
}
