//! Blocks of a product by AVX2, AVX-512, and AVX-512 with bfloat16 dot products.

use super::{Ahead, Block, Element, Left, Right};
use crate::Isa;
use crate::prefetch::{LINE, far};
use std::arch::x86_64::*;

/// Computes a block.
///
/// # Safety
/// `isa` is there; the pointers are valid for the block, as `tile` checks it.
pub(super) unsafe fn run<E: Element>(isa: Isa, block: Block, left: Left, a: *const f32, b: Right<'_, E>, c: *mut f32) {
    macro_rules! by_rows {
        ($kernel:ident, $vectors:literal, $left:tt) => {
            match block.rows {
                1 => $kernel::<1, $vectors, $left, E>,
                2 => $kernel::<2, $vectors, $left, E>,
                3 => $kernel::<3, $vectors, $left, E>,
                4 => $kernel::<4, $vectors, $left, E>,
                5 => $kernel::<5, $vectors, $left, E>,
                6 => $kernel::<6, $vectors, $left, E>,
                7 => $kernel::<7, $vectors, $left, E>,
                8 => $kernel::<8, $vectors, $left, E>,
                9 => $kernel::<9, $vectors, $left, E>,
                10 => $kernel::<10, $vectors, $left, E>,
                11 => $kernel::<11, $vectors, $left, E>,
                _ => $kernel::<12, $vectors, $left, E>,
            }
        };
    }
    macro_rules! by_cols {
        ($kernel:ident, $left:tt) => {
            if block.cols == 16 { by_rows!($kernel, 1, $left) } else { by_rows!($kernel, 2, $left) }
        };
    }
    // A's distance of rows: 0 stands for packed.
    let stride = if let Left::Rows(stride) = left { stride } else { 0 };
    let kernel: Kernel<E> = match (isa, left) {
        (Isa::Amx | Isa::Avx512Bf16 | Isa::Avx512, Left::Rows(_)) => by_cols!(avx512, { GIVEN }),
        (_, Left::Rows(_)) => by_cols!(avx2, { GIVEN }),
        (Isa::Avx512Bf16 | Isa::Amx, Left::Packed) if E::STEPS == 2 => by_cols!(dots, 0),
        (Isa::Avx512Bf16 | Isa::Amx, Left::Rows64) if E::STEPS == 2 => by_cols!(dots, 32),
        (Isa::Amx | Isa::Avx512Bf16 | Isa::Avx512, Left::Packed) => by_cols!(avx512, 0),
        (Isa::Amx | Isa::Avx512Bf16 | Isa::Avx512, Left::Rows64) => by_cols!(avx512, 64),
        (_, Left::Packed) => by_cols!(avx2, 0),
        (_, Left::Rows64) => by_cols!(avx2, 64),
    };
    let b = (b.data.as_ptr(), b.stride, b.ahead.steps() * b.stride);
    // SAFETY: as the caller vouches.
    unsafe { kernel(block.depth, (a, stride), b, c, block.stride, block.add) };
}

type Kernel<E> = unsafe fn(usize, (*const f32, usize), (*const E, usize, usize), *mut f32, usize, bool);

/// A distance of A's rows that is no constant of the code.
const GIVEN: usize = usize::MAX;

/// Where slot k of row m of A lies; `stride` counts where `L` is [`GIVEN`].
#[inline(always)]
fn slot<const M: usize, const L: usize>(m: usize, k: usize, stride: usize) -> usize {
    match L {
        0 => k * M + m,
        GIVEN => m * stride + k,
        _ => m * L + k,
    }
}

/// How many steps ahead B is asked for where it is: what lies there of weights comes next, in this chain or another.
const AHEAD: usize = 256;

impl Ahead {
    /// How many steps ahead vector instructions ask for B; where nothing is to be asked for, they ask for what they read.
    fn steps(self) -> usize {
        if self.lines > 0 { AHEAD } else { 0 }
    }
}

/// Asks for what lies so far behind a step of B, into the second-level cache. A product of few rows waits for its
/// weights, which pass once; the processor itself looks ahead no further than a page, and not while other rows are computed
/// with the same weights.
#[inline(always)]
fn fetch_ahead<E>(step: *const E, distance: usize, cols: usize) {
    for col in (0..cols).step_by(LINE / size_of::<E>()) {
        far(step.wrapping_add(distance + col));
    }
}

