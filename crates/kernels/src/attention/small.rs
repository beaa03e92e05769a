//! Products of small matrices inside a task: what attention's backward pass is made of.

use super::{MAX_DIM, PANEL};
use crate::Isa;
use crate::tile::{
    Block, Element, Left, Right, block_rows, elements, interleave, pack_rows, padded, reads_rows, slots, tile,
};
use crate::transpose::transpose;

/// Steps summed in one chain; the chains' sums are added in order.
const CHAIN: usize = 256;

/// A right factor in panels of 32 columns, zeros behind the last step and the last column.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a, E> {
    data: &'a [E],
    /// Steps of the reduction, as they were packed.
    depth: usize,
}

/// Elements of a right factor of `depth` steps and `columns` columns.
pub(super) fn packed_len<E: Element>(depth: usize, columns: usize) -> usize {
    padded::<E>(depth) / E::STEPS * columns.next_multiple_of(PANEL)
}

/// Packs the right factor of which `row(k)` is step k.
pub(super) fn pack_steps<'p, 'a, E: Element>(
    isa: Isa,
    depth: usize,
    columns: usize,
    row: impl Fn(usize) -> &'a [f32],
    to: &'p mut [E],
) -> Packed<'p, E> {
    const NONE: [f32; PANEL] = [0.0; PANEL];
    let to = &mut to[..packed_len::<E>(depth, columns)];
    to.fill(E::zeroed());
    for (index, panel) in to.chunks_exact_mut(packed_len::<E>(depth, PANEL)).enumerate() {
        let columns = index * PANEL..columns.min((index + 1) * PANEL);
        for (group, to) in panel.chunks_exact_mut(PANEL).enumerate().take(depth.div_ceil(E::STEPS)) {
            let to = &mut to[..columns.len()];
            let first = &row(group * E::STEPS)[columns.clone()];
            if let Some(pairs) = E::pairs(to) {
                let next = 2 * group + 1;
                let second = if next < depth { &row(next)[columns.clone()] } else { &NONE[..first.len()] };
                interleave(isa, first, second, pairs);
                continue;
            }
            for (to, &x) in to.iter_mut().zip(first) {
                *to = E::of([x, 0.0]);
            }
        }
    }
    Packed { data: to, depth }
}

/// Packs the right factor of which `column(n)` is column n, of at most [`MAX_DIM`] steps.
pub(super) fn pack_columns<'p, 'a, E: Element>(
    isa: Isa,
    depth: usize,
    columns: usize,
    column: impl Fn(usize) -> &'a [f32],
    to: &'p mut [E],
) -> Packed<'p, E> {
    let steps = padded::<E>(depth) / E::STEPS;
    let to = &mut to[..packed_len::<E>(depth, columns)];
    to.fill(E::zeroed());
    let mut parts = [E::zeroed(); PANEL * MAX_DIM];
    let parts = &mut parts[..PANEL * steps];
    for (panel, to) in to.chunks_exact_mut(PANEL * steps.max(1)).enumerate() {
        let count = PANEL.min(columns - panel * PANEL);
        for (n, part) in parts.chunks_exact_mut(steps).enumerate().take(count) {
            elements(isa, column(panel * PANEL + n), part);
        }
        transpose(isa, (count, steps), (parts, steps), (to, PANEL));
    }
    Packed { data: to, depth }
}

/// A left factor: row m from `m * stride` on.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) data: &'a [f32],
    pub(super) stride: usize,
}

impl<'a> Rows<'a> {
    /// The first `len` numbers of row m.
    pub(super) fn row(&self, m: usize, len: usize) -> &'a [f32] {
        &self.data[m * self.stride..][..len]
    }
}

/// `c [rows, columns] (+)= a [rows, depth] b [depth, columns]`, where `depth` may be less than b's, and c's rows are `stride`
/// apart, a multiple of 32 that no row's columns exceed. `work` takes rows of a.
pub(super) fn product<E: Element>(
    isa: Isa,
    (rows, depth, columns): (usize, usize, usize),
    a: Rows<'_>,
    b: Packed<'_, E>,
    work: &mut [f32],
    (c, stride, add): (&mut [f32], usize, bool),
) {
    let (steps, panel_len) = (padded::<E>(depth) / E::STEPS, packed_len::<E>(b.depth, PANEL));
    let (row_slots, chain_slots) = (slots::<E>(isa, depth), slots::<E>(isa, CHAIN));
    for at in (0..rows).step_by(block_rows::<E>(isa)) {
        let count = block_rows::<E>(isa).min(rows - at);
        // The distance of chains follows from how the rows lie.
        let (left, a, chain_len) = if reads_rows::<E>(isa) {
            (Left::Rows(a.stride), &a.data[at * a.stride..], CHAIN)
        } else {
            let packed = &mut work[..count * row_slots];
            pack_rows::<E>(isa, count, |m| a.row(at + m, depth), depth, packed);
            (Left::Packed, &*packed, chain_slots * count)
        };
        for (panel, b) in b.data.chunks_exact(panel_len).enumerate().take(columns.div_ceil(PANEL)) {
            for (chain, b) in b[..steps * PANEL].chunks(CHAIN / E::STEPS * PANEL).enumerate() {
                let block = Block { rows: count, cols: PANEL, depth: b.len() / PANEL, stride, add: add || chain > 0 };
                let right = Right::new(b, PANEL);
                tile(isa, block, left, &a[chain * chain_len..], right, &mut c[at * stride + panel * PANEL..]);
            }
        }
    }
}
