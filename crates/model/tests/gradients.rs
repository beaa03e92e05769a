//! Every parameter's gradient against PyTorch's, which `scripts/make_gradients.py` keeps; the words' loss against finite
//! differences.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Lesson, assert_gradients, assert_no_further, load};
use smolvlm_backend::{AdamW, Backend, Backward, Cpu, Quant, Tensor, numbers};
use smolvlm_golden::{folder, tensors};
use smolvlm_model::parameters::Slot;
use smolvlm_model::text::Labels;
use smolvlm_model::vlm::{Batch, Losses, Words};
use smolvlm_model::{Grads, Vlm};
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
    let losses = vlm.learn(&cpu, &Lesson::of(model, case).batch(), &mut grads, recompute).rows;
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
        losses.push(model.learn(&cpu, &lesson.batch(), &mut grads, true).rows.iter().sum::<f32>());
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

/// Two samples that share the lesson's pictures, with three words; the words alone count.
fn with_words<'a>(lesson: &'a Lesson, owners: &'a [u32], none: &'a [f32]) -> Batch<'a> {
    let batch = lesson.batch();
    let labels = Labels { targets: &[7, 40, 99], weights: &[0.5, 0.25, 0.5], z: 0.0 };
    let words = Some(Words { groups: 2, owners, whose: &[0, 0, 1], labels });
    Batch { labels: Labels { weights: none, ..batch.labels }, words, ..batch }
}

fn moved(cpu: &Cpu, vlm: &mut Vlm, masters: &BTreeMap<String, Tensor>, by: f32, grads: &BTreeMap<String, Vec<f32>>) {
    vlm.parameters(&mut |name, slot| {
        let Some(grad) = grads.get(name) else { return };
        let mut x = numbers(cpu, &masters[name]);
        x.iter_mut().zip(grad).for_each(|(x, g)| *x += by * g);
        let x = cpu.upload(masters[name].shape(), &x);
        match slot {
            Slot::Matrix(weight) | Slot::Table(weight) => cpu.replace(weight, &x),
            Slot::Plain(tensor) => *tensor = x.reshape(tensor.shape()),
        }
    });
}

#[test]
fn words_gradient_is_that_of_finite_differences() {
    let (cpu, lesson) = (Cpu::new(2), Lesson::of("idefics3-256m", "two"));
    let (mut vlm, masters) = load(&cpu, "idefics3-256m", Quant::F32);
    let rows = vlm.config.image_places(lesson.batch().ids).len();
    let owners: Vec<u32> = (0..rows).map(|row| u32::from(row >= rows / 2)).collect();
    let none = vec![0.0; lesson.batch().ids.len()];
    let sum = |losses: &Losses| losses.words.iter().map(|&x| f64::from(x)).sum::<f64>();
    // The decoder's layers have no part in it; the table has, as the head.
    for part in ["model.vision_model.", "model.connector.", "lm_head", "model.text_model.norm"] {
        let names: Vec<String> = masters.keys().filter(|name| name.starts_with(part)).cloned().collect();
        // Without a picture's gradient there is nothing to learn from words.
        let wanted = names.iter().cloned().chain(["model.connector.modality_projection.proj.weight".to_string()]);
        let mut grads = Grads::new(wanted);
        let losses = vlm.learn(&cpu, &with_words(&lesson, &owners, &none), &mut grads, false);
        assert!(losses.rows.iter().all(|&x| x == 0.0) && losses.words.len() == 3 && sum(&losses) > 1.0);
        let grads: BTreeMap<String, Vec<f32>> =
            names.iter().filter_map(|name| Some((name.clone(), numbers(&cpu, grads.get(name)?)))).collect();
        let square: f64 = grads.values().flatten().map(|&g| f64::from(g).powi(2)).sum();
        assert!(!grads.is_empty() && square > 0.0, "{part}");
        // A loss that changes by about a hundredth.
        let by = 5e-3 / square;
        let mut at = |by: f64| {
            moved(&cpu, &mut vlm, &masters, by as f32, &grads);
            let mut none_wanted = Grads::new(["model.connector.modality_projection.proj.weight".to_string()]);
            sum(&vlm.learn(&cpu, &with_words(&lesson, &owners, &none), &mut none_wanted, false))
        };
        let got = (at(by) - at(-by)) / (2.0 * by);
        assert!((got / square - 1.0).abs() < 0.02, "{part}: {got} for {square}");
        at(0.0);
    }
}