/// Writes a block's sums; a macro, since a function would not be inlined.
macro_rules! store512 {
    ($sums:ident, $c:ident, $c_stride:ident, $add:ident) => {
        for (m, sum) in $sums.iter().enumerate() {
            for (v, &sum) in sum.iter().enumerate() {
                // SAFETY: rows and columns of the block.
                unsafe {
                    let at = $c.add(m * $c_stride + 16 * v);
                    let sum = if $add { _mm512_add_ps(_mm512_loadu_ps(at), sum) } else { sum };
                    _mm512_storeu_ps(at, sum);
                }
            }
        }
    };
}

/// One row of A in pairs, as `pack::pairs_of` makes it.
///
/// # Safety
/// AVX-512 F and BF16.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(super) unsafe fn pairs(row: &[f32], to: &mut [f32]) {
    let (whole, rest) = row.as_chunks::<{ 2 * GROUP }>();
    let (to, to_rest) = to.split_at_mut(GROUP * whole.len());
    for (row, to) in whole.iter().zip(to.as_chunks_mut::<GROUP>().0) {
        // SAFETY: as the caller vouches.
        unsafe { pair_group(row, to) };
    }
    super::pack::pairs_of(rest, to_rest);
}

/// A group's pairs.
///
/// # Safety
/// AVX-512 F and BF16.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
#[inline]
unsafe fn pair_group(row: &[f32; 2 * GROUP], to: &mut [f32; GROUP]) {
    // SAFETY: 32 numbers are read and 16 written; both types are 512 bits.
    unsafe {
        let (low, high) = (_mm512_loadu_ps(row.as_ptr()), _mm512_loadu_ps(row.as_ptr().add(16)));
        let halves = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
        // The first of two comes in the lower half; it belongs in the upper.
        _mm512_storeu_si512(to.as_mut_ptr().cast(), _mm512_rol_epi32::<16>(halves));
    }
}

/// Packs `count` rows of so many steps for tiles: group by group, in a group row by row.
///
/// # Safety
/// As [`pairs`].
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(super) unsafe fn pack_for_tiles<'a>(count: usize, row: impl Fn(usize) -> &'a [f32], steps: usize, to: &mut [f32]) {
    for m in 0..count {
        let (groups, rest) = row(m)[..steps].as_chunks::<{ 2 * GROUP }>();
        let mut places = to.as_chunks_mut::<GROUP>().0[m..].iter_mut().step_by(count);
        for (group, to) in groups.iter().zip(&mut places) {
            // SAFETY: as the caller vouches.
            unsafe { pair_group(group, to) };
        }
        if let (false, Some(to)) = (rest.is_empty(), places.next()) {
            super::pack::pairs_of(rest, to);
        }
    }
}

/// Two bfloat16 products a lane and step: `V` vectors of 16 columns.
///
/// # Safety
/// AVX-512 F and BF16; pointers as `tile` checks them; `E` is `Pair`, and A in pairs.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
unsafe fn dots<const M: usize, const V: usize, const L: usize, E: Element>(
    depth: usize,
    (a, stride): (*const f32, usize),
    (b, b_stride, ahead): (*const E, usize, usize),
    c: *mut f32,
    c_stride: usize,
    add: bool,
) {
    // SAFETY: both are 512 bits of plain numbers.
    let pairs = |x: __m512| unsafe { std::mem::transmute::<__m512, __m512bh>(x) };
    let mut sums = [[_mm512_setzero_ps(); V]; M];
    for k in 0..depth {
        fetch_ahead(b.wrapping_add(k * b_stride), ahead, 16 * V);
        // SAFETY: k < depth, so the loads stay inside what the caller vouches for.
        unsafe {
            let mut row = [_mm512_setzero_ps(); V];
            for (v, value) in row.iter_mut().enumerate() {
                *value = _mm512_loadu_ps(b.add(k * b_stride + 16 * v).cast());
            }
            for (m, sum) in sums.iter_mut().enumerate() {
                let left = _mm512_set1_ps(*a.add(slot::<M, L>(m, k, stride)));
                for (sum, &value) in sum.iter_mut().zip(&row) {
                    *sum = _mm512_dpbf16_ps(*sum, pairs(left), pairs(value));
                }
            }
        }
    }
    store512!(sums, c, c_stride, add);
}

/// The most rows that [`in_groups`] computes.
pub(super) const FEW_ROWS: usize = 4;
/// Pairs of a group.
const GROUP: usize = 16;

