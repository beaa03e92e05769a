//! The other endpoints.

use super::*;

#[test]
fn a_text_is_gone_on_with() {
    let server = Server::start(standard());
    let mut asked = json!({"prompt": "Once upon a time", "max_tokens": 12, "min_tokens": 12, "logprobs": 2});
    let whole = server.post("/v1/completions", &asked).json();
    assert_eq!(whole["object"], "text_completion");
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "length");
    let tokens = server.post("/tokenize", &json!({"content": "Once upon a time"})).json();
    assert_eq!(whole["usage"]["prompt_tokens"], tokens["count"]);
    let logprobs = &choice["logprobs"];
    let lengths = ["tokens", "token_logprobs", "top_logprobs", "text_offset"]
        .map(|list| logprobs[list].as_array().unwrap().len());
    assert!(lengths[0] >= 11 && lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
    asked["stream"] = json!(true);
    asked["stream_options"] = json!({"include_usage": true});
    let reply = server.post("/v1/completions", &asked);
    let events = reply.events();
    let text: String = events.iter().filter_map(|event| event["choices"][0]["text"].as_str()).collect();
    assert_eq!(text, choice["text"]);
    let steps: Vec<&Value> = events
        .iter()
        .filter_map(|event| event["choices"][0]["logprobs"]["token_logprobs"].as_array())
        .flatten()
        .collect();
    assert_eq!(steps.len(), lengths[0]);
    assert_eq!(events.last().unwrap()["usage"], whole["usage"]);
    for (field, value) in [
        ("prompt", json!("")),
        ("prompt", json!(["a", "b"])),
        ("prompt", json!([1, 2])),
        ("echo", json!(true)),
        ("suffix", json!("x")),
        ("best_of", json!(2)),
        ("messages", json!([])),
    ] {
        let mut asked = json!({"prompt": "a", "max_tokens": 1});
        asked[field] = value;
        let reply = server.post("/v1/completions", &asked);
        assert_eq!((reply.status, reply.error().0.as_str()), (400, field));
    }
}

#[test]
fn responses_whole_and_as_events() {
    let server = Server::start(standard());
    let picture = picture("small.png");
    let mut asked = json!({
        "model": "tiny", "instructions": "Be brief.", "max_output_tokens": 6, "min_tokens": 6, "store": false,
        "input": [
            {"role": "user", "content": [{"type": "input_image", "image_url": picture, "detail": "low"}, {"type": "input_text", "text": "What?"}]},
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [{"type": "output_text", "text": "A dot.", "annotations": []}]},
            {"role": "user", "content": "And?"},
        ],
        "include": ["message.output_text.logprobs"], "top_logprobs": 1,
    });
    let whole = server.post("/v1/responses", &asked).json();
    assert_eq!((&whole["object"], &whole["status"]), (&json!("response"), &json!("incomplete")));
    assert_eq!(whole["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(whole["usage"]["input_tokens_details"]["image_tokens"], 4);
    let part = &whole["output"][0]["content"][0];
    assert!(part["logprobs"].as_array().unwrap().len() >= 5);
    asked["stream"] = json!(true);
    let reply = server.post("/v1/responses", &asked);
    let events = reply.events();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds[..4],
        ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
    );
    let end =
        ["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.incomplete"];
    assert_eq!(kinds[kinds.len() - 4..], end);
    assert!(events.iter().enumerate().all(|(number, event)| event["sequence_number"] == number));
    for kind in &kinds {
        assert!(reply.text().contains(&format!("event: {kind}\n")));
    }
    let text: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(text, part["text"]);
    assert_eq!(events.last().unwrap()["response"]["output"][0]["content"][0]["text"], part["text"]);
    let plain = server.post("/v1/responses", &json!({"input": "Hello", "max_output_tokens": 2})).json();
    assert!(plain["output"][0]["content"][0]["text"].is_string());
    for (field, value) in [
        ("previous_response_id", json!("resp_1")),
        ("store", json!(true)),
        ("background", json!(true)),
        ("conversation", json!("c")),
        ("tools", json!([{"type": "web_search"}])),
        ("reasoning", json!({"effort": "low"})),
        ("truncation", json!("auto")),
        ("include", json!(["reasoning.encrypted_content"])),
        ("input", json!([])),
        ("input", json!(5)),
        ("n", json!(2)),
        ("messages", json!([])),
    ] {
        let mut asked = json!({"input": "a", "max_output_tokens": 1});
        asked[field] = value;
        let reply = server.post("/v1/responses", &asked);
        assert_eq!((reply.status, reply.error().0.as_str()), (400, field), "{}", reply.text());
    }
    let item = server
        .post("/v1/responses", &json!({"input": [{"type": "function_call_output", "call_id": "a", "output": "b"}]}));
    assert_eq!((item.status, item.error().0.as_str()), (400, "input[0].type"));
}

