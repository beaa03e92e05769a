//! What a forward pass leaves for a backward pass, and where gradients gather.

use smolvlm_backend::{Backend, DType, Epilogue, Tensor};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a forward pass keeps. A tensor is kept by sharing it, in the order in which forward met it.
pub enum Save {
    /// Nothing: inference.
    Off,
    /// All that backward reads.
    Keep(Keeping),
    /// As `Keep`, but of a layer its input alone; backward runs its forward again.
    Recompute(Keeping),
    /// Nothing, but every linear layer's name and input are told: how a network's channels are measured.
    Watch(Watcher),
}

/// Who is told of linear layers' inputs.
pub type Watcher = Arc<dyn Fn(&str, &Tensor) + Send + Sync>;

/// Tensors that a forward pass has kept.
pub struct Keeping {
    tensors: Vec<Tensor>,
    /// Those of the layer that is being run which products alone will read.
    factors: Vec<usize>,
    /// What these are kept in once the layer is done: products round them to it anyway.
    dtype: DType,
}

impl Save {
    /// Nothing kept yet.
    pub fn keeping(recompute: bool, dtype: DType) -> Save {
        let keeping = Keeping { tensors: Vec::new(), factors: Vec::new(), dtype };
        if recompute { Save::Recompute(keeping) } else { Save::Keep(keeping) }
    }

    /// Whether anything is kept, or told.
    pub fn keeps(&self) -> bool {
        !matches!(self, Save::Off)
    }

    /// Called with what backward will read.
    pub fn keep(&mut self, x: &Tensor) {
        match self {
            Save::Off | Save::Watch(_) => {}
            Save::Keep(kept) | Save::Recompute(kept) => kept.tensors.push(x.clone()),
        }
    }

    /// Called with the input of a linear layer, which backward will read in products alone.
    pub(crate) fn keep_input(&mut self, layer: &str, x: &Tensor) {
        match self {
            Save::Watch(watcher) => watcher(layer, x),
            _ => self.keep_factor(x),
        }
    }

    /// Called with what backward will read in products alone.
    pub(crate) fn keep_factor(&mut self, x: &Tensor) {
        if let Save::Keep(kept) = self {
            kept.factors.push(kept.tensors.len());
        }
        self.keep(x);
    }

    /// Keeps `x` in the place of the last: what the last can be made of again.
    pub(crate) fn keep_instead(&mut self, x: &Tensor) {
        if let Save::Keep(kept) | Save::Recompute(kept) = self {
            kept.tensors.pop();
            kept.factors.pop_if(|at| *at == kept.tensors.len());
        }
        self.keep(x);
    }

    /// Runs a layer's forward on its input.
    pub(crate) fn layer(
        &mut self,
        backend: &dyn Backend,
        x: Tensor,
        forward: impl FnOnce(Tensor, &mut Save) -> Tensor,
    ) -> Tensor {
        self.keep(&x);
        match self {
            Save::Off | Save::Recompute(_) => return forward(x, &mut Save::Off),
            Save::Keep(_) | Save::Watch(_) => {}
        }
        let out = forward(x, self);
        if let Save::Keep(kept) = self {
            kept.cast_factors(backend);
        }
        out
    }
}

impl Keeping {
    /// Brings the layer's factors into their type, those that share their numbers together.
    fn cast_factors(&mut self, backend: &dyn Backend) {
        let mut last: Option<(Tensor, Tensor)> = None;
        for at in self.factors.drain(..) {
            let Some(tensor) = self.tensors.get_mut(at) else { continue };
            let (old, new) = match last.take() {
                Some((old, new)) if old.shares(tensor) => (old, new),
                _ => (tensor.clone(), backend.cast(tensor, self.dtype)),
            };
            *tensor = new.clone().reshape(tensor.shape());
            last = Some((old, new));
        }
    }
}

/// What was kept, taken back from the end.
pub struct Kept {
    tensors: Vec<Tensor>,
    dtype: DType,
    recompute: bool,
    /// The last one that was kept in another type, and its f32: the next often shares it.
    wide: Option<(Tensor, Tensor)>,
}

impl Kept {
    /// What a forward pass has kept.
    ///
    /// # Panics
    /// If it kept nothing.
    pub fn new(save: Save) -> Kept {
        let of = |Keeping { tensors, dtype, .. }, recompute| Kept { tensors, dtype, recompute, wide: None };
        match save {
            Save::Off | Save::Watch(_) => unreachable!("backward needs what forward kept"),
            Save::Keep(kept) => of(kept, false),
            Save::Recompute(kept) => of(kept, true),
        }
    }

    /// The last tensor that is left, in f32.
    pub(crate) fn take(&mut self, backend: &dyn Backend) -> Tensor {
        match self.tensors.pop() {
            Some(tensor) => self.widened(backend, tensor),
            None => unreachable!("backward takes what forward kept, in reverse"),
        }
    }

    /// A share of the last tensor that is left, in f32.
    pub(crate) fn peek(&mut self, backend: &dyn Backend) -> Tensor {
        match self.tensors.last().cloned() {
            Some(tensor) => self.widened(backend, tensor),
            None => unreachable!("backward takes what forward kept, in reverse"),
        }
    }

    /// Puts one back to be taken next.
    pub(crate) fn put(&mut self, x: Tensor) {
        self.tensors.push(x);
    }

    fn widened(&mut self, backend: &dyn Backend, x: Tensor) -> Tensor {
        if x.dtype() == DType::F32 {
            return x;
        }
        let wide = match self.wide.take() {
            Some((narrow, wide)) if narrow.shares(&x) => wide,
            _ => backend.cast(&x, DType::F32),
        };
        let out = wide.clone().reshape(x.shape());
        self.wide = Some((x, wide));
        out
    }

    /// Runs a layer's backward on what its forward kept, which is made again if it was not.
    pub(crate) fn layer(
        &mut self,
        backend: &dyn Backend,
        forward: impl FnOnce(Tensor, &mut Save) -> Tensor,
        backward: impl FnOnce(&mut Kept) -> Tensor,
    ) -> Tensor {
        if self.recompute {
            let mut save = Save::keeping(false, self.dtype);
            save.layer(backend, self.take(backend), forward);
            return backward(&mut Kept::new(save));
        }
        let grad = backward(self);
        self.take(backend);
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
