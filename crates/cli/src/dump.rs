//! `--dump`: what the network computed, as safetensors.

use crate::error::Error;
use crate::output::NewFile;
use safetensors::tensor::{Dtype, TensorView};
use smolvlm_engine::Capture;

/// A tensor's name, type, shape and bytes.
type Entry = (&'static str, Dtype, Vec<usize>, Vec<u8>);

/// Writes a capture and the answer's tokens.
pub(crate) fn write(file: NewFile, capture: &Capture, output_ids: &[u32]) -> Result<(), Error> {
    let entries = entries(capture, output_ids);
    let views = entries
        .iter()
        .map(|(name, dtype, shape, bytes)| TensorView::new(*dtype, shape.clone(), bytes).map(|view| (*name, view)));
    let bytes = views
        .collect::<Result<Vec<_>, _>>()
        .and_then(|views| safetensors::serialize(views, None))
        .map_err(|e| Error::Usage(format!("--dump: {e}")))?;
    file.finish(&bytes)
}

fn entries(capture: &Capture, output_ids: &[u32]) -> Vec<Entry> {
    let ids = |ids: &[u32]| ids.iter().flat_map(|&id| i64::from(id).to_le_bytes()).collect();
    let f32s = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let (side, vocab) = (capture.side, capture.vocab.max(1));
    let tiles = capture.pixels.len() / (3 * side * side).max(1);
    let mut entries: Vec<Entry> = vec![
        ("input_ids", Dtype::I64, vec![capture.input_ids.len()], ids(&capture.input_ids)),
        (
            "argmax",
            Dtype::I64,
            vec![capture.argmax.len()],
            capture.argmax.iter().flat_map(|&id| (id as i64).to_le_bytes()).collect(),
        ),
        ("margin", Dtype::F32, vec![capture.margin.len()], f32s(&capture.margin)),
        ("last_logits", Dtype::F32, vec![capture.last_logits.len() / vocab, vocab], f32s(&capture.last_logits)),
        ("output_ids", Dtype::I64, vec![output_ids.len()], ids(output_ids)),
    ];
    if tiles > 0 {
        let features = vec![tiles, capture.tokens_per_tile, capture.hidden];
        entries.push(("pixels", Dtype::U8, vec![tiles, 3, side, side], capture.pixels.clone()));
        entries.push(("image_features", Dtype::F32, features, f32s(&capture.image_features)));
    }
    entries
}
