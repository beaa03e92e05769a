//! What JPEG does to a picture: its 8x8 blocks' cosine coefficients, rounded (ITU-T T.81; the tables of its annex K).

use crate::Rgb;
use std::sync::LazyLock;

/// Steps of the coefficients at quality 50: of light, and of colour.
#[rustfmt::skip]
const LIGHT: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];
#[rustfmt::skip]
const TINGE: [u16; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// The cosines: a frequency a row, orthonormal.
static COSINES: LazyLock<[[f32; 8]; 8]> = LazyLock::new(|| {
    let mut cosines = [[0.0; 8]; 8];
    for (k, row) in cosines.iter_mut().enumerate() {
        let height: f64 = if k == 0 { 0.125 } else { 0.25 };
        for (n, value) in row.iter_mut().enumerate() {
            let angle = std::f64::consts::PI * (2 * n + 1) as f64 * k as f64 / 16.0;
            *value = (height.sqrt() * libm::cos(angle)) as f32;
        }
    }
    cosines
});

/// Rounds a picture as JPEG of a quality (1 to 100) does.
pub(crate) fn jpeg(picture: &mut Rgb, quality: u32) {
    let quality = quality.clamp(1, 100);
    let scale = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    let steps = |table: &[u16; 64]| table.map(|step| ((u32::from(step) * scale + 50) / 100).clamp(1, 255) as f32);
    let tables = [steps(&LIGHT), steps(&TINGE), steps(&TINGE)];
    let (w, h) = (picture.width as usize, picture.height as usize);
    for top in (0..h).step_by(8) {
        for left in (0..w).step_by(8) {
            block(picture, left, top, &tables);
        }
    }
}

/// One block; what lies outside the picture is its last row and column again.
fn block(picture: &mut Rgb, left: usize, top: usize, tables: &[[f32; 64]; 3]) {
    let (w, h) = (picture.width as usize, picture.height as usize);
    let mut planes = [[0.0f32; 64]; 3];
    // One place of three planes at a time.
    #[allow(clippy::needless_range_loop)]
    for at in 0..64 {
        let (x, y) = ((left + at % 8).min(w - 1), (top + at / 8).min(h - 1));
        let pixel = (y * w + x) * 3;
        let [r, g, b] = [0, 1, 2].map(|i| f32::from(picture.data[pixel + i]));
        planes[0][at] = 0.299 * r + 0.587 * g + 0.114 * b - 128.0;
        planes[1][at] = -0.168_736 * r - 0.331_264 * g + 0.5 * b;
        planes[2][at] = 0.5 * r - 0.418_688 * g - 0.081_312 * b;
    }
    for (plane, steps) in planes.iter_mut().zip(tables) {
        let mut coefficients = transform(plane, true);
        for (value, step) in coefficients.iter_mut().zip(steps) {
            *value = (*value / step).round() * step;
        }
        *plane = transform(&coefficients, false);
    }
    #[allow(clippy::needless_range_loop)]
    for at in 0..64 {
        let (x, y) = (left + at % 8, top + at / 8);
        if x < w && y < h {
            let pixel = (y * w + x) * 3;
            let [l, b, r] = [planes[0][at] + 128.0, planes[1][at], planes[2][at]];
            let rgb = [l + 1.402 * r, l - 0.344_136 * b - 0.714_136 * r, l + 1.772 * b];
            for (to, value) in picture.data[pixel..].iter_mut().zip(rgb) {
                *to = value.round().clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// The cosine transform of rows and columns, or back.
fn transform(block: &[f32; 64], forward: bool) -> [f32; 64] {
    let cosines = &*COSINES;
    let mut half = [0.0f32; 64];
    let mut out = [0.0f32; 64];
    // Each pass transforms the rows and turns the block over.
    pass(block, &mut half, cosines, forward);
    pass(&half, &mut out, cosines, forward);
    out
}

fn pass(from: &[f32; 64], to: &mut [f32; 64], cosines: &[[f32; 8]; 8], forward: bool) {
    for row in 0..8 {
        for k in 0..8 {
            let mut sum = 0.0;
            for n in 0..8 {
                sum += from[row * 8 + n] * if forward { cosines[k][n] } else { cosines[n][k] };
            }
            to[k * 8 + row] = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_and_an_even_one_has_one_coefficient() {
        let block: [f32; 64] = std::array::from_fn(|i| (i * 37 % 101) as f32);
        let back = transform(&transform(&block, true), false);
        assert!(block.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-3));
        let even = transform(&[16.0; 64], true);
        assert!((even[0] - 128.0).abs() < 1e-3 && even[1..].iter().all(|v| v.abs() < 1e-3));
        // The first row's cosine of frequency 1 stands beside the mean, that of a column below it.
        let wave = transform(
            &std::array::from_fn(|i| libm::cos(std::f64::consts::PI * (2 * (i % 8) + 1) as f64 / 16.0) as f32),
            true,
        );
        assert!((wave[1] - 32f32.sqrt()).abs() < 1e-3 && wave[8].abs() < 1e-3);
    }

    #[test]
    fn less_quality_is_further_off() {
        let data: Vec<u8> = (0..19 * 13 * 3).map(|i| (i * i % 251) as u8).collect();
        let far = |quality| {
            let mut picture = Rgb { width: 19, height: 13, data: data.clone() };
            jpeg(&mut picture, quality);
            picture.data.iter().zip(&data).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>()
        };
        assert!(far(100) < far(80) && far(80) < far(30) && far(100) > 0);
    }
}
