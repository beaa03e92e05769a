//! Blocks of a product of bfloat16 pairs by AMX: tiles of 16 rows and 64 bytes.
//!
//! `tdpbf16ps` takes a group of 16 pairs: the second steps of the pairs (the lower halves) are one chain of fused
//! multiply-adds from zero, the first steps another, and the sum of the two is added to C. A block's sums start from C
//! where it is added to. Denormal numbers are taken for zero. `tests::model` is this in scalar code.

use super::{Block, Left, Right};
use crate::prefetch;
use std::arch::asm;
use std::cell::Cell;
use std::sync::OnceLock;

/// Rows of a tile.
const ROWS: usize = 16;
/// Bytes of a tile's row.
const LINE: usize = 64;

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    /// Bytes of a row, tile by tile.
    line: [u16; 16],
    rows: [u8; 16],
}

thread_local! {
    /// The rows of a block that this thread's tiles are configured for; 0 before the first.
    static CONFIGURED: Cell<usize> = const { Cell::new(0) };
}

/// Whether this processor has AMX for bfloat16.
pub(crate) fn present() -> bool {
    const BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
    std::arch::x86_64::__cpuid(0).eax >= 7
        && std::arch::x86_64::__cpuid_count(7, 0).edx & BF16_AND_TILE == BF16_AND_TILE
}

/// Whether this processor has it and the system lets this process use it. Looked up, and asked for, once.
pub(crate) fn permitted() -> bool {
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| present() && smolvlm_sys::request_amx())
}

/// Configures this thread's tiles for blocks of up to 32 rows: sums 0 and 1 with the first 16 rows, 2 and 3 with the
/// rest; 4 and 5 the same of A; 6 and 7 hold 16 pairs of B for 16 columns each.
///
/// # Safety
/// AMX is permitted.
unsafe fn configure(rows: usize) {
    if CONFIGURED.get() == rows {
        return;
    }
    let (first, second) = (rows.min(ROWS) as u8, rows.saturating_sub(ROWS) as u8);
    let mut config = Config { palette: 1, start_row: 0, reserved: [0; 14], line: [0; 16], rows: [0; 16] };
    let all = ROWS as u8;
    for (tile, rows) in [first, first, second, second, first, second, all, all].into_iter().enumerate() {
        if rows > 0 {
            (config.line[tile], config.rows[tile]) = (LINE as u16, rows);
        }
    }
    // SAFETY: a valid configuration of palette 1.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const config, options(nostack, readonly)) };
    CONFIGURED.set(rows);
}

/// Where the rows of A lie: tile rows `stride` bytes apart, the next group `step` bytes further on.
#[derive(Clone, Copy)]
struct Lines {
    start: *const u8,
    stride: usize,
    step: usize,
}

/// Computes a block.
///
/// # Safety
/// AMX is permitted; the pointers are valid for the block, as `tile` checks it, and `depth` is whole groups.
pub(super) unsafe fn run<E>(block: Block, left: Left, a: *const f32, b: Right<'_, E>, c: *mut f32) {
    let Block { rows, cols, depth, stride, add } = block;
    let a = match left {
        Left::Packed => Lines { start: a.cast(), stride: LINE, step: LINE * rows },
        Left::Rows64 => Lines { start: a.cast(), stride: 2 * LINE, step: LINE },
        Left::Rows(_) => unreachable!("rows are packed for tiles"),
    };
    let ahead = (b.data.as_ptr().wrapping_add(b.ahead.from).cast(), b.ahead.lines);
    let b = (b.data.as_ptr().cast(), 4 * b.stride);
    // Lines of a product of tiles, as many as there are kernels of, rounded up.
    macro_rules! by_lines {
        ($kernel:ident, $products:literal) => {
            match ahead.1.div_ceil($products) {
                0 => $kernel::<0>,
                1 => $kernel::<1>,
                2 => $kernel::<2>,
                3..=8 => $kernel::<8>,
                _ => $kernel::<16>,
            }
        };
    }
    let kernel = match (rows > ROWS, cols > ROWS) {
        (false, false) => by_lines!(sixteen_by_16, 1),
        (false, true) => by_lines!(sixteen_by_32, 2),
        (true, false) => by_lines!(rows32_by_16, 2),
        (true, true) => by_lines!(rows32_by_32, 4),
    };
    // SAFETY: as the caller vouches; the tiles are configured for these rows.
    unsafe {
        configure(rows);
        kernel(depth / ROWS, a, b, (c, stride), add, ahead.0);
    }
}

