//! Every parameter's gradient against PyTorch's, which `scripts/make_gradients.py` keeps.
#![allow(clippy::unwrap_used)]

use smolvlm_backend::{AdamW, Backend, Backward, Cpu, Quant, Span, Tensor, levels};
use smolvlm_golden::{Numbers, cases, folder, tensors};
use smolvlm_model::parameters::Slot;
use smolvlm_model::text::{Labels, Rows};
use smolvlm_model::vlm::{Batch, Pictures};
use smolvlm_model::{Checkpoint, Config, Grads, Load, Role, Vlm};
use std::collections::BTreeMap;

const MODELS: [&str; 4] = ["idefics3-256m", "idefics3-2b", "smolvlm2", "wide"];
const CASES: [&str; 2] = ["two", "text"];

/// The loss and the gradients, of the parameters in `wanted`.
fn learn(
    model: &str,
    case: &str,
    quant: Quant,
    wanted: &[String],
    recompute: bool,
    threads: usize,
) -> (f64, Vec<Vec<f32>>) {
    let dir = folder().join(model);
    let case = cases(&dir).into_iter().find(|c| c.name == case).unwrap();
    let cpu = Cpu::new(threads);
    let config = Config::open(&dir).unwrap();
    let image = config.image_token_id;
    let source = &mut Checkpoint::open(&dir).unwrap();
    let role = &|_: &str| Role::Trained;
    let mut load = Load { backend: &cpu, source, quant, role, masters: None, progress: &mut |_| {} };
    let model = Vlm::load(config, &mut load).unwrap();
    let ids = &case.input_ids;
    let mut targets = ids[1..].to_vec();
    targets.push(image);
    let count = targets.iter().filter(|&&id| id != image).count();
    let weights: Vec<f32> = targets.iter().map(|&id| if id == image { 0.0 } else { 1.0 / count as f32 }).collect();
    let positions: Vec<u32> = (0..ids.len() as u32).collect();
    let spans = [Span { rows: ids.len(), keys: ids.len(), causal: true }];
    let pixels = case.tensors.get("pixels").map_or(&[][..], Numbers::u8);
    let batch = Batch {
        ids,
        pictures: Pictures::Tiles { pixels, tables: &[levels(1.0 / 255.0, 0.5, 0.5); 3] },
        noise: None,
        rows: Rows { spans: &spans, positions: &positions },
        labels: Labels { targets: &targets, weights: &weights, z: 0.0 },
    };
    let mut grads = Grads::new(wanted.iter().cloned());
    let losses = model.learn(&cpu, &batch, &mut grads, recompute);
    let numbers = |name: &String| {
        let grad = grads.get(name).unwrap_or_else(|| unreachable!("{name} has no gradient"));
        let mut out = vec![0.0; grad.len()];
        cpu.download(grad, &mut out);
        out
    };
    (losses.iter().map(|&x| f64::from(x)).sum(), wanted.iter().map(numbers).collect())
}

/// What `make_gradients.py` keeps of a gradient: 64 numbers of it.
fn sample(grad: &[f32]) -> Vec<f32> {
    (0..64u64).map(|i| grad[(i * 2_654_435_761 % grad.len() as u64) as usize]).collect()
}

/// The gradients that are kept for a case: names and [66] numbers; and the loss.
fn kept(model: &str, prefix: &str) -> (f32, BTreeMap<String, Vec<f32>>) {
    let all = tensors(&folder().join(model).join("gradients.safetensors"));
    let of_case = all.iter().filter_map(|(name, x)| Some((name.strip_prefix(prefix)?.strip_prefix('/')?, x.f32())));
    let (loss, grads): (Vec<_>, Vec<_>) = of_case.filter(|(n, _)| !n.contains('/')).partition(|(n, _)| *n == "loss");
    (loss[0].1[0], grads.into_iter().map(|(name, x)| (name.to_string(), x.to_vec())).collect())
}

#[test]
fn f32_gradients_are_pytorchs() {
    for model in MODELS {
        for case in CASES {
            let (loss, want) = kept(model, case);
            let names: Vec<String> = want.keys().cloned().collect();
            let (got_loss, got) = learn(model, case, Quant::F32, &names, false, 2);
            assert!((got_loss - f64::from(loss)).abs() < 1e-5, "{model}/{case}: loss {got_loss}, {loss}");
            let largest = want.values().map(|x| x[64]).fold(0.0, f32::max);
            for (name, got) in names.iter().zip(&got) {
                let want = &want[name];
                let bound = (1e-4 * want[64]).max(1e-6 * largest);
                for (got, want) in sample(got).iter().zip(want) {
                    assert!((got - want).abs() <= bound, "{model}/{case} {name}: {got} {want}, bound {bound:e}");
                }
                let norm = got.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
                let apart = (norm - f64::from(want[65])).abs();
                assert!(apart <= 1e-4 * f64::from(want[65].max(1e-2 * largest)), "{model}/{case} {name}: norm {norm}");
            }
        }
    }
}

