//! `model.text_model` and `lm_head`: the Llama decoder.

use crate::config::TextConfig;
use crate::linear::{Linear, forward_three};
use crate::norm::{self, RmsNorm};
use crate::{Error, Load, Save};
use smolvlm_backend::{
    Act, Angles, Backend, DType, Epilogue, Heads, KvLayout, KvSequence, KvView, Norm, Span, Tensor, Use, Weight,
    frequencies,
};

/// The decoder.
pub struct Text {
    config: TextConfig,
    frequencies: Vec<f32>,
    /// [vocabulary, hidden]
    embed_tokens: Weight,
    layers: Vec<Layer>,
    norm: RmsNorm,
    lm_head: Linear,
}

/// One pre-norm block.
struct Layer {
    input_layernorm: RmsNorm,
    self_attn: Attention,
    post_attention_layernorm: RmsNorm,
    mlp: Mlp,
}

struct Attention {
    heads: Heads,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
}

struct Mlp {
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

/// New rows of some sequences, side by side: what one pass of the decoder takes.
pub struct Step<'a, 'b> {
    /// The sequences' caches. Their lengths are the positions before the new rows.
    pub sequences: &'a mut [&'b mut KvSequence],
    /// How many rows are new, and how many positions there are with them.
    pub spans: &'a [Span],
    /// Each row's position.
    pub positions: &'a [u32],
}

impl Text {
    /// Loads `NAME.*` and, where the head is not tied to the embedding, `lm_head.weight`.
    ///
    /// # Errors
    /// Where a tensor is missing or misshapen.
    pub fn load(load: &mut Load<'_>, name: &str, config: &TextConfig, tied: bool) -> Result<Text, Error> {
        let (hidden, vocab) = (config.hidden, config.vocab);
        let purpose = if tied { Use::Forward } else { Use::Lookup };
        let embed_tokens = load.weight(&format!("{name}.embed_tokens.weight"), &[vocab, hidden], purpose)?;
        let layers = (0..config.layers)
            .map(|i| Layer::load(load, &format!("{name}.layers.{i}"), config))
            .collect::<Result<_, _>>()?;
        let norm = load.rms_norm(&format!("{name}.norm"), hidden, config.eps)?;
        let lm_head = if tied {
            // The reference ties whatever a file may hold besides.
            load.source.ignore("lm_head.weight");
            Linear { name: "lm_head".into(), weight: embed_tokens.clone(), bias: None, adapters: Vec::new() }
        } else {
            load.linear("lm_head", &[vocab, hidden], false)?
        };
        let frequencies = frequencies(config.rope_theta, config.head_dim);
        Ok(Text { config: config.clone(), frequencies, embed_tokens, layers, norm, lm_head })
    }

    /// What a sequence's cache holds when keys and values are kept in `dtype`.
    pub fn kv_layout(&self, dtype: DType) -> KvLayout {
        KvLayout { layers: self.layers.len(), heads: self.config.attention(), dtype }
    }

    /// Bytes that one decoded token reads of the weights: the layers and the head, not the embedding table.
    pub fn step_bytes(&self) -> usize {
        let linears = self.layers.iter().flat_map(Layer::linears).chain([&self.lm_head]);
        linears.map(|linear| linear.weight.bytes()).sum()
    }

    /// Embeddings of tokens: [ids, hidden].
    pub fn embed(&self, backend: &dyn Backend, ids: &[u32]) -> Tensor {
        backend.embed(&self.embed_tokens, ids)
    }

    /// Runs new rows `x` [rows, hidden] through the layers, and appends their keys and values to the caches.
    pub fn forward(&self, backend: &dyn Backend, x: Tensor, step: &mut Step<'_, '_>, save: &mut Save) -> Tensor {
        let angles = backend.angles(&self.frequencies, step.positions);
        for (sequence, span) in step.sequences.iter_mut().zip(step.spans) {
            sequence.reserve(backend, span.rows);
        }
        let mut x = x;
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(backend, x, index, &angles, step, save);
        }
        for (sequence, span) in step.sequences.iter_mut().zip(step.spans) {
            sequence.advance(span.rows);
        }
        x
    }

    /// Logits of rows that have passed the layers: [rows, vocabulary].
    pub fn logits(&self, backend: &dyn Backend, x: &Tensor, save: &mut Save) -> Tensor {
        let normed = norm::forward(backend, self.norm.norm(), x, save);
        self.lm_head.forward(backend, &normed, Act::None, None, save)
    }
}

