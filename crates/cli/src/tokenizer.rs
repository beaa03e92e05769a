//! `smolvlm tokenizer`: a small tokenizer of one's own.

use crate::error::Error;
use crate::options::{ColumnArgs, sources};
use crate::output::print_line;
use crate::progress::Progress;
use serde_json::json;
use smolvlm_train::new::{NewTokenizer, learn_tokenizer};
use std::path::PathBuf;

const EXAMPLES: &str = "\
The tokenizer is byte-level BPE with single digits, as SmolLM2's. `smolvlm new` adds SmolVLM's tokens to it.

Examples:
  smolvlm tokenizer --data chats.jsonl --size 1920 -o my-tokens
  smolvlm new --shape tiny.toml --tokenizer my-tokens -o tiny-vlm";

/// Learn a small tokenizer from the texts of the data, for a new model
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The data: files, folders or mixtures, as `smolvlm train` takes them
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    data: Vec<PathBuf>,
    #[command(flatten)]
    columns: ColumnArgs,
    /// Tokens, the 256 bytes and three special ones among them
    #[arg(long, value_name = "N", default_value_t = 8064)]
    size: usize,
    /// The most samples that are read
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    samples: usize,
    /// Which samples are read, where there are more
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// The folder to make; its parent must be there, and it must not
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let data = sources(&args.data, &args.columns.columns())?;
    let Args { samples, seed, size, output, .. } = args;
    let new = NewTokenizer { data, samples, seed, size, output };
    let progress = Progress::new();
    let tokens = learn_tokenizer(&new, &|done, total| progress.show("samples", done, total))?;
    progress.clear();
    if args.json {
        return print_line(&json!({ "output": new.output, "tokens": tokens }).to_string());
    }
    print_line(&format!("{}: {tokens} tokens", new.output.display()))
}
