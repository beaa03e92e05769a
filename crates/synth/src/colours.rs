//! Colours, with the names that people give them.
//!
//! A name's colours are boxes of hue, saturation and value with gaps between the names, so that a person would give the
//! same name. The values that CSS and drawing programs have for a name are drawn often: other people's pictures use them.

use crate::Random;

/// Red, green and blue, 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

/// A colour's name and what is called so.
#[derive(Debug)]
pub struct Named {
    /// The name that answers give.
    pub name: &'static str,
    /// Other names that are as right.
    pub also: &'static [&'static str],
    /// How often it is drawn for learning, beside the others.
    pub weight: f64,
    /// Values that programs give the name, the first that of CSS where it has one.
    usual: &'static [Colour],
    /// Ranges of hue (degrees, above 360 where they go around), saturation and value (0 to 1).
    boxes: &'static [[(f64, f64); 3]],
    /// Names that some would give it, too: they do not stand beside it in a picture, nor are asked of it.
    near: &'static [&'static str],
}

const fn named(
    name: &'static str,
    also: &'static [&'static str],
    weight: f64,
    usual: &'static [Colour],
    boxes: &'static [[(f64, f64); 3]],
    near: &'static [&'static str],
) -> Named {
    Named { name, also, weight, usual, boxes, near }
}

/// All names.
#[rustfmt::skip]
pub const COLOURS: &[Named] = &[
    named("red", &[], 1.0, &[Colour(255, 0, 0), Colour(220, 20, 20), Colour(231, 76, 60), Colour(244, 67, 54), Colour(214, 39, 40)],
        &[[(353.0, 365.0), (0.78, 1.0), (0.8, 1.0)]], &["maroon"]),
    named("green", &["lime", "dark green"], 1.0, &[Colour(0, 128, 0), Colour(0, 255, 0), Colour(0, 200, 0), Colour(46, 204, 113), Colour(76, 175, 80), Colour(44, 160, 44)],
        &[[(105.0, 138.0), (0.5, 1.0), (0.4, 0.95)]], &["olive"]),
    named("blue", &[], 1.0, &[Colour(0, 0, 255), Colour(30, 30, 220), Colour(52, 152, 219), Colour(33, 150, 243), Colour(65, 105, 225), Colour(31, 119, 180)],
        &[[(207.0, 242.0), (0.68, 1.0), (0.72, 1.0)]], &["navy", "light blue", "cyan"]),
    named("yellow", &["gold"], 1.0, &[Colour(255, 255, 0), Colour(255, 235, 59), Colour(241, 196, 15), Colour(255, 220, 0)],
        &[[(49.0, 61.0), (0.72, 1.0), (0.9, 1.0)]], &[]),
    named("orange", &[], 1.0, &[Colour(255, 165, 0), Colour(255, 140, 0), Colour(255, 127, 14), Colour(230, 126, 34), Colour(255, 152, 0)],
        &[[(25.0, 38.0), (0.82, 1.0), (0.9, 1.0)]], &[]),
    named("purple", &["violet"], 1.0, &[Colour(128, 0, 128), Colour(155, 89, 182), Colour(156, 39, 176), Colour(138, 43, 226), Colour(148, 103, 189)],
        &[[(267.0, 288.0), (0.5, 1.0), (0.48, 0.88)], [(288.0, 301.0), (0.6, 1.0), (0.42, 0.62)]], &["magenta"]),
    named("pink", &["light pink", "hot pink"], 1.0, &[Colour(255, 192, 203), Colour(255, 105, 180), Colour(255, 20, 147), Colour(233, 30, 99), Colour(227, 119, 194)],
        &[[(326.0, 352.0), (0.25, 0.6), (0.94, 1.0)], [(322.0, 334.0), (0.6, 0.9), (0.95, 1.0)]], &["magenta"]),
    named("brown", &[], 1.0, &[Colour(165, 42, 42), Colour(139, 69, 19), Colour(121, 85, 72), Colour(140, 86, 75), Colour(150, 75, 0)],
        &[[(16.0, 31.0), (0.55, 0.9), (0.35, 0.6)], [(358.0, 363.0), (0.7, 0.77), (0.61, 0.67)]], &["maroon"]),
    named("black", &[], 1.0, &[Colour(0, 0, 0), Colour(0, 0, 0), Colour(20, 20, 20)], &[[(0.0, 360.0), (0.0, 0.3), (0.0, 0.12)]], &[]),
    named("white", &[], 0.8, &[Colour(255, 255, 255), Colour(255, 255, 255), Colour(245, 245, 245)], &[[(0.0, 360.0), (0.0, 0.02), (0.96, 1.0)]], &[]),
    named("gray", &["grey"], 1.0, &[Colour(128, 128, 128), Colour(169, 169, 169), Colour(105, 105, 105), Colour(158, 158, 158), Colour(127, 127, 127)],
        &[[(0.0, 360.0), (0.0, 0.05), (0.36, 0.7)]], &[]),
    named("teal", &["dark cyan"], 1.0, &[Colour(0, 128, 128), Colour(0, 150, 136), Colour(0, 139, 139)],
        &[[(173.0, 188.0), (0.75, 1.0), (0.38, 0.58)]], &["cyan"]),
    named("cyan", &["aqua", "turquoise"], 0.7, &[Colour(0, 255, 255), Colour(0, 188, 212), Colour(23, 190, 207), Colour(64, 224, 208)],
        &[[(174.0, 187.0), (0.72, 1.0), (0.82, 1.0)]], &["light blue", "teal", "blue"]),
    named("light blue", &["sky blue", "blue"], 0.5, &[Colour(173, 216, 230), Colour(135, 206, 235), Colour(135, 206, 250)],
        &[[(196.0, 212.0), (0.24, 0.46), (0.9, 1.0)]], &["cyan", "blue"]),
    named("navy", &["navy blue", "dark blue", "blue"], 0.5, &[Colour(0, 0, 128), Colour(0, 0, 139), Colour(20, 30, 110)],
        &[[(226.0, 243.0), (0.75, 1.0), (0.34, 0.52)]], &["blue"]),
    named("maroon", &["dark red", "burgundy"], 0.5, &[Colour(128, 0, 0), Colour(139, 0, 0), Colour(128, 0, 32)],
        &[[(345.0, 361.0), (0.88, 1.0), (0.4, 0.54)]], &["red", "brown"]),
    named("magenta", &["fuchsia", "pink"], 0.5, &[Colour(255, 0, 255), Colour(255, 0, 230)],
        &[[(297.0, 307.0), (0.85, 1.0), (0.9, 1.0)]], &["pink", "purple"]),
    named("olive", &["olive green"], 0.4, &[Colour(128, 128, 0), Colour(107, 142, 35)], &[[(58.0, 66.0), (0.8, 1.0), (0.42, 0.54)]], &["green"]),
];

