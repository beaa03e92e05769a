//! Pictures in a terminal: by its own graphics where it says that it has some, else as characters that are two pixels.

mod sixel;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use smolvlm_kernels::Pool;
use smolvlm_kernels::resample::lanczos_rgb;
use smolvlm_processor::Picture;
use std::fmt::Write;
use std::io::IsTerminal;

/// How a terminal shows pictures, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terminal {
    way: Way,
    columns: u32,
    rows: u32,
    /// Pixels of a character, across and down.
    cell: (u32, u32),
}

/// How a terminal shows pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Kitty's graphics protocol.
    Kitty,
    /// iTerm2's inline images.
    Iterm,
    Sixel,
    /// A character for two pixels, in 24 bits a colour.
    Deep,
    /// The same, in the 216 colours that every terminal of 256 has.
    Cube,
}

/// `--pictures`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shown {
    /// kitty's graphics protocol: kitty, Ghostty
    Kitty,
    /// iTerm2's inline images: iTerm2, WezTerm
    Iterm,
    /// sixel graphics: foot, mlterm, xterm -ti vt340, Windows Terminal
    Sixel,
    /// half blocks in colour, which every terminal has
    Blocks,
    /// not at all
    None,
}

/// Lines that are left for the question and the answer.
const BELOW: u32 = 6;
/// Bytes of a chunk in Kitty's protocol.
const CHUNK: usize = 4096;
/// Pixels of a character where the terminal does not tell.
const CELL: (u32, u32) = (8, 16);

impl Terminal {
    /// The one that stdout goes to; `None` where that is none, or one without pictures.
    pub(crate) fn of_stdout() -> Option<Terminal> {
        std::io::stdout().is_terminal().then(|| way(&variable)).flatten().map(Terminal::here)
    }

    /// The one that stdout and stderr go to, with no picture above so many rows; `None` where one of them does not, or it
    /// has no pictures. What is asked for is done wherever they go.
    pub(crate) fn of_both(asked: Option<Shown>, rows: u32) -> Option<Terminal> {
        let found = || std::io::stderr().is_terminal().then(Terminal::of_stdout).flatten();
        let terminal = match asked {
            None => found()?,
            Some(shown) => Terminal::here(shown.way(&variable)?),
        };
        Some(Terminal { rows: terminal.rows.min(rows), ..terminal })
    }

    fn here(way: Way) -> Terminal {
        let (columns, rows) = terminal_size::terminal_size()
            .map_or((80, 24), |(width, height)| (u32::from(width.0), u32::from(height.0)));
        Terminal { way, columns, rows: rows.saturating_sub(BELOW).max(4), cell: cell().unwrap_or(CELL) }
    }

    /// What to write so that a picture is seen.
    ///
    /// # Errors
    /// It cannot become PNG.
    pub(crate) fn show(&self, picture: &Picture) -> Result<String, smolvlm_processor::Error> {
        Ok(match self.way {
            Way::Kitty => kitty(&self.scaled(picture, self.cell).to_png()?, self.lines(picture)),
            Way::Iterm => {
                let png = self.scaled(picture, self.cell).to_png()?;
                let (rows, data) = (self.lines(picture), STANDARD.encode(&png));
                format!("\u{1b}]1337;File=inline=1;size={};height={rows};preserveAspectRatio=1:{data}\u{7}", png.len())
            }
            Way::Sixel => {
                let scaled = self.scaled(picture, self.cell);
                sixel::encode(&scaled.rgb, scaled.width as usize)
            }
            Way::Deep => self.characters(picture, |[r, g, b]| format!("2;{r};{g};{b}")),
            Way::Cube => self.characters(picture, |levels| format!("5;{}", cube(levels))),
        })
    }

    /// Rows of characters that a picture takes; they are twice as high as wide.
    fn lines(&self, picture: &Picture) -> u32 {
        self.size(picture, (1, 2)).1.div_ceil(2)
    }

    /// The size at which a picture fits, in pixels of which a character has so many across and down. None is enlarged.
    fn size(&self, picture: &Picture, cell: (u32, u32)) -> (u32, u32) {
        let (width, height) = (f64::from(picture.width.max(1)), f64::from(picture.height.max(1)));
        let room = |characters: u32, pixels: u32| f64::from(characters) * f64::from(pixels);
        let scale = (room(self.columns, cell.0) / width).min(room(self.rows, cell.1) / height).min(1.0);
        let side = |side: f64| (side * scale).round().max(1.0) as u32;
        (side(width), side(height))
    }

