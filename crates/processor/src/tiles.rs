//! A picture through its plan: two resizes, and the tiles.

use std::borrow::Cow;

use smolvlm_kernels::Pool;
use smolvlm_kernels::resample::{self, Kernel};

use crate::{Error, Picture, PicturePlan};

impl PicturePlan {
    /// The picture's tiles: u8 [tiles, 3, tile, tile], planar, row by row, the overview last.
    ///
    /// The picture is resized twice (`resized`, then `refined`), each time to bytes, and cut; the overview is the
    /// refined picture resized to one tile. A picture that is not cut is resized to one tile. The model's input is
    /// `(tile / 255 - 0.5) / 0.5`. The bytes are those of `Idefics3ImageProcessorPil` of transformers, for any number
    /// of threads.
    ///
    /// # Errors
    /// [`Error::PlanMismatch`] if the plan was not made for a picture of this size, or its sizes do not fit together.
    pub fn tiles(&self, picture: &Picture, pool: &Pool) -> Result<Vec<u8>, Error> {
        let (side, area) = self.check(picture)?;
        let original = ((picture.width as usize, picture.height as usize), Cow::Borrowed(picture.rgb.as_slice()));
        let resized = resize(original, self.resized, Kernel::Lanczos, pool);
        let refined = resize(resized, self.refined, Kernel::Lanczos, pool); // [rows * side, cols * side, 3]
        let mut tiles = vec![0; self.tiles as usize * 3 * area];
        if self.tiles == 1 {
            planes(&refined.1, side, &mut tiles);
            return Ok(tiles);
        }
        let cols = self.cols as usize;
        let last = tiles.len() - 3 * area;
        let (cut, overview) = tiles.split_at_mut(last);
        pool.chunks(cut, 3 * area, |tile, target| {
            let (row, col) = (tile / cols, tile % cols);
            let start = 3 * (row * area * cols + col * side);
            planes(refined.1.get(start..).unwrap_or_default(), cols * side, target);
        });
        let small = resize(refined, (self.tile, self.tile), Kernel::Lanczos, pool);
        planes(&small.1, side, overview);
        Ok(tiles)
    }

    /// The side and the area of a tile, if the plan fits the picture and itself.
    fn check(&self, picture: &Picture) -> Result<(usize, usize), Error> {
        let side = self.tile as usize;
        let fits = || {
            let area = side.checked_mul(side)?;
            (self.tiles as usize).checked_mul(area)?.checked_mul(3)?;
            let length = |width: u32, height: u32| (width as usize).checked_mul(height as usize)?.checked_mul(3);
            length(self.resized.0, self.resized.1).filter(|&bytes| bytes > 0)?;
            let (rows, cols, tiles) = match self.tiles {
                1 => (1, 1, 1),
                tiles => (self.rows, self.cols, tiles.checked_sub(1)?),
            };
            let grid = (cols.checked_mul(self.tile)?, rows.checked_mul(self.tile)?);
            let same = (self.width, self.height) == (picture.width, picture.height)
                && length(picture.width, picture.height)? == picture.rgb.len()
                && !picture.rgb.is_empty()
                && area > 0
                && rows.checked_mul(cols)? == tiles
                && tiles > 0
                && self.refined == grid;
            same.then_some(area)
        };
        match fits() {
            Some(area) => Ok((side, area)),
            None => {
                Err(Error::PlanMismatch { plan: (self.width, self.height), picture: (picture.width, picture.height) })
            }
        }
    }
}

/// A picture on its way: its size and its samples, u8 [height, width, 3].
pub(crate) type Samples<'a> = ((usize, usize), Cow<'a, [u8]>);

/// The picture in another size; itself if the size is the same.
pub(crate) fn resize<'a>(
    (size, samples): Samples<'a>,
    new_size: (u32, u32),
    kernel: Kernel,
    pool: &Pool,
) -> Samples<'a> {
    let new_size = (new_size.0 as usize, new_size.1 as usize);
    if size == new_size {
        return (size, samples);
    }
    let mut target = vec![0; 3 * new_size.0 * new_size.1];
    resample::resize_rgb(&samples, size, &mut target, new_size, kernel, pool);
    (new_size, Cow::Owned(target))
}

/// One tile from rows of `width` RGB pixels: u8 [3, side, side] from the first `side` pixels of every row.
fn planes(source: &[u8], width: usize, target: &mut [u8]) {
    let area = target.len() / 3;
    let side = area.isqrt();
    let (red, others) = target.split_at_mut(area);
    let (green, blue) = others.split_at_mut(area);
    let planes = red.chunks_exact_mut(side).zip(green.chunks_exact_mut(side)).zip(blue.chunks_exact_mut(side));
    for (row, ((red, green), blue)) in source.chunks(3 * width).zip(planes) {
        let samples = red.iter_mut().zip(green).zip(blue);
        for (pixel, ((red, green), blue)) in row.as_chunks::<3>().0.iter().zip(samples) {
            [*red, *green, *blue] = *pixel;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PictureSettings;

    fn picture(width: u32, height: u32) -> Picture {
        let rgb = (0..3 * width * height).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        Picture { width, height, rgb }
    }

    #[test]
    fn tiles_are_cut_row_by_row_and_the_overview_is_last() {
        // No resize happens: the tiles are the picture's own samples.
        let settings = PictureSettings { longest_edge: 8, tile: 4, split: true, resize: true };
        let (picture, pool) = (picture(8, 8), Pool::new(2));
        let tiles = settings.plan(8, 8).unwrap().tiles(&picture, &pool).unwrap();
        assert_eq!(tiles.len(), 5 * 3 * 16);
        for tile in 0..4 {
            for (channel, y, x) in (0..48).map(|i| (i / 16, i / 4 % 4, i % 4)) {
                let (row, col) = (tile / 2 * 4 + y, tile % 2 * 4 + x);
                assert_eq!(tiles[tile * 48 + channel * 16 + y * 4 + x], picture.rgb[3 * (row * 8 + col) + channel]);
            }
        }
    }

    #[test]
    fn every_number_of_threads_gives_the_same_bytes() {
        let settings = PictureSettings { longest_edge: 256, tile: 64, split: true, resize: true };
        let picture = picture(301, 97);
        let plan = settings.plan(301, 97).unwrap();
        let one = plan.tiles(&picture, &Pool::new(1)).unwrap();
        for threads in [2, 3, 7] {
            assert!(plan.tiles(&picture, &Pool::new(threads)).unwrap() == one);
        }
    }

    #[test]
    fn plans_of_other_pictures_are_refused() {
        let settings = PictureSettings { longest_edge: 64, tile: 16, split: true, resize: true };
        let (picture, pool) = (picture(20, 10), Pool::new(1));
        let plan = settings.plan(20, 10).unwrap();
        assert!(plan.tiles(&picture, &pool).is_ok());
        for wrong in [
            PicturePlan { width: 21, ..plan },
            PicturePlan { tiles: 0, ..plan },
            PicturePlan { tiles: 1, ..plan },
            PicturePlan { rows: 0, ..plan },
            PicturePlan { tile: 0, ..plan },
            PicturePlan { tile: u32::MAX, ..plan },
            PicturePlan { resized: (0, 64), ..plan },
            PicturePlan { refined: (64, 33), ..plan },
        ] {
            assert!(matches!(wrong.tiles(&picture, &pool), Err(Error::PlanMismatch { .. })), "{wrong:?}");
        }
        let short = Picture { rgb: vec![0; 599], ..picture };
        assert!(matches!(plan.tiles(&short, &pool), Err(Error::PlanMismatch { .. })));
    }
}
