//! Requests without end, answered side by side: when one has its answer the next one joins, and answers come back in the
//! order of the requests. How many are held at a time is bounded, so memory does not depend on how many come.

use crate::batch::Batch;
use crate::gallery::{Gallery, Key};
use crate::line::Line;
use crate::{Answer, Engine, Error, PictureSource, Request};
use smolvlm_processor::DecodeOptions;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A request and what it shows.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What is asked.
    pub request: Request,
    /// Of the pictures, one for each place in order.
    pub pictures: Vec<PictureSource>,
}

/// How much is done at a time.
#[derive(Debug, Clone)]
pub struct QueueOptions {
    /// The most requests that are answered side by side.
    pub at_once: usize,
    /// The most bytes that their caches come to hold; a request that needs more is answered alone.
    pub cache_bytes: usize,
    /// The most requests that are held, from the first without an answer on. One that takes long holds up the others
    /// only when so many behind it are answered.
    pub window: usize,
    /// How pictures are read.
    pub decode: DecodeOptions,
}

impl QueueOptions {
    /// With so many requests side by side; the rest as it suits most machines.
    pub fn new(at_once: usize) -> QueueOptions {
        let window = at_once.saturating_mul(4).max(256);
        QueueOptions { at_once: at_once.max(1), cache_bytes: 1 << 30, window, decode: DecodeOptions::default() }
    }
}

/// A request on its way.
enum State<'a, E> {
    Waiting(Box<Ask>),
    /// Planned and seen; the others' caches leave it no room.
    Ready(Box<Line<'a>>),
    Running,
    Done(Result<Vec<Answer>, E>),
}

/// Requests and their answers. `T` is what the caller calls a request by, `E` why one has no answer.
///
/// Whoever has requests one by one pushes them as long as there is room, calls [`Queue::pass`] and takes the answers that
/// are there; [`Engine::answer_in_order`] does so for an iterator.
pub struct Queue<'a, T, E> {
    engine: &'a Engine,
    options: QueueOptions,
    batch: Batch<'a>,
    gallery: Gallery,
    /// From the first that was not taken on.
    window: VecDeque<(T, State<'a, E>)>,
    /// How many were taken.
    taken: usize,
    /// The number of the first that has not joined the batch, counted as `taken` is.
    next: usize,
}

