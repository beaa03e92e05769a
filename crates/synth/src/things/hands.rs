//! The hands that drew the things: families of icons in Iconify's JSON form, pinned by hash.

use super::{
    nouns::{Noun, nouns},
    sprite::Sprite,
};
use crate::Error;
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, OnceLock},
};

/// Who drew a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hand {
    /// `@iconify-json/noto`.
    Noto,
    /// `@iconify-json/noto-v1`.
    NotoV1,
    /// `@iconify-json/twemoji`.
    Twemoji,
    /// `@iconify-json/fluent-emoji-flat`.
    FluentFlat,
    /// `@iconify-json/emojione`.
    EmojiOne,
    /// `@iconify-json/openmoji`: for tests alone.
    OpenMoji,
}

impl Hand {
    /// Those that training sees.
    pub const TRAINED: [Hand; 5] = [Hand::Noto, Hand::NotoV1, Hand::Twemoji, Hand::FluentFlat, Hand::EmojiOne];
    /// All of them.
    pub const ALL: [Hand; 6] =
        [Hand::Noto, Hand::NotoV1, Hand::Twemoji, Hand::FluentFlat, Hand::EmojiOne, Hand::OpenMoji];

    /// The package's name, and its folder's.
    pub fn name(self) -> &'static str {
        match self {
            Hand::Noto => "noto",
            Hand::NotoV1 => "noto-v1",
            Hand::Twemoji => "twemoji",
            Hand::FluentFlat => "fluent-emoji-flat",
            Hand::EmojiOne => "emojione",
            Hand::OpenMoji => "openmoji",
        }
    }

    /// The package's version, and the SHA-256 of its `icons.json`.
    pub fn pin(self) -> (&'static str, &'static str) {
        match self {
            Hand::Noto => ("1.2.9", "9eac6ef4e7ec122b6f0e7ac281d61008afdbc720d0ce861e398b939daaa347c6"),
            Hand::NotoV1 => ("1.2.5", "ce70d8aa90345cf389875c3571ecd245bd943401822a0c5a0f62336bf8487333"),
            Hand::Twemoji => ("1.2.5", "5d5d820790565b764f2728675d487c9ee4c1fc83916d8567d5aca8ba7527c242"),
            Hand::FluentFlat => ("1.2.6", "f5f4cf457c0db2ad5a2e42e033e02e0c87d10e43d0164cfffb3bb84914970a63"),
            Hand::EmojiOne => ("1.2.3", "e9a865faed523a7c3535b5319ae533d09fac1a62b4e96920eb178bb60e707e80"),
            Hand::OpenMoji => ("1.2.29", "7075331faab544067dbff4236471dd378bb5410aa05799a8a343c9ebf5c5984c"),
        }
    }
}

/// A drawing: an SVG, and how it looks at [`Sprite::SIDE`] once that has been asked for.
#[derive(Debug)]
struct Drawing {
    svg: String,
    sprite: OnceLock<Arc<Sprite>>,
}

/// The drawings of every noun by every hand that is there. Each is drawn once, at its first use; all of them take 250
/// MB.
#[derive(Debug, Default)]
pub struct Hands {
    /// By hand, then by noun: one or several drawings, none where the hand did not draw it.
    drawings: BTreeMap<Hand, Vec<Vec<Drawing>>>,
}

impl Hands {
    /// The hands of a folder of packages: `FOLDER/noto/icons.json` and so on. Those that are not there are left out;
    /// `None` where one of the trained is.
    ///
    /// # Errors
    /// A file that cannot be read, or is not the pinned one.
    pub fn open(folder: &Path) -> Result<Option<Hands>, Error> {
        let mut hands = Hands::default();
        for hand in Hand::ALL {
            let path = folder.join(hand.name()).join("icons.json");
            if !path.is_file() {
                continue;
            }
            let at = path.display().to_string();
            let bytes = std::fs::read(&path).map_err(|source| Error::Read { path: at.clone(), source })?;
            let (version, pinned) = hand.pin();
            let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            if hash != pinned {
                let what = format!("its SHA-256 is {hash}; that of {} {version} is {pinned}", hand.name());
                return Err(Error::Format { path: at, what });
            }
            hands.add(hand, &at, &bytes)?;
        }
        Ok(Hand::TRAINED.iter().all(|hand| hands.drawings.contains_key(hand)).then_some(hands))
    }

