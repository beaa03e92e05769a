//! The log on stderr: a line an event, as text or JSON. What is asked and answered never stands in it.

use crate::options::{LogFormat, LogLevel, Options};
use tracing_subscriber::filter::LevelFilter;

/// Begins it, unless the program has begun one.
pub(crate) fn begin(options: &Options) {
    let level = match options.log_level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_target(false);
    _ = match options.log_format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).with_ansi(false).try_init(),
    };
}
