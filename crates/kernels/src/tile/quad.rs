//! Blocks of a product by vectors of four f32, where those are the target's baseline: NEON and WebAssembly's.

use super::{Block, Element, Left};

/// A vector of four f32 in a register.
pub(super) trait Quad: Copy {
    /// Four times `x`.
    fn splat(x: f32) -> Self;

    /// Four f32.
    ///
    /// # Safety
    /// They are there.
    unsafe fn load(from: *const f32) -> Self;

    /// Writes four f32.
    ///
    /// # Safety
    /// There is room for them.
    unsafe fn store(self, to: *mut f32);

    fn add(self, other: Self) -> Self;

    /// `self + left * right` in every lane, rounded as `math::fma` rounds.
    fn add_product(self, left: f32, right: Self) -> Self;

    /// The upper halves of the lanes' bits, zeros below them: the first steps of pairs.
    fn first_steps(self) -> Self;

    /// The lower halves, moved up: the second steps.
    fn second_steps(self) -> Self;
}

/// Rows of A: row m's slot k is at `start + k * slot + m * row`; `row` is a constant of the code, see [`strips`].
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub(super) start: *const f32,
    pub(super) slot: usize,
}

impl Columns {
    /// The slots of A from its row `first` on.
    pub(super) fn new(left: Left, a: *const f32, rows: usize, first: usize) -> Columns {
        match left {
            Left::Packed => Columns { start: a.wrapping_add(first), slot: rows },
            Left::Rows64 => Columns { start: a.wrapping_add(first * 64), slot: 1 },
            Left::Rows(stride) => Columns { start: a.wrapping_add(first * stride), slot: 1 },
        }
    }
}

/// `R` rows of a block, `V` vectors of its columns at a time. A's rows are `L` apart: 1 where it is packed, else 64.
///
/// # Safety
/// The pointers are valid for the block, as `tile` checks it; `R` and `L` are those of `a`.
pub(super) unsafe fn strips<const R: usize, const V: usize, const L: usize, Q: Quad, E: Element>(
    block: Block,
    a: Columns,
    b: *const E,
    b_stride: usize,
    c: *mut f32,
) {
    let mut col = 0;
    while col + 4 * V <= block.cols {
        // SAFETY: columns of the block.
        unsafe { strip::<R, V, L, Q, E>(block, a, b.add(col), b_stride, c.add(col)) };
        col += 4 * V;
    }
    if V > 4 && col < block.cols {
        // SAFETY: the last 16 columns of the block.
        unsafe { strip::<R, 4, L, Q, E>(block, a, b.add(col), b_stride, c.add(col)) };
    }
}

/// `R` rows and `4 V` columns: as many sums as registers hold beside what they are made of.
///
/// # Safety
/// As [`strips`].
#[inline(always)]
unsafe fn strip<const R: usize, const V: usize, const L: usize, Q: Quad, E: Element>(
    block: Block,
    a: Columns,
    b: *const E,
    b_stride: usize,
    c: *mut f32,
) {
    let mut sums = [[Q::splat(0.0); V]; R];
    for k in 0..block.depth {
        for step in 0..E::STEPS {
            // SAFETY: k < depth, so the loads stay inside what the caller vouches for.
            unsafe {
                let mut row = [Q::splat(0.0); V];
                for (v, value) in row.iter_mut().enumerate() {
                    let loaded = Q::load(b.add(k * b_stride + 4 * v).cast());
                    *value = match (E::STEPS, step) {
                        (1, _) => loaded,
                        (_, 0) => loaded.first_steps(),
                        _ => loaded.second_steps(),
                    };
                }
                let slot = a.start.add((k * E::STEPS + step) * a.slot);
                for (m, sum) in sums.iter_mut().enumerate() {
                    let left = *slot.add(m * L);
                    for (sum, &value) in sum.iter_mut().zip(&row) {
                        *sum = sum.add_product(left, value);
                    }
                }
            }
        }
    }
    for (m, sum) in sums.iter().enumerate() {
        for (v, &sum) in sum.iter().enumerate() {
            // SAFETY: rows and columns of the block.
            unsafe {
                let at = c.add(m * block.stride + 4 * v);
                let sum = if block.add { Q::load(at).add(sum) } else { sum };
                sum.store(at);
            }
        }
    }
}