#[test]
fn texts_and_their_tokens() {
    let server = Server::start(standard());
    let text = "Hello <end_of_utterance> wörld";
    let tokens = |more: Value| {
        let mut asked = json!({"content": text});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post("/tokenize", &asked).json()["tokens"].as_array().unwrap().clone()
    };
    let plain = tokens(json!({}));
    assert!(plain.len() > tokens(json!({"parse_special": true})).len());
    assert_eq!(tokens(json!({"add_special": true})), plain, "SmolVLM's tokenizer puts nothing around a text");
    let back = server.post("/detokenize", &json!({"tokens": plain})).json();
    assert_eq!(back["content"], text);
    let pieces = tokens(json!({"with_pieces": true}));
    assert_eq!(pieces.iter().map(|piece| piece["id"].clone()).collect::<Vec<_>>(), plain);
    for (path, asked, param) in [
        ("/tokenize", json!({}), "content"),
        ("/tokenize", json!({"content": 5}), "content"),
        ("/tokenize", json!({"content": "a", "prompt": "a"}), "prompt"),
        ("/tokenize", json!({"content": "a", "more": 1}), "more"),
        ("/detokenize", json!({}), "tokens"),
        ("/detokenize", json!({"tokens": [-1]}), "tokens"),
        ("/detokenize", json!({"tokens": [1e9]}), "tokens"),
        ("/detokenize", json!({"tokens": ["a"]}), "tokens"),
        ("/apply-template", json!({}), "messages"),
        ("/apply-template", json!({"messages": [{"role": "king", "content": "a"}]}), "messages[0].role"),
    ] {
        let reply = server.post(path, &asked);
        assert_eq!((reply.status, reply.error().0.as_str()), (400, param), "{path} {asked}");
    }
    let chat = json!({"messages": about(&[&picture("small.png")])["messages"]});
    let prompt = server.post("/apply-template", &chat).json()["prompt"].as_str().unwrap().to_owned();
    assert!(prompt.contains("User:<image>What is it?<end_of_utterance>") && prompt.ends_with("Assistant:"), "{prompt}");
}

#[test]
fn what_a_chat_would_cost() {
    let server = Server::start(standard());
    let asked = json!({"messages": about(&[&picture("wide.png"), &picture("dot.png")])["messages"]});
    let plan = server.post("/v1/plan", &asked).json();
    let mut answered = asked.clone();
    answered["max_tokens"] = json!(1);
    let usage = server.chat(answered).json()["usage"].clone();
    assert_eq!(plan["prompt_tokens"], usage["prompt_tokens"]);
    assert_eq!(plan["image_tokens"], usage["prompt_tokens_details"]["image_tokens"]);
    assert_eq!(plan["prompt_tokens"], server.post("/tokenize", &asked).json()["count"]);
    let pictures = plan["pictures"].as_array().unwrap();
    let sum: u64 = pictures.iter().map(|picture| picture["tokens"].as_u64().unwrap()).sum();
    assert_eq!((pictures.len(), json!(sum)), (2, plan["image_tokens"].clone()));
    for picture in pictures {
        let of = |name: &str| picture[name].as_u64().unwrap();
        assert_eq!(of("tiles"), of("rows") * of("cols") + 1);
    }
    assert_eq!(plan["fits"], true);
    let long = json!({"messages": [{"role": "user", "content": "a b ".repeat(8000)}]});
    assert_eq!(server.post("/v1/plan", &long).json()["fits"], false);
    let bad = server.post("/v1/plan", &json!({"messages": about(&["data:,"])["messages"]}));
    assert_eq!((bad.status, bad.error().1.as_str()), (400, "invalid_image"));
}

#[test]
fn how_the_server_is() {
    let server = Server::start(Options { alias: vec!["other".into()], ..standard() });
    assert_eq!(server.get("/health").json(), json!({"status": "ok"}));
    let models = server.get("/v1/models").json();
    assert_eq!((&models["data"][0]["id"], &models["data"][1]["id"]), (&json!("tiny"), &json!("other")));
    assert_eq!(server.get("/v1/models/tiny").json(), models["data"][0]);
    let props = server.get("/props");
    assert!(!props.text().contains("somewhere") && !props.text().contains("golden"), "{}", props.text());
    let props = props.json();
    assert_eq!((&props["context"], &props["pictures"]["tile"]), (&json!(8192), &json!(64)));
    server.is_alive();
    let metrics = server.get("/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "smolvlm_answered_total 1\n",
        "smolvlm_output_tokens_total 3\n",
        "path=\"/v1/chat/completions\",method=\"POST\",status=\"200\"} 1\n",
    ] {
        assert!(metrics.text().contains(line), "{line}: {}", metrics.text());
    }
    assert_eq!(server.get("/openapi.json").json()["openapi"], "3.1.0");
    for path in ["/", "/app.js", "/style.css", "/icon.svg"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    let head = server.send("HEAD", "/health", "", b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
}
