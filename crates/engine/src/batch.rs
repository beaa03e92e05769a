//! Several requests answered side by side: their prompts pass the decoder together, and each step makes a token of every
//! answer. An answer has the bits that it has alone.

use crate::course::Course;
use crate::prompt::PREFILL_ROWS;
use crate::{Answer, Engine, Error, Request, Times};
use smolvlm_backend::{KvSequence, Tensor};
use smolvlm_model::Save;
use smolvlm_processor::{Picture, PicturePlan, Plan, PlanOptions};
use smolvlm_sys::Stopwatch;
use std::ops::ControlFlow;

/// Patches that pass the tower together: small tiles alone would leave it idle.
const PATCHES: usize = 1024;

/// A picture as the decoder reads it: made once, for as many questions as are asked about it. A clone shares the numbers.
#[derive(Clone)]
pub struct Features {
    plan: PicturePlan,
    /// Of some tiles each, in order: [tiles * tokens, hidden].
    tiles: Vec<Tensor>,
}

impl Features {
    /// The picture's width and height.
    pub fn size(&self) -> (u32, u32) {
        (self.plan.width, self.plan.height)
    }

    /// The memory that they take.
    pub fn bytes(&self) -> usize {
        self.tiles.iter().map(|tensor| tensor.len() * tensor.dtype().size()).sum()
    }
}

/// One of several requests.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What is asked.
    pub request: &'a Request,
    /// Of the pictures, one for each place in order; made with the request's own options.
    pub pictures: &'a [Features],
}

/// A request that is being answered.
struct Line<'a> {
    /// Its place among those asked.
    place: usize,
    course: Course<'a>,
    /// Its prompt, as far as it is taken in.
    sequence: KvSequence,
    prompt_tokens: usize,
    /// The first of its prompt's rows among those of all prompts.
    first: usize,
    /// Bytes of memory that it was foreseen to take.
    need: u64,
    failed: Option<Error>,
}

impl Line<'_> {
    fn goes_on(&self) -> bool {
        self.failed.is_none() && !self.course.is_done()
    }
}

impl Engine {
    /// A picture through the tower and the connector.
    ///
    /// # Errors
    /// Where it cannot be cut as the options say.
    pub fn see(&self, picture: &Picture, options: &PlanOptions) -> Result<Features, Error> {
        let (core, config) = (&self.core, &self.core.model.config);
        let plan = self.processor.picture_settings(options)?.plan(picture.width, picture.height)?;
        let pixels = plan.tiles(picture, core.backend.pool())?;
        let side = plan.tile as usize;
        let patches = config.sight.as_ref().map_or(1, |sight| sight.tower.patches());
        let together = (PATCHES / patches.max(1)).max(1);
        let chunks = pixels.chunks(together * 3 * side * side);
        let encode = |tiles| core.model.encode(&*core.backend, tiles, &core.tables, &mut Save::Off);
        Ok(Features { plan, tiles: chunks.map(encode).collect() })
    }

