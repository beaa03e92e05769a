//! `smolvlm run`: one question, one answer.

mod answers;
mod decoding;

use crate::dump;
use crate::error::{Error, one_line};
use crate::options::{CHAT, ModelArgs, PictureArgs, read_text};
use crate::output::{NewFile, print_line};
use crate::pictures::{Source, SourceArgs};
use crate::progress::Progress;
use decoding::{Chosen, DecodingArgs};
use serde_json::json;
use smolvlm_backend::Isa;
use smolvlm_engine::{Answer, Capture, Defaults, Engine, Event, Request};
use smolvlm_processor::{Message, Part, PlanOptions, parse_messages};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

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
  smolvlm run -m MODEL --messages chat.json --json
  smolvlm run -m MODEL photo.jpg \"Read the sign.\" --max-edge 1024    a quarter of the work
  smolvlm run -m MODEL photo.jpg \"Tell a story.\" --temp 0.7 --top-p 0.9 --seed 1
  smolvlm run -m MODEL photo.jpg \"Describe it.\" --beams 5 --no-repeat-ngram 3
  smolvlm run -m MODEL photo.jpg \"A title?\" --samples 3 --temp 0.9 --bad-word photo";

/// What can be asked at once.
const TRY: &str = "  smolvlm demo                                           a drawn picture, a question, an answer
  smolvlm run photo.jpg                                  what is in a picture
  smolvlm run photo.jpg \"What colour is the car?\"
  smolvlm run before.png after.png \"What has changed?\"
  smolvlm run -m FOLDER photo.jpg \"Read the sign.\"      by another model than the small one that is built in
  smolvlm run --help                                     the rest";

/// As [`TRY`], where no model is built in.
const TRY_WITH_A_MODEL: &str = "  smolvlm run -m FOLDER photo.jpg                        what is in a picture
  smolvlm run -m FOLDER photo.jpg \"What colour is the car?\"
  smolvlm demo -m FOLDER                                 a drawn picture, a question, an answer
  smolvlm run --help                                     the rest";

/// Ask about pictures, or about nothing but text
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Pictures: files, http(s) addresses, data: URLs, - for stdin; and last the question (unless -p or --messages gives it);
    /// pictures alone are described
    #[arg(value_name = "PICTURE... QUESTION")]
    words: Vec<String>,
    /// A picture, as among the words; may be repeated, and comes behind the others
    #[arg(long, value_name = "PICTURE")]
    image: Vec<String>,
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
    /// Text that ends the answer and is not part of it; may be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Print one JSON object: the answer, counts, times in seconds, memory in bytes
    #[arg(long)]
    json: bool,
    /// Say on stderr what the answer took
    #[arg(short, long)]
    verbose: bool,
    /// Write what the network computed to FILE, as safetensors
    #[arg(long, value_name = "FILE")]
    dump: Option<PathBuf>,
    #[command(flatten)]
    decoding: DecodingArgs,
}

/// A seed that differs from call to call: the standard library's per-process random keys.
pub(crate) fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one("seed") >> 11 // short enough for a JSON number of any reader
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let start = Instant::now();
    let (messages, pictures) = chat(&args)?;
    args.decoding.check()?;
    let options = args.pictures.decode();
    let pictures = pictures.iter().map(|source| args.sources.open(source, &options)).collect::<Result<Vec<_>, _>>()?;
    let decode_pictures = start.elapsed().as_secs_f64();
    let dump_file = args.dump.as_deref().map(NewFile::begin).transpose()?;
    let loading = Instant::now();
    let engine = args.model.open()?;
    let load = loading.elapsed().as_secs_f64();
    let request = request(&args, messages, &engine)?;

    let mut capture = Capture::default();
    let mut shown = Shown { json: args.json, progress: Progress::new(), first: None, failed: None };
    let wanted = dump_file.is_some().then_some(&mut capture);
    let answers = engine.answers(&request, &pictures, wanted, &mut |event| shown.event(start, event))?;
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
        return print_line(&answers::report(&engine, &answers, &request, times).to_string());
    }
    answers::print(&answers, &request)?;
    if args.verbose {
        note(answer, load, first);
    }
    Ok(())
}

