//! GIF: its blocks and its codes. What becomes of several frames, `gif_canvas.rs` says.

use weezl::decode::Decoder;
use weezl::{BitOrder, LzwStatus};

use super::bytes::le16;
use super::gif_canvas::Canvas;
use super::samples::{Palette, Samples, palette};
use super::{DecodeOptions, Header, Name, Take, Work, one};
use crate::Error;

const NAME: Name = Name("GIF");

/// The size of the screen, as far as the frames up to this one have widened it.
pub(super) fn header(bytes: &[u8], frame: u32) -> Result<Header, Error> {
    let mut screen = Screen::of(bytes)?;
    for at in 0..=frame {
        screen.frame(at, frame)?;
    }
    Ok(Header::upright(screen.width as u32, screen.height as u32))
}

/// The pixels of a frame, with what the frames before it left.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Samples, Error> {
    one(|take| walk(bytes, &[options.frame], options, take), NAME.truncated())
}

/// The pixels of several, ascending.
pub(super) fn walk(bytes: &[u8], wanted: &[u32], options: &DecodeOptions, take: Take<'_>) -> Result<(), Error> {
    let last = wanted.last().copied().unwrap_or(0);
    let mut screen = Screen::of(bytes)?;
    let mut work = Work::new(options);
    let first = screen.frame(0, last)?;
    let mut canvas = Canvas::new(&screen, &first, screen.size())?;
    for at in 0..=last {
        if at > 0 {
            let frame = screen.frame(at, last)?;
            let (width, height) = if canvas.size() == screen.size() { (0, 0) } else { screen.size() };
            work.add((2 * frame.width * frame.height + width * height) as u64)?;
            canvas.draw(&screen, frame)?;
        }
        if wanted.binary_search(&at).is_ok() {
            let (width, height) = canvas.size();
            if take((width as u32, height as u32), canvas.samples()).is_break() {
                break;
            }
            work = Work::new(options);
        }
    }
    Ok(())
}

/// How long each frame is shown, in seconds.
pub(super) fn seconds(bytes: &[u8]) -> Result<Vec<f64>, Error> {
    let mut screen = Screen::of(bytes)?;
    let mut seconds = Vec::new();
    loop {
        let at = seconds.len() as u32;
        match screen.frame(at, at) {
            Ok(frame) => seconds.push(f64::from(frame.delay) / 100.0),
            Err(Error::NoFrame { .. }) => return Ok(seconds),
            Err(error) if seconds.is_empty() => return Err(error),
            // What is whole can be shown.
            Err(_) => return Ok(seconds),
        }
    }
}

/// The file's own header, and its blocks as far as they are not read.
pub(super) struct Screen<'a> {
    width: usize,
    height: usize,
    /// The table of colours that frames without their own have, if it is not one of greys in order.
    pub(super) palette: Option<&'a [u8]>,
    /// The colour of the ground, an index.
    pub(super) background: u8,
    rest: &'a [u8],
    /// What becomes of a frame when it has been shown; it holds until another is said.
    disposal: u8,
}

/// One picture of the file.
pub(super) struct Frame<'a> {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Its table of colours, or the file's; none if its samples are greys.
    pub(super) palette: Option<&'a [u8]>,
    /// The index that does not show.
    pub(super) transparency: Option<u8>,
    pub(super) disposal: u8,
    /// How long it is shown, in hundredths of a second.
    delay: u16,
    interlaced: bool,
    /// The bits of its samples.
    bits: u8,
    /// Its codes, in blocks.
    blocks: &'a [u8],
}

/// Takes so many bytes off the front, or what there is.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
    *rest = after;
    taken
}

/// Takes a block off the front; none at the end of the blocks.
fn block<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let &length = take(rest, 1).first()?;
    Some(take(rest, length.into())).filter(|block| !block.is_empty())
}

/// Takes a table of colours off the front; none if it is one of greys in order.
fn table<'a>(rest: &mut &'a [u8], flags: u8) -> Option<&'a [u8]> {
    let table = take(rest, 3 << ((flags & 7) + 1));
    let grey = table.chunks(3).enumerate().all(|(at, colour)| colour == [at as u8; 3]);
    (!grey).then_some(table)
}

