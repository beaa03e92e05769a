//! Which sizes a picture takes on its way to the model, and into how many tiles it is cut.

use crate::Error;

/// No picture is resized to a longer edge than this, whatever the settings say (the reference's `MAX_IMAGE_SIZE`).
const LONGEST_EDGE: u32 = 4096;
/// The most pixels a resized picture may have: 3 GiB of them.
const MOST_PIXELS: u64 = 1 << 30;

/// How pictures are resized and cut: the part of a checkpoint's processor settings that sizes depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureSettings {
    /// The longer side after the first resize, in pixels (`size.longest_edge`). Smaller pictures are enlarged.
    pub longest_edge: u32,
    /// The side of a tile, in pixels (`max_image_size.longest_edge`).
    pub tile: u32,
    /// Whether pictures are cut into tiles (`do_image_splitting`).
    pub split: bool,
    /// Whether pictures are resized to `longest_edge` first (`do_resize`).
    pub resize: bool,
}

/// The sizes of one picture on its way to the model. All sizes are (width, height) in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PicturePlan {
    /// The picture's width.
    pub width: u32,
    /// The picture's height.
    pub height: u32,
    /// The size after the first resize: the longer side is the setting's, the shape stays.
    pub resized: (u32, u32),
    /// The size after the second resize: whole tiles, the shape changes.
    pub refined: (u32, u32),
    /// Rows of tiles; 0 if the picture is not cut.
    pub rows: u32,
    /// Columns of tiles; 0 if the picture is not cut.
    pub cols: u32,
    /// All tiles: `rows * cols` and one overview, or 1 if the picture is not cut.
    pub tiles: u32,
    /// The side of a tile.
    pub tile: u32,
}

impl PictureSettings {
    /// For frames of clips, which have a tile's size already.
    pub fn of_frames(self) -> PictureSettings {
        PictureSettings { split: false, resize: false, ..self }
    }

    /// The plan for a picture of this size, as `Idefics3ImageProcessorPil` of transformers computes it (in f64, with
    /// its truncations).
    ///
    /// # Errors
    /// [`Error::PictureSettings`] if a setting is 0; [`Error::ZeroSize`] if the picture has no pixels;
    /// [`Error::ThinPicture`] if a size of the plan becomes 0 (the reference fails as well);
    /// [`Error::PlanTooLarge`] if the plan has more than 2^30 pixels, which only happens with `resize` off or settings
    /// far from the published ones.
    pub fn plan(&self, width: u32, height: u32) -> Result<PicturePlan, Error> {
        if self.tile == 0 || (self.resize && self.longest_edge == 0) {
            return Err(Error::PictureSettings { longest_edge: self.longest_edge, tile: self.tile });
        }
        if width == 0 || height == 0 {
            return Err(Error::ZeroSize { width, height });
        }
        let resized = if self.resize { resized((width, height), self.longest_edge) } else { (width, height) };
        let whole = (self.tile, self.tile);
        let refined = if self.split { refined(resized, self.tile) } else { whole.map_sides(u64::from) };
        if refined.0 == 0 || refined.1 == 0 {
            return Err(Error::ThinPicture { width, height });
        }
        let pixels = refined.0.saturating_mul(refined.1);
        let overview = u64::from(self.tile) * u64::from(self.tile);
        if pixels > MOST_PIXELS || overview > MOST_PIXELS {
            return Err(Error::PlanTooLarge { width: refined.0, height: refined.1, most: MOST_PIXELS });
        }
        let refined = refined.map_sides(|side| side as u32); // a side is at most 2^30 here
        let (rows, cols) = match refined == whole {
            true => (0, 0),
            false => (refined.1 / self.tile, refined.0 / self.tile),
        };
        let tiles = rows * cols + 1;
        Ok(PicturePlan { width, height, resized, refined, rows, cols, tiles, tile: self.tile })
    }
}

/// The first resize: `_resize_output_size_rescale_to_max_len` to the longest edge, an odd shorter side made even, then
/// `_resize_output_size_scale_below_upper_bound` of 4096.
fn resized((width, height): (u32, u32), longest: u32) -> (u32, u32) {
    let even = |side: u32| side + side % 2;
    let (width, height) = match scaled((width, height), longest) {
        (width, height, Long::Width) => (width, even(height).max(1)),
        (width, height, Long::Height) => (even(width).max(1), height),
    };
    if width.max(height) <= LONGEST_EDGE {
        return (width, height);
    }
    let (width, height, _) = scaled((width, height), LONGEST_EDGE);
    (width.max(1), height.max(1))
}

