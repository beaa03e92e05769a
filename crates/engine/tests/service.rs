//! Many clients of one model: each is answered as alone, however they come and go.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{ask, picture};
use smolvlm_backend::Splitmix;
use smolvlm_engine::{
    Answer, Ask, DTypeChoice, Engine, Error, PictureSource, Progress, Refusal, Sampling, Service, ServiceOptions,
    Ticket,
};
use smolvlm_processor::{DecodeOptions, Message, Picture};
use std::sync::{Arc, mpsc};
use std::time::Duration;

fn engine(dtype: DTypeChoice, threads: usize) -> Arc<Engine> {
    Arc::new(common::engine(dtype, threads))
}

/// A request of some tokens that does not end before them.
fn long(tokens: usize) -> Ask {
    ask(&[], "Go on.", tokens, Sampling { min_tokens: tokens, ..Sampling::default() })
}

/// Requests of every kind; some cannot be answered.
fn asks() -> Vec<Ask> {
    let greedy = Sampling::default;
    let drawn = |seed| Sampling { temperature: 1.0, top_k: 40, seed, ..Sampling::default() };
    let several = Sampling { samples: 3, logprobs: Some(1), ..drawn(5) };
    let beams = Sampling { beams: 3, samples: 2, ..Sampling::default() };
    let mut broken = ask(&["small.png"], "Broken?", 6, greedy());
    broken.pictures = vec![PictureSource::Bytes(Arc::from(&b"no picture"[..]))];
    let mut text = ask(&[], "Once upon a <image> time<end_of_utterance>", 9, greedy());
    text.request.plan.chat = false;
    let mut asks = vec![
        ask(&["photo.jpg"], "What is this?", 12, greedy()),
        ask(&[], "What is the capital of France?", 40, drawn(1)),
        ask(&["no such file.png", "dot.png"], "What?", 3, greedy()),
        ask(&["photo.jpg"], "Who?", 1, drawn(2)),
        ask(&["wide.png", "dot.png"], "What has changed?", 9, several),
        broken,
        ask(&["photo.jpg"], "Nothing?", 0, greedy()),
        ask(&["small.png"], "Tell a story.", 20, beams),
        ask(&[], "Out of range", 3, Sampling { temperature: -1.0, ..Sampling::default() }),
        ask(&[], &"too long ".repeat(5000), 3, greedy()),
        ask(&[], &"a long prompt ".repeat(150), 6, greedy()),
        text,
    ];
    asks.extend((0..8).map(|n| ask(&["small.png"], &"Why? ".repeat(n), 2 + n * 7 % 11, drawn(n as u64))));
    asks
}

fn below(random: &mut Splitmix, end: usize) -> usize {
    random.bits() as usize % end
}

/// What a request is answered alone, without what the template puts in front of an answer.
fn alone(engine: &Engine, ask: &Ask) -> Result<Vec<Answer>, Error> {
    let mut answers = common::alone(engine, ask)?;
    let lead = if ask.request.plan.chat { engine.processor().turn_lead() } else { "" };
    answers
        .iter_mut()
        .for_each(|answer| answer.text = answer.text.strip_prefix(lead).unwrap_or(&answer.text).to_owned());
    Ok(answers)
}

/// A request that was taken, and what is told of it.
struct Asked {
    told: mpsc::Receiver<Progress>,
    ticket: Ticket,
}

fn put(service: &Service, ask: Ask) -> Result<Asked, Refusal> {
    let (tell, told) = mpsc::channel();
    let ticket = service.ask(ask, Box::new(move |progress| _ = tell.send(progress)))?;
    Ok(Asked { told, ticket })
}

impl Asked {
    /// All that is told; the answers, if there is an end.
    fn end(self) -> Option<Result<Vec<Answer>, Error>> {
        let mut texts: Vec<(String, Vec<u32>)> = Vec::new();
        let mut begun = None;
        for progress in self.told {
            match progress {
                Progress::Begun { prompt_tokens, image_tokens } => {
                    assert!(begun.replace((prompt_tokens, image_tokens)).is_none() && texts.is_empty());
                }
                Progress::More { answer, text, id, logprobs } => {
                    assert!(begun.is_some() && logprobs.is_none_or(|logprobs| logprobs.chosen <= 0.0));
                    texts.resize(texts.len().max(answer + 1), Default::default());
                    texts[answer].0 += &text;
                    texts[answer].1.push(id);
                }
                Progress::Done(Ok(answers)) => {
                    for (answer, (text, ids)) in answers.iter().zip(&texts) {
                        assert_eq!((&answer.text, &answer.output_ids), (text, ids));
                    }
                    assert!(answers.iter().all(|answer| begun == Some((answer.prompt_tokens, answer.image_tokens))));
                    let streams = answers.iter().all(|a| a.score.is_none() && !a.output_ids.is_empty());
                    assert_eq!(texts.len(), if streams { answers.len() } else { 0 });
                    return Some(Ok(answers));
                }
                Progress::Done(Err(error)) => return Some(Err(error)),
            }
        }
        drop(self.ticket);
        None
    }
}

