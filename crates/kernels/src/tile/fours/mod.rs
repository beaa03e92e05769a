//! Products of weights in 4 bits.
//!
//! Weights stand in groups of 32 along the reduction, each with a scale and a least: a weight is `u * scale - least`, u from 0
//! to 15. Scale and least are whole numbers from 0 to 255, times one number each (in bfloat16) for up to eight groups. Inputs
//! are as `rounded` has them, so that one of their groups meets two of weights. A group's integer sum is exact, whatever the
//! order; then come, in a fixed order, products and fused multiply-adds in f32. So every path gives the same bits.
//!
//! In memory up to 256 weights of a panel's columns are a row of 32 pairs of bfloat16 (or of half precision, as ggml's Q4_K has
//! them), what scales (in the upper half) and leasts are multiplied by; and for each 64 of them eight rows of elements, whose lower four bits are four numbers that follow
//! each other and whose upper four bits those 32 further on, and a row of scales and leasts: scale, least, scale, least.

mod pack;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::rounded::{self, GROUP, PLANE, QUADS, SLOTS, whole};
use super::{Block, Factor, Left, Right};
use crate::Isa;
use crate::math::fma;
use half::{bf16, f16};

pub(crate) use pack::pack;

/// Weights that share what their groups' scales are multiplied by.
pub(crate) const SHARED: usize = 256;
/// Weights in a group.
pub(crate) const BLOCK: usize = GROUP / 2;
/// Rows of 64 weights: their elements, and their scales and leasts.
pub(crate) const DEPTH: usize = QUADS / 2 + 1;

/// Eight numbers of 4 bits, four and four; or what they are multiplied by: in half precision, or else in bfloat16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(crate) struct Nibbles<const HALF: bool>(pub(crate) u32);

/// As [`pack`] makes them.
pub(crate) type Fours = Nibbles<false>;

/// As ggml's blocks of 8 times 32 (Q4_K) have them.
pub(crate) type FourBlocks = Nibbles<true>;

impl<const HALF: bool> Factor for Nibbles<HALF> {
    const STEPS: usize = 4;
    const GROUP: usize = GROUP;
    /// Two sums for each vector of columns, and what they are made of, fill the registers.
    const ROWS: usize = 6;

    fn depth(steps: usize) -> usize {
        steps.div_ceil(SHARED) + steps.div_ceil(GROUP) * DEPTH
    }

    fn slots(_: Isa, steps: usize) -> usize {
        rounded::slots(steps)
    }

    fn pack<'a>(isa: Isa, count: usize, row: impl Fn(usize) -> &'a [f32], steps: usize, to: &mut [f32]) {
        rounded::pack(isa, count, row, steps, to);
    }

    fn tile(isa: Isa, block: Block, left: Left, a: &[f32], b: Right<'_, Self>, c: &mut [f32]) {
        let Block { rows, cols, depth, stride, add } = block;
        let groups = depth / DEPTH;
        assert!(matches!(left, Left::Packed) && (1..=Self::ROWS).contains(&rows) && cols == 32 && b.stride == 32);
        assert!(depth == 1 + groups * DEPTH && (1..=SHARED / GROUP).contains(&groups));
        assert!(a.len() >= groups * SLOTS * rows && b.data.len() >= depth * cols);
        assert!(c.len() >= (rows - 1) * stride + cols && stride >= cols);
        #[cfg(target_arch = "x86_64")]
        if isa > Isa::Scalar {
            // SAFETY: the lengths were checked just now, and `isa` was detected on this processor.
            unsafe {
                x86::run::<HALF>(isa, (rows, groups), a.as_ptr(), b.data.as_ptr().cast(), (c.as_mut_ptr(), stride), add)
            };
            return;
        }
        let _ = isa;
        scalar((rows, groups), a, b.data, (c, stride), add);
    }
}

/// Columns of a panel.
pub(super) const COLUMNS: usize = 32;
/// A number of each column, which vector instructions take at once.
pub(super) type Row = [f32; COLUMNS];

impl<const HALF: bool> Nibbles<HALF> {
    /// What a column's scales and leasts are multiplied by.
    #[inline(always)]
    fn both(self) -> (f32, f32) {
        let (upper, lower) = ((self.0 >> 16) as u16, self.0 as u16);
        match HALF {
            true => (f16::from_bits(upper).to_f32(), f16::from_bits(lower).to_f32()),
            false => (bf16::from_bits(upper).to_f32(), bf16::from_bits(lower).to_f32()),
        }
    }
}

/// Up to 256 weights of column `n` of their rows.
pub(crate) fn read<const HALF: bool>(rows: &[Nibbles<HALF>], n: usize, out: &mut [f32]) {
    let (shared, rows) = rows.split_at(COLUMNS);
    let (scale, least) = shared[n].both();
    for (group, out) in rows.chunks_exact(DEPTH * COLUMNS).zip(out.chunks_mut(GROUP)) {
        let bytes = |row: usize| group[row * COLUMNS + n].0.to_le_bytes();
        let levels = bytes(DEPTH - 1).map(f32::from);
        for (k, x) in out.iter_mut().enumerate() {
            let (half, k) = (k / BLOCK, k % BLOCK);
            let u = bytes(k / 4)[k % 4] >> (4 * half) & 15;
            *x = f32::from(u) * (levels[2 * half] * scale) - levels[2 * half + 1] * least;
        }
    }
}

