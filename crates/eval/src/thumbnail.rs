//! Small pictures for the page.

use base64::{Engine, prelude::BASE64_STANDARD};
use smolvlm_kernels::{Pool, resample};
use smolvlm_processor::Picture;

/// The longer side of a picture on the page, in pixels; smaller ones stay as they are.
const SIDE: u32 = 320;

/// A picture as a `data:` URL.
///
/// # Errors
/// Where it cannot be encoded.
pub(crate) fn data_url(picture: &Picture, pool: &Pool) -> Result<String, String> {
    let small = scaled(picture, pool);
    let (kind, bytes) = encoded(small.as_ref().unwrap_or(picture))?;
    Ok(format!("data:image/{kind};base64,{}", BASE64_STANDARD.encode(bytes)))
}

/// The picture in a size for the page; `None` where it is small enough.
fn scaled(picture: &Picture, pool: &Pool) -> Option<Picture> {
    let longer = picture.width.max(picture.height);
    if longer <= SIDE {
        return None;
    }
    // At most `SIDE`, so nothing is cut off.
    let side = |side: u32| (u64::from(side) * u64::from(SIDE) / u64::from(longer)).max(1) as u32;
    let (width, height) = (side(picture.width), side(picture.height));
    let mut rgb = vec![0; width as usize * height as usize * 3];
    let size = |width: u32, height: u32| (width as usize, height as usize);
    resample::lanczos_rgb(&picture.rgb, size(picture.width, picture.height), &mut rgb, size(width, height), pool);
    Some(Picture { width, height, rgb })
}

/// As JPEG.
#[cfg(feature = "libjpeg")]
fn encoded(picture: &Picture) -> Result<(&'static str, Vec<u8>), String> {
    const QUALITY: f32 = 85.0;
    let (width, height) = (picture.width as usize, picture.height as usize);
    let encode = || {
        let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
        encoder.set_size(width, height);
        encoder.set_quality(QUALITY);
        let mut encoder = encoder.start_compress(Vec::new())?;
        encoder.write_scanlines(&picture.rgb)?;
        encoder.finish()
    };
    // libjpeg reports errors by unwinding.
    let bytes = std::panic::catch_unwind(std::panic::AssertUnwindSafe(encode));
    match bytes {
        Ok(Ok(bytes)) => Ok(("jpeg", bytes)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it cannot be encoded".to_owned()),
    }
}

/// As PNG, where there is no libjpeg.
#[cfg(not(feature = "libjpeg"))]
fn encoded(picture: &Picture) -> Result<(&'static str, Vec<u8>), String> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&picture.rgb));
    written.map_err(|e| e.to_string())?;
    Ok(("png", bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_processor::DecodeOptions;

    #[test]
    fn large_pictures_become_small_and_keep_their_shape() {
        let pool = Pool::new(1);
        for (size, expected) in [((640, 480), (320, 240)), ((10, 5000), (1, 320)), ((7, 320), (7, 320))] {
            let (width, height): (u32, u32) = size;
            let rgb = [200, 60, 30].repeat((width * height) as usize);
            let url = data_url(&Picture { width, height, rgb }, &pool).unwrap();
            let (head, data) = url.split_once(";base64,").unwrap();
            assert!(head == "data:image/jpeg" || head == "data:image/png");
            let bytes = BASE64_STANDARD.decode(data).unwrap();
            assert_eq!(Picture::size(&bytes, &DecodeOptions::default()).unwrap(), expected);
        }
    }
}
