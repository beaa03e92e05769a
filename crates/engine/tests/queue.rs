//! Requests without end: answers in their order, each as it is alone.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{alone, ask, engine, picture};
use smolvlm_engine::{Answer, Ask, DTypeChoice, Engine, Error, PictureSource, QueueOptions, Sampling};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Requests of every kind, of mixed lengths; some cannot be answered.
fn asks() -> Vec<Ask> {
    let greedy = Sampling::default;
    let drawn = |seed| Sampling { temperature: 1.0, top_k: 40, seed, ..Sampling::default() };
    let several = Sampling { samples: 3, logprobs: Some(1), ..drawn(5) };
    let beams = Sampling { beams: 3, ..Sampling::default() };
    let mut bytes = ask(&["dot.png"], "And this?", 6, greedy());
    bytes.pictures = vec![PictureSource::Bytes(std::fs::read(picture("dot.png")).unwrap().into())];
    let mut broken = ask(&["small.png"], "Broken?", 6, greedy());
    broken.pictures = vec![PictureSource::Bytes(Arc::from(&b"no picture"[..]))];
    let mut without = ask(&["small.png", "dot.png"], "A place without a picture", 3, greedy());
    without.pictures.pop();
    let mut asks = vec![
        ask(&["photo.jpg"], "What is this?", 12, greedy()),
        ask(&[], "What is the capital of France?", 40, drawn(1)),
        ask(&["no such file.png", "dot.png"], "What?", 3, greedy()),
        ask(&["photo.jpg"], "Who?", 1, drawn(2)),
        ask(&["wide.png", "dot.png"], "What has changed?", 9, several),
        broken,
        ask(&["photo.jpg"], "Nothing?", 0, greedy()),
        ask(&["small.png"], "Tell a story.", 20, beams),
        without,
        bytes,
        ask(&[], "Out of range", 3, Sampling { temperature: -1.0, ..Sampling::default() }),
        ask(&[], &"too long ".repeat(5000), 3, greedy()),
    ];
    asks.extend((0..12).map(|n| ask(&["small.png"], &"Why? ".repeat(n), 2 + n * 7 % 11, drawn(n as u64))));
    asks
}

/// What the queue hands over: numbers in order, and answers.
fn queued(engine: &Engine, asks: Vec<Ask>, options: QueueOptions) -> Vec<Result<Vec<Answer>, Error>> {
    let mut all = Vec::new();
    let asks = asks.into_iter().map(Ok::<Ask, Error>).enumerate();
    let end = engine.answer_in_order(
        asks,
        options,
        &mut |number, answers| {
            assert_eq!(number, all.len());
            all.push(answers);
            ControlFlow::Continue(())
        },
        &mut || ControlFlow::Continue(()),
    );
    assert!(end.is_continue());
    all
}

#[test]
fn the_same_answers_as_alone_in_order() {
    for (dtype, threads, shapes) in [(DTypeChoice::F32, 2, &[1, 5, 64][..]), (DTypeChoice::Bf16, 1, &[7])] {
        let engine = engine(dtype, threads);
        let asks = asks();
        let expected: Vec<_> = asks.iter().map(|ask| alone(&engine, ask)).collect();
        for &at_once in shapes {
            let wide = QueueOptions::new(at_once);
            let narrow = QueueOptions { cache_bytes: 300_000, window: 3, ..QueueOptions::new(at_once) };
            for options in [wide, narrow] {
                let all = queued(&engine, asks.clone(), options);
                assert_eq!(all.len(), asks.len());
                for (number, (queued, alone)) in all.into_iter().zip(&expected).enumerate() {
                    match (queued, alone) {
                        (Ok(queued), Ok(alone)) => {
                            assert_eq!(queued.len(), alone.len());
                            for (queued, alone) in queued.into_iter().zip(alone) {
                                let alone = Answer { times: queued.times, guessed: queued.guessed, ..alone.clone() };
                                assert_eq!(queued, alone, "request {number}");
                            }
                        }
                        (Err(queued), Err(alone)) => assert_eq!(queued.to_string(), alone.to_string()),
                        (queued, alone) => panic!("request {number}: queued {queued:?}, alone {alone:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn no_more_requests_are_taken_than_the_window_holds() {
    let engine = engine(DTypeChoice::F32, 2);
    // The first takes longest: the others wait behind it.
    let lengths = [30].into_iter().chain(std::iter::repeat_n(1, 99));
    let (drawn, handed) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let asks = lengths.map(|length| {
        drawn.set(drawn.get() + 1);
        assert!(drawn.get() <= handed.get() + 8, "{} of {}", handed.get(), drawn.get());
        ((), Ok::<Ask, Error>(ask(&[], "Hm?", length, Sampling { min_tokens: length, ..Sampling::default() })))
    });
    let options = QueueOptions { window: 8, ..QueueOptions::new(4) };
    let mut done = |(), answers: Result<Vec<Answer>, Error>| {
        assert!(answers.is_ok());
        handed.set(handed.get() + 1);
        ControlFlow::Continue(())
    };
    let end = engine.answer_in_order(asks, options, &mut done, &mut || ControlFlow::Continue(()));
    assert!(end.is_continue() && handed.get() == 100);
}

#[test]
fn it_breaks_off_where_it_is_told() {
    let engine = engine(DTypeChoice::F32, 2);
    let asks = || (0..9).map(|n| (n, Ok::<Ask, Error>(ask(&[], "Hm?", 2, Sampling::default()))));
    let mut last = 0;
    let mut until_three = |number, _| {
        last = number;
        if number == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut always = || ControlFlow::Continue(());
    assert!(engine.answer_in_order(asks(), QueueOptions::new(2), &mut until_three, &mut always).is_break());
    assert_eq!(last, 3);
    let mut nothing = |_, _| ControlFlow::Continue(());
    let mut never = || ControlFlow::Break(());
    assert!(engine.answer_in_order(asks(), QueueOptions::new(2), &mut nothing, &mut never).is_break());
}
