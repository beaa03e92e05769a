//! How a question is put to the model: what it is shown, and what it answers.

use crate::evaluation::{Control, Options};
use crate::metrics::Metric;
use crate::picture::{Gallery, Key, Shown};
use crate::question::Question;
use crate::server::Remote;
use serde_json::{Map, Value, json};
use smolvlm_data::ClipFrames;
use smolvlm_engine::{Answer, Asked, Engine, Features, Request, Sampling};
use smolvlm_processor::{ClipChoice, ClipMode, Part, Picture, PlanOptions};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Who answers.
pub(crate) enum Asks<'a> {
    /// The model, here.
    Here(Box<Asker<'a>>),
    /// A server.
    There(Remote<'a>),
}

impl Asks<'_> {
    /// Each question with what is answered to it, or what is wrong with it; `None` where `go_on` broke off.
    pub(crate) fn answers(
        &mut self,
        batch: Vec<Question>,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Vec<(Question, Result<Given, String>)>> {
        match self {
            Asks::Here(asker) => asker.answers(batch, go_on),
            Asks::There(remote) => remote.answers(batch, go_on),
        }
    }

    /// Puts frames in the places of a question's clips.
    pub(crate) fn show_clips(&self, question: &mut Question) -> Result<(), String> {
        match self {
            Asks::Here(asker) => asker.show_clips(question),
            Asks::There(_) => Ok(()),
        }
    }
}

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
struct Seen {
    request: Request,
    pictures: Vec<Features>,
    question: Question,
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

    /// What the model is asked.
    fn request(&self, question: &Question) -> Request {
        Request {
            messages: question.messages.clone(),
            plan: PlanOptions { chat: question.chat, special: !question.chat, ..self.plan.clone() },
            sampling: Sampling::default(),
            max_tokens: self.options.max_tokens,
            stop: question.stops.clone(),
            show_special: false,
            grammar: None,
        }
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
        if !question.chat {
            question.pictures = beside_spaces(clips, question, frame)?;
            return Ok(());
        }
        question.pictures = clips.fill(&mut question.messages, pictures, &question.clips, frame)?;
        Ok(())
    }

    fn answers(
        &mut self,
        batch: Vec<Question>,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Vec<(Question, Result<Given, String>)>> {
        let (mut asked, mut given) = (Vec::new(), Vec::new());
        for mut question in batch {
            match self.show_clips(&mut question) {
                Ok(()) => asked.push(question),
                Err(why) => given.push((question, Err(why))),
            }
        }
        if go_on().is_break() {
            return None;
        }
        let shown: Vec<Arc<Shown>> = asked.iter().flat_map(|question| &question.pictures).cloned().collect();
        let all = self.gallery.see(self.engine, &shown, (&self.options.decode, &self.plan));
        let mut seen = Vec::new();
        for question in asked {
            match pictures_of(&question, &all) {
                Ok(pictures) => seen.push(Seen { request: self.request(&question), pictures, question }),
                Err(why) => given.push((question, Err(why))),
            }
        }
        if go_on().is_break() {
            return None;
        }
        let (chosen, written): (Vec<Seen>, Vec<Seen>) =
            seen.into_iter().partition(|seen| seen.question.by_choice || self.options.metric == Metric::Likelihood);
        let answers = self.written(&written, go_on)?;
        given.extend(written.into_iter().map(|seen| seen.question).zip(answers));
        for seen in chosen {
            if go_on().is_break() {
                return None;
            }
            let likeliest = self.likeliest(&seen);
            given.push((seen.question, likeliest));
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

    /// What the model holds for the likeliest of what may be chosen.
    fn likeliest(&self, seen: &Seen) -> Result<Given, String> {
        let candidates = &seen.question.candidates;
        if candidates.is_empty() {
            return Err("it lists no options by letters (A. …, B. …), between which likelihood could choose".to_owned());
        }
        let behind: Vec<String> = candidates.iter().map(|(_, behind)| behind.clone()).collect();
        let likelihoods = self.engine.likelihoods(seen.asked(), &behind).map_err(|e| e.to_string())?;
        let pairs = || candidates.iter().map(|(label, _)| label).zip(&likelihoods);
        // Of equally likely ones the first.
        let best = pairs().rev().max_by(|a, b| a.1.total_cmp(b.1)).map_or("", |(label, _)| label);
        let all: Map<String, Value> = pairs().map(|(label, of)| (label.clone(), json!(of))).collect();
        Ok(Given { text: best.to_owned(), more: vec![("likelihoods", all.into())] })
    }
}

impl Seen {
    fn asked(&self) -> Asked<'_> {
        Asked { request: &self.request, pictures: &self.pictures }
    }
}

/// The features of a question's pictures, among those that were seen.
fn pictures_of(question: &Question, all: &BTreeMap<Key, Result<Features, String>>) -> Result<Vec<Features>, String> {
    let of = |(at, shown): (usize, &Arc<Shown>)| match all.get(&shown.key()) {
        Some(Ok(features)) => Ok(features.clone()),
        Some(Err(why)) => Err(format!("picture {at}: {why}")),
        None => Err(format!("picture {at} was not seen")),
    };
    question.pictures.iter().enumerate().map(of).collect()
}

/// Puts a clip's words and frames in its place in a prompt that is one text, each behind a space, as VLMEvalKit joins them.
fn beside_spaces(
    clips: &ClipFrames,
    question: &mut Question,
    frame: impl Fn(Picture) -> Arc<Shown>,
) -> Result<Vec<Arc<Shown>>, String> {
    let mut pictures = Vec::new();
    let mut files = question.clips.iter();
    for message in &mut question.messages {
        let mut parts = Vec::new();
        for part in std::mem::take(&mut message.content) {
            let Part::Clip(_) = part else {
                parts.push(part);
                continue;
            };
            let shown = clips.shown(files.next().ok_or("a place for a clip, and none for it")?)?;
            parts.extend(shown.parts.iter().flat_map(|part| [Part::Text(" ".to_owned()), part.clone()]));
            pictures.extend(shown.frames.iter().cloned().map(&frame));
        }
        message.content = parts;
    }
    Ok(pictures)
}

/// How clips become frames; none where the model sees nothing.
fn clips(options: &Options, engine: &Engine) -> Option<ClipFrames> {
    let script = ClipChoice { mode: options.metric.is_choice().then_some(ClipMode::V1), ..ClipChoice::default() };
    ClipFrames::of(engine.processor(), options.clips.over(script), options.decode)
}