/// The second resize: `resize_for_vision_encoder`. The longer side grows to whole tiles, the other with it and then to
/// whole tiles as well.
fn refined((width, height): (u32, u32), tile: u32) -> (u64, u64) {
    let whole = |side: u64| side.div_ceil(u64::from(tile)) * u64::from(tile);
    let aspect = f64::from(width) / f64::from(height);
    // The truncated quotient is 0 for some thin pictures whose exact one is 1; the caller refuses them.
    if width >= height {
        let width = whole(u64::from(width));
        (width, whole((width as f64 / aspect) as u64))
    } else {
        let height = whole(u64::from(height));
        (whole((height as f64 * aspect) as u64), height)
    }
}

/// Which side is the longer one; of equal ones the width.
enum Long {
    Width,
    Height,
}

/// The size with the longer side `longest` and the same shape, the shorter side truncated.
fn scaled((width, height): (u32, u32), longest: u32) -> (u32, u32, Long) {
    let aspect = f64::from(width) / f64::from(height);
    if width >= height {
        (longest, (f64::from(longest) / aspect) as u32, Long::Width)
    } else {
        ((f64::from(longest) * aspect) as u32, longest, Long::Height)
    }
}

/// Both sides of a size through one function.
trait Sides<T> {
    fn map_sides<U>(self, change: impl Fn(T) -> U) -> (U, U);
}

impl<T> Sides<T> for (T, T) {
    fn map_sides<U>(self, change: impl Fn(T) -> U) -> (U, U) {
        (change(self.0), change(self.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: PictureSettings = PictureSettings { longest_edge: 2048, tile: 512, split: true, resize: true };

    #[test]
    fn a_wide_picture() {
        let plan = SMALL.plan(1920, 1080).unwrap();
        assert_eq!((plan.resized, plan.refined), ((2048, 1152), (2048, 1536)));
        assert_eq!((plan.rows, plan.cols, plan.tiles, plan.tile), (3, 4, 13, 512));
    }

    #[test]
    fn one_pixel_is_enlarged() {
        let plan = SMALL.plan(1, 1).unwrap();
        assert_eq!((plan.resized, plan.refined, plan.tiles), ((2048, 2048), (2048, 2048), 17));
    }

    #[test]
    fn thin_pictures() {
        assert_eq!(SMALL.plan(20_000, 1).unwrap().resized, (2048, 1));
        assert_eq!(SMALL.plan(1, 20_000).unwrap().refined, (512, 2048));
        assert_eq!(SMALL.plan(u32::MAX, 1).unwrap().refined, (2048, 512));
        assert_eq!(SMALL.plan(1, u32::MAX).unwrap().refined, (512, 2048));
    }

    #[test]
    fn unsplit_and_one_tile() {
        let unsplit = PictureSettings { split: false, ..SMALL }.plan(611, 433).unwrap();
        assert_eq!((unsplit.resized, unsplit.refined), ((2048, 1452), (512, 512)));
        assert_eq!((unsplit.rows, unsplit.cols, unsplit.tiles), (0, 0, 1));
        let small = PictureSettings { resize: false, ..SMALL }.plan(300, 200).unwrap();
        assert_eq!((small.resized, small.refined), ((300, 200), (512, 512)));
        assert_eq!((small.rows, small.cols, small.tiles), (0, 0, 1));
    }

    #[test]
    fn the_longest_edge_is_bounded() {
        let plan = PictureSettings { longest_edge: 8192, ..SMALL }.plan(3000, 1001).unwrap();
        assert_eq!(plan.resized.0, 4096);
    }

    #[test]
    fn refusals() {
        assert!(matches!(SMALL.plan(0, 5), Err(Error::ZeroSize { width: 0, height: 5 })));
        let settings = PictureSettings { tile: 0, ..SMALL };
        assert!(matches!(settings.plan(5, 5), Err(Error::PictureSettings { .. })));
        let settings = PictureSettings { longest_edge: 0, ..SMALL };
        assert!(matches!(settings.plan(5, 5), Err(Error::PictureSettings { .. })));
        // 49 * (1 / 49) is a little less than 1.
        let settings = PictureSettings { resize: false, tile: 49, ..SMALL };
        assert!(matches!(settings.plan(1, 49), Err(Error::ThinPicture { .. })));
        let settings = PictureSettings { resize: false, ..SMALL };
        assert!(matches!(settings.plan(60_000_000, 1), Err(Error::PlanTooLarge { .. })));
        assert!(matches!(settings.plan(u32::MAX, u32::MAX), Err(Error::PlanTooLarge { .. })));
        let settings = PictureSettings { tile: u32::MAX, ..SMALL };
        assert!(matches!(settings.plan(5, 5), Err(Error::PlanTooLarge { .. })));
    }
}
