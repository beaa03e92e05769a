//! Answers token for token as transformers', under every way of decoding; samples; log-probabilities.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde::Deserialize;
use serde_json::{Map, Value};
use smolvlm_backend::Isa;
use smolvlm_engine::decoding::{Dry, Mirostat, Xtc};
use smolvlm_engine::{
    Answer, Asked, DTypeChoice, Defaults, Engine, EngineOptions, Error, Event, Features, Request, Sampling, StopReason,
};
use smolvlm_golden::{Case, cases, repository};
use smolvlm_model::GenerationConfig;
use smolvlm_processor::{DecodeOptions, Message, Picture, PlanOptions, parse_messages};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Golden {
    stops: Vec<u32>,
    answers: Vec<Search>,
}

#[derive(Deserialize)]
struct Search {
    case: String,
    label: String,
    settings: Map<String, Value>,
    ids: Vec<Vec<u32>>,
    #[serde(default)]
    scores: Vec<f32>,
    #[serde(default)]
    chosen: Vec<f32>,
    #[serde(default)]
    top: Vec<Vec<(u32, f32)>>,
}

fn open(model: &Path) -> Engine {
    let options =
        EngineOptions { threads: 2, isa: Isa::best(), dtype: DTypeChoice::F32, narrow_kv: false, adapters: Vec::new() };
    Engine::open(model, &options, &mut |_, _| {}).unwrap()
}

fn engine() -> Engine {
    open(&repository().join("golden/idefics3-256m"))
}

fn request(messages: Vec<Message>, sampling: Sampling, max_tokens: usize) -> Request {
    let (plan, stop, show_special) = (PlanOptions::default(), Vec::new(), false);
    Request { messages, plan, sampling, max_tokens, stop, show_special, grammar: None }
}

fn asked(text: &str, sampling: Sampling, max_tokens: usize) -> Request {
    request(vec![Message::user(0, text)], sampling, max_tokens)
}