fn same(served: Result<Vec<Answer>, Error>, alone: &Result<Vec<Answer>, Error>, number: usize) {
    match (served, alone) {
        (Ok(served), Ok(alone)) => {
            assert_eq!(served.len(), alone.len());
            for (served, alone) in served.into_iter().zip(alone) {
                // How it was computed depends on what came before and beside it.
                let (times, cached_tokens, guessed) = (served.times, served.cached_tokens, served.guessed);
                assert_eq!(served, Answer { times, cached_tokens, guessed, ..alone.clone() }, "request {number}");
            }
        }
        (Err(served), Err(alone)) => assert_eq!(served.to_string(), alone.to_string()),
        (served, alone) => panic!("request {number}: served {served:?}, alone {alone:?}"),
    }
}

#[test]
fn the_same_answers_as_alone_however_they_come_and_go() {
    for (dtype, threads, at_once) in [(DTypeChoice::F32, 2, 16), (DTypeChoice::Bf16, 1, 5)] {
        let engine = engine(dtype, threads);
        let asks = asks();
        let expected: Vec<_> = asks.iter().map(|ask| alone(&engine, ask)).collect();
        for (seed, cache_bytes) in [(1, 1 << 30), (2, 300_000)] {
            let mut random = Splitmix::new(seed);
            let options = ServiceOptions { at_once, waiting: 100, cache_bytes, ..ServiceOptions::default() };
            let service = Service::start(Arc::clone(&engine), options).unwrap();
            let (mut asked, mut cancelled) = (Vec::new(), 0);
            for _ in 0..50 {
                let number = below(&mut random, asks.len());
                let one = put(&service, asks[number].clone()).unwrap();
                // Some leave, at once or after a while.
                match below(&mut random, 4) {
                    0 => cancelled += 1,
                    _ => asked.push((number, one)),
                }
                if below(&mut random, 3) == 0 {
                    std::thread::sleep(Duration::from_millis(below(&mut random, 40) as u64));
                }
            }
            for (number, one) in asked {
                same(one.end().unwrap(), &expected[number], number);
            }
            assert!(service.drain(Duration::from_secs(60)));
            let counts = service.counts();
            assert!(counts.answered + counts.failed + counts.cancelled == 50 && counts.cancelled <= cancelled);
            assert_eq!((counts.running, counts.waiting, counts.panics), (0, 0, 0));
            assert!(counts.passes > 0 && counts.output_tokens > 0 && counts.seconds.prefill > 0.0, "{counts:?}");
        }
    }
}

#[test]
fn no_more_are_taken_than_may_wait() {
    let options = ServiceOptions { at_once: 1, waiting: 2, ..ServiceOptions::default() };
    let service = Service::start(engine(DTypeChoice::F32, 1), options).unwrap();
    let first = put(&service, long(200)).unwrap();
    assert!(matches!(first.told.recv(), Ok(Progress::Begun { .. })));
    let second = put(&service, long(2)).unwrap();
    let third = put(&service, long(2)).unwrap();
    assert_eq!(put(&service, long(2)).err(), Some(Refusal::Full { waiting: 2 }));
    assert_eq!((service.counts().waiting, service.counts().running, service.counts().refused), (2, 1, 1));
    // Who leaves makes room, under way or not.
    drop(second);
    drop(first);
    assert_eq!(third.end().unwrap().unwrap()[0].output_ids.len(), 2);
    assert_eq!(service.counts().cancelled, 2);
    service.stop();
    assert_eq!(put(&service, long(2)).err(), Some(Refusal::Stopping));
}

#[test]
fn who_is_not_answered_in_time_is_told_so() {
    let service =
        Service::start(engine(DTypeChoice::F32, 1), ServiceOptions { at_once: 1, ..Default::default() }).unwrap();
    let all: Vec<Asked> = [long(3), long(4000), long(3)].into_iter().map(|ask| put(&service, ask).unwrap()).collect();
    assert!(!service.drain(Duration::from_millis(300)));
    let ends: Vec<_> = all.into_iter().map(|asked| asked.end().unwrap()).collect();
    assert!(matches!(ends.as_slice(), [Ok(_), Err(Error::Stopped), Err(Error::Stopped)]), "{ends:?}");
}

#[test]
fn a_listener_that_panics_harms_no_one_else() {
    let service = Service::start(engine(DTypeChoice::F32, 1), ServiceOptions::default()).unwrap();
    let _ticket = service.ask(long(50), Box::new(|_| panic!("a listener's panic, which the test wants"))).unwrap();
    let other = put(&service, long(9)).unwrap();
    assert_eq!(other.end().unwrap().unwrap()[0].output_ids.len(), 9);
    assert!(service.drain(Duration::from_secs(60)));
    assert_eq!((service.counts().answered, service.counts().cancelled), (1, 1));
}

