//! Pictures that are cut and changed at many places, and such as would go on for ever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use smolvlm_processor::{DecodeOptions, Error, Picture};

/// Every file of the corpus, in order.
fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/pictures");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension != "json"));
    files.sort();
    assert!(files.len() > 500);
    files
}

/// The next of a row of numbers that look like chance.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Decodes: a picture within the limits, or an error that tells nothing of this program's insides.
fn try_out(bytes: &[u8], frame: u32, what: &str) {
    let options = DecodeOptions { max_pixels: 1 << 16, frame, ..DecodeOptions::default() };
    match Picture::decode(bytes, &options) {
        Ok(picture) => {
            let pixels = picture.width as usize * picture.height as usize;
            assert!(pixels <= 1 << 16 && picture.rgb.len() == 3 * pixels, "{what}");
            assert_eq!(Picture::size(bytes, &options).unwrap(), (picture.width, picture.height), "{what}");
        }
        Err(error) => {
            let text = error.to_string();
            // "0xfb" may be a marker; an address is longer.
            let address =
                text.split("0x").skip(1).any(|rest| rest.bytes().take_while(u8::is_ascii_hexdigit).count() > 4);
            assert!(!address && !text.contains(".rs") && text.len() < 300, "{what}: {text}");
        }
    }
}

#[test]
fn cut_and_changed_files_end_well() {
    let mut state = 1;
    for file in corpus() {
        let bytes = std::fs::read(&file).unwrap();
        if bytes.len() > 20_000 {
            continue;
        }
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for cut in (0..bytes.len()).step_by((bytes.len() / 60).max(1)) {
            try_out(&bytes[..cut], 0, &format!("{name} cut at {cut}"));
        }
        for round in 0..300 {
            let mut changed = bytes.clone();
            // Half of the changes near the beginning, where headers are.
            let within = if round % 2 == 0 { changed.len().min(64) } else { changed.len() };
            for _ in 0..1 + round % 3 {
                if within > 0 {
                    let at = next(&mut state) as usize % within;
                    changed[at] = match next(&mut state) % 4 {
                        0 => changed[at] ^ 1 << (next(&mut state) % 8),
                        1 => 0,
                        2 => 255,
                        _ => next(&mut state) as u8,
                    };
                }
            }
            try_out(&changed, (round % 4) as u32, &format!("{name} round {round}"));
        }
    }
    #[cfg(target_os = "linux")]
    assert!(smolvlm_sys::peak_rss().unwrap_or(0) < 512 << 20, "{:?}", smolvlm_sys::peak_rss());
}

/// A GIF of so many frames of one pixel.
fn gif(size: u16, frames: usize) -> Vec<u8> {
    let [low, high] = size.to_le_bytes();
    let mut bytes = vec![b'G', b'I', b'F', b'8', b'9', b'a', low, high, low, high, 0x80, 0, 0, 1, 2, 3, 4, 5, 6];
    for _ in 0..frames {
        bytes.extend([b',', 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x4C, 0x01, 0]);
    }
    bytes.push(b';');
    bytes
}

/// A TIFF of so many pages that all show the same pixel; the last leads on to page `following`, if to any.
fn tiff(pages: u32, following: Option<u32>) -> Vec<u8> {
    const PAGE: u32 = 2 + 6 * 12 + 4;
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    for page in 0..pages {
        bytes.extend(6u16.to_le_bytes());
        for (tag, value) in [(256u16, 1u32), (257, 1), (258, 8), (262, 1), (273, 0), (277, 1)] {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(4u16.to_le_bytes());
            bytes.extend(1u32.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        let next = if page + 1 < pages { Some(page + 1) } else { following };
        bytes.extend(next.map_or(0, |next| 8 + next * PAGE).to_le_bytes());
    }
    bytes
}

fn decode(bytes: &[u8], frame: u32) -> Result<Picture, Error> {
    Picture::decode(bytes, &DecodeOptions { frame, ..DecodeOptions::default() })
}

#[test]
fn a_hundred_thousand_frames() {
    let many = 100_000;
    for bytes in [gif(1, many), tiff(many as u32, None), tiff(many as u32, Some(0)), tiff(many as u32, Some(50_000))] {
        assert!(decode(&bytes, 0).is_ok());
        assert!(decode(&bytes, many as u32 - 1).is_ok());
        for beyond in [many as u32, u32::MAX] {
            let refusal = decode(&bytes, beyond);
            assert!(matches!(refusal, Err(Error::NoFrame { frame, frames: 100_000 }) if frame == beyond));
        }
    }
}

#[test]
fn frames_in_front_may_not_cost_without_end() {
    // Small frames are drawn alone, so that many of them on a large screen are no matter.
    assert!(decode(&gif(1000, 20_000), 19_999).is_ok());
    let options = DecodeOptions { max_pixels: 100, frame: 90_000, ..DecodeOptions::default() };
    assert!(matches!(Picture::decode(&gif(10, 100_000), &options), Err(Error::FrameTooFar)));
    // Neither may each of them make the screen larger.
    let mut growing = gif(1, 300);
    for (at, frame) in growing[19..].chunks_exact_mut(15).enumerate() {
        frame[1..3].copy_from_slice(&(at as u16).to_le_bytes());
    }
    assert!(decode(&growing, 299).is_ok_and(|picture| picture.width == 300));
    let options = DecodeOptions { max_pixels: 300, frame: 299, ..DecodeOptions::default() };
    assert!(matches!(Picture::decode(&growing, &options), Err(Error::FrameTooFar)));
}

#[test]
fn formats_without_frames_have_one() {
    let png = Picture { width: 1, height: 1, rgb: vec![1, 2, 3] }.to_png().unwrap();
    for bytes in [b"P5 1 1 255\n\x07".as_slice(), &png] {
        assert!(decode(bytes, 0).is_ok());
        assert!(matches!(decode(bytes, 3), Err(Error::NoFrame { frame: 3, frames: 1 })));
    }
}