    /// Answers requests side by side: the first or best answer of each. `go_on` is asked before each pass. `None` where it
    /// broke off. Times are the batch's, shared out evenly.
    ///
    /// # Panics
    /// If pictures were made with other options than a request's.
    pub fn answer_all(
        &self,
        asked: &[Asked<'_>],
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Vec<Result<Answer, Error>>> {
        let first = |answers: Vec<Answer>| answers.into_iter().next().ok_or(Error::NothingLeft);
        Some(self.answers_all(asked, go_on)?.into_iter().map(|answers| answers.and_then(first)).collect())
    }

    /// As [`Engine::answer_all`], with all answers that each request asks for.
    ///
    /// # Panics
    /// As [`Engine::answer_all`].
    pub fn answers_all(
        &self,
        asked: &[Asked<'_>],
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Vec<Result<Vec<Answer>, Error>>> {
        let mut results: Vec<Option<Result<Vec<Answer>, Error>>> = asked.iter().map(|_| None).collect();
        let (mut lines, mut ids, mut tiles) = (Vec::new(), Vec::new(), Vec::new());
        for (place, asked) in asked.iter().enumerate() {
            let others = lines.iter().map(|line: &Line<'_>| line.need).sum();
            match self.line(place, *asked, ids.len(), others) {
                Ok((line, plan)) => {
                    ids.extend(plan.ids);
                    tiles.extend(asked.pictures.iter().flat_map(|features| &features.tiles));
                    lines.push(line);
                }
                Err(error) => put(&mut results, place, Err(error)),
            }
        }
        let mut times = Times::default();
        if !lines.is_empty() {
            let start = Stopwatch::start();
            let x = self.embed_all(&ids, &tiles);
            self.take_in(&mut lines, &x, go_on)?;
            times.prefill = start.seconds() / lines.len() as f64;
            let start = Stopwatch::start();
            self.write(&mut lines, go_on)?;
            times.decode = start.seconds() / lines.len() as f64;
        }
        for line in lines {
            let mut answers = line.course.finish();
            answers.iter_mut().for_each(|answer| answer.times = times);
            put(&mut results, line.place, line.failed.map_or(Ok(answers), Err));
        }
        Some(results.into_iter().flatten().collect())
    }

    /// A request's line, whose prompt begins at row `first`; others will take so much memory.
    fn line<'a>(
        &'a self,
        place: usize,
        asked: Asked<'a>,
        first: usize,
        others: u64,
    ) -> Result<(Line<'a>, Plan), Error> {
        let Asked { request, pictures } = asked;
        request.sampling.check()?;
        let sizes: Vec<(u32, u32)> = pictures.iter().map(Features::size).collect();
        let plan = self.plan(request, &sizes)?;
        let same = plan.pictures.iter().zip(pictures).all(|(plan, features)| *plan == features.plan);
        assert!(same, "pictures were seen with other options than the request's");
        let course = Course::new(self, request, &plan)?;
        let need = self.foresee(&course, &plan, others)?;
        let (sequence, prompt_tokens) = (self.core.sequence(), plan.ids.len());
        Ok((Line { place, course, sequence, prompt_tokens, first, need, failed: None }, plan))
    }

    /// Embeddings [ids, hidden] of prompts side by side, with the pictures' features in their places.
    fn embed_all(&self, ids: &[u32], tiles: &[&Tensor]) -> Tensor {
        let (core, config) = (&self.core, &self.core.model.config);
        let mut x = core.model.text.embed(&*core.backend, ids);
        let places = config.image_places(ids);
        let mut places = places.as_slice();
        for features in tiles {
            let (now, later) = places.split_at(features.rows().min(places.len()));
            x = core.backend.scatter_rows(x, now, features);
            places = later;
        }
        x
    }

    /// Takes the prompts in, as many rows at a time as one prompt's alone.
    fn take_in(&self, lines: &mut [Line<'_>], x: &Tensor, go_on: &mut dyn FnMut() -> ControlFlow<()>) -> Option<()> {
        let backend = &*self.core.backend;
        loop {
            let mut room = PREFILL_ROWS;
            let (mut places, mut rows, mut now, mut whole) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for line in lines.iter_mut().filter(|line| line.goes_on()) {
                let left = line.prompt_tokens - line.sequence.len();
                let count = left.min(room);
                if count == 0 {
                    continue;
                }
                room -= count;
                let start = line.first + line.sequence.len();
                places.extend(start as u32..(start + count) as u32);
                if count == left {
                    whole.push((now.len(), places.len() as u32 - 1));
                }
                rows.push(count);
                now.push(line);
            }
            if now.is_empty() {
                return Some(());
            }
            if go_on().is_break() {
                return None;
            }
            let mut sequences: Vec<&mut KvSequence> = now.iter_mut().map(|line| &mut line.sequence).collect();
            let hidden = self.core.side_by_side(&mut sequences, backend.gather_rows(x, &places), &rows);
            if whole.is_empty() {
                continue;
            }
            let last: Vec<u32> = whole.iter().map(|(_, row)| *row).collect();
            let logits = self.core.logits(&backend.gather_rows(&hidden, &last));
            for (row, (line, _)) in whole.into_iter().enumerate() {
                if let Some(line) = now.get_mut(line) {
                    let prompt = line.sequence.clone();
                    line.failed = line.course.begin(prompt, &logits, row).err();
                }
            }
        }
    }

    /// Makes token after token of every answer, until the last has ended.
    fn write(&self, lines: &mut [Line<'_>], go_on: &mut dyn FnMut() -> ControlFlow<()>) -> Option<()> {
        loop {
            let mut now: Vec<&mut Line<'_>> = lines.iter_mut().filter(|line| line.goes_on()).collect();
            if now.is_empty() {
                return Some(());
            }
            if go_on().is_break() {
                return None;
            }
            let each: Vec<Vec<u32>> = now.iter().map(|line| line.course.ids()).collect();
            let ids = each.concat();
            let x = self.core.model.text.embed(&*self.core.backend, &ids);
            let mut sequences: Vec<&mut KvSequence> = now.iter_mut().flat_map(|line| line.course.sequences()).collect();
            let hidden = self.core.side_by_side(&mut sequences, x, &vec![1; ids.len()]);
            let logits = self.core.logits(&hidden);
            let mut first = 0;
            for (line, ids) in now.into_iter().zip(each) {
                line.failed = line.course.step(&logits, first).err();
                first += ids.len();
            }
        }
    }
}

fn put<T>(places: &mut [Option<T>], place: usize, value: T) {
    if let Some(empty) = places.get_mut(place) {
        *empty = Some(value);
    }
}
