//! Scoring rules of benchmarks, equal to their official implementations, oddities included: what another paper's number
//! was made with is what a number beside it must be made with. `metrics` holds this program's own rules, which are
//! gentler where the official ones err.
//!
//! Sources, by their names here: `gt` is GT-Vision-Lab/VQA, `kit` open-compass/VLMEvalKit without a judge
//! (`exact_matching`), `m4` huggingface/smollm's `vision/m4`, `lmms` EvolvingLMMs-Lab/lmms-eval, which holds several
//! benchmarks' own code. `golden/eval/*.jsonl.gz`, made of them by `scripts/make_official_metrics.py`, says what each
//! gives; every module here meets its file. The rules are written anew; no code is taken over.
//!
//! None of them asks a language model. Where the official way would, or would draw lots, an answer is none.

pub(crate) mod anls;
pub(crate) mod choice;
mod edits;
mod extract;
pub(crate) mod gqa;
pub(crate) mod hallusion;
pub(crate) mod literal;
pub(crate) mod mathvista;
pub(crate) mod mmbench;
pub(crate) mod mmmu;
mod numbers;
pub(crate) mod ocrbench;
pub(crate) mod open;
mod python;
pub(crate) mod relaxed;
mod texts;
pub(crate) mod video;
pub(crate) mod vqa;
pub(crate) mod yorn;

/// The letters of so many options, from A on.
fn lettered<S: AsRef<str>>(options: &[S]) -> Vec<(char, &str)> {
    ('A'..='Z').zip(options.iter().map(AsRef::as_ref)).collect()
}

/// The mean of what is right.
fn share(right: impl IntoIterator<Item = bool>) -> Option<f64> {
    let (mut hits, mut all) = (0usize, 0usize);
    for right in right {
        hits += usize::from(right);
        all += 1;
    }
    (all > 0).then(|| hits as f64 / all as f64)
}

#[cfg(test)]
mod cases {
    use serde_json::Value;
    use std::io::Read;
    use std::path::Path;

    /// The cases of a file in golden/eval, at least so many.
    pub(super) fn read(name: &str, least: usize) -> Vec<Value> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/eval").join(format!("{name}.jsonl.gz"));
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(cases.len() >= least, "{name}: {} cases", cases.len());
        cases
    }

    pub(super) fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }

    pub(super) fn texts(value: &Value) -> Vec<&str> {
        value.as_array().unwrap().iter().map(text).collect()
    }

    /// A letter, or none.
    pub(super) fn letter(value: &Value) -> Option<char> {
        value.as_str().and_then(|letter| letter.chars().next())
    }

    pub(super) fn same(found: f64, expected: &Value, case: &Value) {
        let expected = expected.as_f64().unwrap();
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}: {case}");
    }

    pub(super) fn right(found: bool, expected: &Value, case: &Value) {
        same(f64::from(u8::from(found)), expected, case);
    }
}
