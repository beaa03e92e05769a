//! WebP: its chunks, and its frames upon each other as libwebp's `WebPAnimDecoder` puts them, through which Pillow
//! reads every file.
//!
//! `image-webp` decodes single frames: the parts of one are wrapped up as a file of their own.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::bytes::le32;
use super::samples::Samples;
use super::{DecodeOptions, Header, Name, Orientation, Take, Work, one};
use crate::Error;
use std::ops::ControlFlow;

const NAME: Name = Name("WebP");

/// Bits of the extended header that say what the file has.
const ANIMATION: u8 = 0x02;
const XMP: u8 = 0x04;
const EXIF: u8 = 0x08;
const ALPHA: u8 = 0x10;

/// The size and the orientation.
pub(super) fn header(bytes: &[u8], frame: u32) -> Result<Header, Error> {
    let file = File::of(bytes)?;
    let frames = match file.flags & ANIMATION {
        0 => 1,
        _ => Chunks(file.chunks).filter(|chunk| chunk.kind == b"ANMF").count() as u32,
    };
    if frame >= frames && frame > 0 {
        return Err(Error::NoFrame { frame, frames });
    }
    let metadata = |flag: u8, kind: &[u8; 4]| {
        let found = Chunks(file.chunks).find(|chunk| chunk.kind == kind && file.flags & flag != 0);
        found.map(|chunk| chunk.data)
    };
    let orientation = Orientation::from_metadata(metadata(EXIF, b"EXIF"), metadata(XMP, b"XMP "));
    Ok(Header { width: file.width, height: file.height, orientation })
}

/// The pixels of a frame, with what the frames before it left.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Samples, Error> {
    one(|take| walk(bytes, &[options.frame], options, take), NAME.truncated())
}

/// The pixels of several, ascending.
pub(super) fn walk(bytes: &[u8], wanted: &[u32], options: &DecodeOptions, take: Take<'_>) -> Result<(), Error> {
    let file = File::of(bytes)?;
    let size = (file.width, file.height);
    let mut work = Work::new(options);
    let mut canvas = Canvas::new(size);
    let mut at = 0;
    let mut add = |frame: Frame| {
        work.add(2 * u64::from(frame.width) * u64::from(frame.height))?;
        if frame.left + frame.width > size.0 || frame.top + frame.height > size.1 {
            return Err(NAME.corrupt("a frame stands out of the picture"));
        }
        canvas.draw(&frame, at == 0, &mut work)?;
        at += 1;
        if wanted.binary_search(&(at - 1)).is_err() {
            return Ok(ControlFlow::Continue(()));
        }
        work = Work::new(options);
        let rgb = || canvas.rgba.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        let samples = if file.has_alpha() { Samples::Rgba(canvas.rgba.clone()) } else { Samples::Rgb(rgb()) };
        Ok(take(size, samples))
    };
    if file.flags & ANIMATION == 0 {
        let image = Image::of(file.chunks)?;
        let _ = add(Frame { left: 0, top: 0, width: size.0, height: size.1, blend: false, clear: false, image })?;
        return Ok(());
    }
    let last = wanted.last().map_or(0, |last| *last as usize);
    for chunk in Chunks(file.chunks).filter(|chunk| chunk.kind == b"ANMF").take(last + 1) {
        if add(Frame::of(chunk.data)?)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// How long each frame is shown, in seconds; nothing of a picture that does not move.
pub(super) fn seconds(bytes: &[u8]) -> Result<Vec<f64>, Error> {
    let file = File::of(bytes)?;
    let frames = Chunks(file.chunks).filter(|chunk| chunk.kind == b"ANMF" && file.flags & ANIMATION != 0);
    let milliseconds = |chunk: Chunk<'_>| match chunk.data.get(12..15) {
        Some(&[low, middle, high]) => f64::from(u32::from_le_bytes([low, middle, high, 0])),
        _ => 0.0,
    };
    Ok(frames.map(|chunk| milliseconds(chunk) / 1000.0).collect())
}

/// A piece of the file.
struct Chunk<'a> {
    kind: &'a [u8; 4],
    data: &'a [u8],
}

/// The pieces that are whole.
#[derive(Clone)]
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let (kind, rest) = self.0.split_first_chunk::<4>()?;
        let length = le32(rest, 0)? as usize;
        let data = rest.get(4..)?.get(..length)?;
        // Pieces have even lengths; the byte that fills up the last one is not missed.
        self.0 = rest.get(4 + length + length % 2..).unwrap_or_default();
        Some(Chunk { kind, data })
    }
}

/// The file's header.
struct File<'a> {
    width: u32,
    height: u32,
    /// Those of the extended header, or none.
    flags: u8,
    chunks: &'a [u8],
}

