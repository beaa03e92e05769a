//! Pictures on their way through the tower: some tiles at a time and a layer after the other, so that no answer waits long.

use crate::pictures::{Look, PictureKey};
use crate::{Engine, Error, Features};
use smolvlm_backend::Tensor;
use smolvlm_model::Save;
use smolvlm_processor::{DecodeOptions, PicturePlan, PictureSettings};
use smolvlm_sys::Stopwatch;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A picture that is being seen.
struct View {
    key: PictureKey,
    look: Look,
    settings: PictureSettings,
    /// Once it is cut into tiles: u8 [tiles, 3, side, side].
    cut: Option<(PicturePlan, Vec<u8>)>,
    /// Features of the tiles that have passed the tower.
    tiles: Vec<Tensor>,
    /// How many these are.
    done: usize,
}

/// A picture that was seen, or why it could not be.
pub(super) type Seen = (PictureKey, Result<Features, Error>);

/// See the module.
pub(super) struct Sight<'a> {
    engine: &'a Engine,
    decode: DecodeOptions,
    /// The next one first.
    views: VecDeque<Box<View>>,
    /// What is in the tower.
    passing: Option<Passing>,
}

/// Tiles in the tower.
struct Passing {
    /// Whose they are, and how many of each.
    views: Vec<(Box<View>, usize)>,
    /// [tiles * patches, hidden], behind so many layers.
    x: Tensor,
    layers: usize,
}

impl<'a> Sight<'a> {
    pub(super) fn new(engine: &'a Engine, decode: DecodeOptions) -> Sight<'a> {
        Sight { engine, decode, views: VecDeque::new(), passing: None }
    }

    /// Whether a picture is being seen.
    pub(super) fn sees(&self, key: &PictureKey) -> bool {
        let passing = self.passing.iter().flat_map(|passing| &passing.views);
        self.views.iter().chain(passing.map(|(view, _)| view)).any(|view| view.key == *key)
    }

    /// Begins to see a picture.
    pub(super) fn begin(&mut self, key: PictureKey, look: Look, settings: PictureSettings) {
        let view = View { key, look, settings, cut: None, tiles: Vec::new(), done: 0 };
        self.views.push_back(Box::new(view));
    }

    /// Gives up those that nobody wants to see any more.
    pub(super) fn keep(&mut self, wanted: impl Fn(&PictureKey) -> bool) {
        self.views.retain(|view| wanted(&view.key));
        self.passing.take_if(|passing| !passing.views.iter().any(|(view, _)| wanted(&view.key)));
    }

    /// Brings tiles on through the tower: all of it, or as many layers as so many seconds last. Returns the pictures that are
    /// seen then.
    pub(super) fn step(&mut self, most: Option<f64>) -> Vec<Seen> {
        let (start, engine) = (Stopwatch::start(), self.engine);
        let mut seen = self.enter();
        let Some(tower) = &engine.core.model.sight else { return seen };
        while let Some(Passing { views, x, layers }) = self.passing.take() {
            let backend = &*engine.core.backend;
            if layers < tower.vision.layers() {
                let x = tower.vision.layer(backend, layers, x);
                self.passing = Some(Passing { views, x, layers: layers + 1 });
            } else {
                let x = tower.vision.leave(backend, &x, &mut Save::Off);
                self.leave(views, &tower.connector.forward(backend, &x, &mut Save::Off), &mut seen);
            }
            if most.is_some_and(|most| start.seconds() >= most) {
                break;
            }
        }
        seen
    }

    /// Brings the next tiles into the tower, as many as it takes at once, if it is empty.
    fn enter(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        let mut room = if self.passing.is_none() { self.engine.tiles_together() } else { 0 };
        let (mut pixels, mut views) = (Vec::new(), Vec::new());
        while room > 0
            && let Some(mut view) = self.views.pop_front()
        {
            let cut = catch_unwind(AssertUnwindSafe(|| view.cut(self.engine, &self.decode)));
            if let Err(error) = cut.unwrap_or(Err(Error::Failed)) {
                seen.push((view.key, Err(error)));
                continue;
            }
            let tiles = view.next_tiles(room, &mut pixels);
            room -= tiles;
            views.push((view, tiles));
        }
        let core = &self.engine.core;
        if let Some(tower) = core.model.sight.as_ref().filter(|_| !views.is_empty()) {
            let x = tower.vision.enter(&*core.backend, &pixels, &core.tables, &mut Save::Off);
            self.passing = Some(Passing { views, x, layers: 0 });
        }
        seen
    }

    /// Gives features to those whose tiles they are of. Who has more tiles left waits behind the others.
    fn leave(&mut self, views: Vec<(Box<View>, usize)>, features: &Tensor, seen: &mut Vec<Seen>) {
        let all: usize = views.iter().map(|(_, tiles)| tiles).sum();
        let (rows, mut first) = (features.rows() / all.max(1), 0);
        for (mut view, tiles) in views {
            let next = first + tiles * rows;
            let own: Vec<u32> = (first as u32..next as u32).collect();
            let backend = &self.engine.core.backend;
            view.tiles.push(if tiles == all { features.clone() } else { backend.gather_rows(features, &own) });
            view.done += tiles;
            first = next;
            match view.finish() {
                Ok(features) => seen.push(features),
                Err(view) => self.views.push_back(view),
            }
        }
    }
}

impl View {
    /// Cuts it into tiles, if it is not yet.
    fn cut(&mut self, engine: &Engine, decode: &DecodeOptions) -> Result<(), Error> {
        if self.cut.is_none() {
            self.cut = Some(engine.cut(&self.look.take(decode)?, &self.settings)?);
        }
        Ok(())
    }

    /// Adds the pixels of its next tiles, at most so many; how many there are.
    fn next_tiles(&self, most: usize, pixels: &mut Vec<u8>) -> usize {
        let Some((plan, all)) = &self.cut else { return 0 };
        let tile = 3 * (plan.tile as usize).pow(2);
        let tiles = most.min((plan.tiles as usize).saturating_sub(self.done));
        pixels.extend_from_slice(all.get(self.done * tile..(self.done + tiles) * tile).unwrap_or_default());
        tiles
    }

    /// Its features, if all of it was seen.
    fn finish(self: Box<View>) -> Result<Seen, Box<View>> {
        match self.cut {
            Some((plan, _)) if self.done >= plan.tiles as usize => {
                Ok((self.key, Ok(Features { plan, tiles: self.tiles })))
            }
            _ => Err(self),
        }
    }
}
