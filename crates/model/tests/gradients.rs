//! Every parameter's gradient against PyTorch's, which `scripts/make_gradients.py` keeps.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Lesson, assert_gradients, assert_no_further, load};
use smolvlm_backend::{AdamW, Backend, Backward, Cpu, Quant, Tensor, numbers};
use smolvlm_golden::{folder, tensors};
use smolvlm_model::Grads;
use smolvlm_model::parameters::Slot;
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
) -> (f64, BTreeMap<String, Vec<f32>>) {
    let cpu = Cpu::new(threads);
    let (vlm, _) = load(&cpu, model, quant);
    let mut grads = Grads::new(wanted.iter().cloned());
    let losses = vlm.learn(&cpu, &Lesson::of(model, case).batch(), &mut grads, recompute);
    let numbers = |name: &String| {
        let grad = grads.get(name).unwrap_or_else(|| unreachable!("{name} has no gradient"));
        (name.clone(), numbers(&cpu, grad))
    };
    (losses.iter().map(|&x| f64::from(x)).sum(), wanted.iter().map(numbers).collect())
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
            assert_gradients(&format!("{model}/{case}"), &want, |name| got[name].clone());
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
            assert_no_further(&format!("{model}/{case}"), &exact, &theirs, |name| got[name].clone());
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
        for (name, got) in &got {
            assert!(got == &want[name], "{name}");
        }
    }
}

#[test]
fn steps_of_adamw_lower_the_loss_and_reach_every_parameter() {
    let (cpu, quant, lesson) = (Cpu::new(2), Quant::F32, Lesson::of("idefics3-256m", "two"));
    let (mut model, mut masters) = load(&cpu, "idefics3-256m", quant);
    let before = masters.clone();
    let zeros = |x: &Tensor| cpu.upload(x.shape(), &vec![0.0; x.len()]);
    let mut means: BTreeMap<String, [Tensor; 2]> =
        masters.iter().map(|(name, x)| (name.clone(), [zeros(x), zeros(x)])).collect();
    let mut losses = Vec::new();
    for step in 1..=8 {
        let mut grads = Grads::new(masters.keys().cloned());
        losses.push(model.learn(&cpu, &lesson.batch(), &mut grads, true).iter().sum::<f32>());
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
                Slot::Matrix(weight) | Slot::Table(weight) => cpu.replace(weight, master),
                Slot::Plain(tensor) => *tensor = cpu.copy(master).reshape(tensor.shape()),
            }
        });
    }
    assert!(losses[7] < 0.7 * losses[0], "{losses:?}");
    for (name, master) in &masters {
        assert!(numbers(&cpu, master) != numbers(&cpu, &before[name]), "{name} has not moved");
    }
}
