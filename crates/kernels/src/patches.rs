//! Pictures into patches, and patches into fewer, deeper ones.

use crate::Pool;

/// What every level of a channel becomes: `(level * rescale - mean) / std`, rounded as the reference rounds it.
///
/// The product is made in f64 and rounded to f32, the rest in f32.
pub fn levels(rescale: f64, mean: f32, std: f32) -> [f32; 256] {
    std::array::from_fn(|level| ((level as f64 * rescale) as f32 - mean) / std)
}

/// Cuts planar tiles u8 `[tiles, 3, side, side]` into rows `[tiles * (side / patch)^2, 3 * patch * patch]`, a patch's
/// channels, rows and columns in that order, through a table of levels for each channel. Where `patch` does not divide
/// `side`, the last columns and rows are left out, as a convolution without padding leaves them out.
///
/// # Panics
/// If a length does not fit.
pub fn patches(pool: &Pool, pixels: &[u8], side: usize, patch: usize, tables: &[[f32; 256]; 3], out: &mut [f32]) {
    assert!(patch > 0 && side >= patch, "patches: side");
    let grid = side / patch;
    let width = 3 * patch * patch;
    let (tile_len, tile_rows) = (3 * side * side, grid * grid * width);
    assert!(pixels.len().is_multiple_of(tile_len), "patches: pixels");
    assert_eq!(out.len(), pixels.len() / tile_len * tile_rows, "patches: out");
    // A task is one row of patches of one tile.
    pool.chunks(out, grid * width, |task, rows| {
        let tile = &pixels[task / grid * 3 * side * side..][..3 * side * side];
        for (column, row) in rows.chunks_exact_mut(width).enumerate() {
            for (i, line) in row.chunks_exact_mut(patch).enumerate() {
                let (channel, y) = (i / patch, task % grid * patch + i % patch);
                let from = &tile[(channel * side + y) * side + column * patch..][..patch];
                for (to, &level) in line.iter_mut().zip(from) {
                    *to = tables[channel][usize::from(level)];
                }
            }
        }
    });
}

/// Space to depth: `x [tiles * side^2, width]` to `out [tiles * (side / factor)^2, factor^2 * width]`; inside a row the
/// block's rows, then its columns, then the channels.
///
/// # Panics
/// If a length does not fit or `factor` does not divide `side`.
pub fn pixel_shuffle(pool: &Pool, x: &[f32], side: usize, width: usize, factor: usize, out: &mut [f32]) {
    assert!(factor > 0 && width > 0 && side >= factor && side.is_multiple_of(factor), "pixel shuffle: side");
    assert!(x.len().is_multiple_of(side * side * width) && x.len() == out.len(), "pixel shuffle: x");
    let small = side / factor;
    pool.chunks(out, small * factor * factor * width, |task, rows| {
        let (tile, block_row) = (task / small, task % small);
        for (i, to) in rows.chunks_exact_mut(factor * width).enumerate() {
            let (block_column, dy) = (i / factor, i % factor);
            let from = (tile * side + block_row * factor + dy) * side + block_column * factor;
            to.copy_from_slice(&x[from * width..][..factor * width]);
        }
    });
}

/// The gradient of [`pixel_shuffle`]: depth back to space.
///
/// # Panics
/// As [`pixel_shuffle`].
pub fn pixel_unshuffle(pool: &Pool, x: &[f32], side: usize, width: usize, factor: usize, out: &mut [f32]) {
    assert!(factor > 0 && width > 0 && side >= factor && side.is_multiple_of(factor), "pixel unshuffle: side");
    assert!(x.len().is_multiple_of(side * side * width) && x.len() == out.len(), "pixel unshuffle: x");
    let small = side / factor;
    // A task is one row of patches of one tile.
    pool.chunks(out, side * width, |task, row| {
        let (tile, y) = (task / side, task % side);
        for (block, to) in row.chunks_exact_mut(factor * width).enumerate() {
            let from = (tile * small + y / factor) * small + block;
            let at = (from * factor + y % factor) * factor * width;
            to.copy_from_slice(&x[at..][..factor * width]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_keep_every_pixel_in_its_place() {
        for side in [6, 8] {
            let (tiles, patch) = (2, 3);
            let pixels: Vec<u8> = (0..tiles * 3 * side * side).map(|i| (i % 251) as u8).collect();
            let tables = [levels(1.0, 0.0, 1.0); 3];
            let grid = side / patch;
            let mut out = vec![0.0; tiles * grid * grid * 3 * patch * patch];
            patches(&Pool::new(3), &pixels, side, patch, &tables, &mut out);
            for (i, &value) in out.iter().enumerate() {
                let (row, rest) = (i / (3 * patch * patch), i % (3 * patch * patch));
                let (tile, y, x) = (row / (grid * grid), row / grid % grid, row % grid);
                let (channel, dy, dx) = (rest / (patch * patch), rest / patch % patch, rest % patch);
                let at = ((tile * 3 + channel) * side + y * patch + dy) * side + x * patch + dx;
                assert_eq!(value, f32::from(pixels[at]));
            }
        }
    }

    #[test]
    fn levels_are_the_references() {
        let table = levels(0.003_921_568_627_450_98, 0.5, 0.5);
        assert_eq!((table[0], table[255]), (-1.0, 1.0));
        assert_eq!(table[100], ((100.0f64 * 0.003_921_568_627_450_98) as f32 - 0.5) / 0.5);
    }

    #[test]
    fn pixel_shuffle_follows_its_definition() {
        let (tiles, side, width, factor) = (2, 6, 2, 3);
        let x: Vec<f32> = (0..tiles * side * side * width).map(|i| i as f32).collect();
        let mut out = vec![0.0; x.len()];
        pixel_shuffle(&Pool::new(2), &x, side, width, factor, &mut out);
        let small = side / factor;
        for (i, &value) in out.iter().enumerate() {
            let (row, rest) = (i / (factor * factor * width), i % (factor * factor * width));
            let (tile, by, bx) = (row / (small * small), row / small % small, row % small);
            let (dy, dx, c) = (rest / (factor * width), rest / width % factor, rest % width);
            let at = ((tile * side + by * factor + dy) * side + bx * factor + dx) * width + c;
            assert_eq!(value, x[at]);
        }
        let mut back = vec![0.0; x.len()];
        pixel_unshuffle(&Pool::new(2), &out, side, width, factor, &mut back);
        assert_eq!(back, x);
    }
}
