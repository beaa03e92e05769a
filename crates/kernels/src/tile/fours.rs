//! Products of weights in 4 bits.
//!
//! Weights stand in groups of 32 along the reduction, each with a scale and a least: a weight is `u * scale - least`, u from 0
//! to 15. Scale and least are whole numbers from 0 to 255, times one number each (in bfloat16) for up to eight groups. Inputs
//! are as `rounded` has them, so that one of their groups meets two of weights. A group's integer sum is exact, whatever the
//! order; then come, in a fixed order, products and fused multiply-adds in f32. So every path gives the same bits.
//!
//! In memory up to 256 weights of a panel's columns are a row of 32 pairs of bfloat16, what scales (in the upper half) and
//! leasts are multiplied by; and for each 64 of them eight rows of elements, whose lower four bits are four numbers that follow
//! each other and whose upper four bits those 32 further on, and a row of scales and leasts: scale, least, scale, least.

use super::rounded::{self, GROUP, PLANE, QUADS, SLOTS, low_bits, nearest, whole};
use super::{Block, Factor, Left, Right};
use crate::Isa;
use crate::isa::for_each_isa;
use crate::math::fma;

/// Weights that share what their groups' scales are multiplied by.
pub(crate) const SHARED: usize = 256;
/// Weights in a group.
pub(crate) const HALF: usize = GROUP / 2;
/// Rows of 64 weights: their elements, and their scales and leasts.
pub(crate) const DEPTH: usize = QUADS / 2 + 1;

/// Eight numbers of 4 bits, four and four; or what they are multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(crate) struct Fours(pub(crate) u32);

impl Factor for Fours {
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

    fn tile(isa: Isa, block: Block, left: Left, a: &[f32], b: Right<'_, Fours>, c: &mut [f32]) {
        let Block { rows, cols, depth, stride, add } = block;
        let groups = depth / DEPTH;
        assert!(matches!(left, Left::Packed) && (1..=Self::ROWS).contains(&rows) && cols == 32 && b.stride == 32);
        assert!(depth == 1 + groups * DEPTH && (1..=SHARED / GROUP).contains(&groups));
        assert!(a.len() >= groups * SLOTS * rows && b.data.len() >= depth * cols);
        assert!(c.len() >= (rows - 1) * stride + cols && stride >= cols);
        #[cfg(target_arch = "x86_64")]
        if isa > Isa::Scalar {
            // SAFETY: the lengths were checked just now, and `isa` was detected on this processor.
            unsafe { x86::run(isa, (rows, groups), a.as_ptr(), b.data.as_ptr().cast(), (c.as_mut_ptr(), stride), add) };
            return;
        }
        let _ = isa;
        scalar((rows, groups), a, b.data, (c, stride), add);
    }
}

/// Columns of a panel.
const COLUMNS: usize = 32;
/// A number of each column, which vector instructions take at once.
type Row = [f32; COLUMNS];

/// Packs up to 256 weights of a panel's columns, a row of the columns for each; zeros follow. Where one is no number, no
/// product is. `to` takes `Fours::depth` rows.
pub(crate) fn pack(isa: Isa, values: &[Row], to: &mut [Fours]) {
    let mut all = [[0.0; COLUMNS]; SHARED];
    all[..values.len()].copy_from_slice(values);
    pack_rows(isa, &all, values.len(), to);
}

for_each_isa! {
    fn pack_rows(values: &[Row; SHARED], count: usize, to: &mut [Fours]) = pack_all;
}

