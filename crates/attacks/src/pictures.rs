//! Files of pictures.

use smolvlm_processor::{Alpha, DecodeOptions, Picture};

/// Of larger pictures only the header is read.
const MAX_PIXELS: u64 = 1 << 16;

/// A picture of any format: its size, two of its frames.
pub(crate) fn picture(bytes: &[u8]) {
    for (frame, alpha) in [(0, Alpha::White), (1, Alpha::Drop)] {
        let options = DecodeOptions { max_pixels: MAX_PIXELS, exif: true, alpha, frame };
        let size = Picture::size(bytes, &options);
        let Ok(picture) = Picture::decode(bytes, &options) else { continue };
        assert_eq!(size.ok(), Some((picture.width, picture.height)), "the header and the picture disagree");
        assert_eq!(picture.rgb.len(), 3 * picture.width as usize * picture.height as usize);
    }
}

/// A JPEG of one pixel.
const JPEG: &[u8] = include_bytes!("../../../golden/pictures/411-1x1.jpg");
/// What stands in front of EXIF data and of an XMP packet.
const BEFORE: [&[u8]; 2] = [b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"];

/// The camera's orientation, in EXIF data or, where the first byte is odd, in an XMP packet.
pub(crate) fn orientation(bytes: &[u8]) {
    let Some((kind, data)) = bytes.split_first() else { return };
    let before = BEFORE.get(usize::from(kind & 1)).copied().unwrap_or_default();
    let data = data.get(..data.len().min(60_000)).unwrap_or_default();
    let length = (2 + before.len() + data.len()) as u16;
    let (start, rest) = JPEG.split_at(2);
    let file = [start, &[0xFF, 0xE1], &length.to_be_bytes(), before, data, rest].concat();
    let options = DecodeOptions::default();
    assert_eq!(Picture::size(&file, &options).ok(), Some((1, 1)));
}
