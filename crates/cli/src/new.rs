//! `smolvlm new`: a checkpoint to train from.

use crate::error::Error;
use crate::output::print_line;
use crate::progress::Progress;
use clap::ValueEnum;
use serde_json::json;
use smolvlm_backend::Stored;
use smolvlm_train::new::{Made, New, Rope, make};
use std::path::PathBuf;

const EXAMPLES: &str = "\
What is fresh is drawn as transformers draws it: the connector and a decoder normal with a deviation of 0.02, a tower by
SigLIP's rules. SmolVLM's tokens come behind the tokenizer's own; their rows are the mean of the others. The head stays
tied to the table where the decoder's is, unless a shape file says tied = false.

A shape file, in TOML or JSON; with --text or --vision without the part that they give:
  scale_factor = 4
  longest_edge = 2048   # of pictures; four tiles, if it is left out
  tied = false
  [vision]
  hidden = 768
  intermediate = 3072
  layers = 12
  heads = 12
  image_size = 512
  patch_size = 16
  patches = \"random\"   # how the patch embedding begins: as it is, if left out, or \"cosines\", which learn sooner
  [text]
  hidden = 576
  intermediate = 1536
  layers = 30
  heads = 9
  kv_heads = 3      # heads, if it is left out
  head_dim = 64     # hidden / heads
  vocab = 49280     # as many as the tokenizer has tokens

Examples:
  smolvlm new --text SmolLM2-135M-Instruct --vision siglip-base-patch16-512 -o my-vlm
  smolvlm new --text SmolLM2-1.7B-Instruct --shape 2b -o my-vlm
  smolvlm new --text SmolLM2-360M --context 16384 --rope-base 273768 -o my-vlm
  smolvlm new --shape tiny.toml --tokenizer SmolLM2-135M --seed 1 -o tiny-vlm";

/// Make a new model to train: trained parts joined by a fresh connector, or all of it fresh
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A trained decoder with its tokenizer: a folder in SmolLM2's layout (LlamaForCausalLM)
    #[arg(long, value_name = "FOLDER")]
    text: Option<PathBuf>,
    /// A trained tower: a folder in SigLIP's layout [default: a fresh one, of the shape's sizes]
    #[arg(long, value_name = "FOLDER")]
    vision: Option<PathBuf>,
    /// Sizes of what is fresh: smolvlm-256m, smolvlm-500m, smolvlm-2b or a file [default with --text: smolvlm-256m's tower]
    #[arg(long, value_name = "NAME|FILE")]
    shape: Option<String>,
    /// The folder whose tokenizer a fresh decoder gets: a SmolLM2's or a SmolVLM's
    #[arg(long, value_name = "FOLDER")]
    tokenizer: Option<PathBuf>,
    /// Where random numbers begin: the same number draws the same weights
    #[arg(long, value_name = "N", default_value_t = 42, allow_negative_numbers = true)]
    seed: u64,
    /// What weights are stored in [default: as the decoder's are, else bf16]
    #[arg(long, value_enum)]
    dtype: Option<DType>,
    /// Positions [default: the decoder's own; 8192 for a fresh one of a file's shape]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    context: Option<usize>,
    /// Base of the rotary frequencies, for a longer context
    #[arg(long, value_name = "B", conflicts_with = "rope_scaling", allow_negative_numbers = true)]
    rope_base: Option<f64>,
    /// Divide the rotary frequencies by F, for a longer context
    #[arg(long, value_name = "linear:F")]
    rope_scaling: Option<String>,
    /// The folder to make; its parent must be there, and it must not
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// `--dtype`
#[derive(Clone, Copy, ValueEnum)]
enum DType {
    /// bfloat16
    Bf16,
    /// single precision
    F32,
}

impl Args {
    fn rope(&self) -> Result<Option<Rope>, Error> {
        let Some(word) = &self.rope_scaling else { return Ok(self.rope_base.map(Rope::Base)) };
        match word.strip_prefix("linear:").and_then(|factor| factor.parse().ok()) {
            Some(factor) => Ok(Some(Rope::Linear(factor))),
            None => Error::usage(format!("--rope-scaling {word}: linear:F with a number F would be right")),
        }
    }
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let new = New {
        rope: args.rope()?,
        text: args.text,
        vision: args.vision,
        shape: args.shape,
        tokenizer: args.tokenizer,
        seed: args.seed,
        dtype: args.dtype.map(|dtype| match dtype {
            DType::Bf16 => Stored::Bf16,
            DType::F32 => Stored::F32,
        }),
        context: args.context,
        output: args.output,
    };
    let progress = Progress::new();
    let made = make(&new, &|done, total| progress.show("tensors", done, total))?;
    progress.clear();
    let Made { config, dtype, added, vision, connector, text } = &made;
    let dtype = if *dtype == Stored::F32 { "f32" } else { "bf16" };
    let (vocab, context) = (config.text.vocab, config.text.context);
    let total = vision + connector + text;
    if args.json {
        let parameters = json!({"vision": vision, "connector": connector, "text": text, "total": total});
        return print_line(
            &json!({
                "output": new.output, "parameters": parameters, "dtype": dtype, "vocab": vocab, "added_tokens": added,
                "context": context, "tokens_per_tile": config.tokens_per_tile(), "tied": config.tied, "seed": new.seed,
            })
            .to_string(),
        );
    }
    let [total, vision, connector, text] = [total, *vision, *connector, *text].map(millions);
    print_line(&format!(
        "{}: {total} parameters (vision {vision}, connector {connector}, text {text}) in {dtype}, {vocab} rows with \
         {added} new tokens, context {context}",
        new.output.display()
    ))
}

/// A count in millions; a small one as it is.
fn millions(count: u64) -> String {
    if count < 1_000_000 { count.to_string() } else { format!("{:.1}M", count as f64 / 1e6) }
}
