//! A small tokenizer of one's own, for a decoder that is fresh: byte-level BPE as SmolLM2's, learnt from the texts of the
//! data.

use super::{begin, finish, wrong};
use crate::Error;
use crate::files::write;
use smolvlm_data::{Content, Mixture, SourceConfig};
use smolvlm_processor::Part;
use std::path::PathBuf;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, PreTokenizerWrapper, Tokenizer};

/// SmolLM2's own special tokens, in its order; SmolVLM's come with the model ([`super::make`]).
const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
/// The bytes, which every text can fall back to.
const BYTES: usize = 256;

/// What a tokenizer is learnt from.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTokenizer {
    /// The data whose texts are read.
    pub data: Vec<SourceConfig>,
    /// How many samples are read.
    pub samples: usize,
    /// Which are drawn.
    pub seed: u64,
    /// Tokens, bytes and special ones among them.
    pub size: usize,
    /// The folder to make.
    pub output: PathBuf,
}

/// Learns a tokenizer, and writes it as `tokenizer.json` into a new folder; the number of its tokens comes back. `progress` is
/// told how many samples are read, and of how many. The same settings give the same file.
///
/// # Errors
/// The output is there already, the data cannot be read, or the size leaves no room beside bytes and special tokens.
pub fn learn(new: &NewTokenizer, progress: &dyn Fn(usize, usize)) -> Result<usize, Error> {
    let fewest = BYTES + SPECIAL.len();
    if new.size <= fewest {
        return Err(wrong(format!(
            "--size {}: more than {fewest}, the bytes and special tokens, would be right",
            new.size
        )));
    }
    let folder = begin(&new.output)?;
    let texts = texts(new, progress)?;
    let failed = |e: tokenizers::Error| wrong(format!("the tokenizer could not be learnt: {e}"));
    let mut tokenizer = Tokenizer::new(BPE::default());
    let bytes = ByteLevel::new(false, true, true);
    let splits = [PreTokenizerWrapper::from(Digits::new(true)), PreTokenizerWrapper::from(bytes)];
    tokenizer.with_pre_tokenizer(Some(Sequence::new(splits.into())));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    let trainer = BpeTrainerBuilder::new()
        .vocab_size(new.size)
        .special_tokens(SPECIAL.map(|token| AddedToken::from(token, true)).into())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .show_progress(false)
        .build();
    tokenizer.train(&mut TrainerWrapper::from(trainer), texts.into_iter()).map_err(failed)?;
    let json = tokenizer.to_string(true).map_err(failed)?;
    write(&folder.path().join("tokenizer.json"), json.as_bytes())?;
    finish(folder, &new.output)?;
    Ok(tokenizer.get_vocab_size(true))
}

/// What is said in the samples that are read.
fn texts(new: &NewTokenizer, progress: &dyn Fn(usize, usize)) -> Result<Vec<String>, Error> {
    let mixture = Mixture::open(&new.data, new.seed)?;
    let samples = (mixture.epoch()).min(new.samples as u64);
    let mut texts = Vec::new();
    for (done, draw) in mixture.draws(0, samples as usize).into_iter().enumerate() {
        progress(done, samples as usize);
        // What cannot be read is left out, as in training.
        let read = mixture.source(draw.source).map(|source| source.read(draw.row as usize));
        let Some(Ok(sample)) = read else { continue };
        let parts: Vec<Part> = match sample.content {
            Content::Chat(messages) => messages.into_iter().flat_map(|message| message.content).collect(),
            Content::Document(parts) => parts,
        };
        texts.extend(parts.into_iter().filter_map(|part| if let Part::Text(text) = part { Some(text) } else { None }));
    }
    if texts.is_empty() {
        return Err(wrong("the data has no text to learn a tokenizer from".into()));
    }
    Ok(texts)
}
