//! Pictures on their way through the tower: some tiles at a time, so that no answer waits for a picture of many.

use crate::pictures::{Look, PictureKey};
use crate::{Engine, Error, Features};
use smolvlm_backend::Tensor;
use smolvlm_model::Save;
use smolvlm_processor::{DecodeOptions, PicturePlan, PlanOptions};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A picture that is being seen.
struct View {
    key: PictureKey,
    look: Look,
    options: PlanOptions,
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
    views: VecDeque<View>,
}

impl<'a> Sight<'a> {
    pub(super) fn new(engine: &'a Engine, decode: DecodeOptions) -> Sight<'a> {
        Sight { engine, decode, views: VecDeque::new() }
    }

    /// Whether a picture is being seen.
    pub(super) fn sees(&self, key: &PictureKey) -> bool {
        self.views.iter().any(|view| view.key == *key)
    }

    /// Begins to see a picture.
    pub(super) fn begin(&mut self, key: PictureKey, look: Look, options: PlanOptions) {
        self.views.push_back(View { key, look, options, cut: None, tiles: Vec::new(), done: 0 });
    }

    /// Gives up those that nobody wants to see any more.
    pub(super) fn keep(&mut self, wanted: impl Fn(&PictureKey) -> bool) {
        self.views.retain(|view| wanted(&view.key));
    }

    /// Brings the next tiles through the tower, as many as it takes at once, and returns the pictures that are seen then.
    /// Who has more tiles left waits behind the others.
    pub(super) fn step(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        let mut room = self.engine.tiles_together();
        let mut pixels = Vec::new();
        let mut now: Vec<(View, usize)> = Vec::new();
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
            now.push((view, tiles));
        }
        if now.is_empty() {
            return seen;
        }
        let (core, all) = (&self.engine.core, now.iter().map(|(_, tiles)| tiles).sum::<usize>());
        let features = core.model.encode(&*core.backend, &pixels, &core.tables, &mut Save::Off);
        let (rows, mut first) = (features.rows() / all.max(1), 0);
        for (mut view, tiles) in now {
            let next = first + tiles * rows;
            let own = match tiles == all {
                true => features.clone(),
                false => core.backend.gather_rows(&features, &(first as u32..next as u32).collect::<Vec<u32>>()),
            };
            first = next;
            view.tiles.push(own);
            view.done += tiles;
            match view.finish() {
                Ok(features) => seen.push(features),
                Err(view) => self.views.push_back(view),
            }
        }
        seen
    }
}

impl View {
    /// Cuts it into tiles, if it is not yet.
    fn cut(&mut self, engine: &Engine, decode: &DecodeOptions) -> Result<(), Error> {
        if self.cut.is_none() {
            self.cut = Some(engine.cut(&self.look.take(decode)?, &self.options)?);
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
    fn finish(self) -> Result<Seen, View> {
        match self.cut {
            Some((plan, _)) if self.done >= plan.tiles as usize => {
                Ok((self.key, Ok(Features { plan, tiles: self.tiles })))
            }
            _ => Err(self),
        }
    }
}
