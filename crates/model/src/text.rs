//! `model.text_model` and `lm_head`: the Llama decoder.

use crate::config::TextConfig;
use crate::level::Levels;
use crate::linear::{Linear, backward_three, forward_three};
use crate::norm::{self, NormLayer, RmsNorm};
use crate::parameters::{Part, Slot, VisitParts};
use crate::{Error, Grads, Kept, Load, Save};
use smolvlm_backend::{
    Act, Angles, AttentionForward, Backend, Backward, DType, Epilogue, Heads, KvKind, KvLayout, KvSequence, KvView,
    Norm, Span, Tensor, Weight,
};

/// The decoder.
pub struct Text {
    config: TextConfig,
    frequencies: Vec<f32>,
    pub(crate) embed_name: String,
    /// [vocabulary, hidden]
    embed_tokens: Weight,
    layers: Vec<Layer>,
    norm: RmsNorm,
    lm_head: Linear,
    /// Whether the head is the table.
    tied: bool,
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
    /// What products of whole sequences are made in.
    dtype: DType,
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
    /// The sequences' caches. Their lengths are the positions before the new rows. None in training: the rows are whole
    /// sequences, and see each other.
    pub sequences: &'a mut [&'b mut KvSequence],
    /// How many rows are new, and how many positions there are with them.
    pub spans: &'a [Span],
    /// Each row's position.
    pub positions: &'a [u32],
}

impl Text {
    /// Loads `NAME.*` and the head: the embedding, `lm_head`, or `linear` where it makes `vectors` of such a width.
    ///
    /// # Errors
    /// Where a tensor is missing or misshapen.
    pub fn load(
        load: &mut Load<'_>,
        name: &str,
        config: &TextConfig,
        tied: bool,
        vectors: Option<usize>,
    ) -> Result<Text, Error> {
        let (hidden, vocab) = (config.hidden, config.vocab);
        let embed_name = format!("{name}.embed_tokens.weight");
        let embed_tokens = load.weight(&embed_name, &[vocab, hidden], !tied)?;
        let layers = (0..config.layers)
            .map(|i| Layer::load(load, &format!("{name}.layers.{i}"), config))
            .collect::<Result<_, _>>()?;
        // A head that is the table is read by tokens, too.
        let readers = if tied || vectors.is_some() { None } else { Some([("lm_head".to_owned(), vocab)]) };
        let last = readers.map_or_else(|| Ok(Levels::default()), |readers| load.levels(&readers, hidden))?;
        let norm = load.rms_norm(&last, &format!("{name}.norm"), hidden, config.eps)?;
        let lm_head = if tied {
            // The reference ties whatever a file may hold besides.
            load.source.ignore("lm_head.weight");
            // Its gradient is the table's.
            let name = format!("{name}.embed_tokens");
            Linear { name, weight: embed_tokens.clone(), bias: None, adapters: Vec::new() }
        } else if let Some(width) = vectors {
            load.linear("linear", &[width, hidden], true)?
        } else {
            load.linear_between(&last, &Levels::default(), "lm_head", &[vocab, hidden], false)?
        };
        let frequencies = config.frequencies();
        Ok(Text { config: config.clone(), frequencies, embed_name, embed_tokens, layers, norm, lm_head, tied })
    }

    /// What a sequence's cache holds when keys and values are kept in `dtype`.
    pub fn kv_layout(&self, kind: KvKind) -> KvLayout {
        KvLayout { layers: self.layers.len(), heads: self.config.attention(), kind }
    }

    /// Bytes that one decoded token reads of the weights: the layers and the head, not the embedding table.
    pub fn step_bytes(&self) -> usize {
        let linears = self.layers.iter().flat_map(Layer::linears).chain([&self.lm_head]);
        linears.map(|linear| linear.weight.bytes()).sum()
    }

    /// What products of whole sequences are made in.
    pub(crate) fn dtype(&self) -> DType {
        self.layers.first().map_or(DType::F32, |layer| layer.self_attn.dtype)
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
            x = save.layer(backend, x, |x, save| layer.forward(backend, x, index, &angles, step, save));
        }
        for (sequence, span) in step.sequences.iter_mut().zip(step.spans) {
            sequence.advance(span.rows);
        }
        x
    }

    /// Logits of rows that have passed the layers: [rows, vocabulary].
    pub fn logits(&self, backend: &dyn Backend, x: &Tensor, save: &mut Save) -> Tensor {
        let normed = norm::forward(backend, self.norm.norm(), x, save);
        self.lm_head.forward(backend, &normed, None, save)
    }
}

