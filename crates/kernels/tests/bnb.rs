//! What bitsandbytes computes (`scripts/make_bnb.py`).

use smolvlm_golden as golden;
use smolvlm_kernels::nf4::Nf4;
use smolvlm_kernels::optimiser::{AdamW, Blocks, adamw8};
use smolvlm_kernels::{Isa, Pool};

#[test]
fn nf4_comes_back_as_from_bitsandbytes() {
    let cases = golden::tensors(&golden::folder().join("bnb.safetensors"));
    for name in ["plain", "outliers"] {
        let matrix = &cases[&format!("nf4/{name}/matrix")];
        let [rows, cols] = *matrix.shape() else { panic!("a matrix") };
        let ours = Nf4::quantise(Isa::best(), &Pool::new(2), rows, cols, |range, out| {
            out.copy_from_slice(&matrix.f32()[range.start * cols..range.end * cols]);
        });
        let mut got = vec![0.0; rows * cols];
        ours.dequantise_rows(Isa::best(), 0..rows, &mut got);
        // The mean of the scales alone is rounded otherwise.
        assert!(golden::distance(&got, cases[&format!("nf4/{name}/dequantised")].f32()) < 1e-6, "{name}");
    }
}

#[test]
fn steps_are_those_of_bitsandbytes() {
    let cases = golden::tensors(&golden::folder().join("bnb.safetensors"));
    let of = |name: &str| &cases[&format!("adamw8/{name}")];
    let mut p = of("parameter").f32().to_vec();
    let (n, blocks) = (p.len(), p.len().div_ceil(256));
    let (mut m, mut v) = ((vec![0; n], vec![0.0; blocks]), (vec![0; n], vec![0.0; blocks]));
    for step in 0..3 {
        let settings = AdamW { lr: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1, step: step + 1 };
        let step = step as usize;
        let gradients = &of("gradients").f32()[step * n..][..n];
        let (mean, square) =
            (Blocks { codes: &mut m.0, absmax: &mut m.1 }, Blocks { codes: &mut v.0, absmax: &mut v.1 });
        adamw8(Isa::best(), &Pool::new(2), settings, &mut p, gradients, 1.0, mean, square);
        assert!(golden::distance(&p, &of("cuda/parameter").f32()[step * n..][..n]) < 1e-6, "step {step}");
        for (name, (codes, absmax)) in [("1", &m), ("2", &v)] {
            let want = &of(&format!("cuda/codes{name}")).u8()[step * n..][..n];
            assert_eq!(codes, want, "step {step}, mean {name}");
            let want = &of(&format!("cuda/absmax{name}")).f32()[step * blocks..][..blocks];
            assert!(golden::distance(absmax, want) < 1e-6, "step {step}, mean {name}");
        }
    }
}
