//! Pictures in a terminal: by its own graphics where it says that it has some, else as characters that are two pixels.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smolvlm_kernels::Pool;
use smolvlm_kernels::resample::lanczos_rgb;
use smolvlm_processor::Picture;
use std::fmt::Write;
use std::io::IsTerminal;

/// How a terminal shows pictures, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terminal {
    way: Way,
    columns: u32,
    rows: u32,
}

/// How a terminal shows pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Kitty's graphics protocol.
    Kitty,
    /// iTerm2's inline images.
    Iterm,
    /// A character for two pixels, in 24 bits a colour.
    Deep,
    /// The same, in the 216 colours that every terminal of 256 has.
    Cube,
}

/// Lines that are left for the question and the answer.
const BELOW: u32 = 6;
/// Bytes of a chunk in Kitty's protocol.
const CHUNK: usize = 4096;

impl Terminal {
    /// The one that stdout goes to; `None` where that is none, or one without pictures.
    pub(super) fn of_stdout() -> Option<Terminal> {
        if !std::io::stdout().is_terminal() {
            return None;
        }
        let way = way(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
        let (columns, rows) = terminal_size::terminal_size()
            .map_or((80, 24), |(width, height)| (u32::from(width.0), u32::from(height.0)));
        Some(Terminal { way, columns, rows: rows.saturating_sub(BELOW).max(4) })
    }

    /// What to write so that a picture is seen; `png` is the same picture.
    pub(super) fn show(&self, picture: &Picture, png: &[u8]) -> String {
        match self.way {
            Way::Kitty => kitty(png, self.lines(picture)),
            Way::Iterm => {
                let (rows, data) = (self.lines(picture), STANDARD.encode(png));
                format!("\u{1b}]1337;File=inline=1;size={};height={rows};preserveAspectRatio=1:{data}\u{7}", png.len())
            }
            Way::Deep => self.characters(picture, |[r, g, b]| format!("2;{r};{g};{b}")),
            Way::Cube => self.characters(picture, |levels| format!("5;{}", cube(levels))),
        }
    }

    /// Rows of characters that a picture takes; they are twice as high as wide.
    fn lines(&self, picture: &Picture) -> u32 {
        self.size(picture).1.div_ceil(2)
    }

    /// The size at which a picture fits, in pixels of which a character has two, one above the other. None is enlarged.
    fn size(&self, picture: &Picture) -> (u32, u32) {
        let (width, height) = (f64::from(picture.width.max(1)), f64::from(picture.height.max(1)));
        let scale = (f64::from(self.columns) / width).min(f64::from(2 * self.rows) / height).min(1.0);
        let side = |side: f64| (side * scale).round().max(1.0) as u32;
        (side(width), side(height))
    }

    fn characters(&self, picture: &Picture, colour: impl Fn([u8; 3]) -> String) -> String {
        let (width, height) = self.size(picture);
        let [from_width, from_height, width, height] =
            [picture.width, picture.height, width, height].map(|side| side as usize);
        let mut rgb = vec![0; 3 * width * height];
        lanczos_rgb(&picture.rgb, (from_width, from_height), &mut rgb, (width, height), &Pool::new(1));
        let rows: Vec<&[[u8; 3]]> = rgb.as_chunks::<3>().0.chunks_exact(width).collect();
        let mut lines = Vec::new();
        for pair in rows.chunks(2) {
            let mut line = String::new();
            for (at, upper) in pair.first().copied().unwrap_or_default().iter().enumerate() {
                // The last row of an odd number has nothing below.
                let lower =
                    pair.get(1).and_then(|row| row.get(at)).map_or("49".into(), |&c| format!("48;{}", colour(c)));
                let _ = write!(line, "\u{1b}[38;{};{lower}m\u{2580}", colour(*upper));
            }
            lines.push(line + "\u{1b}[0m");
        }
        lines.join("\n")
    }
}

/// The way that a terminal's variables tell of.
fn way(variable: &dyn Fn(&str) -> Option<String>) -> Option<Way> {
    let is = |name: &str, values: &[&str]| variable(name).is_some_and(|value| values.contains(&value.as_str()));
    let modern = variable("WT_SESSION").is_some(); // Windows' own sets no TERM
    let term = variable("TERM").unwrap_or_else(|| if modern { "xterm" } else { "dumb" }.into());
    if term == "dumb" || variable("NO_COLOR").is_some() {
        return None;
    }
    // What divides a terminal passes no graphics on.
    let divided = variable("TMUX").is_some() || term.starts_with("screen") || term.starts_with("tmux");
    if !divided && (term.contains("kitty") || term.contains("ghostty") || variable("KITTY_WINDOW_ID").is_some()) {
        return Some(Way::Kitty);
    }
    if !divided && (is("TERM_PROGRAM", &["iTerm.app", "WezTerm"]) || is("LC_TERMINAL", &["iTerm2"])) {
        return Some(Way::Iterm);
    }
    let deep = modern || is("COLORTERM", &["truecolor", "24bit"]) || term.ends_with("-direct");
    Some(if deep { Way::Deep } else { Way::Cube })
}

/// A PNG in Kitty's protocol, so many rows high; the next line begins below it.
fn kitty(png: &[u8], rows: u32) -> String {
    let data = STANDARD.encode(png);
    let mut out = String::new();
    let mut chunks = data.as_bytes().chunks(CHUNK).filter_map(|chunk| std::str::from_utf8(chunk).ok()).peekable();
    let mut keys = format!("f=100,a=T,q=2,r={rows},");
    while let Some(chunk) = chunks.next() {
        let more = u8::from(chunks.peek().is_some());
        let _ = write!(out, "\u{1b}_G{keys}m={more};{chunk}\u{1b}\\");
        keys.clear();
    }
    out
}

/// The nearest colour of the cube of six levels.
fn cube(levels: [u8; 3]) -> u32 {
    let nearest = |level: u8| {
        let step = [0i32, 95, 135, 175, 215, 255].into_iter().enumerate();
        step.min_by_key(|(_, step)| (step - i32::from(level)).abs()).map_or(0, |(at, _)| at as u32)
    };
    let [r, g, b] = levels.map(nearest);
    16 + 36 * r + 6 * g + b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> Picture {
        Picture { width, height, rgb: (0..3 * width * height).map(|i| if i % 3 == 0 { 255 } else { 0 }).collect() }
    }

    #[test]
    fn a_terminal_is_known_by_its_variables() {
        let of = |variables: &[(&str, &str)]| {
            way(&|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("TERM", "dumb")]), None);
        assert_eq!(of(&[("TERM", "xterm-kitty"), ("NO_COLOR", "1")]), None);
        assert_eq!(of(&[("TERM", "xterm-kitty")]), Some(Way::Kitty));
        assert_eq!(of(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")]), Some(Way::Iterm));
        assert_eq!(of(&[("TERM", "screen"), ("TERM_PROGRAM", "iTerm.app")]), Some(Way::Cube));
        assert_eq!(of(&[("TERM", "tmux-256color"), ("COLORTERM", "truecolor"), ("TMUX", "x")]), Some(Way::Deep));
        assert_eq!(of(&[("WT_SESSION", "x")]), Some(Way::Deep));
        assert_eq!(of(&[("TERM", "xterm-256color")]), Some(Way::Cube));
    }

    #[test]
    fn characters_fit_the_terminal_and_keep_colours() {
        let deep = Terminal { way: Way::Deep, columns: 20, rows: 5 };
        for (width, height, columns, lines) in [(40, 20, 20, 5), (8, 3, 8, 2), (100, 10, 20, 1), (10, 100, 1, 5)] {
            let shown = deep.show(&picture(width, height), b"");
            assert_eq!(shown.lines().count(), lines, "{width}x{height}");
            assert!(shown.lines().all(|line| line.matches('\u{2580}').count() == columns), "{width}x{height}");
            assert!(shown.contains("38;2;255;0;0;") && shown.lines().all(|line| line.ends_with("\u{1b}[0m")));
        }
        let red = Terminal { way: Way::Cube, ..deep }.show(&picture(1, 2), b"");
        assert_eq!(red, "\u{1b}[38;5;196;48;5;196m\u{2580}\u{1b}[0m");
        assert_eq!((cube([0, 0, 0]), cube([255, 255, 255]), cube([100, 130, 40])), (16, 231, 16 + 36 + 12));
    }

    #[test]
    fn graphics_carry_the_whole_png() {
        let png: Vec<u8> = (0..10_000u32).map(|i| (i % 251) as u8).collect();
        let kitty = Terminal { way: Way::Kitty, columns: 80, rows: 18 }.show(&picture(64, 64), &png);
        let chunks: Vec<&str> = kitty.split_terminator("\u{1b}\\").collect();
        let bodies: String = chunks.iter().map(|chunk| chunk.split_once(';').unwrap().1).collect();
        assert_eq!(STANDARD.decode(bodies).unwrap(), png);
        assert!(chunks[0].starts_with("\u{1b}_Gf=100,a=T,q=2,r=18,m=1;") && chunks.last().unwrap().contains("m=0;"));
        let iterm = Terminal { way: Way::Iterm, columns: 80, rows: 18 }.show(&picture(64, 64), &png);
        let (head, body) = iterm.split_once(':').unwrap();
        assert!(head.contains("size=10000;height=18"));
        assert_eq!(STANDARD.decode(body.trim_end_matches('\u{7}')).unwrap(), png);
    }
}
