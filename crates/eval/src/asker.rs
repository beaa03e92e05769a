//! How a question is put to the model: what it is shown, and what it answers.

use crate::evaluation::{Control, Options};
use crate::metrics::{self, Metric};
use crate::picture::{Gallery, Shown};
use crate::question::Question;
use serde_json::{Map, Value, json};
use smolvlm_data::ClipFrames;
use smolvlm_engine::{Answer, Asked, Engine, Features, Request, Sampling};
use smolvlm_processor::{ClipChoice, ClipMode, PlanOptions};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Puts questions to a model.
pub(crate) struct Asker<'a> {
    options: &'a Options,
    engine: &'a Engine,
    gallery: Gallery,
    /// How clips become frames; none where the model sees nothing.
    clips: Option<ClipFrames>,
    /// How pictures become tiles, and clips frames.
    plan: PlanOptions,
}

/// A question with what the model is shown.
pub(crate) struct Seen {
    request: Request,
    pictures: Vec<Features>,
    pub(crate) question: Question,
}

/// What the model answers.
pub(crate) struct Given {
    pub(crate) text: String,
    /// What else is told of it.
    pub(crate) more: Vec<(&'static str, Value)>,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(options: &'a Options, engine: &'a Engine) -> Asker<'a> {
        let clips = clips(options, engine);
        let mode = clips.as_ref().map_or(ClipMode::default(), |clips| clips.settings().mode);
        let plan = PlanOptions { clips: mode, ..options.plan.clone() };
        Asker { options, engine, gallery: Gallery::default(), clips, plan }
    }

    /// Shows the model a question's pictures and clips.
    ///
    /// # Errors
    /// One of them cannot be shown, in words.
    pub(crate) fn see(&mut self, mut question: Question) -> Result<Seen, String> {
        self.show_clips(&mut question)?;
        let mut pictures = Vec::new();
        for (at, shown) in question.pictures.iter().enumerate() {
            let seen = self.gallery.see(self.engine, shown, (&self.options.decode, &self.plan));
            pictures.push(seen.map_err(|why| format!("picture {at}: {why}"))?);
        }
        let request = Request {
            messages: question.messages.clone(),
            plan: self.plan.clone(),
            sampling: Sampling::default(),
            max_tokens: self.options.max_tokens,
            stop: Vec::new(),
            show_special: false,
            grammar: None,
        };
        Ok(Seen { request, pictures, question })
    }

    /// Puts frames in the places of a question's clips.
    fn show_clips(&self, question: &mut Question) -> Result<(), String> {
        if question.clips.is_empty() {
            return Ok(());
        }
        let clips = self.clips.as_ref().ok_or("it has a clip, and the model sees nothing")?;
        let blank = self.options.control == Some(Control::Blank);
        let frame = |frame| Arc::new(Shown::frame(frame, blank));
        let pictures = std::mem::take(&mut question.pictures);
        question.pictures = clips.fill(&mut question.messages, pictures, &question.clips, frame)?;
        Ok(())
    }

    /// What the model answers to each, or what is wrong with it; `None` where `go_on` broke off.
    pub(crate) fn answers(
        &self,
        seen: &[Seen],
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Vec<Result<Given, String>>> {
        if self.options.metric != Metric::Likelihood {
            return self.written(seen, go_on);
        }
        let mut given = Vec::with_capacity(seen.len());
        for seen in seen {
            if go_on().is_break() {
                return None;
            }
            given.push(self.likeliest(seen));
        }
        Some(given)
    }

    /// The answers that the model writes.
    fn written(&self, seen: &[Seen], go_on: &mut dyn FnMut() -> ControlFlow<()>) -> Option<Vec<Result<Given, String>>> {
        let asked: Vec<Asked<'_>> = seen.iter().map(Seen::asked).collect();
        let given = |answer: Answer| {
            let text = answer.text.trim().to_owned();
            let more = vec![("tokens", json!(answer.output_ids.len())), ("stop", json!(answer.stop_reason.name()))];
            Given { text, more }
        };
        let answers = self.engine.answer_all(&asked, go_on)?.into_iter();
        Some(answers.map(|answer| answer.map(given).map_err(|e| e.to_string())).collect())
    }

    /// The letter that the model holds for the likeliest of a question's.
    fn likeliest(&self, seen: &Seen) -> Result<Given, String> {
        let letters = metrics::letters(&seen.question.truth.question);
        if letters.is_empty() {
            return Err("it lists no options by letters (A. …, B. …), between which likelihood could choose".to_owned());
        }
        let likelihoods = self.engine.likelihoods(seen.asked(), &letters).map_err(|e| e.to_string())?;
        let pairs = || letters.iter().zip(&likelihoods);
        let best = pairs().max_by(|a, b| a.1.total_cmp(b.1)).map_or("", |(letter, _)| letter);
        let all: Map<String, Value> = pairs().map(|(letter, of)| (letter.clone(), json!(of))).collect();
        Ok(Given { text: best.to_owned(), more: vec![("likelihoods", all.into())] })
    }
}

impl Seen {
    fn asked(&self) -> Asked<'_> {
        Asked { request: &self.request, pictures: &self.pictures }
    }
}

/// How clips become frames; none where the model sees nothing.
fn clips(options: &Options, engine: &Engine) -> Option<ClipFrames> {
    let script = ClipChoice { mode: options.metric.is_choice().then_some(ClipMode::V1), ..ClipChoice::default() };
    ClipFrames::of(engine.processor(), options.clips.over(script), options.decode)
}