impl<'a, T, E: From<Error>> Queue<'a, T, E> {
    /// An empty one.
    pub fn new(engine: &'a Engine, options: QueueOptions) -> Queue<'a, T, E> {
        let gallery = Gallery::new(options.decode);
        Queue { engine, options, batch: Batch::new(engine), gallery, window: VecDeque::new(), taken: 0, next: 0 }
    }

    /// Whether it takes another request now: as many wait as are looked ahead to, or it holds all it may.
    pub fn has_room(&self) -> bool {
        let waiting = self.taken + self.window.len() - self.next;
        self.window.len() < self.options.window.max(1) && waiting < self.options.at_once.max(32)
    }

    /// Whether all requests are answered and taken.
    pub fn is_empty(&self) -> bool {
        self.window.is_empty()
    }

    /// Adds a request, or why there is none in its place.
    pub fn push(&mut self, tag: T, ask: Result<Ask, E>) {
        let state = ask.map_or_else(|error| State::Done(Err(error)), |ask| State::Waiting(Box::new(ask)));
        self.window.push_back((tag, state));
    }

    /// The next answers in the order of the requests, if they are there.
    pub fn take(&mut self) -> Option<(T, Result<Vec<Answer>, E>)> {
        if !matches!(self.window.front(), Some((_, State::Done(_)))) {
            return None;
        }
        self.taken += 1;
        self.next = self.next.max(self.taken);
        match self.window.pop_front() {
            Some((tag, State::Done(answers))) => Some((tag, answers)),
            _ => None,
        }
    }

    /// Lets requests join as long as there is room, and makes the next token of every answer. `go_on` is asked before
    /// every piece of work.
    pub fn pass(&mut self, go_on: &mut dyn FnMut() -> ControlFlow<()>) -> ControlFlow<()> {
        self.fill(go_on)?;
        if self.batch.is_empty() {
            return ControlFlow::Continue(());
        }
        go_on()?;
        self.batch.pass();
        for (number, answers) in self.batch.ended() {
            self.put(number, State::Done(answers.map_err(E::from)));
        }
        ControlFlow::Continue(())
    }

    fn put(&mut self, number: usize, state: State<'a, E>) {
        if let Some((_, place)) = self.window.get_mut(number - self.taken) {
            *place = state;
        }
    }

    /// Brings requests into the batch, in order.
    fn fill(&mut self, go_on: &mut dyn FnMut() -> ControlFlow<()>) -> ControlFlow<()> {
        while self.batch.len() < self.options.at_once {
            let number = self.next;
            let Some((_, state)) = self.window.get_mut(number - self.taken) else { break };
            let line = match std::mem::replace(state, State::Running) {
                State::Ready(line) => Ok(*line),
                State::Waiting(ask) => {
                    if go_on().is_break() {
                        self.put(number, State::Waiting(ask));
                        return ControlFlow::Break(());
                    }
                    self.line(*ask)
                }
                done => {
                    *state = done;
                    self.next += 1;
                    continue;
                }
            };
            match line {
                Ok(line) if !self.batch.is_empty() && self.batch.bytes() + line.bytes() > self.options.cache_bytes => {
                    self.put(number, State::Ready(Box::new(line)));
                    break;
                }
                Ok(line) => self.batch.join(number, line),
                Err(error) => self.put(number, State::Done(Err(error.into()))),
            }
            self.next += 1;
        }
        ControlFlow::Continue(())
    }

    /// A request that can join, with its pictures seen.
    fn line(&mut self, ask: Ask) -> Result<Line<'a>, Error> {
        let own = keys(&ask);
        let line = self.planned(ask, &own);
        if line.is_err() {
            self.gallery.let_go(&own);
        }
        line
    }

    fn planned(&mut self, ask: Ask, own: &[Key]) -> Result<Line<'a>, Error> {
        let behind = self.window.iter().skip(self.next + 1 - self.taken).filter_map(|(_, state)| match state {
            State::Waiting(ask) => Some(keys(ask)),
            _ => None,
        });
        let sizes = self.gallery.sizes(self.engine, own, behind.flatten())?;
        let plan = self.engine.plan(&ask.request, &sizes)?;
        let features = self.gallery.features(self.engine, own)?;
        self.engine.line(Arc::new(ask.request), plan, &features, 0)
    }
}

/// What its pictures are known by.
fn keys(ask: &Ask) -> Vec<Key> {
    ask.pictures.iter().map(|picture| Key::new(picture, &ask.request.plan)).collect()
}

impl Engine {
    /// Answers requests side by side, as many as the options say, and hands the answers over in their order. An answer
    /// has the bits that it has alone. `go_on` is asked before every piece of work; whether it or `done` broke off is
    /// returned. An `ask` that is an error takes its place among the answers.
    pub fn answer_in_order<T, E: From<Error>>(
        &self,
        asks: impl IntoIterator<Item = (T, Result<Ask, E>)>,
        options: QueueOptions,
        done: &mut dyn FnMut(T, Result<Vec<Answer>, E>) -> ControlFlow<()>,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut asks = asks.into_iter().fuse();
        let mut queue = Queue::new(self, options);
        loop {
            while queue.has_room()
                && let Some((tag, ask)) = asks.next()
            {
                queue.push(tag, ask);
            }
            if queue.is_empty() {
                return ControlFlow::Continue(());
            }
            queue.pass(go_on)?;
            while let Some((tag, answers)) = queue.take() {
                done(tag, answers)?;
            }
        }
    }
}
