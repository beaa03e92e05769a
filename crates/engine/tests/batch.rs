//! Requests side by side are answered as each alone.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{engine, picture, request};
use smolvlm_engine::{Answer, Asked, DTypeChoice, Engine, Error, Features, FewBits, Request, Sampling, StopReason};
use smolvlm_processor::{DecodeOptions, Message, Picture};
use std::ops::ControlFlow;

fn pictures(names: &[&str]) -> Vec<Picture> {
    let open = |name: &&str| Picture::open(&picture(name), &DecodeOptions::default()).unwrap();
    names.iter().map(open).collect()
}

/// What is asked: pictures and a request.
fn asked() -> Vec<(Vec<Picture>, Request)> {
    let drawn = Sampling { temperature: 1.0, seed: 7, repetition_penalty: 1.2, ..Sampling::default() };
    let chat = vec![Message::user(1, "Where?"), Message::text("assistant", "Here."), Message::user(1, "And now?")];
    vec![
        (pictures(&["photo.jpg"]), request(1, "What is this?", 12)),
        (Vec::new(), request(0, "What is the capital of France?", 30)),
        (pictures(&["photo.jpg"]), request(1, "Who?", 1)),
        (pictures(&["wide.png", "dot.png"]), request(2, "What has changed?", 9)),
        (Vec::new(), request(1, "A place without a picture", 9)),
        (pictures(&["small.png"]), Request { sampling: drawn, ..request(1, "Tell a story.", 20) }),
        (pictures(&["photo.jpg", "small.png"]), Request { messages: chat, ..request(0, "", 5) }),
        (Vec::new(), request(0, "Nothing?", 0)),
    ]
}

fn side_by_side(engine: &Engine, asked: &[(Vec<Picture>, Request)]) -> Vec<Result<Answer, Error>> {
    let see = |(pictures, request): &(Vec<Picture>, Request)| {
        pictures.iter().map(|picture| engine.see(picture, &request.plan).unwrap()).collect::<Vec<Features>>()
    };
    let seen: Vec<Vec<Features>> = asked.iter().map(see).collect();
    let asked: Vec<Asked<'_>> =
        asked.iter().zip(&seen).map(|((_, request), pictures)| Asked { request, pictures }).collect();
    engine.answer_all(&asked, &mut || ControlFlow::Continue(())).unwrap()
}

#[test]
fn the_same_answers_as_alone() {
    for (dtype, threads) in [
        (DTypeChoice::F32, 2),
        (DTypeChoice::Bf16, 1),
        (DTypeChoice::Few(FewBits::EIGHT), 2),
        (DTypeChoice::Few(FewBits::FOUR), 2),
    ] {
        let engine = engine(dtype, threads);
        let asked = asked();
        let together = side_by_side(&engine, &asked);
        assert_eq!(together.len(), asked.len());
        for ((pictures, request), together) in asked.iter().zip(together) {
            let alone = engine.answer(request, pictures, None, &mut |_| ControlFlow::Continue(()));
            match (alone, together) {
                (Ok(alone), Ok(together)) => {
                    assert_eq!(
                        together,
                        Answer { times: together.times, guessed: together.guessed, ..alone },
                        "{:?}",
                        request.messages
                    );
                }
                (Err(alone), Err(together)) => assert_eq!(alone.to_string(), together.to_string()),
                (alone, together) => panic!("alone {alone:?}, side by side {together:?}"),
            }
        }
    }
}

#[test]
fn stop_strings_and_breaking_off() {
    let engine = engine(DTypeChoice::F32, 2);
    let whole = &side_by_side(&engine, &[(Vec::new(), request(0, "Hello?", 12))])[0];
    let text = &whole.as_ref().unwrap().text;
    let stop = text.chars().skip(text.chars().count() / 2).take(2).collect::<String>();
    let cut = Request { stop: vec![stop.clone()], ..request(0, "Hello?", 12) };
    let answers = side_by_side(&engine, &[(Vec::new(), cut), (Vec::new(), request(0, "Hello?", 12))]);
    let [Ok(cut), Ok(other)] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!((cut.text.as_str(), cut.stop_reason), (&text[..text.find(&stop).unwrap()], StopReason::StopString));
    assert_eq!(&other.text, text);

    let request = request(0, "Hello?", 12);
    for passes in [0, 1, 3] {
        let mut left = passes;
        let mut go_on = || {
            left -= 1;
            if left < 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        assert!(engine.answer_all(&[Asked { request: &request, pictures: &[] }], &mut go_on).is_none());
    }
}
