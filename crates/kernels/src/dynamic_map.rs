//! The dynamic maps: 256 numbers up to 1 whose distances grow with their size, for blocks that are scaled by their largest
//! (Dettmers et al., 8-bit Optimizers via Block-wise Quantization; bitsandbytes' `create_dynamic_map`).

use std::sync::LazyLock;

/// The bits of 2^-23, below which every number is nearest to 0 in both maps.
const LEAST: u32 = 104 << 23;
/// The bits of 1.
const ONE: u32 = 127 << 23;
/// Buckets of a table: a power of two that both maps' fit in.
const BUCKETS: usize = 4096;
/// The code of 0 in the signed map.
pub(crate) const ZERO: u8 = 127;

/// A map, and what finds the nearest of its numbers.
///
/// A number's key is an integer that rises with it: its bits as far as they matter. The upper bits of a key name a bucket so
/// small that at most one boundary between codes lies in it; the bucket's entry is such that entry + key has the code in the
/// same upper bits.
pub(crate) struct DynamicMap<const SIGNED: bool> {
    /// In rising order.
    pub(crate) values: [f32; 256],
    /// The least number that belongs to the next code.
    bounds: [f32; 255],
    buckets: [u32; BUCKETS],
}

/// -0.993 to 1.
pub(crate) fn signed() -> &'static DynamicMap<true> {
    static MAP: LazyLock<DynamicMap<true>> = LazyLock::new(DynamicMap::new);
    &MAP
}

/// 0 to 1.
pub(crate) fn unsigned() -> &'static DynamicMap<false> {
    static MAP: LazyLock<DynamicMap<false>> = LazyLock::new(DynamicMap::new);
    &MAP
}

impl<const SIGNED: bool> DynamicMap<SIGNED> {
    /// Low bits of a key, which tell no buckets apart. The signed map is half as dense.
    const SHIFT: u32 = if SIGNED { 17 } else { 16 };
    /// The key of 0 in the signed map: keys of negative numbers, at least -1, lie below.
    const MIDDLE: u32 = ONE - LEAST + (1 << Self::SHIFT);

    fn new() -> Self {
        let values = values(SIGNED);
        // Halfway between two numbers the even code wins.
        let bounds = std::array::from_fn(|i| {
            let middle = (values[i] + values[i + 1]) * 0.5;
            if i % 2 == 0 { middle.next_up() } else { middle }
        });
        let mut keys = bounds.map(Self::key);
        if SIGNED {
            keys[usize::from(ZERO) - 1] = Self::MIDDLE;
        }
        let buckets = std::array::from_fn(|bucket| {
            let start = (bucket as u32) << Self::SHIFT;
            let first = keys.partition_point(|&key| key <= start);
            // How many keys of the bucket still have the first code.
            let count = keys.get(first).map_or(1 << Self::SHIFT, |key| (key - start).min(1 << Self::SHIFT));
            (((first as u32 + 1) << Self::SHIFT) - count).wrapping_sub(start)
        });
        DynamicMap { values, bounds, buckets }
    }

    /// The code of the number nearest to `x`; of the least, where it is not a number.
    pub(crate) fn nearest(&self, x: f32) -> u8 {
        self.bounds.partition_point(|&bound| bound <= x) as u8
    }

    /// What [`DynamicMap::code`] takes for `x` from -1 (or 0) to 1.
    #[inline(always)]
    pub(crate) fn key(x: f32) -> u32 {
        let bits = x.to_bits();
        let size = (bits & 0x7FFF_FFFF).clamp(LEAST, ONE) - LEAST;
        let sign = (bits as i32 >> 31) as u32;
        if SIGNED { (size ^ sign).wrapping_add(Self::MIDDLE) } else { size }
    }

    /// The code of the number nearest to that of the key; a negative number keeps its sign rather than become 0.
    #[inline(always)]
    pub(crate) fn code(&self, key: u32) -> u8 {
        let entry = self.buckets[(key >> Self::SHIFT) as usize % BUCKETS];
        (entry.wrapping_add(key) >> Self::SHIFT) as u8
    }
}

