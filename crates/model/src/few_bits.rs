//! Matrices in few bits as safetensors hold them: whole numbers, and beside them what these are multiplied by.
//!
//! Of `NAME`, in 8 bits: `NAME` (I8 [outputs, inputs]) and `NAME.scales` (F32 [outputs, groups of 64 inputs]). In 4 bits: `NAME`
//! (U8 [outputs, 32 for each 64 inputs]: the lower four bits are the first 32 of 64, the upper four the others), `NAME.levels`
//! (U8 [outputs, 4 for each 64 inputs]: scale and least of the first 32, then of the others), `NAME.factors` (BF16 [outputs, 2
//! for each 256 inputs]: what leasts are multiplied by, then scales). A weight is `code * scale`, or `code * level of the scale *
//! factor of scales - level of the least * factor of leasts`.

use crate::export::Export;
use safetensors::tensor::Dtype;
use smolvlm_backend::Stored;
use std::sync::Arc;

/// Inputs that share a scale in 8 bits, and of which codes of 4 bits stand together.
pub const GROUP: usize = 64;
/// Inputs that share factors in 4 bits.
const SHARED: usize = 256;

/// A piece of each row.
struct Piece {
    /// What follows the matrix's name.
    suffix: &'static str,
    dtype: Dtype,
    /// Elements of a row.
    elements: usize,
    /// Bytes of a row, and as many as are stored of them.
    bytes: [usize; 2],
}

impl Piece {
    fn new(suffix: &'static str, dtype: Dtype, elements: usize, stored: usize) -> Piece {
        Piece { suffix, dtype, elements, bytes: [elements * dtype.bitsize() / 8, stored] }
    }
}

/// The pieces of rows of a matrix, in the order in which [`Stored`] has them.
fn pieces(stored: Stored, inputs: usize) -> Vec<Piece> {
    let groups = inputs.div_ceil(GROUP);
    match stored {
        Stored::Q8 => vec![
            Piece::new("", Dtype::I8, inputs, groups * GROUP),
            Piece::new(".scales", Dtype::F32, groups, groups * 4),
        ],
        Stored::Q4 => vec![
            Piece::new("", Dtype::U8, groups * GROUP / 2, groups * GROUP / 2),
            Piece::new(".levels", Dtype::U8, groups * 4, groups * 4),
            Piece::new(".factors", Dtype::BF16, 2 * inputs.div_ceil(SHARED), 4 * inputs.div_ceil(SHARED)),
        ],
        // GGUF's blocks stand for themselves.
        _ => Vec::new(),
    }
}

/// What the codes of a matrix are, by their type; none of others.
pub(crate) fn of_codes(dtype: Dtype) -> Option<Stored> {
    match dtype {
        Dtype::I8 => Some(Stored::Q8),
        Dtype::U8 => Some(Stored::Q4),
        _ => None,
    }
}

/// The name of the matrix that a tensor stands beside; none where it stands for itself.
pub(crate) fn beside(name: &str) -> Option<&str> {
    [".scales", ".levels", ".factors"].iter().find_map(|suffix| name.strip_suffix(suffix))
}

/// The shape of a matrix, of that of its codes; in 4 bits its inputs are whole groups.
pub(crate) fn shape_of(stored: Stored, codes: &[usize]) -> Vec<usize> {
    match (stored, codes) {
        (Stored::Q4, [outputs, bytes]) => vec![*outputs, 2 * bytes],
        _ => codes.to_vec(),
    }
}

/// The rows of a matrix [outputs, inputs], put together from its pieces, which `find` gives by name.
///
/// # Errors
/// A piece is missing or misshapen, in words.
pub(crate) fn together<'a>(
    stored: Stored,
    name: &str,
    [outputs, inputs]: [usize; 2],
    find: impl Fn(&str) -> Option<(&'a [usize], Dtype, &'a [u8])>,
) -> Result<Vec<u8>, String> {
    // Nothing is taken for what is not there.
    let mut found = Vec::new();
    for Piece { suffix, dtype, elements, bytes } in pieces(stored, inputs) {
        let name = format!("{name}{suffix}");
        let (shape, kind, data) = find(&name).ok_or_else(|| format!("has no tensor '{name}' beside it"))?;
        if shape != [outputs, elements] || kind != dtype {
            return Err(format!(
                "'{name}' is {kind:?} {shape:?}; {dtype:?} [{outputs}, {elements}] would be right beside it"
            ));
        }
        found.push((data, bytes));
    }
    let mut rows = vec![0; outputs * stored.row(inputs)];
    let (row_bytes, mut start) = (stored.row(inputs).max(1), 0);
    for (data, [bytes, stored]) in found {
        for (row, from) in rows.chunks_exact_mut(row_bytes).zip(data.chunks_exact(bytes.max(1))) {
            if let Some(to) = row.get_mut(start..start + bytes) {
                to.copy_from_slice(from);
            }
        }
        start += stored;
    }
    Ok(rows)
}

/// A matrix's rows as the tensors of a file, by their names.
pub fn exports(
    name: &str,
    stored: Stored,
    [outputs, inputs]: [usize; 2],
    rows: Vec<u8>,
) -> Vec<(String, Export<'static>)> {
    let (rows, row_bytes, mut start) = (Arc::new(rows), stored.row(inputs).max(1), 0);
    let export = |Piece { suffix, dtype, elements, bytes: [bytes, stored] }: Piece| {
        let (rows, from) = (Arc::clone(&rows), start);
        start += stored;
        let piece = move || {
            let of_row = |row: &[u8]| row.get(from..from + bytes).unwrap_or_default().to_vec();
            rows.chunks_exact(row_bytes).flat_map(of_row).collect()
        };
        (format!("{name}{suffix}"), Export::made(dtype, &[outputs, elements], piece))
    };
    pieces(stored, inputs).into_iter().map(export).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::View;

    #[test]
    fn rows_come_apart_and_together_again() {
        for (stored, inputs) in [(Stored::Q8, 100usize), (Stored::Q8, 64), (Stored::Q4, 320), (Stored::Q4, 64)] {
            let groups = inputs.div_ceil(GROUP);
            let mut rows: Vec<u8> = (0..3 * stored.row(inputs)).map(|i| (i * 7 % 251) as u8).collect();
            if stored == Stored::Q8 {
                for row in rows.chunks_mut(stored.row(inputs)) {
                    row[inputs..groups * GROUP].fill(0);
                }
            }
            let tensors = exports("a", stored, [3, inputs], rows.clone());
            let held: Vec<_> =
                tensors.iter().map(|(name, t)| (name, t.shape().to_vec(), t.dtype(), t.data())).collect();
            assert!(held.iter().all(|(_, shape, dtype, data)| {
                data.len() == shape.iter().product::<usize>() * dtype.bitsize() / 8
            }));
            let find = |wanted: &str| {
                let (_, shape, dtype, data) = held.iter().find(|(name, ..)| *name == wanted)?;
                Some((&shape[..], *dtype, &data[..]))
            };
            assert_eq!(together(stored, "a", [3, inputs], find).unwrap(), rows);
            assert_eq!(of_codes(held[0].2), Some(stored));
            assert_eq!(shape_of(stored, &held[0].1), [3, inputs]);
            assert!(held[1..].iter().all(|(name, ..)| beside(name) == Some("a")) && beside("a").is_none());
            let wrong = together(stored, "a", [4, inputs], find).unwrap_err();
            assert!(wrong.contains("would be right"), "{wrong}");
            assert!(together(stored, "b", [3, inputs], find).unwrap_err().contains("no tensor 'b'"));
        }
    }
}