/// Whole sequences side by side, as training takes them.
pub struct Rows<'a> {
    /// Each sequence's rows.
    pub spans: &'a [Span],
    /// Each row's position.
    pub positions: &'a [u32],
}

impl Text {
    /// Runs whole sequences `x` [rows, hidden] through the layers.
    pub fn forward_rows(&self, backend: &dyn Backend, x: Tensor, rows: &Rows<'_>, save: &mut Save) -> Tensor {
        let Rows { spans, positions } = *rows;
        self.forward(backend, x, &mut Step { sequences: &mut [], spans, positions }, save)
    }

    /// The gradient of what [`Text::forward_rows`] took, of that of what came out; `None` where neither the layers so far
    /// down nor, as `below` says, what they took is trained.
    pub fn backward(
        &self,
        backend: &dyn Backward,
        grad: Tensor,
        rows: &Rows<'_>,
        below: bool,
        kept: &mut Kept,
        grads: &mut Grads,
    ) -> Option<Tensor> {
        let angles = backend.angles(&self.frequencies, rows.positions);
        let mut grad = grad;
        let trained = |layer: &Layer| grads.wants_any(&format!("{}.", layer.name()));
        let lowest = self.layers.iter().position(trained).unwrap_or(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate().rev() {
            if index < lowest && !below {
                return None;
            }
            let mut step = Step { sequences: &mut [], spans: rows.spans, positions: rows.positions };
            grad = kept.layer(
                backend,
                |x, save| layer.forward(backend, x, index, &angles, &mut step, save),
                |kept| layer.backward(backend, &grad, &angles, rows.spans, kept, grads),
            );
        }
        Some(grad)
    }

    /// The losses of rows that have passed the layers, and the gradient of those rows. A few rows' logits are made at a
    /// time, and of rows that count alone, so that those of a long batch never lie in memory together.
    pub fn loss(
        &self,
        backend: &dyn Backward,
        x: &Tensor,
        labels: &Labels<'_>,
        grads: &mut Grads,
    ) -> (Vec<f32>, Tensor) {
        let mut losses = vec![0.0; x.rows()];
        let mut of_x = backend.upload(x.shape(), &vec![0.0; x.len()]);
        for rows in labels.counted().chunks(LOSS_ROWS) {
            let mut save = Save::keeping(false, DType::F32);
            let logits = self.logits(backend, &backend.gather_rows(x, rows), &mut save);
            let (targets, weights) = labels.of(rows);
            let (more, grad) = backend.cross_entropy(logits, &targets, &weights, labels.z);
            rows.iter().zip(more).for_each(|(&row, loss)| losses[row as usize] = loss);
            let mut kept = Kept::new(save);
            let of_normed = self.lm_head.backward(backend, &grad, None, &mut kept, grads);
            let grad = norm::backward(backend, &self.norm, &of_normed, None, &mut kept, grads);
            of_x = backend.scatter_rows(of_x, rows, &grad);
        }
        (losses, of_x)
    }

    /// Every piece; a tied head is the table's.
    pub fn parts(&mut self, visit: &mut VisitParts<'_>) {
        if self.tied {
            // Alone, so that it can be packed anew in its place.
            self.lm_head.weight = Weight::none();
        }
        let table = &mut self.embed_tokens;
        let table = if self.tied { Slot::Matrix(table) } else { Slot::Table(table) };
        visit(Part::Table(&self.embed_name, table));
        for Layer { input_layernorm, self_attn, post_attention_layernorm, mlp } in &mut self.layers {
            let Attention { q_proj, k_proj, v_proj, o_proj, .. } = self_attn;
            let Mlp { gate_proj, up_proj, down_proj } = mlp;
            visit(Part::RmsNorm(input_layernorm));
            [q_proj, k_proj, v_proj, o_proj].into_iter().for_each(|linear| visit(Part::Linear(linear)));
            visit(Part::RmsNorm(post_attention_layernorm));
            [gate_proj, up_proj, down_proj].into_iter().for_each(|linear| visit(Part::Linear(linear)));
        }
        visit(Part::RmsNorm(&mut self.norm));
        if self.tied {
            self.lm_head.weight = self.embed_tokens.clone();
        } else {
            visit(Part::Linear(&mut self.lm_head));
        }
    }

    /// The losses of rows that have passed the layers, without a gradient.
    pub fn losses(&self, backend: &dyn Backward, x: &Tensor, labels: &Labels<'_>) -> Vec<f32> {
        let mut losses = vec![0.0; x.rows()];
        for rows in labels.counted().chunks(LOSS_ROWS) {
            let logits = self.logits(backend, &backend.gather_rows(x, rows), &mut Save::Off);
            let (targets, weights) = labels.of(rows);
            let (more, _) = backend.cross_entropy(logits, &targets, &weights, labels.z);
            rows.iter().zip(more).for_each(|(&row, loss)| losses[row as usize] = loss);
        }
        losses
    }

    /// Adds the gradient of the embeddings of `ids` to the table's.
    pub fn embed_backward(&self, backend: &dyn Backward, ids: &[u32], grad: &Tensor, grads: &mut Grads) {
        grads.gather(&self.embed_name, |before| {
            let shape = [self.embed_tokens.outputs(), self.embed_tokens.inputs()];
            let before = before.unwrap_or_else(|| backend.upload(&shape, &vec![0.0; shape[0] * shape[1]]));
            backend.embed_backward(ids, grad, before)
        });
    }
}

/// Rows whose logits are made together in training.
const LOSS_ROWS: usize = 128;

/// What rows should foretell.
pub struct Labels<'a> {
    /// Each row's next token.
    pub targets: &'a [u32],
    /// What each row's loss counts; 0: nothing.
    pub weights: &'a [f32],
    /// The weight of the square of the log of the softmax's denominator.
    pub z: f32,
}

