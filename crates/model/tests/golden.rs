//! The network against the reference's numbers, from its own pixels and tokens: what the program as a whole cannot show.
#![allow(clippy::unwrap_used)]

use smolvlm_backend::{Backend, Cpu, KvKind, KvSequence, Quant, Span, Stored, Tensor, levels, numbers};
use smolvlm_golden::{cases, distance, folder, hashed, hashed_pixels};
use smolvlm_model::text::Step;
use smolvlm_model::{Config, Generated, Load, RawTensor, Role, Save, Vlm};
use std::borrow::Cow;
use std::path::Path;

const RESCALE: f64 = 0.003_921_568_627_450_98;

fn features(backend: &dyn Backend, model: &Vlm, pixels: &[u8]) -> Tensor {
    model.encode(backend, pixels, &[levels(RESCALE, 0.5, 0.5); 3], &mut Save::Off)
}

/// Logits of every position, the prompt taken in pieces of `piece` rows.
fn logits(
    backend: &dyn Backend,
    model: &Vlm,
    ids: &[u32],
    features: Option<&Tensor>,
    kv: KvKind,
    piece: usize,
) -> Vec<f32> {
    let mut x = model.text.embed(backend, ids);
    if let Some(features) = features {
        let image = model.config.sight.as_ref().unwrap().image_token_id;
        let places: Vec<u32> = (0..).zip(ids).filter(|(_, id)| **id == image).map(|(at, _)| at).collect();
        x = backend.scatter_rows(x, &places, features);
    }
    let mut sequence = KvSequence::new(model.text.kv_layout(kv));
    let mut out = Vec::new();
    for first in (0..ids.len()).step_by(piece) {
        let rows = piece.min(ids.len() - first);
        let positions: Vec<u32> = (first as u32..(first + rows) as u32).collect();
        let spans = [Span { rows, keys: first + rows, causal: true }];
        let mut step = Step { sequences: &mut [&mut sequence], spans: &spans, positions: &positions };
        let hidden = model.text.forward(backend, backend.gather_rows(&x, &positions), &mut step, &mut Save::Off);
        out.extend(numbers(backend, &model.text.logits(backend, &hidden, &mut Save::Off)));
    }
    out
}

#[test]
fn bf16_is_no_further_from_f32_than_the_references_own() {
    let cpu = Cpu::new(2);
    for name in ["idefics3-256m", "idefics3-2b", "smolvlm2", "wide", "outliers"] {
        let dir = folder().join(name);
        let model = Vlm::open(&dir, &cpu, Quant::Bf16, &mut |_| {}).unwrap();
        for case in cases(&dir) {
            let features = case.tensors.get("pixels").map(|p| features(&cpu, &model, p.u8()));
            let all = logits(&cpu, &model, &case.input_ids, features.as_ref(), KvKind::Bf16, usize::MAX);
            let want = case.tensors["last_logits"].f32();
            let ours = distance(&all[all.len() - want.len()..], want);
            // Another seed's outliers come without.
            let Some(theirs) = case.tensors.get("bf16_last_logits") else { continue };
            let theirs = distance(theirs.f32(), want);
            assert!(ours < 1.5 * theirs, "{name}/{}: {ours:e}, the reference {theirs:e}", case.name);
        }
    }
}

#[test]
fn same_bits_with_any_threads_and_in_any_pieces() {
    let dir = folder().join("idefics3-256m");
    let case = cases(&dir).into_iter().find(|c| c.name == "turns").unwrap();
    for (quant, kv) in [(Quant::F32, KvKind::F32), (Quant::Bf16, KvKind::Bf16)] {
        let mut first = None;
        for threads in [1, 2, 3, 7] {
            let cpu = Cpu::new(threads);
            let model = Vlm::open(&dir, &cpu, quant, &mut |_| {}).unwrap();
            let features = features(&cpu, &model, case.tensors["pixels"].u8());
            for piece in [usize::MAX, 1, 17, 64] {
                let this =
                    (numbers(&cpu, &features), logits(&cpu, &model, &case.input_ids, Some(&features), kv, piece));
                assert!(first.get_or_insert_with(|| this.clone()) == &this, "{threads} threads, pieces of {piece}");
            }
        }
    }
}

/// A checkpoint that `make_reference.py` made from names, at the published widths.
fn real_width(dir: &Path, quant: Quant, cpu: &Cpu) -> Vlm {
    let make = |name: &str, shape: &[usize]| {
        let bytes = hashed(name, shape).into_iter().flat_map(f32::to_le_bytes).collect();
        RawTensor { bytes: Cow::Owned(bytes), stored: Stored::F32 }
    };
    let config = Config::open(dir).unwrap();
    let mut load = Load {
        backend: cpu,
        source: &mut Generated(make),
        quant: quant.into(),
        level: false,
        role: &|_| Role::Forward,
        rounding: None,
        masters: None,
        progress: &mut |_| {},
    };
    Vlm::load(config, &mut load).unwrap()
}

fn check_real_width(name: &str) {
    let dir = folder().join(name);
    let case = cases(&dir).remove(0);
    let cpu = Cpu::new(2);
    let pixels = hashed_pixels(case.tiles, case.side);
    let (want, want_features) = (case.tensors["last_logits"].f32(), case.tensors["image_features"].f32());
    let theirs = distance(case.tensors["bf16_last_logits"].f32(), want);
    for (quant, kv, bound) in [(Quant::F32, KvKind::F32, 2e-4), (Quant::Bf16, KvKind::Bf16, 1.5 * theirs)] {
        let model = real_width(&dir, quant, &cpu);
        let features = features(&cpu, &model, &pixels);
        let all = logits(&cpu, &model, &case.input_ids, Some(&features), kv, usize::MAX);
        let vocab = model.config.text.vocab;
        let last = &all[all.len() - vocab..][..want.len()];
        let apart = distance(last, want);
        assert!(apart < bound, "{name} {quant:?}: logits differ by {apart:e}, the bound is {bound:e}");
        if quant == Quant::F32 {
            let first_tile = &numbers(&cpu, &features)[..want_features.len()];
            let apart = distance(first_tile, want_features);
            assert!(apart < 2e-4, "{name}: features differ by {apart:e}");
            let largest = want.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            let (argmax, margin) = (case.tensors["argmax"].i64(), case.tensors["margin"].f32());
            for (at, row) in all.chunks(vocab).enumerate().filter(|(at, _)| margin[*at] > 4e-4 * largest) {
                let top = cpu.top(&cpu.upload(&[1, vocab], row), 0);
                assert_eq!(top.index as i64, argmax[at], "{name}: the likeliest token after {at}");
            }
        }
    }
}

#[test]
fn the_published_widths_of_256m() {
    check_real_width("real-256m");
}

#[test]
fn the_published_widths_of_2b() {
    check_real_width("real-2b");
}
