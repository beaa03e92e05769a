//! Line charts: one line with points, or two of different colours.

use super::{
    Asks, Chart, Data, Plot, data,
    page::{At, Page},
};
use crate::{
    Colour, Kit, Place, Random, Sample, Split, Turn,
    reading::{Ink, turn},
    wear::{Keep, wear},
};
use resvg::tiny_skia::PathBuilder;

/// A line through three to seven points.
pub(crate) fn line(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let (width, height) = super::size(random);
    let mut page = Page::new(kit, random, split, width, height);
    let n = random_points(random);
    let mut data = Data::pick(random, n);
    let title = random.chance(0.2).then(|| data::measure(random));
    let plot = axes(&mut page, random, &mut data, title);
    let ink = Ink::seen(random, page.ground);
    let dots = data.exact() || random.chance(0.7);
    run(&mut page, &plot, &data, ink.colour, random.range(1.6, 3.4), dots);
    if data.written {
        write(&mut page, &plot, &data);
    }
    let chart = Chart { data: &data, inks: &[], title, what: if dots { "point" } else { "line" } };
    let mut turns = chart.turns(random, split, Asks::All);
    if random.chance(0.35) {
        turns.extend(trend(random, split, &data));
    }
    if random.chance(0.2) {
        let also = ink.named.also.iter().map(|&name| name.to_owned()).collect();
        turns.push(turn("chart-colour", "line.colour", split, random, &[], ink.named.name, also));
    }
    Sample { pictures: vec![wear(page.canvas.into_rgb(), Keep::Colours, random)], turns, fps: None }
}

/// Two lines in two colours over the same labels.
pub(crate) fn two(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let (width, height) = super::size(random);
    let mut page = Page::new(kit, random, split, width, height);
    let n = random_points(random);
    let mut first = Data::pick(random, n);
    first.written = false;
    let plot = axes(&mut page, random, &mut first, None);
    let second = second(random, &first);
    let inks = data::inks(random, 2, page.ground);
    let [a, b] = inks[..] else { return line(kit, random, split) };
    let pen = random.range(2.0, 3.6);
    let dots = random.chance(0.6);
    run(&mut page, &plot, &first, a.colour, pen, dots);
    run(&mut page, &plot, &second, b.colour, pen, dots);
    let turns = compare(random, split, [(&first, a), (&second, b)]);
    Sample { pictures: vec![wear(page.canvas.into_rgb(), Keep::Colours, random)], turns, fps: None }
}

/// Values over the same labels: the lines meet once at most.
fn second(random: &mut Random, first: &Data) -> Data {
    let mut second = first.again();
    for _ in 0..40 {
        second.values = data::values(random, first.values.len(), first.step, first.most, first.on_ticks);
        let near = (0..first.values.len()).filter(|&at| libm::fabs(first.share(at) - second.share(at)) < 0.05);
        if near.count() < 2 {
            break;
        }
    }
    second
}

fn random_points(random: &mut Random) -> usize {
    *random.pick(&[3, 4, 4, 5, 5, 6, 7])
}

/// The title, the grid and the labels below.
fn axes(page: &mut Page, random: &mut Random, data: &mut Data, title: Option<&str>) -> Plot {
    let top = title.map_or(0.9 * page.letters, |title| page.title(title));
    let ordered = random.chance(0.85);
    let plot = Plot::lay(page, random, data, top, false, ordered);
    if random.chance(0.5) || (data.ticks && data.on_ticks) {
        plot.grid(page, data, true);
    }
    let (ink, letters, slot) = (page.ink, page.letters, plot.slot(data.values.len()));
    for at in 0..data.labels.len() {
        let x = plot.left + (at as f64 + 0.5) * slot;
        page.label(data.label(at), x, plot.bottom + 1.6 * letters, At::Middle, ink);
        if random.chance(0.5) {
            page.canvas.line((x, plot.bottom), (x, plot.bottom + 0.3 * letters), ink, 1.0);
        }
    }
    page.canvas.line((plot.left, plot.bottom), (plot.right, plot.bottom), ink, 1.5);
    if random.chance(0.7) {
        page.canvas.line((plot.left, plot.top), (plot.left, plot.bottom), ink, 1.5);
    }
    plot
}