/// Computes a block of few rows with AMX's bits: tiles of one row do not read memory as fast as vectors do.
///
/// # Safety
/// AVX-512; the pointers are valid for the block, as `tile` checks it; A and B are pairs, and `depth` is whole groups.
pub(super) unsafe fn run_in_groups<E>(block: Block, left: Left, a: *const f32, b: Right<'_, E>, c: *mut f32) {
    macro_rules! by_cols {
        ($rows:literal) => {
            if block.cols == 16 { in_groups::<$rows, 1> } else { in_groups::<$rows, 2> }
        };
    }
    let kernel = match block.rows {
        1 => by_cols!(1),
        2 => by_cols!(2),
        3 => by_cols!(3),
        _ => by_cols!(4),
    };
    let steps = match left {
        Left::Packed => (GROUP, GROUP * block.rows),
        Left::Rows64 => (2 * GROUP, GROUP),
        Left::Rows(_) => unreachable!("rows are packed for tiles"),
    };
    let b = (b.data.as_ptr().cast(), b.stride, b.ahead.steps() * b.stride);
    // SAFETY: as the caller vouches.
    unsafe { kernel(block.depth / GROUP, (a, steps), b, (c, block.stride), block.add) };
}

/// `M` rows and `V` vectors of 16 columns in the order of sums that `amx` tells of. A's rows and groups lie so many slots
/// apart.
///
/// # Safety
/// AVX-512 F; pointers as `tile` checks them.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn in_groups<const M: usize, const V: usize>(
    groups: usize,
    (a, (row_step, group_step)): (*const f32, (usize, usize)),
    (b, b_stride, ahead): (*const f32, usize, usize),
    (c, c_stride): (*mut f32, usize),
    add: bool,
) {
    let upper = _mm512_set1_epi32(0xFFFF_0000u32 as i32);
    // The first and the second steps of pairs.
    let halves = |pairs: __m512i| {
        [_mm512_and_si512(pairs, upper), _mm512_slli_epi32::<16>(pairs)].map(|x| _mm512_castsi512_ps(x))
    };
    let mut sums = [[_mm512_setzero_ps(); V]; M];
    if add {
        for (m, sum) in sums.iter_mut().enumerate() {
            for (v, sum) in sum.iter_mut().enumerate() {
                // SAFETY: rows and columns of the block.
                *sum = unsafe { _mm512_loadu_ps(c.add(m * c_stride + 16 * v)) };
            }
        }
    }
    for group in 0..groups {
        let mut chains = [[[_mm512_setzero_ps(); 2]; V]; M];
        for k in 0..GROUP {
            let row = b.wrapping_add((group * GROUP + k) * b_stride);
            fetch_ahead(row, ahead, 16 * V);
            // SAFETY: rows and columns of the block, whose groups are whole.
            unsafe {
                let mut right = [[_mm512_setzero_ps(); 2]; V];
                for (v, right) in right.iter_mut().enumerate() {
                    *right = halves(_mm512_loadu_si512(row.add(16 * v).cast()));
                }
                for (m, chains) in chains.iter_mut().enumerate() {
                    let pair = a.add(group * group_step + m * row_step + k).cast::<i32>().read();
                    let left = halves(_mm512_set1_epi32(pair));
                    for (chains, right) in chains.iter_mut().zip(&right) {
                        for ((chain, &left), &right) in chains.iter_mut().zip(&left).zip(right) {
                            *chain = _mm512_fmadd_ps(left, right, *chain);
                        }
                    }
                }
            }
        }
        for (sums, chains) in sums.iter_mut().zip(&chains) {
            for (sum, &[first, second]) in sums.iter_mut().zip(chains) {
                *sum = _mm512_add_ps(*sum, _mm512_add_ps(second, first));
            }
        }
    }
    for (m, sum) in sums.iter().enumerate() {
        for (v, &sum) in sum.iter().enumerate() {
            // SAFETY: rows and columns of the block.
            unsafe { _mm512_storeu_ps(c.add(m * c_stride + 16 * v), sum) };
        }
    }
}

/// `V` vectors of 16 columns.
///
/// # Safety
/// AVX-512 F, BW; pointers as `tile` checks them.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn avx512<const M: usize, const V: usize, const L: usize, E: Element>(
    depth: usize,
    (a, stride): (*const f32, usize),
    (b, b_stride, ahead): (*const E, usize, usize),
    c: *mut f32,
    c_stride: usize,
    add: bool,
) {
    let upper = _mm512_set1_epi32(0xFFFF_0000u32 as i32);
    let mut sums = [[_mm512_setzero_ps(); V]; M];
    for k in 0..depth {
        fetch_ahead(b.wrapping_add(k * b_stride), ahead, 16 * V);
        for step in 0..E::STEPS {
            // SAFETY: k < depth, so the loads stay inside what the caller vouches for.
            unsafe {
                let mut row = [_mm512_setzero_ps(); V];
                for (v, value) in row.iter_mut().enumerate() {
                    let loaded = _mm512_loadu_si512(b.add(k * b_stride + 16 * v).cast());
                    // A pair's first step is its upper half, as an f32 already.
                    let bits = match (E::STEPS, step) {
                        (1, _) => loaded,
                        (_, 0) => _mm512_and_si512(loaded, upper),
                        _ => _mm512_slli_epi32::<16>(loaded),
                    };
                    *value = _mm512_castsi512_ps(bits);
                }
                for (m, sum) in sums.iter_mut().enumerate() {
                    let left = _mm512_set1_ps(*a.add(slot::<M, L>(m, k * E::STEPS + step, stride)));
                    for (sum, &value) in sum.iter_mut().zip(&row) {
                        *sum = _mm512_fmadd_ps(left, value, *sum);
                    }
                }
            }
        }
    }
    store512!(sums, c, c_stride, add);
}