/// The one answer to a request.
fn answer(service: &Service, ask: Ask) -> Answer {
    put(service, ask).unwrap().end().unwrap().unwrap().remove(0)
}

#[test]
fn what_was_computed_for_one_request_serves_the_next() {
    let engine = engine(DTypeChoice::Bf16, 2);
    let service = Service::start(Arc::clone(&engine), ServiceOptions::default()).unwrap();
    let check = |ask: Ask| {
        let served = answer(&service, ask.clone());
        same(Ok(vec![served.clone()]), &alone(&engine, &ask), 0);
        served
    };
    let first = check(ask(&["photo.jpg"], "What is this?", 9, Sampling::default()));
    assert_eq!(first.cached_tokens, 0);
    // Another question about the picture, in a file with other bytes: all before the question is there.
    let mut copy = std::fs::read(picture("photo.jpg")).unwrap();
    copy.extend(b"bytes behind the end");
    let mut other = ask(&["photo.jpg"], "Who has made it?", 9, Sampling::default());
    other.pictures = vec![PictureSource::Bytes(copy.into())];
    let second = check(other.clone());
    assert!(second.cached_tokens > second.image_tokens && second.cached_tokens < second.prompt_tokens);
    let counts = service.counts();
    assert_eq!((counts.picture_hits, counts.picture_misses), (1, 1));
    assert_eq!(counts.cached_tokens as usize, second.cached_tokens);
    assert!(counts.picture_bytes > 0 && counts.prefix_bytes > 0);
    // The same again: the whole prompt but for its last token.
    assert_eq!(check(other).cached_tokens, second.prompt_tokens - 1);
    // A conversation goes on: with its answer's tokens, as far as its text is read as the same.
    let mut next = ask(&["photo.jpg"], "What is this?", 9, Sampling::default());
    next.request.messages.push(Message::text("assistant", &first.text));
    next.request.messages.push(Message::text("user", "Are you sure?"));
    assert!(check(next.clone()).cached_tokens >= first.prompt_tokens);
    // Another picture of the same size at the same place shares nothing behind its beginning.
    let mut flipped = Picture::open(&picture("photo.jpg"), &DecodeOptions::default()).unwrap();
    flipped.rgb.reverse();
    let mut ppm = format!("P6 {} {} 255\n", flipped.width, flipped.height).into_bytes();
    ppm.extend(&flipped.rgb);
    let mut turned = ask(&["photo.jpg"], "What is this?", 9, Sampling::default());
    turned.pictures = vec![PictureSource::Bytes(ppm.into())];
    assert!(check(turned).cached_tokens < 40);
    // Nor does it with other settings.
    next.request.plan.split = Some(false);
    assert!(check(next).cached_tokens < 40);
    assert_eq!(service.counts().picture_misses, 3);
}

#[test]
fn nothing_is_kept_where_there_is_no_room() {
    let engine = engine(DTypeChoice::F32, 1);
    let options = ServiceOptions { picture_bytes: 0, prefix_bytes: 0, ..ServiceOptions::default() };
    let service = Service::start(Arc::clone(&engine), options).unwrap();
    let ask = ask(&["dot.png"], "What is this?", 4, Sampling::default());
    let expected = alone(&engine, &ask);
    for _ in 0..2 {
        same(Ok(vec![answer(&service, ask.clone())]), &expected, 0);
    }
    let counts = service.counts();
    assert_eq!((counts.picture_misses, counts.cached_tokens, counts.picture_bytes + counts.prefix_bytes), (2, 0, 0));
}

#[test]
fn a_long_prompt_and_many_pictures_do_not_hold_up_an_answer() {
    let service = Service::start(engine(DTypeChoice::F32, 1), ServiceOptions::default()).unwrap();
    let (tell, told) = mpsc::channel();
    let ask_as = |name: &'static str, ask: Ask| {
        let tell = tell.clone();
        let tell = Box::new(move |progress| _ = tell.send((name, progress)));
        service.ask(ask, tell).unwrap()
    };
    let _answer = ask_as("answer", long(2000));
    while !matches!(told.recv(), Ok((_, Progress::More { .. }))) {}
    let pictures = ask(&["dot.png", "small.png", "wide.png"], &"a long prompt ".repeat(200), 1, Sampling::default());
    let _prompt = ask_as("prompt", pictures);
    let (mut before, mut within, mut begun) = (0, 0, None);
    loop {
        match told.recv().unwrap() {
            ("answer", Progress::More { .. }) => *(if begun.is_some() { &mut within } else { &mut before }) += 1,
            ("prompt", Progress::Begun { prompt_tokens, .. }) => begun = Some(prompt_tokens),
            ("prompt", Progress::More { .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    // A token for each picture that was read, and one for each piece of the prompt.
    let pieces = begun.unwrap() / 128;
    assert!(before >= 2 && pieces > 3 && within >= pieces, "{before} before, {within} within {pieces} pieces");
}
