//! The thread: requests join, all go a step, and those who asked are told.

use super::shared::{Job, Order, Shared};
use super::{Listener, Progress, ServiceOptions};
use crate::batch::{Batch, Line};
use crate::gallery::{Gallery, Key};
use crate::{Answer, Ask, Engine, Error, Times};
use smolvlm_sys::Stopwatch;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Works until the service is stopped and all is answered.
pub(super) fn run(engine: &Engine, options: &ServiceOptions, shared: &Shared) {
    let _over = Over(shared);
    let mut worker = Worker::new(engine, options, shared);
    loop {
        match shared.order(worker.clients.is_empty() && worker.held.is_none()) {
            Order::Work => {
                // What a panic leaves behind is thrown away with all who are under way.
                if catch_unwind(AssertUnwindSafe(|| worker.turn())).is_err() {
                    worker.fail_all();
                }
            }
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

/// Who asked.
struct Client {
    listener: Listener,
    gone: Arc<AtomicBool>,
    times: Times,
    /// Since its prompt began to go in, or since its first token.
    since: Stopwatch,
    /// Whether its first token was told.
    answers: bool,
}

impl Client {
    /// Tells it something. One that panics is gone.
    fn tell(&mut self, progress: Progress) {
        if catch_unwind(AssertUnwindSafe(|| (self.listener)(progress))).is_err() {
            self.gone.store(true, Ordering::Relaxed);
        }
    }
}

struct Worker<'a> {
    engine: &'a Engine,
    options: &'a ServiceOptions,
    shared: &'a Shared,
    batch: Batch<'a>,
    gallery: Gallery,
    /// Who is under way, by the numbers that the batch knows them by.
    clients: BTreeMap<usize, Client>,
    /// The next number.
    next: usize,
    /// One that the caches of the others leave no room.
    held: Option<(Box<Line<'a>>, Client)>,
}

impl<'a> Worker<'a> {
    fn new(engine: &'a Engine, options: &'a ServiceOptions, shared: &'a Shared) -> Worker<'a> {
        let (batch, gallery) = (Batch::new(engine), Gallery::new(options.decode));
        Worker { engine, options, shared, batch, gallery, clients: BTreeMap::new(), next: 0, held: None }
    }

    /// A turn: who may joins, and a pass.
    fn turn(&mut self) {
        self.sweep();
        self.fill();
        self.shared.count(|counts| counts.running = self.clients.len());
        if !self.batch.is_empty() {
            self.pass();
        }
    }

    /// Lets those go who do not want to be answered any more.
    fn sweep(&mut self) {
        let waiting = self.shared.sweep(false).len();
        let gone: Vec<usize> = self
            .clients
            .iter()
            .filter(|(_, client)| client.gone.load(Ordering::Relaxed))
            .map(|(&number, _)| number)
            .collect();
        for number in &gone {
            self.clients.remove(number);
            self.batch.leave(*number);
        }
        let held = self.held.take_if(|(_, client)| client.gone.load(Ordering::Relaxed)).is_some();
        let all = waiting + gone.len() + usize::from(held);
        self.shared.count(|counts| counts.cancelled += all as u64);
    }

    /// Lets requests join, in order, as long as there is room.
    fn fill(&mut self) {
        while self.batch.len() < self.options.at_once.max(1) {
            let (line, client) = match self.held.take() {
                Some((line, client)) => (*line, client),
                None => {
                    let Some(Job { ask, listener, gone }) = self.shared.pop() else { return };
                    let mut client =
                        Client { listener, gone, times: Times::default(), since: Stopwatch::start(), answers: false };
                    let planned = catch_unwind(AssertUnwindSafe(|| self.line(ask)));
                    let line = match planned.unwrap_or(Err(Error::Failed)) {
                        Ok(line) => line,
                        Err(error) => {
                            self.done(client, Err(error));
                            continue;
                        }
                    };
                    client.times.vision = client.since.seconds();
                    (line, client)
                }
            };
            if !self.batch.is_empty() && self.batch.bytes().saturating_add(line.bytes()) > self.options.cache_bytes {
                self.held = Some((Box::new(line), client));
                return;
            }
            self.join(line, client);
        }
    }

    fn join(&mut self, line: Line<'a>, mut client: Client) {
        let (prompt_tokens, image_tokens) = line.prompt_tokens();
        client.tell(Progress::Begun { prompt_tokens, image_tokens });
        self.shared.count(|counts| {
            counts.prompt_tokens += prompt_tokens as u64;
            counts.image_tokens += image_tokens as u64;
        });
        client.since = Stopwatch::start();
        self.batch.join(self.next, line);
        self.clients.insert(self.next, client);
        self.next += 1;
    }

    /// A request that can join, with its pictures seen.
    fn line(&mut self, ask: Ask) -> Result<Line<'a>, Error> {
        let own: Vec<Key> = ask.pictures.iter().map(|picture| Key::new(picture, &ask.request.plan)).collect();
        let line = self.planned(ask, &own);
        if line.is_err() {
            self.gallery.let_go(&own);
        }
        line
    }

    fn planned(&mut self, ask: Ask, own: &[Key]) -> Result<Line<'a>, Error> {
        let sizes = self.gallery.sizes(self.engine, own, std::iter::empty())?;
        let plan = self.engine.plan(&ask.request, &sizes)?;
        let features = self.gallery.features(self.engine, own)?;
        self.engine.line(Arc::new(ask.request), plan, &features, self.batch.bytes())
    }

    /// A pass of the decoder, and what came of it is told.
    fn pass(&mut self) {
        let (start, takes_in) = (Stopwatch::start(), self.batch.takes_in());
        self.batch.pass();
        let seconds = start.seconds();
        let mut made = 0;
        for (number, piece) in self.batch.pieces() {
            made += 1;
            if let Some(client) = self.clients.get_mut(&number) {
                if !client.answers {
                    client.answers = true;
                    client.times.prefill = client.since.seconds();
                    client.since = Stopwatch::start();
                }
                let crate::course::Piece { answer, text, id, logprobs } = piece;
                client.tell(Progress::More { answer, text, id, logprobs });
            }
        }
        for (number, mut result) in self.batch.ended() {
            // A search shows its tokens at its end alone.
            let shown = result.iter().flatten().filter(|answer| answer.score.is_some());
            made += shown.map(|answer| answer.output_ids.len() as u64).sum::<u64>();
            let Some(mut client) = self.clients.remove(&number) else { continue };
            *(if client.answers { &mut client.times.decode } else { &mut client.times.prefill }) =
                client.since.seconds();
            result.iter_mut().flatten().for_each(|answer| answer.times = client.times);
            self.done(client, result);
        }
        self.shared.count(|counts| {
            counts.passes += 1;
            counts.output_tokens += made;
            *(if takes_in { &mut counts.seconds.prefill } else { &mut counts.seconds.decode }) += seconds;
        });
    }

    /// The end of a request.
    fn done(&mut self, mut client: Client, result: Result<Vec<Answer>, Error>) {
        let running = self.clients.len();
        self.shared.count(|counts| {
            counts.end(&result);
            counts.running = running;
        });
        client.tell(Progress::Done(result));
    }

    /// Everyone under way.
    fn take_all(&mut self) -> Vec<Client> {
        let held = self.held.take().map(|(_, client)| client);
        std::mem::take(&mut self.clients).into_values().chain(held).collect()
    }

    /// Something panicked: those under way are told so, and all that it may have left broken is made anew.
    fn fail_all(&mut self) {
        self.shared.count(|counts| counts.panics += 1);
        self.batch = Batch::new(self.engine);
        self.gallery = Gallery::new(self.options.decode);
        for client in self.take_all() {
            self.done(client, Err(Error::Failed));
        }
    }

    /// There is no time left.
    fn cut(&mut self) {
        self.batch = Batch::new(self.engine);
        let mut all = self.take_all();
        all.extend(self.shared.sweep(true).into_iter().map(|Job { listener, gone, .. }| Client {
            listener,
            gone,
            times: Times::default(),
            since: Stopwatch::start(),
            answers: false,
        }));
        for client in all {
            self.done(client, Err(Error::Stopped));
        }
    }
}
