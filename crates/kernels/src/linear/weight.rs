//! Weights as checkpoints store them, and as products read them.

use super::PANEL;
use super::few_bits::{self, pack_blocks, pack_eights, pack_fours, read_eights, read_fours};
use super::supers;
use crate::isa::for_each_isa;
use crate::tile::fours::{FourBlocks, Fours};
use crate::tile::{Blocks, Eights, Element, Factor, Pair, Sixes, elements, interleave, padded};
use crate::transpose::transpose;
use crate::{AlignedBytes, Arena, Isa, Pool};
use half::f16;

/// Inputs of a row that are packed at once.
const PART: usize = 32;

/// How a checkpoint stores numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// Rows of a matrix as [`Kept::Q8`] has them: whole numbers (i8), then the scales (f32) of 64 of them each. Zeros fill the
    /// last group.
    Q8,
    /// Rows of a matrix as [`Kept::Q8Blocks`] has them, and GGUF (Q8_0): of every 32 numbers, of which rows are whole, the scale
    /// (IEEE half precision), and whole numbers (i8).
    Q8Blocks,
    /// Rows of a matrix as [`Kept::Q4`] has them: of every 64 numbers 32 bytes, whose lower four bits are the first 32 of them;
    /// then of every 64 four bytes, the scale and the least of the first 32 and of the others; then of every 256 what leasts and
    /// scales are multiplied by (bfloat16).
    Q4,
    /// Rows of a matrix in GGUF's blocks of 256 numbers (Q4_K), of which rows are whole.
    Q4K,
    /// The same of Q6_K.
    Q6K,
}

impl Stored {
    /// Bytes of a row of so many numbers.
    pub fn row(self, numbers: usize) -> usize {
        match self {
            Stored::F32 => 4 * numbers,
            Stored::F16 | Stored::Bf16 => 2 * numbers,
            Stored::Q8 => few_bits::row_of_eights(numbers),
            Stored::Q8Blocks => few_bits::row_of_blocks(numbers),
            Stored::Q4 => few_bits::row_of_fours(numbers),
            Stored::Q4K => supers::row_of_fours(numbers),
            Stored::Q6K => supers::row_of_sixes(numbers),
        }
    }

    /// Whether numbers share scales.
    pub fn is_few_bits(self) -> bool {
        self == Stored::Q8 || self == Stored::Q4 || self.in_blocks().is_some()
    }

    /// What GGUF's blocks may be kept in as they are; none of what is none.
    pub fn in_blocks(self) -> Option<Kept> {
        match self {
            Stored::Q8Blocks => Some(Kept::Q8Blocks),
            Stored::Q4K => Some(Kept::Q4K),
            Stored::Q6K => Some(Kept::Q6K),
            Stored::F32 | Stored::F16 | Stored::Bf16 | Stored::Q8 | Stored::Q4 => None,
        }
    }
}

/// A matrix of little-endian `bytes`, rows of `width`, as f32.
pub fn widen(stored: Stored, bytes: &[u8], width: usize) -> Vec<f32> {
    let row = stored.row(width).max(1);
    let mut out = vec![0.0; bytes.len() / row * width];
    for (out, bytes) in out.chunks_mut(width.max(1)).zip(bytes.chunks_exact(row)) {
        widen_into(stored, bytes, out);
    }
    out
}

/// A row of little-endian `bytes` as f32; where each number stands for itself, a part of one will do.
///
/// # Panics
/// If `bytes` holds fewer than `out`.
pub fn widen_into(stored: Stored, bytes: &[u8], out: &mut [f32]) {
    let bytes = &bytes[..stored.row(out.len())];
    match stored {
        Stored::F32 => {
            for (out, x) in out.iter_mut().zip(bytes.as_chunks().0) {
                *out = f32::from_le_bytes(*x);
            }
        }
        Stored::F16 => {
            for (out, x) in out.iter_mut().zip(bytes.as_chunks().0) {
                *out = f16::from_le_bytes(*x).to_f32();
            }
        }
        Stored::Bf16 => {
            for (out, x) in out.iter_mut().zip(bytes.as_chunks().0) {
                *out = f32::from_bits(u32::from(u16::from_le_bytes(*x)) << 16);
            }
        }
        Stored::Q8 => few_bits::widen_eights(bytes, out),
        Stored::Q8Blocks => few_bits::widen_blocks(bytes, out),
        Stored::Q4 => few_bits::widen_fours(bytes, out),
        Stored::Q4K => supers::widen_fours(bytes, out),
        Stored::Q6K => supers::widen_sixes(bytes, out),
    }
}