/// Pairs of a piece of a reduction in pieces: two groups.
pub(super) const PART: usize = 2 * ROWS;
/// The most pieces.
pub(super) const PARTS: usize = 8;

/// Computes a block of a reduction in pieces of [`PART`] pairs, its sums in registers from the first piece to the last.
///
/// # Safety
/// AMX is permitted; the pointers are valid for the block, as `tile_parts` checks it.
pub(super) unsafe fn run_parts(block: Block, (a, step): (*const f32, usize), parts: &[*const u8], c: *mut f32) {
    let kernel = match (block.rows > ROWS, block.cols > ROWS) {
        (false, false) => parts16_by_16,
        (false, true) => parts16_by_32,
        (true, false) => parts32_by_16,
        (true, true) => parts32_by_32,
    };
    if parts.is_empty() {
        return;
    }
    // SAFETY: as the caller vouches; the tiles are configured for these rows.
    unsafe {
        configure(block.rows);
        kernel(parts, a.cast(), 4 * step, 4 * block.cols, c, block.stride);
    }
}

/// Makes `4 rounds` products of whole tiles in registers: what this processor can do at most.
///
/// # Safety
/// AMX is permitted.
pub(crate) unsafe fn products_in_registers(rounds: usize) {
    // SAFETY: the tiles are configured for 32 rows, so all eight are there.
    unsafe {
        configure(2 * ROWS);
        asm!(
            "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
            "tilezero tmm4", "tilezero tmm5", "tilezero tmm6", "tilezero tmm7",
            "2:",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "dec {rounds}",
            "jnz 2b",
            rounds = inout(reg) rounds.max(1) => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, nomem)
        );
    }
}

/// What each product of tiles is followed by: a few lines are asked for, not all of a group's at once, which loads of tiles
/// would wait behind.
macro_rules! ask {
    () => {
        ".rept {lines}\nprefetcht1 [{ahead}]\nadd {ahead}, {line}\n.endr"
    };
}

/// A block's whole loop in one piece of assembly, since the compiler knows nothing of what tiles hold. B's rows lie so many
/// bytes apart; of what comes next `N` lines are asked for with each product of tiles.
macro_rules! block {
    ($name:ident, zero: [$($zero:literal)*], load: [$($load:literal)*], step: [$($step:expr,)*], store: [$($store:literal)*]) => {
        /// # Safety
        /// AMX is permitted and configured for the block; pointers as `tile` checks them.
        unsafe fn $name<const N: usize>(
            groups: usize,
            a: Lines,
            (b, b_line): (*const u8, usize),
            (c, c_stride): (*mut f32, usize),
            add: bool,
            ahead: *const u8,
        ) {
            // SAFETY: tiles are read and written inside what the caller vouches for; a hint touches nothing.
            unsafe {
                asm!(
                    "test {free:e}, {free:e}",
                    // C's rows from the 16th.
                    "lea {free}, [{c} + 8 * {c_line}]",
                    "lea {free}, [{free} + 8 * {c_line}]",
                    "jz 3f",
                    $($load,)*
                    "jmp 2f",
                    "3:",
                    $($zero,)*
                    "2:",
                    $($step,)*
                    "add {a}, {a_step}",
                    "add {a2}, {a_step}",
                    "lea {b}, [{b} + 8 * {b_line}]",
                    "lea {b}, [{b} + 8 * {b_line}]",
                    "dec {groups}",
                    "jnz 2b",
                    $($store,)*
                    free = inout(reg) usize::from(add) => _,
                    groups = inout(reg) groups => _,
                    a = inout(reg) a.start => _,
                    a2 = inout(reg) a.start.wrapping_add(ROWS * a.stride) => _,
                    b = inout(reg) b => _,
                    a_line = in(reg) a.stride,
                    b_line = in(reg) b_line,
                    a_step = in(reg) a.step,
                    c = in(reg) c,
                    c_line = in(reg) 4 * c_stride,
                    ahead = inout(reg) ahead => _,
                    lines = const N,
                    line = const prefetch::LINE,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack)
                );
            }
        }
    };
}

