//! Frames that are equal or nearly equal to the last that was kept.

use smolvlm_processor::Picture;

/// Tells frames that show something new from those that do not.
#[derive(Debug, Clone)]
pub struct Alike {
    /// How much frames may differ, on the average of their samples, in levels of 256.
    most: f64,
    last: Option<Picture>,
}

impl Alike {
    /// Frames that differ by at most so many levels on the average are alike.
    pub fn new(most: f64) -> Alike {
        Alike { most, last: None }
    }

    /// Whether a frame is like the last one that was not; else it is what the next are compared with.
    pub fn is_like_last(&mut self, frame: &Picture) -> bool {
        let alike = self.last.as_ref().is_some_and(|last| difference(last, frame) <= self.most);
        if !alike {
            self.last = Some(frame.clone());
        }
        alike
    }
}

/// The mean difference of two pictures' samples; that of others than of one size is without end.
fn difference(a: &Picture, b: &Picture) -> f64 {
    if (a.width, a.height, a.rgb.len()) != (b.width, b.height, b.rgb.len()) {
        return f64::INFINITY;
    }
    let sum: u64 = a.rgb.iter().zip(&b.rgb).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.rgb.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_compared_with_the_last_that_was_kept() {
        let grey = |level: u8| Picture { width: 2, height: 2, rgb: vec![level; 12] };
        let mut alike = Alike::new(1.0);
        let told: Vec<bool> = [5, 5, 6, 7, 8, 8].map(|level| alike.is_like_last(&grey(level))).into();
        // 7 is two levels from 5, though one from 6; then 8 is one from 7.
        assert_eq!(told, [false, true, true, false, true, true]);
        assert!(!alike.is_like_last(&Picture { width: 1, height: 4, rgb: vec![8; 12] }));
        let mut exactly = Alike::new(0.0);
        assert_eq!([5, 5, 6].map(|level| exactly.is_like_last(&grey(level))), [false, true, false]);
    }
}