/// 16 columns and up to 6 rows at a time, or 32 and up to 3: what 16 registers hold.
///
/// # Safety
/// AVX2 and FMA; pointers as `tile` checks them.
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const M: usize, const V: usize, const L: usize, E: Element>(
    depth: usize,
    (a, stride): (*const f32, usize),
    (b, b_stride, ahead): (*const E, usize, usize),
    c: *mut f32,
    c_stride: usize,
    add: bool,
) {
    if M <= 3 && V == 2 {
        // Few rows: all 32 columns at once, whose sums hide each other's latency.
        // SAFETY: as the caller vouches.
        return unsafe { avx2_rows::<M, M, 4, L, E>(depth, (a, stride), (b, b_stride, ahead), c, c_stride, add) };
    }
    for v in 0..V {
        let mut first = 0;
        while first < M {
            let rows = (M - first).min(6);
            // SAFETY: 16 columns and `rows` rows of the block.
            unsafe {
                let (b, c) = ((b.add(16 * v), b_stride, ahead), c.add(16 * v + first * c_stride));
                let a = (a.add(slot::<M, L>(first, 0, stride)), stride);
                match rows {
                    1 => avx2_rows::<M, 1, 2, L, E>(depth, a, b, c, c_stride, add),
                    2 => avx2_rows::<M, 2, 2, L, E>(depth, a, b, c, c_stride, add),
                    3 => avx2_rows::<M, 3, 2, L, E>(depth, a, b, c, c_stride, add),
                    4 => avx2_rows::<M, 4, 2, L, E>(depth, a, b, c, c_stride, add),
                    5 => avx2_rows::<M, 5, 2, L, E>(depth, a, b, c, c_stride, add),
                    _ => avx2_rows::<M, 6, 2, L, E>(depth, a, b, c, c_stride, add),
                }
            }
            first += rows;
        }
    }
}

/// `R` of the `M` rows of A, `W` vectors of 8 columns.
///
/// # Safety
/// As `avx2`.
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_rows<const M: usize, const R: usize, const W: usize, const L: usize, E: Element>(
    depth: usize,
    (a, stride): (*const f32, usize),
    (b, b_stride, ahead): (*const E, usize, usize),
    c: *mut f32,
    c_stride: usize,
    add: bool,
) {
    let upper = _mm256_set1_epi32(0xFFFF_0000u32 as i32);
    let mut sums = [[_mm256_setzero_ps(); W]; R];
    for k in 0..depth {
        fetch_ahead(b.wrapping_add(k * b_stride), ahead, 8 * W);
        for step in 0..E::STEPS {
            // SAFETY: k < depth, so the loads stay inside what the caller vouches for.
            unsafe {
                let mut row = [_mm256_setzero_ps(); W];
                for (v, value) in row.iter_mut().enumerate() {
                    let loaded = _mm256_loadu_si256(b.add(k * b_stride + 8 * v).cast());
                    let bits = match (E::STEPS, step) {
                        (1, _) => loaded,
                        (_, 0) => _mm256_and_si256(loaded, upper),
                        _ => _mm256_slli_epi32::<16>(loaded),
                    };
                    *value = _mm256_castsi256_ps(bits);
                }
                for (m, sum) in sums.iter_mut().enumerate() {
                    let left = _mm256_set1_ps(*a.add(slot::<M, L>(m, k * E::STEPS + step, stride)));
                    for (sum, &value) in sum.iter_mut().zip(&row) {
                        *sum = _mm256_fmadd_ps(left, value, *sum);
                    }
                }
            }
        }
    }
    for (m, sum) in sums.iter().enumerate() {
        for (v, &sum) in sum.iter().enumerate() {
            // SAFETY: rows and columns of the block.
            unsafe {
                let at = c.add(m * c_stride + 8 * v);
                let sum = if add { _mm256_add_ps(_mm256_loadu_ps(at), sum) } else { sum };
                _mm256_storeu_ps(at, sum);
            }
        }
    }
}
