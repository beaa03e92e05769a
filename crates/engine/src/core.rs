//! A network on a device: what answering, scoring and measuring share.

use smolvlm_backend::{Backend, KvSequence, Quant, Span, Tensor};
use smolvlm_model::text::Step;
use smolvlm_model::{Save, Vlm};

/// A network, where it runs, and how.
pub(crate) struct Core {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) model: Vlm,
    /// What weights are kept in.
    pub(crate) quant: Quant,
    /// What every level of a channel becomes before the tower.
    pub(crate) tables: [[f32; 256]; 3],
}

impl Core {
    /// An empty sequence for this model: keys and values are kept in the weights' own precision.
    pub(crate) fn sequence(&self) -> KvSequence {
        KvSequence::new(self.model.text.kv_layout(self.quant.dtype()))
    }

    /// Rows `first..first + rows` of embeddings `x` through the layers, behind what `sequence` holds.
    pub(crate) fn forward(&self, sequence: &mut KvSequence, x: &Tensor, first: usize, rows: usize) -> Tensor {
        let places: Vec<u32> = (first as u32..(first + rows) as u32).collect();
        let x = self.backend.gather_rows(x, &places);
        let start = sequence.len();
        let positions: Vec<u32> = (start as u32..(start + rows) as u32).collect();
        let spans = [Span { rows, keys: start + rows, causal: true }];
        let mut step = Step { sequences: &mut [sequence], spans: &spans, positions: &positions };
        self.model.text.forward(&*self.backend, x, &mut step, &mut Save::Off)
    }

    /// Logits of rows that have passed the layers: [rows, vocabulary].
    pub(crate) fn logits(&self, hidden: &Tensor) -> Tensor {
        self.model.text.logits(&*self.backend, hidden, &mut Save::Off)
    }

    /// One decoded token through the network: the logits after it.
    pub(crate) fn step(&self, sequence: &mut KvSequence, id: u32) -> Tensor {
        let x = self.model.text.embed(&*self.backend, &[id]);
        self.logits(&self.forward(sequence, &x, 0, 1))
    }
}
