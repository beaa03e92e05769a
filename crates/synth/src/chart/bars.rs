//! Bar charts, upright and lying.

use super::{
    Asks, Chart, Data, Plot, data,
    page::{At, Page},
};
use crate::{
    Kit, Random, Sample, Split,
    reading::Ink,
    wear::{Keep, wear},
};

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
    let plot = Plot::lay(&page, random, &mut data, top, lying, false);
    let inks = colours(random, &page, n);
    if easy || random.chance(0.4) || (data.ticks && data.on_ticks) {
        plot.grid(&mut page, &data, !easy);
    }
    body(&mut page, random, &plot, &data, &inks);
    let distinct = inks.iter().any(|ink| ink.named != inks.first().map_or(ink.named, |first| first.named));
    let chart = Chart { data: &data, inks: if distinct { &inks } else { &[] }, title, what: "bar" };
    let turns = chart.turns(random, split, if easy { Asks::Simple } else { Asks::All });
    Sample { pictures: vec![wear(page.canvas.into_rgb(), Keep::Colours, random)], turns, fps: None }
}

/// One colour for all bars, or one for each.
fn colours(random: &mut Random, page: &Page, n: usize) -> Vec<Ink> {
    if random.chance(0.4) {
        return vec![Ink::seen(random, page.ground); n];
    }
    let inks = data::inks(random, n, page.ground);
    if inks.len() == n { inks } else { vec![Ink::seen(random, page.ground); n] }
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
