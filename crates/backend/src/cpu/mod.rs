//! The operations on the CPU, over `smolvlm-kernels`.

mod backward;

use crate::buffers::{CpuBuffer, FreeLists};
use crate::{
    Act, Angles, Backend, DType, DeviceWeight, Epilogue, Heads, KvKind, KvLayout, KvSequence, KvView, Norm, Quant,
    Source, Span, Stored, Tensor, Use, Weight,
};
use smolvlm_kernels::attention::{self, BLOCK};
use smolvlm_kernels::halves::{Numbers, NumbersMut};
use smolvlm_kernels::linear::{self, Input, Kept, PackedWeight, Product};
use smolvlm_kernels::nf4::Nf4;
use smolvlm_kernels::optimiser::MuonRoom;
use smolvlm_kernels::peak::{self, Arithmetic};
use smolvlm_kernels::top::Top;
use smolvlm_kernels::{AlignedBytes, Arena, Element, Isa, Pair, Pool, dropout, halves, norm, patches, rope, top};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// The CPU: its threads, its best instructions, its buffers.
pub struct Cpu {
    isa: Isa,
    pool: Pool,
    buffers: Arc<FreeLists>,
    /// Where weights lie.
    weights: Mutex<Arena>,
    /// Room for a product's input, packed by its columns for the gradient of its weight.
    columns: Mutex<AlignedBytes>,
    /// Memory of weights that were unpacked for one product.
    spare: Mutex<Vec<AlignedBytes>>,
    muon: Mutex<MuonRoom>,
}

/// Rows of `pool.chunks` below which splitting costs more than it gains.
const COPY_ROWS: usize = 64;

impl Cpu {
    /// A backend of `threads` threads, with the best instructions that the processor has.
    pub fn new(threads: usize) -> Cpu {
        Cpu::with(threads, Isa::best())
    }

    /// A backend of `threads` threads and these instructions, which the processor must have.
    ///
    /// # Panics
    /// If it has not.
    pub fn with(threads: usize, isa: Isa) -> Cpu {
        assert!(Isa::available().contains(&isa), "this processor has no {}", isa.name());
        Cpu {
            isa,
            pool: Pool::new(threads),
            buffers: FreeLists::new(),
            weights: Mutex::default(),
            columns: Mutex::new(AlignedBytes::zeroed(0)),
            spare: Mutex::default(),
            muon: Mutex::default(),
        }
    }

    /// The most operations of products a second that its threads' instructions could do, measured; `None` where that is not
    /// known.
    pub fn peak(&self, dtype: DType) -> Option<f64> {
        let kind = match dtype {
            DType::F32 => Arithmetic::F32,
            DType::Bf16 => Arithmetic::Bf16,
        };
        let peak = |kind| peak::arithmetic(self.isa, &self.pool, kind);
        peak(kind).or_else(|| peak(Arithmetic::F32))
    }

    fn empty(&self, shape: &[usize], dtype: DType) -> Tensor {
        let len = shape.iter().product::<usize>() * dtype.size();
        Tensor::new(self.buffers.take(len), shape, dtype)
    }

    /// A new f32 tensor that `fill` writes whole.
    fn make(&self, shape: &[usize], fill: impl FnOnce(&mut [f32])) -> Tensor {
        let mut out = self.empty(shape, DType::F32);
        fill(values_mut(&mut out));
        out
    }

    /// `x` itself, or a copy where it is shared.
    fn own(&self, x: Tensor) -> Tensor {
        if x.is_shared() { self.copy(&x) } else { x }
    }
}

/// The first `len` of a tensor's numbers as they are stored.
fn stored<T: bytemuck::Pod>(x: &Tensor, len: usize) -> &[T] {
    &x.buffer::<CpuBuffer>().values()[..len]
}

/// The same, to write.
fn stored_mut<T: bytemuck::Pod>(x: &mut Tensor, len: usize) -> &mut [T] {
    match x.buffer_mut::<CpuBuffer>() {
        Some(buffer) => &mut buffer.values_mut()[..len],
        None => unreachable!("a shared tensor must be copied before it is written"),
    }
}

