//! nano: a small SmolVLM that the program carries, so that it answers before anything is downloaded.
//!
//! `model/` is a checkpoint folder like any other: what reads a folder reads these files, and [`files`] gives them as they
//! stand in the program, without a copy on disk. `model/README.md` is the model's card: what it learnt, how well, and
//! what it cannot do. The weights are under Apache-2.0.
#![forbid(unsafe_code)]

use smolvlm_sys::Files;

/// Names files of `model/` with their bytes.
macro_rules! model {
    ($($name:literal),+ $(,)?) => { &[$(($name, include_bytes!(concat!("../model/", $name)))),+] };
}

/// The model's files.
pub fn files() -> Files {
    Files::Held {
        name: "nano",
        files: model![
            "README.md",
            "chat_template.json",
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "preprocessor_config.json",
            "processor_config.json",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ],
    }
}

#[cfg(test)]
mod tests {
    /// Bytes of weights in bfloat16: the program stays one that is quickly fetched.
    const MOST: u64 = 16 << 20;

    #[test]
    fn every_file_of_the_folder_is_carried_and_the_weights_are_small() {
        let files = super::files();
        let folder = smolvlm_sys::Files::Folder(concat!(env!("CARGO_MANIFEST_DIR"), "/model").into());
        assert_eq!(files.names().unwrap(), folder.names().unwrap());
        let (_, bytes) = files.open("model.safetensors").unwrap();
        assert!(bytes <= MOST, "{bytes} bytes");
    }
}
