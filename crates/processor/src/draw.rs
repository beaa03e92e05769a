//! What the model sees of a picture, as a picture for people.

use crate::{Error, Picture, PicturePlan};
use smolvlm_kernels::Pool;

/// What shows between tiles; beside them it is white.
const GAP_COLOUR: [u8; 3] = [255, 0, 128];

impl PicturePlan {
    /// The tiles laid out as they were cut, lines between them, the overview at the right.
    ///
    /// # Errors
    /// As [`PicturePlan::tiles`].
    pub fn draw(&self, picture: &Picture, pool: &Pool) -> Result<Picture, Error> {
        let tiles = self.tiles(picture, pool)?;
        let side = self.tile as usize;
        let gap = (side / 64).max(1);
        let (rows, cols) = (self.rows as usize, self.cols as usize);
        // The grid (none where the picture was not cut), then the overview, level with the first row.
        let left = if cols == 0 { 0 } else { cols * (side + gap) + 3 * gap };
        let (width, height) = (left + side, (rows * (side + gap)).saturating_sub(gap).max(side));
        let mut rgb = vec![255; 3 * width * height];
        let grid_width = (cols * (side + gap)).saturating_sub(gap);
        for line in rgb.chunks_exact_mut(3 * width) {
            line.iter_mut().zip(GAP_COLOUR.iter().cycle()).take(3 * grid_width).for_each(|(to, &x)| *to = x);
        }
        for (index, tile) in tiles.chunks_exact(3 * side * side).enumerate() {
            let (x, y) = if index < rows * cols {
                (index % cols * (side + gap), index / cols * (side + gap))
            } else {
                (left, 0)
            };
            place(tile, side, &mut rgb, width, x, y);
        }
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Picture { width: size(width), height: size(height), rgb })
    }
}

/// Copies a planar tile to (x, y) of interleaved samples.
fn place(tile: &[u8], side: usize, rgb: &mut [u8], width: usize, x: usize, y: usize) {
    for (channel, plane) in tile.chunks_exact(side * side).enumerate() {
        for (line, samples) in plane.chunks_exact(side).enumerate() {
            let start = 3 * ((y + line) * width + x) + channel;
            for (to, &sample) in rgb.iter_mut().skip(start).step_by(3).zip(samples) {
                *to = sample;
            }
        }
    }
}

impl Picture {
    /// The picture as a PNG file.
    ///
    /// # Errors
    /// [`Error::PictureCorrupt`] if its samples do not fit its size.
    pub fn to_png(&self) -> Result<Vec<u8>, Error> {
        written(std::slice::from_ref(self), None)
    }

    /// Pictures of one size as an animated PNG file, which shows so many a second, from 1/65 on.
    ///
    /// # Errors
    /// [`Error::PictureCorrupt`] if there are none, or their samples do not fit the first one's size.
    pub fn to_apng(frames: &[Picture], fps: f64) -> Result<Vec<u8>, Error> {
        written(frames, Some(fps))
    }
}

/// A PNG file of one picture, or of several that are shown in turn.
fn written(frames: &[Picture], fps: Option<f64>) -> Result<Vec<u8>, Error> {
    let wrong = |reason: String| Error::PictureCorrupt { format: "PNG", reason };
    let first = frames.first().ok_or_else(|| wrong("no frames".into()))?;
    if frames.iter().any(|frame| (frame.width, frame.height) != (first.width, first.height)) {
        return Err(wrong("frames of several sizes".into()));
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, first.width, first.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let write = |mut encoder: png::Encoder<'_, &mut Vec<u8>>| {
        if let Some(fps) = fps {
            encoder.set_animated(u32::try_from(frames.len()).unwrap_or(u32::MAX), 0)?;
            encoder.set_frame_delay((1000.0 / fps).round() as u16, 1000)?;
        }
        let mut writer = encoder.write_header()?;
        for frame in frames {
            writer.write_image_data(&frame.rgb)?;
        }
        writer.finish()
    };
    write(encoder).map_err(|e| wrong(e.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DecodeOptions, PictureSettings};

    #[test]
    fn animations_come_back_frame_by_frame() {
        let frames: Vec<Picture> = (0..4u8).map(|at| Picture { width: 3, height: 2, rgb: vec![60 * at; 18] }).collect();
        let file = Picture::to_apng(&frames, 2.0).unwrap();
        assert_eq!(crate::frame_seconds(&file).unwrap(), [0.5; 4]);
        let mut read = Vec::new();
        Picture::frames(&file, &[0, 1, 2, 3], &DecodeOptions::default(), &mut |_, frame| {
            read.push(frame);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(read, frames);
        assert!(Picture::to_apng(&[], 1.0).is_err());
        let other = Picture { width: 2, height: 3, rgb: vec![0; 18] };
        assert!(Picture::to_apng(&[frames[0].clone(), other], 1.0).is_err());
    }

    #[test]
    fn every_tile_stands_in_its_place() {
        let settings = PictureSettings { longest_edge: 8, tile: 4, split: true, resize: true };
        let picture = Picture { width: 8, height: 4, rgb: (0..96).collect() };
        let plan = settings.plan(8, 4).unwrap();
        let drawn = plan.draw(&picture, &Pool::new(1)).unwrap();
        assert_eq!((drawn.width, drawn.height), (17, 4));
        let pixel = |x: usize, y: usize| &drawn.rgb[3 * (y * 17 + x)..][..3];
        assert_eq!(pixel(0, 0), &picture.rgb[..3]);
        assert_eq!(pixel(3, 2), &picture.rgb[3 * (2 * 8 + 3)..][..3]);
        assert_eq!(pixel(5, 1), &picture.rgb[3 * (8 + 4)..][..3]);
        assert_eq!(pixel(4, 0), GAP_COLOUR);
        let whole = PictureSettings { split: false, ..settings }.plan(8, 4).unwrap();
        let drawn = whole.draw(&picture, &Pool::new(1)).unwrap();
        assert_eq!((drawn.width, drawn.height), (4, 4));
        let again = Picture::decode(&drawn.to_png().unwrap(), &DecodeOptions::default()).unwrap();
        assert_eq!(again.rgb, drawn.rgb);
    }
}