    /// Takes a hand's drawings of the nouns from a file in Iconify's JSON form.
    pub(crate) fn add(&mut self, hand: Hand, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let file: Iconify = serde_json::from_slice(bytes)
            .map_err(|error| Error::Format { path: path.to_owned(), what: format!("is no set of icons: {error}") })?;
        let of = |noun: &Noun| {
            let fit = |icon: &&&str| !noun.not.iter().any(|not| *not == format!("{}/{icon}", hand.name()));
            let mut svgs: Vec<String> = noun.icons.iter().filter(fit).filter_map(|icon| file.svg(icon)).collect();
            svgs.dedup();
            svgs.into_iter().map(|svg| Drawing { svg, sprite: OnceLock::new() }).collect()
        };
        self.drawings.insert(hand, nouns().iter().map(of).collect());
        Ok(())
    }

    /// Whether a hand's drawings are there.
    pub fn has(&self, hand: Hand) -> bool {
        self.drawings.contains_key(&hand)
    }

    /// How many drawings of a noun a hand has.
    pub fn count(&self, hand: Hand, noun: &Noun) -> usize {
        self.drawings.get(&hand).and_then(|all| all.get(noun.index)).map_or(0, Vec::len)
    }

    /// A hand's drawing of a noun, at [`Sprite::SIDE`]; nothing where it has none of this number.
    pub fn sprite(&self, hand: Hand, noun: &Noun, number: usize) -> Option<Arc<Sprite>> {
        let drawing = self.drawings.get(&hand)?.get(noun.index)?.get(number)?;
        if let Some(sprite) = drawing.sprite.get() {
            return Some(sprite.clone());
        }
        let sprite = Arc::new(render(&drawing.svg, Sprite::SIDE)?);
        Some(drawing.sprite.get_or_init(|| sprite).clone())
    }

    /// The same drawn afresh at another side, for pictures in which it is large.
    pub fn large(&self, hand: Hand, noun: &Noun, number: usize, side: usize) -> Option<Sprite> {
        render(&self.drawings.get(&hand)?.get(noun.index)?.get(number)?.svg, side)
    }
}

/// Draws an SVG so that its figure, without the empty margin that hands leave in different widths, fills a square.
fn render(svg: &str, side: usize) -> Option<Sprite> {
    /// Where the figure is looked for, in pixels.
    const LOOK: u32 = 64;
    let tree = usvg::Tree::from_str(svg, &usvg::Options::default()).ok()?;
    let fit = LOOK as f32 / tree.size().width().max(tree.size().height());
    let mut look = Pixmap::new(LOOK, LOOK)?;
    resvg::render(&tree, Transform::from_scale(fit, fit), &mut look.as_mut());
    let seen = |at: usize| look.data().get(at * 4 + 3).is_some_and(|alpha| *alpha > 24);
    let (mut left, mut top, mut right, mut bottom) = (LOOK, LOOK, 0, 0);
    for at in (0..LOOK * LOOK).filter(|at| seen(*at as usize)) {
        let (x, y) = (at % LOOK, at / LOOK);
        (left, top) = (left.min(x), top.min(y));
        (right, bottom) = (right.max(x + 1), bottom.max(y + 1));
    }
    if left >= right {
        return None;
    }
    let [left, top, right, bottom] = [left, top, right, bottom].map(|edge| edge as f32 / fit);
    let mut pixmap = Pixmap::new(side as u32, side as u32)?;
    let scale = (side as f32 - 2.0) / (right - left).max(bottom - top);
    let middle = side as f32 / 2.0;
    let (x, y) = (middle - scale * (left + right) / 2.0, middle - scale * (top + bottom) / 2.0);
    resvg::render(&tree, Transform::from_row(scale, 0.0, 0.0, scale, x, y), &mut pixmap.as_mut());
    Some(Sprite::new(side, pixmap.data().to_vec()))
}

