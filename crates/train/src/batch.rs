//! A pass's examples as the network takes them.

use crate::Reduction;
use smolvlm_backend::Span;
use smolvlm_data::{Example, Pack, Packing};
use smolvlm_model::text::Labels;
use smolvlm_model::vlm;
use std::collections::{BTreeMap, BTreeSet};

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

/// A word that an example's pictures should foretell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Word {
    /// Which of the pictures' features should; none: all together.
    part: Option<usize>,
    id: u32,
    /// What its loss counts.
    weight: f32,
}

/// How words are told from each other where the parts of an answer are taught to the parts of a picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    /// The token between two parts.
    pub(crate) comma: u32,
    /// A tile's features.
    pub(crate) tile: usize,
}

/// The words of a step's examples with pictures: each token of their answers once. The fewer examples a token is in the more
/// it counts, and nothing where it is in all; an example's count 1 together, and all of them `weight`. With `parts` an
/// answer of as many parts as its pictures have features teaches each feature its own part.
pub(crate) fn words(examples: &[Example], weight: f32, parts: Option<Parts>) -> Vec<Vec<Word>> {
    let words: Vec<BTreeSet<(Option<usize>, u32)>> =
        examples.iter().map(|example| of_example(example, parts)).collect();
    let shown = words.iter().filter(|words| !words.is_empty()).count();
    let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
    for words in &words {
        let ids: BTreeSet<u32> = words.iter().map(|(_, id)| *id).collect();
        ids.into_iter().for_each(|id| *seen.entry(id).or_default() += 1);
    }
    let rarity = |id: u32| libm::log(shown as f64 / seen.get(&id).copied().unwrap_or(shown) as f64);
    let weighed = |words: &BTreeSet<(Option<usize>, u32)>| {
        let sum: f64 = words.iter().map(|(_, id)| rarity(*id)).sum();
        let weight = |id| (f64::from(weight) * rarity(id) / sum / shown as f64) as f32;
        let rare = words.iter().filter(|(_, id)| rarity(*id) > 0.0);
        rare.map(|&(part, id)| Word { part, id, weight: weight(id) }).collect()
    };
    words.iter().map(weighed).collect()
}

/// The tokens of an example's answers, each once in its part.
fn of_example(example: &Example, parts: Option<Parts>) -> BTreeSet<(Option<usize>, u32)> {
    if example.pictures.is_empty() {
        return BTreeSet::new();
    }
    let learnt = || example.ids.iter().zip(&example.trained).filter(|(_, trained)| **trained).map(|(id, _)| *id);
    let answers = example.trained.split(|trained| !trained).filter(|answer| !answer.is_empty()).count();
    if let Some(Parts { comma, tile }) = parts.filter(|_| answers == 1) {
        let of_parts: Vec<u32> = learnt().collect();
        let of_parts: Vec<&[u32]> = of_parts.split(|id| *id == comma).collect();
        if of_parts.len() > 1 && of_parts.len() == example.tiles() * tile {
            let named = |(part, ids): (usize, &&[u32])| ids.iter().map(|id| (Some(part), *id)).collect::<Vec<_>>();
            return of_parts.iter().enumerate().flat_map(named).collect();
        }
    }
    learnt().map(|id| (None, id)).collect()
}

/// The words of a pack's examples, as the network takes them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct WordRows {
    /// How many groups of features there are: an example's, or each by itself.
    groups: usize,
    /// Which group each row of the pictures' features is of.
    pub(crate) owners: Vec<u32>,
    /// Which group each word is of.
    pub(crate) whose: Vec<u32>,
    pub(crate) targets: Vec<u32>,
    pub(crate) weights: Vec<f32>,
}

impl WordRows {
    /// As the network takes them.
    pub(crate) fn words(&self) -> vlm::Words<'_> {
        let WordRows { groups, owners, whose, targets, weights } = self;
        vlm::Words { groups: *groups, owners, whose, labels: Labels { targets, weights, z: 0.0 } }
    }
}

