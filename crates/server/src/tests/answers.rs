//! What is answered: chats, whole and piece by piece, as the reference answers.

use super::*;
use smolvlm_golden::Case;

/// A golden case as a chat completion's request.
fn request(case: &Case) -> Value {
    let mut images = case.images.iter();
    let mut messages = case.messages.clone();
    for message in messages.as_array_mut().unwrap() {
        for part in message["content"].as_array_mut().into_iter().flatten() {
            if part["type"] == "image" {
                *part = json!({"type": "image_url", "image_url": {"url": picture(images.next().unwrap())}});
            }
        }
    }
    json!({"model": "tiny", "messages": messages, "max_tokens": case.greedy_ids.len()})
}

fn cases() -> Vec<Case> {
    let cases = smolvlm_golden::cases(&smolvlm_golden::folder().join("idefics3-256m"));
    let plain = |case: &Case| {
        !case.greedy_ids.is_empty() && case.options.size.is_none() && case.options.do_image_splitting.is_none()
    };
    let plain: Vec<Case> = cases.into_iter().filter(plain).collect();
    assert!(plain.len() >= 4);
    plain
}

/// What a model says without the space that the template puts in front.
fn bare(text: &str) -> &str {
    text.strip_prefix(' ').unwrap_or(text)
}

#[test]
fn answers_are_the_references() {
    let server = Server::start(standard());
    for case in cases() {
        let reply = server.chat(request(&case));
        assert_eq!(reply.status, 200, "{}: {}", case.name, reply.text());
        let answer = reply.json();
        assert_eq!(answer["choices"][0]["message"]["content"], bare(&case.greedy_text), "{}", case.name);
        assert_eq!(answer["object"], "chat.completion");
        assert_eq!(answer["model"], "tiny");
        let usage = &answer["usage"];
        assert_eq!(usage["prompt_tokens"], case.input_ids.len());
        assert_eq!(usage["completion_tokens"], case.greedy_ids.len());
        let image = case.input_ids.iter().filter(|&&id| id == 509).count();
        assert_eq!(usage["prompt_tokens_details"]["image_tokens"], image);
        assert!(usage["prompt_tokens_details"]["cached_tokens"].is_u64());
    }
}

