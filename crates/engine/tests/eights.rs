//! Weights in 8 bits: how far answers' numbers are from those in f32.
#![allow(clippy::unwrap_used, clippy::panic)]

use smolvlm_backend::Isa;
use smolvlm_engine::{Capture, DTypeChoice, Engine, EngineOptions, Request, Sampling};
use smolvlm_golden::{folder, repository};
use smolvlm_processor::{DecodeOptions, Message, Picture, PlanOptions};
use std::ops::ControlFlow;

/// What a model makes of a picture and a question: features, and logits.
fn seen(model: &str, dtype: DTypeChoice, isa: Isa) -> (Vec<f32>, Vec<f32>) {
    let options = EngineOptions { threads: 2, isa, dtype, adapters: Vec::new() };
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

#[test]
fn eight_bits_are_near() {
    let of = |model| {
        let (exact, eight) = (seen(model, DTypeChoice::F32, Isa::best()), seen(model, DTypeChoice::Q8, Isa::best()));
        let errors = (error(&exact.0, &eight.0), error(&exact.1, &eight.1));
        println!("{model}: features {:.4}, logits {:.4}", errors.0, errors.1);
        errors
    };
    for model in ["idefics3-256m", "smolvlm2"] {
        let (features, logits) = of(model);
        assert!(features < 0.03 && logits < 0.06, "{model}");
    }
    let (wide, outliers) = (of("wide"), of("outliers"));
    assert!(wide.0 < 0.03 && wide.1 < 0.06);
    // Some of its channels are large, and what they meet in weights small: they are brought level.
    assert!(outliers.0 < 1.2 * wide.0 && outliers.1 < 1.2 * wide.1, "{outliers:?}");
}

#[test]
fn eight_bits_are_the_same_on_every_path() {
    let want = seen("smolvlm2", DTypeChoice::Q8, Isa::Scalar);
    for isa in Isa::available() {
        #[cfg(target_arch = "x86_64")]
        if isa == Isa::Amx {
            continue; // the patches' product is of bfloat16, which AMX sums in its own order
        }
        assert!(seen("smolvlm2", DTypeChoice::Q8, isa) == want, "{isa:?}");
    }
}
