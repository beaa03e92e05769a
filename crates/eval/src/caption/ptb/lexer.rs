//! Takes a text apart by [`RULES`].

use super::chars;
use super::rules::{Kind, RULES, Rule, written_out};
use regex::bytes::Regex;
use std::sync::LazyLock;

static COMPILED: LazyLock<Vec<Compiled>> = LazyLock::new(|| RULES.iter().filter_map(Compiled::new).collect());

struct Compiled {
    kind: Kind,
    /// The token, as the first group if something must stand behind it.
    pattern: Regex,
    hopeless: Option<Regex>,
}

impl Compiled {
    fn new(rule: &Rule) -> Option<Self> {
        let pattern = match rule.behind {
            "" => rule.token.to_owned(),
            behind => format!("({})(?:{behind})", rule.token),
        };
        let hopeless = (!rule.hopeless.is_empty()).then(|| compiled(rule.hopeless));
        Some(Self { kind: rule.kind, pattern: compiled(&pattern)?, hopeless: hopeless.flatten() })
    }

    /// How long the token is together with what stands behind it, and alone.
    fn lengths(&self, rest: &[u8]) -> Option<(usize, usize)> {
        if self.pattern.captures_len() == 1 {
            return self.pattern.find(rest).map(|all| (all.end(), all.end()));
        }
        let found = self.pattern.captures(rest)?;
        Some((found.get(0)?.end(), found.get(1)?.end()))
    }

    /// How many places, from this one on, the rule need not be tried at when it has failed here.
    fn hopeless(&self, rest: &[u8]) -> usize {
        self.hopeless.as_ref().and_then(|pattern| pattern.find(rest)).map_or(0, |found| found.end())
    }
}

fn compiled(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("^(?-u:{})", written_out(pattern))).ok()
}

pub(super) struct Lexer {
    /// The text, as [`chars::class`] has it.
    classes: Vec<u8>,
    /// For each rule, the first place at which it may fit.
    next: Vec<usize>,
}

impl Lexer {
    pub(super) fn new(text: &[char]) -> Self {
        Self { classes: text.iter().map(|c| chars::class(*c)).collect(), next: vec![0; COMPILED.len()] }
    }

    /// What stands at a place: the kind and length of the token of the rule that reaches furthest, of several the
    /// first. Places must be asked for in order.
    pub(super) fn longest(&mut self, at: usize) -> Option<(Kind, usize)> {
        let rest = self.classes.get(at..)?;
        let (mut furthest, mut best) = (0, None);
        for (rule, next) in COMPILED.iter().zip(&mut self.next) {
            if at < *next {
                continue;
            }
            match rule.lengths(rest) {
                Some((all, token)) if all > furthest => {
                    furthest = all;
                    best = Some((rule.kind, token));
                }
                Some(_) => {}
                None => *next = at + rule.hopeless(rest),
            }
        }
        // A token of no length would be found for ever.
        best.map(|(kind, length)| (kind, length.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rules_compile() {
        for rule in &RULES {
            for pattern in [rule.token, rule.behind, rule.hopeless] {
                let text = written_out(pattern);
                assert!(!text.contains(['«', '»']), "{text}");
                assert!(compiled(pattern).is_some(), "{text}");
            }
        }
        assert_eq!(COMPILED.len(), RULES.len());
        assert_eq!(COMPILED.iter().filter(|rule| rule.hopeless.is_some()).count(), 8);
    }
}
