//! Runs of words.

use std::collections::BTreeMap;

/// Words of the longest n-grams that BLEU and CIDEr count.
pub(super) const LONGEST: usize = 4;

/// How often each run of so many words occurs, in an order that is always the same: sums over it must be.
pub(super) fn counts<'a, 'b>(words: &'b [&'a str], length: usize) -> BTreeMap<&'b [&'a str], usize> {
    let mut counts = BTreeMap::new();
    for ngram in words.windows(length) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}
