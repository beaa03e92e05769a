//! Blocks as numbers. Formulas and layouts are ggml's (`ggml-quants.c`, `ggml-common.h`), in f32 and in its order.

mod nibbles;
mod supers;

use crate::Kind;
use half::{bf16, f16};

/// Unpacks whole blocks; what `to` is too long or too short for is left out.
pub(crate) fn unpack(kind: Kind, blocks: &[u8], to: &mut [f32]) {
    let blocks = blocks.chunks_exact(kind.bytes()).zip(to.chunks_exact_mut(kind.block()));
    let one: fn(&[u8], &mut [f32]) = match kind {
        Kind::F32 => |block, to| each(block, to, f32::from_le_bytes),
        Kind::F16 => |block, to| each(block, to, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Kind::BF16 => |block, to| each(block, to, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        Kind::Q4_0 => nibbles::q4_0,
        Kind::Q4_1 => nibbles::q4_1,
        Kind::Q5_0 => nibbles::q5_0,
        Kind::Q5_1 => nibbles::q5_1,
        Kind::Q8_0 => nibbles::q8_0,
        Kind::IQ4_NL => nibbles::iq4_nl,
        Kind::Q2_K => supers::q2_k,
        Kind::Q3_K => supers::q3_k,
        Kind::Q4_K => supers::q4_k,
        Kind::Q5_K => supers::q5_k,
        Kind::Q6_K => supers::q6_k,
        Kind::IQ4_XS => supers::iq4_xs,
    };
    blocks.for_each(|(block, to)| one(block, to));
}

fn each<const N: usize>(block: &[u8], to: &mut [f32], number: impl Fn([u8; N]) -> f32) {
    let (numbers, _) = block.as_chunks::<N>();
    to.iter_mut().zip(numbers).for_each(|(to, bytes)| *to = number(*bytes));
}

/// Takes fields off a block's front. Blocks have the length that their kind says, so that a field is always there.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (field, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        field
    }

    /// A number of half precision.
    fn half(&mut self) -> f32 {
        let mut bytes = [0; 2];
        bytes.iter_mut().zip(self.bytes(2)).for_each(|(to, from)| *to = *from);
        f16::from_le_bytes(bytes).to_f32()
    }

    /// A whole number of so many bytes.
    fn whole(&mut self, bytes: usize) -> u32 {
        self.bytes(bytes).iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
    }
}

/// The values that four bits of IQ4 stand for.
const IQ4: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

fn iq4(nibble: u8) -> f32 {
    f32::from(IQ4.get(usize::from(nibble & 15)).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gguf;

    /// golden/gguf-blocks.gguf has random blocks of every type, and golden/gguf-blocks.safetensors what gguf-py makes of
    /// them (scripts/make_gguf_blocks.py).
    #[test]
    fn blocks_of_every_type_are_the_numbers_that_gguf_py_makes_of_them() {
        let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden");
        let [file, numbers] =
            ["gguf-blocks.gguf", "gguf-blocks.safetensors"].map(|name| std::fs::read(golden.join(name)).unwrap());
        let file = Gguf::parse(&file).unwrap();
        let numbers = safetensors::SafeTensors::deserialize(&numbers).unwrap();
        let (mut kinds, mut as_eights) = (0, 0);
        for (name, tensor) in file.tensors() {
            let want = numbers.tensor(name).unwrap();
            assert_eq!(tensor.shape, want.shape(), "{name}");
            let (want, _) = want.data().as_chunks::<4>();
            let want: Vec<u32> = want.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
            let got: Vec<u32> = tensor.to_f32().iter().map(|number| number.to_bits()).collect();
            let wrong = got.iter().zip(&want).position(|(got, want)| got != want);
            let shown = wrong.map(|at| (at, f32::from_bits(got[at]), f32::from_bits(want[at])));
            assert_eq!((shown, got.len()), (None, want.len()), "{name}");
            assert_eq!(name, tensor.kind.name());
            if let Some(eights) = tensor.kind.to_q8_0(tensor.bytes) {
                let eights = Kind::Q8_0.to_f32(&eights);
                assert!(eights.iter().zip(tensor.to_f32()).all(|(a, b)| *a == b), "{name} as Q8_0");
                as_eights += 1;
            }
            kinds += 1;
        }
        assert_eq!((kinds, as_eights), (Kind::known().split(", ").count(), 4));
    }
}
