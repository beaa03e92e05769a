//! Requests that are not under way yet: their pictures are read and seen, a little in every turn, so that no one else waits
//! long for it.

use super::client::Client;
use super::sight::Sight;
use super::{Counts, ServiceOptions};
use crate::batch::Batch;
use crate::line::Line;
use crate::pictures::{Look, PictureKey, Pictures};
use crate::{Ask, Engine, Error, Features, PictureSource, Request};
use smolvlm_processor::PictureSettings;
use smolvlm_sys::Stopwatch;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// How many seconds pictures are seen for in a turn while answers are being made.
const BESIDE_ANSWERS: f64 = 0.1;

/// A request and how far it has come.
struct Arrival<'a> {
    client: Client,
    state: State<'a>,
}

enum State<'a> {
    /// Some of its pictures are not read yet.
    Looking { request: Box<Request>, left: VecDeque<PictureSource>, looks: Vec<Look> },
    /// Planned; some of its pictures are not seen yet.
    Seeing { line: Box<Line<'a>>, views: Vec<Wanted> },
}

/// A picture that is to be seen.
struct Wanted {
    key: PictureKey,
    /// As long as nobody has begun to see it for this request.
    look: Option<Look>,
    settings: PictureSettings,
    features: Option<Features>,
}

/// See the module.
pub(super) struct Arrivals<'a> {
    engine: &'a Engine,
    /// In the order in which they came.
    waiting: VecDeque<Arrival<'a>>,
    pictures: Pictures,
    sight: Sight<'a>,
}

