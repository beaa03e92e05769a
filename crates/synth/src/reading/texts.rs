//! What is written: words, invented ones, numbers, short lines, and near misses of them.

use crate::{Random, Split, wordings::capital};
use std::sync::LazyLock;

/// Words in order of the alphabet, those for learning and those held out.
struct Lexicon {
    train: Vec<&'static str>,
    test: Vec<&'static str>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let mut lexicon = Lexicon { train: Vec::new(), test: Vec::new() };
    for line in include_str!("../../words/lexicon.txt").lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix('*') {
            Some(word) => lexicon.test.push(word),
            None => lexicon.train.push(line),
        }
    }
    lexicon
});

/// The words of a split, in order of the alphabet.
pub(crate) fn words(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &LEXICON.train,
        Split::Test => &LEXICON.test,
    }
}

/// A word of a split with `least..=most` letters, in small letters.
pub(crate) fn word(random: &mut Random, split: Split, least: usize, most: usize) -> &'static str {
    let mut word = *random.pick(words(split));
    // Most draws fit at once; there are words of every length.
    for _ in 0..200 {
        if (least..=most).contains(&word.len()) {
            break;
        }
        word = *random.pick(words(split));
    }
    word
}

/// How letters are written: small, with a capital, in capitals.
pub(crate) fn cased(random: &mut Random, text: &str) -> String {
    match random.unit() {
        u if u < 0.4 => text.to_owned(),
        u if u < 0.7 => capital(text),
        _ => text.to_uppercase(),
    }
}

/// The same text in the other cases, which are as right an answer.
pub(crate) fn other_cases(text: &str) -> Vec<String> {
    let mut others = vec![text.to_lowercase(), capital(&text.to_lowercase()), text.to_uppercase()];
    others.retain(|other| other != text);
    others.dedup();
    others
}

const ONSETS: &[&str] = &[
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "y", "z", "bl", "br", "ch",
    "cl", "cr", "dr", "fl", "fr", "gl", "gr", "pl", "pr", "qu", "sh", "sk", "sl", "sn", "sp", "st", "th", "tr", "wh",
];
const MIDDLES: &[&str] = &["a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ai", "ea", "ee", "oo", "ou", "ie"];
const ENDS: &[&str] =
    &["", "", "b", "d", "g", "l", "m", "n", "p", "r", "s", "t", "x", "ck", "ld", "nd", "ng", "nt", "st"];
const CODE_LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Letters that make no word: syllables, a word with a letter changed, or any letters. Never a held-out word.
pub(crate) fn invented(random: &mut Random) -> String {
    loop {
        let text = match random.unit() {
            u if u < 0.5 => syllables(random),
            u if u < 0.75 => {
                let word = word(random, Split::Train, 3, 8);
                changed(random, word)
            }
            _ => (0..random.between(3, 6)).map(|_| letter(random)).collect(),
        };
        if (3..=9).contains(&text.len()) && !is_word(Split::Test, &text) {
            return text;
        }
    }
}

fn syllables(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.between(1, 3) {
        text.push_str(random.pick::<&str>(ONSETS));
        text.push_str(random.pick::<&str>(MIDDLES));
        text.push_str(random.pick::<&str>(ENDS));
    }
    text
}

/// Capitals and digits, as on a number plate; without those that look like each other.
pub(crate) fn code(random: &mut Random) -> String {
    let mut letters = |n: usize| -> String { (0..n).map(|_| char::from(*random.pick(CODE_LETTERS))).collect() };
    let (first, last) = (letters(2), letters(2));
    match random.below(4) {
        0 => format!("{first}{}", random.between(22, 99)),
        1 => format!("{first} {}", random.between(222, 999)),
        2 => format!("{}{last}", random.between(2, 99)),
        _ => format!("{}-{}", first.get(..1).unwrap_or("A"), random.between(2, 99)),
    }
}

fn letter(random: &mut Random) -> char {
    char::from(b'a' + random.below(26) as u8)
}

/// Whether a split has this word.
pub(crate) fn is_word(split: Split, text: &str) -> bool {
    words(split).binary_search(&text).is_ok()
}

