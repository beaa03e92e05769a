//! What this machine can do at most: multiply-adds in registers, and reading memory.

use crate::isa::for_each_isa;
use crate::linear::{Epilogue, Input, Kept, PackedWeight, Stored, linear};
use crate::prefetch::{LINE, far};
#[cfg(target_arch = "x86_64")]
use crate::tile::amx;
use crate::{AlignedBytes, Arena, Isa, Pool};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Rounds of a measurement of arithmetic: a millisecond or two.
const ROUNDS: usize = 400_000;
/// After so long a core that had slept, or that others had held up, has shown what it can.
const SETTLED: Duration = Duration::from_millis(50);
/// Independent sums, enough to hide the instructions' latency.
const SUMS: usize = 24;

/// What the arithmetic is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// f32 multiply-adds.
    F32,
    /// Dot products of bfloat16 pairs.
    Bf16,
}

/// Floating point operations a second of all threads together, in registers; `None` where the instructions have none of
/// this kind.
pub fn arithmetic(isa: Isa, pool: &Pool, kind: Arithmetic) -> Option<f64> {
    // A function, and the operations of one of its `SUMS` in a round.
    let found: Option<(fn(), usize)> = match (isa, kind) {
        #[cfg(target_arch = "x86_64")]
        (Isa::Amx, Arithmetic::Bf16) => {
            // As many as fit the count below: a sum of a round stands for 1024 operations, a product of tiles is 16,384.
            const PRODUCTS: usize = SUMS * ROUNDS / 16;
            // SAFETY: AMX is permitted where `isa` names it.
            Some((|| unsafe { amx::products_in_registers(PRODUCTS / 4) }, 1024))
        }
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `isa` was detected on this processor.
        (Isa::Avx512Bf16, Arithmetic::Bf16) => Some((|| unsafe { x86::dots(ROUNDS) }, 64)),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Isa::Avx512 | Isa::Avx512Bf16 | Isa::Amx, Arithmetic::F32) => Some((|| unsafe { x86::fma512(ROUNDS) }, 32)),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Isa::Avx2, Arithmetic::F32) => Some((|| unsafe { x86::fma256() }, 16)),
        #[cfg(target_arch = "aarch64")]
        (Isa::Neon, Arithmetic::F32) => Some((neon::fma, 8)),
        _ => None,
    };
    let (f, operations) = found?;
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed() < SETTLED || best.is_infinite() {
        best = best.min(best_of(5, || pool.run(pool.threads(), |_| f())));
    }
    Some((pool.threads() * ROUNDS * SUMS * operations) as f64 / best)
}

/// Whether dot products of bfloat16 do more operations a second than f32 multiply-adds, by a clear margin.
///
/// # Panics
/// Where the processor has none.
#[cfg(target_arch = "x86_64")]
pub(crate) fn dots_pay() -> bool {
    assert!(Isa::available().contains(&Isa::Avx512Bf16), "dots_pay: no dot products");
    const SHORT: usize = 1_000;
    // SAFETY: both are there, as was just checked.
    let (dots, fmas) = (best_of(5, || unsafe { x86::dots(SHORT) }), best_of(5, || unsafe { x86::fma512(SHORT) }));
    // A dot product is two multiply-adds.
    dots < 1.6 * fmas
}

/// How many bytes ahead of its reader a buffer is asked for, as weights are.
const AHEAD: usize = 32 << 10;

/// A buffer to read from end to end, as decoding reads weights.
pub struct Reading {
    buffer: AlignedBytes,
}

impl Reading {
    /// A buffer of `len` bytes, each thread's share touched first by some thread.
    pub fn new(pool: &Pool, len: usize) -> Reading {
        let mut buffer = AlignedBytes::zeroed(len);
        pool.chunks(buffer.values_mut::<u64>(), 1 << 16, |i, words| words.fill(i as u64));
        Reading { buffer }
    }

    /// Reads it once, every thread a share of its own; seconds.
    pub fn read(&self, pool: &Pool) -> f64 {
        let words = self.buffer.values::<u64>();
        let share = words.len().div_ceil(pool.threads());
        let start = Instant::now();
        pool.run(pool.threads(), |thread| {
            let from = (thread * share).min(words.len());
            fold(Isa::best(), &words[from..words.len().min(from + share)]);
        });
        start.elapsed().as_secs_f64()
    }
}

for_each_isa! {
    /// Reads all words, four vectors at a time.
    fn fold(words: &[u64]) = fold_words;
}