    /// The picture at that size.
    fn scaled(&self, picture: &Picture, cell: (u32, u32)) -> Picture {
        let (width, height) = self.size(picture, cell);
        if (width, height) == (picture.width, picture.height) {
            return picture.clone();
        }
        let [from, to] = [(picture.width, picture.height), (width, height)].map(|(w, h)| (w as usize, h as usize));
        let mut rgb = vec![0; 3 * to.0 * to.1];
        lanczos_rgb(&picture.rgb, from, &mut rgb, to, &Pool::new(1));
        Picture { width, height, rgb }
    }

    fn characters(&self, picture: &Picture, colour: impl Fn([u8; 3]) -> String) -> String {
        let scaled = self.scaled(picture, (1, 2));
        let rows: Vec<&[[u8; 3]]> = scaled.rgb.as_chunks::<3>().0.chunks_exact(scaled.width as usize).collect();
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

impl Shown {
    /// The way that is asked for; how many colours blocks have the variables tell.
    fn way(self, variable: &dyn Fn(&str) -> Option<String>) -> Option<Way> {
        match self {
            Shown::Kitty => Some(Way::Kitty),
            Shown::Iterm => Some(Way::Iterm),
            Shown::Sixel => Some(Way::Sixel),
            Shown::Blocks => Some(blocks(variable)),
            Shown::None => None,
        }
    }
}

/// A variable of the environment, unless it is empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether what goes to this terminal may be dimmed and coloured.
pub(crate) fn has_styles(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && way(&variable).is_some()
}

/// Pixels of a character, as the terminal tells them.
#[cfg(unix)]
fn cell() -> Option<(u32, u32)> {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
    let side = |pixels: u16, characters: u16| Some(u32::from(pixels.checked_div(characters)?)).filter(|side| *side > 1);
    Some((side(size.ws_xpixel, size.ws_col)?, side(size.ws_ypixel, size.ws_row)?))
}

#[cfg(not(unix))]
fn cell() -> Option<(u32, u32)> {
    None
}

/// The way that a terminal's variables tell of.
fn way(variable: &dyn Fn(&str) -> Option<String>) -> Option<Way> {
    let is = |name: &str, values: &[&str]| variable(name).is_some_and(|value| values.contains(&value.as_str()));
    let term = term(variable);
    if term == "dumb" || variable("NO_COLOR").is_some() {
        return None;
    }
    // What divides a terminal passes no graphics on.
    let divided = variable("TMUX").is_some() || term.starts_with("screen") || term.starts_with("tmux");
    if divided {
        return Some(blocks(variable));
    }
    if term.contains("kitty") || term.contains("ghostty") || variable("KITTY_WINDOW_ID").is_some() {
        return Some(Way::Kitty);
    }
    let wezterm = variable("WEZTERM_PANE").is_some() || variable("WEZTERM_EXECUTABLE").is_some();
    if wezterm || is("TERM_PROGRAM", &["iTerm.app", "WezTerm", "mintty"]) || is("LC_TERMINAL", &["iTerm2"]) {
        return Some(Way::Iterm);
    }
    let draws = |name: &str| term == name || term.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    if ["foot", "mlterm", "contour", "yaft", "vt340"].into_iter().any(draws) || term.contains("sixel") {
        return Some(Way::Sixel);
    }
    Some(blocks(variable))
}

/// Blocks in as many colours as the variables tell of.
fn blocks(variable: &dyn Fn(&str) -> Option<String>) -> Way {
    let named = variable("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit");
    let deep = named || variable("WT_SESSION").is_some() || term(variable).ends_with("-direct");
    if deep { Way::Deep } else { Way::Cube }
}

/// The kind of terminal.
fn term(variable: &dyn Fn(&str) -> Option<String>) -> String {
    // Windows' own sets no TERM.
    let absent = || if variable("WT_SESSION").is_some() { "xterm" } else { "dumb" }.into();
    variable("TERM").unwrap_or_else(absent)
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
    use smolvlm_processor::DecodeOptions;

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
        assert_eq!(of(&[("TERM", "xterm-256color"), ("WEZTERM_PANE", "0")]), Some(Way::Iterm));
        assert_eq!(of(&[("TERM", "foot")]), Some(Way::Sixel));
        assert_eq!(of(&[("TERM", "foot-extra"), ("COLORTERM", "truecolor")]), Some(Way::Sixel));
        assert_eq!(of(&[("TERM", "footer")]), Some(Way::Cube));
    }

    #[test]
    fn characters_fit_the_terminal_and_keep_colours() {
        let deep = Terminal { way: Way::Deep, columns: 20, rows: 5, cell: CELL };
        for (width, height, columns, lines) in [(40, 20, 20, 5), (8, 3, 8, 2), (100, 10, 20, 1), (10, 100, 1, 5)] {
            let shown = deep.show(&picture(width, height)).unwrap();
            assert_eq!(shown.lines().count(), lines, "{width}x{height}");
            assert!(shown.lines().all(|line| line.matches('\u{2580}').count() == columns), "{width}x{height}");
            assert!(shown.contains("38;2;255;0;0;") && shown.lines().all(|line| line.ends_with("\u{1b}[0m")));
        }
        let red = Terminal { way: Way::Cube, ..deep }.show(&picture(1, 2)).unwrap();
        assert_eq!(red, "\u{1b}[38;5;196;48;5;196m\u{2580}\u{1b}[0m");
        assert_eq!((cube([0, 0, 0]), cube([255, 255, 255]), cube([100, 130, 40])), (16, 231, 16 + 36 + 12));
    }

    #[test]
    fn graphics_carry_the_whole_png() {
        let noise = |width: u32, height: u32| {
            let mixed = |x: u32| (x ^ (x >> 15)).wrapping_mul(2_246_822_519);
            let rgb = (0..3 * width * height).map(|i| (mixed(mixed(i + 1)) >> 24) as u8).collect();
            Picture { width, height, rgb }
        };
        let again = |data: &str| Picture::decode(&STANDARD.decode(data).unwrap(), &DecodeOptions::default()).unwrap();
        let terminal = Terminal { way: Way::Kitty, columns: 80, rows: 18, cell: CELL };
        let kitty = terminal.show(&noise(64, 64)).unwrap();
        let chunks: Vec<&str> = kitty.split_terminator("\u{1b}\\").collect();
        let bodies: String = chunks.iter().map(|chunk| chunk.split_once(';').unwrap().1).collect();
        assert_eq!(again(&bodies).rgb, noise(64, 64).rgb);
        assert!(chunks[0].starts_with("\u{1b}_Gf=100,a=T,q=2,r=18,m=1;") && chunks.last().unwrap().contains("m=0;"));
        assert!(chunks.iter().all(|chunk| chunk.len() < CHUNK + 60));
        let iterm = Terminal { way: Way::Iterm, ..terminal }.show(&noise(1000, 500)).unwrap();
        let (head, body) = iterm.split_once(':').unwrap();
        let shown = again(body.trim_end_matches('\u{7}'));
        // No larger than its place.
        assert_eq!((shown.width, shown.height), (576, 288));
        let length = STANDARD.decode(body.trim_end_matches('\u{7}')).unwrap().len();
        assert_eq!(head, format!("\u{1b}]1337;File=inline=1;size={length};height=18;preserveAspectRatio=1"));
        let sixel = Terminal { way: Way::Sixel, ..terminal }.show(&noise(1000, 500)).unwrap();
        assert!(sixel.starts_with("\u{1b}P0;1q\"1;1;576;288#") && sixel.ends_with("\u{1b}\\"));
    }

    #[test]
    fn what_is_asked_for_is_done() {
        let deep = |name: &str| (name == "COLORTERM").then(|| "truecolor".to_owned());
        let of = |shown: Shown| shown.way(&deep);
        assert_eq!(of(Shown::Kitty), Some(Way::Kitty));
        assert_eq!(of(Shown::Iterm), Some(Way::Iterm));
        assert_eq!(of(Shown::Sixel), Some(Way::Sixel));
        assert_eq!(of(Shown::Blocks), Some(Way::Deep));
        assert_eq!(Shown::Blocks.way(&|_| None), Some(Way::Cube));
        assert_eq!(of(Shown::None), None);
    }
}
