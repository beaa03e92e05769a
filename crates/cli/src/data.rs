//! `smolvlm data`: training data, looked at and cleaned before it is learnt.

mod dedup;
mod show;

use crate::error::Error;

/// Look at training data as the readers see it, and find training pictures that stand in a test set
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Show(show::Args),
    Dedup(dedup::Args),
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    match args.command {
        Command::Show(args) => show::run(&args),
        Command::Dedup(args) => dedup::run(&args),
    }
}
