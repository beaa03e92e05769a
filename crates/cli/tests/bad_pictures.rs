//! Pictures that are broken, that lie, or that are only odd, through the program.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, text};
use smolvlm_golden::repository;
use smolvlm_processor::Picture;
use std::path::PathBuf;

fn model() -> PathBuf {
    repository().join("golden/idefics3-256m")
}

/// A golden picture's file.
fn file(name: &str) -> Vec<u8> {
    std::fs::read(repository().join("golden/images").join(name)).unwrap()
}

/// A PNG of this size, all grey.
fn png(width: u32, height: u32) -> Vec<u8> {
    let rgb = vec![128; 3 * width as usize * height as usize];
    Picture { width, height, rgb }.to_png().unwrap()
}

/// A PNG whose header (which its checksum covers) claims another size.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(2, 2);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = bytes[12..29].iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    });
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

#[test]
fn broken_and_lying_pictures_are_refused() {
    let (dir, model) = (tempfile::tempdir().unwrap(), model());
    let whole = file("small.png");
    let photo = file("photo.jpg");
    let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let wrong_crc = {
        let mut bytes = whole.clone();
        let at = bytes.windows(4).position(|w| w == b"IDAT").unwrap();
        bytes[at + 20] ^= 1;
        bytes
    };
    let zero_width_jpeg = {
        let mut bytes = photo.clone();
        let at = bytes.windows(2).position(|w| w[0] == 0xFF && matches!(w[1], 0xC0 | 0xC2)).unwrap();
        bytes[at + 7..at + 9].fill(0);
        bytes
    };
    for (name, bytes, says) in [
        ("empty.png", Vec::new(), "QOI or ICO) but an empty file"),
        ("a.gif", b"GIF89a\x01\0\x01\0\0\0\0".to_vec(), "the GIF picture is truncated"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(), "but an SVG; convert it"),
        ("a.png", b"<!DOCTYPE html><html></html>".to_vec(), "but a web page (HTML)"),
        ("a.jpg", b"%PDF-1.7\n".to_vec(), "but a PDF"),
        ("a.webp", b"RIFF\0\0\0\0WEBPVP8 ".to_vec(), "the WebP picture is truncated"),
        ("a.heic", b"\0\0\0\x18ftypheic".to_vec(), "but a HEIC; convert it first, as in: magick FILE picture.png"),
        ("film.png", b"\0\0\0\x18ftypisom".to_vec(), "but a video (MP4)"),
        ("a.tga", b"\0\0\x02\0\0\0\0\0\0\0\0\0\x05\0\x05\0\x18\0".to_vec(), "but a TGA; convert it first"),
        ("noise.png", vec![7; 1000], "but something else"),
        ("cut.png", cut(&whole), "the PNG picture is truncated"),
        ("head.png", whole[..20].to_vec(), "the PNG picture is truncated"),
        ("cut.jpg", cut(&photo), "the JPEG picture is truncated"),
        ("head.jpg", photo[..20].to_vec(), "the JPEG picture is truncated"),
        ("crc.png", wrong_crc, "the PNG picture is damaged"),
        ("zero.png", claiming(0, 5), "0 x 5"),
        ("zero.jpg", zero_width_jpeg, "0 x"),
        ("bomb.png", claiming(50_000, 50_000), "50000 x 50000 pixels is too large: at most 64000000"),
        ("huge.png", claiming(0x7FFF_FFFF, 0x7FFF_FFFF), "2147483647 x 2147483647 pixels is too large"),
        ("long.png", claiming(64_000_000, 1), "the PNG picture is"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = smolvlm(&["run", "-m", text(&model), text(&path), "What?"]).refused();
        assert!(error.starts_with(&format!("error: {}: ", path.display())), "{error}");
        assert!(error.contains(says), "{name}: '{error}' should say '{says}'");
    }
    // A folder's pictures are the frames of a clip.
    let empty = tempfile::tempdir().unwrap();
    let error = smolvlm(&["run", "-m", text(&model), text(empty.path()), "What?"]).refused();
    assert!(error.contains("no frames: a folder of pictures"), "{error}");
    #[cfg(unix)]
    for endless in ["/dev/zero", "/dev/urandom"] {
        let error = smolvlm(&["run", "-m", text(&model), endless, "What?"]).refused();
        assert!(error.contains("not a picture that can be read"), "{error}");
    }
}

#[test]
fn of_several_jpegs_in_a_file_the_first_is_read() {
    let (dir, model) = (tempfile::tempdir().unwrap(), model());
    let photo = file("photo.jpg");
    let path = dir.path().join("both-eyes.mpo");
    std::fs::write(&path, [&photo[..2], b"\xff\xe2\0\x06MPF\0", &photo[2..], &photo].concat()).unwrap();
    let ask = |frame: &str| smolvlm(&["explain", "-m", text(&model), text(&path), "--frame", frame]);
    ask("0").ok();
    let error = ask("1").refused();
    assert!(
        error.contains("MPO pictures with frames behind the first (it alone is read) are not supported"),
        "{error}"
    );
}

#[test]
fn odd_pictures_work() {
    let (dir, model) = (tempfile::tempdir().unwrap(), model());
    for (name, bytes) in [
        ("1x1.png", png(1, 1)),
        ("1x300.png", png(1, 300)),
        ("300x1.png", png(300, 1)),
        ("20000x1.png", png(20_000, 1)),
        ("1x20000.png", png(1, 20_000)),
        ("jpeg.png", file("photo.jpg")),
        ("png.jpg", file("small.png")),
        ("no-extension", file("small.png")),
        ("more.png", [file("small.png"), b"and more".to_vec()].concat()),
        ("more.jpg", [file("photo.jpg"), b"and more".to_vec()].concat()),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let answer = smolvlm(&["run", "-m", text(&model), text(&path), "What?", "-n", "1", "--json"]).ok();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["image_tokens"].as_u64().unwrap() >= 4, "{name}: {answer}");
        smolvlm(&["explain", "-m", text(&model), text(&path)]).ok();
    }
}
