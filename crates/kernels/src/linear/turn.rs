//! A packed matrix the other way round: what the gradient of a product's input is a product with.

use super::weight::grown;
use super::{Kept, PANEL, PackedWeight};
use crate::tile::{Element, Pair, padded};
use crate::transpose::{TURNED, transpose, turn_pairs};
use crate::{AlignedBytes, Isa, Pool};

impl PackedWeight {
    /// Packs the transpose of the matrix into `data`, which is grown where it is too short: the bits of packing the
    /// transposed numbers.
    pub fn turned(&self, isa: Isa, pool: &Pool, data: AlignedBytes) -> PackedWeight {
        let (outputs, inputs, kept) = (self.inputs, self.outputs, self.kept);
        let len = kept.len(outputs, inputs);
        let mut data = grown(data, len);
        match kept {
            Kept::F32 => turn::<f32>(isa, pool, self, &mut data.values_mut()[..len / 4]),
            Kept::Bf16 => turn::<Pair>(isa, pool, self, &mut data.values_mut()[..len / 4]),
            Kept::Q8 | Kept::Q8Blocks | Kept::Q4 | Kept::Q4K | Kept::Q6K => {
                unreachable!("gradients are not made in few bits")
            }
        }
        PackedWeight { data, kept, outputs, inputs }
    }
}

/// Elements of a square of 32 inputs and 32 outputs.
const SQUARE: usize = PANEL * PANEL;

fn turn<E: Element>(isa: Isa, pool: &Pool, of: &PackedWeight, to: &mut [E]) {
    let (depth, to_depth) = (padded::<E>(of.inputs) / E::STEPS, padded::<E>(of.outputs) / E::STEPS);
    let from: &[E] = of.data.values();
    if to_depth == 0 {
        return;
    }
    // A panel of what comes out holds 32 inputs; it is made of their squares in every panel of what there is.
    pool.chunks(to, PANEL * to_depth, |panel, to| {
        let first = panel * PANEL / E::STEPS * PANEL;
        let square = SQUARE / E::STEPS;
        for (from, to) in from.chunks(PANEL * depth).zip(to.chunks_mut(square)) {
            let from = &from[first..from.len().min(first + square)];
            if from.len() < square || to.len() < square {
                // Zeros stand in for what is not there.
                let mut whole = [E::zeroed(); SQUARE];
                whole[..from.len()].copy_from_slice(from);
                let mut turned = [E::zeroed(); SQUARE];
                turn_square(isa, &whole[..square], &mut turned[..square]);
                to.copy_from_slice(&turned[..to.len()]);
            } else {
                turn_square(isa, from, to);
            }
        }
    });
}

/// Turns [input, output] to [output, input], or pairs of inputs to pairs of outputs.
fn turn_square<E: Element>(isa: Isa, from: &[E], to: &mut [E]) {
    const PAIRS: usize = TURNED.0 * TURNED.1;
    let (pairs, turned) = (bytemuck::cast_slice(from).as_chunks::<PAIRS>(), bytemuck::cast_slice_mut(to));
    if let (2, [pairs], [turned]) = (E::STEPS, pairs.0, &mut *turned.as_chunks_mut::<PAIRS>().0) {
        turn_pairs(isa, pairs, turned);
    } else {
        transpose(isa, (PANEL, PANEL), (from, PANEL), (to, PANEL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arena;
    use crate::linear::Stored;

    #[test]
    fn turned_is_the_transpose_packed() {
        let pool = Pool::new(2);
        for (outputs, inputs) in [(1, 1), (33, 70), (64, 32), (45, 301), (96, 7)] {
            let x: Vec<f32> = (0..outputs * inputs).map(|i| ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0).collect();
            for kept in [Kept::F32, Kept::Bf16] {
                let bytes = bytemuck::cast_slice(&x);
                let packed =
                    PackedWeight::pack(&pool, &mut Arena::default(), Stored::F32, bytes, outputs, inputs, kept);
                let none = || AlignedBytes::zeroed(0);
                let want = PackedWeight::of_columns(Isa::best(), &pool, none(), &x, outputs, inputs, kept);
                for isa in Isa::tested() {
                    let got = packed.turned(isa, &pool, none());
                    assert_eq!((got.outputs, got.inputs), (want.outputs, want.inputs));
                    assert!(got.data.bytes() == want.data.bytes(), "{isa:?}: {outputs} x {inputs}, {kept:?}");
                }
            }
        }
    }
}
