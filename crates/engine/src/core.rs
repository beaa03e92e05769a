//! A network on a device: what answering, scoring and measuring share.

use smolvlm_backend::{Backend, KvSequence, Span, Tensor, numbers};
use smolvlm_model::text::Step;
use smolvlm_model::{Quants, Save, Vlm};
use std::sync::Arc;

/// Rows of logits made together.
pub(crate) const LOGIT_ROWS: usize = 64;

/// A network, where it runs, and how.
pub(crate) struct Core {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) model: Vlm,
    /// What weights are kept in.
    pub(crate) quant: Quants,
    /// What every level of a channel becomes before the tower.
    pub(crate) tables: [[f32; 256]; 3],
}

impl Core {
    /// An empty sequence for this model: keys and values are kept in the weights' own precision, or in 8 bits.
    pub(crate) fn sequence(&self) -> KvSequence {
        KvSequence::new(self.model.text.kv_layout(self.quant.kv()))
    }

    /// Rows `first..first + rows` of embeddings `x` through the layers, behind what `sequence` holds.
    pub(crate) fn forward(&self, sequence: &mut KvSequence, x: &Tensor, first: usize, rows: usize) -> Tensor {
        let places: Vec<u32> = (first as u32..(first + rows) as u32).collect();
        let start = sequence.len() as u32;
        let positions: Vec<u32> = (start..start + rows as u32).collect();
        self.rows(sequence, self.backend.gather_rows(x, &places), &positions)
    }

    /// New rows `x` through the layers, at these positions behind what `sequence` holds.
    fn rows(&self, sequence: &mut KvSequence, x: Tensor, positions: &[u32]) -> Tensor {
        let rows = positions.len();
        let spans = [Span { rows, keys: sequence.len() + rows, causal: true }];
        let mut step = Step { sequences: &mut [sequence], spans: &spans, positions };
        self.model.text.forward(&*self.backend, x, &mut step, &mut Save::Off)
    }

    /// New rows of several sequences side by side through the layers: so many of each, in order.
    pub(crate) fn side_by_side(&self, sequences: &mut [&mut KvSequence], x: Tensor, rows: &[usize]) -> Tensor {
        let (mut spans, mut positions) = (Vec::new(), Vec::new());
        for (sequence, &rows) in sequences.iter().zip(rows) {
            let keys = sequence.len() + rows;
            spans.push(Span { rows, keys, causal: true });
            positions.extend(sequence.len() as u32..keys as u32);
        }
        let mut step = Step { sequences, spans: &spans, positions: &positions };
        self.model.text.forward(&*self.backend, x, &mut step, &mut Save::Off)
    }

    /// Logits of rows that have passed the layers: [rows, vocabulary].
    pub(crate) fn logits(&self, hidden: &Tensor) -> Tensor {
        self.model.text.logits(&*self.backend, hidden, &mut Save::Off)
    }

    /// Logits of the first `rows` of `hidden`, a few at a time in order: those of a long prompt at once would fill
    /// gigabytes.
    pub(crate) fn each_logits(&self, hidden: &Tensor, rows: usize, mut take: impl FnMut(&Tensor)) {
        let rows: Vec<u32> = (0..rows as u32).collect();
        for rows in rows.chunks(LOGIT_ROWS) {
            take(&self.logits(&self.backend.gather_rows(hidden, rows)));
        }
    }

    /// The same of two models, row by row: the first's logits and the second's.
    pub(crate) fn each_logits_beside(
        &self,
        hidden: &[Tensor; 2],
        other: &Core,
        rows: usize,
        mut take: impl FnMut(&[f32], &[f32]),
    ) {
        let rows: Vec<u32> = (0..rows as u32).collect();
        for rows in rows.chunks(LOGIT_ROWS) {
            let [first, second] = [(self, &hidden[0]), (other, &hidden[1])].map(|(core, hidden)| {
                let logits = core.logits(&core.backend.gather_rows(hidden, rows));
                (numbers(&*core.backend, &logits), logits.width())
            });
            let pairs = first.0.chunks_exact(first.1).zip(second.0.chunks_exact(second.1));
            pairs.for_each(|(first, second)| take(first, second));
        }
    }

