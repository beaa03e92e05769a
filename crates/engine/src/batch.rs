//! Several requests answered side by side: their prompts pass the decoder together, each pass makes a token of every
//! answer, and a request may join while others are under way. An answer has the bits that it has alone.

use crate::course::Course;
use crate::line::{Kind, Line, Part};
use crate::pace::Pace;
use crate::prefix::Prefixes;
use crate::track::Piece;
use crate::{Answer, Engine, Error, Features, Request, Times};
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

/// How many answers and guessed tokens there are at most in a pass that guesses: one more row costs a pass of few a smaller
/// part of its time than a token more is worth, and one of many a larger.
pub(crate) const GUESSING: usize = 8;

/// Requests under way.
pub(crate) struct Batch<'a> {
    engine: &'a Engine,
    /// Each with what its caller calls it.
    lines: Vec<(usize, Line<'a>)>,
    /// What has passed the decoder, for requests that begin alike.
    prefixes: Prefixes,
    pace: Pace,
}

/// How many rows of each prompt go into a pass, where so many of each are `left`. Half of the pass is for all alike, so
/// that no one waits for a long prompt to end; the rest goes by the order in which they came.
fn shares(left: &[usize], room: usize) -> Vec<usize> {
    let waiting = left.iter().filter(|&&left| left > 0).count();
    let each = room.div_ceil(2) / waiting.max(1);
    let mut shares: Vec<usize> = left.iter().map(|&left| left.min(each)).collect();
    let mut room = room - shares.iter().sum::<usize>();
    for (share, &left) in shares.iter_mut().zip(left) {
        let more = room.min(left - *share);
        *share += more;
        room -= more;
    }
    shares
}

impl<'a> Batch<'a> {
    /// For the most answers in a time: what is the same in several prompts is computed for each.
    pub(crate) fn new(engine: &'a Engine) -> Batch<'a> {
        Batch { engine, lines: Vec::new(), prefixes: Prefixes::new(0), pace: Pace::new(false) }
    }

    /// For people who read along: long prompts hold no answer up, and of what has passed the decoder so many bytes are kept.
    pub(crate) fn serving(engine: &'a Engine, prefix_bytes: usize) -> Batch<'a> {
        Batch { prefixes: Prefixes::new(prefix_bytes), pace: Pace::new(true), ..Batch::new(engine) }
    }

    /// What is kept for requests that begin alike.
    pub(crate) fn prefixes(&mut self) -> &mut Prefixes {
        &mut self.prefixes
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The most bytes of the cache that its requests come to hold.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.iter().map(|(_, line)| line.bytes()).sum()
    }

    /// Takes a request in, under a name.
    pub(crate) fn join(&mut self, name: usize, line: Line<'a>) {
        self.lines.push((name, line));
    }

    /// Lets a request go. What of it has passed the decoder is kept.
    pub(crate) fn leave(&mut self, name: usize) {
        if let Some(place) = self.lines.iter().position(|(of, _)| *of == name) {
            _ = self.lines.remove(place).1.end(&mut self.prefixes);
        }
    }

    /// The tokens that were made since this was last asked, each with what its request is called.
    pub(crate) fn take_pieces(&mut self) -> Vec<(usize, Piece)> {
        let pieces = |(name, line): &mut (usize, Line<'a>)| {
            let name = *name;
            line.take_pieces().into_iter().map(move |piece| (name, piece))
        };
        self.lines.iter_mut().flat_map(pieces).collect()
    }

    /// Whether answers are being made.
    pub(crate) fn is_answering(&self) -> bool {
        self.lines.iter().any(|(_, line)| line.answers())
    }

    /// Whether the next pass takes in a piece of a prompt.
    pub(crate) fn takes_in(&self) -> bool {
        self.lines.iter().any(|(_, line)| line.left() > 0)
    }

    /// A pass of the decoder: the next rows of prompts, and a token of every answer that has begun.
    pub(crate) fn pass(&mut self) {
        for (_, line) in self.lines.iter_mut().filter(|(_, line)| line.is_fresh()) {
            line.skip(&self.engine.core.model.config, &mut self.prefixes);
        }
        let answering: usize = self.lines.iter().map(|(_, line)| line.answering()).sum();
        let mut room = GUESSING.saturating_sub(answering);
        self.lines.iter_mut().for_each(|(_, line)| line.guess(&mut room));
        let start = Stopwatch::start();
        let left: Vec<usize> = self.lines.iter().map(|(_, line)| line.left()).collect();
        let shares = shares(&left, self.pace.rows(self.is_answering()));
        let parts: Vec<Part> = self.lines.iter().zip(&shares).map(|((_, line), &share)| line.part(share)).collect();
        if parts.iter().any(|part| !part.ids.is_empty()) {
            self.compute(&parts);
        }
        self.pace.learn(shares.iter().sum(), start.seconds());
    }

    /// What has ended, with its name; it is gone then.
    pub(crate) fn ended(&mut self) -> Vec<(usize, Result<Vec<Answer>, Error>)> {
        let lines = std::mem::take(&mut self.lines).into_iter();
        let (ended, going_on): (Vec<_>, Vec<_>) = lines.partition(|(_, line)| line.has_ended());
        self.lines = going_on;
        ended.into_iter().map(|(name, line)| (name, line.end(&mut self.prefixes))).collect()
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
                    rows.extend(line.rows());
                    sequences.extend(line.sequences());
                    wanted.extend(first as u32..next as u32);
                }
                Kind::Prompt { whole } => {
                    x = line.place(backend, &core.model.config, x, first, ids);
                    sequences.push(line.sequence());
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
            line.step(*kind, &logits, row, core.sequence(), &mut self.prefixes);
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
        let same = plan.pictures.iter().zip(pictures).all(|(plan, features)| *plan == features.plan);
        assert!(same, "pictures were seen with other options than the request's");
        let mut line = self.unseen_line(request, plan, others)?;
        line.show(&self.core.model.config, pictures, &[]);
        Ok(line)
    }

    /// The same, whose pictures are not there yet.
    ///
    /// # Errors
    /// As [`Engine::line`].
    pub(crate) fn unseen_line(&self, request: Arc<Request>, plan: Plan, others: usize) -> Result<Line<'_>, Error> {
        request.sampling.check()?;
        let course = Course::new(self, request, &plan)?;
        self.foresee(&course, &plan, others as u64)?;
        let layout = self.core.model.text.kv_layout(self.core.quant.kv());
        // Answers share the prompt's blocks, but for the last one, which each goes on in a copy of.
        let each = layout.bytes(course.room()) + layout.block_bytes();
        let bytes = layout.bytes(plan.ids.len()) + each * course.width();
        Ok(Line::new(course, plan, self.core.sequence(), bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_prompt_waits_for_another_to_end() {
        assert_eq!(shares(&[1000], 512), [512]);
        assert_eq!(shares(&[1000, 0, 1000], 512), [384, 0, 128]);
        assert_eq!(shares(&[1000, 20, 1000], 128), [87, 20, 21]);
        assert_eq!(shares(&[5, 7], 512), [5, 7]);
        assert_eq!(shares(&[0, 0], 512), [0, 0]);
        // More prompts than rows: in their order.
        assert_eq!(shares(&[3, 3, 3, 3], 4), [3, 1, 0, 0]);
    }
}
