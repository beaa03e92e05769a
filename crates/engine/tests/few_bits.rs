//! Weights in few bits: how far answers' numbers are from those in f32.
#![allow(clippy::unwrap_used, clippy::panic)]

use smolvlm_backend::Isa;
use smolvlm_engine::{Bits, Capture, DTypeChoice, Engine, EngineOptions, FewBits, Request, Sampling};
use smolvlm_golden::{folder, repository};
use smolvlm_processor::{DecodeOptions, Message, Picture, PlanOptions};
use std::ops::ControlFlow;

/// What a model makes of a picture and a question: features, and logits.
fn seen(model: &str, dtype: DTypeChoice, isa: Isa) -> (Vec<f32>, Vec<f32>) {
    let options = EngineOptions { threads: 2, isa, dtype, narrow_kv: false, adapters: Vec::new() };
    let engine = Engine::open(&folder().join(model), &options, &mut |_, _| {}).unwrap();
    let photo = Picture::open(&repository().join("golden/images/photo.jpg"), &DecodeOptions::default()).unwrap();
    let request = Request {
        messages: vec![Message::user(1, "Describe the image.")],
        plan: PlanOptions::default(),
        sampling: Sampling::default(),
        max_tokens: 4,
        stop: Vec::new(),
        show_special: false,
        grammar: None,
    };
    let mut capture = Capture::default();
    engine.answer(&request, &[photo], Some(&mut capture), &mut |_| ControlFlow::Continue(())).unwrap();
    (capture.image_features, capture.last_logits)
}

/// The root of the mean square of a difference, beside that of what it is a difference to.
fn error(a: &[f32], b: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    assert_eq!(a.len(), b.len());
    let difference: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
    (difference / a.iter().map(|&a| square(a)).sum::<f64>()).sqrt()
}

/// Errors of a picture's features and of logits beside f32.
fn errors(model: &str, bits: FewBits) -> (f64, f64) {
    let exact = seen(model, DTypeChoice::F32, Isa::best());
    let few = seen(model, DTypeChoice::Few(bits), Isa::best());
    let errors = (error(&exact.0, &few.0), error(&exact.1, &few.1));
    println!("{model}, {bits:?}: features {:.4}, logits {:.4}", errors.0, errors.1);
    errors
}

#[test]
fn few_bits_are_near() {
    // Random weights: 4 bits have no structure to hold on to.
    for (bits, features, logits) in [(FewBits::EIGHT, 0.03, 0.06), (FewBits::FOUR, 0.2, 0.5)] {
        for model in ["idefics3-256m", "smolvlm2", "wide"] {
            let errors = errors(model, bits);
            assert!(errors.0 < features && errors.1 < logits, "{model}: {errors:?}");
        }
    }
    // Some of its channels are large, and what they meet in weights small: they are brought level.
    let (wide, outliers) = (errors("wide", FewBits::EIGHT), errors("outliers", FewBits::EIGHT));
    assert!(outliers.0 < 1.2 * wide.0 && outliers.1 < 1.2 * wide.1, "{outliers:?}");
}

#[test]
fn a_part_alone_may_have_few_bits() {
    let only = |vision, text, head| FewBits { vision, text, head };
    let tower = errors("smolvlm2", only(Bits::Four, Bits::All, Bits::All));
    let text = errors("smolvlm2", only(Bits::All, Bits::Four, Bits::All));
    let head = errors("smolvlm2", only(Bits::All, Bits::All, Bits::Four));
    assert!(tower.0 > 0.03 && text.0 < 0.02 && head.0 < 0.02);
    assert!(text.1 > head.1 && head.1 > 0.02);
}

#[test]
fn few_bits_are_the_same_on_every_path() {
    for bits in [FewBits::EIGHT, FewBits::FOUR] {
        let want = seen("smolvlm2", DTypeChoice::Few(bits), Isa::Scalar);
        for isa in Isa::available() {
            #[cfg(target_arch = "x86_64")]
            if isa == Isa::Amx {
                continue; // the patches' product is of bfloat16, which AMX sums in its own order
            }
            assert!(seen("smolvlm2", DTypeChoice::Few(bits), isa) == want, "{isa:?}");
        }
    }
}

#[test]
fn keys_and_values_in_8_bits_are_near() {
    let open = |narrow_kv| {
        let dtype = DTypeChoice::Bf16;
        let options = EngineOptions { threads: 2, isa: Isa::best(), dtype, narrow_kv, adapters: Vec::new() };
        Engine::open(&folder().join("wide"), &options, &mut |_, _| {}).unwrap()
    };
    let (plain, narrow) = (open(false), open(true));
    let ids: Vec<u32> = (0..400).map(|i| 20 + i * 7919 % 300).collect();
    let near = plain.compare(&narrow, &ids, 200, &mut |_, _| {}).unwrap();
    assert!(near.divergence() > 0.0 && near.divergence() < 2e-3, "{}", near.divergence());
}
