//! The numbers that a row in few bits can hold.

use smolvlm_backend::Stored;

/// Numbers that share a scale in 8 bits; of 4 bits, of which codes and levels stand together.
const GROUP: usize = 64;
/// Numbers that share a scale and a least in 4 bits.
const HALF: usize = 32;
/// Numbers that share what these are multiplied by.
const SHARED: usize = 256;

/// What a number of a row can be: `code * scale - least`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Steps {
    pub(crate) scale: f32,
    pub(crate) least: f32,
    /// The lowest and the highest code.
    codes: [f32; 2],
}

impl Steps {
    /// The nearest that it can be, and its code.
    pub(crate) fn nearest(&self, x: f32) -> (f32, i32) {
        let [low, high] = self.codes;
        let code =
            if self.scale > 0.0 { ((x + self.least) / self.scale).round_ties_even().clamp(low, high) } else { 0.0 };
        (code * self.scale - self.least, code as i32)
    }
}

/// What each number of a row [`Stored::Q8`] or [`Stored::Q4`] can be.
pub(crate) fn steps(stored: Stored, row: &[u8], inputs: usize) -> Vec<Steps> {
    let groups = inputs.div_ceil(GROUP);
    let word = |at: usize| row.as_chunks::<4>().0.get(at).copied().unwrap_or_default();
    let of = |at: usize| match stored {
        Stored::Q4 => {
            let [least, scale] = {
                let [a, b, c, d] = word(groups * 9 + at / SHARED);
                [[a, b], [c, d]].map(|bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16))
            };
            let [s0, l0, s1, l1] = word(groups * 8 + at / GROUP).map(f32::from);
            let [s, l] = if at % GROUP < HALF { [s0, l0] } else { [s1, l1] };
            Steps { scale: s * scale, least: l * least, codes: [0.0, 15.0] }
        }
        _ => {
            let scale = f32::from_le_bytes(word(groups * GROUP / 4 + at / GROUP));
            Steps { scale, least: 0.0, codes: [-127.0, 127.0] }
        }
    };
    (0..inputs).map(of).collect()
}

/// Puts another code at a place of a row.
pub(crate) fn put(stored: Stored, row: &mut [u8], at: usize, code: i32) {
    match stored {
        Stored::Q4 => {
            let (byte, shift) = (at / GROUP * HALF + at % HALF, 4 * (at % GROUP / HALF));
            if let Some(byte) = row.get_mut(byte) {
                *byte = *byte & !(15 << shift) | (code as u8) << shift;
            }
        }
        _ => {
            if let Some(byte) = row.get_mut(at) {
                *byte = code as i8 as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_backend::{Backend, Cpu, Quant, Source, Use, widen};

    #[test]
    fn steps_and_codes_are_those_of_the_form() {
        let inputs = 320;
        let w: Vec<f32> = (0..inputs).map(|i| ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0).collect();
        for quant in [Quant::Q8, Quant::Q4] {
            let source = Source { bytes: bytemuck::cast_slice(&w), stored: Stored::F32, outputs: 1, inputs };
            let (stored, mut row) = Cpu::new(1).weight(&source, quant, Use::Train).few_bits().unwrap();
            let read = widen(stored, &row, inputs);
            let steps = steps(stored, &row, inputs);
            for ((read, steps), &w) in read.iter().zip(&steps).zip(&w) {
                // What is rounded to once stays; and it was the nearest.
                assert_eq!(steps.nearest(*read).0, *read, "{quant:?}");
                assert_eq!(steps.nearest(w).0, *read, "{quant:?}");
            }
            for (at, steps) in steps.iter().enumerate() {
                let (want, code) = steps.nearest(-0.3);
                put(stored, &mut row, at, code);
                assert_eq!(widen(stored, &row, inputs)[at], want);
            }
        }
    }
}
