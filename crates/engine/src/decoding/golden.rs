//! Every setting of transformers against what transformers makes of the same scores.

use super::chain::{Chain, Scope};
use super::defaults::Defaults;
use serde::Deserialize;
use smolvlm_backend::Splitmix;
use smolvlm_golden::{repository, tensors};
use smolvlm_model::GenerationConfig;

#[derive(Deserialize)]
struct Golden {
    ends: Vec<u32>,
    prompt: usize,
    new: usize,
    texts: Vec<Vec<u32>>,
    settings: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    settings: serde_json::Map<String, serde_json::Value>,
}

#[test]
fn scores_become_those_of_the_reference() {
    let folder = repository().join("golden/decoding");
    let text = std::fs::read_to_string(folder.join("processors.json")).unwrap();
    let golden: Golden = serde_json::from_str(&text).unwrap();
    let tensors = tensors(&folder.join("processors.safetensors"));
    let (scores, vocab) = (tensors["scores"].f32(), tensors["scores"].shape()[1]);
    let (mut worst, mut changed) = (0.0f32, 0);
    for Named { name, settings } in golden.settings {
        let sampling = Defaults::of(&GenerationConfig { eos: Vec::new(), settings }).unwrap().sampling;
        let want = tensors[&name].f32();
        for (row, history) in golden.texts.iter().enumerate() {
            let prompt = golden.prompt.min(history.len());
            let scope = Scope { vocab, ends: golden.ends.clone(), prompt, limit: golden.new };
            let mut got = scores[row * vocab..][..vocab].to_vec();
            Chain::new(sampling.clone(), scope).unwrap().apply(history, &mut got, &mut Splitmix::new(0));
            let want = &want[row * vocab..][..vocab];
            for (id, (got, want)) in got.iter().zip(want).enumerate() {
                let apart = if got == want { 0.0 } else { (got - want).abs() };
                assert!(apart <= 1e-5, "{name}, text {row}, token {id}: {got} for {want}");
                worst = worst.max(apart);
            }
            changed += usize::from(got.as_slice() != &scores[row * vocab..][..vocab]);
        }
    }
    assert!(changed > 100, "{changed} of the rows differ from the bare scores");
    println!("at most {worst:e} apart");
}