impl Labels<'_> {
    /// The rows that count: no logits are made of the others.
    fn counted(&self) -> Vec<u32> {
        (0..).zip(self.weights).filter(|(_, weight)| **weight != 0.0).map(|(row, _)| row).collect()
    }

    /// The targets and weights of some rows.
    fn of(&self, rows: &[u32]) -> (Vec<u32>, Vec<f32>) {
        rows.iter().map(|&row| (self.targets[row as usize], self.weights[row as usize])).unzip()
    }
}

impl Layer {
    fn load(load: &mut Load<'_>, name: &str, config: &TextConfig) -> Result<Layer, Error> {
        let (hidden, inner) = (config.hidden, config.intermediate);
        let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        let dtype = load.quant.text.dtype();
        let at = |part: &str| format!("{name}.{part}");
        let readers =
            |parts: &[(&str, usize)]| parts.iter().map(|&(part, outputs)| (at(part), outputs)).collect::<Vec<_>>();
        let three = readers(&[("self_attn.q_proj", q), ("self_attn.k_proj", kv), ("self_attn.v_proj", kv)]);
        let (first, none) = (load.levels(&three, hidden)?, Levels::default());
        let second = load.levels(&readers(&[("mlp.gate_proj", inner), ("mlp.up_proj", inner)]), hidden)?;
        let group = config.heads / config.kv_heads;
        let values = load.levels_of_heads(&readers(&[("self_attn.o_proj", hidden)]), q, group, config.head_dim)?;
        let inner_channels = load.levels_if_known(at("mlp.down_proj"), hidden, inner)?;
        let input_layernorm = load.rms_norm(&first, &at("input_layernorm"), hidden, config.eps)?;
        let post_attention_layernorm = load.rms_norm(&second, &at("post_attention_layernorm"), hidden, config.eps)?;
        let mut linear = |columns: &Levels, rows: &Levels, part: &str, shape: [usize; 2]| {
            load.linear_between(columns, rows, &at(part), &shape, false)
        };
        let self_attn = Attention {
            heads: config.attention(),
            dtype,
            q_proj: linear(&first, &none, "self_attn.q_proj", [q, hidden])?,
            k_proj: linear(&first, &none, "self_attn.k_proj", [kv, hidden])?,
            v_proj: linear(&first, &values, "self_attn.v_proj", [kv, hidden])?,
            o_proj: linear(&values.repeated(group, config.head_dim), &none, "self_attn.o_proj", [hidden, q])?,
        };
        let mlp = Mlp {
            gate_proj: linear(&second, &none, "mlp.gate_proj", [inner, hidden])?,
            up_proj: linear(&second, &inner_channels, "mlp.up_proj", [inner, hidden])?,
            down_proj: linear(&inner_channels, &none, "mlp.down_proj", [hidden, inner])?,
        };
        Ok(Layer { input_layernorm, self_attn, post_attention_layernorm, mlp })
    }

