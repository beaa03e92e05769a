//! Small talk, and honesty about what a small model does not know.

use crate::{
    Kit, Random, Sample, Split, Turn, reading,
    wordings::{self, fill},
};
use std::sync::LazyLock;

/// A section of `words/talk.txt`.
#[derive(Default)]
struct Topic {
    name: &'static str,
    train: Vec<&'static str>,
    test: Vec<&'static str>,
    answers: Vec<&'static str>,
}

/// The topics, and the lists that fill placeholders.
struct Talk {
    topics: Vec<Topic>,
    lists: Vec<(&'static str, Vec<&'static str>)>,
}

static TALK: LazyLock<Talk> = LazyLock::new(|| {
    let mut talk = Talk { topics: Vec::new(), lists: Vec::new() };
    let mut in_list = false;
    for line in include_str!("../words/talk.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            in_list = title.starts_with("list ");
            match title.strip_prefix("list ") {
                Some(name) => talk.lists.push((name, Vec::new())),
                None => talk.topics.push(Topic { name: title, ..Topic::default() }),
            }
        } else if let Some((_, list)) = talk.lists.last_mut().filter(|_| in_list) {
            list.push(line);
        } else if let Some(topic) = talk.topics.last_mut() {
            match (line.strip_prefix('*'), line.strip_prefix('>')) {
                (Some(held), _) => topic.test.push(held.trim()),
                (_, Some(answer)) => topic.answers.push(answer.trim()),
                _ => topic.train.push(line),
            }
        }
    }
    talk
});

/// The order of a conversation: what may come first, between and last.
const FIRST: &[&str] = &["greeting", "how-are-you"];
const LAST: &[&str] = &["thanks", "bye", "wrong"];
/// The topics of a picture's samples alone.
const WITH_A_PICTURE: &[&str] = &["not-in-picture"];

/// One to four turns without a picture.
pub(crate) fn talk(_: &Kit, random: &mut Random, split: Split) -> Sample {
    let mut turns = Vec::new();
    if random.chance(0.15) {
        let name: &str = random.pick::<&str>(FIRST);
        turns.push(of(random, split, name));
    }
    let middle = if random.chance(0.7) { 1 } else { 2 };
    for _ in 0..middle {
        turns.push(any(random, split));
    }
    if random.chance(0.12) {
        let name: &str = random.pick::<&str>(LAST);
        turns.push(of(random, split, name));
    }
    turns.dedup_by(|a, b| a.answer == b.answer);
    Sample { pictures: Vec::new(), turns, fps: None }
}

/// A picture with a question about it, and others that it does not answer.
pub(crate) fn about_a_picture(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let mut sample = match random.below(3) {
        0 => reading::sign(kit, random, split),
        1 => reading::word(kit, random, split),
        _ => crate::chart::bars(kit, random, split),
    };
    sample.turns.truncate(1);
    let name: &str =
        random.pick::<&str>(&["not-in-picture", "not-in-picture", "world", "who", "can-do", "do-for-me", "cannot-see"]);
    let talk = of(random, split, name);
    let at = random.below(2);
    sample.turns.insert(at, talk);
    if random.chance(0.3) {
        let name: &str = random.pick::<&str>(LAST);
        sample.turns.push(of(random, split, name));
    }
    sample
}

/// Any topic that needs no picture: questions about one that is not there, and about the world, are frequent.
fn any(random: &mut Random, split: Split) -> Turn {
    match random.unit() {
        u if u < 0.14 => asked_of_nothing(random, split),
        u if u < 0.26 => of(random, split, "no-picture"),
        u if u < 0.5 => of(random, split, "world"),
        u if u < 0.6 => of(random, split, "do-for-me"),
        _ => {
            let free: Vec<&Topic> = TALK.topics.iter().filter(|topic| !WITH_A_PICTURE.contains(&topic.name)).collect();
            let name = free.get(random.below(free.len())).map_or("greeting", |topic| topic.name);
            of(random, split, name)
        }
    }
}

/// A question about pictures of any other skill, and no picture.
fn asked_of_nothing(random: &mut Random, split: Split) -> Turn {
    let names: Vec<&str> = wordings::sections().filter(|name| !name.starts_with("suffix")).collect();
    for _ in 0..20 {
        let name = names.get(random.below(names.len())).copied().unwrap_or_default();
        let question = wordings::say(name, split, random, &[]);
        // What has to be filled in is of a picture.
        if !question.is_empty() && !question.contains('{') {
            let answer = answers("no-picture").first().copied().unwrap_or_default();
            return Turn { skill: "talk", question, answer: answer.to_owned(), also: Vec::new() };
        }
    }
    of(random, split, "no-picture")
}

fn answers(name: &str) -> &'static [&'static str] {
    TALK.topics.iter().find(|topic| topic.name == name).map_or(&[], |topic| &topic.answers)
}

/// A question as people type it: for learning, some in small letters and without its mark.
fn typed(random: &mut Random, split: Split, question: String) -> String {
    match split == Split::Train && random.chance(0.12) {
        true => question.trim_end_matches(['?', '.', '!']).to_lowercase(),
        false => question,
    }
}

/// A turn of a topic.
fn of(random: &mut Random, split: Split, name: &str) -> Turn {
    let none = Topic::default();
    let topic = TALK.topics.iter().find(|topic| topic.name == name).unwrap_or(&none);
    let questions = if split == Split::Train { &topic.train } else { &topic.test };
    let template = questions.get(random.below(questions.len())).copied().unwrap_or_default();
    let mut fills = Vec::new();
    for (name, list) in &TALK.lists {
        fills.push((*name, list.get(random.below(list.len())).copied().unwrap_or_default()));
    }
    let usual = if split == Split::Test || random.chance(0.7) { 0 } else { random.below(topic.answers.len()) };
    let answer = topic.answers.get(usual).copied().unwrap_or_default();
    let others = topic.answers.iter().filter(|other| **other != answer);
    Turn {
        skill: "talk",
        question: typed(random, split, fill(template, &fills)),
        answer: answer.to_owned(),
        also: others.map(|&other| other.to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_topic_has_questions_of_both_kinds_and_an_answer() {
        let mut once = BTreeSet::new();
        for topic in &TALK.topics {
            assert!(!topic.train.is_empty() && !topic.test.is_empty() && !topic.answers.is_empty(), "{}", topic.name);
            for question in topic.train.iter().chain(&topic.test) {
                assert!(once.insert(question.to_lowercase()), "{question} is there twice");
            }
        }
        for name in FIRST.iter().chain(LAST).chain(WITH_A_PICTURE) {
            assert!(!answers(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn talk_is_filled_in_and_has_no_picture() {
        let mut random = Random::new(29, 30);
        for at in 0..2000 {
            let split = if at % 2 == 0 { Split::Train } else { Split::Test };
            let sample = talk(&Kit::default(), &mut random, split);
            assert!(sample.pictures.is_empty() && (1..=4).contains(&sample.turns.len()));
            for turn in &sample.turns {
                assert!(!turn.question.is_empty() && !turn.answer.is_empty());
                assert!(!turn.question.contains(['{', '}']), "{}", turn.question);
            }
        }
    }
}
