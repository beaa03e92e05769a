//! Matrices turned over, in squares that registers hold: number by number, rows or columns of a matrix lie too far apart.

use crate::Isa;

/// Rows and columns of a square.
const SQUARE: usize = 16;

/// A matrix of numbers of four bytes: where its rows begin, and how far apart they are.
pub(crate) type Rows<T> = (T, usize);

/// Writes rows of `from [rows, columns]` as columns of `to [columns, rows]`.
///
/// # Panics
/// If a length does not fit, or numbers have not four bytes.
pub(crate) fn transpose<T: bytemuck::Pod>(
    isa: Isa,
    (rows, columns): (usize, usize),
    (from, stride): Rows<&[T]>,
    (to, to_stride): Rows<&mut [T]>,
) {
    let (from, to): (&[u32], &mut [u32]) = (bytemuck::cast_slice(from), bytemuck::cast_slice_mut(to));
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(stride >= columns && from.len() >= (rows - 1) * stride + columns, "transpose: from");
    assert!(to_stride >= rows && to.len() >= (columns - 1) * to_stride + rows, "transpose: to");
    for row in (0..rows).step_by(SQUARE) {
        for column in (0..columns).step_by(SQUARE) {
            let (height, width) = (SQUARE.min(rows - row), SQUARE.min(columns - column));
            let (from, to) = (&from[row * stride + column..], &mut to[column * to_stride + row..]);
            #[cfg(target_arch = "x86_64")]
            if isa >= Isa::Avx512 && (height, width) == (SQUARE, SQUARE) {
                // SAFETY: `isa` was detected on this processor; the square lies inside both, whose lengths were checked.
                unsafe { x86::square(from.as_ptr(), stride, to.as_mut_ptr(), to_stride) };
                continue;
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = isa;
            plain((height, width), (from, stride), (to, to_stride));
        }
    }
}

fn plain((rows, columns): (usize, usize), (from, stride): Rows<&[u32]>, (to, to_stride): Rows<&mut [u32]>) {
    for row in 0..rows {
        for (column, &x) in from[row * stride..][..columns].iter().enumerate() {
            to[column * to_stride + row] = x;
        }
    }
}

/// Rows of pairs, and columns, of what [`turn_pairs`] turns.
pub(crate) const TURNED: (usize, usize) = (16, 32);

/// Turns 32 by 32 numbers in pairs: `from` is 16 rows of 32 pairs, row k holding the numbers 2 k and 2 k + 1 of each column, and
/// `to` becomes the same of the transpose. Rows of both are 32 pairs apart.
pub(crate) fn turn_pairs(isa: Isa, from: &[u32; TURNED.0 * TURNED.1], to: &mut [u32; TURNED.0 * TURNED.1]) {
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx512 {
        // SAFETY: `isa` was detected on this processor.
        return unsafe { x86::turn_pairs(from, to) };
    }
    let _ = isa;
    for (k, to) in to.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for (column, to) in to.iter_mut().enumerate() {
            // The numbers 2 k and 2 k + 1 of this column are of the columns 2 k and 2 k + 1 the same number.
            let (row, in_lower) = (column / 2, column % 2 == 1);
            let [first, second] = [2 * k, 2 * k + 1].map(|of| from[row * 32 + of]);
            *to = if in_lower { first << 16 | second & 0xFFFF } else { first & 0xFFFF_0000 | second >> 16 };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{SQUARE, TURNED};
    use std::arch::x86_64::*;

    /// Vectors whose 128-bit lanes are a square of four by four: rows of lanes become columns.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn lanes(rows: [__m512i; 4]) -> [__m512i; 4] {
        const EVEN: i32 = 0b10_00_10_00;
        const ODD: i32 = 0b11_01_11_01;
        let [a, b, c, d] = rows;
        let even = [_mm512_shuffle_i32x4::<EVEN>(a, b), _mm512_shuffle_i32x4::<EVEN>(c, d)];
        let odd = [_mm512_shuffle_i32x4::<ODD>(a, b), _mm512_shuffle_i32x4::<ODD>(c, d)];
        [
            _mm512_shuffle_i32x4::<EVEN>(even[0], even[1]),
            _mm512_shuffle_i32x4::<EVEN>(odd[0], odd[1]),
            _mm512_shuffle_i32x4::<ODD>(even[0], even[1]),
            _mm512_shuffle_i32x4::<ODD>(odd[0], odd[1]),
        ]
    }

    /// Turns a square of 16 by 16 words; rows lie so many words apart.
    ///
    /// # Safety
    /// AVX-512 F; the square is there in both.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn square(from: *const u32, stride: usize, to: *mut u32, to_stride: usize) {
        // SAFETY: as the caller vouches.
        let row = |i: usize| unsafe { _mm512_loadu_si512(from.add(i * stride).cast()) };
        // In lane l of the j-th vector of four: the words of column 4 l + j of four rows.
        let mut fours = [[_mm512_setzero_si512(); 4]; 4];
        for (i, four) in fours.iter_mut().enumerate() {
            let [a, b, c, d] = [row(4 * i), row(4 * i + 1), row(4 * i + 2), row(4 * i + 3)];
            let (low, high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let (next_low, next_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            *four = [
                _mm512_unpacklo_epi64(low, next_low),
                _mm512_unpackhi_epi64(low, next_low),
                _mm512_unpacklo_epi64(high, next_high),
                _mm512_unpackhi_epi64(high, next_high),
            ];
        }
        for j in 0..4 {
            for (l, column) in lanes(fours.map(|four| four[j])).into_iter().enumerate() {
                // SAFETY: as the caller vouches.
                unsafe { _mm512_storeu_si512(to.add((4 * l + j) * to_stride).cast(), column) };
            }
        }
        const { assert!(SQUARE == 16) };
    }

    /// [`super::turn_pairs`].
    ///
    /// # Safety
    /// AVX-512 F and BW.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn turn_pairs(from: &[u32; TURNED.0 * TURNED.1], to: &mut [u32; TURNED.0 * TURNED.1]) {
        // Of two pairs side by side: the upper halves together, then the lower ones. What stands in pairs of a row belongs in
        // one column after that, as one word of eight bytes.
        let halves = _mm512_broadcast_i32x4(_mm_setr_epi8(6, 7, 2, 3, 4, 5, 0, 1, 14, 15, 10, 11, 12, 13, 8, 9));
        for (half, part) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            // Eight rows of eight such words.
            let row = |i: usize| {
                let at = &from[(8 * half + i) * 32 + 16 * part..][..16];
                // SAFETY: 16 words.
                _mm512_shuffle_epi8(unsafe { _mm512_loadu_si512(at.as_ptr().cast()) }, halves)
            };
            let twos: [[__m512i; 2]; 4] = std::array::from_fn(|i| {
                let (a, b) = (row(2 * i), row(2 * i + 1));
                [_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)]
            });
            for j in 0..2 {
                for (l, column) in lanes(twos.map(|two| two[j])).into_iter().enumerate() {
                    let at = &mut to[(8 * part + 2 * l + j) * 32 + 16 * half..][..16];
                    // SAFETY: 16 words.
                    unsafe { _mm512_storeu_si512(at.as_mut_ptr().cast(), column) };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_to_its_place_and_none_is_written_beside_it() {
        for isa in Isa::tested() {
            for (rows, columns) in [(1, 1), (16, 16), (17, 33), (48, 5), (3, 64), (40, 40)] {
                let (stride, to_stride) = (columns + 3, rows + 2);
                let from: Vec<u32> = (0..(rows * stride) as u32).collect();
                let mut to = vec![u32::MAX; columns * to_stride];
                transpose(isa, (rows, columns), (&from, stride), (&mut to, to_stride));
                for (i, &x) in to.iter().enumerate() {
                    let (column, row) = (i / to_stride, i % to_stride);
                    let want = if row < rows { from[row * stride + column] } else { u32::MAX };
                    assert_eq!(x, want, "{isa:?} {rows} x {columns}: {row}, {column}");
                }
            }
        }
    }

    #[test]
    fn pairs_are_turned_number_by_number() {
        // The number of row r and column c is 32 r + c.
        let pairs = |number: fn(u32, u32) -> u32| -> [u32; 512] {
            std::array::from_fn(|i| {
                let (k, column) = (i as u32 / 32, i as u32 % 32);
                number(2 * k, column) << 16 | number(2 * k + 1, column)
            })
        };
        for isa in Isa::tested() {
            let mut to = [0; 512];
            turn_pairs(isa, &pairs(|r, c| 32 * r + c), &mut to);
            assert_eq!(to, pairs(|r, c| 32 * c + r), "{isa:?}");
        }
    }
}
