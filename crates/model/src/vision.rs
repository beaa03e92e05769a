//! `model.vision_model`: the SigLIP tower, tiles to patch features.

use crate::config::VisionConfig;
use crate::level::Levels;
use crate::linear::{Linear, backward_three, forward_three};
use crate::norm::{self, LayerNorm, NormLayer};
use crate::parameters::{Part, Slot, VisitParts};
use crate::{Error, Grads, Kept, Load, Save};
use smolvlm_backend::{
    Act, AttentionForward, Backend, Backward, DType, Epilogue, Heads, KvView, Norm, Quant, Span, Tensor,
};

/// The tower.
pub struct Vision {
    config: VisionConfig,
    patch_embedding: Linear,
    position_name: String,
    /// [patches, hidden]
    position_embedding: Tensor,
    layers: Vec<Layer>,
    post_layernorm: LayerNorm,
}

/// One pre-norm block.
struct Layer {
    layer_norm1: LayerNorm,
    self_attn: Attention,
    layer_norm2: LayerNorm,
    mlp: Mlp,
}

struct Attention {
    heads: Heads,
    /// What its products are made in.
    dtype: DType,
    /// What its last product reads.
    mixed: DType,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
}

struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Vision {
    /// Loads `NAME.*`.
    ///
    /// # Errors
    /// Where a tensor is missing or misshapen.
    pub fn load(load: &mut Load<'_>, name: &str, config: &VisionConfig) -> Result<Vision, Error> {
        let (hidden, patch) = (config.hidden, config.patch_size);
        let patch_embedding =
            load.linear(&format!("{name}.embeddings.patch_embedding"), &[hidden, 3, patch, patch], true)?;
        let position_name = format!("{name}.embeddings.position_embedding.weight");
        let position_embedding = load.tensor(&position_name, &[config.patches(), hidden])?;
        let layers = (0..config.layers)
            .map(|i| Layer::load(load, &format!("{name}.encoder.layers.{i}"), config))
            .collect::<Result<_, _>>()?;
        let post_layernorm =
            load.layer_norm(&Levels::default(), &format!("{name}.post_layernorm"), hidden, config.eps)?;
        Ok(Vision {
            config: config.clone(),
            patch_embedding,
            position_name,
            position_embedding,
            layers,
            post_layernorm,
        })
    }

    /// Tiles u8 [tiles, 3, side, side], their levels looked up in `tables`, to [tiles * patches, hidden].
    pub fn forward(&self, backend: &dyn Backend, pixels: &[u8], tables: &[[f32; 256]; 3], save: &mut Save) -> Tensor {
        let mut x = self.enter(backend, pixels, tables, save);
        let spans = self.spans(x.rows());
        for layer in &self.layers {
            x = save.layer(backend, x, |x, save| layer.forward(backend, x, &spans, save));
        }
        self.leave(backend, &x, save)
    }

    /// The first step of [`Vision::forward`], for whoever has other things to do between its steps: what goes into the layers,
    /// [tiles * patches, hidden].
    pub fn enter(&self, backend: &dyn Backend, pixels: &[u8], tables: &[[f32; 256]; 3], save: &mut Save) -> Tensor {
        let patches = backend.patches(pixels, self.config.image_size, self.config.patch_size, tables);
        // A full tile's patches have the positions 0, 1, 2, …
        self.patch_embedding.forward(backend, &patches, Some(&self.position_embedding), save)
    }

    /// How many layers follow.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// The step of one layer: [tiles * patches, hidden] to the same.
    pub fn layer(&self, backend: &dyn Backend, index: usize, x: Tensor) -> Tensor {
        let spans = self.spans(x.rows());
        match self.layers.get(index) {
            Some(layer) => layer.forward(backend, x, &spans, &mut Save::Off),
            None => x,
        }
    }

    /// The last step: what comes out.
    pub fn leave(&self, backend: &dyn Backend, x: &Tensor, save: &mut Save) -> Tensor {
        norm::forward(backend, self.post_layernorm.norm(), x, save)
    }

    /// The gradients of the parameters, of that of what came out.
    pub fn backward(&self, backend: &dyn Backward, grad: &Tensor, kept: &mut Kept, grads: &mut Grads) {
        let spans = self.spans(grad.rows());
        let mut grad = norm::backward(backend, &self.post_layernorm, grad, None, kept, grads);
        for layer in self.layers.iter().rev() {
            grad = kept.layer(
                backend,
                |x, save| layer.forward(backend, x, &spans, save),
                |kept| layer.backward(backend, grad, &spans, kept, grads),
            );
        }
        let (n, width) = (self.config.patches(), grad.width());
        let name = &self.position_name;
        // [tiles, patches * hidden]: the tiles are summed.
        let by_tile = grad.clone().reshape(&[grad.rows() / n, n * width]);
        grads.gather(name, |before| {
            let before = before.map(|before| before.reshape(&[n * width]));
            backend.column_sums(&by_tile, before).reshape(&[n, width])
        });
        self.patch_embedding.gather(backend, &grad, kept, grads);
    }

    /// Every piece.
    pub fn parts(&mut self, visit: &mut VisitParts<'_>) {
        visit(Part::Linear(&mut self.patch_embedding));
        visit(Part::Table(&self.position_name, Slot::Plain(&mut self.position_embedding)));
        for Layer { layer_norm1, self_attn, layer_norm2, mlp } in &mut self.layers {
            let Attention { q_proj, k_proj, v_proj, out_proj, .. } = self_attn;
            visit(Part::LayerNorm(layer_norm1));
            [q_proj, k_proj, v_proj, out_proj].into_iter().for_each(|linear| visit(Part::Linear(linear)));
            visit(Part::LayerNorm(layer_norm2));
            [&mut mlp.fc1, &mut mlp.fc2].into_iter().for_each(|linear| visit(Part::Linear(linear)));
        }
        visit(Part::LayerNorm(&mut self.post_layernorm));
    }

    /// Every tile's patches see each other.
    fn spans(&self, rows: usize) -> Vec<Span> {
        let n = self.config.patches();
        vec![Span { rows: n, keys: n, causal: false }; rows / n]
    }
}

