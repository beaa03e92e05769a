//! `smolvlm eval`: how many questions of a data set, or of a benchmark, a model answers rightly.

mod list;
#[cfg(feature = "net")]
mod server;
mod shown;
mod table;

use crate::clips::FrameArgs;
use crate::error::Error;
use crate::options::{ColumnArgs, ModelArgs, PictureArgs, sources};
use crate::output::print_line;
use crate::signals::stop_on_signals;
use clap::ValueEnum;
use shown::Shown;
use smolvlm_engine::Engine;
use smolvlm_eval::{
    Control, Evaluation, Metric, Options, Outcome, Prompts, Rule, Shard, Style, Task, against, markdown, merge,
    overview,
};
use smolvlm_processor::ClipMode;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const EXAMPLES: &str = "\
Examples:
  smolvlm eval -m MODEL --data questions.jsonl
  smolvlm eval -m MODEL --adapter out/latest --data val.parquet --metric vqa --limit 500
  smolvlm eval -m MODEL --data docvqa/validation --metric anls --prompt \"Give a short answer.\" -o out
  smolvlm eval -m MODEL --data clips.jsonl --metric choice      clips, as the first SmolVLM's script shows them
  smolvlm eval -m MODEL --data questions.jsonl --blank          what can be guessed

Benchmarks by name:
  smolvlm eval --list
  smolvlm eval chartqa docvqa -m smolvlm-256m --dtype f32       their rows come from the hub, prompts as VLMEvalKit's
  smolvlm eval mmmu -m MODEL --data MMMU_DEV_VAL.tsv            or from a file or folder as they are published
  smolvlm eval vqav2 -m BASE --prompts m4 --shots 4             behind four answered questions
  smolvlm eval chartqa -m MODEL --shard 0/4 -o part0            a fourth of the rows; parts 1 to 3 elsewhere
  smolvlm eval --merge part0 part1 part2 part3 -o whole
  smolvlm eval chartqa -m MODEL --quant q4 --against eval/smolvlm-256m-chartqa
  smolvlm eval pope --server http://127.0.0.1:8080 -m NAME      any server of the OpenAI API
  smolvlm eval my-task.toml -m MODEL --data rows.parquet        a task of one's own (docs/evaluation.md)

Every answer of the assistant in the data is a question, asked behind all that stands before it. The folder gets \
answers.jsonl, scores.json and report.html, a page of pictures with right and wrong answers. The same command goes on \
where it was killed.";

/// Score a model's answers to the questions of a data set, or of benchmarks by their names
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Benchmarks, by name or by a file of one's own (.toml)
    #[arg(value_name = "TASK")]
    tasks: Vec<String>,
    #[command(flatten)]
    model: ModelArgs,
    /// What to ask: any data that smolvlm train reads; may be repeated. Of a benchmark: the file or the folder of its rows; of
    /// several one folder with a folder of each one's name [default: what the hub has]
    #[arg(long, value_name = "DATA", required_unless_present_any = ["tasks", "list", "merge"])]
    data: Vec<PathBuf>,
    /// Show the benchmarks that are known
    #[arg(long)]
    list: bool,
    /// Put the parts of an evaluation together; or score one that is done anew
    #[arg(long, value_name = "FOLDER", num_args = 1.., conflicts_with_all = ["tasks", "data"], requires = "output")]
    merge: Vec<PathBuf>,
    /// Tell how far the scores are from those of another evaluation of the same questions
    #[arg(long, value_name = "FOLDER")]
    against: Option<PathBuf>,
    /// How answers are scored [default: exact; of a benchmark its own way]
    #[arg(long, value_enum)]
    metric: Option<MetricArg>,
    /// Whose prompts a benchmark is asked with
    #[arg(long, value_enum, default_value_t, requires = "tasks")]
    prompts: StyleArg,
    /// So many answered questions in front of each of a benchmark's
    #[arg(long, value_name = "N", default_value_t = 0, requires = "tasks")]
    shots: usize,
    /// The file or folder of the rows that stand in front [default: the benchmark's other rows]
    #[arg(long, value_name = "DATA", requires = "shots")]
    support: Option<PathBuf>,
    /// The folder below which a benchmark's clips are [default: where its rows are]
    #[arg(long, value_name = "FOLDER", requires = "tasks")]
    media: Option<PathBuf>,
    /// Ask a server of the OpenAI API, not a model here; -m is the model's name there
    #[cfg(feature = "net")]
    #[arg(long, value_name = "URL", conflicts_with_all = ["adapter", "list", "merge"])]
    server: Option<String>,
    /// Ask about N rows, drawn by --seed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Ask about the I-th part of N, counted from 0, to be put together by --merge
    #[arg(long, value_name = "I/N", value_parser = shard, default_value = "0/1")]
    shard: Shard,
    /// Show grey of the same size in the place of every picture
    #[arg(long, conflicts_with = "shuffle")]
    blank: bool,
    /// Show every question another row's pictures
    #[arg(long)]
    shuffle: bool,
    /// Where draws begin
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The most tokens of an answer [default: 128; of a benchmark as its prompts' makers have it, 2048 or 40]
    #[arg(short = 'n', long, visible_alias = "max-new-tokens", value_name = "N")]
    max_tokens: Option<usize>,
    /// Questions that are answered side by side; more are faster and need more memory
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=512))]
    batch: u16,
    /// The column of skills, by which scores are grouped [default: skill]
    #[arg(long, value_name = "COLUMN")]
    skill_column: Option<String>,
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    pictures: PictureArgs,
    #[command(flatten)]
    clips: FrameArgs,
    /// Where answers, scores and the page go; what a finished evaluation left there is replaced; of several benchmarks each has a
    /// folder in it [default: eval/MODEL-DATA-METRIC]
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Print one JSON object; of several benchmarks a list
    #[arg(long)]
    json: bool,
}