#[inline(always)]
fn pack_all(values: &[Row; SHARED], count: usize, to: &mut [Fours]) {
    let mut fits = [Fit::NONE; SHARED / HALF];
    let (mut scale, mut least) = ([0.0f32; COLUMNS], [0.0f32; COLUMNS]);
    for (fit, values) in fits.iter_mut().zip(values.as_chunks::<HALF>().0).take(count.div_ceil(HALF)) {
        *fit = Fit::of(values);
        for n in 0..COLUMNS {
            scale[n] = scale[n].max(fit.scale[n]);
            least[n] = least[n].max(fit.least[n]);
        }
    }
    let mut sound = [0.0f32; COLUMNS];
    for row in &values[..count] {
        for n in 0..COLUMNS {
            sound[n] += row[n] * 0.0; // no number where one is none
        }
    }
    let (shared, rows) = to.split_at_mut(COLUMNS);
    for n in 0..COLUMNS {
        let of = if sound[n] == 0.0 { upper(scale[n] / 255.0) } else { f32::NAN.to_bits() & 0xFFFF_0000 };
        shared[n] = Fours(of | upper(least[n] / 255.0) >> 16);
        (scale[n], least[n]) = shared[n].both();
    }
    for (group, to) in rows.chunks_exact_mut(DEPTH * COLUMNS).enumerate() {
        let (elements, levels) = to.split_at_mut((DEPTH - 1) * COLUMNS);
        elements.fill(Fours(0));
        levels.fill(Fours(0));
        for half in 0..2 {
            let (fit, values) = (&fits[2 * group + half], &values[group * GROUP + half * HALF..][..HALF]);
            let (mut times, mut less, mut inverse) = ([0.0f32; COLUMNS], [0.0f32; COLUMNS], [0.0f32; COLUMNS]);
            for n in 0..COLUMNS {
                let (a, b) = (part(fit.scale[n], scale[n]), part(fit.least[n], least[n]));
                levels[n].0 |= (a as u32 | (b as u32) << 8) << (16 * half);
                (times[n], less[n]) = (a * scale[n], b * least[n]);
                inverse[n] = if times[n] > 0.0 { 1.0 / times[n] } else { 0.0 };
            }
            for (k, row) in values.iter().enumerate() {
                let to = &mut elements[k / 4 * COLUMNS..][..COLUMNS];
                for n in 0..COLUMNS {
                    let u = nearest(((row[n] + less[n]) * inverse[n]).clamp(0.0, 15.0));
                    to[n].0 |= low_bits(u) << (8 * (k % 4) + 4 * half);
                }
            }
        }
    }
}

/// How many of 255 parts of a number another is.
#[inline(always)]
fn part(x: f32, of: f32) -> f32 {
    if of > 0.0 { nearest((x / of).clamp(0.0, 255.0)) } else { 0.0 }
}

/// The upper half of a number, rounded up where that is not exact, so that nothing is above 255 parts.
#[inline(always)]
fn upper(x: f32) -> u32 {
    (x.to_bits() + 0xFFFF) & 0xFFFF_0000
}

impl Fours {
    /// What a column's scales and leasts are multiplied by.
    #[inline(always)]
    fn both(self) -> (f32, f32) {
        (f32::from_bits(self.0 & 0xFFFF_0000), f32::from_bits(self.0 << 16))
    }
}

/// Up to 256 weights of column `n` of rows that [`pack`] wrote.
pub(crate) fn read(rows: &[Fours], n: usize, out: &mut [f32]) {
    let (shared, rows) = rows.split_at(COLUMNS);
    let (scale, least) = shared[n].both();
    for (group, out) in rows.chunks_exact(DEPTH * COLUMNS).zip(out.chunks_mut(GROUP)) {
        let bytes = |row: usize| group[row * COLUMNS + n].0.to_le_bytes();
        let levels = bytes(DEPTH - 1).map(f32::from);
        for (k, x) in out.iter_mut().enumerate() {
            let (half, k) = (k / HALF, k % HALF);
            let u = bytes(k / 4)[k % 4] >> (4 * half) & 15;
            *x = f32::from(u) * (levels[2 * half] * scale) - levels[2 * half + 1] * least;
        }
    }
}

/// Scales and leasts of a group of each column.
#[derive(Clone, Copy)]
struct Fit {
    scale: Row,
    least: Row,
}

impl Fit {
    const NONE: Fit = Fit { scale: [0.0; COLUMNS], least: [0.0; COLUMNS] };

