//! Vectors of pictures and questions, to find pictures by: for models whose head makes them (ColSmol).

use crate::prompt::{Observer, PREFILL_ROWS, Sights};
use crate::{Engine, Error, Times, memory};
use smolvlm_backend::numbers;
use smolvlm_processor::{Message, Picture, Plan, PlanOptions};

/// What a picture is put to the network with, as `ColIdefics3Processor` of colpali-engine has it.
const PICTURE: &str = "Describe the image.";
/// So many ends of an utterance follow a question.
const BEHIND: usize = 10;

/// A vector for every token, each of length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// Numbers of a vector.
    pub width: usize,
    /// [tokens, width]
    pub numbers: Vec<f32>,
}

impl Vectors {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len() / self.width.max(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// How well a question's vectors, `self`, are found among a picture's: for each the nearest one's product, summed
    /// (`score_multi_vector` of colpali-engine).
    pub fn score(&self, picture: &Vectors) -> f32 {
        let width = self.width.max(1);
        let nearest = |mine: &[f32]| {
            let products = picture.numbers.chunks_exact(width).map(|theirs| dot(mine, theirs));
            products.fold(f32::NEG_INFINITY, f32::max)
        };
        self.numbers.chunks_exact(width).map(nearest).sum()
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Engine {
    /// The vectors of a picture; `None` where the observer broke off.
    ///
    /// # Errors
    /// The model makes none; the picture cannot be planned or does not fit the context; numbers that are not finite.
    pub fn embed_picture(
        &self,
        picture: &Picture,
        options: &PlanOptions,
        observer: Observer<'_>,
    ) -> Result<Option<Vectors>, Error> {
        let options = PlanOptions { context: Some(self.processor.context()), ..options.clone() };
        let chat = [Message::user(1, PICTURE)];
        let plan = self.processor.plan(&chat, &[(picture.width, picture.height)], &options)?;
        self.vectors(&plan, std::slice::from_ref(picture), observer)
    }

    /// The vectors of a question: it stands alone, without the chat's form, behind `prefix`.
    ///
    /// # Errors
    /// As [`Engine::embed_picture`].
    pub fn embed_text(&self, prefix: &str, text: &str, observer: Observer<'_>) -> Result<Option<Vectors>, Error> {
        let tokenizer = self.processor.tokenizer();
        let mut ids = tokenizer.encode_plain(&format!("{prefix}{text}"))?;
        ids.extend(self.processor.end_of_utterance().into_iter().flat_map(|end| [end; BEHIND]));
        let context = self.processor.context();
        if ids.len() > context {
            return Err(smolvlm_processor::Error::ContextTooLong { needed: ids.len(), context }.into());
        }
        let plan = Plan { chat: text.to_owned(), ids, pictures: Vec::new(), image_tokens: 0, tiles: 0 };
        self.vectors(&plan, &[], observer)
    }

    fn vectors(&self, plan: &Plan, pictures: &[Picture], observer: Observer<'_>) -> Result<Option<Vectors>, Error> {
        let core = &self.core;
        let width = core.model.config.vectors.ok_or(Error::MakesWords)?;
        memory::check_rows(core, plan.ids.len(), PREFILL_ROWS)?;
        let Some(x) = core.embed(plan, Sights::Pictures(pictures), &mut None, &mut Times::default(), observer)? else {
            return Ok(None);
        };
        let (mut sequence, mut all) = (core.sequence(), Vec::new());
        let total = plan.ids.len();
        for first in (0..total).step_by(PREFILL_ROWS) {
            let rows = PREFILL_ROWS.min(total - first);
            let hidden = core.forward(&mut sequence, &x, first, rows);
            core.each_logits(&hidden, rows, |vectors| all.extend(numbers(&*core.backend, vectors)));
        }
        for vector in all.chunks_exact_mut(width) {
            let length = dot(vector, vector).sqrt();
            vector.iter_mut().for_each(|x| *x /= length);
        }
        if all.iter().all(|x| x.is_finite()) {
            Ok(Some(Vectors { width, numbers: all }))
        } else {
            Err(Error::NotFinite)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_vector_counts_with_its_nearest() {
        let of = |numbers: &[f32]| Vectors { width: 2, numbers: numbers.to_vec() };
        let question = of(&[1.0, 0.0, 0.0, 1.0]);
        assert_eq!(question.score(&of(&[0.6, 0.8, 1.0, 0.0])), 1.0 + 0.8);
        assert_eq!((question.len(), question.is_empty()), (2, false));
    }
}
