//! What all requests share, and the steps that those which ask the model go through.

use crate::auth::Keys;
use crate::body::Bodies;
use crate::clips::Depth;
use crate::decoding::Most;
use crate::error::{Error, Failure};
use crate::form::{Form, Forms};
use crate::host::Callers;
use crate::media::{Media, Near};
use crate::messages::{Detail, Said};
use crate::metrics::Metrics;
use crate::options::{Options, model_name};
use crate::running::Running;
use axum::http::StatusCode;
use smolvlm_engine::{Ask, Defaults, Engine, PictureSource, Request, Service};
use smolvlm_processor::{ClipMode, Message, Part, Picture, Plan, PlanOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

use crate::decoding::Decoding;

/// How much is done aside at a time.
const ASIDES: usize = 4;

/// The server, but for its connections.
pub(crate) struct App {
    pub(crate) service: Service,
    pub(crate) options: Options,
    /// What the model's own settings ask for.
    pub(crate) defaults: Defaults,
    /// What the model is called: its name, and others.
    pub(crate) names: Vec<String>,
    pub(crate) keys: Keys,
    pub(crate) callers: Callers,
    pub(crate) media: Media,
    pub(crate) bodies: Bodies,
    forms: Forms,
    /// Room for what is done aside.
    asides: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    /// When it began, in seconds of the Unix epoch.
    pub(crate) created: u64,
    stopping: AtomicBool,
    /// The most bytes that a token stands for.
    token_bytes: usize,
}

/// How the pictures of a request are cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) max_edge: Option<u32>,
    pub(crate) split: Option<bool>,
}

/// What a request shows, as far as it is at hand.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) pictures: Vec<Near>,
    pub(crate) clips: Vec<Near>,
}

/// What a request asks of the model, its pictures not fetched yet.
pub(crate) struct Question {
    pub(crate) messages: Vec<Message>,
    pub(crate) shown: Shown,
    pub(crate) plan: PlanOptions,
    pub(crate) decoding: Decoding,
    pub(crate) form: Option<Form>,
}

