//! The stream as a whole: what it draws here, of all skills that need no package that is not there.
#![allow(clippy::unwrap_used)]

use smolvlm_synth::{Kit, Mix, Rgb, SKILLS, Sample, Split, Stream, held, scene::plural};
use std::{collections::BTreeMap, sync::Arc};

fn stream(mix: &str, split: Split) -> Option<Stream> {
    Stream::new(Kit::shared().unwrap(), Mix::parse(mix).unwrap(), split, 5).ok()
}

fn shapes() -> Stream {
    stream("shapes", Split::Train).unwrap()
}

#[test]
fn a_sample_follows_from_its_number_alone() {
    let stream = shapes();
    let forwards: Vec<Sample> = (0..60).map(|index| stream.sample(index)).collect();
    let backwards: Vec<Sample> = (0..60).rev().map(|index| stream.sample(index)).collect();
    assert!(forwards.iter().eq(backwards.iter().rev()));
    let elsewhere = std::thread::spawn(move || stream.sample(Stream::LEN - 1));
    assert_eq!(elsewhere.join().unwrap(), shapes().sample(Stream::LEN - 1));
    let other = Stream::new(Arc::new(Kit::default()), Mix::parse("shapes").unwrap(), Split::Train, 6).unwrap();
    assert_ne!(other.sample(0), shapes().sample(0));
}

#[test]
fn every_skill_draws_and_asks_in_whole_sentences() {
    for skill in SKILLS {
        for split in [Split::Train, Split::Test] {
            let Some(stream) = stream(skill.name, split) else { continue };
            for index in 0..200 {
                let sample = stream.sample(index);
                let name = format!("{} {index}", skill.name);
                let turns = sample.turns.len();
                assert!((1..=12).contains(&turns), "{name}: {turns} turns");
                let is_empty = |picture: &Rgb| picture.data.iter().all(|byte| *byte == picture.data[0]);
                for picture in &sample.pictures {
                    assert_eq!(picture.data.len() as u32, picture.width * picture.height * 3, "{name}");
                    // Of a clip some frames show nothing yet, or any more.
                    assert!(sample.fps.is_some() || !is_empty(picture), "{name} is empty");
                }
                assert!(sample.pictures.is_empty() || !sample.pictures.iter().all(is_empty), "{name} is empty");
                for turn in &sample.turns {
                    let texts = [&turn.question, &turn.answer].into_iter().chain(&turn.also);
                    for text in texts {
                        let clean = !text.is_empty() && !text.contains(['{', '}']) && !text.contains("  ");
                        assert!(clean && text.trim() == text, "{name}: {turn:?}");
                    }
                    assert!(!turn.also.contains(&turn.answer), "{name}: {turn:?}");
                }
            }
        }
    }
}

#[test]
fn no_pair_that_is_held_out_is_drawn_or_spoken_of_for_learning() {
    let pairs = held::pairs().iter().flat_map(|(colour, shape)| {
        [format!("{colour} {shape}"), format!("{colour} {}", plural(shape)), format!("the {shape} is {colour}")]
    });
    let pairs: Vec<String> = pairs.collect();
    let (train, test) = (shapes(), stream("shapes", Split::Test).unwrap());
    let names = |stream: &Stream, index: u64| {
        let text: String =
            stream.sample(index).turns.iter().map(|t| format!("{} {}. ", t.question, t.answer)).collect();
        // "navy blue pentagon" is none of a blue one.
        pairs.iter().find(|pair| format!(" {}", text.to_lowercase()).contains(&format!(" {pair}"))).cloned()
    };
    for index in 0..3000 {
        assert_eq!(names(&train, index).filter(|_| !light(&train, index)), None, "sample {index}");
    }
    assert!((0..600).any(|index| names(&test, index).is_some()));
}

/// Whether a sample speaks of light blue, in which "blue" stands.
fn light(stream: &Stream, index: u64) -> bool {
    stream.sample(index).turns.iter().any(|turn| format!("{} {}", turn.question, turn.answer).contains("light blue"))
}

#[test]
fn yes_and_no_are_as_common() {
    let stream = shapes();
    let mut said: BTreeMap<(&str, String), f64> = BTreeMap::new();
    for turn in (0..6000).flat_map(|index| stream.sample(index).turns) {
        *said.entry((turn.skill, turn.answer)).or_default() += 1.0;
    }
    let of = |skill: &'static str, answer: &str| said.get(&(skill, answer.to_owned())).copied().unwrap_or(0.0);
    for skill in ["yesno", "relation", "pictures"] {
        let (yes, no) = (of(skill, "yes"), of(skill, "no"));
        assert!(yes + no > 80.0 && (0.4..0.6).contains(&(yes / (yes + no))), "{skill}: {yes} yes, {no} no");
    }
    for (one, other) in [("left", "right"), ("above", "below"), ("top", "bottom")] {
        let (a, b) = (of("relation", one), of("relation", other));
        assert!(a + b > 20.0 && (0.3..0.7).contains(&(a / (a + b))), "{one} {a}, {other} {b}");
    }
}