/// A tensor's numbers: f32, or bfloat16 in pairs.
fn values<E: Element>(x: &Tensor) -> &[E] {
    stored(x, x.len() / E::STEPS)
}

fn f32s(x: &Tensor) -> &[f32] {
    assert_eq!(x.dtype(), DType::F32, "this operation takes f32");
    values(x)
}

/// A tensor's numbers, to write.
fn values_mut<E: Element>(x: &mut Tensor) -> &mut [E] {
    let len = x.len() / E::STEPS;
    stored_mut(x, len)
}

/// A matrix on the CPU.
enum CpuWeight {
    /// For products. A backward pass turns it for each product: that costs as much as packing it the other way round after
    /// every step would, and the memory once.
    Packed(PackedWeight),
    /// Row by row as the checkpoint stores it, for looking up alone.
    Table { bytes: Vec<u8>, stored: Stored },
    /// In 4 bits, unpacked for each product.
    Nf4(Nf4),
}

impl DeviceWeight for CpuWeight {
    fn bytes(&self) -> usize {
        match self {
            CpuWeight::Packed(packed) => packed.bytes(),
            CpuWeight::Table { bytes, .. } => bytes.len(),
            CpuWeight::Nf4(nf4) => nf4.bytes(),
        }
    }

    fn few_bits(&self) -> Option<(Stored, Vec<u8>)> {
        match self {
            CpuWeight::Packed(packed) => packed.few_bits(),
            CpuWeight::Table { .. } | CpuWeight::Nf4(_) => None,
        }
    }
}

impl CpuWeight {
    fn row(&self, isa: Isa, index: usize, out: &mut [f32]) {
        match self {
            CpuWeight::Packed(packed) => packed.row(index, out),
            CpuWeight::Table { bytes, stored } => {
                let len = stored.row(out.len());
                linear::widen_into(*stored, &bytes[index * len..][..len], out);
            }
            CpuWeight::Nf4(nf4) => nf4.dequantise_rows(isa, index..index + 1, out),
        }
    }
}

/// A matrix as products read it: kept so, or unpacked for one of them.
enum Read<'a> {
    Kept(&'a PackedWeight),
    Made(Made<'a>),
}

impl Deref for Read<'_> {
    type Target = PackedWeight;

    fn deref(&self) -> &PackedWeight {
        match self {
            Read::Kept(packed) => packed,
            Read::Made(made) => made,
        }
    }
}

/// A matrix that was unpacked; its memory is kept for the next.
struct Made<'a> {
    cpu: &'a Cpu,
    packed: Option<PackedWeight>,
}

impl Deref for Made<'_> {
    type Target = PackedWeight;

    fn deref(&self) -> &PackedWeight {
        match &self.packed {
            Some(packed) => packed,
            None => unreachable!("it is taken only when dropped"),
        }
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if let Some(packed) = self.packed.take() {
            self.cpu.spare.lock().unwrap_or_else(PoisonError::into_inner).push(packed.into_data());
        }
    }
}

impl Cpu {
    /// The matrix of a weight that products read.
    fn packed<'a>(&'a self, weight: &'a Weight) -> Read<'a> {
        match weight.packed() {
            CpuWeight::Packed(packed) => Read::Kept(packed),
            CpuWeight::Nf4(nf4) => Read::Made(self.unpacked(nf4, |data, x| {
                PackedWeight::of_rows(&self.pool, data, x, nf4.rows(), nf4.cols(), Kept::Bf16)
            })),
            CpuWeight::Table { .. } => unreachable!("this weight was packed for looking up alone"),
        }
    }

