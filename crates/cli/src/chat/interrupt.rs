//! Ctrl-C: stops an answer; a second one leaves, and so does one where nothing is being answered.

use crate::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Nothing is being answered.
const IDLE: u8 = 0;
/// An answer is being made.
const ANSWERING: u8 = 1;
/// It is to stop.
const STOPPING: u8 = 2;

/// What the program exits with where Ctrl-C ends it.
pub(super) const CODE: u8 = 130;

/// What the signals' thread and the conversation tell each other.
pub(super) struct Interrupt {
    state: Arc<AtomicU8>,
}

impl Interrupt {
    /// Begins to catch signals. Where `stops` is not set, the first one leaves already: a script that is stopped does not
    /// want its next question answered.
    ///
    /// # Errors
    /// They cannot be caught.
    pub(super) fn install(stops: bool) -> Result<Interrupt, Error> {
        let state = Arc::new(AtomicU8::new(IDLE));
        let (shared, terminal) = (Arc::clone(&state), Mode::now());
        let handler = move || {
            let stop = shared.compare_exchange(ANSWERING, STOPPING, Ordering::Relaxed, Ordering::Relaxed);
            if !stops || stop.is_err() {
                terminal.restore();
                std::process::exit(i32::from(CODE));
            }
        };
        ctrlc::set_handler(handler).map_err(|e| Error::Usage(format!("signals cannot be caught: {e}")))?;
        Ok(Interrupt { state })
    }

    /// An answer begins.
    pub(super) fn begin(&self) {
        self.state.store(ANSWERING, Ordering::Relaxed);
    }

    /// Whether it is to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.state.load(Ordering::Relaxed) == STOPPING
    }

    /// It has ended.
    pub(super) fn end(&self) {
        self.state.store(IDLE, Ordering::Relaxed);
    }
}

/// How the terminal was when the program began: an editor of lines changes that, and a signal may come while it does.
struct Mode {
    #[cfg(unix)]
    termios: Option<rustix::termios::Termios>,
}

impl Mode {
    #[cfg(unix)]
    fn now() -> Mode {
        Mode { termios: rustix::termios::tcgetattr(std::io::stdin()).ok() }
    }

    #[cfg(not(unix))]
    fn now() -> Mode {
        Mode {}
    }

    /// Puts it back, with the mark around what is pasted switched off and the cursor on a new line.
    fn restore(&self) {
        #[cfg(unix)]
        if let Some(termios) = &self.termios {
            let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, termios);
            if rustix::termios::isatty(std::io::stderr()) {
                let _ = write!(std::io::stderr(), "\u{1b}[?2004l\r\n");
            }
        }
    }
}
