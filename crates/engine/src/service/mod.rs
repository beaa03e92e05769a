//! One model for many clients: a thread that owns the network takes requests as they come and answers them side by side.
//!
//! [`Service::ask`] never waits: a request is taken into a queue of bounded length or refused. What happens to it is told by
//! a callback, on the service's thread, which must not wait either. Dropping the [`Ticket`] cancels the request before the
//! next pass.

mod arrivals;
mod client;
mod counts;
mod shared;
mod sight;
mod work;

use crate::{Answer, Ask, Engine, Error, TokenLogprobs};
use shared::{Job, Shared};
use smolvlm_processor::DecodeOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub use counts::Counts;

/// How much is done at a time.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// The most requests that are answered side by side.
    pub at_once: usize,
    /// The most requests that wait beside those.
    pub waiting: usize,
    /// The most bytes that the caches of requests under way come to hold; a request that needs more is answered alone.
    pub cache_bytes: usize,
    /// The most bytes that features of pictures take which are kept in case they are shown again.
    pub picture_bytes: usize,
    /// The most bytes that keys and values take which are kept for requests that begin alike.
    pub prefix_bytes: usize,
    /// How pictures are read.
    pub decode: DecodeOptions,
}

impl Default for ServiceOptions {
    /// 16 at once, 64 waiting, 1 GiB for requests under way, 256 MiB for pictures and 1 GiB for beginnings.
    fn default() -> ServiceOptions {
        ServiceOptions {
            at_once: 16,
            waiting: 64,
            cache_bytes: 1 << 30,
            picture_bytes: 256 << 20,
            prefix_bytes: 1 << 30,
            decode: DecodeOptions::default(),
        }
    }
}

/// What happens to a request.
#[derive(Debug)]
pub enum Progress {
    /// It is planned, its pictures are seen, and its prompt goes in next.
    Begun {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Of which stand for pictures.
        image_tokens: usize,
    },
    /// More of one of its answers; whole characters only, so that tokens may come without text. A search tells none.
    More {
        /// The answer's number.
        answer: usize,
        /// Its next piece. What the template itself puts in front of an answer is left out.
        text: String,
        /// Its newest token.
        id: u32,
        /// Of that token, where they were asked for.
        logprobs: Option<TokenLogprobs>,
    },
    /// The end: all answers, or why there are none. A cancelled request ends without.
    Done(Result<Vec<Answer>, Error>),
}

/// Why a request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// As many wait as may.
    #[error("{waiting} requests are waiting already: try again later")]
    Full {
        /// How many wait.
        waiting: usize,
    },
    /// The service is being stopped.
    #[error("the program is about to stop and takes no more requests")]
    Stopping,
}

/// Told what happens to a request. One that panics is told no more.
pub type Listener = Box<dyn FnMut(Progress) + Send>;

/// A request that was taken. Dropping it cancels the request.
#[must_use = "a request whose ticket is dropped is cancelled"]
pub struct Ticket {
    gone: Arc<AtomicBool>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// A model that answers many.
pub struct Service {
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(engine: Arc<Engine>, options: ServiceOptions) -> std::io::Result<Service> {
        let shared = Arc::new(Shared::new(options.waiting));
        let of_thread = (Arc::clone(&engine), Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("smolvlm-service".into()).spawn(move || {
            let (engine, shared) = of_thread;
            work::run(&engine, &options, &shared);
        })?;
        Ok(Service { engine, shared, thread: Some(thread) })
    }

    /// The model that answers.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Takes a request, whose `listener` is told what happens to it.
    ///
    /// # Errors
    /// It cannot be taken now.
    pub fn ask(&self, ask: Ask, listener: Listener) -> Result<Ticket, Refusal> {
        let gone = Arc::new(AtomicBool::new(false));
        self.shared.push(Job { ask, listener, gone: Arc::clone(&gone) })?;
        Ok(Ticket { gone })
    }

    /// What it has done so far, and does now.
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// Takes no more requests. Those that were taken are answered.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Takes no more requests and waits until those that were taken are answered, or else for so long; what is not answered
    /// then ends with [`Error::Stopped`]. Whether all were answered or cancelled.
    pub fn drain(&self, most: Duration) -> bool {
        self.shared.drain(most)
    }
}

impl Drop for Service {
    /// Takes no more, and waits until those under way are answered or cancelled.
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}
