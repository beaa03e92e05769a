//! The frames of a GIF upon each other, as Pillow puts them.
//!
//! The first frame is indices. From the second on Pillow makes RGB of them, or RGBA where the first has a transparent
//! index, and every later frame is drawn in its own colours. A first frame of greys stays one of levels until a frame
//! with colours comes, which Pillow then shows as greys, too.

use super::gif::{Frame, Screen};
use super::samples::{Palette, Samples, colour};
use crate::Error;

/// What is drawn so far.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Pixels,
    /// What is to be pasted before the next frame comes.
    dispose: Option<Patch>,
}

enum Pixels {
    Indices {
        indices: Vec<u8>,
        /// The colours of the first frame.
        palette: Box<Palette>,
        transparency: Option<u8>,
        /// Whether they become colours when another frame comes.
        coloured: bool,
    },
    Colours {
        rgba: Vec<u8>,
        /// Whether the alphas count.
        alpha: bool,
    },
}

/// A rectangle to paste.
struct Patch {
    left: usize,
    top: usize,
    width: usize,
    /// Of one byte a pixel or four, as the canvas has.
    bytes: Vec<u8>,
}

impl Patch {
    /// One colour or index in a frame's place.
    fn of(frame: &Frame, pixel: &[u8]) -> Patch {
        let bytes = pixel.repeat(frame.width * frame.height);
        Patch { left: frame.left, top: frame.top, width: frame.width, bytes }
    }
}

impl Canvas {
    /// The first frame.
    pub(super) fn new(screen: &Screen, frame: &Frame, size: (usize, usize)) -> Result<Canvas, Error> {
        let (width, height) = size;
        let mut canvas = Canvas {
            width,
            height,
            pixels: Pixels::Indices {
                indices: vec![frame.transparency.unwrap_or(0); width * height],
                palette: frame.colours(),
                transparency: frame.transparency,
                coloured: frame.palette.is_some(),
            },
            dispose: None,
        };
        let bytes = frame.samples()?;
        canvas.paste(&Patch { left: frame.left, top: frame.top, width: frame.width, bytes });
        canvas.dispose = match (frame.disposal, frame.transparency) {
            (2, index) => Some(Patch::of(frame, &[index.unwrap_or(screen.background)])),
            (3.., Some(index)) => Some(Patch::of(frame, &[index])),
            _ => None,
        };
        Ok(canvas)
    }

    pub(super) fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The next frame.
    pub(super) fn draw(&mut self, screen: &Screen, frame: Frame) -> Result<(), Error> {
        if let Some(patch) = self.dispose.take() {
            self.paste(&patch);
        }
        self.become_colours();
        let samples = frame.samples()?;
        let outgrown = self.size() != screen.size();
        self.dispose = self.disposal(screen, &frame, outgrown);
        if outgrown {
            self.grow(screen.size(), &frame);
        }
        let places = places(self.width, &frame);
        match &mut self.pixels {
            Pixels::Indices { indices, coloured, .. } => {
                *coloured |= frame.palette.is_some();
                for (at, &index) in places.zip(&samples) {
                    if let Some(place) = indices.get_mut(at).filter(|_| frame.transparency != Some(index)) {
                        *place = index;
                    }
                }
            }
            Pixels::Colours { rgba, .. } => {
                let palette = frame.colours();
                let pixels = rgba.as_chunks_mut::<4>().0;
                for (at, &index) in places.zip(&samples) {
                    if let Some(place) = pixels.get_mut(at).filter(|_| frame.transparency != Some(index)) {
                        *place = colour(&palette, index);
                    }
                }
            }
        }
        Ok(())
    }