#[inline(always)]
fn fold_words(words: &[u64]) {
    let mut sums = [0u64; 32];
    for part in words.as_chunks::<32>().0 {
        for line in part.as_chunks::<{ LINE / size_of::<u64>() }>().0 {
            far(line.as_ptr().wrapping_byte_add(AHEAD));
        }
        for (sum, word) in sums.iter_mut().zip(part) {
            *sum ^= word;
        }
    }
    black_box(sums);
}

/// Bytes read a second by all threads together from a buffer of `len` bytes.
pub fn reading(pool: &Pool, len: usize) -> f64 {
    let reading = Reading::new(pool, len);
    let best = (0..8).map(|_| reading.read(pool)).fold(f64::INFINITY, f64::min);
    len as f64 / best
}

/// Operations a second that a product reaches: 1,024 rows, 768 inputs, 3,072 outputs, as in the tower.
pub fn product(isa: Isa, pool: &Pool, kept: Kept) -> f64 {
    let (rows, inputs, outputs) = (1024, 768, 3072);
    let weight = PackedWeight::pack(
        pool,
        &mut Arena::default(),
        Stored::Bf16,
        &vec![0; 2 * inputs * outputs],
        outputs,
        inputs,
        kept,
    );
    let (x, mut out) = (vec![1.0; rows * inputs], vec![0.0; rows * outputs]);
    let best = best_of(5, || {
        linear(isa, pool, Input { x: (&x).into(), rows, norm: None }, &weight, Epilogue::default(), &mut out)
    });
    (2 * rows * inputs * outputs) as f64 / best
}

/// Bytes of weights a second that products with one row reach, as in decoding: a stack of layers larger than any cache.
pub fn decoding(isa: Isa, pool: &Pool, kept: Kept) -> f64 {
    let (inputs, outputs, layers) = (1024, 4096, 32);
    let stored = vec![0; 2 * inputs * outputs];
    let mut arena = Arena::default();
    let mut pack = || PackedWeight::pack(pool, &mut arena, Stored::Bf16, &stored, outputs, inputs, kept);
    let weights: Vec<PackedWeight> = (0..layers).map(|_| pack()).collect();
    let (x, mut out) = (vec![1.0; inputs], vec![0.0; outputs]);
    let best = best_of(5, || {
        for weight in &weights {
            linear(isa, pool, Input { x: (&x).into(), rows: 1, norm: None }, weight, Epilogue::default(), &mut out);
        }
    });
    weights.iter().map(PackedWeight::bytes).sum::<usize>() as f64 / best
}

/// The fastest of some runs in seconds, after one that is not counted.
fn best_of(runs: usize, mut f: impl FnMut()) -> f64 {
    f();
    let time = |f: &mut dyn FnMut()| {
        let start = Instant::now();
        f();
        start.elapsed().as_secs_f64()
    };
    (0..runs).map(|_| time(&mut f)).fold(f64::INFINITY, f64::min)
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::{ROUNDS, SUMS, black_box};
    use std::arch::aarch64::*;

    pub(super) fn fma() {
        // SAFETY: every aarch64 processor has NEON.
        let (one, mut sums) = unsafe { (vdupq_n_f32(black_box(1.0)), [vdupq_n_f32(0.0); SUMS]) };
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                // SAFETY: as above.
                *sum = unsafe { vfmaq_f32(*sum, one, one) };
            }
        }
        black_box(sums);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{ROUNDS, SUMS, black_box};
    use std::arch::x86_64::*;

    /// # Safety
    /// AVX-512 F and BF16.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) unsafe fn dots(rounds: usize) {
        // SAFETY: both are 512 bits of plain numbers.
        let pairs = unsafe { std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(black_box(0x3F80_3F80))) };
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, pairs, pairs);
            }
        }
        black_box(sums);
    }

    /// # Safety
    /// AVX-512 F.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn fma512(rounds: usize) {
        let one = _mm512_set1_ps(black_box(1.0));
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, one, one);
            }
        }
        black_box(sums);
    }

    /// # Safety
    /// AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn fma256() {
        let one = _mm256_set1_ps(black_box(1.0));
        // Twelve sums in two rounds: 24 would not stay in 16 registers.
        let mut sums = [_mm256_setzero_ps(); SUMS / 2];
        for _ in 0..2 * ROUNDS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, one, one);
            }
        }
        black_box(sums);
    }
}