impl<'a> Arrivals<'a> {
    pub(super) fn new(engine: &'a Engine, options: &ServiceOptions) -> Arrivals<'a> {
        let (decode, most) = (options.decode, options.picture_bytes);
        let sight = Sight::new(engine, decode);
        Arrivals { engine, waiting: VecDeque::new(), pictures: Pictures::new(decode, most), sight }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What the features of pictures take that are kept.
    pub(super) fn picture_bytes(&self) -> usize {
        self.pictures.bytes()
    }

    /// Takes a request.
    pub(super) fn push(&mut self, ask: Ask, client: Client) {
        let request = Box::new(ask.request);
        let state = State::Looking { request, left: ask.pictures.into(), looks: Vec::new() };
        self.waiting.push_back(Arrival { client, state });
    }

    /// Lets those go who are gone, or all.
    pub(super) fn sweep(&mut self, all: bool) -> Vec<Client> {
        let (out, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|arrival| all || arrival.client.is_gone());
        self.waiting = left.into();
        let waiting = &self.waiting;
        self.sight.keep(|key| waiting.iter().any(|arrival| arrival.wants(key)));
        out.into_iter().map(|arrival| arrival.client).collect()
    }

    /// A turn: a picture is read, and some tiles pass the tower. Those who cannot be answered are returned with the reason.
    pub(super) fn step(&mut self, batch: &mut Batch<'a>, counts: &mut Counts) -> Vec<(Client, Error)> {
        let mut out = Vec::new();
        let start = Stopwatch::start();
        self.look(&mut out);
        self.plan(batch, counts, &mut out);
        counts.seconds.pixels += start.seconds();
        let start = Stopwatch::start();
        self.begin();
        let most = batch.is_answering().then_some(BESIDE_ANSWERS);
        for (key, seen) in self.sight.step(most) {
            self.take(&key, seen, &mut out);
        }
        counts.seconds.vision += start.seconds();
        out
    }

    /// The first who has all that it needs, if there is room for it: who came later waits behind it.
    pub(super) fn ready(&mut self, fits: impl FnOnce(&Line<'a>) -> bool) -> Option<(Box<Line<'a>>, Client)> {
        let place = self.waiting.iter().position(Arrival::is_ready)?;
        if !matches!(self.waiting.get(place), Some(Arrival { state: State::Seeing { line, .. }, .. }) if fits(line)) {
            return None;
        }
        let Arrival { client, state } = self.waiting.remove(place)?;
        let State::Seeing { mut line, views } = state else { return None };
        let keys: Vec<PictureKey> = views.iter().map(|wanted| wanted.key).collect();
        let features: Vec<Features> = views.into_iter().filter_map(|wanted| wanted.features).collect();
        line.show(&self.engine.core.model.config, &features, &keys);
        Some((line, client))
    }

    /// Takes the one out at this place.
    fn remove(&mut self, place: usize) -> Option<Client> {
        self.waiting.remove(place).map(|arrival| arrival.client)
    }

    /// Reads a picture of whoever has read fewest.
    fn look(&mut self, out: &mut Vec<(Client, Error)>) {
        let looking = self.waiting.iter_mut().enumerate().filter_map(|(place, arrival)| match &mut arrival.state {
            State::Looking { left, looks, .. } if !left.is_empty() => Some((place, left, looks)),
            _ => None,
        });
        let Some((place, left, looks)) = looking.min_by_key(|(_, _, looks)| looks.len()) else { return };
        let Some(source) = left.pop_front() else { return };
        match guarded(|| self.pictures.look(&source)) {
            Ok(look) => looks.push(look),
            Err(error) => out.extend(self.remove(place).map(|client| (client, error))),
        }
    }

    /// Plans the requests whose pictures are read.
    fn plan(&mut self, batch: &mut Batch<'a>, counts: &mut Counts, out: &mut Vec<(Client, Error)>) {
        let mut place = 0;
        while let Some(arrival) = self.waiting.get_mut(place) {
            let State::Looking { request, left, looks } = &mut arrival.state else {
                place += 1;
                continue;
            };
            if !left.is_empty() {
                place += 1;
                continue;
            }
            let (request, looks) = ((**request).clone(), std::mem::take(looks));
            match guarded(|| self.seeing(request, looks, batch, counts)) {
                Ok(state) => {
                    if let Some(arrival) = self.waiting.get_mut(place) {
                        arrival.state = state;
                    }
                    place += 1;
                }
                Err(error) => out.extend(self.remove(place).map(|client| (client, error))),
            }
        }
    }

    /// A request, planned.
    fn seeing(
        &mut self,
        request: Request,
        looks: Vec<Look>,
        batch: &mut Batch<'a>,
        counts: &mut Counts,
    ) -> Result<State<'a>, Error> {
        let sizes: Vec<(u32, u32)> = looks.iter().map(Look::size).collect();
        let plan = self.engine.plan(&request, &sizes)?;
        let options = request.plan.clone();
        let request = Arc::new(request);
        let line = loop {
            let others = batch.bytes().saturating_add(self.bytes());
            match self.engine.unseen_line(Arc::clone(&request), plan.clone(), others) {
                // What is kept for later gives way.
                Err(Error::Memory { .. }) if batch.prefixes().let_go() || self.pictures.let_go() => {}
                line => break Box::new(line?),
            }
        };
        let mut views = Vec::new();
        for look in looks {
            let settings = self.engine.picture_settings(&options, look.is_frame())?;
            let key = look.key(&settings);
            let features = self.pictures.features(&key);
            *(if features.is_some() { &mut counts.picture_hits } else { &mut counts.picture_misses }) += 1;
            views.push(Wanted { key, look: Some(look), settings, features });
        }
        Ok(State::Seeing { line, views })
    }

    /// The most bytes of the cache that those come to hold who are planned.
    fn bytes(&self) -> usize {
        let of_one = |arrival: &Arrival<'_>| match &arrival.state {
            State::Seeing { line, .. } => line.bytes(),
            State::Looking { .. } => 0,
        };
        self.waiting.iter().map(of_one).sum()
    }

    /// Begins to see what is wanted and is not being seen.
    fn begin(&mut self) {
        for wanted in self.waiting.iter_mut().flat_map(Arrival::wanted).filter(|wanted| wanted.features.is_none()) {
            if !self.sight.sees(&wanted.key)
                && let Some(look) = wanted.look.take()
            {
                self.sight.begin(wanted.key, look, wanted.settings);
            }
        }
    }

    /// Gives features to all who want them.
    fn take(&mut self, key: &PictureKey, seen: Result<Features, Error>, out: &mut Vec<(Client, Error)>) {
        let features = match seen {
            Ok(features) => features,
            Err(error) => {
                // The first who wants it is told; others have looked for themselves, and try again.
                let first = self.waiting.iter().position(|arrival| arrival.wants(key) && !arrival.has_look(key));
                out.extend(first.and_then(|place| self.remove(place)).map(|client| (client, error)));
                return;
            }
        };
        for wanted in self.waiting.iter_mut().flat_map(Arrival::wanted).filter(|wanted| wanted.key == *key) {
            wanted.features.get_or_insert_with(|| features.clone());
        }
        self.pictures.keep(*key, features);
    }
}

impl Arrival<'_> {
    fn wanted(&mut self) -> &mut [Wanted] {
        match &mut self.state {
            State::Seeing { views, .. } => views,
            State::Looking { .. } => &mut [],
        }
    }

    fn views(&self) -> &[Wanted] {
        match &self.state {
            State::Seeing { views, .. } => views,
            State::Looking { .. } => &[],
        }
    }

    /// Whether it waits for a picture's features.
    fn wants(&self, key: &PictureKey) -> bool {
        self.views().iter().any(|wanted| wanted.key == *key && wanted.features.is_none())
    }

    /// Whether somebody else sees a picture for it.
    fn has_look(&self, key: &PictureKey) -> bool {
        self.views().iter().all(|wanted| wanted.key != *key || wanted.look.is_some())
    }

    fn is_ready(&self) -> bool {
        let seen = |views: &[Wanted]| views.iter().all(|wanted| wanted.features.is_some());
        matches!(&self.state, State::Seeing { views, .. } if seen(views))
    }
}

/// What a request asks for, where a panic is its own affair.
fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Error::Failed))
}
