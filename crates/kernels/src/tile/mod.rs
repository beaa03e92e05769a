//! The heart of every product: a small block of C from rows of A and rows of B.
//!
//! `C[m, n] (+)= sum over k of A[m, k] B[k, n]` for a few rows and 16 or 32 columns, accumulators in registers. Each
//! element is one chain of multiply-adds over k in rising order (fused where the target can: `math::fma`), whatever the
//! instructions and whatever the number of rows, so every path gives the same bits. (`vdpbf16ps` is two such steps, the
//! upper halves first; only where numbers are denormal does it differ: it takes them for zero.) AMX alone sums in an
//! order of its own, see `amx`; it too does not depend on the number of rows.

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
mod eights;
pub(crate) mod fours;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pack;
#[cfg(any(target_arch = "aarch64", all(target_arch = "wasm32", target_feature = "simd128")))]
mod quad;
mod rounded;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::Isa;
use crate::math::fma;

pub(crate) use eights::{Blocks, Eights, Parts, Sixes, weights as eights};
pub(crate) use fours::DEPTH as FOURS_DEPTH;
pub(crate) use pack::{elements, interleave, pack_rows, padded, put_row, slots, wants_pairs};
pub(crate) use rounded::{GROUP as FEW_BITS_GROUP, nearest, scales};

/// The most rows of a block on any path.
pub(crate) const MAX_ROWS: usize = 32;
/// The most rows of a block by vector instructions: what registers hold.
pub(crate) const VECTOR_ROWS: usize = 12;

/// The most rows of a block.
pub(crate) fn block_rows<E: Factor>(isa: Isa) -> usize {
    if tiled::<E>(isa) { MAX_ROWS } else { E::ROWS }
}

/// Whether blocks are made by AMX, of pairs in tiles.
pub(crate) fn tiled<E: Factor>(isa: Isa) -> bool {
    #[cfg(target_arch = "x86_64")]
    return E::STEPS == 2 && isa == Isa::Amx;
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = isa;
        false
    }
}

/// What the factors of a product are stored in. Sums are f32.
pub trait Factor: bytemuck::Pod + Send + Sync + 'static {
    /// How many steps of the reduction a stored element holds.
    const STEPS: usize;

    /// Steps that are packed together: others may follow only behind whole groups.
    const GROUP: usize;

    /// The most rows of a block by vector instructions.
    const ROWS: usize = VECTOR_ROWS;

    /// How many rows of B so many steps take.
    fn depth(steps: usize) -> usize;

    /// How many f32 slots of A the steps of a row take.
    fn slots(isa: Isa, steps: usize) -> usize;

    /// Packs `count` rows of A, each of `steps`, as blocks of so many rows read them: `to` takes `count * slots(steps)`.
    fn pack<'a>(isa: Isa, count: usize, row: impl Fn(usize) -> &'a [f32], steps: usize, to: &mut [f32]);

    /// Computes a block.
    fn tile(isa: Isa, block: Block, left: Left, a: &[f32], b: Right<'_, Self>, c: &mut [f32]);
}

/// Numbers with a fraction.
pub trait Element: Factor {
    /// An element of the values of its steps, rounded to nearest, ties to even.
    fn of(steps: [f32; 2]) -> Self;

    /// The values of its steps; where there is one, the second is 0.
    fn steps(self) -> [f32; 2];

    /// Elements as pairs, where they are.
    fn pairs(elements: &mut [Self]) -> Option<&mut [Pair]>;
}

/// What factors with a fraction are, all alike.
macro_rules! fractions {
    ($steps:literal) => {
        const STEPS: usize = $steps;
        const GROUP: usize = pack::GROUP;

        fn depth(steps: usize) -> usize {
            padded::<Self>(steps) / Self::STEPS
        }

        fn slots(isa: Isa, steps: usize) -> usize {
            slots::<Self>(isa, steps)
        }

        fn pack<'a>(isa: Isa, count: usize, row: impl Fn(usize) -> &'a [f32], steps: usize, to: &mut [f32]) {
            pack_rows::<Self>(isa, count, row, steps, to);
        }

        fn tile(isa: Isa, block: Block, left: Left, a: &[f32], b: Right<'_, Self>, c: &mut [f32]) {
            tile(isa, block, left, a, b, c);
        }
    };
}

impl Factor for f32 {
    fractions!(1);
}

impl Factor for Pair {
    fractions!(2);
}

