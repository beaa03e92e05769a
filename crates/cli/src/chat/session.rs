//! What comes of the lines: questions are asked, commands done.

use super::command::{self, Command};
use super::conversation::{Conversation, sources};
use super::entry::{self, Entry};
use super::interrupt::Interrupt;
use super::output::Output;
use super::picture::Seen;
use super::settings::Settings;
use super::{Args, file, show, turn, words};
use crate::error::{Error, one_line};
use crate::output::print_line;
use crate::pictures::{Medium, Source};
use crate::run::Chosen;
use crate::terminal::Terminal;
use serde_json::json;
use smolvlm_engine::{Ask, Engine, Request, Service};
use smolvlm_processor::{Part, Picture, PlanOptions};
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

/// A conversation under way.
pub(super) struct Session<'a> {
    pub(super) args: &'a Args,
    pub(super) service: Service,
    pub(super) settings: Settings,
    pub(super) output: Output,
    pub(super) interrupt: Interrupt,
    /// Where pictures are shown, if they are.
    pub(super) terminal: Option<Terminal>,
    pub(super) talk: Conversation,
    /// Pictures of the next question.
    pub(super) waiting: Vec<Rc<Seen>>,
    /// Entries that nothing came of.
    pub(super) failed: u64,
}

impl Session<'_> {
    fn engine(&self) -> &Engine {
        self.service.engine()
    }

    /// Does what was entered; breaks off where that is to leave.
    ///
    /// # Errors
    /// The conversation cannot go on: stdout is closed, or the model gone.
    pub(super) fn enter(&mut self, text: &str) -> Result<ControlFlow<()>, Error> {
        let entry = entry::read(text);
        if entry.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let command = match &entry {
            Entry::Line(line) => command::parse(line),
            Entry::Verbatim(_) => None,
        };
        let done = match command {
            Some(Ok(Command::Quit)) => return Ok(ControlFlow::Break(())),
            Some(Ok(Command::Retry)) => self.turn(Session::retry),
            Some(Ok(command)) => self.command(command),
            Some(Err(mistake)) => Error::usage(mistake),
            None => self.turn(|session| session.question(entry)),
        };
        match done {
            Err(error) if error.is_stdout() || matches!(error, Error::ModelGone) => return Err(error),
            Err(error) => {
                self.failed += 1;
                self.output.error(&error.to_string());
            }
            Ok(()) => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Something that ends with an answer; where it does not, all that was said is as before.
    fn turn(&mut self, ask: impl FnOnce(&mut Self) -> Result<bool, Error>) -> Result<(), Error> {
        let (talk, waiting) = (self.talk.clone(), self.waiting.clone());
        match ask(self) {
            Ok(true) => Ok(()),
            Ok(false) => {
                (self.talk, self.waiting) = (talk, waiting);
                Ok(())
            }
            Err(error) => {
                self.talk = talk;
                if self.output.json && !error.is_stdout() {
                    print_line(&json!({ "error": one_line(&error.to_string()) }).to_string())?;
                }
                Err(error)
            }
        }
    }

    /// A question, and the pictures that it names. Pictures alone wait for one.
    fn question(&mut self, entry: Entry) -> Result<bool, Error> {
        let text = match entry {
            Entry::Verbatim(text) => text,
            Entry::Line(line) => {
                let found = words::find(&line).map_err(Error::Usage)?;
                let media: Vec<Medium> = found.pictures.into_iter().map(|path| Source::File(path).medium()).collect();
                self.attach(&media)?;
                found.text
            }
        };
        if text.trim().is_empty() {
            return Ok(true);
        }
        let pictures = std::mem::take(&mut self.waiting);
        self.talk.ask(pictures, &text);
        self.answer()
    }

    /// The last question once more.
    fn retry(&mut self) -> Result<bool, Error> {
        let whole = self.talk.messages().last().is_some_and(|(said, _)| said.role == "assistant" && !said.stopped);
        if !self.talk.reopen() {
            return Error::usage("nothing was asked yet that could be asked again");
        }
        if whole && !self.settings.draws() {
            self.output.note("the likeliest answer is the same again; /set temperature 0.7 draws others");
        }
        self.answer()
    }

    /// Lets the model answer the open question; whether it said anything before it was stopped.
    fn answer(&mut self) -> Result<bool, Error> {
        self.fit()?;
        let Chosen { sampling, max_tokens, stop, grammar } = self.settings.next();
        let seed = (sampling.temperature > 0.0).then_some(sampling.seed);
        let (messages, pictures) = self.talk.told();
        let pictures = sources(&pictures);
        let plan = self.settings.plan().clone();
        let request = Request { messages, plan, sampling, max_tokens, stop, show_special: false, grammar };
        let told = turn::ask(&self.service, Ask { request, pictures }, &self.output, &self.interrupt)?;
        if self.output.json {
            print_line(&told.report(self.service.engine(), seed, self.talk.left_out()).to_string())?;
        } else {
            print_line("")?;
        }
        if told.is_stopped() && told.text.trim().is_empty() {
            self.output.note("stopped before the answer began: all is as before the question");
            return Ok(false);
        }
        if !self.output.json {
            self.output.note(&told.note());
        }
        self.talk.answer(&told.text, told.is_stopped());
        Ok(true)
    }

    /// Leaves the oldest turns out until the context holds the rest and an answer. Where some must go, so many do that it is
    /// some turns before the next must: what is left is then known from before.
    fn fit(&mut self) -> Result<(), Error> {
        let context = self.engine().processor().context();
        let room = self.settings.max_tokens().min(context / 4);
        let mut most = context - room;
        let before = self.talk.left_out();
        loop {
            let tokens = self.tokens(true)?;
            if tokens <= most {
                break;
            }
            if !self.talk.leave_out() {
                if tokens < context {
                    break;
                }
                return Err(smolvlm_processor::Error::ContextTooLong { needed: tokens, context }.into());
            }
            most = context / 2;
        }
        let now = self.talk.left_out();
        if now > before {
            self.output.note(&format!(
                "the context of {context} tokens is full: the model no longer sees the oldest {now} of the questions"
            ));
        }
        Ok(())
    }

    /// Tokens of what the model is told; with those that let it begin to speak, if it is to `answer`.
    pub(super) fn tokens(&self, answer: bool) -> Result<usize, Error> {
        let (messages, pictures) = self.talk.told();
        if messages.is_empty() {
            return Ok(0);
        }
        let sizes: Vec<(u32, u32)> = pictures.iter().flat_map(|picture| picture.sizes()).collect();
        let options = PlanOptions { generation_prompt: answer, ..self.settings.plan().clone() };
        Ok(self.engine().processor().plan(&messages, &sizes, &options)?.ids.len())
    }

    fn command(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::Image(names) => {
                let media = names.iter().map(|name| Ok(source(name)?.medium()));
                self.attach(&media.collect::<Result<Vec<_>, Error>>()?)?;
            }
            Command::Video(names) => {
                let media = names.iter().map(|name| Ok(Medium::Clip(source(name)?)));
                self.attach(&media.collect::<Result<Vec<_>, Error>>()?)?;
            }
            Command::System(None) => match self.talk.system() {
                Some(text) => self.output.info(&text),
                None => self.output.info("the model is told nothing; /system TEXT tells it something"),
            },
            Command::System(Some(text)) => self.talk.set_system(&text),
            Command::Clear => {
                self.talk.clear();
                self.waiting.clear();
            }
            Command::Save(name) => self.save(&words::local(&name))?,
            Command::Load(name) => self.load(&words::local(&name))?,
            Command::Set(None) => self.output.info(&self.settings.list(self.service.engine())),
            Command::Set(Some((name, value))) => self.settings.set(self.service.engine(), &name, &value)?,
            Command::Show => self.output.info(&show::conversation(self)?),
            Command::Help => self.output.info(&command::help()),
            // Seen to before.
            Command::Quit | Command::Retry => {}
        }
        Ok(())
    }

    /// Opens pictures and clips, shows them, and keeps them for the next question: all or none.
    pub(super) fn attach(&mut self, media: &[Medium]) -> Result<(), Error> {
        let mut seen = Vec::new();
        for medium in media {
            let (picture, pixels) = self.open(medium)?;
            let about = picture.about(self.engine(), self.settings.plan())?;
            seen.push((Rc::new(picture), pixels, about));
        }
        for (picture, pixels, about) in seen {
            if let Some(terminal) = &self.terminal {
                self.output.graphics(&terminal.show(&pixels)?);
            }
            self.output.note(&about);
            self.waiting.push(picture);
        }
        Ok(())
    }

    /// Reads a picture or a clip; see [`Seen::open`].
    fn open(&self, medium: &Medium) -> Result<(Seen, Picture), Error> {
        let args = self.args;
        Seen::open(medium, (&args.sources, &args.clips), &args.pictures.decode(), self.engine().processor())
    }

    fn save(&self, path: &Path) -> Result<(), Error> {
        if self.talk.is_empty() {
            return Error::usage("nothing was said yet that could be saved");
        }
        let long = file::save(path, &self.talk)?;
        self.output.note(&format!("saved to {}", path.display()));
        if long {
            self.output.note("it is longer than run --messages reads; /load does");
        }
        Ok(())
    }

    /// Goes on with a conversation from a file, in the place of this one.
    pub(super) fn load(&mut self, path: &Path) -> Result<(), Error> {
        let mut open = |part: &Part| {
            let named = |place| Source::of_part(place).ok_or(Error::Usage("a picture without a name".into()));
            let medium = match part {
                Part::Clip(place) => Medium::Clip(named(place)?),
                Part::Image(place) => Medium::Picture(named(place)?),
                Part::Text(_) | Part::Frame => return Error::usage("neither a picture nor a clip"),
            };
            Ok(self.open(&medium)?.0)
        };
        let talk = Conversation::of(file::read(path)?, &mut open)?;
        let questions = talk.messages().filter(|(said, _)| said.role == "user").count();
        let before = std::mem::replace(&mut self.talk, talk);
        // What the model cannot read is not gone on with.
        let tokens = self.tokens(false).inspect_err(|_| self.talk = before)?;
        self.waiting.clear();
        self.output.note(&format!("loaded {questions} question(s), {tokens} tokens"));
        Ok(())
    }
}

/// Where a picture of `/image`, or a clip of `/video`, comes from.
fn source(name: &str) -> Result<Source, Error> {
    match name {
        "clipboard" => Ok(Source::Clipboard),
        "-" => Error::usage("stdin is for questions; a path, an address or clipboard would be right"),
        _ => Ok(match Source::of(name) {
            Source::File(_) => Source::File(words::local(name)),
            other => other,
        }),
    }
}
