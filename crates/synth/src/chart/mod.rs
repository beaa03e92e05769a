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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kit, Sample, Split};

    #[test]
    fn every_chart_has_a_picture_and_whole_questions() {
        let (kit, mut random) = (Kit::default(), Random::new(41, 42));
        let draw: [fn(&Kit, &mut Random, Split) -> Sample; 5] = [bars, easy, line, two, pie];
        for at in 0..80 {
            let split = if at % 2 == 0 { Split::Train } else { Split::Test };
            for draw in draw {
                let sample = draw(&kit, &mut random, split);
                assert!(sample.pictures.len() == 1 && !sample.turns.is_empty());
                for turn in &sample.turns {
                    assert!(!turn.question.is_empty() && !turn.question.contains('{'), "{turn:?}");
                    assert!(!turn.answer.is_empty() && !turn.answer.contains('{'), "{turn:?}");
                }
            }
        }
    }

    #[test]
    fn a_test_asks_for_the_largest_bar_alone() {
        let (kit, mut random) = (Kit::default(), Random::new(43, 44));
        for _ in 0..50 {
            let sample = test_bars(&kit, &mut random, Split::Test);
            assert!(sample.turns.len() == 1 && sample.turns[0].skill == "chart-largest");
        }
    }
}
