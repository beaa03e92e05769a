//! How far a score may be from what endless questions of the kind would give.

/// Where a standard normal variable lies in 95 of 100 draws: between this below and above 0.
const Z: f64 = 1.959_963_984_540_054;

/// The ends of a 95 % interval.
pub type Interval = (f64, f64);

/// Wilson's (1927), for answers that are right or wrong: it holds for few of them, and at 0 and 1.
pub fn wilson(right: f64, count: usize) -> Interval {
    if count == 0 {
        return (0.0, 1.0);
    }
    let n = count as f64;
    let p = right / n;
    let middle = p + Z * Z / (2.0 * n);
    let reach = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + Z * Z / n;
    (((middle - reach) / whole).max(0.0), ((middle + reach) / whole).min(1.0))
}

/// The normal one for a mean of graded scores, of their sum and their squares' sum: mean ± 1.96 standard errors, within 0
/// and 1. One score alone says nothing.
pub fn normal(sum: f64, squares: f64, count: usize) -> Interval {
    if count < 2 {
        return (0.0, 1.0);
    }
    let n = count as f64;
    let mean = sum / n;
    let variance = ((squares - sum * mean) / (n - 1.0)).max(0.0);
    let reach = Z * (variance / n).sqrt();
    ((mean - reach).max(0.0), (mean + reach).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near((low, high): Interval, expected: Interval) {
        assert!((low - expected.0).abs() < 5e-5 && (high - expected.1).abs() < 5e-5, "{low} {high} {expected:?}");
    }

    #[test]
    fn wilson_as_tables_have_it() {
        // Newcombe 1998, table I: 81/263, 15/148, 0/20, 1/29.
        near(wilson(81.0, 263), (0.2553, 0.3662));
        near(wilson(15.0, 148), (0.0624, 0.1605));
        near(wilson(0.0, 20), (0.0, 0.1611));
        near(wilson(1.0, 29), (0.0061, 0.1718));
        near(wilson(20.0, 20), (1.0 - 0.1611, 1.0));
        near(wilson(0.0, 0), (0.0, 1.0));
    }

    #[test]
    fn normal_of_graded_scores() {
        let scores: [f64; 4] = [0.0, 0.5, 0.5, 1.0];
        let squares = scores.iter().map(|score| score * score).sum();
        // The deviation is sqrt(1/6), the error sqrt(1/24).
        near(normal(2.0, squares, 4), (0.5 - 0.40008, 0.5 + 0.40008));
        near(normal(0.3, 0.09, 1), (0.0, 1.0));
        near(normal(3.0, 3.0, 3), (1.0, 1.0));
    }
}