block! {
    sixteen_by_16,
    zero: ["tilezero tmm0"],
    load: ["tileloadd tmm0, [{c} + {c_line}]"],
    step: [
        "tileloadd tmm4, [{a} + {a_line}]",
        "tileloadd tmm6, [{b} + {b_line}]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        ask!(),
    ],
    store: ["tilestored [{c} + {c_line}], tmm0"]
}

block! {
    sixteen_by_32,
    zero: ["tilezero tmm0" "tilezero tmm1"],
    load: ["tileloadd tmm0, [{c} + {c_line}]" "tileloadd tmm1, [{c} + {c_line} + 64]"],
    step: [
        "tileloadd tmm4, [{a} + {a_line}]",
        "tileloadd tmm6, [{b} + {b_line}]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        ask!(),
        "tileloadd tmm7, [{b} + {b_line} + 64]",
        "tdpbf16ps tmm1, tmm4, tmm7",
        ask!(),
    ],
    store: ["tilestored [{c} + {c_line}], tmm0" "tilestored [{c} + {c_line} + 64], tmm1"]
}

block! {
    rows32_by_16,
    zero: ["tilezero tmm0" "tilezero tmm2"],
    load: ["tileloadd tmm0, [{c} + {c_line}]" "tileloadd tmm2, [{free} + {c_line}]"],
    step: [
        "tileloadd tmm4, [{a} + {a_line}]",
        "tileloadd tmm6, [{b} + {b_line}]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        ask!(),
        "tileloadd tmm5, [{a2} + {a_line}]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        ask!(),
    ],
    store: ["tilestored [{c} + {c_line}], tmm0" "tilestored [{free} + {c_line}], tmm2"]
}

block! {
    rows32_by_32,
    zero: ["tilezero tmm0" "tilezero tmm1" "tilezero tmm2" "tilezero tmm3"],
    load: [
        "tileloadd tmm0, [{c} + {c_line}]"
        "tileloadd tmm1, [{c} + {c_line} + 64]"
        "tileloadd tmm2, [{free} + {c_line}]"
        "tileloadd tmm3, [{free} + {c_line} + 64]"
    ],
    step: [
        "tileloadd tmm4, [{a} + {a_line}]",
        "tileloadd tmm6, [{b} + {b_line}]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        ask!(),
        "tileloadd tmm7, [{b} + {b_line} + 64]",
        "tdpbf16ps tmm1, tmm4, tmm7",
        ask!(),
        "tileloadd tmm5, [{a2} + {a_line}]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        ask!(),
        "tdpbf16ps tmm3, tmm5, tmm7",
        ask!(),
    ],
    store: [
        "tilestored [{c} + {c_line}], tmm0"
        "tilestored [{c} + {c_line} + 64], tmm1"
        "tilestored [{free} + {c_line}], tmm2"
        "tilestored [{free} + {c_line} + 64], tmm3"
    ]
}

/// The same for a reduction in pieces of two groups. A's rows lie 128 bytes apart, B's rows `b_line` bytes.
macro_rules! parts {
    ($name:ident, zero: [$($zero:literal)*], groups: [$($group:literal)*], store: [$($store:literal)*]) => {
        /// # Safety
        /// AMX is permitted and configured for the block; there is a part; pointers as `tile_parts` checks them.
        unsafe fn $name(parts: &[*const u8], a: *const u8, a_step: usize, b_line: usize, c: *mut f32, c_stride: usize) {
            // SAFETY: tiles are read and written inside what the caller vouches for.
            unsafe {
                asm!(
                    $($zero,)*
                    "2:",
                    "mov {b}, qword ptr [{parts}]",
                    $($group,)*
                    "add {parts}, 8",
                    "add {a}, {a_step}",
                    "dec {count}",
                    "jnz 2b",
                    $($store,)*
                    "# rows from the 16th: {c2}",
                    parts = inout(reg) parts.as_ptr() => _,
                    count = inout(reg) parts.len() => _,
                    a = inout(reg) a => _,
                    a_line = in(reg) 2 * LINE,
                    a_step = in(reg) a_step,
                    b = out(reg) _,
                    b_line = in(reg) b_line,
                    c = in(reg) c,
                    c2 = in(reg) c.wrapping_add(ROWS * c_stride),
                    c_line = in(reg) 4 * c_stride,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack)
                );
            }
        }
    };
}

