//! ROUGE-L of a caption: pycocoevalcap's rouge/rouge.py.

/// How much more recall counts than precision.
const BETA: f64 = 1.2;

/// What an empty caption's tokens are: Python's `"".split(" ")` gives one empty word.
static EMPTY: [String; 1] = [String::new()];

/// A candidate's score against its references, by the longest common subsequence of words: rouge.py, `calc_score`.
///
/// The best precision and the best recall may be of different references. No references score 0.
pub(crate) fn rouge_l(candidate: &[String], references: &[Vec<String>]) -> f64 {
    let candidate = or_empty(candidate);
    let (mut precision, mut recall) = (0.0_f64, 0.0_f64);
    for reference in references.iter().map(|reference| or_empty(reference)) {
        let common = common(candidate, reference) as f64;
        precision = precision.max(common / candidate.len() as f64);
        recall = recall.max(common / reference.len() as f64);
    }
    if precision == 0.0 || recall == 0.0 {
        return 0.0;
    }
    let weight = BETA * BETA;
    (1.0 + weight) * precision * recall / (recall + weight * precision)
}

fn or_empty(tokens: &[String]) -> &[String] {
    if tokens.is_empty() { &EMPTY } else { tokens }
}

/// How many words the longest common subsequence has.
fn common(ours: &[String], theirs: &[String]) -> usize {
    // The length for all of ours so far and each beginning of theirs.
    let mut lengths = vec![0; theirs.len()];
    for our in ours {
        let (mut diagonal, mut left) = (0, 0);
        for (their, length) in theirs.iter().zip(&mut lengths) {
            let above = *length;
            *length = if our == their { diagonal + 1 } else { left.max(above) };
            (diagonal, left) = (above, *length);
        }
    }
    lengths.last().copied().unwrap_or_default()
}