impl<'a> File<'a> {
    fn of(bytes: &'a [u8]) -> Result<File<'a>, Error> {
        let chunks = bytes.get(12..).ok_or_else(|| NAME.truncated())?;
        let length = (le32(bytes, 4).unwrap_or(0) as usize).saturating_sub(4);
        let chunks = chunks.get(..length).ok_or_else(|| NAME.truncated())?;
        let first = Chunks(chunks).next().ok_or_else(|| NAME.truncated())?;
        if first.kind != b"VP8X" {
            let (width, height) = Image::of(chunks)?.size()?;
            return Ok(File { width, height, flags: 0, chunks });
        }
        let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] = first.data.first_chunk().ok_or_else(|| NAME.truncated())?;
        let side = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]) + 1;
        Ok(File { width: side(w0, w1, w2), height: side(h0, h1, h2), flags, chunks })
    }

    /// Whether its pixels have alpha, as `WebPGetFeatures` says it.
    fn has_alpha(&self) -> bool {
        let image = Image::of(self.chunks).ok();
        match image {
            Some(image) if self.flags & ANIMATION == 0 => match image.coded.kind {
                b"VP8L" => image.has_alpha(),
                _ => self.flags & ALPHA != 0 || image.alpha.is_some(),
            },
            _ => self.flags & ALPHA != 0,
        }
    }
}

/// What is coded of one frame.
struct Image<'a> {
    /// The chunk of alphas beside a lossy picture.
    alpha: Option<&'a [u8]>,
    coded: Chunk<'a>,
}

impl<'a> Image<'a> {
    fn of(chunks: &'a [u8]) -> Result<Image<'a>, Error> {
        let mut alpha = None;
        for chunk in Chunks(chunks) {
            match chunk.kind {
                b"ALPH" => alpha = alpha.or(Some(chunk.data)),
                b"VP8L" => return Ok(Image { alpha: None, coded: chunk }),
                b"VP8 " => return Ok(Image { alpha, coded: chunk }),
                _ => {}
            }
        }
        Err(NAME.truncated())
    }

    /// The size that the coded picture itself says.
    fn size(&self) -> Result<(u32, u32), Error> {
        match (self.coded.kind, self.coded.data) {
            (b"VP8L", &[0x2F, a, b, c, d, ..]) => {
                let bits = u32::from_le_bytes([a, b, c, d]);
                Ok(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
            }
            (b"VP8 ", &[_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..]) => {
                let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
                Ok((side(w0, w1), side(h0, h1)))
            }
            _ => Err(NAME.corrupt("a frame has no header")),
        }
    }

    fn has_alpha(&self) -> bool {
        match self.coded.kind {
            b"VP8L" => self.coded.data.get(4).is_some_and(|byte| byte & 0x10 != 0),
            _ => self.alpha.is_some(),
        }
    }

    /// Its pixels with alpha.
    fn decode(&self, size: (u32, u32)) -> Result<Vec<u8>, Error> {
        if self.size()? != size {
            return Err(NAME.corrupt("a frame has two sizes"));
        }
        let mut decoder = WebPDecoder::new(Cursor::new(self.file(size))).map_err(refusal)?;
        // What it needs besides the pixels grows with them.
        decoder.set_memory_limit(size.0 as usize * size.1 as usize * 16 + (1 << 20));
        let channels = if decoder.has_alpha() { 4 } else { 3 };
        let mut pixels = vec![0; size.0 as usize * size.1 as usize * channels];
        if decoder.output_buffer_size() != Some(pixels.len()) {
            return Err(NAME.corrupt("a frame has two sizes"));
        }
        decoder.read_image(&mut pixels).map_err(refusal)?;
        Ok(if channels == 4 { pixels } else { Samples::Rgb(pixels).into_rgba() })
    }

    /// A file of this frame alone.
    fn file(&self, size: (u32, u32)) -> Vec<u8> {
        let mut chunks = b"WEBP".to_vec();
        let mut add = |kind: &[u8; 4], data: &[u8]| {
            chunks.extend_from_slice(kind);
            chunks.extend_from_slice(&(data.len() as u32).to_le_bytes());
            chunks.extend_from_slice(data);
            chunks.resize(chunks.len().next_multiple_of(2), 0);
        };
        if let Some(alpha) = self.alpha {
            let [w0, w1, w2, _] = (size.0 - 1).to_le_bytes();
            let [h0, h1, h2, _] = (size.1 - 1).to_le_bytes();
            add(b"VP8X", &[ALPHA, 0, 0, 0, w0, w1, w2, h0, h1, h2]);
            add(b"ALPH", alpha);
        }
        add(self.coded.kind, self.coded.data);
        [b"RIFF".as_slice(), &(chunks.len() as u32).to_le_bytes(), &chunks].concat()
    }
}

fn refusal(error: DecodingError) -> Error {
    match error {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => NAME.truncated(),
        error => NAME.corrupt(error.to_string()),
    }
}

/// A frame and where it stands.
struct Frame<'a> {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
    /// Drawn over what is there, as far as it is opaque; else in its place.
    blend: bool,
    /// Whether its place is cleared when it has been shown.
    clear: bool,
    image: Image<'a>,
}

impl<'a> Frame<'a> {
    /// The frame in a chunk.
    fn of(data: &'a [u8]) -> Result<Frame<'a>, Error> {
        let (&head, chunks) = data.split_first_chunk::<16>().ok_or_else(|| NAME.truncated())?;
        let [x0, x1, x2, y0, y1, y2, w0, w1, w2, h0, h1, h2, _, _, _, flags] = head;
        let number = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]);
        Ok(Frame {
            left: 2 * number(x0, x1, x2),
            top: 2 * number(y0, y1, y2),
            width: number(w0, w1, w2) + 1,
            height: number(h0, h1, h2) + 1,
            blend: flags & 2 == 0,
            clear: flags & 1 != 0,
            image: Image::of(chunks)?,
        })
    }
}

