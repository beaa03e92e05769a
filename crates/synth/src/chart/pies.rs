//! Pies, with labels inside, around or in a legend.

use super::{
    Asks, Chart, Data, data,
    page::{At, Page},
};
use crate::{
    Colour, Kit, Place, Random, Sample, Split,
    reading::Ink,
    wear::{Keep, wear},
};
use resvg::tiny_skia::{Path, PathBuilder};
use std::f64::consts::{PI, TAU};

/// Where a pie's labels are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Labels {
    Inside,
    Around,
    Legend,
}

/// A pie: its middle and its radius, in pixels, and where its first slice begins.
struct Pie {
    x: f64,
    y: f64,
    radius: f64,
    from: f64,
}

/// Two to five slices.
pub(crate) fn pie(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let (width, height) = super::size(random);
    let (width, height) = (width.max(height), width.min(height));
    let mut page = Page::new(kit, random, split, width, height);
    let n = *random.pick(&[2, 3, 3, 4, 4, 5]);
    let mut data = shares(random, n);
    let inks = data::inks(random, data.values.len(), page.ground);
    if inks.len() < data.values.len() {
        return super::bars(kit, random, split);
    }
    let mut labels = *random.pick(&[Labels::Inside, Labels::Around, Labels::Around, Labels::Legend]);
    let from = random.range(0.0, TAU);
    let mut pie = lay(&page, random, &mut data, labels, from);
    if labels != Labels::Legend && !fits(&page, &pie, &data, labels) {
        labels = Labels::Legend;
        pie = lay(&page, random, &mut data, labels, from);
    }
    slices(&mut page, &pie, &data, &inks, random.chance(0.5));
    match labels {
        Labels::Legend => legend(&mut page, &pie, &data, &inks),
        _ => around(&mut page, &pie, &data, &inks, labels),
    }
    let chart = Chart { data: &data, inks: &inks, title: None, what: "slice" };
    let turns = chart.turns(random, split, Asks::All);
    Sample { pictures: vec![wear(page.canvas.into_rgb(), Keep::Colours, random)], turns, fps: None }
}

/// The least share of a slice, by how much the largest exceeds the second, and the smallest falls below the one before.
const LEAST: usize = 8;
const LARGEST: u32 = 8;
const SMALLEST: u32 = 5;

/// Shares that make a hundred; the largest and the smallest stand out.
fn shares(random: &mut Random, n: usize) -> Data {
    let mut values = vec![100];
    let mut room = n.min(100 / LEAST);
    // What is left beside the least shares is cut at random; some slices are given up where many tries have failed.
    for attempt in 1.. {
        let left = 100 - LEAST * room;
        let mut cuts: Vec<usize> = (1..room).map(|_| random.between(0, left)).collect();
        cuts.sort_unstable();
        cuts.push(left);
        let mut before = 0;
        values = cuts.iter().map(|&cut| (LEAST + cut - std::mem::replace(&mut before, cut)) as u32).collect();
        if stand_out(&values) {
            break;
        }
        room -= usize::from(attempt % 1000 == 0);
    }
    random.shuffle(&mut values);
    let written = random.chance(0.4);
    Data { labels: Vec::new(), values, step: 25, most: 100, on_ticks: false, written, ticks: false, unit: "%" }
}

/// Whether the largest and the smallest stand out.
fn stand_out(values: &[u32]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    match sorted[..] {
        [a, b] => b >= a + LARGEST,
        [a, b, .., y, z] => b >= a + SMALLEST && z >= y + LARGEST,
        [a, b, z] => b >= a + SMALLEST && z >= b + LARGEST,
        _ => true,
    }
}

/// Finds labels that have room beside a pie, and its place.
fn lay(page: &Page, random: &mut Random, data: &mut Data, labels: Labels, from: f64) -> Pie {
    let n = data.values.len();
    let (gap, half) = (0.7 * page.letters, page.height / 2.0);
    let number = if data.written { page.width_of("88%") } else { 0.0 };
    match labels {
        Labels::Inside => {
            let radius = half - gap;
            data.labels = data::labels(random, n, false, |label| page.width_of(label).max(number) <= 0.75 * radius);
            Pie { x: page.width * random.range(0.45, 0.55), y: half, radius, from }
        }
        Labels::Around => {
            let radius = half - 2.9 * page.letters;
            let most = page.width / 2.0 - radius - gap;
            data.labels = data::labels(random, n, false, |label| page.width_of(label).max(number) <= most);
            Pie { x: page.width / 2.0, y: half, radius, from }
        }
        Labels::Legend => {
            let beside = 3.0 * gap + page.letters + if number > 0.0 { number + gap } else { 0.0 };
            let most = (0.62 * page.width - beside).max(2.0 * page.letters);
            data.labels = data::labels(random, n, false, |label| page.width_of(label) <= most.min(0.4 * page.width));
            let widest = data.labels.iter().map(|label| page.width_of(label)).fold(0.0, f64::max);
            let radius = (half - gap).min((page.width - widest - beside - gap) / 2.0);
            Pie { x: gap + radius, y: half, radius, from }
        }
    }
}

/// The angle of the middle of each slice, and the half of its width.
fn angles(pie: &Pie, data: &Data) -> Vec<(f64, f64)> {
    let mut at = pie.from;
    let one = |index| {
        let half = PI * data.share(index);
        at += 2.0 * half;
        (at - half, half)
    };
    (0..data.values.len()).map(one).collect()
}