fn answers(engine: &Engine, request: &Request, pictures: &[Picture]) -> Vec<Answer> {
    engine.answers(request, pictures, None, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// The request and the pictures of a golden case under settings as a checkpoint's file has them.
fn of_case(case: &Case, settings: &Map<String, Value>) -> (Request, Vec<Picture>) {
    let defaults = Defaults::of(&GenerationConfig { eos: Vec::new(), settings: settings.clone() }).unwrap();
    let messages = parse_messages(&case.messages.to_string()).unwrap();
    let request = request(messages, defaults.sampling, defaults.max_tokens.unwrap());
    let picture = |name: &String| {
        Picture::open(&repository().join("golden/images").join(name), &DecodeOptions::default()).unwrap()
    };
    (request, case.images.iter().map(picture).collect())
}

fn close(got: f32, want: f32) -> bool {
    (got - want).abs() <= 2e-4 * want.abs().max(1.0)
}

fn check(name: &str, model: PathBuf) {
    let engine = open(&model);
    let text = std::fs::read_to_string(repository().join(format!("golden/decoding/{name}.json"))).unwrap();
    let golden: Golden = serde_json::from_str(&text).unwrap();
    assert_eq!(engine.stops().iter().copied().collect::<Vec<_>>(), golden.stops);
    let cases: BTreeMap<String, Case> =
        cases(&repository().join("golden").join(name)).into_iter().map(|case| (case.name.clone(), case)).collect();
    let mut worst = 0.0f32;
    for search in &golden.answers {
        let what = format!("{name}/{}/{}", search.case, search.label);
        let (mut request, pictures) = of_case(&cases[&search.case], &search.settings);
        if !search.chosen.is_empty() {
            request.sampling.logprobs = Some(3);
        }
        let got = answers(&engine, &request, &pictures);
        let ids: Vec<&[u32]> = got.iter().map(|answer| answer.output_ids.as_slice()).collect();
        assert_eq!(ids, search.ids, "{what}");
        for (answer, score) in got.iter().zip(&search.scores) {
            assert!(close(answer.score.unwrap(), *score), "{what}: {:?} for {score}", answer.score);
            worst = worst.max((answer.score.unwrap() - score).abs());
        }
        for (at, want) in search.chosen.iter().enumerate() {
            let got_step = &got[0].logprobs[at];
            assert!(close(got_step.chosen, *want), "{what}: after {at}");
            for (got, want) in got_step.top.iter().zip(&search.top[at]) {
                assert!(got.0 == want.0 && close(got.1, want.1), "{what}: after {at}: {got:?} for {want:?}");
            }
        }
    }
    println!("{name}: {} searches, scores at most {worst:e} apart", golden.answers.len());
}

#[test]
fn idefics3_256m_decodes_as_the_reference() {
    check("idefics3-256m", repository().join("golden/idefics3-256m"));
}

#[test]
fn smolvlm2_decodes_as_the_reference() {
    check("smolvlm2", repository().join("golden/smolvlm2"));
}

#[test]
#[ignore = "needs the checkpoint that scripts/make-smollm2.sh makes"]
fn real_language_decodes_as_the_reference() {
    check("smollm2-256m", repository().join("models/smollm2-256m"));
}

#[test]
fn words_are_spelt_as_the_reference_spells_them() {
    let text = std::fs::read_to_string(repository().join("golden/decoding/words.json")).unwrap();
    let golden: BTreeMap<String, Vec<Vec<u32>>> = serde_json::from_str(&text).unwrap();
    let engine = engine();
    for (word, want) in golden {
        assert_eq!(engine.spellings(&word).unwrap(), want, "{word:?}");
    }
}

#[test]
fn a_sample_does_not_depend_on_how_many_there_are() {
    let engine = engine();
    let sampling = |samples| Sampling { temperature: 1.5, seed: 3, samples, logprobs: Some(0), ..Sampling::default() };
    let of = |samples| answers(&engine, &asked("Tell a story.", sampling(samples), 12), &[]);
    let (one, two, five) = (of(1), of(2), of(5));
    let same = |a: &Answer, b: &Answer| *a == Answer { times: a.times, guessed: a.guessed, ..b.clone() };
    assert!(same(&one[0], &two[0]) && (0..2).all(|i| same(&two[i], &five[i])));
    assert!((0..5).all(|i| (0..i).all(|j| five[i].output_ids != five[j].output_ids)));
    // Steered by itself alone, each of them.
    let mirostat = Mirostat { version: 2, tau: 3.0, eta: 0.5 };
    let of = |samples| answers(&engine, &asked("Hm?", Sampling { mirostat, ..sampling(samples) }, 12), &[]);
    assert!(same(&of(3)[1], &of(2)[1]));
}

#[test]
fn side_by_side_as_alone_in_every_way_of_decoding() {
    let engine = engine();
    let drawn = Sampling { temperature: 1.2, seed: 9, ..Sampling::default() };
    let dry = Dry { multiplier: 0.8, ..Dry::default() };
    let ways = [
        Sampling::default(),
        Sampling { beams: 3, samples: 2, logprobs: Some(2), ..Sampling::default() },
        Sampling { samples: 3, ..drawn.clone() },
        Sampling { beams: 2, top_k: 5, ..drawn.clone() },
        Sampling { mirostat: Mirostat { version: 1, ..Mirostat::default() }, samples: 2, ..drawn.clone() },
        Sampling { xtc: Xtc { probability: 0.5, threshold: 0.01 }, dry, frequency_penalty: 0.5, ..drawn },
    ];
    let requests: Vec<Request> = ways.into_iter().map(|sampling| asked("What is this?", sampling, 9)).collect();
    let pictures: &[Features] = &[];
    let all: Vec<Asked<'_>> = requests.iter().map(|request| Asked { request, pictures }).collect();
    let together = engine.answers_all(&all, &mut || ControlFlow::Continue(())).unwrap();
    for (request, together) in requests.iter().zip(together) {
        let alone = answers(&engine, request, &[]);
        let together = together.unwrap();
        assert_eq!(together.len(), request.sampling.samples);
        for (alone, together) in alone.iter().zip(&together) {
            assert_eq!(*together, Answer { times: together.times, guessed: together.guessed, ..alone.clone() });
        }
    }
    let first = engine.answer_all(&all, &mut || ControlFlow::Continue(())).unwrap();
    assert_eq!(first[1].as_ref().unwrap().output_ids, answers(&engine, &requests[1], &[])[0].output_ids);
}

#[test]
fn beams_stop_at_strings_and_say_how_far_they_are() {
    let engine = engine();
    let search = Sampling { beams: 3, ..Sampling::default() };
    let whole = &answers(&engine, &asked("Hello?", search.clone(), 12), &[])[0];
    assert_eq!(whole.stop_reason, StopReason::MaxTokens);
    let stop: String = whole.text.chars().skip(2).take(2).collect();
    let cut = Request { stop: vec![stop.clone()], ..asked("Hello?", search.clone(), 12) };
    for answer in answers(&engine, &cut, &[]) {
        assert!(!answer.text.contains(&stop) && answer.output_ids.len() <= 12, "{answer:?}");
    }
    let (mut steps, mut texts) = (Vec::new(), 0);
    let mut observer = |event: Event<'_>| {
        match event {
            Event::Step { done, total } => steps.push((done, total)),
            Event::Text(_) => texts += 1,
            _ => {}
        }
        if steps.len() == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let broken = engine.answer(&asked("Hello?", search.clone(), 12), &[], None, &mut observer).unwrap();
    assert_eq!((broken.stop_reason, broken.output_ids.len()), (StopReason::Cancelled, 4));
    assert_eq!((steps, texts), ((1..5).map(|done| (done, 12)).collect(), 0));
    let none = answers(&engine, &asked("Hello?", Sampling { samples: 2, ..search }, 0), &[]);
    assert!(none.len() == 2 && none.iter().all(|answer| answer.stop_reason == StopReason::MaxTokens));
}

#[test]
fn lengths_of_prompt_and_answer_together() {
    let engine = engine();
    let prompt = answers(&engine, &asked("Hello?", Sampling::default(), 1), &[])[0].prompt_tokens;
    let of = |max_length| asked("Hello?", Sampling { max_length, ..Sampling::default() }, 12);
    assert_eq!(answers(&engine, &of(prompt + 3), &[])[0].output_ids.len(), 3);
    let refused = engine.answer(&of(prompt), &[], None, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(refused, Error::NoRoom { .. }), "{refused}");
}

#[test]
fn settings_that_do_not_fit_the_model_are_refused() {
    let engine = engine();
    for (sampling, says) in [
        (Sampling { bad_words: vec![vec![5_000_000]], ..Sampling::default() }, "bad-word names token 5000000"),
        (Sampling { beams: 65, ..Sampling::default() }, "beams is 65; it must be 1 to 64"),
        (Sampling { suppress: (0..10_000).collect(), ..Sampling::default() }, "forbid every token"),
        (Sampling { suppress: (0..10_000).collect(), beams: 2, ..Sampling::default() }, "forbid every token"),
    ] {
        let request = asked("Hello?", sampling, 3);
        let error = engine.answer(&request, &[], None, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        let together =
            engine.answer_all(&[Asked { request: &request, pictures: &[] }], &mut || ControlFlow::Continue(()));
        assert_eq!(together.unwrap().remove(0).unwrap_err().to_string(), error);
    }
}
