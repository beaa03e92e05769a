//! The likeliest token of a row of logits.

/// The largest value of a row, where it is, and how far the second largest lies below.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Top {
    /// The first place of the largest value.
    pub index: usize,
    /// Largest minus second largest; infinite in a row of one.
    pub margin: f32,
}

/// The top of a row without NaN; NaN is never taken for the largest.
pub fn top(row: &[f32]) -> Top {
    let (mut index, mut first, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
    for (i, &x) in row.iter().enumerate() {
        if x > first {
            (second, first, index) = (first, x, i);
        } else if x > second {
            second = x;
        }
    }
    Top { index, margin: first - second }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_of_equals() {
        assert_eq!(top(&[1.0, 3.0, 3.0, 2.0]), Top { index: 1, margin: 0.0 });
        assert_eq!(top(&[-1.0, -3.0, f32::NAN]), Top { index: 0, margin: 2.0 });
    }
}
