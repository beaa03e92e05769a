//! The likeliest token of a row of logits.

/// Where the largest value of a row is, the value, and how far the second largest lies below.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Top {
    /// The first place of the largest value.
    pub index: usize,
    /// The largest value; NaN if any value is.
    pub value: f32,
    /// Largest minus second largest; infinite in a row of one.
    pub margin: f32,
}

/// The top of a row. NaN is never taken for the largest, but it shows in `value`.
pub fn top(row: &[f32]) -> Top {
    let (mut index, mut first, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
    let mut any_nan = false;
    for (i, &x) in row.iter().enumerate() {
        if x > first {
            (second, first, index) = (first, x, i);
        } else if x > second {
            second = x;
        } else if x.is_nan() {
            any_nan = true;
        }
    }
    Top { index, value: if any_nan { f32::NAN } else { first }, margin: first - second }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_of_equals() {
        assert_eq!(top(&[1.0, 3.0, 3.0, 2.0]), Top { index: 1, value: 3.0, margin: 0.0 });
        assert_eq!(top(&[-1.0]), Top { index: 0, value: -1.0, margin: f32::INFINITY });
    }

    #[test]
    fn nan_shows() {
        let top = top(&[-1.0, f32::NAN, -3.0]);
        assert!(top.index == 0 && top.value.is_nan());
    }
}
