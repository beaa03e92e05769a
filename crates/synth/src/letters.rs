//! Fonts as outlines: text becomes a path that a canvas fills.
//!
//! Units of an outline are ems, y down, the baseline at 0. Only printable ASCII is kept, taken apart when a font is read;
//! there is no kerning.

use crate::{Canvas, Colour, Error, Place, Random, Split};
use resvg::tiny_skia::{FillRule, Paint, Path, PathBuilder, Transform};
use skrifa::{
    FontRef, MetadataProvider,
    instance::{LocationRef, Size},
    outline::{DrawSettings, OutlinePen},
};
use std::{fmt, path};

/// What the program carries: enough to write with where no packages are.
const BUILT_IN: &[u8] = include_bytes!("../font/Roboto-Medium-ASCII.ttf");
/// The pinned fonts.
const LIST: &str = include_str!("../words/fonts.tsv");
/// From one line to the next, in heights of capitals.
const PITCH: f64 = 1.8;
/// The largest font file that is read.
const MOST: u64 = 1 << 24;

/// A font's printable ASCII.
pub struct Font {
    /// What it is called: `Lato Black`.
    pub name: String,
    /// Height of its capitals, in ems.
    pub capitals: f64,
    glyphs: Vec<Glyph>,
}

/// A character: its outline, none for a space, and how far it moves the pen.
struct Glyph {
    outline: Option<Path>,
    advance: f32,
}

/// Written text: an outline whose ink is centred on (0, 0), in ems.
#[derive(Debug, Clone)]
pub struct Text {
    /// The outline; inside is where it winds around a point at least once.
    pub path: Path,
    /// Half of the ink's width.
    pub across: f64,
    /// Half of the ink's height.
    pub down: f64,
    /// The (first) baseline's y.
    pub baseline: f64,
}

/// The fonts of both splits.
#[derive(Debug)]
pub struct Fonts {
    built_in: Font,
    train: Vec<Font>,
    test: Vec<Font>,
}

impl fmt::Debug for Font {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Font({})", self.name)
    }
}

impl Font {
    /// Takes a font file apart.
    ///
    /// # Errors
    /// It is no font that can be read, or lacks a printable ASCII character; the text says which.
    pub fn parse(name: &str, data: &[u8]) -> Result<Font, String> {
        let font = FontRef::new(data).map_err(|wrong| format!("no font: {wrong}"))?;
        let (size, location) = (Size::unscaled(), LocationRef::default());
        let em = f32::from(font.metrics(size, location).units_per_em.max(1));
        let (map, outlines, metrics) = (font.charmap(), font.outline_glyphs(), font.glyph_metrics(size, location));
        let mut glyphs = Vec::with_capacity(95);
        for code in ' '..='~' {
            let lacks = || format!("the font lacks '{code}'");
            let id = map.map(code).ok_or_else(lacks)?;
            let mut pen = Pen(PathBuilder::new());
            let outline = outlines.get(id).ok_or_else(lacks)?;
            outline
                .draw(DrawSettings::unhinted(size, location), &mut pen)
                .map_err(|wrong| format!("'{code}': {wrong}"))?;
            let outline = pen.0.finish().and_then(|path| path.transform(Transform::from_scale(1.0 / em, -1.0 / em)));
            let advance = metrics.advance_width(id).unwrap_or(em) / em;
            glyphs.push(Glyph { outline, advance });
        }
        let mut font = Font { name: name.to_owned(), capitals: 0.7, glyphs };
        if let Some(text) = font.write("H", 0.0) {
            font.capitals = 2.0 * text.down;
        }
        Ok(font)
    }

    /// The outline of a text, `apart` ems added between its letters; none where it has no ink. Lines stand below each
    /// other, each in the middle. Characters beyond printable ASCII are left out.
    pub fn write(&self, text: &str, apart: f64) -> Option<Text> {
        let mut whole = PathBuilder::new();
        let pitch = PITCH * self.capitals;
        for (row, line) in text.lines().enumerate() {
            let glyphs = line.chars().filter_map(|code| self.glyphs.get((code as usize).checked_sub(32)?));
            let step = |glyph: &Glyph| glyph.advance + apart as f32;
            let mut x = -glyphs.clone().map(step).sum::<f32>() / 2.0;
            for glyph in glyphs {
                let to = Transform::from_translate(x, (pitch * row as f64) as f32);
                if let Some(outline) = glyph.outline.clone().and_then(|path| path.transform(to)) {
                    whole.push_path(&outline);
                }
                x += step(glyph);
            }
        }
        Text::of(whole.finish()?, 0.0)
    }
}

