//! What makes tokens less likely, or likelier, without forbidding them.
//!
//! Rules: `sequence_bias`, both repetition penalties and the exponential decay are those of transformers' `logits_process.py`;
//! frequency and presence are those of OpenAI's API.

/// Adds each bias to the last token of its sequence, where the others stand at the text's end.
pub(crate) fn bias(sequences: &[(Vec<u32>, f32)], history: &[u32], scores: &mut [f32]) {
    for (sequence, bias) in sequences {
        if let Some((&last, before)) = sequence.split_last()
            && history.ends_with(before)
            && let Some(score) = scores.get_mut(last as usize)
        {
            *score += bias;
        }
    }
}

/// Divides the positive scores of `ids` by the penalty and multiplies the negative: once each, however often they stand
/// there.
pub(crate) fn repetition(penalty: f32, ids: &[u32], scores: &mut [f32]) {
    for id in each_once(ids) {
        if let Some(score) = scores.get_mut(id as usize).filter(|score| score.is_finite()) {
            let changed = if *score < 0.0 { *score * penalty } else { *score / penalty };
            *score = changed.clamp(f32::MIN, f32::MAX);
        }
    }
}

/// Takes `count * frequency + presence` off the score of every token of the answer.
pub(crate) fn frequency_and_presence(frequency: f32, presence: f32, answer: &[u32], scores: &mut [f32]) {
    let mut sorted = answer.to_vec();
    sorted.sort_unstable();
    for same in sorted.chunk_by(|a, b| a == b) {
        if let Some(score) = same.first().and_then(|&id| scores.get_mut(id as usize)) {
            *score -= same.len() as f32 * frequency + presence;
        }
    }
}

/// Adds to the scores of the tokens that end an answer: `|score| * (factor^over - 1)`, where the answer is `over` tokens
/// longer than it should be.
pub(crate) fn decay(factor: f32, over: usize, ends: &[u32], scores: &mut [f32]) {
    let by = libm::pow(f64::from(factor), over as f64) - 1.0;
    for &id in ends {
        if let Some(score) = scores.get_mut(id as usize).filter(|score| score.is_finite()) {
            *score = (*score + (f64::from(score.abs()) * by) as f32).clamp(f32::MIN, f32::MAX);
        }
    }
}

fn each_once(ids: &[u32]) -> Vec<u32> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetition_is_penalised_once_and_on_either_side_of_zero() {
        let mut scores = [3.0, 1.6, -1.0, f32::NEG_INFINITY];
        repetition(2.0, &[0, 2, 0, 3, 9], &mut scores);
        assert_eq!(scores, [1.5, 1.6, -2.0, f32::NEG_INFINITY]);
        repetition(1e-45, &[0], &mut scores);
        assert_eq!(scores[0], f32::MAX);
    }

    #[test]
    fn frequency_counts_and_presence_does_not() {
        // OpenAI: mu[j] - c[j] * alpha_frequency - (c[j] > 0) * alpha_presence
        let answer = [1, 2, 1, 1, 7];
        let mut scores = [1.0, 2.0, 3.0, 4.0];
        let (frequency, presence) = (0.5, 0.25);
        let want: Vec<f32> = (0..4)
            .map(|j| {
                let c = answer.iter().filter(|&&id| id == j).count() as f32;
                scores[j as usize] - c * frequency - if c > 0.0 { presence } else { 0.0 }
            })
            .collect();
        frequency_and_presence(frequency, presence, &answer, &mut scores);
        assert_eq!(scores.as_slice(), want);
        assert_eq!(want, [1.0, 0.25, 2.25, 4.0]);
    }

    #[test]
    fn biases_of_several_tokens_wait_for_the_others() {
        let sequences = [(vec![1], 2.0), (vec![5, 6, 1], -0.5), (vec![6, 0], 1.0), (vec![9, 9, 5, 6, 2], 1.0)];
        let mut scores = [0.0; 3];
        bias(&sequences, &[4, 5, 6], &mut scores);
        assert_eq!(scores, [1.0, 1.5, 0.0]);
    }

    #[test]
    fn a_late_end_grows_likelier() {
        let mut scores = [-2.0, 4.0, f32::NEG_INFINITY];
        decay(1.5, 2, &[0, 2], &mut scores);
        assert_eq!(scores, [-2.0 + 2.0 * 1.25, 4.0, f32::NEG_INFINITY]);
        decay(1e30, 100, &[1], &mut scores);
        assert_eq!(scores[1], f32::MAX);
    }
}
