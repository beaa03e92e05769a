//! Charts: bars, lines and pies with labels, and questions about them that have one answer.

mod ask;
mod bars;
mod data;
mod lines;
mod page;
mod pies;
mod plot;

pub(crate) use ask::{Asks, Chart};
pub(crate) use bars::{bars, easy, test_bars};
pub(crate) use data::{Data, labels, measure};
pub(crate) use lines::{line, two};
pub(crate) use page::{At, Page};
pub(crate) use pies::pie;
pub(crate) use plot::Plot;

use crate::Random;

/// A chart's width and height: its longer side is 224 to 256 pixels.
pub(crate) fn size(random: &mut Random) -> (u32, u32) {
    let long = random.between(224, 256) as u32;
    let short = (f64::from(long) * random.range(0.7, 1.0)) as u32;
    if random.chance(0.85) { (long, short) } else { (short, long) }
}
