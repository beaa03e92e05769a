//! A question that the model was given: what happens to it, until its answer is whole or whoever asked leaves.

use crate::app::App;
use crate::error::Failure;
use axum::http::StatusCode;
use smolvlm_engine::{Answer, Ask, Progress, Refusal, Ticket};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tracing::Span;

/// Dropping it lets the question go.
pub(crate) struct Running {
    progress: UnboundedReceiver<Progress>,
    /// None when it has ended.
    ticket: Option<Ticket>,
    app: Arc<App>,
    /// The room that its body takes.
    room: Option<OwnedSemaphorePermit>,
    start: Instant,
    /// When the first piece was there.
    first: Option<Duration>,
    /// That of its request, which may be answered to its end behind the handler.
    span: Span,
}

impl Running {
    /// Has a question taken.
    ///
    /// # Errors
    /// Too many wait already, or the server is about to stop.
    pub(crate) fn begin(app: &Arc<App>, ask: Ask) -> Result<Running, Failure> {
        let (send, progress) = unbounded_channel();
        // Pieces wait here no longer than the client's time to read; an answer's length bounds them.
        let listener = Box::new(move |event| _ = send.send(event));
        let start = Instant::now();
        match app.service.ask(ask, listener) {
            Ok(ticket) => Ok(Running {
                progress,
                ticket: Some(ticket),
                app: Arc::clone(app),
                room: None,
                start,
                first: None,
                span: Span::current(),
            }),
            Err(Refusal::Full { waiting }) => {
                let what = format!("{waiting} requests are waiting already; try again later");
                Err(Failure::later(StatusCode::SERVICE_UNAVAILABLE, "overloaded", what))
            }
            Err(Refusal::Stopping) => Err(Failure::stopping()),
        }
    }

    /// Keeps the room of its body until it has ended.
    pub(crate) fn holding(mut self, room: OwnedSemaphorePermit) -> Running {
        self.room = Some(room);
        self
    }

    /// Waits until its prompt goes in: what can be refused is refused before.
    pub(crate) async fn begun(&mut self) -> Result<(), Failure> {
        match self.next().await {
            Some(Progress::Begun { .. }) => Ok(()),
            Some(Progress::Done(Err(error))) => Err(error.into()),
            _ => Err(Failure::internal()),
        }
    }

    /// Waits for all of its answers.
    pub(crate) async fn answers(&mut self) -> Result<Vec<Answer>, Failure> {
        loop {
            match self.next().await {
                Some(Progress::Done(answers)) => return Ok(answers?),
                Some(_) => {}
                None => return Err(Failure::internal()),
            }
        }
    }

    async fn next(&mut self) -> Option<Progress> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// What happens next; none where it ended without an answer.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Progress>> {
        let event = std::task::ready!(self.progress.poll_recv(context));
        if matches!(event, Some(Progress::More { .. })) && self.first.is_none() {
            self.first = Some(self.start.elapsed());
        }
        if let Some(Progress::Done(result)) = &event {
            self.end(result.as_deref().ok());
        }
        Poll::Ready(event)
    }

    /// It has ended by itself.
    fn end(&mut self, answers: Option<&[Answer]>) {
        self.ticket = None;
        self.room = None;
        let whole = self.start.elapsed();
        self.app.metrics.answered(whole, self.first);
        let Some(answers) = answers else { return };
        let _within = self.span.enter();
        let count = |of: fn(&Answer) -> usize| answers.iter().map(of).sum::<usize>();
        tracing::info!(
            prompt_tokens = answers.first().map_or(0, |answer| answer.prompt_tokens),
            image_tokens = answers.first().map_or(0, |answer| answer.image_tokens),
            cached_tokens = answers.first().map_or(0, |answer| answer.cached_tokens),
            output_tokens = count(|answer| answer.output_ids.len()),
            seconds = whole.as_secs_f64(),
            "answered"
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            let _within = self.span.enter();
            tracing::info!(seconds = self.start.elapsed().as_secs_f64(), "let go: whoever asked has left");
        }
    }
}
