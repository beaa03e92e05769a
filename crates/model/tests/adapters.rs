//! Adapters that `peft` wrote, against what it computes with them (`scripts/make_adapters.py`).
#![allow(clippy::unwrap_used)]

mod common;

use common::{Lesson, assert_gradients, assert_no_further, load};
use smolvlm_backend::{Cpu, Quant, numbers};
use smolvlm_golden::{folder, tensors};
use smolvlm_model::parameters::Part;
use smolvlm_model::peft::{self, AdapterConfig, PREFIX, Targets};
use smolvlm_model::{Attach, Checkpoint, Config, Grads, Init, Vlm, fresh};
use std::collections::BTreeMap;
use std::path::PathBuf;

const MODEL: &str = "idefics3-256m";
const ADAPTERS: [&str; 4] = ["lora", "rslora", "dora", "alllinear"];

fn dir(adapter: &str) -> PathBuf {
    folder().join("adapters").join(adapter)
}

fn attach(cpu: &Cpu, vlm: &mut Vlm, adapter: &str, quant: Quant) -> Vec<String> {
    let (config, source) = (AdapterConfig::open(&dir(adapter)).unwrap(), &mut peft::weights(&dir(adapter)).unwrap());
    let mut masters = BTreeMap::new();
    let attach = &mut Attach { backend: cpu, source, fresh: false, quant, factor: 1.0, masters: Some(&mut masters) };
    vlm.attach(&config, attach).unwrap();
    masters.into_keys().collect()
}

/// The numbers kept under a prefix, by the parameters' names here.
fn kept(adapter: &str, prefix: &str) -> BTreeMap<String, Vec<f32>> {
    let all = tensors(&dir(adapter).join("expected.safetensors"));
    let of = |name: &str| name.strip_prefix(prefix).map(|n| n.strip_prefix(PREFIX).unwrap_or(n).to_string());
    all.iter().filter_map(|(name, x)| Some((of(name)?, x.f32().to_vec()))).collect()
}

#[test]
fn losses_and_gradients_are_pefts() {
    let lesson = Lesson::of(MODEL, "two");
    for adapter in ADAPTERS {
        let cpu = Cpu::new(2);
        let (mut vlm, _) = load(&cpu, MODEL, Quant::F32);
        let names = attach(&cpu, &mut vlm, adapter, Quant::F32);
        let want = kept(adapter, "grad/");
        assert_eq!(names, want.keys().cloned().collect::<Vec<_>>(), "{adapter}");
        let mut grads = Grads::new(names);
        let loss = vlm.learn(&cpu, &lesson.batch(), &mut grads, false).rows.iter().sum::<f32>();
        let exact = kept(adapter, "loss")[""][0];
        assert!((loss - exact).abs() < 1e-5, "{adapter}: {loss} {exact}");
        assert_gradients(adapter, &want, |name| numbers(&cpu, grads.get(name).unwrap()));
    }
}

#[test]
fn bf16_gradients_are_no_further_than_pefts_own() {
    let lesson = Lesson::of(MODEL, "two");
    for adapter in ADAPTERS {
        let cpu = Cpu::new(2);
        let (mut vlm, _) = load(&cpu, MODEL, Quant::Bf16);
        let mut grads = Grads::new(attach(&cpu, &mut vlm, adapter, Quant::Bf16));
        vlm.learn(&cpu, &lesson.batch(), &mut grads, false);
        let (exact, theirs) = (kept(adapter, "grad/"), kept(adapter, "bf16/grad/"));
        assert_no_further(adapter, &exact, &theirs, |name| numbers(&cpu, grads.get(name).unwrap()));
    }
}

/// With dropout PyTorch's random numbers are its own, so the gradient is held to differences of the loss instead.
#[test]
fn gradients_with_dropout_are_those_of_the_loss() {
    let lesson = Lesson::of(MODEL, "two");
    for adapter in ["lora", "dora"] {
        let cpu = Cpu::new(2);
        let config = AdapterConfig::open(&dir(adapter)).unwrap();
        let tensors = tensors(&dir(adapter).join(peft::WEIGHTS));
        let loss = |changed: &str, place: usize, by: f32, grads: &mut Grads, key: u64| {
            let (mut vlm, _) = load(&cpu, MODEL, Quant::F32);
            let source = &mut smolvlm_model::Generated(|name: &str, _: &[usize]| {
                let mut values = tensors[name].f32().to_vec();
                if name.strip_prefix(PREFIX) == Some(changed) {
                    values[place] += by;
                }
                let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
                smolvlm_model::RawTensor { bytes: bytes.into(), stored: smolvlm_backend::Stored::F32 }
            });
            let quant = Quant::F32;
            let attach = &mut Attach {
                backend: &cpu,
                source,
                fresh: false,
                quant,
                factor: 1.0,
                masters: Some(&mut BTreeMap::new()),
            };
            vlm.attach(&config, attach).unwrap();
            vlm.set_dropout(Some((0.3, key)));
            vlm.learn(&cpu, &lesson.batch(), grads, true).rows.iter().map(|&x| f64::from(x)).sum::<f64>()
        };
        let names: Vec<String> = kept(adapter, "grad/").into_keys().collect();
        let mut grads = Grads::new(names.clone());
        let plain = loss("", 0, 0.0, &mut grads, 7);
        assert_ne!(plain, loss("", 0, 0.0, &mut Grads::default(), 8), "another key drops others");
        let largest = |part: &str| {
            let of = names.iter().filter(|n| n.ends_with(part));
            let grad = of.map(|name| (name, numbers(&cpu, grads.get(name).unwrap())));
            let top = grad.map(|(name, g)| {
                let place = (0..g.len()).max_by(|&a, &b| g[a].abs().total_cmp(&g[b].abs())).unwrap();
                (name.clone(), place, g[place])
            });
            top.max_by(|a, b| a.2.abs().total_cmp(&b.2.abs()))
        };
        // DoRA's lengths count as constants in its gradients of A and B, so these are not the loss's.
        let parts: &[&str] =
            if adapter == "dora" { &["magnitude_vector"] } else { &["lora_A.weight", "lora_B.weight"] };
        for (name, place, grad) in parts.iter().filter_map(|part| largest(part)) {
            let step = 1e-2;
            let up = loss(&name, place, step, &mut Grads::default(), 7);
            let down = loss(&name, place, -step, &mut Grads::default(), 7);
            let slope = (up - down) / f64::from(2.0 * step);
            assert!((slope - f64::from(grad)).abs() < 2e-2 * slope.abs(), "{adapter} {name}: {slope} {grad}");
        }
    }
}

