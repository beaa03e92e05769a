//! `smolvlm run`: one question, one answer.

mod answers;
mod batch;
mod chat;
mod decoding;
mod grammar;
mod media;

use crate::clips::ClipArgs;
use crate::dump;
use crate::error::{Error, one_line};
use crate::options::{ModelArgs, PictureArgs};
use crate::output::{NewFile, print_line};
use crate::pictures::{Medium, SourceArgs};
use crate::progress::Progress;
use batch::BatchArgs;
use clap::ArgGroup;
use media::Media;
use serde_json::json;
use smolvlm_backend::Isa;
use smolvlm_engine::{Answer, Capture, Defaults, Engine, Event, Request};
use smolvlm_processor::{Message, PlanOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

pub(crate) use answers::about;
pub(crate) use batch::{is_setting, over, settings};
pub(crate) use decoding::{Chosen, DecodingArgs};

const EXAMPLES: &str = "\
Examples:
  smolvlm run photo.jpg                          what is in it, by nano, the small model that this program carries
  smolvlm run photo.jpg \"What colour is the car?\"
  smolvlm run -m MODEL photo.jpg \"What is in the picture?\"
  smolvlm run -m MODEL before.png after.png \"What has changed?\"
  smolvlm run -m MODEL \"What is the capital of France?\"
  cat question.txt | smolvlm run -m MODEL photo.jpg -p -
  smolvlm run https://example.org/photo.jpg \"What is this?\"
  cat photo.jpg | smolvlm run - \"What is this?\"
  smolvlm run --clipboard \"What is this?\"
  smolvlm run -m MODEL cat.gif --frame 12 \"What does the cat do?\"
  smolvlm run -m MODEL clip.mp4 \"What happens?\"
  smolvlm run -m MODEL --video cat.gif \"What does the cat do?\" --max-frames 16
  smolvlm run -m MODEL --messages chat.json --json
  smolvlm run -m MODEL photo.jpg \"Read the sign.\" --max-edge 1024    a quarter of the work
  smolvlm run -m MODEL photo.jpg \"Tell a story.\" --temp 0.7 --top-p 0.9 --seed 1
  smolvlm run -m MODEL photo.jpg \"Describe it.\" --beams 5 --no-repeat-ngram 3
  smolvlm run -m MODEL photo.jpg \"A title?\" --samples 3 --temp 0.9 --bad-word photo
  smolvlm run -m MODEL photo.jpg \"How many cars?\" --regex '[0-9]+'
  smolvlm run -m MODEL receipt.png \"What was bought?\" --json-schema receipt.schema.json

Many questions at once, a row each (docs/batch.md):
  echo '{\"image\": \"a.jpg\", \"prompt\": \"What is this?\", \"max_tokens\": 20}' > rows.jsonl
  smolvlm run -m MODEL --batch rows.jsonl -o answers.jsonl     goes on where it was stopped, if it was";

/// Ask about pictures, or about nothing but text
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("programs").multiple(true))]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Pictures and clips: files, http(s) addresses, data: URLs, - for stdin; and last the question (unless -p or --messages
    /// gives it); pictures alone are described
    #[arg(value_name = "PICTURE... QUESTION")]
    words: Vec<String>,
    /// A picture, as among the words; may be repeated, and comes behind the others
    #[arg(long, value_name = "PICTURE")]
    image: Vec<String>,
    /// A clip, also an animated picture or a folder of frames; as --image
    #[arg(long, value_name = "CLIP")]
    video: Vec<String>,
    /// The question; - reads it from stdin
    #[arg(short, long, value_name = "TEXT", conflicts_with = "messages", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// What the model is told before the question
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// A whole chat: JSON as transformers takes it; image parts that name none take the pictures given; - reads stdin
    #[arg(long, value_name = "FILE")]
    messages: Option<String>,
    /// Special tokens are tokens: those typed in text are read as such, and the answer shows them
    #[arg(long)]
    special: bool,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    pictures: PictureArgs,
    /// Print one JSON object: the answer, counts, times in seconds, memory in bytes
    #[arg(long, group = "programs")]
    json: bool,
    /// Say on stderr what the answer took
    #[arg(short, long)]
    verbose: bool,
    /// Write what the network computed to FILE, as safetensors
    #[arg(long, value_name = "FILE")]
    dump: Option<PathBuf>,
    #[command(flatten)]
    clips: ClipArgs,
    #[command(flatten)]
    decoding: DecodingArgs,
    #[command(flatten)]
    batch: BatchArgs,
}

impl Args {
    /// An option that is given, where there is nothing that it is for.
    fn idle(&self, media: &[Medium]) -> Option<&'static str> {
        let has_clip = media.iter().any(|medium| matches!(medium, Medium::Clip(_)));
        let of_clips = self.clips.given().filter(|_| !has_clip);
        of_clips.or_else(|| self.pictures.given().filter(|_| media.is_empty()))
    }
}

/// A seed that differs from call to call: the standard library's per-process random keys.
pub(crate) fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one("seed") >> 11 // short enough for a JSON number of any reader
}

