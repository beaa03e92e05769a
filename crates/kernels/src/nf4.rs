//! Matrices in NF4 with double quantisation, as QLoRA (Dettmers et al., 2023) keeps a frozen model's: the levels, blocks,
//! rounding and layout are bitsandbytes'.

use crate::dynamic_map::{DynamicMap, signed};
use crate::isa::for_each_isa;
use crate::math::fold;
use crate::pool::SendPtr;
use crate::{Isa, Pool};
use std::ops::Range;

/// Numbers that share a scale; a block may reach over rows' ends.
const BLOCK: usize = 64;
/// Scales that share one of their own.
const NESTED: usize = 256;
/// Numbers in a task, about.
const TASK: usize = 1 << 16;
/// The least number that a block is divided by.
const LEAST: f32 = 1e-38;

/// NF4's numbers, by their codes: of normally distributed numbers each stands for as many.
const LEVELS: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// The middles between levels: what is greater belongs to the next.
const MIDDLES: [f32; 15] = {
    let mut middles = [0.0; 15];
    let mut i = 0;
    while i < 15 {
        middles[i] = (LEVELS[i] + LEVELS[i + 1]) / 2.0;
        i += 1;
    }
    middles
};

/// A matrix [rows, cols] in 4.127 bits a number: codes of the levels in blocks of 64 along the rows laid end to end, and for
/// each block its largest size, less the mean of all, as a code of the signed dynamic map in blocks of 256.
#[derive(Debug, Clone, PartialEq)]
pub struct Nf4 {
    rows: usize,
    cols: usize,
    /// Two numbers a byte, the first in the upper half.
    codes: Vec<u8>,
    /// A code for each block.
    absmax: Vec<u8>,
    /// The largest size of each block of `absmax`.
    nested: Vec<f32>,
    /// The mean of the blocks' largest sizes.
    offset: f32,
}