/// A family of icons, as Iconify writes them.
#[derive(Deserialize)]
struct Iconify {
    icons: BTreeMap<String, Icon>,
    #[serde(default)]
    aliases: BTreeMap<String, Alias>,
    #[serde(flatten)]
    view: View,
}

/// Where an icon lies; a family's where it says nothing itself, then (0, 0) and 16.
#[derive(Deserialize, Clone, Copy)]
struct View {
    left: Option<f64>,
    top: Option<f64>,
    width: Option<f64>,
    height: Option<f64>,
}

#[derive(Deserialize)]
struct Icon {
    body: String,
    #[serde(flatten)]
    view: View,
}

/// Another name of an icon. That some are mirrored does not matter: so are things where they are placed.
#[derive(Deserialize)]
struct Alias {
    parent: String,
}

impl Iconify {
    /// The SVG of an icon's or an alias's name.
    fn svg(&self, name: &str) -> Option<String> {
        /// How many aliases may follow each other.
        const DEEP: usize = 5;
        let mut name = name;
        for _ in 0..DEEP {
            match self.aliases.get(name) {
                Some(alias) => name = &alias.parent,
                None => break,
            }
        }
        let icon = self.icons.get(name)?;
        let of = |value: fn(&View) -> Option<f64>, else_: f64| value(&icon.view).or(value(&self.view)).unwrap_or(else_);
        let (left, top) = (of(|view| view.left, 0.0), of(|view| view.top, 0.0));
        let (width, height) = (of(|view| view.width, 16.0), of(|view| view.height, 16.0));
        Some(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"{left} {top} {width} {height}\">{}</svg>",
            icon.body
        ))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::things::nouns::noun;

    /// Two drawings: a red dog in the middle of its box, a wide green cat under another name.
    pub(crate) const TINY: &str = r#"{"prefix": "tiny", "width": 20, "height": 20, "icons": {
        "dog": {"body": "<path fill=\"red\" d=\"M5 5h10v10H5z\"/>"},
        "feline": {"body": "<path fill=\"green\" d=\"M2 5h36v10H2z\"/>", "width": 40}},
        "aliases": {"cat": {"parent": "feline"}}}"#;

    #[test]
    fn drawings_fill_their_square_and_aliases_are_followed() {
        let mut hands = Hands::default();
        hands.add(Hand::Noto, "tiny", TINY.as_bytes()).unwrap();
        let (dog, cat, owl) = (noun("dog").unwrap(), noun("cat").unwrap(), noun("owl").unwrap());
        assert_eq!([dog, cat, owl].map(|noun| hands.count(Hand::Noto, noun)), [1, 1, 0]);
        assert!(hands.sprite(Hand::Noto, owl, 0).is_none() && hands.sprite(Hand::Twemoji, dog, 0).is_none());
        let side = Sprite::SIDE;
        let dog = hands.sprite(Hand::Noto, dog, 0).unwrap();
        assert_eq!(dog.pixel(side / 2, side / 2), [255, 0, 0, 255]);
        assert_eq!(dog.pixel(3, side - 4), [255, 0, 0, 255]);
        let cat = hands.sprite(Hand::Noto, cat, 0).unwrap();
        assert_eq!(cat.pixel(3, side / 2), [0, 128, 0, 255]);
        assert_eq!(cat.pixel(side / 2, side / 4), [0, 0, 0, 0]);
    }

    #[test]
    fn what_is_not_the_pinned_file_is_refused() {
        let folder = std::env::temp_dir().join(format!("smolvlm-synth-hands-{}", std::process::id()));
        assert!(Hands::open(&folder).unwrap().is_none());
        std::fs::create_dir_all(folder.join("noto")).unwrap();
        std::fs::write(folder.join("noto/icons.json"), TINY).unwrap();
        let error = Hands::open(&folder).unwrap_err().to_string();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(error.contains("noto/icons.json: its SHA-256 is ") && error.contains("that of noto 1.2.9 is 9eac6ef4"));
        assert!(
            Hands::default().add(Hand::Noto, "tiny", b"{}").unwrap_err().to_string().contains("is no set of icons")
        );
    }
}
