//! Bodies of requests to the server.

use crate::files;
use smolvlm_backend::Isa;
use smolvlm_engine::{DTypeChoice, Engine, EngineOptions};
use smolvlm_server::{Handler, Options};
use std::path::Path;
use std::sync::OnceLock;

/// The most tokens of an answer.
const TOKENS: u32 = 3;
/// The most pixels of a picture: another target has large ones.
const PIXELS: u32 = 1 << 16;

fn handler() -> Option<&'static Handler> {
    static HANDLER: OnceLock<Option<Handler>> = OnceLock::new();
    let made = HANDLER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/idefics3-256m");
        let options = EngineOptions {
            threads: 1,
            isa: Isa::best(),
            dtype: DTypeChoice::Auto,
            narrow_kv: false,
            adapters: Vec::new(),
        };
        let engine = Engine::open(&folder, &options, &mut |_, _| {}).ok()?;
        let options = Options { max_tokens: Some(TOKENS), max_n: 2, max_pixels: PIXELS, ..Options::standard() };
        Handler::new(engine, "tiny", &options).ok()
    });
    made.as_ref()
}

/// A path, and, as the second part, the body that is posted there. All that is wrong is the request's own fault.
pub(crate) fn body(bytes: &[u8]) {
    let files = files(bytes, &["path", "body"]);
    let part = |name| files.map(name).map(|part| part.to_vec()).unwrap_or_default();
    let path = String::from_utf8_lossy(&part("path")).into_owned();
    let handler = handler();
    assert!(handler.is_some(), "the golden model is gone");
    let Some(handler) = handler else { return };
    let Some((status, answer)) = handler.post(&path, part("body")) else { return };
    assert!(matches!(status, 200 | 400..=499), "{status}: {}", String::from_utf8_lossy(&answer));
    if status != 200 {
        let said = serde_json::from_slice::<serde_json::Value>(&answer).unwrap_or_default();
        assert!(said.pointer("/error/message").is_some_and(|text| text.is_string()), "{status}: {said}");
    }
}
