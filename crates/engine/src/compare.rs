//! How far one model is from another: what they foretell, and what they see.

use crate::perplexity::log_sum;
use crate::{Engine, Error, Features, Perplexity, memory};
use smolvlm_backend::{Tensor, numbers};
use smolvlm_processor::{Picture, PlanOptions};

/// How two models foretell the same text.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The first's score.
    pub first: Perplexity,
    /// The second's.
    pub second: Perplexity,
    /// The Kullback-Leibler divergence of the second's probabilities from the first's, in nats, of every scored token, in
    /// rising order.
    pub divergences: Vec<f64>,
    /// Tokens of which both hold the same next one for the likeliest.
    pub agreed: usize,
}

impl Compared {
    /// The mean divergence.
    pub fn divergence(&self) -> f64 {
        self.divergences.iter().sum::<f64>() / self.divergences.len().max(1) as f64
    }

    /// The divergence below which this part of tokens lies.
    pub fn quantile(&self, part: f64) -> f64 {
        let at = (part * self.divergences.len() as f64) as usize;
        self.divergences.get(at).or(self.divergences.last()).copied().unwrap_or(0.0)
    }

    /// The part of tokens of which both hold the same next one for the likeliest.
    pub fn agreement(&self) -> f64 {
        self.agreed as f64 / self.divergences.len().max(1) as f64
    }
}

/// How far what one model makes of pictures is from what another makes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Apart {
    /// Squares of differences, added up.
    difference: f64,
    /// Squares of the first's numbers, added up.
    size: f64,
}

impl Apart {
    /// The root of the mean square of differences, beside that of the first's numbers.
    pub fn relative(&self) -> f64 {
        if self.size > 0.0 { (self.difference / self.size).sqrt() } else { 0.0 }
    }
}

impl Engine {
    /// Scores tokens by this model and by another of the same vocabulary, in windows side by side as
    /// [`Engine::perplexity`] does it.
    ///
    /// # Errors
    /// As there; the vocabularies are of different sizes.
    pub fn compare(
        &self,
        other: &Engine,
        ids: &[u32],
        window: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Compared, Error> {
        let sizes = [self, other].map(|engine| engine.core.model.config.text.vocab);
        if sizes[0] != sizes[1] {
            return Err(Error::Vocabularies { first: sizes[0], second: sizes[1] });
        }
        let window = window.min(ids.len()).min(self.processor.context()).min(other.processor.context());
        if window < 2 {
            return Err(Error::TooShort { tokens: ids.len() });
        }
        memory::check_rows(&self.core, window, window)?;
        memory::check_rows(&other.core, window, window)?;
        let (mut totals, mut divergences, mut agreed) = ([0.0; 2], Vec::new(), 0);
        let windows = ids.chunks_exact(window);
        let count = windows.len();
        for (index, ids) in windows.enumerate() {
            let hidden = [self, other].map(|engine| {
                let core = &engine.core;
                let x = core.model.text.embed(&*core.backend, ids);
                core.forward(&mut core.sequence(), &x, 0, window)
            });
            let mut next = ids.iter().skip(1);
            self.core.each_logits_beside(&hidden, &other.core, window - 1, |first, second| {
                let Some(&id) = next.next() else { return };
                let sums = [log_sum(first), log_sum(second)];
                for ((total, row), sum) in totals.iter_mut().zip([first, second]).zip(sums) {
                    *total += sum - row.get(id as usize).copied().map_or(f64::NAN, f64::from);
                }
                divergences.push(divergence(first, second, sums));
                agreed += usize::from(likeliest(first) == likeliest(second));
            });
            if !totals.iter().all(|total| total.is_finite()) {
                return Err(Error::NotFinite);
            }
            progress((index + 1) * window, count * window);
        }
        let scored = divergences.len();
        divergences.sort_by(f64::total_cmp);
        let [first, second] = totals.map(|total| Perplexity { mean_nll: total / scored as f64, scored });
        Ok(Compared { first, second, divergences, agreed })
    }

    /// Adds how far what another model makes of a picture is from what this one makes.
    ///
    /// # Errors
    /// As [`Engine::see`]; they make different numbers of them.
    pub fn see_beside(
        &self,
        other: &Engine,
        picture: &Picture,
        options: &PlanOptions,
        apart: &mut Apart,
    ) -> Result<(), Error> {
        let [first, second] = [self, other].map(|engine| {
            let Features { tiles, .. } = engine.see(picture, options)?;
            let all = tiles.iter().flat_map(|tile: &Tensor| numbers(&*engine.core.backend, tile));
            Ok::<_, Error>(all.collect::<Vec<f32>>())
        });
        let (first, second) = (first?, second?);
        if first.len() != second.len() {
            return Err(Error::Vocabularies { first: first.len(), second: second.len() });
        }
        for (a, b) in first.iter().zip(&second) {
            apart.difference += f64::from(a - b) * f64::from(a - b);
            apart.size += f64::from(*a) * f64::from(*a);
        }
        Ok(())
    }
}

/// The divergence of the second row's softmax from the first's, in nats; of both, their [`log_sum`].
fn divergence(first: &[f32], second: &[f32], [all_first, all_second]: [f64; 2]) -> f64 {
    let each = first.iter().zip(second).map(|(&a, &b)| {
        let (a, b) = (f64::from(a) - all_first, f64::from(b) - all_second);
        a.exp() * (a - b)
    });
    each.sum::<f64>().max(0.0)
}

/// The first of the largest.
fn likeliest(row: &[f32]) -> usize {
    let larger = |best: (usize, f32), (at, &x): (usize, &f32)| if x > best.1 { (at, x) } else { best };
    row.iter().enumerate().fold((0, f32::NEG_INFINITY), larger).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DTypeChoice, EngineOptions, FewBits};
    use smolvlm_backend::Isa;
    use smolvlm_processor::DecodeOptions;

