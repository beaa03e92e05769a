//! The nouns: what the drawn things are called.
//!
//! `words/nouns.tsv` has a line a noun, its columns parted by tabs: the word; the names of the icons that show it,
//! parted by spaces; its category; other words that are as right (synonyms, what it looks like), parted by commas;
//! words for more than it ("flower" of a rose), which are true of it and no good names; its plural where that is
//! irregular, `-` where it has none (mass nouns, pairs); and the drawings that do not fit the word, as `hand/icon`,
//! parted by spaces.

use std::{collections::BTreeMap, sync::LazyLock};

static NOUNS: LazyLock<Vec<Noun>> = LazyLock::new(|| parse(include_str!("../../words/nouns.tsv")));

static BY_WORD: LazyLock<BTreeMap<&'static str, usize>> =
    LazyLock::new(|| NOUNS.iter().enumerate().map(|(at, noun)| (noun.word, at)).collect());

static NAMING: LazyLock<Vec<&'static Noun>> =
    LazyLock::new(|| include_str!("../../words/naming-200.txt").lines().filter_map(|line| noun(line.trim())).collect());

/// What a thing is called.
#[derive(Debug, PartialEq, Eq)]
pub struct Noun {
    /// Its place in [`nouns`].
    pub index: usize,
    /// The word, in the singular where there is one.
    pub word: &'static str,
    /// The icons that show it.
    pub icons: Vec<&'static str>,
    /// Its category: `animal`, `food`, …
    pub category: &'static str,
    /// Other words that are as right: synonyms, what it looks like.
    pub also: Vec<&'static str>,
    /// Words for more than it, true of it all the same.
    pub broader: Vec<&'static str>,
    /// Several of it; none of mass nouns and pairs.
    pub plural: Option<String>,
    /// Drawings that do not fit the word: `hand/icon`.
    pub not: Vec<&'static str>,
}

impl Noun {
    /// With its article where it takes one: "a dog", "bread".
    pub fn phrase(&self) -> String {
        match self.plural {
            Some(_) => crate::wordings::with_article(self.word),
            None => self.word.to_owned(),
        }
    }

    /// Whether a word is true of it: its own, one that is as right, or one for more than it.
    pub fn is_called(&self, word: &str) -> bool {
        self.word == word || self.also.contains(&word) || self.broader.contains(&word)
    }

    /// Whether the two cannot be told apart by words: one is right for the other.
    pub fn like(&self, other: &Noun) -> bool {
        self.is_called(other.word) || other.is_called(self.word)
    }
}

/// All nouns, in the file's order.
pub fn nouns() -> &'static [Noun] {
    &NOUNS
}

/// The nouns of the naming tests, chosen before anything was trained.
pub fn naming() -> &'static [&'static Noun] {
    &NAMING
}

/// The noun of a word.
pub fn noun(word: &str) -> Option<&'static Noun> {
    BY_WORD.get(word).and_then(|&at| NOUNS.get(at))
}

fn parse(file: &'static str) -> Vec<Noun> {
    let lines = file.lines().skip(1).filter(|line| !line.is_empty());
    lines.enumerate().map(|(index, line)| parse_line(index, line)).collect()
}

fn parse_line(index: usize, line: &'static str) -> Noun {
    let mut columns = line.split('\t').chain(std::iter::repeat(""));
    let mut next = || columns.next().unwrap_or_default();
    let (word, icons, category, also) = (next(), next(), next(), next());
    let (broader, many, not) = (next(), next(), next());
    let plural = match many {
        "-" => None,
        "" => Some(regular_plural(word)),
        irregular => Some(irregular.to_owned()),
    };
    let words = |list: &'static str| list.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    let (also, broader) = (words(also), words(broader));
    let (icons, not) = (icons.split_whitespace().collect(), not.split_whitespace().collect());
    Noun { index, word, icons, category, also, broader, plural, not }
}

/// The plural of a word that follows the rule.
fn regular_plural(word: &str) -> String {
    match ["s", "x", "ch", "sh"].iter().any(|end| word.ends_with(end)) {
        true => format!("{word}es"),
        false => format!("{word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_word_and_icon_is_there_once() {
        let words: BTreeSet<_> = nouns().iter().map(|noun| noun.word).collect();
        assert_eq!(words.len(), nouns().len());
        let mut icons = BTreeSet::new();
        for noun in nouns() {
            assert!(!noun.icons.is_empty() && !noun.category.is_empty(), "{}", noun.word);
            assert!(noun.icons.iter().all(|icon| icons.insert(*icon)), "{}", noun.word);
            assert!(!noun.also.contains(&noun.word), "{}", noun.word);
            assert_eq!(noun.word.to_lowercase(), noun.word);
        }
        assert!(nouns().len() >= 700, "{}", nouns().len());
    }

    #[test]
    fn plurals_and_articles() {
        let of = |word: &str| noun(word).unwrap();
        assert_eq!(of("dog").plural.as_deref(), Some("dogs"));
        assert_eq!(of("fox").plural.as_deref(), Some("foxes"));
        assert_eq!(of("mouse").plural.as_deref(), Some("mice"));
        assert_eq!((of("bread").phrase().as_str(), of("owl").phrase().as_str()), ("bread", "an owl"));
        assert_eq!(of("unicorn").phrase(), "a unicorn");
        for noun in nouns() {
            let plural = noun.plural.as_deref().unwrap_or("s");
            assert!(
                !plural.ends_with("ys") || ["ays", "eys", "oys"].iter().any(|end| plural.ends_with(end)),
                "{plural}"
            );
        }
    }

    #[test]
    fn the_naming_tests_have_two_hundred_nouns() {
        let words: BTreeSet<_> = naming().iter().map(|noun| noun.word).collect();
        assert_eq!((words.len(), naming().len()), (200, 200));
    }
}
