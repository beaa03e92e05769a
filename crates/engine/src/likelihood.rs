//! How likely the model holds answers that are given to it.

use crate::perplexity::nll;
use crate::prompt::Sights;
use crate::{Asked, Engine, Error, Features, Times, memory};
use smolvlm_backend::numbers;
use smolvlm_processor::{Message, PlanOptions};
use std::ops::ControlFlow;

impl Engine {
    /// The natural log of each answer's probability behind a request's chat, without the token that ends it. The prompt is
    /// taken in once; how tokens are chosen does not matter.
    ///
    /// # Errors
    /// As [`Engine::plan`]; the template ends answers with no token of its own; there is not memory enough; or the network's
    /// numbers are not finite.
    pub fn likelihoods(&self, asked: Asked<'_>, answers: &[String]) -> Result<Vec<f64>, Error> {
        let sizes: Vec<(u32, u32)> = asked.pictures.iter().map(Features::size).collect();
        let plan = self.plan(asked.request, &sizes)?;
        let answers = answers
            .iter()
            .map(|answer| self.answer_ids(asked, &sizes, &plan.ids, answer))
            .collect::<Result<Vec<_>, Error>>()?;
        let longest = answers.iter().map(Vec::len).max().unwrap_or(0);
        let core = &self.core;
        memory::check_request(
            &*core.backend,
            memory::of_request(&core.model.config, core.quant, &plan, answers.len(), longest),
        )?;
        let (mut capture, mut times) = (None, Times::default());
        let mut go_on = |_: crate::Event<'_>| ControlFlow::Continue(());
        let prompt = core.take_prompt(&plan, Sights::Seen(asked.pictures), &mut capture, &mut times, &mut go_on)?;
        let Some(prompt) = prompt else { return Ok(Vec::new()) };
        let mut likelihoods = Vec::with_capacity(answers.len());
        for ids in &answers {
            let (mut sequence, mut logits, mut sum) = (prompt.sequence.clone(), prompt.logits.clone(), 0.0);
            let mut last = None;
            for &id in ids {
                if let Some(last) = last.replace(id) {
                    logits = core.step(&mut sequence, last);
                }
                sum -= nll(&numbers(&*core.backend, &logits), id);
            }
            if !sum.is_finite() {
                return Err(Error::NotFinite);
            }
            likelihoods.push(sum);
        }
        Ok(likelihoods)
    }

    /// The tokens that an answer has behind a prompt: what the template makes of both, less the prompt and the answer's end. Of a
    /// prompt that is one text all of them count, as it stands.
    fn answer_ids(
        &self,
        asked: Asked<'_>,
        sizes: &[(u32, u32)],
        prompt: &[u32],
        answer: &str,
    ) -> Result<Vec<u32>, Error> {
        let mut messages = asked.request.messages.clone();
        messages.push(Message::text("assistant", answer));
        if !asked.request.plan.chat {
            let whole = self.processor.plan(&messages, sizes, &asked.request.plan)?.ids;
            // Where the answer changes how the prompt's end is cut into tokens, its probability is not to be told.
            return whole.strip_prefix(prompt).map(<[u32]>::to_vec).ok_or(Error::Cut { answer: answer.to_owned() });
        }
        let options = PlanOptions { generation_prompt: false, ..asked.request.plan.clone() };
        let whole = self.processor.plan(&messages, sizes, &options)?.ids;
        let start = prompt.iter().zip(&whole).take_while(|(a, b)| a == b).count();
        let end = self.processor.turn_end().ok_or(Error::NoTurnEnd)?;
        Ok(whole.into_iter().skip(start).take_while(|&id| id != end).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DTypeChoice, EngineOptions, Request, Sampling};
    use smolvlm_backend::Isa;
    use smolvlm_processor::{DecodeOptions, Picture};

    #[test]
    fn likelihoods_are_those_of_the_whole_text() {
        let folder = smolvlm_golden::folder().join("idefics3-256m");
        let options = EngineOptions {
            threads: 2,
            isa: Isa::best(),
            dtype: DTypeChoice::F32,
            narrow_kv: false,
            adapters: Vec::new(),
        };
        let engine = Engine::open(&folder, &options, &mut |_, _| {}).unwrap();
        let request = |pictures: usize| Request {
            messages: vec![Message::user(pictures, "What is this?")],
            plan: PlanOptions::default(),
            sampling: Sampling::default(),
            max_tokens: 1,
            stop: Vec::new(),
            show_special: false,
            grammar: None,
        };
        let answers = ["A", "B", "a dog and a cat"].map(String::from);
        let plain = request(0);
        let found = engine.likelihoods(Asked { request: &plain, pictures: &[] }, &answers).unwrap();
        let total = |ids: &[u32]| {
            let perplexity = engine.perplexity(ids, ids.len(), &mut |_, _| {}).unwrap();
            -perplexity.mean_nll * perplexity.scored as f64
        };
        let prompt = engine.plan(&plain, &[]).unwrap().ids;
        for (answer, likelihood) in answers.iter().zip(&found) {
            let asked = Asked { request: &plain, pictures: &[] };
            let ids = engine.answer_ids(asked, &[], &prompt, answer).unwrap();
            assert!(!ids.is_empty() && engine.processor().tokenizer().decode(&ids, true).trim() == answer);
            let behind = total(&[&prompt[..], &ids].concat()) - total(&prompt);
            assert!((behind - likelihood).abs() < 1e-4 * behind.abs(), "{answer}: {behind} {likelihood}");
        }
        // With a picture it is another question, and an answer alone is as likely as beside others.
        let shown = request(1);
        let photo =
            Picture::open(&smolvlm_golden::folder().join("images/small.png"), &DecodeOptions::default()).unwrap();
        let seen = [engine.see(&photo, &shown.plan).unwrap()];
        let asked = Asked { request: &shown, pictures: &seen };
        let with = engine.likelihoods(asked, &answers).unwrap();
        assert_ne!(with, found);
        assert_eq!(engine.likelihoods(asked, &answers[2..]).unwrap(), with[2..]);
    }
}
