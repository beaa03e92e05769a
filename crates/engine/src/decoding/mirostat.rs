//! Mirostat (Basu et al. 2021, arXiv 2007.14966): cuts the distribution so that the surprise of the drawn tokens stays near a
//! target. Surprises are in bits, and those of the distribution before the cut, as in the paper.

use super::settings::Mirostat;

/// The likeliest tokens from which version 1 estimates the exponent of Zipf's law.
const ESTIMATED_FROM: usize = 100;

/// The cut of one answer.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    settings: Mirostat,
    /// The most surprise that is let through: twice the target at first.
    mu: f64,
}

impl Cut {
    pub(crate) fn new(settings: Mirostat) -> Cut {
        Cut { settings, mu: 2.0 * f64::from(settings.tau) }
    }

    /// How many of the tokens are kept: at least one. Takes probabilities, likeliest first, and the size of the vocabulary.
    pub(crate) fn kept(&self, probabilities: &[f64], vocab: usize) -> usize {
        let kept = match self.settings.version {
            1 => self.by_zipf(probabilities, vocab),
            _ => probabilities.iter().take_while(|p| surprise(**p) <= self.mu).count(),
        };
        kept.clamp(1, probabilities.len().max(1))
    }

    /// Version 1: the k of which Zipf's law with the estimated exponent expects a surprise of mu.
    fn by_zipf(&self, probabilities: &[f64], vocab: usize) -> usize {
        let (mut above, mut below) = (0.0, 0.0);
        let few = probabilities.iter().take(ESTIMATED_FROM).filter(|p| **p > 0.0);
        for (i, (p, next)) in few.clone().zip(few.skip(1)).enumerate() {
            let t = libm::log((i + 2) as f64 / (i + 1) as f64);
            above += t * libm::log(p / next);
            below += t * t;
        }
        let s = above / below;
        let epsilon = s - 1.0;
        // Towards an exponent of 1 the quotient becomes the logarithm.
        let spread = match epsilon.abs() < 1e-9 {
            true => 1.0 / libm::log(vocab as f64),
            false => epsilon / (1.0 - libm::pow(vocab as f64, -epsilon)),
        };
        let k = libm::pow(spread * libm::exp2(self.mu), 1.0 / s);
        if k.is_finite() { k as usize } else { probabilities.len() }
    }

    /// Takes in that a token of this probability was drawn.
    pub(crate) fn drawn(&mut self, probability: f64) {
        let error = surprise(probability) - f64::from(self.settings.tau);
        self.mu -= f64::from(self.settings.eta) * error;
    }
}

fn surprise(probability: f64) -> f64 {
    -libm::log2(probability)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_backend::Splitmix;

    /// Probabilities by Zipf's law.
    fn zipf(s: f64, n: usize) -> Vec<f64> {
        let weights: Vec<f64> = (1..=n).map(|i| (i as f64).powf(-s)).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|w| w / sum).collect()
    }

    #[test]
    fn the_cut_is_that_of_the_paper() {
        let n = 5000;
        for s in [0.8, 1.1, 1.5] {
            let p = zipf(s, n);
            for tau in [1.0f32, 2.0, 3.5] {
                let mu = 2.0 * f64::from(tau);
                // Its equation for k, with the exponent that it estimates: here the true one.
                let e = s - 1.0;
                let k = (e * 2f64.powf(mu) / (1.0 - (n as f64).powf(-e))).powf(1.0 / s);
                let cut = Cut::new(Mirostat { version: 1, tau, eta: 0.1 });
                let got = cut.kept(&p, n);
                assert!(got.abs_diff((k as usize).clamp(1, n)) <= 1, "{s} {tau}: {got} for {k}");
                // Version 2: all whose surprise is at most mu.
                let cut = Cut::new(Mirostat { version: 2, tau, eta: 0.1 });
                let want = p.iter().filter(|p| -p.log2() <= mu).count().max(1);
                assert_eq!(cut.kept(&p, n), want);
            }
        }
    }

    #[test]
    fn awkward_distributions_keep_a_token() {
        for version in [1, 2] {
            let cut = Cut::new(Mirostat { version, tau: 1.0, eta: 0.1 });
            for p in [vec![1.0], vec![1.0, 0.0, 0.0], vec![0.5, 0.5], vec![1e-3; 1000], zipf(1.0, 10)] {
                let kept = cut.kept(&p, p.len());
                assert!((1..=p.len()).contains(&kept), "{version}: {kept} of {}", p.len());
            }
        }
    }

    #[test]
    fn surprise_settles_at_the_target() {
        let p = zipf(1.1, 5000);
        for version in [1, 2] {
            // The likeliest alone has 2.8 bits.
            for tau in [3.5, 5.0] {
                let mut cut = Cut::new(Mirostat { version, tau, eta: 0.1 });
                let mut random = Splitmix::new(5);
                let mut sum = 0.0;
                for round in 0..3000 {
                    let kept = &p[..cut.kept(&p, p.len())];
                    let mut left = random.uniform() * kept.iter().sum::<f64>();
                    let drawn = kept.iter().position(|p| {
                        left -= p;
                        left < 0.0
                    });
                    let drawn = kept[drawn.unwrap_or(0)];
                    cut.drawn(drawn);
                    if round >= 1000 {
                        sum -= drawn.log2();
                    }
                }
                let mean = sum / 2000.0;
                assert!((mean - f64::from(tau)).abs() < 0.2, "{version}: {mean} for {tau}");
            }
        }
    }
}
