//! The later frames of animated PNG files, as Pillow puts them together.
//!
//! Pillow composes in the picture's own samples, indices of a palette among them, after wide ones were reduced to bytes.

use png::{BlendOp, ColorType, DisposeOp};

use super::png::{Convert, Parts, next_frame, reader, refusal};
use super::samples::blend;
use super::{DecodeOptions, Take, Work};
use crate::Error;

/// The pixels of frames, ascending, of which none is the first.
pub(super) fn walk(
    bytes: &[u8],
    (parts, size): (&Parts, (u32, u32)),
    wanted: &[u32],
    options: &DecodeOptions,
    take: Take<'_>,
) -> Result<(), Error> {
    let mut reader = reader(bytes, size)?;
    let (color, depth) = reader.output_color_type();
    let convert = Convert::new(color, depth, parts)?;
    let mut work = Work::new(options);
    let mut canvas = Canvas::new(size, color.samples());
    let mut last: Option<Frame> = None;
    for at in 0..=wanted.last().copied().unwrap_or(0) {
        work.add(u64::from(size.0) * u64::from(size.1))?;
        if let Some(frame) = &last {
            canvas.dispose(frame);
        }
        if at > 0 {
            reader.next_frame_info().map_err(refusal)?;
        }
        let frame = Frame::of(reader.info().frame_control(), size, at == 0);
        let (stored, data) = next_frame(&mut reader)?;
        let mut samples = Vec::new();
        for row in data.chunks_exact(stored.line_size) {
            convert.samples(row, stored.width as usize, &mut samples);
        }
        // The one transparent shade of greys is drawn as it is.
        let masks =
            (at > 0 && frame.over && color != ColorType::Grayscale).then(|| convert.colours(&samples).into_rgba());
        canvas.draw(&frame, &samples, masks.as_deref(), at > 0);
        last = Some(frame);
        if wanted.binary_search(&at).is_ok() {
            if take(size, convert.colours(&canvas.samples)).is_break() {
                break;
            }
            work = Work::new(options);
        }
    }
    Ok(())
}

/// Where a frame stands, and what becomes of it.
struct Frame {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    over: bool,
    dispose: DisposeOp,
}

impl Frame {
    /// The frame of a control chunk; without one the whole picture. The first has nothing to go back to.
    fn of(control: Option<&png::FrameControl>, size: (u32, u32), first: bool) -> Frame {
        let whole = png::FrameControl { width: size.0, height: size.1, ..png::FrameControl::default() };
        let control = control.unwrap_or(&whole);
        Frame {
            left: control.x_offset as usize,
            top: control.y_offset as usize,
            width: control.width as usize,
            height: control.height as usize,
            over: control.blend_op == BlendOp::Over,
            dispose: match control.dispose_op {
                DisposeOp::Previous if first => DisposeOp::Background,
                dispose => dispose,
            },
        }
    }
}

/// The picture as far as it is drawn.
struct Canvas {
    samples: Vec<u8>,
    /// As it was before the last frame.
    previous: Vec<u8>,
    width: usize,
    channels: usize,
}

impl Canvas {
    fn new(size: (u32, u32), channels: usize) -> Canvas {
        let samples = vec![0; size.0 as usize * size.1 as usize * channels];
        Canvas { samples, previous: Vec::new(), width: size.0 as usize, channels }
    }

    /// The places of a frame's rows.
    fn rows(&self, frame: &Frame) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (width, channels) = (self.width, self.channels);
        let (left, count) = (frame.left, frame.width);
        (frame.top..frame.top + frame.height).map(move |y| {
            let start = (y * width + left) * channels;
            start..start + count * channels
        })
    }

    /// Does what is to be done behind a frame.
    fn dispose(&mut self, frame: &Frame) {
        for row in self.rows(frame) {
            let Some(target) = self.samples.get_mut(row.clone()) else { return };
            match frame.dispose {
                DisposeOp::None => return,
                DisposeOp::Background => target.fill(0),
                DisposeOp::Previous => {
                    if let Some(source) = self.previous.get(row) {
                        target.copy_from_slice(source);
                    }
                }
            }
        }
    }

    /// Draws a frame's samples: as they are, or as far as their colours' alphas (the fourth of each in `masks`) say.
    fn draw(&mut self, frame: &Frame, samples: &[u8], masks: Option<&[u8]>, keep: bool) {
        if keep {
            self.previous.clone_from(&self.samples);
        }
        let mut masks = masks.map(|masks| masks.as_chunks::<4>().0.iter());
        for (row, source) in self.rows(frame).zip(samples.chunks_exact(frame.width * self.channels)) {
            let Some(target) = self.samples.get_mut(row) else { return };
            let Some(masks) = &mut masks else {
                target.copy_from_slice(source);
                continue;
            };
            let pixels = target.chunks_exact_mut(self.channels).zip(source.chunks_exact(self.channels));
            for ((under, over), &[.., mask]) in pixels.zip(masks) {
                under.iter_mut().zip(over).for_each(|(under, over)| *under = blend(*under, *over, mask));
            }
        }
    }
}
