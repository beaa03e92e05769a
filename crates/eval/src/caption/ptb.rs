//! pycocoevalcap's `PTBTokenizer` (tokenizer/ptbtokenizer.py): Stanford CoreNLP 3.4.1's PTBTokenizer with
//! `-preserveLines -lowerCase`, and what Python does around it.
//!
//! The rules were found by experiment and written anew; no code is taken over. They give all 6,000 captions of
//! golden/eval/ptb.jsonl.gz. Known to differ are links that hold emoji, and a tag with a quote that opens in one
//! caption and closes in a later one.

mod chars;
mod lexer;
mod rules;

use lexer::Lexer;
use rules::Kind;

/// What stands behind a caption: rules look over the ends of lines, and captions are lines of one text.
const FOLLOWING: &str = "\nx";

/// Tokens that pycocoevalcap drops. Brackets are upper case in its list and lower case among the tokens: they stay.
const DROPPED: [&str; 13] = ["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"];

/// Signs that are written another way, as tokens and among [`Kind::Quotes`].
const WRITTEN: [(&str, &str); 31] = [
    ("£", "#"),
    ("€", "$"),
    ("\u{80}", "$"),
    ("₠", "$"),
    ("¤", "$"),
    ("¢", "cents"),
    ("¼", "1/4"),
    ("½", "1/2"),
    ("¾", "3/4"),
    ("⅓", "1/3"),
    ("⅔", "2/3"),
    ("(", "-lrb-"),
    (")", "-rrb-"),
    ("[", "-lsb-"),
    ("]", "-rsb-"),
    ("{", "-lcb-"),
    ("}", "-rcb-"),
    ("‘", "`"),
    ("\u{91}", "`"),
    ("‛", "`"),
    ("‹", "`"),
    ("’", "'"),
    ("\u{92}", "'"),
    ("›", "'"),
    ("«", "``"),
    ("“", "``"),
    ("\u{93}", "``"),
    ("»", "''"),
    ("”", "''"),
    ("\u{94}", "''"),
    ("\"", "''"),
];

/// The tokens of a caption, in lower case and without punctuation: what `PTBTokenizer().tokenize` gives, split at
/// spaces. A fraction as "1 1/2" is one token, with U+00A0 in it.
///
/// The caption is taken as if one that begins with an "x" stood behind it: in the tokenizer a caption's last token can
/// hang on how the next caption begins ("vitamin c." before "The …"). A line break other than `\n` would make two
/// captions of one there; here it parts tokens.
pub(crate) fn tokens(caption: &str) -> Vec<String> {
    let line = lexed(&caption.replace('\n', " ")).join(" ");
    let line = line.trim_end_matches(super::is_space);
    line.split(' ').filter(|token| !token.is_empty() && !DROPPED.contains(token)).map(str::to_owned).collect()
}

/// All tokens of a line.
fn lexed(line: &str) -> Vec<String> {
    let text: Vec<char> = line.chars().chain(FOLLOWING.chars()).collect();
    let end = line.chars().count();
    let mut lexer = Lexer::new(&text);
    let (mut at, mut tokens) = (0, Vec::new());
    while at < end {
        let (kind, length) = lexer.longest(at).unwrap_or_else(|| alone(text.get(at)));
        let token: String = text.iter().skip(at).take(length).collect();
        push(&mut tokens, kind, &token);
        at += length;
    }
    tokens
}

/// A character that no rule takes.
fn alone(c: Option<&char>) -> (Kind, usize) {
    (if c.is_some_and(|c| chars::stays(*c)) { Kind::Sign } else { Kind::Space }, 1)
}

