//! Examples side by side: what passes the network together.

use crate::Example;
use serde::{Deserialize, Serialize};

/// How the examples of a step share passes through the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// By length, each example a block of its own that sees no other: the same gradients as one by one.
    #[default]
    Blocks,
    /// As m4 packs: rows of the greatest length, each example to the first row that has room, and what stands behind in a
    /// row sees what stands before.
    Seed,
    /// Each example alone, made as long as the longest of the step: what a batch without packing costs.
    Pad,
}

/// Sequences that pass the network together.
#[derive(Debug, Clone, PartialEq)]
pub struct Pack {
    /// Which examples, in order.
    pub examples: Vec<usize>,
    /// How many rows each sequence has. A sequence is an example, or all of them as m4 packs.
    pub sequences: Vec<usize>,
    /// Rows of padding at the end of every sequence.
    pub padding: usize,
}

impl Pack {
    /// All its rows.
    pub fn rows(&self) -> usize {
        self.sequences.iter().sum()
    }
}

/// Packs a step's examples into passes of at most `tokens` rows (one example may be longer).
pub fn pack(examples: &[Example], packing: Packing, tokens: usize) -> Vec<Pack> {
    let length = |i: &usize| examples.get(*i).map_or(0, |example| example.ids.len());
    let mut order: Vec<usize> = (0..examples.len()).collect();
    match packing {
        Packing::Pad => {
            let longest = order.iter().map(length).max().unwrap_or(0);
            let alone = |i: usize| Pack { examples: vec![i], sequences: vec![longest], padding: longest - length(&i) };
            order.into_iter().map(alone).collect()
        }
        Packing::Blocks => {
            // Long ones first; of equal ones the earlier.
            order.sort_by_key(|i| (std::cmp::Reverse(length(i)), *i));
            let sequences = |row: &[usize]| row.iter().map(length).collect();
            first_fit(order, length, tokens, sequences)
        }
        Packing::Seed => first_fit(order, length, tokens, |row| vec![row.iter().map(length).sum()]),
    }
}

/// Each to the first row that has room for it.
fn first_fit(
    order: Vec<usize>,
    length: impl Fn(&usize) -> usize,
    tokens: usize,
    sequences: impl Fn(&[usize]) -> Vec<usize>,
) -> Vec<Pack> {
    let mut rows: Vec<(usize, Vec<usize>)> = Vec::new();
    for i in order {
        let needed = length(&i);
        match rows.iter_mut().find(|(used, _)| used + needed <= tokens) {
            Some((used, row)) => {
                *used += needed;
                row.push(i);
            }
            None => rows.push((needed, vec![i])),
        }
    }
    rows.into_iter().map(|(_, row)| Pack { sequences: sequences(&row), examples: row, padding: 0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(lengths: &[usize]) -> Vec<Example> {
        let of = |n: &usize| Example {
            name: String::new(),
            source: 0,
            ids: vec![0; *n],
            trained: vec![true; *n],
            pictures: Vec::new(),
            weight: 1.0,
            shrunk: false,
        };
        lengths.iter().map(of).collect()
    }

    #[test]
    fn blocks_fill_passes_long_ones_first() {
        let packs = pack(&examples(&[3, 7, 5, 2, 12]), Packing::Blocks, 10);
        let found: Vec<_> = packs.iter().map(|p| (p.examples.clone(), p.sequences.clone())).collect();
        assert_eq!(found, [(vec![4], vec![12]), (vec![1, 0], vec![7, 3]), (vec![2, 3], vec![5, 2])]);
    }

    #[test]
    fn the_seeds_rows_are_one_sequence_in_the_order_of_arrival() {
        let packs = pack(&examples(&[3, 7, 5, 2]), Packing::Seed, 10);
        let found: Vec<_> = packs.iter().map(|p| (p.examples.clone(), p.sequences.clone())).collect();
        assert_eq!(found, [(vec![0, 1], vec![10]), (vec![2, 3], vec![7])]);
    }

    #[test]
    fn padding_makes_all_as_long_as_the_longest() {
        let packs = pack(&examples(&[3, 7]), Packing::Pad, 10);
        assert_eq!(packs.iter().map(|p| (p.rows(), p.padding)).collect::<Vec<_>>(), [(7, 4), (7, 0)]);
    }
}
