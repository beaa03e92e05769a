//! The KV cache: blocks of 64 positions, shared between sequences and copied when written.

use crate::{Backend, Heads, Tensor};
use smolvlm_kernels::attention::{BLOCK, block_bytes};

/// What keys and values are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvKind {
    /// f32.
    F32,
    /// bfloat16.
    Bf16,
    /// 8 bits, a scale for each position of each head; products as in bfloat16.
    Q8,
}

impl KvKind {
    /// Bytes of a position's keys and values in one layer.
    pub fn position_bytes(self, kv_heads: usize, dim: usize) -> usize {
        2 * kv_heads
            * match self {
                KvKind::F32 => 4 * dim,
                KvKind::Bf16 => 2 * dim,
                KvKind::Q8 => dim + 4,
            }
    }
}

/// What a block of the cache holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KvLayout {
    /// Layers, each with its part of every block.
    pub layers: usize,
    /// Their heads.
    pub heads: Heads,
    /// What keys and values are kept in.
    pub kind: KvKind,
}

impl KvLayout {
    /// Bytes of one layer in a block, a multiple of four.
    pub fn layer_bytes(&self) -> usize {
        match self.kind {
            KvKind::F32 => 4 * self.heads.block_len(),
            KvKind::Bf16 => 2 * self.heads.block_len(),
            KvKind::Q8 => block_bytes(&self.heads),
        }
    }

    /// Bytes of a block.
    pub fn block_bytes(&self) -> usize {
        self.layers * self.layer_bytes()
    }

    /// Bytes of the blocks that so many positions take.
    pub fn bytes(&self, positions: usize) -> usize {
        positions.div_ceil(BLOCK) * self.block_bytes()
    }
}

/// The keys and values of one sequence: a table of blocks. A clone shares the blocks, so that beams and conversations
/// with the same beginning hold it once.
#[derive(Clone)]
pub struct KvSequence {
    layout: KvLayout,
    blocks: Vec<Tensor>,
    len: usize,
}

impl KvSequence {
    /// An empty sequence.
    pub fn new(layout: KvLayout) -> KvSequence {
        KvSequence { layout, blocks: Vec::new(), len: 0 }
    }

    /// What its blocks hold.
    pub fn layout(&self) -> &KvLayout {
        &self.layout
    }

    /// Positions held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of its blocks, shared ones included.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * self.layout.block_bytes()
    }

    /// Bytes of its blocks that none of the others holds at the same place: what would be free without it.
    pub fn own_bytes<'a>(&self, others: impl Iterator<Item = &'a KvSequence> + Clone) -> usize {
        let shared = |place: usize, block: &Tensor| {
            others.clone().any(|other| other.blocks.get(place).is_some_and(|other| other.shares(block)))
        };
        let own = self.blocks.iter().enumerate().filter(|(place, block)| !shared(*place, block));
        own.count() * self.layout.block_bytes()
    }

    /// The first `len` positions, or all where there are fewer: a sequence that shares their blocks.
    pub fn first(&self, len: usize) -> KvSequence {
        let len = len.min(self.len);
        let blocks = self.blocks.iter().take(len.div_ceil(BLOCK)).cloned().collect();
        KvSequence { layout: self.layout, blocks, len }
    }

    /// Makes room for `rows` more positions, which no other sequence shares.
    pub fn reserve(&mut self, backend: &dyn Backend, rows: usize) {
        let partial = self.len / BLOCK;
        if rows > 0
            && let Some(block) = self.blocks.get_mut(partial)
        {
            // A block that others hold too is copied before it is written.
            if block.is_shared() {
                *block = backend.copy(block);
            }
        }
        while self.blocks.len() * BLOCK < self.len + rows {
            self.blocks.push(backend.kv_block(&self.layout));
        }
    }

    /// Counts `rows` positions that were appended in every layer.
    ///
    /// # Panics
    /// If they were not reserved.
    pub fn advance(&mut self, rows: usize) {
        assert!(self.len + rows <= self.blocks.len() * BLOCK, "no room was reserved for {rows} more positions");
        self.len += rows;
    }

    /// Forgets all positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.blocks.truncate(self.len.div_ceil(BLOCK));
    }

    /// The blocks, 64 positions each.
    pub fn blocks(&self) -> &[Tensor] {
        &self.blocks
    }

    /// The blocks, to write.
    pub fn blocks_mut(&mut self) -> &mut [Tensor] {
        &mut self.blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cpu, KvView, Span};

    #[test]
    fn a_shared_block_is_copied_when_written() {
        let cpu = Cpu::new(2);
        let heads = Heads { heads: 2, kv_heads: 1, dim: 4, scale: 0.5 };
        let layout = KvLayout { layers: 2, heads, kind: KvKind::F32 };
        let put = |sequence: &mut KvSequence, rows: usize, value: f32| {
            let keys = sequence.len() + rows;
            let span = [Span { rows, keys, causal: true }];
            let kv = cpu.upload(&[rows, 4], &vec![value; rows * 4]);
            sequence.reserve(&cpu, rows);
            for layer in 0..2 {
                cpu.kv_append(&mut [sequence], layer, &span, &kv, &kv);
            }
            sequence.advance(rows);
        };
        let look = |sequence: &mut KvSequence| {
            let span = [Span { rows: 1, keys: sequence.len(), causal: true }];
            let q = cpu.upload(&[1, 8], &[0.0; 8]); // no preference: the mean of all values
            let out = cpu.attention(
                &q,
                KvView::Cached { sequences: &[sequence], layer: 1 },
                &heads,
                &span,
                crate::DType::F32,
            );
            let mut mean = [0.0; 8];
            cpu.download(&out, &mut mean);
            mean[0]
        };
        let mut first = KvSequence::new(layout);
        put(&mut first, 100, 1.0);
        let mut second = first.clone();
        put(&mut second, 100, 3.0);
        put(&mut first, 20, 1.0);
        assert_eq!((look(&mut first), look(&mut second)), (1.0, 2.0));
        // Cut back, it shares what it keeps, and goes on in a copy.
        let mut third = second.first(150);
        assert_eq!((third.len(), second.own_bytes([&third].into_iter())), (150, layout.block_bytes()));
        put(&mut third, 1, 203.0);
        assert_eq!((look(&mut third), look(&mut second)), (3.0, 2.0)); // (100 + 150 + 203) / 151
        assert_eq!(third.own_bytes([&first, &second].into_iter()), layout.block_bytes());
        assert_eq!((second.first(0).bytes(), second.first(500).len()), (0, 200));
        second.truncate(100);
        assert_eq!(look(&mut second), 1.0);
        assert_eq!(second.bytes(), 2 * layout.block_bytes());
    }
}