    /// As near as may be to the weights: scales a little above and below that of the extremes are tried, each with the scale
    /// and least that then fit best (least squares), and what leaves the smallest error is taken. Large weights count more.
    #[inline(always)]
    fn of(values: &[Row; HALF]) -> Fit {
        /// How many fifteenths of the range are tried as steps.
        const TRIED: [f32; 9] = [14.0, 14.3, 14.6, 14.8, 15.0, 15.2, 15.4, 15.7, 16.0];
        let mut best = Fit::NONE;
        let (mut low, mut high, mut square) = ([0.0f32; COLUMNS], [0.0f32; COLUMNS], [0.0f32; COLUMNS]);
        for row in values {
            for n in 0..COLUMNS {
                low[n] = low[n].min(row[n]);
                high[n] = high[n].max(row[n]);
                square[n] += row[n] * row[n];
            }
        }
        let (mut mean, mut inverse) = ([0.0f32; COLUMNS], [0.0f32; COLUMNS]);
        for n in 0..COLUMNS {
            mean[n] = (square[n] / HALF as f32).sqrt();
            let range = high[n] - low[n];
            inverse[n] = if range > 1e-30 { 1.0 / range } else { 0.0 };
            (best.scale[n], best.least[n]) = if range > 1e-30 { (range / 15.0, -low[n]) } else { (0.0, 0.0) };
        }
        let mut fewest = [f32::INFINITY; COLUMNS];
        for tried in TRIED {
            // Sums of weights w, of what weights are in steps u, and of the weights x.
            let mut sums = [[0.0f32; COLUMNS]; 5];
            for row in values {
                for n in 0..COLUMNS {
                    let x = row[n];
                    let u = nearest(((x - low[n]) * (tried * inverse[n])).clamp(0.0, 15.0));
                    let w = mean[n] + x.abs();
                    let wu = w * u;
                    sums[0][n] += w;
                    sums[1][n] += wu;
                    sums[2][n] += wu * u;
                    sums[3][n] += w * x;
                    sums[4][n] += wu * x;
                }
            }
            for n in 0..COLUMNS {
                let [w, wu, wuu, wx, wux] = [sums[0][n], sums[1][n], sums[2][n], sums[3][n], sums[4][n]];
                let determinant = w * wuu - wu * wu;
                let (s, l) = ((w * wux - wu * wx) / determinant, (wu * wux - wuu * wx) / determinant);
                // Leasts are not below zero.
                let (s, l) = if l < 0.0 { (wux / wuu, 0.0) } else { (s, l) };
                // What is left of the sum of squares, but for what all share.
                let error = s * s * wuu + l * l * w - 2.0 * (s * l * wu + s * wux - l * wx);
                if error < fewest[n] && s > 0.0 && determinant > 0.0 {
                    (fewest[n], best.scale[n], best.least[n]) = (error, s, l);
                }
            }
        }
        best
    }
}