    /// A matrix in 4 bits, unpacked and packed for a product.
    fn unpacked<'a>(&'a self, nf4: &Nf4, pack: impl FnOnce(AlignedBytes, &[f32]) -> PackedWeight) -> Made<'a> {
        let cols = nf4.cols();
        let wide = self.make(&[nf4.rows(), cols], |out| {
            self.pool.chunks(out, COPY_ROWS * cols, |i, out| {
                let first = i * COPY_ROWS;
                nf4.dequantise_rows(self.isa, first..first + out.len() / cols, out);
            });
        });
        self.made(|data| pack(data, f32s(&wide)))
    }

    /// A matrix that is packed for a product alone, in memory that the last one left.
    fn made(&self, pack: impl FnOnce(AlignedBytes) -> PackedWeight) -> Made<'_> {
        let data = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Made { cpu: self, packed: Some(pack(data.unwrap_or_else(|| AlignedBytes::zeroed(0)))) }
    }
}

/// The gate of an epilogue.
fn gate<'a>(cpu: &'a Cpu, act: &Act<'a>) -> Option<Read<'a>> {
    if let Act::SwiGlu(gate) = act { Some(cpu.packed(gate)) } else { None }
}

fn act<'a>(act: &Act<'a>, gate: Option<&'a Read<'_>>) -> linear::Act<'a> {
    match (act, gate) {
        (Act::None, _) => linear::Act::None,
        (Act::GeluTanh, _) => linear::Act::GeluTanh,
        (Act::SiluMul(gate), _) => linear::Act::SiluMul(f32s(gate)),
        (Act::SwiGlu(_), Some(gate)) => linear::Act::SwiGlu(gate),
        (Act::SwiGlu(_), None) => unreachable!("a gate's weight belongs to a product"),
    }
}

fn epilogue<'a>(epilogue: &Epilogue<'a>, gate: Option<&'a Read<'_>>) -> linear::Epilogue<'a> {
    let (bias, residual) = (epilogue.bias.map(f32s), epilogue.residual.map(f32s));
    linear::Epilogue { bias, act: act(&epilogue.act, gate), residual }
}

fn norm_of(norm: Norm<'_>) -> norm::Norm<'_> {
    match norm {
        Norm::Layer { gamma, beta, eps } => norm::Norm::Layer { gamma: f32s(gamma), beta: f32s(beta), eps },
        Norm::Rms { gamma, eps } => norm::Norm::Rms { gamma: f32s(gamma), eps },
    }
}

fn input<'a>(x: &'a Tensor, norm: Option<Norm<'a>>) -> Input<'a> {
    Input { x: numbers(x).into(), rows: x.rows(), norm: norm.map(norm_of) }
}

/// A tensor's numbers, as they are kept.
fn numbers(x: &Tensor) -> Numbers<'_> {
    match x.dtype() {
        DType::F32 => Numbers::F32(values(x)),
        DType::Bf16 => Numbers::Bf16(stored(x, x.len())),
    }
}

/// The same, to write.
fn numbers_mut(x: &mut Tensor) -> NumbersMut<'_> {
    let len = x.len();
    match x.dtype() {
        DType::F32 => NumbersMut::F32(values_mut(x)),
        DType::Bf16 => NumbersMut::Bf16(stored_mut(x, len)),
    }
}

impl Backend for Cpu {
    fn pool(&self) -> &Pool {
        &self.pool
    }

    fn spare_bytes(&self) -> u64 {
        self.buffers.spare_bytes()
    }

    fn upload(&self, shape: &[usize], data: &[f32]) -> Tensor {
        self.make(shape, |out| out.copy_from_slice(data))
    }

    fn download(&self, x: &Tensor, out: &mut [f32]) {
        out.copy_from_slice(f32s(x));
    }

    fn cast(&self, x: &Tensor, dtype: DType) -> Tensor {
        let (len, mut out) = (x.len(), self.empty(x.shape(), dtype));
        match (x.dtype(), dtype) {
            (DType::F32, DType::Bf16) => halves::narrow(self.isa, &self.pool, f32s(x), stored_mut(&mut out, len)),
            (DType::Bf16, DType::F32) => halves::widen(self.isa, &self.pool, stored(x, len), values_mut(&mut out)),
            _ => return x.clone(),
        }
        out
    }

