//! Time that passes.

use std::time::Instant;

/// Seconds since a moment. In a browser's WebAssembly, where the standard library finds no clock and panics, they are 0.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Option<Instant>);

impl Stopwatch {
    /// Starts one.
    pub fn start() -> Stopwatch {
        let clock = !cfg!(all(target_family = "wasm", target_os = "unknown"));
        Stopwatch(clock.then(Instant::now))
    }

    /// Seconds since it was started.
    pub fn seconds(&self) -> f64 {
        self.0.map_or(0.0, |start| start.elapsed().as_secs_f64())
    }
}
