//! What tests of several requests share: a tiny model, requests about golden pictures, and what each is answered alone.
#![allow(clippy::unwrap_used, dead_code)]

use smolvlm_backend::Isa;
use smolvlm_engine::{Answer, Ask, DTypeChoice, Engine, EngineOptions, Error, PictureSource, Request, Sampling};
use smolvlm_golden::{folder, repository};
use smolvlm_processor::{DecodeOptions, Message, Picture, PlanOptions};
use std::ops::ControlFlow;
use std::path::PathBuf;

pub(crate) fn engine(dtype: DTypeChoice, threads: usize) -> Engine {
    let options = EngineOptions { threads, isa: Isa::best(), dtype, narrow_kv: false, adapters: Vec::new() };
    Engine::open(&folder().join("idefics3-256m"), &options, &mut |_, _| {}).unwrap()
}

/// A golden picture's file.
pub(crate) fn picture(name: &str) -> PathBuf {
    repository().join("golden/images").join(name)
}

pub(crate) fn request(pictures: usize, text: &str, max_tokens: usize) -> Request {
    Request {
        messages: vec![Message::user(pictures, text)],
        plan: PlanOptions::default(),
        sampling: Sampling::default(),
        max_tokens,
        stop: Vec::new(),
        show_special: false,
        grammar: None,
    }
}

/// A request about golden pictures.
pub(crate) fn ask(pictures: &[&str], text: &str, max_tokens: usize, sampling: Sampling) -> Ask {
    let request = Request { sampling, ..request(pictures.len(), text, max_tokens) };
    Ask { request, pictures: pictures.iter().map(|name| PictureSource::File(picture(name))).collect() }
}

/// What a request is answered alone.
pub(crate) fn alone(engine: &Engine, ask: &Ask) -> Result<Vec<Answer>, Error> {
    let options = DecodeOptions::default();
    let open = |source: &PictureSource| match source {
        PictureSource::File(path) => Picture::open(path, &options),
        PictureSource::Bytes(bytes) => Picture::decode(bytes, &options),
        PictureSource::Frame(tile) => Ok((**tile).clone()),
    };
    let pictures = ask.pictures.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    engine.answers(&ask.request, &pictures, None, &mut |_| ControlFlow::Continue(()))
}
