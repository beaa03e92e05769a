//! Rounding in which later weights make up for what rounding earlier ones did to products (Frantar et al. 2022, "GPTQ").
//!
//! For inputs whose products with each other sum to H, an error e in a row of weights costs `e H e^T`. Once a weight is rounded,
//! the others have a best answer to its error, which a triangular factor of H's inverse tells. Weights of the loudest inputs
//! are rounded first, as long as all others can still answer.

use crate::factor::inverse_factor;
use crate::grid::{Steps, put, steps};
use smolvlm_backend::{Pool, Stored};

/// How much of the mean of the diagonal is added to it: samples are few, and tell nothing of some directions.
const DAMPING: f64 = 0.01;
/// Rows that are rounded together: what is read of the factor serves them all.
const ROWS: usize = 16;

/// The answers of a block of inputs.
pub(crate) struct Answers {
    /// Which inputs, the loudest last.
    inputs: Vec<usize>,
    /// The inverse of the factor of their products, [inputs, inputs]; below the diagonal.
    factor: Vec<f32>,
}

impl Answers {
    /// Of the sums of products [n, n] of the inputs that begin at `first`; none where they tell nothing.
    pub(crate) fn of(pool: &Pool, first: usize, products: &[f32], n: usize) -> Option<Answers> {
        let loudness = |i: usize| products.get(i * n + i).copied().unwrap_or(0.0);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| loudness(a).total_cmp(&loudness(b)));
        let damping = DAMPING * (0..n).map(|i| f64::from(loudness(i))).sum::<f64>() / n as f64;
        let of_row = |&i: &usize| {
            let row = products.get(i * n..(i + 1) * n).unwrap_or_default();
            let at = move |&j: &usize| {
                let damping = if i == j { damping } else { 0.0 };
                f64::from(row.get(j).copied().unwrap_or(0.0)) + damping
            };
            order.iter().map(at).collect::<Vec<f64>>()
        };
        let factor = inverse_factor(pool, order.iter().flat_map(of_row).collect(), n)?;
        let factor = factor.into_iter().map(|x| x as f32).collect();
        Some(Answers { inputs: order.into_iter().map(|i| first + i).collect(), factor })
    }
}

/// Rounds a matrix `wide` [outputs, inputs] once more to the steps of its rows in few bits, which take the new codes.
pub(crate) fn compensate(
    pool: &Pool,
    answers: &[Answers],
    wide: &[f32],
    inputs: usize,
    stored: Stored,
    rows: &mut [u8],
) {
    let row_bytes = stored.row(inputs);
    if inputs == 0 {
        return;
    }
    pool.chunks(rows, ROWS * row_bytes, |task, rows| {
        let wide = wide.get(task * ROWS * inputs..).unwrap_or_default();
        let grids: Vec<Vec<Steps>> = rows.chunks_exact(row_bytes).map(|row| steps(stored, row, inputs)).collect();
        for answers in answers {
            // Input by input, a number of each row; rows that are not there are zeros.
            let column = |&input: &usize| {
                let of_row = |row: usize| wide.get(row * inputs + input).copied().filter(|_| row < grids.len());
                std::array::from_fn(|row| of_row(row).unwrap_or(0.0))
            };
            let mut left: Vec<[f32; ROWS]> = answers.inputs.iter().map(column).collect();
            while let (Some(column), n) = (left.pop(), left.len()) {
                let Some(&input) = answers.inputs.get(n) else { return };
                let width = answers.inputs.len();
                let Some((own, of_others)) =
                    answers.factor.get(n * width..=n * width + n).and_then(|row| row.split_last())
                else {
                    return;
                };
                let mut errors = [0.0; ROWS];
                for (((row, grid), x), error) in
                    rows.chunks_exact_mut(row_bytes).zip(&grids).zip(column).zip(&mut errors)
                {
                    let Some(steps) = grid.get(input) else { return };
                    let (near, code) = steps.nearest(x);
                    put(stored, row, input, code);
                    *error = (x - near) / own;
                }
                for (column, factor) in left.iter_mut().zip(of_others) {
                    column.iter_mut().zip(&errors).for_each(|(x, error)| *x -= error * factor);
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_backend::{Backend, Cpu, Quant, Source, Use, widen};

    fn noise(i: usize) -> f32 {
        ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0
    }

    #[test]
    fn products_with_such_inputs_lose_less() {
        let (outputs, inputs, samples) = (40, 128, 300);
        let cpu = Cpu::new(2);
        // Inputs that hang together, some of them loud.
        let x: Vec<f32> = (0..samples * inputs)
            .map(|i| {
                let (sample, input) = (i / inputs, i % inputs);
                let common = noise(sample * 31 + input / 8);
                (common + 0.3 * noise(i + 77)) * if input % 50 == 0 { 20.0 } else { 1.0 }
            })
            .collect();
        let w: Vec<f32> = (0..outputs * inputs).map(|i| noise(3 * i + 1) * 0.1).collect();
        let mut products = vec![0.0; inputs * inputs];
        for row in x.chunks(inputs) {
            for (i, a) in row.iter().enumerate() {
                row.iter().enumerate().for_each(|(j, b)| products[i * inputs + j] += a * b);
            }
        }
        let loss = |near: &[f32]| {
            let mut sum = 0.0;
            for row in x.chunks(inputs) {
                for (near, w) in near.chunks(inputs).zip(w.chunks(inputs)) {
                    let error: f32 = row.iter().zip(near).zip(w).map(|((x, near), w)| x * (near - w)).sum();
                    sum += error * error;
                }
            }
            sum
        };
        for quant in [Quant::Q8, Quant::Q4] {
            let source = Source { bytes: bytemuck::cast_slice(&w), stored: Stored::F32, outputs, inputs };
            let (stored, mut rows) = cpu.weight(&source, quant, Use::Train).few_bits().unwrap();
            let plain = loss(&widen(stored, &rows, inputs));
            let answers = Answers::of(cpu.pool(), 0, &products, inputs).unwrap();
            let mut again = rows.clone();
            compensate(cpu.pool(), &[answers], &w, inputs, stored, &mut rows);
            let less = loss(&widen(stored, &rows, inputs));
            assert!(less < 0.5 * plain, "{quant:?}: {less} of {plain}");
            // In two blocks, each of which answers for itself, and by another number of threads.
            let half = |first: usize| {
                let of_row = |i: usize| products[(first + i) * inputs + first..][..64].to_vec();
                Answers::of(&Pool::new(1), first, &(0..64).flat_map(of_row).collect::<Vec<f32>>(), 64).unwrap()
            };
            let mut once_more = again.clone();
            compensate(cpu.pool(), &[half(0), half(64)], &w, inputs, stored, &mut again);
            compensate(&Pool::new(1), &[half(0), half(64)], &w, inputs, stored, &mut once_more);
            let halves = loss(&widen(stored, &again, inputs));
            assert!(halves < plain && again == once_more, "{quant:?}: {halves} of {plain}");
        }
    }
}