    fn weight(&self, source: &Source<'_>, quant: Quant, purpose: Use) -> Weight {
        let Source { bytes, stored, outputs, inputs } = *source;
        let kept = match (quant, purpose) {
            (_, Use::Lookup) | (Quant::Bf16, _) => Kept::Bf16,
            (Quant::F32, _) => Kept::F32,
            (Quant::Q8, _) => stored.in_blocks().unwrap_or(Kept::Q8),
            (Quant::Q4, _) => {
                if stored == Stored::Q4K {
                    Kept::Q4K
                } else {
                    Kept::Q4
                }
            }
            (Quant::Nf4, _) => {
                let nf4 = Nf4::quantise(self.isa, &self.pool, outputs, inputs, |rows, out| {
                    let row = stored.row(inputs);
                    let rows = bytes[rows.start * row..rows.end * row].chunks_exact(row.max(1));
                    rows.zip(out.chunks_mut(inputs)).for_each(|(row, out)| linear::widen_into(stored, row, out));
                });
                return Weight::new(Arc::new(CpuWeight::Nf4(nf4)), outputs, inputs);
            }
        };
        let packed = match purpose {
            Use::Forward => {
                let mut arena = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
                CpuWeight::Packed(PackedWeight::pack(&self.pool, &mut arena, stored, bytes, outputs, inputs, kept))
            }
            Use::Train => {
                // Made anew with every step of an optimiser, so it does not lie in the arena, which keeps what it gives.
                let mut arena = Arena::default();
                CpuWeight::Packed(PackedWeight::pack(&self.pool, &mut arena, stored, bytes, outputs, inputs, kept))
            }
            Use::Lookup => CpuWeight::Table { bytes: bytes.to_vec(), stored },
        };
        Weight::new(Arc::new(packed), outputs, inputs)
    }

    fn embed(&self, table: &Weight, ids: &[u32]) -> Tensor {
        let (table, width) = (table.packed::<CpuWeight>(), table.inputs());
        self.make(&[ids.len(), width], |out| {
            self.pool.chunks(out, COPY_ROWS * width, |i, rows| {
                for (row, &id) in rows.chunks_exact_mut(width).zip(&ids[i * COPY_ROWS..]) {
                    table.row(self.isa, id as usize, row);
                }
            });
        })
    }

    fn linear(&self, x: &Tensor, weight: &Weight, epilogue: Epilogue<'_>) -> Tensor {
        self.product(x, None, weight, epilogue)
    }

    fn linear_three(
        &self,
        x: &Tensor,
        norm: Norm<'_>,
        weights: [&Weight; 3],
        biases: [Option<&Tensor>; 3],
        dtype: DType,
    ) -> [Tensor; 3] {
        let mut outs = weights.map(|weight| self.empty(&[x.rows(), weight.outputs()], dtype));
        let weights = weights.map(|weight| self.packed(weight));
        let mut given = weights.iter().zip(biases);
        let products = outs.each_mut().map(|out| {
            let Some((weight, bias)) = given.next() else { unreachable!("three of each") };
            let epilogue = linear::Epilogue { bias: bias.map(f32s), ..linear::Epilogue::default() };
            Product { weight, epilogue, out: numbers_mut(out) }
        });
        let input = input(x, Some(norm));
        if weights.iter().any(|weight| weight.kept() != weights[0].kept()) {
            products.into_iter().for_each(|product| linear::products(self.isa, &self.pool, input, [product]));
        } else {
            linear::products(self.isa, &self.pool, input, products);
        }
        outs
    }