    /// What is to be pasted when this frame has been shown; the canvas is as it was before the frame.
    fn disposal(&self, screen: &Screen, frame: &Frame, outgrown: bool) -> Option<Patch> {
        match (frame.disposal, &self.pixels) {
            (0 | 1, _) => None,
            (2, Pixels::Indices { transparency, .. }) => {
                let index = transparency.or(frame.transparency).unwrap_or(screen.background);
                Some(Patch::of(frame, &[index]))
            }
            (2, Pixels::Colours { .. }) => {
                let index = frame.transparency.unwrap_or(screen.background);
                // An index beyond the frame's table stands for its first colour.
                let beyond = frame.palette.is_some_and(|table| 3 * usize::from(index) + 3 > table.len());
                let [r, g, b, _] = colour(&frame.colours(), if beyond { 0 } else { index });
                Some(Patch::of(frame, &[r, g, b, if frame.transparency.is_some() { 0 } else { 255 }]))
            }
            (_, pixels) => {
                let (bytes, size) = match pixels {
                    Pixels::Indices { indices, .. } => (indices, 1),
                    Pixels::Colours { rgba, .. } => (rgba, 4),
                };
                let (width, height) = self.size();
                let mut patch = Patch::of(frame, &vec![0; size]);
                let inside = |y: usize, x: usize| !outgrown || (y < height && x < width);
                let frame_places = (0..frame.height).flat_map(|y| (0..frame.width).map(move |x| (y, x)));
                for ((y, x), target) in frame_places.zip(patch.bytes.chunks_exact_mut(size)) {
                    let (y, x) = (frame.top + y, frame.left + x);
                    let at = (y * width + x) * size;
                    if let Some(source) = bytes.get(at..at + size).filter(|_| inside(y, x)) {
                        target.copy_from_slice(source);
                    }
                }
                Some(patch)
            }
        }
    }

    /// Makes colours of indices, if there are any to be made.
    fn become_colours(&mut self) {
        let Pixels::Indices { indices, palette, transparency, coloured: true } = &mut self.pixels else { return };
        let alpha = transparency.is_some();
        if let Some([.., alpha]) = transparency.and_then(|index| palette.get_mut(usize::from(index))) {
            *alpha = 0;
        }
        let rgba = indices.iter().flat_map(|&index| colour(palette, index)).collect();
        self.pixels = Pixels::Colours { rgba, alpha };
    }

    /// A larger canvas: what is new is nothing, or the first colour of a frame that has no transparent index.
    fn grow(&mut self, size: (usize, usize), frame: &Frame) {
        let bytes = match &mut self.pixels {
            Pixels::Indices { indices, .. } => std::mem::replace(indices, vec![0; size.0 * size.1]),
            Pixels::Colours { rgba, alpha } => {
                let ground = match frame.transparency {
                    Some(_) => [0; 4],
                    None => colour(&frame.colours(), 0),
                };
                *alpha = frame.transparency.is_some();
                std::mem::replace(rgba, ground.repeat(size.0 * size.1))
            }
        };
        let width = self.width;
        (self.width, self.height) = size;
        self.paste(&Patch { left: 0, top: 0, width, bytes });
    }

    fn paste(&mut self, patch: &Patch) {
        let (target, size) = match &mut self.pixels {
            Pixels::Indices { indices, .. } => (indices, 1),
            Pixels::Colours { rgba, .. } => (rgba, 4),
        };
        for (y, row) in patch.bytes.chunks_exact((patch.width * size).max(1)).enumerate() {
            let start = ((patch.top + y) * self.width + patch.left) * size;
            if let Some(target) = target.get_mut(start..start + row.len()) {
                target.copy_from_slice(row);
            }
        }
    }

    /// The pixels with alpha, if any is.
    pub(super) fn samples(&self) -> Samples {
        match &self.pixels {
            Pixels::Indices { indices, palette, transparency: Some(index), .. } => {
                let mut palette = palette.clone();
                if let Some([.., alpha]) = palette.get_mut(usize::from(*index)) {
                    *alpha = 0;
                }
                Samples::Rgba(indices.iter().flat_map(|&index| colour(&palette, index)).collect())
            }
            Pixels::Indices { indices, palette, .. } => super::samples::look_up(palette, indices),
            Pixels::Colours { rgba, alpha: true } => Samples::Rgba(rgba.clone()),
            Pixels::Colours { rgba, alpha: false } => {
                Samples::Rgb(rgba.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect())
            }
        }
    }
}

/// The places of a frame's pixels on a canvas so wide.
fn places(canvas: usize, frame: &Frame) -> impl Iterator<Item = usize> + use<> {
    let (left, width) = (frame.left, frame.width);
    (frame.top..frame.top + frame.height).flat_map(move |y| (0..width).map(move |x| y * canvas + left + x))
}
