//! What holds for the samples of things; the tests that need the packages are ignored without them.

use super::{Hand, Hands, Noun, Sprite, hands::tests::TINY, naming, naming as common, nouns, rows, scenes};
use crate::{Kit, Random, Sample, Split};

/// A kit whose drawings are those of two hands: a dog and a cat each.
fn kit(hands: &[Hand]) -> Kit {
    let mut all = Hands::default();
    for hand in hands {
        all.add(*hand, "tiny", TINY.as_bytes()).unwrap();
    }
    Kit { hands: Some(all), ..Kit::default() }
}

/// The kit of the packages.
fn packages() -> std::sync::Arc<Kit> {
    let kit = Kit::shared().unwrap();
    assert!(kit.hands.as_ref().is_some_and(|hands| hands.has(Hand::OpenMoji)), "{}", kit.folder.display());
    kit
}

type Draw = fn(&Kit, &mut Random, Split) -> Sample;

const DRAWN: [Draw; 5] = [naming::easy, naming::name, naming::name_openmoji, rows::rows, scenes::scenes];

#[test]
fn learning_never_sees_the_unseen_hand() {
    let unseen = kit(&[Hand::OpenMoji]);
    let seen = kit(&[Hand::Noto]);
    for (at, draw) in DRAWN.iter().enumerate() {
        let drawn =
            |kit: &Kit, split| (0..300).any(|seed| !draw(kit, &mut Random::new(seed, 1), split).pictures.is_empty());
        assert!(!drawn(&unseen, Split::Train), "{at}");
        assert!(drawn(&seen, Split::Train), "{at}");
        assert_eq!(drawn(&unseen, Split::Test), at == 2, "{at}");
    }
}

#[test]
fn a_sample_is_a_function_of_the_numbers() {
    let (a, b) = (kit(&[Hand::Noto]), kit(&[Hand::Noto]));
    for draw in DRAWN {
        for seed in 0..20 {
            let of = |kit: &Kit| draw(kit, &mut Random::new(seed, 2), Split::Train);
            // The drawings of the first kit are rendered already at its second use.
            assert_eq!((of(&a), of(&a)), (of(&b), of(&b)));
        }
    }
}

#[test]
fn answers_are_what_the_questions_ask_for() {
    let kit = kit(&[Hand::Noto]);
    let (mut yes, mut no) = (0, 0);
    for seed in 0..1500 {
        let sample = naming::name(&kit, &mut Random::new(seed, 3), Split::Train);
        for turn in &sample.turns {
            assert!(!turn.question.contains('{') && !turn.answer.contains('{'), "{turn:?}");
            match (turn.skill, turn.answer.as_str()) {
                ("is-it" | "is-kind", "yes") => yes += 1,
                ("is-it" | "is-kind", "no") => no += 1,
                ("name", answer) => assert!(answer.contains("dog") || answer.contains("cat"), "{turn:?}"),
                ("kind", answer) => assert!(answer == "animal" || turn.answer.ends_with('.'), "{turn:?}"),
                _ => {}
            }
        }
    }
    assert!(yes > 100 && no > 100 && (0.8..1.25).contains(&(f64::from(yes) / f64::from(no))), "{yes} {no}");
}

#[test]
#[ignore = "needs the packages of scripts/get-drawings.sh"]
fn every_drawing_can_be_drawn_and_every_noun_has_several() {
    let kit = packages();
    let hands = kit.hands.as_ref().unwrap();
    let mut drawings = 0;
    for noun in nouns() {
        let by = |hand: &Hand| (0..hands.count(*hand, noun)).all(|number| seen(hands, *hand, noun, number));
        assert!(Hand::ALL.iter().all(by), "{}", noun.word);
        let able = |among: &[Hand]| among.iter().filter(|hand| hands.count(**hand, noun) > 0).count();
        assert!(able(&Hand::TRAINED) >= 2, "{}: {}", noun.word, able(&Hand::TRAINED));
        drawings += Hand::ALL.iter().map(|hand| hands.count(*hand, noun)).sum::<usize>();
        for not in &noun.not {
            let (hand, icon) = not.split_once('/').unwrap();
            assert!(Hand::ALL.iter().any(|known| known.name() == hand) && noun.icons.contains(&icon), "{not}");
        }
    }
    assert!(drawings > 4000, "{drawings}");
    for noun in common() {
        assert!(Hand::ALL.iter().all(|hand| hands.count(*hand, noun) > 0), "{}", noun.word);
    }
}

/// Whether something is to be seen of a drawing, and its figure fills the square one way.
fn seen(hands: &Hands, hand: Hand, noun: &Noun, number: usize) -> bool {
    let Some(sprite) = hands.sprite(hand, noun, number) else { return false };
    let covered = |(x, y): (usize, usize)| sprite.pixel(x, y)[3] > 24;
    let side = Sprite::SIDE;
    let column = |x: usize| (0..side).any(|y| covered((x, y)));
    let row = |y: usize| (0..side).any(|x| covered((x, y)));
    let near = |of: &dyn Fn(usize) -> bool| (0..5).any(of) && (side - 5..side).any(of);
    near(&column) || near(&row)
}

#[test]
#[ignore = "needs the packages of scripts/get-drawings.sh"]
fn scenes_are_asked_about_in_full() {
    let kit = packages();
    let mut skills = std::collections::BTreeSet::new();
    for seed in 0..600 {
        for split in [Split::Train, Split::Test] {
            let sample = scenes::scenes(&kit, &mut Random::new(seed, 4), split);
            assert!(!sample.turns.is_empty() && sample.pictures.len() == 1);
            for turn in &sample.turns {
                assert!(
                    !turn.question.contains('{') && !turn.question.is_empty() && !turn.answer.is_empty(),
                    "{turn:?}"
                );
                skills.insert(turn.skill);
            }
        }
    }
    let all = ["caption", "colour", "count", "kind", "name", "none", "relation", "yesno"];
    assert!(all.iter().all(|skill| skills.contains(skill)), "{skills:?}");
}
