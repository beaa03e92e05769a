//! Characters as the tokenizer sees them: each becomes one byte, so that the rules need no tables of Unicode.
//!
//! ASCII stays as it is. A letter, a digit or a mark beyond ASCII is as good as any other of its kind, and the rest
//! matters only where a rule names it. What no rule names is [`OTHER`].

use regex::Regex;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

const LETTER: u8 = 0x80;
const DIGIT: u8 = 0x81;
const MARK: u8 = 0x82;
/// Byte of the first of [`NAMED`]; the others follow it.
const FIRST_NAMED: u8 = 0x90;
const OTHER: u8 = 0xff;

/// Characters that rules name, and what they name them.
const NAMED: [(&str, &[RangeInclusive<char>]); 19] = [
    ("soft", &['\u{ad}'..='\u{ad}']),
    ("nbsp", &['\u{a0}'..='\u{a0}']),
    ("space", &['\u{2000}'..='\u{200a}', '\u{3000}'..='\u{3000}']),
    ("line", &['\u{2028}'..='\u{2029}']),
    ("nel", &['\u{85}'..='\u{85}']),
    ("right", &['\u{92}'..='\u{92}', '’'..='’']),
    ("left", &['\u{91}'..='\u{91}', '‘'..='‘', '‛'..='‛']),
    ("quote", &['\u{93}'..='\u{94}', '‚'..='‚', '“'..='‟', '‹'..='›', '«'..='«', '»'..='»']),
    ("dash", &['\u{96}'..='\u{97}', '–'..='―']),
    ("point", &['\u{66b}'..='\u{66c}']),
    ("hyphen", &['\u{58a}'..='\u{58a}', '\u{2010}'..='\u{2011}']),
    ("sign", &['⁺'..='⁻', '₊'..='₋']),
    ("raised", &['⁰'..='⁰', '¹'..='¹', '²'..='³', '⁴'..='⁹']),
    ("lowered", &['₀'..='₉']),
    ("slash", &['⁄'..='⁄']),
    ("part", &['¼'..='¾', '⅓'..='⅞']),
    ("currency", &['\u{80}'..='\u{80}', '¢'..='¥', '₠'..='₠', '€'..='€']),
    ("ellipsis", &['…'..='…']),
    ("comma", &['、'..='、']),
];

/// The tokenizer's letters are those of Unicode 6.1, but for some that changed their kind: later ones vanish.
const LETTERS: &str = r"[[[\p{L}&&\p{Age=6.1}]--[\x{19B0}-\x{19C0}\x{19C8}\x{19C9}\x{1CF2}\x{1CF3}]]\x{1885}\x{1886}]";
const DIGITS: &str = r"[\p{Nd}&&\p{Age=6.1}]";

/// Marks and the like that words may hold, too: hexadecimal, found by trying all.
const MARKS: &str = "02C2-02C5 02D2-02DF 02E5-02EB 02ED 02EF-036F 0375 0378-0379 0384-0385 03F6 0483-0487 055A-055F \
    0591-05BD 05BF 05C1-05C2 05C4-05C5 05C7 0615-061A 064B-065E 0670 06D6-06E4 06E7-06ED 06FD-06FE 070F 0711 0730-074C \
    07A6-07B0 07EB-07F3 0900-0903 093C 093E-094E 0951-0955 0962-0963 0981-0983 09BC 09BE-09C4 09C7-09C8 09CB-09CD 09D7 \
    09E2-09E3 0A01-0A03 0A3C 0A3E-0A4F 0A81-0A83 0ABC 0ABE-0ACF 0B82 0BBE-0BC2 0BC6-0BC8 0BCA-0BCD 0C01-0C03 0C3E-0C56 \
    0D3E-0D44 0D46-0D48 0E31 0E34-0E3A 0E47-0E4E 0EB1 0EB4-0EBC 0EC8-0ECD";

/// Those beyond ASCII that stay, each a token, where no rule takes them; all others vanish.
const STAY: &str = "00A1-00A9 00AB-00B4 00B6-00B9 00BB-00BF 00D7 00F7 037E 0387 0589 05BE 05C0 05C3 05C6 05F3-05F4 \
    0600-0603 0606-060C 0614 061B 061E-061F 066A 066D 06D4 0700-070D 07F6-07F8 0964-0965 0E3F 0E4F 1FBD 2013-2023 2026 \
    2030-203B 203E-2042 2044 2070 2074-207E 2080-208E 20A0 20A4 20AC 2100-2101 2103-2106 2108-2109 2114 2116-2118 \
    211E-2123 2125 2127 2129 212E 213A-213B 2140-2144 214A-214D 214F 2153-215E 2190-2BFF 3001-3002 3012 30FB FF01-FF0F \
    FF1A-FF20 FF3B-FF40 FF5B-FF65 FFE0-FFE1 FFE5-FFE6";

/// Ranges of characters, in order.
struct Ranges(Vec<RangeInclusive<u32>>);

impl Ranges {
    /// Of text as [`MARKS`].
    fn new(text: &str) -> Self {
        let number = |text: &str| u32::from_str_radix(text, 16).ok();
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(number(first)?..=number(last)?)
        };
        Self(text.split_whitespace().filter_map(range).collect())
    }

    fn contain(&self, c: char) -> bool {
        let c = u32::from(c);
        let behind = self.0.partition_point(|range| *range.start() <= c);
        behind.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|range| range.contains(&c))
    }
}

/// The byte of a character.
pub(super) fn class(c: char) -> u8 {
    static MARKED: LazyLock<Ranges> = LazyLock::new(|| Ranges::new(MARKS));
    static LETTER_OR_DIGIT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(&format!("^(?:({LETTERS})|({DIGITS}))$")).ok());
    if let Ok(byte) = u8::try_from(c)
        && byte.is_ascii()
    {
        return byte;
    }
    if let Some(byte) = named(c) {
        return byte;
    }
    if MARKED.contain(c) {
        return MARK;
    }
    // The tokenizer reads two halves of what is beyond U+FFFF, and neither is a letter.
    if c > '\u{ffff}' {
        return OTHER;
    }
    let mut buffer = [0; 4];
    match LETTER_OR_DIGIT.as_ref().and_then(|kinds| kinds.captures(c.encode_utf8(&mut buffer))) {
        Some(found) if found.get(1).is_some() => LETTER,
        Some(_) => DIGIT,
        None => OTHER,
    }
}

fn named(c: char) -> Option<u8> {
    let holds = |(_, ranges): &&(&str, &[RangeInclusive<char>])| ranges.iter().any(|range| range.contains(&c));
    let bytes = FIRST_NAMED..;
    NAMED.iter().zip(bytes).find(|(set, _)| holds(set)).map(|(_, byte)| byte)
}

/// Whether a character that no rule takes is a token of its own.
pub(super) fn stays(c: char) -> bool {
    static STAYING: LazyLock<Ranges> = LazyLock::new(|| Ranges::new(STAY));
    c.is_ascii_graphic() || STAYING.contain(c)
}

/// All names that patterns may use for bytes, with the byte's pattern.
pub(super) fn names() -> impl Iterator<Item = (&'static str, String)> {
    let kinds = [("letter", LETTER), ("digit", DIGIT), ("mark", MARK)];
    let named = NAMED.iter().map(|(name, _)| *name).zip(FIRST_NAMED..);
    kinds.into_iter().chain(named).map(|(name, byte)| (name, format!(r"\x{byte:02x}")))
}