/// How often one of the usual values is drawn.
const USUAL: f64 = 0.5;

impl PartialEq for Named {
    fn eq(&self, other: &Named) -> bool {
        self.name == other.name
    }
}

impl Named {
    /// The colour of a name.
    pub fn of(name: &str) -> Option<&'static Named> {
        COLOURS.iter().find(|colour| colour.name == name)
    }

    /// One of them, by their weights.
    pub fn pick(random: &mut Random) -> &'static Named {
        let sum: f64 = COLOURS.iter().map(|colour| colour.weight).sum();
        let mut left = random.unit() * sum;
        for colour in COLOURS {
            left -= colour.weight;
            if left < 0.0 {
                return colour;
            }
        }
        &COLOURS[0]
    }

    /// A colour that is called so: the value of CSS in a quarter of the cases.
    pub fn draw(&self, random: &mut Random) -> Colour {
        if random.chance(USUAL) {
            return match self.usual.first() {
                Some(css) if random.chance(0.5) => *css,
                _ => *random.pick(self.usual),
            };
        }
        let [hue, saturation, value] = *random.pick(self.boxes);
        let mut within = |(low, high): (f64, f64)| random.range(low, high);
        hsv(within(hue), within(saturation), within(value))
    }

    /// The name of a colour, if it has one.
    pub fn called(colour: Colour) -> Option<&'static Named> {
        let (hue, saturation, value) = colour.hsv();
        let within = |at: f64, (low, high): (f64, f64)| (low - 0.01..=high + 0.01).contains(&at);
        COLOURS.iter().find(|named| {
            named.usual.contains(&colour)
                || named.boxes.iter().any(|[h, s, v]| {
                    let around = [hue, hue + 360.0].iter().any(|hue| (h.0 - 1.5..=h.1 + 1.5).contains(hue));
                    (around || h.1 - h.0 >= 360.0 || value < 0.01) && within(saturation, *s) && within(value, *v)
                })
        })
    }

    /// Whether a person might give the one the other's name.
    pub fn is_near(&self, other: &Named) -> bool {
        self.near.contains(&other.name) || other.near.contains(&self.name)
    }
}

