//! GQA and OCR-VQA: whether an answer is the gold. m4's way with them is [`super::vqa::m4`] with a single gold.

use super::python::strip;

/// VLMEvalKit's: `vlmeval/dataset/utils/vqa_eval.py`, `process_line` by `accuracy`. Case and spaces around do not
/// count, a full stop does.
pub(crate) fn kit(answer: &str, gold: &str) -> bool {
    let plain = |text: &str| strip(text).to_lowercase();
    plain(answer) == plain(gold)
}

/// lmms-eval's: `api/metrics.py`, `exact_match_hf_evaluate` without case and ASCII's punctuation. Spaces count. (Its
/// numpy drops zero bytes at the end, which no answer has.)
pub(crate) fn lmms(answer: &str, gold: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(|letter: char| letter.is_ascii_punctuation(), "");
    plain(answer) == plain(gold)
}

#[cfg(test)]
mod tests {
    use super::super::cases::{read, right, same, text};
    use super::super::vqa::{Part, m4, m4_gt};
    use super::*;

    #[test]
    fn golden() {
        for case in read("gqa", 2000) {
            let (answer, gold) = (text(&case["answer"]), text(&case["gold"]));
            right(kit(answer, gold), &case["kit"], &case);
            right(lmms(answer, gold), &case["lmms"], &case);
            same(m4(answer, &[gold], Part::Whole), &case["m4"][0], &case);
            same(m4_gt(answer, &[gold], Part::Whole), &case["m4"][1], &case);
        }
    }
}
