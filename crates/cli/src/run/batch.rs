//! `smolvlm run --batch`: many questions, a row of JSON Lines each, by one loaded model.

mod input;
mod part;
mod row;
mod settings;
mod shown;

use super::answers::about;
use super::grammar::is_cut;
use super::media::sources;
use super::{Args, asked, defaults};
use crate::error::{Error, one_line};
use crate::signals::stop_on_signals;
use input::Input;
use part::{Header, Part};
use row::Row;
use serde_json::{Map, Value, json};
use settings::{Settings, row_seed};
use shown::Shown;
use smolvlm_engine::{Answer, Ask, Engine, QueueOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use settings::{is_setting, over, settings};

/// Rows that are answered side by side unless the call says otherwise.
const AT_ONCE: u16 = 32;

/// Many questions at once.
#[derive(clap::Args)]
#[command(next_help_heading = "Many questions at once (docs/batch.md says what rows and answers look like)")]
pub(super) struct BatchArgs {
    /// Answer every row of a JSON Lines file: {"image": "a.jpg", "prompt": "What is this?"}; - reads stdin to its end
    #[arg(
        long, value_name = "FILE", requires = "output", group = "programs",
        conflicts_with_all = ["words", "image", "prompt", "messages", "dump", "verbose", "video", "clipboard"],
    )]
    batch: Option<String>,
    /// Where the answers go, a line a row; until all are there FILE.part has them
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Rows that are answered side by side; more are faster and need more memory [default: 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    at_once: Option<u16>,
    /// Begin anew, where answers of an earlier call in FILE.part would be gone on with
    #[arg(long)]
    restart: bool,
}

impl BatchArgs {
    /// The file of rows, if there is one.
    pub(super) fn file(&self) -> Result<Option<&str>, Error> {
        if self.batch.is_none() && (self.output.is_some() || self.at_once.is_some() || self.restart) {
            return Error::usage("--output, --at-once and --restart are of many questions: --batch FILE has them");
        }
        Ok(self.batch.as_deref())
    }
}

/// What is remembered of a row until its answer is there.
struct Tag {
    row: u64,
    id: Value,
    /// Of its draws, if it draws.
    seed: Option<u64>,
    /// Whether its answer is bound to a form.
    bound: bool,
}

/// The command.
pub(super) fn run(args: &Args, file: &str) -> Result<(), Error> {
    let output = args.batch.output.as_deref().ok_or_else(|| Error::Usage("--batch needs -o FILE".into()))?;
    if output.as_os_str() == "-" {
        return Error::usage(
            "-o - : answers are kept in a file, so that a call that was stopped goes on; a name would be right",
        );
    }
    if std::fs::symlink_metadata(output).is_ok() {
        let output = output.display();
        return Error::usage(format!("{output} is there already; another name, or its removal, would be right"));
    }
    let mut input = Input::open(file)?;
    let mut part = Part::open(output, &header(args, &input)?, args.batch.restart)?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stop, "stopping; the answers so far are kept")?;
    let engine = args.model.open()?;
    let mut settings = Settings::new(&engine, &args.decoding, defaults(&engine)?)?;
    let mut shown = Shown::new(input.rows, part.rows);

    let options = QueueOptions {
        decode: args.pictures.decode(),
        ..QueueOptions::new(args.batch.at_once.unwrap_or(AT_ONCE).into())
    };
    let folder = input.folder.clone();
    let asks = input.rows_after(part.last)?.map(|(row, line)| {
        let (id, read) = match line {
            Ok(line) => Row::read(&line, &folder, args.special),
            Err(error) => (Value::Null, Err(error)),
        };
        let ask = read.and_then(|read| ask(args, read, row, &mut settings));
        let sampling = ask.as_ref().ok().map(|ask| &ask.request.sampling);
        let seed = sampling.filter(|sampling| sampling.temperature > 0.0).map(|sampling| sampling.seed);
        let bound = ask.as_ref().is_ok_and(|ask| ask.request.grammar.is_some());
        (Tag { row, id, seed, bound }, ask)
    });
    let (mut written, mut cut) = (Ok(()), 0);
    let mut done = |tag: Tag, answers: Result<Vec<Answer>, Error>| {
        let tokens = answers.iter().flatten().map(|answer| answer.output_ids.len()).sum();
        cut += usize::from(tag.bound && answers.iter().flatten().any(is_cut));
        written = part.add(&line(&engine, tag, &answers), answers.is_err());
        shown.answered(part.rows, tokens);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let mut go_on = || if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let end = engine.answer_in_order(asks, options, &mut done, &mut go_on);
    written?;
    let (rows, failed) = (part.rows, part.failed);
    if end.is_break() {
        part.sync()?;
        shown.clear();
        return Err(Error::Stopped { rows, of: input.rows });
    }
    part.finish()?;
    shown.finish(rows, failed, output);
    if cut > 0 {
        let _ =
            writeln!(std::io::stderr(), "{cut} rows reached their limit before their form was whole: see stop_reason");
    }
    if failed == 0 { Ok(()) } else { Err(Error::Rows { failed, rows, path: output.display().to_string() }) }
}

/// What the file of answers belongs to.
fn header(args: &Args, input: &Input) -> Result<Header, Error> {
    let name = args.model.names().collect::<Vec<_>>().join(" + ");
    // All that changes answers. Threads and what is done at a time do not.
    let settings = format!(
        "{:?}",
        (
            &args.decoding,
            &args.system,
            args.special,
            args.pictures.decode(),
            args.pictures.plan(),
            &args.clips,
            args.model.precision.choice()?,
            args.model.precision.narrow_kv(),
        )
    );
    Ok(Header { input: input.digest.clone(), settings: input::digest(settings.as_bytes()), model: name })
}

/// What is asked by a row.
fn ask(args: &Args, row: Row, number: u64, settings: &mut Settings<'_>) -> Result<Ask, Error> {
    let Row { messages, media, system, settings: own } = row;
    let mut messages = messages;
    let mut chosen = settings.choose(&own)?;
    if !own.contains_key("seed") {
        chosen.sampling.seed = row_seed(args.decoding.seed.unwrap_or(0), number);
    }
    match (system, &args.system) {
        (Some(system), _) if !super::chat::tell(&mut messages, &system) => {
            return Error::usage("`system`: the messages have a system message already");
        }
        // That of the call is for rows that have none.
        (None, Some(system)) => _ = super::chat::tell(&mut messages, system),
        _ => {}
    }
    let pictures = sources(args, settings.engine().processor(), media, &mut messages)?;
    Ok(Ask { request: asked(args, settings.engine(), messages, chosen), pictures })
}

/// A line of the file of answers.
fn line(engine: &Engine, tag: Tag, answers: &Result<Vec<Answer>, Error>) -> Value {
    let mut line = Map::new();
    line.insert("row".into(), tag.row.into());
    line.insert("id".into(), tag.id);
    match answers {
        Err(error) => _ = line.insert("error".into(), one_line(&error.to_string()).into()),
        Ok(answers) => {
            for answer in answers.iter().take(1) {
                line.extend(about(engine, answer));
                line.insert("prompt_tokens".into(), answer.prompt_tokens.into());
                line.insert("image_tokens".into(), answer.image_tokens.into());
            }
            if answers.len() > 1 {
                let samples: Vec<Map<String, Value>> = answers.iter().map(|a| about(engine, a).collect()).collect();
                line.insert("samples".into(), json!(samples));
            }
            if let Some(seed) = tag.seed {
                line.insert("seed".into(), seed.into());
            }
        }
    }
    Value::Object(line)
}
