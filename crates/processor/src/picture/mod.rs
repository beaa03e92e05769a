//! Pictures: files become RGB samples, as Pillow and the reference processor read them.

mod exif;
mod format;
mod jpeg;
mod png;

use std::io::Read;
use std::path::Path;

use crate::Error;
use exif::Orientation;
use format::Format;

/// A picture in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// Its samples, rows from the top: u8 [height, width, 3], red, green, blue.
    pub rgb: Vec<u8>,
}

/// How a file becomes a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// The most pixels that a picture may have. It is looked for in the header, before anything is allocated.
    pub max_pixels: u64,
    /// Whether the picture is turned as its EXIF orientation asks (`PIL.ImageOps.exif_transpose`).
    pub exif: bool,
    /// What becomes of transparent pixels.
    pub alpha: Alpha,
}

impl Default for DecodeOptions {
    /// At most 64 million pixels, turned as EXIF says, transparency over white.
    fn default() -> DecodeOptions {
        DecodeOptions { max_pixels: 64_000_000, exif: true, alpha: Alpha::White }
    }
}

/// What becomes of transparent pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alpha {
    /// They are composed over white: what the reference processor does with a picture that is handed to it
    /// (`convert_to_rgb` of transformers).
    #[default]
    White,
    /// Their alpha is dropped: Pillow's `convert("RGB")`, which `load_image` of transformers uses.
    Drop,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} x {})", self.width, self.height)
    }
}

/// What the header of a file says.
struct Header {
    width: u32,
    height: u32,
    orientation: Orientation,
}

impl Picture {
    /// Reads and decodes a file. The name's extension does not matter.
    ///
    /// # Errors
    /// [`Error::Read`] if the file cannot be read; [`Error::PictureFile`], which names the file and holds one of the
    /// errors of [`Picture::decode`], otherwise.
    pub fn open(path: &Path, options: &DecodeOptions) -> Result<Picture, Error> {
        let name = || path.display().to_string();
        let bytes = read(path, options).map_err(|source| Error::Read { path: name(), source })?;
        Picture::decode(&bytes, options).map_err(|error| Error::PictureFile { path: name(), source: Box::new(error) })
    }

    /// The bytes of a file, to be decoded later; of one that is no picture only the first.
    ///
    /// # Errors
    /// [`Error::Read`] if the file cannot be read.
    pub fn read(path: &Path, options: &DecodeOptions) -> Result<Vec<u8>, Error> {
        read(path, options).map_err(|source| Error::Read { path: path.display().to_string(), source })
    }

    /// Decodes a PNG or JPEG file; which of them it is, its first bytes say. Bytes after the end are ignored.
    ///
    /// # Errors
    /// [`Error::PictureFormat`] if it is neither; [`Error::ZeroSize`] and [`Error::TooManyPixels`] from the header
    /// alone; [`Error::PictureTruncated`], [`Error::PictureCorrupt`] and [`Error::PictureUnsupported`] as the names
    /// say.
    pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Picture, Error> {
        let format = Format::of(bytes)?;
        let header = format.header(bytes)?;
        check(&header, options)?;
        let size = (header.width, header.height);
        let rgb = match format {
            Format::Png => png::decode(bytes, size, options.alpha)?,
            Format::Jpeg => jpeg::decode(bytes, size)?,
        };
        let (width, height) = size;
        let picture = Picture { width, height, rgb };
        Ok(if options.exif { header.orientation.apply(picture) } else { picture })
    }

    /// The (width, height) of a file, as [`Picture::size`] finds it.
    ///
    /// # Errors
    /// As [`Picture::open`], but only what the header shows.
    pub fn size_of(path: &Path, options: &DecodeOptions) -> Result<(u32, u32), Error> {
        let name = || path.display().to_string();
        let bytes = read(path, options).map_err(|source| Error::Read { path: name(), source })?;
        Picture::size(&bytes, options).map_err(|error| Error::PictureFile { path: name(), source: Box::new(error) })
    }

    /// The (width, height) that [`Picture::decode`] will give, from the header alone.
    ///
    /// # Errors
    /// As [`Picture::decode`], but only what the header shows.
    pub fn size(bytes: &[u8], options: &DecodeOptions) -> Result<(u32, u32), Error> {
        let header = Format::of(bytes)?.header(bytes)?;
        check(&header, options)?;
        let (width, height) = (header.width, header.height);
        Ok(if options.exif && header.orientation.swaps_sides() { (height, width) } else { (width, height) })
    }
}

impl Format {
    fn header(self, bytes: &[u8]) -> Result<Header, Error> {
        match self {
            Format::Png => png::header(bytes),
            Format::Jpeg => jpeg::header(bytes),
        }
    }
}

/// Bytes that show what kind of file it is.
const FIRST: u64 = 1024;

/// The whole file, or the beginning of one that is no picture; what is longer than any picture within the limits is cut
/// off, and so refused as truncated.
fn read(path: &Path, options: &DecodeOptions) -> std::io::Result<Vec<u8>> {
    // 16 bits for each of four channels, and some for everything else.
    let most = options.max_pixels.saturating_mul(8).saturating_add(1 << 26);
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(path)?.take(FIRST);
    file.read_to_end(&mut bytes)?;
    if Format::of(&bytes).is_ok() {
        file.set_limit(most);
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Refuses sizes before anything is allocated for them.
fn check(header: &Header, options: &DecodeOptions) -> Result<(), Error> {
    let Header { width, height, .. } = *header;
    if width == 0 || height == 0 {
        return Err(Error::ZeroSize { width, height });
    }
    let limit = options.max_pixels;
    // Eight bytes a pixel must be addressable.
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limit || pixels > (isize::MAX / 8) as u64 {
        return Err(Error::TooManyPixels { width, height, limit });
    }
    Ok(())
}
