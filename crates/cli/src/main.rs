//! The program `smolvlm`: one file a subcommand.
//!
//! The answer goes to stdout; progress, notes and errors go to stderr. Exit codes: 0 done, 1 refused or failed, 2 wrong
//! usage.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod bench;
mod chat;
mod clipboard;
mod clips;
mod compare;
mod convert;
mod data;
mod demo;
mod doctor;
mod dump;
mod embed;
mod error;
mod eval;
mod explain;
mod merge;
mod models;
mod new;
mod options;
mod output;
mod perplexity;
mod pictures;
mod progress;
mod pull;
mod quantize;
mod run;
#[cfg(feature = "serve")]
mod serve;
mod signals;
mod synth;
mod terminal;
mod tokenizer;
mod train;
mod watch;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use error::{Error, one_line};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// SmolVLM, the small vision-language model: exact, fast, in one program.
#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 110)]
#[cfg_attr(feature = "nano", command(after_help = "To begin with: smolvlm demo"))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Box<run::Args>),
    Chat(Box<chat::Args>),
    #[cfg(feature = "serve")]
    Serve(Box<serve::Args>),
    Demo(demo::Args),
    Train(Box<train::Args>),
    Merge(merge::Args),
    Convert(convert::Args),
    Eval(Box<eval::Args>),
    Explain(explain::Args),
    Embed(embed::Args),
    Perplexity(perplexity::Args),
    Compare(compare::Args),
    Quantize(quantize::Args),
    Bench(bench::Args),
    Pull(pull::Args),
    Models(models::Args),
    Data(data::Args),
    Synth(synth::Args),
    Doctor(doctor::Args),
    New(new::Args),
    Tokenizer(tokenizer::Args),
    Watch(Box<watch::Args>),
}

fn main() -> ExitCode {
    smolvlm_sys::report_cut_files();
    let words = match words() {
        Ok(words) => words,
        Err(error) => return report(&error),
    };
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(shown) if !shown.use_stderr() || shown.kind() == MISSING => shown.exit(),
        Err(error) => return report(&Error::arguments(&error)),
    };
    let result = match cli.command {
        Command::Run(args) => run::run(*args),
        Command::Chat(args) => chat::run(&args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Train(args) => train::run(*args),
        Command::Merge(args) => merge::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Eval(args) => eval::run(&args),
        Command::Explain(args) => explain::run(args),
        Command::Embed(args) => embed::run(args),
        Command::Perplexity(args) => perplexity::run(args),
        Command::Compare(args) => compare::run(&args),
        Command::Quantize(args) => quantize::run(&args),
        Command::Bench(args) => bench::run(args),
        Command::Pull(args) => pull::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Data(args) => data::run(args),
        Command::Synth(args) => synth::run(&args),
        Command::Doctor(args) => doctor::run(args),
        Command::New(args) => new::run(args),
        Command::Tokenizer(args) => tokenizer::run(args),
        Command::Watch(args) => watch::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the answer has closed the pipe: enough was said.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

/// The words of the call, and those of the file of options that it names.
fn words() -> Result<Vec<OsString>, Error> {
    let words = std::env::args_os().collect();
    #[cfg(feature = "serve")]
    let words = smolvlm_server::config::words(&<Cli as clap::CommandFactory>::command(), "serve", words)?;
    Ok(words)
}

/// A call without any words: clap shows the help.
const MISSING: ErrorKind = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;

/// One line on stderr, which may be closed; more where there is something to try.
fn report(error: &Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {}", one_line(&error.to_string()));
    if let Error::Nothing { examples, .. } = error {
        let _ = writeln!(std::io::stderr(), "{examples}");
    }
    error.exit_code()
}
