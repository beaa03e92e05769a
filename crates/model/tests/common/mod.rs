//! A golden case as something to learn from.

use smolvlm_backend::{Cpu, Quant, Span, Tensor, levels};
use smolvlm_golden::{Numbers, cases, folder};
use smolvlm_model::text::{Labels, Rows};
use smolvlm_model::vlm::{Batch, Pictures};
use smolvlm_model::{Checkpoint, Config, Load, Role, Vlm};
use std::collections::BTreeMap;

/// One sequence whose every next token that is no picture's is learnt, in the mean.
pub(crate) struct Lesson {
    ids: Vec<u32>,
    targets: Vec<u32>,
    weights: Vec<f32>,
    positions: Vec<u32>,
    spans: [Span; 1],
    pixels: Vec<u8>,
    tables: [[f32; 256]; 3],
}

impl Lesson {
    /// Of a model's case.
    pub(crate) fn of(model: &str, case: &str) -> Lesson {
        let dir = folder().join(model);
        let image = Config::open(&dir).unwrap().sight.unwrap().image_token_id;
        let case = cases(&dir).into_iter().find(|c| c.name == case).unwrap();
        let ids = case.input_ids;
        let mut targets = ids[1..].to_vec();
        targets.push(image);
        let count = targets.iter().filter(|&&id| id != image).count();
        let weights = targets.iter().map(|&id| if id == image { 0.0 } else { 1.0 / count as f32 }).collect();
        let positions = (0..ids.len() as u32).collect();
        let spans = [Span { rows: ids.len(), keys: ids.len(), causal: true }];
        let pixels = case.tensors.get("pixels").map_or(&[][..], Numbers::u8).to_vec();
        Lesson { ids, targets, weights, positions, spans, pixels, tables: [levels(1.0 / 255.0, 0.5, 0.5); 3] }
    }

    /// What a step takes.
    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch {
            ids: &self.ids,
            pictures: Pictures::Tiles { pixels: &self.pixels, tables: &self.tables },
            noise: None,
            rows: Rows { spans: &self.spans, positions: &self.positions },
            labels: Labels { targets: &self.targets, weights: &self.weights, z: 0.0 },
            words: None,
        }
    }
}

/// A golden model, all of it trained, and its parameters in f32.
pub(crate) fn load(cpu: &Cpu, model: &str, quant: Quant) -> (Vlm, BTreeMap<String, Tensor>) {
    let dir = folder().join(model);
    let (config, source) = (Config::open(&dir).unwrap(), &mut Checkpoint::open(&dir).unwrap());
    let mut masters = BTreeMap::new();
    let (backend, role) = (cpu, &|_: &str| Role::Trained);
    let load = &mut Load {
        backend,
        source,
        quant: quant.into(),
        role,
        level: false,
        rounding: None,
        masters: Some(&mut masters),
        progress: &mut |_| {},
    };
    (Vlm::load(config, load).unwrap(), masters)
}

/// What the scripts keep of a gradient: 64 numbers of it.
pub(crate) fn sample(grad: &[f32]) -> Vec<f32> {
    (0..64u64).map(|i| grad[(i * 2_654_435_761 % grad.len() as u64) as usize]).collect()
}

/// That gradients are those which a script keeps ([66]: a sample, the largest, the norm), within a part in 10,000 of the
/// tensor's largest or a millionth of the model's.
pub(crate) fn assert_gradients(what: &str, want: &BTreeMap<String, Vec<f32>>, got: impl Fn(&str) -> Vec<f32>) {
    let largest = want.values().map(|x| x[64]).fold(0.0, f32::max);
    for (name, want) in want {
        let got = got(name);
        let bound = (1e-4 * want[64]).max(1e-6 * largest);
        for (got, want) in sample(&got).iter().zip(want) {
            assert!((got - want).abs() <= bound, "{what} {name}: {got} {want}, bound {bound:e}");
        }
        let norm = got.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let apart = (norm - f64::from(want[65])).abs();
        assert!(apart <= 1e-4 * f64::from(want[65].max(1e-2 * largest)), "{what} {name}: norm {norm}, {}", want[65]);
    }
}

/// That gradients are no further from the exact ones than 1.5 times as far as another's.
pub(crate) fn assert_no_further(
    what: &str,
    exact: &BTreeMap<String, Vec<f32>>,
    theirs: &BTreeMap<String, Vec<f32>>,
    got: impl Fn(&str) -> Vec<f32>,
) {
    // Over all parameters, each by its own size: single numbers are too few to compare two errors.
    let (mut ours, mut own) = (0.0, 0.0);
    let largest = exact.values().map(|x| x[64]).fold(0.0, f32::max);
    for (name, exact) in exact {
        let size = f64::from(exact[64].max(1e-3 * largest));
        let error = |x: &[f32]| -> f64 {
            x.iter().zip(&exact[..64]).map(|(a, b)| ((f64::from(*a) - f64::from(*b)) / size).powi(2)).sum()
        };
        let error_of_ours = error(&sample(&got(name)));
        if exact[64] < 1e-6 * largest {
            // None by symmetry, as of the tower's key biases: what is there is rounding alone, and is bounded as such.
            assert!(error_of_ours.sqrt() < 4.0, "{what} {name}: {} thousandths of the largest", error_of_ours.sqrt());
            continue;
        }
        ours += error_of_ours;
        own += error(&theirs[name][..64]);
    }
    assert!(ours.sqrt() <= 1.5 * own.sqrt(), "{what}: {} and {}", ours.sqrt(), own.sqrt());
}
