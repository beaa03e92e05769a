//! BLEU-1 to BLEU-4 of a set of captions: pycocoevalcap's bleu/bleu_scorer.py, with the option "closest".

use super::ngrams::{self, LONGEST};
use super::{Worded, Words};
use std::collections::BTreeMap;

/// Keeps what is divided by from 0.
const SMALL: f64 = 1e-9;
/// Keeps what is multiplied from 0, so that no matches give a score just above it.
const TINY: f64 = 1e-15;

/// What is counted in captions; a set's counts are the sums of its pictures'.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    words: usize,
    reference_words: usize,
    guesses: [usize; LONGEST],
    correct: [usize; LONGEST],
}

/// The score for n-grams of up to 1, 2, 3 and 4 words, of all pictures together and not a mean: bleu_scorer.py,
/// `compute_score`.
///
/// No match of an n-gram gives a number just above 0. A set of no pictures scores 0.
pub(super) fn bleu(pictures: &[Worded]) -> [f64; LONGEST] {
    let sum = pictures.iter().map(counts).fold(Counts::default(), Counts::with);
    let brevity = brevity(sum.words, sum.reference_words);
    let mut product = 1.0;
    let mut scores = [0.0; LONGEST];
    for (i, (score, (correct, guesses))) in scores.iter_mut().zip(sum.correct.into_iter().zip(sum.guesses)).enumerate()
    {
        product *= (correct as f64 + TINY) / (guesses as f64 + SMALL);
        *score = product.powf(1.0 / (i + 1) as f64) * brevity;
    }
    scores
}

/// What a set that is shorter than its references is worth.
fn brevity(words: usize, reference_words: usize) -> f64 {
    let ratio = (words as f64 + TINY) / (reference_words as f64 + SMALL);
    if ratio < 1.0 { (1.0 - 1.0 / ratio).exp() } else { 1.0 }
}

impl Counts {
    fn with(self, other: Self) -> Self {
        Self {
            words: self.words + other.words,
            reference_words: self.reference_words + other.reference_words,
            guesses: sums(self.guesses, other.guesses),
            correct: sums(self.correct, other.correct),
        }
    }
}

fn sums(mut ours: [usize; LONGEST], theirs: [usize; LONGEST]) -> [usize; LONGEST] {
    ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
    ours
}

fn counts(picture: &Worded) -> Counts {
    let candidate = &picture.candidate;
    let mut counts = Counts {
        words: candidate.len(),
        reference_words: closest(candidate, &picture.references),
        ..Counts::default()
    };
    for (length, (guesses, correct)) in (1..).zip(counts.guesses.iter_mut().zip(&mut counts.correct)) {
        *guesses = (candidate.len() + 1).saturating_sub(length);
        *correct = matches(candidate, &picture.references, length);
    }
    counts
}

/// How many of a candidate's n-grams are in a reference, each no more often than in the one that has it most often.
fn matches(candidate: &Words, references: &[Words], length: usize) -> usize {
    let mut most: BTreeMap<&[&str], usize> = BTreeMap::new();
    for (ngram, count) in references.iter().flat_map(|reference| ngrams::counts(reference, length)) {
        let most = most.entry(ngram).or_default();
        *most = count.max(*most);
    }
    let hits = |(ngram, count): (&[&str], usize)| count.min(most.get(ngram).copied().unwrap_or_default());
    ngrams::counts(candidate, length).into_iter().map(hits).sum()
}

/// The length of the reference that is closest in length, the shorter of two.
fn closest(candidate: &Words, references: &[Words]) -> usize {
    let lengths = references.iter().map(Vec::len);
    lengths.min_by_key(|length| (length.abs_diff(candidate.len()), *length)).unwrap_or_default()
}
