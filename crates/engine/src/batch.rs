//! Several requests answered side by side: their prompts pass the decoder together, and each step makes a token of every
//! answer. An answer has the bits that it has alone.

use crate::prompt::PREFILL_ROWS;
use crate::writer::Writer;
use crate::{Answer, Engine, Error, Request, Sampler, StopReason, Times};
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

/// An answer that is being made.
struct Line<'a> {
    /// Its place among those asked.
    place: usize,
    request: &'a Request,
    sampler: Sampler,
    writer: Writer<'a>,
    sequence: KvSequence,
    /// The first of its prompt's rows among those of all prompts.
    first: usize,
    answer: Answer,
    /// Its newest token, which has not passed the decoder.
    next: Option<u32>,
    ended: Option<Result<StopReason, Error>>,
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

    /// Answers requests side by side; `go_on` is asked before each pass. `None` where it broke off. Times are the batch's,
    /// shared out evenly.
    ///
    /// # Panics
    /// If pictures were made with other options than a request's.
    pub fn answer_all(
        &self,
        asked: &[Asked<'_>],
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Vec<Result<Answer, Error>>> {
        let mut results: Vec<Option<Result<Answer, Error>>> = asked.iter().map(|_| None).collect();
        let (mut lines, mut ids, mut tiles) = (Vec::new(), Vec::new(), Vec::new());
        for (place, asked) in asked.iter().enumerate() {
            match self.line(place, *asked, ids.len()) {
                Ok((line, plan)) => {
                    ids.extend(plan.ids);
                    tiles.extend(asked.pictures.iter().flat_map(|features| &features.tiles));
                    lines.push(line);
                }
                Err(error) => put(&mut results, place, Err(error)),
            }
        }
        if !lines.is_empty() {
            let start = Stopwatch::start();
            let x = self.embed_all(&ids, &tiles);
            self.take_in(&mut lines, &x, go_on)?;
            let prefill = start.seconds() / lines.len() as f64;
            let start = Stopwatch::start();
            self.write(&mut lines, go_on)?;
            let decode = start.seconds() / lines.len() as f64;
            lines.iter_mut().for_each(|line| line.answer.times = Times { prefill, decode, ..Times::default() });
        }
        for line in lines {
            let reason = line.ended.unwrap_or(Ok(StopReason::Cancelled));
            put(&mut results, line.place, reason.map(|stop_reason| Answer { stop_reason, ..line.answer }));
        }
        Some(results.into_iter().flatten().collect())
    }

    /// A request's line, whose prompt begins at row `first`.
    fn line<'a>(&'a self, place: usize, asked: Asked<'a>, first: usize) -> Result<(Line<'a>, Plan), Error> {
        let Asked { request, pictures } = asked;
        let mut sampler = Sampler::new(request.sampling.clone(), self.core.model.config.text.vocab)?;
        let sizes: Vec<(u32, u32)> = pictures.iter().map(Features::size).collect();
        let plan = self.plan(request, &sizes)?;
        let same = plan.pictures.iter().zip(pictures).all(|(plan, features)| *plan == features.plan);
        assert!(same, "pictures were seen with other options than the request's");
        sampler.see(&plan.ids);
        let line = Line {
            place,
            request,
            sampler,
            writer: Writer::new(self, request),
            sequence: self.core.sequence(),
            first,
            answer: Answer {
                text: String::new(),
                output_ids: Vec::new(),
                stop_reason: StopReason::Cancelled,
                prompt_tokens: plan.ids.len(),
                image_tokens: plan.image_tokens,
                times: Times::default(),
            },
            next: None,
            ended: (request.max_tokens == 0).then_some(Ok(StopReason::MaxTokens)),
        };
        Ok((line, plan))
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
            for line in lines.iter_mut().filter(|line| line.ended.is_none()) {
                let left = line.answer.prompt_tokens - line.sequence.len();
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
                    self.choose(line, &logits, row);
                }
            }
        }
    }

    /// Makes token after token of every answer, until the last has ended.
    fn write(&self, lines: &mut [Line<'_>], go_on: &mut dyn FnMut() -> ControlFlow<()>) -> Option<()> {
        loop {
            let mut now: Vec<&mut Line<'_>> = lines.iter_mut().filter(|line| line.ended.is_none()).collect();
            let ids: Vec<u32> = now.iter().filter_map(|line| line.next).collect();
            if now.is_empty() {
                return Some(());
            }
            if go_on().is_break() {
                return None;
            }
            let x = self.core.model.text.embed(&*self.core.backend, &ids);
            let mut sequences: Vec<&mut KvSequence> = now.iter_mut().map(|line| &mut line.sequence).collect();
            let hidden = self.core.side_by_side(&mut sequences, x, &vec![1; ids.len()]);
            let logits = self.core.logits(&hidden);
            for (row, line) in now.into_iter().enumerate() {
                self.choose(line, &logits, row);
            }
        }
    }

    /// The line's next token, by its row of logits.
    fn choose(&self, line: &mut Line<'_>, logits: &Tensor, row: usize) {
        let id = match self.next_token(line.request, &mut line.sampler, logits, row) {
            Ok(id) => id,
            Err(error) => {
                line.ended = Some(Err(error));
                return;
            }
        };
        line.sampler.see(&[id]);
        let (text, reason) = line.writer.push(id, line.sequence.len());
        line.answer.output_ids.push(id);
        line.answer.text.push_str(&text);
        line.next = Some(id);
        line.ended = reason.map(Ok);
    }
}

fn put<T>(places: &mut [Option<T>], place: usize, value: T) {
    if let Some(empty) = places.get_mut(place) {
        *empty = Some(value);
    }
}
