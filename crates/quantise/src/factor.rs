//! Triangular factors.

use smolvlm_backend::Pool;

/// Columns that are factored together.
const BLOCK: usize = 48;
/// Rows of a task.
const ROWS: usize = 16;

/// The inverse of the lower Cholesky factor of a symmetric positive definite matrix, all row-major `[n, n]`; none where it is
/// not positive definite. What stands above the diagonal is not read, and zero in the inverse.
pub(crate) fn inverse_factor(pool: &Pool, mut matrix: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    cholesky(pool, &mut matrix, n)?;
    // Row j of this is column j of the inverse: what the factor makes of it is 1 at j alone.
    let mut columns = vec![0.0; n * n];
    pool.chunks(&mut columns, n * ROWS, |task, columns| {
        for (j, column) in (task * ROWS..).zip(columns.chunks_exact_mut(n)) {
            for i in j..n {
                let Some(row) = matrix.get(i * n..(i + 1) * n) else { return };
                let (Some(of_row), Some(so_far)) = (row.get(j..i), column.get(j..i)) else { return };
                let sum = f64::from(i == j) - dot(of_row, so_far);
                if let (Some(to), Some(diagonal)) = (column.get_mut(i), row.get(i)) {
                    *to = sum / diagonal;
                }
            }
        }
    });
    let mut inverse = vec![0.0; n * n];
    pool.chunks(&mut inverse, n * ROWS, |task, rows| {
        for (i, row) in (task * ROWS..).zip(rows.chunks_exact_mut(n)) {
            row.iter_mut().zip(columns.iter().skip(i).step_by(n)).for_each(|(to, x)| *to = *x);
        }
    });
    Some(inverse)
}

/// The lower Cholesky factor in the matrix's place.
fn cholesky(pool: &Pool, matrix: &mut [f64], n: usize) -> Option<()> {
    for first in (0..n).step_by(BLOCK) {
        let last = n.min(first + BLOCK);
        // The block's own rows one by one, then those below, which need them alone.
        for i in first..last {
            let (above, row) = matrix.split_at_mut(i * n);
            let row = row.get_mut(..n)?;
            eliminate(above, row, first..i, n);
            let sum = row.get(i)? - dot(row.get(..i)?, row.get(..i)?);
            // Not positive, or no number.
            if sum.is_nan() || sum <= 0.0 {
                return None;
            }
            *row.get_mut(i)? = sum.sqrt();
        }
        let (above, below) = matrix.split_at_mut(last * n);
        pool.chunks(below, n * ROWS, |_, rows| {
            rows.chunks_exact_mut(n).for_each(|row| eliminate(above, row, first..last, n));
        });
    }
    Some(())
}

/// Columns of a row of the factor, of the finished rows above it and what it has to their left.
fn eliminate(above: &[f64], row: &mut [f64], columns: std::ops::Range<usize>, n: usize) {
    for j in columns {
        let Some(other) = above.get(j * n..j * n + n) else { return };
        let (before, rest) = row.split_at_mut(j);
        if let (Some(x), Some(diagonal)) = (rest.first_mut(), other.get(j)) {
            *x = (*x - dot(before, other)) / diagonal;
        }
    }
}

/// The product of two rows as far as the first goes; in eight sums, which vector instructions take.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let b = b.get(..a.len()).unwrap_or_default();
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_times_the_matrix_is_what_it_should_be() {
        for n in [1, 5, 70, 130] {
            // Of rows of noise with themselves, and something on the diagonal.
            let x: Vec<f64> = (0..2 * n * n).map(|i| ((i * 7919 + 13) % 1009) as f64 / 504.5 - 1.0).collect();
            let mut h = vec![0.0; n * n];
            for row in x.chunks(n) {
                for i in 0..n {
                    (0..n).for_each(|j| h[i * n + j] += row[i] * row[j]);
                }
            }
            (0..n).for_each(|i| h[i * n + i] += 0.1);
            let inverse = inverse_factor(&Pool::new(2), h.clone(), n).unwrap();
            assert_eq!(inverse, inverse_factor(&Pool::new(1), h.clone(), n).unwrap());
            // M H M^T = 1.
            for a in 0..n {
                for b in 0..n {
                    let at = |i: usize, j: usize| inverse[a * n + i] * h[i * n + j] * inverse[b * n + j];
                    let sum: f64 = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| at(i, j)).sum();
                    assert!((sum - f64::from(a == b)).abs() < 1e-8, "{n}: {a}, {b}: {sum}");
                }
            }
        }
        assert!(inverse_factor(&Pool::new(1), vec![1.0, 0.0, 2.0, 1.0], 2).is_none());
        assert!(inverse_factor(&Pool::new(1), vec![f64::NAN], 1).is_none());
    }
}