impl Nf4 {
    /// The matrix whose rows `fill` writes, some rows at a time, on any thread, each row once.
    pub fn quantise(
        isa: Isa,
        pool: &Pool,
        rows: usize,
        cols: usize,
        fill: impl Fn(Range<usize>, &mut [f32]) + Sync,
    ) -> Nf4 {
        let len = rows * cols;
        let mut codes = vec![0; len.div_ceil(2)];
        let mut absmax = vec![0.0; len.div_ceil(BLOCK)];
        // As many rows as make whole blocks, and as often as makes a task.
        let whole = BLOCK >> cols.trailing_zeros().min(BLOCK.trailing_zeros());
        let task = whole * (TASK / (whole * cols).max(1)).max(1);
        let to = SendPtr(absmax.as_mut_ptr());
        pool.chunks(&mut codes, task * cols / 2, |i, codes| {
            let (first, last) = (i * task, rows.min((i + 1) * task));
            let mut values = vec![0.0; (last - first) * cols];
            fill(first..last, &mut values);
            let count = values.len().div_ceil(BLOCK);
            // SAFETY: a task is whole blocks, but for the last, so these scales are its alone; they outlive the job.
            let absmax = unsafe { std::slice::from_raw_parts_mut(to.at(first * cols / BLOCK), count) };
            quantise(isa, &values, codes, absmax);
        });
        let offset = (absmax.iter().map(|&x| f64::from(x)).sum::<f64>() / absmax.len().max(1) as f64) as f32;
        let mut nested = Vec::with_capacity(absmax.len().div_ceil(NESTED));
        let mut scales = Vec::with_capacity(absmax.len());
        for block in absmax.chunks(NESTED) {
            let largest = block.iter().map(|x| (x - offset).abs()).fold(0.0, f32::max);
            // Where all are the mean, this is no number, and no code counts.
            let inverse = 1.0 / largest;
            scales.extend(block.iter().map(|x| signed().nearest((x - offset) * inverse)));
            nested.push(largest);
        }
        Nf4 { rows, cols, codes, absmax: scales, nested, offset }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes it takes.
    pub fn bytes(&self) -> usize {
        self.codes.len() + self.absmax.len() + size_of_val(&self.nested[..]) + size_of::<f32>()
    }

    /// Writes rows to `out [rows, cols]`.
    ///
    /// # Panics
    /// If there are no such rows, or the length does not fit.
    pub fn dequantise_rows(&self, isa: Isa, rows: Range<usize>, out: &mut [f32]) {
        assert!(rows.end <= self.rows && out.len() == rows.len() * self.cols, "nf4: rows");
        let start = rows.start * self.cols;
        let (head, out) = out.split_at_mut(out.len().min(start.next_multiple_of(BLOCK) - start));
        let (blocks, tail) = out.as_chunks_mut();
        let first = start.div_ceil(BLOCK);
        self.part(start, head);
        self.blocks(isa, first, blocks);
        self.part((first + blocks.len()) * BLOCK, tail);
    }

    /// The scale of a block.
    #[inline(always)]
    fn scale(&self, map: &DynamicMap<true>, block: usize) -> f32 {
        map.values[usize::from(self.absmax[block])] * self.nested[block / NESTED] + self.offset
    }

    /// The numbers of a block as its scale makes the levels.
    #[inline(always)]
    fn levels(&self, map: &DynamicMap<true>, block: usize) -> [f32; 16] {
        let scale = self.scale(map, block);
        LEVELS.map(|level| level * scale)
    }

    /// Part of a block, from number `start` of the matrix on.
    fn part(&self, start: usize, out: &mut [f32]) {
        if out.is_empty() {
            return;
        }
        let levels = self.levels(signed(), start / BLOCK);
        for (at, out) in (start..).zip(out) {
            *out = levels[usize::from(self.codes[at / 2] >> (4 - at % 2 * 4) & 15)];
        }
    }

    /// Whole blocks from the first on.
    fn blocks(&self, isa: Isa, first: usize, out: &mut [[f32; BLOCK]]) {
        if out.is_empty() {
            return;
        }
        let codes = self.codes[first * BLOCK / 2..][..out.len() * BLOCK / 2].as_chunks().0;
        match isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `isa` was detected on this processor.
            Isa::Avx512 | Isa::Avx512Bf16 | Isa::Amx => unsafe { self.avx512(first, codes, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx2 => unsafe { self.avx2(first, codes, out) },
            _ => self.scalar(first, codes, out),
        }
    }

    fn scalar(&self, first: usize, codes: &[[u8; BLOCK / 2]], out: &mut [[f32; BLOCK]]) {
        let map = signed();
        for ((block, codes), out) in (first..).zip(codes).zip(out) {
            let levels = self.levels(map, block);
            for (&code, out) in codes.iter().zip(out.as_chunks_mut().0) {
                *out = [levels[usize::from(code >> 4)], levels[usize::from(code & 15)]];
            }
        }
    }

    /// Every byte in 64 bits, its upper half moved to the first 32 and its lower to the others, of which a look-up reads the
    /// low four.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn avx512(&self, first: usize, codes: &[[u8; BLOCK / 2]], out: &mut [[f32; BLOCK]]) {
        use std::arch::x86_64::*;
        let map = signed();
        for ((block, codes), out) in (first..).zip(codes).zip(out) {
            let levels = self.levels(map, block);
            // SAFETY: sixteen numbers.
            let levels = unsafe { _mm512_loadu_ps(levels.as_ptr()) };
            for (codes, out) in codes.as_chunks().0.iter().zip(out.as_chunks_mut::<16>().0) {
                let bytes = _mm512_cvtepu8_epi64(_mm_cvtsi64_si128(i64::from_le_bytes(*codes)));
                let index = _mm512_or_si512(_mm512_srli_epi64::<4>(bytes), _mm512_slli_epi64::<32>(bytes));
                // SAFETY: sixteen places.
                unsafe { _mm512_storeu_ps(out.as_mut_ptr(), _mm512_permutexvar_ps(index, levels)) };
            }
        }
    }

    /// As by AVX-512, with a look-up for each half of the levels, of which the code's highest bit chooses.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(&self, first: usize, codes: &[[u8; BLOCK / 2]], out: &mut [[f32; BLOCK]]) {
        use std::arch::x86_64::*;
        let map = signed();
        for ((block, codes), out) in (first..).zip(codes).zip(out) {
            let levels = self.levels(map, block);
            // SAFETY: eight numbers from 0 on, and eight from 8 on.
            let [low, high] = [0, 8].map(|at| unsafe { _mm256_loadu_ps(levels.as_ptr().add(at)) });
            for (codes, out) in codes.as_chunks().0.iter().zip(out.as_chunks_mut::<8>().0) {
                let bytes = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(i32::from_le_bytes(*codes)));
                let index = _mm256_or_si256(_mm256_srli_epi64::<4>(bytes), _mm256_slli_epi64::<32>(bytes));
                let [low, high] = [low, high].map(|half| _mm256_permutevar8x32_ps(half, index));
                let upper = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index));
                // SAFETY: eight places.
                unsafe { _mm256_storeu_ps(out.as_mut_ptr(), _mm256_blendv_ps(low, high, upper)) };
            }
        }
    }
}

