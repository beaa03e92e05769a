//! Numbers kept in bfloat16, where memory is short or where products round them anyway, and back.

use crate::isa::for_each_isa;
use crate::pool::SendPtr;
use crate::prefetch::{LINE, near};
use crate::tile::round_upper;
use crate::{Isa, Pool};
use std::ops::Range;

/// Numbers as they are kept.
#[derive(Clone, Copy)]
pub enum Numbers<'a> {
    /// Whole.
    F32(&'a [f32]),
    /// Rounded: for products that would round them themselves, the same bits in half the memory.
    Bf16(&'a [u16]),
}

impl<'a> Numbers<'a> {
    pub(crate) fn len(self) -> usize {
        match self {
            Numbers::F32(x) => x.len(),
            Numbers::Bf16(x) => x.len(),
        }
    }

    /// Some of them.
    ///
    /// # Panics
    /// If they are not there.
    pub fn slice(self, range: Range<usize>) -> Numbers<'a> {
        match self {
            Numbers::F32(x) => Numbers::F32(&x[range]),
            Numbers::Bf16(x) => Numbers::Bf16(&x[range]),
        }
    }

    /// Asks for the `count` from `at` on, which are read soon.
    #[inline]
    pub(crate) fn fetch(self, at: usize, count: usize) {
        match self {
            Numbers::F32(x) => x[at..at + count].iter().step_by(LINE / size_of::<f32>()).for_each(|x| near(x)),
            Numbers::Bf16(x) => x[at..at + count].iter().step_by(LINE / size_of::<u16>()).for_each(|x| near(x)),
        }
    }

    /// In f32: as they are, or in `room`, which takes them all.
    pub(crate) fn widened<'b>(self, isa: Isa, room: &'b mut [f32]) -> &'b [f32]
    where
        'a: 'b,
    {
        match self {
            Numbers::F32(x) => x,
            Numbers::Bf16(x) => {
                let room = &mut room[..x.len()];
                widen_part(isa, x, room);
                room
            }
        }
    }
}

impl<'a, T: AsRef<[f32]> + ?Sized> From<&'a T> for Numbers<'a> {
    fn from(x: &'a T) -> Numbers<'a> {
        Numbers::F32(x.as_ref())
    }
}

/// Numbers to be written, as they will be kept.
pub enum NumbersMut<'a> {
    /// Whole.
    F32(&'a mut [f32]),
    /// Rounded.
    Bf16(&'a mut [u16]),
}

impl NumbersMut<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            NumbersMut::F32(x) => x.len(),
            NumbersMut::Bf16(x) => x.len(),
        }
    }

    /// For threads that write a piece each.
    pub(crate) fn places(&mut self) -> Places {
        match self {
            NumbersMut::F32(x) => Places::F32(SendPtr(x.as_mut_ptr())),
            NumbersMut::Bf16(x) => Places::Bf16(SendPtr(x.as_mut_ptr())),
        }
    }
}

impl<'a, T: AsMut<[f32]> + ?Sized> From<&'a mut T> for NumbersMut<'a> {
    fn from(x: &'a mut T) -> NumbersMut<'a> {
        NumbersMut::F32(x.as_mut())
    }
}

/// Where threads write numbers.
pub(crate) enum Places {
    F32(SendPtr<f32>),
    Bf16(SendPtr<u16>),
}

impl Places {
    /// Asks for the `count` from `at` on, which are written soon.
    #[inline]
    pub(crate) fn fetch(&self, at: usize, count: usize) {
        match self {
            Places::F32(to) => (at..at + count).step_by(LINE / size_of::<f32>()).for_each(|at| near(to.at(at))),
            Places::Bf16(to) => (at..at + count).step_by(LINE / size_of::<u16>()).for_each(|at| near(to.at(at))),
        }
    }

    /// Writes numbers from `at` on.
    ///
    /// # Safety
    /// As many are there, and no other thread touches them meanwhile.
    #[inline]
    pub(crate) unsafe fn put(&self, isa: Isa, at: usize, x: &[f32]) {
        match self {
            // SAFETY: as the caller vouches.
            Places::F32(to) => unsafe { std::slice::from_raw_parts_mut(to.at(at), x.len()) }.copy_from_slice(x),
            // SAFETY: as above.
            Places::Bf16(to) => narrow_part(isa, x, unsafe { std::slice::from_raw_parts_mut(to.at(at), x.len()) }),
        }
    }
}

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

/// Rounds as many.
#[inline]
pub(crate) fn narrow_part(isa: Isa, x: &[f32], to: &mut [u16]) {
    #[cfg(target_arch = "x86_64")]
    if isa.has_pairs() {
        // SAFETY: `isa`, which has pairs, was detected on this processor.
        return unsafe { narrow_by_pairs(x, to) };
    }
    narrow_plain(isa, x, to);
}

/// [`narrow_all`].
///
/// # Safety
/// AVX-512 F and BF16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn narrow_by_pairs(x: &[f32], to: &mut [u16]) {
    let ((whole, rest), (to, to_rest)) = (x.as_chunks::<32>(), to.as_chunks_mut::<32>());
    for (x, to) in whole.iter().zip(to) {
        // SAFETY: as the caller vouches. Adding a negative zero changes nothing, not even a zero's sign.
        unsafe { narrow_biased(x, &[-0.0; 32], to) };
    }
    narrow_all(rest, to_rest);
}

/// The same of numbers and their biases.
///
/// # Safety
/// AVX-512 F and BF16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
pub(crate) unsafe fn narrow_biased(x: &[f32; 32], biases: &[f32; 32], to: &mut [u16; 32]) {
    use std::arch::x86_64::*;
    // SAFETY: 32 numbers are read and written; both types are 512 bits.
    unsafe {
        let half = |i: usize| {
            let biases = _mm512_loadu_ps(biases.as_ptr().add(16 * i));
            _mm512_add_ps(_mm512_loadu_ps(x.as_ptr().add(16 * i)), biases)
        };
        let halves = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(half(1), half(0)));
        _mm512_storeu_si512(to.as_mut_ptr().cast(), halves);
    }
}

for_each_isa! {
    fn narrow_plain(x: &[f32], to: &mut [u16]) = narrow_all;
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
