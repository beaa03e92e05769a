//! Numbers of a seed, the same on every machine and in every version: splitmix64 (Steele, Lea and Flood 2014).

/// What its state grows by.
pub const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Its finaliser: every bit of `z` reaches every bit of what comes out.
pub fn mix64(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The 53 upper bits of a number, in [0, 1).
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * 2f64.powi(-53)
}

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Splitmix(u64);

impl Splitmix {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Splitmix {
        Splitmix(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix64(self.0)
    }

    /// In [0, 1).
    pub fn uniform(&mut self) -> f64 {
        unit(self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_sequence() {
        let mut random = Splitmix::new(1234567);
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
        assert!((0..1000).map(|_| random.uniform()).all(|u| (0.0..1.0).contains(&u)));
    }
}