impl Text {
    /// A path with its baseline, moved so that its ink is centred.
    fn of(path: Path, baseline: f64) -> Option<Text> {
        let ink = path.compute_tight_bounds()?;
        let (middle, centre) = ((ink.left() + ink.right()) / 2.0, (ink.top() + ink.bottom()) / 2.0);
        Some(Text {
            path: path.transform(Transform::from_translate(-middle, -centre))?,
            across: f64::from(ink.width()) / 2.0,
            down: f64::from(ink.height()) / 2.0,
            baseline: baseline - f64::from(centre),
        })
    }

    /// The same, `stretch` times as wide and leaning to the right by `slant` ems an em of height.
    pub fn shaped(&self, stretch: f64, slant: f64) -> Option<Text> {
        let shape = Transform::from_row(stretch as f32, 0.0, -slant as f32, 1.0, 0.0, 0.0);
        Text::of(self.path.clone().transform(shape)?, self.baseline)
    }

    /// Fills it, the ink's centre at the place's.
    pub fn draw(&self, canvas: &mut Canvas, place: &Place, colour: Colour) {
        let mut paint = Paint::default();
        paint.set_color_rgba8(colour.0, colour.1, colour.2, 255);
        // Strokes of a letter may overlap: what winds twice is inside too.
        canvas.pixmap().fill_path(&self.path, &paint, FillRule::Winding, place.transform(), None);
    }

    /// Half of the width and of the height, in pixels, of the upright box around it at a scale and a turn (degrees).
    pub fn half_box(&self, scale: f64, turn: f64) -> (f64, f64) {
        let (sin, cos) = libm::sincos(turn.to_radians());
        let (sin, cos) = (libm::fabs(sin), libm::fabs(cos));
        (scale * (self.across * cos + self.down * sin), scale * (self.across * sin + self.down * cos))
    }

    /// The greatest scale at which it fits into a box of this width and height, in pixels.
    pub fn fits(&self, width: f64, height: f64) -> f64 {
        (width / (2.0 * self.across)).min(height / (2.0 * self.down))
    }
}

impl Default for Fonts {
    /// The built-in font alone.
    fn default() -> Fonts {
        // A test sees that it is read.
        let none = || Font { name: String::new(), capitals: 0.7, glyphs: Vec::new() };
        let built_in = Font::parse("Roboto Medium", BUILT_IN).unwrap_or_else(|_| none());
        Fonts { built_in, train: Vec::new(), test: Vec::new() }
    }
}

impl Fonts {
    /// The pinned fonts of a folder; the built-in one alone where the folder is not there.
    ///
    /// # Errors
    /// A font is missing there, or cannot be read.
    pub fn open(folder: &path::Path) -> Result<Fonts, Error> {
        let mut fonts = Fonts::default();
        if !folder.is_dir() {
            return Ok(fonts);
        }
        for line in LIST.lines().filter(|line| !line.starts_with('#')) {
            let [split, name, _licence, _package, _version, path, _hash] = line.split('\t').collect::<Vec<_>>()[..]
            else {
                continue;
            };
            let file = folder.join(path.rsplit('/').next().unwrap_or(path));
            let font = read(&file, name)?;
            match split {
                "test" => fonts.test.push(font),
                _ => fonts.train.push(font),
            }
        }
        Ok(fonts)
    }

    /// Whether the packages' fonts are there.
    pub fn all(&self) -> bool {
        !self.train.is_empty() && !self.test.is_empty()
    }

    /// The font that the program carries.
    pub fn built_in(&self) -> &Font {
        &self.built_in
    }

    /// The fonts of a split; none without the packages.
    pub fn of(&self, split: Split) -> &[Font] {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }

    /// One of a split's fonts; the built-in one without the packages.
    pub fn pick(&self, random: &mut Random, split: Split) -> &Font {
        let fonts = self.of(split);
        fonts.get(random.below(fonts.len())).unwrap_or(&self.built_in)
    }
}