/// What is asked of the model: the call's words, over what the model's own settings ask for.
fn request(args: &Args, messages: Vec<Message>, engine: &Engine) -> Result<Request, Error> {
    let Defaults { stop, notes, .. } = engine.defaults()?;
    for note in notes {
        let _ = writeln!(std::io::stderr(), "{}", one_line(&note));
    }
    let Chosen { sampling, max_tokens } = args.decoding.choose(engine)?;
    Ok(Request {
        messages,
        plan: PlanOptions { special: args.special, ..args.pictures.plan() },
        sampling,
        max_tokens,
        stop: if args.stop.is_empty() { stop } else { args.stop.clone() },
        show_special: args.special,
    })
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

/// The chat, and where its pictures come from in the order of their places.
fn chat(args: &Args) -> Result<(Vec<Message>, Vec<Source>), Error> {
    let mut words = args.words.clone();
    let question = match (&args.prompt, &args.messages) {
        (Some(prompt), _) => {
            Some(if prompt == "-" { read_text("-", CHAT)?.trim_end_matches('\n').into() } else { prompt.clone() })
        }
        (None, Some(_)) => None,
        (None, None) => question(&mut words, args.sources.is_some() || !args.image.is_empty())?,
    };
    if let Some(word) = words.iter().find(|word| !Source::of(word).is_there()) {
        return Error::usage(format!(
            "'{word}' is no file: pictures come first, and the question last, as one word in quotes or behind -p"
        ));
    }
    let given = args.sources.sources(words.iter().chain(&args.image))?;
    let stdin = [&args.prompt, &args.messages].into_iter().any(|text| text.as_deref() == Some("-"));
    if stdin && given.contains(&Source::Stdin) {
        return Error::usage("'-' stands for a picture and for a text: stdin holds one");
    }
    let mut messages = match (&args.messages, question) {
        (Some(file), _) => parse_messages(&read_text(file, CHAT)?)?,
        (None, question) => {
            let question = question.unwrap_or_else(|| description(given.len()));
            // With --special a typed <image> is a place: then the pictures go there and not in front.
            let typed = if args.special { question.matches(smolvlm_processor::IMAGE).count() } else { 0 };
            vec![Message::user(given.len().saturating_sub(typed), &question)]
        }
    };
    if let Some(system) = &args.system {
        if messages.first().is_some_and(|m| m.role == "system") {
            return Error::usage("--system: the messages have a system message already");
        }
        messages.insert(0, Message::text("system", system));
    }
    let files = place_pictures(&messages, given, args.special)?;
    Ok((messages, files))
}

/// The question: the last word, or none where pictures are all that is given (`others` by options).
fn question(words: &mut Vec<String>, others: bool) -> Result<Option<String>, Error> {
    let is_picture = |word: &str| match Source::of(word) {
        Source::File(path) => path.is_file() || is_picture_name(word),
        _ => !word.contains(char::is_whitespace), // a question may speak of an address
    };
    let question = words.pop_if(|word| !is_picture(word));
    if question.is_none() && words.is_empty() && !others {
        return Err(nothing(smolvlm_hub::DEFAULT));
    }
    Ok(question)
}

/// What is asked about so many pictures of which nothing else is; stderr tells.
fn description(pictures: usize) -> String {
    let question = if pictures == 1 { "Describe the image." } else { "Describe the images." };
    let _ = writeln!(std::io::stderr(), "no question was given; asking: {question}");
    question.into()
}

/// Whether a word can be nothing but a picture's name: then it is a mistake where no such file is.
fn is_picture_name(word: &str) -> bool {
    const ENDINGS: [&str; 8] = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"];
    let lower = word.to_ascii_lowercase();
    !word.contains(char::is_whitespace) && ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

/// That nothing was asked, with what could be of the `model` of who names none.
fn nothing(model: Option<&str>) -> Error {
    let examples = if model.is_some() { TRY } else { TRY_WITH_A_MODEL };
    Error::Nothing { what: "no picture and no question; for example:", examples }
}

/// Where the pictures come from in order of their places: what parts name, and the given ones for the others.
///
/// Places typed in text (`--special`) stand behind all given pictures' parts here; the plan counts them.
fn place_pictures(messages: &[Message], given: Vec<Source>, special: bool) -> Result<Vec<Source>, Error> {
    let mut given = given.into_iter();
    let (mut files, mut places) = (Vec::new(), 0usize);
    let mut missing = 0usize;
    for part in messages.iter().flat_map(|m| &m.content) {
        let typed = match part {
            Part::Image(source) => match Source::of_part(source) {
                Some(source) => {
                    files.push(source);
                    continue;
                }
                None => 1,
            },
            Part::Text(text) if special => text.matches(smolvlm_processor::IMAGE).count(),
            Part::Text(_) => 0,
        };
        places += typed;
        for _ in 0..typed {
            match given.next() {
                Some(file) => files.push(file),
                None => missing += 1,
            }
        }
    }
    let left = given.count();
    if left > 0 {
        return Error::usage(format!(
            "{} picture(s) given, but the chat has {places} place(s) for them: parts {{\"type\": \"image\"}} without a path",
            places + left
        ));
    }
    if missing > 0 {
        return Error::usage(format!(
            "the chat has {places} place(s) for pictures without a path, but {} picture(s) given; add --image FILE",
            places - missing
        ));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_words() {
        let asked = |words: &[&str], others| {
            let mut words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
            question(&mut words, others).map(|question| (question, words.len()))
        };
        let file = "Cargo.toml";
        assert_eq!(asked(&[file, "What?"], false).unwrap(), (Some("What?".into()), 1));
        assert_eq!(asked(&[file], false).unwrap(), (None, 1));
        assert_eq!(asked(&[], true).unwrap(), (None, 0));
        assert_eq!(asked(&["https://a/b.png", "-", "What?"], false).unwrap(), (Some("What?".into()), 2));
        assert_eq!(asked(&["https://a/b"], false).unwrap(), (None, 1));
        assert_eq!(asked(&["https://a/b is what?"], false).unwrap().1, 0);
        // No such file: the word stays, to be named as a mistake.
        assert_eq!(asked(&["nowhere.JPG"], false).unwrap(), (None, 1));
        assert_eq!(asked(&["Who drew nowhere.jpg"], false).unwrap().1, 0);
        assert!(matches!(asked(&[], false), Err(Error::Nothing { .. })));
        assert_eq!((description(1).as_str(), description(2).as_str()), ("Describe the image.", "Describe the images."));
    }

    #[test]
    fn what_to_try_follows_from_the_model_that_is_built_in() {
        let examples = |model| match nothing(model) {
            Error::Nothing { examples, .. } => examples,
            other => panic!("{other}"),
        };
        assert!(examples(Some("nano")).contains("smolvlm demo  "));
        let named = |line: &str| line.contains("-m FOLDER") || line.contains("--help");
        assert!(examples(None).lines().all(named));
    }
}