parts! {
    parts16_by_16,
    zero: ["tilezero tmm0"],
    groups: [
        "tileloadd tmm4, [{a} + {a_line}]"
        "tileloadd tmm6, [{b} + {b_line}]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tileloadd tmm4, [{a} + {a_line} + 64]"
        "tileloadd tmm6, [{b} + {b_line} + 1024]"
        "tdpbf16ps tmm0, tmm4, tmm6"
    ],
    store: [
        "tilestored [{c} + {c_line}], tmm0"
    ]
}

parts! {
    parts16_by_32,
    zero: ["tilezero tmm0" "tilezero tmm1"],
    groups: [
        "tileloadd tmm4, [{a} + {a_line}]"
        "tileloadd tmm6, [{b} + {b_line}]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tileloadd tmm7, [{b} + {b_line} + 64]"
        "tdpbf16ps tmm1, tmm4, tmm7"
        "tileloadd tmm4, [{a} + {a_line} + 64]"
        "tileloadd tmm6, [{b} + {b_line} + 2048]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tileloadd tmm7, [{b} + {b_line} + 2112]"
        "tdpbf16ps tmm1, tmm4, tmm7"
    ],
    store: [
        "tilestored [{c} + {c_line}], tmm0"
        "tilestored [{c} + {c_line} + 64], tmm1"
    ]
}

parts! {
    parts32_by_16,
    zero: ["tilezero tmm0" "tilezero tmm2"],
    groups: [
        "tileloadd tmm4, [{a} + {a_line}]"
        "tileloadd tmm6, [{b} + {b_line}]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tileloadd tmm5, [{a} + {a_line} + 2048]"
        "tdpbf16ps tmm2, tmm5, tmm6"
        "tileloadd tmm4, [{a} + {a_line} + 64]"
        "tileloadd tmm6, [{b} + {b_line} + 1024]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tileloadd tmm5, [{a} + {a_line} + 2112]"
        "tdpbf16ps tmm2, tmm5, tmm6"
    ],
    store: [
        "tilestored [{c} + {c_line}], tmm0"
        "tilestored [{c2} + {c_line}], tmm2"
    ]
}

parts! {
    parts32_by_32,
    zero: ["tilezero tmm0" "tilezero tmm1" "tilezero tmm2" "tilezero tmm3"],
    groups: [
        "tileloadd tmm4, [{a} + {a_line}]"
        "tileloadd tmm6, [{b} + {b_line}]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tileloadd tmm7, [{b} + {b_line} + 64]"
        "tdpbf16ps tmm1, tmm4, tmm7"
        "tileloadd tmm5, [{a} + {a_line} + 2048]"
        "tdpbf16ps tmm2, tmm5, tmm6"
        "tdpbf16ps tmm3, tmm5, tmm7"
        "tileloadd tmm4, [{a} + {a_line} + 64]"
        "tileloadd tmm6, [{b} + {b_line} + 2048]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tileloadd tmm7, [{b} + {b_line} + 2112]"
        "tdpbf16ps tmm1, tmm4, tmm7"
        "tileloadd tmm5, [{a} + {a_line} + 2112]"
        "tdpbf16ps tmm2, tmm5, tmm6"
        "tdpbf16ps tmm3, tmm5, tmm7"
    ],
    store: [
        "tilestored [{c} + {c_line}], tmm0"
        "tilestored [{c} + {c_line} + 64], tmm1"
        "tilestored [{c2} + {c_line}], tmm2"
        "tilestored [{c2} + {c_line} + 64], tmm3"
    ]
}
