//! What a forward pass leaves for a backward pass, and where gradients gather.

use smolvlm_backend::{Backend, Epilogue, Tensor};
use std::collections::BTreeMap;

/// What a layer's forward keeps. A tensor is kept by sharing it, in the order in which forward met it.
pub enum Save {
    /// Nothing: inference.
    Off,
    /// All that backward reads.
    Keep(Vec<Tensor>),
    /// A layer's input alone; backward runs its forward again.
    Recompute(Vec<Tensor>),
}

impl Save {
    /// Whether everything is kept.
    pub fn keeps(&self) -> bool {
        matches!(self, Save::Keep(_))
    }

    /// Called with what happens inside a layer.
    pub fn keep(&mut self, x: &Tensor) {
        if let Save::Keep(kept) = self {
            kept.push(x.clone());
        }
    }

    /// Called with a whole layer's input.
    pub fn input(&mut self, x: &Tensor) {
        match self {
            Save::Off => {}
            Save::Keep(kept) | Save::Recompute(kept) => kept.push(x.clone()),
        }
    }
}

/// Gradients by parameter. What is not in the table is frozen.
#[derive(Default)]
pub struct Grads {
    table: BTreeMap<String, Option<Tensor>>,
}

impl Grads {
    /// A table of these parameters, without gradients yet.
    pub fn new(trained: impl IntoIterator<Item = String>) -> Grads {
        Grads { table: trained.into_iter().map(|name| (name, None)).collect() }
    }

    /// Whether a parameter is trained, so that its gradient is worth computing.
    pub fn wants(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Adds to a parameter's gradient: the one point where gradients meet.
    pub fn add(&mut self, backend: &dyn Backend, name: &str, grad: Tensor) {
        if let Some(sum) = self.table.get_mut(name) {
            *sum = Some(match sum.take() {
                None => grad,
                Some(sum) => backend.activate(sum, Epilogue { residual: Some(&grad), ..Epilogue::default() }),
            });
        }
    }

    /// A parameter's gradient, where there is one.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.table.get(name)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_backend::Cpu;

    #[test]
    fn gradients_gather_for_what_is_trained() {
        let cpu = Cpu::new(1);
        let mut grads = Grads::new(["a".to_string()]);
        for _ in 0..3 {
            grads.add(&cpu, "a", cpu.upload(&[1, 2], &[1.0, -2.0]));
            grads.add(&cpu, "b", cpu.upload(&[1, 2], &[1.0, -2.0]));
        }
        let mut sum = [0.0; 2];
        cpu.download(grads.get("a").unwrap(), &mut sum);
        assert_eq!(sum, [3.0, -6.0]);
        assert!(grads.wants("a") && !grads.wants("b") && grads.get("b").is_none());
    }
}
