//! What forbids tokens: a forbidden one has a score of minus infinity. Rules: transformers' `logits_process.py`.

/// Forbids these tokens.
pub(crate) fn ban(ids: &[u32], scores: &mut [f32]) {
    for &id in ids {
        if let Some(score) = scores.get_mut(id as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
}

/// Forbids all but these tokens, of which each is as likely.
pub(crate) fn force(ids: &[u32], scores: &mut [f32]) {
    scores.fill(f32::NEG_INFINITY);
    for &id in ids {
        if let Some(score) = scores.get_mut(id as usize) {
            *score = 0.0;
        }
    }
}

/// Forbids what would complete, at the end of `history`, a sequence of `n` tokens that `text` has already.
pub(crate) fn ngrams(n: usize, text: &[u32], history: &[u32], scores: &mut [f32]) {
    if n == 0 || history.len() < n {
        return;
    }
    let (_, end) = history.split_at(history.len() + 1 - n);
    for window in text.windows(n) {
        if let Some((last, before)) = window.split_last()
            && before == end
        {
            ban(&[*last], scores);
        }
    }
}

/// Forbids the last token of each sequence whose others stand at the text's end. An end of the answer alone is no word.
pub(crate) fn words(words: &[Vec<u32>], ends: &[u32], history: &[u32], scores: &mut [f32]) {
    for word in words {
        match word.split_last() {
            Some((last, [])) if ends.contains(last) => {}
            Some((last, before)) if history.ends_with(before) => ban(&[*last], scores),
            _ => {}
        }
    }
}

/// Makes scores that are no numbers 0, and infinite ones as large as numbers are.
pub(crate) fn mend(scores: &mut [f32]) {
    for score in scores {
        *score = if score.is_nan() { 0.0 } else { score.clamp(f32::MIN, f32::MAX) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banned(scores: &[f32]) -> Vec<usize> {
        (0..scores.len()).filter(|&id| scores[id] == f32::NEG_INFINITY).collect()
    }

    #[test]
    fn a_sequence_comes_once() {
        let history = [1, 2, 3, 1, 2];
        let of = |n| {
            let mut scores = [0.0; 6];
            ngrams(n, &history, &history, &mut scores);
            banned(&scores)
        };
        assert_eq!(
            (of(0), of(1), of(2), of(3), of(4), of(6)),
            (vec![], vec![1, 2, 3], vec![3], vec![3], vec![], vec![])
        );
    }

    #[test]
    fn words_wait_for_their_beginning() {
        let list = [vec![5], vec![2, 4], vec![1, 2, 3], vec![0, 0], vec![1]];
        let mut scores = [0.0; 6];
        words(&list, &[5], &[1, 2], &mut scores);
        assert_eq!(banned(&scores), [1, 3, 4]);
        let mut scores = [0.0; 6];
        words(&[vec![7, 7, 7, 2]], &[], &[7, 7], &mut scores);
        assert!(banned(&scores).is_empty());
    }

    #[test]
    fn forcing_and_mending() {
        let mut scores = [1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        mend(&mut scores);
        assert_eq!(scores, [1.0, 0.0, f32::MAX, f32::MIN]);
        force(&[2, 9], &mut scores);
        assert_eq!(banned(&scores), [0, 1, 3]);
        assert_eq!(scores[2], 0.0);
    }
}
