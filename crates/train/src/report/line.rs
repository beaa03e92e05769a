//! A curve's points: thinned where they are many, and their moving average.

use std::collections::BTreeMap;

/// The most points of a line; longer ones are thinned.
pub(super) const DRAWN: usize = 4000;
/// The most points of a source's line, of which there may be many.
const SOURCE_DRAWN: usize = 1000;
/// Choices of smoothing, in logged rows.
pub(super) const WINDOWS: [usize; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
/// Values beyond this are not drawn, so that arithmetic on the axes stays finite.
const LARGEST: f64 = 1e30;

/// A point of a line. Where a line is thinned, `mean` is that of the rows that it stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) step: u64,
    pub(super) value: f64,
    pub(super) mean: f64,
}

/// How a line is drawn.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// The values as they are.
    Plain,
    /// The values faint, and a moving average.
    Curve,
    /// The moving average alone, hidden at first.
    Source,
    /// A dot for each value.
    Dots,
}

/// A line of a chart.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) hue: usize,
    pub(super) points: Vec<Point>,
    /// 1, or more where the line is thinned.
    pub(super) rows_per_point: f64,
}

impl Line {
    pub(super) fn new(name: &str, kind: Kind, hue: usize, values: impl Iterator<Item = (u64, f64)>) -> Self {
        let rows: BTreeMap<u64, f64> = values.collect();
        let count = rows.len();
        let points = points(rows.into_iter(), if kind == Kind::Source { SOURCE_DRAWN } else { DRAWN });
        let rows_per_point = count.max(1) as f64 / points.len().max(1) as f64;
        Self { name: name.to_owned(), kind, hue, points, rows_per_point }
    }

    pub(super) fn values(&self) -> Vec<f64> {
        self.points.iter().map(|point| point.value).collect()
    }

    /// The moving average over about `rows` rows.
    pub(super) fn smooth(&self, rows: f64) -> Vec<f64> {
        smoothed(&self.points, rows / self.rows_per_point)
    }
}

/// At most `limit` points. Of each stretch of rows the lowest and the highest are kept, so that no spike gets lost;
/// NaN is kept as the highest.
pub(super) fn points(values: impl Iterator<Item = (u64, f64)>, limit: usize) -> Vec<Point> {
    let values: Vec<_> = values.collect();
    if values.len() <= limit {
        return values.into_iter().map(|(step, value)| Point { step, value, mean: value }).collect();
    }
    let mut kept = Vec::with_capacity(limit);
    for stretch in values.chunks((values.len() * 2).div_ceil(limit)) {
        let finite = stretch.iter().map(|(_, value)| *value).filter(|value| drawable(*value));
        let mean = finite.clone().sum::<f64>() / finite.count() as f64;
        let lowest = stretch.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let highest = stretch.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        let mut ends: Vec<_> = lowest.into_iter().chain(highest).collect();
        ends.sort_by_key(|(step, _)| *step);
        kept.extend(ends.into_iter().map(|&(step, value)| Point { step, value, mean }));
    }
    kept
}

/// An exponential moving average over about `window` points, without a bias to 0 at the start. Points that are not
/// finite leave it as it is.
pub(super) fn smoothed(points: &[Point], window: f64) -> Vec<f64> {
    let keep = 1.0 - 1.0 / window.max(1.0);
    let (mut sum, mut weight) = (0.0, 0.0);
    let step = |point: &Point| {
        if drawable(point.mean) {
            sum = keep * sum + (1.0 - keep) * point.mean;
            weight = keep * weight + (1.0 - keep);
        }
        sum / weight
    };
    points.iter().map(step).collect()
}

/// A window for so many rows, about a fortieth of them: its place in `WINDOWS`, and itself.
pub(super) fn default_window(rows: usize) -> (usize, f64) {
    let mut fitting = WINDOWS.iter().enumerate().filter(|(_, window)| *window * 40 <= rows);
    fitting.next_back().map_or((0, 1.0), |(choice, window)| (choice, *window as f64))
}

pub(super) fn drawable(value: f64) -> bool {
    value.abs() < LARGEST
}

#[cfg(test)]
mod tests {
    use super::super::html;
    use super::super::tests::{charts, row, run};
    use super::*;
    use serde_json::json;

    #[test]
    fn long_lines_are_thinned() {
        let values = |rows: u64| (0..rows).map(|step| (step, if step == 777 { 50.0 } else { (step % 10) as f64 }));
        assert_eq!(points(values(4000), DRAWN).len(), 4000);
        for rows in [4001, 7999, 100_000] {
            let kept = points(values(rows), DRAWN);
            assert!((2000..=DRAWN).contains(&kept.len()), "{rows}: {}", kept.len());
            assert!(kept.iter().any(|point| (point.step, point.value) == (777, 50.0)));
            assert!(kept.is_sorted_by_key(|point| point.step));
        }
        let kept = points(values(100_000), DRAWN);
        assert_eq!(kept.last().map(|point| point.mean), Some(4.5)); // stretches of 50 rows
        let page = html(&run((0..50_000).map(|step| row(step, 1.0 + (step % 3) as f64)).collect()));
        assert!(page.len() < 2_000_000, "{}", page.len());
    }

    #[test]
    fn the_average_has_no_bias() {
        let flat = points((0..5).map(|step| (step, 3.0)), DRAWN);
        assert!(smoothed(&flat, 100.0).iter().all(|value| (value - 3.0).abs() < 1e-9));
        let gap = points([(0, f64::NAN), (1, 4.0), (2, f64::NAN), (3, 2.0)].into_iter(), DRAWN);
        let smooth = smoothed(&gap, 2.0);
        assert!(smooth[0].is_nan());
        assert_eq!(smooth[1..3], [4.0, 4.0]);
        assert!((smooth[3] - (0.25 * 4.0 + 0.5 * 2.0) / 0.75).abs() < 1e-9, "{smooth:?}");
    }

    #[test]
    fn a_repeated_step_counts_once() {
        let page = html(&run(vec![row(10, 3.0), row(20, 9.0), row(20, 2.0), row(30, 1.0)]));
        assert_eq!(charts(&page)[0]["lines"][0]["y"], json!([3.0, 2.0, 1.0]));
    }
}
