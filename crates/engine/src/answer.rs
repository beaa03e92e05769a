//! The answer, token by token.

use crate::batch::GUESSING;
use crate::capture::Capture;
use crate::course::Course;
use crate::prompt::{Observer, Prompt, Sights};
use crate::{Answer, Engine, Error, Event, Features, Request, StopReason, Times, memory};
use smolvlm_processor::{Picture, Plan, PlanOptions};
use smolvlm_sys::Stopwatch;
use std::sync::Arc;

impl Engine {
    /// The plan of a request: what its pictures become, and the prompt. Nothing is computed yet.
    ///
    /// # Errors
    /// Where pictures and their places do not match, or the prompt does not fit the context.
    pub fn plan(&self, request: &Request, sizes: &[(u32, u32)]) -> Result<Plan, Error> {
        if self.core.model.config.vectors.is_some() {
            return Err(Error::MakesVectors);
        }
        let options = PlanOptions { context: Some(self.processor.context()), ..request.plan.clone() };
        Ok(self.processor.plan(&request.messages, sizes, &options)?)
    }

    /// Answers a request about `pictures`, one for each place in order: the first or best answer, where several are asked
    /// for. `observer` is told what happens and may break off; `capture` is filled where it is given.
    ///
    /// # Errors
    /// As [`Engine::plan`], and where a setting of the tokens' choice is out of its range, contradicts another or lets no
    /// token through, or the network's numbers are not finite.
    pub fn answer(
        &self,
        request: &Request,
        pictures: &[Picture],
        capture: Option<&mut Capture>,
        observer: Observer<'_>,
    ) -> Result<Answer, Error> {
        let answers = self.answers(request, pictures, capture, observer)?;
        answers.into_iter().next().ok_or(Error::NothingLeft)
    }

    /// As [`Engine::answer`], with all answers that are asked for: samples in order, or the best of a search.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub fn answers(
        &self,
        request: &Request,
        pictures: &[Picture],
        capture: Option<&mut Capture>,
        observer: Observer<'_>,
    ) -> Result<Vec<Answer>, Error> {
        let sizes: Vec<(u32, u32)> = pictures.iter().map(|p| (p.width, p.height)).collect();
        self.answers_about(request, Sights::Pictures(pictures), &sizes, capture, observer)
    }

    /// As [`Engine::answers`], about pictures that passed the tower already ([`Engine::see`], [`Engine::see_frame`]).
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub fn answers_seen(
        &self,
        request: &Request,
        seen: &[Features],
        observer: Observer<'_>,
    ) -> Result<Vec<Answer>, Error> {
        let sizes: Vec<(u32, u32)> = seen.iter().map(Features::size).collect();
        self.answers_about(request, Sights::Seen(seen), &sizes, None, observer)
    }

    fn answers_about(
        &self,
        request: &Request,
        sights: Sights<'_>,
        sizes: &[(u32, u32)],
        capture: Option<&mut Capture>,
        observer: Observer<'_>,
    ) -> Result<Vec<Answer>, Error> {
        request.sampling.check()?;
        let mut times = Times::default();
        let start = Stopwatch::start();
        let plan = self.plan(request, sizes)?;
        let mut course = Course::new(self, Arc::new(request.clone()), &plan)?;
        self.foresee(&course, &plan, 0)?;
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
        let prompt = self.core.take_prompt(&plan, sights, &mut capture, &mut times, observer)?;
        let mut broken = false;
        if let Some(prompt) = prompt {
            let start = Stopwatch::start();
            broken = self.decode(&mut course, prompt, observer)?;
            times.decode = start.seconds();
        }
        let mut answers = course.finish();
        for answer in &mut answers {
            // A stop string's text is gone: nobody can go on behind it.
            if broken && answer.stop_reason != StopReason::StopString {
                answer.stop_reason = StopReason::Cancelled;
            }
            answer.times = times;
        }
        Ok(answers)
    }

    /// That there is the memory that answers will take, beside what others come to take.
    ///
    /// # Errors
    /// There is not as much.
    pub(crate) fn foresee(&self, course: &Course<'_>, plan: &Plan, others: u64) -> Result<(), Error> {
        let core = &self.core;
        let need = memory::of_request(&core.model.config, core.quant, plan, course.width(), course.room());
        memory::check_request(&*core.backend, need.saturating_add(others))
    }

    /// Makes token after token until all answers have ended; whether the observer broke off.
    fn decode(&self, course: &mut Course<'_>, prompt: Prompt, observer: Observer<'_>) -> Result<bool, Error> {
        let Prompt { sequence, mut logits } = prompt;
        if course.is_done() {
            return Ok(false);
        }
        course.begin(sequence, &logits, 0)?;
        for done in 1.. {
            let text = course.take_text();
            let event = match course.streams() {
                true if text.is_empty() => None,
                true => Some(Event::Text(&text)),
                false => Some(Event::Step { done, total: course.limit() }),
            };
            if event.is_some_and(|event| observer(event).is_break()) {
                return Ok(true);
            }
            if course.is_done() {
                break;
            }
            course.guess(&mut GUESSING.saturating_sub(course.answers()));
            if let Some((id, sequence)) = course.only() {
                logits = self.core.step(sequence, id);
            } else {
                let x = self.core.model.text.embed(&*self.core.backend, &course.ids());
                let rows = course.rows();
                let mut sequences = course.sequences();
                let hidden = self.core.side_by_side(&mut sequences, x, &rows);
                logits = self.core.logits(&hidden);
            }
            course.step(&logits, 0)?;
        }
        Ok(false)
    }
}
