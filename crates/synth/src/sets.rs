//! The test sets: drawn once with seeds of their own, and known by their hashes.

use crate::{
    Error, Kit, Random, Sample, Split, chart, films, kit::Need, reading, shape_skills, things::naming as name,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A kind of test set.
#[derive(Debug)]
pub struct SetKind {
    /// What it is called.
    pub name: &'static str,
    /// Its seed.
    seed: u64,
    /// What it draws with.
    needs: &'static [Need],
    draw: fn(&Kit, &mut Random, Split) -> Sample,
}

const fn set(
    name: &'static str,
    seed: u64,
    needs: &'static [Need],
    draw: fn(&Kit, &mut Random, Split) -> Sample,
) -> SetKind {
    SetKind { name, seed, needs, draw }
}

/// All of them. Their hashes are in `words/sets.txt`.
pub const SETS: &[SetKind] = &[
    set("shape", 9001, &[], shape_skills::test_shape),
    set("colour", 9002, &[], shape_skills::test_colour),
    set("count", 9003, &[], shape_skills::test_count),
    set("relation", 9004, &[], shape_skills::test_relation),
    set("yesno", 9005, &[], shape_skills::test_yes_or_no),
    set("numbers", 9006, &[Need::Fonts], reading::test_numbers),
    set("words", 9007, &[Need::Fonts], reading::test_words),
    set("bars", 9008, &[Need::Fonts], chart::test_bars),
    set("direction", 9011, &[], films::moves),
    set("order", 9012, &[], films::order),
    set("colour-change", 9013, &[], films::changes_colour),
    set("name", 9009, &[Need::Hands], name::name),
    set("name-openmoji", 9010, &[Need::Hands, Need::UnseenHand], name::name_openmoji),
];

/// A test set: questions that training never asks so, each of a picture of its own.
#[derive(Debug, Clone)]
pub struct Set {
    kit: Arc<Kit>,
    kind: &'static SetKind,
}

impl Set {
    /// Questions of each.
    pub const LEN: usize = 2000;

    /// The set of a name.
    ///
    /// # Errors
    /// There is none, or the kit lacks what it draws with.
    pub fn open(kit: Arc<Kit>, name: &str) -> Result<Set, Error> {
        let Some(kind) = SETS.iter().find(|kind| kind.name == name) else {
            let known = SETS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
            return Err(Error::Unknown { name: name.to_owned(), kind: "test set", known });
        };
        for &need in kind.needs {
            kit.require(kind.name, need)?;
        }
        Ok(Set { kit, kind })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.kind.name
    }

    /// The sample of an index below [`Set::LEN`].
    pub fn sample(&self, index: usize) -> Sample {
        (self.kind.draw)(&self.kit, &mut Random::new(self.kind.seed, index as u64), Split::Test)
    }

    /// The SHA-256 of its first `count` samples, in hexadecimal digits: of all pictures' sizes and pixels and all texts.
    pub fn hash(&self, count: usize) -> String {
        let mut hash = Sha256::new();
        for index in 0..count {
            add(&mut hash, &self.sample(index));
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A sample's bytes; each text with its length before it.
fn add(hash: &mut Sha256, sample: &Sample) {
    for picture in &sample.pictures {
        hash.update(picture.width.to_le_bytes());
        hash.update(picture.height.to_le_bytes());
        hash.update(&picture.data);
    }
    if let Some(fps) = sample.fps {
        hash.update(fps.to_le_bytes());
    }
    for turn in &sample.turns {
        let texts = [turn.skill, &turn.question, &turn.answer].into_iter().chain(turn.also.iter().map(String::as_str));
        for text in texts {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Samples that the quick test looks at.
    const FEW: usize = 20;

    fn open(name: &str) -> Option<Set> {
        Set::open(Kit::shared().unwrap(), name).ok()
    }

    /// The lines of `words/sets.txt`: a name, the hash of the first samples and that of all.
    fn kept() -> BTreeMap<&'static str, [&'static str; 2]> {
        let lines = include_str!("../words/sets.txt").lines().filter(|line| !line.starts_with('#'));
        let parts = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
        parts.map(|line| (line[0], [line[1], line[2]])).collect()
    }

    #[test]
    fn the_first_samples_of_each_set_are_what_they_were() {
        let kept = kept();
        let wrong: Vec<_> = SETS
            .iter()
            .filter_map(|kind| open(kind.name))
            .map(|set| (set.name(), set.hash(FEW)))
            .filter(|(name, hash)| kept.get(name).is_none_or(|kept| kept[0] != hash))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(kept.keys().all(|name| SETS.iter().any(|kind| kind.name == *name)));
    }

    #[test]
    #[ignore = "draws all 2,000 samples of each set: minutes"]
    fn each_set_is_what_it_was() {
        let kept = kept();
        let wrong: Vec<_> = SETS
            .iter()
            .filter_map(|kind| open(kind.name))
            .map(|set| (set.name(), set.hash(FEW), set.hash(Set::LEN)))
            .filter(|(name, _, hash)| kept.get(name).is_none_or(|kept| kept[1] != hash))
            .collect();
        wrong.iter().for_each(|(name, few, all)| println!("{name} {few} {all}"));
        assert!(wrong.is_empty());
    }

    #[test]
    fn each_question_has_one_turn_and_no_answer_is_common() {
        for (name, most) in [
            ("shape", 0.11),
            ("colour", 0.1),
            ("count", 0.16),
            ("relation", 0.25),
            ("yesno", 0.56),
            ("direction", 0.32),
            ("order", 0.2),
            ("colour-change", 0.14),
        ] {
            let set = open(name).unwrap();
            let mut answers: BTreeMap<String, usize> = BTreeMap::new();
            for index in 0..300 {
                let sample = set.sample(index);
                let [turn] = &sample.turns[..] else { panic!("{name} {index}: {:?}", sample.turns) };
                *answers.entry(turn.answer.clone()).or_default() += 1;
            }
            let common = answers.iter().max_by_key(|(_, count)| **count).unwrap();
            assert!(*common.1 as f64 / 300.0 < most, "{name}: {answers:?}");
        }
    }
}
