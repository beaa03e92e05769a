//! Tokens become an answer: whole characters only, up to a stop token, a stop string or a limit.

use crate::stop::StopStrings;
use crate::{Engine, Request, StopReason};
use smolvlm_processor::StreamDecoder;

/// An answer as its tokens come.
pub(crate) struct Writer<'a> {
    engine: &'a Engine,
    show_special: bool,
    decoder: StreamDecoder<'a>,
    stops: StopStrings,
    /// Its tokens so far.
    count: usize,
    /// The most that it may have.
    limit: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(engine: &'a Engine, request: &Request, limit: usize) -> Writer<'a> {
        let show_special = request.show_special;
        let decoder = engine.processor.tokenizer().stream(show_special);
        Writer { engine, show_special, decoder, stops: StopStrings::new(&request.stop), count: 0, limit }
    }

    /// Takes the next token, where the cache holds `positions` and `whole` says that nothing can follow: the text that can
    /// be shown, and why the answer ends with it, if it does.
    pub(crate) fn push(&mut self, id: u32, positions: usize, whole: bool) -> (String, Option<StopReason>) {
        self.count += 1;
        let ends = self.engine.stops.contains(&id);
        let mut text = String::new();
        if !ends || self.show_special {
            let (shown, stopped) = self.stops.push(&self.decoder.push(id));
            if stopped {
                return (shown, Some(StopReason::StopString));
            }
            text = shown;
        }
        let reason = if ends || whole {
            StopReason::EndOfTurn
        } else if positions >= self.engine.processor.context() {
            StopReason::ContextFull
        } else if self.count >= self.limit {
            StopReason::MaxTokens
        } else {
            return (text, None);
        };
        // What was held back: the rest of a character, or what might have become a stop string.
        let (rest, stopped) = self.stops.push(&self.decoder.finish());
        text.push_str(&rest);
        if stopped {
            return (text, Some(StopReason::StopString));
        }
        text.push_str(&self.stops.finish());
        (text, Some(reason))
    }
}
