//! The space between a chart's axes.

use super::{
    Data, data,
    page::{At, Page},
};
use crate::Random;

/// Where bars stand or a line runs: left, top, right and bottom, in pixels.
pub(crate) struct Plot {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
    /// Whether values go from the left to the right.
    pub(crate) lying: bool,
}

impl Plot {
    /// Finds labels that have room, and the space that is left beside them below `top`. `ordered` asks for months,
    /// years and the like.
    pub(crate) fn lay(page: &Page, random: &mut Random, data: &mut Data, top: f64, lying: bool, ordered: bool) -> Plot {
        let n = data.values.len();
        let gap = 0.7 * page.letters;
        let ticks = page.width_of(&data.most.to_string());
        let (right, bottom) = (page.width - gap, page.height - gap);
        if lying {
            let most = 0.34 * page.width;
            data.labels = data::labels(random, n, ordered, |label| page.width_of(label) <= most);
            let labels = data.labels.iter().map(|label| page.width_of(label)).fold(0.0, f64::max);
            let right = right - if data.written { ticks + gap } else { 0.5 * ticks };
            let bottom = bottom - if data.ticks { 1.7 * page.letters } else { 0.0 };
            return Plot { left: gap + labels + gap, top, right, bottom, lying };
        }
        if data.written && ticks + 0.4 * page.letters > (right - gap) / n as f64 {
            (data.written, data.ticks) = (false, data.on_ticks);
        }
        let left = gap + if data.ticks { ticks + gap } else { 0.0 };
        let slot = (right - left) / n as f64;
        data.labels = data::labels(random, n, ordered, |label| page.width_of(label) <= slot - 0.6 * page.letters);
        let top = top + if data.written { 1.5 * page.letters } else { 0.0 };
        Plot { left, top, right, bottom: bottom - 1.9 * page.letters, lying }
    }

    /// Its width.
    pub(crate) fn across(&self) -> f64 {
        self.right - self.left
    }

    /// Its height.
    pub(crate) fn down(&self) -> f64 {
        self.bottom - self.top
    }

    /// The room of one of `n` bars or points.
    pub(crate) fn slot(&self, n: usize) -> f64 {
        (if self.lying { self.down() } else { self.across() }) / n.max(1) as f64
    }

    /// Lines across at the ticks, and the ticks' numbers.
    pub(crate) fn grid(&self, page: &mut Page, data: &Data, lines: bool) {
        let count = data.most / data.step.max(1);
        let wide = page.width_of(&data.most.to_string()) * 1.3;
        let every = if self.lying && wide * f64::from(count) > self.across() { 2 } else { 1 };
        let (pale, ink, letters) = (page.pale, page.ink, page.letters);
        for tick in 0..=count {
            let share = f64::from(tick) / f64::from(count.max(1));
            let number = (data.ticks && tick % every == 0).then(|| (tick * data.step).to_string());
            let (from, to, label) = match self.lying {
                true => {
                    let x = self.left + share * self.across();
                    ((x, self.top), (x, self.bottom), (x, self.bottom + 1.5 * letters, At::Middle))
                }
                false => {
                    let y = self.bottom - share * self.down();
                    ((self.left, y), (self.right, y), (self.left - 0.5 * letters, y, At::Right))
                }
            };
            if lines {
                page.canvas.line(from, to, pale, 1.0);
            }
            if let Some(number) = number {
                page.label(&number, label.0, label.1, label.2, ink);
            }
        }
    }
}
