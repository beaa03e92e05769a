//! The HTTP server: an OpenAI-compatible API, and a page to ask by.
//!
//! [`serve`] answers until it is told to stop. A request passes the edge (`edge.rs`: names, origins, keys), is read field by
//! field (`fields.rs`; no field is passed over), its pictures are fetched as far as the options allow (`media.rs`), and the
//! engine's service answers it side by side with others (`running.rs`). Whoever leaves lets the question go.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod app;
mod auth;
mod body;
mod chat;
mod clips;
mod completions;
pub mod config;
mod connections;
mod decoding;
mod edge;
mod error;
mod fields;
mod form;
mod handler;
mod host;
mod listen;
mod logs;
mod media;
mod messages;
mod metrics;
mod models;
mod openapi;
mod options;
mod page;
mod plan;
mod reply;
mod responses;
mod router;
mod running;
mod sse;
mod stall;
mod state;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod usage;

pub use error::Error;
pub use handler::Handler;
pub use options::{LogFormat, LogLevel, Options};

use app::App;
use listen::Listener;
use smolvlm_engine::Engine;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Threads that speak with clients; the model has its own.
const THREADS: usize = 2;

/// So often memory that is free goes back to the system.
const TIDY: Duration = Duration::from_secs(30);

/// Keeps what the busiest moment took from being held for ever.
async fn keep_heap_small() {
    loop {
        tokio::time::sleep(TIDY).await;
        smolvlm_sys::give_back_heap();
    }
}

/// Serves a model, which clients call `model`, until SIGINT or SIGTERM. `open` loads it, behind all that can be refused
/// without it; `told` is given the address once it listens.
///
/// # Errors
/// Options that do not fit together or name what is not there; a model that cannot be loaded or served; nobody may listen
/// where they say.
pub fn serve<E: From<Error>>(
    options: &Options,
    model: &str,
    open: impl FnOnce() -> Result<Engine, E>,
    told: impl FnOnce(&str) -> Result<(), E>,
) -> Result<(), E> {
    options.check()?;
    smolvlm_sys::share_heap();
    logs::begin(options);
    let tls = tls::acceptor(options)?;
    // A file of keys or a folder that is not there is said before the model is loaded.
    let keys = auth::Keys::of(options)?;
    media::Media::of(options)?;
    let app = Arc::new(App::new(open()?, model, options)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let runtime = runtime.map_err(Error::System)?;
    let listener = runtime.block_on(Listener::of(options))?;
    told(&listener.address(tls.is_some()))?;
    if listener.is_open() && !keys.are_asked() {
        tracing::warn!("whoever reaches this address may use the server: --api-key or --api-key-file asks for a key");
    }
    let (stop, stopped) = watch::channel(false);
    let router = router::router(&app);
    runtime.block_on(async {
        tokio::spawn(connections::signals(stop));
        tokio::spawn(keep_heap_small());
        connections::serve(&app, router, listener, tls, stopped).await;
    });
    // Fetches that nobody waits for any more are left to themselves.
    runtime.shutdown_background();
    tracing::info!("stopped");
    Ok(())
}