impl Element for f32 {
    #[inline(always)]
    fn of([x, _]: [f32; 2]) -> f32 {
        x
    }

    #[inline(always)]
    fn steps(self) -> [f32; 2] {
        [self, 0.0]
    }

    fn pairs(_: &mut [f32]) -> Option<&mut [Pair]> {
        None
    }
}

/// Two bfloat16 that follow each other in the reduction, the first in the upper half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct Pair(u32);

impl Element for Pair {
    #[inline(always)]
    fn of([first, second]: [f32; 2]) -> Pair {
        Pair(round_upper(first) | round_upper(second) >> 16)
    }

    #[inline(always)]
    fn steps(self) -> [f32; 2] {
        [f32::from_bits(self.0 & 0xFFFF_0000), f32::from_bits(self.0 << 16)]
    }

    fn pairs(elements: &mut [Pair]) -> Option<&mut [Pair]> {
        Some(elements)
    }
}

impl Pair {
    /// Two little-endian bfloat16, the first before the second; denormal numbers are taken for zero, as everywhere.
    #[inline(always)]
    pub(crate) fn of_stored(bytes: [u8; 4]) -> Pair {
        let bits = u32::from_le_bytes(bytes).rotate_left(16);
        let half = |exponent: u32, sign: u32, all: u32| if bits & exponent == 0 { bits & sign } else { bits & all };
        Pair(half(0x7F80_0000, 0x8000_0000, 0xFFFF_0000) | half(0x7F80, 0x8000, 0xFFFF))
    }
}

/// The nearest bfloat16 in the upper half, ties to even, NaN kept, denormal numbers taken for zero as the dot products
/// take them; without branches.
#[inline(always)]
pub(crate) fn round_upper(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000;
    let kept = if bits & 0x7F80_0000 == 0 { bits & 0x8000_0000 } else { rounded };
    if x.is_nan() { bits & 0xFFFF_0000 | 0x40_0000 } else { kept }
}

/// Rows of B: the elements of step group k start at `data[k * stride]`.
#[derive(Clone, Copy)]
pub struct Right<'a, E> {
    pub(crate) data: &'a [E],
    pub(crate) stride: usize,
    pub(crate) ahead: Ahead,
}

/// What to ask for while tiles of B are multiplied: of what lies behind them, from the element `from` on, so many lines for
/// every 16 rows. Vector instructions ask for what lies a fixed distance behind, if for anything.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ahead {
    pub(crate) from: usize,
    pub(crate) lines: usize,
}

impl<'a, E> Right<'a, E> {
    /// Without anything asked for ahead.
    pub(crate) fn new(data: &'a [E], stride: usize) -> Right<'a, E> {
        Right { data, stride, ahead: Ahead::default() }
    }
}

/// How the slots of A lie: as `pack_rows` packs them, each row's 64 steps side by side, or each row's side by side and
/// the next row's so many behind, which [`reads_rows`] tells of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Packed,
    Rows64,
    Rows(usize),
}

/// Whether blocks are made of rows as they stand, without packing: where there are registers for the rows' addresses, and
/// the rows' numbers are the slots.
pub(crate) fn reads_rows<E: Factor>(isa: Isa) -> bool {
    #[cfg(target_arch = "x86_64")]
    return E::STEPS == 1 && isa > Isa::Scalar;
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = isa;
        false
    }
}

/// The shape of a block, and where it goes in C.
#[derive(Clone, Copy)]
pub struct Block {
    /// 1 to `block_rows`.
    pub(crate) rows: usize,
    /// 16 or 32.
    pub(crate) cols: usize,
    /// Elements of B in the reduction: steps, or pairs of them.
    pub(crate) depth: usize,
    /// Distance of C's rows.
    pub(crate) stride: usize,
    /// Whether C is added to, or set.
    pub(crate) add: bool,
}