impl Layer {
    fn load(load: &mut Load<'_>, name: &str, config: &VisionConfig) -> Result<Layer, Error> {
        let (hidden, inner) = (config.hidden, config.intermediate);
        let (at, dtype) = (|part: &str| format!("{name}.{part}"), load.quant.vision.dtype());
        let three = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].map(|part| (at(part), hidden));
        let (first, none) = (load.levels(&three, hidden)?, Levels::default());
        let second = load.levels(&[(at("mlp.fc1"), inner)], hidden)?;
        let values = load.levels(&[(at("self_attn.out_proj"), hidden)], hidden)?;
        let layer_norm1 = load.layer_norm(&first, &at("layer_norm1"), hidden, config.eps)?;
        let layer_norm2 = load.layer_norm(&second, &at("layer_norm2"), hidden, config.eps)?;
        // Products in few bits round what they read in their own way.
        let in_pairs = load.quant.of(&at("self_attn.out_proj.weight")) == Quant::Bf16;
        let mut linear = |columns: &Levels, rows: &Levels, part: &str, shape: [usize; 2]| {
            load.linear_between(columns, rows, &at(part), &shape, true)
        };
        let self_attn = Attention {
            heads: config.attention(),
            dtype,
            mixed: if in_pairs { DType::Bf16 } else { DType::F32 },
            q_proj: linear(&first, &none, "self_attn.q_proj", [hidden, hidden])?,
            k_proj: linear(&first, &none, "self_attn.k_proj", [hidden, hidden])?,
            v_proj: linear(&first, &values, "self_attn.v_proj", [hidden, hidden])?,
            out_proj: linear(&values, &none, "self_attn.out_proj", [hidden, hidden])?,
        };
        let mlp = Mlp {
            fc1: linear(&second, &none, "mlp.fc1", [inner, hidden])?,
            fc2: linear(&none, &none, "mlp.fc2", [hidden, inner])?,
        };
        Ok(Layer { layer_norm1, self_attn, layer_norm2, mlp })
    }

    /// [rows, hidden] to the same.
    fn forward(&self, backend: &dyn Backend, x: Tensor, spans: &[Span], save: &mut Save) -> Tensor {
        let x = self.self_attn.forward(backend, self.layer_norm1.norm(), &x, spans, save);
        self.mlp.forward(backend, self.layer_norm2.norm(), &x, save)
    }

    /// The gradient of what went in.
    fn backward(
        &self,
        backend: &dyn Backward,
        grad: Tensor,
        spans: &[Span],
        kept: &mut Kept,
        grads: &mut Grads,
    ) -> Tensor {
        let grad = self.mlp.backward(backend, &self.layer_norm2, &grad, kept, grads);
        self.self_attn.backward(backend, &self.layer_norm1, &grad, spans, kept, grads)
    }
}

