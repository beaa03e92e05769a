//! Questions in many wordings, kept as lines in the files of `words/`.
//!
//! A file is made of sections: `[colour.one]`, and a wording a line below it. A line that begins with `*` is held out:
//! tests ask it, training never does. A line that begins with `=` is the section's answer in a sentence, one a section,
//! for questions that ask for one. `#` begins a comment. `{shape}` stands for what is filled in, `{a shape}` for the same
//! with its article; of `{color/colour}` one is chosen.

use crate::{Random, Split};
use std::{collections::BTreeMap, sync::LazyLock};

/// The files.
const FILES: &[&str] = &[
    include_str!("../words/suffixes.txt"),
    include_str!("../words/scene.txt"),
    include_str!("../words/relation.txt"),
    include_str!("../words/caption.txt"),
    include_str!("../words/pictures.txt"),
    include_str!("../words/reading.txt"),
    include_str!("../words/charts.txt"),
    include_str!("../words/films.txt"),
    include_str!("../words/things.txt"),
];

static SECTIONS: LazyLock<BTreeMap<&'static str, Section>> = LazyLock::new(|| {
    let mut sections = BTreeMap::new();
    FILES.iter().for_each(|file| parse(file, &mut sections));
    sections
});

static NONE: Section = Section { train: Vec::new(), test: Vec::new(), sentence: None };

/// A section's wordings.
#[derive(Debug, Default)]
pub struct Section {
    /// For learning.
    pub train: Vec<&'static str>,
    /// For tests.
    pub test: Vec<&'static str>,
    /// The answer in a sentence.
    pub sentence: Option<&'static str>,
}

/// What stands for the placeholders: `("shape", "circle")`.
pub type Fills<'a> = [(&'a str, &'a str)];

/// A question in some wording, with the answer that it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The question.
    pub question: String,
    /// The answer: as given, or in a sentence.
    pub answer: String,
    /// Whether a sentence is asked for.
    pub sentence: bool,
}

/// The section of a name; an empty one where there is none (a test sees that no question is empty).
pub fn section(name: &str) -> &'static Section {
    SECTIONS.get(name).unwrap_or(&NONE)
}

/// The names of all sections.
pub fn sections() -> impl Iterator<Item = &'static str> {
    SECTIONS.keys().copied()
}

impl Section {
    /// The wordings of a split.
    pub fn of(&self, split: Split) -> &[&'static str] {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

/// One wording of a section, filled in.
pub fn say(name: &str, split: Split, random: &mut Random, fills: &Fills) -> String {
    match section(name).of(split) {
        [] => String::new(),
        wordings => fill(&choose(random.pick::<&str>(wordings), random), fills),
    }
}

/// A template with one chosen of each of its alternatives.
fn choose(template: &str, random: &mut Random) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inner, after)) = after.split_once('}') else { break };
        out.push_str(before);
        match inner.contains('/') {
            true => out.push_str(random.pick::<&str>(&inner.split('/').collect::<Vec<_>>())),
            false => out.extend(["{", inner, "}"]),
        }
        rest = after;
    }
    out + rest
}

/// A question of a section. For learning, some say how to answer ("Answer in one word."), and some of these ask for a
/// sentence: the section's, in which `{answer}` stands for `answer`. Some are typed carelessly: no capital, no mark.
pub fn ask(name: &str, split: Split, random: &mut Random, fills: &Fills, answer: &str) -> Asked {
    let mut question = say(name, split, random, fills);
    let mut asked = answer.to_owned();
    let (how, careless) = (random.unit(), random.unit());
    let mut sentence = false;
    if split == Split::Train {
        match (section(name).sentence, how) {
            (Some(template), how) if how < 0.1 => {
                let mut fills = fills.to_vec();
                fills.push(("answer", answer));
                asked = fill(&choose(template, random), &fills);
                question = format!("{question} {}", say("suffix.sentence", split, random, &[]));
                sentence = true;
            }
            (_, how) if how > 0.85 => question = format!("{question} {}", say("suffix.short", split, random, &[])),
            (_, how) if how > 0.75 => question = around(&question, random),
            _ if careless < 0.06 => {
                question = question.trim_end_matches(['?', '.']).to_owned();
                question = lower_first(&question);
            }
            _ => {}
        }
    }
    Asked { question, answer: asked, sentence }
}

