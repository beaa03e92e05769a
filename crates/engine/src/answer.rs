//! The answer, token by token.

use crate::capture::Capture;
use crate::prompt::{Observer, Prompt};
use crate::writer::Writer;
use crate::{Answer, Engine, Error, Event, Request, Sampler, StopReason, Times};
use smolvlm_backend::{Tensor, numbers};
use smolvlm_processor::{Picture, Plan, PlanOptions};
use smolvlm_sys::Stopwatch;
use std::ops::ControlFlow;

impl Engine {
    /// The plan of a request: what its pictures become, and the prompt. Nothing is computed yet.
    ///
    /// # Errors
    /// Where pictures and their places do not match, or the prompt does not fit the context.
    pub fn plan(&self, request: &Request, sizes: &[(u32, u32)]) -> Result<Plan, Error> {
        let options = PlanOptions { context: Some(self.processor.context()), ..request.plan.clone() };
        Ok(self.processor.plan(&request.messages, sizes, &options)?)
    }

    /// Answers a request about `pictures`, one for each place in order. `observer` is told what happens and may break
    /// off; `capture` is filled where it is given.
    ///
    /// # Errors
    /// As [`Engine::plan`], and where a sampling setting is out of its range or the network's numbers are not finite.
    pub fn answer(
        &self,
        request: &Request,
        pictures: &[Picture],
        capture: Option<&mut Capture>,
        observer: Observer<'_>,
    ) -> Result<Answer, Error> {
        let mut sampler = Sampler::new(request.sampling.clone(), self.core.model.config.text.vocab)?;
        let mut times = Times::default();
        let start = Stopwatch::start();
        let sizes: Vec<(u32, u32)> = pictures.iter().map(|p| (p.width, p.height)).collect();
        let plan = self.plan(request, &sizes)?;
        times.pixels += start.seconds();
        let mut capture = capture;
        if let Some(capture) = &mut capture {
            let config = &self.core.model.config;
            **capture = Capture {
                side: config.sight.as_ref().map_or(0, |sight| sight.tower.image_size),
                input_ids: plan.ids.clone(),
                tokens_per_tile: config.tokens_per_tile(),
                hidden: config.text.hidden,
                vocab: config.text.vocab,
                ..Capture::default()
            };
        }
        let prompt = self.core.take_prompt(&plan, pictures, &mut capture, &mut times, observer)?;
        let mut answer = Answer {
            text: String::new(),
            output_ids: Vec::new(),
            stop_reason: StopReason::Cancelled,
            prompt_tokens: plan.ids.len(),
            image_tokens: plan.image_tokens,
            times,
        };
        if let Some(prompt) = prompt {
            let start = Stopwatch::start();
            sampler.see(&plan.ids);
            answer.stop_reason = self.decode(request, prompt, &mut sampler, &mut answer, observer)?;
            answer.times.decode = start.seconds();
        }
        Ok(answer)
    }

    fn decode(
        &self,
        request: &Request,
        prompt: Prompt,
        sampler: &mut Sampler,
        answer: &mut Answer,
        observer: Observer<'_>,
    ) -> Result<StopReason, Error> {
        let Prompt { mut sequence, mut logits } = prompt;
        let mut writer = Writer::new(self, request);
        if request.max_tokens == 0 {
            return Ok(StopReason::MaxTokens);
        }
        loop {
            let id = self.next_token(request, sampler, &logits, 0)?;
            sampler.see(&[id]);
            let (text, reason) = writer.push(id, sequence.len());
            answer.output_ids.push(id);
            answer.text.push_str(&text);
            let shown = if text.is_empty() { ControlFlow::Continue(()) } else { observer(Event::Text(&text)) };
            match reason {
                Some(StopReason::StopString) => return Ok(StopReason::StopString),
                _ if shown.is_break() => return Ok(StopReason::Cancelled),
                Some(reason) => return Ok(reason),
                None => logits = self.core.step(&mut sequence, id),
            }
        }
    }

    /// The next token, chosen by a row of logits.
    pub(crate) fn next_token(
        &self,
        request: &Request,
        sampler: &mut Sampler,
        logits: &Tensor,
        row: usize,
    ) -> Result<u32, Error> {
        if request.sampling.is_plain_greedy() {
            let top = self.core.backend.top(logits, row);
            return if top.value.is_finite() { Ok(top.index as u32) } else { Err(Error::NotFinite) };
        }
        let logits = self.core.backend.gather_rows(logits, &[row as u32]);
        let mut logits = numbers(&*self.core.backend, &logits);
        if !logits.iter().all(|x| x.is_finite()) {
            return Err(Error::NotFinite);
        }
        Ok(sampler.next(&mut logits))
    }
}
