//! `model.vision_model`: the SigLIP tower, tiles to patch features.

use crate::config::VisionConfig;
use crate::linear::{Linear, forward_three};
use crate::norm::{self, LayerNorm};
use crate::{Error, Load, Save};
use smolvlm_backend::{Act, Backend, DType, Epilogue, Heads, KvView, Norm, Span, Tensor};

/// The tower.
pub struct Vision {
    config: VisionConfig,
    patch_embedding: Linear,
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
        let position_embedding =
            load.tensor(&format!("{name}.embeddings.position_embedding.weight"), &[config.patches(), hidden])?;
        let layers = (0..config.layers)
            .map(|i| Layer::load(load, &format!("{name}.encoder.layers.{i}"), config))
            .collect::<Result<_, _>>()?;
        let post_layernorm = load.layer_norm(&format!("{name}.post_layernorm"), hidden, config.eps)?;
        Ok(Vision { config: config.clone(), patch_embedding, position_embedding, layers, post_layernorm })
    }

    /// Tiles u8 [tiles, 3, side, side], their levels looked up in `tables`, to [tiles * patches, hidden].
    pub fn forward(&self, backend: &dyn Backend, pixels: &[u8], tables: &[[f32; 256]; 3], save: &mut Save) -> Tensor {
        let patches = backend.patches(pixels, self.config.image_size, self.config.patch_size, tables);
        // [tiles * patches, hidden]; a full tile's patches have the positions 0, 1, 2, …
        let mut x = self.patch_embedding.forward(backend, &patches, Act::None, Some(&self.position_embedding), save);
        drop(patches);
        let n = self.config.patches();
        let spans = vec![Span { rows: n, keys: n, causal: false }; x.rows() / n];
        for layer in &self.layers {
            x = layer.forward(backend, x, &spans, save);
        }
        norm::forward(backend, self.post_layernorm.norm(), &x, save)
    }
}

impl Layer {
    fn load(load: &mut Load<'_>, name: &str, config: &VisionConfig) -> Result<Layer, Error> {
        let (hidden, inner) = (config.hidden, config.intermediate);
        let at = |part: &str| format!("{name}.{part}");
        Ok(Layer {
            layer_norm1: load.layer_norm(&at("layer_norm1"), hidden, config.eps)?,
            self_attn: Attention {
                heads: config.attention(),
                dtype: load.quant.dtype(),
                q_proj: load.linear(&at("self_attn.q_proj"), &[hidden, hidden], true)?,
                k_proj: load.linear(&at("self_attn.k_proj"), &[hidden, hidden], true)?,
                v_proj: load.linear(&at("self_attn.v_proj"), &[hidden, hidden], true)?,
                out_proj: load.linear(&at("self_attn.out_proj"), &[hidden, hidden], true)?,
            },
            layer_norm2: load.layer_norm(&at("layer_norm2"), hidden, config.eps)?,
            mlp: Mlp {
                fc1: load.linear(&at("mlp.fc1"), &[inner, hidden], true)?,
                fc2: load.linear(&at("mlp.fc2"), &[hidden, inner], true)?,
            },
        })
    }

    /// [rows, hidden] to the same.
    fn forward(&self, backend: &dyn Backend, x: Tensor, spans: &[Span], save: &mut Save) -> Tensor {
        save.input(&x);
        let x = self.self_attn.forward(backend, self.layer_norm1.norm(), &x, spans, save);
        self.mlp.forward(backend, self.layer_norm2.norm(), &x, save)
    }
}

impl Attention {
    /// `x [rows, hidden]` plus attention of its norm.
    fn forward(&self, backend: &dyn Backend, norm: Norm<'_>, x: &Tensor, spans: &[Span], save: &mut Save) -> Tensor {
        let [q, k, v] = forward_three(backend, norm, [&self.q_proj, &self.k_proj, &self.v_proj], x, save);
        let mixed = backend.attention(&q, KvView::Fresh { k: &k, v: &v, dtype: self.dtype }, &self.heads, spans);
        for part in [&q, &k, &v] {
            save.keep(part);
        }
        self.out_proj.forward(backend, &mixed, Act::None, Some(x), save)
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
        let inner = fc1.forward(backend, &normed, Act::GeluTanh, None, save);
        fc2.forward(backend, &inner, Act::None, Some(x), save)
    }
}
