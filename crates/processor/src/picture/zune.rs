//! JPEG by zune-jpeg, for targets without C. Its rounding and its enlarging of subsampled colour differ from libjpeg's:
//! a level or two in most samples, dozens at strong edges of colour.

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{END, Error, Markers, NAME, Samples};

/// The samples of a file whose header says `size`.
pub(super) fn decode(bytes: &[u8], size: (usize, usize)) -> Result<Samples, Error> {
    // Where the end is missing, it makes do with what there is.
    if !Markers::of(bytes).any(|(marker, _)| marker == END) {
        return Err(NAME.truncated());
    }
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(size.0).set_max_height(size.1);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(refusal)?;
    if decoder.dimensions() != Some(size) {
        return Err(NAME.corrupt("it has two sizes"));
    }
    let (space, kind): (_, fn(Vec<u8>) -> Samples) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (ColorSpace::Luma, Samples::Grey),
        Some(ColorSpace::CMYK) => (ColorSpace::CMYK, Samples::Cmyk),
        _ => (ColorSpace::RGB, Samples::Rgb),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let samples = decoder.decode().map_err(refusal)?;
    let count = size.0 * size.1 * space.num_components();
    if samples.len() != count {
        return Err(NAME.corrupt("it has fewer samples than pixels"));
    }
    Ok(kind(samples))
}

fn refusal(error: DecodeErrors) -> Error {
    match error {
        DecodeErrors::ExhaustedData => NAME.truncated(),
        error => NAME.corrupt(error.to_string()),
    }
}