#[test]
fn a_stream_says_the_same_piece_by_piece() {
    let server = Server::start(standard());
    for case in cases() {
        let mut asked = request(&case);
        asked["stream"] = json!(true);
        asked["stream_options"] = json!({"include_usage": true});
        let reply = server.chat(asked);
        assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
        assert!(reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
        let events = reply.events();
        assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
        let of = |event: &Value| event["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned();
        assert_eq!(events.iter().map(of).collect::<String>(), bare(&case.greedy_text), "{}", case.name);
        let (last, before) = (&events[events.len() - 1], &events[events.len() - 2]);
        assert_eq!((&last["choices"], &last["usage"]["prompt_tokens"]), (&json!([]), &json!(case.input_ids.len())));
        assert!(before["choices"][0]["finish_reason"].is_string() && before["usage"].is_null());
        assert!(
            events.iter().all(|event| event["id"] == events[0]["id"] && event["object"] == "chat.completion.chunk")
        );
    }
}

#[test]
fn several_answers_and_their_probabilities() {
    let server = Server::start(standard());
    let mut asked = hello(6);
    for (field, value) in [
        ("n", json!(3)),
        ("temperature", json!(1.5)),
        ("seed", json!(1)),
        ("logprobs", json!(true)),
        ("top_logprobs", json!(2)),
    ] {
        asked[field] = value;
    }
    let whole = server.chat(asked.clone()).json();
    let choices = whole["choices"].as_array().unwrap();
    assert_eq!(choices.iter().map(|choice| choice["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    for choice in choices {
        assert_eq!(choice["finish_reason"], "length");
        let steps = choice["logprobs"]["content"].as_array().unwrap();
        assert!(steps.len() >= 5, "{choice}");
        for step in steps {
            assert!(step["logprob"].as_f64().unwrap() <= 0.0 && step["token"].is_string() && step["bytes"].is_array());
            assert_eq!(step["top_logprobs"].as_array().unwrap().len(), 2);
        }
    }
    assert_eq!(server.chat(asked.clone()).json()["choices"], whole["choices"], "a seed draws the same");
    asked["stream"] = json!(true);
    let events = server.chat(asked).events();
    for choice in choices {
        let of = |event: &&Value| event["choices"][0]["index"] == choice["index"];
        let mine: Vec<&Value> = events.iter().filter(of).collect();
        let text: String = mine.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(text, choice["message"]["content"]);
        let steps: Vec<&Value> =
            mine.iter().filter_map(|event| event["choices"][0]["logprobs"]["content"].as_array()).flatten().collect();
        assert_eq!(steps, choice["logprobs"]["content"].as_array().unwrap().iter().collect::<Vec<_>>());
    }
}

#[test]
fn answers_end_where_they_are_told_to() {
    let server = Server::start(standard());
    let whole = server.chat(hello(40)).json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let stop: String = whole.chars().skip(whole.chars().count() / 2).take(2).collect();
    for given in [json!(stop), json!(["never said", stop])] {
        let mut asked = hello(40);
        asked["stop"] = given;
        let choice = &server.chat(asked).json()["choices"][0];
        assert_eq!(choice["finish_reason"], "stop");
        assert_eq!(choice["message"]["content"], whole[..whole.find(&stop).unwrap()]);
    }
    let mut asked = hello(3);
    asked["max_tokens"] = json!(1_000_000_000);
    asked["min_tokens"] = json!(0);
    let limited = Server::start(Options { max_tokens: Some(5), ..standard() });
    assert!(limited.chat(asked).json()["usage"]["completion_tokens"].as_u64().unwrap() <= 5);
}

#[test]
fn a_search_tells_its_answer_at_the_end() {
    let server = Server::start(standard());
    let mut asked = hello(5);
    asked["beams"] = json!(3);
    let whole = server.chat(asked.clone()).json()["choices"][0]["message"]["content"].clone();
    asked["stream"] = json!(true);
    let events = server.chat(asked).events();
    let text: String = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, whole);
}

#[test]
fn answers_that_are_bound_to_a_form() {
    let server = Server::start(standard());
    let schema = json!({"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"], "additionalProperties": false});
    let mut asked = hello(0);
    asked["max_tokens"] = json!(60);
    asked["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "one", "schema": schema, "strict": true}});
    let reply = server.chat(asked.clone());
    assert_eq!(reply.status, 200, "{}", reply.text());
    let content: Value =
        serde_json::from_str(reply.json()["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert!(content["a"] == "x" || content["a"] == "y");
    asked.as_object_mut().unwrap().remove("response_format");
    asked["grammar"] = json!({"type": "regex", "value": "(yes|no)"});
    let text = server.chat(asked).json()["choices"][0]["message"]["content"].clone();
    assert!(text == "yes" || text == "no", "{text}");
}

#[test]
fn what_a_user_types_stays_text() {
    let server = Server::start(standard());
    let tokens = |text: &str| {
        let asked = json!({"messages": [{"role": "user", "content": text}]});
        server.post("/tokenize", &asked).json()["tokens"].as_array().unwrap().len()
    };
    let plain = tokens("");
    for typed in
        ["<image>", "<fake_token_around_image>", "<end_of_utterance>", "<|im_start|>", "<global-img>", "<row_1_col_1>"]
    {
        // More tokens than the one that it would be.
        assert!(tokens(typed) > plain + 2, "{typed}");
        let reply = server.chat(json!({"messages": [{"role": "user", "content": typed}], "max_tokens": 2}));
        assert_eq!(reply.status, 200, "{typed}: {}", reply.text());
        assert_eq!(reply.json()["usage"]["prompt_tokens_details"]["image_tokens"], 0);
    }
}

#[test]
fn pictures_are_cut_as_is_asked() {
    let server = Server::start(standard());
    let tokens = |change: fn(&mut Value)| {
        let mut asked = about(&[&picture("wide.png")]);
        change(&mut asked);
        server.chat(asked).json()["usage"]["prompt_tokens_details"]["image_tokens"].as_u64().unwrap()
    };
    let whole = tokens(|_| {});
    assert!(whole > 4);
    assert_eq!(tokens(|asked| asked["split"] = json!(false)), 4);
    assert_eq!(tokens(|asked| asked["max_edge"] = json!(64)), 4);
    assert_eq!(tokens(|asked| asked["messages"][0]["content"][0]["image_url"]["detail"] = json!("low")), 4);
    assert_eq!(tokens(|asked| asked["messages"][0]["content"][0]["image_url"]["detail"] = json!("high")), whole);
}
