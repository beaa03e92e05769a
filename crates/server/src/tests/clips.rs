//! Clips as parts of messages.

use super::*;
use smolvlm_processor::ClipMode;

/// A data address of an animated picture.
fn moving() -> String {
    let file = std::fs::read(smolvlm_golden::folder().join("pictures/gif-frames-1.gif")).unwrap();
    format!("data:image/gif;base64,{}", base64::engine::general_purpose::STANDARD.encode(file))
}

fn video(url: &str) -> Value {
    let parts = json!([{"type": "video_url", "video_url": {"url": url}}, {"type": "text", "text": "What happens?"}]);
    json!({"messages": [{"role": "user", "content": parts}], "max_tokens": 4, "temperature": 0})
}

#[test]
fn a_clip_is_shown_frame_by_frame() {
    let server = Server::start(standard());
    let (settings, _) = server.app.clip_settings().unwrap();
    assert_eq!(settings.mode, ClipMode::V1, "the model is of the first SmolVLM's kind");
    let first = server.chat(video(&moving()));
    assert_eq!(first.status, 200, "{}", first.text());
    let tokens = |reply: &Reply| reply.json()["usage"]["prompt_tokens_details"]["image_tokens"].as_u64().unwrap_or(0);
    assert!(tokens(&first) >= 4, "{}", first.text());
    // Pictures before and behind, and the same clip again: as one address without an object.
    let picture = json!({"type": "image_url", "image_url": {"url": picture("small.png")}});
    let clip = json!({"type": "video_url", "video_url": moving()});
    let parts = json!([picture, clip, picture, {"type": "text", "text": "What?"}]);
    let body = json!({"messages": [{"role": "user", "content": parts}], "max_tokens": 4});
    let mixed = server.chat(body.clone());
    assert_eq!(mixed.status, 200, "{}", mixed.text());
    assert!(tokens(&mixed) > tokens(&first));
    let plan = server.post("/v1/plan", &json!({"messages": body["messages"]}));
    assert_eq!(plan.status, 200, "{}", plan.text());
    assert_eq!(plan.json()["image_tokens"].as_u64(), Some(tokens(&mixed)));
}

#[test]
fn whose_way_is_an_option() {
    let server = Server::start(Options { video_mode: Some(ClipMode::SmolVlm2), ..standard() });
    let messages = json!({"messages": video(&moving())["messages"]});
    let prompt = |server: &Server| {
        let tokens = server.post("/tokenize", &messages).json()["tokens"].clone();
        server.post("/detokenize", &json!({"tokens": tokens})).json()["content"].as_str().unwrap().to_owned()
    };
    assert!(prompt(&server).contains("Frame from 00:00:"), "{}", prompt(&server));
    let first = Server::start(standard());
    assert!(prompt(&first).contains("Answer briefly.") && !prompt(&first).contains("Frame from"));
    let rendered = server.post("/apply-template", &messages).json()["prompt"].as_str().unwrap().to_owned();
    assert!(rendered.contains("<video>What happens?"), "{rendered}");
}

#[test]
fn clips_that_cannot_be_shown_are_refused() {
    let server = Server::start(Options { max_pictures: 1, ..standard() });
    let refused = |body: Value, status: u16| {
        let reply = server.chat(body);
        assert_eq!(reply.status, status, "{}", reply.text());
        let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(!message.contains("/tmp") && !message.contains("smolvlm-clip"), "{message}");
        (reply.error().1, message)
    };
    let data =
        |bytes: &[u8]| format!("data:video/mp4;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes));
    // Without FFmpeg it is said that there is none; with it what is wrong.
    let there = std::process::Command::new("ffmpeg").arg("-version").output().is_ok();
    let (code, status) = if there { ("invalid_video", 400) } else { ("video_not_available", 501) };
    assert_eq!(refused(video(&data(b"no film at all")), status).0, code);
    assert_eq!(refused(video(&data(b"")), status).0, code);
    assert_eq!(refused(video(&data(b"GIF89a")), 400).0, "invalid_video");
    assert_eq!(refused(video("file:///etc/passwd"), 403).0, "file_media_not_allowed");
    assert_eq!(refused(video("https://example.org/a.mp4"), 403).0, "remote_media_not_allowed");
    let clip = json!({"type": "video_url", "video_url": moving()});
    let two = json!({"messages": [{"role": "user", "content": [clip, clip]}]});
    assert_eq!(refused(two, 400).0, "too_many_images");
    server.is_alive();
}