/// What packed weights are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// f32.
    F32,
    /// bfloat16; f32 weights are rounded to nearest, ties to even.
    Bf16,
    /// Whole numbers of 8 bits in groups of 64 inputs, each with a scale; what meets them in a product is rounded alike.
    Q8,
    /// The same in blocks of 32 inputs, each with a scale in half precision: GGUF's Q8_0 as it is. Nothing else becomes of this.
    Q8Blocks,
    /// Whole numbers of 4 bits in groups of 32 inputs, each with a scale and a least; what meets them is rounded to 8 bits.
    Q4,
    /// The same as GGUF's Q4_K has them. Nothing else becomes of this.
    Q4K,
    /// As GGUF's Q6_K: whole numbers of 6 bits, a byte each, in groups of 16 inputs. Nothing else becomes of this.
    Q6K,
}

impl Kept {
    /// Bytes of a packed matrix, which may be larger than any memory.
    pub fn bytes(self, outputs: usize, inputs: usize) -> u64 {
        (outputs.next_multiple_of(PANEL) as u64).saturating_mul(self.row(inputs) as u64)
    }

    /// Bytes of an output.
    fn row(self, inputs: usize) -> usize {
        4 * match self {
            Kept::F32 => f32::depth(inputs),
            Kept::Bf16 => Pair::depth(inputs),
            Kept::Q8 => Eights::depth(inputs),
            Kept::Q8Blocks => Blocks::depth(inputs),
            Kept::Q4 => Fours::depth(inputs),
            Kept::Q4K => FourBlocks::depth(inputs),
            Kept::Q6K => Sixes::depth(inputs),
        }
    }

    /// How a checkpoint stores the same.
    fn stored(self) -> Stored {
        match self {
            Kept::F32 => Stored::F32,
            Kept::Bf16 => Stored::Bf16,
            Kept::Q8 => Stored::Q8,
            Kept::Q8Blocks => Stored::Q8Blocks,
            Kept::Q4 => Stored::Q4,
            Kept::Q4K => Stored::Q4K,
            Kept::Q6K => Stored::Q6K,
        }
    }

    /// Bytes of a packed matrix.
    pub(super) fn len(self, outputs: usize, inputs: usize) -> usize {
        outputs.next_multiple_of(PANEL) * self.row(inputs)
    }
}

/// `data`, or longer memory in its place.
pub(super) fn grown(data: AlignedBytes, len: usize) -> AlignedBytes {
    if data.bytes().len() < len { AlignedBytes::zeroed(len) } else { data }
}

/// A matrix [out, inputs] packed for [`linear`]: panels of 32 outputs, inside a panel input by input.
pub struct PackedWeight {
    pub(super) data: AlignedBytes,
    pub(super) kept: Kept,
    pub(super) outputs: usize,
    pub(super) inputs: usize,
}

impl PackedWeight {
    /// Packs a row-major [outputs, inputs] matrix of little-endian numbers into memory of an arena.
    ///
    /// # Panics
    /// If `bytes` is not that long.
    pub fn pack(
        pool: &Pool,
        arena: &mut Arena,
        stored: Stored,
        bytes: &[u8],
        outputs: usize,
        inputs: usize,
        kept: Kept,
    ) -> PackedWeight {
        assert_eq!(bytes.len(), outputs * stored.row(inputs), "weight bytes do not fit [{outputs}, {inputs}]");
        let mut packed = PackedWeight { data: arena.zeroed(kept.len(outputs, inputs)), kept, outputs, inputs };
        packed.replace(pool, stored, bytes);
        packed
    }

    /// Packs f32 numbers [outputs, inputs] into `data`, which is grown where it is too short.
    ///
    /// # Panics
    /// If `x` is not that long.
    pub fn of_rows(
        pool: &Pool,
        data: AlignedBytes,
        x: &[f32],
        outputs: usize,
        inputs: usize,
        kept: Kept,
    ) -> PackedWeight {
        let mut packed = PackedWeight { data: grown(data, kept.len(outputs, inputs)), kept, outputs, inputs };
        packed.replace(pool, Stored::F32, bytemuck::cast_slice(x));
        packed
    }

