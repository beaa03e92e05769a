//! A clip as a model is shown it.

use crate::{Clip, Error};
use smolvlm_kernels::Pool;
use smolvlm_processor::{Chosen, ClipInfo, ClipSettings, Message, Part, Picture};
use std::ops::ControlFlow;

/// What a clip becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// What is known of it.
    pub clip: ClipInfo,
    /// Its frames that are shown.
    pub chosen: Vec<Chosen>,
    /// Their places and the words around them.
    pub parts: Vec<Part>,
}

impl Shown {
    /// Frames of a part of a clip between two moments, and the words around them: the part's own length among them.
    pub fn part(settings: &ClipSettings, chosen: Vec<Chosen>, clip: ClipInfo, (from, to): (f64, f64)) -> Shown {
        let parts = settings.parts(&ClipInfo { duration: (to - from).max(0.0), ..clip }, &chosen);
        Shown { clip, chosen, parts }
    }
}

/// A frame that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which of the shown ones, counted from 0.
    pub number: usize,
    /// Its pixels, of a tile's size.
    pub tile: Picture,
}

impl Clip {
    /// What of it is shown, as the settings say; nothing is decoded.
    ///
    /// # Errors
    /// It has no frames or no time, or the settings show none.
    pub fn plan(&self, settings: &ClipSettings) -> Result<Shown, Error> {
        let clip = self.info();
        let chosen = settings.choose(&clip)?;
        let parts = settings.parts(&clip, &chosen);
        Ok(Shown { clip, chosen, parts })
    }

    /// What is shown of a part between two moments, in seconds; none where the clip has no frame there.
    ///
    /// # Errors
    /// As [`Clip::plan`].
    pub fn plan_between(&self, settings: &ClipSettings, from: f64, to: f64) -> Result<Option<Shown>, Error> {
        let clip = self.info();
        let chosen = settings.choose_between(&clip, from, to)?;
        if chosen.is_empty() {
            return Ok(None);
        }
        Ok(Some(Shown::part(settings, chosen, clip, (from, to.min(clip.duration)))))
    }

    /// Decodes the frames of a plan and brings each to a tile's size. `take` is given each in order, and may break off: never
    /// more than one whole frame is held.
    ///
    /// # Errors
    /// As [`Clip::frames`].
    pub fn show(
        &self,
        shown: &Shown,
        settings: &ClipSettings,
        tile: u32,
        pool: &Pool,
        take: &mut dyn FnMut(Frame) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut wanted: Vec<usize> = shown.chosen.iter().map(|chosen| self.real(chosen.index)).collect();
        // By the clock a frame may be shown twice.
        let real = wanted.clone();
        wanted.dedup();
        let (mut failed, mut number) = (None, 0);
        let done = self.frames(&wanted, &mut |index, picture| {
            let tile = match settings.fit(&picture, tile, pool) {
                Ok(tile) => tile,
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            };
            while real.get(number) == Some(&index) {
                take(Frame { number, tile: tile.clone() })?;
                number += 1;
            }
            ControlFlow::Continue(())
        });
        match failed {
            Some(error) => Err(error.into()),
            None => done,
        }
    }
}

/// Puts what clips become in the places of the clips.
pub fn expand<'s>(messages: &mut [Message], shown: impl Iterator<Item = &'s Shown>) {
    fill::<()>(messages, Vec::new(), shown.map(|shown| (&*shown.parts, Vec::new())));
}

/// Puts what clips become in the places of the clips. What is returned takes the places that the messages then have, in their
/// order: the pictures, and each clip's frames.
pub fn fill<'p, P>(
    messages: &mut [Message],
    pictures: Vec<P>,
    clips: impl Iterator<Item = (&'p [Part], Vec<P>)>,
) -> Vec<P> {
    let (mut pictures, mut clips) = (pictures.into_iter(), clips);
    let mut filled = Vec::new();
    for message in messages {
        for part in std::mem::take(&mut message.content) {
            if let Part::Clip(_) = part {
                let (parts, frames) = clips.next().unwrap_or_default();
                message.content.extend(parts.iter().cloned());
                filled.extend(frames);
            } else {
                filled.extend(part.is_place().then(|| pictures.next()).flatten());
                message.content.push(part);
            }
        }
    }
    filled.extend(pictures);
    filled
}
