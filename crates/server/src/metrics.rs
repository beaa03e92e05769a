//! What the server has done, in the text form that Prometheus reads.

use smolvlm_engine::Counts;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counts of HTTP; those of answers are the service's.
#[derive(Default)]
pub(crate) struct Metrics {
    /// By path as the router has it, method and status.
    requests: Mutex<BTreeMap<(&'static str, &'static str, u16), u64>>,
    /// From a request's head to its answer's end.
    seconds: Mutex<Histogram>,
    /// From a question to the first piece of its answer.
    first: Mutex<Histogram>,
    /// Connections open now.
    pub(crate) connections: AtomicUsize,
    /// Connections that were turned away, as there were too many.
    pub(crate) turned_away: AtomicU64,
    /// Requests whose handling panicked.
    pub(crate) panics: AtomicU64,
}

/// Upper bounds of the buckets, in seconds.
const BOUNDS: [f64; 12] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];

#[derive(Default, Clone, Copy)]
struct Histogram {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    fn add(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        for (bucket, bound) in self.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
        self.count += 1;
        self.sum += seconds;
    }

    fn write(&self, name: &str, help: &str, out: &mut String) {
        _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {bucket}");
        }
        _ = writeln!(
            out,
            "{name}_bucket{{le=\"+Inf\"}} {}\n{name}_sum {}\n{name}_count {}",
            self.count, self.sum, self.count
        );
    }
}

/// A count holds whatever happened to the thread that held it.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// A request was answered, as far as its head.
    pub(crate) fn request(&self, route: &'static str, method: &'static str, status: u16) {
        *held(&self.requests).entry((route, method, status)).or_default() += 1;
    }

    /// A question was answered to its end; `first` is when its first piece was there.
    pub(crate) fn answered(&self, whole: Duration, first: Option<Duration>) {
        held(&self.seconds).add(whole);
        if let Some(first) = first {
            held(&self.first).add(first);
        }
    }

    /// The text.
    pub(crate) fn text(&self, counts: &Counts) -> String {
        let mut out = String::new();
        let mut one = |name: &str, kind: &str, help: &str, value: f64| {
            _ = writeln!(out, "# HELP smolvlm_{name} {help}\n# TYPE smolvlm_{name} {kind}\nsmolvlm_{name} {value}");
        };
        let (counter, gauge) = ("counter", "gauge");
        one("answered_total", counter, "Questions that were answered.", counts.answered as f64);
        one("failed_total", counter, "Questions that could not be answered.", counts.failed as f64);
        one("cancelled_total", counter, "Questions whose client left.", counts.cancelled as f64);
        one("refused_total", counter, "Questions that were not taken.", counts.refused as f64);
        one("waiting", gauge, "Questions that wait now.", counts.waiting as f64);
        one("running", gauge, "Questions under way now.", counts.running as f64);
        one("prompt_tokens_total", counter, "Tokens of prompts.", counts.prompt_tokens as f64);
        one(
            "cached_tokens_total",
            counter,
            "Of which were there from an earlier question.",
            counts.cached_tokens as f64,
        );
        one("image_tokens_total", counter, "Of which stand for pictures.", counts.image_tokens as f64);
        one("output_tokens_total", counter, "Tokens of answers.", counts.output_tokens as f64);
        one("guessed_tokens_total", counter, "Tokens that were guessed of answers.", counts.guessed_tokens as f64);
        one("guessed_right_tokens_total", counter, "Of which proved right.", counts.right_tokens as f64);
        one("picture_cache_hits_total", counter, "Pictures that had been seen.", counts.picture_hits as f64);
        one("picture_cache_misses_total", counter, "Pictures that had to be seen.", counts.picture_misses as f64);
        one("picture_cache_bytes", gauge, "Bytes of remembered pictures.", counts.picture_bytes as f64);
        one("prefix_cache_bytes", gauge, "Bytes of remembered prompts.", counts.prefix_bytes as f64);
        one("passes_total", counter, "Passes of the decoder.", counts.passes as f64);
        one("vision_seconds_total", counter, "Seconds of seeing pictures.", counts.seconds.vision);
        one("prefill_seconds_total", counter, "Seconds of taking prompts in.", counts.seconds.prefill);
        one("decode_seconds_total", counter, "Seconds of making tokens.", counts.seconds.decode);
        let panics = counts.panics + self.panics.load(Ordering::Relaxed);
        one("panics_total", counter, "Faults of the program that a request met.", panics as f64);
        one("connections", gauge, "Connections open now.", self.connections.load(Ordering::Relaxed) as f64);
        let turned_away = self.turned_away.load(Ordering::Relaxed);
        one("connections_turned_away_total", counter, "Connections that were too many.", turned_away as f64);
        _ = writeln!(out, "# HELP smolvlm_http_requests_total Requests.\n# TYPE smolvlm_http_requests_total counter");
        for ((route, method, status), count) in held(&self.requests).iter() {
            let labels = format!("path=\"{route}\",method=\"{method}\",status=\"{status}\"");
            _ = writeln!(out, "smolvlm_http_requests_total{{{labels}}} {count}");
        }
        held(&self.seconds).write("smolvlm_answer_seconds", "Seconds from a question to its answer's end.", &mut out);
        held(&self.first).write(
            "smolvlm_first_piece_seconds",
            "Seconds from a question to its answer's first piece.",
            &mut out,
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_prometheus() {
        let metrics = Metrics::default();
        metrics.request("/health", "GET", 200);
        metrics.request("/health", "GET", 200);
        metrics.answered(Duration::from_millis(30), Some(Duration::from_millis(10)));
        let text = metrics.text(&Counts { answered: 3, ..Counts::default() });
        for line in [
            "smolvlm_answered_total 3",
            "smolvlm_http_requests_total{path=\"/health\",method=\"GET\",status=\"200\"} 2",
            "smolvlm_answer_seconds_bucket{le=\"0.02\"} 0",
            "smolvlm_answer_seconds_bucket{le=\"0.05\"} 1",
            "smolvlm_answer_seconds_bucket{le=\"+Inf\"} 1",
            "smolvlm_first_piece_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (_, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
