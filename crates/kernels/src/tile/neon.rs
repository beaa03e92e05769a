//! Blocks of a product by NEON: 32 registers, 24 of them for sums.

use super::quad::{Columns, Quad, strips};
use super::{Block, Element, Left};
use std::arch::aarch64::*;

impl Quad for float32x4_t {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        // SAFETY: every aarch64 processor has NEON.
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the caller vouches; every aarch64 processor has NEON.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as the caller vouches; every aarch64 processor has NEON.
        unsafe { vst1q_f32(to, self) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: every aarch64 processor has NEON.
        unsafe { vaddq_f32(self, other) }
    }

    #[inline(always)]
    fn add_product(self, left: f32, right: Self) -> Self {
        // SAFETY: every aarch64 processor has NEON.
        unsafe { vfmaq_n_f32(self, right, left) }
    }

    #[inline(always)]
    fn first_steps(self) -> Self {
        // SAFETY: as above.
        unsafe { vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(self), vdupq_n_u32(0xFFFF_0000))) }
    }

    #[inline(always)]
    fn second_steps(self) -> Self {
        // SAFETY: as above.
        unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(vreinterpretq_u32_f32(self))) }
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
        ($left:literal) => {
            match block.rows {
                1 => strips::<1, 8, $left, float32x4_t, E>,
                2 => strips::<2, 8, $left, float32x4_t, E>,
                3 => strips::<3, 4, $left, float32x4_t, E>,
                4 => strips::<4, 4, $left, float32x4_t, E>,
                5 => strips::<5, 4, $left, float32x4_t, E>,
                6 => strips::<6, 4, $left, float32x4_t, E>,
                7 => strips::<7, 2, $left, float32x4_t, E>,
                8 => strips::<8, 2, $left, float32x4_t, E>,
                9 => strips::<9, 2, $left, float32x4_t, E>,
                10 => strips::<10, 2, $left, float32x4_t, E>,
                11 => strips::<11, 2, $left, float32x4_t, E>,
                _ => strips::<12, 2, $left, float32x4_t, E>,
            }
        };
    }
    let kernel: unsafe fn(Block, Columns, *const E, usize, *mut f32) = match left {
        Left::Packed => by_rows!(1),
        Left::Rows64 => by_rows!(64),
        Left::Rows(_) => unreachable!("rows are packed here"),
    };
    // SAFETY: as the caller vouches.
    unsafe { kernel(block, Columns::new(left, a, block.rows, 0), b, b_stride, c) };
}
