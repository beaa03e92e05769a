//! Axes: their ends and their labels.

use super::number::{number, scientific, tick};

/// An axis: its ends, and where its labels stand.
pub(super) type Axis = ((f64, f64), Vec<(f64, String)>);

/// Where a value lies between the ends.
pub(super) fn share(value: f64, (low, high): (f64, f64)) -> f64 {
    (value - low) / (high - low)
}

/// From and to a round number. Where a few values are far above all others, the axis ends below them, but not below
/// what is `needed`.
pub(super) fn linear_axis(sorted: &[f64], needed: f64, from_zero: bool) -> Option<Axis> {
    let (mut low, mut high) = (*sorted.first()?, *sorted.last()?);
    let usual = sorted.get(sorted.len() * 95 / 100).copied().unwrap_or(high);
    let enough = needed.max(1.5 * usual);
    if sorted.len() >= 50 && enough > 0.0 && high > 3.0 * enough {
        high = enough;
    }
    if from_zero {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    if high - low <= high.abs() * 1e-6 {
        let margin = if high == 0.0 { 1.0 } else { high.abs() * 0.1 };
        (low, high) = (low - margin, high + margin);
    }
    let (ticks, gap) = nice_ticks(low, high, 6.0);
    let ends = (*ticks.first()?, *ticks.last()?);
    Some((ends, ticks.iter().map(|value| (*value, tick(*value, gap, low.abs().max(high.abs())))).collect()))
}

/// From the least positive value to the greatest, eight decades at most. `None` where there are no two.
pub(super) fn log_axis(sorted: &[f64]) -> Option<Axis> {
    let high = *sorted.last()?;
    let low = sorted.iter().copied().find(|value| *value > 0.0)?.max(high * 1e-8);
    if high <= low * 1.01 {
        return None;
    }
    let margin = (high / low).powf(0.04);
    let (low, high) = (low / margin, high * margin);
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let within = |digits: &[f64]| -> Vec<f64> {
        let all = decades.clone().flat_map(|decade| digits.iter().map(move |digit| digit * 10_f64.powi(decade)));
        all.filter(|value| (low..=high).contains(value)).collect()
    };
    let finer: [&[f64]; 3] = [&[1.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0]];
    let mut ticks = finer.iter().map(|digits| within(digits)).find(|ticks| ticks.len() >= 4).unwrap_or_default();
    if ticks.is_empty() {
        ticks = nice_ticks(low, high, 5.0).0;
        ticks.retain(|value| (low..=high).contains(value));
    }
    Some((
        (low, high),
        ticks.iter().map(|value| (*value, if *value < 1e5 { number(*value) } else { scientific(*value) })).collect(),
    ))
}

/// Multiples of 1, 2 or 5 times a power of ten, about `count`, from at most `low` to at least `high`; and their gap.
pub(super) fn nice_ticks(low: f64, high: f64, count: f64) -> (Vec<f64>, f64) {
    let least = (high - low) / count;
    let power = 10_f64.powf(least.log10().floor());
    let gap = [1.0, 2.0, 5.0].iter().map(|digit| digit * power).find(|gap| *gap >= least).unwrap_or(10.0 * power);
    let (from, to) = ((low / gap).floor(), (high / gap).ceil());
    ((0..=(to - from) as usize).map(|index| (from + index as f64) * gap).collect(), gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Option<Axis>) -> Vec<String> {
        axis.unwrap().1.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn axes_have_round_labels() {
        assert_eq!(labels(linear_axis(&[0.31, 1.9], 0.0, false)), ["0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!(labels(linear_axis(&[1e-6, 2e-4], 0.0, true)), ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]);
        assert_eq!(labels(linear_axis(&[18e3, 19e3], 0.0, true)), ["0", "5k", "10k", "15k", "20k"]);
        assert_eq!(labels(log_axis(&[0.0, 0.4, 6.0])), ["0.5", "1", "2", "5"]);
        assert!(log_axis(&[-1.0, 0.0]).is_none() && log_axis(&[2.0, 2.0]).is_none());
        let mut spiked = vec![1.0; 99];
        spiked.push(1000.0);
        assert_eq!(linear_axis(&spiked, 3.0, true).unwrap().0.1, 3.0);
    }
}