/// What is drawn so far.
struct Canvas {
    width: u32,
    height: u32,
    rgba: Vec<u8>,
    last: Option<Last>,
}

/// What counts of the frame before.
struct Last {
    /// Left, top, right and bottom.
    place: [u32; 4],
    clear: bool,
    /// Whether nothing was left of what stood there before it.
    key: bool,
    full: bool,
}

impl Canvas {
    fn new((width, height): (u32, u32)) -> Canvas {
        Canvas { width, height, rgba: vec![0; width as usize * height as usize * 4], last: None }
    }

    fn draw(&mut self, frame: &Frame, first: bool, work: &mut Work) -> Result<(), Error> {
        let full = (frame.width, frame.height) == (self.width, self.height);
        let alone = full && !(frame.blend && frame.image.has_alpha());
        let last = self.last.take();
        let key = first || alone || last.as_ref().is_some_and(|last| last.clear && (last.full || last.key));
        let place = [frame.left, frame.top, frame.left + frame.width, frame.top + frame.height];
        let pixels = frame.image.decode((frame.width, frame.height))?;
        if key && !first {
            work.add(u64::from(self.width) * u64::from(self.height))?;
            self.rgba.fill(0);
        }
        let cleared = last.filter(|last| last.clear).map(|last| last.place);
        if let Some([left, top, right, bottom]) = cleared {
            for y in top..bottom {
                self.row(y, left, right).fill([0; 4]);
            }
        }
        // What was cleared, nothing is drawn over: the frame's own pixels stand there.
        let ground = |x, y| cleared.is_none_or(|[l, t, r, b]| !((l..r).contains(&x) && (t..b).contains(&y)));
        for (y, row) in (frame.top..).zip(pixels.chunks_exact(4 * frame.width as usize)) {
            let target = self.row(y, frame.left, frame.left + frame.width);
            for ((x, under), &over) in (frame.left..).zip(target).zip(row.as_chunks::<4>().0) {
                *under = if frame.blend && !key && ground(x, y) { blend(over, *under) } else { over };
            }
        }
        self.last = Some(Last { place, clear: frame.clear, key, full });
        Ok(())
    }

    /// The pixels of row `y` from `left` to before `right`.
    fn row(&mut self, y: u32, left: u32, right: u32) -> &mut [[u8; 4]] {
        let start = y as usize * self.width as usize;
        let (pixels, _) = self.rgba.as_chunks_mut::<4>();
        pixels.get_mut(start + left as usize..start + right as usize).unwrap_or_default()
    }
}

/// A pixel over another, neither multiplied by its alpha, in libwebp's fixed point.
fn blend(over: [u8; 4], under: [u8; 4]) -> [u8; 4] {
    let [.., alpha] = over;
    if alpha == 0 || alpha == 255 {
        return if alpha == 0 { under } else { over };
    }
    let ([r, g, b, a], [r0, g0, b0, a0]) = (over.map(u32::from), under.map(u32::from));
    let rest = (a0 * (256 - a)) >> 8;
    let sum = a + rest;
    let scale = (1 << 24) / sum;
    let channel = |over, under| (((over * a + under * rest) * scale) >> 24) as u8;
    [channel(r, r0), channel(g, g0), channel(b, b0), sum as u8]
}
