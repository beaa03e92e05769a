//! Numbers kept in bfloat16 where memory is short, and back.

use crate::isa::for_each_isa;
use crate::tile::round_upper;
use crate::{Isa, Pool};

/// Numbers converted at once: a task's share.
const PART: usize = 1 << 16;

/// Rounds `x` to bfloat16, ties to even.
///
/// # Panics
/// If the lengths differ.
pub fn narrow(isa: Isa, pool: &Pool, x: &[f32], to: &mut [u16]) {
    assert_eq!(x.len(), to.len(), "narrow: lengths");
    pool.chunks(to, PART, |part, to| narrow_part(isa, &x[part * PART..][..to.len()], to));
}

/// The numbers that bfloat16 stand for.
///
/// # Panics
/// If the lengths differ.
pub fn widen(isa: Isa, pool: &Pool, x: &[u16], to: &mut [f32]) {
    assert_eq!(x.len(), to.len(), "widen: lengths");
    pool.chunks(to, PART, |part, to| widen_part(isa, &x[part * PART..][..to.len()], to));
}

for_each_isa! {
    fn narrow_part(x: &[f32], to: &mut [u16]) = narrow_all;
}

for_each_isa! {
    fn widen_part(x: &[u16], to: &mut [f32]) = widen_all;
}

#[inline(always)]
fn narrow_all(x: &[f32], to: &mut [u16]) {
    for (to, &x) in to.iter_mut().zip(x) {
        *to = (round_upper(x) >> 16) as u16;
    }
}

#[inline(always)]
fn widen_all(x: &[u16], to: &mut [f32]) {
    for (to, &x) in to.iter_mut().zip(x) {
        *to = f32::from_bits(u32::from(x) << 16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    #[test]
    fn rounds_as_bfloat16_does_on_every_path() {
        let mut x: Vec<f32> = (0..PART as u32 + 77).map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761))).collect();
        // Denormal numbers count as zero, as in products; NaN has many forms.
        x.iter_mut().for_each(|x| *x = if x.is_normal() { *x } else { 0.5 });
        let want: Vec<u16> = x.iter().map(|&x| bf16::from_f32(x).to_bits()).collect();
        for isa in Isa::tested() {
            let (mut to, mut back) = (vec![1; x.len()], vec![1.0; x.len()]);
            narrow(isa, &Pool::new(2), &x, &mut to);
            assert!(want == to, "{isa:?}");
            widen(isa, &Pool::new(2), &to, &mut back);
            assert!(back.iter().zip(&want).all(|(x, &bits)| x.to_bits() == u32::from(bits) << 16), "{isa:?}");
        }
    }
}
