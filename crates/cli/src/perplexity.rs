//! `smolvlm perplexity`: how well a model foretells a text.

use crate::error::Error;
use crate::options::{ModelArgs, read_text};
use crate::output::print_line;
use crate::progress::Progress;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  smolvlm perplexity -m MODEL book.txt
  smolvlm perplexity -m MODEL book.txt --window 1024 --chunks 8 --dtype f32 --json";

/// Measure how well a model foretells a text: lower is better
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// A text file; - reads stdin
    #[arg(value_name = "FILE")]
    file: String,
    /// Tokens seen together; every one but a window's first is scored
    #[arg(long, value_name = "N", default_value_t = 512)]
    window: usize,
    /// Score the first N windows only
    #[arg(long, value_name = "N")]
    chunks: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let text = read_text(&args.file, 64)?;
    if args.window < 2 {
        return Error::usage("--window must be at least 2: a window's first token is not scored");
    }
    let engine = args.model.open()?;
    let context = engine.processor().context();
    if args.window > context {
        return Error::usage(format!("--window {} exceeds the model's context of {context}", args.window));
    }
    // The text is data: what looks like a special token in it is text.
    let ids = engine.processor().tokenizer().encode_plain(&text)?;
    let most = args.chunks.map_or(ids.len(), |chunks| chunks.saturating_mul(args.window));
    let ids = ids.get(..most).unwrap_or(&ids);
    let progress = Progress::new();
    let score = engine.perplexity(ids, args.window, &mut |done, total| progress.show("scoring", done, total))?;
    progress.clear();
    if args.json {
        return print_line(
            &json!({
                "perplexity": score.perplexity(), "mean_nll": score.mean_nll, "scored": score.scored,
                "tokens": ids.len(), "window": args.window,
            })
            .to_string(),
        );
    }
    let (perplexity, nll, scored) = (score.perplexity(), score.mean_nll, score.scored);
    print_line(&format!("perplexity {perplexity:.4} ({nll:.5} nats a token over {scored} tokens)"))
}