/// The command.
pub(crate) fn run(mut args: Args) -> Result<(), Error> {
    let start = Instant::now();
    args.decoding.form.read()?;
    args.decoding.check()?;
    if let Some(file) = args.batch.file()? {
        return batch::run(&args, file);
    }
    let (mut messages, media) = chat::chat(&args)?;
    if let Some(option) = args.idle(&media) {
        return Error::usage(format!(
            "{option} is given, and nothing that it is for: a picture or a clip comes before the question"
        ));
    }
    let media = Media::open(&args, &media)?;
    let decode_pictures = start.elapsed().as_secs_f64();
    let dump_file = args.dump.as_deref().map(NewFile::begin).transpose()?;
    let loading = Instant::now();
    let engine = args.model.open()?;
    let load = loading.elapsed().as_secs_f64();
    let plans = media.plan(&args.clips, engine.processor(), &mut messages)?;
    let request = request(&args, messages, &engine)?;

    let mut capture = Capture::default();
    let mut shown = Shown { json: args.json, progress: Progress::new(), first: None, failed: None };
    let wanted = dump_file.is_some().then_some(&mut capture);
    let (answers, clips) =
        media.answers(&engine, &args.clips, &plans, (&request, wanted), &mut |event| shown.event(start, event))?;
    shown.progress.clear();
    if let Some(source) = shown.failed {
        return Err(Error::stdout(source));
    }
    let Some(answer) = answers.first() else { return Ok(()) };
    if let Some(file) = dump_file {
        dump::write(file, &capture, &answer.output_ids)?;
    }
    let first = shown.first.unwrap_or_else(|| start.elapsed().as_secs_f64());
    if args.json {
        let times = json!({
            "load": load, "pixels": decode_pictures + answer.times.pixels, "vision": answer.times.vision,
            "prefill": answer.times.prefill, "decode": answer.times.decode, "first_text": first,
            "total": start.elapsed().as_secs_f64(),
        });
        let mut report = answers::report(&engine, &answers, &request, times);
        if let (Some(report), false) = (report.as_object_mut(), clips.is_empty()) {
            report.insert("clips".into(), clips.into());
        }
        print_line(&report.to_string())?;
    } else {
        answers::print(&answers, &request)?;
    }
    grammar::note_cuts(&answers, &request);
    if args.verbose && !args.json {
        note(answer, load, first);
    }
    Ok(())
}

/// What is asked of the model: the call's words, over what the model's own settings ask for.
fn request(args: &Args, messages: Vec<Message>, engine: &Engine) -> Result<Request, Error> {
    Ok(asked(args, engine, messages, args.decoding.choose(engine, defaults(engine)?)?))
}

/// What the model's own settings ask for; stderr tells what of them is passed over.
fn defaults(engine: &Engine) -> Result<Defaults, Error> {
    let defaults = engine.defaults()?;
    for note in &defaults.notes {
        let _ = writeln!(std::io::stderr(), "{}", one_line(note));
    }
    Ok(defaults)
}

/// A chat with settings that were chosen for it.
fn asked(args: &Args, engine: &Engine, messages: Vec<Message>, chosen: Chosen) -> Request {
    let Chosen { sampling, max_tokens, stop, grammar } = chosen;
    let clips = args.clips.mode(engine.processor());
    let plan = PlanOptions { special: args.special, clips, ..args.pictures.plan() };
    Request { messages, plan, sampling, max_tokens, stop, show_special: args.special, grammar }
}

/// The answer as it streams.
struct Shown {
    json: bool,
    progress: Progress,
    /// When the first text came, in seconds from the start.
    first: Option<f64>,
    failed: Option<std::io::Error>,
}

impl Shown {
    fn event(&mut self, start: Instant, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Tiles { done, total } => self.progress.show("tiles", done, total),
            Event::Prompt { done, total } => self.progress.show("prompt", done, total),
            Event::Step { done, total } => self.progress.show("tokens", done, total),
            Event::Text(text) => {
                if self.first.is_none() {
                    self.first = Some(start.elapsed().as_secs_f64());
                    self.progress.clear();
                }
                if !self.json {
                    let mut out = std::io::stdout().lock();
                    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                        self.failed = Some(error);
                        return ControlFlow::Break(());
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// `-v`: a line of what it took.
fn note(answer: &Answer, load: f64, first: f64) {
    if Isa::amx_is_refused() {
        let best = Isa::best().name();
        let _ = writeln!(std::io::stderr(), "this processor has AMX, but the system does not allow it: {best} instead");
    }
    let (tokens, times) = (answer.output_ids.len(), &answer.times);
    // The first token comes out of the prefill.
    let speed = tokens.saturating_sub(1) as f64 / times.decode.max(1e-9);
    let _ = writeln!(
        std::io::stderr(),
        "{} tokens of prompt ({} of pictures), {tokens} of answer ({}); load {load:.2} s, vision {:.2} s, prefill {:.2} s, \
         first text after {first:.2} s, {speed:.1} tokens/s",
        answer.prompt_tokens,
        answer.image_tokens,
        answer.stop_reason.name(),
        times.vision,
        times.prefill,
    );
}