#[test]
fn bf16_gradients_are_no_further_than_pytorchs_own() {
    for model in MODELS {
        for case in CASES {
            let ((_, exact), (_, theirs)) = (kept(model, case), kept(model, &format!("{case}/bf16")));
            let names: Vec<String> = exact.keys().cloned().collect();
            let (_, got) = learn(model, case, Quant::Bf16, &names, false, 2);
            // Over all parameters, each by its own size: single numbers are too few to compare two errors.
            let (mut ours, mut own) = (0.0, 0.0);
            let largest = exact.values().map(|x| x[64]).fold(0.0, f32::max);
            for (name, got) in names.iter().zip(&got) {
                let size = f64::from(exact[name][64].max(1e-3 * largest));
                let error = |x: &[f32]| -> f64 {
                    x.iter()
                        .zip(&exact[name][..64])
                        .map(|(a, b)| ((f64::from(*a) - f64::from(*b)) / size).powi(2))
                        .sum()
                };
                ours += error(&sample(got));
                own += error(&theirs[name][..64]);
            }
            assert!(ours.sqrt() <= 1.5 * own.sqrt(), "{model}/{case}: {} and {}", ours.sqrt(), own.sqrt());
        }
    }
}

#[test]
fn recomputed_and_with_any_threads_the_same_bits() {
    let names: Vec<String> = kept("smolvlm2", "two").1.into_keys().collect();
    for quant in [Quant::F32, Quant::Bf16] {
        let want = learn("smolvlm2", "two", quant, &names, false, 1);
        for (recompute, threads) in [(true, 2), (false, 3)] {
            assert!(learn("smolvlm2", "two", quant, &names, recompute, threads) == want, "{quant:?} {threads} threads");
        }
    }
}

#[test]
fn what_is_frozen_has_no_gradient_and_the_rest_the_same() {
    let all: Vec<String> = kept("idefics3-256m", "two").1.into_keys().collect();
    let want = learn("idefics3-256m", "two", Quant::F32, &all, false, 2).1;
    for part in
        ["model.connector.", "model.text_model.layers.0.self_attn.q_proj", "model.vision_model.encoder.layers.1"]
    {
        let names: Vec<String> = all.iter().filter(|name| name.starts_with(part)).cloned().collect();
        assert!(!names.is_empty(), "{part}");
        let got = learn("idefics3-256m", "two", Quant::F32, &names, false, 2).1;
        for (name, got) in names.iter().zip(&got) {
            let at = all.iter().position(|n| n == name).unwrap();
            assert!(got == &want[at], "{name}");
        }
    }
}

#[test]
fn steps_of_adamw_lower_the_loss_and_reach_every_parameter() {
    let dir = folder().join("idefics3-256m");
    let case = cases(&dir).into_iter().find(|c| c.name == "two").unwrap();
    let cpu = Cpu::new(2);
    let (config, source) = (Config::open(&dir).unwrap(), &mut Checkpoint::open(&dir).unwrap());
    let image = config.image_token_id;
    let mut masters = BTreeMap::new();
    let (quant, role) = (Quant::F32, &|_: &str| Role::Trained);
    let mut load = Load { backend: &cpu, source, quant, role, masters: Some(&mut masters), progress: &mut |_| {} };
    let mut model = Vlm::load(config, &mut load).unwrap();
    let ids = &case.input_ids;
    let mut targets = ids[1..].to_vec();
    targets.push(image);
    let weights: Vec<f32> = targets.iter().map(|&id| if id == image { 0.0 } else { 0.05 }).collect();
    let positions: Vec<u32> = (0..ids.len() as u32).collect();
    let spans = [Span { rows: ids.len(), keys: ids.len(), causal: true }];
    let before = masters.clone();
    let zeros = |x: &Tensor| cpu.upload(x.shape(), &vec![0.0; x.len()]);
    let mut means: BTreeMap<String, [Tensor; 2]> =
        masters.iter().map(|(name, x)| (name.clone(), [zeros(x), zeros(x)])).collect();
    let mut losses = Vec::new();
    for step in 1..=8 {
        let batch = Batch {
            ids,
            pictures: Pictures::Tiles {
                pixels: case.tensors["pixels"].u8(),
                tables: &[levels(1.0 / 255.0, 0.5, 0.5); 3],
            },
            noise: None,
            rows: Rows { spans: &spans, positions: &positions },
            labels: Labels { targets: &targets, weights: &weights, z: 0.0 },
        };
        let mut grads = Grads::new(masters.keys().cloned());
        losses.push(model.learn(&cpu, &batch, &mut grads, true).iter().sum::<f32>());
        let settings = AdamW { lr: 2e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, step };
        model.parameters(&mut |name, slot| {
            let master = masters.get_mut(name).unwrap();
            // Only this test's first copy shares a master.
            if master.is_shared() {
                *master = cpu.copy(master);
            }
            let [mean, square] = means.get_mut(name).unwrap();
            cpu.adamw(settings, master, grads.get(name).unwrap(), 1.0, [mean, square]);
            match slot {
                Slot::Matrix(weight) => *weight = cpu.train_weight(master, quant),
                Slot::Table(table) => *table = cpu.table(master),
                Slot::Plain(tensor) => *tensor = cpu.copy(master).reshape(tensor.shape()),
            }
        });
    }
    assert!(losses[7] < 0.7 * losses[0], "{losses:?}");
    for (name, master) in &masters {
        let numbers = |x: &Tensor| {
            let mut out = vec![0.0; x.len()];
            cpu.download(x, &mut out);
            out
        };
        assert!(numbers(master) != numbers(&before[name]), "{name} has not moved");
    }
}
