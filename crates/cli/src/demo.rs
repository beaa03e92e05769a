//! `smolvlm demo`: a drawn picture, a question about it, and what the model answers.

use crate::error::{Error, one_line};
use crate::options::ModelArgs;
use crate::output::{NewFile, print_line};
use crate::run::fresh_seed;
use crate::terminal::Terminal;
use serde_json::json;
use smolvlm_engine::{Engine, Request, Sampling};
use smolvlm_eval::{Metric, Truth};
use smolvlm_processor::{Message, Picture, PlanOptions};
use smolvlm_synth::{Kit, Mix, Split, Stream};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  smolvlm demo
  smolvlm demo --seed 7                           the same picture, question and answer each time
  smolvlm demo --count 20                         how many of 20 are right
  smolvlm demo -o demo.png                        keeps the picture; then: smolvlm run demo.png \"What is this?\"
  smolvlm demo -m MODEL --count 20 --json         another model, for programs to read

The picture is drawn here and now from its seed, without any file, in the way that is kept for test sets: with other \
wordings than nano learnt from.";

/// Draw a picture, ask about it, and see whether the answer is right
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Which picture and question; with --count the numbers from N on [default: another each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many pictures
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// Write the picture to FILE, as PNG; of several the first to NAME-1.png and so on
    #[arg(short, long, value_name = "FILE.png")]
    output: Option<PathBuf>,
    /// Print one JSON object a picture
    #[arg(long)]
    json: bool,
}

/// What can be drawn without any package and has a short answer.
const SKILLS: &str = "single,easy,count,relation,yesno";
/// Seeds that are chosen here lie below: short enough to be typed.
const SEEDS: u64 = 1_000_000;
/// The most tokens of an answer.
const MOST: usize = 64;

/// A picture with what is asked about it and what is right.
struct Drawn {
    seed: u64,
    picture: Picture,
    skill: &'static str,
    truth: Truth,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let first = args.seed.unwrap_or_else(|| fresh_seed() % SEEDS);
    let count = usize::from(args.count);
    let files = files(args.output.as_deref(), count)?;
    let engine = args.model.open()?;
    let terminal = if args.json { None } else { Terminal::of_stdout() };
    let mut right = 0;
    for (at, drawn) in (0..count).zip(drawings(first)?) {
        if let Some(path) = files.get(at) {
            NewFile::begin(path)?.finish(&drawn.picture.to_png()?)?;
        }
        if let Some(terminal) = &terminal {
            print_line(&terminal.show(&drawn.picture)?)?;
        }
        let answer = answer(&engine, &drawn)?;
        let is_right = Metric::Exact.score(&answer, &drawn.truth) > 0.0;
        right += usize::from(is_right);
        if args.json {
            print_line(&as_json(&drawn, &answer, is_right, files.get(at)).to_string())?;
        } else {
            print_line(&as_text(&drawn, &answer, is_right))?;
        }
    }
    if !args.json && count > 1 {
        print_line(&format!("{right} of {count} right"))?;
    }
    if args.seed.is_none() && !args.json {
        let _ = writeln!(std::io::stderr(), "--seed {first} draws this again");
    }
    Ok(())
}

/// The names of the pictures' files: none, the one, or numbered ones. That they can be written is seen at once.
fn files(output: Option<&Path>, count: usize) -> Result<Vec<PathBuf>, Error> {
    let Some(output) = output else { return Ok(Vec::new()) };
    NewFile::begin(output)?;
    if count == 1 {
        return Ok(vec![output.to_path_buf()]);
    }
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, ending) = (part(output.file_stem()), part(output.extension().or(Some("png".as_ref()))));
    Ok((1..=count).map(|at| output.with_file_name(format!("{stem}-{at}.{ending}"))).collect())
}

