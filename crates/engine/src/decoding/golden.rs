//! Every setting of transformers against what transformers makes of the same scores.

use super::beams::{Next, Search};
use super::chain::{Chain, Scope};
use super::defaults::Defaults;
use super::settings::Sampling;
use serde::Deserialize;
use smolvlm_backend::Splitmix;
use smolvlm_golden::{repository, tensors};
use smolvlm_model::GenerationConfig;
use std::collections::BTreeMap;

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

#[derive(Deserialize)]
struct Drawn {
    table: Vec<Vec<f32>>,
    searches: Vec<Shares>,
}

#[derive(Deserialize)]
struct Shares {
    settings: serde_json::Map<String, serde_json::Value>,
    shares: Vec<(Vec<u32>, f64)>,
}

#[test]
fn beams_that_draw_find_each_answer_as_often_as_the_reference() {
    let text = std::fs::read_to_string(repository().join("golden/decoding/drawn.json")).unwrap();
    let Drawn { table, searches } = serde_json::from_str(&text).unwrap();
    let vocab = table.len();
    let rounds = 30_000u32; // as many as the reference's
    for Shares { settings, shares } in searches {
        let defaults = Defaults::of(&GenerationConfig { eos: Vec::new(), settings }).unwrap();
        let scope = Scope { vocab, ends: vec![vocab as u32 - 1], prompt: 1, limit: defaults.max_tokens.unwrap() };
        let mut counts: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
        for seed in 0..rounds {
            let sampling = Sampling { seed: u64::from(seed), ..defaults.sampling.clone() };
            let mut search = Search::new(Chain::new(sampling, scope.clone()).unwrap(), &[0]);
            let (mut logits, mut place) = (table[0].clone(), 0);
            while let Next::Beams(_) = search.step(&logits, &|_| false).unwrap() {
                place += 1;
                logits = search.ids().flat_map(|id| table[(id as usize + place) % vocab].clone()).collect();
            }
            *counts.entry(search.finish().remove(0).history[1..].to_vec()).or_default() += 1;
        }
        let mut of = |ids: &Vec<u32>| f64::from(counts.remove(ids).unwrap_or(0)) / f64::from(rounds);
        let apart: f64 = shares.iter().map(|(ids, share)| (of(ids) - share).abs()).sum();
        let rest: u32 = counts.values().sum();
        let apart = (apart + f64::from(rest) / f64::from(rounds)) / 2.0;
        assert!(apart < 0.02, "{apart} of all answers are others than the reference's");
        println!("{} answers, {apart:.4} apart", shares.len());
    }
}
