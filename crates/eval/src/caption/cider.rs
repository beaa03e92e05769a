//! CIDEr of captions: pycocoevalcap's cider/cider_scorer.py. It is what its authors call CIDEr-D, but for the name.

use super::ngrams::{self, LONGEST};
use super::{Worded, Words};
use std::collections::{BTreeMap, BTreeSet};

/// How far lengths may differ.
const SIGMA: f64 = 6.0;

/// In how many pictures' references an n-gram occurs.
type Frequencies<'a> = BTreeMap<&'a [&'a str], usize>;

/// A text as weighted n-grams.
struct Vectors<'a> {
    /// For each length, from one word on.
    weights: [BTreeMap<&'a [&'a str], f64>; LONGEST],
    norms: [f64; LONGEST],
    /// How many bigrams: what the scorer takes for the length of a text.
    bigrams: usize,
}

/// Each picture's score, 0 to 10: cider_scorer.py, `compute_cider`. The set's is the mean.
///
/// What is in all pictures' references counts nothing, and so all does where there is one picture. A picture without
/// references scores 0, and so do all where all references are empty: there the scorer fails.
pub(super) fn cider(pictures: &[Worded]) -> Vec<f64> {
    let frequencies = frequencies(pictures);
    let pictures_log = (pictures.len() as f64).ln();
    let vectors = |words| Vectors::new(words, &frequencies, pictures_log);
    pictures.iter().map(|picture| score(&vectors(&picture.candidate), picture.references.iter().map(vectors))).collect()
}

fn frequencies<'a>(pictures: &'a [Worded<'a>]) -> Frequencies<'a> {
    let mut frequencies = Frequencies::new();
    for picture in pictures {
        let ngrams = |words: &'a Words<'a>| (1..=LONGEST).flat_map(|length| words.windows(length));
        for ngram in picture.references.iter().flat_map(ngrams).collect::<BTreeSet<_>>() {
            *frequencies.entry(ngram).or_default() += 1;
        }
    }
    frequencies
}

fn score<'a>(candidate: &Vectors, references: impl ExactSizeIterator<Item = Vectors<'a>>) -> f64 {
    let number = references.len();
    let sum: f64 = references.map(|reference| similarity(candidate, &reference)).sum();
    if number == 0 { 0.0 } else { 10.0 * sum / (LONGEST * number) as f64 }
}

/// The sum over n-gram lengths of how alike two texts are.
fn similarity(candidate: &Vectors, reference: &Vectors) -> f64 {
    let difference = candidate.bigrams.abs_diff(reference.bigrams) as f64;
    let penalty = (-difference.powi(2) / (2.0 * SIGMA.powi(2))).exp();
    let norms = candidate.norms.iter().zip(&reference.norms).map(|(ours, theirs)| ours * theirs);
    let products = candidate.weights.iter().zip(&reference.weights).map(|(ours, theirs)| clipped(ours, theirs));
    products.zip(norms).map(|(product, norm)| if norm == 0.0 { product } else { product / norm } * penalty).sum()
}

/// The product of two vectors, ours nowhere longer than theirs.
fn clipped(ours: &BTreeMap<&[&str], f64>, theirs: &BTreeMap<&[&str], f64>) -> f64 {
    let shared = ours.iter().filter_map(|(ngram, our)| Some((our, theirs.get(ngram)?)));
    shared.map(|(our, their)| our.min(*their) * their).sum()
}

impl<'a> Vectors<'a> {
    fn new(words: &'a Words<'a>, frequencies: &Frequencies, pictures_log: f64) -> Self {
        let mut length = 0;
        let weights = [(); LONGEST].map(|()| {
            length += 1;
            let weight = |(ngram, count): (&'a [&'a str], usize)| {
                let frequency = frequencies.get(ngram).copied().unwrap_or_default().max(1);
                (ngram, count as f64 * (pictures_log - (frequency as f64).ln()))
            };
            ngrams::counts(words, length).into_iter().map(weight).collect::<BTreeMap<_, _>>()
        });
        let norms =
            weights.each_ref().map(|weights| weights.values().map(|weight| weight * weight).sum::<f64>().sqrt());
        Self { weights, norms, bigrams: words.len().saturating_sub(1) }
    }
}
