//! Ctrl-C: what is done so far is kept.

use crate::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// SIGINT and SIGTERM set the flag and say `what` comes of it; a second one ends at once.
pub(crate) fn stop_on_signals(stop: &Arc<AtomicBool>, what: &'static str) -> Result<(), Error> {
    let stop = Arc::clone(stop);
    let handler = move || {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        let _ = writeln!(std::io::stderr(), "\n{what}; once more to stop at once");
    };
    ctrlc::set_handler(handler).map_err(|e| Error::Usage(format!("signals cannot be caught: {e}")))
}
