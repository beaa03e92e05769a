//! A program whose output is read, and which is stopped where it is silent for too long, or nobody reads on.

use crate::Error;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The most bytes that are kept of what a program complains of.
const COMPLAINTS: u64 = 4096;

/// A running program. Dropped, it is killed.
pub(super) struct Process {
    out: ChildStdout,
    shared: Arc<Shared>,
    watchdog: Option<JoinHandle<()>>,
    complaints: Option<JoinHandle<String>>,
}

/// How a program ended.
pub(super) struct Ended {
    pub(super) status: Option<ExitStatus>,
    /// What it wrote on stderr, the beginning of it.
    pub(super) said: String,
    /// Whether it was stopped as it was silent for too long.
    pub(super) hanging: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    child: Child,
    /// Since when somebody waits for output.
    waiting: Option<Instant>,
    hanging: bool,
    over: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, waiting: Option<Instant>) {
        self.state().waiting = waiting;
        self.changed.notify_all();
    }

    /// Kills the program when it has been waited for that long.
    fn watch(&self, patience: Duration) {
        let mut state = self.state();
        while !state.over {
            let Some(since) = state.waiting else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(left) = patience.checked_sub(since.elapsed()).filter(|left| !left.is_zero()) else {
                state.hanging = true;
                let _ = state.child.kill();
                return;
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// It is not there, or cannot be started.
    pub(super) fn start(program: &Path, mut command: Command, patience: Duration) -> Result<Process, Error> {
        let name = || program.display().to_string();
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(|source| match source.kind() {
            ErrorKind::NotFound => Error::Missing { program: name() },
            _ => Error::Start { program: name(), source },
        })?;
        let pipes = (child.stdout.take(), child.stderr.take());
        let state = Mutex::new(State { child, waiting: None, hanging: false, over: false });
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
        let (Some(out), Some(mut errors)) = pipes else {
            let source = std::io::Error::other("its output could not be had");
            return Err(Error::Start { program: name(), source });
        };
        let complaints = std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = errors.by_ref().take(COMPLAINTS).read_to_end(&mut said);
            // The rest must be read, or the program would wait for it.
            let _ = std::io::copy(&mut errors, &mut std::io::sink());
            String::from_utf8_lossy(&said).into_owned()
        });
        let watched = Arc::clone(&shared);
        let watchdog = std::thread::spawn(move || watched.watch(patience));
        Ok(Process { out, shared, watchdog: Some(watchdog), complaints: Some(complaints) })
    }

    /// Waits for its end.
    pub(super) fn finish(mut self) -> Ended {
        // Nothing more is read: a program that writes on would wait for ever.
        self.shared.wait(Some(Instant::now()));
        let _ = std::io::copy(&mut self.out, &mut std::io::sink());
        self.end()
    }

    fn end(&mut self) -> Ended {
        let (status, hanging) = {
            let mut state = self.shared.state();
            state.over = true;
            (state.child.wait().ok(), state.hanging)
        };
        self.shared.changed.notify_all();
        if let Some(watchdog) = self.watchdog.take() {
            let _ = watchdog.join();
        }
        let said = self.complaints.take().and_then(|said| said.join().ok()).unwrap_or_default();
        Ended { status, said, hanging }
    }
}

impl Read for Process {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.shared.wait(Some(Instant::now()));
        let read = self.out.read(bytes);
        self.shared.wait(None);
        read
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.watchdog.is_some() {
            let _ = self.shared.state().child.kill();
            self.end();
        }
    }
}