/// Where a point lies.
fn point(plot: &Plot, data: &Data, at: usize) -> (f64, f64) {
    let slot = plot.slot(data.values.len());
    (plot.left + (at as f64 + 0.5) * slot, plot.bottom - data.share(at) * plot.down())
}

fn run(page: &mut Page, plot: &Plot, data: &Data, colour: Colour, pen: f64, dots: bool) {
    let mut path = PathBuilder::new();
    let points: Vec<(f64, f64)> = (0..data.values.len()).map(|at| point(plot, data, at)).collect();
    for (at, (x, y)) in points.iter().enumerate() {
        let (x, y) = (*x as f32, *y as f32);
        if at == 0 {
            path.move_to(x, y)
        } else {
            path.line_to(x, y)
        }
        if let Some(dot) = PathBuilder::from_circle(x, y, 1.7 * pen as f32).filter(|_| dots) {
            page.canvas.fill(&dot, &Place::at(0.0, 0.0, 1.0), colour, 1.0);
        }
    }
    if let Some(path) = path.finish() {
        page.canvas.stroke(&path, &Place::at(0.0, 0.0, 1.0), colour, pen, true);
    }
}

/// Writes each value beside its point, where the line leaves room: above, or below a point that lies lower than those
/// around it.
fn write(page: &mut Page, plot: &Plot, data: &Data) {
    let (ink, letters) = (page.ink, page.letters);
    let n = data.values.len();
    for at in 0..n {
        let (x, y) = point(plot, data, at);
        let around = data.share(at.saturating_sub(1)) + data.share((at + 1).min(n - 1));
        let below = around / 2.0 > data.share(at) && y + 2.0 * letters < plot.bottom;
        let y = if below { y + 1.8 * letters } else { y - 0.7 * letters };
        page.label(&data.value(at).to_string(), x, y, At::Middle, ink);
    }
}

/// Asks whether it goes up or down, where that is plain.
fn trend(random: &mut Random, split: Split, data: &Data) -> Option<Turn> {
    let by = data.share(data.values.len().checked_sub(1)?) - data.share(0);
    let answer = if by > 0.0 { "up" } else { "down" };
    (libm::fabs(by) >= 0.2).then(|| turn("chart-trend", "line.trend", split, random, &[], answer, Vec::new()))
}

/// What is asked of two lines: which is higher, and where.
fn compare(random: &mut Random, split: Split, lines: [(&Data, Ink); 2]) -> Vec<Turn> {
    let [(a, first), (b, second)] = lines;
    let (mut one, mut other) = (first.named.name, second.named.name);
    if random.chance(0.5) {
        std::mem::swap(&mut one, &mut other);
    }
    let far = |at: usize| libm::fabs(a.share(at) - b.share(at)) >= data::GAP;
    let places: Vec<usize> = (0..a.values.len()).filter(|&at| far(at)).collect();
    let mut turns = Vec::new();
    if let Some(&at) = places.get(random.below(places.len())) {
        let higher = if a.value(at) > b.value(at) { first.named.name } else { second.named.name };
        let (section, fill) = match at {
            0 if random.chance(0.5) => ("line.higher-at-start", ""),
            _ if at + 1 == a.values.len() && random.chance(0.5) => ("line.higher-at-end", ""),
            _ => ("line.higher-at", a.label(at)),
        };
        let fills = [("label", fill), ("one", one), ("other", other)];
        turns.push(turn("chart-lines", section, split, random, &fills, higher, Vec::new()));
    }
    for (data, ink) in lines {
        if random.chance(0.35) {
            let largest = random.chance(0.6);
            let at = if largest { data.largest() } else { data.smallest() };
            let section = if largest { "line.peak-of-colour" } else { "line.low-of-colour" };
            let fills = [("colour", ink.named.name)];
            turns.push(turn("chart-largest", section, split, random, &fills, data.label(at), Vec::new()));
        }
    }
    if turns.is_empty() || random.chance(0.2) {
        turns.push(turn("chart-count", "line.how-many", split, random, &[], "2", vec!["two".to_owned()]));
    }
    turns.truncate(3);
    turns
}