/// A text of small letters with one of them changed, left out, doubled or swapped with its neighbour.
fn changed(random: &mut Random, word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let at = random.below(letters.len());
    match random.below(4) {
        0 if letters.len() > 3 => drop(letters.remove(at)),
        1 if at + 1 < letters.len() => letters.swap(at, at + 1),
        2 => letters.insert(at, letter(random)),
        _ => {
            if let Some(old) = letters.get_mut(at) {
                *old = letter(random);
            }
        }
    }
    letters.into_iter().collect()
}

/// A text one letter off: a word that there is in half of the cases where there is one. Not the text itself.
pub(crate) fn near(random: &mut Random, split: Split, text: &str) -> String {
    let small = text.to_lowercase();
    let word_for = if random.chance(0.5) { 200 } else { 0 };
    for attempt in 0..400 {
        let off = changed(random, &small);
        let held_out = split == Split::Train && is_word(Split::Test, &off);
        if off != small && !held_out && (attempt >= word_for || is_word(Split::Train, &off)) {
            return like(text, &off);
        }
    }
    like(text, &format!("{small}s"))
}

/// A text in another's case.
pub(crate) fn like(model: &str, text: &str) -> String {
    let mut capitals = model.chars().filter(|c| c.is_alphabetic()).map(char::is_uppercase);
    match (capitals.next(), capitals.next()) {
        (Some(true), Some(true)) => text.to_uppercase(),
        (Some(true), _) => capital(text),
        _ => text.to_owned(),
    }
}

/// A number as it is written, and other ways to write it that are as right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Number {
    /// As written.
    pub(crate) text: String,
    /// Other answers.
    pub(crate) also: Vec<String>,
    /// Its value, where it is a plain whole number.
    pub(crate) whole: Option<u32>,
}

const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A whole number of one to `most` digits; every length as often.
pub(crate) fn whole(random: &mut Random, most: usize) -> u32 {
    match random.between(1, most) {
        1 => random.below(10) as u32,
        digits => {
            let least = 10usize.pow(digits as u32 - 1);
            random.between(least, 10 * least - 1) as u32
        }
    }
}

/// A number: whole ones mostly, decimals, prices, times, dates, shares.
pub(crate) fn number(random: &mut Random) -> Number {
    let kind = random.unit();
    let (text, also, value) = match kind {
        u if u < 0.6 => {
            let value = whole(random, 6);
            let written = if value >= 10_000 && random.chance(0.3) { thousands(value) } else { value.to_string() };
            let also = if written.contains(',') { vec![value.to_string()] } else { Vec::new() };
            (written, also, Some(value))
        }
        u if u < 0.7 => {
            let value = whole(random, 3);
            let text = match random.chance(0.6) {
                true => format!("{value}.{}", random.below(10)),
                false => format!("{value}.{:02}", random.below(100)),
            };
            (text, Vec::new(), None)
        }
        u if u < 0.8 => {
            let value = whole(random, 3);
            let any = random.below(100);
            let cents = *random.pick(&[99, 50, 0, 95, 25, 75, any]);
            match random.chance(0.25) {
                true => (format!("${value}"), vec![format!("{value}"), format!("{value} dollars")], None),
                false => (format!("${value}.{cents:02}"), vec![format!("{value}.{cents:02}")], None),
            }
        }
        u if u < 0.89 => {
            let (hour, minute) = (random.below(24), random.below(60));
            let text =
                if random.chance(0.5) { format!("{hour}:{minute:02}") } else { format!("{hour:02}:{minute:02}") };
            (text, vec![format!("{hour}:{minute:02}"), format!("{hour:02}:{minute:02}")], None)
        }
        u if u < 0.95 => (date(random), Vec::new(), None),
        _ => {
            let share = random.between(1, 100);
            (format!("{share}%"), vec![format!("{share} percent"), format!("{share}")], None)
        }
    };
    let also = also.into_iter().filter(|other| *other != text).collect();
    Number { text, also, whole: value }
}

