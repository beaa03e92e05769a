//! Answers that are bound to a grammar; grammars that must be refused, with one clear error and little work.
#![cfg(feature = "grammar")]
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::Value;
use smolvlm_backend::Isa;
use smolvlm_engine::{
    Answer, Asked, DTypeChoice, Engine, EngineOptions, Error, Features, Form, GrammarError, Request, Sampling,
    StopReason,
};
use smolvlm_golden::repository;
use smolvlm_processor::{DecodeOptions, Message, Picture, PlanOptions};
use std::ops::ControlFlow;
use std::sync::LazyLock;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let options =
        EngineOptions { threads: 2, isa: Isa::best(), dtype: DTypeChoice::F32, narrow_kv: false, adapters: Vec::new() };
    Engine::open(repository().join("golden/idefics3-256m").as_path(), &options, &mut |_, _| {}).unwrap()
});

fn json(schema: &str) -> Form {
    Form::JsonSchema(schema.into())
}

fn regex(expression: &str) -> Form {
    Form::Regex(expression.into())
}

fn lark(grammar: &str) -> Form {
    Form::Lark(grammar.into())
}

fn request(form: &Form, sampling: Sampling, max_tokens: usize) -> Request {
    Request {
        messages: vec![Message::user(0, "What is it?")],
        plan: PlanOptions::default(),
        sampling,
        max_tokens,
        stop: Vec::new(),
        show_special: false,
        grammar: Some(ENGINE.grammar(form).unwrap()),
    }
}

fn drawn(seed: u64) -> Sampling {
    Sampling { temperature: 1.0, seed, ..Sampling::default() }
}