/// Computes a block.
pub(crate) fn tile<E: Element>(isa: Isa, block: Block, left: Left, a: &[f32], b: Right<'_, E>, c: &mut [f32]) {
    let Block { rows, cols, depth, stride, .. } = block;
    let a_depth = if wants_pairs::<E>(isa) { depth } else { depth * E::STEPS };
    assert!((1..=block_rows::<E>(isa)).contains(&rows) && (cols == 16 || cols == 32) && depth > 0);
    match left {
        Left::Packed => assert!(a.len() >= a_depth * rows),
        Left::Rows64 => assert!(a.len() >= (rows - 1) * slots::<E>(isa, 64) + a_depth),
        Left::Rows(stride) => assert!(reads_rows::<E>(isa) && a.len() >= (rows - 1) * stride + a_depth),
    }
    assert!(b.data.len() >= (depth - 1) * b.stride + cols);
    assert!(c.len() >= (rows - 1) * stride + cols && stride >= cols);
    #[cfg(target_arch = "x86_64")]
    if tiled::<E>(isa) {
        assert!(depth.is_multiple_of(16) && b.stride >= cols);
        // SAFETY: the lengths were checked just now, and AMX is permitted where `isa` names it, which comes with AVX-512.
        unsafe {
            if rows <= x86::FEW_ROWS {
                x86::run_in_groups(block, left, a.as_ptr(), b, c.as_mut_ptr());
            } else {
                amx::run(block, left, a.as_ptr(), b, c.as_mut_ptr());
            }
        }
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if isa > Isa::Scalar {
        // SAFETY: the lengths were checked just now, and `isa` was detected on this processor.
        unsafe { x86::run(isa, block, left, a.as_ptr(), b, c.as_mut_ptr()) };
        return;
    }
    #[cfg(target_arch = "aarch64")]
    if isa > Isa::Scalar {
        // SAFETY: the lengths were checked just now.
        unsafe { neon::run(block, left, a.as_ptr(), b.data.as_ptr(), b.stride, c.as_mut_ptr()) };
        return;
    }
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    if isa > Isa::Scalar {
        // SAFETY: the lengths were checked just now.
        unsafe { wasm::run(block, left, a.as_ptr(), b.data.as_ptr(), b.stride, c.as_mut_ptr()) };
        return;
    }
    scalar(block, left, a, b, c);
}

/// Computes a block whose reduction goes through several pieces of A and B: rows of A's next 64 steps are `step` slots
/// further on, and of each piece of B those elements count that are in `of`. The bits are those of one block after the other,
/// each added to the last.
pub(crate) fn tile_parts<E: Element>(
    isa: Isa,
    block: Block,
    (a, step): (&[f32], usize),
    (b, of): (&[&[E]], std::ops::Range<usize>),
    c: &mut [f32],
) {
    #[cfg(target_arch = "x86_64")]
    if tiled::<E>(isa) && block.rows > x86::FEW_ROWS && !block.add {
        let Block { rows, cols, depth, stride, .. } = block;
        assert!((1..=MAX_ROWS).contains(&rows) && (cols == 16 || cols == 32) && depth == amx::PART);
        assert!(b.len() <= amx::PARTS && a.len() >= b.len().saturating_sub(1) * step + rows * depth);
        assert!(c.len() >= (rows - 1) * stride + cols && stride >= cols && of.len() == depth * cols);
        let mut starts = [std::ptr::null(); amx::PARTS];
        for (start, b) in starts.iter_mut().zip(b) {
            *start = b[of.clone()].as_ptr().cast();
        }
        // SAFETY: the lengths were checked just now, and AMX is permitted where `isa` names it.
        unsafe { amx::run_parts(block, (a.as_ptr(), step), &starts[..b.len()], c.as_mut_ptr()) };
        return;
    }
    for (index, b) in b.iter().enumerate() {
        let (a, b) = (&a[index * step..], Right::new(&b[of.clone()], block.cols));
        tile(isa, Block { add: block.add || index > 0, ..block }, Left::Rows64, a, b, c);
    }
}

/// The reference. Its A holds an f32 for every step.
fn scalar<E: Element>(block: Block, left: Left, a: &[f32], b: Right<'_, E>, c: &mut [f32]) {
    for m in 0..block.rows {
        let at = |k: usize| match left {
            Left::Packed => a[k * block.rows + m],
            Left::Rows64 => a[m * 64 + k],
            Left::Rows(stride) => a[m * stride + k],
        };
        for n in 0..block.cols {
            let mut sum = 0.0f32;
            for k in 0..block.depth {
                let steps = b.data[k * b.stride + n].steps();
                for (step, &value) in steps.iter().enumerate().take(E::STEPS) {
                    sum = fma(at(k * E::STEPS + step), value, sum);
                }
            }
            let to = &mut c[m * block.stride + n];
            *to = if block.add { *to + sum } else { sum };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    fn noise(i: usize) -> f32 {
        ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0
    }

    /// A block by some instructions, from the same rows of A and elements of B.
    fn run<E: Element>(isa: Isa, block: Block, left: Left, rows: &[Vec<f32>], b: Right<'_, E>) -> Vec<f32> {
        let (steps, count) = (rows[0].len(), rows.len());
        let slots = slots::<E>(isa, steps);
        let mut a = vec![0.0; count * slots];
        match left {
            Left::Packed => pack_rows::<E>(isa, count, |m| &rows[m], steps, &mut a),
            Left::Rows64 | Left::Rows(_) => {
                rows.iter().zip(a.chunks_mut(slots)).for_each(|(row, a)| put_row::<E>(isa, row, a));
            }
        }
        let mut c = vec![0.5; count * block.stride];
        tile(isa, block, left, &a, b, &mut c);
        c
    }

    /// What `run` must give by AMX: a scalar model of its order of sums.
    fn model<E: Element>(block: Block, rows: &[Vec<f32>], b: Right<'_, E>) -> Vec<f32> {
        let mut c = vec![0.5; rows.len() * block.stride];
        for (row, c) in rows.iter().zip(c.chunks_mut(block.stride)) {
            let a: Vec<[f32; 2]> = row.chunks(2).map(|p| Pair::of([p[0], *p.get(1).unwrap_or(&0.0)]).steps()).collect();
            for (n, c) in c[..block.cols].iter_mut().enumerate() {
                let mut sum = if block.add { *c } else { 0.0 };
                for group in 0..block.depth / 16 {
                    let (mut first, mut second) = (0.0f32, 0.0f32);
                    for k in 16 * group..16 * group + 16 {
                        let (a, b) = (a.get(k).copied().unwrap_or_default(), b.data[k * b.stride + n].steps());
                        first = a[0].mul_add(b[0], first);
                        second = a[1].mul_add(b[1], second);
                    }
                    sum += second + first;
                }
                *c = sum;
            }
        }
        c
    }

    fn check<E: Element>() {
        for rows in 1..=MAX_ROWS {
            for (left, cols, steps, b_stride) in [
                (Left::Packed, 16, 2, 16),
                (Left::Packed, 32, 66, 48),
                (Left::Packed, 32, 256, 32),
                (Left::Rows64, 32, 64, 32),
                (Left::Rows64, 16, 64, 80),
                (Left::Rows(70), 32, 70, 32),
                (Left::Rows(33), 16, 33, 32),
            ] {
                let a: Vec<Vec<f32>> = (0..rows).map(|m| (0..steps).map(|k| noise(m * steps + k)).collect()).collect();
                let depth = padded::<E>(steps) / E::STEPS;
                let b: Vec<E> = (0..depth * b_stride).map(|i| E::of([noise(2 * i + 3), noise(2 * i + 4)])).collect();
                for add in [false, true] {
                    let block = Block { rows, cols, depth, stride: 40, add };
                    let b = Right::new(&b, b_stride);
                    let fits = |isa| match left {
                        Left::Rows(_) => reads_rows::<E>(isa) && rows <= block_rows::<E>(isa),
                        Left::Packed | Left::Rows64 => rows <= block_rows::<E>(isa),
                    };
                    for isa in Isa::tested().into_iter().filter(|&isa| fits(isa)) {
                        let want = if tiled::<E>(isa) {
                            model(block, &a, b)
                        } else {
                            run(Isa::Scalar, block, Left::Packed, &a, b)
                        };
                        assert_eq!(want, run(isa, block, left, &a, b), "{isa:?} {rows}x{cols}x{steps}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_path_equals_the_reference() {
        check::<f32>();
        check::<Pair>();
    }

    #[test]
    fn pairs_round_to_nearest_even_and_keep_nan() {
        for x in [0.0f32, -1.0, 1.003_906_3, 1.011_718_8, 3.4e38, f32::INFINITY] {
            assert_eq!(Pair::of([x, -x]).steps(), [bf16::from_f32(x).to_f32(), -bf16::from_f32(x).to_f32()], "{x}");
        }
        for (first, second) in [(1.5f32, -0.25f32), (1e-40, -0.0), (-1e-40, 3e38)] {
            let stored = [first, second].map(|x| bf16::from_f32(x).to_le_bytes());
            let bytes = [stored[0][0], stored[0][1], stored[1][0], stored[1][1]];
            assert_eq!(Pair::of_stored(bytes), Pair::of([first, second]));
        }
        assert_eq!(Pair::of([1e-40, -1e-40]).steps(), [0.0, 0.0]);
        assert!(Pair::of([f32::NAN, 1.0]).steps()[0].is_nan());
    }
}