/// Where the middle of a label lies, and the halves of its width and height; a written share stands below it.
fn spots(page: &Page, pie: &Pie, data: &Data, labels: Labels) -> Vec<[f64; 4]> {
    let tall = page.letters * if data.written { 1.4 } else { 0.6 };
    let angles = angles(pie, data).into_iter().enumerate();
    let spot = |(at, (angle, _)): (usize, (f64, f64))| {
        let number = if data.written { page.width_of(&data.answer(at)) } else { 0.0 };
        let wide = page.width_of(data.label(at)).max(number) / 2.0;
        let (sin, cos) = libm::sincos(angle);
        let (far, (right, below)) = match labels {
            Labels::Inside => (0.62 * pie.radius, (0.0, 0.0)),
            _ => (pie.radius + 0.6 * page.letters, (wide, tall)),
        };
        [pie.x + far * cos + right * cos, pie.y + far * sin + below * sin, wide, tall]
    };
    angles.map(spot).collect()
}

/// Whether labels lie inside the page, apart from each other and, inside, each within its slice.
fn fits(page: &Page, pie: &Pie, data: &Data, labels: Labels) -> bool {
    let spots = spots(page, pie, data, labels);
    let apart = |a: &[f64; 4], b: &[f64; 4]| {
        libm::fabs(a[0] - b[0]) > a[2] + b[2] + 3.0 || libm::fabs(a[1] - b[1]) > a[3] + b[3] + 1.0
    };
    let inside = |s: &[f64; 4]| s[0] >= s[2] && s[0] + s[2] <= page.width && s[1] >= s[3] && s[1] + s[3] <= page.height;
    let pairs = spots.iter().enumerate().all(|(at, a)| spots.iter().skip(at + 1).all(|b| apart(a, b)));
    let wide = match labels {
        Labels::Inside => angles(pie, data).iter().zip(&spots).all(|((angle, half), spot)| {
            let corners = [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)];
            corners.iter().all(|(right, below)| {
                let (x, y) = (spot[0] + right * spot[2] - pie.x, spot[1] + below * spot[3] - pie.y);
                let off = libm::remainder(libm::atan2(y, x) - angle, TAU);
                libm::fabs(off) < *half && libm::sqrt(x * x + y * y) < pie.radius
            })
        }),
        _ => true,
    };
    spots.iter().all(inside) && pairs && wide
}

fn slices(page: &mut Page, pie: &Pie, data: &Data, inks: &[Ink], lines: bool) {
    let place = Place::at(pie.x, pie.y, pie.radius);
    for ((angle, half), ink) in angles(pie, data).into_iter().zip(inks) {
        let Some(path) = slice(angle, half) else { continue };
        page.canvas.fill(&path, &place, ink.colour, 1.0);
        if lines {
            page.canvas.stroke(&path, &place, page.ground, 1.5, true);
        }
    }
}

/// A slice of a pie of radius 1.
fn slice(angle: f64, half: f64) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(0.0, 0.0);
    let steps = 2 + (half * 20.0) as usize;
    for step in 0..=steps {
        let (sin, cos) = libm::sincos(angle - half + 2.0 * half * step as f64 / steps as f64);
        path.line_to(cos as f32, sin as f32);
    }
    path.close();
    path.finish()
}

/// Writes the labels in or around the slices.
fn around(page: &mut Page, pie: &Pie, data: &Data, inks: &[Ink], labels: Labels) {
    for ((at, spot), ink) in spots(page, pie, data, labels).into_iter().enumerate().zip(inks) {
        let colour = match labels {
            Labels::Inside if ink.colour.oklab()[0] > 0.62 => Colour(0, 0, 0),
            Labels::Inside => Colour(255, 255, 255),
            _ => page.ink,
        };
        let [x, y, ..] = spot;
        let by = if data.written { 0.8 * page.letters } else { 0.0 };
        page.label(data.label(at), x, y - by, At::Centre, colour);
        if data.written {
            page.label(&data.answer(at), x, y + by, At::Centre, colour);
        }
    }
}

/// A list of the colours with the labels, at the right.
fn legend(page: &mut Page, pie: &Pie, data: &Data, inks: &[Ink]) {
    let (letters, ink) = (page.letters, page.ink);
    let gap = 0.7 * letters;
    let row = (1.9 * letters).min(page.height / data.values.len().max(1) as f64);
    let left = pie.x + pie.radius + gap;
    let widest = data.labels.iter().map(|label| page.width_of(label)).fold(0.0, f64::max);
    for (at, of) in inks.iter().enumerate() {
        let y = pie.y + (at as f64 - (data.values.len() as f64 - 1.0) / 2.0) * row;
        page.canvas.rectangle(left, y - letters / 2.0, letters, letters, of.colour);
        page.label(data.label(at), left + letters + 0.5 * gap, y, At::Left, ink);
        if data.written {
            page.label(&data.answer(at), left + letters + 1.3 * gap + widest, y, At::Left, ink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_make_a_hundred_and_the_largest_stands_out() {
        let mut random = Random::new(21, 22);
        for at in 0..400 {
            let n = 2 + at % 4;
            let mut values = shares(&mut random, n).values;
            assert_eq!((values.len(), values.iter().sum::<u32>()), (n, 100));
            values.sort_unstable();
            assert!(values[0] >= 8 && values[n - 1] - values[n - 2] >= 8 && values[1] - values[0] >= 5, "{values:?}");
        }
    }

    #[test]
    fn slices_go_around_once() {
        let mut random = Random::new(23, 24);
        let data = shares(&mut random, 4);
        let pie = Pie { x: 0.0, y: 0.0, radius: 1.0, from: 1.0 };
        let angles = angles(&pie, &data);
        let around: f64 = angles.iter().map(|(_, half)| 2.0 * half).sum();
        assert!((around - TAU).abs() < 1e-9);
        assert!(angles.windows(2).all(|pair| (pair[0].0 + pair[0].1 - (pair[1].0 - pair[1].1)).abs() < 1e-9));
    }
}