impl Attention {
    /// `x [rows, hidden]` plus attention of its norm.
    fn forward(&self, backend: &dyn Backend, norm: Norm<'_>, x: &Tensor, spans: &[Span], save: &mut Save) -> Tensor {
        let layers = [&self.q_proj, &self.k_proj, &self.v_proj];
        let [q, k, v] = forward_three(backend, norm, layers, x, self.dtype, save);
        let kv = KvView::Fresh { k: &k, v: &v, dtype: self.dtype };
        let of_mixed = if self.out_proj.is_plain(save) { self.mixed } else { DType::F32 };
        let mixed = backend.attention(&q, kv, &self.heads, spans, of_mixed);
        for part in [&q, &k, &v] {
            save.keep_factor(part);
        }
        let out = self.out_proj.forward(backend, &mixed, Some(x), save);
        // More than a factor: the softmax's gradient is a difference that its rounding would show in.
        save.keep_instead(&mixed);
        out
    }

    fn backward(
        &self,
        backend: &dyn Backward,
        norm: &LayerNorm,
        grad: &Tensor,
        spans: &[Span],
        kept: &mut Kept,
        grads: &mut Grads,
    ) -> Tensor {
        let out = kept.peek(backend);
        let of_mixed = self.out_proj.backward(backend, grad, None, kept, grads);
        let [v, k, q] = [(); 3].map(|()| kept.take(backend));
        let forward = AttentionForward { q: &q, k: &k, v: &v, out: &out };
        let of = backend.attention_backward(forward, &of_mixed, &self.heads, spans, self.dtype);
        let layers = [&self.q_proj, &self.k_proj, &self.v_proj];
        backward_three(backend, norm, layers, of, grad, kept, grads)
    }
}

impl Mlp {
    /// `x [rows, hidden]` plus the MLP of its norm.
    fn forward(&self, backend: &dyn Backend, norm: Norm<'_>, x: &Tensor, save: &mut Save) -> Tensor {
        let (fc1, fc2) = (&self.fc1, &self.fc2);
        if fc1.is_plain(save) && fc2.is_plain(save) {
            let up = Epilogue { bias: fc1.bias.as_ref(), act: Act::GeluTanh, residual: None };
            let down = Epilogue { bias: fc2.bias.as_ref(), act: Act::None, residual: Some(x) };
            return backend.mlp(x, norm, (&fc1.weight, up), (&fc2.weight, down));
        }
        let normed = norm::forward(backend, norm, x, save);
        // [rows, intermediate]
        let inner = fc1.forward(backend, &normed, None, save);
        let out = fc2.forward(backend, &gelu(backend, &inner), Some(x), save);
        // Backward makes GELU's again.
        save.keep_instead(&inner);
        out
    }

    fn backward(
        &self,
        backend: &dyn Backward,
        norm: &LayerNorm,
        grad: &Tensor,
        kept: &mut Kept,
        grads: &mut Grads,
    ) -> Tensor {
        let inner = kept.take(backend);
        kept.put(gelu(backend, &inner));
        let of_inner = self.fc2.backward(backend, grad, None, kept, grads);
        let of_sums = backend.gelu_tanh_backward(&inner, &of_inner);
        let of_normed = self.fc1.backward(backend, &of_sums, None, kept, grads);
        norm::backward(backend, norm, &of_normed, Some(grad), kept, grads)
    }
}

/// GELU in its tanh form.
fn gelu(backend: &dyn Backend, x: &Tensor) -> Tensor {
    backend.activate(x.clone(), Epilogue { act: Act::GeluTanh, ..Epilogue::default() })
}
