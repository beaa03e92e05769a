//! Scoring of captions, equal to pycocoevalcap 1.2: BLEU, ROUGE-L and CIDEr, and the tokenizer before them.
//!
//! Benchmarks differ in what they score: most take [`ptb::tokens`] of captions, VLMEvalKit takes [`spaced`].
//! `golden/eval/ptb.jsonl.gz` and `captions.jsonl.gz`, made by `scripts/make_official_captions.py`, say what each gives.
//! METEOR and SPICE need data of many megabytes and are not here.

mod bleu;
mod cider;
mod ngrams;
pub(crate) mod ptb;
mod rouge;

pub(crate) use rouge::rouge_l;

/// A set's scores, as pycocoevalcap gives them: parts and not per cent, and CIDEr from 0 to 10.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scores {
    /// BLEU-1 to BLEU-4, of all pictures together.
    pub(crate) bleu: [f64; 4],
    /// The mean of [`rouge_l`] over pictures.
    pub(crate) rouge_l: f64,
    /// The mean over pictures; what a picture scores hangs on the references of all.
    pub(crate) cider: f64,
}

/// A picture's captions, each as tokens: from [`ptb::tokens`] or [`spaced`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Captioned {
    /// What is scored.
    pub(crate) candidate: Vec<String>,
    /// What people wrote.
    pub(crate) references: Vec<Vec<String>>,
}

/// A caption as BLEU and CIDEr read it.
type Words<'a> = Vec<&'a str>;

struct Worded<'a> {
    candidate: Words<'a>,
    references: Vec<Words<'a>>,
}

/// The scores of a set: pycocoevalcap's `Bleu(4)`, `Rouge()` and `Cider()`, `compute_score`. No pictures score 0.
pub(crate) fn scores(pictures: &[Captioned]) -> Scores {
    let worded: Vec<Worded> = pictures.iter().map(Worded::new).collect();
    let rouge = pictures.iter().map(|picture| rouge_l(&picture.candidate, &picture.references));
    Scores { bleu: bleu::bleu(&worded), rouge_l: mean(rouge), cider: mean(cider::cider(&worded).into_iter()) }
}

/// The words of a raw caption, where no tokenizer is before the scorers: VLMEvalKit's `COCO_Caption_Scorer`,
/// vlmeval/dataset/image_caption.py.
///
/// Case and punctuation count ("wave." is not "wave"). Split at spaces alone, as ROUGE-L does it, so that there may be
/// empty words; BLEU and CIDEr then split at other white space, too.
pub(crate) fn spaced(caption: &str) -> Vec<String> {
    caption.split(' ').map(str::to_owned).collect()
}

impl<'a> Worded<'a> {
    fn new(picture: &'a Captioned) -> Self {
        Self {
            candidate: words(&picture.candidate),
            references: picture.references.iter().map(|tokens| words(tokens)).collect(),
        }
    }
}

/// What Python's `split()` makes of tokens: those that hold U+00A0 come apart.
fn words(tokens: &[String]) -> Words<'_> {
    tokens.iter().flat_map(|token| token.split(is_space)).filter(|word| !word.is_empty()).collect()
}

/// Whether a character is white space to Python.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let number = values.len();
    if number == 0 { 0.0 } else { values.sum::<f64>() / number as f64 }
}

#[cfg(test)]
mod cases {
    use serde_json::Value;
    use std::io::Read;
    use std::path::Path;

    /// The cases of a file in golden/eval, so many.
    pub(super) fn read(name: &str, number: usize) -> Vec<Value> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/eval").join(format!("{name}.jsonl.gz"));
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(cases.len(), number, "{name}");
        cases
    }

    pub(super) fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }

    pub(super) fn list(value: &Value) -> &[Value] {
        value.as_array().unwrap()
    }

    pub(super) fn numbers(value: &Value) -> Vec<f64> {
        list(value).iter().map(|number| number.as_f64().unwrap()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const TOLERANCE: f64 = 1e-9;

    /// A case's pictures, their captions taken apart in a way.
    fn pictures(case: &Value, tokens: fn(&str) -> Vec<String>) -> Vec<Captioned> {
        let texts = |value: &Value| cases::list(value).iter().map(|text| tokens(cases::text(text))).collect();
        let picture = |row: &Value| Captioned {
            candidate: tokens(cases::text(&row["answer"])),
            references: texts(&row["references"]),
        };
        cases::list(&case["pictures"]).iter().map(picture).collect()
    }

    fn same(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < TOLERANCE, "{found} is not {expected}");
        }
    }

    fn all(scores: &Scores) -> Vec<f64> {
        [&scores.bleu[..], &[scores.rouge_l, scores.cider]].concat()
    }

    #[test]
    fn sets_score_as_officially() {
        for case in cases::read("captions", 40) {
            let found = all(&scores(&pictures(&case, ptb::tokens)));
            let mut expected = cases::numbers(&case["bleu"]);
            expected.extend(["rouge", "cider"].map(|name| case[name].as_f64().unwrap()));
            same(&found, &expected);
        }
    }

    #[test]
    fn raw_sets_score_as_in_vlmevalkit() {
        for case in cases::read("captions", 40) {
            same(&all(&scores(&pictures(&case, spaced))), &cases::numbers(&case["raw"]));
        }
    }

    #[test]
    fn pictures_score_as_officially() {
        let mut seen = 0;
        for case in cases::read("captions", 40) {
            let pictures = pictures(&case, ptb::tokens);
            let worded: Vec<Worded> = pictures.iter().map(Worded::new).collect();
            let cider = cider::cider(&worded);
            for (i, row) in cases::list(&case["pictures"]).iter().enumerate() {
                same(&bleu::bleu(&worded[i..=i]), &cases::numbers(&row["bleu"]));
                same(&[cider[i]], &[row["cider"].as_f64().unwrap()]);
                let rouge = rouge_l(&pictures[i].candidate, &pictures[i].references);
                same(&[rouge], &[row["rouge"].as_f64().unwrap()]);
                seen += 1;
            }
        }
        assert!(seen > 1000, "{seen}");
    }

    #[test]
    fn nothing_scores_nothing() {
        assert_eq!(all(&scores(&[])), [0.0; 6]);
        assert_eq!(scores(&[Captioned::default()]).cider, 0.0);
        assert_eq!(rouge_l(&[], &[]), 0.0);
    }

    /// Python's `"".split(" ")` is one empty word.
    #[test]
    fn an_empty_caption_equals_an_empty_reference() {
        assert_eq!(rouge_l(&[], &[vec![]]), 1.0);
        assert_eq!(rouge_l(&spaced(""), &[vec![]]), 1.0);
    }
}