/// Pictures with a question each, of the seeds from `first` on. They follow from the seed alone, whatever packages there
/// are, and what is held out from learning is among them.
fn drawings(first: u64) -> Result<impl Iterator<Item = Drawn>, Error> {
    let (kit, mix) = (Arc::new(Kit::default()), Mix::parse(SKILLS)?);
    let stream = move |seed| Stream::new(kit.clone(), mix.clone(), Split::Test, seed);
    stream(first)?;
    Ok((0..).filter_map(move |at| {
        let seed = first.wrapping_add(at);
        let sample = stream(seed).ok()?.sample(0);
        let (turn, drawn) = (sample.turns.into_iter().next()?, sample.pictures.into_iter().next()?);
        let truth = Truth { question: turn.question, expected: turn.answer, also: turn.also, ..Truth::default() };
        let picture = Picture { width: drawn.width, height: drawn.height, rgb: drawn.data };
        Some(Drawn { seed, picture, skill: turn.skill, truth })
    }))
}

fn answer(engine: &Engine, drawn: &Drawn) -> Result<String, Error> {
    let request = Request {
        messages: vec![Message::user(1, &drawn.truth.question)],
        plan: PlanOptions::default(),
        sampling: Sampling::default(),
        max_tokens: MOST,
        stop: Vec::new(),
        show_special: false,
        grammar: None,
    };
    let pictures = std::slice::from_ref(&drawn.picture);
    let answer = engine.answer(&request, pictures, None, &mut |_| ControlFlow::Continue(()))?;
    Ok(answer.text.trim().to_owned())
}

fn as_text(drawn: &Drawn, answer: &str, is_right: bool) -> String {
    let verdict = if is_right { "right".to_owned() } else { format!("wrong: {}", drawn.truth.expected) };
    format!("question  {}\nanswer    {}\n          {verdict}", drawn.truth.question, one_line(answer))
}

fn as_json(drawn: &Drawn, answer: &str, is_right: bool, file: Option<&PathBuf>) -> serde_json::Value {
    let Drawn { seed, skill, truth, .. } = drawn;
    json!({
        "seed": seed, "skill": skill, "question": truth.question, "answer": answer, "expected": truth.expected,
        "also": truth.also, "right": is_right, "picture": file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_picture_and_question_each_time_and_counts_on() {
        let of = |first| drawings(first).unwrap().take(6).collect::<Vec<_>>();
        let (some, again) = (of(40), of(40));
        for (a, b) in some.iter().zip(&again) {
            assert_eq!((a.seed, &a.truth, &a.picture.rgb), (b.seed, &b.truth, &b.picture.rgb));
            assert!(!a.truth.question.is_empty() && !a.truth.expected.is_empty());
        }
        let later = of(some[2].seed);
        assert_eq!((later[0].seed, &later[0].truth), (some[2].seed, &some[2].truth));
        assert_ne!(some[0].picture.rgb, some[1].picture.rgb);
    }

    #[test]
    fn files_are_named_after_the_output() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        assert_eq!(files(Some(&at("a.png")), 1).unwrap(), [at("a.png")]);
        assert_eq!(files(Some(&at("a.png")), 2).unwrap(), [at("a-1.png"), at("a-2.png")]);
        assert_eq!(files(Some(&at("a")), 2).unwrap(), [at("a-1.png"), at("a-2.png")]);
        assert!(files(None, 2).unwrap().is_empty());
        assert!(files(Some(&at("no/such/a.png")), 1).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_wrong_is_set_right() {
        let truth = Truth { question: "How many?".into(), expected: "three".into(), ..Truth::default() };
        let picture = Picture { width: 1, height: 1, rgb: vec![0; 3] };
        let drawn = Drawn { seed: 1, picture, skill: "count", truth };
        assert_eq!(as_text(&drawn, "3", true), "question  How many?\nanswer    3\n          right");
        assert!(as_text(&drawn, "4\u{1b}[2J", false).ends_with("answer    4\\u{1b}[2J\n          wrong: three"));
        assert!(Metric::Exact.score("3", &drawn.truth) > 0.0);
    }
}
