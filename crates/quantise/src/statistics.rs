//! What is known of the inputs of a network's matrices.

use smolvlm_backend::{Backend, Backward, Cpu, Tensor, numbers};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most inputs whose products with each other are kept together: the square of it is what they take.
const BLOCK: usize = 2048;
/// Rows of one pass that count. They are taken at equal distances: neighbours are alike.
const ROWS: usize = 512;

/// Sums over samples of the products of a matrix's inputs with each other, matrix by matrix.
#[derive(Default)]
pub struct Statistics {
    layers: BTreeMap<String, Inputs>,
}

/// Of one matrix.
struct Inputs {
    rows: usize,
    /// The sums of blocks of inputs that follow each other, `[width, width]` each.
    blocks: Vec<Tensor>,
}

/// Statistics that a network's passes add to.
#[derive(Clone)]
pub(crate) struct Gathered {
    backend: Arc<Cpu>,
    statistics: Arc<Mutex<Statistics>>,
}

impl Gathered {
    pub(crate) fn new(backend: Arc<Cpu>) -> Gathered {
        Gathered { backend, statistics: Arc::default() }
    }

    /// Adds the inputs [rows, width] of a linear layer.
    pub(crate) fn add(&self, layer: &str, x: &Tensor) {
        if first_of(layer) != layer || x.rows() == 0 {
            return;
        }
        let mut statistics = self.statistics.lock().unwrap_or_else(PoisonError::into_inner);
        let backend = &*self.backend;
        let step = x.rows().div_ceil(ROWS) as u32;
        let rows: Vec<u32> = (0..x.rows() as u32).step_by(step as usize).collect();
        let (values, width) = (numbers(backend, &backend.gather_rows(x, &rows)), x.width());
        let inputs = statistics.layers.entry(layer.to_owned()).or_insert(Inputs { rows: 0, blocks: Vec::new() });
        for (index, columns) in blocks(width).enumerate() {
            let of_row = |row: &[f32]| row.get(columns.clone()).unwrap_or_default().to_vec();
            let part: Vec<f32> = values.chunks_exact(width).flat_map(of_row).collect();
            let part = backend.upload(&[rows.len(), columns.len()], &part);
            match inputs.blocks.get_mut(index) {
                Some(block) => *block = backend.gram(&part, Some(block)),
                None => inputs.blocks.push(backend.gram(&part, None)),
            }
        }
        inputs.rows += rows.len();
    }

    /// What has come together.
    pub(crate) fn finish(self) -> Statistics {
        std::mem::take(&mut *self.statistics.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Blocks of inputs, as equal as may be.
pub(crate) fn blocks(width: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = width.div_ceil(BLOCK).max(1);
    (0..count).map(move |block| block * width / count..(block + 1) * width / count)
}

/// Of layers that read the same inputs the one that is told of.
fn first_of(layer: &str) -> String {
    const SAME: [(&str, &str); 3] = [
        (".self_attn.k_proj", ".self_attn.q_proj"),
        (".self_attn.v_proj", ".self_attn.q_proj"),
        (".mlp.up_proj", ".mlp.gate_proj"),
    ];
    let first = SAME.iter().find_map(|(of, first)| Some(format!("{}{first}", layer.strip_suffix(of)?)));
    first.unwrap_or_else(|| layer.to_owned())
}

impl Statistics {
    /// A matrix's, by its name in a checkpoint.
    fn of(&self, matrix: &str) -> Option<&Inputs> {
        self.layers.get(&first_of(matrix.strip_suffix(".weight")?))
    }

    /// Whether two matrices read the same.
    pub(crate) fn key(&self, matrix: &str) -> Option<String> {
        let layer = first_of(matrix.strip_suffix(".weight")?);
        self.layers.contains_key(&layer).then_some(layer)
    }

    /// Mean squares of a matrix's inputs.
    pub(crate) fn loudness(&self, backend: &Cpu, matrix: &str) -> Option<Vec<f32>> {
        let inputs = self.of(matrix)?;
        let diagonal = |block: &Tensor| {
            let values = numbers(backend, block);
            values.into_iter().step_by(block.width() + 1).map(|sum| sum / inputs.rows as f32).collect::<Vec<f32>>()
        };
        Some(inputs.blocks.iter().flat_map(diagonal).collect())
    }

    /// Sums of products of a matrix's inputs with each other: of each block, row by row.
    pub(crate) fn products(&self, backend: &Cpu, matrix: &str) -> Option<Vec<Vec<f32>>> {
        Some(self.of(matrix)?.blocks.iter().map(|block| numbers(backend, block)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_inputs_are_summed() {
        let cpu = Arc::new(Cpu::new(1));
        let gathered = Gathered::new(Arc::clone(&cpu));
        let add = |layer: &str, values: &[f32]| gathered.add(layer, &cpu.upload(&[values.len() / 2, 2], values));
        add("a.self_attn.q_proj", &[1.0, 2.0, 3.0, 4.0]);
        add("a.self_attn.k_proj", &[9.0, 9.0]);
        add("a.self_attn.q_proj", &[0.0, -1.0]);
        let statistics = gathered.finish();
        let v = "a.self_attn.v_proj.weight";
        assert_eq!(statistics.products(&cpu, v).unwrap(), [[10.0, 14.0, 14.0, 21.0]]);
        assert_eq!(statistics.loudness(&cpu, v).unwrap(), [10.0 / 3.0, 7.0]);
        assert_eq!(statistics.key(v).as_deref(), Some("a.self_attn.q_proj"));
        assert!(statistics.loudness(&cpu, "b.weight").is_none());
        assert_eq!(blocks(5000).collect::<Vec<_>>(), [0..1666, 1666..3333, 3333..5000]);
    }
}