impl<'a> Screen<'a> {
    fn of(bytes: &'a [u8]) -> Result<Screen<'a>, Error> {
        let &[w0, w1, h0, h1, flags, background, _] =
            bytes.get(6..).and_then(|rest| rest.first_chunk()).ok_or_else(|| NAME.truncated())?;
        let mut rest = bytes.get(13..).unwrap_or_default();
        let (mut palette, mut ground) = (None, 0);
        if flags & 0x80 != 0 {
            ground = background;
            palette = table(&mut rest, flags);
        }
        Ok(Screen {
            width: u16::from_le_bytes([w0, w1]).into(),
            height: u16::from_le_bytes([h0, h1]).into(),
            palette,
            background: ground,
            rest,
            disposal: 0,
        })
    }

    pub(super) fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Frame number `at`, which comes next, on the way to frame `wanted`.
    fn frame(&mut self, at: u32, wanted: u32) -> Result<Frame<'a>, Error> {
        let missing = || match at {
            0 => NAME.truncated(),
            at => Error::NoFrame { frame: wanted, frames: at },
        };
        let (mut transparency, mut delay) = (None, 0);
        loop {
            match take(&mut self.rest, 1).first() {
                None | Some(b';') => return Err(missing()),
                Some(b'!') => {
                    let kind = *take(&mut self.rest, 1).first().ok_or_else(|| NAME.truncated())?;
                    let data = block(&mut self.rest);
                    if let (249, Some(control)) = (kind, data) {
                        let &[flags, low, high, index] = control.first_chunk().ok_or_else(|| NAME.truncated())?;
                        transparency = if flags & 1 != 0 { Some(index) } else { transparency };
                        delay = u16::from_le_bytes([low, high]);
                        let disposal = (flags >> 2) & 7;
                        self.disposal = if disposal == 0 { self.disposal } else { disposal };
                    }
                    // Pillow looks for more blocks even behind none, but for comments.
                    if data.is_some() || kind != 254 {
                        while block(&mut self.rest).is_some() {}
                    }
                }
                Some(b',') => return self.image(transparency, delay),
                Some(_) => {} // bytes that should not be there
            }
        }
    }

    /// The picture whose mark was read.
    fn image(&mut self, transparency: Option<u8>, delay: u16) -> Result<Frame<'a>, Error> {
        let head = take(&mut self.rest, 9);
        let &[.., flags] = head.first_chunk::<9>().ok_or_else(|| NAME.truncated())?;
        let side = |at| le16(head, at).map_or(0, usize::from); // always there
        let (left, top, width, height) = (side(0), side(2), side(4), side(6));
        self.width = self.width.max(left + width);
        self.height = self.height.max(top + height);
        let palette = if flags & 0x80 != 0 { table(&mut self.rest, flags) } else { self.palette };
        let bits = *take(&mut self.rest, 1).first().ok_or_else(|| NAME.truncated())?;
        let blocks = self.rest;
        while block(&mut self.rest).is_some() {}
        let (disposal, interlaced) = (self.disposal, flags & 0x40 != 0);
        Ok(Frame { left, top, width, height, palette, transparency, disposal, delay, interlaced, bits, blocks })
    }
}

impl Frame<'_> {
    /// Its samples: u8 [height, width].
    pub(super) fn samples(&self) -> Result<Vec<u8>, Error> {
        if self.bits > 12 {
            return Err(NAME.corrupt("its codes are too long"));
        }
        let length = self.width * self.height;
        let mut samples = vec![0; length];
        let (mut decoder, mut blocks, mut done) = (Decoder::new(BitOrder::Lsb, self.bits), self.blocks, 0);
        while done < length {
            let mut data = block(&mut blocks).ok_or_else(|| NAME.truncated())?;
            // It keeps some codes to itself until it is called without new ones.
            while done < length {
                let result = decoder.decode_bytes(data, samples.get_mut(done..).unwrap_or_default());
                done += result.consumed_out;
                data = data.get(result.consumed_in..).unwrap_or_default();
                match result.status {
                    Ok(LzwStatus::Ok) => {}
                    Ok(LzwStatus::NoProgress) => break,
                    Ok(LzwStatus::Done) if done < length => return Err(NAME.truncated()),
                    Ok(LzwStatus::Done) => break,
                    Err(_) => return Err(NAME.corrupt("a code is wrong")),
                }
            }
        }
        Ok(if self.interlaced { self.in_order(&samples) } else { samples })
    }

    /// The rows of an interlaced frame in order: every eighth, those between, every second between, the rest.
    fn in_order(&self, samples: &[u8]) -> Vec<u8> {
        let mut ordered = vec![0; samples.len()];
        let passes = [(0, 8), (4, 8), (2, 4), (1, 2)];
        let places = passes.iter().flat_map(|&(first, step)| (first..self.height).step_by(step));
        for (y, row) in places.zip(samples.chunks_exact(self.width.max(1))) {
            if let Some(target) = ordered.get_mut(y * self.width..(y + 1) * self.width) {
                target.copy_from_slice(row);
            }
        }
        ordered
    }

    /// Its colours.
    pub(super) fn colours(&self) -> Box<Palette> {
        colours(self.palette)
    }
}

/// The colours of a table; greys without one.
pub(super) fn colours(table: Option<&[u8]>) -> Box<Palette> {
    match table {
        Some(table) => palette(table, |&rgb: &[u8; 3]| rgb),
        None => {
            let greys: Vec<u8> = (0..=255).collect();
            palette(&greys, |&[grey]| [grey; 3])
        }
    }
}