    /// Its name in a checkpoint.
    fn name(&self) -> &str {
        self.input_layernorm.name.strip_suffix(".input_layernorm").unwrap_or_default()
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
        let x = self.self_attn.forward(backend, self.input_layernorm.norm(), &x, index, angles, step, save);
        self.mlp.forward(backend, self.post_attention_layernorm.norm(), &x, save)
    }

    /// The gradient of what went in.
    fn backward(
        &self,
        backend: &dyn Backward,
        grad: &Tensor,
        angles: &Angles,
        spans: &[Span],
        kept: &mut Kept,
        grads: &mut Grads,
    ) -> Tensor {
        let grad = self.mlp.backward(backend, &self.post_attention_layernorm, grad, kept, grads);
        self.self_attn.backward(backend, &self.input_layernorm, &grad, angles, spans, kept, grads)
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
        let layers = [&self.q_proj, &self.k_proj, &self.v_proj];
        let [q, k, v] = forward_three(backend, norm, layers, x, DType::F32, save);
        let (q, k) = (backend.rope(q, dim, angles), backend.rope(k, dim, angles));
        let kv = if step.sequences.is_empty() {
            KvView::Fresh { k: &k, v: &v, dtype: self.dtype }
        } else {
            backend.kv_append(step.sequences, index, step.spans, &k, &v);
            KvView::Cached { sequences: step.sequences, layer: index }
        };
        let mixed = backend.attention(&q, kv, &self.heads, step.spans, DType::F32);
        for part in [&q, &k, &v] {
            save.keep_factor(part);
        }
        let out = self.o_proj.forward(backend, &mixed, Some(x), save);
        // More than a factor: the softmax's gradient is a difference that its rounding would show in.
        save.keep_instead(&mixed);
        out
    }

    fn backward(
        &self,
        backend: &dyn Backward,
        norm: &RmsNorm,
        grad: &Tensor,
        angles: &Angles,
        spans: &[Span],
        kept: &mut Kept,
        grads: &mut Grads,
    ) -> Tensor {
        let out = kept.peek(backend);
        let of_mixed = self.o_proj.backward(backend, grad, None, kept, grads);
        let [v, k, q] = [(); 3].map(|()| kept.take(backend));
        let forward = AttentionForward { q: &q, k: &k, v: &v, out: &out };
        let [q, k, v] = backend.attention_backward(forward, &of_mixed, &self.heads, spans, self.dtype);
        let turned = |grad| backend.rope_backward(grad, self.heads.dim, angles);
        let layers = [&self.q_proj, &self.k_proj, &self.v_proj];
        backward_three(backend, norm, layers, [turned(q), turned(k), v], grad, kept, grads)
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
        let gate = gate_proj.forward(backend, &normed, None, save);
        let inner = up_proj.forward(backend, &normed, None, save);
        let product = swiglu(backend, &gate, &inner);
        let out = down_proj.forward(backend, &product, Some(x), save);
        // Backward makes the product again.
        save.keep_instead(&gate);
        save.keep(&inner);
        out
    }

    fn backward(
        &self,
        backend: &dyn Backward,
        norm: &RmsNorm,
        grad: &Tensor,
        kept: &mut Kept,
        grads: &mut Grads,
    ) -> Tensor {
        let (up, gate) = (kept.take(backend), kept.take(backend));
        kept.put(swiglu(backend, &gate, &up));
        let of_inner = self.down_proj.backward(backend, grad, None, kept, grads);
        let [of_gate, of_up] = backend.swiglu_backward(&gate, &up, &of_inner);
        let by_up = self.up_proj.backward(backend, &of_up, None, kept, grads);
        let of_normed = self.gate_proj.backward(backend, &of_gate, Some(&by_up), kept, grads);
        norm::backward(backend, norm, &of_normed, Some(grad), kept, grads)
    }
}

/// `up * silu(gate)`.
fn swiglu(backend: &dyn Backend, gate: &Tensor, up: &Tensor) -> Tensor {
    backend.activate(up.clone(), Epilogue { act: Act::SiluMul(gate), ..Epilogue::default() })
}