/// A colour of hue (degrees), saturation and value (0 to 1).
pub fn hsv(hue: f64, saturation: f64, value: f64) -> Colour {
    let sector = |n: f64| {
        let k = (n + hue.rem_euclid(360.0) / 60.0).rem_euclid(6.0);
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    let [r, g, b] = [5.0, 3.0, 1.0].map(|n| (sector(n) * 255.0).round() as u8);
    Colour(r, g, b)
}

impl Colour {
    /// Hue (degrees), saturation and value (0 to 1).
    pub fn hsv(self) -> (f64, f64, f64) {
        let [r, g, b] = [self.0, self.1, self.2].map(|v| f64::from(v) / 255.0);
        let (most, least) = (r.max(g).max(b), r.min(g).min(b));
        let span = most - least;
        let hue = match most {
            _ if span == 0.0 => 0.0,
            _ if most == r => (g - b) / span,
            _ if most == g => 2.0 + (b - r) / span,
            _ => 4.0 + (r - g) / span,
        };
        ((60.0 * hue).rem_euclid(360.0), if most == 0.0 { 0.0 } else { span / most }, most)
    }

    /// Lightness and the two opponent colours, by Oklab (Björn Ottosson 2020).
    pub fn oklab(self) -> [f64; 3] {
        let linear = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { libm::pow((v + 0.055) / 1.055, 2.4) }
        };
        let (r, g, b) = (linear(self.0), linear(self.1), linear(self.2));
        let l = libm::cbrt(0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b);
        let m = libm::cbrt(0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b);
        let s = libm::cbrt(0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b);
        [
            0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
            1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
            0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
        ]
    }

    /// How different two look: the distance in Oklab, in which black and white are 1 apart.
    pub fn contrast(self, other: Colour) -> f64 {
        let (a, b) = (self.oklab(), other.oklab());
        a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
    }

    /// A mix: this at 0, the other at 1.
    pub fn mix(self, other: Colour, share: f64) -> Colour {
        let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round().clamp(0.0, 255.0) as u8;
        Colour(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hues_are_where_they_are_known_to_be() {
        assert_eq!(hsv(0.0, 1.0, 1.0), Colour(255, 0, 0));
        assert_eq!(hsv(480.0, 1.0, 0.5), Colour(0, 128, 0));
        assert_eq!(hsv(240.0, 0.5, 1.0), Colour(128, 128, 255));
    }

    #[test]
    fn contrast_is_that_of_oklab() {
        assert!((Colour(0, 0, 0).contrast(Colour(255, 255, 255)) - 1.0).abs() < 1e-6);
        let red = Colour(255, 0, 0).oklab();
        for (got, want) in red.iter().zip([0.62796, 0.22486, 0.12585]) {
            assert!((got - want).abs() < 1e-4, "{red:?}");
        }
    }

    #[test]
    fn names_do_not_meet() {
        let mut random = Random::new(1, 1);
        let drawn: Vec<Vec<Colour>> = COLOURS.iter().map(|c| (0..300).map(|_| c.draw(&mut random)).collect()).collect();
        for (i, a) in COLOURS.iter().enumerate() {
            for (j, b) in COLOURS.iter().enumerate().skip(i + 1) {
                let nearest = drawn[i].iter().flat_map(|x| drawn[j].iter().map(|y| x.contrast(*y))).fold(9.0, f64::min);
                let least = if a.is_near(b) { 0.02 } else { 0.035 };
                assert!(nearest > least, "{} and {}: {nearest}", a.name, b.name);
            }
        }
    }

    #[test]
    fn near_names_are_names() {
        for colour in COLOURS {
            assert!(colour.near.iter().all(|name| Named::of(name).is_some()), "{}", colour.name);
        }
    }
}
