//! Pictures as the decoder reads them: through the tower and the connector.

use crate::{Engine, Error};
use smolvlm_backend::Tensor;
use smolvlm_model::Save;
use smolvlm_processor::{Picture, PicturePlan, PictureSettings, PlanOptions};

/// Patches that pass the tower together: small tiles alone would leave it idle.
const PATCHES: usize = 1024;

/// A picture as the decoder reads it: made once, for as many questions as are asked about it. A clone shares the numbers.
#[derive(Clone)]
pub struct Features {
    pub(crate) plan: PicturePlan,
    /// Of some tiles each, in order: [tiles * tokens, hidden].
    pub(crate) tiles: Vec<Tensor>,
}

impl Features {
    /// The picture's width and height.
    pub fn size(&self) -> (u32, u32) {
        (self.plan.width, self.plan.height)
    }

    /// How many places they take in a prompt.
    pub(crate) fn rows(&self) -> usize {
        self.tiles.iter().map(Tensor::rows).sum()
    }

    /// The memory that they take.
    pub fn bytes(&self) -> usize {
        self.tiles.iter().map(|tensor| tensor.len() * tensor.dtype().size()).sum()
    }
}

/// Tiles that will pass the tower together.
#[derive(Default)]
struct Waiting {
    pixels: Vec<u8>,
    /// The number of the picture that each is of.
    owners: Vec<usize>,
}

/// A picture, and whether it is a frame of a clip; or why there is none.
type Opened = Result<(Picture, bool), String>;

impl Engine {
    /// A picture through the tower and the connector.
    ///
    /// # Errors
    /// Where it cannot be cut as the options say.
    pub fn see(&self, picture: &Picture, options: &PlanOptions) -> Result<Features, Error> {
        self.see_as(picture, &self.picture_settings(options, false)?)
    }

    /// A frame of a clip, of a tile's size, through the tower and the connector.
    ///
    /// # Errors
    /// The network sees nothing.
    pub fn see_frame(&self, tile: &Picture) -> Result<Features, Error> {
        self.see_as(tile, &self.picture_settings(&PlanOptions::default(), true)?)
    }

    /// What becomes of pictures where they are asked for so, or of frames.
    pub(crate) fn picture_settings(&self, options: &PlanOptions, frame: bool) -> Result<PictureSettings, Error> {
        let settings = self.processor.picture_settings(options)?;
        Ok(if frame { settings.of_frames() } else { settings })
    }

    /// A picture through the tower and the connector.
    pub(crate) fn see_as(&self, picture: &Picture, settings: &PictureSettings) -> Result<Features, Error> {
        let (core, (plan, pixels)) = (&self.core, self.cut(picture, settings)?);
        let chunks = pixels.chunks(self.tiles_together() * 3 * (plan.tile as usize).pow(2));
        let encode = |tiles| core.model.encode(&*core.backend, tiles, &core.tables, &mut Save::Off);
        Ok(Features { plan, tiles: chunks.map(encode).collect() })
    }

    /// Several pictures, or frames of clips of a tile's size, through the tower and the connector: each as it is seen alone,
    /// but small ones together. `open` makes the pictures, several at once, and says which are frames.
    ///
    /// # Errors
    /// Those of `open`, and where a picture cannot be cut as the options say, in words.
    pub fn see_each<P: Sync>(
        &self,
        pictures: &[P],
        options: &PlanOptions,
        open: impl Fn(&P) -> Opened + Sync,
    ) -> Vec<Result<Features, String>> {
        let mut opened: Vec<(&P, Opened)> = pictures.iter().map(|picture| (picture, Err(String::new()))).collect();
        self.core.backend.pool().chunks(&mut opened, 1, |_, one| {
            one.iter_mut().for_each(|(picture, to)| *to = open(picture));
        });
        let with_settings = |picture: Opened| {
            let (picture, frame) = picture?;
            Ok((picture, self.picture_settings(options, frame).map_err(|e| e.to_string())?))
        };
        let opened: Vec<Result<_, String>> = opened.into_iter().map(|(_, picture)| with_settings(picture)).collect();
        let seen = self.see_all(&opened.iter().flatten().map(|(picture, as_)| (picture, *as_)).collect::<Vec<_>>());
        let mut seen = seen.into_iter();
        let next = |opened: Result<_, String>| {
            opened?;
            seen.next().map_or(Err(String::new()), |seen| seen.map_err(|e| e.to_string()))
        };
        opened.into_iter().map(next).collect()
    }

    /// The same of several: small ones pass the tower together, with the numbers that each has alone.
    pub(crate) fn see_all(&self, pictures: &[(&Picture, PictureSettings)]) -> Vec<Result<Features, Error>> {
        let mut seen = Vec::new();
        let mut waiting = Waiting::default();
        for (number, (picture, settings)) in pictures.iter().enumerate() {
            match self.cut(picture, settings) {
                Ok((plan, pixels)) => {
                    seen.push(Ok(Features { plan, tiles: Vec::new() }));
                    let side = plan.tile as usize;
                    for tile in pixels.chunks_exact(3 * side * side) {
                        waiting.pixels.extend_from_slice(tile);
                        waiting.owners.push(number);
                        if waiting.owners.len() >= self.tiles_together() {
                            self.encode(&mut waiting, &mut seen);
                        }
                    }
                }
                Err(error) => seen.push(Err(error)),
            }
        }
        self.encode(&mut waiting, &mut seen);
        seen
    }

    /// How many tiles pass the tower together.
    pub(crate) fn tiles_together(&self) -> usize {
        let patches = self.core.model.config.sight.as_ref().map_or(1, |sight| sight.tower.patches());
        (PATCHES / patches.max(1)).max(1)
    }

    /// How many tiles a picture is cut into; none where it cannot be cut.
    pub(crate) fn tiles(&self, picture: &Picture, settings: &PictureSettings) -> usize {
        let plan = settings.plan(picture.width, picture.height);
        plan.map_or(0, |plan| plan.tiles as usize)
    }

    /// A picture's tiles: u8 [tiles, 3, side, side].
    pub(crate) fn cut(&self, picture: &Picture, settings: &PictureSettings) -> Result<(PicturePlan, Vec<u8>), Error> {
        let plan = settings.plan(picture.width, picture.height)?;
        Ok((plan, plan.tiles(picture, self.core.backend.pool())?))
    }

    /// Brings what waits through the tower, and to its owners.
    fn encode(&self, waiting: &mut Waiting, seen: &mut [Result<Features, Error>]) {
        let Waiting { pixels, owners } = std::mem::take(waiting);
        if owners.is_empty() {
            return;
        }
        let backend = &*self.core.backend;
        let all = self.core.model.encode(backend, &pixels, &self.core.tables, &mut Save::Off);
        let rows = all.rows() / owners.len();
        let mut first = 0;
        for of_one in owners.chunk_by(|a, b| a == b) {
            let next = first + of_one.len() * rows;
            let tiles = if of_one.len() == owners.len() {
                all.clone()
            } else {
                backend.gather_rows(&all, &(first as u32..next as u32).collect::<Vec<u32>>())
            };
            if let Some(Ok(features)) = of_one.first().and_then(|&owner| seen.get_mut(owner)) {
                features.tiles.push(tiles);
            }
            first = next;
        }
    }
}
