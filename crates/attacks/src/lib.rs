//! What is done with a stranger's bytes: one function a kind of file. The fuzzer (`fuzz/`) calls them with bytes that it
//! makes up, and a test here with those that it has found worth keeping (`fuzz/corpus`).
//!
//! They must return, whatever the bytes are: no panic, no endless work, no more memory than the bytes account for.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod bodies;
mod grammars;
mod pictures;
mod settings;
mod texts;
mod weights;

use smolvlm_sys::{Files, Made};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A kind of attack.
pub struct Target {
    /// What it and its corpus are called.
    pub name: &'static str,
    /// What is done with the bytes.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "safetensors", run: weights::safetensors },
    Target { name: "gguf", run: weights::gguf },
    Target { name: "tokenizer", run: texts::tokenizer },
    Target { name: "settings", run: settings::settings },
    Target { name: "template", run: texts::template },
    Target { name: "picture", run: pictures::picture },
    Target { name: "orientation", run: pictures::orientation },
    Target { name: "data_url", run: texts::data_url },
    Target { name: "grammar", run: grammars::grammar },
    Target { name: "body", run: bodies::body },
];

/// What is done with the bytes by the target of this name.
///
/// # Panics
/// If there is none, or it finds a fault.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    assert!(target.is_some(), "no target is called {name}");
    target.iter().for_each(|target| (target.run)(bytes));
}

/// What lies between the files of one input.
const BETWEEN: &[u8] = b"\n---\n";

/// Cuts an input into files of these names, as far as it goes.
fn files(bytes: &[u8], names: &[&str]) -> Files {
    let mut held = BTreeMap::new();
    let mut rest = Some(bytes);
    for (i, name) in names.iter().enumerate() {
        let Some(bytes) = rest else { break };
        let cut = bytes.windows(BETWEEN.len()).position(|part| part == BETWEEN).filter(|_| i + 1 < names.len());
        let (file, after) = match cut {
            Some(at) => (bytes.get(..at), bytes.get(at + BETWEEN.len()..)),
            None => (Some(bytes), None),
        };
        held.insert((*name).to_owned(), file.unwrap_or_default().to_vec());
        rest = after;
    }
    made(held)
}

/// Files in memory.
fn made(held: BTreeMap<String, Vec<u8>>) -> Files {
    Files::Made(Arc::new(Made { name: "attack".into(), held, linked: BTreeMap::new() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_cut_into_files() {
        let of = |bytes: &[u8]| {
            let files = files(bytes, &["a", "b"]);
            ["a", "b"].map(|name| files.map(name).ok().map(|bytes| bytes.to_vec()))
        };
        assert_eq!(of(b"one"), [Some(b"one".to_vec()), None]);
        assert_eq!(of(b"one\n---\ntwo\n---\n"), [Some(b"one".to_vec()), Some(b"two\n---\n".to_vec())]);
        assert_eq!(of(b"\n---\n"), [Some(vec![]), Some(vec![])]);
    }
}