fn read(file: &path::Path, name: &str) -> Result<Font, Error> {
    let path = || file.display().to_string();
    let wrong = |source| Error::Read { path: path(), source };
    if std::fs::metadata(file).map_err(wrong)?.len() > MOST {
        return Err(Error::Format {
            path: path(),
            what: format!("more than {MOST} bytes: no font of the list is so large"),
        });
    }
    let data = std::fs::read(file).map_err(wrong)?;
    Font::parse(name, &data).map_err(|what| Error::Format { path: path(), what })
}

struct Pen(PathBuilder);

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.0.quad_to(cx, cy, x, y);
    }

    fn curve_to(&mut self, ax: f32, ay: f32, bx: f32, by: f32, x: f32, y: f32) {
        self.0.cubic_to(ax, ay, bx, by, x, y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_font_writes_all_of_ascii() {
        let fonts = Fonts::default();
        let font = fonts.built_in();
        for code in '!'..='~' {
            assert!(font.write(&code.to_string(), 0.0).is_some(), "{code}");
        }
        assert!(font.write("  ", 0.0).is_none());
        assert!((font.capitals - 0.711).abs() < 0.001, "{}", font.capitals);
        let (one, two) = (font.write("HH", 0.0).unwrap(), font.write("HH", 0.25).unwrap());
        assert!((2.0 * (two.across - one.across) - 0.25).abs() < 1e-5);
        // H stands on the baseline, g hangs below it.
        assert!((one.baseline - one.down).abs() < 1e-3);
        let hanging = font.write("Hg", 0.0).unwrap();
        assert!(hanging.down - hanging.baseline > 0.08);
        let lines = font.write("HH\nHH", 0.0).unwrap();
        assert!((2.0 * (lines.down - one.down) - PITCH * font.capitals).abs() < 1e-5 && lines.across == one.across);
        let shaped = one.shaped(2.0, 0.5).unwrap();
        assert!((shaped.across - 2.0 * one.across - 0.5 * one.down).abs() < 1e-5 && shaped.baseline == one.baseline);
    }

    #[test]
    fn text_is_as_large_as_it_says_and_where_it_should_be() {
        let fonts = Fonts::default();
        let text = fonts.built_in().write("Hello", 0.0).unwrap();
        let scale = text.fits(100.0, 50.0);
        let mut canvas = Canvas::new(120, 60, Colour(255, 255, 255));
        text.draw(&mut canvas, &Place::at(60.0, 30.0, scale), Colour(0, 0, 0));
        let (mut left, mut right, mut top, mut bottom) = (120i32, 0i32, 60i32, 0i32);
        for (at, pixel) in canvas.into_rgb().data.chunks_exact(3).enumerate() {
            let (x, y) = (at as i32 % 120, at as i32 / 120);
            if pixel[0] < 128 {
                (left, right) = (left.min(x), right.max(x));
                (top, bottom) = (top.min(y), bottom.max(y));
            }
        }
        let (across, down) = text.half_box(scale, 0.0);
        assert!((across - 50.0).abs() < 1e-9 || (down - 25.0).abs() < 1e-9);
        assert!((f64::from(right - left + 1) - 2.0 * across).abs() <= 2.0 && (left + right - 119).abs() <= 2);
        assert!((f64::from(bottom - top + 1) - 2.0 * down).abs() <= 2.0 && (top + bottom - 59).abs() <= 2);
        let (wide, high) = text.half_box(scale, 90.0);
        assert!((wide - down).abs() < 1e-9 && (high - across).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_font_is_refused() {
        assert!(Font::parse("none", b"not a font at all").unwrap_err().starts_with("no font"));
        assert!(Font::parse("cut", &BUILT_IN[..BUILT_IN.len() / 2]).is_err());
        let folder = std::env::temp_dir();
        assert!(matches!(read(&folder.join("no such font"), "none"), Err(Error::Read { .. })));
        assert!(!Fonts::open(path::Path::new("no such folder")).unwrap().all());
    }

    #[test]
    #[ignore = "needs the fonts of scripts/get-fonts.sh in data/synth/fonts"]
    fn the_packages_fonts_are_read() {
        let folder = path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/synth/fonts");
        let fonts = Fonts::open(&folder).unwrap();
        assert_eq!((fonts.of(Split::Train).len(), fonts.of(Split::Test).len()), (36, 6));
        for font in fonts.of(Split::Train).iter().chain(fonts.of(Split::Test)) {
            assert!((0.4..0.8).contains(&font.capitals), "{font:?}: {}", font.capitals);
        }
    }
}