fn answers(request: &Request, pictures: &[Picture]) -> Vec<Answer> {
    ENGINE.answers(request, pictures, None, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn refused(form: &Form) -> GrammarError {
    match ENGINE.grammar(form) {
        Err(Error::Grammar(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{form:?} was read"),
    }
}

/// A model of random weights writes what the grammar asks for, whatever it would have written.
#[test]
fn answers_have_their_form_whatever_the_model_would_say() {
    for (form, whole) in [
        (regex("yes|no"), (|text| text == "yes" || text == "no") as fn(&str) -> bool),
        (regex("[0-9]{3}-[a-c]{2}"), |text| text.len() == 6 && text.as_bytes()[3] == b'-'),
        (regex("日本|été"), |text| ["日本", "été"].contains(&text)),
        (lark("start: item (\",\" item){2}\nitem: /[a-z]{1,3}/"), |text| text.split(',').count() == 3),
        (lark("start: \"(\" start \")\" | \"x\""), |text| {
            text.matches('(').count() == text.matches(')').count() && text.contains('x')
        }),
        (json(r#"{"type":"integer","minimum":10,"maximum":99}"#), |text| text.len() == 2 && text > "09"),
        (json(r#"{"type":"integer","exclusiveMinimum":5,"exclusiveMaximum":8}"#), |text| text == "6" || text == "7"),
    ] {
        for sampling in [Sampling::default(), drawn(1), drawn(2)] {
            for answer in answers(&request(&form, sampling.clone(), 100), &[]) {
                let cut = answer.stop_reason == StopReason::MaxTokens;
                assert!(cut || whole(&answer.text), "{form:?}: {:?}", answer.text);
                assert!(cut || answer.stop_reason == StopReason::EndOfTurn);
                assert!(!cut || form == lark("start: \"(\" start \")\" | \"x\""), "{form:?}: {:?}", answer.text);
            }
        }
    }
}

#[test]
fn json_is_what_its_schema_describes() {
    let schema = r##"{"$defs":{"p":{"type":"object","properties":{"x":{"type":"number","minimum":0,"maximum":1}},
        "required":["x"],"additionalProperties":false}},
        "type":"object","properties":{"kind":{"enum":["a","b"]},"at":{"$ref":"#/$defs/p"},
        "tags":{"type":"array","items":{"type":"string","maxLength":3},"minItems":1,"maxItems":2}},
        "required":["kind","at","tags"],"additionalProperties":false}"##;
    let mut whole = 0;
    for seed in 0..6 {
        for answer in answers(&request(&json(schema), Sampling { samples: 2, ..drawn(seed) }, 300), &[]) {
            if answer.stop_reason == StopReason::MaxTokens {
                continue;
            }
            let value: Value = serde_json::from_str(&answer.text).unwrap();
            let x = value["at"]["x"].as_f64().unwrap();
            assert!(["a", "b"].contains(&value["kind"].as_str().unwrap()) && (0.0..=1.0).contains(&x));
            let tags = value["tags"].as_array().unwrap();
            assert!((1..=2).contains(&tags.len()));
            assert!(tags.iter().all(|tag| tag.as_str().unwrap().chars().count() <= 3));
            whole += 1;
        }
    }
    assert!(whole > 4, "{whole} of 12 answers ended");
    let object = answers(&request(&Form::JsonObject, drawn(0), 40), &[]).remove(0);
    assert!(object.text.starts_with('{'), "{}", object.text);
}

/// An excluded bound is not let through, not even where its whole part may come.
#[test]
fn excluded_bounds_do_not_come() {
    for schema in [
        r#"{"type":"number","exclusiveMinimum":806,"maximum":806.5}"#,
        r#"{"allOf":[{"type":"number","exclusiveMinimum":806},{"maximum":806.5}]}"#,
        r#"{"type":"number","minimum":806,"exclusiveMinimum":true,"maximum":806.5}"#,
    ] {
        for form in [json(schema), lark(&format!("start: %json {schema}"))] {
            let mut follower = ENGINE.grammar(&form).unwrap().begin();
            for id in ENGINE.processor().tokenizer().encode_plain("806").unwrap() {
                assert!(follower.allows(id).unwrap(), "{schema}");
                follower.add(id).unwrap();
            }
            assert!(!ENGINE.stops().iter().any(|&end| follower.allows(end).unwrap()), "{schema}");
        }
    }
}

/// The end comes where the grammar is whole, without a token more, and not because of the limit.
#[test]
fn what_is_whole_ends_at_once() {
    let answer = answers(&request(&regex("abc"), Sampling::default(), 100), &[]).remove(0);
    assert_eq!((answer.text.as_str(), answer.stop_reason), ("abc", StopReason::EndOfTurn));
    assert!(!answer.output_ids.iter().any(|id| ENGINE.stops().contains(id)));
    let tight = answers(&request(&regex("abc"), Sampling::default(), answer.output_ids.len()), &[]).remove(0);
    assert_eq!(tight, Answer { times: tight.times, ..answer.clone() });
    let cut = answers(&request(&regex("abc"), Sampling::default(), answer.output_ids.len() - 1), &[]).remove(0);
    assert_eq!(cut.stop_reason, StopReason::MaxTokens);
    let empty = answers(&request(&regex(""), Sampling::default(), 10), &[]).remove(0);
    assert_eq!((empty.text.as_str(), empty.stop_reason), ("", StopReason::EndOfTurn));
}

/// Where the likeliest token may come no mask is made; the answer is the same as with one.
#[test]
fn the_likeliest_needs_no_mask() {
    for form in [regex("[a-z ]{5,30}"), json(r#"{"type":"array","items":{"type":"integer"},"maxItems":4}"#)] {
        let plain = answers(&request(&form, Sampling::default(), 40), &[]).remove(0);
        let logprobs = Sampling { logprobs: Some(0), ..Sampling::default() };
        let masked = answers(&request(&form, logprobs, 40), &[]).remove(0);
        assert_eq!(plain.output_ids, masked.output_ids);
    }
}

#[test]
fn pictures_batches_and_samples_are_bound_alike() {
    let picture = Picture::open(&repository().join("golden/images/photo.jpg"), &DecodeOptions::default()).unwrap();
    let seen = Request {
        messages: vec![Message::user(1, "What is it?")],
        ..request(&regex("[a-z]{4} [0-9]{2}"), drawn(3), 50)
    };
    let alone = answers(&seen, std::slice::from_ref(&picture)).remove(0);
    assert_eq!(alone.text.len(), 7);
    let several = request(&json(r#"{"type":"boolean"}"#), Sampling { samples: 3, ..drawn(4) }, 20);
    let free = Request { grammar: None, ..request(&regex("a"), Sampling::default(), 12) };
    let features: Vec<Features> = vec![ENGINE.see(&picture, &seen.plan).unwrap()];
    let all = [
        Asked { request: &seen, pictures: &features },
        Asked { request: &several, pictures: &[] },
        Asked { request: &free, pictures: &[] },
    ];
    let batch = ENGINE.answers_all(&all, &mut || ControlFlow::Continue(())).unwrap();
    let batch: Vec<Vec<Answer>> = batch.into_iter().map(Result::unwrap).collect();
    assert_eq!(batch[0][0].output_ids, alone.output_ids);
    assert!(batch[1].len() == 3 && batch[1].iter().all(|answer| ["true", "false"].contains(&answer.text.as_str())));
    let ids = |answers: &[Answer]| answers.iter().map(|answer| answer.output_ids.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&batch[1]), ids(&answers(&several, &[])));
    assert_eq!(ids(&batch[2]), ids(&answers(&free, &[])));
}

#[test]
fn beams_and_bans_of_all_that_may_come_are_refused() {
    let beams = request(&regex("a"), Sampling { beams: 2, ..Sampling::default() }, 5);
    let error = ENGINE.answers(&beams, &[], None, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().contains("cannot steer beams"), "{error}");
    let suppress = ENGINE.spellings("7").unwrap().remove(0);
    let banned = request(&regex("7"), Sampling { suppress, ..Sampling::default() }, 5);
    let error = ENGINE.answers(&banned, &[], None, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, Error::NothingLeft), "{error}");
    // What a model's file would force gives way.
    let forced_eos = ENGINE.stops().iter().copied().collect();
    let forced = request(&regex("[a-z]{50}"), Sampling { forced_eos, ..Sampling::default() }, 3);
    assert_eq!(answers(&forced, &[])[0].stop_reason, StopReason::MaxTokens);
}

#[test]
fn grammars_that_are_wrong_say_what_is() {
    let mut unclear = Vec::new();
    for (form, says) in [
        (regex("a(b"), "in the expression \"a(b\": unclosed group"),
        (regex("(?=a)b"), "look-around"),
        (regex(r"(a)\1"), "backreferences"),
        (regex(&"(".repeat(8000)), "unclosed group"),
        (regex(&format!("{}a{}", "(".repeat(4000), ")".repeat(4000))), "nested parentheses"),
        (regex(r"[^\x00-\u{10FFFF}]"), "lets no token"),
        (lark(""), "no start rule"),
        (lark("{}{{{"), "expecting rule"),
        (lark("start: foo"), "unknown name: \"foo\""),
        (lark("start: <|nothing|>"), "unknown special token"),
        (lark("start: <[100000000]>"), "too large"),
        (lark("start: start \"a\""), "lets no token"),
        (lark("start: start"), "lets no token"),
        (lark("start: A\nA: A \"x\""), "circular reference"),
        (lark(&format!("start: {}", "(".repeat(30_000))), "too deeply nested"),
        (json("{"), "not valid JSON"),
        (json(&"[".repeat(60_000)), "recursion limit"),
        (json("3"), "must be an object or boolean"),
        (json("false"), "schema is false"),
        (json(r#"{"type":"strng"}"#), "Invalid type: strng"),
        (json(r#"{"type":"string","pattern":"a(b"}"#), "in the expression \"a(b\": unclosed group"),
        (json(r#"{"type":"integer","minimum":5,"maximum":3}"#), "greater than maximum"),
        (json(r#"{"type":"string","format":"colour"}"#), "Unknown format: colour"),
        (json(r#"{"not":{}}"#), "keywords that are not supported: [\"not\"]"),
        (json(r#"{"type":"array","uniqueItems":true}"#), "uniqueItems"),
        (json(r#"{"oneOf":[{"type":"integer"},{"type":"number"}]}"#), "`anyOf` would do"),
        (json(r##"{"$ref":"#/$defs/x"}"##), "not found in '#/$defs/x'"),
        (json(r#"{"$ref":"https://example.org/x"}"#), "a `$ref` to elsewhere"),
        (json(r##"{"$ref":"#"}"##), "lets no token"),
        (
            json(r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}"##),
            "lets no token",
        ),
        (
            json(
                r##"{"$defs":{"a":{"$ref":"#/$defs/b","type":"null"},"b":{"$ref":"#/$defs/a","type":"null"}},
                "$ref":"#/$defs/a"}"##,
            ),
            "circular references",
        ),
        (json(&format!(r#"{{"type":"string","pattern":["{}"]}}"#, "é".repeat(100))), "Expected string for 'pattern'"),
    ] {
        let error = refused(&form).to_string();
        if !error.contains(says) || error.lines().count() != 1 || error.len() > 1000 {
            unclear.push(format!("{says}: {error}"));
        }
    }
    assert!(unclear.is_empty(), "{unclear:#?}");
}

/// Each would take memory or time without end: it is refused, or read without being written out.
#[test]
fn grammars_that_are_small_and_mean_much() {
    for form in [
        regex("((a*)*)*"),
        regex("((((a+)+)+)+)+b"),
        regex("a{1,10000000}"),
        regex("(ab|c){1,10000000}d"),
        regex("((a{1,1000}){1,1000}){1,1000}"),
        regex("(a|b)*a(a|b){30}"),
        regex("(.{0,50000}x){0,50000}"),
        lark("start: start \"a\" | \"a\""),
        lark("start: a\na: a a | \"x\""),
        lark("start: ((a*)*)*\na: \"x\""),
        lark("start: b{1,10000000}\nb: \"x\" | \"y\" b"),
        json(r#"{"type":"array","items":{"type":"object"},"minItems":10000000,"maxItems":20000000}"#),
        json(r#"{"type":"string","minLength":1000000000}"#),
        json(r#"{"type":"object","minProperties":10000000}"#),
    ] {
        // Drawn tokens meet more of it than the likeliest do.
        for seed in 0..2 {
            let answer = answers(&request(&form, drawn(seed), 30), &[]).remove(0);
            assert!([StopReason::EndOfTurn, StopReason::MaxTokens].contains(&answer.stop_reason));
        }
    }
    let doubling = |end: &str, levels: usize| {
        let rules: Vec<String> = (0..levels).map(|i| format!("R{i}: R{0} R{0}", i + 1)).collect();
        lark(&format!("start: R0\n{}\nR{levels}: {end}", rules.join("\n")))
    };
    assert!(refused(&doubling("\"x\"", 40)).to_string().contains("too big"));
    assert!(refused(&doubling("/x?/", 40)).to_string().contains("too big"));
    let blowup = lark("start: A\nA: /(.*a.{18}b)/ & /(.*b.{19}c)/ & ~/(.*c.{20}d)/");
    assert!(refused(&blowup).to_string().contains("fuel exhausted"));
    let options: Vec<String> =
        (0..300).map(|i| format!(r#"{{"type":"object","properties":{{"k{i}":{{}}}}}}"#)).collect();
    let any = format!(r#"{{"anyOf":[{}]}}"#, options.join(","));
    let error = refused(&json(&format!(r#"{{"allOf":[{any},{any}]}}"#)));
    assert!(error.to_string().contains("too large"), "{error}");
    for form in [regex(&"a".repeat(9000)), lark(&"a".repeat(40_000)), json(&" ".repeat(70_000))] {
        assert!(matches!(refused(&form), GrammarError::TooLong { .. }));
    }
}