    /// Packs another matrix of the same size in its place.
    ///
    /// # Panics
    /// If `bytes` is not that long.
    pub fn replace(&mut self, pool: &Pool, stored: Stored, bytes: &[u8]) {
        let PackedWeight { data, kept, outputs, inputs } = self;
        assert_eq!(bytes.len(), *outputs * stored.row(*inputs), "weight bytes do not fit [{outputs}, {inputs}]");
        if stored.is_few_bits() && stored != kept.stored() {
            let wide = widen(stored, bytes, *inputs);
            return self.replace(pool, Stored::F32, bytemuck::cast_slice(&wide));
        }
        let len = kept.len(*outputs, *inputs) / 4;
        match kept {
            Kept::F32 => pack_panels(pool, stored, bytes, *outputs, *inputs, &mut data.values_mut::<f32>()[..len]),
            Kept::Bf16 => pack_panels(pool, stored, bytes, *outputs, *inputs, &mut data.values_mut::<Pair>()[..len]),
            Kept::Q8 => pack_eights(pool, stored, bytes, *outputs, *inputs, &mut data.values_mut::<Eights>()[..len]),
            Kept::Q8Blocks | Kept::Q4K | Kept::Q6K => {
                assert_eq!(stored, kept.stored(), "blocks are kept as they are stored, or not at all");
                match kept {
                    Kept::Q4K => supers::pack_fours(pool, bytes, *outputs, *inputs, &mut data.values_mut()[..len]),
                    Kept::Q6K => supers::pack_sixes(pool, bytes, *outputs, *inputs, &mut data.values_mut()[..len]),
                    _ => pack_blocks(pool, bytes, *outputs, *inputs, &mut data.values_mut::<Blocks>()[..len]),
                }
            }
            Kept::Q4 => pack_fours(pool, stored, bytes, *outputs, *inputs, &mut data.values_mut::<Fours>()[..len]),
        }
    }

    /// Packs the transpose of a row-major matrix `x [inputs, outputs]`, as the gradient of a weight needs it of its input, into
    /// `data`, which is grown where it is too short.
    ///
    /// # Panics
    /// If `x` is not that long, or few bits are asked for, in which no gradient is made.
    pub fn of_columns(
        isa: Isa,
        pool: &Pool,
        data: AlignedBytes,
        x: &[f32],
        inputs: usize,
        outputs: usize,
        kept: Kept,
    ) -> PackedWeight {
        assert_eq!(x.len(), inputs * outputs, "columns do not fit [{inputs}, {outputs}]");
        let len = kept.len(outputs, inputs);
        let mut data = grown(data, len);
        match kept {
            Kept::F32 => columns(isa, pool, x, inputs, outputs, &mut data.values_mut::<f32>()[..len / 4]),
            Kept::Bf16 => columns(isa, pool, x, inputs, outputs, &mut data.values_mut::<Pair>()[..len / 4]),
            Kept::Q8 | Kept::Q8Blocks | Kept::Q4 | Kept::Q4K | Kept::Q6K => {
                unreachable!("gradients are not made in few bits")
            }
        }
        PackedWeight { data, kept, outputs, inputs }
    }

    /// Its memory, for another.
    pub fn into_data(self) -> AlignedBytes {
        self.data
    }

    /// Output features.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Input features.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// What it is kept in.
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// Bytes read when it is applied.
    pub fn bytes(&self) -> usize {
        self.data.bytes().len()
    }

    /// All rows as a checkpoint of this program's own stores a matrix that is kept so; none where it has no such form.
    pub fn few_bits(&self) -> Option<(Stored, Vec<u8>)> {
        let rows = match self.kept {
            Kept::F32 | Kept::Bf16 | Kept::Q8Blocks | Kept::Q4K | Kept::Q6K => return None,
            Kept::Q8 => few_bits::stored_eights(self.data.values(), self.outputs, self.inputs),
            Kept::Q4 => few_bits::stored_fours(self.data.values(), self.outputs, self.inputs),
        };
        Some((self.kept.stored(), rows))
    }