/// `--metric`
#[derive(Clone, Copy, ValueEnum)]
enum MetricArg {
    /// the same words, but for case, punctuation, articles and numbers written out
    Exact,
    /// VQAv2's accuracy over ten annotators' answers
    Vqa,
    /// how many letters are right, as in DocVQA
    Anls,
    /// numbers less than 5 % off, as in ChartQA
    Relaxed,
    /// the letter of an option
    Choice,
    /// the option whose letter is the likeliest; nothing is written
    Likelihood,
}

impl From<MetricArg> for Metric {
    fn from(metric: MetricArg) -> Metric {
        match metric {
            MetricArg::Exact => Metric::Exact,
            MetricArg::Vqa => Metric::Vqa,
            MetricArg::Anls => Metric::Anls,
            MetricArg::Relaxed => Metric::Relaxed,
            MetricArg::Choice => Metric::Choice,
            MetricArg::Likelihood => Metric::Likelihood,
        }
    }
}

/// `--prompts`
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum StyleArg {
    /// VLMEvalKit's for SmolVLM, behind the published scores
    #[default]
    Vlmevalkit,
    /// m4's, with which the family was made
    M4,
    /// the question, and options by letter, in the model's own template
    Plain,
}

impl From<StyleArg> for Style {
    fn from(style: StyleArg) -> Style {
        match style {
            StyleArg::Vlmevalkit => Style::VlmEvalKit,
            StyleArg::M4 => Style::M4,
            StyleArg::Plain => Style::Plain,
        }
    }
}

/// `I/N`
fn shard(text: &str) -> Result<Shard, String> {
    let parse = |text: &str| text.trim().parse::<usize>().ok();
    let parts = text.split_once('/').and_then(|(index, of)| Some((parse(index)?, parse(of)?)));
    match parts {
        Some((index, of)) if index < of => Ok(Shard { index, of }),
        _ => Err("I/N would be right, I from 0 to N - 1, as 0/4".to_owned()),
    }
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    if args.list {
        return list::print(args.json);
    }
    if !args.merge.is_empty() {
        let output = args.output.clone().unwrap_or_default();
        let outcome = merge(&args.merge, &output)?;
        return report(args, &[outcome], &output);
    }
    let model = Model::open(args)?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stop, "stopping; the answers so far are kept, and the same command goes on")?;
    let mut outcomes = Vec::new();
    if args.tasks.is_empty() {
        let mut columns = args.columns.columns();
        columns.skill.clone_from(&args.skill_column);
        let options = options(args, args.metric.map_or(Metric::Exact, Metric::from), None);
        outcomes.push(model.run(&Evaluation::open(&sources(&args.data, &columns)?, options)?, &stop)?);
    }
    for name in &args.tasks {
        outcomes.push(model.run(&benchmark(args, name, &model)?, &stop)?);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    if let (true, Some(output)) = (outcomes.len() > 1, &args.output) {
        let page = overview(output, &outcomes)?;
        let _ = writeln!(std::io::stderr(), "all of them in {}", page.display());
    }
    let folder = outcomes.first().and_then(|outcome| outcome.answers.parent()).unwrap_or(Path::new("")).to_owned();
    report(args, &outcomes, &folder)
}

/// A benchmark's questions.
fn benchmark(args: &Args, name: &str, model: &Model) -> Result<Evaluation, Error> {
    let task = Task::open(name)?;
    let path = match args.data.as_slice() {
        [] => crate::pull::task(&task)?,
        [path] if args.tasks.len() > 1 => of_its_own(path, &task).unwrap_or_else(|| path.clone()),
        [path] => path.clone(),
        _ => return Error::usage("the rows of a benchmark are in one place: --data once"),
    };
    let metric = match args.metric {
        Some(metric) => metric.into(),
        None => Rule::named(task.metric()).map_or(Metric::Exact, Metric::Rule),
    };
    let prompts = Prompts {
        style: args.prompts.into(),
        shots: args.shots,
        support: args.support.clone(),
        media: args.media.clone(),
        second: model.is_second(),
    };
    let options = options(args, metric, Some(&task));
    Ok(Evaluation::of_task(task, &path, prompts, options)?)
}

