//! What a user enters, of one line or several.

/// Begins and ends a text that is taken as it stands.
const FENCE: &str = "\"\"\"";

/// What was entered, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// A command, or a question that may name pictures.
    Line(String),
    /// A question as it stands.
    Verbatim(String),
}

impl Entry {
    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        let (Entry::Line(text) | Entry::Verbatim(text)) = self;
        text.trim().is_empty()
    }
}

/// Whether more is to come: the last line ends with a backslash, or a fence is open.
pub(super) fn goes_on(text: &str) -> bool {
    match text.trim_start().strip_prefix(FENCE) {
        Some(inner) => !inner.trim_end().ends_with(FENCE),
        None => text.ends_with('\\') && !text.ends_with("\\\\"),
    }
}

/// What is meant by the lines that were entered.
pub(super) fn read(text: &str) -> Entry {
    let Some(inner) = text.trim_start().strip_prefix(FENCE) else {
        // One that ends without its next line, too.
        return Entry::Line(format!("{text}\n").replace("\\\n", "\n").trim_end_matches('\n').to_owned());
    };
    let inner = inner.trim_end();
    Entry::Verbatim(inner.strip_suffix(FENCE).unwrap_or(inner).trim_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_may_have_several_lines() {
        for (text, more) in [
            ("a", false),
            ("", false),
            ("a\\", true),
            ("a\\\nb", false),
            ("a\\\nb\\", true),
            ("a\\\\", false),
            ("\"\"\"", true),
            ("\"\"\"\"\"\"", false),
            ("\"\"\"a\nb", true),
            ("\"\"\"a\nb\"\"\" ", false),
            (" \"\"\"\na\n\"\"\"", false),
            ("say \"\"\"", false),
        ] {
            assert_eq!(goes_on(text), more, "{text:?}");
        }
    }

    #[test]
    fn what_is_meant() {
        let line = |text: &str| Entry::Line(text.into());
        let verbatim = |text: &str| Entry::Verbatim(text.into());
        assert_eq!(read("a\\\nb"), line("a\nb"));
        assert_eq!(read("a\\"), line("a"));
        assert_eq!(read("a b\nc"), line("a b\nc"));
        assert_eq!(read("\"\"\"\n/a.png\\\n  b\n\"\"\"\n"), verbatim("/a.png\\\n  b"));
        assert_eq!(read(" \"\"\"/help\"\"\""), verbatim("/help"));
        assert_eq!(read("\"\"\"open"), verbatim("open"));
        assert!(read("\"\"\"\n\"\"\"").is_empty() && read("  \\").is_empty() && !read("a").is_empty());
    }
}