    #[test]
    fn divergence_is_that_of_the_definition() {
        let softmax = |row: &[f64]| {
            let sum: f64 = row.iter().map(|x| x.exp()).sum();
            row.iter().map(|x| x.exp() / sum).collect::<Vec<_>>()
        };
        let (p, q) = (softmax(&[1.0, 2.0, 0.5]), softmax(&[1.5, -2.0, 0.25]));
        let want: f64 = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum();
        let divergence = |a: &[f32], b: &[f32]| divergence(a, b, [log_sum(a), log_sum(b)]);
        assert!((divergence(&[1.0, 2.0, 0.5], &[1.5, -2.0, 0.25]) - want).abs() < 1e-9);
        assert_eq!((divergence(&[3.0, 1.0], &[4.0, 2.0]), likeliest(&[1.0, 3.0, 3.0])), (0.0, 1));
    }

    #[test]
    fn a_model_is_itself_and_near_to_itself_in_fewer_bits() {
        let folder = smolvlm_golden::folder().join("idefics3-256m");
        let open = |dtype| {
            let options = EngineOptions { threads: 2, isa: Isa::best(), dtype, narrow_kv: false, adapters: Vec::new() };
            Engine::open(&folder, &options, &mut |_, _| {}).unwrap()
        };
        let (exact, eight) = (open(DTypeChoice::F32), open(DTypeChoice::Few(FewBits::EIGHT)));
        let ids: Vec<u32> = (0..200).map(|i| 20 + i * 7 % 300).collect();
        let same = exact.compare(&exact, &ids, 64, &mut |_, _| {}).unwrap();
        assert_eq!((same.divergence(), same.agreement(), same.first), (0.0, 1.0, same.second));
        assert_eq!(same.first, exact.perplexity(&ids, 64, &mut |_, _| {}).unwrap());
        let near = exact.compare(&eight, &ids, 64, &mut |_, _| {}).unwrap();
        assert_eq!(near.second, eight.perplexity(&ids, 64, &mut |_, _| {}).unwrap());
        assert!(near.divergence() > 0.0 && near.divergence() < 0.02, "{}", near.divergence());
        assert!(near.quantile(0.99) >= near.quantile(0.5) && near.agreement() > 0.8);
        let photo =
            Picture::open(&smolvlm_golden::folder().join("images/small.png"), &DecodeOptions::default()).unwrap();
        let (mut none, mut some) = (Apart::default(), Apart::default());
        exact.see_beside(&exact, &photo, &PlanOptions::default(), &mut none).unwrap();
        exact.see_beside(&eight, &photo, &PlanOptions::default(), &mut some).unwrap();
        assert!(none.relative() == 0.0 && some.relative() > 0.001 && some.relative() < 0.05);
    }
}
