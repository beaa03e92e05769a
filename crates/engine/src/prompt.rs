//! From a plan to the logits of the prompt's last position.

use crate::capture::Capture;
use crate::core::Core;
use crate::{Error, Event, Features, Times};
use smolvlm_backend::{KvSequence, Tensor};
use smolvlm_model::Save;
use smolvlm_processor::{Picture, Plan};
use smolvlm_sys::Stopwatch;
use std::ops::ControlFlow;

/// Rows of a prompt that pass the layers together.
pub(crate) const PREFILL_ROWS: usize = 512;

/// A prompt that the model has taken in.
pub(crate) struct Prompt {
    pub(crate) sequence: KvSequence,
    /// [1, vocabulary], after the last position.
    pub(crate) logits: Tensor,
}

/// A prompt's pictures, one for each place in order.
#[derive(Clone, Copy)]
pub(crate) enum Sights<'a> {
    /// Decoded; frames of clips have a tile's size.
    Pictures(&'a [Picture]),
    /// Through the tower already.
    Seen(&'a [Features]),
}

/// Told of what happens; breaks off by `Break`.
pub(crate) type Observer<'a> = &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>;

impl Core {
    /// Encodes the pictures and takes the prompt in; `None` where the observer broke off.
    pub(crate) fn take_prompt(
        &self,
        plan: &Plan,
        sights: Sights<'_>,
        capture: &mut Option<&mut Capture>,
        times: &mut Times,
        observer: Observer<'_>,
    ) -> Result<Option<Prompt>, Error> {
        let Some(x) = self.embed(plan, sights, capture, times, observer)? else { return Ok(None) };
        let start = Stopwatch::start();
        let mut sequence = self.sequence();
        let total = plan.ids.len();
        let mut last = None;
        for first in (0..total).step_by(PREFILL_ROWS) {
            let rows = PREFILL_ROWS.min(total - first);
            let hidden = self.forward(&mut sequence, &x, first, rows);
            if let Some(capture) = capture {
                self.each_logits(&hidden, rows, |logits| capture.logits(&*self.backend, logits));
            }
            last = Some((hidden, rows));
            if observer(Event::Prompt { done: first + rows, total }).is_break() {
                return Ok(None);
            }
        }
        let Some((hidden, rows)) = last else { return Ok(None) };
        let hidden = self.backend.gather_rows(&hidden, &[rows as u32 - 1]);
        let logits = self.logits(&hidden);
        times.prefill += start.seconds();
        Ok(Some(Prompt { sequence, logits }))
    }

    /// The prompt's embeddings [ids, hidden], with the pictures' features in their places.
    pub(crate) fn embed(
        &self,
        plan: &Plan,
        sights: Sights<'_>,
        capture: &mut Option<&mut Capture>,
        times: &mut Times,
        observer: Observer<'_>,
    ) -> Result<Option<Tensor>, Error> {
        let backend = &*self.backend;
        let mut x = self.model.text.embed(backend, &plan.ids);
        let places = self.model.config.image_places(&plan.ids);
        let pictures = match sights {
            Sights::Pictures(pictures) => pictures,
            Sights::Seen(seen) => {
                let mut first = 0;
                for tiles in seen.iter().flat_map(|features| &features.tiles) {
                    let own = places.get(first..first + tiles.rows()).unwrap_or_default();
                    x = backend.scatter_rows(x, own, tiles);
                    first += tiles.rows();
                }
                return Ok(Some(x));
            }
        };
        let mut places = places.chunks(self.model.config.tokens_per_tile().max(1));
        let mut done = 0;
        for (picture, layout) in pictures.iter().zip(&plan.pictures) {
            let start = Stopwatch::start();
            let tiles = layout.tiles(picture, backend.pool())?;
            times.pixels += start.seconds();
            if let Some(capture) = capture {
                capture.pixels.extend_from_slice(&tiles);
            }
            let side = layout.tile as usize;
            for tile in tiles.chunks_exact(3 * side * side) {
                let start = Stopwatch::start();
                // One tile at a time: it keeps both cores busy, and its activations in the cache.
                let features = self.model.encode(backend, tile, &self.tables, &mut Save::Off);
                if let Some(capture) = capture {
                    capture.features(backend, &features);
                }
                if let Some(places) = places.next() {
                    x = backend.scatter_rows(x, places, &features);
                }
                times.vision += start.seconds();
                done += 1;
                if observer(Event::Tiles { done, total: plan.tiles }).is_break() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(x))
    }
}