fn date(random: &mut Random) -> String {
    let (day, month, year) = (random.between(1, 28), random.below(12), random.between(1950, 2035));
    let name = MONTHS.get(month).copied().unwrap_or("May");
    match random.below(4) {
        0 => format!("{day:02}/{:02}/{year}", month + 1),
        1 => format!("{year}-{:02}-{day:02}", month + 1),
        2 => format!("{day} {}", name.get(..3).unwrap_or(name)),
        _ => format!("{} {day}", name.get(..3).unwrap_or(name)),
    }
}

/// `12,500`.
fn thousands(value: u32) -> String {
    format!("{},{:03}", value / 1000, value % 1000)
}

/// Two to four words, at most `most` characters long, each in the same case.
pub(crate) fn line(random: &mut Random, split: Split, most: usize) -> Vec<String> {
    let case = random.below(3);
    let mut words: Vec<String> = Vec::new();
    let mut left = most;
    for at in 0..random.between(2, 4) {
        let longest = left.min(8);
        if longest < 3 {
            break;
        }
        let word = match random.chance(0.12) && at > 0 {
            true => whole(random, 2).to_string(),
            false => word(random, split, 3, longest).to_owned(),
        };
        left = left.saturating_sub(word.len() + 1);
        words.push(match case {
            0 => word,
            1 if at > 0 => word,
            1 => capital(&word),
            _ => word.to_uppercase(),
        });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lexicon_is_in_order_and_a_tenth_is_held_out() {
        let (train, test) = (words(Split::Train), words(Split::Test));
        for words in [train, test] {
            assert!(words.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(words.iter().all(|w| (3..=10).contains(&w.len()) && w.bytes().all(|b| b.is_ascii_lowercase())));
        }
        assert!(test.iter().all(|word| !is_word(Split::Train, word)));
        let share = test.len() as f64 / (train.len() + test.len()) as f64;
        assert!((0.09..0.11).contains(&share) && train.len() > 4000, "{share}");
    }

    #[test]
    fn what_is_for_learning_shows_no_held_out_word() {
        let mut random = Random::new(1, 2);
        for _ in 0..3000 {
            let word = word(&mut random, Split::Train, 3, 10);
            let mut shown = vec![invented(&mut random), near(&mut random, Split::Train, word)];
            shown.extend(line(&mut random, Split::Train, 18));
            for text in shown {
                assert!(!is_word(Split::Test, &text.to_lowercase()), "{text}");
            }
        }
    }

    #[test]
    fn a_near_miss_is_no_hit_and_in_the_same_case() {
        let mut random = Random::new(3, 4);
        let mut real = 0;
        for at in 0..500 {
            let word = like(["word", "Word", "WORD"][at % 3], word(&mut random, Split::Test, 3, 10));
            let off = near(&mut random, Split::Test, &word);
            assert_ne!(off.to_lowercase(), word.to_lowercase());
            assert!(off.len().abs_diff(word.len()) <= 1);
            assert_eq!(like(&word, &off.to_lowercase()), off);
            real +=
                usize::from(is_word(Split::Train, &off.to_lowercase()) || is_word(Split::Test, &off.to_lowercase()));
        }
        assert!(real > 10, "{real}");
    }

    #[test]
    fn numbers_are_written_as_numbers_are() {
        let mut random = Random::new(5, 6);
        let mut lengths = [0; 6];
        for _ in 0..2000 {
            let number = number(&mut random);
            assert!(number.text.bytes().any(|b| b.is_ascii_digit()) && number.text.len() <= 10, "{number:?}");
            assert!(!number.also.contains(&number.text));
            if let Some(value) = number.whole {
                assert_eq!(number.text.replace(',', ""), value.to_string());
                lengths[value.to_string().len() - 1] += 1;
            }
        }
        assert!(lengths.iter().all(|&n| n > 100), "{lengths:?}");
        assert_eq!(thousands(12_005), "12,005");
    }

    #[test]
    fn cases_are_the_same_letters() {
        assert_eq!(other_cases("Apple"), ["apple", "APPLE"]);
        assert_eq!(other_cases("STOP"), ["stop", "Stop"]);
        assert_eq!(other_cases("17"), Vec::<String>::new());
    }
}
