//! What is guessed from the text itself changes no answer: not a token, not a log-probability.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{alone, ask, engine};
use smolvlm_engine::{Answer, Ask, Asked, DTypeChoice, Engine, FewBits, Form, Guessed, Request, Sampling};
use std::ops::ControlFlow;

/// Requests about no picture and small ones, whose answers say the same again and again.
fn asks(engine: &Engine) -> Vec<Ask> {
    let drawn = |temperature, seed| Sampling { temperature, seed, ..Sampling::default() };
    let mut bound = ask(&[], "Twice the same, twice the same, twice the same.", 60, drawn(0.8, 9));
    bound.request.grammar = Some(engine.grammar(&Form::Regex("(abc){5,20}".into())).unwrap());
    let mut stopped = ask(&["dot.png"], "Go on.", 120, Sampling { min_tokens: 120, ..Sampling::default() });
    let text = alone(engine, &stopped).unwrap().remove(0).text;
    let late: String = text.chars().skip(text.chars().count() * 2 / 3).take(3).collect();
    stopped.request.stop = vec![late];
    vec![
        ask(&["small.png"], "one two three four one two three four one two three", 150, Sampling::default()),
        ask(&[], "again and again and again and again", 150, Sampling { min_tokens: 150, ..drawn(0.3, 5) }),
        ask(&[], "Go on.", 90, Sampling { min_tokens: 90, samples: 3, logprobs: Some(2), ..drawn(0.4, 6) }),
        ask(&[], "Go on.", 400, Sampling { min_tokens: 400, repetition_penalty: 0.4, ..drawn(0.6, 3) }),
        bound,
        stopped,
    ]
}

fn with(ask: &Ask, lookup: usize) -> Ask {
    let sampling = Sampling { lookup, ..ask.request.sampling.clone() };
    Ask { request: Request { sampling, ..ask.request.clone() }, ..ask.clone() }
}

/// The answers without what may differ, and what was guessed of them.
fn told(answers: Vec<Answer>) -> (Vec<Answer>, Guessed) {
    let made = answers.iter().map(|answer| answer.guessed.made).sum();
    let right = answers.iter().map(|answer| answer.guessed.right).sum();
    let plain = |answer| Answer { guessed: Guessed::default(), times: Default::default(), ..answer };
    (answers.into_iter().map(plain).collect(), Guessed { made, right })
}

#[test]
fn answers_are_what_they_are_without_guesses() {
    for dtype in
        [DTypeChoice::F32, DTypeChoice::Bf16, DTypeChoice::Few(FewBits::EIGHT), DTypeChoice::Few(FewBits::FOUR)]
    {
        let engine = engine(dtype, 2);
        let asks = asks(&engine);
        let mut all = Guessed::default();
        for (n, ask) in asks.iter().enumerate() {
            let (want, none) = told(alone(&engine, &with(ask, 0)).unwrap());
            assert_eq!(none, Guessed::default());
            for lookup in [1, 7, 31] {
                let (got, guessed) = told(alone(&engine, &with(ask, lookup)).unwrap());
                assert_eq!(got, want, "{dtype:?}, request {n}, {lookup} at a time");
                assert!(guessed.right <= guessed.made);
                all = Guessed { made: all.made + guessed.made, right: all.right + guessed.right };
            }
        }
        assert!(all.right > 30 && all.right < all.made, "{all:?}: both kinds of guesses were met");
    }
}

#[test]
fn nor_do_they_differ_side_by_side() {
    let engine = engine(DTypeChoice::F32, 2);
    let texts: Vec<Request> = asks(&engine)
        .into_iter()
        .filter(|ask| ask.pictures.is_empty() && ask.request.sampling.samples == 1)
        .map(|ask| ask.request)
        .collect();
    let asked: Vec<Asked<'_>> = texts.iter().map(|request| Asked { request, pictures: &[] }).collect();
    let together = engine.answers_all(&asked, &mut || ControlFlow::Continue(())).unwrap();
    let mut right = 0;
    for (request, got) in texts.iter().zip(together) {
        let ask = Ask { request: request.clone(), pictures: Vec::new() };
        let (got, guessed) = told(got.unwrap());
        assert_eq!(got, told(alone(&engine, &with(&ask, 0)).unwrap()).0);
        right += guessed.right;
    }
    assert!(right > 0, "something was guessed");
}