    fn mlp(&self, x: &Tensor, norm: Norm<'_>, up: (&Weight, Epilogue<'_>), down: (&Weight, Epilogue<'_>)) -> Tensor {
        let (first, second) = (self.packed(up.0), self.packed(down.0));
        let gates = [gate(self, &up.1.act), gate(self, &down.1.act)];
        if first.kept() != second.kept() || !linear::splits_by_rows(self.isa, &self.pool, &first, x.rows()) {
            let between = self.product(x, Some(norm), up.0, up.1);
            return self.product(&between, None, down.0, down.1);
        }
        self.make(&[x.rows(), down.0.outputs()], |out| {
            let [up_gate, down_gate] = gates.each_ref().map(Option::as_ref);
            let (up, down) = ((&*first, epilogue(&up.1, up_gate)), (&*second, epilogue(&down.1, down_gate)));
            linear::mlp(self.isa, &self.pool, input(x, Some(norm)), up, down, out);
        })
    }

    fn activate(&self, x: Tensor, epilogue: Epilogue<'_>) -> Tensor {
        assert!(epilogue.bias.is_none(), "a bias belongs to the product");
        let (width, act, residual) = (x.width(), act(&epilogue.act, None), epilogue.residual.map(f32s));
        if x.is_shared() {
            let from = Some(f32s(&x));
            return self.make(x.shape(), |out| {
                linear::activate(self.isa, &self.pool, from, out, width, act, residual);
            });
        }
        let mut x = x;
        linear::activate(self.isa, &self.pool, None, values_mut(&mut x), width, act, residual);
        x
    }

    fn multiply(&self, x: Tensor, by: &Tensor) -> Tensor {
        let mut x = self.own(x);
        let (by, width) = (f32s(by), x.width());
        assert!(by.len() == 1 || by.len().is_multiple_of(width), "multiply: factors");
        let rows = by.len() / width;
        self.pool.chunks(values_mut::<f32>(&mut x), COPY_ROWS * width, |i, part| match by {
            [factor] => part.iter_mut().for_each(|x| *x *= factor),
            _ => {
                for (row, x) in (i * COPY_ROWS..).zip(part.chunks_exact_mut(width)) {
                    x.iter_mut().zip(&by[row % rows * width..]).for_each(|(x, by)| *x *= by);
                }
            }
        });
        x
    }

    fn dropout(&self, x: &Tensor, p: f32, key: u64) -> Tensor {
        self.make(x.shape(), |out| dropout::dropout(self.isa, &self.pool, f32s(x), p, key, out))
    }

    fn norm(&self, x: &Tensor, norm: Norm<'_>) -> Tensor {
        self.make(x.shape(), |out| norm::norm(self.isa, &self.pool, f32s(x), norm_of(norm), out))
    }

    fn angles(&self, frequencies: &[f32], positions: &[u32]) -> Angles {
        let shape = [positions.len(), frequencies.len()];
        let (mut cos, mut sin) = (self.empty(&shape, DType::F32), self.empty(&shape, DType::F32));
        rope::angles(&self.pool, frequencies, positions, values_mut(&mut cos), values_mut(&mut sin));
        Angles { cos, sin }
    }

    fn rope(&self, x: Tensor, dim: usize, angles: &Angles) -> Tensor {
        let mut x = self.own(x);
        let heads = x.width() / dim;
        rope::rope(self.isa, &self.pool, values_mut(&mut x), heads, dim, f32s(&angles.cos), f32s(&angles.sin));
        x
    }

    fn kv_block(&self, layout: &KvLayout) -> Tensor {
        // Of bytes; they are zeros in every form.
        let mut block = self.empty(&[layout.layers, layout.layer_bytes() / size_of::<f32>()], DType::F32);
        values_mut::<f32>(&mut block).fill(0.0);
        block
    }

    fn copy(&self, x: &Tensor) -> Tensor {
        let mut out = self.empty(x.shape(), x.dtype());
        match x.dtype() {
            DType::F32 => values_mut::<f32>(&mut out).copy_from_slice(values(x)),
            DType::Bf16 => values_mut::<Pair>(&mut out).copy_from_slice(values(x)),
        }
        out
    }

