//! JPEG by libjpeg (mozjpeg's copy of it, with the settings that Pillow leaves at their defaults).
//!
//! libjpeg has no error codes: it reports an error by unwinding, which ends here. It unwinds without a panic, so no
//! panic hook is called and nothing is printed; a program that aborts on panics must use the other decoder. A file
//! that ends early it fills up with grey and only warns, so its reader notes that it was asked for more.

use std::cell::Cell;
use std::io::{BufRead, Read, Result as IoResult};
use std::panic::{AssertUnwindSafe, catch_unwind};

use mozjpeg::{ColorSpace, Decompress};

use super::{Error, NAME, Samples};

/// The samples of a file whose header says `size`.
pub(super) fn decode(bytes: &[u8], size: (usize, usize)) -> Result<Samples, Error> {
    let ended = Cell::new(false);
    let source = Source { rest: bytes, ended: &ended };
    // Whatever the closure holds is dropped when it unwinds; `ended` alone is used afterwards.
    let samples = catch_unwind(AssertUnwindSafe(|| unwinding(source, size)));
    if ended.get() {
        return Err(NAME.truncated());
    }
    samples.unwrap_or_else(|reason| {
        let reason = reason.downcast_ref::<String>().map_or("it cannot be decoded", String::as_str);
        Err(NAME.corrupt(reason.trim_start_matches("libjpeg fatal error: ")))
    })
}

/// Decodes, or unwinds.
fn unwinding(source: Source, size: (usize, usize)) -> Result<Samples, Error> {
    let failed = |error: std::io::Error| NAME.corrupt(error.to_string());
    let decoder = Decompress::builder().from_reader(source).map_err(failed)?;
    if decoder.size() != size {
        return Err(NAME.corrupt("it has two sizes"));
    }
    let (space, kind): (_, fn(Vec<u8>) -> Samples) = match decoder.components().len() {
        1 => (ColorSpace::JCS_GRAYSCALE, Samples::Grey),
        3 => (ColorSpace::JCS_RGB, Samples::Rgb),
        _ => (ColorSpace::JCS_CMYK, Samples::Cmyk),
    };
    let mut decoder = decoder.to_colorspace(space).map_err(failed)?;
    let samples = decoder.read_scanlines::<u8>().map_err(failed)?;
    decoder.finish().map_err(failed)?; // reads to the end of the image
    Ok(kind(samples))
}

/// A file in memory that notes when it is read beyond its end.
struct Source<'a> {
    rest: &'a [u8],
    ended: &'a Cell<bool>,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        self.ended.set(self.ended.get() || self.rest.is_empty());
        self.rest.read(buffer)
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> IoResult<&[u8]> {
        self.ended.set(self.ended.get() || self.rest.is_empty());
        Ok(self.rest)
    }

    fn consume(&mut self, amount: usize) {
        self.rest = self.rest.get(amount..).unwrap_or_default();
    }
}
