//! OCRBench: whether an answer contains the gold.

use super::python::strip;

/// The category whose golds are LaTeX.
pub(crate) const FORMULAS: &str = "Handwritten Mathematical Expression Recognition";

/// VLMEvalKit's: `vlmeval/dataset/image_vqa.py`, `OCRBench.evaluate`, any gold. `formula` is whether the category is
/// [`FORMULAS`]: there spaces do not count, but case does; elsewhere the other way round. The score of the benchmark is
/// how many of its 1000 questions are right. `golds` is what [`super::literal::alternatives`] makes of a cell.
pub(crate) fn kit<S: AsRef<str>>(answer: &str, golds: &[S], formula: bool) -> bool {
    if formula {
        return within(&bare(answer), golds, bare);
    }
    within(&plain(answer), golds, plain)
}

/// lmms-eval's: `tasks/ocrbench/utils.py`, `ocrbench_process_results`. As [`kit`], but wide letters of East Asian type
/// are those of ASCII where it is no formula.
pub(crate) fn lmms<S: AsRef<str>>(answer: &str, golds: &[S], formula: bool) -> bool {
    let folded = |text: &str| plain(&text.chars().map(narrow).collect::<String>());
    match formula {
        true => kit(answer, golds, formula),
        false => within(&folded(strip(answer)), golds, folded),
    }
}

fn within<S: AsRef<str>>(answer: &str, golds: &[S], form: impl Fn(&str) -> String) -> bool {
    golds.iter().any(|gold| answer.contains(&form(gold.as_ref())))
}

fn plain(text: &str) -> String {
    strip(&text.to_lowercase()).replace('\n', " ")
}

/// Other spaces than these two stay.
fn bare(text: &str) -> String {
    strip(text).replace(['\n', ' '], "")
}

fn narrow(letter: char) -> char {
    match letter {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0).unwrap_or(letter),
        letter => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::{read, right, text, texts};
    use super::*;

    #[test]
    fn golden() {
        for case in read("ocrbench", 2000) {
            let (answer, golds) = (text(&case["answer"]), texts(&case["golds"]));
            let formula = case["formula"] == true;
            right(kit(answer, &golds, formula), &case["kit"], &case);
            right(lmms(answer, &golds, formula), &case["lmms"], &case);
        }
    }
}
