//! Connections: taken as long as there is room, served under time limits, and closed when the server stops.

use crate::app::App;
use crate::edge;
use crate::error::Failure;
use crate::listen::{Listener, Stream};
use crate::stall::Stall;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// The most bytes of a request's head, and the most of its headers.
const HEAD: usize = 64 << 10;
const HEADERS: usize = 100;

/// So long the server rests when the system has no room for another connection.
const REST: Duration = Duration::from_millis(100);

/// So long those whose answers are broken off have to read that.
const FAREWELL: Duration = Duration::from_secs(1);

/// Takes connections until `stop` says so; then those that are open have `--drain-timeout` to end.
pub(crate) async fn serve(
    app: &Arc<App>,
    router: Router,
    listener: Listener,
    tls: Option<TlsAcceptor>,
    stop: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    let mut until = stop.clone();
    loop {
        tokio::select! {
            _ = until.wait_for(|stop| *stop) => break,
            Some(ended) = open.join_next(), if !open.is_empty() => {
                if ended.is_err() {
                    app.metrics.panics.fetch_add(1, Ordering::Relaxed);
                }
            }
            taken = listener.accept() => match taken {
                Ok(stream) => {
                    let counted = Counted::new(app);
                    if counted.is_too_many() {
                        app.metrics.turned_away.fetch_add(1, Ordering::Relaxed);
                        // Its task is short: it says so and ends.
                        open.spawn(turn_away(stream, counted, tls.is_some()));
                    } else {
                        open.spawn(connection(Arc::clone(app), router.clone(), stream, tls.clone(), stop.clone(), counted));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection can be taken");
                    tokio::time::sleep(REST).await;
                }
            },
        }
    }
    drop(listener);
    app.stop();
    tracing::info!(open = open.len(), "stopping");
    if !ended(&mut open, app.options.drain_time()).await {
        tracing::warn!(open = open.len(), "the time is up: answers under way are broken off");
        app.cut().await;
        if !ended(&mut open, FAREWELL).await {
            open.shutdown().await;
        }
    }
}

/// Whether all connections end within so long.
async fn ended(open: &mut JoinSet<()>, within: Duration) -> bool {
    timeout(within, async { while open.join_next().await.is_some() {} }).await.is_ok()
}

/// A connection that is counted as long as it lives.
struct Counted {
    app: Arc<App>,
    before: usize,
}

impl Counted {
    fn new(app: &Arc<App>) -> Counted {
        let connections: &AtomicUsize = &app.metrics.connections;
        Counted { app: Arc::clone(app), before: connections.fetch_add(1, Ordering::Relaxed) }
    }

    fn is_too_many(&self) -> bool {
        self.before >= self.app.options.max_connections as usize
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.app.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says that there are too many, where that can be said without a handshake.
async fn turn_away(stream: Box<dyn Stream>, counted: Counted, tls: bool) {
    let mut stream = stream;
    let failure = Failure::later(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_many_connections",
        "too many connections are open; try again later",
    );
    let body = failure.json().to_string();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    if !tls {
        let said = async {
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
            stream.shutdown().await
        };
        _ = timeout(Duration::from_secs(1), said).await;
    }
    drop(counted);
}

async fn connection(
    app: Arc<App>,
    router: Router,
    stream: Box<dyn Stream>,
    tls: Option<TlsAcceptor>,
    stop: watch::Receiver<bool>,
    counted: Counted,
) {
    let stream = Stall::new(stream, app.options.write_time());
    match tls {
        None => http(&app, router, stream, stop).await,
        Some(acceptor) => match timeout(app.options.header_time(), acceptor.accept(stream)).await {
            Ok(Ok(stream)) => http(&app, router, stream, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS came about"),
            Err(_) => tracing::debug!("no TLS came about in time"),
        },
    }
    drop(counted);
}

async fn http(app: &Arc<App>, router: Router, stream: impl Stream + 'static, stop: watch::Receiver<bool>) {
    let service =
        service_fn(|request: Request<Incoming>| edge::answer(Arc::clone(app), router.clone(), request.map(Body::new)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.options.header_time())
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut stop = stop;
    let stopped = async {
        _ = stop.wait_for(|stop| *stop).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Waits for SIGINT or SIGTERM to stop the server in good order; a second one ends the program at once.
pub(crate) async fn signals(stop: watch::Sender<bool>) {
    signal().await;
    tracing::info!("stopping in good order; a second signal ends at once");
    _ = stop.send(true);
    signal().await;
    std::process::exit(130);
}

async fn signal() {
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => _ = signal.recv().await,
            Err(_) => pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = pending::<()>();
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => if interrupted.is_err() { pending().await },
        () = terminated => {}
    }
}