impl App {
    /// Of a model that is called `model`.
    ///
    /// # Errors
    /// Options that do not fit together or name files that cannot be read; the model's own settings; no threads.
    pub(crate) fn new(engine: Engine, model: &str, options: &Options) -> Result<App, Error> {
        options.check()?;
        let defaults = engine.defaults()?;
        for note in &defaults.notes {
            tracing::warn!("{note}");
        }
        let tokenizer = engine.processor().tokenizer();
        let bytes = |id| tokenizer.token_bytes(id).map_or(0, |bytes| bytes.len());
        let token_bytes = (0..tokenizer.len() as u32).map(bytes).max().unwrap_or(1).max(1);
        let names = std::iter::once(model_name(model)).chain(options.alias.iter().map(|name| name.trim().to_owned()));
        Ok(App {
            defaults,
            names: names.collect(),
            keys: Keys::of(options)?,
            callers: Callers::of(options),
            media: Media::of(options)?,
            bodies: Bodies::new(options),
            forms: Forms::new(),
            asides: Arc::new(Semaphore::new(ASIDES)),
            metrics: Metrics::default(),
            created: now(),
            stopping: AtomicBool::new(false),
            token_bytes,
            service: Service::start(Arc::new(engine), options.service())?,
            options: options.clone(),
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.service.engine()
    }

    /// The name that answers give.
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// That the model which a request names, if it does, is this one.
    pub(crate) fn check_model(&self, name: Option<&str>) -> Result<(), Failure> {
        match name {
            Some(name) if !self.names.iter().any(|known| known == name) => {
                let what =
                    format!("this server has no such model; it has '{}' (--alias gives it other names)", self.name());
                Err(Failure::new(StatusCode::NOT_FOUND, what).code("model_not_found").of("model"))
            }
            _ => Ok(()),
        }
    }

    /// What a request may ask for at most.
    pub(crate) fn most(&self) -> Most {
        let context = self.engine().processor().context();
        let tokens = self.options.max_tokens.map_or(context, |most| (most as usize).min(context));
        Most { samples: self.options.max_n as usize, tokens: tokens.max(1) }
    }

    /// That not too much is shown, and what of it is at hand.
    pub(crate) fn shown(&self, said: &mut Said) -> Result<Shown, Failure> {
        let (found, most) = (said.pictures.len() + said.clips.len(), self.options.max_pictures as usize);
        if found > most {
            let what = format!("the request shows {found} pictures and clips; this server takes at most {most}");
            return Err(Failure::field("messages", what).code("too_many_images"));
        }
        if !said.clips.is_empty() && self.clip_settings().is_none() {
            return Err(smolvlm_processor::Error::SeesNothing.into());
        }
        let pictures = self.media.near(std::mem::take(&mut said.pictures))?;
        Ok(Shown { pictures, clips: self.media.near(std::mem::take(&mut said.clips))? })
    }

    /// What messages show as the engine takes it, fetched; frames take the places of clips.
    pub(crate) async fn fetched(
        self: &Arc<App>,
        mut messages: Vec<Message>,
        shown: Shown,
        depth: Depth,
    ) -> Result<(Vec<Message>, Vec<PictureSource>), Failure> {
        let files = self.media.all(shown.pictures).await?;
        let pictures = files.into_iter().map(|bytes| PictureSource::Bytes(bytes.into())).collect();
        let clips = self.media.all(shown.clips).await?;
        if clips.is_empty() {
            return Ok((messages, pictures));
        }
        self.aside(move |app| {
            let sources = app.with_clips(&mut messages, pictures, &clips, depth)?;
            Ok((messages, sources))
        })
        .await
    }

    /// How the pictures are cut: as the request says, or as their `detail` does.
    pub(crate) fn plan(&self, view: View, detail: Option<Detail>) -> PlanOptions {
        let tile = self.engine().processor().settings().sight.as_ref().map(|sight| sight.pictures.tile);
        let low = tile.filter(|_| detail == Some(Detail::Low));
        let clips = self.clip_settings().map_or(ClipMode::default(), |(settings, _)| settings.mode);
        PlanOptions { longest_edge: view.max_edge.or(low), split: view.split, clips, ..PlanOptions::default() }
    }

    /// Runs what computes or waits for the disk aside of those who speak with clients. Few do so at a time: more threads
    /// would not compute faster, and each keeps memory of its own.
    pub(crate) async fn aside<T: Send + 'static>(
        self: &Arc<App>,
        work: impl FnOnce(&Arc<App>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let room = Arc::clone(&self.asides).acquire_owned().await.map_err(|_| Failure::stopping())?;
        self.apart(move |app| {
            let _room = room; // held to the end, also where nobody waits for it any more
            work(app)
        })
        .await
    }

    /// Runs what may take long on a thread of its own.
    pub(crate) async fn apart<T: Send + 'static>(
        self: &Arc<App>,
        work: impl FnOnce(&Arc<App>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (app, span) = (Arc::clone(self), tracing::Span::current());
        tokio::task::spawn_blocking(move || span.in_scope(|| work(&app))).await.unwrap_or_else(|_| {
            self.metrics.panics.fetch_add(1, Ordering::Relaxed);
            Err(Failure::internal())
        })
    }

    /// What the prompt becomes: how many tokens it has, of which pictures. This reads the whole text.
    pub(crate) fn planned(
        &self,
        messages: &[Message],
        pictures: &[PictureSource],
        options: &PlanOptions,
    ) -> Result<Plan, Failure> {
        let processor = self.engine().processor();
        let text = messages.iter().flat_map(|message| &message.content).map(|part| match part {
            Part::Text(text) => text.len(),
            Part::Image(_) | Part::Clip(_) | Part::Frame => 0,
        });
        // A text that cannot fit however it is read is not read.
        let least = text.sum::<usize>() / self.token_bytes;
        let context = processor.context();
        if least > context {
            let error = smolvlm_processor::Error::ContextTooLong { needed: least, context };
            return Err(error.into());
        }
        let sizes = pictures.iter().map(|picture| self.size(picture)).collect::<Result<Vec<_>, _>>()?;
        Ok(processor.plan(messages, &sizes, options)?)
    }

    fn size(&self, picture: &PictureSource) -> Result<(u32, u32), Failure> {
        match picture {
            PictureSource::Bytes(bytes) => Ok(Picture::size(bytes, &self.options.decode())?),
            PictureSource::File(path) => Ok(Picture::size_of(path, &self.options.decode())?),
            PictureSource::Frame(tile) => Ok((tile.width, tile.height)),
        }
    }

    /// Brings a question to the model: fetches its pictures, looks whether it fits, and has it taken.
    pub(crate) async fn ask(self: &Arc<App>, question: Question) -> Result<Running, Failure> {
        self.check_running()?;
        let Question { messages, shown, plan, decoding, form } = question;
        let (messages, pictures) = self.fetched(messages, shown, Depth::Pixels).await?;
        let grammar = match form {
            Some(form) => Some(self.forms.bind(self, form).await?),
            None => None,
        };
        let ask = self.aside(move |app| {
            let options = PlanOptions { context: Some(app.engine().processor().context()), ..plan.clone() };
            app.planned(&messages, &pictures, &options)?;
            let Decoding { sampling, max_tokens, stop, special } = decoding;
            let request = Request { messages, plan, sampling, max_tokens, stop, show_special: special, grammar };
            Ok(Ask { request, pictures })
        });
        Running::begin(self, ask.await?)
    }

    /// That requests are still taken.
    pub(crate) fn check_running(&self) -> Result<(), Failure> {
        if self.stopping.load(Ordering::Relaxed) { Err(Failure::stopping()) } else { Ok(()) }
    }

    /// No more requests are taken.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.service.stop();
    }

    /// Answers under way are broken off: those who wait for them are told so.
    pub(crate) async fn cut(self: &Arc<App>) {
        _ = self.apart(|app| Ok(app.service.drain(Duration::ZERO))).await;
    }
}

/// Seconds of the Unix epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// A name for something that is made: no two are alike.
pub(crate) fn fresh_id(kind: &str) -> String {
    use std::hash::{BuildHasher, RandomState};
    let part = || RandomState::new().hash_one(SystemTime::now());
    format!("{kind}-{:016x}{:08x}", part(), part() as u32)
}