/// The rows of a pack's words, where a tile is so many tokens.
pub(crate) fn word_rows(pack: &Pack, examples: &[Example], words: &[Vec<Word>], tile: usize) -> WordRows {
    let mut rows = WordRows::default();
    for &index in &pack.examples {
        let (first, features) = (rows.groups as u32, examples[index].tiles() * tile);
        let apart = words[index].iter().any(|word| word.part.is_some());
        rows.groups += if apart { features } else { 1 };
        rows.owners.extend((0..features as u32).map(|row| if apart { first + row } else { first }));
        for word in &words[index] {
            rows.whose.push(first + word.part.unwrap_or(0) as u32);
            rows.targets.push(word.id);
            rows.weights.push(word.weight);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_data::{ExamplePicture, PictureData, pack};
    use smolvlm_processor::PicturePlan;

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

    fn picture() -> ExamplePicture {
        let plan =
            PicturePlan { width: 8, height: 8, resized: (8, 8), refined: (8, 8), rows: 0, cols: 0, tiles: 1, tile: 8 };
        ExamplePicture { data: PictureData::default(), plan }
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
    fn a_pictures_words_are_its_answers_rare_tokens() {
        let seen = |ids: &[u32], trained: &[bool]| Example { pictures: vec![picture()], ..example(ids, trained) };
        let examples = [
            seen(&[7, 1, 1, 9], &[false, true, true, true]),
            seen(&[7, 2, 1, 9], &[true, true, true, true]),
            example(&[5, 9], &[true, true]),
            seen(&[7, 9], &[false, true]),
        ];
        let words = words(&examples, 3.0, None);
        // 9 is in all of the three with pictures; 1 in two of them, 2 and 7 in one.
        let (rare, common) = (3f64.ln(), 1.5f64.ln());
        let of = |part: f64, sum: f64| (part / sum) as f32;
        let near = |got: &[Word], want: &[(u32, f32)]| {
            let same = |(a, b): (&Word, &(u32, f32))| a.id == b.0 && (a.weight - b.1).abs() < 1e-6;
            got.len() == want.len() && got.iter().zip(want).all(same)
        };
        assert!(near(&words[0], &[(1, 1.0)]), "{words:?}");
        let sum = common + 2.0 * rare;
        assert!(near(&words[1], &[(1, of(common, sum)), (2, of(rare, sum)), (7, of(rare, sum))]), "{words:?}");
        assert!(words[2].is_empty() && words[3].is_empty());
        let packs = pack(&examples, Packing::Blocks, 100);
        let rows = word_rows(&packs[0], &examples, &words, 2);
        assert_eq!((rows.whose, rows.targets), (vec![0, 1, 1, 1], vec![1, 1, 2, 7]));
        assert_eq!((rows.owners, rows.groups), (vec![0, 0, 1, 1, 3, 3], 4));
    }

    #[test]
    fn parts_of_an_answer_belong_to_parts_of_its_picture() {
        let seen = |ids: &[u32], trained: &[bool]| Example { pictures: vec![picture()], ..example(ids, trained) };
        // Two features a picture: "5, 6 7" is of two parts, "5, 6, 7" of three, and two answers are no list.
        let examples = [
            seen(&[3, 5, 1, 6, 7], &[false, true, true, true, true]),
            seen(&[3, 5, 1, 6, 1, 7], &[false, true, true, true, true, true]),
            seen(&[5, 1, 4, 8], &[true, true, false, true]),
        ];
        let parts = |words: &[Word]| words.iter().map(|word| (word.part, word.id)).collect::<Vec<_>>();
        let words = words(&examples, 1.0, Some(Parts { comma: 1, tile: 2 }));
        assert_eq!(parts(&words[0]), [(Some(1), 6), (Some(1), 7)], "5 is in all");
        assert_eq!(parts(&words[1]), [(None, 1), (None, 6), (None, 7)]);
        assert_eq!(parts(&words[2]), [(None, 1), (None, 8)]);
        // The longest comes first.
        let packs = pack(&examples, Packing::Blocks, 100);
        let rows = word_rows(&packs[0], &examples, &words, 2);
        assert_eq!((rows.owners, rows.whose, rows.groups), (vec![0, 0, 1, 2, 3, 3], vec![0, 0, 0, 2, 2, 3, 3], 4));
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