    fn kv_append(&self, sequences: &mut [&mut KvSequence], layer: usize, spans: &[Span], k: &Tensor, v: &Tensor) {
        assert_eq!(sequences.len(), spans.len(), "a span for each sequence");
        let width = k.width();
        let (k, v) = (f32s(k), f32s(v));
        let append = |index: usize, sequence: &mut KvSequence| {
            let row: usize = spans[..index].iter().map(|span| span.rows).sum();
            let (span, start, layout) = (&spans[index], sequence.len(), *sequence.layout());
            let mut done = 0;
            while done < span.rows {
                let (block, at) = ((start + done) / BLOCK, (start + done) % BLOCK);
                let count = (BLOCK - at).min(span.rows - done);
                let of_rows = (row + done) * width..(row + done + count) * width;
                let (k, v) = (&k[of_rows.clone()], &v[of_rows]);
                let (heads, layer) = (&layout.heads, layer_mut(&mut sequence.blocks_mut()[block], &layout, layer));
                match layout.kind {
                    KvKind::F32 => attention::append::<f32>(self.isa, heads, layer, at, k, v),
                    KvKind::Bf16 => {
                        attention::append::<Pair>(self.isa, heads, bytemuck::cast_slice_mut(layer), at, k, v)
                    }
                    KvKind::Q8 => attention::append_eights(heads, bytemuck::cast_slice_mut(layer), at, k, v),
                }
                done += count;
            }
        };
        if k.len() >= COPY_ROWS * width {
            self.pool.chunks(sequences, 1, |index, one| one.iter_mut().for_each(|sequence| append(index, sequence)));
        } else {
            sequences.iter_mut().enumerate().for_each(|(index, sequence)| append(index, sequence));
        }
    }

    fn attention(&self, q: &Tensor, kv: KvView<'_>, heads: &Heads, spans: &[Span], dtype: DType) -> Tensor {
        let mut out = self.empty(q.shape(), dtype);
        let (isa, pool, queries, to) = (self.isa, &self.pool, numbers(q), numbers_mut(&mut out));
        match kv {
            KvView::Fresh { k, v, dtype: DType::F32 } => self.fresh_attention::<f32>(queries, [k, v], heads, spans, to),
            KvView::Fresh { k, v, dtype: DType::Bf16 } => {
                self.fresh_attention::<Pair>(queries, [k, v], heads, spans, to)
            }
            KvView::Cached { sequences, layer } => {
                assert_eq!(sequences.len(), spans.len(), "a span for each sequence");
                let of = |span: usize, index: usize| {
                    let sequence = &sequences[span];
                    layer_of(&sequence.blocks()[index], sequence.layout(), layer)
                };
                match sequences.first().map_or(KvKind::F32, |s| s.layout().kind) {
                    KvKind::F32 => attention::attention(isa, pool, heads, queries, spans, of, to),
                    KvKind::Bf16 => {
                        let of = |span, index| bytemuck::cast_slice::<f32, Pair>(of(span, index));
                        attention::attention(isa, pool, heads, queries, spans, of, to);
                    }
                    KvKind::Q8 => {
                        let of = |span, index| bytemuck::cast_slice::<f32, u8>(of(span, index));
                        attention::attention_eights(isa, pool, heads, queries, spans, of, to);
                    }
                }
            }
        }
        out
    }

    fn patches(&self, pixels: &[u8], side: usize, patch: usize, tables: &[[f32; 256]; 3]) -> Tensor {
        let (grid, tiles) = (side / patch, pixels.len() / (3 * side * side));
        self.make(&[tiles * grid * grid, 3 * patch * patch], |out| {
            patches::patches(&self.pool, pixels, side, patch, tables, out);
        })
    }

    fn pixel_shuffle(&self, x: &Tensor, side: usize, factor: usize) -> Tensor {
        let square = factor * factor;
        self.make(&[x.rows() / square, x.width() * square], |out| {
            patches::pixel_shuffle(&self.pool, f32s(x), side, x.width(), factor, out);
        })
    }