/// A question with something in front of it or behind it that asks for nothing.
fn around(question: &str, random: &mut Random) -> String {
    if random.chance(0.25) {
        return format!("{question} {}", say("behind", Split::Train, random, &[]));
    }
    let before = say("before", Split::Train, random, &[]);
    match before.ends_with([',', ':']) {
        true => format!("{before} {}", lower_first(question)),
        false => format!("{before} {question}"),
    }
}

/// A template with its placeholders filled and its first letter a capital.
pub fn fill(template: &str, fills: &Fills) -> String {
    let mut out = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            break;
        };
        let (article, key) = match name.strip_prefix("a ") {
            Some(key) => (true, key),
            None => (false, name),
        };
        match fills.iter().find(|(filled, _)| *filled == key) {
            Some((_, value)) if article => out.push_str(&with_article(value)),
            Some((_, value)) => out.push_str(value),
            None => out.push_str(&format!("{{{name}}}")),
        }
        rest = after;
    }
    out.push_str(rest);
    capital(&out)
}

/// "a circle", "an oval".
pub fn with_article(noun: &str) -> String {
    // By sound: "a unicorn", "an hourglass".
    let consonant = ["uni", "use", "uku", "eu", "one"].iter().any(|start| noun.starts_with(start));
    let silent = ["hour", "heir", "honest", "x-ray", "X-ray"].iter().any(|start| noun.starts_with(start));
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{} {noun}", if silent || (vowel && !consonant) { "an" } else { "a" })
}

/// With a capital first letter.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn parse(file: &'static str, sections: &mut BTreeMap<&'static str, Section>) {
    let mut name = "";
    for line in file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name = title;
            continue;
        }
        let section = sections.entry(name).or_default();
        match (line.strip_prefix('*'), line.strip_prefix('=')) {
            (Some(held), _) => section.test.push(held.trim()),
            (_, Some(sentence)) => section.sentence = Some(sentence.trim()),
            _ => section.train.push(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A template's alternatives, in small letters.
    fn alternatives(template: &str) -> Vec<String> {
        let Some((before, rest)) = template.split_once('{') else { return vec![template.to_lowercase()] };
        let (inner, after) = rest.split_once('}').unwrap();
        let own = if inner.contains('/') { inner.split('/').collect() } else { vec![inner] };
        let whole = |own: &str, after: &String| format!("{}<{}>{after}", before.to_lowercase(), own.to_lowercase());
        alternatives(after).iter().flat_map(|after| own.iter().map(move |own| whole(own, after))).collect()
    }

    #[test]
    fn one_of_the_alternatives_is_chosen() {
        let mut random = Random::new(1, 1);
        let mut chosen: Vec<_> = (0..50).map(|_| choose("the {a/b} of {x}, {c/d}", &mut random)).collect();
        chosen.sort();
        chosen.dedup();
        assert_eq!(chosen, ["the a of {x}, c", "the a of {x}, d", "the b of {x}, c", "the b of {x}, d"]);
        assert_eq!(alternatives("A {b/C} {d}").len(), 2);
    }

    #[test]
    fn placeholders_are_filled() {
        let fills = [("shape", "oval"), ("colour", "red")];
        assert_eq!(
            fill("is there {a shape} or {a colour} one, {shape}?", &fills),
            "Is there an oval or a red one, oval?"
        );
        assert_eq!(fill("{what} is {", &fills), "{what} is {");
        assert_eq!([with_article("unicorn"), with_article("hourglass")], ["a unicorn", "an hourglass"]);
    }

    #[test]
    fn no_wording_is_both_learnt_and_tested_and_every_section_has_both() {
        let all = |of: fn(&Section) -> &Vec<&'static str>| SECTIONS.values().flat_map(of).collect::<Vec<_>>();
        let (train, test) = (all(|s| &s.train), all(|s| &s.test));
        let learnt: BTreeSet<_> = train.iter().flat_map(|line| alternatives(line)).collect();
        let both: Vec<_> =
            test.iter().flat_map(|line| alternatives(line)).filter(|line| learnt.contains(line)).collect();
        assert!(both.is_empty(), "{both:?}");
        for (name, section) in &*SECTIONS {
            assert!(!section.train.is_empty() && !section.test.is_empty(), "{name}");
            let mut once = BTreeSet::new();
            assert!(section.train.iter().chain(&section.test).all(|line| once.insert(*line)), "{name}");
        }
    }
}