    /// Writes row `index` [inputs] of the matrix to `out`.
    pub fn row(&self, index: usize, out: &mut [f32]) {
        assert!(index < self.outputs && out.len() == self.inputs);
        match self.kept {
            Kept::F32 => read_row(self.data.values::<f32>(), index, out),
            Kept::Bf16 => read_row(self.data.values::<Pair>(), index, out),
            Kept::Q8 => read_eights(self.data.values::<Eights>(), index, out),
            Kept::Q8Blocks => read_eights(self.data.values::<Blocks>(), index, out),
            Kept::Q4 => read_fours(self.data.values::<Fours>(), index, out),
            Kept::Q4K => read_fours(self.data.values::<FourBlocks>(), index, out),
            Kept::Q6K => read_eights(self.data.values::<Sixes>(), index, out),
        }
    }
}

/// Row `index` [inputs] out of the panels.
fn read_row<E: Element>(packed: &[E], index: usize, out: &mut [f32]) {
    let depth = padded::<E>(out.len()) / E::STEPS;
    let column = packed[index / PANEL * PANEL * depth + index % PANEL..].iter().step_by(PANEL);
    for (out, value) in out.chunks_mut(E::STEPS).zip(column) {
        out.copy_from_slice(&value.steps()[..out.len()]);
    }
}

fn pack_panels<E: Element>(pool: &Pool, stored: Stored, bytes: &[u8], outputs: usize, inputs: usize, packed: &mut [E]) {
    if inputs == 0 {
        return;
    }
    let isa = Isa::best();
    let depth = padded::<E>(inputs) / E::STEPS;
    let row_bytes = stored.row(inputs);
    pool.chunks(packed, PANEL * depth, |panel, packed| {
        let rows = PANEL.min(outputs - panel * PANEL);
        // A part of every row is widened, made elements of, and then turned into columns of the panel.
        let mut values = [0.0f32; PART];
        let mut part = [[E::zeroed(); PART]; PANEL];
        for (block, packed) in packed.chunks_mut(PART / E::STEPS * PANEL).enumerate() {
            let first = block * PART;
            let count = PART.min(inputs - first);
            for (n, part) in part.iter_mut().enumerate().take(rows) {
                let row = &bytes[(panel * PANEL + n) * row_bytes + stored.row(first)..];
                if let (Stored::Bf16, PART, Some(pairs)) = (stored, count, E::pairs(part)) {
                    pairs_as_stored(isa, row, pairs);
                    continue;
                }
                widen_into(stored, row, &mut values[..count]);
                values[count..].fill(0.0);
                elements(isa, &values, &mut part[..PART / E::STEPS]);
            }
            let steps = packed.len() / PANEL;
            transpose(isa, (PANEL, steps), (part.as_flattened(), PART), (packed, PANEL));
        }
    });
}

/// Panels of the transpose of x [inputs, outputs].
fn columns<E: Element>(isa: Isa, pool: &Pool, x: &[f32], inputs: usize, outputs: usize, packed: &mut [E]) {
    const NONE: [f32; PANEL] = [0.0; PANEL];
    let depth = padded::<E>(inputs) / E::STEPS;
    if depth == 0 {
        return;
    }
    // Several panels at once: so much more of each row is read where it lies.
    pool.chunks(packed, PANELS * PANEL * depth, |group, packed| {
        packed.fill(E::zeroed());
        for step in 0..inputs.div_ceil(E::STEPS) {
            for (panel, packed) in (group * PANELS..).zip(packed.chunks_exact_mut(PANEL * depth)) {
                let columns = panel * PANEL..outputs.min((panel + 1) * PANEL);
                let row =
                    |k: usize| if k < inputs { &x[k * outputs..][columns.clone()] } else { &NONE[..columns.len()] };
                let to = &mut packed[step * PANEL..][..columns.len()];
                if let Some(pairs) = E::pairs(to) {
                    interleave(isa, row(2 * step), row(2 * step + 1), pairs);
                    continue;
                }
                for (to, &x) in to.iter_mut().zip(row(step)) {
                    *to = E::of([x, 0.0]);
                }
            }
        }
    });
}

/// Panels that are packed together of columns.
const PANELS: usize = 4;

for_each_isa! {
    /// Pairs of bfloat16 that are stored so already.
    fn pairs_as_stored(bytes: &[u8], to: &mut [Pair]) = pairs_one_by_one;
}

#[inline(always)]
fn pairs_one_by_one(bytes: &[u8], to: &mut [Pair]) {
    for (to, bytes) in to.iter_mut().zip(bytes.as_chunks().0) {
        *to = Pair::of_stored(*bytes);
    }
}
