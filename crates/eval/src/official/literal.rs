//! Cells of tables that hold a Python list of answers.
//!
//! VLMEvalKit evaluates every cell as an expression, and takes what is a list for several answers
//! (`vlmeval/dataset/utils/vqa_eval.py`, `process_line`; `smp/misc.py`, `istype`). Here lists of texts and numbers are
//! read, as tables have them; what else Python would work out (`[1 / 2]`, a list in a list, and `[max]`, which is a
//! list of a function) stays one text.

use super::python;

/// The answers of a cell: the items of the list that it is, each as `str` writes it, or the cell itself.
pub(crate) fn alternatives(cell: &str) -> Vec<String> {
    list(cell).unwrap_or_else(|| vec![cell.to_owned()])
}

fn list(cell: &str) -> Option<Vec<String>> {
    let mut rest = blank(cell).strip_prefix('[')?;
    let mut items = Vec::new();
    loop {
        rest = blank(rest);
        if let Some(behind) = rest.strip_prefix(']') {
            return blank(behind).is_empty().then_some(items);
        }
        let (item, behind) = item(rest)?;
        items.push(item);
        rest = blank(behind);
        // A comma may stand behind the last one, too.
        rest = match rest.strip_prefix(',') {
            Some(behind) => behind,
            None if rest.starts_with(']') => rest,
            None => return None,
        };
    }
}

fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}'])
}

/// An item, and what stands behind it.
fn item(text: &str) -> Option<(String, &str)> {
    match text.chars().next()? {
        quote @ ('\'' | '"') => quoted(text, quote),
        _ => {
            let end = text.find([',', ']'])?;
            let (item, behind) = text.split_at_checked(end)?;
            Some((name(python::strip(item)).or_else(|| number(python::strip(item)))?, behind))
        }
    }
}

fn name(item: &str) -> Option<String> {
    matches!(item, "None" | "True" | "False").then(|| item.to_owned())
}

/// A number of a program: no other digits than ASCII's, no zeros in front of whole ones, no words.
fn number(item: &str) -> Option<String> {
    let digits = item.trim_start_matches(['-', '+', ' ']);
    let sign = item.get(..item.len().checked_sub(digits.len())?)?;
    let minus = sign.matches('-').count() % 2 == 1;
    if !digits.is_ascii() || !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    match python::integer(digits) {
        Some(whole) if digits.starts_with('0') && whole != "0" => None,
        Some(whole) if minus && whole != "0" => Some(format!("-{whole}")),
        Some(whole) => Some(whole),
        None => python::float(digits).map(|number| python::write(if minus { -number } else { number })),
    }
}

/// A text between quotation marks, and those that follow it without a comma, which Python joins.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut letters = text.strip_prefix(quote)?.chars();
    loop {
        match letters.next()? {
            '\\' => escaped(&mut letters, &mut out)?,
            '\n' => return None,
            letter if letter == quote => break,
            letter => out.push(letter),
        }
    }
    let behind = letters.as_str();
    match blank(behind).chars().next() {
        Some(next @ ('\'' | '"')) => {
            let (more, behind) = quoted(blank(behind), next)?;
            Some((out + &more, behind))
        }
        _ => Some((out, behind)),
    }
}

/// What stands behind a backslash. One that means nothing stays.
fn escaped(letters: &mut std::str::Chars<'_>, out: &mut String) -> Option<()> {
    match letters.next()? {
        '\n' => {}
        letter @ ('\\' | '\'' | '"') => out.push(letter),
        'n' => out.push('\n'),
        't' => out.push('\t'),
        'r' => out.push('\r'),
        'x' => out.push(coded(letters, 2)?),
        'u' => out.push(coded(letters, 4)?),
        'U' => out.push(coded(letters, 8)?),
        letter => out.extend(['\\', letter]),
    }
    Some(())
}

fn coded(letters: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let code = letters.as_str().get(..digits)?;
    *letters = letters.as_str().get(digits..)?.chars();
    char::from_u32(u32::from_str_radix(code, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_told_from_texts() {
        for (cell, expected) in [
            ("['a', \"b's\"]", vec!["a", "b's"]),
            (" ['a' 'b',]\n", vec!["ab"]),
            (r"['it\'s', 'a\\b', '\xa0\u3000', 'c\d']", vec!["it's", "a\\b", "\u{a0}\u{3000}", "c\\d"]),
            ("[2007, 1e3, -8.31, 00, -0.00, True]", vec!["2007", "1000.0", "-8.31", "0", "-0.0", "True"]),
            ("[]", vec![]),
            ("[Red, Blue]", vec!["[Red, Blue]"]),
            ("[50%, 3]", vec!["[50%, 3]"]),
            ("[1, 007]", vec!["[1, 007]"]),
            ("[nan]", vec!["[nan]"]),
            ("['a'", vec!["['a'"]),
            ("['a'] b", vec!["['a'] b"]),
            ("12, 34", vec!["12, 34"]),
            ("(1, 2)", vec!["(1, 2)"]),
            ("", vec![""]),
        ] {
            assert_eq!(alternatives(cell), expected, "{cell}");
        }
    }
}