/// Adds what becomes of a token's text.
fn push(tokens: &mut Vec<String>, kind: Kind, token: &str) {
    let text = match kind {
        Kind::Space => return,
        Kind::Split => {
            let (first, rest) = token.split_at_checked(3).unwrap_or((token, ""));
            tokens.push(first.to_lowercase());
            rest.to_owned()
        }
        Kind::Plain | Kind::Raw => token.to_owned(),
        Kind::As(text) => text.to_owned(),
        Kind::Sign => written(token).to_owned(),
        Kind::Quotes => token.split("").map(written).collect(),
        Kind::Solid => token.replace(' ', "\u{a0}"),
        Kind::Bracketed => token.replace('(', "-lrb-").replace(')', "-rrb-").replace(' ', "\u{a0}"),
        Kind::Thing => with_signs(token),
        Kind::Reduced => plain_apostrophes(token),
    };
    let text = if kind == Kind::Raw { text } else { without_soft_hyphens(&text) };
    tokens.push(text.to_lowercase());
}

/// `&amp;` in it, in any case, is one sign.
fn with_signs(token: &str) -> String {
    let mut parts = token.split('&');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push('&');
        text.push_str(
            part.split_at_checked(4)
                .filter(|(name, _)| name.eq_ignore_ascii_case("amp;"))
                .map_or(part, |(_, rest)| rest),
        );
    }
    text
}

fn written(sign: &str) -> &str {
    WRITTEN.iter().find(|(given, _)| *given == sign).map_or(sign, |(_, written)| written)
}

fn plain_apostrophes(token: &str) -> String {
    token.replace(['’', '\u{92}'], "'").replace("&apos;", "'").replace(['‘', '\u{91}', '‛'], "`")
}

/// A soft hyphen alone becomes a hyphen.
fn without_soft_hyphens(text: &str) -> String {
    let text = text.replace('\u{ad}', "");
    if text.is_empty() { "-".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::cases;
    use super::*;

    #[test]
    fn gives_the_official_tokens() {
        let cases = cases::read("ptb", 6000);
        let wrong: Vec<_> = cases
            .iter()
            .map(|case| (cases::text(&case["caption"]), cases::text(&case["tokens"])))
            .filter(|(caption, expected)| tokens(caption).join(" ") != **expected)
            .map(|(caption, expected)| (caption, expected, tokens(caption)))
            .collect();
        assert!(wrong.is_empty(), "{} of {} are wrong: {wrong:#?}", wrong.len(), cases.len());
    }

    #[test]
    fn an_empty_caption_has_no_tokens() {
        for caption in ["", " ", "?", "\n", "..."] {
            assert_eq!(tokens(caption), [""; 0], "{caption:?}");
        }
    }

    /// Found beside the golden file, by running the tokenizer.
    #[test]
    fn other_texts_come_apart_as_officially() {
        for (caption, expected) in [
            ("</a x>", "< / a x >"),
            ("<a c=b>", "< a c = b >"),
            ("<a c = 'x>y'>", "<a\u{a0}c\u{a0}=\u{a0}'x>y'>"),
            ("o'o O’O", "o'o o’o"),
            ("caf&eacute; CAF&Eacute;s", "caf&eacute; caf&eacute;s"),
            ("AT&AMP;T A. mr. A. Mr. b", "at&t a. mr. a mr. b"),
            ("No.１２３ pp. ٣ o'٣a", "no. １２３ pp. ٣ o'٣a"),
            ("so\u{ad}ft.jpg so\u{ad}ft", "so\u{ad}ft.jpg soft"),
            ("a+.COM b-.Com", "a+.com b com"),
            ("MtG. MTG. pTe. ptE.", "mtg. mtg pte. pte"),
            ("www.a.com/b.cc?d=e", "www.a.com/b.cc?d=e"),
            ("WWW.b.cc/.org/>-", "www.b.cc/.org/ >"),
        ] {
            assert_eq!(tokens(caption).join(" "), expected, "{caption}");
        }
    }

    /// Texts on which a rule would read on to the end from every place.
    #[test]
    fn long_texts_take_no_longer_than_they_are_long() {
        for part in ["a,", "a.5", "<!a", "a;b", "a.", "a@b ", "a-5", "'", "1/", "$", "http://", "a. <!b ", "( "] {
            let text = part.repeat(10_000);
            assert!(tokens(&text).len() <= text.len(), "{part}");
        }
    }

    #[test]
    fn line_breaks_part_tokens() {
        assert_eq!(tokens("a\rb\u{2028}c\nd\u{b}e"), ["a", "b", "c", "d", "e"]);
    }
}
