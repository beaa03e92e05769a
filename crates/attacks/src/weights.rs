//! Files of weights.

use crate::{files, made};
use smolvlm_gguf::{Gguf, MMPROJ, TEXT};
use smolvlm_model::{Config, Weights};
use smolvlm_processor::Processor;
use smolvlm_sys::Files;

/// `model.safetensors`; or, where the input has several parts, an index and two files that it may name.
pub(crate) fn safetensors(bytes: &[u8]) {
    let one = files(bytes, &["model.safetensors"]);
    read(&one);
    let several = files(bytes, &["model.safetensors.index.json", "a.safetensors", "b.safetensors"]);
    read(&several);
}

/// Reads all numbers.
fn read(files: &Files) {
    let Ok(weights) = Weights::open(files) else { return };
    for entry in weights.entries().unwrap_or_default() {
        let numbers = weights.numbers(&entry.name);
        assert_eq!(numbers.len(), entry.shape.iter().product::<usize>(), "{}", entry.name);
    }
}

/// A decoder's GGUF and, where the input has two parts, its mmproj: tensors, settings, and the network that these ask for.
pub(crate) fn gguf(bytes: &[u8]) {
    let parts = files(bytes, &[TEXT, MMPROJ]);
    let Ok(text) = parts.map(TEXT) else { return };
    let mmproj = parts.map(MMPROJ).ok();
    let Ok(decoder) = Gguf::parse(&text) else { return };
    for (name, tensor) in decoder.tensors() {
        assert_eq!(tensor.to_f32().len(), tensor.elements(), "{name}");
        assert_eq!(tensor.shape.iter().product::<usize>(), tensor.elements(), "{name}");
    }
    let tower = mmproj.as_deref().and_then(|mmproj| Gguf::parse(mmproj).ok());
    if let Ok(settings) = smolvlm_gguf::settings(&decoder, tower.as_ref()) {
        let files = made(settings);
        let _ = (Config::open(&files).is_ok(), Processor::open(&files).is_ok());
    }
    read(&parts);
}
