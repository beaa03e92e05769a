//! `smolvlm merge`: adapters into the model that they were made for.

use crate::error::Error;
use crate::options::adapter;
use crate::output::print_line;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  smolvlm merge -m MODEL --adapter out/latest -o merged
  smolvlm merge -m MODEL --adapter a=0.7 --adapter b=0.3 -o merged    two of them, each counting so much
  smolvlm run -m merged photo.jpg \"What is this?\"";

/// Merge adapters into a model: one folder, as fast as the model was
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The model that they were made for: its folder, a name on the hub, or nano
    #[arg(short, long, value_name = "MODEL")]
    model: String,
    /// An adapter's folder; may be repeated; =F behind it makes it count F times
    #[arg(long, value_name = "FOLDER[=F]", required = true)]
    adapter: Vec<String>,
    /// Where the merged model goes
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let model = crate::pull::files(&args.model, None)?;
    let adapters = args.adapter.iter().map(|word| adapter(word)).collect::<Result<Vec<_>, _>>()?;
    let layers = smolvlm_train::merge(model, &adapters, &args.output)?;
    print_line(&format!("{}: {layers} layers changed", args.output.display()))
}
