//! Keys and values put into blocks.

use super::{BLOCK, Heads, PANEL};
use crate::Isa;
use crate::halves::Numbers;
use crate::scratch::with_scratch;
use crate::tile::{Element, elements, interleave};
use crate::transpose::transpose;

/// Writes the `k` and `v` [rows, kv_heads * dim] of positions that follow each other at places `at`, `at + 1`, … of a
/// block, all below 64.
///
/// # Panics
/// If a length does not fit.
pub fn append<'x, E: Element>(
    isa: Isa,
    heads: &Heads,
    block: &mut [E],
    at: usize,
    k: impl Into<Numbers<'x>>,
    v: impl Into<Numbers<'x>>,
) {
    let [k, v] = [k.into(), v.into()];
    let room = |x: Numbers<'_>| if let Numbers::Bf16(x) = x { x.len() } else { 0 };
    let steps = heads.key_rows() / E::STEPS;
    with_scratch(room(k) + room(v) + PANEL * steps, |scratch| {
        let (k_room, scratch) = scratch.split_at_mut(room(k));
        let (v_room, parts) = scratch.split_at_mut(room(v));
        let (k, v, parts) = (k.widened(isa, k_room), v.widened(isa, v_room), bytemuck::cast_slice_mut(parts));
        append_rows(isa, heads, block, at, (k, v), parts);
    });
}

/// `parts` takes a panel's keys, row by row.
fn append_rows<E: Element>(
    isa: Isa,
    heads: &Heads,
    block: &mut [E],
    at: usize,
    (k, v): (&[f32], &[f32]),
    parts: &mut [E],
) {
    let (dim, width) = (heads.dim, heads.kv_heads * heads.dim);
    assert!(k.len() == v.len() && k.len().is_multiple_of(width) && dim.is_multiple_of(2), "append: rows");
    assert!(at + k.len() / width <= BLOCK, "append: places");
    assert_eq!(block.len() * E::STEPS, heads.block_len(), "append: block");
    let (k_len, v_len) = heads.head_lens::<E>();
    let steps = heads.key_rows() / E::STEPS;
    for head in 0..heads.kv_heads {
        let of_head = head * dim..(head + 1) * dim;
        let (keys, values) = block[head * (k_len + v_len)..][..k_len + v_len].split_at_mut(k_len);
        let mut row = 0;
        while row < k.len() / width {
            let place = (at + row) % PANEL;
            let count = (PANEL - place).min(k.len() / width - row);
            for (part, k) in parts.chunks_exact_mut(steps).zip(k[row * width..].chunks_exact(width)).take(count) {
                elements(isa, &k[of_head.clone()], part);
            }
            let panel = &mut keys[(at + row) / PANEL * PANEL * steps + place..];
            transpose(isa, (count, steps), (parts, steps), (panel, PANEL));
            row += count;
        }
        let mut rows = v.chunks_exact(width).map(|v| &v[of_head.clone()]).enumerate();
        while let Some((row, first)) = rows.next() {
            let place = at + row;
            let second = if E::STEPS == 2 && place.is_multiple_of(2) { rows.next() } else { None };
            for panel in heads.value_panels() {
                let (dims, width) = (panel.start..panel.end.min(dim), panel.len());
                let at = panel.start * BLOCK / E::STEPS + place / E::STEPS * width;
                let to = &mut values[at..][..dims.len()];
                if let (Some((_, second)), Some(pairs)) = (second, E::pairs(to)) {
                    interleave(isa, &first[dims.clone()], &second[dims], pairs);
                    continue;
                }
                for (to, &x) in to.iter_mut().zip(&first[dims]) {
                    let mut steps = to.steps();
                    steps[place % E::STEPS] = x;
                    *to = E::of(steps);
                }
            }
        }
    }
}
