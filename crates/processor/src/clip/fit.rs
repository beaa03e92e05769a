//! A frame on its way to a tile.

use super::{ClipMode, ClipSettings};
use crate::tiles::{Samples, resize};
use crate::{Error, Picture, PictureSettings};
use smolvlm_kernels::Pool;
use smolvlm_kernels::resample::Kernel;
use std::borrow::Cow;

/// The side that the first SmolVLM's script cuts frames to, in pixels.
const V1_SIDE: u32 = 384;

impl ClipSettings {
    /// A frame as a picture of a tile's size, which the network takes as it is.
    ///
    /// # Errors
    /// It has no pixels, or a side of it is rounded to 0.
    pub fn fit(&self, frame: &Picture, tile: u32, pool: &Pool) -> Result<Picture, Error> {
        let samples = samples(frame);
        let near = match self.mode {
            ClipMode::V1 => middle(frame, self.filter, pool)?,
            ClipMode::SmolVlm2 | ClipMode::VlmEvalKit => {
                let settings = PictureSettings { longest_edge: self.edge, tile, split: false, resize: true };
                resize(samples, settings.plan(frame.width, frame.height)?.resized, self.filter, pool)
            }
        };
        let (_, rgb) = resize(near, (tile, tile), self.filter, pool);
        Ok(Picture { width: tile, height: tile, rgb: rgb.into_owned() })
    }
}

fn samples(frame: &Picture) -> Samples<'_> {
    ((frame.width as usize, frame.height as usize), Cow::Borrowed(frame.rgb.as_slice()))
}

/// `resize_and_center_crop` of the first SmolVLM's script: the shorter side to 384 pixels, then the middle square. A side may
/// be rounded to 383, as both are where the shorter one is divided by and multiplied again: what lies outside is black.
fn middle<'a>(frame: &'a Picture, kernel: Kernel, pool: &Pool) -> Result<Samples<'a>, Error> {
    let (width, height) = (frame.width, frame.height);
    if width == 0 || height == 0 {
        return Err(Error::ZeroSize { width, height });
    }
    let side = f64::from(V1_SIDE);
    let (new_width, new_height) = match width < height {
        true => (V1_SIDE, (f64::from(height) * (side / f64::from(width))) as u32),
        false => ((f64::from(width) * (side / f64::from(height))) as u32, V1_SIDE),
    };
    let ((row, _), rgb) = resize(samples(frame), (new_width, new_height), kernel, pool);
    let side = V1_SIDE as usize;
    // Python's division: one pixel too few begins one before the first.
    let start = |length: u32| (i64::from(length) - i64::from(V1_SIDE)).div_euclid(2);
    let (left, top) = (start(new_width), start(new_height));
    let mut square = vec![0; 3 * side * side];
    for (y, line) in (top..).zip(square.chunks_exact_mut(3 * side)) {
        let Some(from) = usize::try_from(y).ok().and_then(|y| rgb.chunks_exact(3 * row).nth(y)) else { continue };
        for (x, pixel) in (left..).zip(line.as_chunks_mut::<3>().0) {
            let there = usize::try_from(x).ok().and_then(|x| from.as_chunks::<3>().0.get(x));
            *pixel = there.copied().unwrap_or_default();
        }
    }
    Ok(((side, side), Cow::Owned(square)))
}

#[cfg(test)]
mod tests {
    use super::super::ClipDefaults;
    use super::*;

    #[test]
    fn frames_of_all_sizes_have_a_middle() {
        let pool = Pool::new(1);
        let mut short = 0;
        for width in 80..130 {
            let frame = Picture { width, height: width, rgb: vec![200; 3 * (width * width) as usize] };
            let (size, square) = middle(&frame, Kernel::Lanczos, &pool).unwrap();
            assert_eq!((size, square.len()), ((384, 384), 3 * 384 * 384));
            // As Pillow crops: the first column is outside where 384 became 383.
            let black = (f64::from(width) * (384.0 / f64::from(width))) < 384.0;
            assert_eq!((square[0] == 0, square[3]), (black, 200), "{width}");
            short += usize::from(black);
        }
        assert!(short > 0);
    }

    #[test]
    fn a_frame_becomes_a_tile() {
        let pool = Pool::new(1);
        let frame = Picture { width: 40, height: 20, rgb: (0..2400).map(|at| (at % 251) as u8).collect() };
        for mode in [ClipMode::SmolVlm2, ClipMode::V1, ClipMode::VlmEvalKit] {
            for filter in [Kernel::Lanczos, Kernel::Bicubic] {
                let defaults = ClipDefaults { mode: ClipMode::SmolVlm2, fps: 1.0, max_frames: 64, edge: 32 };
                let settings = ClipSettings { filter, ..ClipSettings::new(mode, defaults, 64) };
                let tile = settings.fit(&frame, 64, &pool).unwrap();
                assert_eq!((tile.width, tile.height, tile.rgb.len()), (64, 64, 3 * 64 * 64));
                let empty = Picture { width: 0, height: 5, rgb: Vec::new() };
                assert!(settings.fit(&empty, 64, &pool).is_err());
            }
        }
    }
}
