//! Pictures: files become RGB samples, as Pillow and the reference processor read them.

mod animation;
mod apng;
mod bmp;
mod bytes;
mod exif;
mod format;
mod gif;
mod gif_canvas;
mod ico;
mod jpeg;
mod png;
mod pnm;
mod qoi;
mod samples;
mod tiff;
mod webp;

pub use animation::frame_seconds;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use crate::Error;
use exif::Orientation;
use format::Format;
use samples::Samples;

/// A picture in memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Which picture of a file with several, counted from 0: a frame of an animation, a page.
    pub frame: u32,
}

impl Default for DecodeOptions {
    /// At most 64 million pixels, turned as EXIF says, transparency over white, the first of several.
    fn default() -> DecodeOptions {
        DecodeOptions { max_pixels: 64_000_000, exif: true, alpha: Alpha::White, frame: 0 }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    width: u32,
    height: u32,
    orientation: Orientation,
}

impl Header {
    /// Of a file that says nothing of an orientation.
    fn upright(width: u32, height: u32) -> Header {
        Header { width, height, orientation: Orientation::UPRIGHT }
    }
}

/// The name of a kind of file, from which its errors follow.
#[derive(Clone, Copy)]
struct Name(&'static str);

impl Name {
    fn truncated(self) -> Error {
        Error::PictureTruncated { format: self.0 }
    }

    fn corrupt(self, reason: impl Into<String>) -> Error {
        Error::PictureCorrupt { format: self.0, reason: reason.into() }
    }

    fn unsupported(self, what: impl Into<String>) -> Error {
        Error::PictureUnsupported { format: self.0, what: what.into() }
    }
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

    /// Decodes a file; which kind it is of, its first bytes say. Bytes after the end are ignored.
    ///
    /// # Errors
    /// [`Error::PictureFormat`] if it is of none that is read; [`Error::ZeroSize`] and [`Error::TooManyPixels`] from the
    /// header alone; [`Error::NoFrame`] if it has fewer frames; [`Error::PictureTruncated`], [`Error::PictureCorrupt`]
    /// and [`Error::PictureUnsupported`] as the names say.
    pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Picture, Error> {
        let format = Format::of(bytes)?;
        let header = format.header(bytes, options)?;
        let size = (header.width, header.height);
        let rgb = format.decode(bytes, size, options)?.flatten(options.alpha);
        let (width, height) = size;
        let picture = Picture { width, height, rgb };
        Ok(if options.exif { header.orientation.apply(picture) } else { picture })
    }

    /// Decodes frames of an animation, `wanted` of them, ascending and each once, in one walk along the file. `take` is given
    /// each with its place in `wanted`, and may break off.
    ///
    /// # Errors
    /// As [`Picture::decode`], of the last that is wanted.
    pub fn frames(
        bytes: &[u8],
        wanted: &[u32],
        options: &DecodeOptions,
        take: &mut dyn FnMut(usize, Picture) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Some(&last) = wanted.last() else { return Ok(()) };
        let format = Format::of(bytes)?;
        let header = format.header(bytes, &DecodeOptions { frame: last, ..*options })?;
        let mut place = 0;
        format.walk(bytes, wanted, options, &mut |(width, height), samples| {
            let picture = Picture { width, height, rgb: samples.flatten(options.alpha) };
            place += 1;
            take(place - 1, if options.exif { header.orientation.apply(picture) } else { picture })
        })
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
        let header = Format::of(bytes)?.header(bytes, options)?;
        let (width, height) = (header.width, header.height);
        Ok(if options.exif && header.orientation.swaps_sides() { (height, width) } else { (width, height) })
    }
}

impl Format {
    /// What the header says, if that is allowed.
    fn header(self, bytes: &[u8], options: &DecodeOptions) -> Result<Header, Error> {
        let frame = options.frame;
        let header = match self {
            Format::Bmp => bmp::header(bytes),
            Format::Gif => gif::header(bytes, frame),
            Format::Ico => ico::header(bytes),
            Format::Jpeg => jpeg::header(bytes),
            Format::Png => png::header(bytes, frame),
            Format::Pnm => pnm::header(bytes),
            Format::Qoi => qoi::header(bytes),
            Format::Tiff => tiff::header(bytes, frame),
            Format::WebP => webp::header(bytes, frame),
        }?;
        if self == Format::Jpeg && frame > 0 && jpeg::is_mpo(bytes) {
            return Err(Name("MPO").unsupported("frames behind the first (it alone is read)"));
        }
        if !self.has_frames() && frame > 0 {
            return Err(Error::NoFrame { frame, frames: 1 });
        }
        check(&header, options)?;
        Ok(header)
    }

    /// Frames of a file, ascending: in one walk where its frames build on each other.
    fn walk(self, bytes: &[u8], wanted: &[u32], options: &DecodeOptions, take: Take<'_>) -> Result<(), Error> {
        match self {
            Format::Gif => gif::walk(bytes, wanted, options, take),
            Format::WebP => webp::walk(bytes, wanted, options, take),
            Format::Png => png::walk(bytes, wanted, options, take),
            _ => {
                for &frame in wanted {
                    let options = DecodeOptions { frame, ..*options };
                    let Header { width, height, .. } = self.header(bytes, &options)?;
                    if take((width, height), self.decode(bytes, (width, height), &options)?).is_break() {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// The pixels of a file whose header says `size`.
    fn decode(self, bytes: &[u8], size: (u32, u32), options: &DecodeOptions) -> Result<Samples, Error> {
        match self {
            Format::Bmp => bmp::decode(bytes, size),
            Format::Gif => gif::decode(bytes, options),
            Format::Ico => ico::decode(bytes, size),
            Format::Jpeg => jpeg::decode(bytes, size).map(Samples::Rgb),
            Format::Png => png::decode(bytes, size, options),
            Format::Pnm => pnm::decode(bytes, size),
            Format::Qoi => qoi::decode(bytes, size),
            Format::Tiff => tiff::decode(bytes, size, options),
            Format::WebP => webp::decode(bytes, options),
        }
    }
}

/// Is given the size and the pixels of frames that are asked for, in order, and may break off.
type Take<'a> = &'a mut dyn FnMut((u32, u32), Samples) -> ControlFlow<()>;

/// The pixels of the one frame that a walk along a file is asked for.
fn one(walk: impl FnOnce(Take<'_>) -> Result<(), Error>, missing: Error) -> Result<Samples, Error> {
    let mut found = None;
    walk(&mut |_, samples| {
        found = Some(samples);
        ControlFlow::Break(())
    })?;
    found.ok_or(missing)
}

/// What the frames in front of the one that is asked for may cost.
struct Work {
    left: u64,
}

impl Work {
    /// So many pictures of the largest size that is allowed.
    const PICTURES: u64 = 32;

    fn new(options: &DecodeOptions) -> Work {
        Work { left: options.max_pixels.saturating_mul(Work::PICTURES) }
    }

    /// Notes that so many pixels are to be drawn.
    fn add(&mut self, pixels: u64) -> Result<(), Error> {
        self.left = self.left.checked_sub(pixels).ok_or(Error::FrameTooFar)?;
        Ok(())
    }
}

/// Bytes that show what kind of file it is.
const FIRST: u64 = 1024;

/// The whole file, or the beginning of one that is no picture; what is longer than any picture within the limits is cut
/// off, and so refused as truncated.
fn read(path: &Path, options: &DecodeOptions) -> std::io::Result<Vec<u8>> {
    // 16 bits for each of four channels, and some for everything else.
    let most = options.max_pixels.saturating_mul(8).saturating_add(1 << 26);
    if path.is_dir() {
        let what = "a folder, not a picture; the path of a picture in it would be right";
        return Err(std::io::Error::new(std::io::ErrorKind::IsADirectory, what));
    }
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