for_each_isa! {
    /// Codes and largest sizes of blocks.
    fn quantise(values: &[f32], codes: &mut [u8], absmax: &mut [f32]) = quantise_blocks;
}

#[inline(always)]
fn quantise_blocks(values: &[f32], codes: &mut [u8], absmax: &mut [f32]) {
    for ((values, codes), absmax) in values.chunks(BLOCK).zip(codes.chunks_mut(BLOCK / 2)).zip(absmax) {
        let mut block = [0.0f32; BLOCK];
        block[..values.len()].copy_from_slice(values);
        let mut lanes = [0.0f32; 16];
        for part in block.as_chunks::<16>().0 {
            for (lane, &x) in lanes.iter_mut().zip(part) {
                *lane = if x.abs() > *lane { x.abs() } else { *lane };
            }
        }
        *absmax = fold(lanes, |a, b| if b > a { b } else { a });
        let inverse = 1.0 / if *absmax > LEAST { *absmax } else { LEAST };
        let levels = block.map(|x| {
            let x = x * inverse;
            MIDDLES.iter().map(|&middle| u32::from(x > middle)).sum::<u32>()
        });
        for (code, &[high, low]) in codes.iter_mut().zip(levels.as_chunks().0) {
            *code = (high << 4 | low) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bell-shaped, of different sizes here and there.
    fn noise(n: usize) -> Vec<f32> {
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        (0..n).map(|i| (0..6).map(|_| uniform()).sum::<f32>() * (0.02 + (i / 1000 % 7) as f32 * 0.01)).collect()
    }

    fn made(threads: usize, isa: Isa, values: &[f32], rows: usize, cols: usize) -> Nf4 {
        Nf4::quantise(isa, &Pool::new(threads), rows, cols, |range, out| {
            out.copy_from_slice(&values[range.start * cols..range.end * cols]);
        })
    }

    fn all(isa: Isa, matrix: &Nf4) -> Vec<f32> {
        let mut out = vec![f32::NAN; matrix.rows * matrix.cols];
        matrix.dequantise_rows(isa, 0..matrix.rows, &mut out);
        out
    }

    /// By the definition, number by number.
    fn definition(values: &[f32], rows: usize, cols: usize) -> Nf4 {
        let mut matrix = Nf4 { rows, cols, codes: vec![], absmax: vec![], nested: vec![], offset: 0.0 };
        let largest = |block: &[f32]| block.iter().fold(0.0f32, |a, x| a.max(x.abs()));
        let absmax: Vec<f32> = values.chunks(BLOCK).map(largest).collect();
        for (i, &x) in values.iter().enumerate() {
            let x = x * (1.0 / absmax[i / BLOCK].max(1e-38));
            let code = (0..16).rev().find(|&i| i == 0 || x > (LEVELS[i - 1] + LEVELS[i]) / 2.0).unwrap() as u8;
            // A half that no number needs has the code of 0.
            if i % 2 == 0 { matrix.codes.push(code << 4 | 7) } else { *matrix.codes.last_mut().unwrap() ^= 7 ^ code }
        }
        matrix.offset = (absmax.iter().map(|&x| f64::from(x)).sum::<f64>() / absmax.len() as f64) as f32;
        for block in absmax.chunks(256) {
            let less: Vec<f32> = block.iter().map(|x| x - matrix.offset).collect();
            matrix.nested.push(largest(&less));
            matrix.absmax.extend(less.iter().map(|x| signed().nearest(x * (1.0 / largest(&less)))));
        }
        matrix
    }

    const SHAPES: [(usize, usize); 8] =
        [(64, 64), (300, 576), (7, 1000), (131, 129), (1, 63), (3, 1), (1, 70_001), (2000, 96)];

    #[test]
    fn is_that_of_the_definition_with_any_threads() {
        for (rows, cols) in SHAPES {
            let values = noise(rows * cols);
            let want = definition(&values, rows, cols);
            for (isa, threads) in Isa::tested().into_iter().flat_map(|isa| [(isa, 1), (isa, 3)]) {
                assert_eq!(made(threads, isa, &values, rows, cols), want, "[{rows}, {cols}] {isa:?} {threads}");
            }
            let blocks = values.len().div_ceil(64);
            assert_eq!(want.bytes(), values.len().div_ceil(2) + blocks + 4 * blocks.div_ceil(256) + 4);
        }
    }

    #[test]
    fn numbers_come_back_near_and_alike() {
        for (rows, cols) in SHAPES {
            let values = noise(rows * cols);
            let matrix = made(1, Isa::best(), &values, rows, cols);
            let want: Vec<f32> = (0..values.len())
                .map(|i| {
                    let code = matrix.codes[i / 2] >> if i % 2 == 0 { 4 } else { 0 } & 15;
                    let scale = signed().values[usize::from(matrix.absmax[i / 64])] * matrix.nested[i / 64 / 256];
                    LEVELS[usize::from(code)] * (scale + matrix.offset)
                })
                .collect();
            for isa in Isa::tested() {
                assert_eq!(all(isa, &matrix), want, "[{rows}, {cols}] {isa:?}");
                for range in [0..1, rows - 1..rows, rows / 3..rows.min(rows / 3 + 5), 0..0, rows..rows] {
                    let mut part = vec![f32::NAN; range.len() * cols];
                    matrix.dequantise_rows(isa, range.clone(), &mut part);
                    assert_eq!(part, want[range.start * cols..range.end * cols], "{range:?} of [{rows}, {cols}]");
                }
            }
            // Half the widest gap between levels, and what the scale is off.
            for (i, (block, back)) in values.chunks(64).zip(want.chunks(64)).enumerate() {
                let absmax = block.iter().fold(0.0f32, |a, x| a.max(x.abs()));
                let bound = absmax * 0.1521 + matrix.nested[i / 256] * 0.0071;
                assert!(block.iter().zip(back).all(|(x, y)| (x - y).abs() <= bound), "block {i} of [{rows}, {cols}]");
            }
        }
    }

    #[test]
    fn bytes_hold_the_first_number_above() {
        let mut values = vec![0.0; 64];
        (values[0], values[1], values[2], values[63]) = (-2.0, 2.0, 0.5, 1.0);
        let matrix = made(1, Isa::Scalar, &values, 8, 8);
        assert_eq!((matrix.codes[0], matrix.codes[1], matrix.codes[31]), (0x0F, 0xA7, 0x7C));
        assert_eq!((matrix.offset, &matrix.nested[..], matrix.bytes()), (2.0, &[0.0][..], 32 + 1 + 4 + 4));
        assert_eq!(all(Isa::best(), &matrix)[..4], [-2.0, 2.0, LEVELS[10] * 2.0, 0.0]);
    }

    #[test]
    fn what_is_nothing_stays_so() {
        let pool = Pool::new(2);
        for (rows, cols) in [(0, 5), (5, 0), (0, 0)] {
            let matrix = Nf4::quantise(Isa::best(), &pool, rows, cols, |_, _| {});
            assert_eq!(all(Isa::best(), &matrix), [0.0; 0]);
        }
        let mut values = noise(640);
        values[64..128].fill(0.0);
        let back = all(Isa::best(), &made(1, Isa::best(), &values, 10, 64));
        assert_eq!(back[64..128], [0.0; 64]);
    }

    #[test]
    fn middles_are_bitsandbytes() {
        assert_eq!((MIDDLES[0], MIDDLES[7], MIDDLES[14]), (-0.848_096_4, 0.039_790_15, 0.861_478_45));
    }
}
