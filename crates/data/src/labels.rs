//! Which tokens of a sample are learnt.

use serde::{Deserialize, Serialize};
use smolvlm_processor::{Message, PlanOptions, Processor};

/// Which tokens are learnt. What stands for pictures never is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Labels {
    /// Answers, each with the token that ends it. Of a document, all of it.
    #[default]
    Answers,
    /// Everything but pictures' tokens, as the fine-tuning notebook has it: questions and the marks of tiles too.
    All,
    /// As m4's supervised fine-tuning: answers with the tokens that end them; everything but pictures where these are odd in
    /// number, as with a system message (`m4/training/packing.py`).
    Sft,
}

/// Whether each of `ids` is learnt, of a chat that was planned as `ids` with the pictures' `sizes`.
///
/// An answer begins where the prompt before it, rendered on its own, ends.
pub(crate) fn of_chat(
    labels: Labels,
    processor: &Processor,
    messages: &[Message],
    sizes: &[(u32, u32)],
    options: &PlanOptions,
    ids: &[u32],
) -> Result<Vec<bool>, String> {
    if labels == Labels::All {
        return Ok(of_document(processor, ids));
    }
    let end = processor.turn_end();
    let end = end.ok_or("the chat template ends answers with no token of its own; the labels `all` need none")?;
    let ends = ids.iter().filter(|id| **id == end).count();
    if labels == Labels::Sft && ends % 2 == 1 {
        return Ok(of_document(processor, ids));
    }
    let mut trained = vec![false; ids.len()];
    for (at, _) in messages.iter().enumerate().filter(|(_, m)| m.role == "assistant") {
        let before = messages.get(..at).unwrap_or_default();
        let places = before.iter().flat_map(|m| &m.content).filter(|p| p.is_place());
        let sizes = sizes.get(..places.count()).unwrap_or_default();
        if before.is_empty() {
            return Err("the chat begins with an answer; a question would be right".into());
        }
        let options = PlanOptions { generation_prompt: true, ..options.clone() };
        let prompt = processor.plan(before, sizes, &options).map_err(|e| e.to_string())?.ids;
        // A template may say more to a prompt than to a chat that goes on.
        let start = prompt.iter().zip(ids).take_while(|(a, b)| a == b).count();
        for (trained, id) in trained.iter_mut().zip(ids).skip(start) {
            *trained = true;
            if *id == end {
                break;
            }
        }
    }
    let image = processor.image_token_id();
    trained.iter_mut().zip(ids).for_each(|(trained, id)| *trained &= Some(*id) != image);
    Ok(trained)
}

/// Whether each is learnt where everything is.
pub(crate) fn of_document(processor: &Processor, ids: &[u32]) -> Vec<bool> {
    let image = processor.image_token_id();
    ids.iter().map(|&id| Some(id) != image).collect()
}
