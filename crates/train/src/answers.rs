//! What the model answers to samples while it learns.

use crate::Error;
use crate::report::SampleAnswer;
use smolvlm_data::{Content, Draw, Loader};
use smolvlm_engine::{Engine, Request, Sampling};
use smolvlm_processor::{Part, PlanOptions};
use std::ops::ControlFlow;

/// The most tokens of such an answer.
const TOKENS: usize = 64;
/// Pictures of more bytes are not put into the page.
const SHOWN: usize = 300_000;

/// The model's answer to a chat's last question; `None` where the sample is no chat that ends with an answer, or cannot be
/// read.
pub(crate) fn answer(engine: &Engine, loader: &Loader, draw: Draw, step: u64) -> Result<Option<SampleAnswer>, Error> {
    let Some(source) = loader.mixture.source(draw.source) else { return Ok(None) };
    let Ok(sample) = source.read(draw.row as usize).and_then(|sample| loader.shown(sample)) else { return Ok(None) };
    let Content::Chat(mut messages) = sample.content else { return Ok(None) };
    let Some(want) = messages.pop().filter(|message| message.role == "assistant") else { return Ok(None) };
    let Some(question) = messages.last() else { return Ok(None) };
    let text = |parts: &[Part]| {
        let texts =
            parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None });
        texts.collect::<Vec<_>>().join(" ")
    };
    let (question, want) = (text(&question.content), text(&want.content));
    let places = messages.iter().flat_map(|m| &m.content).filter(|part| part.is_place()).count();
    let (mut pictures, mut shown) = (Vec::new(), None);
    for file in sample.pictures.into_iter().take(places) {
        let Ok(data) = file.read(&loader.encoding.decode) else { return Ok(None) };
        let Ok(picture) = data.decode(&loader.encoding.decode) else { return Ok(None) };
        pictures.push(picture.into_owned());
        if shown.is_none() {
            shown = data.encoded().ok().filter(|bytes| bytes.len() <= SHOWN).and_then(|bytes| data_url(&bytes));
        }
    }
    let encoding = &loader.encoding;
    let plan = PlanOptions {
        longest_edge: encoding.longest_edge,
        split: encoding.split,
        clips: encoding.clips,
        ..PlanOptions::default()
    };
    let request = Request {
        messages,
        plan,
        sampling: Sampling::default(),
        max_tokens: TOKENS,
        stop: Vec::new(),
        show_special: false,
        grammar: None,
    };
    let answer = engine.answer(&request, &pictures, None, &mut |_| ControlFlow::Continue(()));
    let answer = match answer {
        Ok(answer) => answer.text,
        Err(e) => format!("({e})"),
    };
    let names = loader.mixture.names();
    let sample = format!("{}:{}", names.get(draw.source).map_or("", String::as_str), draw.row + 1);
    Ok(Some(SampleAnswer { step, sample, question, want, answer, picture: shown }))
}

/// A file as a page shows it, if it is of a kind that browsers know.
fn data_url(bytes: &[u8]) -> Option<String> {
    use base64::Engine as _;
    let kind = match bytes {
        [0x89, b'P', b'N', b'G', ..] => "png",
        [0xFF, 0xD8, ..] => "jpeg",
        [b'G', b'I', b'F', b'8', ..] => "gif",
        [b'R', b'I', b'F', b'F', ..] => "webp",
        [b'B', b'M', ..] => "bmp",
        _ => return None,
    };
    Some(format!("data:image/{kind};base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes)))
}
