//! What is merged answers as `peft` has it merged.
#![allow(clippy::unwrap_used)]

use smolvlm_backend::{Cpu, Quant, Span, levels};
use smolvlm_golden::{cases, folder, tensors};
use smolvlm_model::Vlm;
use smolvlm_model::text::{Labels, Rows};
use smolvlm_model::vlm::{Batch, Pictures};
use smolvlm_train::merge;

#[test]
fn merged_models_have_pefts_losses() {
    let base = folder().join("idefics3-256m");
    let case = cases(&base).into_iter().find(|case| case.name == "two").unwrap();
    let dir = tempfile::tempdir().unwrap();
    for adapter in ["lora", "rslora", "dora", "alllinear"] {
        let (from, to) = (folder().join("adapters").join(adapter), dir.path().join(adapter));
        assert!(merge(&base, &[(from.clone(), 1.0)], &to).unwrap() > 0);
        let cpu = Cpu::new(2);
        let vlm = Vlm::open(&to, &cpu, Quant::F32, &mut |_| {}).unwrap();
        let (ids, image) = (&case.input_ids, vlm.config.sight.as_ref().unwrap().image_token_id);
        let targets: Vec<u32> = ids[1..].iter().copied().chain([image]).collect();
        let learnt = targets.iter().filter(|&&id| id != image).count() as f32;
        let weights: Vec<f32> = targets.iter().map(|&id| if id == image { 0.0 } else { 1.0 / learnt }).collect();
        let positions: Vec<u32> = (0..ids.len() as u32).collect();
        let spans = [Span { rows: ids.len(), keys: ids.len(), causal: true }];
        let tables = [levels(1.0 / 255.0, 0.5, 0.5); 3];
        let batch = Batch {
            ids,
            pictures: Pictures::Tiles { pixels: case.tensors["pixels"].u8(), tables: &tables },
            noise: None,
            rows: Rows { spans: &spans, positions: &positions },
            labels: Labels { targets: &targets, weights: &weights, z: 0.0 },
            words: None,
        };
        let loss: f32 = vlm.losses(&cpu, &batch).iter().sum();
        let want = tensors(&from.join("expected.safetensors"))["merged/loss"].f32()[0];
        assert!((loss - want).abs() < 1e-5, "{adapter}: {loss} {want}");
        assert!(merge(&base, &[(from, 1.0)], &to).unwrap_err().to_string().contains("exists"));
    }
    let other = merge(&folder().join("wide"), &[(folder().join("adapters/lora"), 1.0)], &dir.path().join("x"));
    assert!(other.unwrap_err().to_string().contains("shape") && !dir.path().join("x").exists());
}
