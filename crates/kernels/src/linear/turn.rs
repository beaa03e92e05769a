//! A packed matrix the other way round: what the gradient of a product's input is a product with.

use super::weight::grown;
use super::{Kept, PANEL, PackedWeight};
use crate::tile::{Element, Pair, padded};
use crate::{AlignedBytes, Pool};

impl PackedWeight {
    /// Packs the transpose of the matrix into `data`, which is grown where it is too short: the bits of packing the
    /// transposed numbers.
    pub fn turned(&self, pool: &Pool, data: AlignedBytes) -> PackedWeight {
        let (outputs, inputs, kept) = (self.inputs, self.outputs, self.kept);
        let len = kept.len(outputs, inputs);
        let mut data = grown(data, len);
        match kept {
            Kept::F32 => turn::<f32>(pool, self, &mut data.values_mut()[..len / 4]),
            Kept::Bf16 => turn::<Pair>(pool, self, &mut data.values_mut()[..len / 4]),
            Kept::Q8 | Kept::Q8Blocks | Kept::Q4 | Kept::Q4K | Kept::Q6K => {
                unreachable!("gradients are not made in few bits")
            }
        }
        PackedWeight { data, kept, outputs, inputs }
    }
}

fn turn<E: Element>(pool: &Pool, of: &PackedWeight, to: &mut [E]) {
    let (depth, to_depth) = (padded::<E>(of.inputs) / E::STEPS, padded::<E>(of.outputs) / E::STEPS);
    let from: &[E] = of.data.values();
    if to_depth == 0 {
        return;
    }
    // A panel of what comes out holds 32 inputs; it is made of their squares in every panel of what there is.
    pool.chunks(to, PANEL * to_depth, |panel, to| {
        let mut square = [[0.0f32; PANEL]; PANEL];
        let first = panel * PANEL;
        let steps = PANEL.min(of.inputs - first);
        for (from, to) in from.chunks(PANEL * depth).zip(to.chunks_mut(PANEL / E::STEPS * PANEL)) {
            // [input, output]
            let elements = from[first / E::STEPS * PANEL..].chunks_exact(PANEL).take(steps.div_ceil(E::STEPS));
            for (row, elements) in square.chunks_mut(E::STEPS).zip(elements) {
                for (n, element) in elements.iter().enumerate() {
                    let values = element.steps();
                    for (row, value) in row.iter_mut().zip(values) {
                        row[n] = value;
                    }
                }
            }
            square[steps..].iter_mut().for_each(|row| row.fill(0.0));
            for (k, to) in to.chunks_exact_mut(PANEL).enumerate() {
                for (to, row) in to.iter_mut().zip(&square) {
                    let second = if E::STEPS == 2 { row[2 * k + 1] } else { 0.0 };
                    *to = E::of([row[E::STEPS * k], second]);
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::Stored;
    use crate::{Arena, Isa};

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
                let got = packed.turned(&pool, none());
                assert_eq!((got.outputs, got.inputs), (want.outputs, want.inputs));
                assert!(got.data.bytes() == want.data.bytes(), "{outputs} x {inputs}, {kept:?}");
            }
        }
    }
}
