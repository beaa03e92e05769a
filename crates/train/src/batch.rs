//! A pass's examples as the network takes them.

use crate::Reduction;
use smolvlm_backend::Span;
use smolvlm_data::{Example, Pack, Packing};

/// What a pass of the network takes, but for its pictures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rows {
    /// Tokens, the sequences side by side.
    pub(crate) ids: Vec<u32>,
    /// Each row's position in its sequence.
    pub(crate) positions: Vec<u32>,
    /// Each sequence's rows.
    pub(crate) spans: Vec<Span>,
    /// Each row's next token.
    pub(crate) targets: Vec<u32>,
    /// What each row's loss counts; 0: nothing.
    pub(crate) weights: Vec<f32>,
    /// Which example each row belongs to.
    pub(crate) examples: Vec<usize>,
}

/// What a token of each example counts, so that a step's weights sum to 1.
pub(crate) fn token_weights(examples: &[Example], reduction: Reduction) -> Vec<f32> {
    let tokens = |example: &Example| example.learnt().max(1) as f64;
    let of = |example: &Example| {
        f64::from(example.weight)
            / match reduction {
                Reduction::Token => 1.0,
                Reduction::Sample => tokens(example),
                Reduction::Sqrt => tokens(example).sqrt(),
            }
    };
    let sum: f64 = examples.iter().map(|example| of(example) * example.learnt() as f64).sum();
    examples.iter().map(|example| (of(example) / sum.max(f64::MIN_POSITIVE)) as f32).collect()
}

/// The rows of a pack. `token_weights` are those of all examples of the step; `pad` fills rows that are nobody's.
pub(crate) fn rows(pack: &Pack, packing: Packing, examples: &[Example], token_weights: &[f32], pad: u32) -> Rows {
    let total = pack.rows();
    let mut rows = Rows {
        ids: Vec::with_capacity(total),
        positions: Vec::with_capacity(total),
        spans: pack.sequences.iter().map(|&rows| Span { rows, keys: rows, causal: true }).collect(),
        targets: Vec::with_capacity(total),
        weights: Vec::with_capacity(total),
        examples: Vec::with_capacity(total),
    };
    // What m4 packs together foretells the next example's first token too.
    let joined = packing == Packing::Seed;
    for (place, &index) in pack.examples.iter().enumerate() {
        let example = &examples[index];
        let next = pack.examples.get(place + 1).filter(|_| joined).map(|&next| (next, &examples[next]));
        for row in 0..example.ids.len() {
            let own = example.ids.get(row + 1).map(|&id| (id, example.trained[row + 1], index));
            let (target, learnt, whose) = own
                .or_else(|| next.map(|(at, next)| (next.ids[0], next.trained[0], at)))
                .unwrap_or((pad, false, index));
            rows.targets.push(target);
            rows.weights.push(if learnt { token_weights[whose] } else { 0.0 });
            rows.examples.push(index);
        }
        rows.ids.extend_from_slice(&example.ids);
        let padding = pack.padding;
        rows.ids.extend(std::iter::repeat_n(pad, padding));
        rows.targets.extend(std::iter::repeat_n(pad, padding));
        rows.weights.extend(std::iter::repeat_n(0.0, padding));
        rows.examples.extend(std::iter::repeat_n(index, padding));
    }
    for &sequence in &pack.sequences {
        rows.positions.extend(0..sequence as u32);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_data::pack;

    fn example(ids: &[u32], trained: &[bool]) -> Example {
        Example {
            name: String::new(),
            source: 0,
            ids: ids.to_vec(),
            trained: trained.to_vec(),
            pictures: Vec::new(),
            weight: 1.0,
            shrunk: false,
        }
    }

    fn two() -> Vec<Example> {
        vec![example(&[1, 2, 3], &[true, false, true]), example(&[4, 5], &[true, true])]
    }

    #[test]
    fn every_row_foretells_the_next_token_of_its_own_example() {
        let examples = two();
        let packs = pack(&examples, Packing::Blocks, 10);
        let rows = rows(&packs[0], Packing::Blocks, &examples, &[0.5, 0.25], 9);
        assert_eq!(rows.ids, [1, 2, 3, 4, 5]);
        assert_eq!(rows.targets, [2, 3, 9, 5, 9]);
        assert_eq!(rows.weights, [0.0, 0.5, 0.0, 0.25, 0.0]);
        assert_eq!(rows.positions, [0, 1, 2, 0, 1]);
        assert_eq!((rows.spans.len(), rows.examples), (2, vec![0, 0, 0, 1, 1]));
    }

    #[test]
    fn m4s_rows_go_on_and_padding_counts_nothing() {
        let examples = two();
        let joined = rows(&pack(&examples, Packing::Seed, 10)[0], Packing::Seed, &examples, &[0.5, 0.25], 9);
        assert_eq!((joined.targets, joined.weights), (vec![2, 3, 4, 5, 9], vec![0.0, 0.5, 0.25, 0.25, 0.0]));
        assert_eq!((joined.positions, joined.spans.len()), (vec![0, 1, 2, 3, 4], 1));
        let padded = rows(&pack(&examples, Packing::Pad, 10)[1], Packing::Pad, &examples, &[0.5, 0.25], 9);
        assert_eq!((padded.ids, padded.weights), (vec![4, 5, 9], vec![0.25, 0.0, 0.0]));
    }

    #[test]
    fn reductions_weigh_tokens_samples_or_between() {
        let examples = [example(&[0; 5], &[true; 5]), example(&[0; 2], &[true; 2])];
        assert_eq!(token_weights(&examples, Reduction::Token), [0.2, 0.2]);
        assert_eq!(token_weights(&examples, Reduction::Sample), [0.125, 0.5]);
        let sqrt = token_weights(&examples, Reduction::Sqrt);
        assert!((sqrt[0] - 0.5 / 3.0).abs() < 1e-6 && (sqrt[1] - 1.0 / 3.0).abs() < 1e-6);
    }
}
