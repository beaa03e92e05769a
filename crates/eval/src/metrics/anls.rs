//! Average normalised Levenshtein similarity: how much of a read text is right, as DocVQA scores it.

use super::Truth;

/// Below this an answer is another one, not one that was read badly.
const THRESHOLD: f64 = 0.5;

/// The best similarity to an answer that counts: 1 - edits / the longer's letters, 0 below 0.5. Case does not count, nor
/// full stops and spaces at the ends.
pub(super) fn score(answer: &str, truth: &Truth) -> f64 {
    let answer = letters(answer);
    let best = truth.accepted().map(|accepted| similarity(&answer, &letters(accepted))).fold(0.0, f64::max);
    if best < THRESHOLD { 0.0 } else { best }
}

fn letters(text: &str) -> Vec<char> {
    text.to_lowercase().trim_matches(|letter: char| letter == '.' || letter.is_whitespace()).chars().collect()
}

fn similarity(a: &[char], b: &[char]) -> f64 {
    let (shorter, longer) = (a.len().min(b.len()), a.len().max(b.len()));
    match longer {
        0 => 1.0,
        // So many letters are missing that counting the edits, which takes long for long texts, cannot save it.
        _ if (shorter as f64) < THRESHOLD * longer as f64 => 0.0,
        _ => 1.0 - edits(a, b) as f64 / longer as f64,
    }
}

/// The fewest letters that are put in, taken out or changed (Levenshtein), row by row.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.iter().enumerate() {
        // To the left of, and above on the left of, the place that is filled in.
        let (mut left, mut corner) = (i + 1, i);
        for (place, other) in row.iter_mut().skip(1).zip(b) {
            let here = (corner + usize::from(letter != other)).min(left + 1).min(*place + 1);
            corner = std::mem::replace(place, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_of_words() {
        for (a, b, expected) in [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("日本", "日木語", 2)] {
            assert_eq!(edits(&letters(a), &letters(b)), expected, "{a} {b}");
        }
    }
}
