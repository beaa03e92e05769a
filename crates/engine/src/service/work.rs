//! The thread: requests arrive, join and leave between passes, and those who asked are told.

use super::arrivals::Arrivals;
use super::client::Client;
use super::shared::{Order, Shared};
use super::{Counts, Progress, ServiceOptions};
use crate::batch::Batch;
use crate::track::Piece;
use crate::{Answer, Engine, Error};
use smolvlm_sys::Stopwatch;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Works until the service is stopped and all is answered.
pub(super) fn run(engine: &Engine, options: &ServiceOptions, shared: &Shared) {
    let _over = Over(shared);
    let mut worker = Worker::new(engine, options, shared);
    loop {
        match shared.order(worker.is_idle()) {
            Order::Work => worker.guarded_turn(),
            Order::Cut => worker.cut(),
            Order::End => return,
        }
    }
}

/// Says that the thread has ended, however it does.
struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

struct Worker<'a> {
    engine: &'a Engine,
    options: &'a ServiceOptions,
    shared: &'a Shared,
    arrivals: Arrivals<'a>,
    batch: Batch<'a>,
    /// Who is in the batch, by the numbers that it knows them by.
    clients: BTreeMap<usize, Client>,
    /// The next number.
    next: usize,
    counts: Counts,
}

impl<'a> Worker<'a> {
    fn new(engine: &'a Engine, options: &'a ServiceOptions, shared: &'a Shared) -> Worker<'a> {
        let (arrivals, batch) = (Arrivals::new(engine, options), Batch::serving(engine, options.prefix_bytes));
        let (clients, counts) = (BTreeMap::new(), Counts::default());
        Worker { engine, options, shared, arrivals, batch, clients, next: 0, counts }
    }

    fn is_idle(&self) -> bool {
        self.clients.is_empty() && self.arrivals.len() == 0
    }

    /// A turn. What a panic leaves behind is thrown away, and all who are under way with it.
    fn guarded_turn(&mut self) {
        if catch_unwind(AssertUnwindSafe(|| self.turn())).is_err() {
            self.counts.panics += 1;
            for client in self.take_all() {
                self.done(client, Err(Error::Failed));
            }
        }
    }

    /// A turn: who may comes in, pictures are seen, and all who are under way go a step.
    fn turn(&mut self) {
        self.sweep();
        while self.clients.len() + self.arrivals.len() < self.options.at_once.max(1)
            && let Some(job) = self.shared.pop()
        {
            let (ask, client) = Client::of(job, self.engine.processor.turn_lead());
            self.arrivals.push(ask, client);
        }
        for (client, error) in self.arrivals.step(&mut self.batch, &mut self.counts) {
            self.done(client, Err(error));
        }
        self.join();
        self.publish();
        if !self.batch.is_empty() {
            self.pass();
        }
        self.publish();
    }

    /// Lets those go who do not want to be answered any more.
    fn sweep(&mut self) {
        let mut gone = self.shared.sweep(false).len() + self.arrivals.sweep(false).len();
        let of_batch = self.clients.iter().filter(|(_, client)| client.is_gone());
        for number in of_batch.map(|(&number, _)| number).collect::<Vec<usize>>() {
            self.clients.remove(&number);
            self.batch.leave(number);
            gone += 1;
        }
        self.counts.cancelled += gone as u64;
    }

    /// Brings those into the batch who are ready, in order, as long as there is room.
    fn join(&mut self) {
        loop {
            let batch = &self.batch;
            let most = self.options.cache_bytes;
            let fits = |bytes: usize| batch.is_empty() || batch.bytes().saturating_add(bytes) <= most;
            let Some((line, client)) = self.arrivals.ready(|line| fits(line.bytes())) else { return };
            let (prompt_tokens, image_tokens) = line.prompt_tokens();
            self.counts.prompt_tokens += prompt_tokens as u64;
            self.counts.image_tokens += image_tokens as u64;
            self.batch.join(self.next, *line);
            let number = self.next;
            self.next += 1;
            self.clients.insert(number, client);
            // Who is told that it has begun finds it counted.
            self.publish();
            if let Some(client) = self.clients.get_mut(&number) {
                client.tell(Progress::Begun { prompt_tokens, image_tokens });
            }
        }
    }

    /// A pass of the decoder, and what came of it is told.
    fn pass(&mut self) {
        let (start, takes_in) = (Stopwatch::start(), self.batch.takes_in());
        self.batch.pass();
        let seconds = &mut self.counts.seconds;
        *(if takes_in { &mut seconds.prefill } else { &mut seconds.decode }) += start.seconds();
        self.counts.passes += 1;
        for (number, Piece { answer, text, id, logprobs }) in self.batch.take_pieces() {
            self.counts.output_tokens += 1;
            if let Some(client) = self.clients.get_mut(&number) {
                client.tell(Progress::More { answer, text, id, logprobs });
            }
        }
        for (number, mut result) in self.batch.ended() {
            let Some(mut client) = self.clients.remove(&number) else { continue };
            let times = client.times();
            for answer in result.iter_mut().flatten() {
                answer.times = times;
                self.counts.guessed_tokens += answer.guessed.made as u64;
                self.counts.right_tokens += answer.guessed.right as u64;
                // A search shows its tokens at its end alone.
                self.counts.output_tokens += answer.score.map_or(0, |_| answer.output_ids.len() as u64);
            }
            let first = result.iter().flatten().next();
            self.counts.cached_tokens += first.map_or(0, |answer| answer.cached_tokens as u64);
            self.done(client, result);
        }
    }

    /// The end of a request.
    fn done(&mut self, mut client: Client, result: Result<Vec<Answer>, Error>) {
        *(if result.is_ok() { &mut self.counts.answered } else { &mut self.counts.failed }) += 1;
        self.publish();
        client.tell(Progress::Done(result));
    }

    /// Lets others read the counts.
    fn publish(&mut self) {
        self.counts.running = self.clients.len() + self.arrivals.len();
        self.counts.picture_bytes = self.arrivals.picture_bytes();
        self.counts.prefix_bytes = self.batch.prefixes().bytes();
        self.shared.publish(&self.counts);
    }

    /// No time is left: all are told so.
    fn cut(&mut self) {
        let mut clients = self.take_all();
        clients.extend(self.shared.sweep(true).into_iter().map(|job| Client::of(job, "").1));
        clients.into_iter().for_each(|client| self.done(client, Err(Error::Stopped)));
    }

    /// Everyone under way; all that was done for them is thrown away, and all that was kept.
    fn take_all(&mut self) -> Vec<Client> {
        let mut all = self.arrivals.sweep(true);
        all.extend(std::mem::take(&mut self.clients).into_values());
        self.arrivals = Arrivals::new(self.engine, self.options);
        self.batch = Batch::serving(self.engine, self.options.prefix_bytes);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::Job;
    use super::*;
    use crate::{Ask, DTypeChoice, EngineOptions, Request, Sampling};
    use smolvlm_backend::Isa;
    use smolvlm_processor::{Message, PlanOptions};
    use std::sync::{Arc, mpsc};

    fn request() -> Request {
        Request {
            messages: vec![Message::text("user", "Hm?")],
            plan: PlanOptions::default(),
            sampling: Sampling { min_tokens: 9, ..Sampling::default() },
            max_tokens: 9,
            stop: Vec::new(),
            show_special: false,
            grammar: None,
        }
    }

    #[test]
    fn a_panic_ends_those_under_way_and_no_one_after_them() {
        let options = EngineOptions {
            threads: 2,
            isa: Isa::best(),
            dtype: DTypeChoice::F32,
            narrow_kv: false,
            adapters: Vec::new(),
        };
        let engine = Engine::open(&smolvlm_golden::folder().join("idefics3-256m"), &options, &mut |_, _| {}).unwrap();
        let (options, shared) = (ServiceOptions::default(), Shared::new(9));
        let mut worker = Worker::new(&engine, &options, &shared);
        let ask = || {
            let (tell, told) = mpsc::channel();
            let listener = Box::new(move |progress| _ = tell.send(progress));
            let ask = Ask { request: request(), pictures: Vec::new() };
            assert!(shared.push(Job { ask, listener, gone: Arc::default() }).is_ok());
            told
        };
        let before = ask();
        worker.guarded_turn();
        // A token that the network does not have.
        let plan = smolvlm_processor::Plan { ids: vec![u32::MAX], ..engine.plan(&request(), &[]).unwrap() };
        let line = engine.unseen_line(Arc::new(request()), plan, 0).unwrap();
        worker.batch.join(usize::MAX, line);
        worker.guarded_turn();
        assert!(matches!(before.try_iter().last(), Some(Progress::Done(Err(Error::Failed)))));
        assert!(worker.is_idle() && worker.batch.is_empty());
        let after = ask();
        while !worker.is_idle() || shared.counts().waiting > 0 {
            worker.guarded_turn();
        }
        let Some(Progress::Done(Ok(answers))) = after.try_iter().last() else { panic!("no answer") };
        assert_eq!(answers[0].output_ids.len(), 9);
        let counts = shared.counts();
        assert_eq!((counts.panics, counts.failed, counts.answered, counts.running), (1, 1, 1, 0));
    }
}
