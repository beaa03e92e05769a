//! Words that the metrics know: numbers, articles, contractions.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Words of numbers, and their digits.
const NUMBERS: [(&str, &str); 12] = [
    ("none", "0"),
    ("zero", "0"),
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
];

/// Contractions as VQA's table of misspellings has them on its right side.
const CONTRACTIONS: &str = "
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
    he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've mustn't needn't not've
    o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
    someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've
    there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's
    what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't
    wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've";

/// The digits of a number's word, from none and zero to ten.
pub(crate) fn digits(word: &str) -> Option<&'static str> {
    NUMBERS.iter().find(|(name, _)| *name == word).map(|(_, digits)| *digits)
}

/// Whether a word is an article.
pub(crate) fn is_article(word: &str) -> bool {
    matches!(word, "a" | "an" | "the")
}

/// The right spelling of a contraction that lacks one of its apostrophes. VQA's table is exactly that, but for
/// "somebody'd", which it spells "somebodyd".
pub(crate) fn contraction(word: &str) -> Option<&'static str> {
    if word == "somebody'd" {
        return Some("somebodyd");
    }
    static SPELLED: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
        let mut spelled = HashMap::new();
        for right in CONTRACTIONS.split_whitespace() {
            for (at, _) in right.match_indices('\'') {
                let (before, behind) = (&right[..at], &right[at + 1..]);
                spelled.entry(format!("{before}{behind}")).or_insert(right);
            }
        }
        spelled
    });
    SPELLED.get(word).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_apostrophe_is_put_back() {
        for (word, right) in [
            ("dont", Some("don't")),
            ("couldnt've", Some("couldn't've")),
            ("couldn'tve", Some("couldn't've")),
            ("y'alld've", Some("y'all'd've")),
            ("twas", Some("'twas")),
            ("couldntve", None),
            ("don't", None),
            ("its", None),
            ("somebody'd", Some("somebodyd")),
            ("", None),
        ] {
            assert_eq!(contraction(word), right, "{word}");
        }
    }
}
