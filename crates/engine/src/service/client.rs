//! Who asked.

use super::shared::Job;
use super::{Listener, Progress};
use crate::{Ask, Times};
use smolvlm_sys::Stopwatch;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Who asked, and how long it has taken so far.
pub(super) struct Client {
    listener: Listener,
    gone: Arc<AtomicBool>,
    times: Times,
    /// Since it was taken in, since its prompt began to go in, or since its first token.
    since: Stopwatch,
    /// Whether it was told a token.
    answers: bool,
}

impl Client {
    /// A request's two halves: what is asked, and by whom.
    pub(super) fn of(job: Job) -> (Ask, Client) {
        let Job { ask, listener, gone } = job;
        (ask, Client { listener, gone, times: Times::default(), since: Stopwatch::start(), answers: false })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Tells it something. One that panics is gone.
    pub(super) fn tell(&mut self, progress: Progress) {
        match &progress {
            Progress::Begun { .. } => self.times.vision = self.lap(),
            Progress::More { .. } if !self.answers => {
                self.answers = true;
                self.times.prefill = self.lap();
            }
            Progress::More { .. } | Progress::Done(_) => {}
        }
        if catch_unwind(AssertUnwindSafe(|| (self.listener)(progress))).is_err() {
            self.gone.store(true, Ordering::Relaxed);
        }
    }

    /// How long all took. What a search takes is not told from its prompt.
    pub(super) fn times(&mut self) -> Times {
        let last = self.lap();
        *(if self.answers { &mut self.times.decode } else { &mut self.times.prefill }) = last;
        self.times
    }

    fn lap(&mut self) -> f64 {
        let seconds = self.since.seconds();
        self.since = Stopwatch::start();
        seconds
    }
}