    fn scatter_rows(&self, x: Tensor, rows: &[u32], source: &Tensor) -> Tensor {
        assert!(source.rows() == rows.len() && source.width() == x.width(), "scatter: a row for each place");
        let mut x = self.own(x);
        let width = x.width();
        let to = values_mut::<f32>(&mut x);
        for (&row, from) in rows.iter().zip(f32s(source).chunks_exact(width)) {
            to[row as usize * width..][..width].copy_from_slice(from);
        }
        x
    }

    fn gather_rows(&self, x: &Tensor, rows: &[u32]) -> Tensor {
        let width = x.width();
        self.make(&[rows.len(), width], |out| {
            for (to, &row) in out.chunks_exact_mut(width).zip(rows) {
                to.copy_from_slice(&f32s(x)[row as usize * width..][..width]);
            }
        })
    }

    fn top(&self, x: &Tensor, row: usize) -> Top {
        top::top(&f32s(x)[row * x.width()..][..x.width()])
    }
}

/// One layer's part of a block: bytes, four by four.
fn layer_of<'a>(block: &'a Tensor, layout: &KvLayout, layer: usize) -> &'a [f32] {
    let len = layout.layer_bytes() / size_of::<f32>();
    &f32s(block)[layer * len..][..len]
}

/// One layer's part of a block, to write.
fn layer_mut<'a>(block: &'a mut Tensor, layout: &KvLayout, layer: usize) -> &'a mut [f32] {
    let len = layout.layer_bytes() / size_of::<f32>();
    &mut values_mut(block)[layer * len..][..len]
}

impl Cpu {
    fn product(&self, x: &Tensor, norm: Option<Norm<'_>>, weight: &Weight, part: Epilogue<'_>) -> Tensor {
        let (weight, gate) = (self.packed(weight), gate(self, &part.act));
        self.make(&[x.rows(), weight.outputs()], |out| {
            linear::linear(self.isa, &self.pool, input(x, norm), &weight, epilogue(&part, gate.as_ref()), out);
        })
    }

    /// Attention over the rows' own keys and values: they are put into blocks first, each span in its own.
    fn fresh_attention<E: Element>(
        &self,
        q: Numbers<'_>,
        [k, v]: [&Tensor; 2],
        heads: &Heads,
        spans: &[Span],
        out: NumbersMut<'_>,
    ) {
        let (len, width) = (heads.block_len() / E::STEPS, k.width());
        assert!(spans.iter().all(|s| s.rows == s.keys), "fresh keys are those of the rows");
        // Every span's blocks begin a new block: its first block and first row.
        let starts: Vec<(usize, usize)> = spans
            .iter()
            .scan((0, 0), |(block, row), span| {
                let start = (*block, *row);
                *block += span.rows.div_ceil(BLOCK);
                *row += span.rows;
                Some(start)
            })
            .collect();
        let count = spans.iter().map(|s| s.rows.div_ceil(BLOCK)).sum::<usize>();
        let dtype = if E::STEPS == 1 { DType::F32 } else { DType::Bf16 };
        let mut blocks = self.empty(&[count, heads.block_len()], dtype);
        let (keys, values_of) = (numbers(k), numbers(v));
        self.pool.chunks(values_mut::<E>(&mut blocks), len, |index, block| {
            let span = starts.partition_point(|&(first, _)| first <= index) - 1;
            let first = (index - starts[span].0) * BLOCK;
            let rows = BLOCK.min(spans[span].rows - first);
            // Places behind the last key weigh nothing but are read.
            if rows < BLOCK {
                block.fill(E::of([0.0; 2]));
            }
            let of_rows = (starts[span].1 + first) * width..(starts[span].1 + first + rows) * width;
            attention::append(self.isa, heads, block, 0, keys.slice(of_rows.clone()), values_of.slice(of_rows));
        });
        let blocks = values::<E>(&blocks);
        let block = |span: usize, index: usize| &blocks[(starts[span].0 + index) * len..][..len];
        attention::attention(self.isa, &self.pool, heads, q, spans, block, out);
    }
}
