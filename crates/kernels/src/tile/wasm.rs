//! Blocks of a product by WebAssembly's vectors. They become the instructions of the machine below, which may have 16
//! registers: 12 for sums.

use super::quad::{Columns, Quad, strips};
use super::{Block, Element, Left};
use std::arch::wasm32::*;

/// Rows of a block that are computed together.
const ROWS: usize = 6;

impl Quad for v128 {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        f32x4_splat(x)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the caller vouches.
        unsafe { v128_load(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as the caller vouches.
        unsafe { v128_store(to.cast(), self) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        f32x4_add(self, other)
    }

    #[inline(always)]
    fn add_product(self, left: f32, right: Self) -> Self {
        f32x4_add(f32x4_mul(f32x4_splat(left), right), self)
    }

    #[inline(always)]
    fn first_steps(self) -> Self {
        v128_and(self, u32x4_splat(0xFFFF_0000))
    }

    #[inline(always)]
    fn second_steps(self) -> Self {
        u32x4_shl(self, 16)
    }
}

/// Computes a block.
///
/// # Safety
/// The pointers are valid for the block, as `tile` checks it.
pub(super) unsafe fn run<E: Element>(
    block: Block,
    left: Left,
    a: *const f32,
    b: *const E,
    b_stride: usize,
    c: *mut f32,
) {
    // Few rows take wide strips, so that enough chains are under way to hide an instruction's latency.
    macro_rules! by_rows {
        ($rows:expr, $left:literal) => {
            match $rows {
                1 => strips::<1, 8, $left, v128, E>,
                2 => strips::<2, 4, $left, v128, E>,
                3 => strips::<3, 4, $left, v128, E>,
                4 => strips::<4, 2, $left, v128, E>,
                5 => strips::<5, 2, $left, v128, E>,
                _ => strips::<6, 2, $left, v128, E>,
            }
        };
    }
    for first in (0..block.rows).step_by(ROWS) {
        let rows = ROWS.min(block.rows - first);
        let kernel: unsafe fn(Block, Columns, *const E, usize, *mut f32) = match left {
            Left::Packed => by_rows!(rows, 1),
            Left::Rows64 => by_rows!(rows, 64),
            Left::Rows(_) => unreachable!("rows are packed here"),
        };
        // SAFETY: rows `first` to `first + rows` of what the caller vouches for.
        unsafe { kernel(block, Columns::new(left, a, block.rows, first), b, b_stride, c.add(first * block.stride)) };
    }
}