#[test]
fn a_fresh_adapter_changes_nothing() {
    let lesson = Lesson::of(MODEL, "two");
    let cpu = Cpu::new(2);
    let (mut vlm, _) = load(&cpu, MODEL, Quant::F32);
    let none = vlm.learn(&cpu, &lesson.batch(), &mut Grads::default(), false).rows;
    let source = &mut fresh(Init::Gaussian, 1);
    let config = AdapterConfig { use_dora: true, ..AdapterConfig::default() };
    let attach = &mut Attach { backend: &cpu, source, fresh: true, quant: Quant::F32, factor: 1.0, masters: None };
    let layers = vlm.attach(&config, attach).unwrap();
    assert_eq!(layers, vlm.linears().iter().filter(|name| *name != "lm_head").count());
    let with = vlm.learn(&cpu, &lesson.batch(), &mut Grads::default(), false).rows;
    assert!(none.iter().zip(&with).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn doras_lengths_begin_as_those_of_the_rows_as_they_are_kept() {
    for quant in [Quant::F32, Quant::Bf16, Quant::Nf4] {
        let cpu = Cpu::new(2);
        let (mut vlm, _) = load(&cpu, MODEL, quant);
        let config = AdapterConfig { use_dora: true, ..AdapterConfig::default() };
        let (source, own) = (&mut fresh(Init::Uniform, 1), Quant::of(quant.dtype()));
        let attach = &mut Attach { backend: &cpu, source, fresh: true, quant: own, factor: 1.0, masters: None };
        vlm.attach(&config, attach).unwrap();
        vlm.parts(&mut |part| {
            let Part::Linear(linear) = part else { return };
            for dora in linear.adapters.iter().filter_map(|adapter| adapter.dora.as_ref()) {
                assert!(numbers(&cpu, &dora.ratio).iter().all(|x| (x - 1.0).abs() < 1e-6), "{quant:?} {}", linear.name);
            }
        });
    }
}

#[test]
fn an_adapter_for_another_base_is_refused() {
    let cpu = Cpu::new(1);
    let (mut vlm, _) = load(&cpu, "wide", Quant::F32);
    let config = AdapterConfig::open(&dir("lora")).unwrap();
    let source = &mut peft::weights(&dir("lora")).unwrap();
    let error = vlm.attach(
        &config,
        &mut Attach { backend: &cpu, source, fresh: false, quant: Quant::F32, factor: 1.0, masters: None },
    );
    assert!(error.unwrap_err().to_string().contains("shape"));
    let mut extra: Checkpoint = peft::weights(&dir("alllinear")).unwrap();
    let (mut vlm, _) = load(&cpu, MODEL, Quant::F32);
    let attach =
        &mut Attach { backend: &cpu, source: &mut extra, fresh: false, quant: Quant::F32, factor: 1.0, masters: None };
    assert!(vlm.attach(&config, attach).is_err());
}

/// The fine-tuning notebook's targets on SmolVLM-2.2B: 10,536,960 numbers. They match the tower's queries, keys and values, and
/// not its other layers.
#[test]
fn the_notebooks_adapter_has_as_many_parameters_as_it_prints() {
    let config = Config::published("smolvlm-2b").unwrap();
    let (text, vision) = (&config.text, &config.sight.as_ref().unwrap().tower);
    let (q, kv) = (text.heads * text.head_dim, text.kv_heads * text.head_dim);
    let (h, inner, tower) = (text.hidden, text.intermediate, vision.hidden);
    let mut shapes = BTreeMap::new();
    for i in 0..text.layers {
        let of = [("self_attn.q_proj", h + q), ("self_attn.k_proj", h + kv), ("self_attn.v_proj", h + kv)];
        let more = [("self_attn.o_proj", q + h), ("mlp.gate_proj", h + inner), ("mlp.up_proj", h + inner)];
        for (name, sides) in of.into_iter().chain(more).chain([("mlp.down_proj", inner + h)]) {
            shapes.insert(format!("model.text_model.layers.{i}.{name}"), sides);
        }
    }
    for i in 0..vision.layers {
        for name in ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1"] {
            shapes.insert(format!("model.vision_model.encoder.layers.{i}.{name}"), 2 * tower);
        }
    }
    let names = ["down_proj", "o_proj", "k_proj", "q_proj", "gate_proj", "up_proj", "v_proj"];
    let targets = Targets::Names(names.map(String::from).into());
    let adapter = AdapterConfig { target_modules: targets, ..AdapterConfig::default() };
    let places = adapter.places(shapes.keys().map(String::as_str)).unwrap().modules;
    assert_eq!(places.iter().map(|(name, rank, _)| rank * shapes[name]).sum::<usize>(), 10_536_960);
}
