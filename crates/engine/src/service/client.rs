//! Who asked.

use super::shared::Job;
use super::{Listener, Progress};
use crate::{Answer, Ask, Times};
use smolvlm_sys::Stopwatch;
use std::collections::BTreeSet;
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
    /// What the template itself puts in front of an answer, and the answers whose text has begun.
    lead: String,
    begun: BTreeSet<usize>,
}

impl Client {
    /// A request's two halves: what is asked, and by whom. Answers of a chat come without the template's `lead`.
    pub(super) fn of(job: Job, lead: &str) -> (Ask, Client) {
        let Job { ask, listener, gone } = job;
        let lead = if ask.request.plan.chat { lead.to_owned() } else { String::new() };
        let (times, since) = (Times::default(), Stopwatch::start());
        (ask, Client { listener, gone, times, since, answers: false, lead, begun: BTreeSet::new() })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Tells it something. One that panics is gone.
    pub(super) fn tell(&mut self, mut progress: Progress) {
        self.leave_lead_out(&mut progress);
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

    fn leave_lead_out(&mut self, progress: &mut Progress) {
        let bare = |text: &mut String| {
            if let Some(rest) = text.strip_prefix(&self.lead) {
                *text = rest.to_owned();
            }
        };
        match progress {
            Progress::More { answer, text, .. } if !text.is_empty() && self.begun.insert(*answer) => bare(text),
            Progress::Done(Ok(answers)) => answers.iter_mut().for_each(|Answer { text, .. }| bare(text)),
            _ => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Request, Sampling};
    use smolvlm_processor::{Message, PlanOptions};
    use std::sync::mpsc;

    /// The texts of two answers' pieces, as a client is told them.
    fn told(chat: bool) -> Vec<String> {
        let (tell, told) = mpsc::channel();
        let request = Request {
            messages: vec![Message::text("user", "Hm?")],
            plan: PlanOptions { chat, ..PlanOptions::default() },
            sampling: Sampling::default(),
            max_tokens: 9,
            stop: Vec::new(),
            show_special: false,
            grammar: None,
        };
        let listener: Listener = Box::new(move |progress| {
            if let Progress::More { text, .. } = progress {
                tell.send(text).unwrap();
            }
        });
        let job = Job { ask: Ask { request, pictures: Vec::new() }, listener, gone: Arc::default() };
        let mut client = Client::of(job, " ").1;
        for (answer, text) in [(0, ""), (0, " a"), (1, "b"), (0, " c"), (1, " d")] {
            client.tell(Progress::More { answer, text: text.to_owned(), id: 0, logprobs: None });
        }
        drop(client);
        told.iter().collect()
    }

    #[test]
    fn an_answer_of_a_chat_comes_without_what_the_template_puts_in_front() {
        assert_eq!(told(true), ["", "a", "b", " c", " d"]);
        assert_eq!(told(false), ["", " a", "b", " c", " d"]);
    }
}