/// The reference.
fn scalar<const HALF: bool>(
    (rows, groups): (usize, usize),
    a: &[f32],
    b: &[Nibbles<HALF>],
    (c, stride): (&mut [f32], usize),
    add: bool,
) {
    for m in 0..rows {
        for (n, c) in c[m * stride..][..32].iter_mut().enumerate() {
            let mut total = if add { *c } else { 0.0 };
            let (scale, least) = b[n].both();
            for (group, plane) in (0..groups).flat_map(|group| [(group, 0), (group, PLANE)]) {
                let slot = |k: usize| a[(group * SLOTS + plane + k) * rows + m];
                let element = |k: usize| b[(1 + group * DEPTH + k) * 32 + n].0.to_le_bytes();
                if plane > 0 && slot(QUADS) == 0.0 {
                    continue;
                }
                let mut sums = [0i32; 2];
                for k in 0..QUADS / 2 {
                    for (half, sum) in sums.iter_mut().enumerate() {
                        let inputs = slot(k + half * QUADS / 2).to_bits().to_le_bytes();
                        for (x, u) in inputs.into_iter().zip(element(k)) {
                            *sum += i32::from(x as i8) * i32::from(u >> (4 * half) & 15);
                        }
                    }
                }
                let [first, first_least, second, second_least] = element(DEPTH - 1).map(f32::from);
                let mut sum = sums[0] as f32 * (first * scale);
                sum = fma(sums[1] as f32, second * scale, sum);
                sum = fma(-(whole(slot(QUADS + 1)) as f32), first_least * least, sum);
                sum = fma(-(whole(slot(QUADS + 2)) as f32), second_least * least, sum);
                total = fma(sum, slot(QUADS), total);
            }
            *c = total;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: usize) -> f32 {
        ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0
    }

    /// A panel of weights [32, steps], up to 256 of each, and what is read of it.
    fn panel<const HALF: bool>(isa: Isa, steps: usize) -> (Vec<Nibbles<HALF>>, Vec<Vec<f32>>) {
        let values: Vec<Row> = (0..steps).map(|k| std::array::from_fn(|n| noise(3 * (n * steps + k) + 1))).collect();
        let mut panel = vec![Nibbles(0); Fours::depth(steps) * COLUMNS];
        pack(isa, &values, &mut panel);
        let mut panel: Vec<Nibbles<HALF>> = panel.into_iter().map(|element| Nibbles(element.0)).collect();
        if HALF {
            let bits = |part: u32| u32::from(f16::from_f32(f32::from_bits(part << 16)).to_bits());
            for shared in &mut panel[..COLUMNS] {
                shared.0 = bits(shared.0 >> 16) << 16 | bits(shared.0 & 0xFFFF);
            }
        }
        let column = |n: usize| {
            let mut out = vec![0.0; steps];
            read(&panel, n, &mut out);
            for (near, row) in out.iter().zip(&values) {
                assert!((near - row[n]).abs() < 0.08, "{} is read as {near}", row[n]);
            }
            out
        };
        let read = (0..COLUMNS).map(column).collect();
        (panel, read)
    }

    #[test]
    fn every_path_equals_the_reference_and_is_near_the_product() {
        of_shared::<false>();
        of_shared::<true>();
    }

    fn of_shared<const HALF: bool>() {
        for steps in [1, 32, 33, 64, 65, 192, 256] {
            let (b, read) = panel::<HALF>(Isa::Scalar, steps);
            assert!(Isa::tested().into_iter().all(|isa| panel::<HALF>(isa, steps).0 == b));
            for rows in 1..=Fours::ROWS {
                let inputs: Vec<Vec<f32>> =
                    (0..rows).map(|m| (0..steps).map(|k| noise(m * steps + k)).collect()).collect();
                let block = Block { rows, cols: 32, depth: Fours::depth(steps), stride: 40, add: false };
                let run = |isa: Isa, add: bool| {
                    let mut a = vec![0.0; rows * Fours::slots(isa, steps)];
                    Fours::pack(isa, rows, |m| &inputs[m], steps, &mut a);
                    let mut c = vec![0.5; rows * 40];
                    Nibbles::tile(isa, Block { add, ..block }, Left::Packed, &a, Right::new(&b, 32), &mut c);
                    c
                };
                for add in [false, true] {
                    let want = run(Isa::Scalar, add);
                    for isa in Isa::tested() {
                        assert_eq!(want, run(isa, add), "{isa:?} {rows}x{steps}");
                    }
                }
                let got = run(Isa::Scalar, false);
                for (m, row) in inputs.iter().enumerate() {
                    for (n, read) in read.iter().enumerate() {
                        let exact: f64 = row.iter().zip(read).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                        let error = (f64::from(got[m * 40 + n]) - exact).abs();
                        assert!(error < 0.012 * (steps as f64).sqrt(), "{steps}: {error} of {exact}");
                    }
                }
            }
        }
    }
}
