//! How long each frame of an animation is shown.

use super::format::Format;
use super::{gif, webp};
use crate::Error;

/// Frames that are to be shown for less than this, in seconds, are shown for [`USUAL`]: browsers and FFmpeg do the same, for
/// such files mean "as fast as usual".
const SHORTEST: f64 = 0.02;
/// Seconds.
const USUAL: f64 = 0.1;

/// The seconds that each frame of a file is shown for; of one that does not move, one frame.
///
/// # Errors
/// It is no picture, or broken before its last frame.
pub fn frame_seconds(bytes: &[u8]) -> Result<Vec<f64>, Error> {
    let told = match Format::of(bytes)? {
        Format::Gif => gif::seconds(bytes)?,
        Format::WebP => webp::seconds(bytes)?,
        Format::Png => of_png(bytes),
        _ => Vec::new(),
    };
    let shown = |seconds: f64| if seconds < SHORTEST { USUAL } else { seconds };
    Ok(if told.is_empty() { vec![USUAL] } else { told.into_iter().map(shown).collect() })
}

/// Of the control chunks of an APNG; none of another PNG. A default picture that stands before the first of them is no frame,
/// but Pillow counts it as the first.
fn of_png(bytes: &[u8]) -> Vec<f64> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    let (mut seconds, mut moves) = (Vec::new(), false);
    while let Some((&[l0, l1, l2, l3, kind @ ..], after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        let data = after.get(..length).unwrap_or_default();
        match &kind {
            b"acTL" => moves = true,
            b"IDAT" if seconds.is_empty() && moves => seconds.push(USUAL),
            b"fcTL" => {
                let number = |at: usize| {
                    data.get(at..).and_then(|data| data.first_chunk()).map_or(0, |&pair| u16::from_be_bytes(pair))
                };
                let (over, under) = (f64::from(number(20)), f64::from(number(22)));
                seconds.push(over / if under == 0.0 { 100.0 } else { under });
            }
            _ => {}
        }
        rest = after.get(length.saturating_add(4)..).unwrap_or_default();
    }
    if moves { seconds } else { Vec::new() }
}
