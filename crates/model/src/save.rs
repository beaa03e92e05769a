//! What a forward pass leaves for a backward pass, and where gradients gather.

use smolvlm_backend::{Backend, Epilogue, Tensor};
use std::collections::BTreeMap;

/// What a forward pass keeps. A tensor is kept by sharing it, in the order in which forward met it.
pub enum Save {
    /// Nothing: inference.
    Off,
    /// All that backward reads.
    Keep(Vec<Tensor>),
    /// As `Keep`, but of a layer its input alone; backward runs its forward again.
    Recompute(Vec<Tensor>),
}

impl Save {
    /// Whether anything is kept.
    pub fn keeps(&self) -> bool {
        !matches!(self, Save::Off)
    }

    /// Called with what backward will read.
    pub fn keep(&mut self, x: &Tensor) {
        match self {
            Save::Off => {}
            Save::Keep(kept) | Save::Recompute(kept) => kept.push(x.clone()),
        }
    }

    /// Runs a layer's forward on its input.
    pub(crate) fn layer(&mut self, x: Tensor, forward: impl FnOnce(Tensor, &mut Save) -> Tensor) -> Tensor {
        self.keep(&x);
        match self {
            Save::Recompute(_) => forward(x, &mut Save::Off),
            save => forward(x, save),
        }
    }
}

/// What was kept, taken back from the end.
pub struct Kept {
    tensors: Vec<Tensor>,
    recompute: bool,
}

impl Kept {
    /// What a forward pass has kept.
    ///
    /// # Panics
    /// If it kept nothing.
    pub fn new(save: Save) -> Kept {
        match save {
            Save::Off => unreachable!("backward needs what forward kept"),
            Save::Keep(tensors) => Kept { tensors, recompute: false },
            Save::Recompute(tensors) => Kept { tensors, recompute: true },
        }
    }

    /// The last tensor that is left.
    pub(crate) fn take(&mut self) -> Tensor {
        match self.tensors.pop() {
            Some(tensor) => tensor,
            None => unreachable!("backward takes what forward kept, in reverse"),
        }
    }

    /// A share of the last tensor that is left.
    pub(crate) fn peek(&self) -> Tensor {
        match self.tensors.last() {
            Some(tensor) => tensor.clone(),
            None => unreachable!("backward takes what forward kept, in reverse"),
        }
    }

    /// Runs a layer's backward on what its forward kept, which is made again if it was not.
    pub(crate) fn layer(
        &mut self,
        forward: impl FnOnce(Tensor, &mut Save) -> Tensor,
        backward: impl FnOnce(&mut Kept) -> Tensor,
    ) -> Tensor {
        if self.recompute {
            let mut save = Save::Keep(Vec::new());
            forward(self.take(), &mut save);
            return backward(&mut Kept::new(save));
        }
        let grad = backward(self);
        self.take();
        grad
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

    /// Whether any parameter whose name begins so is trained.
    pub fn wants_any(&self, prefix: &str) -> bool {
        self.table.range(prefix.to_string()..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// Makes a parameter's gradient, if it is trained, of the sum so far: the one point where gradients meet.
    pub fn gather(&mut self, name: &str, gradient: impl FnOnce(Option<Tensor>) -> Tensor) {
        if let Some(sum) = self.table.get_mut(name) {
            *sum = Some(gradient(sum.take()));
        }
    }

    /// Adds to a parameter's gradient.
    pub fn add(&mut self, backend: &dyn Backend, name: &str, grad: Tensor) {
        self.gather(name, |sum| match sum {
            None => grad,
            Some(sum) => backend.activate(sum, Epilogue { residual: Some(&grad), ..Epilogue::default() }),
        });
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
        assert!(grads.wants_any("") && !grads.wants_any("b"));
    }
}