/// The folder of a benchmark below one for several: it has its name, in letters of either case.
fn of_its_own(folder: &Path, task: &Task) -> Option<PathBuf> {
    let is_its = |name: &str| name.eq_ignore_ascii_case(&task.name) || name.eq_ignore_ascii_case(&task.title);
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    entries.map(|entry| entry.path()).find(|path| path.file_name().is_some_and(|name| is_its(&name.to_string_lossy())))
}

/// Who answers.
enum Model {
    Here(Box<Engine>),
    #[cfg(feature = "net")]
    There(server::Api, String),
}

impl Model {
    fn open(args: &Args) -> Result<Model, Error> {
        #[cfg(feature = "net")]
        if let Some(url) = &args.server {
            return Ok(Model::There(server::Api::new(url)?, args.model.model.name()?.to_owned()));
        }
        Ok(Model::Here(Box::new(args.model.open()?)))
    }

    /// Whether it is SmolVLM2; of a server's as its name tells.
    fn is_second(&self) -> bool {
        match self {
            Model::Here(engine) => {
                let sight = engine.processor().settings().sight.as_ref();
                sight.is_some_and(|sight| sight.clips.mode == ClipMode::SmolVlm2)
            }
            #[cfg(feature = "net")]
            Model::There(_, name) => name.to_lowercase().contains("smolvlm2"),
        }
    }

    fn run(&self, evaluation: &Evaluation, stop: &Arc<AtomicBool>) -> Result<Outcome, Error> {
        let mut shown = Shown::new(stop);
        let outcome = match self {
            Model::Here(engine) => evaluation.run(engine, &mut shown),
            #[cfg(feature = "net")]
            Model::There(api, _) => evaluation.run_on(api, &mut shown),
        };
        shown.clear();
        Ok(outcome?)
    }
}

fn options(args: &Args, metric: Metric, task: Option<&Task>) -> Options {
    let control = match (args.blank, args.shuffle) {
        (true, _) => Some(Control::Blank),
        (_, true) => Some(Control::Shuffle),
        _ => None,
    };
    let own = task.map_or(128, |_| Style::from(args.prompts).max_tokens());
    Options {
        model: args.model.names().collect::<Vec<_>>().join(" + "),
        precision: args.model.precision.to_string(),
        metric,
        control,
        limit: args.limit,
        shard: args.shard,
        seed: args.seed,
        batch: args.batch.into(),
        max_tokens: args.max_tokens.unwrap_or(own),
        plan: args.pictures.plan(),
        clips: args.clips.choice(),
        decode: args.pictures.decode(),
        output: folder(args, metric, control, task),
    }
}

/// `eval/MODEL-DATA-METRIC`, of the names' last parts, or what is asked for.
fn folder(args: &Args, metric: Metric, control: Option<Control>, task: Option<&Task>) -> PathBuf {
    if let Some(output) = &args.output {
        return match task {
            Some(task) if args.tasks.len() > 1 => output.join(&task.name),
            _ => output.clone(),
        };
    }
    let last = |name: &Path| name.file_stem().map(|stem| stem.to_string_lossy().replace([':', '='], "-"));
    let mut parts: Vec<String> = args.model.names().filter_map(|name| last(Path::new(name))).collect();
    match task {
        Some(task) => {
            parts.push(task.name.clone());
            let style = Style::from(args.prompts);
            parts.extend((style != Style::VlmEvalKit).then(|| style.name().to_owned()));
            parts.extend((args.shots > 0).then(|| format!("{}-shots", args.shots)));
            parts.extend(args.metric.map(|metric| Metric::from(metric).name().to_owned()));
        }
        None => {
            parts.extend(args.data.iter().filter_map(|path| last(path)));
            parts.push(metric.name().to_owned());
        }
    }
    parts.extend(control.map(|control| control.name().to_owned()));
    if args.shard.of > 1 {
        parts.push(format!("{}-of-{}", args.shard.index, args.shard.of));
    }
    Path::new("eval").join(parts.join("-"))
}

/// The scores on stdout, and where the rest is on stderr.
fn report(args: &Args, outcomes: &[Outcome], folder: &Path) -> Result<(), Error> {
    let differences = args.against.as_ref().map(|other| against(folder, other)).transpose()?.unwrap_or_default();
    outcomes.iter().for_each(table::notes);
    if args.json {
        let mut all: Vec<serde_json::Value> = outcomes.iter().map(|outcome| outcome.json.clone()).collect();
        if let (Some(serde_json::Value::Object(json)), false) = (all.first_mut(), differences.is_empty()) {
            json.insert("against".to_owned(), table::differences_json(&differences));
        }
        return match all.as_slice() {
            [only] => print_line(&only.to_string()),
            all => print_line(&serde_json::Value::from(all).to_string()),
        };
    }
    let mut lines: Vec<String> = outcomes.iter().map(table::table).collect();
    if outcomes.len() > 1 {
        lines.push(markdown(outcomes));
    }
    if !differences.is_empty() {
        lines.push(table::differences(&differences, args.against.as_deref()));
    }
    print_line(&lines.join("\n\n"))
}
