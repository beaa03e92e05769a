//! What can be wrong with a grammar.

use super::Form;

/// Every way in which a grammar can be refused, or fail on the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// More text than is read.
    #[error("the {form} has {bytes} bytes; at most {most} are read")]
    TooLong {
        /// What it is, in words.
        form: &'static str,
        /// Its length.
        bytes: usize,
        /// The most.
        most: usize,
    },
    /// It is wrong, or asks for what is not supported.
    #[error("the {form} cannot be used: {what}")]
    Wrong {
        /// What it is, in words.
        form: &'static str,
        /// What is wrong.
        what: String,
    },
    /// Written out it is larger than is allowed.
    #[error("the {form} is too large: {what}")]
    TooLarge {
        /// What it is, in words.
        form: &'static str,
        /// What of it, and how large it may be.
        what: String,
    },
    /// No token of the model goes on as it asks.
    #[error("the {form} lets no token of this model through where the answer stands")]
    Stuck {
        /// What it is, in words.
        form: &'static str,
    },
    /// Following it took more work or memory than is allowed.
    #[error("the {form} became too complex on the way: {what}")]
    TooComplex {
        /// What it is, in words.
        form: &'static str,
        /// Which limit it met.
        what: String,
    },
    /// The program has no grammars.
    #[error("this program was built without the feature `grammar`: answers of a form are not to be had")]
    Without,
}

/// The most characters of a library's words that are passed on.
const SHOWN: usize = 400;

impl GrammarError {
    /// What a library says of it, in one line: without the traces that follow its first words.
    pub(super) fn wrong(form: &Form, said: &str) -> GrammarError {
        GrammarError::Wrong { form: form.name(), what: first_words(said) }
    }
}

/// The beginning of what a library says, in one line.
pub(super) fn first_words(said: &str) -> String {
    let said = said.split("\n<").next().unwrap_or_default();
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_says_becomes_one_short_line() {
        assert_eq!(first_words("a\n  b\n<state>\nc"), "a b");
        assert_eq!(first_words("<non>"), "<non>");
        let long = first_words(&"é".repeat(SHOWN + 1));
        assert!(long.ends_with("é …") && long.chars().count() == SHOWN + 2);
        assert_eq!(first_words(&"é".repeat(SHOWN)).chars().count(), SHOWN);
    }
}