/// 0, 1, and for each power of ten up to 1 the middles of equal pieces from a tenth of it to all of it: one piece for 1e-6
/// and twice as many for each next (twice the whole where there is no sign to keep). Rounded as PyTorch rounds it.
fn values(signed: bool) -> [f32; 256] {
    let mut values = [0.0f32; 256];
    let mut put = values[..255].iter_mut();
    for power in 0..7 {
        let pieces: u32 = if signed { 1 << power } else { 2 << power };
        let step = (1.0 - 0.1f32) / pieces as f32;
        let edge = |i: u32| {
            if i < pieces.div_ceil(2) { step.mul_add(i as f32, 0.1) } else { step.mul_add(-((pieces - i) as f32), 1.0) }
        };
        let scale = 10.0f64.powi(power - 6) as f32;
        for i in 0..pieces {
            let value = scale * ((edge(i) + edge(i + 1)) / 2.0);
            put.by_ref().zip([value, -value]).take(1 + usize::from(signed)).for_each(|(to, value)| *to = value);
        }
    }
    values[255] = 1.0;
    values.sort_by(f32::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a.
    fn hash(values: &[f32]) -> u64 {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes());
        bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
    }

    #[test]
    fn maps_are_those_of_bitsandbytes() {
        let map = signed().values;
        assert_eq!(map[..2], [-0.992_968_74, -0.978_906_3]);
        assert_eq!(map[126..130], [-5.500_000_4e-7, 0.0, 5.500_000_4e-7, 3.250_000_2e-6]);
        assert_eq!(map[254..], [0.992_968_74, 1.0]);
        assert_eq!(unsigned().values[..3], [0.0, 3.250_000_3e-7, 7.75e-7]);
        assert_eq!(unsigned().values[254..], [0.996_484_4, 1.0]);
        // All of `create_dynamic_map(signed)` of version 0.50.2.
        assert_eq!(hash(&map), 0xD677_F22A_9666_5BC4);
        assert_eq!(hash(&unsigned().values), 0x4381_1B16_730A_873E);
    }

    /// The definition of the nearest: in f64, the even code where two are equally near.
    fn definition(values: &[f32; 256], x: f32) -> u8 {
        let mut best = 0;
        for i in 1..256 {
            let far = |i: usize| (f64::from(values[i]) - f64::from(x)).abs();
            if far(i) < far(best) || (far(i) == far(best) && i % 2 == 0) {
                best = i;
            }
        }
        best as u8
    }

    fn check<const SIGNED: bool>(map: &DynamicMap<SIGNED>) {
        let least = if SIGNED { -1.0 } else { 0.0 };
        let many = (0..40_000).map(|i| least + (1.0 - least) * i as f32 / 39_999.0);
        let small = (0..400).flat_map(|i| [0.93f32.powi(i), least * 0.93f32.powi(i)]);
        let beside = map.bounds.iter().flat_map(|&x| [x.next_down(), x, x.next_up()]);
        for x in many.chain(small).chain(beside).chain(map.values).chain([0.0, 1e-40, 0.5 / 3.0]) {
            let want = map.nearest(x);
            let halfway = map.values.windows(2).any(|pair| ((pair[0] + pair[1]) * 0.5 - x).abs() <= x.abs() * 1e-7);
            assert!(halfway || want == definition(&map.values, x), "{x:e}");
            let kept = if SIGNED && x.is_sign_negative() { want.min(ZERO - 1) } else { want };
            assert_eq!(map.code(DynamicMap::<SIGNED>::key(x)), kept, "{x:e}");
        }
        for (i, pair) in map.values.windows(2).enumerate() {
            let bound = map.bounds[i];
            assert_eq!((map.nearest(bound.next_down()), map.nearest(bound)), (i as u8, i as u8 + 1));
            let middle = map.nearest((pair[0] + pair[1]) * 0.5);
            assert!(middle.is_multiple_of(2), "{i}: the even code halfway");
        }
    }

    #[test]
    fn codes_are_those_of_the_nearest() {
        check(signed());
        check(unsigned());
        assert_eq!((signed().nearest(f32::NAN), signed().nearest(-0.0), signed().nearest(7.0)), (0, 127, 255));
        assert_eq!(signed().code(DynamicMap::<true>::key(-0.0)), 126);
    }
}
