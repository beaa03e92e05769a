//! `smolvlm chat`: a conversation in the terminal, or line by line from a pipe.

mod command;
mod conversation;
mod entry;
mod file;
mod history;
mod interrupt;
mod lines;
mod output;
mod picture;
mod session;
mod settings;
mod show;
mod turn;
mod words;

use crate::clips::ClipArgs;
use crate::error::{Error, one_line};
use crate::options::{ModelArgs, PictureArgs};
use crate::pictures::{Medium, Source, SourceArgs};
use crate::run::DecodingArgs;
use crate::terminal::{Shown, Terminal};
use clap::ArgGroup;
use conversation::Conversation;
use interrupt::Interrupt;
use lines::{Got, Lines};
use output::Output;
use session::Session;
use settings::Settings;
use smolvlm_engine::{Service, ServiceOptions};
use std::path::PathBuf;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  smolvlm chat                                   with nano, the small model that this program carries
  smolvlm chat -m MODEL photo.jpg                the first question is about this picture
  smolvlm chat -m MODEL clip.mp4                 or about this clip
  smolvlm chat -m MODEL --system \"Answer in one word.\"
  smolvlm chat -m MODEL --temp 0.7 -n 200
  smolvlm chat -m MODEL --load chat.json         goes on where /save left off
  smolvlm chat --pictures sixel photo.jpg        this terminal's graphics, where they are not found out
  printf 'photo.jpg What is this?\\nAnd its colour?\\n' | smolvlm chat -m MODEL
  printf 'One.\\nTwo.\\n' | smolvlm chat -m MODEL --json

In the conversation /help shows the commands; docs/chat.md tells more.";

/// Rows of the terminal that a picture takes at most.
const ROWS: u32 = 16;

/// Talk with a model, and show it pictures
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("programs").multiple(true))]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Pictures and clips of the first question: files, http(s) addresses, data: URLs
    #[arg(value_name = "PICTURE")]
    words: Vec<String>,
    /// What the model is told before all
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Go on with a conversation from a file, as /save writes it and run --messages reads it
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
    /// How this terminal shows pictures [default: as its environment tells]
    #[arg(long = "pictures", value_enum, value_name = "HOW")]
    shown: Option<Shown>,
    /// Show no pictures
    #[arg(long, conflicts_with = "shown")]
    no_pictures: bool,
    /// Neither read nor keep the lines that are entered
    #[arg(long)]
    no_history: bool,
    /// No notes: neither what an answer took, nor what a picture becomes
    #[arg(short, long)]
    quiet: bool,
    /// Print one JSON object a turn: the answer, counts, times in seconds
    #[arg(long, group = "programs")]
    json: bool,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    pictures: PictureArgs,
    #[command(flatten)]
    clips: ClipArgs,
    #[command(flatten)]
    decoding: DecodingArgs,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    args.decoding.check()?;
    let pictures = given(args)?;
    let mut lines = Lines::of_stdin(!args.no_history)?;
    let mut session = begin(args, &lines)?;
    if let Some(path) = &args.load {
        session.load(path)?;
    }
    if let Some(system) = &args.system {
        session.talk.set_system(system);
    }
    session.attach(&pictures)?;
    if lines.is_terminal() {
        welcome(&session)?;
    }
    loop {
        match lines.next()? {
            Got::Entry(text) => {
                if session.enter(&text)?.is_break() {
                    break;
                }
            }
            Got::Interrupt { empty: true } => std::process::exit(interrupt::CODE.into()),
            Got::Interrupt { empty: false } => {}
            Got::End => break,
        }
    }
    // Who typed them has seen what became of them.
    match session.failed {
        failed @ 1.. if !lines.is_terminal() => Err(Error::Entries { failed }),
        _ => Ok(()),
    }
}

/// The pictures of the call. Mistakes are told before the model is loaded.
fn given(args: &Args) -> Result<Vec<Medium>, Error> {
    if let Some(word) = args.words.iter().find(|word| !Source::of(word).is_there()) {
        return Error::usage(format!("'{word}' is no file: the words are pictures; questions are asked once it runs"));
    }
    let sources = args.sources.sources(args.words.iter())?;
    if sources.contains(&Source::Stdin) {
        return Error::usage("stdin is for questions: '-' cannot be a picture here");
    }
    Ok(sources.into_iter().map(Source::medium).collect())
}

/// Loads the model.
fn begin<'a>(args: &'a Args, lines: &Lines) -> Result<Session<'a>, Error> {
    let engine = Arc::new(args.model.open()?);
    if engine.model().config.vectors.is_some() {
        return Err(smolvlm_engine::Error::MakesVectors.into());
    }
    let output = Output::new(args.quiet, args.json);
    let defaults = engine.defaults()?;
    defaults.notes.iter().for_each(|note| output.note(note));
    let settings = Settings::new(&engine, args, defaults)?;
    let options = ServiceOptions { at_once: 1, decode: args.pictures.decode(), ..ServiceOptions::default() };
    let service = Service::start(engine, options).map_err(|source| Error::File { path: "a thread".into(), source })?;
    let interrupt = Interrupt::install(lines.is_terminal())?;
    let terminal = if args.no_pictures || args.json { None } else { Terminal::of_both(args.shown, ROWS) };
    let (talk, waiting) = (Conversation::default(), Vec::new());
    Ok(Session { args, service, settings, output, interrupt, terminal, talk, waiting, failed: 0 })
}

/// A line for who sits there.
fn welcome(session: &Session<'_>) -> Result<(), Error> {
    let (name, context) = (session.args.model.model.name()?, session.service.engine().processor().context());
    let name = one_line(name);
    session.output.note(&format!("{name}, {context} tokens of context; /help shows the commands, Ctrl-D leaves"));
    Ok(())
}