    /// One decoded token through the network: the logits after it. Once warm it allocates nothing.
    pub(crate) fn step(&self, sequence: &mut KvSequence, id: u32) -> Tensor {
        let x = self.model.text.embed(&*self.backend, &[id]);
        let position = [sequence.len() as u32];
        self.logits(&self.rows(sequence, x, &position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DTypeChoice, Engine, EngineOptions, FewBits};
    use smolvlm_backend::{Cpu, Isa, levels};
    use smolvlm_model::published::random_weights;
    use smolvlm_model::{Config, Load, Role};

    /// The logits behind the last rows of `ids`, which pass the decoder in pieces of these sizes behind `before`.
    fn logits_of(
        core: &Core,
        before: &KvSequence,
        ids: &[u32],
        pieces: &[usize],
        last: usize,
    ) -> (Vec<u32>, KvSequence) {
        let x = core.model.text.embed(&*core.backend, ids);
        let (mut sequence, mut bits, mut first) = (before.clone(), Vec::new(), 0);
        for &rows in pieces {
            let hidden = core.forward(&mut sequence, &x, first, rows);
            let logits = numbers(&*core.backend, &core.logits(&hidden));
            bits.extend(logits.iter().map(|logit| logit.to_bits()));
            first += rows;
        }
        assert_eq!(first, ids.len(), "the pieces are the whole");
        let kept = last * core.model.config.text.vocab;
        (bits.split_off(bits.len() - kept), sequence)
    }

    #[test]
    fn a_position_has_the_same_bits_however_it_came_through_the_decoder() {
        let folder = smolvlm_golden::folder().join("idefics3-256m");
        for dtype in
            [DTypeChoice::F32, DTypeChoice::Bf16, DTypeChoice::Few(FewBits::EIGHT), DTypeChoice::Few(FewBits::FOUR)]
        {
            for isa in Isa::available() {
                let options = EngineOptions { threads: 2, isa, dtype, narrow_kv: false, adapters: Vec::new() };
                let core = Engine::open(&folder, &options, &mut |_, _| {}).unwrap().core;
                // Several blocks of the cache, and several of the chunks that attention sums.
                let vocab = core.model.config.text.vocab as u32;
                let ids: Vec<u32> = (0..620).map(|i| i * 7919 % vocab).collect();
                let (whole, full) = logits_of(&core, &core.sequence(), &ids, &[620], 5);
                for pieces in [
                    vec![1, 63, 1, 200, 350, 1, 1, 1, 1, 1],
                    vec![128, 128, 128, 128, 107, 1],
                    vec![300, 1, 2, 3, 4, 5, 6, 7, 8, 276, 8],
                ] {
                    let (bits, _) = logits_of(&core, &core.sequence(), &ids, &pieces, 5);
                    assert!(bits == whole, "{dtype:?} {isa:?} in pieces of {pieces:?}");
                }
                // Behind a longer one that is cut back, in a block's middle.
                let (bits, _) = logits_of(&core, &full.first(333), &ids[333..], &[100, 187], 5);
                assert!(bits == whole, "{dtype:?} {isa:?} behind a cut sequence");
                // Beside others, by one row.
                let (_, mut one) = logits_of(&core, &core.sequence(), &ids[..619], &[619], 0);
                let mut two = full.first(40);
                let x = core.model.text.embed(&*core.backend, &[3, 4, 5, ids[619]]);
                let hidden = core.side_by_side(&mut [&mut two, &mut one], x, &[3, 1]);
                let logits = numbers(&*core.backend, &core.logits(&core.backend.gather_rows(&hidden, &[3])));
                assert!(logits.iter().map(|logit| logit.to_bits()).eq(whole[4 * vocab as usize..].iter().copied()));
            }
        }
    }

    #[test]
    fn a_decoded_token_allocates_nothing() {
        let mut config = Config::published("smolvlm-256m").unwrap();
        (config.text.layers, config.text.vocab) = (2, 49_200);
        config.sight.iter_mut().for_each(|sight| sight.tower.layers = 1);
        let backend: Arc<dyn Backend> = Arc::new(Cpu::new(2));
        let quant = smolvlm_backend::Quant::Bf16;
        let mut load = Load {
            backend: &*backend,
            source: &mut random_weights(),
            quant: quant.into(),
            level: false,
            role: &|_| Role::Forward,
            rounding: None,
            masters: None,
            progress: &mut |_| {},
        };
        let model = Vlm::load(config, &mut load).unwrap();
        let core = Core { backend, model, quant: quant.into(), tables: [levels(1.0, 0.0, 1.0); 3] };
        let mut sequence = core.sequence();
        let mut id = 1;
        let mut next = |count: usize| {
            for _ in 0..count {
                id = core.backend.top(&core.step(&mut sequence, id), 0).index as u32;
            }
        };
        next(3);
        let _profiler = dhat::Profiler::builder().testing().build();
        // Tests beside this one allocate too; what a token allocated would show every time.
        let fewest = (0..5).map(|_| {
            let before = dhat::HeapStats::get().total_blocks;
            next(10); // 53 tokens in all: within one block of the cache
            dhat::HeapStats::get().total_blocks - before
        });
        assert_eq!(fewest.min(), Some(0));
    }
}