/// The reference.
fn scalar((rows, groups): (usize, usize), a: &[f32], b: &[Fours], (c, stride): (&mut [f32], usize), add: bool) {
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

/// By AVX2, and by AVX-512's dot products of bytes.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::rounded::x86::{fetch_ahead, has_dots, has_rest};
    use super::{DEPTH, PLANE, QUADS, SLOTS};
    use crate::Isa;
    use std::arch::x86_64::*;

    /// # Safety
    /// `isa` is there; pointers are valid for (rows, groups), as `tile` checks it.
    pub(super) unsafe fn run(
        isa: Isa,
        (rows, groups): (usize, usize),
        a: *const f32,
        b: *const i32,
        (c, stride): (*mut f32, usize),
        add: bool,
    ) {
        macro_rules! by_rows {
            ($kernel:ident) => {
                match rows {
                    1 => $kernel::<1>,
                    2 => $kernel::<2>,
                    3 => $kernel::<3>,
                    4 => $kernel::<4>,
                    5 => $kernel::<5>,
                    _ => $kernel::<6>,
                }
            };
        }
        type Kernel = unsafe fn(usize, *const i32, *const i32, (*mut f32, usize), bool);
        let kernel: Kernel = if has_dots(isa) { by_rows!(dots) } else { by_rows!(avx2) };
        // SAFETY: as the caller vouches.
        unsafe { kernel(groups, a.cast(), b, (c, stride), add) };
    }

    /// # Safety
    /// AVX-512 F, BW and VNNI; pointers as `tile` checks them.
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn dots<const M: usize>(
        groups: usize,
        a: *const i32,
        b: *const i32,
        (c, stride): (*mut f32, usize),
        add: bool,
    ) {
        for group in 0..groups {
            // SAFETY: group < groups, so all loads and stores stay inside what the caller vouches for.
            unsafe {
                let (a, elements) = (a.add(group * SLOTS * M), b.add((1 + group * DEPTH) * 32));
                dots_plane::<M, M>(a, b, elements, (c, stride), group > 0 || add);
                for m in (0..M).filter(|m| has_rest::<M>(a.add(*m))) {
                    dots_plane::<1, M>(a.add(PLANE * M + m), b, elements, (c.add(m * stride), stride), true);
                }
            }
        }
    }

    /// One plane of a group, of `M` rows whose slots are `APART` from each other.
    ///
    /// # Safety
    /// As `dots`.
    #[inline]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn dots_plane<const M: usize, const APART: usize>(
        a: *const i32,
        shared: *const i32,
        b: *const i32,
        (c, stride): (*mut f32, usize),
        add: bool,
    ) {
        // SAFETY: as the caller vouches.
        unsafe {
            let low = _mm512_set1_epi32(0x0F0F_0F0F);
            let mut sums = [[[_mm512_setzero_si512(); 2]; 2]; M];
            for k in 0..QUADS / 2 {
                let row = b.add(32 * k);
                fetch_ahead(row);
                let both = [_mm512_loadu_si512(row.cast()), _mm512_loadu_si512(row.add(16).cast())];
                let first = both.map(|both| _mm512_and_si512(both, low));
                let second = both.map(|both| _mm512_and_si512(_mm512_srli_epi32::<4>(both), low));
                for (m, sums) in sums.iter_mut().enumerate() {
                    let inputs = [k, k + QUADS / 2].map(|k| _mm512_set1_epi32(*a.add(k * APART + m)));
                    for v in 0..2 {
                        sums[0][v] = _mm512_dpbusd_epi32(sums[0][v], first[v], inputs[0]);
                        sums[1][v] = _mm512_dpbusd_epi32(sums[1][v], second[v], inputs[1]);
                    }
                }
            }
            let row = b.add(32 * (DEPTH - 1));
            fetch_ahead(row);
            for v in 0..2 {
                let shared = _mm512_loadu_si512(shared.add(16 * v).cast());
                let scale = _mm512_castsi512_ps(_mm512_and_si512(shared, _mm512_set1_epi32(0xFFFF_0000_u32 as i32)));
                let least = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(shared));
                let levels = _mm512_loadu_si512(row.add(16 * v).cast());
                let byte = _mm512_set1_epi32(0xFF);
                let level = |bytes| _mm512_cvtepi32_ps(_mm512_and_si512(bytes, byte));
                let first = _mm512_mul_ps(level(levels), scale);
                let first_least = _mm512_mul_ps(level(_mm512_srli_epi32::<8>(levels)), least);
                let second = _mm512_mul_ps(level(_mm512_srli_epi32::<16>(levels)), scale);
                let second_least = _mm512_mul_ps(level(_mm512_srli_epi32::<24>(levels)), least);
                for (m, sums) in sums.iter().enumerate() {
                    let input_scale = *a.add(QUADS * APART + m);
                    let of_inputs = |k: usize| _mm512_set1_ps(*a.add((QUADS + k) * APART + m) as f32);
                    let mut sum = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[0][v]), first);
                    sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[1][v]), second, sum);
                    sum = _mm512_fnmadd_ps(of_inputs(1), first_least, sum);
                    sum = _mm512_fnmadd_ps(of_inputs(2), second_least, sum);
                    let at = c.add(m * stride + 16 * v);
                    let before = if add { _mm512_loadu_ps(at) } else { _mm512_setzero_ps() };
                    let input_scale = _mm512_set1_ps(f32::from_bits(input_scale as u32));
                    _mm512_storeu_ps(at, _mm512_fmadd_ps(sum, input_scale, before));
                }
            }
        }
    }

    /// # Safety
    /// AVX2 and FMA; pointers as `tile` checks them.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<const M: usize>(
        groups: usize,
        a: *const i32,
        b: *const i32,
        (c, stride): (*mut f32, usize),
        add: bool,
    ) {
        for group in 0..groups {
            // SAFETY: group < groups, and m < M.
            unsafe {
                let (a, elements) = (a.add(group * SLOTS * M), b.add((1 + group * DEPTH) * 32));
                for m in 0..M {
                    avx2_row::<M>(a.add(m), b, elements, c.add(m * stride), group > 0 || add);
                    if has_rest::<M>(a.add(m)) {
                        avx2_row::<M>(a.add(PLANE * M + m), b, elements, c.add(m * stride), true);
                    }
                }
            }
        }
    }

    /// A group of one row, 32 columns. Eight products of a byte and four bits, in pairs, stay within 16 bits.
    ///
    /// # Safety
    /// As `avx2`.
    #[inline(always)]
    unsafe fn avx2_row<const M: usize>(a: *const i32, shared: *const i32, b: *const i32, c: *mut f32, add: bool) {
        // SAFETY: as the caller vouches.
        unsafe {
            let low = _mm256_set1_epi32(0x0F0F_0F0F);
            let mut sums = [[_mm256_setzero_si256(); 2]; 4];
            for k in 0..QUADS / 2 {
                let inputs = [k, k + QUADS / 2].map(|k| _mm256_set1_epi32(*a.add(k * M)));
                fetch_ahead(b.add(32 * k));
                for (v, sums) in sums.iter_mut().enumerate() {
                    let both = _mm256_loadu_si256(b.add(32 * k + 8 * v).cast());
                    let halves = [_mm256_and_si256(both, low), _mm256_and_si256(_mm256_srli_epi32::<4>(both), low)];
                    for ((sum, &half), &inputs) in sums.iter_mut().zip(&halves).zip(&inputs) {
                        *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(half, inputs));
                    }
                }
            }
            let one = _mm256_set1_epi16(1);
            let input_scale = _mm256_set1_ps(f32::from_bits(*a.add(QUADS * M) as u32));
            let of_inputs = [1, 2].map(|k| _mm256_set1_ps(*a.add((QUADS + k) * M) as f32));
            for (v, sums) in sums.iter().enumerate() {
                let shared = _mm256_loadu_si256(shared.add(8 * v).cast());
                let scale = _mm256_castsi256_ps(_mm256_and_si256(shared, _mm256_set1_epi32(0xFFFF_0000_u32 as i32)));
                let least = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(shared));
                let levels = _mm256_loadu_si256(b.add(32 * (DEPTH - 1) + 8 * v).cast());
                let byte = _mm256_set1_epi32(0xFF);
                let level = |bytes| _mm256_cvtepi32_ps(_mm256_and_si256(bytes, byte));
                let sum = |half: usize| _mm256_cvtepi32_ps(_mm256_madd_epi16(sums[half], one));
                let mut all = _mm256_mul_ps(sum(0), _mm256_mul_ps(level(levels), scale));
                let second = _mm256_mul_ps(level(_mm256_srli_epi32::<16>(levels)), scale);
                all = _mm256_fmadd_ps(sum(1), second, all);
                let first_least = _mm256_mul_ps(level(_mm256_srli_epi32::<8>(levels)), least);
                all = _mm256_fnmadd_ps(of_inputs[0], first_least, all);
                let second_least = _mm256_mul_ps(level(_mm256_srli_epi32::<24>(levels)), least);
                all = _mm256_fnmadd_ps(of_inputs[1], second_least, all);
                let at = c.add(8 * v);
                let before = if add { _mm256_loadu_ps(at) } else { _mm256_setzero_ps() };
                _mm256_storeu_ps(at, _mm256_fmadd_ps(all, input_scale, before));
            }
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
    fn panel(isa: Isa, steps: usize) -> (Vec<Fours>, Vec<Vec<f32>>) {
        let values: Vec<Row> = (0..steps).map(|k| std::array::from_fn(|n| noise(3 * (n * steps + k) + 1))).collect();
        let mut panel = vec![Fours(0); Fours::depth(steps) * COLUMNS];
        pack(isa, &values, &mut panel);
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
        for steps in [1, 32, 33, 64, 65, 192, 256] {
            let (b, read) = panel(Isa::Scalar, steps);
            assert!(Isa::tested().into_iter().all(|isa| panel(isa, steps).0 == b));
            for rows in 1..=Fours::ROWS {
                let inputs: Vec<Vec<f32>> =
                    (0..rows).map(|m| (0..steps).map(|k| noise(m * steps + k)).collect()).collect();
                let block = Block { rows, cols: 32, depth: Fours::depth(steps), stride: 40, add: false };
                let run = |isa: Isa, add: bool| {
                    let mut a = vec![0.0; rows * Fours::slots(isa, steps)];
                    Fours::pack(isa, rows, |m| &inputs[m], steps, &mut a);
                    let mut c = vec![0.5; rows * 40];
                    Fours::tile(isa, Block { add, ..block }, Left::Packed, &a, Right { data: &b, stride: 32 }, &mut c);
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

    #[test]
    fn odd_weights_are_kept_as_well_as_may_be() {
        let kept = |values: &[f32]| {
            let rows: Vec<Row> = values.iter().map(|&x| [x; COLUMNS]).collect();
            let mut packed = vec![Fours(0); Fours::depth(rows.len()) * COLUMNS];
            pack(Isa::best(), &rows, &mut packed);
            let mut out = vec![1.0; values.len()];
            read(&packed, 31, &mut out);
            out
        };
        assert_eq!(kept(&[0.0; 256]), [0.0; 256]);
        assert!(kept(&[1.0, f32::NAN]).iter().chain(&kept(&[f32::INFINITY])).all(|x| x.is_nan()));
        for x in [1e-20f32, 0.3, -0.3, 1e15] {
            assert!(
                kept(&[x; 40]).iter().all(|near| (near / x - 1.0).abs() < 0.02),
                "{x} is read as {:?}",
                kept(&[x; 40])
            );
        }
        // A group of weights above zero has no least.
        let values: Vec<f32> = (0..32).map(|k| 1.0 + k as f32 / 31.0).collect();
        assert!(kept(&values).iter().zip(&values).all(|(near, x)| (near - x).abs() < 0.1));
    }
}