impl Layer {
    fn load(load: &mut Load<'_>, name: &str, config: &TextConfig) -> Result<Layer, Error> {
        let (hidden, inner) = (config.hidden, config.intermediate);
        let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        let at = |part: &str| format!("{name}.{part}");
        Ok(Layer {
            input_layernorm: load.rms_norm(&at("input_layernorm"), hidden, config.eps)?,
            self_attn: Attention {
                heads: config.attention(),
                q_proj: load.linear(&at("self_attn.q_proj"), &[q, hidden], false)?,
                k_proj: load.linear(&at("self_attn.k_proj"), &[kv, hidden], false)?,
                v_proj: load.linear(&at("self_attn.v_proj"), &[kv, hidden], false)?,
                o_proj: load.linear(&at("self_attn.o_proj"), &[hidden, q], false)?,
            },
            post_attention_layernorm: load.rms_norm(&at("post_attention_layernorm"), hidden, config.eps)?,
            mlp: Mlp {
                gate_proj: load.linear(&at("mlp.gate_proj"), &[inner, hidden], false)?,
                up_proj: load.linear(&at("mlp.up_proj"), &[inner, hidden], false)?,
                down_proj: load.linear(&at("mlp.down_proj"), &[hidden, inner], false)?,
            },
        })
    }

    fn linears(&self) -> impl Iterator<Item = &Linear> {
        let (attention, mlp) = (&self.self_attn, &self.mlp);
        let attention = [&attention.q_proj, &attention.k_proj, &attention.v_proj, &attention.o_proj];
        attention.into_iter().chain([&mlp.gate_proj, &mlp.up_proj, &mlp.down_proj])
    }

    /// [rows, hidden] to the same.
    fn forward(
        &self,
        backend: &dyn Backend,
        x: Tensor,
        index: usize,
        angles: &Angles,
        step: &mut Step<'_, '_>,
        save: &mut Save,
    ) -> Tensor {
        save.input(&x);
        let x = self.self_attn.forward(backend, self.input_layernorm.norm(), &x, index, angles, step, save);
        self.mlp.forward(backend, self.post_attention_layernorm.norm(), &x, save)
    }
}

impl Attention {
    /// `x [rows, hidden]` plus attention of its norm; the keys and values of layer `index` grow by the rows'.
    fn forward(
        &self,
        backend: &dyn Backend,
        norm: Norm<'_>,
        x: &Tensor,
        index: usize,
        angles: &Angles,
        step: &mut Step<'_, '_>,
        save: &mut Save,
    ) -> Tensor {
        let dim = self.heads.dim;
        // [rows, heads * dim] and [rows, kv_heads * dim]
        let [q, k, v] = forward_three(backend, norm, [&self.q_proj, &self.k_proj, &self.v_proj], x, save);
        let (q, k) = (backend.rope(q, dim, angles), backend.rope(k, dim, angles));
        backend.kv_append(step.sequences, index, step.spans, &k, &v);
        let kv = KvView::Cached { sequences: step.sequences, layer: index };
        let mixed = backend.attention(&q, kv, &self.heads, step.spans);
        for part in [&q, &k, &v] {
            save.keep(part);
        }
        self.o_proj.forward(backend, &mixed, Act::None, Some(x), save)
    }
}

impl Mlp {
    /// `x [rows, hidden]` plus the MLP of its norm.
    fn forward(&self, backend: &dyn Backend, norm: Norm<'_>, x: &Tensor, save: &mut Save) -> Tensor {
        let Mlp { gate_proj, up_proj, down_proj } = self;
        if [gate_proj, up_proj, down_proj].into_iter().all(|layer| layer.is_plain(save)) {
            let up = Epilogue { bias: up_proj.bias.as_ref(), act: Act::SwiGlu(&gate_proj.weight), residual: None };
            let down = Epilogue { bias: down_proj.bias.as_ref(), act: Act::None, residual: Some(x) };
            return backend.mlp(x, norm, (&up_proj.weight, up), (&down_proj.weight, down));
        }
        let normed = norm::forward(backend, norm, x, save);
        // [rows, intermediate]
        let gate = gate_proj.forward(backend, &normed, Act::None, None, save);
        let inner = up_proj.forward(backend, &normed, Act::SiluMul(&gate), None, save);
        down_proj.forward(backend, &inner, Act::None, Some(x), save)
    }
}
