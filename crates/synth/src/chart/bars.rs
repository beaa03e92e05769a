//! Bar charts, upright and lying.

use super::{
    Asks, Chart, Data, data,
    page::{At, Page},
};
use crate::{Kit, Random, Sample, Split, reading::Ink};

/// Two to seven bars.
pub(crate) fn bars(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let n = *random.pick(&[2, 3, 3, 4, 4, 5, 5, 6, 7]);
    draw(kit, random, split, n, false)
}

/// A test's bars: which is the largest, alone.
pub(crate) fn test_bars(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    bars(kit, random, split).first_turn()
}

/// Two or three bars with large letters and nothing else.
pub(crate) fn easy(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let n = random.between(2, 3);
    draw(kit, random, split, n, true)
}

/// Where the bars stand: left, top, right and bottom of the space between the axes, in pixels.
struct Plot {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    lying: bool,
}

impl Plot {
    fn across(&self) -> f64 {
        self.right - self.left
    }

    fn down(&self) -> f64 {
        self.bottom - self.top
    }

    /// The bars' own room.
    fn slot(&self, n: usize) -> f64 {
        (if self.lying { self.down() } else { self.across() }) / n.max(1) as f64
    }
}

fn draw(kit: &Kit, random: &mut Random, split: Split, n: usize, easy: bool) -> Sample {
    let (width, height) = super::size(random);
    let mut page = Page::new(kit, random, split, width, height);
    let mut data = Data::pick(random, n);
    if easy {
        (data.written, data.ticks) = (false, false);
        page.letters *= 1.4;
    }
    let lying = random.chance(0.35);
    let title = (!easy && random.chance(0.2)).then(|| data::measure(random));
    let top = title.map_or(0.8 * page.letters, |title| page.title(title));
    let plot = plot(&page, random, &mut data, top, lying);
    let inks = colours(random, &page, n);
    if easy || random.chance(0.4) || (data.ticks && data.on_ticks) {
        grid(&mut page, &plot, &data, !easy);
    }
    body(&mut page, random, &plot, &data, &inks);
    let distinct = inks.iter().any(|ink| ink.named != inks.first().map_or(ink.named, |first| first.named));
    let chart = Chart { data: &data, inks: if distinct { &inks } else { &[] }, title, what: "bar" };
    let turns = chart.turns(random, split, if easy { Asks::Simple } else { Asks::All });
    Sample { pictures: vec![page.canvas.into_rgb()], turns }
}

/// Finds labels that have room, and the space that is left beside them.
fn plot(page: &Page, random: &mut Random, data: &mut Data, top: f64, lying: bool) -> Plot {
    let n = data.values.len();
    let gap = 0.7 * page.letters;
    let ticks = page.width_of(&data.most.to_string());
    let (right, bottom) = (page.width - gap, page.height - gap);
    if lying {
        let most = 0.34 * page.width;
        data.labels = data::labels(random, n, false, |label| page.width_of(label) <= most);
        let labels = data.labels.iter().map(|label| page.width_of(label)).fold(0.0, f64::max);
        let right = right - if data.written { ticks + gap } else { 0.5 * ticks };
        let bottom = bottom - if data.ticks { 1.7 * page.letters } else { 0.0 };
        return Plot { left: gap + labels + gap, top, right, bottom, lying };
    }
    let left = gap + if data.ticks { ticks + gap } else { 0.0 };
    let slot = (right - left) / n as f64;
    data.labels = data::labels(random, n, false, |label| page.width_of(label) <= slot - 0.6 * page.letters);
    if data.written && ticks > slot {
        (data.written, data.ticks) = (false, data.on_ticks);
        return plot(page, random, data, top, lying);
    }
    let top = top + if data.written { 1.5 * page.letters } else { 0.0 };
    Plot { left, top, right, bottom: bottom - 1.9 * page.letters, lying }
}

/// One colour for all bars, or one for each.
fn colours(random: &mut Random, page: &Page, n: usize) -> Vec<Ink> {
    if random.chance(0.4) {
        return vec![Ink::seen(random, page.ground); n];
    }
    let inks = data::inks(random, n, page.ground);
    if inks.len() == n { inks } else { vec![Ink::seen(random, page.ground); n] }
}

/// Lines across at the ticks, and the ticks' numbers.
fn grid(page: &mut Page, plot: &Plot, data: &Data, lines: bool) {
    let count = data.most / data.step.max(1);
    let wide = page.width_of(&data.most.to_string()) * 1.3;
    let every = if plot.lying && wide * f64::from(count) > plot.across() { 2 } else { 1 };
    for tick in 0..=count {
        let share = f64::from(tick) / f64::from(count.max(1));
        let (pale, ink, letters) = (page.pale, page.ink, page.letters);
        let number = (data.ticks && tick % every == 0).then(|| (tick * data.step).to_string());
        if plot.lying {
            let x = plot.left + share * plot.across();
            if lines {
                page.canvas.line((x, plot.top), (x, plot.bottom), pale, 1.0);
            }
            if let Some(number) = number {
                page.label(&number, x, plot.bottom + 1.5 * letters, At::Middle, ink);
            }
        } else {
            let y = plot.bottom - share * plot.down();
            if lines {
                page.canvas.line((plot.left, y), (plot.right, y), pale, 1.0);
            }
            if let Some(number) = number {
                page.label(&number, plot.left - 0.5 * letters, y, At::Right, ink);
            }
        }
    }
}

/// The bars with their labels, and the axes.
fn body(page: &mut Page, random: &mut Random, plot: &Plot, data: &Data, inks: &[Ink]) {
    let slot = plot.slot(data.values.len());
    let thick = slot * random.range(0.5, 0.86);
    let edge = random.chance(0.2);
    let (ink, letters) = (page.ink, page.letters);
    for (at, bar) in inks.iter().enumerate() {
        let share = data.share(at);
        let middle = (at as f64 + 0.5) * slot;
        let [x, y, across, down] = match plot.lying {
            true => [plot.left, plot.top + middle - thick / 2.0, share * plot.across(), thick],
            false => {
                let high = share * plot.down();
                [plot.left + middle - thick / 2.0, plot.bottom - high, thick, high]
            }
        };
        if edge {
            page.canvas.rectangle(x - 1.0, y - 1.0, across + 2.0, down + 2.0, ink);
        }
        page.canvas.rectangle(x, y, across, down, bar.colour);
        let value = data.value(at).to_string();
        match plot.lying {
            true => page.label(data.label(at), plot.left - 0.6 * letters, plot.top + middle, At::Right, ink),
            false => page.label(data.label(at), plot.left + middle, plot.bottom + 1.6 * letters, At::Middle, ink),
        }
        match plot.lying {
            _ if !data.written => {}
            true => page.label(&value, x + across + 0.5 * letters, plot.top + middle, At::Left, ink),
            false => page.label(&value, plot.left + middle, y - 0.4 * letters, At::Middle, ink),
        }
    }
    let corner = (plot.left, plot.bottom);
    if plot.lying || random.chance(0.5) {
        page.canvas.line((plot.left, plot.top), corner, ink, 1.5);
    }
    if !plot.lying || random.chance(0.5) {
        page.canvas.line(corner, (plot.right, plot.bottom), ink, 1.5);
    }
}
