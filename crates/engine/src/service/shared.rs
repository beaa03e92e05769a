//! What the service's thread and those who ask share: requests on their way to it, what it counts, and whether it is to
//! stop.

use super::{Counts, Listener, Refusal};
use crate::Ask;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A request on its way to the thread.
pub(super) struct Job {
    pub(super) ask: Ask,
    pub(super) listener: Listener,
    pub(super) gone: Arc<AtomicBool>,
}

impl Job {
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

/// See the module.
pub(super) struct Shared {
    /// The most requests that wait.
    most: usize,
    state: Mutex<State>,
    /// Something has come, or the thread has nothing more to do.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    inbox: VecDeque<Job>,
    counts: Counts,
    refused: u64,
    /// No more requests are taken.
    stopping: bool,
    /// Those that were are not answered either.
    cut: bool,
    /// The thread has ended.
    over: bool,
}

/// What the thread is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    Work,
    /// Tell all who wait that there is no time left.
    Cut,
    /// Nothing is left to be done.
    End,
}

impl Shared {
    pub(super) fn new(most: usize) -> Shared {
        Shared { most, state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request.
    pub(super) fn push(&self, job: Job) -> Result<(), Refusal> {
        let mut state = self.state();
        let waiting = state.inbox.len();
        let refusal = if state.stopping {
            Some(Refusal::Stopping)
        } else {
            (waiting >= self.most).then_some(Refusal::Full { waiting })
        };
        if let Some(refusal) = refusal {
            state.refused += 1;
            return Err(refusal);
        }
        state.inbox.push_back(job);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// The request that has waited longest.
    pub(super) fn pop(&self) -> Option<Job> {
        self.state().inbox.pop_front()
    }

    /// Takes the requests out that were let go, or all.
    pub(super) fn sweep(&self, all: bool) -> Vec<Job> {
        let mut state = self.state();
        let (out, left) = std::mem::take(&mut state.inbox).into_iter().partition(|job| all || job.is_gone());
        state.inbox = left;
        Vec::from(out)
    }

    /// What to do next; waits for it where the thread is idle.
    pub(super) fn order(&self, idle: bool) -> Order {
        let mut state = self.state();
        loop {
            let nothing = idle && state.inbox.is_empty();
            match (state.cut, state.stopping) {
                (_, true) if nothing => return Order::End,
                (true, _) => return Order::Cut,
                _ if !nothing => return Order::Work,
                _ => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Lets others read the thread's counts.
    pub(super) fn publish(&self, counts: &Counts) {
        self.state().counts = counts.clone();
    }

    /// The thread's counts as it published them last, with what is counted here.
    pub(super) fn counts(&self) -> Counts {
        let state = self.state();
        Counts { waiting: state.inbox.len(), refused: state.refused, ..state.counts.clone() }
    }

    pub(super) fn stop(&self) {
        self.state().stopping = true;
        self.changed.notify_all();
    }

    /// The thread has ended.
    pub(super) fn end(&self) {
        let mut state = self.state();
        (state.stopping, state.over) = (true, true);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the end, at most so long, and then for a pass at most. Whether nothing was cut.
    pub(super) fn drain(&self, most: Duration) -> bool {
        self.stop();
        let wait = |state, most| {
            let waited = self.changed.wait_timeout_while(state, most, |state: &mut State| !state.over);
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
        let mut state = wait(self.state(), most);
        if state.over {
            return !state.cut;
        }
        state.cut = true;
        drop(state);
        self.changed.notify_all();
        let state = self.changed.wait_while(self.state(), |state| !state.over);
        drop(state.unwrap_or_else(PoisonError::into_inner));
        false
    }
}
