//! What the library says is wrong with a grammar, in one line.

use super::{Form, GrammarError};

/// The most characters of a library's words that are passed on, and of an expression in them.
const SHOWN: (usize, usize) = (400, 60);

/// What the library says in terms of its own, and what is meant.
const MEANT: [(&str, &str); 4] = [
    (
        "oneOf constraints are not supported",
        "a `oneOf` whose alternatives neither a type nor a `const` tells apart; `anyOf` would do",
    ),
    ("Only absolute $ref's", "a `$ref` to elsewhere; one to a place in the schema itself, `#/…`, would be right"),
    ("Unimplemented keys: ", "keywords that are not supported: "),
    ("panic: ", "what reads it failed: "),
];

impl GrammarError {
    /// What a library says of it, in one line: without the traces that follow its first words.
    pub(super) fn wrong(form: &Form, said: &str) -> GrammarError {
        GrammarError::Wrong { form: form.name(), what: first_words(said) }
    }
}

/// The beginning of what a library says, in one line.
pub(super) fn first_words(said: &str) -> String {
    if let Some((_, of)) = said.split_once("regex parse error:")
        && let Some((expression, why)) = of.split_once("error: ")
    {
        let (expression, why) = (expression.trim().lines().next().unwrap_or_default(), why.lines().next());
        return format!("in the expression {:?}: {}", short(expression, SHOWN.1), why.unwrap_or_default());
    }
    // Behind the first words stand the grammar's lines with their numbers, or what the reader was at.
    let is_trace =
        |line: &str| line.starts_with('<') || line.split_once(" | ").is_some_and(|(n, _)| n.parse::<u32>().is_ok());
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let line = lines.take_while(|line| !is_trace(line)).fold(first.to_owned(), |all, line| all + " " + line);
    for (start, meant) in MEANT {
        if let Some(rest) = line.strip_prefix(start) {
            return short(&if meant.ends_with(": ") { format!("{meant}{rest}") } else { meant.to_owned() }, SHOWN.0);
        }
    }
    short(&line, SHOWN.0)
}

fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_says_becomes_one_short_line() {
        assert_eq!(first_words("a\n  b\n<state>\nc"), "a b");
        assert_eq!(
            first_words("at 1(8): unknown name: \"foo\"\n   1 | start: foo\n      ^\n"),
            "at 1(8): unknown name: \"foo\""
        );
        let regex = "at 1: invalid regex (in regex): regex parse error:\n    a(b\n     ^\nerror: unclosed group\n1 | start: /a(b/";
        assert_eq!(first_words(regex), "in the expression \"a(b\": unclosed group");
        assert_eq!(first_words("Unimplemented keys: [\"not\"]"), "keywords that are not supported: [\"not\"]");
        assert!(first_words("oneOf constraints are not supported. Enable x").ends_with("`anyOf` would do"));
        let (most, _) = SHOWN;
        let long = first_words(&"é".repeat(most + 1));
        assert!(long.ends_with("é …") && long.chars().count() == most + 2);
        assert_eq!(first_words(&"é".repeat(most)).chars().count(), most);
    }
}
